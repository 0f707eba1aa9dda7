"""`label-unlabeled` with teachers that have a span head."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ner_distill.data.formats.readers import read_raw
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.columns import SoftBlock, SoftRow
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError, RunError
from ner_distill.nn.heads import SpanHead
from ner_distill.options.models import LabelOptions, LabelUnlabeledOptions
from ner_distill.pipelines.labelling import asked, label_unlabeled
from ner_distill.pipelines.labelling.labeller import Labeller
from ner_distill.pipelines.labelling.panel import Panel, Weights
from ner_distill.pipelines.labelling.voices import RunVoice
from ner_distill.runs.build import Built, load_run
from tests import corpora
from tests.commands import ok, settings
from tests.pointers import TinyPointer
from tests.world import World

TYPES = len(corpora.LABELS)
SENTENCES = corpora.sentences(12, seed=4)
Table = dict[tuple[int, int, int], float]


def pointer(world: World, *, seed: int = 0, bias: float = -4.0) -> Built:
    """The world's teacher with a random span head in place of its own; most spans are improbable."""
    built = load_run(world.teacher)
    torch.manual_seed(seed)
    head = TinyPointer(built.model.tagger.encoder.dim, TYPES, bias=bias)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter *= 5  # probabilities of all sizes
    built.model.tagger.head = head
    return built


def labelled(*teachers: Built, sentences: list[Sentence] = SENTENCES, **options: object) -> list[SoftBlock]:
    """The blocks of one shard."""
    settings: dict[str, Any] = {"batch_words": 60, "precision": "fp32", **options}
    labeller = Labeller(Panel.of(list(map(RunVoice, teachers))), LabelOptions(**settings), block_size=4)
    return labeller.blocks(sentences, 0, lambda rows, words: None)


def rows_of(*teachers: Built, **options: object) -> dict[str, SoftRow]:
    return {row.id: row for block in labelled(*teachers, **options) for row in block.rows}


def stored(row: SoftRow) -> Table:
    """(first word, end, type) → probability."""
    assert row.spans is not None
    return {(start, end, label): score for start, end, label, score in row.spans.tolist()}


def of_pointer(built: Built, sentence: Sentence) -> Table:
    """All spans of a sentence that is alone: σ(first + last), one by one."""
    head = built.tagger.head
    assert isinstance(head, TinyPointer)
    featurizer = built.featurizer
    with torch.no_grad():
        [vectors] = built.tagger.vectors(featurizer.collate([featurizer.features(sentence.words)]))
        first, last = head.first(vectors).tolist(), head.last(vectors).tolist()
    words = len(sentence.words)
    return {
        (i, j + 1, label): 1 / (1 + math.exp(-(first[i][label] + last[j][label] + head.bias)))
        for i in range(words)
        for j in range(i, words)
        for label in range(TYPES)
    }


def of_tagger(built: Built, sentence: Sentence) -> Table:
    """What tag probabilities say of all spans: P(B) · P(I) · ... · (1 − P(I of the next word))."""
    featurizer = built.featurizer
    with torch.no_grad():
        [probs] = built.model(featurizer.collate([featurizer.features(sentence.words)]))[1].tolist()
    words = len(sentence.words)
    return {
        (i, j + 1, label): probs[i][1 + 2 * label]
        * math.prod(probs[k][2 + 2 * label] for k in range(i + 1, j + 1))
        * (1 - probs[j + 1][2 + 2 * label] if j + 1 < words else 1)
        for i in range(words)
        for j in range(i, words)
        for label in range(TYPES)
    }


def assert_same_spans(found: Table, expected: Table, floor: float) -> None:
    near = {place for place, score in expected.items() if abs(score - floor) < 1e-4}  # either is right
    above = {place: score for place, score in expected.items() if score > floor}
    assert found.keys() - near == above.keys() - near
    for place in found.keys() & above.keys():
        assert found[place] == pytest.approx(above[place], abs=1e-3)


@pytest.mark.parametrize("floor", [0.01, 0.2])
def test_stored_are_exactly_the_spans_above_the_floor(world: World, floor: float) -> None:
    teacher = pointer(world)
    rows = rows_of(teacher, span_floor=floor)
    assert sum(len(stored(row)) for row in rows.values()) > 20
    for sentence in SENTENCES:
        assert_same_spans(stored(rows[sentence.id]), of_pointer(teacher, sentence), floor)


