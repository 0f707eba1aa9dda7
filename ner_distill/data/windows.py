"""Cutting what is too long into overlapping windows, so that nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass


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
