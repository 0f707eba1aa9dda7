import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.store.columns import SPAN, SoftBlock, SoftRow
from ner_distill.data.store.manifest import StoreHeader, TeacherId
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import StoreWriter
from ner_distill.data.tagset import TagSet
from ner_distill.runs.build import load_run
from ner_distill.training.labelled import LabelledData
from ner_distill.training.soft_data import SoftData, soft_batch
from tests import corpora
from tests.commands import Done, ok, run, settings
from tests.stores import make_row, write_store
from tests.world import World

QUICK = settings(*corpora.SMALL, "optim.epochs=1")


def train(world: World, out: Path, *options: str | Path) -> Done:
    """A student that learns for one epoch."""
    return ok("train-student", "--dev", world.dev, "--out", out, *QUICK, *options)


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def f1(run: Path) -> float:
    found: float = json.loads((run / "metrics.json").read_text())["dev"]["micro"]["f1"]
    return found


def test_student_comes_close_to_its_teacher_without_a_gold_label(world: World) -> None:
    assert f1(world.student) > f1(world.teacher) - 0.1


def test_labels_of_the_student_are_those_of_the_store(world: World) -> None:
    info = load_run(world.student).info
    assert (info.kind, info.labels, info.unit) == ("student", corpora.LABELS, "word")


def test_same_seed_gives_the_same_weights(world: World, tmp_path: Path) -> None:
    train(world, tmp_path / "a", "--soft", world.soft)
    train(world, tmp_path / "b", "--soft", world.soft)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_gold_sentences_are_learnt_from_as_well(world: World, tmp_path: Path) -> None:
    done = train(world, tmp_path / "both", "--soft", world.soft, "--gold", world.train)
    assert "60 gold sentences" in done.err
    epoch = json.loads((tmp_path / "both" / "metrics.jsonl").read_text().splitlines()[0])
    assert set(epoch["loss"]) == {"soft", "similarity", "gold"}


def test_student_learns_from_gold_alone(world: World, tmp_path: Path) -> None:
    train(world, tmp_path / "gold", "--gold", world.train, *settings("optim.epochs=8"))
    assert f1(tmp_path / "gold") > 0.9


def test_gold_with_some_of_the_labels_is_fine(world: World, tmp_path: Path) -> None:
    (tmp_path / "gold.conll").write_text("Ann B-PER\nsings O\n")
    train(world, tmp_path / "run", "--soft", world.soft, "--gold", tmp_path / "gold.conll")
    assert load_run(tmp_path / "run").info.labels == corpora.LABELS


@pytest.mark.parametrize(
    "options",
    [
        ["distill.divergence=kl", "distill.temperature=2.0"],
        ["distill.alpha=off", "distill.beta=0.5", "distill.gamma=off"],
        ["distill.similarity_weight=0.0"],
        ["head.kind=token"],
        ["adversarial.kind=fgm"],
    ],
    ids=" ".join,
)
def test_every_variant_changes_the_training_and_loads_again(world: World, tmp_path: Path, options: list[str]) -> None:
    train(world, tmp_path / "run", "--soft", world.soft, *settings(*options))
    train(world, tmp_path / "plain", "--soft", world.soft)
    assert weights(tmp_path / "run") != weights(tmp_path / "plain")
    assert load_run(tmp_path / "run").info.kind == "student"


def test_chinese_student(tmp_path: Path) -> None:
    data = corpora.write_all(tmp_path / "zh", train=40, dev=10, raw=60, chinese=True)
    dev = ("--dev", data / "dev.conll")
    longer = settings("optim.epochs=16")
    ok("train-teacher", "--train", data / "train.conll", *dev, "--out", tmp_path / "t", *QUICK, *longer)
    ok("label-unlabeled", "--teacher", tmp_path / "t", "--text", data / "raw.txt", "--out", tmp_path / "soft")
    ok("train-student", "--soft", tmp_path / "soft", *dev, "--out", tmp_path / "s", *QUICK, *longer)
    assert load_run(tmp_path / "s").info.unit == "character"
    assert f1(tmp_path / "s") > f1(tmp_path / "t") - 0.1


# ---- what an epoch is made of


@pytest.fixture
def featurizer() -> WordFeaturizer:
    return WordFeaturizer.counted([sentence.words for sentence in corpora.sentences(40)], "word")


