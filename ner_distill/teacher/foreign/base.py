"""What somebody else's model has to give to be a teacher, and how its types become ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import ScoredSpan, Sentence
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError
from ner_distill.nn.int8 import no_int8

if TYPE_CHECKING:
    import torch

Probs = npt.NDArray[np.float32]
SURE = 0.9
"""How sure an answer without a score is, where nothing else says so."""
DROPPED = "entities of type {} dropped"
"""The counter of entities of a type that is mapped to nothing."""


@dataclass(frozen=True)
class Said:
    """What a teacher says of a sentence.

    probs: (words, tags) float32, of each word the probability of each tag; rows sum to 1.
    spans: entities with their scores, nested ones too; None of a teacher that tags words.
    """

    probs: Probs
    spans: tuple[ScoredSpan, ...] | None = None


class ForeignTeacher(ABC):
    """Somebody else's model, by the words that it is given.

    name:    `KIND:PLACE`, as the manifest of a store names it.
    types:   its entity types, in the order of the tags that it answers with.
    counts:  how often something happened to sentences and words so far, by what.
    remarks: what the user should know about it before it answers.
    """

    finds_spans = False
    """Do its answers have spans?"""
    knows_some = False
    """Has it answers to some sentences alone?"""
    float32_alone = False
    """Can it not compute in bf16?"""
    by_id_alone = False
    """Is the id of a sentence all that it knows it by?"""

    def __init__(self, name: str, types: Sequence[str], *, remarks: Sequence[str] = ()) -> None:
        self.name, self.types, self.remarks = name, tuple(types), tuple(remarks)
        self.counts: Counter[str] = Counter()

    @property
    def tagset(self) -> TagSet:
        return TagSet(self.types)

    @abstractmethod
    def answers(self, sentences: Sequence[Sentence]) -> list[Said]:
        """What it says of each of the sentences, all of which it `knows` and which have a word at least."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything that decides what it answers. Raises OSError."""

    def knows(self, sentence: Sentence) -> bool:
        """Has it an answer for this sentence? A model always has."""
        return True

    def size(self, sentence: Sentence) -> int:
        """Units that it computes for a sentence."""
        return len(sentence.words)

    def prepare(self, device: torch.device, budget: int) -> None:  # noqa: B027 (most need nothing)
        """Get ready to answer on this device, with batches of so many units; nothing by default."""

    def quantize(self) -> None:
        """Answer with linear layers in 8 bits from now on. Raises ConfigError where it cannot."""
        raise no_int8(self.name)

    def learn(  # noqa: B027 (most learn nothing)
        self, labelled: Sequence[Sentence], meaning: Mapping[str, str]
    ) -> None:
        """Learn from labelled sentences how far its types can be trusted; nothing by default.

        meaning: of its types, the type of the labelled sentences that each stands for.
        """


