"""Writing a soft-label store: shard by shard, each whole or not there, resumable at any point.

Shard k always holds what became of the same window of input sentences, so that any shard that is missing
or damaged can be made again alone. Who labels writes the file of a shard (`ShardFiles`, in as many processes as there
are); one process lists it (`StoreWriter`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from ner_distill.data.store.columns import Columns, SoftBlock
from ner_distill.data.store.manifest import (
    MANIFEST,
    SHARD_NAME,
    Manifest,
    ShardEntry,
    StoreHeader,
    is_store,
    read_manifest,
    shard_name,
    write_manifest,
)
from ner_distill.data.store.parquet import to_parquet
from ner_distill.data.store.store import damaged
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
        data = memoryview(to_parquet(columns))
        name = shard_name(index)
        self.place.write(name, data, advice=advice or _AGAIN)
        return ShardEntry(
            index=index,
            name=name,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            kept=int(columns.keep.sum()),
            blocks=len(blocks),
            counters=dict(counters or {}),
            **columns.sizes._asdict(),
        )


_AGAIN = "Finished shards are kept: free some space or mend the cause, then run again with `resume`"


class StoreWriter:
    """A store that is being written; made by `create` or `resume`. Holds no shard between calls.

    files:  writes the shards that are to be added.
    remade: what was found damaged on resuming, one line per shard; these are `needed` again.
    """

    def __init__(self, place: Place, header: StoreHeader, shards: Mapping[int, ShardEntry]) -> None:
        self.place = place
        self.header = header
        self.files = ShardFiles(place, header)
        self.remade: tuple[str, ...] = ()
        self._shards = dict(shards)

    @classmethod
    def create(cls, location: Location, header: StoreHeader, *, overwrite: bool = False) -> Self:
        """Begin an empty store in a place that is new or empty.

        overwrite: replace the store that is there. Only what a store consists of is removed, and only
        from a place that has a store's manifest. Raises RunError where something is in the way.
        """
        place = place_of(location)
        if place.occupied(is_own):
            if not is_store(place):
                raise RunError(f"{place.shown}: in the way, and not a soft-label store: choose another `out`")
            if not overwrite:
                raise RunError(
                    f"{place.shown}: a soft-label store is here already: `resume` goes on with it, `overwrite` "
                    "replaces it, or choose another `out`"
                )
        writer = cls(place, header, {})
        try:
            place.make()
            # The new manifest first: killed from here on, the old shards are leftovers of an empty store.
            writer._write_manifest()
            writer._remove_leftovers()
        except OSError as error:
            raise write_error(place.shown, error) from error
        return writer

    @classmethod
    def resume(cls, location: Location, header: StoreHeader) -> Self:
        """Go on with a store; where there is none yet, begin it.

        Every listed shard is compared with its hash; damaged, missing and unlisted ones are `needed` again.
        Raises RunError where the store was made from other inputs, teachers or settings: both values are named.
        """
        place = place_of(location)
        if not place.occupied(is_own):
            return cls.create(place, header)
        manifest = read_manifest(place)
        if differences := manifest.differences(header):
            listed = "\n".join(f"  - {line}" for line in differences)
            raise RunError(
                f"{place.shown}: this store was made from something else, it cannot be resumed:\n{listed}\n"
                "Use what the store was made with, or choose another `out` (or `overwrite`)"
            )
        problems = damaged(place, manifest.shards, deep=True)
        whole = {shard.index: shard for shard in manifest.shards if shard.name not in problems}
        writer = cls(place, header, whole)
        writer.remade = tuple(f"{name}: {problem}" for name, problem in problems.items())
        try:
            if writer.remade:
                writer._write_manifest()
            writer._remove_leftovers()
        except OSError as error:
            raise write_error(place.shown, error, advice=writer.advice) from error
        return writer

    @property
    def advice(self) -> str:
        """What messages say where a shard could not be written: what is kept, and how to go on."""
        kept = len(self._shards)
        return f"{kept} finished shards are kept: free some space or mend the cause, then run again with `resume`"

    def needed(self, index: int) -> bool:
        return index not in self._shards

    def write_shard(self, index: int, blocks: Sequence[SoftBlock], counters: Mapping[str, int] | None = None) -> None:
        """Write the blocks of input window `index`, and list the shard. Raises as `ShardFiles.write` and `add` do."""
        self._require_needed(index)
        self.add(self.files.write(index, blocks, counters, advice=self.advice))

    def add(self, entry: ShardEntry) -> None:
        """List a shard whose file is whole. Raises ValueError for one that is listed, TrainingError where the disk is
        full: what was listed before is kept.
        """
        self._require_needed(entry.index)
        self._shards[entry.index] = entry
        try:
            self._write_manifest()
        except Exception:  # whatever it was: raised again
            del self._shards[entry.index]  # the file is not listed: it does not count
            raise

    def _require_needed(self, index: int) -> None:
        if not self.needed(index):
            raise ValueError(f"shard {index} is written already: its rows would be doubled")

    def finish(self, total_shards: int) -> Manifest:
        """Call the store complete; its summary is the counters of all shards, added up.

        Raises RunError unless it has exactly the shards 0 to total_shards - 1.
        """
        wrong = sorted(set(range(total_shards)) ^ set(self._shards))
        if wrong:
            shown = ", ".join(map(str, wrong[:10])) + (", ..." if len(wrong) > 10 else "")
            raise RunError(
                f"{self.place.shown}: expected the shards 0 to {total_shards - 1}; missing or too many: {shown}. "
                "Run the same command with `resume`, or with `overwrite` if the input changed"
            )
        return self._write_manifest(complete=True)

    def _write_manifest(self, *, complete: bool = False) -> Manifest:
        manifest = Manifest(
            **dict(self.header),
            tags=TagSet(self.header.labels).tags,
            shards=tuple(self._shards[index] for index in sorted(self._shards)),
            complete=complete,
        )
        if complete:
            manifest = manifest.model_copy(update={"summary": manifest.counters()})
        write_manifest(self.place, manifest, advice=self.advice)
        return manifest

    def _remove_leftovers(self) -> None:
        """Remove what a kill left: half-written files, and shards that the manifest does not list."""
        listed = {shard.name for shard in self._shards.values()}
        for name in self.place.names():
            if SHARD_NAME.fullmatch(name) and name not in listed:
                self.place.remove(name)
        self.place.remove_unfinished(is_own)


def is_own(name: str) -> bool:
    """Is this the name of a file that a store consists of?"""
    return name == MANIFEST or SHARD_NAME.fullmatch(name) is not None
