"""Labels that a cross-lingual teacher guessed, before and after voting: Spanish and Dutch of CoNLL-2002.

    python -m benchmarks.pseudo es|nl [--ways as-is mask relabel drop weight gold] [--seeds 1 2 3] [--out DIR]

A scratch student is trained on `pseudo/LANG.jsonl` as it is, on what `vote-labels` makes of it with an action, and on
the gold labels of the same training set; the gold development set chooses the checkpoint, for all alike. Columns: F1 on
the development and on the test set, mean ± standard deviation over the seeds. Choose an action by the first, report
the second. The voting has one seed. Finished folds and runs in --out are used again.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import get_args

from benchmarks import trainings
from ner_distill.options.shared import Action
from ner_distill.pipelines.evaluate import score_model
from ner_distill.runs.build import load_run

ACTIONS = get_args(Action)
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
        trainings.voting(
            self.pseudo, out, options, seed=13, action=way, threshold=options.threshold, min_votes=options.min_votes
        )
        cleaned = self.out / f"{way}{options.mark}.jsonl"
        shutil.copy(out / "cleaned.jsonl", cleaned)
        return cleaned

    def run_of(self, way: str, file: Path, seed: int) -> Path:
        """The run of a student."""
        run = self.out / f"{way}{self.options.mark if way in ACTIONS else ''}-{seed}"
        settings = [f"seed={seed}", *self.options.student]
        return trainings.train_student(run, None, self.dev, [file], settings)


def main() -> None:
    """Vote, train, score, print."""
    parser = trainings.arguments(__doc__, "runs/pseudo")
    trainings.add_voting_arguments(parser)
    parser.add_argument("language", choices=("es", "nl"))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["as-is", "mask", "relabel", "gold"])
    parser.add_argument("--threshold", action="append", default=[], help="as of vote-labels")
    parser.add_argument("--min-votes", type=int, default=0, help="as of vote-labels")
    parser.add_argument("--student", action="append", default=[], metavar="KEY=VALUE", help="settings of the students")
    parser.add_argument("--mark", default="", help="of files and runs of other thresholds")
    options = parser.parse_args()
    bench = Bench(options)
    parts = [trainings.read_test(file, "word") for file in (bench.dev, bench.test)]
    for way in options.ways:
        file = bench.file_of(way)
        runs = [load_run(bench.run_of(way, file, seed)) for seed in options.seeds]
        dev, test = (
            trainings.mean_and_deviation([100 * score_model(run, part).micro.f1 for run in runs]) for part in parts
        )
        print(f"{way:10} dev {dev}, test {test}", flush=True)


if __name__ == "__main__":
    main()
