"""Teachers that have an answer to some sentences alone: each sentence is answered by those that have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from ner_distill.data.sentence import Sentence
from ner_distill.data.store.columns import SoftBlock
from ner_distill.pipelines.labelling.labeller import Labeller
from ner_distill.pipelines.labelling.panel import Member, Panel, Weights

UNANSWERED = "sentences that no teacher has an answer to"
FEWER = "sentences answered by some of the teachers"


class KnownLabeller:
    """A labeller that asks about each sentence the teachers that have an answer to it.

    Their weights are as before, relative to each other, for each type. A sentence that nobody tags is left out, and
    counted. Votes are asked for as of all: an entity of a sentence that too few can answer has too few votes.
    """

    def __init__(self, labeller: Labeller, panel: Panel) -> None:
        self._first, self._panel = labeller, panel
        everybody = tuple(range(len(panel.members)))
        self._labellers: dict[tuple[int, ...], Labeller] = {everybody: labeller}
        self._counts = Counter[str]({UNANSWERED: 0, FEWER: 0})

    def counts(self) -> Counter[str]:
        return self._first.counts() + self._counts

    def blocks(self, sentences: Sequence[Sentence], shard: int, advance: Callable[[int, int], None]) -> list[SoftBlock]:
        """The blocks of one shard: those of sentences that the same teachers answer, one group after the other."""
        members = self._panel.members
        groups: dict[tuple[int, ...], list[Sentence]] = {}
        for sentence in sentences:
            able = tuple(number for number, one in enumerate(members) if one.voice.knows(sentence))
            groups.setdefault(able, []).append(sentence)
        blocks = []
        for able in sorted(groups):
            own = groups[able]
            if not any(self._weighs(number) for number in able):
                self._counts[UNANSWERED] += len(own)
                advance(len(own), sum(len(sentence.words) for sentence in own))
                continue
            self._counts[FEWER] += 0 if len(able) == len(members) else len(own)
            blocks += self._labeller(able).blocks(own, shard, advance)
        return blocks

    def _weighs(self, number: int) -> bool:
        weights = self._panel.members[number].weights
        return weights is not None and any(weights.values)

    def _labeller(self, able: tuple[int, ...]) -> Labeller:
        if able not in self._labellers:
            first = self._first
            self._labellers[able] = Labeller(
                Panel(_among([self._panel.members[number] for number in able])),
                first.options,
                block_size=first.block_size,
                seed=first.seed,
                voters=len(self._panel.tagging),
            )
        return self._labellers[able]


def _among(members: Sequence[Member]) -> tuple[Member, ...]:
    """The members with weights that sum to 1 for each type, as the pool of their probabilities supposes.

    Where none of them weighs anything for a type, they weigh there as they do for the others.
    """
    own = [one.weights for one in members if one.weights is not None]
    labels = dict.fromkeys(label for weights in own for label in weights.of_types)
    if not labels:
        return tuple(members)
    general = [weights.general for weights in own]
    general = general if any(general) else [1.0] * len(own)
    of_types = {label: [weights.of(label) for weights in own] for label in labels}
    weights = Weights.of(general, {label: of if any(of) else general for label, of in of_types.items()})
    numbers = iter(range(len(own)))
    return tuple(one if one.weights is None else replace(one, weights=weights.one(next(numbers))) for one in members)
