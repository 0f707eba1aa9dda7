"""A teacher as a labelling asks it, whoever made it: a run of ours, or somebody else's model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ner_distill.config import TeacherConfig
from ner_distill.data.batching import pad_rows
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.windows import Window
from ner_distill.data.sentence import ScoredSpan, Sentence, Span, Unit
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.store.pseudo_labels import LIKELY
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.backbone import FLOAT32_ALONE, LIKE_BERT, layers_of
from ner_distill.nn.encoders.base import Encoder
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.nn.heads import SpanHead
from ner_distill.nn.int8 import no_int8, quantize_layers
from ner_distill.nn.spans import Spans, span_probs_of_tags
from ner_distill.runs.build import Built
from ner_distill.runs.calibration import read_calibration
from ner_distill.runs.facts import fingerprint
from ner_distill.runs.info import RunInfo
from ner_distill.teacher.foreign.base import MappedTeacher, Probs, Said
from ner_distill.teacher.model import Teacher

Entities = list[set[Span]]
"""The entities of each sentence of a batch."""


class Answering(ABC):
    """What one teacher says of one batch; nothing is computed before it is asked for."""

    @property
    @abstractmethod
    def mask(self) -> Tensor:
        """(batch, words) bool, True = the word exists."""

    @abstractmethod
    def tag_probs(self) -> Tensor:
        """(batch, words, tags) float, 0 at padding. May be changed by who asks."""

    @abstractmethod
    def span_probs(self) -> Tensor:
        """(batch, types, words, words) float, of words i to j, both inclusive; 0 where there is no candidate."""

    @abstractmethod
    def entities(self) -> Entities:
        """What it would predict: its vote."""

    def likely_spans(self, floor: float) -> tuple[Spans, Tensor]:
        """The spans more probable than the floor, with their probabilities; of a teacher that `lists_spans`."""
        raise NotImplementedError("it lists no spans")

    def pair_vectors(self) -> Any:
        """What its pairs of words are compared by; of a teacher that has a `similarity`."""
        raise NotImplementedError("it compares no words")

    def compare(self, vectors: Any, pairs: Tensor) -> Tensor:
        """(pairs,) similarities. pairs: (pairs, 2) long, flat indices into (batch · words)."""
        raise NotImplementedError("it compares no words")


class Voice(ABC):
    """A teacher of a labelling.

    name:       as the manifest of a store names it.
    labels:     the types that it answers with, in the order of the tags.
    run:        its directory, where it is a run of ours.
    info:       what that says of itself.
    similarity: what two words must share to be alike, and the scale of how alike they are; None: it compares none.
    finds_spans: are its entities spans, which may nest?
    lists_spans: can it say which spans are likely without a table of all?
    knows_some: has it answers to some sentences alone?
    """

    name: str
    labels: tuple[str, ...]
    run: Path | None = None
    info: RunInfo | None = None
    similarity: tuple[str, str] | None = None
    finds_spans: bool = False
    lists_spans: bool = False
    knows_some: bool = False

    @property
    def float32_alone(self) -> bool:
        """Can it not compute in bf16?"""
        return False

    @property
    def unit(self) -> Unit | None:
        """How the words that it was trained on are cut; None where nobody knows."""
        return None if self.info is None else self.info.unit

    @property
    def counts(self) -> Mapping[str, int]:
        """How often it could not take something as it was, so far, by reason."""
        return {}

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything that decides what it answers. Raises OSError."""

    @abstractmethod
    def temperature(self) -> float:
        """Of its tag probabilities, as its training fitted it. Raises ConfigError where there should be one."""

    def knows(self, sentence: Sentence) -> bool:
        """Has it an answer for this sentence?"""
        return True

    @abstractmethod
    def prepare(self, device: torch.device, budget: int) -> None:
        """Get ready to answer on this device, in batches of about so many units."""

    def quantize(self) -> None:
        """Answer with linear layers in 8 bits from now on. Raises ConfigError where it cannot."""
        raise no_int8(self.name)

    @abstractmethod
    def features_of(self, sentences: Sequence[Sentence]) -> Sequence[Any]:
        """What it reads of each sentence; kept by the caller."""

    @abstractmethod
    def size(self, features: Any) -> int:
        """Units that it computes."""

    @abstractmethod
    def windows(self, features: Any) -> Sequence[Window]:
        """The windows in which it reads a sentence, in words."""

    @abstractmethod
    def cut(self, features: Any, window: Window) -> Any:
        """The features of the words of a window."""

    def collate(self, batch: Sequence[Any]) -> Any:
        """What is asked about sentences, by their features: made on the CPU, perhaps in another thread."""
        return batch

    @abstractmethod
    def ask(self, collated: Any) -> Answering:
        """What it says of sentences, by what was collated."""


# ---- a run of ours


