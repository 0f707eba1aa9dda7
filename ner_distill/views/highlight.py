"""Entities marked in their text, as HTML: what `predict --format html` and notebooks show. Needs no other module."""

from __future__ import annotations

import html
import zlib
from collections.abc import Iterator, Sequence

Entity = tuple[int, int, str, float | None]
"""First character, the character after the last one, type, score from 0 to 1; None where there is none."""

_HUES = {"PER": 255, "PERSON": 255, "LOC": 150, "GPE": 150, "ORG": 28, "MISC": 310, "DATE": 75, "TIME": 200}
"""Of types that many data sets have: no two of one set alike."""
ALIKE = 30
"""Degrees between hues that can be told apart."""
_BOX = "line-height:2.1;white-space:pre-wrap;overflow-wrap:anywhere"
_MARK = "padding:.15em .3em;border-radius:.3em;color:inherit;box-decoration-break:clone"
_NAME = "margin:0 .3em;font-size:.68em;font-weight:650;letter-spacing:.03em;vertical-align:.1em"


def hue_of(label: str) -> int:
    """The hue of a type, in degrees; it depends on its name alone, so that it is the same on every page."""
    known = _HUES.get(label.upper())
    return zlib.crc32(label.encode("utf-8", "surrogatepass")) * 15 % 360 if known is None else known


def hues_of(labels: Sequence[str]) -> list[int]:
    """The hue of each type: that of its name, but where an earlier type has one that looks the same, the next free."""
    hues: list[int] = []
    for label in labels:
        wanted = hue_of(label)
        free = [hue % 360 for hue in range(wanted, wanted + 360, ALIKE) if _is_free(hue, hues)]
        hues.append(free[0] if free else wanted)
    return hues


def _is_free(hue: int, taken: list[int]) -> bool:
    return all(ALIKE <= (hue - other) % 360 <= 360 - ALIKE for other in taken)


def entities_html(text: str, entities: Sequence[Entity]) -> str:
    """A `<div>` with the text, its entities as `<mark>` with their type behind them and their score as a tooltip.

    Entities may nest: the inner one is a mark in the mark of the outer one. Of two that cross, the one that begins
    later goes on in a second mark behind the end of the other. Text and types are escaped, styles are inline, colours
    fit a light and a dark page.
    Raises ValueError for an entity that is empty or not in the text.
    """
    for start, end, label, _ in entities:
        if not 0 <= start < end <= len(text):
            raise ValueError(f"{label} from {start} to {end}: expected a part of the text of {len(text)} characters")
    return f'<div dir="auto" style="{_BOX}">{"".join(_pieces(text, entities))}</div>'


def _pieces(text: str, entities: Sequence[Entity]) -> Iterator[str]:
    """The text between the borders of entities, and at each border what closes there, then what opens."""
    order = sorted(range(len(entities)), key=lambda number: (entities[number][0], -entities[number][1]))
    opens: dict[int, list[int]] = {}
    for number in order:
        opens.setdefault(entities[number][0], []).append(number)
    inside: list[int] = []  # the entities that are open, the outermost first
    before = 0
    for place in sorted({border for start, end, *_ in entities for border in (start, end)}):
        yield html.escape(text[before:place])
        before = place
        ending = [depth for depth, number in enumerate(inside) if entities[number][1] == place]
        if ending:
            closed = inside[ending[0] :]
            inside = inside[: ending[0]]
            for number in reversed(closed):
                yield _closed(entities[number]) if entities[number][1] == place else "</mark>"
            for number in closed:
                if entities[number][1] != place:  # it crosses one that ends here
                    inside.append(number)
                    yield _opened(entities[number])
        for number in opens.get(place, ()):
            inside.append(number)
            yield _opened(entities[number])
    yield html.escape(text[before:])


def _opened(entity: Entity) -> str:
    _, _, label, score = entity
    hue = hue_of(label)
    style = f"{_MARK};background:oklch(.72 .15 {hue}/.28);box-shadow:inset 0 -2px oklch(.68 .15 {hue})"
    title = html.escape(label) if score is None else f"{html.escape(label)} {score:.2f}"
    return f'<mark title="{title}" style="{style}">'


def _closed(entity: Entity) -> str:
    return f'<bdi style="{_NAME}">{html.escape(entity[2])}</bdi></mark>'
