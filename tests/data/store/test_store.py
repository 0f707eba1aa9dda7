import errno
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ner_distill.data.store.columns import SPAN, SoftBlock, SoftRow
from ner_distill.data.store.manifest import InputFile, StoreHeader, TeacherId
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import StoreWriter
from ner_distill.errors import RunError, TrainingError
from ner_distill.files import atomic_write_bytes
from ner_distill.places import LocalPlace
from tests.stores import as_version_1, edit_entry

LABELS = ("LOC", "PER")
HEADER = StoreHeader(
    labels=LABELS,
    unit="word",
    teachers=(TeacherId(name="runs/teacher", fingerprint="aaa111"),),
    inputs=(InputFile(name="raw.txt", size=10, sha256="0" * 64),),
    shard_size=5,
    block_size=2,
    settings={"min_votes": 2, "threshold": 0.5},
)


def make_row(name: str, words: int, rng: np.random.Generator) -> SoftRow:
    probs = rng.dirichlet([0.5] * 5, size=words).astype(np.float16)
    return SoftRow(name, tuple(f"{name}w{i}" for i in range(words)), probs, rng.random(words) < 0.8, "de")


def make_shard(index: int) -> list[SoftBlock]:
    """Five sentences `s{5 index}` ... in blocks of 2, 2 and 1, with pairs within and between sentences."""
    rng = np.random.default_rng(index)
    rows = [make_row(f"s{5 * index + i}", 2 + i, rng) for i in range(5)]
    return [
        SoftBlock(tuple(rows[:2]), np.array([[0, 1, 1, 2], [0, 0, 0, 1], [1, 0, 0, 1]], np.int32), _half(0.1, 0.9, 1)),
        SoftBlock(tuple(rows[2:4]), np.zeros((0, 4), np.int32), _half()),
        SoftBlock((rows[4],), np.array([[0, 5, 0, 0]], np.int32), _half(0)),
    ]


def _half(*values: float) -> np.ndarray:
    return np.array(values, np.float16)


def write_store(path: Path, shards: int = 3) -> Path:
    writer = StoreWriter.create(path, HEADER)
    for index in range(shards):
        writer.write_shard(index, make_shard(index), {"sentences": 5})
    writer.finish(shards)
    return path


def row_ids(path: Path) -> list[str]:
    return [row.id for row in SoftLabelStore.open(path).iter_rows()]


def assert_same_block(found: SoftBlock, expected: SoftBlock) -> None:
    np.testing.assert_array_equal(found.pairs, expected.pairs)
    np.testing.assert_array_equal(found.similarity, expected.similarity)
    assert found.similarity.dtype == np.float16
    for mine, its in zip(found.rows, expected.rows, strict=True):
        assert (mine.id, mine.words, mine.lang) == (its.id, its.words, its.lang)
        assert mine.probs.dtype == np.float16
        np.testing.assert_array_equal(mine.probs, its.probs)
        np.testing.assert_array_equal(mine.keep, its.keep)


def edit_manifest(path: Path, change) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


# What goes in comes out


@pytest.mark.parametrize("index", [0, 1, 2])
def test_blocks_come_back_exactly(tmp_path, index):
    store = SoftLabelStore.open(write_store(tmp_path / "store"))
    expected = make_shard(index)
    found = store.read_shard(index)
    assert len(found) == len(expected)
    for mine, its in zip(found, expected, strict=True):
        assert_same_block(mine, its)


def test_words_of_any_script_and_a_missing_language_come_back(tmp_path):
    row = SoftRow("a", ("北", "", "ﺍ", "🙂", "tab\there"), np.eye(5, dtype=np.float16), np.ones(5, np.bool_), None)
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, [SoftBlock((row,), np.zeros((0, 4), np.int32), _half())])
    writer.finish(1)
    [found] = SoftLabelStore.open(tmp_path / "store").iter_rows()
    assert (found.words, found.lang) == (row.words, None)


def test_pairs_are_stored_on_the_row_of_their_first_word(tmp_path):
    path = write_store(tmp_path / "store", 1)
    column = pq.read_table(path / "part-00000.parquet")["pairs"].to_pylist()
    assert [[(p["word"], p["other_row"], p["other_word"]) for p in row] for row in column] == [
        [(1, 1, 2), (0, 0, 1)],
        [(0, 0, 1)],
        [],
        [],
        [(5, 0, 0)],
    ]


