"""Cutting what is too long into overlapping windows, so that nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """Units `start` to `end` are read together; the results of `take_start` to `take_end` are kept."""

    start: int
    end: int
    take_start: int
    take_end: int


def cut_windows(length: int, limit: int) -> list[Window]:
    """Windows of at most `limit` units over `length`, neighbours overlapping by `limit // 2` or more.

    Each unit is taken from the window in which it stands farthest from an edge that is not the sentence's
    own. One window where the length allows it; none for length 0. Raises ValueError for a limit below 2.
    """
    if limit < 2:
        raise ValueError(f"a window needs room for 2 units, found limit={limit}")
    if length == 0:
        return []
    if length <= limit:
        return [Window(0, length, 0, length)]
    stride = limit - limit // 2
    count = -(-(length - limit) // stride) + 1
    starts = [min(index * stride, length - limit) for index in range(count)]
    ends = [start + limit for start in starts]
    borders = [0, *((following + end) // 2 for following, end in zip(starts[1:], ends, strict=False)), length]
    return [
        Window(start, end, take_start, take_end)
        for start, end, take_start, take_end in zip(starts, ends, borders, borders[1:], strict=False)
    ]


def settled(windows: Sequence[Window], spans: Iterable[tuple[int, int]]) -> list[Window]:
    """The windows of one sentence, so that no entity lies on both sides of a border between what is taken of each.

    spans: the entities, in words (start, end) of the sentence. A border goes to the nearest place, within what the two
    windows share, that no entity crosses; where all places are crossed it stays.
    """
    length = windows[-1].end
    steps = np.zeros(length + 2, dtype=np.int64)
    for start, end in spans:
        steps[start + 1] += 1
        steps[end] -= 1
    crossed = steps.cumsum() > 0
    borders = [0]
    for left, right in pairwise(windows):
        first, last = max(right.start, borders[-1]), left.end
        free = first + np.flatnonzero(~crossed[first : last + 1])
        border = max(right.take_start, borders[-1])
        borders.append(int(free[np.abs(free - border).argmin()]) if len(free) else border)
    takes = zip(borders, [*borders[1:], length], strict=True)
    return [Window(one.start, one.end, *take) for one, take in zip(windows, takes, strict=True)]


def index_windows(lengths: Sequence[int], width: int, limit: int) -> dict[str, Tensor]:
    """How a batch of sentences of these lengths, `width` words wide, is cut into windows of `limit` and put together.

    window_words (windows, limit): the flat index into (batch · width) of each unit, -1 at padding.
    word_window (batch, width): the flat index into (windows · limit) from which each word is taken.
    """
    rows: list[npt.NDArray[np.int64]] = []
    taken = np.zeros((len(lengths), width), dtype=np.int64)
    for row, length in enumerate(lengths):
        for window in cut_windows(length, limit):
            units = np.full(limit, -1, dtype=np.int64)
            units[: window.end - window.start] = row * width + np.arange(window.start, window.end)
            inside = np.arange(window.take_start, window.take_end) - window.start
            taken[row, window.take_start : window.take_end] = len(rows) * limit + inside
            rows.append(units)
    return {"window_words": torch.from_numpy(np.stack(rows)), "word_window": torch.from_numpy(taken)}
