"""Files → sentences: everything into memory with a report (`read_corpus`), or as a stream (`read_raw`).

One function per format gives rows (`registry.py` names them); here rows get their ids and become sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ner_distill.data.formats.csv_tables import has_column
from ner_distill.data.formats.documents import Cut, Document, document_of
from ner_distill.data.formats.folders import expanded
from ner_distill.data.formats.jsonl import is_jsonl
from ner_distill.data.formats.lines import STDIN, Beginning, Position, check_file
from ner_distill.data.formats.offsets import in_characters
from ner_distill.data.formats.packed import packing_of
from ner_distill.data.formats.registry import FORMATS, detect_format, format_of_several
from ner_distill.data.formats.report import FileSummary, ReadReport
from ner_distill.data.formats.rows import Row, RowOptions, scheme_of, sentence_of, usual_tags
from ner_distill.data.formats.segment import unit_of_texts
from ner_distill.data.formats.splitting import Splitter
from ner_distill.data.formats.tables import is_hub_name
from ner_distill.data.formats.tagging import SCHEMES
from ner_distill.data.formats.units import Cutting, Given, find_cutting, spread
from ner_distill.data.sentence import UNITS, Sentence, Unit, count_unspaced, is_chinese, unit_named
from ner_distill.errors import ConfigError, DataError
from ner_distill.places.objects import about
from ner_distill.places.urls import OBJECT_STORES, is_url, last_part, url_scheme

_START = 512  # bytes by which packing is told
_TABLES = ("hf", "datasets", "parquet")


@dataclass(frozen=True)
class Corpus:
    """Sentences with unique ids, what had to be repaired in them, and how their words are cut."""

    sentences: tuple[Sentence, ...]
    report: ReadReport
    cutting: Cutting

    @property
    def unit(self) -> Unit:
        return self.cutting.unit


@dataclass(frozen=True)
class _Source:
    """A path as it was given, the name that ids and messages use, and its format."""

    path: str
    name: str
    format: str

    @property
    def chinese(self) -> bool:
        return FORMATS[self.format].chinese

    def rows(self, options: RowOptions) -> Iterator[Row]:
        return FORMATS[self.format].rows(self.path, options)

    def with_ids(self, rows: Iterable[Row]) -> Iterator[tuple[Row, str]]:
        """The rows and their ids: the file's own, else `name:line`; further ones of a line `name:line#2` and so on."""
        line = number = 0
        for row in rows:
            number = number + 1 if row.line == line else 1
            line = row.line
            yield row, row.id if row.id is not None else f"{self.name}:{line}" + (f"#{number}" if number > 1 else "")


class Start(NamedTuple):
    """Where a part of raw text begins.

    source: the number of its source. offset, line: as of `Position`.
    skip:   sentences of the document that begins there, which are before it.
    """

    source: int
    offset: int
    line: int
    skip: int


@dataclass(frozen=True)
class RawSources:
    """Raw text, how it is cut into documents, sentences and words. Can be pickled; see `read_documents`."""

    sources: tuple[_Source, ...]
    cut: Cut
    unit: Unit
    word_column: int | None = None

    def rows(
        self, number: int, report: ReadReport, position: Position | None = None, *, every_line: bool = False
    ) -> Iterator[tuple[Row, str]]:
        """The rows of one source, from a position on, and the ids of their documents."""
        source, cut = self.sources[number], self.cut
        options = RowOptions(
            self.word_column,
            bare_words=True,
            report=report,
            blank_lines=every_line,
            documents=cut.documents,
            text_key=cut.text_key,
            position=position,
        )
        for row, id in source.with_ids(source.rows(options)):
            yield row, source.name if cut.documents == "file" else id

    def documents(
        self, report: ReadReport, *, every_line: bool = False, begin: Start | None = None
    ) -> Iterator[Document]:
        """The documents that have a word, or all; at the end what was repaired is said."""
        for number in range(begin.source if begin else 0, len(self.sources)):
            inside = begin is not None and number == begin.source
            position = Position(begin.offset, begin.line) if begin and inside else None
            for row, id in self.rows(number, report, position, every_line=every_line):
                document = document_of(row, id, self.unit, report, self.cut.splitter)
                if document.whole.words or every_line:
                    yield document
        if not report.clean and report.say is not None:
            report.say(report.summary())

    def sentences(self, begin: Start, count: int, report: ReadReport) -> list[Sentence]:
        """So many sentences as the stream of all gives them from there on, or what is left of it."""
        stream = (part.sentence for document in self.documents(report, begin=begin) for part in document.parts)
        return list(islice(stream, begin.skip, begin.skip + count))

    @property
    def begin_anywhere(self) -> bool:
        """Can all of them be read from any row on? What is behind a URL is read once, from its beginning."""
        return all(
            one.path != STDIN
            and not is_url(one.path)
            and FORMATS[one.format].begins_anywhere(one.path)
            and not _is_packed(one.path)
            for one in self.sources
        )


