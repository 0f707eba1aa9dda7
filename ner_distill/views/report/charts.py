"""Charts as SVG: lines over epochs, and how far scores are from the share that is right.

Nothing here has a style of its own: classes say what is what, and `style.css` has the colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ner_distill.data.calibration import Reliability
from ner_distill.views.pages import Html, join, tag

WIDTH, HEIGHT = 480, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 30
COLOURS = 8
LEAST = 1e-9
"""Of differences that a chart shows."""
MOST_DOTS = 60
"""Points of a line that are drawn as dots; of more the line alone."""
Line = Sequence[tuple[float, float]]


def bar(share: float) -> Html:
    """A bar of this share, 0 to 1, of its whole length."""
    length = f"{100 * min(max(share, 0.0), 1.0):.2f}"
    return _svg(
        "bar", "0 0 100 6", tag("rect", width=length, height="6"), preserveAspectRatio="none", aria_hidden="true"
    )


def line_chart(
    lines: Mapping[str, Line],
    *,
    says: str,
    marked: float | None = None,
    percent: bool = False,
    band: Sequence[tuple[float, float, float]] = (),
) -> Html:
    """Lines over whole numbers x, with their names above. says: what the chart shows, for who cannot see it.

    marked: an x with a dashed line. percent: y is a share, and written times 100. band: (x, low, high), a pale surface
    behind the first line.
    """
    points = [point for line in lines.values() for point in line]
    points += [(x, y) for x, *both in band for y in both]
    if not points:
        return Html("")
    xs = [x for x, _ in points]
    low, high = min(y for _, y in points), max(y for _, y in points)
    ticks = ticks_of(low if percent else min(low, 0.0), high)
    frame = _Frame(min(xs), max(max(xs), min(xs) + 1), ticks[0], ticks[-1])
    drawn = [_path(line, number, name, frame, percent) for number, (name, line) in enumerate(lines.items())]
    mark = None
    if marked is not None and min(xs) <= marked <= max(xs):
        mark = tag("line", class_="marked", x1=frame.x(marked), x2=frame.x(marked), y1=TOP, y2=HEIGHT - BOTTOM)
    whole = sorted({round(x) for x in ticks_of(min(xs), max(xs)) if min(xs) <= x <= max(xs) and x == round(x)})
    axes = join(*_grid(frame, ticks, [float(x) for x in whole], percent))
    edge = [(x, low) for x, low, _ in band] + [(x, high) for x, _, high in reversed(band)]
    between = " ".join(f"{frame.x(x)},{frame.y(y)}" for x, y in edge)
    surface = tag("polygon", points=between, class_="band c0") if band else None
    names = [
        tag("li", tag("i", class_=f"dot c{number % COLOURS}"), tag("bdi", name)) for number, name in enumerate(lines)
    ]
    chart = _svg("chart", f"0 0 {WIDTH} {HEIGHT}", axes, surface, mark, *drawn, role="img", aria_label=says)
    return join(tag("ul", *names, class_="legend"), chart)


def reliability_chart(reliability: Reliability, *, says: str) -> Html:
    """For each bin of scores a bar, as high as the share that is right, and a dot at the mean score of the bin.

    Were scores probabilities, every bar would end at its dot, on the dashed diagonal. Below: how many entities.
    """
    frame, ticks = _Frame(0.0, 1.0, 0.0, 1.0), [0.0, 0.25, 0.5, 0.75, 1.0]
    parts = [*_grid(frame, ticks, ticks, True, x_percent=True)]
    parts.append(tag("line", class_="marked", x1=frame.x(0), y1=frame.y(0), x2=frame.x(1), y2=frame.y(1)))
    most = max((one.entities for one in reliability.bins), default=1)
    for one in reliability.bins:
        about = f"scores {one.low:.2f} to {one.high:.2f}: {one.entities:,} entities, mean score {one.score:.3f}, "
        about += f"{one.precision:.1%} right"
        left, right = frame.x(one.low), frame.x(one.high)
        top = frame.y(one.precision)
        share = 1 + round(3 * math.sqrt(one.entities / most))  # of few entities the bar is pale
        parts.append(
            tag(
                "g",
                tag("title", about),
                tag("rect", x=_n(left + 1), y=_n(top), width=_n(right - left - 2), height=_n(frame.y(0) - top)),
                tag("circle", cx=_n(frame.x(one.score)), cy=_n(frame.y(one.score)), r="3"),
                class_=f"bin n{share}",
            )
        )
    return _svg("chart", f"0 0 {WIDTH} {HEIGHT}", *parts, role="img", aria_label=says)


def ticks_of(low: float, high: float) -> list[float]:
    """Round numbers from one at most `low` to one at least `high`, about five."""
    if high - low < LEAST * max(abs(low), abs(high), 1.0):
        around = 0.5 * (abs(low) if abs(low) > LEAST else 1.0)
        low, high = low - around, high + around
    rough = (high - low) / 4
    step = 10 ** math.floor(math.log10(rough))
    step = next(step * factor for factor in (1, 2, 2.5, 5, 10) if step * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


class _Frame:
    """From figures to places in the chart."""

    def __init__(self, left: float, right: float, low: float, high: float) -> None:
        self.left, self.right, self.low, self.high = left, right, low, high

    def x(self, value: float) -> float:
        return round(LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM), 1)


def _path(line: Line, number: int, name: str, frame: _Frame, percent: bool) -> Html:
    places = [(frame.x(x), frame.y(y)) for x, y in line]
    said = [f"{name}, {x:g}: {100 * y:.2f}" if percent else f"{name}, {x:g}: {y:.4g}" for x, y in line]
    dots = [
        tag("circle", tag("title", about), cx=x, cy=y, r="3") for (x, y), about in zip(places, said, strict=True)
    ] if len(line) <= MOST_DOTS else []  # fmt: skip
    path = tag("polyline", points=" ".join(f"{x},{y}" for x, y in places))
    return tag("g", path, *dots, class_=f"line c{number % COLOURS}")


def _grid(
    frame: _Frame, ys: Sequence[float], xs: Sequence[float], percent: bool, *, x_percent: bool = False
) -> Iterator[Html]:
    for y in ys:
        yield tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=frame.y(y), y2=frame.y(y))
        yield tag("text", f"{100 * y:g}" if percent else f"{y:g}", class_="tick y", x=LEFT - 6, y=frame.y(y) + 4)
    for x in xs:
        yield tag("text", f"{100 * x:g}" if x_percent else f"{x:g}", class_="tick x", x=frame.x(x), y=HEIGHT - 12)


def _svg(kind: str, box: str, *parts: str | None, **attributes: str) -> Html:
    return tag("svg", *parts, class_=kind, viewBox=box, **attributes)


def _n(value: float) -> str:
    return f"{value:.1f}"
