"""Small soft-label stores, written row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ner_distill.data.sentence import Unit
from ner_distill.data.store.columns import SoftBlock, SoftRow
from ner_distill.data.store.entries import Entries
from ner_distill.data.store.listing import Listing
from ner_distill.data.store.manifest import StoreHeader, TeacherId, read_manifest
from ner_distill.data.store.writer import StoreWriter
from ner_distill.data.tagset import TagSet
from ner_distill.places import LocalPlace

TAGS = TagSet(("ORG", "PER"))


def make_row(name: str, *tagged: tuple[str, str, float], dropped: tuple[int, ...] = ()) -> SoftRow:
    """Words with their tag and its probability; what is left goes to O (or to B-ORG where the tag is O)."""
    probs = np.zeros((len(tagged), len(TAGS)))
    for position, (_, tag, probability) in enumerate(tagged):
        probs[position, 1 if tag == "O" else 0] = 1 - probability
        probs[position, TAGS.tags.index(tag)] = probability
    keep = np.array([position not in dropped for position in range(len(tagged))])
    return SoftRow(name, tuple(word for word, _, _ in tagged), probs.astype(np.float16), keep)


BANK = make_row(
    "bank",
    ("El", "O", 0.99),
    ("Banco", "B-ORG", 0.98),
    ("de", "I-ORG", 0.96),
    ("España", "I-ORG", 0.97),
    ("cerró", "O", 0.9),
    dropped=(4,),
)
RAIN = make_row("rain", ("It", "O", 1.0), ("rains", "O", 1.0))
ANN = make_row("ann", ("Ann", "B-PER", 0.6), ("left", "O", 1.0))


def write_store(
    path: Path, shards: list[list[SoftRow]], *, unit: Unit = "word", finish: bool = True, floor: float | None = None
) -> Path:
    header = StoreHeader(
        labels=TAGS.labels,
        unit=unit,
        teachers=(TeacherId(name="runs/teacher", fingerprint="aaa111"),),
        inputs=(),
        shard_size=3,
        block_size=3,
        span_floor=floor,
    )
    writer = StoreWriter.create(path, header)
    for index, rows in enumerate(shards):
        writer.write_shard(index, [SoftBlock(tuple(rows), np.zeros((0, 4), np.int32), np.zeros(0, np.float16))])
    if finish:
        writer.finish(len(shards))
    return path


def edit_entry(path: Path, at: int, **changes: object) -> None:
    """Make the manifest of a store say something else of a shard."""
    manifest = read_manifest(path)
    entries = list(manifest.shards)
    entries[at] = entries[at].model_copy(update=changes)
    header = StoreHeader(**{name: getattr(manifest, name) for name in StoreHeader.model_fields})
    listing = Listing(LocalPlace(path), header, manifest.shards, manifest.parts)
    listing.rewrite(Entries.of(entries), complete=manifest.complete, summary=manifest.summary)


def as_version_1(path: Path) -> Path:
    """Make of a store in the exact form what earlier versions wrote: `manifest.json` lists the shards itself."""
    manifest = read_manifest(path)
    data = json.loads((path / "manifest.json").read_bytes())
    for name in ("parts", "totals", "store_precision"):
        del data[name]
    shards = [entry.model_dump(exclude={"longest"}) for entry in manifest.shards]
    (path / "manifest.json").write_text(json.dumps(data | {"version": 1, "shards": shards}))
    for listed in (*path.glob("index-*"), *path.glob("log-*")):
        listed.unlink()
    return path


def contents(files: Mapping[str, bytes]) -> dict[str, pa.Table]:
    """The shards among the files of a store, without their footers, which say what the store was made of."""
    tables = {name: pq.read_table(pa.BufferReader(data)) for name, data in files.items() if name.startswith("part-")}
    return {name: table.replace_schema_metadata(None) for name, table in tables.items()}
