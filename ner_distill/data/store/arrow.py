"""Arrow arrays ⇄ the flat arrays of a shard, without a Python object per number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ner_distill.data.store.columns import Lists


def struct_of(dtype: np.dtype[np.void], **other: pa.DataType) -> pa.StructType:
    """other: of fields that are stored as another type; None leaves the field out."""
    kinds = {name: pa.from_numpy_dtype(dtype[name]) for name in dtype.names or ()} | other
    return pa.struct([pa.field(name, kind, nullable=False) for name, kind in kinds.items() if kind is not None])


def list_array(offsets: npt.NDArray[Any], values: Any) -> pa.Array:
    """A list column of flat values. Raises ValueError where it holds too much for one file."""
    if offsets[-1] >= 2**31:
        raise ValueError("a shard holds too many values for one file: make shard_size smaller")
    flat = values if isinstance(values, pa.Array) else pa.array(values)
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), flat)


def struct_lists(offsets: npt.NDArray[np.int64], kind: pa.StructType, fields: Sequence[npt.NDArray[Any]]) -> pa.Array:
    """A list column of structs from the values of its fields."""
    values = [pa.array(np.ascontiguousarray(field)) for field in fields]
    return list_array(offsets, pa.StructArray.from_arrays(values, fields=list(kind)))


def flat(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Offsets (from 0) and values of a list column. Raises ValueError where a value is missing."""
    array = table[name].combine_chunks()
    offsets = np.asarray(array.offsets).astype(np.int64)
    values = array.flatten()
    if values.null_count:
        raise ValueError(f"column {name!r} has empty values")
    return offsets - offsets[0], values


def flat_like(table: pa.Table, name: str, offsets: npt.NDArray[np.int64], other: str) -> npt.NDArray[Any]:
    """The values of a list column whose lists are as long as those of another. Raises ValueError where they are not."""
    own, values = flat(table, name)
    if not np.array_equal(own, offsets):
        raise ValueError(f"the lengths of {name!r} and {other!r} differ")
    return numbers(values)


def records(table: pa.Table, name: str, dtype: np.dtype[np.void]) -> Lists:
    """A list column of structs, not yet checked; fields that it does not have are 0.

    Raises ValueError where something is missing.
    """
    offsets, structs = flat(table, name)
    values = np.zeros(len(structs), dtype)
    for field in dtype.names or ():
        if structs.type.get_field_index(field) >= 0:
            values[field] = numbers(structs.field(field))
    return Lists(offsets, values)


def numbers(array: pa.Array) -> npt.NDArray[Any]:
    """A copy that can be written. Raises ValueError where a value is missing."""
    if array.null_count:
        raise ValueError("a number is missing")
    return np.array(array.to_numpy(zero_copy_only=False))
