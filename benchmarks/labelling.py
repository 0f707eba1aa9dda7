"""Words per second of `label-unlabeled` against a token-classification pipeline of transformers:
`python -m benchmarks.labelling [--text FILE ...] [--lines 3000] [--rounds 5] [--batch-words N] [--precision P]`.

The same 4 × 312 BERT of random weights for both, the same lines of mixed length in random order, batches of 32
for the pipeline. Models are loaded before the clock starts; all else counts: ours reads the file, cuts it into words,
labels them, compares pairs, writes and syncs the Parquet store, with empty caches in every round. Words are
counted as we cut them, for both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from transformers import pipeline

from benchmarks import common
from ner_distill.console import Reporter
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling import asked
from ner_distill.pipelines.labelling import label_unlabeled as labelling
from ner_distill.runs.build import load_teacher


def labelled_seconds(run: Path, text: Path, options: dict[str, Any], clock: str, out: Path) -> float:
    """Seconds of a whole labelling, the teacher loaded before; what lies at `out` is replaced."""
    built = load_teacher(run)
    with patch.object(asked, "load_teacher", lambda _: built):
        own = LabelUnlabeledOptions(teacher=[run], text=[text], out=out, overwrite=out.exists(), **options)
        return common.seconds(partial(labelling.label_unlabeled, own, Reporter(quiet=True)), clock)


def theirs(directory: Path, lines: list[str], clock: str) -> Callable[[], float]:
    """Seconds of the pipeline over the lines."""
    tag = pipeline("token-classification", model=str(directory), batch_size=32, device="cpu")
    return lambda: common.seconds(lambda: tag(lines), clock)


def main() -> None:
    """Print words per second of each, and the ratios."""
    parser = common.arguments(__doc__)
    parser.add_argument("--lines", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-words", type=int, default=0, help="0: what suits the device")
    parser.add_argument("--precision", default=LabelUnlabeledOptions.precision)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lines = common.lines_of(given.text, given.lines)
    words = common.words_of(lines)
    options = {"batch_words": given.batch_words, "precision": given.precision}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        text = place / "text.txt"
        text.write_text("\n".join(lines) + "\n", "utf-8")
        base = common.checkpoint(place / "bert", lines, layers=4, hidden=312, heads=12)
        ways = {"transformers pipeline": theirs(common.classifier(place / "classifier", base), lines, given.clock)}
        for head in ("token", "crf"):
            run = common.pretrained_teacher(place / head, base, head=head)
            name = f"label-unlabeled, BERT, {head} head"
            ways[name] = partial(labelled_seconds, run, text, options, given.clock, place / f"{head}-store")
            if given.precision == "auto":
                small = {**options, "precision": "int8"}
                ways[f"{name}, int8"] = partial(
                    labelled_seconds, run, text, small, given.clock, place / f"{head}-int8-store"
                )
        run = common.scratch_teacher(place / "scratch", lines, hidden=160, heads=8)
        if given.precision != "int8":  # of pretrained encoders alone
            name = "label-unlabeled, scratch encoder, crf head"
            ways[name] = partial(labelled_seconds, run, text, options, given.clock, place / "scratch-store")
        times = common.alternately(ways, given.rounds)
    print(f"{len(lines):,} lines, {words:,} words, {given.threads} threads, {given.clock} time, {options}")
    print(f"{'':<44} {'words/s':>9} {'ratio':>7}   (medians of {given.rounds} rounds)")
    base_times = times["transformers pipeline"]
    for name, taken in times.items():
        ratio = common.median([slow / fast for slow, fast in zip(base_times, taken, strict=True)])
        print(f"{name:<44} {words / common.median(taken):9,.0f} {ratio:7.2f}")


if __name__ == "__main__":
    main()
