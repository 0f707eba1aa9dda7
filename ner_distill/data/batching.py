"""Batches: sentences of like length together, a budget of words, and sampled pairs of words.

Which sentences make a batch is a function of the seed and the epoch alone; so is what is drawn inside a
batch. That is what lets a resumed training repeat exactly what it would have done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

T = TypeVar("T")
Array = npt.NDArray[np.int64]
Numbers = Sequence[int] | npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Batch:
    """Tensors of a few sentences; what is not known is None.

    inputs:        what the featurizer collated (see there).
    mask:          (batch, words) bool, True = a word.
    tags:          (batch, words) long, gold tag ids; 0 at padding. Of entities that overlap, the longest.
    spans:         (spans, 4) long, all gold entities: row, first word, end (half-open), type. A plain tensor: what a
                   span head learns from is `Spans(batch.spans)` of `nn.heads`.
    keep:          (batch, words) bool, False where a word must not count in the loss.
    negative:      (batch, words) bool, True = surely of no entity; None: nothing is known.
    weight:        (batch,) float32, of each sentence in the loss of its gold labels; None: 1.
    probs:         (batch, words, tags) float32, the teacher's probabilities; 0 at padding.
    span_probs:    (batch, types, words, words) float32, the teacher's probability that the words i to j, both
                   inclusive, are an entity; 0 where they cannot be.
    pairs:         (pairs, 2) long, flat indices row · words + word.
    pair_targets:  (pairs,) float32, gold 0/1 or the teacher's similarity.
    """

    inputs: dict[str, Tensor]
    mask: Tensor
    tags: Tensor | None = None
    spans: Tensor | None = None
    keep: Tensor | None = None
    negative: Tensor | None = None
    weight: Tensor | None = None
    probs: Tensor | None = None
    span_probs: Tensor | None = None
    pairs: Tensor | None = None
    pair_targets: Tensor | None = None

    @property
    def kept(self) -> Tensor:
        """(batch, words) bool: the words whose labels count."""
        return self.mask if self.keep is None else self.mask & self.keep

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return self._each(lambda value: value.to(device, non_blocking=True))

    def pinned(self) -> Batch:
        """The same batch in memory that is copied to a GPU while that computes. For where there is one."""
        return self._each(torch.Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors = {name: value for name, value in vars(self).items() if torch.is_tensor(value)}
        inputs = {key: change(value) for key, value in self.inputs.items()}
        return dataclasses.replace(self, inputs=inputs, **{name: change(value) for name, value in tensors.items()})


def plan_batches(sizes: Sequence[int], *, budget: int, seed: int | None, epoch: int = 0) -> list[list[int]]:
    """Indices of the batches of one epoch: like sizes together, rows · longest row ≤ budget.

    With a seed the order is shuffled: sizes are jittered before sorting, so that batches differ
    between epochs, and the batches come in random order. Without, batches go from long to short, the
    order in which running out of memory shows first. A row beyond the budget is a batch of its own.
    """
    lengths = np.asarray(sizes, dtype=np.float64)
    if seed is None:
        order = np.argsort(-lengths, kind="stable")
    else:
        order = np.argsort(-jittered(lengths, np.random.default_rng([seed, epoch, 0])), kind="stable")
    batches = fill_batches(order.tolist(), sizes, budget)
    if seed is not None:
        shuffled = np.random.default_rng([seed, epoch, 1]).permutation(len(batches))
        batches = [batches[index] for index in shuffled]
    return batches


def jittered(lengths: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Adds random noise to lengths, so that sorting by them gives other batches of similar length in each epoch."""
    changed: npt.NDArray[np.float64] = lengths * rng.uniform(0.9, 1.1, len(lengths)) + rng.uniform(0, 2, len(lengths))
    return changed


def fill_batches(order: Iterable[int], lengths: Numbers, budget: float, rows: Numbers | None = None) -> list[list[int]]:
    """Items in this order → batches of at most `budget` words, padding included; a larger item is alone.

    lengths: of the longest row of each item. rows: how many rows it has; None: one each.
    """
    batches: list[list[int]] = []
    held = longest = 0
    for index in order:
        more, length = 1 if rows is None else int(rows[index]), int(lengths[index])
        if not batches or max(longest, length) * (held + more) > budget:
            batches.append([])
            held = longest = 0
        batches[-1].append(index)
        held, longest = held + more, max(longest, length)
    return batches


def interleaved(first: Sequence[T], second: Sequence[T]) -> list[T]:
    """Merges two lists, keeping each one's order: items of `second` are spread evenly among those of `first`, and
    `first` comes first.
    """
    placed = [(index / len(first), item) for index, item in enumerate(first)]
    placed += [((index + 0.5) / len(second), item) for index, item in enumerate(second)]
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def units_per_word(sentences: Iterable[Sequence[str]], featurizer: Any) -> float:
    """What an encoder computes for a word on average, in these sentences."""
    words = units = 0
    for sentence in sentences:
        words += len(sentence)
        units += featurizer.size(featurizer.features(sentence))
    return max(units / max(words, 1), 1e-3)


def pad_rows(rows: Sequence[Numbers], width: int) -> Tensor:
    """(rows, width) long, zeros at the end."""
    padded = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)
