"""Rows of Parquet files and of `datasets`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import ERROR
from typing import Any

from ner_distill.data.formats.beginning import Beginning
from ner_distill.data.formats.rows import Row, RowOptions, row_of_record
from ner_distill.errors import DataError

HF = "hf:"
_BATCH = 1024
_COLUMNS = ("id", "words", "tokens", "tags", "ner_tags", "text", "entities", "offsets", "lang")
_TAG_COLUMNS = ("tags", "ner_tags")


def is_hf(beginning: Beginning) -> bool:
    """Is it a data set that `datasets` loads?"""
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
            columns = [column for column in schema.names if column in _COLUMNS]
            _check_columns(columns, schema.names, path)
            names = {} if options.bare_words else _names_in_metadata(schema)
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

    parts = name.removeprefix(HF).rsplit("/", 2)
    if len(parts) != 3 or not all(parts):
        raise DataError(f"{name}: expected hf:NAME/CONFIG/SPLIT, for instance hf:./my_data/default/train")
    try:
        with _quiet_hub():
            data = datasets.load_dataset(parts[0], parts[1], split=parts[2])
    except Exception as error:  # whatever goes wrong in the hub's client, the message is the user's
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise DataError(
            f"{name}: `datasets` cannot load it: {type(error).__name__}: {reason}; expected hf:NAME/CONFIG/SPLIT; "
            "without a network, NAME may be a local directory (HF_HUB_OFFLINE=1 saves the hub's retries)"
        ) from error
    columns = [column for column in data.column_names if column in _COLUMNS]
    _check_columns(columns, data.column_names, name)
    names = {column: found for column in _TAG_COLUMNS if (found := _class_names(data.features.get(column)))}
    for number, record in enumerate(data.select_columns(columns), start=1):
        yield _row(record, names, name, number, options)


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """No lines for every try at a hub that cannot be reached: what comes of it is raised."""
    from huggingface_hub.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _check_columns(columns: list[str], found: list[str], name: str) -> None:
    if not {"words", "tokens", "text"} & set(columns):
        raise DataError(f"{name}: expected a column 'words', 'tokens' or 'text', found {', '.join(found)}")


def _row(record: Mapping[str, Any], names: Mapping[str, list[str]], path: str, number: int, options: RowOptions) -> Row:
    values = dict(record)
    for column in () if options.bare_words else _TAG_COLUMNS:
        tags = values.get(column)
        if tags and all(isinstance(tag, int) for tag in tags):
            known = names.get(column, [])
            if not 0 <= min(tags) <= max(tags) < len(known):
                raise DataError.at(
                    path,
                    number,
                    f"'{column}' holds numbers of which the file gives no names, found {tags[:8]}; "
                    "expected tags such as B-PER; write names, or load it as hf:NAME/CONFIG/SPLIT",
                )
            values[column] = [known[tag] for tag in tags]
    return row_of_record(values, path, number, bare_words=options.bare_words)


def _names_in_metadata(schema: Any) -> dict[str, list[str]]:
    """Names of tags that `datasets` wrote into a Parquet file; {} where there are none."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    import datasets

    features = datasets.Features.from_arrow_schema(schema)
    return {column: found for column in _TAG_COLUMNS if (found := _class_names(features.get(column)))}


def _class_names(feature: Any) -> list[str]:
    """Names of a list of ClassLabel, in whichever way this version of `datasets` spells lists."""
    inner = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", None)
    return list(getattr(inner, "names", None) or ())