def test_spans_of_a_type_have_its_weights(world: World) -> None:
    teachers = pointer(world), pointer(world, seed=1)
    weights = Weights.of([0.5, 0.5], {corpora.LABELS[0]: [0.9, 0.1]})
    labeller = Labeller(
        Panel.of(list(map(RunVoice, teachers)), weights), LabelOptions(precision="fp32", span_floor=0.05)
    )
    rows = {row.id: row for block in labeller.blocks(SENTENCES, 0, lambda *_: None) for row in block.rows}
    for sentence in SENTENCES:
        one, other = (of_pointer(teacher, sentence) for teacher in teachers)
        first = {place: 0.9 if place[2] == 0 else 0.5 for place in one}
        pooled = {place: first[place] * one[place] + (1 - first[place]) * other[place] for place in one}
        assert_same_spans(stored(rows[sentence.id]), pooled, 0.05)


def test_more_spans_than_words_find_room(world: World) -> None:
    rows = rows_of(pointer(world, bias=20.0))
    for sentence in SENTENCES:
        words = len(sentence.words)
        assert len(stored(rows[sentence.id])) == TYPES * words * (words + 1) // 2


def test_a_teacher_that_finds_nothing_gives_rows_without_spans(world: World) -> None:
    assert [stored(row) for row in rows_of(pointer(world, bias=-50.0)).values()] == [{}] * len(SENTENCES)


def test_word_probabilities_of_a_span_teacher_sum_to_one(world: World) -> None:
    for row in rows_of(pointer(world)).values():
        np.testing.assert_allclose(row.probs.astype(np.float32).sum(1), 1, atol=2e-3)


def test_several_span_teachers_are_averaged(world: World) -> None:
    teachers = [pointer(world, seed=seed) for seed in (0, 1, 2)]
    rows = rows_of(*teachers)
    for sentence in SENTENCES:
        tables = [of_pointer(teacher, sentence) for teacher in teachers]
        mean = {place: sum(table[place] for table in tables) / 3 for place in tables[0]}
        assert_same_spans(stored(rows[sentence.id]), mean, 0.01)


def test_word_probabilities_of_a_tagger_and_a_pointer_are_averaged(world: World) -> None:
    tagger, span = load_run(world.teacher), pointer(world)
    both, one, other = rows_of(tagger, span), rows_of(tagger), rows_of(span)
    for name, row in both.items():
        mean = (one[name].probs.astype(np.float32) + other[name].probs) / 2
        np.testing.assert_allclose(row.probs, mean, atol=1e-3)


@pytest.mark.parametrize("tagger_first", [True, False])
def test_spans_of_a_tagger_beside_a_pointer_are_what_its_tags_say(world: World, tagger_first: bool) -> None:
    tagger, span = load_run(world.teacher), pointer(world)
    rows = rows_of(*([tagger, span] if tagger_first else [span, tagger]))
    for sentence in SENTENCES:
        one, other = of_tagger(tagger, sentence), of_pointer(span, sentence)
        mean = {place: (one[place] + other[place]) / 2 for place in one}
        assert_same_spans(stored(rows[sentence.id]), mean, 0.01)


def test_taggers_alone_store_no_spans(world: World) -> None:
    assert {row.spans for row in rows_of(load_run(world.teacher), load_run(world.teacher)).values()} == {None}


def test_min_votes_counts_the_spans_that_a_pointer_finds(world: World) -> None:
    teachers = load_run(world.teacher), pointer(world, bias=-1.0)
    rows, tags = rows_of(*teachers, min_votes=2), rows_of(teachers[0])
    nested = 0
    for sentence in SENTENCES:
        scores = of_pointer(teachers[1], sentence)
        assert all(abs(score - 0.5) > 1e-5 for score in scores.values())
        pointed = {place for place, score in scores.items() if score > 0.5}
        tagged = {
            (span.start, span.end, corpora.LABELS.index(span.label))
            for span in teachers[0].info.tagset.decode(tags[sentence.id].probs.argmax(1).tolist())
        }
        nested += sum(one[0] <= other[0] and other[1] <= one[1] for one in pointed for other in pointed - {one})
        disputed, agreed = (
            {word for start, end, _ in places for word in range(start, end)}
            for places in (pointed ^ tagged, pointed & tagged)
        )
        assert {word for word, kept in enumerate(rows[sentence.id].keep) if not kept} == disputed - agreed
    assert nested


