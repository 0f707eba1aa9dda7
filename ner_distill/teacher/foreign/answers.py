"""`answers:FILE`: what a language model, a rule system or a person said of the sentences, entity by entity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ner_distill.data.formats.answers import Answer, characters, read_answers, spans_in
from ner_distill.data.formats.report import counted
from ner_distill.data.sentence import Sentence, Span, count_unspaced, without_overlap
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import sha256_of
from ner_distill.options.by_type import ByType
from ner_distill.teacher.foreign.base import SURE, ForeignTeacher, Said

MISSED = 0.2
"""Share of entities that who answers misses: twice of what is invented, as language models leave out more than that."""
PRIOR = 10.0
"""What is assumed of a tag counts as so many labelled words do."""
LETTERS = 6
"""Of the word of a name, where words are not single characters."""
USUAL = 0.15
"""Share of a text that its entities are, where answers do not give the text."""
WIDENED = "answers that begin or end inside a word"
NOT_FOUND = "answers whose text is not in the sentence"
OVERLAPPING = "answers that overlap a longer one"
OTHER_TEXT = "answers to another text than the sentence of their id"
Matrix = npt.NDArray[np.float64]


class AnswersTeacher(ForeignTeacher):
    """The answers of a file. A sentence is known by its id, or by its characters; what its answers say is as sure as
    their scores, or as is assumed of all of them.

    What is assumed is a matrix: of a word with a tag that was said, the probability of each tag. An entity's type is
    right with probability 1 − ε (0.9, or `confidence`), else it is O or another type, all alike. A word without an
    entity belongs to one that was missed with the probability that makes MISSED of all entities missing, given
    how many there are. With labelled sentences these are counted (`learn`); the above then counts as PRIOR words do.
    """

    knows_some = True

    def __init__(self, name: str, answers: Sequence[Answer], confidence: ByType[float] | None = None) -> None:
        """Raises DataError where no answer names an entity: nothing says of which types it is."""
        placed = {one.label for answer in answers for one in answer.said}
        types = sorted(placed | {one.label for answer in answers for one in answer.named})
        if not types:
            raise DataError(f"{name}: no entity in any of {counted(len(answers), 'answer')}; expected some")
        super().__init__(name, types)
        self._given = confidence is not None
        self._by_id = {answer.id: answer for answer in reversed(answers) if answer.id is not None}
        self._by_text = {answer.text: answer for answer in reversed(answers) if answer.text is not None}
        self.by_id_alone = not self._by_text
        self._trust = _assumed(answers, self.types, confidence or ByType(SURE, {}))
        self._fingerprint = ""

    @classmethod
    def load(cls, place: str, confidence: ByType[float] | None = None) -> AnswersTeacher:
        """The answers of a file. confidence: of those without a score. Raises DataError for a file that is not read."""
        if not Path(place).is_file():
            what = "is a directory" if Path(place).exists() else "no such file"
            raise ConfigError(f"answers:{place}: {what}; expected a file with labelled sentences")
        answers, report = read_answers(place)
        teacher = cls(f"answers:{place}", answers, confidence)
        if unknown := sorted(set(confidence.of_types if confidence else ()).difference(teacher.types)):
            raise ConfigError(
                f"`confidence` {', '.join(unknown)}: no such type in {place}; expected {', '.join(teacher.types)}"
            )
        teacher._fingerprint = sha256_of(Path(place))
        teacher.remarks = (*report.remarks, *([] if report.clean else [f"{place}: {report.summary()}"]))
        return teacher

    def fingerprint(self) -> str:
        return self._fingerprint

    def knows(self, sentence: Sentence) -> bool:
        return self._answer(sentence) is not None

    def _answer(self, sentence: Sentence) -> Answer | None:
        """The answer with the sentence's id, unless that is to another text; else one to the same text."""
        named = self._by_id.get(sentence.id)
        text = characters(sentence.words)
        if named is not None and named.text in (None, text):
            return named
        return self._by_text.get(text)

    def answers(self, sentences: Sequence[Sentence]) -> list[Said]:
        return [self._said(sentence) for sentence in sentences]

    def _said(self, sentence: Sentence) -> Said:
        spans = self._spans(sentence)
        tags = self.tagset.encode([span for span, _ in spans], len(sentence.words))
        probs = self._trust[tags]
        for span, score in spans:
            if score is not None:
                words = np.arange(span.start, span.end)
                own = probs[words, np.array(tags)[words]]
                left = np.where(own < 1, (1 - score) / np.where(own < 1, 1 - own, 1), 0)
                probs[words] *= left[:, None]
                probs[words, np.array(tags)[words]] = score
                probs[words, 0] += 1 - probs[words].sum(1)  # of a type that is assumed to be always right
        return Said(probs.astype(np.float32))

    def _spans(self, sentence: Sentence) -> list[tuple[Span, float | None]]:
        answer = self._answer(sentence)
        assert answer is not None, "asked about a sentence that it does not know"
        spans, inside, lost = spans_in(answer, sentence)
        kept = set(without_overlap(span for span, _ in spans))
        chosen = dict(one for one in reversed(spans) if one[0] in kept)
        self.counts.update({WIDENED: inside, NOT_FOUND: lost, OVERLAPPING: len({s for s, _ in spans}) - len(kept)})
        return sorted(chosen.items(), key=lambda one: one[0])

    def learn(self, labelled: Sequence[Sentence], meaning: Mapping[str, str]) -> None:
        """Count of words how often a tag that was said is each tag, on the labelled sentences that it has answers to.

        Not where the user said how sure answers are. Raises DataError where it has an answer to none of them.
        """
        if self._given:
            return
        known = [sentence for sentence in labelled if self.knows(sentence)]
        if not known:
            raise DataError(f"`labelled`: {self.name} has an answer to none of {counted(len(labelled), 'sentence')}")
        theirs = {ours: label for label, ours in reversed(list(meaning.items()))}
        counts = np.zeros_like(self._trust)
        before = Counter(self.counts)
        for sentence in known:
            said = self.tagset.encode([span for span, _ in self._spans(sentence)], len(sentence.words))
            gold = [
                Span(span.start, span.end, theirs[span.label])
                for span in without_overlap(sentence.spans or ())
                if span.label in theirs
            ]
            right = self.tagset.encode(gold, len(sentence.words))
            for one, other, counts_in in zip(said, right, sentence.counted, strict=True):
                counts[one, self._same(one, other, meaning)] += counts_in
        self.counts = before
        self._trust = (counts + PRIOR * self._trust) / (counts.sum(1, keepdims=True) + PRIOR)

    def _same(self, said: int, gold: int, meaning: Mapping[str, str]) -> int:
        """The gold tag; where the type that was said stands for the gold type as well as another, that of this type."""
        if not said or not gold:
            return gold
        of_said, of_gold = (meaning.get(self.types[(tag - 1) // 2]) for tag in (said, gold))
        return gold if of_said != of_gold else 1 + 2 * ((said - 1) // 2) + (gold - 1) % 2


def _assumed(answers: Sequence[Answer], types: Sequence[str], confidence: ByType[float]) -> Matrix:
    """(tags, tags) the probability of each tag at a word of which one was said, before anything was counted."""
    tags = len(TagSet(tuple(types)))
    trust = np.zeros((tags, tags))
    for number, label in enumerate(types):
        sure = confidence.of(label)
        for tag in (1 + 2 * number, 2 + 2 * number):
            others = [0, *(other for other in range(2 - tag % 2, tags, 2) if other != tag)]
            trust[tag, others] = (1 - sure) / len(others)
            trust[tag, tag] = sure
    trust[0] = _missed(answers, types)
    return trust


def _missed(answers: Sequence[Answer], types: Sequence[str]) -> npt.NDArray[np.float64]:
    """(tags,) of a word that was said to be none of an entity's. Counted are characters, as words are cut later."""
    held, first = np.zeros(len(types)), np.zeros(len(types))
    place = {label: number for number, label in enumerate(types)}
    whole = 0.0
    for answer in answers:
        lengths = [(one.end - one.start, one.label) for one in answer.said]
        lengths += [(len(characters([one.surface])), one.label) for one in answer.named]
        of_word = 1 if 2 * count_unspaced(answer.text or "") > len(answer.text or "") else LETTERS
        whole += len(answer.text) if answer.text is not None else sum(length for length, _ in lengths) / USUAL
        for length, label in lengths:
            held[place[label]] += length
            first[place[label]] += min(length, of_word)
    share = MISSED / (1 - MISSED) * held / max(whole - held.sum(), held.sum(), 1)
    begin = np.divide(first, held, out=np.ones_like(held), where=held > 0)
    return np.concatenate([[1 - share.sum()], np.stack([share * begin, share * (1 - begin)], 1).ravel()])
