"""What a featurizer is, which makes the tensors of one kind of encoder; and what a source of knowledge beside it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor

from ner_distill.data.features.windows import Window

F = TypeVar("F")


class Part(ABC, Generic[F]):
    """Makes something of the words of a sentence, once: its features, of type F. The caller keeps them."""

    @abstractmethod
    def features(self, words: Sequence[str]) -> F:
        """One sentence."""

    def features_of(self, sentences: Sequence[Sequence[str]]) -> list[F]:
        """Several sentences: what `features` says of each, where that is faster than one by one."""
        return [self.features(words) for words in sentences]

    def training_features(self, words: Sequence[str]) -> F:
        """One sentence that a model is trained on: where knowledge was made of it, without what it says itself."""
        return self.features(words)

    @abstractmethod
    def cut(self, features: F, start: int, end: int) -> F:
        """What the features of a sentence say of its words `start` to `end`: those of a window."""

    def save(self, directory: Path) -> None:
        """Write what loading needs into a run; nothing by default."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What could not be taken as it was, by reason, over all calls of `features`."""
        return {}


class Featurizer(Part[F]):
    """Words → the tensors of an encoder."""

    @abstractmethod
    def size(self, features: F) -> int:
        """Units that the encoder computes for a sentence."""

    @abstractmethod
    def collate(self, batch: Sequence[F]) -> dict[str, Tensor]:
        """The tensors of a batch, `mask` (batch, words) bool among them, True = the word exists."""

    def segments(self, batch: Sequence[F], firsts: Sequence[int]) -> dict[str, Tensor]:
        """More tensors of a batch, of sentences whose first so many words are a part of their own; none by default."""
        return {}

    @abstractmethod
    def windows(self, features: F, *, reserved: int = 0) -> Sequence[Window]:
        """The windows, in words, in which a sentence that is too long for the encoder is read; else the one of all.

        reserved: so many units of a window are something else's; half of a window is left whatever that is.
        """

    def in_windows(self, features: F) -> bool:
        """Is the sentence too long for the encoder, so that it is read in more than one window?"""
        return len(self.windows(features)) > 1

    def innermost(self) -> Featurizer[Any]:
        """The featurizer of the encoder itself: this one, unless it wraps another."""
        return self


class Source(Part[F]):
    """One kind of knowledge about the words of a sentence, beside the input of the encoder."""

    @abstractmethod
    def collate(self, batch: Sequence[F], length: int) -> dict[str, Tensor]:
        """Tensors of a batch whose longest sentence has `length` words; every key begins with the source's name."""
