"""Votes of held-out models on the entities of labelled data: counted, weighed, and what becomes of the labels.

Source: k-fold voting after CrossWeigh (Wang et al., EMNLP 2019), whose weights of sentences are `weight`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from ner_distill.data.sentence import Sentence, Span, disjoint, whole_entities
from ner_distill.errors import ConfigError, DataError

Action = Literal["drop", "mask", "relabel", "weight", "keep"]
ACTIONS: tuple[Action, ...] = get_args(Action)
Decision = Literal["keep", "drop", "mask", "relabel", "add", "weight"]


THRESHOLD = 0.95
"""Where a fifth of the labels was wrong on purpose, four or five of six entities with a suspicion of at least this were
indeed, and 85 to 97 % of the errors had one (docs/results.md); at 0.5 it was every second, which makes data worse."""


@dataclass(frozen=True)
class Prediction:
    """What one model that was not trained on a sentence says of it.

    found:  the entities that it finds.
    probs:  how probable it thinks spans with a type; one that is not there has probability 0.
    doubts: how much its probabilities speak against what the data says of a span, see `doubts.py`; of one that is not
            there nothing, 0.
    labels: the types that it knows: of others it has no vote.
    words:  of each word how probable it is that it is part of an entity; () where that was not asked.
    """

    found: frozenset[Span]
    probs: Mapping[Span, float]
    doubts: Mapping[Span, float]
    labels: frozenset[str]
    words: tuple[float, ...] = ()


@dataclass(frozen=True)
class VotedEntity:
    """An entity of the data (given), or one that only models found, and what they say of it.

    votes:     models that found exactly this span and type.
    of:        models that were asked: one of each repeat, less those that do not know the type.
    prob:      the mean of their probabilities of exactly this span and type; 0 where none was asked.
    suspicion: 0 to 1, how much is said against the data: the mean of the share of votes against it (those that a given
               entity did not get, those that another one got) and of the models' mean doubt; 0 where none was asked.
    instead:   what most models (`Rules.min_votes` of them) find where a given entity stands that they do not find:
               entities, or () for nothing; None where they agree on neither.
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
            **_place(self.span),
            "given": self.given,
            "votes": self.votes,
            "of": self.of,
            "prob": round(self.prob, 6),
            "suspicion": round(self.suspicion, 6),
            "decision": self.decision,
            "instead": None if self.instead is None else [_place(span) for span in self.instead],
        }


@dataclass(frozen=True)
class Rules:
    """When the votes outweigh a label, and what is then done.

    action:     "drop": the entity is removed. "mask": its words count in no loss. "relabel": what most models find
                stands instead, missed entities are added, and where models do not agree the words are masked. "weight":
                the whole sentence counts ε^(missing votes) of its most doubtful entity. "keep": nothing is changed.
    min_votes:  a given entity with so many votes stays as it is, one that is not given needs so many to be added.
                Where fewer models were asked, all of these. 0: more than half of those that were asked.
    threshold:  and its suspicion must be at least this; `thresholds` has other values for some types.
    epsilon:    ε.
    """

    action: Action = "mask"
    min_votes: int = 0
    threshold: float = THRESHOLD
    thresholds: Mapping[str, float] = field(default_factory=dict)
    epsilon: float = 0.7

    def check(self, most: int, labels: Sequence[str], option: str = "`repeats`") -> None:
        """Raises ConfigError, with all problems, for rules that no vote could ever meet, and for unknown types.

        most: votes that an entity can get, which `option` says.
        """
        problems = []
        if self.action not in ACTIONS:
            problems.append(f"`action` {self.action}: expected {', '.join(ACTIONS)}")
        if not 0 <= self.min_votes <= most:
            problems.append(
                f"`min_votes` {self.min_votes}: expected 0 to {most}; an entity gets {most} votes at most ({option}), "
                "so that more can never be reached"
            )
        for name, value in {"": self.threshold, **self.thresholds}.items():
            if not 0 <= value <= 1:
                problems.append(f"`threshold` {name}{'=' if name else ''}{value}: a suspicion is from 0 to 1")
            if name and name not in labels:
                problems.append(f"`threshold` {name}={value}: no such type; the data has {', '.join(labels)}")
        if not 0 <= self.epsilon <= 1:
            problems.append(f"`epsilon` {self.epsilon}: expected 0 to 1")
        if problems:
            raise ConfigError.of(problems)

    def enough(self, votes: int, of: int) -> bool:
        """Do so many votes, of so many that were asked, decide?"""
        return votes >= (min(self.min_votes, of) if self.min_votes else of // 2 + 1)

    def doubts(self, entity: VotedEntity) -> bool:
        """Is the suspicion of this entity above what is tolerated, and does somebody say so?"""
        return entity.of > 0 and entity.suspicion >= self.thresholds.get(entity.span.label, self.threshold)

    def outvoted(self, entity: VotedEntity) -> bool:
        """Do the votes outweigh what the data says of this entity?"""
        return self.doubts(entity) and self.enough(entity.votes, entity.of) != entity.given


def by_sentence(
    sentences: Sequence[Sentence], predictions: Iterable[Mapping[str, Prediction]], repeats: int | None
) -> list[list[Prediction]]:
    """For each sentence what the models say that did not see it, by its id: one of each repeat, or any number (None).

    predictions: of each repeat and fold, id → prediction of a held-out sentence.
    Raises DataError where a sentence has more or fewer: then they are of other data.
    """
    found: dict[str, list[Prediction]] = {sentence.id: [] for sentence in sentences}
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
    sentence: Sentence, predictions: Sequence[Prediction], *, on_given: bool = True
) -> tuple[VotedEntity, ...]:
    """The entities of a sentence and what was found in it, sorted, with their votes.

    predictions: of models that were not trained on it, one of each repeat.
    on_given:    have they a vote on its entities? Not where they were trained on these.
    """
    given = set(sentence.spans or ())
    entities = []
    for span in sorted(given.union(*(prediction.found for prediction in predictions))):
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
    predictions: Sequence[Prediction],
    rules: Rules,
    *,
    nested: bool,
) -> tuple[Sentence, tuple[VotedEntity, ...]]:
    """What becomes of a sentence, and its entities with what was decided.

    entities, predictions: see `count_votes`.
    nested: may entities overlap? Otherwise none is added across one that stays.
    """
    voted = [
        replace(one, instead=_instead(one, entities, predictions, rules)) if one.given and rules.outvoted(one) else one
        for one in entities
    ]
    if rules.action == "keep":
        return sentence, tuple(voted)
    if rules.action == "weight":
        return _weighed(sentence, voted, rules)
    outvoted = [one for one in voted if one.given and rules.outvoted(one)]
    right = [one.span for one in voted if one.given and not one.of]  # nobody was asked: what contradicts it is wrong
    missed = [one for one in voted if not one.given and rules.outvoted(one) and not _touches(one.span, right)]
    stays = {one.span for one in voted if one.given} - {one.span for one in outvoted}
    if rules.action != "relabel":
        decisions: dict[Span, Decision] = {one.span: rules.action for one in outvoted}
        if rules.action == "mask":
            decisions |= {one.span: "mask" for one in missed}
        return _changed(sentence, stays, decisions), _decided(voted, decisions)
    decisions = {one.span: _relabelled(one) for one in outvoted}
    added = _place_instead(outvoted, decisions, stays, nested=nested)
    for one in sorted(missed, key=lambda one: (-one.votes, -one.prob, one.span)):  # of rivals the one with more votes
        blocked = stays | added | {span for span, decision in decisions.items() if decision == "mask"}
        if one.span not in added and (nested or not _touches(one.span, blocked)):
            decisions[one.span] = "add"
            added.add(one.span)
    return _changed(sentence, stays | added, decisions), _decided(voted, decisions)


