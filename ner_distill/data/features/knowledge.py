"""Knowledge about words beside the input of the encoder: one featurizer made of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ner_distill.data.features.base import Featurizer, Part, Source
from ner_distill.data.features.windows import Window


class KnowledgeFeaturizer(Featurizer[tuple[Any, ...]]):
    """An encoder's featurizer and the sources beside it: the features of the encoder, then of each source."""

    def __init__(self, base: Featurizer[Any], sources: Mapping[str, Source[Any]]) -> None:
        self.base, self.sources = base, dict(sources)

    @property
    def counts(self) -> dict[str, int]:
        parts = (self.base, *self.sources.values())
        return {key: count for part in parts for key, count in part.counts.items()}

    def features(self, words: Sequence[str]) -> tuple[Any, ...]:
        return self.base.features(words), *(source.features(words) for source in self.sources.values())

    def features_of(self, sentences: Sequence[Sequence[str]]) -> list[tuple[Any, ...]]:
        parts: tuple[Part[Any], ...] = (self.base, *self.sources.values())
        return list(zip(*(part.features_of(sentences) for part in parts), strict=True))

    def training_features(self, words: Sequence[str]) -> tuple[Any, ...]:
        sources = self.sources.values()
        return self.base.training_features(words), *(source.training_features(words) for source in sources)

    def size(self, features: tuple[Any, ...]) -> int:
        return self.base.size(features[0])

    def segments(self, batch: Sequence[tuple[Any, ...]], firsts: Sequence[int]) -> dict[str, Tensor]:
        return self.base.segments([features[0] for features in batch], firsts)

    def cut(self, features: tuple[Any, ...], start: int, end: int) -> tuple[Any, ...]:
        parts: tuple[Part[Any], ...] = (self.base, *self.sources.values())
        return tuple(part.cut(own, start, end) for part, own in zip(parts, features, strict=True))

    def windows(self, features: tuple[Any, ...], *, reserved: int = 0) -> Sequence[Window]:
        return self.base.windows(features[0], reserved=reserved)

    def in_windows(self, features: tuple[Any, ...]) -> bool:
        return self.base.in_windows(features[0])

    def innermost(self) -> Featurizer[Any]:
        return self.base.innermost()

    def collate(self, batch: Sequence[tuple[Any, ...]]) -> dict[str, Tensor]:
        inputs = self.base.collate([features[0] for features in batch])
        length = inputs["mask"].shape[1]
        for number, source in enumerate(self.sources.values(), start=1):
            inputs |= source.collate([features[number] for features in batch], length)
        return inputs
