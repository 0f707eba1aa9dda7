from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ner_distill.data.sampling import sample_pairs
from ner_distill.data.store.columns import SPAN, SoftBlock, SoftRow
from ner_distill.data.store.drawing import Drawing
from ner_distill.data.store.manifest import StoreHeader, TeacherId
from ner_distill.data.store.quantised import quantise, quantise_share, restored, share_of
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import StoreWriter
from ner_distill.errors import RunError

SEED, PER_SENTENCE = 7, 6
HEADER = StoreHeader(
    labels=("LOC", "PER"),
    unit="word",
    teachers=(TeacherId(name="runs/teacher", fingerprint="aaa111"),),
    inputs=(),
    shard_size=6,
    block_size=2,
    settings={"seed": SEED, "pairs_per_sentence": PER_SENTENCE},
    store_precision="compact",
)


def make_row(name: str, words: int, rng: np.random.Generator) -> SoftRow:
    probs = rng.dirichlet([0.1] * 5, size=words).astype(np.float16)
    return SoftRow(name, tuple(f"{name}w{i}" for i in range(words)), probs, rng.random(words) < 0.8, "de")


def labelled(shard: int, lengths: tuple[int, ...] = (5, 4, 7, 2, 3, 1)) -> list[SoftBlock]:
    """What a labeller makes of sentences of these lengths: blocks of two, batches of two blocks."""
    rng = np.random.default_rng(100 + shard)
    rows = [make_row(f"s{shard}.{number}", words, rng) for number, words in enumerate(lengths)]
    blocks = []
    for batch, first in enumerate(range(0, len(rows), 4)):
        drawing = np.random.default_rng([SEED, shard, batch])
        for start in range(first, min(first + 4, len(rows)), 2):
            own = rows[start : start + 2]
            width = 1 + max(len(row.words) for row in own)  # a batch may be wider than its blocks
            keys, mask = np.zeros((len(own), width), np.int64), np.zeros((len(own), width), np.bool_)
            for at, row in enumerate(own):
                keys[at, : len(row.words)] = (row.probs.argmax(1) + 1) // 2
                mask[at, : len(row.words)] = True
            drawn = sample_pairs(keys, mask, PER_SENTENCE * len(own), drawing)
            sentence, word = np.divmod(drawn, width)
            places = np.stack([sentence[:, 0], word[:, 0], sentence[:, 1], word[:, 1]], 1).astype(np.int32)
            blocks.append(SoftBlock(tuple(own), places, rng.random(len(places)).astype(np.float16), batch))
    return blocks


def write(path: Path, *shards: list[SoftBlock], header: StoreHeader = HEADER) -> Path:
    writer = StoreWriter.create(path, header)
    for index, blocks in enumerate(shards):
        writer.write_shard(index, blocks)
    writer.finish(len(shards))
    return path


def column(path: Path, name: str, shard: int = 0) -> list:
    return pq.read_table(path / f"part-{shard:05d}.parquet")[name].to_pylist()


def assert_comes_back(found: SoftBlock, given: SoftBlock) -> None:
    order = np.argsort(given.pairs[:, 0], kind="stable")
    np.testing.assert_array_equal(found.pairs, given.pairs[order])
    np.testing.assert_array_equal(found.similarity, share_of(quantise_share(given.similarity[order])))
    for mine, its in zip(found.rows, given.rows, strict=True):
        assert (mine.id, mine.words, mine.lang, mine.keep.tolist()) == (its.id, its.words, its.lang, its.keep.tolist())
        np.testing.assert_array_equal(mine.probs, restored(quantise(its.probs), 5))


@pytest.mark.parametrize("shard", [0, 1])
def test_blocks_come_back_quantised_with_all_their_pairs(tmp_path, shard):
    store = SoftLabelStore.open(write(tmp_path / "store", labelled(0), labelled(1)))
    for mine, its in zip(store.read_shard(shard), labelled(shard), strict=True):
        assert_comes_back(mine, its)
        assert mine.batch == its.batch


def test_pairs_that_can_be_drawn_again_are_not_stored(tmp_path):
    path = write(tmp_path / "store", labelled(0))
    assert column(path, "pairs") == [[]] * 6
    assert all(column(path, "drawn"))
    assert sum(map(len, column(path, "similarity"))) == sum(len(block.pairs) for block in labelled(0)) > 0


def _without_batch(block: SoftBlock) -> SoftBlock:
    return replace(block, batch=None)


def _of_another_batch(block: SoftBlock) -> SoftBlock:
    return replace(block, batch=9)


def _one_pair_less(block: SoftBlock) -> SoftBlock:
    return replace(block, pairs=block.pairs[:-1], similarity=block.similarity[:-1])


