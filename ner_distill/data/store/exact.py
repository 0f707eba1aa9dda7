"""The exact form of a shard: probabilities and similarities as float16, pairs as they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ner_distill.data.store.arrow import flat, flat_like, list_array, numbers, records, struct_lists, struct_of
from ner_distill.data.store.columns import PAIR, SPAN, Columns, Lists

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("words", pa.list_(pa.string()), nullable=False),
        pa.field("probs", pa.list_(pa.float16()), nullable=False),
        pa.field("keep", pa.list_(pa.bool_()), nullable=False),
        pa.field("block", pa.int32(), nullable=False),
        pa.field("lang", pa.string()),
        pa.field("pairs", pa.list_(struct_of(PAIR)), nullable=False),
    ]
)
SPANS = pa.field("spans", pa.list_(struct_of(SPAN)), nullable=False)

# The two bytes of a float16 compress better apart (a tenth smaller and quicker than plain, on softmax output).
WRITING = {
    "row_group_size": 1024,
    "use_dictionary": ["words.list.element", "lang"],
    "column_encoding": {"probs.list.element": "BYTE_STREAM_SPLIT"},
}


def to_table(columns: Columns) -> pa.Table:
    arrays = [
        pa.array(columns.ids, pa.string()),
        list_array(columns.offsets, pa.array(columns.words, pa.string())),
        list_array(columns.offsets * columns.probs.shape[1], columns.probs.reshape(-1)),
        list_array(columns.offsets, columns.keep),
        pa.array(columns.blocks),
        pa.array(columns.langs, pa.string()),
        _structs(columns.pairs),
        *([_structs(columns.spans)] if columns.spans is not None else []),
    ]
    return pa.table(arrays, schema=SCHEMA if columns.spans is None else SCHEMA.append(SPANS))


def from_table(table: pa.Table, tags: int, *, spans: bool) -> Columns:
    """Raises ValueError where lengths do not fit or something is missing."""
    offsets, words = flat(table, "words")
    prob_offsets, probs = flat(table, "probs")
    if not np.array_equal(prob_offsets, offsets * tags):
        raise ValueError(f"the lengths of 'probs' are not the words times {tags} tags")
    return Columns(
        ids=table["id"].to_pylist(),
        words=words.to_pylist(),
        offsets=offsets,
        probs=numbers(probs).reshape(-1, tags),
        keep=flat_like(table, "keep", offsets, "words"),
        blocks=numbers(table["block"].combine_chunks()),
        batches=np.full(len(table), -1, np.int32),
        langs=table["lang"].to_pylist(),
        pairs=records(table, "pairs", PAIR),
        spans=records(table, "spans", SPAN) if spans else None,
    )


def _structs(lists: Lists) -> pa.Array:
    dtype = lists.values.dtype
    return struct_lists(lists.offsets, struct_of(dtype), [lists.values[name] for name in dtype.names or ()])
