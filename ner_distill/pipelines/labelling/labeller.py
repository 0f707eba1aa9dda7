"""The teachers, ready to answer batches of sentences: probabilities, spans, votes and similarities of sampled pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from ner_distill.data.batching import fill_batches, plan_batches
from ner_distill.data.features.windows import Window
from ner_distill.data.sampling import sample_pairs
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.columns import SPAN, SoftBlock, half_of
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.store.drawing import Drawing
from ner_distill.data.store.pseudo_labels import LIKELY
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, memory_for
from ner_distill.nn.spans import Spans, spans_above, word_confidence
from ner_distill.options.by_type import ByType, by_type
from ner_distill.options.models import LabelOptions
from ner_distill.pipelines.labelling.panel import Member, Panel
from ner_distill.pipelines.labelling.shard_buffer import Answer, RowSpans, ShardBuffer, joined_answers
from ner_distill.pipelines.labelling.voices import Answering, Voice, by_sentence
from ner_distill.runtime.inference import LONG_SHARE, best_device, budget_of, has_bf16
from ner_distill.runtime.onednn import fast_linear

SEED = 13
LONG_SEED = 4  # what is drawn in windows of long sentences leaves alone what is drawn in all others
BLOCK_SIZE = 16
KEPT = "Finished shards are kept: go on with the same command and `resume`"


class ShardLabeller(Protocol):
    """What labels the sentences of a shard."""

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
    voters:     how many teachers there are in all, where the others have no answer to these sentences; 0: these alone.
    """

    def __init__(
        self,
        panel: Panel,
        options: LabelOptions,
        *,
        block_size: int = BLOCK_SIZE,
        seed: int = SEED,
        voters: int = 0,
    ) -> None:
        """Raises ConfigError for options that make no sense."""
        labels, votes = panel.labels, voters or len(panel.tagging)
        self.min_votes = min_votes_of(options)
        expected = f"expected 1 to {votes}, the number of teachers"
        if found := self.min_votes.problems("min_votes", labels, lambda least: 1 <= least <= votes, expected):
            raise ConfigError.of(found)
        if not 0 < options.span_floor < 1:
            raise ConfigError(f"`span_floor`: expected more than 0 and less than 1, found {options.span_floor}")
        self.block_size, self.seed = block_size, seed
        self.device, self.tagset = best_device(), TagSet(labels)
        precision = options.precision
        if precision == "auto":
            # not on a CPU: a worker of this store, or who resumes it, may have one without it
            able = has_bf16(self.device) and not any(one.voice.float32_alone for one in panel.members)
            precision = "bf16" if self.device.type == "cuda" and able else "fp32"
        if precision == "bf16" and (unable := [one.voice.name for one in panel.members if one.voice.float32_alone]):
            raise ConfigError(f"`precision` bf16: {unable[0]} cannot compute in it; use fp32")
        if precision == "int8" and self.device.type != "cpu":
            raise ConfigError(f"`precision` int8 is for a CPU, and this is {self.device.type}: use bf16 or fp32")
        self.options = replace(options, batch_words=options.batch_words or budget_of(self.device), precision=precision)
        self.autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.precision == "bf16")
        self.voices = [one.voice for one in panel.members]
        for voice in self.voices:
            voice.prepare(self.device, self.options.batch_words)
            if precision == "int8":
                voice.quantize()
        compares = options.pairs_per_sentence > 0
        self.asked = [_Asked.of(one, self.tagset, self.device, compares=compares) for one in panel.members]
        self.compares = any(one.similarity is not None for one in self.asked)
        tagging = [one.voice for one in self.asked if one.tags]
        self.finds_spans = any(voice.finds_spans for voice in tagging)
        # a pointer says which spans are likely without a table of all: long lines then take no more than with tags
        self.by_lists = len(tagging) == 1 and not options.min_confidence and tagging[0].lists_spans

    def counts(self) -> Counter[str]:
        """Returns how often the teachers could not take something as it was, so far, by reason."""
        counts = Counter[str]()
        for voice in self.voices:
            counts.update(voice.counts)
        return counts

    def blocks(self, sentences: Sequence[Sentence], shard: int, advance: Callable[[int, int], None]) -> list[SoftBlock]:
        """Returns the blocks of one shard. `advance` is called with the sentences and the words of each batch."""
        features = list(zip(*(voice.features_of(sentences) for voice in self.voices), strict=True))
        windows = list(map(self._windows, features))
        pairs_per_sentence = self.options.pairs_per_sentence if self.compares else 0
        buffer = ShardBuffer(sentences, len(self.tagset), pairs_per_sentence, spans=self.finds_spans)
        whole = [index for index, own in enumerate(windows) if len(own) == 1]
        sizes = self._sizes([features[index] for index in whole])
        plan = plan_batches(sizes, budget=self.options.batch_words, seed=None)
        drawing = Drawing(self.seed, shard, pairs_per_sentence)
        asking = self._collated([[features[whole[place]] for place in batch] for batch in plan])
        for number, (batch, collated) in enumerate(zip(plan, asking, strict=True)):
            indices = [whole[place] for place in batch]
            chunks = [
                range(first, min(first + self.block_size, len(batch)))
                for first in range(0, len(batch), self.block_size)
            ]
            with memory_for([sentences[index].id for index in indices], KEPT):
                answer = self._answer(collated, chunks, drawing.generator(number))
            buffer.put(indices, chunks, answer, batch=number)
            advance(len(batch), sum(len(sentences[index].words) for index in indices))
        self._put_long(buffer, sentences, features, windows, shard, advance)
        return buffer.blocks()

    def _windows(self, features: Sequence[Any]) -> Sequence[Window]:
        """Returns the windows of a sentence: those of the teacher that needs most; all others can read these.

        features: the sentence's, of each teacher.
        """
        return max((one.windows(own) for one, own in zip(self.voices, features, strict=True)), key=len)

    def _sizes(self, features: Sequence[Sequence[Any]]) -> list[int]:
        return [max(one.size(own) for one, own in zip(self.voices, row, strict=True)) for row in features]

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
        asking = self._collated([[cut[place] for place in batch] for batch in batches])
        for number, (batch, collated) in enumerate(zip(batches, asking, strict=True)):
            rng = np.random.default_rng([self.seed, shard, LONG_SEED, number])
            each = [range(row, row + 1) for row in range(len(batch))]
            with memory_for([sentences[rows[place][0]].id for place in batch], KEPT):
                answer = self._answer(collated, each, rng)
            for row, (index, _) in enumerate(rows[place] for place in batch):
                answers.append(answer.of_row(row))
                if len(answers) == len(windows[index]):
                    buffer.put([index], [range(1)], joined_answers(windows[index], answers))
                    advance(1, len(sentences[index].words))
                    answers = []

    def _cut(self, features: Sequence[Any], window: Window) -> list[Any]:
        return [one.cut(own, window) for one, own in zip(self.voices, features, strict=True)]

    def _collated(self, batches: Sequence[Sequence[Sequence[Any]]]) -> Iterator[list[Any]]:
        """Yields what is asked of each teacher about each batch; beside a GPU, which is not to wait for it, the next
        one is made in a thread while a batch is answered.

        batches: the features of each sentence, by teacher.
        """

        def made(rows: Sequence[Sequence[Any]]) -> list[Any]:
            return [voice.collate(own) for voice, own in zip(self.voices, zip(*rows, strict=True), strict=True)]

        if self.device.type == "cpu":
            yield from map(made, batches)
            return
        with ThreadPoolExecutor(1) as ahead:
            following = ahead.submit(made, batches[0]) if batches else None
            for number in range(1, len(batches) + 1):
                assert following is not None
                collated = following.result()
                following = ahead.submit(made, batches[number]) if number < len(batches) else None
                yield collated

    def _answer(self, collated: Sequence[Any], chunks: Sequence[range], rng: np.random.Generator) -> Answer:
        """Returns the answer for a batch. collated: for each teacher."""
        heard = _Heard()
        with torch.inference_mode(), self.autocast, fast_linear(self.device):
            for asked, one in zip(self.asked, collated, strict=True):
                answering = asked.voice.ask(one)
                self._hear(heard, asked, answering)
            mask = answering.mask
            probs = heard.tags.mean(normalised=any(one.by_type for one in self.asked))
            span_probs = heard.tables.mean() if heard.tables.parts else None
            sure = probs.amax(-1) if span_probs is None else word_confidence(span_probs, mask)
            keep = (mask & (sure >= self.options.min_confidence)).cpu().numpy()
            likely = heard.likely if span_probs is None else spans_above(span_probs, self.options.span_floor)
            spans = None if likely is None else _row_spans(*likely)
            pairs = self._pairs(probs, mask, chunks, rng)
            similarity = self._similarity(heard.compared, pairs)
        if heard.votes:
            self._drop_outvoted(keep, heard.votes, self._best(probs, span_probs, mask))
        return Answer(probs.float().cpu().numpy(), keep, pairs, similarity, spans)

    def _hear(self, heard: _Heard, asked: _Asked, answering: Answering) -> None:
        """Add what a teacher says of a batch."""
        if asked.tags:
            probs = answering.tag_probs()
            if asked.temperature != 1:
                probs = tempered(probs, asked.temperature)
            heard.tags.add(probs, asked.of_tags)
            if self.by_lists:
                heard.likely = answering.likely_spans(self.options.span_floor)
            elif self.finds_spans:
                heard.tables.add(answering.span_probs(), asked.of_spans)
            if max(self.min_votes.values) > 1:
                heard.votes.append(answering.entities())
        if asked.similarity is not None:
            heard.compared.append((answering, answering.pair_vectors(), asked.similarity))

    def _similarity(
        self, compared: Sequence[tuple[Answering, Any, float]], pairs: Sequence[npt.NDArray[np.int64]]
    ) -> list[npt.NDArray[np.float32]]:
        """Returns the weighted mean of the similarities for the pairs of each block. compared: see `_Heard`."""
        if not self.compares:
            return [np.zeros(0, np.float32)] * len(pairs)
        every = torch.from_numpy(np.concatenate(pairs)).to(self.device)
        pool = _Pool()
        for answering, vectors, weight in compared:
            pool.add(answering.compare(vectors, every), weight)
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

    def _best(self, probs: torch.Tensor, span_probs: torch.Tensor | None, mask: torch.Tensor) -> list[set[Span]]:
        """Returns the entities of each sentence that the mean of the teachers' probabilities gives."""
        if span_probs is not None:
            return by_sentence(spans_above(span_probs, LIKELY)[0], len(mask), self.tagset)
        rows = zip(probs.float().cpu().numpy(), mask.sum(1).tolist(), strict=True)
        return [{span for span, _ in decode_probs(row[:length], self.tagset)} for row, length in rows]

    def _drop_outvoted(
        self, keep: npt.NDArray[np.bool_], votes: Sequence[list[set[Span]]], best: Sequence[set[Span]]
    ) -> None:
        """Set `keep` to False on the words of every entity that fewer than `min_votes` teachers predict, or the `best`
        reading alone, or the votes alone: what is kept says the same by votes and by probabilities.

        But not on those that it shares with an entity of enough votes, nested or not: that would be lost as well.
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
                keep[row, span.start : span.end] &= sure[span.start : span.end]


@dataclass(frozen=True)
class _Asked:
    """A member of the panel on the device, with its weights as tensors or plain numbers.

    of_tags: (tags,), of_spans: (types, 1, 1) where types have weights of their own. similarity: None where it does not
    compare.
    """

    voice: Voice
    tags: bool
    of_tags: torch.Tensor | float
    of_spans: torch.Tensor | float
    similarity: float | None
    temperature: float

    @classmethod
    def of(cls, member: Member, tagset: TagSet, device: torch.device, *, compares: bool) -> _Asked:
        voice, weights = member.voice, member.weights
        similarity = member.similarity if compares else None
        if weights is None or not weights.of_types:
            general = 0.0 if weights is None else weights.general
            return cls(voice, weights is not None, general, general, similarity, member.temperature)
        of_types = torch.tensor([weights.of(label) for label in tagset.labels], device=device)
        general_first = torch.cat([of_types.new_tensor([weights.general]), of_types.repeat_interleave(2)])
        return cls(voice, True, general_first, of_types[:, None, None], similarity, member.temperature)

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
    compared:     of each teacher that compares: its answer, what it compares words by, and its weight.
    votes:        entities, by teacher.
    """

    def __init__(self) -> None:
        self.tags, self.tables = _Pool(), _Pool()
        self.likely: tuple[Spans, torch.Tensor] | None = None
        self.compared: list[tuple[Answering, Any, float]] = []
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
    values["score"] = half_of(scores.float().cpu().numpy())
    return RowSpans(row, values)
