"""The teachers, ready to answer batches of sentences: probabilities, votes and similarities of sampled pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from ner_distill.data.batching import plan_batches, sample_pairs
from ner_distill.data.sentence import Sentence
from ner_distill.data.soft_label_columns import SoftBlock, SoftRow
from ner_distill.errors import ConfigError
from ner_distill.pipelines.build import Built
from ner_distill.pipelines.inference import best_device, budget_of, fast_linear, has_bf16
from ner_distill.teacher.model import Teacher


@dataclass(frozen=True)
class LabelOptions:
    """How to label; each decides what the rows are, and is kept in the store's manifest.

    pairs_per_sentence: sampled pairs for each sentence of a block; 0 stores none.
    min_votes:          of several teachers, how many must predict an entity exactly; words of others are dropped.
    min_confidence:     words whose best tag is less probable than this are dropped.
    batch_words:        words (pretrained: pieces) of a batch, padding included; 0: what suits the device.
    precision:          "fp32", "bf16", or "auto": bf16 on a GPU that has it.
    """

    pairs_per_sentence: int = 32
    min_votes: int = 1
    min_confidence: float = 0.0
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


@dataclass(frozen=True)
class Answer:
    """What the teachers say of one batch, on the CPU.

    probs: (batch, words, tags) float32; keep: (batch, words) bool; pairs: per block (pairs, 2) flat indices;
    similarity: per block (pairs,) float32.
    """

    probs: npt.NDArray[np.float32]
    keep: npt.NDArray[np.bool_]
    pairs: list[npt.NDArray[np.int64]]
    similarity: list[npt.NDArray[np.float32]]


class Labeller:
    """The teachers, ready to answer batches."""

    def __init__(self, teachers: Sequence[Built], options: LabelOptions) -> None:
        """Raises ConfigError where teachers do not agree on labels or unit."""
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
        self.device = best_device()
        self.options, self.tagset = options.settled(self.device), first.tagset
        self.autocast = torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.options.precision == "bf16"
        )
        self.featurizers: list[Any] = [teacher.featurizer for teacher in teachers]
        self.models = [cast(Teacher, teacher.model).to(self.device).eval() for teacher in teachers]
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
        room = _Room(sentences, len(self.tagset), self.options.pairs_per_sentence if self.compares else 0)
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
        vectors, votes = [], []
        with torch.inference_mode(), self.autocast, fast_linear(self.device):
            for featurizer, model, one in zip(self.featurizers, self.models, features, strict=True):
                inputs = {key: value.to(self.device) for key, value in featurizer.collate(one).items()}
                mask = inputs["mask"]
                encoded, answer = model(inputs)
                probs = answer if probs is None else probs + answer
                if self.compares:
                    vectors.append(model.pair_vectors(inputs, encoded))
                if self.options.min_votes > 1:
                    votes.append(model.tagger.scorer.decode(encoded, mask).cpu().numpy())
            assert probs is not None
            probs = probs / len(self.models)
            keep = (mask & (probs.amax(-1) >= self.options.min_confidence)).cpu().numpy()
            pairs = self._pairs(probs, mask, chunks, rng)
            similarity = [torch.zeros(0)] * len(chunks)
            if self.compares:
                every = torch.from_numpy(np.concatenate(pairs)).to(self.device)
                mean = torch.stack(
                    [model.compare(of, every) for model, of in zip(self.models, vectors, strict=True)]
                ).mean(0)
                similarity = list(mean.float().cpu().split([len(some) for some in pairs]))
        if votes:
            keep &= self._voted(votes)
        return Answer(probs.float().cpu().numpy(), keep, pairs, [some.numpy() for some in similarity])

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

    def _voted(self, votes: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.bool_]:
        """False on the words of every entity that fewer than `min_votes` teachers predict."""
        keep = np.ones(votes[0].shape, dtype=np.bool_)
        for row in range(len(keep)):
            predicted = [set(self.tagset.decode(vote[row].tolist())) for vote in votes]
            for span in set().union(*predicted):
                if sum(span in one for one in predicted) < self.options.min_votes:
                    keep[row, span.start : span.end] = False
        return keep


class _Rows:
    """An array that is made once and filled from the front."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._values, self._used = np.empty(shape, dtype), 0

    def put(self, rows: npt.NDArray[Any]) -> slice:
        """Copies the rows in; returns where they lie."""
        place = slice(self._used, self._used + len(rows))
        self._values[place] = rows
        self._used = place.stop
        return place

    def __getitem__(self, place: slice) -> npt.NDArray[Any]:
        return self._values[place]


class _Room:
    """Where the answers for one shard lie until it is written, made before its first batch.

    Small arrays of each batch (a view is one too), kept while the big tensors of the next ones come and go, would
    lie between them and stop the allocator from joining what is free: memory then grows with the text by hundreds
    of megabytes. So the blocks are made only when the last batch is answered.
    """

    def __init__(self, sentences: Sequence[Sentence], tags: int, pairs_per_sentence: int) -> None:
        self._sentences = sentences
        words, pairs = sum(len(sentence.words) for sentence in sentences), pairs_per_sentence * len(sentences)
        self._probs, self._keep = _Rows((words, tags), np.float16), _Rows((words,), np.bool_)
        self._places, self._similarity = _Rows((pairs, 4), np.int32), _Rows((pairs,), np.float16)
        self._blocks: list[tuple[list[tuple[int, slice]], slice]] = []

    def put(self, batch: Sequence[int], chunks: Sequence[range], answer: Answer) -> None:
        """Take the answer for the sentences of these indices; each chunk of the batch becomes a block."""
        width = answer.probs.shape[1]
        for chunk, pairs, similarity in zip(chunks, answer.pairs, answer.similarity, strict=True):
            rows = []
            for row in chunk:
                length = len(self._sentences[batch[row]].words)
                rows.append((batch[row], self._probs.put(answer.probs[row, :length])))
                self._keep.put(answer.keep[row, :length])
            sentence, word = np.divmod(pairs, width)
            first, second = sentence.T - chunk.start
            self._similarity.put(similarity)
            place = self._places.put(np.stack([first, word[:, 0], second, word[:, 1]], axis=1))
            self._blocks.append((rows, place))

    def blocks(self) -> list[SoftBlock]:
        """All blocks that were put."""
        return [
            SoftBlock(
                tuple(
                    SoftRow(sentence.id, sentence.words, self._probs[words], self._keep[words], sentence.lang)
                    for sentence, words in ((self._sentences[index], words) for index, words in rows)
                ),
                self._places[pairs],
                self._similarity[pairs],
            )
            for rows, pairs in self._blocks
        ]
