"""`--out-of-fold`: sentences that a teacher was trained on are answered by its fold teachers that did not see them.

A teacher answers on its own training text nearly what it was told; its fold teachers (`train-teacher --folds`) each
left a part of that text out. All other sentences are answered by the teacher itself, which saw most: the mean of its
folds would cost as many times the work, of models that each saw less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.columns import SoftBlock
from ner_distill.data.store.manifest import OUT_OF_FOLD
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import sha256_of
from ner_distill.options.by_type import ByType
from ner_distill.pipelines.labelling.labeller import Labeller
from ner_distill.pipelines.labelling.panel import Member, Panel
from ner_distill.pipelines.labelling.voices import RunVoice
from ner_distill.runs.build import WEIGHTS, load_teacher
from ner_distill.runs.info import fold_teachers, held_out_of

Folds = tuple[Path, ...]


class HeldOut(Protocol):
    """Who is asked about a sentence in place of a teacher."""

    def answer(self, sentence: Sentence) -> Folds:
        """The fold teachers to ask in place of the teacher; () where it answers itself."""
        ...

    def fingerprint(self) -> str:
        """A hash of who answers what."""
        ...


class AnswersItself:
    """Of a teacher whose training text nobody knows: it has no fold teachers."""

    def answer(self, sentence: Sentence) -> Folds:
        return ()

    def fingerprint(self) -> str:
        return "answers itself"


class FoldTeachers:
    """Which fold teachers of a run did not see which sentence of its training text.

    A sentence is known by its characters, however it is cut into words.
    """

    def __init__(self, run: Path) -> None:
        """Raises ConfigError where the run has no fold teachers, RunError where it does not say what they saw."""
        folds = fold_teachers(run)
        if not folds:
            raise ConfigError(
                f"`out_of_fold`: {run} has no fold teachers; give one that train-teacher trained with `folds`, or "
                "leave `out_of_fold` out"
            )
        self._files: list[Path] = []
        self._held: dict[str, Folds] = {}
        for fold in folds:
            path = held_out_of(fold)
            if not path.is_file():
                raise RunError(
                    f"{path}: not found; so the run does not say what this fold teacher did not see. Restore it, or "
                    "train again with `folds`"
                )
            self._files += [fold / WEIGHTS, path]
            for key in {_key(one) for one in read_corpus([path], format="jsonl").sentences}:
                self._held[key] = (*self._held.get(key, ()), fold)

    def answer(self, sentence: Sentence) -> Folds:
        """The fold teachers to ask in place of the teacher; () where it is no sentence of the training text."""
        return self._held.get(_key(sentence), ())

    def fingerprint(self) -> str:
        """A hash of who answers what."""
        return sha256("".join(map(sha256_of, self._files)).encode()).hexdigest()


def _key(sentence: Sentence) -> str:
    return "".join(sentence.words)


class OutOfFoldLabeller:
    """A labeller that gives sentences which its teachers were trained on to their fold teachers.

    These share the weight of their teacher, one each of a repeat of the folds. They are loaded when first asked.
    """

    def __init__(self, labeller: Labeller, panel: Panel, folds: Sequence[HeldOut]) -> None:
        """folds: of each member of the panel."""
        self._panel, self._folds = panel, folds
        self._first = labeller
        self._labellers: dict[tuple[Folds, ...], Labeller] = {((),) * len(folds): labeller}
        self._loaded: dict[Path, RunVoice] = {}
        self._answered = 0

    def counts(self) -> Counter[str]:
        every = {id(one): one for labeller in self._labellers.values() for one in labeller.voices}
        counts = Counter({OUT_OF_FOLD: self._answered})
        for voice in every.values():
            counts.update(voice.counts)
        return counts

    def blocks(self, sentences: Sequence[Sentence], shard: int, advance: Callable[[int, int], None]) -> list[SoftBlock]:
        """The blocks of one shard: those of sentences that the same teachers answer, one group after the other."""
        groups: dict[tuple[Folds, ...], list[Sentence]] = {}
        for sentence in sentences:
            groups.setdefault(tuple(one.answer(sentence) for one in self._folds), []).append(sentence)
        blocks = []
        for key in sorted(groups):
            self._answered += len(groups[key]) if any(key) else 0
            blocks += self._labeller(key).blocks(groups[key], shard, advance)
        return blocks

    def _labeller(self, key: tuple[Folds, ...]) -> Labeller:
        if key not in self._labellers:
            members = [self._asked(member, own) for member, own in zip(self._panel.members, key, strict=True)]
            panel = Panel(tuple(member for some in members for member in some))
            first = self._first
            self._labellers[key] = Labeller(panel, first.options, block_size=first.block_size, seed=first.seed)
        return self._labellers[key]

    def _asked(self, member: Member, folds: Folds) -> list[Member]:
        """The fold teachers in place of a member, or itself without any."""
        return [self._fold(fold, member, len(folds)) for fold in folds] or [member]

    def _fold(self, fold: Path, member: Member, number: int) -> Member:
        if fold not in self._loaded:
            self._loaded[fold] = RunVoice(load_teacher(fold), fold)
        weights, similarity = member.weights, member.similarity
        if weights is not None:
            weights = ByType(weights.general / number, {of: one / number for of, one in weights.of_types.items()})
        return Member(self._loaded[fold], weights, None if similarity is None else similarity / number)
