"""Labels that a cross-lingual teacher guessed, before and after voting: Spanish and Dutch of CoNLL-2002.

    python -m benchmarks.pseudo es|nl [--ways as-is mask relabel drop weight gold] [--seeds 1 2 3] [--out DIR]

A scratch student is trained on `pseudo/LANG.jsonl` as it is, on what `vote-labels` makes of it with an action, and on
the gold labels of the same training set; the gold development set chooses the checkpoint, for all alike. Columns: F1 on
the development and on the test set, mean ± standard deviation over the seeds. Choose an action by the first, report
the second. The voting has one seed. Finished folds and runs in --out are used again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

from ner_distill.config import StudentConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.noise.votes import ACTIONS
from ner_distill.options import ReadOptions
from ner_distill.options.labels import VoteOptions
from ner_distill.options.training import StudentOptions
from ner_distill.pipelines.evaluate import read_gold, score_model
from ner_distill.pipelines.train_student import train_student
from ner_distill.pipelines.voting.vote_labels import vote_labels, voting_config
from ner_distill.runs.build import load_run

WAYS = ("as-is", *ACTIONS, "gold")


class Bench:
    """Where the data lies, and how it is voted on."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.out: Path = options.out / options.language
        self.out.mkdir(parents=True, exist_ok=True)
        self.pseudo: Path = options.data / f"pseudo/{options.language}.jsonl"
        self.gold, self.dev, self.test = (
            options.data / f"conll/{options.language}/{part}.txt" for part in ("train", "dev", "test")
        )

    def file_of(self, way: str) -> Path:
        """What is trained on."""
        if way in ("as-is", "gold"):
            return self.pseudo if way == "as-is" else self.gold
        options, out = self.options, self.out / "votes"
        votes = VoteOptions(
            train=[self.pseudo], out=out, folds=options.folds, repeats=options.repeats, action=way,
            threshold=options.threshold, min_votes=options.min_votes, fast=not options.full,
            resume=(out / "voting.json").is_file(),
        )  # fmt: skip
        vote_labels(voting_config(None, options.settings, fast=not options.full), votes)
        cleaned = self.out / f"{way}{options.mark}.jsonl"
        shutil.copy(out / "cleaned.jsonl", cleaned)
        return cleaned

    def run_of(self, way: str, file: Path, seed: int) -> Path:
        """The run of a student."""
        run = self.out / f"{way}{self.options.mark if way in ACTIONS else ''}-{seed}"
        if not (run / "metrics.json").exists():
            settings = [f"seed={seed}", *self.options.student]
            options = StudentOptions(gold=[file], dev=[self.dev], out=run, overwrite=run.exists())
            train_student(load_config(StudentConfig, None, settings), options)
        return run


def cell(values: Sequence[float]) -> str:
    """Mean ± deviation, in hundredths."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):5.1f}{spread}"


def main() -> None:
    """Vote, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language", choices=("es", "nl"))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["as-is", "mask", "relabel", "gold"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threshold", action="append", default=[], help="as of vote-labels")
    parser.add_argument("--min-votes", type=int, default=0, help="as of vote-labels")
    parser.add_argument("--full", action="store_true", help="fold teachers of the usual size and epochs")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="of the fold teachers")
    parser.add_argument("--student", action="append", default=[], metavar="KEY=VALUE", help="settings of the students")
    parser.add_argument("--mark", default="", help="of files and runs of other thresholds")
    data = Path(os.environ.get("NER_DISTILL_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data, help="default: $NER_DISTILL_DATA")
    parser.add_argument("--out", type=Path, default=Path("runs/pseudo"))
    options = parser.parse_args()
    bench = Bench(options)
    parts = [read_gold([file], ReadOptions(), Reporter(quiet=True), unit="word") for file in (bench.dev, bench.test)]
    for way in options.ways:
        file = bench.file_of(way)
        runs = [load_run(bench.run_of(way, file, seed)) for seed in options.seeds]
        dev, test = ([score_model(run, part).micro.f1 for run in runs] for part in parts)
        print(f"{way:10} dev {cell(dev)}, test {cell(test)}", flush=True)


if __name__ == "__main__":
    main()
