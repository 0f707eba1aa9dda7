from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from ner_distill.data.store import entries as entries_module
from ner_distill.data.store import listing as listing_module
from ner_distill.data.store import store as store_module
from ner_distill.data.store import writer as writer_module
from ner_distill.data.store.entries import Entries, ShardEntry, shard_name
from ner_distill.data.store.manifest import StoreHeader, read_manifest
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import StoreWriter
from ner_distill.errors import RunError
from ner_distill.places import LocalPlace
from tests.data.store.test_store import ALL_ROWS, HEADER, finish_resumed, flip_a_byte, make_shard, row_ids, write_store
from tests.stores import as_version_1


def entry(index: int, **counters: int) -> ShardEntry:
    return ShardEntry(
        index=index, name=shard_name(index), size=10 + index, sha256=f"{index:064x}", rows=4, words=9, kept=8, blocks=2,
        pairs=3, spans=1, longest=5, counters=counters,
    )  # fmt: skip


SMALL = {"LOG_ENTRIES": 2, "LOGS": 2, "PART_ENTRIES": 3}


@pytest.fixture
def small_lists(monkeypatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(listing_module, name, value)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def begun(path: Path) -> StoreWriter:
    return StoreWriter.create(path, HEADER)


# Entries


def test_entries_are_what_they_were_made_of():
    every = [entry(3, seen=4), entry(0), entry(7, seen=0, dropped=2)]
    entries = Entries.of(every)
    assert list(entries) == sorted(every, key=lambda one: one.index)
    assert (entries.total("rows"), entries.summed()) == (12, {"seen": 4, "dropped": 2})


def test_entries_come_back_from_their_file():
    entries = Entries.of([entry(0, seen=4), entry(1), entry(5, dropped=1)])
    assert list(Entries.from_parquet(entries.to_parquet().to_pybytes())) == list(entries)


def test_no_entries_come_back_from_their_file():
    assert list(Entries.from_parquet(Entries.of([]).to_parquet().to_pybytes())) == []


def test_of_entries_of_one_index_the_last_counts():
    first, second = Entries.of([entry(0), entry(1)]), Entries.of([entry(1, seen=2), entry(2)])
    assert list(Entries.joined([first, second])) == [entry(0), entry(1, seen=2), entry(2)]


def test_an_index_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match="once each"):
        Entries.of([entry(1), entry(1)])


# Listing


def test_one_more_shard_writes_one_small_file_however_many_there_are(tmp_path, monkeypatch):
    writer = begun(tmp_path / "store")
    written: list[tuple[str, int]] = []
    real = LocalPlace.write

    def noted(place, name, data, *, advice=""):
        written.append((name, len(data)))
        real(place, name, data, advice=advice)

    monkeypatch.setattr(LocalPlace, "write", noted)
    for index in range(200):
        writer.add(entry(index))
    assert len(written) == 200
    assert max(size for _, size in written) < 64 * 400
    assert {name for name, _ in written} == {f"log-0000{number}.jsonl" for number in range(4)}


@pytest.mark.usefixtures("small_lists")
def test_logs_become_parts_of_the_index(tmp_path):
    writer = begun(tmp_path / "store")
    for index in range(9):
        writer.add(entry(index))
    found = names(tmp_path / "store")
    assert [name.partition("-")[0] for name in found] == ["index", "index", "log", "manifest.json"]
    assert list(read_manifest(tmp_path / "store").shards) == [entry(index) for index in range(9)]


@pytest.mark.usefixtures("small_lists")
@pytest.mark.parametrize("kill_at", range(24))
def test_a_kill_at_any_write_or_removal_loses_no_entry(tmp_path, monkeypatch, kill_at):
    writer, done, seen = begun(tmp_path / "store"), [], []

    def or_killed(real):
        def call(*given, **more):
            seen.append(given)
            if len(seen) > kill_at:
                raise KeyboardInterrupt
            return real(*given, **more)

        return call

    with monkeypatch.context() as patch:
        for name in ("write", "remove"):
            patch.setattr(LocalPlace, name, or_killed(getattr(LocalPlace, name)))
        with suppress(KeyboardInterrupt):
            for index in range(20):
                writer.add(entry(index))
                done.append(index)
    assert len(seen) == kill_at + 1
    found = read_manifest(tmp_path / "store").shards.numbers["index"].tolist()
    # the one that was being listed may be there already
    assert found in (done, [*done, len(done)])


