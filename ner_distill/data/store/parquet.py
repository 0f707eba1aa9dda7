"""The file of a shard: flat arrays ⇄ Parquet.

Arrow arrays are built from offsets and flat values: no Python object per probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ner_distill.data.store.columns import PAIR, SPAN, Columns, Lists
from ner_distill.places import Place


def _struct(dtype: np.dtype[np.void]) -> pa.StructType:
    return pa.struct([pa.field(name, pa.from_numpy_dtype(dtype[name]), nullable=False) for name in dtype.names or ()])


_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("words", pa.list_(pa.string()), nullable=False),
        pa.field("probs", pa.list_(pa.float16()), nullable=False),
        pa.field("keep", pa.list_(pa.bool_()), nullable=False),
        pa.field("block", pa.int32(), nullable=False),
        pa.field("lang", pa.string()),
        pa.field("pairs", pa.list_(_struct(PAIR)), nullable=False),
    ]
)
_SPANS = pa.field("spans", pa.list_(_struct(SPAN)), nullable=False)
_WITH_SPANS = _SCHEMA.append(_SPANS)
_ROW_GROUP = 1024
# The two bytes of a float16 compress better apart (a tenth smaller and quicker than plain, on softmax output).
_ENCODING = {"probs.list.element": "BYTE_STREAM_SPLIT"}
_DICTIONARY = ["words.list.element", "lang"]


def to_parquet(columns: Columns) -> pa.Buffer:
    spans = columns.spans
    arrays = [
        pa.array(columns.ids, pa.string()),
        _list_array(columns.offsets, pa.array(columns.words, pa.string())),
        _list_array(columns.offsets * columns.probs.shape[1], pa.array(columns.probs.reshape(-1))),
        _list_array(columns.offsets, pa.array(columns.keep)),
        pa.array(columns.blocks),
        pa.array(columns.langs, pa.string()),
        _struct_lists(columns.pairs),
        *([_struct_lists(spans)] if spans is not None else []),
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(arrays, schema=_SCHEMA if spans is None else _WITH_SPANS),
        sink,
        compression="zstd",
        row_group_size=_ROW_GROUP,
        use_dictionary=_DICTIONARY,
        column_encoding=_ENCODING,
    )
    return sink.getvalue()


def read_columns(place: Place, name: str, tags: int, *, spans: bool = False) -> Columns:
    """Read and check a shard, of a store with spans or without. Raises ValueError that says what is wrong with it."""
    table = _read_table(place, name, (_WITH_SPANS if spans else _SCHEMA).names, spans=spans)
    offsets, words = _flat(table, "words")
    prob_offsets, probs = _flat(table, "probs")
    keep_offsets, keep = _flat(table, "keep")
    if not np.array_equal(prob_offsets, offsets * tags):
        raise ValueError(f"the lengths of 'probs' are not the words times {tags} tags")
    if not np.array_equal(keep_offsets, offsets):
        raise ValueError("the lengths of 'keep' and 'words' differ")
    columns = Columns(
        ids=table["id"].to_pylist(),
        words=words.to_pylist(),
        offsets=offsets,
        probs=_numpy(probs).reshape(-1, tags),
        keep=_numpy(keep),
        blocks=_numpy(table["block"].combine_chunks()),
        langs=table["lang"].to_pylist(),
        pairs=_records(table, "pairs", PAIR),
        spans=_records(table, "spans", SPAN) if spans else None,
    )
    columns.check()
    return columns


def read_lengths(place: Place, name: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """For each row its block and its number of words, from two small columns. Raises ValueError."""
    table = _read_table(place, name, ["keep", "block"])
    return _numpy(table["block"].combine_chunks()), np.diff(_flat(table, "keep")[0])


def _read_table(place: Place, shard: str, names: Sequence[str], *, spans: bool | None = None) -> pa.Table:
    """Columns of a shard, of the right types and without empty rows.

    spans: may the file have a column of them? None: that is all one. Raises ValueError that says what is wrong.
    """
    try:
        # Not `pq.read_table`: it takes folder names such as `lang=de` for columns. `pre_buffer` reads what lies side by
        # side at once: a request of an object store in place of forty.
        with place.open(shard) as opened, pq.ParquetFile(opened, pre_buffer=True) as file:
            has_spans = _SPANS.name in file.schema_arrow.names
            table = file.read(columns=list(names), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    if has_spans and spans is False:
        raise ValueError(f"has a column {_SPANS.name!r}; expected none, as the manifest has no span_floor")
    for name in names:
        expected = _WITH_SPANS.field(name)
        if name not in table.column_names or table[name].type != expected.type:
            found = table[name].type if name in table.column_names else "nothing"
            raise ValueError(f"column {name!r} must be {expected.type}, found {found}")
        if not expected.nullable and table[name].null_count:
            raise ValueError(f"column {name!r} has empty rows")
    return table


def _list_array(offsets: npt.NDArray[Any], values: pa.Array) -> pa.Array:
    """A list column. Raises ValueError where it holds too much for one file."""
    if offsets[-1] >= 2**31:
        raise ValueError("a shard holds too many values for one file: make shard_size smaller")
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _struct_lists(lists: Lists) -> pa.Array:
    dtype = lists.values.dtype
    values = [pa.array(np.ascontiguousarray(lists.values[name])) for name in dtype.names or ()]
    return _list_array(lists.offsets, pa.StructArray.from_arrays(values, fields=list(_struct(dtype))))


def _flat(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Offsets (from 0) and values of a list column. Raises ValueError where a value is missing."""
    array = table[name].combine_chunks()
    offsets = np.asarray(array.offsets).astype(np.int64)
    values = array.flatten()
    if values.null_count:
        raise ValueError(f"column {name!r} has empty values")
    return offsets - offsets[0], values


def _records(table: pa.Table, name: str, dtype: np.dtype[np.void]) -> Lists:
    """A list column of structs, not yet checked. Raises ValueError where something is missing."""
    offsets, structs = _flat(table, name)
    values = np.zeros(len(structs), dtype)
    for field in dtype.names or ():
        values[field] = _numpy(structs.field(field))
    return Lists(offsets, values)


def _numpy(array: pa.Array) -> npt.NDArray[Any]:
    """A copy that can be written. Raises ValueError where a value is missing."""
    if array.null_count:
        raise ValueError("a number is missing")
    return np.array(array.to_numpy(zero_copy_only=False))
