"""Several teachers: weights that are given or found, and evaluators beside them."""

from __future__ import annotations

import io
import json
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tomli_w
import torch
from safetensors.torch import load_file, save_file

from ner_distill.console import Reporter
from ner_distill.data.formats.units import Cutting
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.manifest import Manifest
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.files import read_json, write_json
from ner_distill.options.models import LabelOptions, LabelUnlabeledOptions
from ner_distill.pipelines.labelling import label_unlabeled as module
from ner_distill.pipelines.labelling.asked import Asked, asked_runs
from ner_distill.pipelines.labelling.labeller import Labeller
from ner_distill.pipelines.labelling.panel import Panel, Weights
from ner_distill.pipelines.labelling.voices import ForeignVoice, RunVoice
from ner_distill.pipelines.labelling.weighing import nearness, weights_by_labelled
from ner_distill.runs.build import load_teacher
from ner_distill.runs.text_profile import FILE, write_profile
from ner_distill.teacher.foreign.base import ForeignTeacher, MappedTeacher, Said, TypeMap
from tests import corpora
from tests.commands import ok, run, snapshot
from tests.world import World

Rows = dict[str, SoftRow]
HALF = [0.5, 0.5]


def variant(world: World, out: Path, *, noise: float = 0.0, similarity: dict[str, Any] | None = None) -> Path:
    """The teacher's run, with noise in its weights, and with other settings of its similarity (weight 0: none)."""
    shutil.copytree(world.teacher, out)
    weights = load_file(out / "model.safetensors")
    torch.manual_seed(1)
    weights = {name: one + noise * torch.randn_like(one) for name, one in weights.items()}
    config = tomllib.loads((out / "config.toml").read_text("utf-8"))
    config["similarity"] |= similarity or {}
    if config["similarity"]["weight"] == 0:
        weights = {name: one for name, one in weights.items() if not name.startswith("similarity.")}
    (out / "config.toml").write_text(tomli_w.dumps(config), "utf-8")
    save_file(weights, out / "model.safetensors")
    return out


