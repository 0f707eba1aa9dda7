"""Running a tagger over sentences: batches by length, results in the order of the input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_distill.data.batching import plan_batches
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.windows import Window, settled
from ner_distill.data.sentence import ScoredSpan, Sentence, Span
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, memory_for
from ner_distill.nn.heads import AnyHead, SpanHead
from ner_distill.nn.tagger import Tagger
from ner_distill.runtime.onednn import fast_linear

DECODED_TOGETHER = 32_768  # words, padding included
KEPT = "What was done before is kept"
GROUP_WORDS = 1_000_000  # of sentences that are held at once
LONG_SHARE = 4
"""Windows of a long sentence get this part of a batch's budget: attention within them grows with their square."""
F = TypeVar("F")
Encoded = tuple[list[int], Tensor, Tensor]  # indices, vectors (batch, words, dim), mask (batch, words)
Observer = Callable[[Sequence[int], Tensor, Tensor], None]
"""Is shown each batch as it is encoded: the numbers of its sentences, vectors and mask."""


def find_entities(
    tagger: Tagger,
    featurizer: Featurizer[F],
    tagset: TagSet,
    features: Sequence[F],
    *,
    scores: bool,
    budget: int = 0,
    ids: Sequence[str] = (),
    observers: Sequence[Observer] = (),
) -> list[list[ScoredSpan]]:
    """For each sentence its entities, sorted, with (`scores`) the probability of each, else 0.

    Of a tag head an entity's probability is the mean of its tags'; of a span head its own.
    budget: words (pretrained: pieces) of a batch, padding included; 0: what suits the device.
    A sentence too long for the encoder is read as so many sentences as it has windows: memory does not grow with it.
    ids: of the sentences, for the message where memory runs out; a TrainingError then.
    observers: see all sentences but those that are read in windows.
    The tagger should be in eval mode. Runs on the device of its parameters.
    """
    ids = ids or [str(number) for number in range(1, len(features) + 1)]
    budget = budget or budget_of(next(tagger.parameters()).device)
    windows = [featurizer.windows(item) for item in features]
    whole = [index for index, own in enumerate(windows) if len(own) == 1]
    results: list[list[ScoredSpan]] = [[]] * len(features)
    find = partial(_find, tagger, featurizer, tagset, scores=scores)
    shown = [renumbered(observer, whole) for observer in observers]
    found = find([features[index] for index in whole], [ids[index] for index in whole], budget=budget, observers=shown)
    for index, entities in zip(whole, found, strict=True):
        results[index] = entities
    if len(whole) < len(features):
        rows = [(index, window) for index, own in enumerate(windows) if len(own) > 1 for window in own]
        parts = [featurizer.cut(features[index], window.start, window.end) for index, window in rows]
        of_rows = iter(find(parts, [ids[index] for index, _ in rows], budget=budget // LONG_SHARE))
        for index, own in enumerate(windows):
            if len(own) > 1:
                results[index] = joined(own, list(islice(of_rows, len(own))))
    return results


def renumbered(observer: Observer, numbers: Sequence[int]) -> Observer:
    """An observer that is told `numbers[index]` where sentences have the numbers `index`."""

    def told(indices: Sequence[int], vectors: Tensor, mask: Tensor) -> None:
        observer([numbers[index] for index in indices], vectors, mask)

    return told


def joined(windows: Sequence[Window], found: Sequence[Sequence[ScoredSpan]]) -> list[ScoredSpan]:
    """The entities of a sentence from those of its windows, whose words are counted from the window's first.

    Each is that of the window in which it begins, after the borders have been settled so that they cut none in two.
    """
    placed = [
        [(Span(span.start + window.start, span.end + window.start, span.label), score) for span, score in own]
        for window, own in zip(windows, found, strict=True)
    ]
    borders = settled(windows, [(span.start, span.end) for own in placed for span, _ in own])
    return [
        (span, score)
        for window, own in zip(borders, placed, strict=True)
        for span, score in own
        if window.take_start <= span.start < window.take_end
    ]


def _find(
    tagger: Tagger,
    featurizer: Featurizer[F],
    tagset: TagSet,
    features: Sequence[F],
    ids: Sequence[str],
    *,
    scores: bool,
    budget: int,
    observers: Sequence[Observer] = (),
) -> list[list[ScoredSpan]]:
    """As `find_entities`, of sentences that the encoder reads whole."""
    device = next(tagger.parameters()).device
    results: list[list[ScoredSpan]] = [[]] * len(features)
    sizes = [featurizer.size(item) for item in features]
    together = 0 if isinstance(tagger.head, SpanHead) else DECODED_TOGETHER
    with torch.inference_mode():
        group: list[Encoded] = []
        for indices in plan_batches(sizes, budget=budget, seed=None):
            with memory_for([ids[index] for index in indices], KEPT):
                collated = featurizer.collate([features[index] for index in indices])
                inputs = {key: value.to(device) for key, value in collated.items()}
                with fast_linear(device):  # not around decoding, whose many small steps it would only delay
                    group.append((indices, tagger.vectors(inputs), inputs["mask"]))
                for observer in observers:
                    observer(*group[-1])
                if sum(mask.numel() for _, _, mask in group) >= together:
                    _decode(tagger.head, group, tagset, results, scores=scores)
                    group = []
        if group:
            with memory_for([ids[index] for indices, _, _ in group for index in indices], KEPT):
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
    """Entities of a stream of sentences, in order, `window` sentences at a time, or fewer of `GROUP_WORDS` words.

    The score of an entity is its probability, see `find_entities`.
    """
    for group in _groups(sentences, window):
        features = [featurizer.features(sentence.words) for sentence in group]
        ids = [sentence.id for sentence in group]
        yield from zip(group, find_entities(tagger, featurizer, tagset, features, scores=True, ids=ids), strict=True)


def _groups(sentences: Iterable[Sentence], size: int) -> Iterator[list[Sentence]]:
    group: list[Sentence] = []
    words = 0
    for sentence in sentences:
        group.append(sentence)
        words += len(sentence.words)
        if len(group) == size or words >= GROUP_WORDS:
            yield group
            group, words = [], 0
    if group:
        yield group


def tag_log_probs(tagger: Tagger, featurizer: Featurizer[F], features: Sequence[F]) -> Iterator[tuple[int, Tensor]]:
    """For each sentence its index and (words, tags) log probabilities in float32 on the CPU, in no order of theirs.

    Of a sentence that is read in windows each window gives the words that are taken from it: they come as one. The
    tagger should be in eval mode.
    """
    device = next(tagger.parameters()).device
    windows = [featurizer.windows(item) for item in features]
    rows = [(index, window) for index, own in enumerate(windows) for window in own]
    cut = [
        features[index] if len(windows[index]) == 1 else featurizer.cut(features[index], window.start, window.end)
        for index, window in rows
    ]
    parts: list[dict[int, Tensor]] = [{} for _ in features]
    for numbers in plan_batches([featurizer.size(item) for item in cut], budget=budget_of(device), seed=None):
        collated = featurizer.collate([cut[number] for number in numbers])
        with torch.inference_mode(), fast_linear(device):
            vectors, mask = tagger.vectors({key: value.to(device) for key, value in collated.items()}), collated["mask"]
            logs = tagger.head.log_probs(vectors, mask.to(device)).float().cpu()
        for number, log_probs in zip(numbers, logs, strict=True):
            index, window = rows[number]
            taken = log_probs[window.take_start - window.start : window.take_end - window.start]
            parts[index][window.take_start] = taken.clone()
            if len(parts[index]) == len(windows[index]):
                yield index, torch.cat([parts[index][start] for start in sorted(parts[index])])
                parts[index] = {}


def predict_spans(
    tagger: Tagger, featurizer: Featurizer[F], tagset: TagSet, features: Sequence[F], ids: Sequence[str] = ()
) -> list[tuple[Span, ...]]:
    """Entities without scores: what an evaluation needs."""
    entities = find_entities(tagger, featurizer, tagset, features, scores=False, ids=ids)
    return [tuple(span for span, _ in of_sentence) for of_sentence in entities]


def best_device() -> torch.device:
    """A GPU where there is one that torch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_named(name: str) -> torch.device:
    """The device that a user names: cpu, cuda, cuda:1, or auto (`best_device`). Raises ConfigError for others."""
    if name == "auto":
        return best_device()
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    there = ["cpu", *(["cuda"] if gpus else []), *gpus]
    if name not in there:
        raise ConfigError(f"`device` {name}: expected auto or one of what is there: {', '.join(there)}")
    return torch.device(name)


def has_bf16(device: torch.device) -> bool:
    """Does the device multiply in bfloat16 itself? (Emulation is slower than float32.)"""
    if device.type == "cuda":
        supported: bool = torch.cuda.is_bf16_supported(including_emulation=False)
        return supported
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # older versions of torch do not tell
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def budget_of(device: torch.device) -> int:
    """Words of a batch: bigger ones are slower on a CPU, whose caches do not hold their activations."""
    return 2048 if device.type == "cpu" else 16_384


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
