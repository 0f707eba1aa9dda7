"""`train-teacher --folds`: voting first, then the teacher; its fold teachers vote on raw text."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_conll, write_jsonl
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.manifest import Manifest
from ner_distill.data.store.pseudo_labels import labelled_row
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.pipelines.voting import folds as module
from ner_distill.pipelines.voting.train_voted import train_voted
from ner_distill.runs.build import load_run
from ner_distill.runs.facts import fingerprint
from ner_distill.runs.info import fold_teachers
from ner_distill.runtime.inference import find_entities
from tests import corpora
from tests.commands import ok, run, settings

SHORT = (*corpora.SMALL, "encoder.min_count=1", "optim.epochs=10", "similarity.weight=0", "adversarial.kind=none",
         "optim.ema=0")  # fmt: skip
SWAPPED = Sentence("swapped", ("It", "rains", "in", "Madrid", "today", "."), (Span(3, 4, "PER"),))
SENTENCES = [*corpora.sentences(60, seed=1), SWAPPED]


def quiet() -> Reporter:
    return Reporter(quiet=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Training data in CoNLL columns, development data, raw text, and a run with three folds."""
    root = tmp_path_factory.mktemp("voted")
    given = {"train": root / "train.conll", "dev": root / "dev.jsonl", "raw": root / "raw.txt", "run": root / "run"}
    write_conll(SENTENCES, given["train"])
    write_jsonl(corpora.sentences(12, seed=5), given["dev"])
    raw = [" ".join(one.words) for one in corpora.sentences(10, seed=9)]
    given["raw"].write_text("\n".join(raw) + "\n", "utf-8")
    options = ("--folds", "3", "--action", "drop", *settings(*SHORT))
    ok("train-teacher", "--train", given["train"], "--dev", given["dev"], "--out", given["run"], *options)
    return given


