"""The development set: which words of it count, and what a model scores on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ner_distill.config import PuConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.calibration import JudgedEntity
from ner_distill.data.features.base import Featurizer
from ner_distill.data.metrics import Scores, score
from ner_distill.data.sentence import ScoredSpan, Sentence, Span, disjoint, kept_words
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError
from ner_distill.nn.tagger import Tagger
from ner_distill.options import Files
from ner_distill.runs.build import AnyBuilt
from ner_distill.runtime.inference import Observer, find_entities, renumbered
from ner_distill.student.model import Student
from ner_distill.teacher.model import Teacher
from ner_distill.training.pairs import DevelopmentPairs, PairScores, development_pairs

MOST_WORDS = 200_000
"""Words whose tags' log probabilities are kept: more do not change the one number that is fitted on them."""


@dataclass(frozen=True)
class Reading:
    """What a model said of a development set.

    found:      the entities of each sentence. similarity: scores of a teacher's second task; None where it has none.
    tag_logs:   (words, tags) log probabilities of sentences, by their numbers among those that are read; not of those
                that are read in windows.
    """

    found: list[Sequence[ScoredSpan]]
    similarity: PairScores | None
    tag_logs: Mapping[int, Tensor]


@dataclass(frozen=True)
class Answers:
    """What a model answered on labelled sentences, beside what is right: entities that count, of each sentence.

    masked:       gold entities that do not count. inside_words: those that begin or end inside a word, and are missed.
    unread:       sentences that were not read for their length, and unread_entities, theirs, which are missed.
    """

    sentences: Sequence[Sentence]
    gold: Sequence[Sequence[Span]]
    found: Sequence[Sequence[ScoredSpan]]
    masked: int = 0
    inside_words: int = 0
    unread: int = 0
    unread_entities: int = 0


class TagLogs:
    """Observes a tagger and keeps the log probabilities of the tags of `MOST_WORDS` words, in float32 on the CPU."""

    def __init__(self, tagger: Tagger) -> None:
        self.found: dict[int, Tensor] = {}
        self._tagger, self._words = tagger, 0

    def __call__(self, numbers: Sequence[int], vectors: Tensor, mask: Tensor) -> None:
        """As `Observer` has it."""
        if self._words >= MOST_WORDS:
            return
        logs = self._tagger.head.log_probs(vectors, mask).float().cpu()
        for number, own, length in zip(numbers, logs, mask.sum(1).tolist(), strict=True):
            self.found[number] = own[:length].clone()
            self._words += length


