"""The table of `verdict`, and what it says in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ner_distill.options import spelled
from ner_distill.pipelines.comparison.figures import Summary
from ner_distill.pipelines.comparison.findings import TEACHER, WAYS, Gain, Verdict
from ner_distill.views.comparison import number, points, remarks
from ner_distill.views.text import plain

Column = Callable[[Summary], str]


def render(verdict: Verdict) -> RenderableType:
    """One table in 80 columns, readable without colour; what it says of each student, and what failed, below."""
    lines = [*_legend(verdict), *_sentences(verdict), *remarks(verdict.comparison)]
    head = f"F1 × 100: mean ± deviation over {_seeds(len(verdict.comparison.seeds))}"
    return Group(Text(head), _table(verdict), *(Text(plain(spelled(line))) for line in lines))


def _table(verdict: Verdict) -> Table:
    summaries = {summary.name: summary for summary in verdict.comparison.summaries()}
    columns, front = _columns(verdict), verdict.front()
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("model", overflow="fold")
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)

    def add(name: str, row: str) -> None:
        marked = f"{'*' if row in front else ' '} {name}"
        table.add_row(Text(marked), *(column(summaries[row]) for column in columns.values()))

    add(TEACHER, TEACHER)
    for student in verdict.students:
        table.add_row(Text(plain(student)))
        for way, name in WAYS.items():
            add(name, f"{student}-{way}")
    return table


def _columns(verdict: Verdict) -> dict[str, Column]:
    seeds, costs = len(verdict.comparison.seeds), verdict.costs

    def of_cost(take: Callable[[str], float], pattern: str) -> Column:
        return lambda row: number(take(row.name) if row.name in costs else None, pattern)

    tested: dict[str, Column] = {"test F1": lambda row: points(row.test, of=seeds, digits=1)} if verdict.tested else {}
    return {
        **tested,
        "dev F1": lambda row: points(row.dev, of=seeds, digits=1),
        "parameters": lambda row: number(row.parameters, ",d"),
        "MB": of_cost(lambda name: costs[name].megabytes, ",.1f"),
        "1/s": of_cost(lambda name: costs[name].single, ",.0f"),
        "32/s": of_cost(lambda name: costs[name].batched, ",.0f"),
    }


def _legend(verdict: Verdict) -> Iterator[str]:
    yield "1/s, 32/s: sentences a second on one thread, one at a time and 32 at once"
    if verdict.front():
        yield f"*: no other model is both as small and as good, by MB and {'test' if verdict.tested else 'dev'} F1"
    if not verdict.tested:
        yield "There is no `test`: dev F1 is of the sentences that chose the checkpoints, and so somewhat too high."


def _sentences(verdict: Verdict) -> Iterator[str]:
    for student, gains in groupby(verdict.gains(), key=lambda gain: gain.student):
        yield _sentence(student, list(gains), verdict)


def _sentence(student: str, gains: Sequence[Gain], verdict: Verdict) -> str:
    """`default, soft and gold: +2.3 ± 0.4 over gold alone, +0.1 ± 0.6 over the teacher (within noise), …`."""
    names = {TEACHER: "the teacher", f"{student}-gold": "gold alone", f"{student}-hard": "hard labels"}
    parts, seeds = [], len(verdict.comparison.seeds)
    for gain in gains:
        noise = " (within noise)" if gain.within_noise else ""
        parts.append(f"{points(gain.spread, of=seeds, sign='+', digits=1)} over {names[gain.over]}{noise}")
    alone = (
        "; one seed does not tell a difference from noise" if any(gain.within_noise is None for gain in gains) else ""
    )
    where = "test" if verdict.tested else "dev"
    return f"What distillation gave {student} ({WAYS[gains[0].way]}, {where} F1): {', '.join(parts)}{alone}."


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
