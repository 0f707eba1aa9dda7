"""`check-data`: what is in labelled files, and what looks wrong with them.

Files are taken as the splits of one data set, the first one as training data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from ner_distill.data.readers import read_corpus
from ner_distill.data.report import ReadReport
from ner_distill.data.sentence import Sentence, Span, Unit, labels_of
from ner_distill.data.suspicious import Conflict, Suspect, conflicts, covered, missed, surface_counts, suspects

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

EXAMPLES = 4
QUANTILES = (0.5, 0.9, 0.99, 1.0)
# Text from anywhere must not steer the terminal that shows it.
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "\ufffd")


@dataclass(frozen=True)
class FileCheck:
    """What is in one file.

    entities:   type → how many. lengths: words of a sentence at each of QUANTILES.
    unlabelled: sentences that nobody labelled. empty: labelled sentences without an entity.
    overlapping: pairs of entities that share a word. duplicates: sentences whose words occurred before in the file.
    outside:    words of labelled sentences that lie in no entity, as a fraction (0..1).
    absent_labels: types that the first file does not have.
    """

    path: str
    unit: Unit
    report: ReadReport
    sentences: int
    words: int
    entities: dict[str, int]
    lengths: tuple[int, ...]
    unlabelled: int
    empty: int
    overlapping: int
    duplicates: int
    outside: float
    absent_labels: tuple[str, ...]


@dataclass(frozen=True)
class DataReport:
    """All that `check_data` found.

    shared:    (file, other file, distinct sentences that both have), where there are any.
    conflicts: surfaces with several labels, those with the most labels against their commonest one first.
    missed:    surfaces that are entities here and words outside entities there, likewise.
    suspects:  some entities with odd borders or of unusual length of each reason; `suspect_counts` counts all.
    """

    files: tuple[FileCheck, ...]
    shared: tuple[tuple[str, str, int], ...]
    conflicts: tuple[Conflict, ...]
    missed: tuple[Conflict, ...]
    suspects: tuple[Suspect, ...]
    suspect_counts: dict[str, int]


def check_data(
    paths: Sequence[str | Path], *, format: str = "auto", scheme: str = "auto", tag_column: int = -1, unit: str = "auto"
) -> DataReport:
    """Read the files, each by itself, and look at them. Parameters and errors are those of `read_corpus`."""
    corpora = [read_corpus([path], format=format, scheme=scheme, tag_column=tag_column, unit=unit) for path in paths]
    known = labels_of(corpora[0].sentences)
    keys = [{sentence.words for sentence in corpus.sentences} for corpus in corpora]
    files = tuple(
        _file_check(str(path), corpus.unit, corpus.report, corpus.sentences, len(distinct), known)
        for path, corpus, distinct in zip(paths, corpora, keys, strict=True)
    )
    shared = tuple(
        (str(paths[one]), str(paths[other]), count)
        for one, other in combinations(range(len(paths)), 2)
        if (count := len(keys[one] & keys[other]))
    )
    sentences = [sentence for corpus in corpora for sentence in corpus.sentences if sentence.spans is not None]
    counts = surface_counts(sentences)
    suspicious = list(suspects(sentences))
    reasons = Counter(suspect.reason for suspect in suspicious)
    return DataReport(
        files,
        shared,
        conflicts(counts),
        missed(sentences, counts),
        tuple(one for reason in reasons for one in [one for one in suspicious if one.reason == reason][:EXAMPLES]),
        dict(reasons),
    )


def _file_check(
    path: str, unit: Unit, report: ReadReport, sentences: Sequence[Sentence], distinct: int, known: Sequence[str]
) -> FileCheck:
    entities = Counter(span.label for sentence in sentences for span in sentence.spans or ())
    labelled = [sentence for sentence in sentences if sentence.spans is not None]
    words = sum(len(sentence.words) for sentence in labelled)
    inside = sum(len(covered(sentence.spans or ())) for sentence in labelled)
    return FileCheck(
        path=path,
        unit=unit,
        report=report,
        sentences=len(sentences),
        words=sum(len(sentence.words) for sentence in sentences),
        entities=dict(entities.most_common()),
        lengths=quantiles([len(sentence.words) for sentence in sentences]),
        unlabelled=len(sentences) - len(labelled),
        empty=sum(not sentence.spans for sentence in labelled),
        overlapping=sum(_overlapping(sentence.spans or ()) for sentence in sentences),
        duplicates=len(sentences) - distinct,
        outside=1 - inside / words if words else 0.0,
        absent_labels=tuple(label for label in labels_of(sentences) if label not in known),
    )


def quantiles(lengths: Sequence[int]) -> tuple[int, ...]:
    """The smallest length that at least the fraction q of all do not exceed, for each q of QUANTILES; 0 of none."""
    ordered = sorted(lengths) or [0]
    return tuple(ordered[max(0, -int(-q * len(ordered) // 1) - 1)] for q in QUANTILES)


def _overlapping(spans: Sequence[Span]) -> int:
    return sum(one.start < other.end and other.start < one.end for one, other in combinations(spans, 2))


def render(report: DataReport) -> Group:
    """The report for a terminal: tables and lines, readable without colour."""
    from rich.console import Group
    from rich.text import Text

    names = _names(report.files)
    lines = [Text(line.translate(_CONTROLS)) for line in _lines(report, names)]
    return Group(_files_table(report.files, names), _entities_table(report.files, names), *lines)


def _names(files: Sequence[FileCheck]) -> dict[str, str]:
    """path → its last part, or the whole path where two files have the same last part."""
    often = Counter(Path(file.path).name for file in files)
    return {file.path: name if often[name := Path(file.path).name] == 1 else file.path for file in files}


def _files_table(files: Sequence[FileCheck], names: dict[str, str]) -> Table:
    table = _table("file", "sentences", "words", "no entity", "repeated", "length 50 %", "90 %", "99 %", "longest")
    for file in files:
        unit = "" if file.unit == "word" else f" ({file.unit}s)"
        counts = (f"{file.sentences:,}", f"{file.words:,}{unit}", f"{file.empty:,}", f"{file.duplicates:,}")
        table.add_row(_plain(names[file.path]), *counts, *(f"{length:,}" for length in file.lengths))
    return table


def _entities_table(files: Sequence[FileCheck], names: dict[str, str]) -> Table:
    table = _table("entities", *(names[file.path] for file in files))
    totals = [sum(file.entities.values()) for file in files]
    everywhere: Counter[str] = Counter()
    for file in files:
        everywhere.update(file.entities)
    for label, _ in everywhere.most_common():
        counts = [(file.entities.get(label, 0), total) for file, total in zip(files, totals, strict=True)]
        table.add_row(_plain(label), *(f"{count:,} ({count / total:.1%})" if count else "0" for count, total in counts))
    table.add_row("all", *(f"{total:,}" for total in totals), style="bold")
    table.add_row("words outside", *(f"{file.outside:.1%}" for file in files))
    return table


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    table.add_column(_plain(first), overflow="fold")
    for name in others:
        table.add_column(_plain(name), justify="right", overflow="fold")
    return table


def _plain(text: str) -> str:
    """Text of the data, which must neither be markup nor steer the terminal."""
    from rich.markup import escape

    return escape(text.translate(_CONTROLS))


def _lines(report: DataReport, names: dict[str, str]) -> Iterator[str]:
    for file in report.files:
        name = names[file.path]
        if file.unlabelled:
            yield f"{name}: {file.unlabelled:,} sentences without labels"
        if file.overlapping:
            yield f"{name}: {file.overlapping:,} pairs of entities overlap; training needs --flatten for these"
        if file.absent_labels:
            first = names[report.files[0].path]
            yield f"{name}: types that {first} does not have: {', '.join(file.absent_labels)}"
        if not file.report.clean:
            yield f"{name}: repaired while reading:"
            yield from (f"  {line}" for line in file.report.summary().split("\n"))
    for one, other, count in report.shared:
        where = f"in {names[one]} and in {names[other]}"
        yield f"{count:,} different sentences stand {where}: scores on the one are too good after training on the other"
    yield from _conflict_lines("One surface, several labels:", report.conflicts)
    yield from _conflict_lines("An entity here, outside of all entities (O) there:", report.missed)
    if report.suspects:
        yield "Entities that look odd:"
    for reason, count in report.suspect_counts.items():
        yield f"  {reason} ({count:,}):"
        for suspect in report.suspects:
            if suspect.reason == reason:
                yield f"    {suspect.sentence}: {suspect.label} {suspect.surface!r}"


def _conflict_lines(title: str, found: Sequence[Conflict]) -> Iterator[str]:
    if found:
        yield title
    for conflict in found:
        yield f"  {conflict.surface}: " + ", ".join(f"{label} {count:,}" for label, count in conflict.labels.items())