class DevelopmentSet:
    """Scores a tagger on labelled sentences.

    A word that does not count (`Sentence.keep`) has no say: a gold or predicted entity that contains one is left out.

    gold: the entities of each sentence that count. left_out: how many others there are. files: where they are from.
    max_words: sentences of more words, where that is above 0, are not read: all of their entities count as missed, so
        that a score never rises by leaving them out in silence. read: the numbers of the others.
    inside_words: the types of those that begin or end inside a word, one for each: they count as missed.
    pairs: what the second task of a teacher is scored on, where it has one.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        featurizer: Featurizer[Any],
        tagset: TagSet,
        files: Files = (),
        *,
        max_words: int = 0,
        pairs: DevelopmentPairs | None = None,
    ) -> None:
        self.files, self.sentences, self.pairs = files, sentences, pairs
        self.keep = kept_words(sentences)[1]
        self.gold = self._counting([sentence.exact for sentence in sentences])
        inside = self._counting([sentence.widened for sentence in sentences])
        self.inside_words = [span.label for spans in inside for span in spans]
        self.left_out = sum(len(one.exact) + len(one.widened) for one in sentences) - self.support
        self.read = [index for index, one in enumerate(sentences) if not 0 < max_words < len(one.words)]
        self.ids = [sentences[index].id for index in self.read]
        self.features = [featurizer.features(sentences[index].words) for index in self.read]
        self.featurizer, self.tagset = featurizer, tagset

    @property
    def support(self) -> int:
        """How many entities count."""
        return sum(map(len, self.gold)) + len(self.inside_words)

    def scores(self, tagger: Tagger) -> Scores:
        """Exact-span scores over the labels of the tag set and those of the data."""
        return self.scores_of(self.find(tagger, scores=False))

    def find(self, tagger: Tagger, *, scores: bool, observers: Sequence[Observer] = ()) -> list[Sequence[ScoredSpan]]:
        """The entities of each sentence, none of one that is not read; see `find_entities`."""
        found: list[Sequence[ScoredSpan]] = [()] * len(self.gold)
        own = find_entities(
            tagger, self.featurizer, self.tagset, self.features, scores=scores, ids=self.ids, observers=observers
        )
        for index, entities in zip(self.read, own, strict=True):
            found[index] = entities
        return found

    def scores_of(self, found: Sequence[Sequence[ScoredSpan]]) -> Scores:
        """As `scores`, of the entities that were found in each sentence."""
        spans = self._counting([[span for span, _ in own] for own in found])
        return score(self.gold, spans, self.tagset.labels, inside_words=self.inside_words)

    def judged(self, found: Sequence[Sequence[ScoredSpan]]) -> list[JudgedEntity]:
        """The found entities that count, with whether they are right."""
        return [
            JudgedEntity(index, span.label, score, span in self.gold[index])
            for index, own in enumerate(self._scored(found))
            for span, score in own
        ]

    def answers(self, found: Sequence[Sequence[ScoredSpan]]) -> Answers:
        """What was found in each sentence, beside what is right."""
        return Answers(
            self.sentences,
            self.gold,
            self._scored(found),
            masked=self.left_out,
            inside_words=len(self.inside_words),
            unread=len(self.gold) - len(self.read),
            unread_entities=self._unread_entities,
        )

    def _scored(self, found: Sequence[Sequence[ScoredSpan]]) -> list[list[ScoredSpan]]:
        """Of the entities that were found in each sentence those that count."""
        counting = self._counting([[span for span, _ in own] for own in found])
        return [
            [item for item in own if item[0] in spans] for own, spans in zip(found, map(set, counting), strict=True)
        ]

    @property
    def _unread_entities(self) -> int:
        """Gold entities of sentences that are not read."""
        return sum(map(len, self.gold)) - sum(len(self.gold[index]) for index in self.read)

    def tags_of(self, index: int) -> npt.NDArray[np.int64]:
        """(words,) the gold tags of a sentence, −1 of words that do not count or whose tag no tag set can say."""
        sentence = self.sentences[index]
        known = [span for span in sentence.exact if span.label in self.tagset.labels]
        said = disjoint(sorted(known, key=lambda span: (span.start - span.end, span)))
        tags = np.array(self.tagset.encode(said, len(sentence.words)), np.int64)
        tags[~np.array(sentence.counted, bool)] = -1
        for span in {*sentence.exact, *sentence.widened}.difference(said):
            tags[span.start : span.end] = -1
        return tags

    def _counting(self, spans: Sequence[Sequence[Span]]) -> list[Sequence[Span]]:
        if self.keep is None:
            return list(spans)
        return [
            [span for span in own if all(keep[span.start : span.end])]
            for own, keep in zip(spans, self.keep, strict=True)
        ]

    def warn_left_out(self, name: str, reporter: Reporter) -> None:
        """Warn of entities that do not count or cannot be found; `name` is the setting that names the data."""
        if self.inside_words:
            reporter.warn(
                f"{name}: {len(self.inside_words):,} of {self.support:,} entities have a border inside a word: each "
                "counts as missed; another `unit` may cut the text where they begin and end"
            )
        if self.left_out:
            count = self.left_out + self.support
            reporter.warn(
                f"{name}: {self.left_out:,} of {count:,} entities are masked (keep): they do not count, nor does "
                "what is found there"
            )
        if too_long := len(self.gold) - len(self.read):
            reporter.warn(
                f"{name}: {too_long:,} sentences of more than `max_words` words are not read: their "
                f"{self._unread_entities:,} entities count as missed"
            )

    def figures(self, model: Teacher | Student) -> dict[str, float]:
        """The figures of an epoch for the training loop, `score` among them."""
        reading = self.read_by(model)
        micro, alike = self.scores_of(reading.found).micro, reading.similarity
        own = {"score": micro.f1, "precision": micro.precision, "recall": micro.recall, "f1": micro.f1}
        return own if alike is None else own | alike.figures()

    def read_by(self, model: Teacher | Student, *, scores: bool = False, tag_logs: bool = False) -> Reading:
        """All that is asked of a model here, in one reading.

        Only a second encoder reads sentences of pairs too, and long sentences, in windows, are read for each question.
        scores: of each entity, see `find_entities`. tag_logs: whether the log probabilities of tags are kept.
        """
        logs = TagLogs(model.tagger)
        observers: list[Observer] = [logs] if tag_logs else []
        if self.pairs is None or not isinstance(model, Teacher):
            return Reading(self.find(model.tagger, scores=scores, observers=observers), None, logs.found)
        seen = self.pairs.watch(model)
        if seen is not None:
            observers.append(renumbered(seen, self.read))
        found = self.find(model.tagger, scores=scores, observers=observers)
        return Reading(found, self.pairs.scores(model, seen), logs.found)


def development_set(
    sentences: Sequence[Sentence],
    built: AnyBuilt,
    files: Files,
    epochs: int,
    reporter: Reporter,
    *,
    max_words: int = 0,
) -> DevelopmentSet | None:
    """The development set of a training, or None where there are no files of one; says what follows from that."""
    if not files:
        reporter.info(f"no `dev`: {epochs} epochs are trained, and the last weights kept; nothing chooses among them")
        return None
    pairs = development_pairs(sentences, built, max_words=max_words)
    dev_set = DevelopmentSet(sentences, built.featurizer, built.info.tagset, files, max_words=max_words, pairs=pairs)
    dev_set.warn_left_out("`dev`", reporter)
    return dev_set


def require_development(config: TeacherConfig, files: Files) -> None:
    """Raise ConfigError where there are no development files and the configuration needs some."""
    problems = []
    if config.optim.patience:
        problems.append("optim.patience stops where the score on `dev` does not rise: give `dev`, or leave patience 0")
    if isinstance(config.loss, PuConfig) and config.loss.prior_from == "dev":
        problems.append('loss.prior_from = "dev" counts the types of `dev`: give `dev`, or take "train"')
    if problems and not files:
        raise ConfigError.of(problems)
