"""Who labels does not matter: `python -m benchmarks.executors --teacher RUN --text FILE ... [--lines 100000]`.

The same text is labelled by one process, by two (`local:2`), by three Ray workers of which one is killed every so many
seconds, and by a command that is killed (SIGKILL) five times and gone on with. Every store must have the same bytes,
all parts and the manifest; exit status 1 where one has others. One thread a process everywhere. Also said: seconds and
CPU seconds of one and of two processes, with a shard's time apart from that of starting.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KILLS = 5
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass
class Done:
    """A labelling: how long it took, the CPU seconds of its processes (0: not known), and how often one was killed."""

    name: str
    wall: float
    cpu: float
    kills: int
    hashes: dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--text", type=Path, action="append", required=True)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--shard-size", type=int, default=4096)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two kills of a Ray worker")
    parser.add_argument("--only", action="append", default=[], help="one, local, ray, killed; repeatable")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = measure(given, Path(folder))
    for one in done:
        same = "same bytes" if one.hashes == done[0].hashes else "OTHER BYTES"
        print(
            f"{one.name:28} {one.wall:7.1f} s {one.cpu:7.1f} CPU s {one.kills:3} kills {len(one.hashes) - 1:4} shards "
            f"{same}"
        )
    if given.json is not None:
        given.json.write_text(json.dumps([vars(one) for one in done], indent=1))
    sys.exit(any(one.hashes != done[0].hashes for one in done))


def measure(given: argparse.Namespace, folder: Path) -> list[Done]:
    def command(name: str, *more: str) -> list[str]:
        texts = [part for path in given.text for part in ("--text", str(path))]
        return [
            *(sys.executable, "-m", "ner_distill.cli", "label-unlabeled", "--teacher", str(given.teacher), *texts),
            *("--out", str(folder / name), "--limit", str(given.lines), "--shard-size", str(given.shard_size), *more),
        ]

    every = {
        "one": lambda: to_the_end("one process", command("one"), folder / "one"),
        "local": lambda: to_the_end("local:2", command("local", "--executor", "local:2"), folder / "local"),
        "ray": lambda: to_the_end(
            f"ray, 3 workers, {given.every:.0f} s",
            command("ray", "--executor", "ray", "--workers", "3"),
            folder / "ray",
            every=given.every,
        ),
        "killed": lambda: killed_and_resumed(command("killed", "--executor", "local:2", "--resume"), folder / "killed"),
    }
    if importlib.util.find_spec("ray") is None:
        print("Ray is not installed: left out", file=sys.stderr)
        del every["ray"]
    return [do() for name, do in every.items() if not given.only or name in given.only]


def to_the_end(name: str, command: Sequence[str], store: Path, *, every: float = 0.0) -> Done:
    """Run a command; every so many seconds (not 0) one of its Ray workers is killed."""
    began, kills = time.monotonic(), 0
    process = _start(command, store)
    due = began + every
    while True:
        number, status, usage = os.wait4(process.pid, os.WNOHANG)
        if number:
            break
        if every and time.monotonic() >= due and (workers := _ray_workers(process.pid)):
            os.kill(random.choice(workers), signal.SIGKILL)
            kills, due = kills + 1, time.monotonic() + every
        time.sleep(0.05)
    _require(os.waitstatus_to_exitcode(status) == 0, store)
    return Done(name, time.monotonic() - began, 0.0 if every else usage.ru_utime + usage.ru_stime, kills, hashes(store))


def killed_and_resumed(command: Sequence[str], store: Path) -> Done:
    """Kill the command whenever it has made a few shards more, five times in all, and go on with it."""
    began, kills = time.monotonic(), 0
    while True:
        process, before = _start(command, store), _listed(store)
        after = before + random.randint(1, 3)
        while process.poll() is None and not (kills < KILLS and _listed(store) >= after):
            time.sleep(0.02)
        if process.poll() is None:
            time.sleep(random.random())
            process.kill()
            kills += 1
        if process.wait() != -signal.SIGKILL:
            break
    _require(process.returncode == 0, store)
    return Done("local:2, command killed", time.monotonic() - began, 0.0, kills, hashes(store))


def hashes(store: Path) -> dict[str, str]:
    """The sha256 of every file of a store."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(store.iterdir())}


def _start(command: Sequence[str], store: Path) -> subprocess.Popen[bytes]:
    with store.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, stdout=log, stderr=log)


def _require(succeeded: bool, store: Path) -> None:
    if not succeeded:
        sys.exit(f"{store.name} failed:\n{store.with_suffix('.log').read_text()}")


def _listed(store: Path) -> int:
    return len(list(store.glob("part-*.parquet")))


def _ray_workers(parent: int) -> list[int]:
    """The processes of our actors below a process."""
    below, found = [parent], []
    parents = {int(entry.name): _parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    for one in below:
        below += [child for child, of in parents.items() if of == one]
    for one in below[1:]:
        if _read(Path(f"/proc/{one}/cmdline")).startswith(b"ray::_Worker"):
            found.append(one)
    return found


def _parent(entry: Path) -> int:
    fields = _read(entry / "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


if __name__ == "__main__":
    main()