def test_pairs_in_any_order_come_back_sorted_by_first_row(tmp_path):
    rows = tuple(make_row(f"s{i}", 3, np.random.default_rng(i)) for i in range(3))
    pairs = np.array([[2, 0, 1, 1], [0, 1, 2, 2], [2, 2, 0, 0], [0, 0, 1, 0]], np.int32)
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, [SoftBlock(rows, pairs, _half(0.1, 0.2, 0.3, 0.4))])
    writer.finish(1)
    [block] = SoftLabelStore.open(tmp_path / "store").read_shard(0)
    assert_same_block(block, SoftBlock(rows, pairs[[1, 3, 0, 2]], _half(0.2, 0.4, 0.1, 0.3)))


def test_pairs_of_one_row_keep_their_order(tmp_path):
    rows = tuple(make_row(f"s{i}", 9, np.random.default_rng(i)) for i in range(2))
    random = np.random.default_rng(0)
    pairs = np.stack([random.integers(0, high, 200) for high in (2, 9, 2, 9)], axis=1).astype(np.int32)
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, [SoftBlock(rows, pairs, np.zeros(200, np.float16))])
    writer.finish(1)
    [block] = SoftLabelStore.open(tmp_path / "store").read_shard(0)
    assert block.pairs.tolist() == [pair for row in (0, 1) for pair in pairs.tolist() if pair[0] == row]


def test_block_index_has_places_and_sizes(tmp_path):
    store = SoftLabelStore.open(write_store(tmp_path / "store", 2))
    expected = [(0, 2, 5, 3), (2, 2, 9, 5), (4, 1, 6, 6)]  # first row, rows, words, longest
    assert [store.blocks_of(shard).tolist() for shard in (0, 1)] == [expected, expected]
    assert store.first_blocks.tolist() == [0, 3, 6]


def test_read_block_finds_the_block_of_the_index(tmp_path):
    store = SoftLabelStore.open(write_store(tmp_path / "store", 2))
    assert_same_block(store.read_block(4), make_shard(1)[1])


def test_iter_rows_starts_in_the_middle_of_a_shard(tmp_path):
    store = SoftLabelStore.open(write_store(tmp_path / "store"))
    assert [row.id for row in store.iter_rows(start=7)] == [f"s{i}" for i in range(7, 15)]


def test_counts_are_those_of_the_rows(tmp_path):
    store = SoftLabelStore.open(write_store(tmp_path / "store", 2))
    rows = list(store.iter_rows())
    assert (store.rows, store.words, store.kept) == (
        10,
        sum(len(row.words) for row in rows),
        sum(int(row.keep.sum()) for row in rows),
    )


def test_a_shard_of_no_rows_is_fine(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, [])
    writer.write_shard(1, make_shard(1))
    writer.finish(2)
    store = SoftLabelStore.open(tmp_path / "store")
    assert store.read_shard(0) == []
    assert store.first_blocks.tolist() == [0, 0, 3]


def test_only_the_given_number_of_decoded_shards_is_held(tmp_path):
    store = SoftLabelStore.open(write_store(tmp_path / "store"), cached_shards=2)
    first = store.read_shard(0)
    assert store.read_shard(0) is first
    store.read_shard(1)
    store.read_shard(2)
    assert store.read_shard(0) is not first


def test_the_decoded_shard_used_last_is_held_longest(tmp_path):
    store = SoftLabelStore.open(write_store(tmp_path / "store"), cached_shards=2)
    first = store.read_shard(0)
    store.read_shard(1)
    store.read_shard(0)
    store.read_shard(2)
    assert store.read_shard(0) is first


def test_the_same_blocks_give_the_same_bytes(tmp_path):
    first, second = write_store(tmp_path / "a"), write_store(tmp_path / "b")
    assert (first / "part-00001.parquet").read_bytes() == (second / "part-00001.parquet").read_bytes()


# Kills, damage, resuming


def finish_resumed(path: Path, shards: int = 3) -> list[int]:
    """Resume as label-unlabeled does; the shards that were made."""
    writer = StoreWriter.resume(path, HEADER)
    made = [index for index in range(shards) if writer.needed(index)]
    for index in made:
        writer.write_shard(index, make_shard(index), {"sentences": 5})
    writer.finish(shards)
    return made


