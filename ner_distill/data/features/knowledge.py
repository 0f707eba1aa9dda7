"""Knowledge about words beside what the encoder eats: one featurizer made of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ner_distill.data.features.base import Featurizer, Source


@dataclass(frozen=True, slots=True)
class KnownFeatures:
    """One sentence: what the encoder eats, and each source's features in their order."""

    base: Any
    known: tuple[Any, ...]


class KnowledgeFeaturizer(Featurizer[KnownFeatures]):
    """An encoder's featurizer and the sources beside it."""

    def __init__(self, base: Featurizer[Any], sources: Mapping[str, Source[Any]]) -> None:
        self.base, self.sources = base, dict(sources)

    @property
    def counts(self) -> dict[str, int]:
        parts = (self.base, *self.sources.values())
        return {key: count for part in parts for key, count in part.counts.items()}

    def features(self, words: Sequence[str]) -> KnownFeatures:
        return KnownFeatures(
            self.base.features(words), tuple(source.features(words) for source in self.sources.values())
        )

    def size(self, features: KnownFeatures) -> int:
        return self.base.size(features.base)

    def in_windows(self, features: KnownFeatures) -> bool:
        return self.base.in_windows(features.base)

    def innermost(self) -> Featurizer[Any]:
        return self.base.innermost()

    def collate(self, batch: Sequence[KnownFeatures]) -> dict[str, Tensor]:
        """The encoder's tensors and those of every source."""
        inputs = self.base.collate([features.base for features in batch])
        length = inputs["mask"].shape[1]
        for number, source in enumerate(self.sources.values()):
            inputs |= source.collate([features.known[number] for features in batch], length)
        return inputs