@pytest.fixture
def copy(files: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """One whose run a test may change."""
    shutil.copytree(files["run"], tmp_path / "run")
    return {**files, "run": tmp_path / "run"}


def label(
    teachers: Sequence[Path], text: Path, out: Path, reporter: Reporter | None = None, **options: Any
) -> Manifest:
    files: dict[str, Any] = {"teacher": teachers, "text": [text], "out": out, "store_precision": "exact"}
    return label_unlabeled(LabelUnlabeledOptions(**files, **options), reporter or quiet())


def again(files: dict[str, Path], **changes: Any) -> Any:
    given: dict[str, Any] = {"folds": 3, "action": "drop", **changes}
    config = load_config(TeacherConfig, None, given.pop("settings", SHORT))
    paths: dict[str, Any] = {"train": [files["train"]], "dev": [files["dev"]], "out": files["run"]}
    return train_voted(config, TeacherOptions(**paths, **given), quiet())


def test_the_teacher_is_trained_on_what_the_votes_leave(files: dict[str, Path]) -> None:
    cleaned = files["run"] / "voting" / "cleaned.jsonl"
    inputs = json.loads((files["run"] / "inputs.json").read_text("utf-8"))
    assert [Path(one["name"]) for one in inputs["train"]] == [cleaned]
    swapped = next(one for one in read_corpus([cleaned]).sentences if one.words == SWAPPED.words)
    assert Span(3, 4, "PER") not in (swapped.spans or ())


def test_the_fold_teachers_are_kept_and_can_be_asked_alone(files: dict[str, Path]) -> None:
    folds = fold_teachers(files["run"])
    assert [path.name for path in folds] == ["r1-f1", "r1-f2", "r1-f3"]
    assert {load_run(path).info for path in folds} == {load_run(files["run"]).info}


def test_keep_trains_on_the_labels_as_they_are(files: dict[str, Path], tmp_path: Path) -> None:
    other = {**files, "run": tmp_path / "keep"}
    again(other, action="keep", folds=2, settings=[*SHORT, "optim.epochs=1"])
    cleaned = read_corpus([other["run"] / "voting" / "cleaned.jsonl"]).sentences
    assert [one.spans for one in cleaned] == [one.spans for one in SENTENCES]
    assert len(fold_teachers(other["run"])) == 2


def test_folds_are_trained_as_their_teacher_is(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TeacherOptions] = []
    original = module.train_teacher

    def train(config: TeacherConfig, options: TeacherOptions, *given: Any, **more: Any) -> Any:
        seen.append(options)
        return original(config, options, *given, **more)

    monkeypatch.setattr(module, "train_teacher", train)
    other = {**files, "run": tmp_path / "run"}
    again(other, folds=2, max_words=40, track=["none"], settings=[*SHORT, "optim.epochs=1"])
    assert [(options.max_words, list(options.track)) for options in seen] == [(40, ["none"])] * len(seen)
    assert len(seen) >= 2
    assert not list((tmp_path / "run").rglob("tensorboard"))


# ---- votes on raw text


def test_with_min_votes_the_fold_teachers_answer_in_place_of_their_teacher(
    files: dict[str, Path], tmp_path: Path
) -> None:
    said = io.StringIO()
    given: dict[str, Any] = {"min_votes": 2, "precision": "fp32", "reporter": Reporter(stream=said)}
    voted = label([files["run"]], files["raw"], tmp_path / "voted", **given)
    assert [one.fingerprint for one in voted.teachers] == [fingerprint(path) for path in fold_teachers(files["run"])]
    assert "3 fold teachers of" in said.getvalue()
    several = label(fold_teachers(files["run"]), files["raw"], tmp_path / "several", **given)
    rows = [
        [(row.id, row.probs.tolist(), row.keep.tolist()) for block in store.read_shard(0) for row in block.rows]
        for store in (SoftLabelStore.open(tmp_path / "voted"), SoftLabelStore.open(tmp_path / "several"))
    ]
    assert rows[0] == rows[1]
    assert several.teachers == voted.teachers


@pytest.mark.parametrize("needed", [2, 3])
def test_labels_made_of_what_is_kept_have_enough_votes_and_miss_none(
    needed: int, files: dict[str, Path], tmp_path: Path
) -> None:
    # as `self-train` makes labels: the mean of the probabilities may say what no teacher does, or hide what most say
    options: dict[str, Any] = {"min_votes": needed, "pairs_per_sentence": 0, "precision": "fp32"}
    label([files["run"]], files["raw"], tmp_path / "soft", **options)
    store = SoftLabelStore.open(tmp_path / "soft")
    rows = [row for block in store.read_shard(0) for row in block.rows]
    votes: list[Counter[Span]] = [Counter() for _ in rows]
    for path in fold_teachers(files["run"]):
        built: Any = load_run(path)
        features = [built.featurizer.features(row.words) for row in rows]
        found = find_entities(built.tagger, built.featurizer, built.info.tagset, features, scores=False)
        for count, entities in zip(votes, found, strict=True):
            count.update(span for span, _ in entities)
    kept = 0
    for row, count in zip(rows, votes, strict=True):
        labelled = labelled_row(row, store.tagset)
        labels = set(labelled.spans or ()) if labelled else set()
        assert all(count[span] >= needed for span in labels)
        for span in (span for span, number in count.items() if number >= needed):
            assert span in labels or not any(row.keep[span.start : span.end])
        kept += len(labels)
    assert kept > 0


def test_without_votes_the_teacher_answers_itself(files: dict[str, Path], tmp_path: Path) -> None:
    store = label([files["run"]], files["raw"], tmp_path / "soft")
    assert [one.name for one in store.teachers] == [str(files["run"])]


def test_votes_of_a_teacher_without_folds_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    alone = fold_teachers(files["run"])[0]
    with pytest.raises(ConfigError, match=r"`min_votes` 2: .* is one teacher without fold teachers; give several"):
        label([alone], files["raw"], tmp_path / "x", min_votes=2)
    assert not (tmp_path / "x").exists()


def test_votes_of_an_unfinished_run_are_refused(copy: dict[str, Path], tmp_path: Path) -> None:
    (copy["run"] / "metrics.json").unlink()
    with pytest.raises(ConfigError, match="its training is not finished; go on with train-teacher and `resume`"):
        label([copy["run"]], copy["raw"], tmp_path / "x", min_votes=2)


def test_votes_of_what_is_no_run_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="this is not a run of ner-distill"):
        label([tmp_path], files["raw"], tmp_path / "x", min_votes=2)


