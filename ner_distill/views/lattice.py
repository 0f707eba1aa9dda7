"""The lattice of a sentence as a picture for a terminal: the characters, and brackets under the words they make up."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from ner_distill.data.lexicon.lexicon import Match
from ner_distill.views.text import plain

Place = tuple[int, int]

ROWS = 12
"""Rows of brackets under a line of text, at most; what does not fit is counted."""

# What ends lines, or turns the order of what follows, must not reach a terminal.
_UNSAFE = {*"\u2028\u2029\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


class LatticePicture:
    """The lattice of a sentence, as wide as the terminal."""

    def __init__(self, words: Sequence[str], matches: Sequence[Match]) -> None:
        self._words, self._matches = words, matches

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in picture(self._words, self._matches, width=options.max_width).splitlines():
            yield Text(plain(line))


def picture(words: Sequence[str], matches: Sequence[Match], *, width: int) -> str:
    """The sentence in lines of up to `width` columns, under each line its matches as brackets; no line end at the end.

        南京市长江大桥
        └────┘└──────┘
        └──┘└──┘└────┘

    Brackets stand below exactly the columns of their words (2 for a wide character, 0 for a combining one), one column
    as `┴`. In a row none overlap; the longest of a line come first. Lines end where few matches are cut, if that costs
    no more than a third of the line; a match that goes on in the next line stays open: `└──` and `──┘`.
    Words stand side by side where most are single characters, else with a space between them.
    Below the brackets of a line a last line counts the matches that there was no row for.
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
    cells = [cell_len(word) for word in shown]
    bases: list[int] = []  # a combining character is shown in the columns of the word before it
    for index, count in enumerate(cells):
        bases.append(index if count else bases[-1])
    places = {(bases[match.start], match.end) for match in matches}
    lines = list(_lines(cells, places, width, gap))
    drawn = []
    for line, here in zip(lines, _by_line(lines, places), strict=True):
        part = slice(line.start, line.stop)
        drawn.append("\n".join(_picture(line, shown[part], _columns(cells[part], gap), here)))
    return "\n\n".join(drawn)


def _shown(word: str, width: int) -> str:
    safe = "".join("\ufffd" if char in _UNSAFE or unicodedata.category(char) in ("Cc", "Cs") else char for char in word)
    return safe if cell_len(safe) <= width else set_cell_size(safe, width - 1).rstrip() + "…"


def _lines(cells: Sequence[int], places: Iterable[Place], width: int, gap: int) -> Iterator[range]:
    """Which words each line has. cells: columns of each word."""
    steps = [0] * (len(cells) + 1)
    for left, right in places:
        steps[left + 1] += 1
        steps[right] -= 1
    cut = list(accumulate(steps))  # how many places a line end before each word would cut
    first = 0
    while first < len(cells):
        last, column = first, -gap
        while last < len(cells) and (not cells[last] or column + gap + cells[last] <= width):
            column += gap + cells[last] if cells[last] else 0
            last += 1
        if last < len(cells):
            latest = range(last, first + 2 * (last - first) // 3, -1)
            last = min((end for end in latest if cells[end]), key=cut.__getitem__)
        yield range(first, last)
        first = last


def _columns(cells: Sequence[int], gap: int) -> list[Place]:
    """The columns of each word in a line, half-open."""
    columns: list[Place] = []
    end = -gap
    for count in cells:
        start = end + gap if count else end
        end = start + count
        columns.append((start, end))
    return columns


def _by_line(lines: Sequence[range], places: Iterable[Place]) -> list[list[Place]]:
    """The places that each line has a part of."""
    line_of = [index for index, line in enumerate(lines) for _ in line]
    parts: list[list[Place]] = [[] for _ in lines]
    for start, end in places:
        for index in range(line_of[start], line_of[end - 1] + 1):
            parts[index].append((start, end))
    return parts


def _packed(places: Iterable[Place]) -> tuple[list[list[Place]], int]:
    """Up to ROWS rows of places of which no two overlap, and how many places found no room.

    The longest first, each in the first row with room for it.
    """
    packed: list[list[Place]] = []
    rest = 0
    for start, end in sorted(places, key=lambda place: (place[0] - place[1], place)):
        row = next((row for row in packed if all(end <= left or right <= start for left, right in row)), None)
        if row is not None:
            row.append((start, end))
        elif len(packed) < ROWS:
            packed.append([(start, end)])
        else:
            rest += 1
    return packed, rest


def _picture(line: range, words: Sequence[str], columns: Sequence[Place], places: Iterable[Place]) -> Iterator[str]:
    """A line of text, its rows of brackets, and how many matches there was no row for."""
    text, column = "", 0
    for word, (start, end) in zip(words, columns, strict=True):
        text += " " * (start - column) + word
        column = end
    yield text.rstrip(" ")
    packed, rest = _packed(places)
    for row in packed:
        drawn = ""
        for start, end in sorted(row):
            left = columns[max(start, line.start) - line.start][0]
            right = columns[min(end, line.stop) - line.start - 1][1]
            drawn = drawn.ljust(left) + _bracket(right - left, start >= line.start, end <= line.stop)
        yield drawn
    if rest:
        yield f"… and {rest:,} more word{'s' if rest > 1 else ''}"


def _bracket(size: int, opened: bool, closed: bool) -> str:
    """A bracket of `size` columns, open on the sides where the match goes on in another line."""
    if size == 1:
        return {(True, True): "┴", (True, False): "└", (False, True): "┘", (False, False): "─"}[opened, closed]
    return ("└" if opened else "─") + "─" * (size - 2) + ("┘" if closed else "─")
