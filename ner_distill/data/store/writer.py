"""Writing a soft-label store: shard by shard, each whole or not there, resumable at any point.

Shard k always holds what became of the same window of input sentences, so that any shard that is missing
or damaged can be made again alone. Who labels writes the file of a shard (`ShardFiles`, in as many processes as there
are); one process lists it (`StoreWriter`). A whole file that is not listed yet is found again by what its footer says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from ner_distill.data.store.columns import Columns, SoftBlock
from ner_distill.data.store.entries import SHARD_NAME, Entries, ShardEntry, index_of, shard_name
from ner_distill.data.store.listing import Listing
from ner_distill.data.store.manifest import (
    INDEX_NAME,
    LOG_NAME,
    MANIFEST,
    Manifest,
    StoreHeader,
    is_store,
    read_manifest,
)
from ner_distill.data.store.parquet import read_columns, read_facts, to_parquet
from ner_distill.data.store.store import HASHED, damaged
from ner_distill.data.tagset import TagSet
from ner_distill.errors import RunError, TrainingError
from ner_distill.files import write_error
from ner_distill.places import Location, Place, place_of


@dataclass(frozen=True)
class ShardFiles:
    """Writes the files of shards; can be pickled and given to another process. The store does not list them yet."""

    place: Place
    header: StoreHeader

    def write(
        self, index: int, blocks: Sequence[SoftBlock], counters: Mapping[str, int] | None = None, *, advice: str = ""
    ) -> ShardEntry:
        """Write the blocks of input window `index`. Returns what the store's manifest is to say of it.

        No blocks are fine: a window whose sentences were all dropped. advice: as of `Place.write`.
        Raises ValueError for shapes that are not those of `SoftRow`; TrainingError where the teacher gave no
        probabilities (NaN, negative) or there is no room.
        """
        with_spans = self.header.span_floor is not None
        columns = Columns.from_blocks(blocks, len(TagSet(self.header.labels)), spans=with_spans)
        try:
            columns.check()
        except ValueError as error:
            raise TrainingError(
                f"{self.place.shown}: shard {index} cannot be stored: {error}. {advice or _AGAIN}"
            ) from error
        data = memoryview(to_parquet(columns, self.header, index, counters or {}))
        self.place.write(shard_name(index), data, advice=advice or _AGAIN)
        return _entry(index, data, columns, counters or {})

    def found(self, name: str) -> ShardEntry | None:
        """What the manifest is to say of a file that lies there; None where it is not a whole shard of this store."""
        try:
            data = self.place.read(name)
            facts = read_facts(data)
            if facts.header != self.header.fingerprint() or name != shard_name(facts.index):
                return None
            columns = read_columns(data, self.header, facts.index)
        except (OSError, ValueError):
            return None
        return _entry(facts.index, memoryview(data), columns, facts.counters)


def _entry(index: int, data: memoryview, columns: Columns, counters: Mapping[str, int]) -> ShardEntry:
    return ShardEntry(
        index=index,
        name=shard_name(index),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        kept=int(columns.keep.sum()),
        blocks=int(columns.blocks[-1]) + 1 if len(columns.blocks) else 0,
        longest=columns.longest,
        counters=dict(counters),
        **columns.sizes._asdict(),
    )


NOUN = "soft-label store"
_AGAIN = "Finished shards are kept: free some space or mend the cause, then run again with `resume`"


class StoreWriter:
    """A store that is being written; made by `create` or `resume`. Holds no shard between calls.

    files:  writes the shards that are to be added.
    remade: what was found damaged on resuming, one line per shard; these are `needed` again.
    """

    def __init__(self, place: Place, header: StoreHeader, manifest: Manifest | None = None) -> None:
        """manifest: what is there already; None: nothing."""
        self.place = place
        self.header = header
        self.files = ShardFiles(place, header)
        self.remade: tuple[str, ...] = ()
        self._finished = manifest if manifest is not None and manifest.complete else None
        entries = manifest.shards if manifest is not None else Entries.of(())
        self._listing = Listing(place, header, entries, manifest.parts if manifest is not None else ())
        self._known: set[int] = set(entries.numbers["index"].tolist())

    @classmethod
    def create(cls, location: Location, header: StoreHeader, *, overwrite: bool = False) -> Self:
        """Begin an empty store in a place that is new or empty.

        overwrite: replace the store that is there. Only what a store consists of is removed, and only
        from a place that has a store's manifest. Raises RunError where something is in the way.
        """
        place = place_of(location)
        _require_free(place, overwrite=overwrite)
        try:
            place.make()
        except OSError as error:
            raise write_error(place.shown, error) from error
        place.hold(NOUN)
        _require_free(place, overwrite=overwrite)  # another process may have been faster
        writer = cls(place, header)
        try:
            # The old shards first: `resume` takes in whole ones that no list names, and what is replaced may differ in
            # what no header says (the longest sentence that is read).
            for name in filter(SHARD_NAME.fullmatch, place.names()):
                place.remove(name)
            writer._listing.rewrite(Entries.of(()), advice=writer.advice)
            writer._remove_leftovers()
        except OSError as error:
            raise write_error(place.shown, error) from error
        return writer

    @classmethod
    def resume(cls, location: Location, header: StoreHeader, *, verify: bool = False) -> Self:
        """Go on with a store; where there is none yet, begin it.

        Every listed shard must be there and have its size, and its hash where the store has at most `HASHED` bytes;
        damaged and missing ones are `needed` again. Files that are whole and not listed yet are taken in.
        verify: compare hashes, however large the store is.
        Raises RunError where the store was made from other inputs, teachers or settings: both values are named.
        """
        place = place_of(location)
        if not place.occupied(is_own):
            return cls.create(place, header)
        place.hold(NOUN)
        manifest = read_manifest(place)
        if differences := manifest.differences(header):
            listed = "\n".join(f"  - {line}" for line in differences)
            raise RunError(
                f"{place.shown}: this store was made from something else, it cannot be resumed:\n{listed}\n"
                "Use what the store was made with, or choose another `out` (or `overwrite`)"
            )
        sizes = place.names()
        problems = damaged(place, manifest.shards, sizes, deep=verify or manifest.total("size") <= HASHED)
        writer = cls(place, header, manifest)
        writer.remade = tuple(f"{shard_name(index)}: {problem}" for index, problem in problems.items())
        try:
            if problems or not manifest.complete:
                writer._take_up(manifest.shards, list(problems), sizes)
            writer._remove_leftovers()
        except OSError as error:
            raise write_error(place.shown, error, advice=writer.advice) from error
        return writer

    def _take_up(self, entries: Entries, damaged_ones: Sequence[int], names: Mapping[str, int]) -> None:
        """Go on from these entries without the damaged ones, and with files that are whole and not listed."""
        whole = entries.taken(~np.isin(entries.numbers["index"], damaged_ones))
        unlisted = sorted(name for name in names if (index := index_of(name)) is not None and index not in self._known)
        found = [entry for entry in map(self.files.found, unlisted) if entry is not None]
        every = Entries.joined([whole, Entries.of(found)])
        self._known, self._finished = set(every.numbers["index"].tolist()), None
        self._listing.rewrite(every, advice=self.advice)

    @property
    def advice(self) -> str:
        """What messages say where a shard could not be written: what is kept, and how to go on."""
        kept = len(self._known)
        return f"{kept} finished shards are kept: free some space or mend the cause, then run again with `resume`"

    def needed(self, index: int) -> bool:
        return index not in self._known

    def write_shard(self, index: int, blocks: Sequence[SoftBlock], counters: Mapping[str, int] | None = None) -> None:
        """Write the blocks of input window `index`, and list the shard. Raises as `ShardFiles.write` and `add` do."""
        self._require_needed(index)
        self.add(self.files.write(index, blocks, counters, advice=self.advice))

    def add(self, entry: ShardEntry) -> None:
        """List a shard whose file is whole. Raises ValueError for one that is listed, TrainingError where the disk is
        full: what was listed before is kept.
        """
        self._require_needed(entry.index)
        self._listing.add(entry, advice=self.advice)
        self._known.add(entry.index)

    def _require_needed(self, index: int) -> None:
        if not self.needed(index):
            raise ValueError(f"shard {index} is written already: its rows would be doubled")

    def finish(self, total_shards: int) -> Manifest:
        """Call the store complete; its summary is the counters of all shards, added up.

        Raises RunError unless it has exactly the shards 0 to total_shards - 1, and their files are there: another
        command that writes to the same store may have taken those that were not listed yet for leftovers.
        """
        wrong = sorted(set(range(total_shards)) ^ self._known)
        if wrong:
            shown = ", ".join(map(str, wrong[:10])) + (", ..." if len(wrong) > 10 else "")
            raise RunError(
                f"{self.place.shown}: expected the shards 0 to {total_shards - 1}; missing or too many: {shown}. "
                "Run the same command with `resume`, or with `overwrite` if the input changed"
            )
        if self._finished is None:
            every = self._listing.all()
            if gone := damaged(self.place, every, self.place.names(), deep=False):
                index, problem = next(iter(gone.items()))
                raise RunError(
                    f"{self.place.shown}/{shard_name(index)}: {problem} ({len(gone)} such shards). Does another "
                    "command write to this store? Let one do so at a time, and run it again with `resume`"
                )
            self._finished = self._listing.rewrite(every, complete=True, summary=every.summed(), advice=self.advice)
        return self._finished

    def _remove_leftovers(self) -> None:
        """Remove what a kill left: half-written files, shards that are not listed, and lists that do not count."""
        named = {MANIFEST, *(part.name for part in self._listing.parts)}
        for name in self.place.names():
            if is_own(name) and name not in named and index_of(name) not in self._known:
                self.place.remove(name)
        self.place.remove_unfinished(is_own)


def _require_free(place: Place, *, overwrite: bool) -> None:
    """Raise RunError where something is in the way of a new store."""
    if not place.occupied(is_own):
        return
    if not is_store(place):
        raise RunError(f"{place.shown}: in the way, and not a soft-label store: choose another `out`")
    if not overwrite:
        raise RunError(
            f"{place.shown}: a soft-label store is here already: `resume` goes on with it, `overwrite` "
            "replaces it, or choose another `out`"
        )


def files_of_store(store: Path | str | None) -> list[Path]:
    """The files of a store that lies on this machine; none of a URL, and none where there is no store."""
    if not isinstance(store, Path) or not store.is_dir():
        return []
    return [path for path in store.iterdir() if is_own(path.name)]


def is_own(name: str) -> bool:
    """Is this the name of a file that a store consists of?"""
    return name == MANIFEST or any(one.fullmatch(name) for one in (SHARD_NAME, INDEX_NAME, LOG_NAME))
