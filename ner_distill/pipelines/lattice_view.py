"""The lattice of a sentence as a picture for a terminal: the characters, and brackets under the words they make up."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from ner_distill.data.lexicon import Match

Place = tuple[int, int]

ROWS = 12
"""Rows of brackets under a line of text, at most; what does not fit is counted."""

# What ends lines, or turns the order of what follows, must not reach a terminal.
_UNSAFE = {*"\u2028\u2029\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def picture(words: Sequence[str], matches: Sequence[Match], *, width: int, rows: int = ROWS) -> str:
    """The sentence in lines of up to `width` columns, under each line its matches as brackets; no line end at the end.

        南京市长江大桥
        └────┘└──────┘
        └──┘└──┘└────┘

    Brackets stand below exactly the columns of their words (2 for a wide character, 0 for a combining one), one column
    as `┴`. In a row none overlap; the longest come first. Lines end where few matches are cut, if that costs no more
    than a third of the line; a match that goes on in the next line stays open: `└──` and `──┘`.
    Words stand side by side where most are single characters, else with a space between them.
    rows: how many rows of brackets a line has at most; the matches of further rows are counted in a last line.
    No words give "". Control characters are replaced, what is wider than a line is cut.
    Raises ValueError for a width below 2 and for a match beyond the sentence.
    """
    if width < 2:
        raise ValueError(f"a picture needs a width of 2 columns or more, found {width}")
    for match in matches:
        if not 0 <= match.start < match.end <= len(words):
            raise ValueError(f"{match} is no place in a sentence of {len(words)} words")
    shown = [_shown(word, width) for word in words]
    if shown and not cell_len(shown[0]):
        shown[0] = f"◌{shown[0]}"  # a combining character with nothing to combine with
    gap = 0 if 2 * sum(len(word) == 1 for word in words) > len(words) else 1
    places = {(_base(shown, match.start), match.end) for match in matches}
    packed = _packed(places)
    return "\n\n".join(
        "\n".join(_picture(line, shown, gap, packed, rows)) for line in _lines(shown, places, width, gap)
    )


def _shown(word: str, width: int) -> str:
    safe = "".join("\ufffd" if char in _UNSAFE or unicodedata.category(char) in ("Cc", "Cs") else char for char in word)
    return safe if cell_len(safe) <= width else set_cell_size(safe, width - 1).rstrip() + "…"


def _base(words: Sequence[str], index: int) -> int:
    """The word in whose columns a word is shown: another one for a combining character."""
    while index > 0 and not cell_len(words[index]):
        index -= 1
    return index


def _packed(places: Iterable[Place]) -> list[list[Place]]:
    """Rows of places of which no two overlap: the longest first, each in the first row with room for it."""
    rows: list[list[Place]] = []
    for start, end in sorted(places, key=lambda place: (place[0] - place[1], place)):
        for row in rows:
            if all(end <= left or right <= start for left, right in row):
                row.append((start, end))
                break
        else:
            rows.append([(start, end)])
    return rows


def _lines(words: Sequence[str], places: Collection[Place], width: int, gap: int) -> Iterator[range]:
    """Which words each line has."""
    first = 0
    while first < len(words):
        columns = _columns(words[first:], gap)
        fit = first + sum(right <= width for _, right in columns)
        if fit < len(words):
            latest = range(fit, first + 2 * (fit - first) // 3, -1)
            fit = min(
                (end for end in latest if cell_len(words[end])),
                key=lambda end: sum(left < end < right for left, right in places),
                default=fit,
            )
        yield range(first, fit)
        first = fit


def _columns(words: Sequence[str], gap: int) -> list[Place]:
    """The columns of each word in one long line, half-open."""
    columns: list[Place] = []
    end = -gap
    for word in words:
        cells = cell_len(word)
        start = end + gap if cells else end
        end = start + cells
        columns.append((start, end))
    return columns


def _picture(line: range, words: Sequence[str], gap: int, packed: Iterable[list[Place]], rows: int) -> Iterator[str]:
    """A line of text, its rows of brackets, and how many matches there was no row for."""
    columns = _columns(words[line.start : line.stop], gap)
    text, column = "", 0
    for index, (start, end) in zip(line, columns, strict=True):
        text += " " * (start - column) + words[index]
        column = end
    yield text.rstrip(" ")
    cut = [[place for place in sorted(row) if place[0] < line.stop and line.start < place[1]] for row in packed]
    here = [row for row in cut if row]
    for row in here[:rows]:
        drawn = ""
        for start, end in row:
            left = columns[max(start, line.start) - line.start][0]
            right = columns[min(end, line.stop) - line.start - 1][1]
            drawn = drawn.ljust(left) + _bracket(right - left, start >= line.start, end <= line.stop)
        yield drawn
    rest = sum(map(len, here[rows:]))
    if rest:
        yield f"… and {rest:,} more word{'s' if rest > 1 else ''}"


def _bracket(size: int, opened: bool, closed: bool) -> str:
    """A bracket of `size` columns, open on the sides where the match goes on in another line."""
    if size == 1:
        return {(True, True): "┴", (True, False): "└", (False, True): "┘", (False, False): "─"}[opened, closed]
    return ("└" if opened else "─") + "─" * (size - 2) + ("┘" if closed else "─")
