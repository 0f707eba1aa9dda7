"""Rows of Parquet files and of `datasets`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from logging import ERROR
from pathlib import Path
from typing import Any

from ner_distill.data.formats.exports import KEYS, TAG_KEYS
from ner_distill.data.formats.jsonl import row_of_foreign
from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.errors import DataError
from ner_distill.hub import cache_where_unreachable, offline_advice, unreachable

HF = "hf:"
_BATCH = 1024
_COLUMNS = {"id", "words", "tokens", "text", "offsets", "lang", *KEYS}


def is_hf(beginning: Beginning) -> bool:
    return beginning.source.startswith(HF)


def is_parquet(beginning: Beginning) -> bool:
    """By its first bytes or its name."""
    return beginning.bytes == b"PAR1" or beginning.suffix == ".parquet"


def parquet_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each row of the file, read a thousand at a time: see `row_of_record` for the columns.

    Tags may be numbers where the file holds their names, as files written by `datasets` do. Lines are row
    numbers from 1. Raises DataError where the file is not Parquet or has neither words nor text.
    """
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            columns = _known_columns(schema.names, path)
            names = {}
            if not options.bare_words and b"huggingface" in (schema.metadata or {}):
                import datasets

                names = _tag_names(datasets.Features.from_arrow_schema(schema))
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                for record in batch.to_pylist():
                    number += 1
                    yield _row(record, names, path, number, options)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error


def parquet_length(path: str) -> int:
    """Rows of a Parquet file, by its own account; 0 where it cannot be read."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        return int(parquet.read_metadata(path).num_rows)
    except (arrow.ArrowException, OSError):
        return 0


def hf_rows(name: str, options: RowOptions) -> Iterator[Row]:
    """A row for each row of `hf:NAME/CONFIG/SPLIT`: NAME is a data set of the hub or a local directory.

    No code of the data set is run. Lines are row numbers from 1. Raises DataError where it cannot be loaded.
    """
    import datasets
    from huggingface_hub.utils import logging

    parts = name.removeprefix(HF).rsplit("/", 2)
    if len(parts) != 3 or not all(parts):
        raise DataError(f"{name}: expected hf:NAME/CONFIG/SPLIT, for instance hf:./my_data/default/train")
    level = logging.get_verbosity()
    logging.set_verbosity(ERROR)  # no line for every try at a hub that cannot be reached: what comes of it is raised
    on_hub = not Path(parts[0]).is_dir()
    try:
        with cache_where_unreachable() if on_hub else nullcontext(True) as online:
            data = datasets.load_dataset(parts[0], parts[1], split=parts[2])
    except Exception as error:  # whatever goes wrong in the hub's client, the message is the user's
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        if on_hub and not online:
            reason = f"{unreachable()}, and its cache lacks it; {offline_advice('dataset')}"
        raise DataError(
            f"{name}: `datasets` cannot load it: {type(error).__name__}: {reason}; expected hf:NAME/CONFIG/SPLIT, NAME "
            "being a data set of the hub or a local directory"
        ) from error
    finally:
        logging.set_verbosity(level)
    columns = _known_columns(data.column_names, name)
    names = _tag_names(data.features)
    for number, record in enumerate(data.select_columns(columns), start=1):
        yield _row(record, names, name, number, options)


def _known_columns(names: Sequence[str], source: str) -> list[str]:
    if {"words", "tokens", "text"}.isdisjoint(names):
        raise DataError(f"{source}: expected a column 'words', 'tokens' or 'text', found {', '.join(names)}")
    return [name for name in names if name in _COLUMNS]


def _row(record: Mapping[str, Any], names: Mapping[str, list[str]], path: str, number: int, options: RowOptions) -> Row:
    values = dict(record)
    for column in () if options.bare_words else TAG_KEYS:
        tags = values.get(column)
        if isinstance(tags, list) and tags and all(isinstance(tag, int) for tag in tags):
            known = names.get(column, [])
            if not 0 <= min(tags) <= max(tags) < len(known):
                raise DataError.at(
                    path,
                    number,
                    f"'{column}' holds numbers of which the file gives no names, found {tags[:8]}; "
                    "expected tags such as B-PER; write names, or load it as hf:NAME/CONFIG/SPLIT",
                )
            values[column] = [known[tag] for tag in tags]
    return row_of_foreign(values, path, number, bare_words=options.bare_words)


def _tag_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of the tags of each column that is a list of ClassLabel, however `datasets` spells lists."""
    names = {}
    for column in TAG_KEYS:
        feature = features.get(column)
        inner = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", None)
        if found := getattr(inner, "names", None):
            names[column] = list(found)
    return names
