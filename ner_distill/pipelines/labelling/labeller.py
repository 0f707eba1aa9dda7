"""The teachers, ready to answer batches of sentences: probabilities, spans, votes and similarities of sampled pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from ner_distill.data.batching import plan_batches, sample_pairs
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.columns import SPAN, SoftBlock
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.store.pseudo_labels import LIKELY
from ner_distill.errors import ConfigError
from ner_distill.nn.heads import Head, is_span_head
from ner_distill.nn.spans import Spans, found, span_probs_of_tags, word_confidence
from ner_distill.pipelines.labelling.shard_buffer import Answer, Room, RowSpans
from ner_distill.runs.build import Built
from ner_distill.runtime.inference import best_device, budget_of, fast_linear, has_bf16
from ner_distill.teacher.model import Teacher


@dataclass(frozen=True)
class LabelOptions:
    """How to label; each decides what the rows are, and is kept in the store's manifest.

    pairs_per_sentence: sampled pairs for each sentence of a block; 0 stores none.
    min_votes:          of several teachers, how many must predict an entity exactly; words of others are dropped, and
                        those on which the votes and the mean of the probabilities do not say the same.
    min_confidence:     words whose best tag is less probable than this are dropped.
    span_floor:         of teachers with a span head, spans that are no more probable than this are not stored.
    batch_words:        words (pretrained: pieces) of a batch, padding included; 0: what suits the device.
    precision:          "fp32", "bf16", or "auto": bf16 on a GPU that has it.
    """

    pairs_per_sentence: int = 32
    min_votes: int = 1
    min_confidence: float = 0.0
    span_floor: float = 0.01
    shard_size: int = 4096
    block_size: int = 16
    batch_words: int = 0
    precision: str = "auto"
    seed: int = 13

    def settled(self, device: torch.device) -> LabelOptions:
        """With values for what was left to the device: a store is not continued on another device with others."""
        bf16 = has_bf16(device)
        return replace(
            self,
            batch_words=self.batch_words or budget_of(device),
            precision=("bf16" if bf16 else "fp32") if self.precision == "auto" else self.precision,
        )


class Labeller:
    """The teachers, ready to answer batches."""

    def __init__(self, teachers: Sequence[Built], options: LabelOptions) -> None:
        """Raises ConfigError where teachers do not agree on labels or unit, and for options that make no sense."""
        first = teachers[0].info
        for other in teachers[1:]:
            if other.info.labels != first.labels or other.info.unit != first.unit:
                raise ConfigError(
                    f"--teacher: all need the same labels and unit; "
                    f"the first has {', '.join(first.labels)} ({first.unit}), "
                    f"another {', '.join(other.info.labels)} ({other.info.unit})"
                )
        if not 1 <= options.min_votes <= len(teachers):
            raise ConfigError(
                f"--min-votes: expected 1 to {len(teachers)}, the number of teachers, found {options.min_votes}"
            )
        if not 0 < options.span_floor < 1:
            raise ConfigError(f"--span-floor: expected more than 0 and less than 1, found {options.span_floor}")
        self.device = best_device()
        self.options, self.tagset = options.settled(self.device), first.tagset
        self.autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.precision == "bf16")
        self.featurizers: list[Any] = [teacher.featurizer for teacher in teachers]
        self.models = [cast(Teacher, teacher.model).to(self.device).eval() for teacher in teachers]
        self.finds_spans = any(is_span_head(model.tagger.scorer) for model in self.models)
        # one pointer says which spans are likely without a table of all: long lines then take no more than with tags
        self.by_blocks = (
            len(self.models) == 1 and hasattr(self.models[0].tagger.head, "likely") and not options.min_confidence
        )
        self.compares = options.pairs_per_sentence > 0 and all(model.similarity is not None for model in self.models)

    def counts(self) -> dict[str, int]:
        """What the featurizers could not take as it was, so far."""
        counts: dict[str, int] = {}
        for featurizer in self.featurizers:
            for key, value in getattr(featurizer, "counts", {}).items():
                counts[key] = counts.get(key, 0) + value
        return counts

    def blocks(
        self, sentences: Sequence[Sentence], shard: int, answered: Callable[[int, int], None]
    ) -> list[SoftBlock]:
        """The blocks of one shard. `answered` is told the sentences and the words of each batch."""
        features = [[featurizer.features(sentence.words) for sentence in sentences] for featurizer in self.featurizers]
        sizes = [
            max(featurizer.size(one[index]) for featurizer, one in zip(self.featurizers, features, strict=True))
            for index in range(len(sentences))
        ]
        pairs_per_sentence = self.options.pairs_per_sentence if self.compares else 0
        room = Room(sentences, len(self.tagset), pairs_per_sentence, spans=self.finds_spans)
        for number, batch in enumerate(plan_batches(sizes, budget=self.options.batch_words, seed=None)):
            chunks = [
                range(first, min(first + self.options.block_size, len(batch)))
                for first in range(0, len(batch), self.options.block_size)
            ]
            rng = np.random.default_rng([self.options.seed, shard, number])
            answer = self._answer([[one[index] for index in batch] for one in features], chunks, rng)
            room.put(batch, chunks, answer)
            answered(len(batch), sum(len(sentences[index].words) for index in batch))
        return room.blocks()

    def _answer(self, features: list[list[Any]], chunks: Sequence[range], rng: np.random.Generator) -> Answer:
        probs: torch.Tensor | None = None
        span_probs: torch.Tensor | None = None
        likely: tuple[Spans, torch.Tensor] | None = None
        vectors, votes = [], []
        with torch.inference_mode(), self.autocast, fast_linear(self.device):
            for featurizer, model, one in zip(self.featurizers, self.models, features, strict=True):
                inputs = {key: value.to(self.device) for key, value in featurizer.collate(one).items()}
                mask = inputs["mask"]
                encoded, answer = model(inputs)
                probs = answer if probs is None else probs + answer
                if self.by_blocks:
                    likely = model.tagger.head.likely(encoded, mask, self.options.span_floor)  # type: ignore[operator]
                elif self.finds_spans:
                    table = _span_probs(model, encoded, answer, mask)
                    span_probs = table if span_probs is None else span_probs.add_(table)
                if self.compares:
                    vectors.append(model.pair_vectors(inputs, encoded))
                if self.options.min_votes > 1:
                    votes.append(self._entities(model, encoded, mask))
            assert probs is not None
            probs = probs / len(self.models)
            span_probs = None if span_probs is None else span_probs.div_(len(self.models))
            sure = probs.amax(-1) if span_probs is None else word_confidence(span_probs, mask)
            keep = (mask & (sure >= self.options.min_confidence)).cpu().numpy()
            if span_probs is not None:
                likely = found(span_probs, self.options.span_floor)
            spans = None if likely is None else _row_spans(*likely)
            pairs = self._pairs(probs, mask, chunks, rng)
            similarity = self._similarity(vectors, pairs)
        if votes:
            self._drop_outvoted(keep, votes, self._best(probs, span_probs, mask))
        return Answer(probs.float().cpu().numpy(), keep, pairs, similarity, spans)

    def _similarity(
        self, vectors: Sequence[torch.Tensor], pairs: Sequence[npt.NDArray[np.int64]]
    ) -> list[npt.NDArray[np.float32]]:
        """What the teachers say of the pairs of each block, on average."""
        if not self.compares:
            return [np.zeros(0, np.float32)] * len(pairs)
        every = torch.from_numpy(np.concatenate(pairs)).to(self.device)
        mean = torch.stack([model.compare(of, every) for model, of in zip(self.models, vectors, strict=True)]).mean(0)
        return [some.numpy() for some in mean.float().cpu().split([len(some) for some in pairs])]

    def _pairs(
        self, probs: torch.Tensor, mask: torch.Tensor, chunks: Sequence[range], rng: np.random.Generator
    ) -> list[npt.NDArray[np.int64]]:
        if not self.compares:
            return [np.zeros((0, 2), dtype=np.int64)] * len(chunks)
        width = mask.shape[1]
        keys, counted = ((probs.argmax(-1) + 1) // 2).cpu().numpy(), mask.cpu().numpy()
        return [
            sample_pairs(
                keys[rows.start : rows.stop],
                counted[rows.start : rows.stop],
                self.options.pairs_per_sentence * len(rows),
                rng,
            )
            + rows.start * width
            for rows in chunks
        ]

    def _entities(self, model: Teacher, encoded: torch.Tensor, mask: torch.Tensor) -> list[set[Span]]:
        """What one teacher predicts for each sentence."""
        scorer = model.tagger.scorer
        if is_span_head(scorer):
            predicted: list[set[Span]] = [set() for _ in mask]
            for row, start, end, label in scorer.find(encoded, mask)[0].places.tolist():
                predicted[row].add(Span(start, end, self.tagset.labels[label]))
            return predicted
        return [set(self.tagset.decode(row)) for row in cast(Head, scorer).decode(encoded, mask).tolist()]

    def _best(self, probs: torch.Tensor, span_probs: torch.Tensor | None, mask: torch.Tensor) -> list[set[Span]]:
        """The entities of each sentence as the mean of the teachers' probabilities has them."""
        best: list[set[Span]] = [set() for _ in mask]
        if span_probs is not None:
            for row, start, end, label in found(span_probs, LIKELY)[0].places.tolist():
                best[row].add(Span(start, end, self.tagset.labels[label]))
            return best
        for spans, row, length in zip(best, probs.float().cpu().numpy(), mask.sum(1).tolist(), strict=True):
            spans.update(span for span, _ in decode_probs(row[:length], self.tagset))
        return best

    def _drop_outvoted(
        self, keep: npt.NDArray[np.bool_], votes: Sequence[list[set[Span]]], best: Sequence[set[Span]]
    ) -> None:
        """False on the words of every entity that fewer than `min_votes` teachers predict, or the `best` reading alone,
        or the votes alone: what is kept says the same by votes and by probabilities.

        Of a nested one too, but not those that it shares with an entity of enough votes: that would be lost as well.
        """
        for row, predicted in enumerate(zip(*votes, strict=True)):
            every = best[row].union(*predicted)
            voted = {span for span in best[row] if sum(span in one for one in predicted) >= self.options.min_votes}
            sure = np.zeros(keep.shape[1], np.bool_)
            for span in voted:
                sure[span.start : span.end] = True
            for span in every - voted:
                keep[row, span.start : span.end] &= sure[span.start : span.end] & self.finds_spans


def _row_spans(spans: Spans, scores: torch.Tensor) -> RowSpans:
    """Spans and their probabilities as the store has them."""
    row, start, end, label = spans.places.cpu().numpy().T
    values = np.empty(len(row), SPAN)
    values["start"], values["end"], values["label"] = start, end, label
    values["score"] = scores.cpu().numpy()
    return RowSpans(row, values)


def _span_probs(model: Teacher, encoded: torch.Tensor, probs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(batch, types, words, words): what a teacher says of spans, from its tag probabilities if it knows no others."""
    scorer = model.tagger.scorer
    if is_span_head(scorer):
        return scorer.span_probs(encoded, mask)
    return span_probs_of_tags(probs.log(), mask)
