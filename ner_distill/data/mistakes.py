"""What a model got wrong in a sentence, by kind: borders, type, missed, invented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, get_args

from ner_distill.data.sentence import Span

Kind = Literal["boundary", "type", "missed", "invented"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Pairing = Callable[[Iterable[Span], Iterable[Span]], list[tuple[Span, Span]]]


class Mistake(NamedTuple):
    """One thing that a model got wrong.

    boundary: a prediction overlaps the gold entity, but has other borders; its type may be another one as well.
    type:     a prediction has the borders of the gold entity, but another type.
    missed:   no prediction is left that overlaps the gold entity; `found` is None.
    invented: no gold entity is left that the prediction overlaps; `gold` is None.
    """

    kind: Kind
    gold: Span | None
    found: Span | None

    @property
    def start(self) -> int:
        """Its first word, of the gold entity and the prediction."""
        return min(span.start for span in (self.gold, self.found) if span is not None)

    @property
    def end(self) -> int:
        """The word after its last one."""
        return max(span.end for span in (self.gold, self.found) if span is not None)


def mistakes_of(gold: Iterable[Span], found: Iterable[Span]) -> list[Mistake]:
    """The mistakes in one sentence, in the order of its words.

    Each wrong gold entity and each wrong prediction is in exactly one. Pairs with equal borders are made first, as the
    confusion of `score` makes them; then of overlapping ones those that share the most words, of equals those of one
    type. What is right takes no part: an entity whose only overlap is with a right prediction is missed.
    """
    gold, found = {*gold}, {*found}
    wrong, other = gold - found, found - gold
    mistakes: list[Mistake] = []
    ways: tuple[tuple[Kind, Pairing], ...] = (("type", _same_borders), ("boundary", _overlapping))
    for kind, pairs_of in ways:
        for one, answer in pairs_of(wrong, other):
            if one in wrong and answer in other:
                mistakes.append(Mistake(kind, one, answer))
                wrong.remove(one)
                other.remove(answer)
    mistakes += [Mistake("missed", span, None) for span in sorted(wrong)]
    mistakes += [Mistake("invented", None, span) for span in sorted(other)]
    return sorted(mistakes, key=lambda one: (one.start, one.end, one.kind))


def _same_borders(gold: Iterable[Span], found: Iterable[Span]) -> list[tuple[Span, Span]]:
    """Pairs with equal borders."""
    at: dict[tuple[int, int], list[Span]] = {}
    for answer in sorted(found):
        at.setdefault((answer.start, answer.end), []).append(answer)
    return [(one, answer) for one in sorted(gold) for answer in at.get((one.start, one.end), ())]


def _overlapping(gold: Iterable[Span], found: Iterable[Span]) -> list[tuple[Span, Span]]:
    """Pairs that share words, those that share the most first, of equals those of one type."""
    holding: dict[int, list[Span]] = {}  # by word: long sentences have many entities
    for answer in found:
        for word in range(answer.start, answer.end):
            holding.setdefault(word, []).append(answer)
    pairs = Counter(
        (one, answer) for one in gold for word in range(one.start, one.end) for answer in holding.get(word, ())
    )
    return sorted(pairs, key=lambda pair: (-pairs[pair], pair[0].label != pair[1].label, pair))


def count_kinds(mistakes: Iterable[Mistake]) -> dict[Kind, int]:
    """How many mistakes there are of each kind, in the order of `KINDS`."""
    counts = Counter(one.kind for one in mistakes)
    return {kind: counts[kind] for kind in KINDS}
