"""The beginning of a file, by which formats recognise their own."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from pathlib import Path

from ner_distill.data.formats.lines import STDIN, lines_of, start_of_stdin

_LINES = 200


class Beginning:
    """The beginning of a source: of a file, a directory, standard input ("-") or `hf:...`; read when it is asked for.

    tag_column: the column of the tags in CoNLL files.
    """

    def __init__(self, source: str | Path, tag_column: int = -1) -> None:
        self.source, self.tag_column = str(source), tag_column
        self.is_stdin = self.source == STDIN
        self.suffix = "" if self.is_stdin else Path(source).suffix.lower()

    @cached_property
    def bytes(self) -> bytes:
        """The first four of a file; none of standard input."""
        if self.is_stdin:
            return b""
        with Path(self.source).open("rb") as file:
            return file.read(4)

    @cached_property
    def lines(self) -> list[str]:
        """Those of the first 200 lines that are not blank. Raises DataError where these are not UTF-8."""
        lines = start_of_stdin() if self.is_stdin else [line for _, line in islice(lines_of(self.source), _LINES)]
        # At CR too: columns whose lines end with it are then told of by their reader; text would be taken as it is.
        return [part for line in lines for part in line.split("\r") if part.strip(" \t")]