def test_every_block_and_every_gold_sentence_comes_once_in_an_epoch(world: World, featurizer: WordFeaturizer) -> None:
    store = SoftLabelStore.open(world.soft)
    gold = LabelledData(corpora.sentences(30), featurizer, TagSet(corpora.LABELS), budget=64, seed=1)
    plan = SoftData(store, featurizer, budget=64, seed=1, gold=gold).listed(0)
    counts = {kind: Counter(i for name, batch in plan if name == kind for i in batch) for kind in ("soft", "gold")}
    assert counts["soft"] == dict.fromkeys(range(store.block_count), 1)
    assert counts["gold"] == dict.fromkeys(range(30), 1)


def test_gold_batches_are_spread_over_the_epoch(world: World, featurizer: WordFeaturizer) -> None:
    store = SoftLabelStore.open(world.soft)
    gold = LabelledData(corpora.sentences(30), featurizer, TagSet(corpora.LABELS), budget=64, seed=1)
    kinds = [kind for kind, _ in SoftData(store, featurizer, budget=64, seed=1, gold=gold).listed(0)]
    halves = kinds[: len(kinds) // 2], kinds[len(kinds) // 2 :]
    assert abs(halves[0].count("gold") - halves[1].count("gold")) <= 1


def test_epochs_differ_and_each_is_the_same_when_asked_again(world: World, featurizer: WordFeaturizer) -> None:
    data = SoftData(SoftLabelStore.open(world.soft), featurizer, budget=64, seed=1)
    assert data.plan(0) == data.plan(0)
    assert data.plan(0) != data.plan(1)


def block(*words: int, dropped: tuple[tuple[int, int], ...] = (), pairs: tuple[tuple[int, ...], ...] = ()) -> SoftBlock:
    """Sentences of so many words; the probability of O says which word it is: 0.row word."""
    rows = []
    for row, count in enumerate(words):
        o = np.array([0.1 * (row + 1) + 0.01 * word for word in range(count)], np.float16)
        keep = np.array([(row, word) not in dropped for word in range(count)])
        rows.append(SoftRow(f"r{row}", ("w",) * count, np.stack([o, 1 - o, 0 * o], 1), keep))
    return SoftBlock(tuple(rows), np.array(pairs, np.int32).reshape(-1, 4), np.full(len(pairs), 0.75, np.float16))


def test_pairs_point_to_the_same_words_when_blocks_are_batched_together(featurizer: WordFeaturizer) -> None:
    first, second = block(2, 3, pairs=((0, 1, 1, 2),)), block(5, 1, pairs=((1, 0, 0, 4), (0, 0, 0, 1)))
    batch = soft_batch([first, second], featurizer)
    assert batch.probs is not None
    assert batch.pairs is not None
    found = batch.probs[..., 0].flatten()[batch.pairs]
    torch.testing.assert_close(found, torch.tensor([[0.11, 0.22], [0.2, 0.14], [0.1, 0.11]]), atol=1e-3, rtol=0)


def test_padding_of_a_batch_is_not_kept_and_has_no_probability(featurizer: WordFeaturizer) -> None:
    batch = soft_batch([block(2, 4)], featurizer)
    assert batch.keep is not None
    assert batch.probs is not None
    assert batch.keep.tolist() == batch.mask.tolist() == [[True, True, False, False], [True] * 4]
    assert batch.probs[0, 2:].abs().sum() == 0


def test_pairs_with_a_dropped_word_are_left_out(featurizer: WordFeaturizer) -> None:
    batch = soft_batch([block(2, 2, dropped=((0, 1),), pairs=((0, 0, 1, 1), (0, 1, 1, 0), (1, 0, 0, 1)))], featurizer)
    assert batch.pairs is not None
    assert batch.pair_targets is not None
    assert batch.pairs.tolist() == [[0, 3]]
    assert len(batch.pair_targets) == 1


def test_batch_of_blocks_without_pairs(featurizer: WordFeaturizer) -> None:
    batch = soft_batch([block(2), block(1)], featurizer)
    assert batch.pairs is not None
    assert batch.pairs.shape == (0, 2)


# ---- what a student with a span head learns


def with_spans(of: SoftBlock, *spans: list[tuple[int, int, int, float]]) -> SoftBlock:
    rows = [replace(row, spans=np.array(some, SPAN)) for row, some in zip(of.rows, spans, strict=True)]
    return replace(of, rows=tuple(rows))


def places(table: torch.Tensor) -> dict[tuple[int, ...], float]:
    """(row, type, first word, last word) → what is not 0."""
    return {tuple(place): table[tuple(place)].item() for place in table.nonzero().tolist()}


def test_span_probabilities_are_those_of_the_store(featurizer: WordFeaturizer) -> None:
    first = with_spans(block(2, 4), [(0, 2, 0, 0.75), (1, 2, 0, 0.5)], [])
    second = with_spans(block(5), [(4, 5, 0, 0.25), (0, 5, 0, 1.0)])
    batch = soft_batch([first, second], featurizer, spans=True)
    assert batch.span_probs is not None
    assert batch.span_probs.shape == (3, 1, 5, 5)
    assert batch.span_probs.dtype == torch.float32
    assert places(batch.span_probs) == {(0, 0, 0, 1): 0.75, (0, 0, 1, 1): 0.5, (2, 0, 4, 4): 0.25, (2, 0, 0, 4): 1.0}


def test_types_of_stored_spans_keep_their_places(featurizer: WordFeaturizer) -> None:
    probs = np.tile(np.array([0.5, 0.5, 0, 0, 0], np.float16), (2, 1))
    row = SoftRow("a", ("x", "y"), probs, np.ones(2, np.bool_), spans=np.array([(0, 1, 1, 0.5), (0, 2, 0, 0.25)], SPAN))
    of = SoftBlock((row,), np.zeros((0, 4), np.int32), np.zeros(0, np.float16))
    batch = soft_batch([of], featurizer, spans=True)
    assert batch.span_probs is not None
    assert places(batch.span_probs) == {(0, 1, 0, 0): 0.5, (0, 0, 0, 1): 0.25}


def test_span_probabilities_of_a_store_without_spans_are_what_its_tags_say(featurizer: WordFeaturizer) -> None:
    """P(B of the first) · P(I of the others) · (1 − P(I of the word behind))."""
    probs = [[0.25, 0.75, 0.0], [0.5, 0.25, 0.25], [0.5, 0.0, 0.5]]
    row = SoftRow("a", ("x", "y", "z"), np.array(probs, np.float16), np.ones(3, np.bool_))
    short = SoftRow("b", ("x",), np.array(probs[:1], np.float16), np.ones(1, np.bool_))
    of = SoftBlock((row, short), np.zeros((0, 4), np.int32), np.zeros(0, np.float16))
    batch = soft_batch([of], featurizer, spans=True)
    assert batch.span_probs is not None
    assert places(batch.span_probs) == pytest.approx(
        {
            (0, 0, 0, 0): 0.75 * 0.75,
            (0, 0, 0, 1): 0.75 * 0.25 * 0.5,
            (0, 0, 0, 2): 0.75 * 0.25 * 0.5,
            (0, 0, 1, 1): 0.25 * 0.5,
            (0, 0, 1, 2): 0.25 * 0.5,
            (1, 0, 0, 0): 0.75,
        }
    )


def test_a_batch_for_a_student_that_learns_tags_has_no_table_of_spans(featurizer: WordFeaturizer) -> None:
    assert soft_batch([with_spans(block(2), [(0, 2, 0, 0.75)])], featurizer).span_probs is None


def test_batches_of_a_store_have_span_probabilities_where_the_student_learns_them(
    world: World, featurizer: WordFeaturizer
) -> None:
    store = SoftLabelStore.open(world.soft)
    data = SoftData(store, featurizer, budget=64, seed=1, spans=True)
    batch = data.load(data.plan(0)[0], 0)
    assert batch.span_probs is not None
    assert batch.span_probs.amax() > 0.5


@pytest.mark.parametrize(("key", "value"), [("similarity_scale", "five"), ("similarity_target", "word")])
def test_a_store_whose_similarity_says_nothing_known_is_refused(
    world: World, tmp_path: Path, key: str, value: str
) -> None:
    store = with_settings(world.soft, tmp_path / "soft", {key: value})
    done = run("train-student", "--dev", world.dev, "--soft", store, "--out", tmp_path / "out", *QUICK)
    assert done.code == 2
    assert "manifest.json: expected similarity_target type or tag and similarity_scale learned or source" in done.err
    assert repr(value) in done.err
    assert not (tmp_path / "out").exists()


def with_settings(store: Path, copy: Path, settings: dict[str, object]) -> Path:
    shutil.copytree(store, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["settings"] |= settings
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


# ---- sentences too long for the encoder, and for the user


def _narrow(max_words: int) -> WordFeaturizer:
    return WordFeaturizer.counted([("w", "v")] * 2, "word", max_words=max_words)


def test_each_word_of_a_long_row_is_kept_in_one_window_with_its_probability() -> None:
    batch = soft_batch([block(2, 9)], _narrow(4))
    assert batch.keep is not None
    assert batch.probs is not None
    assert batch.mask.shape[1] == 4
    expected = [0.1, 0.11, *(0.2 + 0.01 * word for word in range(9))]
    torch.testing.assert_close(batch.probs[..., 0][batch.keep], torch.tensor(expected), atol=1e-3, rtol=0)


def test_pairs_of_a_long_row_point_to_the_same_words_in_windows() -> None:
    batch = soft_batch([block(2, 9, pairs=((0, 1, 1, 8), (1, 0, 1, 5)))], _narrow(4))
    assert batch.probs is not None
    assert batch.pairs is not None
    found = batch.probs[..., 0].flatten()[batch.pairs]
    torch.testing.assert_close(found, torch.tensor([[0.11, 0.28], [0.2, 0.25]]), atol=1e-3, rtol=0)


def test_spans_of_a_long_row_stand_in_the_window_that_keeps_them() -> None:
    spans = [(2, 4, 0, 0.75), (4, 6, 0, 0.5625)]
    batch = soft_batch([with_spans(block(9), spans)], _narrow(4), spans=True)
    assert batch.keep is not None
    assert batch.span_probs is not None
    kept = [
        float(batch.span_probs[row, 0, first, last])
        for row, _, first, last in batch.span_probs.nonzero().tolist()
        if batch.keep[row, first : last + 1].all()
    ]
    assert sorted(kept) == [0.5625, 0.75]


def stored(path: Path, *blocks: SoftBlock) -> SoftLabelStore:
    """A store of these blocks."""
    teacher = TeacherId(name="runs/teacher", fingerprint="aaa111")
    header = StoreHeader(labels=("X",), unit="word", teachers=(teacher,), inputs=(), shard_size=99, block_size=9)
    writer = StoreWriter.create(path / "store", header)
    writer.write_shard(0, blocks)
    writer.finish(1)
    return SoftLabelStore.open(path / "store")


def test_a_block_with_a_long_row_is_read_a_few_windows_at_a_time(tmp_path: Path) -> None:
    store = stored(tmp_path, block(2, 2), block(40), block(3, 1))
    data = SoftData(store, _narrow(4), budget=8, seed=1)
    batches = [data.load(part, 0) for part in data.listed(0)]
    assert max(batch.mask.numel() for batch in batches) <= 8
    assert sum(int(batch.keep.sum()) for batch in batches if batch.keep is not None) == 48
    assert {name for part in data.listed(0) for name in data.ids_of(part)} == {"r0", "r1"}


def test_rows_longer_than_max_words_are_in_no_batch_and_counted(tmp_path: Path) -> None:
    store = stored(tmp_path, block(2, 6), block(40), block(3, 1))
    data = SoftData(store, _narrow(4), budget=8, seed=1, max_words=5)
    assert data.too_long == 2
    kept = sum(int(batch.keep.sum()) for part in data.listed(0) if (batch := data.load(part, 0)).keep is not None)
    assert kept == 6


def test_a_store_of_which_nothing_is_kept_is_refused(tmp_path: Path) -> None:
    nothing = make_row("a", ("Ann", "B-PER", 0.9), ("left", "O", 1.0), dropped=(0, 1))
    store = write_store(tmp_path / "store", [[nothing]])
    done = run("train-student", "--soft", store, "--out", tmp_path / "student")
    assert "no word is kept, so there is nothing to learn from" in done.err
    assert not (tmp_path / "student").exists()