@dataclass(frozen=True)
class TypeMap:
    """Which of a teacher's types is which of ours.

    given: theirs → ours, "" where a type is dropped.
    """

    given: Mapping[str, str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> TypeMap:
        """From `THEIRS=OURS` and `THEIRS=`. Raises ConfigError for what is neither, and for two meanings of a type."""
        given: dict[str, str] = {}
        problems = []
        for text in texts:
            theirs, equals, ours = (part.strip() for part in text.rpartition("="))
            if not equals or not theirs:
                problems.append(f"`map` {text}: expected THEIRS=OURS, or THEIRS= to drop a type")
            elif given.get(theirs, ours) != ours:
                problems.append(f"`map` {text}: {theirs} is mapped to {given[theirs] or 'nothing'} before; give one")
            else:
                given[theirs] = ours
        if problems:
            raise ConfigError.of(problems)
        return cls(given)

    @property
    def targets(self) -> tuple[str, ...]:
        """Our types that something is mapped to, in the order in which they were given."""
        return tuple(dict.fromkeys(ours for ours in self.given.values() if ours))

    def labels(self, teachers: Iterable[ForeignTeacher]) -> tuple[str, ...]:
        """The types of a store where foreign teachers answer alone: those that are mapped to, sorted by name.

        Where nothing is mapped to, the teachers' own, without those that are dropped.
        """
        if self.targets:
            return tuple(sorted(self.targets))
        every = dict.fromkeys(label for teacher in teachers for label in teacher.types)
        return tuple(sorted(label for label in every if self.given.get(label, label)))

    def meaning(self, types: Iterable[str], labels: Sequence[str]) -> dict[str, str]:
        """Of these types of a teacher those that stand for one of our labels, and for which.

        A type that no map names stands for the label of its own name. Raises ConfigError for a map to another label.
        """
        if unknown := sorted(set(self.targets).difference(labels)):
            raise ConfigError(f"`map`: no such type here: {', '.join(unknown)}; expected one of {', '.join(labels)}")
        found = {theirs: self.given.get(theirs, theirs) for theirs in types}
        return {theirs: ours for theirs, ours in found.items() if ours in labels}

    def require_known(self, teachers: Sequence[ForeignTeacher], *, tags: Iterable[str] = ()) -> None:
        """Raise ConfigError where a map names a type that no teacher has. tags: names that are no types, but known."""
        known = dict.fromkeys(label for teacher in teachers for label in teacher.types)
        if unknown := [theirs for theirs in self.given if theirs not in known and theirs not in set(tags)]:
            raise ConfigError(
                f"`map` {', '.join(unknown)}: no such type of {', '.join(one.name for one in teachers) or 'a teacher'};"
                f" expected one of {', '.join(known) or 'none'}"
            )


class MappedTeacher:
    """A foreign teacher that answers in our types: what stands for none of them goes to O, and is counted by type."""

    def __init__(self, teacher: ForeignTeacher, types: TypeMap, labels: Sequence[str]) -> None:
        """Raises ConfigError where none of its types stands for one of ours."""
        self.teacher, self.labels = teacher, tuple(labels)
        self.meaning = types.meaning(teacher.types, labels)
        if not self.meaning:
            raise ConfigError(
                f"{teacher.name}: none of its types ({', '.join(teacher.types)}) is one of "
                f"{', '.join(labels)}; say which is which: `map` THEIRS=OURS"
            )
        self.dropped = tuple(label for label in teacher.types if label not in self.meaning)
        place = {label: number for number, label in enumerate(self.labels)}
        into = np.zeros(1 + 2 * len(teacher.types), np.int64)
        for number, theirs in enumerate(teacher.types):
            if theirs in self.meaning:
                first = 1 + 2 * place[self.meaning[theirs]]
                into[1 + 2 * number : 3 + 2 * number] = first, first + 1
        self._into = into

    @property
    def missing(self) -> tuple[str, ...]:
        """Our types that none of its own stands for: it says O of them."""
        return tuple(label for label in self.labels if label not in self.meaning.values())

    def answers(self, sentences: Sequence[Sentence]) -> list[Said]:
        """As of the teacher, in our tags."""
        return [self._mapped(said) for said in self.teacher.answers(sentences)]

    def _mapped(self, said: Said) -> Said:
        if self.dropped:
            self._count(said.probs)
        probs = np.zeros((len(said.probs), 1 + 2 * len(self.labels)), np.float32)
        np.add.at(probs.T, self._into, said.probs.T)
        if said.spans is None:
            return Said(probs)
        kept = [(span, score) for span, score in said.spans if span.label in self.meaning]
        return Said(probs, tuple((type(span)(span.start, span.end, self.meaning[span.label]), p) for span, p in kept))

    def _count(self, probs: Probs) -> None:
        best = probs.argmax(axis=1)
        for number, label in enumerate(self.teacher.types):
            if label in self.dropped and (found := int((best == 1 + 2 * number).sum())):
                self.teacher.counts[DROPPED.format(label)] += found