def test_more_votes_than_folds_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`min_votes` 4: expected 1 to 3, the number of teachers"):
        label([files["run"]], files["raw"], tmp_path / "x", min_votes=4)


# ---- answers on what the teacher was trained on


def stored(out: Path) -> dict[str, tuple[tuple[str, ...], Any]]:
    """By id: the words, and the probabilities of their tags."""
    return {row.id: (row.words, row.probs) for row in SoftLabelStore.open(out).iter_rows()}


def test_fold_teachers_answer_on_the_training_sentences_that_they_did_not_see(
    files: dict[str, Path], tmp_path: Path
) -> None:
    said = io.StringIO()
    both = [files["train"], files["raw"]]
    given: dict[str, Any] = {"precision": "fp32", "text": both, "store_precision": "exact"}
    options = LabelUnlabeledOptions(teacher=[files["run"]], out=tmp_path / "soft", out_of_fold=True, **given)
    manifest = label_unlabeled(options, Reporter(stream=said))
    trained = {sentence.words for sentence in SENTENCES}
    held_out = {
        one.words: fold
        for fold in fold_teachers(files["run"])
        for one in read_corpus([fold.with_suffix(".data") / "held-out.jsonl"]).sentences
    }
    expected = {}
    for run_of in (files["run"], *fold_teachers(files["run"])):
        alone = LabelUnlabeledOptions(teacher=[run_of], out=tmp_path / f"alone-{run_of.name}", **given)
        label_unlabeled(alone, quiet())
        expected[run_of] = stored(alone.out)
    differs = 0
    for id, (words, probs) in stored(tmp_path / "soft").items():
        whose = held_out[words] if words in trained else files["run"]
        np.testing.assert_allclose(probs.astype(float), expected[whose][id][1].astype(float), atol=2e-3)
        differs += bool(np.abs(probs.astype(float) - expected[files["run"]][id][1].astype(float)).max() > 0.01)
    assert differs > 5
    seen = sum(words in trained for words, _ in stored(tmp_path / "soft").values())
    assert manifest.summary["sentences answered out of fold"] == seen
    assert f"{seen} of 71 sentences stand in training text: fold teachers answered them" in said.getvalue()


