"""Sentences on the terminal, their entities in brackets and coloured by type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from ner_distill.data.sentence import Span
from ner_distill.views.text import plain, shortened

LONGEST_WORD = 100
"""Characters of a word that are shown."""
_STYLES = ("bold green", "bold cyan", "bold magenta", "bold yellow", "bold blue", "bold red")


def style_of(label: str, labels: Sequence[str]) -> str:
    """The colour of a type among all types."""
    return _STYLES[labels.index(label) % len(_STYLES)]


def marked(words: Sequence[str], spans: Iterable[Span], labels: Sequence[str], space: str) -> Iterator[Text]:
    """The words, each with the brackets that open before it and close behind it, and the space that follows.

    Brackets nest; a word has the colour of the innermost entity that it is in.
    """
    nested = sorted(spans, key=lambda span: (span.start, -span.end))
    for number, word in enumerate(words):
        inside = [span for span in nested if span.start <= number < span.end]
        opens = "".join(f"[{plain(span.label)} " for span in inside if span.start == number)
        closes = "]" * sum(span.end == number + 1 for span in inside)
        style = style_of(min(inside, key=lambda span: span.end - span.start).label, labels) if inside else ""
        yield Text.assemble(Text(f"{opens}{plain(shortened(word, LONGEST_WORD))}{closes}", style=style), space)


class Flowing:
    """Text as parts that stay whole: a line ends between two of them, never in one that fits a line.

    (Rich ends lines at any white space, and would tear the confidence from an entity without spaces.)
    """

    def __init__(self, parts: Iterable[Text], *, indent: int = 0) -> None:
        self._parts, self._indent = list(parts), " " * indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text(self._indent)
        for part in self._parts:
            bare = part.copy()
            bare.rstrip()
            if line.plain.strip() and not options.no_wrap and line.cell_len + bare.cell_len > options.max_width:
                line.rstrip()
                yield line
                line = Text(self._indent)
            line.append_text(part)
        line.rstrip()
        yield line
