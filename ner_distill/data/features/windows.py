"""Cutting what is too long into overlapping windows, so that nothing is lost; exported models cut in the same way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ner_distill.tagger import Window, cut_at_words, cut_windows, settled

__all__ = ["Window", "cut_at_words", "cut_windows", "index_windows", "settled"]


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
