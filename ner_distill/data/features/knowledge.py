"""Knowledge about words beside what the encoder eats: one featurizer made of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor


class Source(Protocol):
    """One kind of knowledge about the words of a sentence (docs/architecture.md)."""

    def features(self, words: Sequence[str]) -> Any:
        """One sentence; kept by the caller."""
        ...

    def collate(self, batch: Sequence[Any], length: int) -> dict[str, Tensor]:
        """Tensors of a batch whose longest sentence has `length` words; every key begins with the source's name."""
        ...

    def save(self, directory: Path) -> None:
        """Write what loading needs into a run."""
        ...


class Base(Protocol):
    """The featurizer of the encoder itself."""

    def features(self, words: Sequence[str]) -> Any:
        """One sentence."""
        ...

    def size(self, features: Any) -> int:
        """Units that the encoder computes for it."""
        ...

    def collate(self, batch: Sequence[Any]) -> dict[str, Tensor]:
        """A batch, with `mask` (batch, words)."""
        ...


@dataclass(frozen=True, slots=True)
class KnownFeatures:
    """One sentence: what the encoder eats, and each source's features in their order."""

    base: Any
    known: tuple[Any, ...]


class KnowledgeFeaturizer:
    """An encoder's featurizer and the sources beside it."""

    def __init__(self, base: Base, sources: Mapping[str, Source]) -> None:
        self.base, self.sources = base, dict(sources)

    @property
    def counts(self) -> dict[str, int]:
        """What the encoder's featurizer and the sources could not take as it was."""
        parts = (self.base, *self.sources.values())
        return {key: count for part in parts for key, count in getattr(part, "counts", {}).items()}

    def features(self, words: Sequence[str]) -> KnownFeatures:
        """One sentence of words."""
        return KnownFeatures(self.base.features(words), tuple(one.features(words) for one in self.sources.values()))

    def size(self, features: KnownFeatures) -> int:
        """Units that the encoder computes for this sentence."""
        return self.base.size(features.base)

    def collate(self, batch: Sequence[KnownFeatures]) -> dict[str, Tensor]:
        """The encoder's tensors and those of every source."""
        inputs = self.base.collate([features.base for features in batch])
        length = inputs["mask"].shape[1]
        for number, source in enumerate(self.sources.values()):
            inputs |= source.collate([features.known[number] for features in batch], length)
        return inputs