@pytest.mark.usefixtures("small_lists")
def test_a_finished_store_is_the_same_whatever_the_order_and_the_kills(tmp_path):
    straight, otherwise = tmp_path / "a", tmp_path / "b"
    counters = [{"seen": index, **({"dropped": 1} if index > 2 else {})} for index in range(7)]
    for path, order in ((straight, (0, 1, 2, 3, 4, 5, 6)), (otherwise, (5, 0, 6, 3))):
        writer = begun(path)
        for index in order:
            writer.write_shard(index, make_shard(index), counters[index])
        if path == otherwise:
            writer = StoreWriter.resume(path, HEADER)
            for index in (4, 2, 1):
                writer.write_shard(index, make_shard(index), counters[index])
        writer.finish(7)
    assert names(straight) == names(otherwise)
    assert all((straight / name).read_bytes() == (otherwise / name).read_bytes() for name in names(straight))


def test_a_store_is_not_called_complete_while_another_command_took_its_files_away(tmp_path):
    path = tmp_path / "store"
    writer = begun(path)
    made = writer.files.write(0, make_shard(0), {})
    (path / made.name).unlink()  # as `resume` does with leftovers: it had looked before the file was whole
    writer.add(made)
    with pytest.raises(RunError, match=r"part-00000\.parquet: is missing .*Does another command write to this store"):
        writer.finish(1)
    assert finish_resumed(path, 1) == [0]


def test_a_log_of_a_store_that_was_overwritten_does_not_count(tmp_path):
    writer = begun(tmp_path / "store")
    writer.add(entry(0))
    other = HEADER.model_copy(update={"shard_size": 9})
    log = (tmp_path / "store" / "log-00000.jsonl").read_bytes()
    StoreWriter.create(tmp_path / "store", other, overwrite=True)
    (tmp_path / "store" / "log-00000.jsonl").write_bytes(log)
    assert len(read_manifest(tmp_path / "store").shards) == 0


def harm_nothing_listed(path: Path) -> None:
    path.unlink()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [harm_nothing_listed, flip])
def test_a_part_of_the_index_that_is_damaged_is_named(tmp_path, harm):
    path = write_store(tmp_path / "store")
    [part] = path.glob("index-*")
    harm(part)
    with pytest.raises(RunError, match=rf"{part.name}: .*label the text again"):
        SoftLabelStore.open(path)


def test_a_log_of_numbers_that_cannot_be_is_named(tmp_path):
    begun(tmp_path / "store").add(entry(0))
    log = tmp_path / "store" / "log-00000.jsonl"
    log.write_text(log.read_text().replace('"words":9', f'"words":{10**30}'))
    with pytest.raises(RunError, match=r"log-00000\.jsonl: not a list of shards"):
        read_manifest(tmp_path / "store")


@pytest.mark.parametrize(
    ("change", "message"), [({"rows": 2**62}, "not from 0 to"), ({"counters": {"seen": 2**62}}, "not from 0 to")]
)
def test_entries_whose_sum_would_overflow_are_refused(change, message):
    """What a stranger wrote; `model_copy` checks nothing."""
    with pytest.raises(ValueError, match=message):
        Entries.of([entry(0).model_copy(update=change)])


def test_a_small_file_of_the_index_cannot_list_endless_shards(monkeypatch):
    data = Entries.of([entry(index) for index in range(4)]).to_parquet().to_pybytes()
    monkeypatch.setattr(entries_module, "MOST_LISTED", 3)
    with pytest.raises(ValueError, match="lists 4 shards, expected 3 at most"):
        Entries.from_parquet(data)


def test_a_part_of_the_index_is_named_once(tmp_path):
    path = write_store(tmp_path / "store")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["parts"] *= 2
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="a part of the index is named twice"):
        SoftLabelStore.open(path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"header": "x"\n', b"\xff"])
def test_a_log_that_is_damaged_is_named(tmp_path, content):
    begun(tmp_path / "store").add(entry(0))
    (tmp_path / "store" / "log-00000.jsonl").write_bytes(content)
    with pytest.raises(RunError, match=r"log-00000\.jsonl: not a list of shards"):
        read_manifest(tmp_path / "store")


@pytest.mark.parametrize("name", ["../index-0123456789abcdef.parquet", "/etc/passwd", "index-x.parquet"])
def test_a_part_of_another_name_is_refused(tmp_path, name):
    path = write_store(tmp_path / "store")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["parts"][0]["name"] = name
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="must be named index-HASH"):
        SoftLabelStore.open(path)