ALL_ROWS = [f"s{i}" for i in range(15)]


@pytest.mark.parametrize("kill_at", range(9))
def test_a_kill_at_any_rename_loses_and_doubles_no_row(tmp_path, monkeypatch, kill_at):
    # Renames: manifest, then shard and log three times, then the index and the finished manifest.
    path, real, seen = tmp_path / "store", Path.replace, []

    def killed(source, target):
        seen.append(target)
        if len(seen) > kill_at:
            raise KeyboardInterrupt
        return real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        patch.setattr(Path, "unlink", lambda *a, **k: None)  # a real kill runs no `finally`
        with pytest.raises(KeyboardInterrupt):
            write_store(path)
    finish_resumed(path)
    assert row_ids(path) == ALL_ROWS
    index, *others = sorted(file.name for file in path.iterdir())
    assert others == ["manifest.json", *(f"part-0000{i}.parquet" for i in range(3))]
    assert [part["name"] for part in json.loads((path / "manifest.json").read_text())["parts"]] == [index]


def test_a_shard_that_was_renamed_but_not_listed_is_made_again(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, make_shard(0))
    (tmp_path / "store" / "part-00001.parquet").write_bytes(b"renamed just before the kill")
    assert finish_resumed(tmp_path / "store") == [1, 2]
    assert row_ids(tmp_path / "store") == ALL_ROWS


def test_a_resumed_store_equals_one_that_was_never_interrupted(tmp_path):
    whole, resumed = write_store(tmp_path / "whole"), tmp_path / "resumed"
    StoreWriter.create(resumed, HEADER).write_shard(1, make_shard(1), {"sentences": 5})  # out of order, too
    finish_resumed(resumed)
    for name in ("manifest.json", *(f"part-0000{i}.parquet" for i in range(3))):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


def truncate(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:-7])


def flip_a_byte(shard: Path) -> None:
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)


@pytest.mark.parametrize("harm", [truncate, flip_a_byte, Path.unlink])
def test_resume_makes_a_damaged_shard_again_and_no_other(tmp_path, harm):
    path = write_store(tmp_path / "store")
    harm(path / "part-00001.parquet")
    assert finish_resumed(path) == [1]
    assert row_ids(path) == ALL_ROWS


@pytest.mark.parametrize("harm", [truncate, flip_a_byte, Path.unlink])
def test_opening_with_verify_names_the_damaged_shard(tmp_path, harm):
    path = write_store(tmp_path / "store")
    harm(path / "part-00001.parquet")
    with pytest.raises(RunError, match=r"  - part-00001\.parquet: "):
        SoftLabelStore.open(path, verify=True)


@pytest.mark.parametrize("harm", [truncate, Path.unlink])
def test_opening_finds_a_truncated_or_missing_shard_without_hashing(tmp_path, harm):
    path = write_store(tmp_path / "store")
    harm(path / "part-00002.parquet")
    with pytest.raises(RunError, match=r"part-00002\.parquet: "):
        SoftLabelStore.open(path)


def test_resume_counts_what_earlier_runs_did(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, make_shard(0), {"sentences": 5, "too_long": 1})
    writer = StoreWriter.resume(tmp_path / "store", HEADER)
    writer.write_shard(1, make_shard(1), {"sentences": 4})
    assert writer.finish(2).summary == {"sentences": 9, "too_long": 1}


def test_resume_of_a_finished_store_needs_nothing(tmp_path):
    assert finish_resumed(write_store(tmp_path / "store")) == []


def test_resume_begins_a_store_where_there_is_none(tmp_path):
    assert StoreWriter.resume(tmp_path / "new", HEADER).needed(0)


@pytest.mark.parametrize(
    ("change", "both_values"),
    [
        ({"teachers": (TeacherId(name="runs/teacher", fingerprint="bbb222"),)}, ("aaa111", "bbb222")),
        ({"labels": ("PER", "LOC")}, ("['LOC', 'PER']", "['PER', 'LOC']")),
        ({"inputs": (InputFile(name="raw.txt", size=11, sha256="1" * 64),)}, ("10 bytes", "11 bytes")),
        ({"shard_size": 7}, ("has 5", "has 7")),
        ({"settings": {"min_votes": 2, "threshold": 0.75}}, ("has 0.5", "has 0.75")),
        ({"settings": {"min_votes": 2}}, ("has 0.5", "has nothing")),
    ],
)
def test_resume_with_something_else_is_refused_with_both_values(tmp_path, change, both_values):
    path = write_store(tmp_path / "store")
    with pytest.raises(RunError) as caught:
        StoreWriter.resume(path, HEADER.model_copy(update=change))
    assert all(value in str(caught.value) for value in both_values)
    assert row_ids(path) == ALL_ROWS


