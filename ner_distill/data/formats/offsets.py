"""Offsets that count something else than characters (code points): told by the entities' own text, and converted.

Other tools count UTF-16 code units (Java, JavaScript), bytes, CR LF as one character, or from 1, or name the last
character in place of the one behind it. Where a file gives each entity's text, that text says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.rows import Entity, Row, same_text

Place = tuple[int, int]
MOST = 0.9
"""Share of the entities that contradict their text which another unit has to explain."""


def in_characters(rows: Sequence[Row], report: ReadReport) -> list[Row]:
    """The rows of one file with their offsets in characters; what is read otherwise than it stands is noted.

    Looks at entities whose text the file gives. Where it differs from the text at their offsets in some, and with
    offsets of another unit fits in these (nine in ten) and in all that fitted already, all offsets of the file are read
    so.
    """
    given = [(row.text, one) for row in rows if row.text is not None for one in row.entities or () if one.surface]
    wrong = [(text, one) for text, one in given if not _fits(text, (one.start, one.end), one.surface)]
    if not wrong:
        return list(rows)
    right = [(text, one) for text, one in given if _fits(text, (one.start, one.end), one.surface)]
    for name, convert in UNITS.items():
        explained = sum(_fits(text, convert(text, one.start, one.end), one.surface) for text, one in wrong)
        if explained >= MOST * len(wrong) and all(
            _fits(text, convert(text, one.start, one.end), one.surface) for text, one in right
        ):
            return [_converted(row, name, convert, report) for row in rows]
    return list(rows)


def _fits(text: str, place: Place | None, surface: str | None) -> bool:
    if place is None or surface is None:
        return False
    start, end = place
    return 0 <= start < end <= len(text) and same_text(text[start:end], surface)


def _converted(row: Row, name: str, convert: Callable[[str, int, int], Place | None], report: ReadReport) -> Row:
    entities: list[Entity] = []
    for one in row.entities or ():
        place = convert(row.text or "", one.start, one.end)
        if place is not None and place != (one.start, one.end):
            shown = (row.text or "")[place[0] : place[1]]
            detail = f"{one.label} ({one.start}, {one.end}) in {name} is {shown!r} {place}"
            report.note("other_offsets", row.path, one.line or row.line, detail)
            one = one._replace(start=place[0], end=place[1])
        entities.append(one)
    return row if row.entities is None else replace(row, entities=tuple(entities))


def _counted(width: Callable[[str, str], int]) -> Callable[[str, int, int], Place | None]:
    """A unit of which each character has a number; width: of a character after another ("" at the beginning)."""

    def convert(text: str, start: int, end: int) -> Place | None:
        widths = (width(char, before) for char, before in zip(text, ("", *text), strict=False))
        places = {place: number for number, place in enumerate(accumulate(widths, initial=0))}
        first, last = places.get(start), places.get(end)
        return None if first is None or last is None else (first, last)

    return convert


def _shifted(before: int, behind: int) -> Callable[[str, int, int], Place | None]:
    return lambda text, start, end: (start + before, end + behind)


UNITS: Mapping[str, Callable[[str, int, int], Place | None]] = {
    "UTF-16 code units": _counted(lambda char, _: 1 + (char > "\uffff")),
    "bytes of UTF-8": _counted(lambda char, _: len(char.encode("utf-8", "surrogatepass"))),
    "characters with CR LF as one": _counted(lambda char, before: int((before, char) != ("\r", "\n"))),
    "characters with a line end as two": _counted(lambda char, before: 1 + (char == "\n" and before != "\r")),
    "characters of which the last one is named": _shifted(0, 1),
    "characters from 1": _shifted(-1, -1),
    "characters from 1 of which the last one is named": _shifted(-1, 0),
}
"""What offsets may count, and how they become characters: None where a number is of no character."""
