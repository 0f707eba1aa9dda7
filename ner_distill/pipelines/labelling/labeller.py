"""The teachers, ready to answer batches of sentences: probabilities, spans, votes and similarities of sampled pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from ner_distill.data.batching import fill_batches, plan_batches, sample_pairs
from ner_distill.data.features.windows import Window
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.columns import SPAN, SoftBlock
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.store.pseudo_labels import LIKELY
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, memory_for
from ner_distill.nn.heads import SpanHead
from ner_distill.nn.spans import Spans, span_probs_of_tags, spans_above, word_confidence
from ner_distill.options.by_type import ByType, by_type
from ner_distill.options.models import LabelOptions
from ner_distill.pipelines.labelling.panel import Member, Panel
from ner_distill.pipelines.labelling.shard_buffer import Answer, RowSpans, ShardBuffer, joined_answers
from ner_distill.runtime.inference import LONG_SHARE, best_device, budget_of, has_bf16
from ner_distill.runtime.onednn import fast_linear
from ner_distill.teacher.model import Teacher

SEED = 13
LONG_SEED = 4  # what is drawn in windows of long sentences leaves alone what is drawn in all others
BLOCK_SIZE = 16
KEPT = "Finished shards are kept: go on with the same command and `resume`"


class Answering(Protocol):
    """What answers the sentences of a shard."""

    def counts(self) -> Counter[str]:
        """Returns how often something happened to sentences, so far, by what."""
        ...

    def blocks(self, sentences: Sequence[Sentence], shard: int, advance: Callable[[int, int], None]) -> list[SoftBlock]:
        """Returns the blocks of one shard. `advance` is called with the sentences and the words of each batch."""
        ...


class Labeller:
    """Teachers that answer batches of sentences with one voice.

    Tags c of a word have the pooled probability p(c) ∝ Σ_k w_k^type(c) p_k(c), a span of a type T Σ_k w_k^T p_k, a pair
    of words Σ_k w_k s_k over those that compare; where types have no weights of their own that is the weighted mean.
    (The linear opinion pool: Stone, "The opinion pool", 1961.)

    options:    with values for what was left to the device: a store is not continued on another device with others.
    block_size: the most sentences of a block of the store.
    seed:       decides which pairs of words are sampled.
    """

    def __init__(self, panel: Panel, options: LabelOptions, *, block_size: int = BLOCK_SIZE, seed: int = SEED) -> None:
        """Raises ConfigError for options that make no sense."""
        info, votes = panel.members[0].built.info, len(panel.tagging)
        self.min_votes = min_votes_of(options)
        expected = f"expected 1 to {votes}, the number of teachers"
        if found := self.min_votes.problems("min_votes", info.labels, lambda least: 1 <= least <= votes, expected):
            raise ConfigError.of(found)
        if not 0 < options.span_floor < 1:
            raise ConfigError(f"`span_floor`: expected more than 0 and less than 1, found {options.span_floor}")
        self.block_size, self.seed = block_size, seed
        self.device, self.tagset = best_device(), info.tagset
        precision = options.precision
        if precision == "auto":
            precision = "bf16" if has_bf16(self.device) else "fp32"
        self.options = replace(options, batch_words=options.batch_words or budget_of(self.device), precision=precision)
        self.autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.precision == "bf16")
        self.featurizers = [one.built.featurizer for one in panel.members]
        compares = options.pairs_per_sentence > 0
        self.asked = [_Asked.of(one, self.tagset, self.device, compares=compares) for one in panel.members]
        self.compares = any(one.similarity is not None for one in self.asked)
        heads = [one.model.tagger.head for one in self.asked if one.tags]
        self.finds_spans = any(isinstance(head, SpanHead) for head in heads)
        # a pointer says which spans are likely without a table of all: long lines then take no more than with tags
        alone = len(heads) == 1 and not options.min_confidence
        self.by_blocks = heads[0] if alone and isinstance(heads[0], SpanHead) else None

    def counts(self) -> Counter[str]:
        """Returns how often the featurizers could not take something as it was, so far, by reason."""
        counts = Counter[str]()
        for featurizer in self.featurizers:
            counts.update(featurizer.counts)
        return counts

    def blocks(self, sentences: Sequence[Sentence], shard: int, advance: Callable[[int, int], None]) -> list[SoftBlock]:
        """Returns the blocks of one shard. `advance` is called with the sentences and the words of each batch."""
        features = [[featurizer.features(sentence.words) for featurizer in self.featurizers] for sentence in sentences]
        windows = list(map(self._windows, features))
        pairs_per_sentence = self.options.pairs_per_sentence if self.compares else 0
        buffer = ShardBuffer(sentences, len(self.tagset), pairs_per_sentence, spans=self.finds_spans)
        whole = [index for index, own in enumerate(windows) if len(own) == 1]
        sizes = self._sizes([features[index] for index in whole])
        for number, batch in enumerate(plan_batches(sizes, budget=self.options.batch_words, seed=None)):
            indices = [whole[place] for place in batch]
            chunks = [
                range(first, min(first + self.block_size, len(batch)))
                for first in range(0, len(batch), self.block_size)
            ]
            rng = np.random.default_rng([self.seed, shard, number])
            with memory_for([sentences[index].id for index in indices], KEPT):
                answer = self._answer([features[index] for index in indices], chunks, rng)
            buffer.put(indices, chunks, answer)
            advance(len(batch), sum(len(sentences[index].words) for index in indices))
        self._put_long(buffer, sentences, features, windows, shard, advance)
        return buffer.blocks()

    def _windows(self, features: Sequence[Any]) -> Sequence[Window]:
        """Returns the windows of a sentence: those of the teacher that needs most; all others can read these.

        features: the sentence's, of each teacher.
        """
        return max((one.windows(own) for one, own in zip(self.featurizers, features, strict=True)), key=len)

    def _sizes(self, features: Sequence[Sequence[Any]]) -> list[int]:
        return [max(one.size(own) for one, own in zip(self.featurizers, row, strict=True)) for row in features]

    def _put_long(
        self,
        buffer: ShardBuffer,
        sentences: Sequence[Sentence],
        features: Sequence[Sequence[Any]],
        windows: Sequence[Sequence[Window]],
        shard: int,
        advance: Callable[[int, int], None],
    ) -> None:
        """Put the answers for the sentences that are read in windows, each as that for a batch of one sentence."""
        rows = [(index, window) for index, own in enumerate(windows) if len(own) > 1 for window in own]
        cut = [self._cut(features[index], window) for index, window in rows]
        answers: list[Answer] = []
        batches = fill_batches(range(len(rows)), self._sizes(cut), self.options.batch_words // LONG_SHARE)
        for number, batch in enumerate(batches):
            rng = np.random.default_rng([self.seed, shard, LONG_SEED, number])
            each = [range(row, row + 1) for row in range(len(batch))]
            with memory_for([sentences[rows[place][0]].id for place in batch], KEPT):
                answer = self._answer([cut[place] for place in batch], each, rng)
            for row, (index, _) in enumerate(rows[place] for place in batch):
                answers.append(answer.of_row(row))
                if len(answers) == len(windows[index]):
                    buffer.put([index], [range(1)], joined_answers(windows[index], answers))
                    advance(1, len(sentences[index].words))
                    answers = []

    def _cut(self, features: Sequence[Any], window: Window) -> list[Any]:
        return [one.cut(own, window.start, window.end) for one, own in zip(self.featurizers, features, strict=True)]

    def _answer(self, features: Sequence[Sequence[Any]], chunks: Sequence[range], rng: np.random.Generator) -> Answer:
        """Returns the answer for a batch. features: of each sentence, by teacher."""
        heard = _Heard()
        with torch.inference_mode(), self.autocast, fast_linear(self.device):
            by_teacher = zip(*features, strict=True)
            for featurizer, asked, one in zip(self.featurizers, self.asked, by_teacher, strict=True):
                inputs = {key: value.to(self.device) for key, value in featurizer.collate(one).items()}
                self._hear(heard, asked, inputs)
            mask = inputs["mask"]
            probs = heard.tags.mean(normalised=any(one.by_type for one in self.asked))
            span_probs = heard.tables.mean() if heard.tables.parts else None
            sure = probs.amax(-1) if span_probs is None else word_confidence(span_probs, mask)
            keep = (mask & (sure >= self.options.min_confidence)).cpu().numpy()
            likely = heard.likely if span_probs is None else spans_above(span_probs, self.options.span_floor)
            spans = None if likely is None else _row_spans(*likely)
            pairs = self._pairs(probs, mask, chunks, rng)
            similarity = self._similarity(heard.vectors, pairs)
        if heard.votes:
            self._drop_outvoted(keep, heard.votes, self._best(probs, span_probs, mask))
        return Answer(probs.float().cpu().numpy(), keep, pairs, similarity, spans)

    def _hear(self, heard: _Heard, asked: _Asked, inputs: dict[str, torch.Tensor]) -> None:
        """Add what a teacher says of a batch."""
        model, mask, encoded = asked.model, inputs["mask"], None
        if asked.tags:
            encoded, answer = model(inputs)
            if asked.temperature != 1:
                answer = tempered(answer, asked.temperature)
            heard.tags.add(answer, asked.of_tags)
            if self.by_blocks is not None:
                heard.likely = self.by_blocks.likely(encoded, mask, self.options.span_floor)
            elif self.finds_spans:
                heard.tables.add(_span_probs(model, encoded, answer, mask), asked.of_spans)
            if max(self.min_votes.values) > 1:
                heard.votes.append(self._entities(model, encoded, mask))
        if asked.similarity is not None:
            heard.vectors.append(model.pair_vectors(inputs, encoded))

    def _similarity(
        self, vectors: Sequence[torch.Tensor], pairs: Sequence[npt.NDArray[np.int64]]
    ) -> list[npt.NDArray[np.float32]]:
        """Returns the weighted mean of the similarities for the pairs of each block. vectors: of those that compare."""
        if not self.compares:
            return [np.zeros(0, np.float32)] * len(pairs)
        every = torch.from_numpy(np.concatenate(pairs)).to(self.device)
        pool = _Pool()
        comparing = [(one.model, one.similarity) for one in self.asked if one.similarity is not None]
        for (model, weight), own in zip(comparing, vectors, strict=True):
            pool.add(model.compare(own, every), weight)
        return [some.numpy() for some in pool.mean().float().cpu().split([len(some) for some in pairs])]

    def _pairs(
        self, probs: torch.Tensor, mask: torch.Tensor, chunks: Sequence[range], rng: np.random.Generator
    ) -> list[npt.NDArray[np.int64]]:
        if not self.compares:
            return [np.zeros((0, 2), dtype=np.int64)] * len(chunks)
        keys, counted = ((probs.argmax(-1) + 1) // 2).cpu().numpy(), mask.cpu().numpy()
        pairs = []
        for rows in chunks:
            block, number = slice(rows.start, rows.stop), self.options.pairs_per_sentence * len(rows)
            pairs.append(sample_pairs(keys[block], counted[block], number, rng) + rows.start * mask.shape[1])
        return pairs

    def _entities(self, model: Teacher, encoded: torch.Tensor, mask: torch.Tensor) -> list[set[Span]]:
        head = model.tagger.head
        if isinstance(head, SpanHead):
            return self._by_sentence(head.find(encoded, mask)[0], len(mask))
        return [set(self.tagset.decode(row)) for row in head.decode(encoded, mask).tolist()]

    def _best(self, probs: torch.Tensor, span_probs: torch.Tensor | None, mask: torch.Tensor) -> list[set[Span]]:
        """Returns the entities of each sentence that the mean of the teachers' probabilities gives."""
        if span_probs is not None:
            return self._by_sentence(spans_above(span_probs, LIKELY)[0], len(mask))
        rows = zip(probs.float().cpu().numpy(), mask.sum(1).tolist(), strict=True)
        return [{span for span, _ in decode_probs(row[:length], self.tagset)} for row, length in rows]

    def _by_sentence(self, spans: Spans, sentences: int) -> list[set[Span]]:
        entities: list[set[Span]] = [set() for _ in range(sentences)]
        for row, start, end, label in spans.places.tolist():
            entities[row].add(Span(start, end, self.tagset.labels[label]))
        return entities

    def _drop_outvoted(
        self, keep: npt.NDArray[np.bool_], votes: Sequence[list[set[Span]]], best: Sequence[set[Span]]
    ) -> None:
        """Set `keep` to False on the words of every entity that fewer than `min_votes` teachers predict, or the `best`
        reading alone, or the votes alone: what is kept says the same by votes and by probabilities.

        Of a nested one too, but not those that it shares with an entity of enough votes: that would be lost as well.
        A type that one vote is enough for loses nothing.
        """
        for row, predicted in enumerate(zip(*votes, strict=True)):
            every = {span for span in best[row].union(*predicted) if self.min_votes.of(span.label) > 1}
            voted = {
                span
                for span in best[row]
                if span not in every or sum(span in one for one in predicted) >= self.min_votes.of(span.label)
            }
            sure = np.zeros(keep.shape[1], np.bool_)
            for span in voted:
                sure[span.start : span.end] = True
            for span in every - voted:
                keep[row, span.start : span.end] &= sure[span.start : span.end] & self.finds_spans