def test_a_store_out_of_fold_goes_on_as_it_began(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "soft"
    label([files["run"]], files["train"], out, out_of_fold=True, shard_size=16)
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "part-00001.parquet").unlink()
    label([files["run"]], files["train"], out, out_of_fold=True, shard_size=16, resume=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole
    with pytest.raises(RunError, match="settings.out_of_fold: the store has .*, this run has nothing"):
        label([files["run"]], files["train"], out, shard_size=16, resume=True)


def test_text_in_which_no_training_sentence_stands_is_warned_of(files: dict[str, Path], tmp_path: Path) -> None:
    said = io.StringIO()
    (tmp_path / "new.txt").write_text("Nothing like it .\n", "utf-8")
    label([files["run"]], tmp_path / "new.txt", tmp_path / "soft", Reporter(stream=said), out_of_fold=True)
    assert "`out_of_fold`: 0 of 1 sentences stand in training text" in said.getvalue()


def test_runs_that_cannot_answer_out_of_fold_are_refused(copy: dict[str, Path], tmp_path: Path) -> None:
    fold = fold_teachers(copy["run"])[0]
    with pytest.raises(ConfigError, match=r"`out_of_fold`: .*r1-f1 has no fold teachers; give one that train-teacher"):
        label([fold], copy["raw"], tmp_path / "x", out_of_fold=True)
    (fold.with_suffix(".data") / "held-out.jsonl").unlink()
    with pytest.raises(RunError, match="held-out.jsonl: not found; so the run does not say what this fold teacher did"):
        label([copy["run"]], copy["raw"], tmp_path / "x", out_of_fold=True)
    assert not (tmp_path / "x").exists()


# ---- going on, and beginning anew


def test_resume_of_a_finished_run_trains_nothing(copy: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "do_fold", lambda task: pytest.fail(f"{task.run.name} was done again"))
    before = (copy["run"] / "model.safetensors").read_bytes()
    again(copy, resume=True)
    assert (copy["run"] / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("left", [(), ("config.toml",)], ids=["before the run began", "as it began"])
def test_resume_goes_on_after_the_folds(left: tuple[str, ...], copy: dict[str, Path]) -> None:
    expected = (copy["run"] / "model.safetensors").read_bytes()
    for entry in copy["run"].iterdir():
        if entry.name not in ("voting", *left):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    again(copy, resume=True)
    assert (copy["run"] / "model.safetensors").read_bytes() == expected


def test_resume_does_the_missing_fold_again_alone(copy: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copy["run"] / "voting" / "folds" / "r1-f2")
    done, really = [], module.do_fold
    monkeypatch.setattr(module, "do_fold", lambda task: (done.append(task.run.name), really(task)))
    again(copy, resume=True)
    assert done == ["r1-f2"]


def test_resume_with_other_data_is_refused(copy: dict[str, Path], tmp_path: Path) -> None:
    write_conll(SENTENCES[:-1], tmp_path / "other.conll")
    with pytest.raises(RunError, match="the files of `train` are not those"):
        again({**copy, "train": tmp_path / "other.conll"}, resume=True)


def test_resume_with_another_action_is_refused_and_leaves_the_labels(copy: dict[str, Path]) -> None:
    before = (copy["run"] / "voting" / "cleaned.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="`resume`: action was 'drop', now 'mask'"):
        again(copy, resume=True, action="mask")
    assert (copy["run"] / "voting" / "cleaned.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threshold": 0.5}, r"`resume`: threshold was 0\.95, now 0\.5"),
        ({"min_votes": ["PER=1"]}, r"`resume`: min_votes_of was \{\}, now \{'PER': 1\}"),
        ({"repeats": 2}, "`resume`: repeats was 1, now 2"),
    ],
)
def test_resume_with_other_rules_is_refused(changes: dict[str, Any], said: str, copy: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=said):
        again(copy, resume=True, **changes)


def test_resume_of_a_run_of_before_there_were_votes_by_type_goes_on(copy: dict[str, Path]) -> None:
    path = copy["run"] / "voting" / "summary.json"
    summary = json.loads(path.read_text("utf-8"))
    del summary["rules"]["min_votes_of"]
    path.write_text(json.dumps(summary))
    again(copy, resume=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_votes": 2}, r"`min_votes` 2: expected 0 to 1; an entity gets 1 votes at most \(`repeats`\)"),
        ({"min_votes": ["PRE=1"]}, "`min_votes` PRE=1: no such type; the data has LOC, ORG, PER"),
        ({"threshold": ["PER=1.5"]}, "`threshold` PER=1.5: a suspicion is from 0 to 1"),
        ({"repeats": 2, "min_votes": ["PER=3"]}, "`min_votes` PER=3: expected 0 to 2"),
    ],
)
def test_rules_that_no_vote_can_meet_are_refused(
    changes: dict[str, Any], said: str, files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        again({**files, "run": tmp_path / "x"}, **changes)
    assert not (tmp_path / "x").exists()


def test_repeats_give_each_label_so_many_votes_and_so_many_fold_teachers(
    files: dict[str, Path], tmp_path: Path
) -> None:
    other = {**files, "run": tmp_path / "twice"}
    again(other, folds=2, repeats=2, min_votes=["PER=2"], settings=[*SHORT, "optim.epochs=1"])
    assert len(fold_teachers(other["run"])) == 4
    summary = json.loads((other["run"] / "voting" / "summary.json").read_text("utf-8"))
    assert summary["rules"]["min_votes_of"] == {"PER": 2}
    lines = (other["run"] / "voting" / "votes.jsonl").read_text("utf-8").splitlines()
    assert {entity["of"] for line in lines for entity in json.loads(line)["entities"]} == {2}


@pytest.mark.parametrize("option", [("--repeats", "2"), ("--threshold", "PER=0.5"), ("--min-votes", "1")])
def test_options_of_the_voting_need_folds(option: tuple[str, str], files: dict[str, Path], tmp_path: Path) -> None:
    paths = ("--train", files["train"], "--dev", files["dev"], "--out", tmp_path / "x")
    done = run("train-teacher", *paths, *option)
    assert (done.code, f"{option[0]}: of the voting; give --folds as well" in done.err) == (2, True)


def test_standard_input_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="standard input is read once"):
        again({**files, "dev": Path("-"), "run": tmp_path / "x"})


