"""The file of a shard: its columns, and a list column ⇄ offsets and flat values.

Arrow arrays are built from offsets and flat values: no Python object per probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

PAIR = pa.struct(
    [
        pa.field("word", pa.int32(), nullable=False),
        pa.field("other_row", pa.int32(), nullable=False),
        pa.field("other_word", pa.int32(), nullable=False),
        pa.field("similarity", pa.float16(), nullable=False),
    ]
)
_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("words", pa.list_(pa.string()), nullable=False),
        pa.field("probs", pa.list_(pa.float16()), nullable=False),
        pa.field("keep", pa.list_(pa.bool_()), nullable=False),
        pa.field("block", pa.int32(), nullable=False),
        pa.field("lang", pa.string()),
        pa.field("pairs", pa.list_(PAIR), nullable=False),
    ]
)
SPAN_STRUCT = pa.struct(
    [
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("score", pa.float16(), nullable=False),
    ]
)
_SPANS = pa.field("spans", pa.list_(SPAN_STRUCT), nullable=False)


def schema(*, spans: bool) -> pa.Schema:
    """The columns of a shard, in a store with spans or without."""
    return _SCHEMA.append(_SPANS) if spans else _SCHEMA


def read_table(path: Path, names: Sequence[str], *, spans: bool | None = None) -> pa.Table:
    """Columns of a shard, of the right types and without empty rows.

    spans: must the file have a column of them? None: that is all one. Raises ValueError that says what is wrong.
    """
    try:
        # Not `pq.read_table`: it takes folder names such as `lang=de` for columns.
        with pq.ParquetFile(path) as file:
            has_spans = _SPANS.name in file.schema_arrow.names
            table = file.read(columns=list(names), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    if has_spans and spans is False:
        raise ValueError(f"has a column {_SPANS.name!r}; expected none, as the manifest has no span_floor")
    for name in names:
        expected = schema(spans=True).field(name)
        if name not in table.column_names or table[name].type != expected.type:
            found = table[name].type if name in table.column_names else "nothing"
            raise ValueError(f"column {name!r} must be {expected.type}, found {found}")
        if not expected.nullable and table[name].null_count:
            raise ValueError(f"column {name!r} has empty rows")
    return table


def lists(offsets: npt.NDArray[Any], values: pa.Array) -> pa.Array:
    """A list column. Raises ValueError where it holds too much for one file."""
    if offsets[-1] >= 2**31:
        raise ValueError("a shard holds too many values for one file: make shard_size smaller")
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def flat(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Offsets (from 0) and values of a list column. Raises ValueError where a value is missing."""
    array = table[name].combine_chunks()
    offsets = np.asarray(array.offsets).astype(np.int64)
    values = array.flatten()
    if values.null_count:
        raise ValueError(f"column {name!r} has empty values")
    return offsets - offsets[0], values


def numpy_of(array: pa.Array) -> npt.NDArray[Any]:
    """A copy that can be written. Raises ValueError where a value is missing."""
    if array.null_count:
        raise ValueError("a number is missing")
    return np.array(array.to_numpy(zero_copy_only=False))