def _other_pairs(block: SoftBlock) -> SoftBlock:
    return replace(block, pairs=block.pairs[:, [2, 3, 0, 1]])


@pytest.mark.parametrize("change", [_without_batch, _of_another_batch, _one_pair_less, _other_pairs])
def test_pairs_that_were_drawn_otherwise_are_stored_and_others_still_are_not(tmp_path, change):
    blocks = labelled(0)
    blocks[0] = change(blocks[0])
    path = write(tmp_path / "store", blocks)
    # without its batch a block leaves the generator where the next one does not find it
    gone = 4 if change in (_without_batch, _of_another_batch) else 2
    assert column(path, "drawn") == [False] * gone + [True] * (6 - gone)
    for mine, its in zip(SoftLabelStore.open(path).read_shard(0), blocks, strict=True):
        assert_comes_back(mine, its)


def test_without_a_seed_in_the_settings_pairs_are_stored(tmp_path):
    path = write(tmp_path / "store", labelled(0), header=HEADER.model_copy(update={"settings": {}}))
    assert not any(column(path, "drawn"))
    for mine, its in zip(SoftLabelStore.open(path).read_shard(0), labelled(0), strict=True):
        assert_comes_back(mine, its)


def test_pairs_that_come_out_otherwise_are_refused(tmp_path, monkeypatch):
    """Their file is whole: nothing that `resume` would make again."""
    path = write(tmp_path / "store", labelled(0))
    real = np.random.PCG64
    monkeypatch.setattr("ner_distill.data.store.drawing.np.random.PCG64", lambda seed: real([1, *seed]))
    with pytest.raises(RunError, match=r"part-00000\.parquet: its pairs, drawn again with numpy") as caught:
        SoftLabelStore.open(path).read_shard(0)
    assert "resume" not in str(caught.value)


def test_pairs_come_back_where_numpy_has_another_default_generator(tmp_path, monkeypatch):
    path = write(tmp_path / "store", labelled(0))
    monkeypatch.setattr(np.random, "default_rng", lambda seed: np.random.Generator(np.random.PCG64DXSM(seed)))
    assert SoftLabelStore.open(path).read_shard(0)


def test_a_block_that_would_take_endless_memory_is_refused():
    """A stranger's: one long sentence beside many of no word costs hardly a byte in a file."""
    offsets = np.array([0, 2**14, *[2**14] * 2**14])
    rows = len(offsets) - 1
    with pytest.raises(ValueError, match="a block of 16385 sentences, the longest of 16384 words: too large"):
        Drawing(0, 0, 1).pairs(np.zeros(2**14, np.int64), offsets, np.zeros(rows, np.int32), np.zeros(rows, np.int32))


def test_a_shard_under_another_name_is_refused(tmp_path):
    path = write(tmp_path / "store", labelled(0), labelled(1))
    (path / "part-00001.parquet").write_bytes((path / "part-00000.parquet").read_bytes())
    with pytest.raises(RunError, match=r"part-00001\.parquet"):
        SoftLabelStore.open(path)


def test_the_same_blocks_give_the_same_bytes(tmp_path):
    first, second = (write(tmp_path / name, labelled(0), labelled(1)) for name in "ab")
    names = sorted(file.name for file in first.iterdir())
    assert names == sorted(file.name for file in second.iterdir())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_a_shard_of_no_rows_is_fine(tmp_path):
    assert SoftLabelStore.open(write(tmp_path / "store", [])).read_shard(0) == []


def test_spans_come_back_with_scores_of_eight_bits(tmp_path):
    spans = np.array([(0, 2, 1, 0.75), (1, 2, 0, 0.5), (0, 1, 0, 0.0117)], SPAN)
    block = labelled(0)[0]
    row = replace(block.rows[0], spans=spans)
    bare = replace(block.rows[1], spans=np.zeros(0, SPAN))
    header = HEADER.model_copy(update={"span_floor": 0.01})
    path = write(tmp_path / "store", [replace(block, rows=(row, bare))], header=header)
    mine, its = SoftLabelStore.open(path).read_shard(0)[0].rows
    assert mine.spans[["start", "end", "label"]].tolist() == spans[["start", "end", "label"]].tolist()
    np.testing.assert_allclose(mine.spans["score"], spans["score"], atol=1 / 510 + 1e-3)
    assert (mine.spans["score"] > 0.5).tolist() == [True, False, False]
    assert len(its.spans) == 0


def test_another_form_cannot_be_resumed(tmp_path):
    path = write(tmp_path / "store", labelled(0))
    with pytest.raises(RunError, match="store_precision: the store has compact, this run has exact"):
        StoreWriter.resume(path, HEADER.model_copy(update={"store_precision": "exact"}))