class RunVoice(Voice):
    """A teacher that train-teacher made."""

    def __init__(self, built: Built[Teacher], run: Path | None = None) -> None:
        """run: its directory; None of one that is asked without being named in a store."""
        self.built, self.run, self.info = built, run, built.info
        self.name, self.labels = str(run), built.info.labels
        self._model, self._featurizer = built.model, built.featurizer
        self._device = torch.device("cpu")
        self.finds_spans = self.lists_spans = isinstance(built.tagger.head, SpanHead)
        if built.model.similarity is not None and isinstance(built.config, TeacherConfig):
            self.similarity = built.config.similarity.target, built.config.similarity.scale

    @property
    def featurizer(self) -> Featurizer[Any]:
        return self._featurizer

    @property
    def counts(self) -> Mapping[str, int]:
        return self._featurizer.counts

    def fingerprint(self) -> str:
        assert self.run is not None, "a teacher that is named in no store"
        return fingerprint(self.run)

    def temperature(self) -> float:
        run = self.run
        assert run is not None, "a teacher without a directory"
        if self.finds_spans:
            raise ConfigError(f"`calibrated`: {run} finds spans, which have no temperature; leave it out")
        temperature = read_calibration(run, self.labels).temperature
        if temperature is None:
            raise ConfigError(
                f"`calibrated`: {run} has no temperature in calibration.json: train it with `dev`, or leave it out"
            )
        return temperature

    def prepare(self, device: torch.device, budget: int) -> None:
        self._device = device
        self._model.to(device).eval()

    @property
    def _encoders(self) -> list[Encoder]:
        encoder = self.built.tagger.encoder.innermost()
        return [encoder] if self._model.evaluator is None else [encoder, self._model.evaluator.innermost()]

    @property
    def float32_alone(self) -> bool:
        kinds = [one.backbone.config.model_type for one in self._encoders if isinstance(one, PretrainedEncoder)]
        return any(kind in FLOAT32_ALONE for kind in kinds)

    def quantize(self) -> None:
        for one in self._encoders:
            if not (isinstance(one, PretrainedEncoder) and one.backbone.config.model_type in LIKE_BERT):
                raise no_int8(self.name)
            quantize_layers(layers_of(one.backbone))

    def features_of(self, sentences: Sequence[Sentence]) -> Sequence[Any]:
        return self._featurizer.features_of([sentence.words for sentence in sentences])

    def size(self, features: Any) -> int:
        return self._featurizer.size(features)

    def windows(self, features: Any) -> Sequence[Window]:
        return self._featurizer.windows(features)

    def cut(self, features: Any, window: Window) -> Any:
        return self._featurizer.cut(features, window.start, window.end)

    def collate(self, batch: Sequence[Any]) -> dict[str, Tensor]:
        inputs = self._featurizer.collate(batch)
        if self._device.type == "cuda":  # what is pinned is copied while the GPU computes
            return {key: value.pin_memory() for key, value in inputs.items()}
        return inputs

    def ask(self, collated: dict[str, Tensor]) -> Answering:
        inputs = {key: value.to(self._device, non_blocking=True) for key, value in collated.items()}
        return _RunAnswering(self._model, inputs, self.info.tagset if self.info is not None else TagSet(self.labels))


class _RunAnswering(Answering):
    def __init__(self, model: Teacher, inputs: dict[str, Tensor], tagset: TagSet) -> None:
        self._model, self._inputs, self._tagset = model, inputs, tagset
        self._said: tuple[Tensor, Tensor] | None = None

    @property
    def mask(self) -> Tensor:
        return self._inputs["mask"]

    def _tagged(self) -> tuple[Tensor, Tensor]:
        """The encoded words, and their tag probabilities."""
        if self._said is None:
            self._said = self._model(self._inputs)
        return self._said

    def tag_probs(self) -> Tensor:
        return self._tagged()[1]

    def span_probs(self) -> Tensor:
        encoded, probs = self._tagged()
        head = self._model.tagger.head
        if isinstance(head, SpanHead):
            return head.span_probs(encoded, self.mask)
        return span_probs_of_tags(probs.log(), self.mask)

    def likely_spans(self, floor: float) -> tuple[Spans, Tensor]:
        head = self._model.tagger.head
        assert isinstance(head, SpanHead)
        return head.likely(self._tagged()[0], self.mask, floor)

    def entities(self) -> Entities:
        encoded, head = self._tagged()[0], self._model.tagger.head
        if isinstance(head, SpanHead):
            return by_sentence(head.find(encoded, self.mask)[0], len(self.mask), self._tagset)
        return [set(self._tagset.decode(row)) for row in head.decode(encoded, self.mask).tolist()]

    def pair_vectors(self) -> Any:
        return self._model.pair_vectors(self._inputs, None if self._said is None else self._said[0])

    def compare(self, vectors: Any, pairs: Tensor) -> Tensor:
        return self._model.compare(vectors, pairs)


# ---- somebody else's model


@dataclass
class _Told:
    """A sentence, and what the teacher said of it once it was asked. A sentence is asked whole, and once."""

    sentence: Sentence
    said: Said | None = None


