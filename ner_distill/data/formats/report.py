"""What reading had to repair or leave out: counted, with the first places, said once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ner_distill.errors import DataError

SHOWN_PLACES = 5

FINDINGS: Mapping[str, str] = {
    "invalid_starts": "I- tags (or M-, E-) that start an entity: read as its start",
    "unfinished": "entities that their scheme does not end (no E- tag): ended where they stop",
    "out_of_range": "entities whose offsets lie outside the text: left out",
    "inside_word": "entities that begin or end inside a word: widened to whole words to train on, missed in scores",
    "blank_entities": "entities of nothing but white space: left out",
    "repeated_entities": "entities that stand twice in a sentence: kept once",
    "overlaps": "entities that lie in or across a longer one, in a format that has none such: left out",
    "other_offsets": "entities with offsets of another unit, by the text that they give: read in that unit",
    "surface_differs": "entities whose text differs from the text at their offsets: read where it stands nearest",
    "surface_unknown": "entities with a text that is nowhere in the sentence: their offsets are believed",
    "several_annotations": "records labelled several times, not alike: the ground truth is read, or else the newest",
    "discontinuous": "entities of several parts with other text between them: left out",
    "surrogates": "texts with half of a surrogate pair: replaced by U+FFFD",
    "repeated_ids": "ids that occurred before: given the suffix #2, #3, ...",
    "no_words": "records without a word: left out",
    "null_texts": "records whose text is null: read as texts without a word",
    "byte_order_marks": "byte order marks (U+FEFF) inside a file: dropped",
    "carriage_returns": "lines that end with CR CR LF or several CR: read as ended by one",
    "nul_characters": "lines with NUL characters (U+0000): read as they are",
}
"""Every kind of finding, and after a colon what was done about it."""


@dataclass(frozen=True)
class FileSummary:
    """A file that was read: its name, what it was read as, and how many sentences it gave.

    scheme:  of the tags, None where there were none.
    columns: what they were taken for, "" in formats that have none.
    """

    path: str
    format: str
    scheme: str | None
    sentences: int
    columns: str = ""


@dataclass
class ReadReport:
    """Counts of the findings of a reading, and the first places of each.

    strict: raise DataError at the first finding instead.
    counts: finding (a key of FINDINGS) → how often.
    places: finding → its first `file:line: detail`, five at most.
    remarks: lines that say what reading took where it had to decide, and what it left out as it should.
    columns: path → what the columns of the file were taken for.
    say:     is told each remark as it comes.
    """

    strict: bool = False
    files: list[FileSummary] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    say: Callable[[str], None] | None = None

    @property
    def clean(self) -> bool:
        return not self.counts

    def remark(self, path: Path | str, what: str) -> None:
        """Keep a line for the user, who may want it otherwise."""
        self.remarks.append(f"{path}: {what}")
        if self.say is not None:
            self.say(self.remarks[-1])

    def note(self, finding: str, path: Path | str, line: int | None, detail: str) -> None:
        """Count a finding at a place; with `strict` raise it."""
        error = DataError.at(path, line, detail)
        if self.strict:
            raise DataError(f"{error} (without `strict`: {FINDINGS[finding].partition(': ')[2]})")
        self.counts[finding] = self.counts.get(finding, 0) + 1
        places = self.places.setdefault(finding, [])
        if len(places) < SHOWN_PLACES:
            places.append(str(error))

    def summary(self) -> str:
        """A line for each kind of finding, and under it its first places; "" where there is none."""
        lines: list[str] = []
        for finding, count in self.counts.items():
            what, _, done = FINDINGS[finding].partition(": ")
            lines.append(f"{what}, {done}: {count:,}")
            lines += [f"  {place}" for place in self.places[finding]]
            if count > len(self.places[finding]):
                lines.append(f"  ... and {count - len(self.places[finding]):,} more")
        return "\n".join(lines)


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 sentence`, `2,000 sentences`; `many` where the plural does not end in s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
