"""Rows of Parquet files and of `datasets`: of the hub, and as `save_to_disk` wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from logging import ERROR
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ner_distill.data.formats.exports import ENTITY_KEYS, KEYS, TAG_KEYS
from ner_distill.data.formats.jsonl import row_of_foreign
from ner_distill.data.formats.lines import Beginning, Position, read_text
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.texts import keyed_columns, keyed_row
from ner_distill.errors import DataError
from ner_distill.hub import cache_where_unreachable, offline_advice, unreachable
from ner_distill.places.objects import RemoteFile
from ner_distill.places.urls import is_url

if TYPE_CHECKING:
    from datasets import Dataset
    from pyarrow.parquet import ParquetFile

HF = "hf:"
STATE, ABOUT, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
"""By which a directory of `save_to_disk` is known; a `DatasetDict` has the third alone, and a folder for each split."""
_BATCH = 1024
_ENTITIES = ("entities", *ENTITY_KEYS)
_TYPES = ("label", "type")
_COLUMNS = {"id", "words", "tokens", "text", "offsets", "lang", *KEYS}


def is_hub_name(source: str) -> bool:
    """Is it `hf:NAME/CONFIG/SPLIT`? (`hf://datasets/...` is the URL of a file.)"""
    return source.startswith(HF) and not is_url(source)


def is_hf(beginning: Beginning) -> bool:
    return is_hub_name(beginning.source)


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
        with _table_at(path) as table, parquet.ParquetFile(table) as file:
            schema = file.schema_arrow
            columns = _known_columns(schema.names, path, options)
            names = {}
            if not options.bare_words and b"huggingface" in (schema.metadata or {}):
                import datasets

                names = _tag_names(datasets.Features.from_arrow_schema(schema))
            position = options.position or Position()
            groups, skipped = _groups_from(file, position.line)
            for batch in file.iter_batches(batch_size=_BATCH, row_groups=groups, columns=columns):
                for record in batch.slice(skipped).to_pylist():
                    position.line += 1
                    yield _row(record, names, path, position.line, options)
                skipped = max(0, skipped - len(batch))
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error


def _groups_from(file: ParquetFile, row: int) -> tuple[list[int], int]:
    """The row groups from the one on that a row is in, and how many rows of that are before it."""
    before = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if row < before + rows:
            return list(range(group, file.num_row_groups)), row - before
        before += rows
    return [], 0


@contextmanager
def _table_at(path: str) -> Iterator[Any]:
    """What pyarrow opens: of a URL only the columns and rows that are asked for are read.

    Raises DataError where what is behind a URL was written to meanwhile.
    """
    if not is_url(path):
        yield path
        return
    with RemoteFile(path) as file:
        yield file
        file.require_same()


def parquet_length(path: str) -> int:
    """Rows of a Parquet file, by its own account; 0 where it cannot be read."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        with _table_at(path) as table:
            return int(parquet.read_metadata(table).num_rows)
    except (arrow.ArrowException, OSError, UnicodeDecodeError):
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
    yield from _rows_of(data, name, options)


def is_saved(beginning: Beginning) -> bool:
    return not beginning.is_stdin and is_saved_path(beginning.source)


def is_saved_path(path: Path | str) -> bool:
    """A directory that `save_to_disk` wrote, of a `Dataset` or of a `DatasetDict`?"""
    path = Path(path)
    return (path / SPLITS).is_file() or ((path / STATE).is_file() and (path / ABOUT).is_file())


def saved_files(directory: str) -> list[Path]:
    """What is read of a directory of `save_to_disk`. Raises DataError where it is of several splits, or damaged."""
    folder = Path(directory)
    if (folder / SPLITS).is_file():
        splits = [str(split) for split in _listed(folder / SPLITS, "splits")]
        asked = f"give one as {folder / splits[0]}" if splits else "it holds no split"
        raise DataError(f"{folder}: is a DatasetDict of the splits {', '.join(splits)}; expected one of them: {asked}")
    names = [one.get("filename") for one in _listed(folder / STATE, "_data_files") if isinstance(one, dict)]
    files = [folder / name for name in names if isinstance(name, str) and Path(name).name == name]
    if len(files) != len(names) or not all(file.is_file() for file in files):
        raise DataError(f"{folder / STATE}: names Arrow files that are not beside it; save the data set once more")
    return [*files, folder / STATE, folder / ABOUT]


