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
from ner_distill.data.soft_labels import SoftLabelStore


class Labelling:
    """The command, with its store."""

    def __init__(self, teacher: Path, text: Path, store: Path, *, shard_size: int, threads: int) -> None:
        self.store = store
        command = [sys.executable, "-m", "ner_distill.cli", "label-unlabeled", "--teacher", teacher, "--text", text]
        self.command = [*map(str, command), "--shard-size", str(shard_size), "--out", str(store), "--resume"]
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}

    def start(self) -> subprocess.Popen[bytes]:
        """A process that labels or goes on labelling."""
        return subprocess.Popen(self.command, env=self.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

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
    print(f"{len(ids):,} rows of {lines:,} lines, {len(ids) - len(set(ids))} twice; "
          f"{'the same as' if rows == expected else 'NOT THE SAME as'} those of a run that was not killed", flush=True)
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
        while kills < given.kills:
            moment = first + rng.uniform(-0.1, 2 / given.kills) * (total - first)
            process = killed.start()
            try:
                process.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += process.wait() != 0
                left = [path.name for path in killed.store.glob(".*.tmp")]
                print(f"kill {kills}: after {moment:.2f} s, {killed.shards()} shards, half-written: {left}", flush=True)
                continue
            print("finished before it was killed")
            good &= same(killed.store, whole.store, given.lines)
            shutil.rmtree(killed.store)
        killed.finish()
        good &= same(killed.store, whole.store, given.lines)
    sys.exit(not good)


if __name__ == "__main__":
    main()
