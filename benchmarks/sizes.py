"""F1 against megabytes and milliseconds: `python -m benchmarks.sizes --test FILE --out PICTURE.svg NAME=RUN ...`.

RUN is the directory of a teacher or a student, NAME what the table and the picture call it; a name with several runs,
of several seeds, has their mean. Megabytes are those of the
files that a model needs, milliseconds those of one thread of the CPU for a sentence, alone and in batches of 32. The
picture needs matplotlib (`pip install '.[bench]'`).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import trainings
from ner_distill.options import ReadOptions
from ner_distill.pipelines.comparison.speed import SpeedJob, costs_of
from ner_distill.pipelines.evaluate import score_model
from ner_distill.runs.build import load_run


@dataclass(frozen=True)
class Model:
    """Figures of one model: F1 × 100 of each seed, megabytes, and milliseconds a sentence, alone and in batches."""

    name: str
    scores: Sequence[float]
    megabytes: float
    alone: float
    batched: float

    @property
    def f1(self) -> float:
        return statistics.mean(self.scores)


def measure(runs: Mapping[str, Sequence[Path]], test: Path) -> list[Model]:
    """The models, smallest first."""
    scores: dict[str, list[float]] = {}
    for name, own in runs.items():
        for run in own:
            built = load_run(run)
            found = score_model(built, trainings.read_test(test, built.info.unit))
            scores.setdefault(name, []).append(100 * found.micro.f1)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "speed.json"
        SpeedJob({name: own[0] for name, own in runs.items()}, [test], ReadOptions(), file).do()
        costs = costs_of(file)
    models = [
        Model(name, scores[name], cost.megabytes, 1000 / cost.single, 1000 / cost.batched)
        for name, cost in costs.items()
    ]
    return sorted(models, key=lambda model: model.megabytes)


def draw(models: list[Model], out: Path, title: str) -> None:
    """F1 against megabytes, on a logarithmic scale, with a line through the models that no smaller one beats."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "sizes"  # the same file from the same figures
    from matplotlib import pyplot
    from matplotlib.ticker import FixedLocator, NullLocator

    figure, axes = pyplot.subplots(figsize=(7.2, 4.2))
    axes.plot([m.megabytes for m in models], [m.f1 for m in models], "o", color="#1f5fa8", markersize=7)
    best: list[Model] = []
    for model in models:  # those that no smaller one beats
        if not best or model.f1 > best[-1].f1:
            best.append(model)
    axes.plot([m.megabytes for m in best], [m.f1 for m in best], "-", color="#1f5fa8", alpha=0.35)
    for model in models:
        axes.annotate(
            f"{model.name} {model.f1:.1f}",
            (model.megabytes, model.f1),
            xytext=(6, -11),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(models[0].megabytes / 1.6, models[-1].megabytes * 4)
    axes.margins(y=0.12)
    axes.set_xlabel("megabytes")
    axes.set_ylabel("test F1")
    axes.set_title(title)
    axes.grid(alpha=0.25)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    """Print the table, and draw the picture where one is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--title", default="")
    given = parser.parse_args()
    runs: dict[str, list[Path]] = {}
    for each in given.runs:
        name, equals, run = each.partition("=")
        if not (name and equals and run):
            parser.error(f"{each}: expected NAME=RUN")
        runs.setdefault(name, []).append(Path(run))
    models = measure(runs, given.test)
    print("| model | MB | test F1 | ms a sentence, alone | in batches |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for model in models:
        f1 = trainings.mean_and_deviation(model.scores)
        print(f"| {model.name} | {model.megabytes:.1f} | {f1} | {model.alone:.1f} | {model.batched:.1f} |")
    if given.out:
        draw(models, given.out, given.title)


if __name__ == "__main__":
    main()