@pytest.mark.parametrize("floor", [0.0, 1.0, -0.5, math.nan])
def test_a_floor_that_cannot_be_is_refused(world: World, floor: float) -> None:
    with pytest.raises(ConfigError, match=r"`span_floor`: expected more than 0 and less than 1, found"):
        Labeller(Panel.of([RunVoice(load_run(world.teacher))]), LabelOptions(span_floor=floor))


# ---- the whole command


@pytest.fixture
def pointing(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world, whose teacher is a pointer for the command."""
    monkeypatch.setattr(asked, "load_teacher", lambda _: pointer(world))
    return world


def label(world: World, out: Path, *, floor: float = 0.01, **options: Any) -> None:
    files: dict[str, Any] = {"teacher": [world.teacher], "text": [world.raw], "out": out}
    label_unlabeled.label_unlabeled(
        LabelUnlabeledOptions(**files, shard_size=20, span_floor=floor, store_precision="exact", **options)
    )


def test_the_store_of_a_pointer_has_its_spans(pointing: World, tmp_path: Path) -> None:
    label(pointing, tmp_path / "soft")
    store = SoftLabelStore.open(tmp_path / "soft", verify=True)
    assert store.manifest.span_floor == 0.01
    rows = {row.id: row for row in store.iter_rows()}
    sentence = next(iter(read_raw([pointing.raw], unit="word")))
    assert_same_spans(stored(rows[sentence.id]), of_pointer(pointer(pointing), sentence), 0.01)


def test_a_store_of_spans_is_resumed_with_the_same_bytes(pointing: World, tmp_path: Path) -> None:
    label(pointing, tmp_path / "soft")
    shard = tmp_path / "soft" / "part-00002.parquet"
    before = shard.read_bytes()
    shard.unlink()
    label(pointing, tmp_path / "soft", resume=True)
    assert shard.read_bytes() == before


def test_resuming_a_store_of_spans_with_another_floor_is_refused(pointing: World, tmp_path: Path) -> None:
    label(pointing, tmp_path / "soft")
    with pytest.raises(RunError, match=r"span_floor: the store has 0\.01, this run has 0\.02"):
        label(pointing, tmp_path / "soft", floor=0.02, resume=True)


def test_the_floor_is_no_matter_to_the_store_of_a_tagger(world: World, tmp_path: Path) -> None:
    label(world, tmp_path / "soft")
    label(world, tmp_path / "soft", floor=0.02, resume=True)
    assert not isinstance(load_run(world.teacher).tagger.head, SpanHead)
    assert SoftLabelStore.open(tmp_path / "soft").manifest.span_floor is None


# ---- teachers and students that are trained


@pytest.fixture(scope="module")
def pointing_store(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a trained pointer says of the world's text."""
    root = tmp_path_factory.mktemp("pointer")
    ok("train-teacher", "--train", world.train, "--dev", world.dev, "--out", root / "teacher",
       *settings(*corpora.SMALL, "optim.epochs=16", "head.kind=global-pointer"))  # fmt: skip
    ok("label-unlabeled", "--teacher", root / "teacher", "--text", world.raw, "--out", root / "soft")
    return root / "soft"


@pytest.mark.parametrize(
    ("teacher", "student"), [("global-pointer", "global-pointer"), ("global-pointer", "crf"), ("crf", "global-pointer")]
)
def test_a_student_of_either_kind_learns_from_a_teacher_of_either_kind(
    world: World, pointing_store: Path, tmp_path: Path, teacher: str, student: str
) -> None:
    soft = pointing_store if teacher == "global-pointer" else world.soft
    ok("train-student", "--soft", soft, "--dev", world.dev, "--out", tmp_path / "run",
       *settings(*corpora.SMALL, "optim.epochs=16", f"head.kind={student}"))  # fmt: skip
    built = load_run(tmp_path / "run")
    assert isinstance(built.tagger.head, SpanHead) == (student == "global-pointer")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["dev"]["micro"]["f1"] > 0.9
