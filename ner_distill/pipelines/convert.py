"""`convert`: labelled files in one format → one file, or folder, in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import refuse_reading
from ner_distill.data.formats.reading import read_repaired
from ner_distill.data.formats.writing.base import About, AnyWriter, Labelled, Losses
from ner_distill.data.formats.writing.registry import format_of_name, write
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import refuse_existing
from ner_distill.options.models import ConvertOptions


@dataclass(frozen=True)
class Converted:
    """What was written: where, in which format, how many sentences and entities."""

    path: Path
    format: str
    sentences: int
    entities: int


def convert(
    options: ConvertOptions, writers: Mapping[str, type[AnyWriter]], reporter: Reporter | None = None
) -> Converted:
    """Write the sentences of files, in their order; warns of what was repaired in them and of what is lost, by kind.

    writers: by the name of their format. Raises ConfigError where there is no name to write under, or none that says
    which format; DataError where nothing of the files can be written; RunError for what is there already.
    """
    reporter = reporter or Reporter()
    *sources, last = options.paths
    if not sources:
        raise ConfigError(f"{last}: expected the files to read, and behind them the one to write; found one name")
    path = Path(last)
    name = options.output_format or format_of_name(last, writers)
    refuse_existing(path, overwrite=options.overwrite)
    refuse_reading(last, sources)
    corpus = read_repaired(sources, options, reporter)
    writer = writers[name](About(unit=corpus.unit))
    held = [one for one in corpus.sentences if one.spans is not None or "unlabelled" in writer.holds]
    if not held:
        raise DataError(
            f"{', '.join(map(str, sources))}: none of the {len(corpus.sentences):,} sentences is labelled, and {name} "
            "holds labelled ones alone; `format` jsonl holds both"
        )
    losses = Losses()
    write(writer, map(Labelled.of, corpus.sentences), path, losses, overwrite=options.overwrite)
    for warning in losses.warnings():
        reporter.warn(warning)
    entities = sum(len(one.spans or ()) for one in held) - losses.left_out()
    return Converted(path, name, len(held), entities)
