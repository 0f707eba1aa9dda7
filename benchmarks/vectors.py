"""Reading word vectors the first time and from the cache, and the memory it takes: `python -m benchmarks.vectors`.

Each reading is a process of its own. Without `--file` the vectors are generated, 200,000 of 300 numbers (570 MB).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# Prints the process's own peak: `ru_maxrss` would begin with that of the process which started it.
READ = """
import json, sys, time
from pathlib import Path
from ner_distill.data.lexicon.vectors import read_vectors
path, cache, wanted = sys.argv[1:]
needed = set(Path(wanted).read_text("utf-8").split("\\n"))
began, worked = time.perf_counter(), time.process_time()
found = read_vectors(path, needed, cache=Path(cache))
wall, cpu = time.perf_counter() - began, time.process_time() - worked
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "found": len(found.forms)}))
"""
DISTINCT = 5000


def written(path: Path, count: int, dim: int) -> Path:
    """A file of vectors; the numbers repeat after some thousand lines, which no reader profits from."""
    values = np.random.default_rng(13).normal(0, 0.3, (DISTINCT, dim))
    numbers = [" ".join([f"{value:.6f}" for value in row]) for row in values.tolist()]
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{count} {dim}\n")
        for place in range(count):
            file.write(f"词{place} {numbers[place % DISTINCT]}\n")
    return path


def some_forms(path: Path, count: int, total: int) -> Iterator[str]:
    """About `count` forms from all over the file."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for place, line in enumerate(file):
            if place and place % max(1, total // count) == 0:
                yield line.split(" ", 1)[0]


def read(path: Path, cache: Path, wanted: Path) -> dict[str, float]:
    """Seconds on the wall and of the processor, MiB at most, vectors found: of one reading in a process of its own."""
    command = [sys.executable, "-c", READ, str(path), str(cache), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Print a table of the readings."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path, help="word2vec text to read instead of generated vectors")
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--needed", type=int, default=20_000, help="words of the readings that want only some")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        path = given.file or written(place / "vectors.txt", given.count, given.dim)
        for words, count in (("all", given.count), ("some", given.needed)):
            (place / f"{words}.txt").write_text("\n".join(some_forms(path, count, given.count)), "utf-8")
        print(f"{'words':>8} {'reading':>8} {'seconds':>9} {'CPU s':>7} {'peak MiB':>9} {'found':>9}")
        for words in ("all", "some"):
            for number in range(given.rounds):
                cache = place / words / str(number)
                for reading in ("first", "again"):
                    figures = read(path, cache, place / f"{words}.txt")
                    print(
                        f"{words:>8} {reading:>8} {figures['wall']:>9.3f} {figures['cpu']:>7.3f} "
                        f"{figures['peak']:>9.0f} {figures['found']:>9,}",
                        flush=True,
                    )
                    print(json.dumps({"words": words, "reading": reading, **figures}), flush=True)
                for file in cache.iterdir():
                    file.unlink()


if __name__ == "__main__":
    main()
