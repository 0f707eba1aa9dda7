"""`grow-dictionary --rounds`: label, train, grow, and again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ner_distill.commands.dictionaries import ROUNDS
from ner_distill.config import TeacherConfig, load_config
from ner_distill.errors import ConfigError, NerDistillError, RunError, TrainingError
from ner_distill.options.labels import GrowOptions, LabelDictionaryOptions
from ner_distill.pipelines.dictionaries import grow_rounds as module
from ner_distill.pipelines.dictionaries.grow_rounds import GrowthRound, grow_rounds
from ner_distill.pipelines.dictionaries.label_dictionary import label_dictionary
from ner_distill.runs.info import read_config
from ner_distill.training.rounds import Rounds
from tests import corpora
from tests.commands import ok, run, settings, snapshot
from tests.world import World

SETTINGS = (*corpora.SMALL, "optim.epochs=4", "loss.prior_from=dev")
Grown = Rounds[GrowthRound]
NAMES = {"PER": "Peter\nIvan\nMaria Garcia\n", "LOC": "Oslo\nNew York\n", "ORG": "Acme\n"}


class Setting:
    """Files of a small corpus, and dictionaries that know half of its names."""

    def __init__(self, root: Path) -> None:
        corpora.write_all(root, train=1, dev=20, raw=60)
        self.root, self.text, self.dev = root, root / "raw.txt", root / "dev.conll"
        for label, names in NAMES.items():
            (root / f"{label}.txt").write_text(names, "utf-8")
        self.lists = [f"{label}={root / label}.txt" for label in NAMES]

    def grow(self, out: Path, **options: Any) -> Grown:
        given: dict[str, Any] = {"rounds": 2, "min_count": 2, "text": [self.text]}
        given |= {"dictionary": self.lists, "dev": [self.dev], **options}
        config = load_config(TeacherConfig, None, [*ROUNDS, *given.pop("settings", SETTINGS)])
        return grow_rounds(config, GrowOptions(out=out, **given))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def grown(corpus: Setting) -> Grown:
    """Two rounds."""
    return corpus.grow(corpus.root / "grown")


@pytest.fixture
def copy(corpus: Setting, grown: Grown, tmp_path: Path) -> Path:
    return Path(shutil.copytree(corpus.root / "grown", tmp_path / "grown"))


def bare(rounds: Grown) -> list[Any]:
    return [(one.number, one.forms, one.added, one.f1) for one in rounds.rounds]


def test_each_round_learns_from_the_dictionaries_of_the_one_before(
    grown: Grown, tmp_path: Path, corpus: Setting
) -> None:
    first, second = grown.rounds
    assert any(first.added.values())
    assert second.forms == {label: first.forms[label] + first.added[label] for label in first.forms}
    for one, lists in (
        (first, corpus.lists),
        (second, [f"{label}={first.dictionaries / label}.txt" for label in NAMES]),
    ):
        expected = tmp_path / f"{one.number}.jsonl"
        label_dictionary(LabelDictionaryOptions(dictionary=lists, text=[corpus.text], out=expected))
        assert (one.teacher.parent / "labelled.jsonl").read_bytes() == expected.read_bytes()


def test_a_round_can_be_looked_at(grown: Grown) -> None:
    for one in grown.rounds:
        folder = one.teacher.parent
        assert {path.name for path in folder.iterdir()} == {"labelled.jsonl", "teacher", "dictionaries", "round.json"}
        assert json.loads((one.teacher / "metrics.json").read_text())["dev"]["micro"]["f1"] == one.f1
        assert {label: len(forms) for label, forms in _summary(one)["added"].items()} == one.added


def _summary(one: GrowthRound) -> dict[str, Any]:
    found = json.loads((one.dictionaries / "summary.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_teachers_learn_that_labels_are_missing(grown: Grown) -> None:
    assert [read_config(one.teacher, TeacherConfig).loss.kind for one in grown.rounds] == ["pu", "pu"]


def test_the_best_teacher_is_that_of_the_highest_score_and_of_equals_the_first() -> None:
    scores = (0.5, 0.7, 0.7, 0.6)
    rounds = tuple(GrowthRound(number, Path(), Path(), {}, {}, f1) for number, f1 in enumerate(scores, start=1))
    assert Rounds(rounds, False).best.number == 2


def test_it_ends_where_nothing_is_new(corpus: Setting, tmp_path: Path) -> None:
    found = corpus.grow(tmp_path / "out", rounds=5, min_count=10_000)
    assert (len(found.rounds), found.stopped) == (1, True)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["nothing_new"] is True


def test_the_first_round_may_grow_by_a_run_that_is_there(world: World, corpus: Setting, tmp_path: Path) -> None:
    found = corpus.grow(tmp_path / "out", rounds=1, model=world.student)
    assert found.rounds[0].teacher == world.student
    assert {path.name for path in (tmp_path / "out" / "round-1").iterdir()} == {"dictionaries", "round.json"}
    ok("evaluate", "--model", world.student, "--data", corpus.dev, "--json", tmp_path / "scores.json")
    assert found.rounds[0].f1 == json.loads((tmp_path / "scores.json").read_text())["micro"]["f1"]


# ---- stopped and resumed


def test_finished_rounds_are_used_as_they_are(
    corpus: Setting, grown: Grown, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: content for name, content in snapshot(copy).items() if name != "log.txt"}
    for name in ("label_dictionary", "train_teacher", "grow_dictionary"):
        monkeypatch.setattr(module, name, None)
    assert bare(corpus.grow(copy, resume=True)) == bare(grown)
    after = snapshot(copy)
    assert {name: after[name] for name in before if name != "summary.json"} == {
        name: content for name, content in before.items() if name != "summary.json"
    }


@pytest.mark.parametrize(
    "lost", ["round.json", "dictionaries/summary.json", "teacher/metrics.json", "teacher/labels.json", "labelled.jsonl"]
)
def test_a_round_that_was_stopped_goes_on_and_ends_alike(corpus: Setting, grown: Grown, copy: Path, lost: str) -> None:
    (copy / "round-2" / "round.json").unlink()
    (copy / "round-2" / lost).unlink(missing_ok=True)
    assert bare(corpus.grow(copy, resume=True)) == bare(grown)


def test_a_training_that_fails_leaves_what_is_finished(
    corpus: Setting, grown: Grown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = module.train_teacher

    def stopped(config: Any, options: Any, *more: Any, **keywords: Any) -> Any:
        if options.out.parent.name == "round-2":
            raise TrainingError("stopped")
        return train(config, options, *more, **keywords)

    monkeypatch.setattr(module, "train_teacher", stopped)
    with pytest.raises(TrainingError, match="stopped"):
        corpus.grow(tmp_path / "out")
    assert len(json.loads((tmp_path / "out" / "summary.json").read_text())["rounds"]) == 1
    monkeypatch.undo()
    assert bare(corpus.grow(tmp_path / "out", resume=True)) == bare(grown)


def test_fewer_rounds_than_are_finished_are_refused(corpus: Setting, grown: Grown, copy: Path) -> None:
    before = snapshot(copy)
    with pytest.raises(ConfigError, match=f"`rounds`: .* has {len(grown.rounds) - 1} more finished than are asked for"):
        corpus.grow(copy, resume=True, rounds=1)
    assert snapshot(copy) == before


def test_a_summary_is_never_written_with_less_than_is_finished(
    corpus: Setting, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (copy / "summary.json").read_bytes()

    def stopped(directory: Path, number: int, teacher: Path) -> Any:
        if number == 2:
            raise TrainingError("stopped")
        return read(directory, number, teacher)

    read = module._read_round
    monkeypatch.setattr(module, "_read_round", stopped)
    with pytest.raises(TrainingError, match="stopped"):
        corpus.grow(copy, resume=True)
    assert (copy / "summary.json").read_bytes() == before


def test_resuming_with_other_settings_or_files_is_refused(corpus: Setting, copy: Path, tmp_path: Path) -> None:
    before = snapshot(copy)
    with pytest.raises(ConfigError, match=r"`resume`: optim\.epochs was 4, now 5"):
        corpus.grow(copy, resume=True, settings=[*SETTINGS, "optim.epochs=5"])
    with pytest.raises(ConfigError, match=r"`resume`: min_count was 2, now 3"):
        corpus.grow(copy, resume=True, min_count=3)
    (tmp_path / "PER.txt").write_text("Peter\n", "utf-8")
    with pytest.raises(RunError, match=r"`resume`: the files of `dictionary` PER are not those"):
        corpus.grow(copy, resume=True, dictionary=[f"PER={tmp_path / 'PER.txt'}", *corpus.lists[1:]])
    assert snapshot(copy) == before


def test_nothing_is_overwritten_unasked_and_nothing_foreign_ever(corpus: Setting, copy: Path) -> None:
    with pytest.raises(RunError, match=r"`resume`.*`overwrite`"):
        corpus.grow(copy)
    (copy / "mine.txt").write_text("x")
    with pytest.raises(RunError, match=r"holds mine\.txt that grow-dictionary did not make"):
        corpus.grow(copy, overwrite=True)
    (copy / "mine.txt").unlink()
    assert len(corpus.grow(copy, overwrite=True, rounds=1).rounds) == 1
    assert not (copy / "round-2").exists()


# ---- wrong input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, r"`rounds`: expected 1 or more"),
        ({"dev": []}, r"give `dev` FILE"),
        ({"text": ["-"]}, r"standard input is read once"),
        ({"resume": True, "overwrite": True}, r"give one of them"),
        ({"resume": True}, r"there is no growing to go on with"),
        ({"settings": ["loss.prior.PERS=0.1"]}, r"loss\.prior: no type 'PERS'; the dictionaries have PER, LOC, ORG"),
        ({"settings": ["loss.kind=pu", "head.kind=crf"]}, r"found head\.kind"),
        ({"model": Path("nowhere")}, r"nowhere: no such directory"),
        ({"dictionary": ["PER=nowhere.txt"]}, r"nowhere\.txt"),
        ({"dev": ["nowhere.conll"]}, r"nowhere\.conll"),
    ],
)
def test_wrong_input_is_said_before_anything_is_made(
    corpus: Setting, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(NerDistillError, match=message):
        corpus.grow(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_type_without_a_name_in_the_text_is_refused(corpus: Setting, tmp_path: Path) -> None:
    (tmp_path / "misc.txt").write_text("Zzyzx\n", "utf-8")
    with pytest.raises(NerDistillError, match="`dictionary` MISC: none of its entries stands in the text"):
        corpus.grow(tmp_path / "out", dictionary=[*corpus.lists, f"MISC={tmp_path / 'misc.txt'}"])
    assert not (tmp_path / "out").exists()


# ---- the command


def test_the_command_prints_the_rounds_and_the_best_teacher(corpus: Setting, grown: Grown, copy: Path) -> None:
    lists = [part for one in corpus.lists for part in ("--dictionary", one)]
    done = ok(
        "grow-dictionary", "--rounds", "2", "--dev", corpus.dev, "--text", corpus.text, *lists, "--out", copy,
        "--min-count", "2", "--resume", *settings(*SETTINGS),
    )  # fmt: skip
    first, best = grown.rounds[0], grown.best
    assert f"{first.forms['PER']} + {first.added['PER']}" in done.out
    assert f"best teacher: round {best.number}, {copy / f'round-{best.number}' / 'teacher'}" in done.out
    assert f"(development F1 {100 * best.f1:.2f})" in done.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "runs/x", "--dev", "dev.conll"), "--dev: for the teachers of several rounds; give --rounds N"),
        (("--model", "runs/x", "--overwrite"), "--overwrite: for the teachers of several rounds"),
        ((), "give --model RUN to grow by what it finds, or --rounds N and --dev FILE"),
        (("--rounds", "2"), "give --dev FILE"),
        (("--rounds", "0", "--dev", "dev.conll"), "--rounds"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    corpus: Setting, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    common = ("--text", corpus.text, "--dictionary", corpus.lists[0], "--out", tmp_path / "out")
    done = run("grow-dictionary", *common, *options)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()
