"""Writing a soft-label store: shard by shard, each whole or not there, resumable at any point.

Shard k always holds what became of the same window of input sentences, so that any shard that is missing
or damaged can be made again alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
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
from ner_distill.data.store.store import damage
from ner_distill.data.tagset import TagSet
from ner_distill.errors import RunError, TrainingError
from ner_distill.files import atomic_write_bytes, temporary_files, write_error


class StoreWriter:
    """A store that is being written; made by `create` or `resume`. Holds no shard between calls.

    remade: what was found damaged on resuming, one line per shard; these are `needed` again.
    """

    def __init__(self, path: Path, header: StoreHeader, shards: Mapping[int, ShardEntry]) -> None:
        self.path = path
        self.header = header
        self.remade: tuple[str, ...] = ()
        self._shards = dict(shards)

    @classmethod
    def create(cls, path: Path | str, header: StoreHeader, *, overwrite: bool = False) -> Self:
        """Begin an empty store in a directory that is new or empty.

        overwrite: replace the store that is there. Only what a store consists of is removed, and only
        from a directory that has a store's manifest. Raises RunError where something is in the way.
        """
        path = Path(path)
        if _is_occupied(path):
            if not is_store(path):
                raise RunError(f"{path}: in the way, and not a soft-label store: choose another `out`")
            if not overwrite:
                raise RunError(
                    f"{path}: a soft-label store is here already: `resume` goes on with it, `overwrite` replaces it, "
                    "or choose another `out`"
                )
        writer = cls(path, header, {})
        try:
            path.mkdir(parents=True, exist_ok=True)
            # The new manifest first: killed from here on, the old shards are leftovers of an empty store.
            writer._write_manifest()
            writer._remove_leftovers()
        except OSError as error:
            raise write_error(path, error) from error
        return writer

    @classmethod
    def resume(cls, path: Path | str, header: StoreHeader) -> Self:
        """Go on with a store; where there is none yet, begin it.

        Every listed shard is compared with its hash; damaged, missing and unlisted ones are `needed` again.
        Raises RunError where the store was made from other inputs, teachers or settings: both values are named.
        """
        path = Path(path)
        if not _is_occupied(path):
            return cls.create(path, header)
        manifest = read_manifest(path)
        if differences := manifest.differences(header):
            listed = "\n".join(f"  - {line}" for line in differences)
            raise RunError(
                f"{path}: this store was made from something else, it cannot be resumed:\n{listed}\n"
                "Use what the store was made with, or choose another `out` (or `overwrite`)"
            )
        problems = {shard.index: damage(path, shard, deep=True) for shard in manifest.shards}
        whole = {shard.index: shard for shard in manifest.shards if not problems[shard.index]}
        writer = cls(path, header, whole)
        writer.remade = tuple(f"{shard_name(index)}: {problem}" for index, problem in problems.items() if problem)
        try:
            if writer.remade:
                writer._write_manifest()
            writer._remove_leftovers()
        except OSError as error:
            raise write_error(path, error, advice=writer._advice()) from error
        return writer

    def needed(self, index: int) -> bool:
        return index not in self._shards

    def write_shard(self, index: int, blocks: Sequence[SoftBlock], counters: Mapping[str, int] | None = None) -> None:
        """Write the blocks of input window `index`, then list the shard in the manifest.

        No blocks are fine: a window whose sentences were all dropped. Raises ValueError for shapes that are
        not those of `SoftRow` and for a shard that is there; TrainingError where the teacher gave no
        probabilities (NaN, negative) or the disk is full; what was written before is kept.
        """
        if not self.needed(index):
            raise ValueError(f"shard {index} is written already: its rows would be doubled")
        with_spans = self.header.span_floor is not None
        columns = Columns.from_blocks(blocks, len(TagSet(self.header.labels)), spans=with_spans)
        try:
            columns.check()
        except ValueError as error:
            raise TrainingError(f"{self.path}: shard {index} cannot be stored: {error}. {self._advice()}") from error
        data = memoryview(to_parquet(columns))
        name = shard_name(index)
        atomic_write_bytes(self.path / name, data, advice=self._advice())
        self._shards[index] = ShardEntry(
            index=index,
            name=name,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            kept=int(columns.keep.sum()),
            blocks=len(blocks),
            counters=dict(counters or {}),
            **columns.sizes._asdict(),
        )
        try:
            self._write_manifest()
        except Exception:  # whatever it was: raised again
            del self._shards[index]  # the file is not listed: it does not count
            raise

    def finish(self, total_shards: int) -> Manifest:
        """Call the store complete; its summary is the counters of all shards, added up.

        Raises RunError unless it has exactly the shards 0 to total_shards - 1.
        """
        wrong = sorted(set(range(total_shards)) ^ set(self._shards))
        if wrong:
            shown = ", ".join(map(str, wrong[:10])) + (", ..." if len(wrong) > 10 else "")
            raise RunError(
                f"{self.path}: expected the shards 0 to {total_shards - 1}; missing or too many: {shown}. "
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
        write_manifest(self.path, manifest, advice=self._advice())
        return manifest

    def _remove_leftovers(self) -> None:
        """Remove what a kill left: half-written files, and shards that the manifest does not list."""
        listed = {shard.name for shard in self._shards.values()}
        unlisted = [path for path in self.path.iterdir() if SHARD_NAME.fullmatch(path.name) and path.name not in listed]
        for path in [*unlisted, *_half_written(self.path)]:
            path.unlink()

    def _advice(self) -> str:
        kept = len(self._shards)
        return f"{kept} finished shards are kept: free some space or mend the cause, then run again with `resume`"


def _half_written(directory: Path) -> list[Path]:
    names = temporary_files(directory)
    return [path for path, name in names.items() if name == MANIFEST or SHARD_NAME.fullmatch(name)]


def _is_occupied(path: Path) -> bool:
    """Is something here that is not just a store's own half-written manifest?"""
    if not path.is_dir():
        return path.exists()
    return bool({*path.iterdir()} - {*_half_written(path)})