def test_resume_lists_every_difference(tmp_path):
    path = write_store(tmp_path / "store")
    with pytest.raises(RunError) as caught:
        StoreWriter.resume(path, HEADER.model_copy(update={"shard_size": 7, "block_size": 9, "unit": "character"}))
    assert str(caught.value).count("  - ") == 3


def test_resume_takes_files_and_teachers_that_were_moved(tmp_path):
    path = write_store(tmp_path / "store")
    moved = {
        "teachers": (TeacherId(name="elsewhere", fingerprint="aaa111"),),
        "inputs": (InputFile(name="there/raw.txt", size=10, sha256="0" * 64),),
    }
    assert not StoreWriter.resume(path, HEADER.model_copy(update=moved)).needed(2)


def test_finish_refuses_a_store_with_a_gap(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, make_shard(0))
    writer.write_shard(2, make_shard(2))
    with pytest.raises(RunError, match="missing or too many: 1"):
        writer.finish(3)


def test_finish_refuses_shards_beyond_the_end_of_the_input(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, make_shard(0))
    writer.write_shard(1, make_shard(1))
    with pytest.raises(RunError, match="missing or too many: 1"):
        writer.finish(1)


def test_a_shard_cannot_be_written_twice(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, make_shard(0))
    with pytest.raises(ValueError, match="written already"):
        writer.write_shard(0, make_shard(0))


def test_full_disk_says_what_is_kept_and_leaves_a_store_to_resume(tmp_path, monkeypatch):
    path = tmp_path / "store"
    writer = StoreWriter.create(path, HEADER)
    writer.write_shard(0, make_shard(0))

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(TrainingError, match=r"disk is full.*1 finished shards are kept.*`resume`"):
            writer.write_shard(1, make_shard(1))
    assert sorted(file.name for file in path.iterdir()) == ["log-00000.jsonl", "manifest.json", "part-00000.parquet"]
    assert finish_resumed(path) == [1, 2]


def test_full_disk_at_the_log_lets_the_same_writer_try_again(tmp_path, monkeypatch):
    writer = StoreWriter.create(tmp_path / "store", HEADER)

    real = LocalPlace.write

    def full(place, name, data, *, advice=""):
        if name.startswith("log-"):
            raise TrainingError("the disk is full")
        real(place, name, data, advice=advice)

    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "write", full)
        with pytest.raises(TrainingError):
            writer.write_shard(0, make_shard(0))
    writer.write_shard(0, make_shard(0))
    writer.finish(1)
    assert row_ids(tmp_path / "store") == ALL_ROWS[:5]


# What is in the way


def test_create_refuses_a_store_that_is_there_and_says_the_ways_out(tmp_path):
    path = write_store(tmp_path / "store")
    with pytest.raises(RunError, match="`resume`.*`overwrite`"):
        StoreWriter.create(path, HEADER)


def test_overwrite_begins_anew(tmp_path):
    path = write_store(tmp_path / "store")
    writer = StoreWriter.create(path, HEADER, overwrite=True)
    assert all(writer.needed(index) for index in range(3))
    assert [file.name for file in path.iterdir()] == ["manifest.json"]


def test_what_was_to_be_replaced_is_not_taken_in_after_a_kill(tmp_path, monkeypatch):
    path = write_store(tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "_remove_leftovers", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            StoreWriter.create(path, HEADER, overwrite=True)
    writer = StoreWriter.resume(path, HEADER)
    assert [index for index in range(3) if writer.needed(index)] == [0, 1, 2]


def test_overwrite_leaves_files_that_are_not_the_stores(tmp_path):
    path = write_store(tmp_path / "store")
    (path / "log.txt").write_text("mine")
    StoreWriter.create(path, HEADER, overwrite=True)
    assert (path / "log.txt").read_text() == "mine"


@pytest.mark.parametrize("content", [None, "{}", '{"format": "something else"}', "not json"])
def test_overwrite_never_touches_a_folder_that_is_no_store(tmp_path, content):
    (tmp_path / "part-00000.parquet").write_text("a user's own")
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunError, match="not a soft-label store"):
        StoreWriter.create(tmp_path, HEADER, overwrite=True)
    assert (tmp_path / "part-00000.parquet").read_text() == "a user's own"


