"""The file of a shard: flat arrays ⇄ Parquet, in one of two forms, and what its footer says of it.

The key-value metadata of the footer say which store the file is of, so that a whole file that its store does not list
yet (whoever listed shards was killed) can be told from a stranger's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from ner_distill.data.store import compact, exact
from ner_distill.data.store.arrow import flat, numbers
from ner_distill.data.store.columns import Columns
from ner_distill.data.store.drawing import Drawing, DrawnOtherwise, checksum
from ner_distill.data.store.entries import Count
from ner_distill.data.store.manifest import StoreHeader
from ner_distill.data.tagset import TagSet
from ner_distill.places import Place

_KEY = b"ner-distill"


class Facts(BaseModel):
    """What a footer says: of which store the file is (`StoreHeader.fingerprint`), and what no column tells.

    pairs: `checksum` of the pairs, in the compact form.
    """

    header: str
    index: Count
    counters: dict[str, Count]
    pairs: Count | None = None


def to_parquet(columns: Columns, header: StoreHeader, index: int, counters: Mapping[str, int]) -> pa.Buffer:
    """The file of shard `index` of a store: a function of these alone."""
    facts = Facts(header=header.fingerprint(), index=index, counters=dict(counters))
    if header.store_precision == "compact":
        table, writing = compact.to_table(columns, Drawing.of(header.settings, index)), compact.WRITING
        facts.pairs = checksum(columns.pairs)
    else:
        table, writing = exact.to_table(columns), exact.WRITING
    table = table.replace_schema_metadata({_KEY: facts.model_dump_json(exclude_none=True)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", **writing)
    return sink.getvalue()


def read_columns(data: bytes, header: StoreHeader, index: int) -> Columns:
    """The shard that the bytes of a file hold, checked.

    Raises ValueError that says what is wrong with it, DrawnOtherwise where its pairs cannot be drawn again here.
    """
    spans, tags = header.span_floor is not None, len(TagSet(header.labels))
    table = _table(pa.BufferReader(data), header, _schema(header).names)
    if header.store_precision == "compact":
        columns = compact.from_table(table, tags, Drawing.of(header.settings, index), spans=spans)
        if read_facts(data).pairs != checksum(columns.pairs):
            raise DrawnOtherwise
    else:
        columns = exact.from_table(table, tags, spans=spans)
    columns.check()
    return columns


def read_facts(data: bytes) -> Facts:
    """What the footer says. Raises ValueError where it says nothing of a store."""
    try:
        metadata = pq.read_schema(pa.BufferReader(data)).metadata or {}
        return Facts.model_validate_json(metadata.get(_KEY, b""))
    except (OSError, pa.ArrowException, ValidationError) as error:
        raise ValueError(f"its footer says of no store: {str(error).splitlines()[0]}") from error


def read_lengths(place: Place, name: str, header: StoreHeader) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """For each row its block and its number of words, from two small columns. Raises ValueError."""
    try:
        with place.open(name) as opened:
            table = _table(opened, header, ["keep", "block"])
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    return numbers(table["block"].combine_chunks()), np.diff(flat(table, "keep")[0])


def _schema(header: StoreHeader) -> pa.Schema:
    form: Any = compact if header.store_precision == "compact" else exact
    schema: pa.Schema = form.SCHEMA if header.span_floor is None else form.SCHEMA.append(form.SPANS)
    return schema


def _table(source: Any, header: StoreHeader, names: Sequence[str]) -> pa.Table:
    """Columns of a shard, of the right types and without empty rows. Raises ValueError that says what is wrong."""
    try:
        # Not `pq.read_table`: it takes folder names such as `lang=de` for columns. `pre_buffer` reads what lies side by
        # side at once: a request of an object store in place of forty.
        with pq.ParquetFile(source, pre_buffer=True) as file:
            has_spans = exact.SPANS.name in file.schema_arrow.names
            table = file.read(columns=list(names), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    if has_spans and header.span_floor is None:
        raise ValueError(f"has a column {exact.SPANS.name!r}; expected none, as the manifest has no span_floor")
    schema = _schema(header)
    for name in names:
        expected = schema.field(name)
        if name not in table.column_names or table[name].type != expected.type:
            found = table[name].type if name in table.column_names else "nothing"
            raise ValueError(f"column {name!r} must be {expected.type}, found {found}")
        if not expected.nullable and table[name].null_count:
            raise ValueError(f"column {name!r} has empty rows")
    return table
