"""A store is the same bytes whoever labels: this process, workers, workers that die, commands that are killed."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ner_distill.console import Reporter
from ner_distill.data.store.manifest import read_manifest
from ner_distill.errors import TrainingError
from ner_distill.executing.base import Advance
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling import driving, label_unlabeled, shards
from tests.commands import ok, run, snapshot
from tests.stores import contents
from tests.world import World

ROOT = Path(__file__).resolve().parents[3]


def label(world: World, out: Path, *options: str | Path, text: Path | None = None) -> dict[str, bytes]:
    ok("label-unlabeled", "--teacher", world.teacher, "--text", text or world.raw, "--out", out,
       "--shard-size", "20", *options)  # fmt: skip
    return snapshot(out)


def options_of(world: World, out: Path, **more: object) -> LabelUnlabeledOptions:
    given = {"teacher": [world.teacher], "text": [world.raw], "out": out, "shard_size": 20, **more}
    return LabelUnlabeledOptions(**given)  # type: ignore[arg-type]


def test_two_processes_write_the_bytes_of_one(world: World, tmp_path: Path) -> None:
    assert label(world, tmp_path / "two", "--executor", "local:2") == snapshot(world.soft)
    assert not (tmp_path / "two.plan").exists()


def test_a_text_that_cannot_be_cut_is_sent_to_the_workers(world: World, tmp_path: Path) -> None:
    text = tmp_path / "raw.txt"
    text.write_bytes(gzip.compress(world.raw.read_bytes()))
    alone = label(world, tmp_path / "one", text=text)
    assert label(world, tmp_path / "two", "--executor", "local", "--workers", "2", text=text) == alone
    assert contents(alone) == contents(snapshot(world.soft))


def test_weights_and_pairs_are_those_that_the_command_found(world: World, tmp_path: Path) -> None:
    how = ["--teacher", f"{world.teacher}=0.7", "--limit", "50", "--max-words", "6", "--min-confidence", "0.4"]
    alone = label(world, tmp_path / "one", *how)
    assert label(world, tmp_path / "two", *how, "--executor", "local:2") == alone


class DyingWork(shards.LabelWork):
    """Each worker kills itself in its second shard, and the first one in the file of its first."""

    def open(self) -> Callable[[shards.Shard, Advance], shards.Made]:
        make = super().open()
        made: list[int] = []
        place = self.files.place

        def once(shard: shards.Shard, advance: Advance) -> shards.Made:
            made.append(shard.index)
            if len(made) == 2:
                place.write(f"part-{shard.index:05d}.parquet", b"half of it")
                os.kill(os.getpid(), signal.SIGKILL)
            return make(shard, advance)

        return once


class FailingWork(shards.LabelWork):
    """Cannot make shard 1."""

    def open(self) -> Callable[[shards.Shard, Advance], shards.Made]:
        make = super().open()

        def fail(shard: shards.Shard, advance: Advance) -> shards.Made:
            if shard.index == 1:
                raise ZeroDivisionError("in shard 1")
            return make(shard, advance)

        return fail


def test_workers_that_die_lose_and_double_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_unlabeled, "LabelWork", DyingWork)
    label_unlabeled.label_unlabeled(options_of(world, tmp_path / "soft", executor="local:2"), Reporter(quiet=True))
    assert snapshot(tmp_path / "soft") == snapshot(world.soft)


def test_a_shard_that_fails_is_named_and_resume_makes_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(label_unlabeled, "LabelWork", FailingWork)
        with pytest.raises(TrainingError, match=r"1 shards could not be made \(1\): ZeroDivisionError: in shard 1\."):
            label_unlabeled.label_unlabeled(options_of(world, tmp_path / "soft", executor="local:2"))
    said = capsys.readouterr().err
    assert "shard 1: ZeroDivisionError: in shard 1; it is tried again (2 of 3 failed)" in said
    assert "shard 1 is left out" in said
    assert "in fail" in said  # the traceback
    assert [shard.index for shard in read_manifest(tmp_path / "soft").shards] == [0, 2, 3]
    assert (tmp_path / "soft.plan").exists()
    monkeypatch.setattr(driving, "find_ranges", None)  # where the shards stand is known
    assert label(world, tmp_path / "soft", "--executor", "local:2", "--resume") == snapshot(world.soft)


def test_a_bad_line_is_named_and_the_other_shards_are_made(world: World, tmp_path: Path) -> None:
    text = tmp_path / "raw.txt"
    lines = world.raw.read_bytes().splitlines(keepends=True)
    text.write_bytes(b"".join([*lines[:30], b"caf\xe9 \xe9\n", *lines[31:]]))
    result = run("label-unlabeled", "--teacher", world.teacher, "--text", text, "--out", tmp_path / "soft",
                 "--shard-size", "20", "--executor", "local:2", "--input-format", "text")  # fmt: skip
    assert result.code == 1
    assert "raw.txt:31: expected UTF-8" in result.err
    assert [shard.index for shard in read_manifest(tmp_path / "soft").shards] == [0, 2, 3]


class WorkOnAShorterText(shards.LabelWork):
    """The last lines of the text are gone when the worker reads it."""

    def open(self) -> Callable[[shards.Shard, Advance], shards.Made]:
        text = Path(self.sources.sources[0].path)
        text.write_bytes(b"".join(text.read_bytes().splitlines(keepends=True)[:70]))
        return super().open()


def test_a_text_that_became_shorter_loses_no_sentence_in_silence(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "raw.txt"
    text.write_bytes(world.raw.read_bytes())
    monkeypatch.setattr(label_unlabeled, "LabelWork", WorkOnAShorterText)
    with pytest.raises(TrainingError, match=r"raw\.txt:61: expected 20 sentences from here on"):
        label_unlabeled.label_unlabeled(
            options_of(world, tmp_path / "soft", text=[text], executor="local:1"), Reporter(quiet=True)
        )


class WorkWithAnotherTeacher(shards.LabelWork):
    """As on a machine that has another run under the same path."""

    def open(self) -> Callable[[shards.Shard, Advance], shards.Made]:
        teachers = tuple(one.model_copy(update={"fingerprint": "other"}) for one in self.files.header.teachers)
        files = replace(self.files, header=self.files.header.model_copy(update={"teachers": teachers}))
        return replace(self, files=files).begun()

    def begun(self) -> Callable[[shards.Shard, Advance], shards.Made]:
        return super().open()


def test_a_worker_with_another_teacher_labels_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_unlabeled, "LabelWork", WorkWithAnotherTeacher)
    with pytest.raises(TrainingError, match="on .* is not the run that the store was begun with"):
        label_unlabeled.label_unlabeled(options_of(world, tmp_path / "soft", executor="local:1"), Reporter(quiet=True))
    assert not list((tmp_path / "soft").glob("part-*"))


def test_one_that_was_begun_alone_goes_on_with_workers(world: World, tmp_path: Path) -> None:
    label(world, tmp_path / "soft")
    (tmp_path / "soft" / "part-00001.parquet").unlink()
    (tmp_path / "soft" / "part-00003.parquet").write_bytes(b"damaged")
    assert label(world, tmp_path / "soft", "--executor", "local:2", "--resume") == snapshot(world.soft)


def processes_below(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.fixture
def command(world: World, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        arguments = ["--teacher", world.teacher, "--text", world.raw, "--out", tmp_path / "soft", "--resume"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        code = (
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from ner_distill.cli import main; main()"
        )
        started.append(
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    code,
                    "label-unlabeled",
                    *map(str, arguments),
                    "--shard-size",
                    "2",
                    "--executor",
                    "local:2",
                ],
                env=environment,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    assert what()


def shards_in(store: Path) -> int:
    try:
        return len(read_manifest(store).shards)
    except Exception:  # there is none yet
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_ends_takes_its_workers_along_and_goes_on(
    world: World, tmp_path: Path, command: Callable[[], subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    first = command()
    wait_for(lambda: shards_in(tmp_path / "soft") >= 2)
    workers = processes_below(first.pid)
    assert len(workers) >= 2
    first.send_signal(number)
    assert first.wait(60) != 0
    wait_for(lambda: not any(Path(f"/proc/{worker}/exe").exists() for worker in workers))
    killer = command()
    threading.Timer(5, killer.kill).start()
    killer.wait()
    assert command().wait(120) == 0
    alone = tmp_path / "alone"
    ok("label-unlabeled", "--teacher", world.teacher, "--text", world.raw, "--out", alone, "--shard-size", "2")
    assert snapshot(tmp_path / "soft") == snapshot(alone)
