"""Which judge picks the better epoch of a zero-shot student:
`python -m benchmarks.judges STORE --source-dev FILE --test FILE [--seeds 1 2 3] [--epochs 6] [--gold FILE]`.

A student learns from the store; after each epoch it is scored on labelled sentences of the source language, by its
agreement with the teacher on a part of the store that is held out, and on the test set, of which no judge knows.
Printed is the test F1 of the epoch that each judge would keep, of the last, and of the best there was.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ner_distill.config import StudentConfig, load_config
from ner_distill.console import Reporter
from ner_distill.options import ReadOptions
from ner_distill.options.training import StudentOptions
from ner_distill.pipelines import train_student
from ner_distill.pipelines.evaluate import read_gold
from ner_distill.runs.build import Built, load_run
from ner_distill.student.model import Student
from ner_distill.training.agreement import TeacherAgreement
from ner_distill.training.development import DevelopmentSet

JUDGES = {"source dev": "source", "agreement": "agreement", "teacher F1": "teacher_f1"}


def run(out: Path, store: Path, seed: int, options: argparse.Namespace) -> list[dict[str, float]]:
    """The figures of every epoch of a training, which is made once."""
    if not (out / "metrics.json").is_file():
        config = load_config(StudentConfig, None, [f"seed={seed}", f"optim.epochs={options.epochs}", *options.settings])
        train_student.train_student(config, StudentOptions(soft=store, gold=options.gold, out=out, overwrite=True))
        built = load_run(out)
        print(f"{out}: {built.info.labels}")
    return list(map(json.loads, (out / "metrics.jsonl").read_text("utf-8").splitlines()))


Judges = Callable[..., tuple[TeacherAgreement | None, DevelopmentSet | None]]


def also_scored(options: argparse.Namespace, original: Judges) -> Judges:
    """`_judges` of the pipeline, whose judge scores the student on both labelled files as well."""

    def judges(
        config: StudentConfig, arguments: StudentOptions, built: Built[Student], *rest: Any
    ) -> tuple[TeacherAgreement | None, DevelopmentSet | None]:
        judge, dev_set = original(config, arguments, built, *rest)
        if judge is None:
            raise SystemExit("the store is too small to hold a part of it out")
        quiet, known = Reporter(quiet=True), built.info.cutting
        sets = {
            name: DevelopmentSet(
                read_gold([file], ReadOptions(), quiet, known=known), built.featurizer, built.info.tagset
            )
            for name, file in (("source", options.source_dev), ("test", options.test))
        }
        plain = judge.figures

        def figures(student: Student) -> dict[str, float]:
            return {**plain(student), **{name: one.scores(student.tagger).micro.f1 for name, one in sets.items()}}

        vars(judge)["figures"] = figures
        return judge, dev_set

    return judges


def picked(epochs: Sequence[dict[str, float]], key: str) -> float:
    """The test F1 of the last epoch that is best by a figure, as a training keeps it."""
    return 100 * max(enumerate(epochs), key=lambda numbered: (numbered[1][key], numbered[0]))[1]["test"]


def main() -> None:
    """Train over seeds and print what each judge would have kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--source-dev", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--gold", type=Path, action="append", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--out", type=Path, default=Path("runs/judges"))
    options = parser.parse_args()
    vars(train_student)["_judges"] = also_scored(options, train_student._judges)
    by_seed = {seed: run(options.out / f"seed{seed}", options.store, seed, options) for seed in options.seeds}
    rows = {name: [picked(epochs, key) for epochs in by_seed.values()] for name, key in JUDGES.items()}
    rows["last epoch"] = [100 * epochs[-1]["test"] for epochs in by_seed.values()]
    rows["the best there was"] = [picked(epochs, "test") for epochs in by_seed.values()]
    for name, values in rows.items():
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        print(f"{name:20} {', '.join(f'{value:.1f}' for value in values)}   {statistics.fmean(values):.1f}{spread}")


if __name__ == "__main__":
    main()
