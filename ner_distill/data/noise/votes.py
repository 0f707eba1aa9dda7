"""Votes of out-of-fold predictions on the entities of labelled data, and what becomes of the labels.

Source: k-fold voting after CrossWeigh (Wang et al., EMNLP 2019), whose weights of sentences are `weight`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ner_distill.data.sentence import Sentence, Span, covered, disjoint, whole_entities
from ner_distill.errors import ConfigError, DataError
from ner_distill.options.by_type import ByType

Action = Literal["drop", "mask", "relabel", "weight", "keep"]
Decision = Literal["keep", "drop", "mask", "relabel", "add", "weight"]


THRESHOLD = 0.95
"""Where a fifth of the labels was wrong on purpose, four or five of six entities with a suspicion of at least this were
indeed, and 85 to 97 % of the errors had one (docs/results.md); at 0.5 it was every second, which makes data worse."""


@dataclass(frozen=True)
class OutOfFoldPrediction:
    """The out-of-fold prediction for a sentence: of one model that was not trained on it.

    found:  the predicted entities.
    probs:  span → its probability; 0 for spans that are not there.
    doubts: span → its label noise score (`doubts.py`): how much the probabilities speak against what the data says of
            it; 0 for spans that are not there.
    labels: the types that the model knows: of others it has no vote.
    words:  of each word the probability that it is part of an entity; () where that was not asked.
    """

    found: frozenset[Span]
    probs: Mapping[Span, float]
    doubts: Mapping[Span, float]
    labels: frozenset[str]
    words: tuple[float, ...] = ()


@dataclass(frozen=True)
class VotedEntity:
    """An entity of the data (given), or one that only models predict, with their votes.

    votes:     models that predict exactly this span and type.
    of:        models that were asked: one of each repeat, less those that do not know the type.
    prob:      the mean of their probabilities of exactly this span and type; 0 where none was asked.
    suspicion: 0 to 1, that the data is wrong about it: the mean of the share of votes against the data (those that a
               given entity did not get, those that another one got) and of the mean label noise score; 0 where none
               was asked.
    decision:  what becomes of it.
    instead:   for a given entity that is outvoted, the entities that most models (`Rules.min_votes` of them) predict
               in its place, () for none; None where they agree on neither.
    """

    span: Span
    given: bool
    votes: int
    of: int
    prob: float
    suspicion: float
    decision: Decision = "keep"
    instead: tuple[Span, ...] | None = None

    def record(self) -> dict[str, Any]:
        """As `votes.jsonl` has it."""
        return {
            **self.span.to_json(),
            "given": self.given,
            "votes": self.votes,
            "of": self.of,
            "prob": round(self.prob, 6),
            "suspicion": round(self.suspicion, 6),
            "decision": self.decision,
            "instead": None if self.instead is None else [span.to_json() for span in self.instead],
        }


@dataclass(frozen=True)
class Rules:
    """When the votes outweigh a label, and what is then done.

    action:     "drop": the entity is removed. "mask": its words count in no loss. "relabel": what most models predict
                stands instead, missed entities are added, and where models do not agree the words are masked. "weight":
                the whole sentence counts ε^(missing votes) of its most doubtful entity. "keep": nothing is changed.
    min_votes:  a given entity with so many votes stays as it is, another one needs so many to be added. Where fewer
                models were asked, all of these. 0: more than half of those that were asked. `min_votes_of` has other
                values for some types.
    threshold:  the least suspicion at which a label is outvoted; `thresholds` has other values for some types.
    epsilon:    ε, 0 to 1.
    """

    action: Action = "mask"
    min_votes: int = 0
    threshold: float = THRESHOLD
    thresholds: Mapping[str, float] = field(default_factory=dict)
    min_votes_of: Mapping[str, int] = field(default_factory=dict)
    epsilon: float = 0.7

    def check(self, most: int, labels: Sequence[str], setting: str = "`repeats`") -> None:
        """Raises ConfigError, with all problems, for rules that no vote could ever meet, and for unknown types.

        most: votes that an entity can get; setting: the one that says so.
        """
        votes, suspicion = ByType(self.min_votes, self.min_votes_of), ByType(self.threshold, self.thresholds)
        never = f"an entity gets {most} votes at most ({setting}), so that more can never be reached"
        problems = votes.problems("min_votes", labels, lambda n: 0 <= n <= most, f"expected 0 to {most}; {never}")
        problems += suspicion.problems("threshold", labels, lambda value: 0 <= value <= 1, "a suspicion is from 0 to 1")
        if problems:
            raise ConfigError.of(problems)

    def enough(self, votes: int, of: int, label: str = "") -> bool:
        """Do so many votes, of so many that were asked, decide about an entity of this type?"""
        needed = self.min_votes_of.get(label, self.min_votes)
        return votes >= (min(needed, of) if needed else of // 2 + 1)

    def agreed(self, entity: VotedEntity) -> bool:
        """Do enough models predict it?"""
        return self.enough(entity.votes, entity.of, entity.span.label)

    def doubts(self, entity: VotedEntity) -> bool:
        """Was somebody asked about this entity, and does its suspicion reach the threshold?"""
        return entity.of > 0 and entity.suspicion >= self.thresholds.get(entity.span.label, self.threshold)

    def outvoted(self, entity: VotedEntity) -> bool:
        """Do the votes outweigh what the data says of this entity?"""
        return self.doubts(entity) and self.agreed(entity) != entity.given


def by_sentence(
    sentences: Sequence[Sentence], predictions: Iterable[Mapping[str, OutOfFoldPrediction]], repeats: int | None
) -> list[list[OutOfFoldPrediction]]:
    """The out-of-fold predictions of each sentence.

    predictions: of each repeat and fold, sentence id → prediction.
    repeats:     how many each sentence must have: one of each repeat; None: any number.
    Raises DataError where a sentence has more or fewer: then they are of other data.
    """
    found: dict[str, list[OutOfFoldPrediction]] = {sentence.id: [] for sentence in sentences}
    for fold in predictions:
        for id, prediction in fold.items():
            if id not in found:
                raise DataError(
                    f"predictions of a sentence {id!r} that the data does not have; are they of other data?"
                )
            found[id].append(prediction)
    for id, own in found.items():
        if repeats is not None and len(own) != repeats:
            raise DataError(
                f"sentence {id}: expected {repeats} held-out predictions, one of each repeat, found {len(own)}"
            )
    return [found[sentence.id] for sentence in sentences]


def count_votes(
    sentence: Sentence, predictions: Sequence[OutOfFoldPrediction], *, on_given: bool = True
) -> tuple[VotedEntity, ...]:
    """The given and the predicted entities of a sentence, sorted, with their votes.

    predictions: out-of-fold, one of each repeat. What they find on words that are surely of no entity is left out.
    on_given:    do the models vote on given entities? Not where they were trained on these.
    """
    given = set(sentence.spans or ())
    entities, negative = [], sentence.sure_negatives
    for span in sorted(given.union(*(prediction.found for prediction in predictions))):
        if any(negative[span.start : span.end]):
            continue
        judges = predictions if on_given or span not in given else ()
        asked = [prediction for prediction in judges if span.label in prediction.labels]
        votes = sum(span in prediction.found for prediction in asked)
        prob = sum(prediction.probs.get(span, 0.0) for prediction in asked) / max(1, len(asked))
        against = len(asked) - votes if span in given else votes
        doubt = sum(prediction.doubts.get(span, 0.0) for prediction in asked)
        suspicion = (against + doubt) / 2 / max(1, len(asked))
        entities.append(VotedEntity(span, span in given, votes, len(asked), prob, suspicion))
    return tuple(entities)


def decide(
    sentence: Sentence,
    entities: Sequence[VotedEntity],
    predictions: Sequence[OutOfFoldPrediction],
    rules: Rules,
    *,
    nested: bool,
) -> tuple[Sentence, tuple[VotedEntity, ...]]:
    """The sentence as the rules change it, and its entities with the decisions.

    entities, predictions: see `count_votes`.
    nested: entities may overlap; otherwise none is added across one that stays.
    """
    voted = [
        replace(entity, instead=_instead(entity, entities, predictions, rules))
        if entity.given and rules.outvoted(entity)
        else entity
        for entity in entities
    ]
    if rules.action == "keep":
        return sentence, tuple(voted)
    if rules.action == "weight":
        return _weighed(sentence, voted, rules)
    outvoted = [entity for entity in voted if entity.given and rules.outvoted(entity)]
    unasked = [entity.span for entity in voted if entity.given and not entity.of]  # what contradicts them is wrong
    missed = [
        entity for entity in voted if not entity.given and rules.outvoted(entity) and not _touches(entity.span, unasked)
    ]
    stays = {entity.span for entity in voted if entity.given} - {entity.span for entity in outvoted}
    if rules.action != "relabel":
        decisions: dict[Span, Decision] = {entity.span: rules.action for entity in outvoted}
        if rules.action == "mask":
            decisions |= {entity.span: "mask" for entity in missed}
        return _changed(sentence, stays, decisions), _decided(voted, decisions)
    decisions = {entity.span: _relabelled(entity) for entity in outvoted}
    added = _place_instead(outvoted, decisions, stays, nested=nested)
    for entity in sorted(missed, key=_precedence):
        if entity.span not in added and (nested or not _touches(entity.span, stays | added | _masked(decisions))):
            decisions[entity.span] = "add"
            added.add(entity.span)
    return _changed(sentence, stays | added, decisions), _decided(voted, decisions)


def _precedence(entity: VotedEntity) -> tuple[int, float, Span]:
    """Of rivals the one with more votes comes first."""
    return -entity.votes, -entity.prob, entity.span


def _masked(decisions: Mapping[Span, Decision]) -> set[Span]:
    return {span for span, decision in decisions.items() if decision == "mask"}


def _relabelled(entity: VotedEntity) -> Decision:
    if entity.instead is None:
        return "mask"
    return "relabel" if entity.instead else "drop"


def _place_instead(
    outvoted: Sequence[VotedEntity], decisions: dict[Span, Decision], stays: set[Span], *, nested: bool
) -> set[Span]:
    """What stands instead of relabelled entities, the most suspicious first; decisions change where it has no room."""
    added: set[Span] = set()
    for entity in sorted(outvoted, key=lambda entity: (-entity.suspicion, entity.span)):
        if decisions[entity.span] != "relabel":
            continue
        new = set(entity.instead or ()) - added
        taken = stays | added | _masked(decisions)
        if nested or not any(_touches(span, taken) for span in new):
            added |= new
        else:  # to mask what touches an entity that was put here would mask that as well
            decisions[entity.span] = "drop" if _touches(entity.span, added) else "mask"
    return added


def _instead(
    entity: VotedEntity, entities: Sequence[VotedEntity], predictions: Sequence[OutOfFoldPrediction], rules: Rules
) -> tuple[Span, ...] | None:
    """What most models predict in the place of an outvoted entity: see `VotedEntity.instead`."""
    rivals = [
        other
        for other in sorted(entities, key=_precedence)
        if not other.given and other.span.overlaps(entity.span) and rules.agreed(other)
    ]
    nothing = sum(not _touches(entity.span, prediction.found) for prediction in predictions)
    # as many may see nothing as see something: then what is seen wins only where more see it
    most = max((rival.votes for rival in rivals), default=0)
    if rules.enough(nothing, len(predictions), entity.span.label) and nothing >= most:
        return ()
    return disjoint(rival.span for rival in rivals) or None


def _weighed(
    sentence: Sentence, entities: Sequence[VotedEntity], rules: Rules
) -> tuple[Sentence, tuple[VotedEntity, ...]]:
    """Missing votes are those that a given entity did not get, and those that an entity got that is not given."""
    doubted = [entity for entity in entities if rules.doubts(entity)]
    missing = max((entity.of - entity.votes if entity.given else entity.votes for entity in doubted), default=0)
    if not missing:
        return sentence, _decided(entities, {})
    weighed = replace(sentence, weight=sentence.weight * rules.epsilon**missing)
    return weighed, _decided(entities, {entity.span: "weight" for entity in doubted})


def _changed(sentence: Sentence, spans: set[Span], decisions: Mapping[Span, Decision]) -> Sentence:
    """The sentence with these entities and those that are masked; the words of these count in no loss."""
    if not decisions:
        return sentence
    masked = _masked(decisions)
    kept, hidden = spans | (masked & set(sentence.spans or ())), covered(masked)
    whole, _ = whole_entities(kept, [counts and word not in hidden for word, counts in enumerate(sentence.counted)])
    return replace(sentence, spans=tuple(sorted(kept)), keep=None if all(whole) else whole)


def _decided(entities: Iterable[VotedEntity], decisions: Mapping[Span, Decision]) -> tuple[VotedEntity, ...]:
    return tuple(replace(entity, decision=decisions.get(entity.span, "keep")) for entity in entities)


def _touches(span: Span, others: Iterable[Span]) -> bool:
    return any(map(span.overlaps, others))