def test_opening_an_unfinished_store_says_how_to_finish_it(tmp_path):
    StoreWriter.create(tmp_path / "store", HEADER).write_shard(0, make_shard(0))
    with pytest.raises(RunError, match=r"1 shards are done.*`resume`"):
        SoftLabelStore.open(tmp_path / "store")


def test_an_unfinished_store_can_be_read_as_far_as_it_goes(tmp_path):
    StoreWriter.create(tmp_path / "store", HEADER).write_shard(0, make_shard(0))
    assert SoftLabelStore.open(tmp_path / "store", allow_incomplete=True).rows == 5


# Stores of strangers


def _name_leads_out(manifest):
    manifest["shards"][1]["name"] = "../evil.parquet"


def _absolute_name(manifest):
    manifest["shards"][1]["name"] = "/etc/passwd"


def _name_of_another_shard(manifest):
    manifest["shards"][1]["name"] = "part-00000.parquet"


def _negative_rows(manifest):
    manifest["shards"][0]["rows"] = -5


def _endless_rows(manifest):
    manifest["shards"][0]["rows"] = 10**30


def _sum_that_overflows(manifest):
    for shard in manifest["shards"]:
        shard["words"] = 2**62


def _doubled_shard(manifest):
    manifest["shards"].append(manifest["shards"][-1])


def _other_tags(manifest):
    manifest["tags"] = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def _doubled_label(manifest):
    manifest["labels"] = ["LOC", "LOC"]


def _gap_in_complete(manifest):
    del manifest["shards"][1]


@pytest.mark.parametrize(
    "change",
    [
        _name_leads_out,
        _absolute_name,
        _name_of_another_shard,
        _negative_rows,
        _endless_rows,
        _sum_that_overflows,
        _doubled_shard,
        _other_tags,
        _doubled_label,
        _gap_in_complete,
    ],
)
def test_a_manifest_that_cannot_be_is_refused(tmp_path, change):
    path = as_version_1(write_store(tmp_path / "store"))
    edit_manifest(path, change)
    with pytest.raises(RunError, match=r"manifest\.json: not a manifest of a soft-label store"):
        SoftLabelStore.open(path)


def test_a_later_version_is_named(tmp_path):
    path = write_store(tmp_path / "store")
    edit_manifest(path, lambda manifest: manifest.update(version=3, labels="of another shape"))
    with pytest.raises(RunError, match="version 3 of the format, this program reads versions 1 and 2"):
        SoftLabelStore.open(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"format": 3}', b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(tmp_path, content):
    path = write_store(tmp_path / "store")
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(RunError, match=r"manifest\.json"):
        SoftLabelStore.open(path)


def test_a_folder_without_manifest_is_no_store(tmp_path):
    with pytest.raises(RunError, match="not a soft-label store"):
        SoftLabelStore.open(tmp_path)


def test_fewer_rows_than_the_manifest_says_is_damage(tmp_path):
    path = write_store(tmp_path / "store")
    edit_entry(path, 0, rows=6)
    with pytest.raises(RunError, match=r"part-00000\.parquet"):
        SoftLabelStore.open(path).read_shard(0)


def replace_shard(path: Path, column: str, change) -> None:
    """Change one column of the first shard, and the manifest so that size and hash are right again."""
    shard = path / "part-00000.parquet"
    table = pq.read_table(shard)
    values = change(table[column].to_pylist())
    place = table.column_names.index(column)
    changed = table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    pq.write_table(changed, shard)
    list_again(path)