@dataclass(frozen=True)
class _Part:
    """The words `start` to `end` of a sentence."""

    told: _Told
    start: int
    end: int


class ForeignVoice(Voice):
    """Somebody else's model, in our types. It reads a sentence whole, however long, and compares no words."""

    def __init__(self, teacher: MappedTeacher) -> None:
        self.teacher = teacher
        self.name, self.labels = teacher.teacher.name, teacher.labels
        self.knows_some, self.finds_spans = teacher.teacher.knows_some, teacher.teacher.finds_spans
        self._device = torch.device("cpu")

    @property
    def counts(self) -> Mapping[str, int]:
        return self.teacher.teacher.counts

    def fingerprint(self) -> str:
        return self.teacher.teacher.fingerprint()

    def temperature(self) -> float:
        """1: nobody fitted one."""
        return 1.0

    def knows(self, sentence: Sentence) -> bool:
        return self.teacher.teacher.knows(sentence)

    @property
    def float32_alone(self) -> bool:
        return self.teacher.teacher.float32_alone

    def prepare(self, device: torch.device, budget: int) -> None:
        self._device = device
        self.teacher.teacher.prepare(device, budget)

    def quantize(self) -> None:
        self.teacher.teacher.quantize()

    def features_of(self, sentences: Sequence[Sentence]) -> Sequence[_Part]:
        return [_Part(_Told(sentence), 0, len(sentence.words)) for sentence in sentences]

    def size(self, features: _Part) -> int:
        whole = features.end - features.start == len(features.told.sentence.words)
        return self.teacher.teacher.size(features.told.sentence) if whole else features.end - features.start

    def windows(self, features: _Part) -> Sequence[Window]:
        length = features.end - features.start
        return [Window(0, length, 0, length)]

    def cut(self, features: _Part, window: Window) -> _Part:
        return _Part(features.told, features.start + window.start, features.start + window.end)

    def ask(self, collated: Sequence[_Part]) -> Answering:
        new = {id(part.told): part.told for part in collated if part.told.said is None and part.told.sentence.words}
        answers = self.teacher.answers([told.sentence for told in new.values()])
        for told, said in zip(new.values(), answers, strict=True):
            told.said = said
        tagset = TagSet(self.labels)
        rows = [_probs(part, len(tagset)) for part in collated]
        width = max(map(len, rows), default=0)
        probs = np.stack([np.pad(row, ((0, width - len(row)), (0, 0))) for row in rows])
        mask = pad_rows([np.ones(len(row), np.int64) for row in rows], width) > 0
        spans = [_spans(part) for part in collated] if self.finds_spans else None
        return _ForeignAnswering(torch.from_numpy(probs).to(self._device), mask.to(self._device), tagset, spans)


def _probs(part: _Part, tags: int) -> Probs:
    if part.told.said is None:  # a sentence without a word
        return np.zeros((0, tags), np.float32)
    return part.told.said.probs[part.start : part.end]


def _spans(part: _Part) -> list[ScoredSpan]:
    """The spans that lie in these words."""
    spans = part.told.said.spans if part.told.said is not None else None
    return [
        (Span(span.start - part.start, span.end - part.start, span.label), score)
        for span, score in spans or ()
        if part.start <= span.start and span.end <= part.end
    ]


class _ForeignAnswering(Answering):
    """probs: (batch, words, tags). spans: of each sentence; None of a teacher that tags."""

    def __init__(
        self, probs: Tensor, mask: Tensor, tagset: TagSet, spans: Sequence[Sequence[ScoredSpan]] | None
    ) -> None:
        self._probs, self._mask, self._tagset, self._spans = probs, mask, tagset, spans

    @property
    def mask(self) -> Tensor:
        return self._mask

    def tag_probs(self) -> Tensor:
        return self._probs.clone()

    def span_probs(self) -> Tensor:
        if self._spans is None:
            return span_probs_of_tags(self._probs.log(), self._mask)
        batch, words = self._mask.shape
        table = self._probs.new_zeros(batch, len(self._tagset.labels), words, words)
        for row, spans in enumerate(self._spans):
            places = self._tagset.places(span for span, _ in spans)
            for (start, end, kind), (_, score) in zip(places.tolist(), spans, strict=True):
                table[row, kind, start, end - 1] = max(score, float(table[row, kind, start, end - 1]))
        return table

    def entities(self) -> Entities:
        if self._spans is not None:
            return [{span for span, score in spans if score > LIKELY} for spans in self._spans]
        rows = zip(self._probs.cpu().numpy(), self._mask.sum(1).tolist(), strict=True)
        return [{span for span, _ in decode_probs(row[:length], self._tagset)} for row, length in rows]


def by_sentence(spans: Spans, sentences: int, tagset: TagSet) -> Entities:
    """The spans of a batch of so many sentences, by sentence."""
    entities: Entities = [set() for _ in range(sentences)]
    for row, start, end, label in spans.places.tolist():
        entities[row].add(Span(start, end, tagset.labels[label]))
    return entities