def _relabelled(entity: VotedEntity) -> Decision:
    if entity.instead is None:
        return "mask"
    return "relabel" if entity.instead else "drop"


def _place_instead(
    outvoted: Sequence[VotedEntity], decisions: dict[Span, Decision], stays: set[Span], *, nested: bool
) -> set[Span]:
    """What stands instead of relabelled entities, the most suspicious first; decisions change where it has no room."""
    added: set[Span] = set()
    for one in sorted(outvoted, key=lambda one: (-one.suspicion, one.span)):
        if decisions[one.span] != "relabel":
            continue
        new = set(one.instead or ()) - added
        masked = {span for span, decision in decisions.items() if decision == "mask"}
        if nested or not any(_touches(span, stays | added | masked) for span in new):
            added |= new
        else:  # to mask what touches an entity that was put here would mask that as well
            decisions[one.span] = "drop" if _touches(one.span, added) else "mask"
    return added


def _instead(
    entity: VotedEntity, entities: Sequence[VotedEntity], predictions: Sequence[Prediction], rules: Rules
) -> tuple[Span, ...] | None:
    """What most models find in the place of an outvoted entity: see `VotedEntity.instead`."""
    rivals = sorted(
        (
            one
            for one in entities
            if not one.given and one.span.overlaps(entity.span) and rules.enough(one.votes, one.of)
        ),
        key=lambda one: (-one.votes, -one.prob, one.span),
    )
    chosen = disjoint(rival.span for rival in rivals)
    nothing = sum(not _touches(entity.span, prediction.found) for prediction in predictions)
    # as many may see nothing as see something: then what is seen wins only where more see it
    if rules.enough(nothing, len(predictions)) and nothing >= max((one.votes for one in rivals), default=0):
        return ()
    return chosen or None


def _weighed(
    sentence: Sentence, entities: Sequence[VotedEntity], rules: Rules
) -> tuple[Sentence, tuple[VotedEntity, ...]]:
    """Missing votes are those that a given entity did not get, and those that an entity got that is not given."""
    doubted = [one for one in entities if rules.doubts(one)]
    missing = max((one.of - one.votes if one.given else one.votes for one in doubted), default=0)
    decisions: dict[Span, Decision] = {one.span: "weight" for one in doubted}
    weighed = replace(sentence, weight=sentence.weight * rules.epsilon**missing) if missing else sentence
    return weighed, _decided(entities, decisions if missing else {})


def _changed(sentence: Sentence, spans: set[Span], decisions: Mapping[Span, Decision]) -> Sentence:
    """The sentence with these entities and those that are masked; the words of these count in no loss."""
    if not decisions:
        return sentence
    masked = {span for span, decision in decisions.items() if decision == "mask"}
    kept = spans | (masked & set(sentence.spans or ()))
    keep = list(sentence.keep or (True,) * len(sentence.words))
    for span in masked:
        keep[span.start : span.end] = [False] * (span.end - span.start)
    whole = whole_entities(kept, keep)[0]
    return replace(sentence, spans=tuple(sorted(kept)), keep=None if all(whole) else whole)


def _decided(entities: Iterable[VotedEntity], decisions: Mapping[Span, Decision]) -> tuple[VotedEntity, ...]:
    return tuple(replace(one, decision=decisions.get(one.span, "keep")) for one in entities)


def _touches(span: Span, others: Iterable[Span]) -> bool:
    return any(map(span.overlaps, others))


def _place(span: Span) -> dict[str, Any]:
    return {"start_word": span.start, "end_word": span.end, "label": span.label}
