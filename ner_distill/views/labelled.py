"""What is printed, or written and said, of labelled sentences that a command makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ner_distill.console import Reporter
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.writing.base import About, AnyWriter, Labelled, Losses, TextWriter
from ner_distill.data.formats.writing.registry import format_of_name, write
from ner_distill.errors import ConfigError
from ner_distill.options.models import ShowOptions
from ner_distill.views.written import ALL_WRITERS

if TYPE_CHECKING:  # a store needs pyarrow, for which predictions do not wait
    from ner_distill.pipelines.show import Export


def writer_of(format: str | None, out: str, about: About) -> AnyWriter:
    """The writer of a format, or where none is given of the name to write under.

    Raises ConfigError where neither says which.
    """
    return ALL_WRITERS[format or format_of_name(out, ALL_WRITERS)](about)


def printer_of(format: str, about: About) -> TextWriter:
    """The writer of a format that can be printed. Raises ConfigError for one that is no text."""
    writer = ALL_WRITERS[format](about)
    if not isinstance(writer, TextWriter):
        raise ConfigError(f"`format` {format} is no text that could be printed; give `out`, the name to write under")
    return writer


def write_labelled(
    writer: AnyWriter, records: Iterable[Labelled], out: str, reporter: Reporter, *, overwrite: bool
) -> None:
    """Write records under a name; warns of what the format cannot hold, and says what was written."""
    losses, seen = Losses(), 0

    def counting() -> Iterator[Labelled]:
        nonlocal seen
        for record in records:
            seen += 1
            yield record

    write(writer, counting(), Path(out), losses, overwrite=overwrite)
    for warning in losses.warnings():
        reporter.warn(warning)
    reporter.info(f"{out}: {counted(seen, 'sentence')} ({writer.name})")


def export_labels(made: Export, options: ShowOptions, reporter: Reporter | None = None) -> Iterator[str]:
    """What to print of the labelled sentences of a store; with `out` they are written there and nothing is printed."""
    reporter = reporter or Reporter()
    if options.out is not None:
        writer = writer_of(options.format, str(options.out), made.about)
        write_labelled(writer, made.records, str(options.out), reporter, overwrite=options.overwrite)
    else:
        losses = Losses()
        yield from printer_of(options.format or "jsonl", made.about).parts(made.records, losses)
        for warning in losses.warnings():
            reporter.warn(warning)
    if made.left_out:
        reporter.warn(f"{counted(made.left_out, 'sentence')} of which no word is kept: left out")
    if options.limit and made.store.rows > options.start + options.limit:
        reporter.info(f"{made.store.rows:,} sentences are in the store; `limit` 0 gives all")