def _is_packed(path: str) -> bool:
    if Path(path).is_dir():
        return False
    with Path(path).open("rb") as file:
        return packing_of(file.read(_START)) is not None


def read_corpus(
    paths: Sequence[str | Path],
    *,
    format: str = "auto",
    scheme: str = "auto",
    word_column: int | None = None,
    tag_column: Sequence[int] = (),
    unit: Unit | str = "auto",
    strict: bool = False,
) -> Corpus:
    """All sentences of the files, in their order.

    paths:      files, packed ones too; folders of them and patterns (see `expanded`); directories of CCF 2020, brat or
                `save_to_disk`; `hf:NAME/CONFIG/SPLIT`; "-" for standard input.
    format:     one of FORMATS for all of them, or "auto": each file's own, by content and name.
    scheme:     of the tags, one of SCHEMES, or "auto": each file's own.
    word_column: of CoNLL files, from 0, -1 the last; None: each file's own, by content.
    tag_column: likewise; several are levels of entities that may nest; (): each file's own.
    unit:       how texts are cut into words, those of all files alike; words that a file gives stay. "auto": as the
                words that files give are cut (`find_cutting`). Where none gives any, into characters if a format of
                Chinese data says so (and there is any Chinese), if the texts are mostly of a script without blanks, or
                if entities have a border inside a run of such a script or of Hangul; else into words.
    strict:     what is otherwise repaired and counted in the report is an error.

    Ids are the file's own, else `name:line`; an id that occurred before gets a suffix. White space at the ends of
    a text is in no word; an entity that begins or ends inside a word is widened to the whole word (to split the word
    there would show where the entity is). Sentences nobody labelled have spans None.

    Raises DataError where a file is missing, empty, malformed or of another encoding, with its line; ConfigError for
    an unknown format, scheme or unit.
    """
    _check_choice("`scheme`", scheme, SCHEMES)
    _check_choice("`unit`", unit, UNITS)
    report = ReadReport(strict=strict)
    sources = _sources(paths, format, tag_column, say=report.remarks.append, labelled=True)
    options = RowOptions(word_column, tuple(tag_column), report=report)
    read = [(source, in_characters(list(source.rows(options)), report)) for source in sources]
    cutting = _cutting_of(read, unit)
    made: list[tuple[Row, Sentence]] = []
    for source, rows in read:
        if not rows:
            raise DataError(f"{source.path}: holds no sentence; expected at least one ({source.format})")
        rows, spelled = usual_tags(rows, report)
        found = spelled or scheme_of(rows, scheme)
        made += [
            (row, sentence_of(row, id, cutting.unit, found or "iob2", report)) for row, id in source.with_ids(rows)
        ]
        report.files.append(
            FileSummary(source.path, source.format, found, len(rows), report.columns.get(source.path, ""))
        )
    return Corpus(tuple(_with_unique_ids(made, report)), report, cutting)


def read_raw(
    paths: Sequence[str | Path],
    *,
    format: str = "auto",
    unit: Unit,
    word_column: int | None = None,
    say: Callable[[str], None] | None = None,
    every_line: bool = False,
) -> Iterator[Sentence]:
    """Sentences to label, as a stream in constant memory; labels of the files are ignored.

    paths, format: as in `read_corpus`; the files are looked at now and read as the stream is.
    unit:          how texts are cut into words; words that a file gives stay as they are.
    word_column:   as in `read_corpus`.
    say:           is told what reading takes where it has to decide, and at the end what was repaired.
    every_line:    lines of text and records without a word are sentences without words; else they are skipped.
    Ids are the file's own (taken as they are: whether they are unique would need all of them in memory), else
    `name:line`; line numbers count every line.
    Raises DataError as `read_corpus` does: for missing and empty files now, for a malformed line when it is reached.
    """
    documents = read_documents(
        paths, Cut(), format=format, unit=unit, word_column=word_column, say=say, every_line=every_line
    )
    return (document.whole for document in documents)