@dataclass(frozen=True)
class _Asked:
    """A member of the panel on the device, with its weights as tensors or plain numbers.

    of_tags: (tags,), of_spans: (types, 1, 1) where types have weights of their own. similarity: None where it does not
    compare.
    """

    model: Teacher
    tags: bool
    of_tags: torch.Tensor | float
    of_spans: torch.Tensor | float
    similarity: float | None
    temperature: float

    @classmethod
    def of(cls, member: Member, tagset: TagSet, device: torch.device, *, compares: bool) -> _Asked:
        model, weights = member.built.model.to(device).eval(), member.weights
        similarity = member.similarity if compares else None
        if weights is None or not weights.of_types:
            general = 0.0 if weights is None else weights.general
            return cls(model, weights is not None, general, general, similarity, member.temperature)
        of_types = torch.tensor([weights.of(label) for label in tagset.labels], device=device)
        general_first = torch.cat([of_types.new_tensor([weights.general]), of_types.repeat_interleave(2)])
        return cls(model, True, general_first, of_types[:, None, None], similarity, member.temperature)

    @property
    def by_type(self) -> bool:
        return isinstance(self.of_tags, torch.Tensor)


class _Pool:
    """A weighted mean of tensors of one shape, which come one after the other. The first may be changed."""

    def __init__(self) -> None:
        self.parts = 0
        self._total: torch.Tensor = torch.empty(0)
        self._weight: torch.Tensor | float = 0.0

    def add(self, part: torch.Tensor, weight: torch.Tensor | float) -> None:
        weighted = part if isinstance(weight, float) and weight == 1 else part * weight
        self._total = weighted if self.parts == 0 else self._total.add_(weighted)
        self._weight = self._weight + weight
        self.parts += 1

    def mean(self, *, normalised: bool = False) -> torch.Tensor:
        """normalised: each last dimension sums to 1 (0 where it is all 0), in place of the weights."""
        if not normalised:
            return self._total.div_(self._weight)
        whole = self._total.sum(-1, keepdim=True)
        return self._total.div_(whole.where(whole > 0, 1))


