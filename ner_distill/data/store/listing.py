"""Listing the shards of a store that is being written: one more costs the same however many there are.

An entry goes into the latest log, a small file that is written again, whole, for each of its few entries: object stores
cannot append. From time to time what stands in logs becomes a part of the index, and the logs are removed. The order of
writing makes a kill harmless: a part is written before the manifest names it, and the manifest before what it replaces
is removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ner_distill.data.store.entries import MOST_LISTED, Entries, ShardEntry
from ner_distill.data.store.manifest import (
    Manifest,
    Part,
    Scalar,
    StoreHeader,
    log_bytes,
    log_name,
    write_manifest,
)
from ner_distill.data.tagset import TagSet
from ner_distill.places import Place

LOG_ENTRIES = 64
"""Entries of a log: so many lines are written again for one more."""
LOGS = 64
"""Logs that become a part of the index."""
PART_ENTRIES = MOST_LISTED
"""Entries of a part of the index of a finished store."""


class Listing:
    """The lists of a store. `entries` are those in parts of the index; `add` lists more."""

    def __init__(self, place: Place, header: StoreHeader, entries: Entries, parts: tuple[Part, ...] = ()) -> None:
        self.place, self.header, self.entries, self.parts = place, header, entries, parts
        self._fingerprint = header.fingerprint()
        self._logged: list[ShardEntry] = []  # in logs, in the order of their listing
        self._logs = 0

    def add(self, entry: ShardEntry, *, advice: str = "") -> None:
        """List a shard. Raises as `Place.write` does; then it is not listed."""
        latest = [*self._logged[self._logs * LOG_ENTRIES :], entry]
        self.place.write(log_name(self._logs), log_bytes(self._fingerprint, latest), advice=advice)
        self._logged.append(entry)
        self._logs = len(self._logged) // LOG_ENTRIES
        if self._logs == LOGS:
            part = self._write_part(Entries.of(self._logged), advice)
            self._commit(self.all(), (*self.parts, part), advice=advice)

    def all(self) -> Entries:
        """All entries, those in logs as well."""
        return Entries.joined([self.entries, Entries.of(self._logged)])

    def rewrite(
        self, entries: Entries, *, complete: bool = False, summary: Mapping[str, Scalar] | None = None, advice: str = ""
    ) -> Manifest:
        """List these entries and no others, in parts that are a function of them alone."""
        starts = range(0, len(entries), PART_ENTRIES)
        parts = tuple(self._write_part(entries[start : start + PART_ENTRIES], advice) for start in starts)
        return self._commit(entries, parts, complete=complete, summary=summary, advice=advice)

    def _write_part(self, entries: Entries, advice: str) -> Part:
        data = memoryview(entries.to_parquet())
        sha256 = hashlib.sha256(data).hexdigest()
        name = f"index-{sha256[:16]}.parquet"
        self.place.write(name, data, advice=advice)
        return Part(name=name, size=len(data), sha256=sha256, shards=len(entries))

    def _commit(
        self,
        entries: Entries,
        parts: tuple[Part, ...],
        *,
        complete: bool = False,
        summary: Mapping[str, Scalar] | None = None,
        advice: str = "",
    ) -> Manifest:
        """Make the manifest name these parts, and remove what it no longer names."""
        manifest = Manifest(
            **dict(self.header),
            tags=TagSet(self.header.labels).tags,
            shards=entries,
            parts=parts,
            complete=complete,
            summary=dict(summary or {}),
        )
        write_manifest(self.place, manifest, advice=advice)
        logs = -(-len(self._logged) // LOG_ENTRIES)
        replaced = {part.name for part in self.parts}.difference(part.name for part in parts)
        self.entries, self.parts, self._logged, self._logs = entries, parts, [], 0
        for name in (*map(log_name, range(logs)), *replaced):
            self.place.remove(name)
        return manifest
