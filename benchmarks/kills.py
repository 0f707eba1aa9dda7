"""Kills `ner-distill label-unlabeled` at random moments and resumes it: `python -m benchmarks.kills [--kills 10]`.

After the last kill it runs to the end; the store must hold the rows and pairs of a run that nobody killed, each once.
Exit status 1 where it does not. A run that ends before it is killed is checked too and begun again.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import common
from ner_distill.data.store.store import SoftLabelStore


class Labelling:
    """The command, with its store."""

    def __init__(self, teacher: Path, text: Path, store: Path, *, shard_size: int, threads: int) -> None:
        self.store = store
        command = [sys.executable, "-m", "ner_distill.cli", "label-unlabeled", "--teacher", teacher, "--text", text]
        self.command = [*map(str, command), "--shard-size", str(shard_size), "--out", str(store), "--resume"]
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}

    def start(self) -> subprocess.Popen[bytes]:
        """A process that labels or goes on labelling."""
        silent = subprocess.DEVNULL
        return subprocess.Popen(self.command, env=self.environment, stdout=silent, stderr=silent)

    def kill(self, *, shards: int, seconds: float) -> bool:
        """Start, wait for so many new shards, then for the seconds, then SIGKILL. False: it ended before."""
        goal, process = self.shards() + shards, self.start()
        while process.poll() is None and self.shards() < goal:
            time.sleep(0.005)
        try:
            process.wait(timeout=seconds)
            return False
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait() != 0

    def finish(self) -> tuple[float, float]:
        """Run to the end: seconds until the store began, seconds in all."""
        began = time.perf_counter()
        process, first = self.start(), 0.0
        while process.poll() is None:
            first = first or (time.perf_counter() - began if (self.store / "manifest.json").exists() else 0.0)
            time.sleep(0.01)
        if process.returncode:
            raise SystemExit(f"{' '.join(self.command)}: exit status {process.returncode}")
        return first, time.perf_counter() - began

    def shards(self) -> int:
        """Whole shards of the store."""
        return len(list(self.store.glob("part-*.parquet")))


def rows_of(path: Path) -> list[tuple[object, ...]]:
    """Everything that the store says, block by block and row by row."""
    store = SoftLabelStore.open(path, verify=True)
    rows: list[tuple[object, ...]] = []
    for position in range(len(store.manifest.shards)):
        for block in store.read_shard(position):
            rows += [(row.id, row.words, row.probs.tobytes(), row.keep.tobytes()) for row in block.rows]
            rows.append((None, block.pairs.tobytes(), block.similarity.tobytes()))
    return rows


def same(killed: Path, whole: Path, lines: int) -> bool:
    """Prints and returns whether both stores hold the same rows, none twice and none missing."""
    rows, expected = rows_of(killed), rows_of(whole)
    ids = [row[0] for row in rows if row[0] is not None]
    good = rows == expected and len(set(ids)) == len(ids) == lines
    print(
        f"{len(ids):,} rows of {lines:,} lines, {len(ids) - len(set(ids))} twice; "
        f"{'the same as' if rows == expected else 'NOT THE SAME as'} those of a run that was not killed",
        flush=True,
    )
    return good


def main() -> None:
    """A line per kill, then the comparison."""
    parser = common.arguments(__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--lines", type=int, default=8000)
    parser.add_argument("--shard-size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        lines = common.lines_of(given.text, given.lines)
        text = place / "text.txt"
        text.write_text("\n".join(lines) + "\n", "utf-8")
        teacher = common.scratch_teacher(place / "teacher", lines, hidden=64, heads=4)
        sizes = {"shard_size": given.shard_size, "threads": given.threads}
        whole = Labelling(teacher, text, place / "whole", **sizes)
        first, total = whole.finish()
        print(f"uninterrupted: {total:.1f} s, {first:.1f} s of them until the store began; {whole.shards()} shards")
        killed, kills, good = Labelling(teacher, text, place / "killed", **sizes), 0, True
        pause = 1.5 * (total - first) / given.kills
        while kills < given.kills:
            # One in five dies while it starts or reads what is there, the others at some point of the labelling.
            shards, seconds = (0, rng.uniform(0, first)) if rng.random() < 0.2 else (1, rng.uniform(0, pause))
            if killed.kill(shards=shards, seconds=seconds):
                kills += 1
                left = [path.name for path in killed.store.glob(".*.tmp")]
                moment = f"{seconds:.3f} s after {'its first new shard' if shards else 'the start'}"
                print(f"kill {kills}: {moment}; {killed.shards()} shards, half-written: {left or 'none'}", flush=True)
                continue
            print("finished before it was killed")
            good &= same(killed.store, whole.store, given.lines)
            shutil.rmtree(killed.store)
        killed.finish()
        good &= same(killed.store, whole.store, given.lines)
    sys.exit(not good)


if __name__ == "__main__":
    main()