class _Heard:
    """What teachers said of a batch so far.

    tags, tables: probabilities of tags and of spans. likely: of one teacher alone, the spans that it thinks likely.
    vectors:      of the words that pairs are compared on, by teacher that compares. votes: entities, by teacher.
    """

    def __init__(self) -> None:
        self.tags, self.tables = _Pool(), _Pool()
        self.likely: tuple[Spans, torch.Tensor] | None = None
        self.vectors: list[torch.Tensor] = []
        self.votes: list[list[set[Span]]] = []


def tempered(probs: torch.Tensor, temperature: float) -> torch.Tensor:
    """Probabilities p → p^(1/T) / Σ p^(1/T) (Guo et al. 2017, "On Calibration of Modern Neural Networks").

    probs: (batch, words, tags) float. Returns: the same in float32; rows of zeros (padding) stay so.
    """
    softened = probs.float().pow(1 / temperature)
    whole = softened.sum(-1, keepdim=True)
    return softened / whole.where(whole > 0, 1)


def min_votes_of(options: LabelOptions) -> ByType[int]:
    """The votes that entities need. Raises ConfigError for what is no number."""
    return by_type("min_votes", options.min_votes, 1)


def _row_spans(spans: Spans, scores: torch.Tensor) -> RowSpans:
    row, start, end, label = spans.places.cpu().numpy().T
    values = np.empty(len(row), SPAN)
    values["start"], values["end"], values["label"] = start, end, label
    values["score"] = scores.cpu().numpy()
    return RowSpans(row, values)


def _span_probs(model: Teacher, encoded: torch.Tensor, probs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Returns (batch, types, words, words) span probabilities of a teacher, from those of tags without a span head."""
    head = model.tagger.head
    if isinstance(head, SpanHead):
        return head.span_probs(encoded, mask)
    return span_probs_of_tags(probs.log(), mask)
