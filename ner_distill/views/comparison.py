"""The table of `compare`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ner_distill.options import spelled
from ner_distill.pipelines.comparison.figures import Comparison, Spread, Summary
from ner_distill.views.text import plain

Column = Callable[[Summary], str]


def render(comparison: Comparison) -> RenderableType:
    """The table of a comparison, readable without colour and in 80 columns, with what failed below."""
    return _View(comparison)


class _View:
    """One table where it is not too wide, else one of scores and one of costs."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        summaries = self._comparison.summaries()
        scores, costs = _score_columns(summaries), _cost_columns(summaries)
        yield Text("F1 × 100: mean ± deviation over seeds; gain over the first, by seed; MiB: peak")
        whole = _table(summaries, scores | costs, longest_name=14)
        if Measurement.get(console, options.update(max_width=10_000), whole).maximum <= options.max_width:
            yield whole
        else:
            yield _table(summaries, scores)
            yield _table(summaries, costs)
        for line in remarks(self._comparison):
            yield Text(plain(spelled(line)))


def remarks(comparison: Comparison) -> Iterator[str]:
    """What is missing from a comparison, and why."""
    total = len(comparison.names) * len(comparison.seeds)
    if missing := total - sum(run.name in comparison.names for run in comparison.runs):
        yield f"{missing} of {total} runs have not been made yet: go on with `resume`"
    for run in comparison.failed:
        yield f"failed: {run.name}, seed {run.seed}: {run.error}"


def _score_columns(summaries: Sequence[Summary]) -> dict[str, Column]:
    columns: dict[str, Column] = {
        "seeds": lambda row: str(row.seeds),
        "dev": lambda row: points(row.dev),
        "gain": lambda row: points(row.dev_gain, of=row.seeds, sign="+"),
    }
    if any(row.test for row in summaries):
        columns["test"] = lambda row: points(row.test, of=row.seeds)
        columns["test gain"] = lambda row: points(row.test_gain, of=row.seeds, sign="+")
    return columns


def _cost_columns(summaries: Sequence[Summary]) -> dict[str, Column]:
    columns: dict[str, Column] = {
        "seconds": lambda row: number(row.seconds, ",.0f"),
        "s/epoch": lambda row: number(row.seconds_per_epoch, ",.2f"),
        "MiB": lambda row: number(row.peak_mib, ",.0f"),
    }
    if any(row.gpu_mib is not None for row in summaries):
        columns["GPU MiB"] = lambda row: number(row.gpu_mib, ",.0f")
    columns["parameters"] = lambda row: number(row.parameters, ",d")
    return columns


def points(spread: Spread | None, *, of: int = 0, sign: str = "", digits: int = 2) -> str:
    """`71.23 ± 0.45`; where it is of fewer seeds than `of`, their number after it."""
    if spread is None:
        return "-"
    mean = f"{100 * spread.mean:{sign}.{digits}f}"
    deviation = f" ± {100 * spread.deviation:.{digits}f}" if spread.deviation is not None else ""
    return mean + deviation + (f" ({spread.count})" if spread.count < of else "")


def number(value: float | None, pattern: str) -> str:
    """A figure in a format; `-` where it is not known."""
    return "-" if value is None else format(value, pattern)


def _table(summaries: Sequence[Summary], columns: dict[str, Column], *, longest_name: int | None = None) -> Table:
    """longest_name: longer ones are folded."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("configuration", overflow="fold", max_width=longest_name)
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for row in summaries:
        table.add_row(Text(plain(row.name)), *(column(row) for column in columns.values()))
    return table