@pytest.fixture(scope="module")
def worse(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that often errs."""
    return variant(world, tmp_path_factory.mktemp("worse") / "teacher", noise=0.15)


@pytest.fixture(scope="module")
def silent(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that errs, and compares no words."""
    return variant(world, tmp_path_factory.mktemp("silent") / "teacher", noise=0.15, similarity={"weight": 0.0})


def label(
    world: World,
    out: Path,
    *teachers: str | Path,
    text: Sequence[Path] = (),
    said: io.StringIO | None = None,
    **more: Any,
) -> Manifest:
    given: dict[str, Any] = {"teacher": teachers, "text": text or [world.raw], "out": out, "precision": "fp32"}
    given |= {"store_precision": "exact", **more}
    return module.label_unlabeled(LabelUnlabeledOptions(**given), Reporter(stream=said or io.StringIO()))


def rows(out: Path) -> Rows:
    return {row.id: row for row in SoftLabelStore.open(out).iter_rows()}


def similarities(out: Path) -> npt.NDArray[np.float32]:
    blocks = SoftLabelStore.open(out).read_shard(0)
    return np.concatenate([block.similarity for block in blocks]).astype(np.float32)


def probs(row: SoftRow) -> npt.NDArray[np.float32]:
    return row.probs.astype(np.float32)


# ---- weights that are given


def test_probabilities_are_the_mean_by_weights(world: World, worse: Path, tmp_path: Path) -> None:
    label(world, tmp_path / "one", world.teacher)
    label(world, tmp_path / "other", worse)
    found = label(world, tmp_path / "both", f"{world.teacher}=3", worse)
    assert found.settings["teacher_weights"] == (0.75, 0.25)
    one, other = rows(tmp_path / "one"), rows(tmp_path / "other")
    for id, row in rows(tmp_path / "both").items():
        np.testing.assert_allclose(probs(row), 0.75 * probs(one[id]) + 0.25 * probs(other[id]), atol=2e-3)
    assert max(np.abs(probs(one[id]) - probs(other[id])).max() for id in one) > 0.3


def test_a_store_keeps_the_weights_shows_them_and_goes_on_with_no_others(
    world: World, worse: Path, tmp_path: Path
) -> None:
    command = ("label-unlabeled", "--text", world.raw, "--out", tmp_path / "soft", "--teacher", worse, "--teacher")
    ok(*command, f"{world.teacher}=3")
    ok(*command, f"{world.teacher}=3.0", "--resume")
    done = run(*command, f"{world.teacher}=2", "--resume")
    assert done.code == 2
    assert "settings.teacher_weights: the store has [0.25, 0.75], this run has [0.333333, 0.666667]" in done.err
    assert "weight0.75" in "".join(ok("show", tmp_path / "soft").out.split())  # which folds long names


def test_equal_weights_are_the_plain_mean(world: World, worse: Path, tmp_path: Path) -> None:
    label(world, tmp_path / "plain", world.teacher, worse)
    label(world, tmp_path / "equal", f"{world.teacher}=0.3", f"{worse}=0.3")
    assert snapshot(tmp_path / "plain") == snapshot(tmp_path / "equal")


def test_a_run_whose_name_has_an_equals_sign_is_a_run(tmp_path: Path) -> None:
    (tmp_path / "lr=0.1").mkdir()
    assert asked_runs("teacher", [tmp_path / "lr=0.1"]) == [Asked(tmp_path / "lr=0.1")]
    assert asked_runs("teacher", [f"{tmp_path}/lr=0.1=2"]) == [Asked(tmp_path / "lr=0.1", 2.0)]
    assert asked_runs("teacher", ["a=b/c"]) == [Asked(Path("a=b/c"))]


@pytest.mark.parametrize("number", ["-1", "nan", "inf", "-0.5"])
def test_weights_that_are_none_are_refused(number: str) -> None:
    with pytest.raises(ConfigError, match=f"`teacher` runs/a={number}: expected RUN=WEIGHT with a weight of 0 or more"):
        asked_runs("teacher", ["runs/b", f"runs/a={number}"])


def test_weights_that_are_no_numbers_or_all_zero_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a number behind =, found 'much'"):
        asked_runs("teacher", [f"{tmp_path}=much"])
    with pytest.raises(ConfigError, match="`evaluator`: all weights are 0; expected one above 0 at least"):
        asked_runs("evaluator", ["a=0", "b=0.0"])


def test_weights_sum_to_one_however_large_they_are() -> None:
    assert Weights.of([1e308, 1e308, 0]).general == (0.5, 0.5, 0.0)


# ---- weights by type


def test_tags_and_spans_of_a_type_have_its_weights(world: World, worse: Path) -> None:
    built = [RunVoice(load_teacher(run)) for run in (world.teacher, worse)]
    weights = Weights.of(HALF, {"PER": [0.9, 0.1], "LOC": [0.2, 0.8]})
    sentences = corpora.sentences(12, seed=4)
    options = LabelOptions(precision="fp32")

    def answered(panel: Panel) -> Rows:
        blocks = Labeller(panel, options).blocks(sentences, 0, lambda rows, words: None)
        return {row.id: row for block in blocks for row in block.rows}

    one, other = (answered(Panel.of([teacher])) for teacher in built)
    of_tags = np.array([0.5, 0.2, 0.2, 0.5, 0.5, 0.9, 0.9])  # O, LOC, ORG, PER
    for id, row in answered(Panel.of(built, weights)).items():
        pooled = of_tags * probs(one[id]) + (1 - of_tags) * probs(other[id])
        np.testing.assert_allclose(probs(row), pooled / pooled.sum(-1, keepdims=True), atol=2e-3)


# ---- who compares words


def test_teachers_that_can_compare_do_where_others_cannot(world: World, silent: Path, tmp_path: Path) -> None:
    both = label(world, tmp_path / "both", world.teacher, silent)
    assert sum(shard.pairs for shard in both.shards) > 1000
    assert both.settings["teacher_compares"] == (True, False)
    row = next(iter(rows(tmp_path / "both").values()))
    assert row.probs.shape[1] == 7


def test_an_evaluator_compares_and_does_not_tag(world: World, worse: Path, silent: Path, tmp_path: Path) -> None:
    # the same teacher with the similarity inside, or beside: the pairs depend on the tags alone
    label(world, tmp_path / "tags", worse)
    beside = label(world, tmp_path / "beside", worse, evaluator=[world.teacher])
    assert [one.name for one in beside.evaluators] == [str(world.teacher)]
    label(world, tmp_path / "both", worse, evaluator=[f"{worse}=1", f"{world.teacher}=3"])
    tags, apart = rows(tmp_path / "tags"), rows(tmp_path / "beside")
    for id, row in apart.items():
        assert np.array_equal(row.probs, tags[id].probs)
    inside, alone, mixed = (similarities(tmp_path / name) for name in ("tags", "beside", "both"))
    assert np.abs(inside - alone).max() > 0.1
    np.testing.assert_allclose(mixed, 0.25 * inside + 0.75 * alone, atol=2e-3)
    assert "evaluator" in ok("show", tmp_path / "beside").out


def test_a_store_goes_on_with_the_same_evaluators_alone(world: World, worse: Path, tmp_path: Path) -> None:
    label(world, tmp_path / "soft", worse, evaluator=[world.teacher])
    before = snapshot(tmp_path / "soft")
    label(world, tmp_path / "soft", worse, evaluator=[world.teacher], resume=True)
    assert snapshot(tmp_path / "soft") == before
    with pytest.raises(RunError, match="evaluator fingerprints: the store has "):
        label(world, tmp_path / "soft", worse, resume=True)


def test_evaluators_that_make_no_sense_are_refused(world: World, silent: Path, tmp_path: Path) -> None:
    by_tag = variant(world, tmp_path / "tag", similarity={"target": "tag"})
    other = variant(world, tmp_path / "labels")
    write_json(other / "labels.json", {**read_json(other / "labels.json", ""), "labels": ["LOC", "PER", "ORG"]})
    for evaluators, more, said in (
        ([silent], {}, "1 of 1 cannot compare words .trained with similarity.weight 0."),
        ([other], {}, "`evaluator`: all need the same labels and unit"),
        ([world.teacher, by_tag], {}, 'say different things: similarity.target "tag", scale "learned" and "type"'),
        (
            [world.teacher],
            {"pairs_per_sentence": 0},
            "`evaluator` compares words, and with `pairs_per_sentence` 0 none",
        ),
    ):
        with pytest.raises(ConfigError, match=said):
            label(world, tmp_path / "soft", world.teacher, evaluator=evaluators, **more)
    assert not (tmp_path / "soft").exists()


# ---- weights that are found


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.write_conll(tmp_path_factory.mktemp("labelled") / "l.conll", corpora.sentences(60, seed=6))


def test_who_does_better_on_labelled_sentences_weighs_more(
    world: World, worse: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    auto: dict[str, Any] = {"teacher_weights": "auto", "labelled": [labelled]}
    found = label(world, tmp_path / "soft", worse, world.teacher, said=said, **auto)
    general, of_type = found.settings["teacher_weights"], found.settings["teacher_weights PER"]
    assert isinstance(general, tuple)
    assert isinstance(of_type, tuple)
    assert float(general[1] or 0) > 0.7
    assert float(of_type[1] or 0) > 0.5
    assert sum(map(float, filter(None, of_type))) == pytest.approx(1, abs=1e-5)
    assert f"weight of {world.teacher}: {general[1]:.3f}" in said.getvalue()
    # a store that is resumed has its weights, whatever would be found now
    monkeypatch.setattr(module, "weights_by_labelled", lambda *_: Weights.of(HALF))
    label(world, tmp_path / "soft", worse, world.teacher, resume=True, **auto)
    with pytest.raises(RunError, match=r"settings.labelled: the store has .*, this run has"):
        label(world, tmp_path / "soft", worse, world.teacher, resume=True, **{**auto, "labelled": [world.dev]})


def test_labelled_sentences_that_a_teacher_was_trained_on_are_refused(
    world: World, worse: Path, tmp_path: Path
) -> None:
    copied = shutil.copy(world.train, tmp_path / "other-name.conll")
    with pytest.raises(ConfigError, match=r"`labelled` .*other-name.conll: .* was trained on it"):
        label(world, tmp_path / "soft", worse, world.teacher, teacher_weights="auto", labelled=[copied])


def test_labelled_sentences_of_other_types_alone_are_refused(world: World, worse: Path, tmp_path: Path) -> None:
    (tmp_path / "l.conll").write_text("Ann B-CAT\nleft O\n\n", "utf-8")
    auto: dict[str, Any] = {"teacher_weights": "auto", "labelled": [tmp_path / "l.conll"]}
    with pytest.raises(DataError, match="`labelled`: no entity of LOC, ORG, PER in it"):
        label(world, tmp_path / "soft", worse, world.teacher, **auto)


def test_a_mixture_of_texts_gives_back_its_shares() -> None:
    profiles = np.random.default_rng(0).integers(0, 1000, (3, 4096)).astype(float)
    assert nearness(profiles, 7 * profiles[0] + 3 * profiles[2]) == pytest.approx([0.7, 0, 0.3], abs=0.01)


def test_who_was_trained_on_text_like_the_raw_text_weighs_more(world: World, worse: Path, tmp_path: Path) -> None:
    chinese = shutil.copytree(worse, tmp_path / "chinese")
    write_profile(chinese, [one.words for one in corpora.sentences(60, seed=1, chinese=True)], "word")
    found = label(world, tmp_path / "soft", chinese, world.teacher, teacher_weights="auto")
    assert found.settings["weighted_by"] == "training text"
    weights = found.settings["teacher_weights"]
    assert isinstance(weights, tuple)
    assert float(weights[1] or 0) > 0.95
    # the same text as a stream that is read once: the same weights, and no sentence is lost
    command = ("label-unlabeled", "--teacher", chinese, "--teacher", world.teacher, "--teacher-weights", "auto")
    ok(*command, "--text", "-", "--out", tmp_path / "stream", stdin=world.raw.read_text("utf-8"))
    stream = SoftLabelStore.open(tmp_path / "stream")
    assert stream.manifest.settings["teacher_weights"] == weights
    assert stream.rows == 80
    (chinese / FILE).unlink()
    with pytest.raises(RunError, match="text_profile.json: not found; the run does not say"):
        label(world, tmp_path / "other", chinese, world.teacher, teacher_weights="auto")


def test_text_under_a_key_of_its_own_is_weighed_as_it_is_labelled(world: World, worse: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"body": text, "title": "x"}) for text in world.raw.read_text("utf-8").splitlines()]
    (tmp_path / "raw.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    command = ("label-unlabeled", "--teacher", worse, "--teacher", world.teacher, "--teacher-weights", "auto")
    ok(*command, "--text", world.raw, "--out", tmp_path / "plain")
    ok(*command, "--text", tmp_path / "raw.jsonl", "--text-key", "body", "--out", tmp_path / "keyed")
    plain, keyed = (SoftLabelStore.open(tmp_path / name).manifest.settings for name in ("plain", "keyed"))
    assert keyed.get("teacher_weights") == plain.get("teacher_weights")


def test_weights_of_calibrated_answers_are_of_what_is_pooled(tmp_path: Path) -> None:
    """The weights make the pooled probabilities of the gold tags greatest, the calibrated ones: found by trying all."""
    rng = np.random.default_rng(0)
    gold = rng.random(200) < 0.2
    lines = [f"w{number} {'B-PER' if entity else 'O'}\n" for number, entity in enumerate(gold)]
    (tmp_path / "l.conll").write_text("\n".join(lines), "utf-8")
    right = {"sure": (rng.random(200) < 0.9, 0.9999, 4.0), "fair": (rng.random(200) < 0.86, 0.88, 1.0)}

    class Answers(ForeignTeacher):
        def answers(self, sentences: Sequence[Sentence]) -> list[Said]:
            return [Said(np.stack([self.probs(int(word[1:])) for word in one.words])) for one in sentences]

        def probs(self, number: int) -> npt.NDArray[np.float32]:
            is_right, sure, _ = right[self.name]
            of_entity = sure if is_right[number] == gold[number] else 1 - sure
            return np.array([1 - of_entity, of_entity, 0], np.float32)

        def fingerprint(self) -> str:
            return self.name

    class Voice(ForeignVoice):
        def temperature(self) -> float:
            return right[self.name][2]

    voices = [Voice(MappedTeacher(Answers(name, ["PER"]), TypeMap({}), ["PER"])) for name in right]
    options = LabelUnlabeledOptions(
        teacher=["sure", "fair"], text=["x"], out=tmp_path, labelled=[tmp_path / "l.conll"], teacher_weights="auto",
        calibrated=True,
    )  # fmt: skip
    found = weights_by_labelled(options, voices, Cutting("word"), Reporter(quiet=True))
    of_gold = []
    for is_right, sure, temperature in right.values():
        softened = sure ** (1 / temperature)
        softened /= softened + (1 - sure) ** (1 / temperature)
        of_gold.append(np.where(is_right, softened, 1 - softened))
    shares = np.linspace(0, 1, 1001)
    likelihoods = [np.log(share * of_gold[0] + (1 - share) * of_gold[1]).sum() for share in shares]
    assert found.general[0] == pytest.approx(shares[int(np.argmax(likelihoods))], abs=2e-3)


@pytest.mark.parametrize(
    ("teachers", "options", "said"),
    [
        (["a=2", "b"], {"teacher_weights": "auto"}, "`teacher_weights` auto finds the weights"),
        (["a"], {"teacher_weights": "auto"}, "and there is one `teacher`"),
        (["a", "b"], {"labelled": ["c"]}, "`labelled` is for `teacher_weights` auto: give that as well"),
        (["a"], {"out_of_fold": True, "min_votes": 2}, "`out_of_fold` asks fold teachers one by one"),
    ],
)
def test_options_that_exclude_each_other_are_refused(
    teachers: list[str], options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"teacher": teachers, "text": ["t"], "out": tmp_path / "soft", **options}
    with pytest.raises(ConfigError, match=said):
        module.label_unlabeled(LabelUnlabeledOptions(**given), Reporter(quiet=True))


def test_every_teacher_whose_words_are_cut_otherwise_is_warned_of(world: World, worse: Path, tmp_path: Path) -> None:
    said = io.StringIO()
    both = [shutil.copytree(run_of, tmp_path / name) for run_of, name in ((world.teacher, "a"), (worse, "b"))]
    for path, mismatch in zip(both, (0.1, 0.3), strict=True):
        write_json(path / "labels.json", {**read_json(path / "labels.json", ""), "mismatch": mismatch})
    label(world, tmp_path / "soft", world.teacher, *both, said=said)
    assert f"{both[0]} was trained on words of which 10.0% are not as raw text is cut here" in said.getvalue()
    assert f"{both[1]} was trained on words of which 30.0% are not as raw text is cut here" in said.getvalue()