# Files that are whole and not listed


def unlisted(path: Path, *indices: int, header: StoreHeader = HEADER) -> None:
    """What workers wrote before the driver was killed."""
    files = StoreWriter.resume(path, HEADER).files if header is HEADER else begun(path.parent / "other").files
    for index in indices:
        files.write(index, make_shard(index), {"sentences": 5})


def test_a_whole_file_that_is_not_listed_is_taken_in(tmp_path):
    path = tmp_path / "store"
    begun(path).write_shard(0, make_shard(0), {"sentences": 5})
    unlisted(path, 2)
    assert finish_resumed(path) == [1]
    assert row_ids(path) == ALL_ROWS
    assert read_manifest(path).summary == {"sentences": 15}


@pytest.mark.parametrize("harm", ["cut", "other store", "other name"])
def test_a_file_that_does_not_prove_that_it_belongs_is_made_again(tmp_path, harm):
    path = tmp_path / "store"
    begun(path)
    if harm == "other store":
        other = StoreWriter.create(tmp_path / "other", HEADER.model_copy(update={"shard_size": 9}))
        other.write_shard(1, make_shard(1))
        data = (tmp_path / "other" / shard_name(1)).read_bytes()
    else:
        StoreWriter.resume(path, HEADER).files.write(1, make_shard(1))
        data = (path / shard_name(1)).read_bytes()
        (path / shard_name(1)).unlink()
    target = path / shard_name(2 if harm == "other name" else 1)
    target.write_bytes(data[:-20] if harm == "cut" else data)
    assert finish_resumed(path) == [0, 1, 2]
    assert row_ids(path) == ALL_ROWS


# Hashes


def test_a_shard_of_a_large_store_is_compared_when_it_is_read(tmp_path, monkeypatch):
    path = write_store(tmp_path / "store")
    flip_a_byte(path / shard_name(1))
    monkeypatch.setattr(store_module, "HASHED", 10)
    store = SoftLabelStore.open(path, verify=True)
    store.read_shard(0)
    with pytest.raises(RunError, match=r"(?s)`resume` and `verify`.*part-00001\.parquet: its sha256 is"):
        store.read_shard(1)


def test_resume_compares_the_hashes_of_a_large_store_where_it_is_asked_to(tmp_path, monkeypatch):
    path = write_store(tmp_path / "store")
    flip_a_byte(path / shard_name(1))
    monkeypatch.setattr(writer_module, "HASHED", 10)
    assert not StoreWriter.resume(path, HEADER).remade
    [line] = StoreWriter.resume(path, HEADER, verify=True).remade
    assert line.startswith("part-00001.parquet: its sha256 is")


# Stores of version 1


def test_a_store_of_version_1_is_read(tmp_path):
    path = as_version_1(write_store(tmp_path / "store"))
    store = SoftLabelStore.open(path, verify=True)
    assert ([row.id for row in store.iter_rows()], store.manifest.version) == (ALL_ROWS, 1)


def test_a_finished_store_of_version_1_stays_as_it_is(tmp_path):
    path = as_version_1(write_store(tmp_path / "store"))
    before = {name: (path / name).read_bytes() for name in names(path)}
    assert finish_resumed(path) == []
    assert {name: (path / name).read_bytes() for name in names(path)} == before


@pytest.mark.parametrize("harm", [Path.unlink, flip_a_byte])
def test_a_store_of_version_1_that_is_gone_on_with_becomes_one_of_version_2_without_loss(tmp_path, harm):
    path = as_version_1(write_store(tmp_path / "store"))
    harm(path / shard_name(1))
    assert finish_resumed(path) == [1]
    assert (row_ids(path), read_manifest(path).version) == (ALL_ROWS, 2)
    assert read_manifest(path).summary == {"sentences": 15}


def test_the_longest_sentence_of_a_shard_is_known(tmp_path):
    numbers = read_manifest(write_store(tmp_path / "store")).shards.numbers
    np.testing.assert_array_equal(numbers["longest"], [6, 6, 6])
