"""The compact form of a shard: probabilities, similarities and scores in 8 bits, pairs drawn again.

See `quantised.py` for what is lost. Pairs that come again when they are drawn from what is stored are not stored.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ner_distill.data.store.arrow import flat, flat_like, list_array, numbers, records, struct_lists, struct_of
from ner_distill.data.store.columns import PAIR, SPAN, Columns, Lists
from ner_distill.data.store.drawing import Drawing, DrawnOtherwise, drawn_alike
from ner_distill.data.store.quantised import Quantised, quantise, quantise_share, restored, share_of

_PLACE = struct_of(PAIR, similarity=None)
_SPAN = struct_of(SPAN, score=pa.uint8())

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("words", pa.list_(pa.string()), nullable=False),
        pa.field("best", pa.list_(pa.uint16()), nullable=False),
        pa.field("count", pa.list_(pa.uint16()), nullable=False),
        pa.field("tags", pa.list_(pa.uint16()), nullable=False),
        pa.field("codes", pa.list_(pa.uint8()), nullable=False),
        pa.field("keep", pa.list_(pa.bool_()), nullable=False),
        pa.field("block", pa.int32(), nullable=False),
        pa.field("batch", pa.int32(), nullable=False),
        pa.field("drawn", pa.bool_(), nullable=False),
        pa.field("lang", pa.string()),
        pa.field("pairs", pa.list_(_PLACE), nullable=False),
        pa.field("similarity", pa.list_(pa.uint8()), nullable=False),
    ]
)
SPANS = pa.field("spans", pa.list_(_SPAN), nullable=False)

# One group, so that each word is in one dictionary alone; bytes are stored as four, of which three compress to nothing.
WRITING = {
    "row_group_size": 2**20,
    "compression_level": 9,
    "use_dictionary": ["words.list.element", "best.list.element", "count.list.element", "lang"],
    "column_encoding": {
        "id": "DELTA_BYTE_ARRAY",
        **{f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in ("tags", "codes", "similarity")},
    },
}


def to_table(columns: Columns, drawing: Drawing | None) -> pa.Table:
    """drawing: how the pairs may have been drawn; None: that is not known."""
    stored = quantise(columns.probs)
    others = np.concatenate([np.zeros(1, np.int64), np.cumsum(stored.count, dtype=np.int64)])[columns.offsets]
    drawn = np.zeros(len(columns.ids), np.bool_)
    if drawing is not None:
        again = drawing.pairs(stored.best, columns.offsets, columns.blocks, columns.batches)
        drawn = drawn_alike(columns.pairs, again, columns.blocks) & (columns.batches >= 0)
    kept = ~drawn[columns.pairs.rows]
    counts = np.where(drawn, 0, np.diff(columns.pairs.offsets))
    places = [columns.pairs.values[field.name][kept] for field in _PLACE]
    arrays = [
        pa.array(columns.ids, pa.string()),
        list_array(columns.offsets, pa.array(columns.words, pa.string())),
        list_array(columns.offsets, stored.best),
        list_array(columns.offsets, stored.count),
        list_array(others, stored.tags),
        list_array(others, stored.codes),
        list_array(columns.offsets, columns.keep),
        pa.array(columns.blocks),
        pa.array(columns.batches),
        pa.array(drawn),
        pa.array(columns.langs, pa.string()),
        struct_lists(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), _PLACE, places),
        list_array(columns.pairs.offsets, quantise_share(columns.pairs.values["similarity"])),
    ]
    schema = SCHEMA
    if (spans := columns.spans) is not None:
        fields = [spans.values["start"], spans.values["end"], spans.values["label"]]
        arrays.append(struct_lists(spans.offsets, _SPAN, [*fields, quantise_share(spans.values["score"])]))
        schema = schema.append(SPANS)
    return pa.table(arrays, schema=schema)


def from_table(table: pa.Table, tags: int, drawing: Drawing | None, *, spans: bool) -> Columns:
    """Raises ValueError where lengths do not fit or something is missing, DrawnOtherwise where other pairs come out."""
    offsets, words = flat(table, "words")
    others, other_tags = flat(table, "tags")
    count = flat_like(table, "count", offsets, "words")
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(count, dtype=np.int64)])
    if not np.array_equal(ends[offsets], others):
        raise ValueError("the lengths of 'tags' are not what 'count' says")
    best = flat_like(table, "best", offsets, "words")
    stored = Quantised(best, count, numbers(other_tags), flat_like(table, "codes", others, "tags"))
    blocks, batches = numbers(table["block"].combine_chunks()), numbers(table["batch"].combine_chunks())
    return Columns(
        ids=table["id"].to_pylist(),
        words=words.to_pylist(),
        offsets=offsets,
        probs=restored(stored, tags),
        keep=flat_like(table, "keep", offsets, "words"),
        blocks=blocks,
        batches=batches,
        langs=table["lang"].to_pylist(),
        pairs=_pairs(table, drawing, best, offsets, blocks, batches),
        spans=_spans(table) if spans else None,
    )


def _pairs(
    table: pa.Table,
    drawing: Drawing | None,
    best: np.ndarray,
    offsets: np.ndarray,
    blocks: np.ndarray,
    batches: np.ndarray,
) -> Lists:
    """Those that are stored and those that are drawn again, with their similarities."""
    drawn, pairs = numbers(table["drawn"].combine_chunks()), records(table, "pairs", PAIR)
    similar_offsets, codes = flat(table, "similarity")
    if drawn.any():
        if drawing is None:
            raise ValueError("pairs are to be drawn again, but the manifest says no seed and pairs_per_sentence")
        again = drawing.pairs(best, offsets, blocks, batches)
        if drawn[pairs.rows].any():
            raise ValueError("pairs are stored that are to be drawn again")
        of_drawn = drawn[again.rows]
        row = np.concatenate([again.rows[of_drawn], pairs.rows])
        order = np.argsort(row, kind="stable")  # the pairs of a row are all of one kind: their order stays
        values = np.concatenate([again.values[of_drawn], pairs.values])[order]
        pairs = Lists(np.searchsorted(row[order], np.arange(len(drawn) + 1)), values)
    if not np.array_equal(similar_offsets, pairs.offsets):
        if drawn.any():
            raise DrawnOtherwise
        raise ValueError("the lengths of 'similarity' are not the pairs of each row")
    pairs.values["similarity"] = share_of(numbers(codes))
    return pairs


def _spans(table: pa.Table) -> Lists:
    spans = records(table, "spans", SPAN)
    spans.values["score"] = share_of(numbers(flat(table, "spans")[1].field("score")))
    return spans
