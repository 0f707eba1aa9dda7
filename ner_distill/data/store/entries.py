"""What a store knows of its shards: an entry each, held as arrays, as a store may have hundreds of thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST = 2**40
"""No number of a shard is above this, so that no sum over shards overflows: an entry may come from anybody."""
MOST_LISTED = 65_536
"""Entries of a file of the index, at most: a small file could else say billions of them."""

Count = Annotated[int, Field(ge=0, le=MOST)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

NUMBERS = np.dtype(
    [(name, np.int64) for name in ("index", "size", "rows", "words", "kept", "blocks", "pairs", "spans", "longest")]
)
"""The numbers of a `ShardEntry`."""

_NAMES: tuple[str, ...] = NUMBERS.names or ()
_COUNTER = "counter "  # what the name of a counter's column begins with
_ABSENT = -1


SHARD_NAME = re.compile(r"part-(\d{5,})\.parquet")


def shard_name(index: int) -> str:
    return f"part-{index:05d}.parquet"


def index_of(name: str) -> int | None:
    """The index of the shard whose file has this name; None for another file."""
    match = SHARD_NAME.fullmatch(name)
    index = int(match[1]) if match else None
    return index if index is not None and shard_name(index) == name else None


class ShardEntry(BaseModel):
    """A whole shard: its file and what is in it.

    kept: words whose `keep` is True. longest: words of the longest row; 0: not known, or no row. counters: the run's
    own figures.
    """

    model_config = ConfigDict(frozen=True)

    index: Count
    name: str
    size: Count
    sha256: Sha256
    rows: Count
    words: Count
    kept: Count
    blocks: Count
    pairs: Count
    spans: Count = 0
    longest: Count = 0
    counters: dict[str, Count] = {}

    @model_validator(mode="after")
    def _name_is_ours(self) -> Self:
        # A manifest may come from anybody: a name that is not exactly ours could lead out of the directory.
        if self.name != shard_name(self.index):
            raise ValueError(f"shard {self.index} must be named {shard_name(self.index)}, found {self.name!r}")
        return self


@dataclass(frozen=True, eq=False)
class Entries(Sequence[ShardEntry]):
    """Entries by ascending index, each once.

    numbers:  (shards,) of dtype `NUMBERS`.
    hashes:   (shards, 32) uint8, the SHA-256 of each file.
    counters: name → (shards,) int64, -1 where a shard does not have it.
    """

    numbers: npt.NDArray[np.void]
    hashes: npt.NDArray[np.uint8]
    counters: dict[str, npt.NDArray[np.int64]]

    @classmethod
    def of(cls, entries: Iterable[ShardEntry]) -> Self:
        """Raises ValueError where two have one index."""
        listed = sorted(entries, key=lambda entry: entry.index)
        numbers = np.array([tuple(getattr(entry, name) for name in _NAMES) for entry in listed], NUMBERS)
        hashes = np.frombuffer(b"".join(bytes.fromhex(entry.sha256) for entry in listed), np.uint8).reshape(-1, 32)
        names = dict.fromkeys(name for entry in listed for name in entry.counters)
        counters = {name: np.array([entry.counters.get(name, _ABSENT) for entry in listed], np.int64) for name in names}
        return cls(numbers, hashes, counters)._checked()

    @classmethod
    def joined(cls, parts: Sequence[Entries]) -> Self:
        """All entries of the parts; of those of one index that of the last part."""
        numbers = np.concatenate([np.zeros(0, NUMBERS), *(part.numbers for part in parts)])
        # of equal indices `unique` gives the first: of the entries from behind
        _, last = np.unique(numbers["index"][::-1], return_index=True)
        chosen = len(numbers) - 1 - last
        hashes = np.concatenate([np.zeros((0, 32), np.uint8), *(part.hashes for part in parts)])
        names = dict.fromkeys(name for part in parts for name in part.counters)
        counters = {
            name: np.concatenate([part.counters.get(name, np.full(len(part), _ABSENT)) for part in parts])[chosen]
            for name in names
        }
        return cls(numbers[chosen], hashes[chosen], counters)

    def taken(self, which: npt.NDArray[np.bool_] | slice) -> Entries:
        """Some of the entries."""
        counters = {name: values[which] for name, values in self.counters.items()}
        known = {name: values for name, values in counters.items() if (values != _ABSENT).any()}
        return Entries(self.numbers[which], self.hashes[which], known)

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, at: int) -> ShardEntry: ...
    @overload
    def __getitem__(self, at: slice) -> Entries: ...
    def __getitem__(self, at: int | slice) -> ShardEntry | Entries:
        if isinstance(at, slice):
            return self.taken(at)
        numbers = dict(zip(_NAMES, self.numbers[at].item(), strict=True))
        counters = {name: int(values[at]) for name, values in self.counters.items() if values[at] != _ABSENT}
        name, sha256 = shard_name(numbers["index"]), self.hashes[at].tobytes().hex()
        return ShardEntry.model_construct(**numbers, name=name, sha256=sha256, counters=counters)

    def __iter__(self) -> Iterator[ShardEntry]:
        return (self[at] for at in range(len(self)))

    def total(self, name: str) -> int:
        """The sum of one of the numbers over all shards."""
        return int(self.numbers[name].sum())

    def summed(self) -> dict[str, int]:
        """The shards' counters, added up; by name, so that they do not tell in which order shards were listed."""
        return {name: int(own[own != _ABSENT].sum()) for name, own in sorted(self.counters.items())}

    def _checked(self) -> Self:
        """Raises ValueError where an index is there twice, out of order, or a number cannot be."""
        counts = self.counters.values()
        if (np.diff(self.numbers["index"]) <= 0).any():
            raise ValueError("shards must be listed once each, in the order of their index")
        for least, values in [*((0, self.numbers[name]) for name in _NAMES), *((_ABSENT, one) for one in counts)]:
            if ((values < least) | (values > MOST)).any():
                raise ValueError(f"a number of a shard is not from 0 to {MOST}")
        return self

    # ---- as a file

    def to_parquet(self) -> pa.Buffer:
        arrays: dict[str, pa.Array] = {name: pa.array(np.ascontiguousarray(self.numbers[name])) for name in _NAMES}
        hashes = pa.py_buffer(np.ascontiguousarray(self.hashes).tobytes())
        arrays["sha256"] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(self), [None, hashes])
        for name in sorted(self.counters):
            values = self.counters[name]
            arrays[_COUNTER + name] = pa.array(values, mask=values == _ABSENT)
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(arrays), sink, compression="zstd", use_dictionary=False)
        return sink.getvalue()

    @classmethod
    def from_parquet(cls, data: bytes) -> Self:
        """Raises ValueError that says what is wrong."""
        try:
            file = pq.ParquetFile(pa.BufferReader(data))
            if file.metadata.num_rows > MOST_LISTED:
                raise ValueError(f"lists {file.metadata.num_rows} shards, expected {MOST_LISTED} at most")
            table = file.read(use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"cannot be read as Parquet: {str(error).splitlines()[0]}") from error
        counters = [name for name in table.column_names if name.startswith(_COUNTER)]
        for name, kind in {**dict.fromkeys([*_NAMES, *counters], pa.int64()), "sha256": pa.binary(32)}.items():
            if name not in table.column_names or table[name].type != kind:
                found = table[name].type if name in table.column_names else "nothing"
                raise ValueError(f"column {name!r} must be {kind}, found {found}")
            if name not in counters and table[name].null_count:
                raise ValueError(f"column {name!r} has empty rows")
        numbers = np.empty(len(table), NUMBERS)
        for name in _NAMES:
            numbers[name] = table[name].to_numpy()
        joined: Any = b"".join(table["sha256"].to_pylist())
        hashes = np.frombuffer(joined, np.uint8).reshape(-1, 32)
        counts = {name.removeprefix(_COUNTER): table[name].fill_null(_ABSENT).to_numpy() for name in counters}
        return cls(numbers, hashes, counts)._checked()
