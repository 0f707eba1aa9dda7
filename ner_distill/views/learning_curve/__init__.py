"""The learning curve of `learning-curve`: a table for the terminal, and a page with the picture."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ner_distill.data.formats.report import counted
from ner_distill.options import spelled
from ner_distill.pipelines.comparison.curve import LearningCurve
from ner_distill.pipelines.comparison.figures import Spread
from ner_distill.pipelines.comparison.power_law import SURE, Interval, PowerLaw
from ner_distill.views.comparison import points, remarks
from ner_distill.views.pages import Html, fill, join, read, tag
from ner_distill.views.report.charts import line_chart
from ner_distill.views.text import plain

POINTS = 80
"""Points of the drawn curve."""
MISFIT = 2.0
"""So many times as far as seeds differ a training is off the curve where that is the wrong curve."""
HEAD = ("labelled", "F1", "by the curve", f"{SURE:.0%} of draws")


def render(curve: LearningCurve, more: int) -> RenderableType:
    """The table, readable without colour and in 80 columns; below it what more labels bring, and what failed."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for place, title in enumerate(HEAD):
        table.add_column(title, justify="right" if place else "left", no_wrap=True)
    for row in _rows(curve, more):
        table.add_row(*map(Text, row))
    said = [*_said(curve, more), *remarks(curve.comparison)]
    return Group(Text(_title(curve)), table, *(Text(plain(spelled(line))) for line in said))


def page_of(curve: LearningCurve, more: int) -> str:
    """Returns a page with the curve as a picture, its table, and what it says."""
    head = tag("tr", *(tag("th", title, scope="col") for title in HEAD))
    rows = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in _rows(curve, more)
    ]
    folder = files(__name__)
    return fill(
        read(folder, "page.html"),
        style=read(files("ner_distill.views.report"), "style.css") + read(folder, "style.css"),
        title="Learning curve",
        script="",
        chart=_chart(curve, more),
        about=_title(curve),
        table=tag("table", tag("thead", head), tag("tbody", *rows)),
        said=join(*(tag("p", line) for line in [*_said(curve, more), *remarks(curve.comparison)])),
    )


def _title(curve: LearningCurve) -> str:
    where = "test" if curve.on_test else "development"
    seeds = counted(len(curve.comparison.seeds), "seed")
    return f"F1 × 100 on the {where} sentences: mean ± deviation over {seeds}"


def _rows(curve: LearningCurve, more: int) -> Iterator[tuple[str, str, str, str]]:
    law = curve.law() if curve.drawable else None
    for part, size in curve.sizes.items():
        found = points(Spread.of(curve.scores(part)), of=len(curve.comparison.seeds))
        yield f"{size:,} ({part.replace('-', ' ')})", found, *_by_curve(law, size)
    if law is not None:
        for size in sorted({curve.sentences + more, 2 * curve.sentences}):
            yield f"{size:,}", "-", *_by_curve(law, size)


def _by_curve(law: PowerLaw | None, size: float) -> tuple[str, str]:
    if law is None:
        return "-", "-"
    at = law.at(size)
    return f"{100 * at.value:.2f}", f"{100 * at.low:.2f} to {100 * at.high:.2f}"


def _said(curve: LearningCurve, more: int) -> Iterator[str]:
    """What the curve says, in sentences."""
    if curve.flat:
        yield (
            "all trainings have the same score, which says nothing of more labels; where it is 0, train longer "
            "(optim.epochs)"
        )
        return
    if not curve.drawable:
        yield "too few trainings for a curve: it takes four, of three sizes"
        return
    law, most = curve.law(), curve.sentences
    gain = law.gain(most, more)
    yield f"{more:,} more sentences ({more * curve.words:,.0f} words): {_points(gain)} points of F1"
    if gain.low <= 0:
        yield "the trainings are further apart than that: more seeds would tell whether it is anything"
    yield f"F1 = {law.a:.3f} - {law.b:.3g} · n^-{law.c:.3g}; a training is off by {100 * law.noise:.2f} points"
    if len(curve.comparison.seeds) == 1:
        yield "with one seed the limits are hardly known: give `seeds` 3 or more"
    spread = curve.seeds_differ
    if spread is not None and law.noise > MISFIT * spread:
        yield (
            f"no such curve goes through these scores: seeds alone differ by {100 * spread:.2f} points; what it says "
            "of more labels is a guess. Where the smallest parts learn little, train them longer (optim.epochs)"
        )
    if more > most:
        yield f"{most + more:,} is more than twice what was tried: a curve that goes so far is a guess"


def _points(gain: Interval) -> str:
    return f"{100 * gain.value:+.2f} (between {100 * gain.low:+.2f} and {100 * gain.high:+.2f})"


def _chart(curve: LearningCurve, more: int) -> Html:
    law, least = curve.law(), min(curve.sizes.values())
    last = max(curve.sentences + more, round(1.25 * curve.sentences))
    sizes = np.unique(np.linspace(least, last, POINTS).round()).tolist()
    drawn = [(size, law.at(size)) for size in sizes]
    gain = law.gain(curve.sentences, more)
    scores = {part: curve.scores(part) for part in curve.sizes}
    lines = {
        "the curve": [(size, one.value) for size, one in drawn],
        "mean of the trainings": [
            (float(curve.sizes[part]), sum(own) / len(own)) for part, own in scores.items() if own
        ],
    }
    return line_chart(
        lines,
        says=f"F1 over labelled sentences, a curve that rises; {more:,} more add {_points(gain)} points",
        marked=float(curve.sentences),
        percent=True,
        band=[(size, one.low, one.high) for size, one in drawn],
    )