def read_documents(
    paths: Sequence[str | Path],
    cut: Cut,
    *,
    format: str = "auto",
    unit: Unit,
    word_column: int | None = None,
    say: Callable[[str], None] | None = None,
    every_line: bool = False,
) -> Iterator[Document]:
    """As `read_raw`, documents that are cut into sentences.

    cut: what a document is and how it is cut. Of a whole file the id is its name; those of sentences are `id#1` and on.
    Raises DataError also for files that hold no such documents.
    """
    say = say or (lambda message: None)
    return raw_sources(paths, cut, format=format, unit=unit, word_column=word_column, say=say).documents(
        ReadReport(say=say), every_line=every_line
    )


def raw_sources(
    paths: Sequence[str | Path],
    cut: Cut,
    *,
    format: str = "auto",
    unit: Unit,
    word_column: int | None = None,
    say: Callable[[str], None] | None = None,
) -> RawSources:
    """What `read_documents` reads. Raises DataError as it does before anything is read."""
    sources = [_of_documents(source, cut, format) for source in _sources(paths, format, say=say)]
    return RawSources(tuple(sources), cut, unit, word_column)


def read_texts(texts: Iterable[str], unit: Unit, splitter: Splitter | None = None) -> Iterator[Document]:
    """Texts that are given as they are, a document each; their ids are `text:1` and on."""
    for number, text in enumerate(texts, start=1):
        yield document_of(Row("text", number, text=text), f"text:{number}", unit, ReadReport(), splitter)


def _of_documents(source: _Source, cut: Cut, format: str) -> _Source:
    """The source, read as `cut` asks. Raises DataError where its format has no such documents."""
    if cut.documents != "line" and source.format != "text":
        raise DataError(
            f"{source.path}: is read as {source.format}, whose records are documents already; `documents` "
            f"{cut.documents} is for text files (`input_format` text)"
        )
    if cut.text_key is None or source.format in _TABLES:
        return source
    if source.format == "jsonl" or (format == "auto" and is_jsonl(Beginning(source.path))):
        return replace(source, format="jsonl")  # whatever tool has such records, the text is asked for alone
    if source.format == "csv" or (format == "auto" and has_column(Beginning(source.path), cut.text_key)):
        return replace(source, format="csv")
    raise DataError(
        f"{source.path}: is read as {source.format}, and its first line names no column {cut.text_key!r}; `text_key` "
        "is for JSON, CSV, Parquet and data sets"
    )


def input_files(paths: Sequence[str | Path], format: str = "auto") -> list[Path | str]:
    """The files behind the paths: all of a folder, a pattern and a pair, as text where they are URLs; none for standard
    input and `hf:`.
    """
    files: list[Path | str] = []
    for path in [source for given in paths for source in expanded(given, format).sources]:
        if path == STDIN or is_hub_name(path):
            continue
        if (
            format == "auto"
            and (several := format_of_several(path)) is not None
            and (listed := FORMATS[several].files) is not None
        ):
            files += listed(path)
        else:
            check_file(path)
            files.append(path if is_url(path) else Path(path))
    return files


def refuse_reading(out: Path | str, paths: Sequence[str | Path], format: str = "auto") -> None:
    """Raises ConfigError where what is to be written under a name would replace a file that is read, or hold one."""
    place = Path(out).resolve()
    for file in [path.resolve() for path in input_files(paths, format) if isinstance(path, Path)]:
        if place == file or place in file.parents:
            where = "is read and written" if place == file else f"is to be written, and {file.name} in it is read"
            raise ConfigError(f"{out}: {where}; expected another name than that of what is read")


def resumable(paths: Sequence[str | Path]) -> None:
    """Raises DataError for a source of which nobody can say that it is the same text as before: "-", `hf:`, and URLs
    whose server gives neither an entity tag nor a time.
    """
    for path in map(str, paths):
        if path == STDIN or is_hub_name(path):
            name = "standard input" if path == STDIN else path
            raise DataError(f"`resume`: {name} cannot be checked or continued; save it to a file")
        if is_url(path) and url_scheme(path) not in OBJECT_STORES and not about(path).version:
            raise DataError(f"`resume`: {path}: its server does not say whether it changed; save it to a file")


def count_sentences(paths: Sequence[str | Path], *, format: str = "auto") -> int | None:
    """About how many sentences `read_raw` will give, quickly, for a time left; None where that cannot be said.

    Lines of text and JSON Lines that are not blank, blank lines between the sentences of CoNLL, rows of Parquet,
    files of CCF 2020.
    """
    if STDIN in map(str, paths) or any(map(is_url, paths)):
        return None  # somebody may be reading it; and no text is fetched only to count it
    counts = [FORMATS[source.format].count(source.path) for source in _sources(paths, format)]
    return None if None in counts else sum(filter(None, counts))