def list_again(path: Path) -> None:
    """Make the manifest say the size and the hash that the first shard has now."""
    data = (path / "part-00000.parquet").read_bytes()
    edit_entry(path, 0, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _set_prob(value):
    def change(rows):
        rows[1][5] = np.float16(value)  # word 1 of sentence s1, its first tag
        return rows

    return change


def _pair(**field):
    def change(rows):
        rows[0][0].update(field)
        return rows

    return change


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("probs", _set_prob(np.nan), r"'s1', word 1: a probability is not a number"),
        ("probs", _set_prob(np.inf), r"'s1', word 1: a probability is not a number"),
        ("probs", _set_prob(-0.1), r"'s1', word 1: a probability is negative"),
        ("probs", _set_prob(7), r"'s1', word 1: .* do not sum to 1"),
        ("probs", lambda rows: [row[:-1] for row in rows], "lengths of 'probs'"),
        ("keep", lambda rows: [row[:-1] for row in rows], "lengths of 'keep'"),
        ("block", lambda rows: [0, 1, 0, 1, 2], "rows of a block must be together"),
        ("pairs", _pair(other_row=2), "'s0': a pair points to a word that its block does not have"),
        ("pairs", _pair(word=2), "'s0': a pair points to a word that its block does not have"),
        ("pairs", _pair(other_word=3), "'s0': a pair points to a word that its block does not have"),
        ("pairs", _pair(other_word=-1), "'s0': a pair points to a word that its block does not have"),
        ("pairs", _pair(similarity=np.float16(np.nan)), "similarity is not between 0 and 1"),
    ],
)
def test_values_that_cannot_be_are_refused_with_their_place(tmp_path, column, change, message):
    path = write_store(tmp_path / "store", 1)
    replace_shard(path, column, change)
    store = SoftLabelStore.open(path, verify=True)
    with pytest.raises(RunError, match=rf"(?s)part-00000\.parquet.*{message}"):
        store.read_shard(0)


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    path = write_store(tmp_path / "store", 1)
    shard = path / "part-00000.parquet"
    shard.write_bytes(b"x" * shard.stat().st_size)
    list_again(path)
    with pytest.raises(RunError, match="cannot be read as Parquet"):
        SoftLabelStore.open(path).read_shard(0)


def test_a_column_of_another_type_is_refused(tmp_path):
    path = write_store(tmp_path / "store", 1)
    shard = path / "part-00000.parquet"
    table = pq.read_table(shard)
    pq.write_table(table.set_column(4, "block", table["block"].cast(pa.string())), shard)
    list_again(path)
    with pytest.raises(RunError, match="column 'block' must be int32, found string"):
        SoftLabelStore.open(path).read_shard(0)


# What the writer is given


