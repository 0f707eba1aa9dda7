"""Pairs of a store, drawn again: where they are a function of what is stored, only their similarities are kept."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ner_distill.data.sampling import sample_pairs
from ner_distill.data.store.columns import PAIR, Lists

MOST = 10_000
"""Draws for a sentence: of a store that says more, pairs are stored, so that none can ask for endless memory."""
MOST_CELLS = 2**26
"""Words of a block, padded, and draws for it: no batch that was labelled comes near."""


class DrawnOtherwise(ValueError):
    """The pairs of a shard, drawn again, are not those that were compared: nothing is damaged that could be mended."""

    def __init__(self) -> None:
        super().__init__(
            f"its pairs, drawn again with numpy {np.__version__}, are not those that were compared. Read the store "
            "with the versions of numpy and of this program that wrote it, or label the text again with `overwrite`"
        )


@dataclass(frozen=True)
class Drawing:
    """How whoever labels draws the pairs of a shard: see `generator` and `sample_pairs`.

    per_sentence: so many draws for each sentence of a block.
    """

    seed: int
    shard: int
    per_sentence: int

    @classmethod
    def of(cls, settings: Mapping[str, object], shard: int) -> Drawing | None:
        """Of a shard of a store with such settings; None where they do not say."""
        seed, number = settings.get("seed"), settings.get("pairs_per_sentence")
        if not isinstance(seed, int) or not isinstance(number, int) or seed < 0 or not 0 <= number <= MOST:
            return None
        return cls(seed, shard, number)

    def generator(self, batch: int) -> np.random.Generator:
        """What draws the pairs of a batch, block by block."""
        # PCG64 by its name: numpy keeps the numbers of each of its generators, and may make another one the default
        return np.random.Generator(np.random.PCG64([self.seed, self.shard, batch]))

    def pairs(
        self,
        best: npt.NDArray[np.integer],
        offsets: npt.NDArray[np.int64],
        blocks: npt.NDArray[np.int32],
        batches: npt.NDArray[np.int32],
    ) -> Lists:
        """The pairs of all blocks that have a batch, of dtype `PAIR` with similarity 0, sorted by row.

        best: (words,) the most probable tag. offsets: (rows + 1,), where the words of each row begin. blocks: (rows,).
        batches: (rows,), the batch of the row's block; -1: there is none.
        Raises ValueError for a block that takes more than any that was labelled: what is read may come from anybody.
        """
        keys, lengths = (best.astype(np.int64) + 1) // 2, np.diff(offsets)
        firsts = np.flatnonzero(np.diff(blocks, prepend=-1))
        found = [np.zeros((0, 4), np.int64)]
        latest, generator = -1, self.generator(0)
        for first, end in pairwise([*firsts.tolist(), len(blocks)]):
            batch = int(batches[first])
            if batch < 0:
                latest = -1
                continue
            if batch != latest:
                latest, generator = batch, self.generator(batch)
            width = int(lengths[first:end].max())
            if max(width, self.per_sentence) * (end - first) > MOST_CELLS:
                raise ValueError(f"a block of {end - first} sentences, the longest of {width} words: too large")
            mask = np.arange(width) < lengths[first:end, None]
            table = np.zeros(mask.shape, np.int64)
            table[mask] = keys[offsets[first] : offsets[end]]
            drawn = sample_pairs(table, mask, self.per_sentence * (end - first), generator)
            row, word = np.divmod(drawn, max(width, 1))
            found.append(np.stack([row[:, 0] + first, word[:, 0], row[:, 1], word[:, 1]], axis=1))
        every = np.concatenate(found)
        every = every[np.argsort(every[:, 0], kind="stable")]
        pairs = np.zeros(len(every), PAIR)
        pairs["word"], pairs["other_row"], pairs["other_word"] = every[:, 1:].T
        return Lists(np.searchsorted(every[:, 0], np.arange(len(blocks) + 1)), pairs)


def checksum(pairs: Lists) -> int:
    """A number that tells whether pairs are the same, whatever their similarities.

    Whatever draws them (numpy's generators, too) might draw others one day: then they must not be taken for the same.
    """
    names = ("word", "other_row", "other_word")
    flat = np.stack([pairs.rows, *(pairs.values[name] for name in names)]).astype("<i4")
    return zlib.crc32(flat.tobytes())


def drawn_alike(pairs: Lists, again: Lists, blocks: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """(rows,): are the pairs of the row's block the same in both, whatever their similarities?"""
    rows = len(blocks)
    counts = np.diff(pairs.offsets) == np.diff(again.offsets)
    same = np.ones(rows, np.bool_)
    if counts.all():
        names = ("word", "other_row", "other_word")
        differs = np.any([pairs.values[name] != again.values[name] for name in names], axis=0)
        same[pairs.rows[differs]] = False
    else:
        for row in range(rows):
            mine, its = (one.values[one.offsets[row] : one.offsets[row + 1]] for one in (pairs, again))
            same[row] = len(mine) == len(its) and all(
                (mine[name] == its[name]).all() for name in ("word", "other_row", "other_word")
            )
    number = int(blocks[-1]) + 1 if rows else 0
    wrong = np.bincount(blocks[~same], minlength=number) > 0
    alike: npt.NDArray[np.bool_] = ~wrong[blocks]
    return alike