def _sources(
    paths: Sequence[str | Path],
    format: str,
    tag_column: Sequence[int] = (),
    *,
    say: Callable[[str], None] | None = None,
    labelled: bool = False,
) -> list[_Source]:
    """What the paths stand for, each source with its format.

    say:      is told what folders and patterns stand for.
    labelled: refuse folders that hold raw text among labelled files, or what is to be tested on.
    Raises DataError where a folder that is one source holds files of another format, unless the format was asked for.
    """
    _check_choice("`input_format`", format, [*FORMATS])
    if not paths:
        raise DataError("no file was given; expected at least one")
    groups = [expanded(path, format) for path in paths]
    sources = []
    single = [source for group in groups for source in group.sources]
    for path, name in zip(single, _names(single), strict=True):
        if path != STDIN and not is_hub_name(path) and format_of_several(path, format) is None:
            check_file(path)
        detected = detect_format(path, tag_columns=tag_column) if format == "auto" else format
        sources.append(_Source(path, name, detected))
    formats = {source.path: source.format for source in sources}
    for group in groups:
        of_group = [formats[source] for source in group.sources]
        if format == "auto":
            group.require_all_read(of_group)
        if labelled:
            group.require_alike(of_group)
        if say is not None and (remark := group.remark()):
            say(remark)
    return sources


def _names(paths: Sequence[str]) -> list[str]:
    """The last part of each path; the whole path where two have the same last part."""
    short = [path if is_hub_name(path) else last_part(path) for path in paths]
    often = Counter(short)
    names = [name if often[name] == 1 else path for name, path in zip(short, paths, strict=True)]
    return ["stdin" if name == STDIN else name for name in names]


def _with_unique_ids(made: Sequence[tuple[Row, Sentence]], report: ReadReport) -> Iterator[Sentence]:
    """The sentences that have a word, an id that occurred before with a suffix."""
    taken = {sentence.id for _, sentence in made}
    seen: Counter[str] = Counter()
    for row, sentence in made:
        if not sentence.words:
            report.note("no_words", row.path, row.line, "expected a word or a text, found none")
            continue
        seen[sentence.id] += 1
        if seen[sentence.id] == 1:
            yield sentence
            continue
        number = seen[sentence.id]
        while (id := f"{sentence.id}#{number}") in taken:
            number += 1
        taken.add(id)
        report.note("repeated_ids", row.path, row.line, f"id {sentence.id!r} occurred before: now {id!r}")
        yield replace(sentence, id=id)


def _cutting_of(read: Sequence[tuple[_Source, Sequence[Row]]], unit: Unit | str) -> Cutting:
    """How the words of the files are cut and their texts shall be; see `read_corpus` for what "auto" does."""
    asked = unit_named(unit)
    given = [row for _, rows in read for row in rows if row.words or row.offsets]
    if given or asked is not None:
        return find_cutting(list(map(_given, spread(given))), asked)
    rows = [row for _, rows in read for row in rows if row.text is not None]
    if all(source.chinese for source, _ in read) and any(count_unspaced(row.text or "") for row in rows):
        return Cutting("character")
    if unit_of_texts([row.text for row in rows if row.text is not None]) == "character" or _split_by_entities(rows):
        return Cutting("character")
    return Cutting("word")


def _given(row: Row) -> Given:
    """The words of a row that does not leave it to us to cut its text."""
    if row.text is None:
        return Given(row.words or ())
    offsets = row.offsets or ()
    return Given([row.text[start:end] for start, end in offsets], row.text, offsets)


def _split_by_entities(rows: Sequence[Row]) -> bool:
    """Do entities (more than one in twenty) begin or end where a run of kana, Thai, Hangul and the like goes on?

    Such a run is one word, though in it stand several, or a name and what is said of it. Han characters are words of
    their own whatever the unit.
    """
    entities = sum(len(row.entities or ()) for row in rows)
    others = [(row.text, one) for row in rows if row.text and not row.text.isascii() for one in row.entities or ()]
    inside = sum(_goes_on(text, entity.start) or _goes_on(text, entity.end) for text, entity in others)
    return 20 * inside > entities


def _goes_on(text: str, place: int) -> bool:
    around = text[place - 1 : place + 1] if place > 0 else ""
    return len(around) == 2 and all(map(_of_a_run, around))


def _of_a_run(char: str) -> bool:
    return "\uac00" <= char <= "\ud7a3" or (count_unspaced(char) > 0 and not is_chinese(char))


def _check_choice(option: str, value: str, known: Sequence[str]) -> None:
    if value != "auto" and value not in known:
        raise ConfigError(f"{option} {value}: expected auto, {', '.join(known)}")
