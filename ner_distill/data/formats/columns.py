"""What the columns of a CoNLL-like file hold: the word, tags (one column, or several levels of them), or neither.

Asked for, or seen in the first lines of the file. The usual file has its words in the first column and its tags in
the last; others count the words (CoNLL-U), name the document, begin with the tag, or have several columns of tags.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from ner_distill.data.formats.spelling import spelling_of

DOCSTART = "-DOCSTART-"
_MOST = 100  # columns that are looked at: a line of text with more of them is no row
_LONGEST = 40  # characters of a word where nothing else tells that lines are words
_SHOWN = 4  # types of a column that is named
_FEW = 5  # rows: in fewer even words may be the same or count by chance
_MANY = 20  # rows: of so many words one at least has no digit
_BLANKS = re.compile(r"[ \t]+")
_TAG = re.compile(r"O|[BIMESLU]-\S+")
_MEANT = re.compile(r"O|[A-Z]-\S+")  # what could be meant as a tag, right or wrong
RANGE = re.compile(r"\d+[-.]\d+")  # the lines 1-2 and 1.1 of CoNLL-U
_NUMBER = re.compile(r"\d{1,18}")
_DIGIT = re.compile(r"\d")
_FEATURE = re.compile(r"(?:^|\|)[A-Za-z]\w*=")  # `SpaceAfter=No|NE=B-PER` of CoNLL-U
_SETTING = re.compile(r"#\s*[\w.]+\s*=\s")  # `# text = ...`
_NAME = re.compile(  # what a first line calls its columns
    r"#?\s*(?:(?:sent|doc|tok|word)\w*[ _-]?(?:id|nr|#)|id|idx|index|sentence|document|tok|tokens?|words?|form|text"
    r"|lemma|[ux]?pos(?:[ _-]?tags?)?|feats|head|deprel|deps|misc|chunks?|start|end|(?:tag|label)s?|entity|entities"
    r"|(?:ne|ner|nel|iob|bio|bioes)(?:[ _-]\w+)*)",
    re.IGNORECASE,
)
CHUNKS = frozenset(["NP", "VP", "PP", "ADJP", "ADVP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP", "NC", "VC", "PC"])
"""Types of phrases: what is tagged with these is no entity."""


@dataclass(frozen=True)
class Columns:
    """What the columns of a file hold, from 0.

    width:    how many there are. word: the one of the words.
    tags:     those of the tags; several are levels of entities that may nest. () where there are none.
    index:    the one that counts the words of a sentence; a line whose index is a range (1-2, 1.1) is no word.
    key:      tags are the values of this key in a column of `key=value|...`, or stand there alone (""); None: the
              column is the tag.
    seen:     what stands in the last column of tags in the first lines.
    tabbed:   tabs separate. open_end: a tab at the end of a line is followed by an empty column.
    header:   the first line where it names the columns; "" where it does not.
    remark:   what to say of it where there was something to decide; "" of the usual file.
    """

    width: int
    word: int
    tags: tuple[int, ...]
    index: int | None = None
    key: str | None = None
    seen: frozenset[str] = frozenset()
    tabbed: bool = False
    open_end: bool = False
    header: str = ""
    remark: str = ""

    def cells(self, line: str) -> list[str]:
        """The columns of a line."""
        return columns_of(line, open_end=self.open_end)

    def tag(self, cell: str) -> str:
        """The tag in a cell of a column of tags."""
        if self.key is None:
            return cell
        for key, value in _keyed(cell):
            if key == self.key:
                return value
        return "O"

    def is_comment(self, line: str, *, bare_words: bool) -> bool:
        """Is a line that begins with # and stands before a sentence no word of it?

        A word has as many columns as the others, and a tag where it should be; between tabs, where the others stand so.
        """
        if self.tabbed and "\t" not in line:
            return True
        cells = self.cells(line)
        if len(cells) != self.width or self.width == 1:
            return len(cells) != self.width
        if not self.tabbed and _SETTING.match(line):
            return True
        if bare_words or (self.tabbed and cells[0] != "#" and not cells[0].startswith("# ")):
            return False
        tags = [cells[tag] for tag in self.tags if 0 <= tag < self.width]
        return not all(_MEANT.fullmatch(self.tag(tag)) or tag in self.seen for tag in tags)

    def __str__(self) -> str:
        where = f"word {self.word}"
        return f"{where}, tag {', '.join(map(str, self.tags))}" if self.tags else where


def columns_of(line: str, *, open_end: bool = False) -> list[str]:
    """The columns of a line: at tabs where it has any, else at runs of blanks.

    Only tab and blank separate: a word may be a no-break or an ideographic space. It may be a blank as well: before
    a tab, or at the beginning of a line. Blanks beside a tab are otherwise no part of a word.
    open_end: a tab at the end is followed by an empty column.
    """
    if open_end or "\t" in line:
        columns = (line if open_end else line.rstrip(" \t")).split("\t")
        return [column.strip(" ") or column for column in columns] if " " in line else columns
    columns = _BLANKS.split(line.rstrip(" "))
    return [" ", *columns[1:]] if line.startswith(" ") else columns


def looks_labelled(lines: Sequence[str]) -> bool:
    """Are nearly all of these lines (none blank) columns, one of which holds tags?"""
    table = _Table(lines)
    if len(table.rows) < 2 or table.width < 2 or len(table.rows) < 0.9 * table.lines:
        return False
    tagged = filter(table.has_tags, range(min(table.width, _MOST)))
    if any(table.tabbed or "O" in table.counts(column) for column in tagged):
        return True
    counts = table.counts(table.width - 1)
    spelling = spelling_of(counts) if len(table.rows) > 2 else None
    return spelling is not None and ("O" in counts or (table.tabbed and spelling.scheme is None))


def looks_like_words(lines: Sequence[str]) -> bool:
    """Are these lines (blank ones too) of short columns between tabs, and several of them a sentence?

    Text may have tabs as well: an id before each sentence, or a title.
    """
    table = _Table(lines)
    cells = [cell for row in table.rows for cell in row]
    return (
        table.tabbed
        and len(table.rows) == table.lines >= max(3, 2 * len(table.sentences))
        and len(table.sentences) > 1
        and all(" " not in cell and len(cell) <= _LONGEST for cell in cells)
    )


def columns_in(
    lines: Sequence[str], word_column: int | None = None, tag_columns: Sequence[int] = (), *, bare_words: bool = False
) -> Columns:
    """What the columns of a file hold that begins with these lines (blank ones too).

    word_column: as asked for, from 0, negative from the end; None: as the lines look. tag_columns: likewise; (): as
    they look. A column that was asked for may be one that the lines do not have.
    """
    table = _Table(lines)
    tags, remarks = (_resolved(tag_columns, table.width), []) if tag_columns else table.tag_columns()
    key = table.key(tags[0]) if len(tags) == 1 else None
    if word_column is None:
        word, about = table.word_column(tags)
        remarks = [*about, *([] if bare_words else remarks)]
    else:
        (word,) = _resolved((word_column,), table.width)
    if table.header:
        remarks = [*remarks, "the first line names them"]
    if key is not None and not bare_words:
        remarks.append(f"column {tags[0]} holds them as {key}=..." if key else f"column {tags[0]} holds more than tags")
    seen = frozenset() if bare_words else frozenset(table.counts(tags[-1]))
    columns = Columns(
        width=table.width,
        word=word,
        tags=() if bare_words else tags,
        index=table.index(word),
        key=key,
        seen=seen,
        tabbed=table.tabbed,
        open_end=table.open_end,
        header=table.header,
    )
    if not remarks:
        return columns
    taken = f"column {word} as words" + ("" if bare_words else f", {_named(tags)} as tags")
    otherwise = "`word_column` says" if bare_words else "`word_column` and `tag_column` say"
    return replace(columns, remark=f"reads {taken} (from 0): {'; '.join(remarks)}; {otherwise} otherwise")


def _named(columns: Sequence[int]) -> str:
    return f"column{'s' if len(columns) > 1 else ''} {' and '.join(map(str, columns))}"


def _resolved(columns: Sequence[int], width: int) -> tuple[int, ...]:
    """Columns from 0; those that there are not stay as they are."""
    return tuple(column + width if -width <= column < 0 else column for column in columns)


def _keyed(cell: str) -> Iterator[tuple[str, str]]:
    """(key, tag) for each tag in `key=tag|tag|...`; "" is the key of a tag that stands alone."""
    for part in cell.split("|"):
        key, _, value = part.rpartition("=")
        if _TAG.fullmatch(value):
            yield key, value


class _Table:
    """The first lines of a file, cut into columns.

    sentences: the rows of each, all of `width` columns: what is shorter, longer or a comment is left out.
    lines: how many are not blank, no comments and not the header.
    header: the first one where it names the columns, else "".
    """

    def __init__(self, lines: Sequence[str]) -> None:
        kept = [line for line in lines if not line.startswith(("#", DOCSTART))]
        if not any(line.strip(" \t") for line in kept):
            kept = [line for line in lines if not line.startswith(DOCSTART)]
        full = [line for line in kept if line.strip(" \t")]
        self.lines = len(full)
        self.tabbed = 2 * sum("\t" in line for line in full) > len(full)
        self.width, often = _width(len(columns_of(line)) for line in full)
        open_width, open_often = _width(line.count("\t") + 1 for line in full)
        self.open_end = self.tabbed and open_often > often
        if self.open_end:
            self.width = open_width
        self.sentences: list[list[list[str]]] = [[]]
        for line in kept:
            if not line.strip(" \t"):
                self.sentences.append([])
                continue
            cells = columns_of(line, open_end=self.open_end)
            if len(cells) == self.width:
                self.sentences[-1].append(cells)
        self.header = full[0] if full and self._begins_with_names(full[0]) else ""
        self.lines -= bool(self.header)
        ranges = sum(RANGE.fullmatch(row[0]) is not None for sentence in self.sentences for row in sentence)
        if 2 * ranges < often:  # lines of CoNLL-U that are no words
            self.sentences = [[row for row in rows if not RANGE.fullmatch(row[0])] for rows in self.sentences]
        self.sentences = [sentence for sentence in self.sentences if sentence]
        self.rows = [row for sentence in self.sentences for row in sentence]
        self._counts: dict[int, Counter[str]] = {}

    def _begins_with_names(self, line: str) -> bool:
        """Is the first line one of names of columns, that stand in these nowhere else? Its row is then taken out."""
        names = columns_of(line, open_end=self.open_end)
        rows = next((sentence for sentence in self.sentences if sentence), [])
        if len(names) < 2 or rows[:1] != [names] or not all(map(_NAME.fullmatch, names)):
            return False
        others = [row for sentence in self.sentences for row in sentence][1:]
        if not others or any(name == row[column] for row in others for column, name in enumerate(names)):
            return False
        del rows[0]
        return True

    def counts(self, column: int) -> Counter[str]:
        """What stands in a column, and how often."""
        if column not in self._counts:
            inside = 0 <= column < self.width
            self._counts[column] = Counter(row[column] for row in self.rows) if inside else Counter()
        return self._counts[column]

    def has_tags(self, column: int) -> bool:
        """Are all its cells tags, one at least of an entity?"""
        counts = self.counts(column)
        return not counts.keys() <= {"O"} and all(_TAG.fullmatch(cell) and not _FEATURE.search(cell) for cell in counts)

    def tag_columns(self) -> tuple[tuple[int, ...], list[str]]:
        """The columns of tags, and what there is to say of them."""
        last = self.width - 1
        if last < 1:
            return (last,), []
        counts = self.counts(last)
        meant = sum(count for tag, count in counts.items() if _MEANT.fullmatch(tag))
        tagged = [column for column in range(min(last, _MOST)) if self.has_tags(column)]
        if 2 * meant <= counts.total() and self.key(last) is None and tagged:
            levels, remarks = self._levels(tagged[-1], tagged[:-1])
            return levels, [f"column {last} holds none: {_types(counts)}", *remarks]
        return self._levels(last, tagged)

    def _levels(self, last: int, tagged: Sequence[int]) -> tuple[tuple[int, ...], list[str]]:
        """The last column, and before it what are levels of the same entities; what else there is to say."""
        types = _types_of(self.counts(last))
        levels, remarks = [], []
        for column in tagged:
            others = _types_of(self.counts(column))
            if others <= CHUNKS:
                continue
            if self._same(column, last):
                remarks.append(f"column {column} holds nearly the same tags, and is not read")
            elif others & types or not types:
                levels.append(column)
            else:
                remarks.append(f"column {column} holds other tags ({_listed(sorted(others))}), and is not read")
        if levels:
            remarks.append(f"{_named((*levels, last))} are levels of entities that may nest")
        return (*levels, last), remarks

    def _same(self, column: int, other: int) -> bool:
        """Do most entities of one of two columns stand in the other as well (as gold and predicted ones do)?"""
        tags = [row[other] == row[column] for row in self.rows if row[other] != "O"]
        return 2 * sum(tags) > len(tags)

    def word_column(self, tags: Sequence[int]) -> tuple[int, list[str]]:
        """The column of words, and what there is to say of it."""
        free = [column for column in range(min(self.width, _MOST)) if column not in tags and not self.has_tags(column)]
        names = [column for column in free if not self._why_no_words(column)]
        word = next(iter(names or free), 0)
        if not word:
            return 0, []
        said = [column for column in range(word) if column not in tags]
        about = [f"column {column} {self._why_no_words(column) or 'holds other tags'}" for column in said]
        return word, about or ["the tag stands before the word"]

    def _why_no_words(self, column: int) -> str:
        """What a column is that cannot be the words, whatever the others are; "" of others."""
        if self.counts_words(column):
            return "counts words"
        if self.is_constant(column):
            return "is the same in a whole sentence"
        if len(self.rows) >= _MANY and all(map(_DIGIT.search, self.counts(column))):
            return "holds nothing but numbers"
        return ""

    def index(self, word: int) -> int | None:
        """The first column beside the words that counts them, with few ranges."""
        for column in range(min(self.width, _MOST)):
            counts = self.counts(column)
            ranges = sum(count for cell, count in counts.items() if RANGE.fullmatch(cell))
            if column != word and self.counts_words(column) and 2 * ranges < counts.total():
                return column
        return None

    def counts_words(self, column: int) -> bool:
        """Are these numbers that rise within each sentence (or offsets), perhaps with ranges between them?

        In a handful of rows a column must count from 0 or 1 for that: words may be numbers as well.
        """
        cells = self.counts(column)
        if not all(_NUMBER.fullmatch(cell) or RANGE.fullmatch(cell) for cell in cells):
            return False
        if len(self.rows) < _FEW and self.rows and not {"0", "1"} & {*self.rows[0]}:
            return False
        rising = False
        for sentence in self.sentences:
            numbers = [int(row[column]) for row in sentence if _NUMBER.fullmatch(row[column])] or [0]
            if any(second <= first for first, second in pairwise(numbers)):
                return False
            rising = rising or len(numbers) > 1
        return rising or cells.keys() <= {"0", "1"}

    def is_constant(self, column: int) -> bool:
        """Is it the same in all rows of each sentence that has several?

        In a handful of rows it must have a digit for that, as names of documents have: words may be repeated as well.
        """
        several = [sentence for sentence in self.sentences if len(sentence) > 1]
        if not several or (len(self.rows) < _FEW and not all(map(_DIGIT.search, self.counts(column)))):
            return False
        return all(row[column] == sentence[0][column] for sentence in several for row in sentence)

    def key(self, column: int) -> str | None:
        """The key of the tags in a column of `key=value|...`; None where the column is the tag, or has none."""
        counts = self.counts(column)
        if not any(map(_FEATURE.search, counts)):
            return None
        found = Counter(key for cell in counts for key, tag in _keyed(cell) if tag != "O")
        return next((key for key, _ in found.most_common(1)), None)


def _width(widths: Iterator[int]) -> tuple[int, int]:
    """The most frequent of these widths, and how often it is there; 1 of none."""
    return next(iter(Counter(widths).most_common(1)), (1, 0))


@cache
def _type(tag: str) -> str:
    return tag.partition("-")[2]


def _types_of(counts: Counter[str]) -> set[str]:
    return {_type(tag) for tag in counts if tag != "O"}


def _types(counts: Counter[str]) -> str:
    return _listed([repr(cell) for cell, _ in counts.most_common(_SHOWN + 1)])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
