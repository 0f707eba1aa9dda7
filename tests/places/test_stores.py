"""Stores in an object store, in fsspec's memory: as those of this machine."""

from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.store.manifest import StoreHeader
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import StoreWriter
from ner_distill.errors import RunError, TrainingError
from tests.commands import ok, run
from tests.stores import ANN, BANK, RAIN, contents, write_store
from tests.world import World

pytestmark = pytest.mark.usefixtures("memory")

SHARDS = [[BANK, RAIN], [ANN], [RAIN, BANK, ANN]]
URL = "memory://bucket/soft"


def there(memory: Any) -> dict[str, bytes]:
    return {
        path.removeprefix("/bucket/soft/"): memory.cat_file(path) for path in memory.find("/bucket/soft")
    }  # fmt: skip


def header_of(url: str) -> StoreHeader:
    manifest = SoftLabelStore.open(url, allow_incomplete=True).manifest
    return StoreHeader(**{name: getattr(manifest, name) for name in StoreHeader.model_fields})


def test_a_store_is_written_as_the_same_files(memory: Any, tmp_path: Path) -> None:
    write_store(URL, SHARDS)  # type: ignore[arg-type]
    write_store(tmp_path / "soft", SHARDS)
    assert there(memory) == {file.name: file.read_bytes() for file in (tmp_path / "soft").iterdir()}
    store = SoftLabelStore.open(URL, verify=True)
    assert [row.id for row in store.iter_rows()] == ["bank", "rain", "ann", "rain", "bank", "ann"]
    assert store.block_count == 3


def test_a_store_goes_on_where_it_was_and_removes_what_is_not_listed(memory: Any) -> None:
    write_store(URL, SHARDS[:2], finish=False)  # type: ignore[arg-type]
    header = header_of(URL)
    memory.pipe_file("/bucket/soft/part-00002.parquet", b"written, and not listed")
    memory.pipe_file("/bucket/soft/part-00000.parquet", b"damaged")
    writer = StoreWriter.resume(URL, header)
    assert [index for index in range(3) if writer.needed(index)] == [0, 2]
    assert sorted(name for name in there(memory) if name.startswith("part-")) == ["part-00001.parquet"]


def test_a_store_is_replaced_only_where_one_was(memory: Any) -> None:
    memory.pipe_file("/bucket/soft/thesis.tex", b"years")
    with pytest.raises(RunError, match=r"memory://bucket/soft: in the way, and not a soft-label store"):
        write_store(URL, SHARDS)  # type: ignore[arg-type]
    assert there(memory) == {"thesis.tex": b"years"}


def test_what_cannot_be_asked_is_not_taken_for_damaged(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(URL, SHARDS, finish=False)  # type: ignore[arg-type]
    header = header_of(URL)
    before = there(memory)
    cat = memory.cat_file

    def fails(self: Any, path: str, **options: Any) -> Any:
        if path.endswith(".parquet"):
            raise OSError(5, "SlowDown")
        return cat(path, **options)

    monkeypatch.setattr(type(memory), "cat_file", fails)
    with pytest.raises(TrainingError, match="failed 3 times"):
        StoreWriter.resume(URL, header)
    with pytest.raises(TrainingError, match="failed 3 times"):
        SoftLabelStore.open(URL, allow_incomplete=True).read_shard(0)
    monkeypatch.undo()
    assert there(memory) == before


def test_label_show_and_resume_behind_urls(memory: Any, world: World) -> None:
    memory.pipe_file("/bucket/raw/raw.txt", world.raw.read_bytes())
    command = ("label-unlabeled", "--teacher", world.teacher, "--text", "memory://bucket/raw/", "--out", URL,
               "--shard-size", "20")  # fmt: skip
    ok(*command)
    whole = there(memory)
    assert contents(whole) == contents({file.name: file.read_bytes() for file in world.soft.iterdir()})
    assert "4 shards" in ok("show", URL).out
    memory.rm_file("/bucket/soft/part-00002.parquet")
    ok(*command, "--resume")
    assert there(memory) == whole


def test_votes_are_of_this_machine(world: World, tmp_path: Path) -> None:
    failed = run("review", "memory://bucket/votes", "--out", tmp_path / "x.html")
    assert (failed.code, "memory://bucket/votes: no store of soft labels is there" in failed.err) == (2, True)


def test_a_command_that_takes_no_url_says_so_in_a_sentence(world: World) -> None:
    failed = run("train-student", "--soft", world.soft, "--dev", world.dev, "--out", "s3://bucket/run")
    assert failed.code == 2
    assert "--out: s3://bucket/run is a URL; expected what lies on this machine" in failed.err.replace("`", "")


@pytest.mark.usefixtures("memory")
def test_workers_cannot_share_the_memory_of_one_process(world: World, tmp_path: Path) -> None:
    command = ("label-unlabeled", "--teacher", world.teacher, "--text", world.raw, "--out", URL)
    done = run(*command, "--executor", "local:2")
    assert done.code == 2
    assert f"{URL}: lies in the memory of one process, and --executor starts others" in done.err
