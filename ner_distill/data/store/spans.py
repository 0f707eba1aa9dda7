"""The column `spans` of a shard: the entities that a teacher with a span head thinks possible, nested ones included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ner_distill.data.store.parquet import SPAN_STRUCT, flat, lists, numpy_of

SPAN = np.dtype([("start", np.int32), ("end", np.int32), ("label", np.int32), ("score", np.float16)])
"""A span with its probability: the words `start` to `end`, half-open, and the index of its type in the labels."""

SpanArray = npt.NDArray[np.void]
"""(spans,) of dtype `SPAN`."""


@dataclass(frozen=True, eq=False)
class SpanColumn:
    """The spans of a shard's rows, end to end: row i has `values[offsets[i] : offsets[i + 1]]`.

    offsets: (rows + 1,) int64.
    values:  (spans,) of dtype `SPAN`.
    """

    offsets: npt.NDArray[np.int64]
    values: SpanArray

    @classmethod
    def from_rows(cls, rows: Sequence[SpanArray]) -> SpanColumn:
        """Put the spans of rows end to end."""
        offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
        return cls(offsets, np.concatenate([np.zeros(0, SPAN), *rows]))

    def of_row(self, row: int) -> SpanArray:
        """The spans of one row, a view."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def check(self, ids: Sequence[str], lengths: npt.NDArray[np.int64], labels: int) -> None:
        """Raise ValueError where a span cannot be one of these sentences': the message names the sentence.

        ids: the sentences' names; lengths: (rows,) their words; labels: how many types there are.
        """
        row = np.repeat(np.arange(len(ids)), np.diff(self.offsets))
        start, end, label = (self.values[name].astype(np.int64) for name in ("start", "end", "label"))
        score = self.values["score"]

        def refuse(bad: npt.NDArray[np.bool_], problem: str) -> None:
            if bad.any():
                at = int(np.argmax(bad))
                raise ValueError(
                    f"sentence {ids[row[at]]!r}, span from word {start[at]} to {end[at]}, type {label[at]}: {problem}"
                )

        refuse((start < 0) | (start >= end), "its start must be 0 or more and below its end")
        refuse(end > lengths[row], "it ends beyond the sentence's words")
        refuse((label < 0) | (label >= labels), f"its type must be 0 to {labels - 1}")
        refuse(~((score >= 0) & (score <= 1)), "its score is not between 0 and 1")  # NaN is neither
        order = np.lexsort((label, end, start, row))
        keys = np.stack([row, start, end, label])[:, order]
        doubled = np.zeros(len(row), np.bool_)
        doubled[order[1:]] = (keys[:, 1:] == keys[:, :-1]).all(0)
        refuse(doubled, "it is there twice")

    def to_arrow(self) -> pa.Array:
        """One list per row."""
        values = [pa.array(np.ascontiguousarray(self.values[name])) for name in SPAN.names or ()]
        return lists(self.offsets, pa.StructArray.from_arrays(values, fields=list(SPAN_STRUCT)))

    @classmethod
    def from_table(cls, table: pa.Table) -> SpanColumn:
        """The column as it was read, not yet checked. Raises ValueError where something is missing."""
        offsets, structs = flat(table, "spans")
        values = np.zeros(len(structs), SPAN)
        for name in SPAN.names or ():
            values[name] = numpy_of(structs.field(name))
        values.flags.writeable = False
        return cls(offsets, values)


def check_spans(name: str, spans: object) -> None:
    """Raise ValueError where what is given as the spans of sentence `name` is not a flat array of dtype `SPAN`."""
    if not isinstance(spans, np.ndarray) or spans.ndim != 1 or spans.dtype != SPAN:
        found = f"{spans.shape} {spans.dtype}" if isinstance(spans, np.ndarray) else type(spans).__name__
        raise ValueError(f"sentence {name!r}: spans must be (spans,) of {SPAN}, found {found}")
