"""What a comparison of configurations came to: figures of runs, means over seeds, and their table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ner_distill.errors import RunError
from ner_distill.pipelines.runs import read_json

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

FORMAT = 1
FILE = "comparison.json"
# Text from anywhere must not steer the terminal that shows it.
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "\ufffd")


@dataclass(frozen=True)
class Figures:
    """What one run came to.

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
        """The mean over the epochs of the run."""
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
        """None of no values."""
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
        """The runs that came to no figures."""
        return tuple(run for run in self.runs if run.error is not None)

    def summaries(self) -> list[Summary]:
        """A summary of each configuration."""
        return [self._summary(name) for name in self.names]

    def _figures(self, name: str) -> dict[int, Figures]:
        return {run.seed: run.figures for run in self.runs if run.name == name and run.figures is not None}

    def _summary(self, name: str) -> Summary:
        own, first = self._figures(name), self._figures(self.names[0])
        pairs = [(own[seed], first[seed]) for seed in own if seed in first and name != self.names[0]]
        done = list(own.values())
        tested = [(one.test, other.test) for one, other in pairs]
        return Summary(
            name=name,
            seeds=len(done),
            dev=Spread.of([one.dev for one in done]),
            dev_gain=Spread.of([one.dev - other.dev for one, other in pairs]),
            test=Spread.of(_known([one.test for one in done])),
            test_gain=Spread.of([one - other for one, other in tested if one is not None and other is not None]),
            seconds=statistics.fmean(one.seconds for one in done) if done else None,
            seconds_per_epoch=statistics.fmean(one.seconds_per_epoch for one in done) if done else None,
            peak_mib=max(_known([one.peak_mib for one in done]), default=None),
            gpu_mib=max(_known([one.gpu_mib for one in done]), default=None),
            parameters=max((one.parameters for one in done), default=None),
        )

    def to_json(self) -> dict[str, Any]:
        """What `comparison.json` says of it: the runs, and for readers the means as well."""
        return {
            "configurations": list(self.names),
            "seeds": list(self.seeds),
            "runs": [asdict(run) for run in self.runs],
            "summary": [asdict(summary) for summary in self.summaries()],
        }


def read_comparison(out: Path) -> Comparison:
    """The comparison that a directory holds, as far as it has come. Raises RunError where there is none."""
    path = out / FILE
    data = read_json(path, "this is not a directory of `ner-distill compare`")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RunError(f"{path}: expected a comparison of format {FORMAT}; it was written by another version")
    try:
        runs = [run | {"figures": run["figures"] and Figures(**run["figures"])} for run in data["runs"]]
        return Comparison(tuple(data["configurations"]), tuple(data["seeds"]), tuple(Run(**run) for run in runs))
    except (KeyError, TypeError) as error:
        raise RunError(f"{path}: not as it was written ({error!r}); go on with the comparison (--resume)") from None


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


# ---- the table


class View:
    """A comparison as one table where that is not too wide, else as one of scores and one of costs."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """See rich."""
        from rich.measure import Measurement
        from rich.text import Text

        summaries = self.comparison.summaries()
        scores, costs = _score_columns(summaries), _cost_columns(summaries)
        yield Text("F1 × 100: mean ± deviation over seeds; gain over the first, by seed; MiB: peak")
        whole = _table(summaries, scores | costs, longest_name=14)
        if Measurement.get(console, options.update(max_width=10_000), whole).maximum <= options.max_width:
            yield whole
        else:
            yield _table(summaries, scores)
            yield _table(summaries, costs)
        for line in self._remarks():
            yield Text(line.translate(_CONTROLS))

    def _remarks(self) -> Iterator[str]:
        total = len(self.comparison.names) * len(self.comparison.seeds)
        if missing := total - len(self.comparison.runs):
            yield f"{missing} of {total} runs have not been made yet: go on with --resume"
        for run in self.comparison.failed:
            yield f"failed: {run.name}, seed {run.seed}: {run.error}"


def render(comparison: Comparison) -> RenderableType:
    """The table of a comparison, readable without colour and in 80 columns, with what failed below."""
    return View(comparison)


Column = Callable[[Summary], str]


def _score_columns(summaries: Sequence[Summary]) -> dict[str, Column]:
    columns: dict[str, Column] = {
        "seeds": lambda row: str(row.seeds),
        "dev": lambda row: _points(row.dev),
        "gain": lambda row: _points(row.dev_gain, of=row.seeds, sign="+"),
    }
    if any(row.test for row in summaries):
        columns["test"] = lambda row: _points(row.test, of=row.seeds)
        columns["test gain"] = lambda row: _points(row.test_gain, of=row.seeds, sign="+")
    return columns


def _cost_columns(summaries: Sequence[Summary]) -> dict[str, Column]:
    columns: dict[str, Column] = {
        "seconds": lambda row: _number(row.seconds, ",.0f"),
        "s/epoch": lambda row: _number(row.seconds_per_epoch, ",.2f"),
        "MiB": lambda row: _number(row.peak_mib, ",.0f"),
    }
    if any(row.gpu_mib is not None for row in summaries):
        columns["GPU MiB"] = lambda row: _number(row.gpu_mib, ",.0f")
    columns["parameters"] = lambda row: _number(row.parameters, ",d")
    return columns


def _points(spread: Spread | None, *, of: int = 0, sign: str = "") -> str:
    """`71.23 ± 0.45`; where it is of fewer seeds than `of`, their number after it."""
    if spread is None:
        return "-"
    mean = f"{100 * spread.mean:{sign}.2f}"
    deviation = f" ± {100 * spread.deviation:.2f}" if spread.deviation is not None else ""
    return mean + deviation + (f" ({spread.count})" if spread.count < of else "")


def _number(value: float | None, pattern: str) -> str:
    return "-" if value is None else format(value, pattern)


def _table(summaries: Sequence[Summary], columns: dict[str, Column], *, longest_name: int | None = None) -> Table:
    """longest_name: longer ones are folded."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("configuration", overflow="fold", max_width=longest_name)
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for row in summaries:
        table.add_row(Text(row.name.translate(_CONTROLS)), *(column(row) for column in columns.values()))
    return table
