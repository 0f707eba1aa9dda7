"""The results of a comparison of configurations: figures of runs, and means over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner_distill.errors import RunError
from ner_distill.files import read_json

FORMAT = 1
FILE = "comparison.json"


@dataclass(frozen=True)
class Figures:
    """The results of one run.

    dev, test: F1 of exact spans, 0 to 1; test is None where there are no such files.
    seconds: of training, evaluation after each epoch included; epochs: so many were trained.
    peak_mib: the most memory its process held (the last one, where it was stopped and resumed); gpu_mib: the most that
    tensors took on the GPU. None where it is not known.
    parameters: of the tagger, which is what a run saves.
    """

    dev: float
    test: float | None
    seconds: float
    epochs: int
    peak_mib: float | None
    gpu_mib: float | None
    parameters: int

    @property
    def seconds_per_epoch(self) -> float:
        return self.seconds / max(self.epochs, 1)


@dataclass(frozen=True)
class Run:
    """One configuration with one seed: its figures, or why there are none."""

    name: str
    seed: int
    figures: Figures | None = None
    error: str | None = None


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of `count` values; no deviation of a single one."""

    mean: float
    deviation: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        if not values:
            return None
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Summary:
    """A configuration over its finished seeds.

    dev_gain, test_gain: the difference to the first configuration, seed by seed; None for the first one itself, and
    where no seed is finished in both.
    seconds, seconds_per_epoch: means. peak_mib, gpu_mib: the most of any seed. What is not known is None.
    """

    name: str
    seeds: int
    dev: Spread | None
    dev_gain: Spread | None
    test: Spread | None
    test_gain: Spread | None
    seconds: float | None
    seconds_per_epoch: float | None
    peak_mib: float | None
    gpu_mib: float | None
    parameters: int | None


@dataclass(frozen=True)
class Comparison:
    """Configurations in order, the seeds of each, and the runs so far."""

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]

    @property
    def failed(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.error is not None)

    def summaries(self) -> list[Summary]:
        return [self._summary(name) for name in self.names]

    def best(self, names: Sequence[str] | None = None) -> Run | None:
        """Of the configuration with the best mean on the development set its best seed; None where none is finished.

        names: only of these configurations; None: of all.
        """
        means = {one.name: one.dev.mean for one in self.summaries() if one.dev and (names is None or one.name in names)}
        if not means:
            return None
        name = max(means, key=means.__getitem__)
        done = {run.figures.dev: run for run in self.runs if run.name == name and run.figures is not None}
        return done[max(done)]

    def gain(self, name: str, over: str, *, test: bool) -> Spread | None:
        """The difference in F1 between two configurations, seed by seed; None where no seed is finished in both.

        test: on the test files; else on the development set.
        """
        own, others = self._scores(name, test), self._scores(over, test)
        return Spread.of([own[seed] - others[seed] for seed in own if seed in others])

    def _figures(self, name: str) -> dict[int, Figures]:
        return {run.seed: run.figures for run in self.runs if run.name == name and run.figures is not None}

    def _scores(self, name: str, test: bool) -> dict[int, float]:
        scores = {seed: one.test if test else one.dev for seed, one in self._figures(name).items()}
        return {seed: score for seed, score in scores.items() if score is not None}

    def _summary(self, name: str) -> Summary:
        first, done = self.names[0], list(self._figures(name).values())
        return Summary(
            name=name,
            seeds=len(done),
            dev=Spread.of([one.dev for one in done]),
            dev_gain=self.gain(name, first, test=False) if name != first else None,
            test=Spread.of(list(self._scores(name, True).values())),
            test_gain=self.gain(name, first, test=True) if name != first else None,
            seconds=statistics.fmean(one.seconds for one in done) if done else None,
            seconds_per_epoch=statistics.fmean(one.seconds_per_epoch for one in done) if done else None,
            peak_mib=max(_known([one.peak_mib for one in done]), default=None),
            gpu_mib=max(_known([one.gpu_mib for one in done]), default=None),
            parameters=max((one.parameters for one in done), default=None),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns what `comparison.json` says: the runs, and for readers the means as well."""
        return {
            "configurations": list(self.names),
            "seeds": list(self.seeds),
            "runs": [asdict(run) for run in self.runs],
            "summary": [asdict(summary) for summary in self.summaries()],
        }


def read_comparison(out: Path) -> Comparison:
    """Returns the comparison that a directory holds, as far as it has come. Raises RunError where there is none."""
    data = read_json(out / FILE, "this is not a directory of `ner-distill compare`")
    return comparison_of(out / FILE, data, "comparison")


def comparison_of(path: Path, data: Any, noun: str) -> Comparison:
    """The comparison in the content of a file. Raises RunError where it is none; noun: what it is called."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RunError(f"{path}: expected a {noun} of format {FORMAT}; it was written by another version")
    try:
        runs = [run | {"figures": run["figures"] and Figures(**run["figures"])} for run in data["runs"]]
        return Comparison(tuple(data["configurations"]), tuple(data["seeds"]), tuple(Run(**run) for run in runs))
    except (KeyError, TypeError) as error:
        raise RunError(f"{path}: not as it was written ({error!r}); go on with the {noun} (`resume`)") from None


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
