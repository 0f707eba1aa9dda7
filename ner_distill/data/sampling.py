"""Pairs of words, drawn at random: which ones is a function of the words' types and of the generator alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


def sample_pairs(keys: Array, mask: npt.NDArray[np.bool_], pairs: int, rng: np.random.Generator) -> Array:
    """(≤ pairs, 2) flat indices of two different words: half with equal keys, half with different ones.

    keys: (batch, words), 0 = outside every entity. mask: (batch, words), True = may be drawn. Entity words
    are preferred: the first word of a pair is one in half of the draws, and so is the other word of an
    unequal pair. Draws that find no partner (a key that only one word has) are left out.
    """
    words = np.flatnonzero(mask)
    if len(words) < 2 or pairs == 0:
        return np.zeros((0, 2), dtype=np.int64)
    words = words[np.argsort(keys.ravel()[words], kind="stable")]
    values = keys.ravel()[words]
    start = np.searchsorted(values, values, side="left")
    end = np.searchsorted(values, values, side="right")
    outside = int(np.searchsorted(values, 0, side="right"))  # positions below are O, above are entity words
    total = len(words)

    def draw(low: Array | int, high: Array | int) -> Array:
        # rounded down before `low` is added: the sum of the two floats could round up to `high` itself
        drawn: Array = low + (rng.random(pairs) * (np.asarray(high) - low)).astype(np.int64)
        return drawn

    prefer = rng.random(pairs) < 0.5
    first = np.where(prefer & (outside < total), draw(outside, total), draw(0, total))
    size = end[first] - start[first]
    # equal: any other member of the group, counted from the one behind the first
    equal = start[first] + (first - start[first] + 1 + draw(0, np.maximum(size - 1, 1))) % size
    # different: the words outside the group, entity words in half of the draws
    group_in_entities = first >= outside
    entities_left = total - outside - np.where(group_in_entities, size, 0)
    pick_entity = (rng.random(pairs) < 0.5) & (entities_left > 0)
    offset = np.where(pick_entity, outside, 0) + draw(0, np.where(pick_entity, entities_left, total - size))
    different = np.where(offset >= start[first], offset + size, offset)
    different = np.where(pick_entity & ~group_in_entities, offset, different)
    want_equal = np.arange(pairs) % 2 == 0
    second = np.where(want_equal, equal, np.minimum(different, total - 1))
    good = np.where(want_equal, size > 1, total - size > 0)
    return np.stack([words[first], words[second]], axis=1)[good]
