"""Running a tagger over sentences: batches by length, results in the order of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_distill.data.batching import plan_batches
from ner_distill.data.features.base import Featurizer
from ner_distill.data.sentence import ScoredSpan, Sentence, Span
from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import AnyHead, SpanHead
from ner_distill.nn.tagger import Tagger
from ner_distill.runtime.onednn import fast_linear

DECODED_TOGETHER = 32_768  # words, padding included
F = TypeVar("F")
Encoded = tuple[list[int], Tensor, Tensor]  # indices, vectors (batch, words, dim), mask (batch, words)


def find_entities(
    tagger: Tagger,
    featurizer: Featurizer[F],
    tagset: TagSet,
    features: Sequence[F],
    *,
    scores: bool,
    budget: int = 0,
) -> list[list[ScoredSpan]]:
    """For each sentence its entities, sorted, with (`scores`) the probability of each, else 0.

    Of a tag head an entity's probability is the mean of its tags'; of a span head its own.
    budget: words (pretrained: pieces) of a batch, padding included; 0: what suits the device.
    The tagger should be in eval mode. Runs on the device of its parameters.
    """
    device = next(tagger.parameters()).device
    results: list[list[ScoredSpan]] = [[]] * len(features)
    sizes = [featurizer.size(item) for item in features]
    together = 0 if isinstance(tagger.head, SpanHead) else DECODED_TOGETHER
    with torch.inference_mode():
        group: list[Encoded] = []
        for indices in plan_batches(sizes, budget=budget or budget_of(device), seed=None):
            collated = featurizer.collate([features[index] for index in indices])
            inputs = {key: value.to(device) for key, value in collated.items()}
            with fast_linear(device):  # not around decoding, whose many small steps it would only delay
                group.append((indices, tagger.vectors(inputs), inputs["mask"]))
            if sum(mask.numel() for _, _, mask in group) >= together:
                _decode(tagger.head, group, tagset, results, scores=scores)
                group = []
        if group:
            _decode(tagger.head, group, tagset, results, scores=scores)
    return results


def _decode(
    head: AnyHead, group: Sequence[Encoded], tagset: TagSet, results: list[list[ScoredSpan]], *, scores: bool
) -> None:
    """Decode several batches as one: a tag head's steps along the words cost the same for few sentences and many."""
    longest = max(mask.shape[1] for _, _, mask in group)
    vectors = torch.cat([functional.pad(part, (0, 0, 0, longest - part.shape[1])) for _, part, _ in group])
    mask = torch.cat([functional.pad(part, (0, longest - part.shape[1])) for _, _, part in group])
    numbers = [index for indices, _, _ in group for index in indices]
    if isinstance(head, SpanHead):
        spans, probs = head.find(vectors, mask)
        for index in numbers:
            results[index] = []
        for (row, start, end, label), prob in zip(spans.places.tolist(), probs.tolist(), strict=True):
            results[numbers[row]].append((Span(start, end, tagset.labels[label]), prob))
        return
    tags = head.decode(vectors, mask)
    chances: list[list[float]] = [[] for _ in mask]
    if scores:
        chances = head.log_probs(vectors, mask).gather(-1, tags[..., None]).squeeze(-1).exp().tolist()
    for index, row, chance, length in zip(numbers, tags.tolist(), chances, mask.sum(1).tolist(), strict=True):
        results[index] = [
            (span, sum(chance[span.start : span.end]) / (span.end - span.start) if scores else 0.0)
            for span in tagset.decode(row[:length])
        ]


def predict_sentences(
    tagger: Tagger, featurizer: Featurizer[F], tagset: TagSet, sentences: Iterable[Sentence], *, window: int = 2048
) -> Iterator[tuple[Sentence, list[ScoredSpan]]]:
    """Entities of a stream of sentences, in order, `window` sentences at a time.

    The score of an entity is its probability, see `find_entities`.
    """
    stream = iter(sentences)
    while group := list(islice(stream, window)):
        features = [featurizer.features(sentence.words) for sentence in group]
        yield from zip(group, find_entities(tagger, featurizer, tagset, features, scores=True), strict=True)


def predict_spans(
    tagger: Tagger, featurizer: Featurizer[F], tagset: TagSet, features: Sequence[F]
) -> list[tuple[Span, ...]]:
    """Entities without scores: what an evaluation needs."""
    entities = find_entities(tagger, featurizer, tagset, features, scores=False)
    return [tuple(span for span, _ in of_sentence) for of_sentence in entities]


def best_device() -> torch.device:
    """A GPU where there is one that torch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16(device: torch.device) -> bool:
    """Does the GPU compute in bfloat16 itself? (Emulation is slower than float32.)"""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def budget_of(device: torch.device) -> int:
    """Words of a batch: bigger ones are slower on a CPU, whose caches do not hold their activations."""
    return 2048 if device.type == "cpu" else 16_384


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