def test_a_teacher_that_gives_nan_stops_the_run_and_keeps_the_store(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    writer.write_shard(0, make_shard(0))
    blocks = make_shard(1)
    blocks[1].rows[0].probs[2, 3] = np.nan
    with pytest.raises(TrainingError, match=r"shard 1 .*'s7', word 2: a probability is not a number"):
        writer.write_shard(1, blocks)
    assert finish_resumed(tmp_path / "store") == [1, 2]


@pytest.mark.parametrize(
    ("probs", "keep"),
    [
        (np.full((2, 5), 0.2, np.float32), np.ones(2, np.bool_)),
        (np.full((2, 4), 0.25, np.float16), np.ones(2, np.bool_)),
        (np.full((3, 5), 0.2, np.float16), np.ones(2, np.bool_)),
        (np.full((2, 5), 0.2, np.float16), np.ones(3, np.bool_)),
        (np.full((2, 5), 0.2, np.float16), np.ones(2, np.int64)),
    ],
)
def test_rows_of_wrong_shape_or_type_are_refused(tmp_path, probs, keep):
    writer = StoreWriter.create(tmp_path / "store", HEADER)
    block = SoftBlock((SoftRow("a", ("x", "y"), probs, keep),), np.zeros((0, 4), np.int32), _half())
    with pytest.raises(ValueError, match=r"'a': .* must be"):
        writer.write_shard(0, [block])


def test_a_pair_of_a_row_outside_its_block_is_refused(tmp_path):
    # Row 1 of a block of one sentence would be the first row of the next block.
    blocks = make_shard(0)
    blocks[2] = SoftBlock(blocks[2].rows, np.array([[1, 0, 0, 0]], np.int32), _half(0.5))
    with pytest.raises(ValueError, match="not in its block"):
        StoreWriter.create(tmp_path / "store", HEADER).write_shard(0, blocks[2:] + blocks[:2])


def test_leftovers_of_a_users_own_are_not_removed(tmp_path):
    path = write_store(tmp_path / "store", 1)
    atomic_write_bytes(path / ".mine.17.tmp", b"a user's own")
    StoreWriter.resume(path, HEADER)
    assert (path / ".mine.17.tmp").exists()


# Spans, of teachers with a span head

SPAN_HEADER = HEADER.model_copy(update={"span_floor": 0.01})
SPANS = {  # of s0 (2 words), s2 (4 words); all others have none
    "s0": [(0, 2, 1, 0.75), (0, 1, 0, 0.5), (0, 2, 0, 0.0625)],
    "s2": [(3, 4, 1, 1.0)],
}


def make_span_shard(index: int, spans: dict[str, list[tuple]] | None = None) -> list[SoftBlock]:
    """`make_shard` with spans."""
    spans = SPANS if spans is None else spans
    return [
        replace(block, rows=tuple(replace(row, spans=np.array(spans.get(row.id, []), SPAN)) for row in block.rows))
        for block in make_shard(index)
    ]


def write_span_store(path: Path, shards: int = 1) -> Path:
    writer = StoreWriter.create(path, SPAN_HEADER)
    for index in range(shards):
        writer.write_shard(index, make_span_shard(index))
    writer.finish(shards)
    return path


def test_spans_come_back_exactly(tmp_path):
    store = SoftLabelStore.open(write_span_store(tmp_path / "store", 2))
    found = {row.id: row.spans.tolist() for row in store.iter_rows()}
    assert found == {**{name: [] for name in ALL_ROWS[:10]}, **SPANS}
    assert next(store.iter_rows()).spans.dtype == SPAN


def test_spans_change_nothing_else_of_a_row(tmp_path):
    store = SoftLabelStore.open(write_span_store(tmp_path / "store"))
    for mine, its in zip(store.read_shard(0), make_shard(0), strict=True):
        assert_same_block(mine, its)


def test_spans_are_read_only(tmp_path):
    row = next(SoftLabelStore.open(write_span_store(tmp_path / "store")).iter_rows())
    with pytest.raises(ValueError, match="read-only"):
        row.spans["score"][0] = 0.5


def test_spans_are_a_column_of_structs(tmp_path):
    path = write_span_store(tmp_path / "store")
    column = pq.read_table(path / "part-00000.parquet")["spans"].to_pylist()
    assert column[0][0] == {"start": 0, "end": 2, "label": 1, "score": 0.75}
    assert [len(row) for row in column] == [3, 0, 1, 0, 0]


def test_the_manifest_counts_spans_and_says_their_floor(tmp_path):
    manifest = SoftLabelStore.open(write_span_store(tmp_path / "store", 2)).manifest
    assert (manifest.span_floor, [shard.spans for shard in manifest.shards]) == (0.01, [4, 0])


def test_a_store_without_spans_has_no_such_column(tmp_path):
    path = write_store(tmp_path / "store", 1)
    assert "spans" not in pq.read_table(path / "part-00000.parquet").column_names
    assert [row.spans for row in SoftLabelStore.open(path).iter_rows()] == [None] * 5


def test_a_store_from_before_there_were_spans_is_read_and_resumed(tmp_path):
    path = as_version_1(write_store(tmp_path / "store"))

    def as_it_was(manifest):
        del manifest["span_floor"]
        for shard in manifest["shards"]:
            del shard["spans"]

    edit_manifest(path, as_it_was)
    assert row_ids(path) == ALL_ROWS
    assert finish_resumed(path) == []


def test_a_shard_of_no_rows_is_fine_in_a_store_with_spans(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", SPAN_HEADER)
    writer.write_shard(0, [])
    writer.finish(1)
    assert SoftLabelStore.open(tmp_path / "store").read_shard(0) == []


@pytest.mark.parametrize(
    ("store", "header", "both_values"),
    [
        (SPAN_HEADER, SPAN_HEADER.model_copy(update={"span_floor": 0.05}), ("has 0.01", "has 0.05")),
        (SPAN_HEADER, HEADER, ("has 0.01", "has nothing")),
        (HEADER, SPAN_HEADER, ("has nothing", "has 0.01")),
    ],
)
def test_resume_with_another_span_floor_is_refused_with_both_values(tmp_path, store, header, both_values):
    StoreWriter.create(tmp_path / "store", store)
    with pytest.raises(RunError, match="span_floor") as caught:
        StoreWriter.resume(tmp_path / "store", header)
    assert all(value in str(caught.value) for value in both_values)


@pytest.mark.parametrize("floor", [0.0, 1.0, -0.1, float("nan")])
def test_a_manifest_with_a_span_floor_that_cannot_be_is_refused(tmp_path, floor):
    path = write_span_store(tmp_path / "store")
    edit_manifest(path, lambda manifest: manifest.update(span_floor=floor))
    with pytest.raises(RunError, match="span_floor"):
        SoftLabelStore.open(path)


def test_a_column_of_spans_that_the_manifest_does_not_know_is_refused(tmp_path):
    path = write_span_store(tmp_path / "store")
    edit_manifest(path, lambda manifest: manifest.update(span_floor=None))
    with pytest.raises(RunError, match=r"part-00000\.parquet: has a column 'spans'; expected none"):
        SoftLabelStore.open(path).read_shard(0)


def test_a_column_of_spans_that_is_missing_is_refused(tmp_path):
    path = write_store(tmp_path / "store", 1)
    edit_manifest(path, lambda manifest: manifest.update(span_floor=0.01))
    with pytest.raises(RunError, match=r"part-00000\.parquet: column 'spans' must be list.*, found nothing"):
        SoftLabelStore.open(path).read_shard(0)


def test_fewer_spans_than_the_manifest_says_is_damage(tmp_path):
    path = write_span_store(tmp_path / "store")
    edit_entry(path, 0, spans=5)
    with pytest.raises(RunError, match=r"part-00000\.parquet: .*words, pairs and spans"):
        SoftLabelStore.open(path).read_shard(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": 2}, "its start must be 0 or more and below its end"),
        ({"start": -1}, "its start must be 0 or more and below its end"),
        ({"end": 3}, "it ends beyond the sentence's words"),
        ({"label": 2}, "its type must be 0 to 1"),
        ({"label": -1}, "its type must be 0 to 1"),
        ({"score": np.float16(np.nan)}, "its score is not between 0 and 1"),
        ({"score": np.float16(1.5)}, "its score is not between 0 and 1"),
        ({"score": np.float16(-0.5)}, "its score is not between 0 and 1"),
        ({"label": 0}, "it is there twice"),  # the sentence's third span
    ],
)
def test_spans_that_cannot_be_are_refused_with_their_sentence(tmp_path, change, message):
    path = write_span_store(tmp_path / "store")

    def changed(rows):
        rows[0][0].update(change)
        return rows

    replace_shard(path, "spans", changed)
    with pytest.raises(RunError, match=rf"(?s)part-00000\.parquet: sentence 's0', span from word .*: {message}"):
        SoftLabelStore.open(path, verify=True).read_shard(0)


def test_the_same_span_in_two_sentences_is_fine(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", SPAN_HEADER)
    same = [(0, 1, 0, 0.5)]
    writer.write_shard(0, make_span_shard(0, {"s0": same, "s1": same}))
    writer.finish(1)
    rows = SoftLabelStore.open(tmp_path / "store").iter_rows()
    assert [row.spans.tolist() for row in rows] == [same, same, [], [], []]


def test_a_teacher_that_gives_a_span_no_score_stops_the_run_and_keeps_the_store(tmp_path):
    writer = StoreWriter.create(tmp_path / "store", SPAN_HEADER)
    with pytest.raises(TrainingError, match=r"shard 0 .*'s0', span from word 0 to 1, type 0: its score"):
        writer.write_shard(0, make_span_shard(0, {"s0": [(0, 1, 0, np.nan)]}))
    assert writer.needed(0)


@pytest.mark.parametrize("spans", [None, np.zeros((1, 4), np.int32), np.zeros((1, 1), SPAN), [(0, 1, 0, 0.5)]])
def test_spans_of_another_kind_are_not_written(tmp_path, spans):
    [*_, block] = make_span_shard(0)
    block = replace(block, rows=(replace(block.rows[0], spans=spans),))
    with pytest.raises(ValueError, match="'s4': spans must be"):
        StoreWriter.create(tmp_path / "store", SPAN_HEADER).write_shard(0, [block])


def test_spans_are_not_written_to_a_store_without(tmp_path):
    with pytest.raises(ValueError, match="'s0': has spans, but the store's header has no span_floor"):
        StoreWriter.create(tmp_path / "store", HEADER).write_shard(0, make_span_shard(0))
