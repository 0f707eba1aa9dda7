"""The report of `check-data`, as tables and lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ner_distill.data.formats.report import counted
from ner_distill.data.noise.suspicious import Conflict, Twin
from ner_distill.data.sentence import words_called
from ner_distill.options import spelled
from ner_distill.pipelines.check_data import DataReport, FileCheck
from ner_distill.views.text import plain, shortened

SHOWN_TEXT = 60
"""Characters of a sentence or an entity that are shown."""
FILES_ABREAST = 3
"""Columns of figures that fit a terminal of 80 columns."""


def render(report: DataReport) -> Group:
    """The report for a terminal: tables and lines, readable without colour and in 80 columns."""
    parts = [report.files[start : start + FILES_ABREAST] for start in range(0, len(report.files), FILES_ABREAST)]
    tables = [table(files) for files in parts for table in (_files_table, _entities_table)]
    return Group(*tables, *(Text(plain(line)) for line in _lines(report)))


def _files_table(files: Sequence[FileCheck]) -> Table:
    table = _table("file", files)
    rows: dict[str, list[str]] = {
        "read as": [file.read_as for file in files],
        "unit": [file.unit for file in files],
        "sentences": [f"{file.sentences:,}" for file in files],
        "without entity": [f"{file.empty:,}" if file.labelled else "-" for file in files],
        "repeated": [f"{file.duplicates:,}" for file in files],
        _units(files): [f"{file.words:,}" for file in files],
    }
    for index, name in enumerate(("half have up to", "90 % up to", "99 % up to", "longest")):
        rows[name] = [f"{file.lengths[index]:,}" for file in files]
    for name, values in rows.items():
        table.add_row(name, *map(_unwrapped, values))
    return table


def _entities_table(files: Sequence[FileCheck]) -> Table:
    table = _table("entities", files)
    everywhere: Counter[str] = Counter()
    for file in files:
        everywhere.update(file.entities)
    for label, _ in everywhere.most_common():
        table.add_row(Text(plain(label)), *(_unwrapped(_share(file, label)) for file in files))
    totals = [f"{sum(file.entities.values()):,}" if file.labelled else "-" for file in files]
    table.add_row("all", *map(_unwrapped, totals), style="bold")
    outside = ["-" if file.outside is None else f"{file.outside:.1%}" for file in files]
    table.add_row(f"{_units(files)} outside", *map(_unwrapped, outside))
    return table


def _units(files: Sequence[FileCheck]) -> str:
    names = {words_called(file.unit) for file in files}
    return names.pop() if len(names) == 1 else "units"


def _share(file: FileCheck, label: str) -> str:
    count = file.entities.get(label, 0)
    if not count:
        return "0" if file.labelled else "-"
    return f"{count:,} ({count / sum(file.entities.values()):.1%})"


def _table(first: str, files: Sequence[FileCheck]) -> Table:
    """A table of a column for each file, wide enough that no figure of a file is cut."""
    table = Table(box=box.SIMPLE)
    table.add_column(first, overflow="fold")
    for file in files:
        figures = [f"{file.words:,}", *(_share(file, label) for label in file.entities), file.read_as]
        table.add_column(Text(plain(file.name)), justify="right", overflow="fold", min_width=max(map(len, figures)))
    return table


def _unwrapped(text: str) -> Text:
    return Text(text, no_wrap=True)


def _lines(report: DataReport) -> Iterator[str]:
    names = {file.path: file.name for file in report.files}
    for file in report.files:
        yield from _file_lines(file, report.files[0].name)
    for pair in report.shared:
        both = f"{names[pair.path]} and {names[pair.other]}"
        yield f"{both} share {counted(pair.count, 'sentence')}: trained on the one, scores on the other are too good"
        yield from _twin_lines(pair.longest)
    yield from _conflict_lines("One surface, several labels:", report.conflicts)
    yield from _conflict_lines("An entity here, outside of all entities (O) there:", report.missed)
    if report.suspects:
        yield "Entities that look odd:"
    for reason, count in report.suspect_counts.items():
        yield f"  {reason} ({count:,}):"
        for suspect in report.suspects:
            if suspect.reason == reason:
                yield f"    {suspect.place}: {suspect.label} {shortened(suspect.surface, SHOWN_TEXT)!r}"


def _file_lines(file: FileCheck, first: str) -> Iterator[str]:
    if file.unlabelled:
        yield f"{file.name}: {counted(file.unlabelled, 'sentence')} without labels"
    if file.repeated:
        yield f"{file.name}: sentences that stand in it more than once, such as:"
        yield from _twin_lines(file.repeated)
    if file.overlapping:
        pairs = counted(file.overlapping, "pair")
        yield f"{file.name}: {pairs} of entities that overlap; training needs {spelled('`flatten`')} for these"
    if file.absent_labels:
        yield f"{file.name}: types that {first} does not have: {', '.join(file.absent_labels)}"
    if not file.report.clean:
        yield f"{file.name}: repaired while reading:"
        yield from (f"  {line}" for line in file.report.summary().split("\n"))


def _twin_lines(twins: Sequence[Twin]) -> Iterator[str]:
    for twin in twins:
        yield f"  {twin.place} and {twin.other}: {shortened(twin.text, SHOWN_TEXT)}"


def _conflict_lines(title: str, conflicts: Sequence[Conflict]) -> Iterator[str]:
    if conflicts:
        yield title
    for conflict in conflicts:
        labels = ", ".join(f"{label} {count:,}" for label, count in conflict.labels.items())
        yield f"  {shortened(conflict.surface, SHOWN_TEXT)}: {labels} ({conflict.rarest}: {conflict.place})"
