"""A lexicon: seconds and memory to load it, characters per second to match it:
`python -m benchmarks.lexicon [--lexicon FILE] [--text FILE] [--lines 20000] [--rounds 3]`.

Every round is a process of its own, which imports nothing but what reads and matches a lexicon. Without files a list of
481,000 made-up words of Chinese characters is used, and text of these.

Memory is what the whole process holds (the interpreter included) after loading, and the most it ever held.
automaton: the Aho-Corasick library on lines of text; matches: `Lexicon.matches` on sentences of words, as training
calls it. Times are of the processor, on one core.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = 481_000
MB = 1e6


def make(place: Path) -> tuple[Path, Path]:
    """(lexicon, text): words of two to five of 5,000 characters, lines of twenty of them."""
    rng = random.Random(0)
    characters = [chr(0x4E00 + n) for n in range(5_000)]
    words = list({"".join(rng.choices(characters, k=rng.choice((2, 2, 3, 3, 4, 5)))) for _ in range(WORDS)})
    lexicon, text = place / "lexicon.txt", place / "text.txt"
    lexicon.write_text("\n".join(words) + "\n", encoding="utf-8")
    text.write_text("".join("".join(rng.choices(words, k=20)) + "\n" for _ in range(20_000)), encoding="utf-8")
    return lexicon, text


def resident() -> float:
    """Bytes that this process holds in memory now."""
    import resource  # not on Windows

    return int(Path("/proc/self/statm").read_text().split()[1]) * float(resource.getpagesize())


def measure(lexicon: Path, text: Path, count: int) -> dict[str, float]:
    """The figures of one process."""
    import resource

    from ner_distill.data.formats.segment import segment
    from ner_distill.data.lexicon.lexicon import Lexicon

    before = resident()
    wall, began = time.perf_counter(), time.process_time()
    loaded, _ = Lexicon.read([lexicon])
    figures = {
        "load_wall_s": time.perf_counter() - wall,
        "load_cpu_s": time.process_time() - began,
        "grown_mb": (resident() - before) / MB,
        "resident_mb": resident() / MB,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB,
        "words": float(len(loaded)),
    }
    with text.open(encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line, _ in zip(file, range(count), strict=False)]
    sentences = [segment(line, "character")[0] for line in lines]
    characters = sum(map(len, lines))
    began = time.process_time()
    for line in lines:
        loaded._automaton.find_matches_as_indexes(line, overlapping=True)
    figures["automaton_chars_per_s"] = characters / (time.process_time() - began)
    began = time.process_time()
    found = sum(len(loaded.matches(words)) for words in sentences)
    figures["matches_chars_per_s"] = characters / (time.process_time() - began)
    return figures | {"characters": float(characters), "found": float(found)}


def main() -> None:
    """Print the median of every figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lexicon", type=Path, help="a word a line")
    parser.add_argument("--text", type=Path, help="a sentence a line")
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.lexicon, given.text, given.lines)))
        return
    with tempfile.TemporaryDirectory() as name:
        made = (None, None) if given.lexicon and given.text else make(Path(name))
        files = ("--lexicon", str(given.lexicon or made[0]), "--text", str(given.text or made[1]))
        command = [sys.executable, "-m", "benchmarks.lexicon", "--one", *files, "--lines", str(given.lines)]
        rounds = [json.loads(subprocess.check_output(command)) for _ in range(given.rounds)]
    for figure in rounds[0]:
        print(f"{figure:<24} {statistics.median(one[figure] for one in rounds):14,.2f}")


if __name__ == "__main__":
    main()