@pytest.mark.parametrize("name", [".labels.json.123.tmp", ".config.toml.123.tmp"])
def test_what_an_interrupted_write_leaves_stops_nothing(name: str, copy: dict[str, Path]) -> None:
    expected = (copy["run"] / "model.safetensors").read_bytes()
    for entry in copy["run"].iterdir():
        if entry.name != "voting":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    (copy["run"] / name).write_text("{")
    again(copy, resume=True)
    assert (copy["run"] / "model.safetensors").read_bytes() == expected
    assert not (copy["run"] / name).exists()


def test_characters_stay_characters_in_folds_and_teacher(tmp_path: Path) -> None:
    # mixed text, whose words alone do not tell that they are characters
    lines = [
        {"text": f"Lee{n:02} met Ann at IBM {place} today", "label": {"LOC": {place: [[21, 22]]}}}
        for n, place in enumerate(["北京", "上海", "南京"] * 8)
    ]
    data = tmp_path / "a.json"
    data.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in lines) + "\n", "utf-8")
    given = {"train": data, "dev": data, "run": tmp_path / "run"}
    again(given, folds=2, action="keep", settings=[*SHORT, "optim.epochs=1"])
    infos = [load_run(path).info for path in [given["run"], *fold_teachers(given["run"])]]
    assert [one.unit for one in infos] == ["character"] * 3


def test_nothing_is_overwritten_unasked(copy: dict[str, Path]) -> None:
    with pytest.raises(RunError, match="exists and is not empty"):
        again(copy)
    shutil.move(copy["run"] / "voting", copy["run"].with_name("voting"))
    shutil.rmtree(copy["run"])
    shutil.move(copy["run"].with_name("voting"), copy["run"] / "voting")
    with pytest.raises(RunError, match="voting: exists and is not empty"):
        again(copy)


def test_overwrite_replaces_run_and_voting(copy: dict[str, Path]) -> None:
    again(copy, overwrite=True, folds=2, settings=[*SHORT, "optim.epochs=1"])
    assert len(fold_teachers(copy["run"])) == 2
    assert json.loads((copy["run"] / "metrics.json").read_text("utf-8"))


def test_a_run_is_not_replaced_for_input_that_is_wrong(copy: dict[str, Path], tmp_path: Path) -> None:
    before = (copy["run"] / "model.safetensors").read_bytes()
    (tmp_path / "dev.conll").write_text("Zorn\tB-KING\n\n", "utf-8")
    with pytest.raises(DataError, match=r"its labels \(KING\) are none of those"):
        again({**copy, "dev": tmp_path / "dev.conll"}, overwrite=True)
    with pytest.raises(ConfigError, match="`action`: expected drop"):
        again(copy, overwrite=True, action="burn")
    assert (copy["run"] / "model.safetensors").read_bytes() == before
    assert len(fold_teachers(copy["run"])) == 3


def test_an_action_without_folds_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    done = run(
        "train-teacher", "--train", files["train"], "--dev", files["dev"], "--out", tmp_path / "x", "--action", "drop"
    )
    assert done.code == 2
    assert "give --folds as well" in " ".join(done.err.replace("│", " ").split())
