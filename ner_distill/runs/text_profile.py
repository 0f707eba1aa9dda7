"""What the training text of a run looks like: how often which runs of one to three characters stand in it.

`text_profile.json` of a teacher's run. `label-unlabeled --teacher-weights auto` compares it with the text to label.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Unit, separator
from ner_distill.errors import RunError
from ner_distill.files import read_json, write_json

FILE = "text_profile.json"
FORMAT = "ner-distill/text-profile/1"
BUCKETS = 4096
LONGEST = 3
SENTENCES = 5000
"""The most that are looked at, spread evenly over the text."""

Counts = npt.NDArray[np.int64]


def profile_of(sentences: Iterable[Sequence[str]], unit: Unit) -> Counts:
    """How often runs of 1 to 3 characters occur, (BUCKETS,): each counts in the bucket of its hash.

    sentences: their words, which are joined as the unit has them: with a blank, or with nothing.
    """
    between, grams = separator(unit), Counter[str]()
    for words in sentences:
        text = between.join(words)
        for size in range(1, LONGEST + 1):
            grams.update(text[start : start + size] for start in range(len(text) - size + 1))
    counts = np.zeros(BUCKETS, np.int64)
    for gram, count in grams.items():
        counts[zlib.crc32(gram.encode("utf-8", "surrogatepass")) % BUCKETS] += count
    return counts


def write_profile(run: Path, sentences: Sequence[Sequence[str]], unit: Unit) -> None:
    """Keep the profile of the training text in the run. Raises NerDistillError where it cannot be written."""
    step = max(1, -(-len(sentences) // SENTENCES))
    counts = profile_of(sentences[::step], unit)
    write_json(run / FILE, {"format": FORMAT, "counts": " ".join(map(str, counts.tolist()))})


def read_profile(run: Path) -> Counts:
    """The profile of a run's training text. Raises RunError where the run has none, as older ones, or it is damaged."""
    path = run / FILE
    data = read_json(
        path,
        "the run does not say what its training text looks like, as it was trained by an earlier version. Give "
        "labelled sentences (`labelled`), weights of your own (`teacher` RUN=WEIGHT), or train it again",
    )
    counts = data.get("counts") if isinstance(data, dict) and data.get("format") == FORMAT else None
    numbers = counts.split() if isinstance(counts, str) else []
    if len(numbers) != BUCKETS or not all(text.isascii() and text.isdigit() and len(text) < 16 for text in numbers):
        raise RunError(f"{path}: expected {FORMAT} with {BUCKETS} counts; the run is damaged")
    return np.array(list(map(int, numbers)), np.int64)