def saved_rows(directory: str, options: RowOptions) -> Iterator[Row]:
    """A row for each row of a `Dataset` that `save_to_disk` wrote, read from the disk as it is needed.

    Lines are row numbers from 1. Raises DataError as `saved_files` does, and where `datasets` cannot load it.
    """
    saved_files(directory)
    yield from _rows_of(_saved(directory), directory, options)


def saved_length(directory: str) -> int:
    saved_files(directory)
    return len(_saved(directory))


def _saved(directory: str) -> Dataset:
    import datasets

    try:
        return datasets.Dataset.load_from_disk(directory, keep_in_memory=False)
    except Exception as error:  # whatever a damaged file leads to
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise DataError(f"{directory}: `datasets` cannot load it: {reason:.200}; save it once more") from error


def _listed(path: Path, key: str) -> list[Any]:
    """The list under a key of a JSON file. Raises DataError where there is none."""
    try:
        found = json.loads(read_text(path))[key]
        if isinstance(found, list):
            return found
        problem = f"found {found!r:.60}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problem = f"{type(error).__name__}: {error}"
    raise DataError(f"{path}: expected a list {key!r}, as `save_to_disk` of `datasets` writes it; {problem}")


def _rows_of(data: Dataset, name: str, options: RowOptions) -> Iterator[Row]:
    columns = _known_columns(data.column_names, name, options)
    names = _tag_names(data.features)
    # Whoever saved it may have asked for tensors: `with_format` takes that back.
    plain, position = data.with_format(None).select_columns(columns), options.position or Position()
    if position.inside:
        plain = plain.skip(position.line)
    for record in plain:
        position.line += 1
        yield _row(record, names, name, position.line, options)


def _known_columns(names: Sequence[str], source: str, options: RowOptions) -> list[str]:
    if options.text_key is not None:
        return keyed_columns(names, source, options.text_key)
    if {"words", "tokens", "text"}.isdisjoint(names):
        raise DataError(f"{source}: expected a column 'words', 'tokens' or 'text', found {', '.join(names)}")
    return [name for name in names if name in _COLUMNS]


def _row(record: Mapping[str, Any], names: Mapping[str, list[str]], path: str, number: int, options: RowOptions) -> Row:
    if options.text_key is not None:
        return keyed_row(record, path, number, options)
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
    for column in () if options.bare_words else _ENTITIES:
        for key in _TYPES:
            if of_types := names.get(f"{column}.{key}"):
                values[column] = _with_names(values.get(column), key, of_types)
    return row_of_foreign(values, path, number, options)


def _tag_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of each column that is a list of ClassLabel, however `datasets` spells lists: of tags, of types.

    The types of entities have them under `entities.label` and the like.
    """
    names = {}
    for column in {*TAG_KEYS, *_ENTITIES}:
        inner = _inner(features.get(column))
        if found := getattr(inner, "names", None):
            names[column] = list(found)
        for key in _TYPES if isinstance(inner, Mapping) else ():
            if found := getattr(inner.get(key), "names", None):
                names[f"{column}.{key}"] = list(found)
    return names


def _inner(feature: Any) -> Any:
    """What a list is of; of an object of lists what each of these is of."""
    if isinstance(feature, Mapping):
        return {key: _inner(value) for key, value in feature.items()}
    return feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", None)


def _with_names(entities: Any, key: str, names: Sequence[str]) -> Any:
    """Entities (objects, or an object of lists) with the names of their types in place of the numbers."""

    def name(value: Any) -> Any:
        return names[value] if isinstance(value, int) and 0 <= value < len(names) else value

    if isinstance(entities, Mapping):
        return {**entities, key: [name(value) for value in entities.get(key) or ()]}
    return [{**one, key: name(one.get(key))} for one in entities or () if isinstance(one, Mapping)]
