"""Votes against counts by hand, and what becomes of labels that are outvoted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from ner_distill.data.noise.doubts import span_doubts
from ner_distill.data.noise.votes import (
    Action,
    OutOfFoldPrediction,
    Rules,
    VotedEntity,
    by_sentence,
    count_votes,
    decide,
)
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError, DataError

ANA, MET, ROME = Span(0, 2, "PER"), Span(2, 3, "LOC"), Span(3, 4, "LOC")
LABELS = ("LOC", "PER")
SENTENCE = Sentence("s", ("Ana", "López", "met", "Rome", "."), (ANA, MET))


def says(*found: Span, labels: tuple[str, ...] = LABELS, **probs: float) -> OutOfFoldPrediction:
    """Entities, found with probability 0.9, and probabilities of ANA, MET, ROME where they are others."""
    named = {"ANA": ANA, "MET": MET, "ROME": ROME}
    said = {**dict.fromkeys((ANA, MET), 0.0), **dict.fromkeys(found, 0.9)}
    said |= {named[name]: prob for name, prob in probs.items()}
    return OutOfFoldPrediction(frozenset(found), said, span_doubts(said, (ANA, MET)), frozenset(labels))


TWO = (says(ANA, ROME, MET=0.1), says(ANA, ANA=0.7, ROME=0.3))


def voted(*predictions: OutOfFoldPrediction, sentence: Sentence = SENTENCE) -> dict[Span, VotedEntity]:
    return {one.span: one for one in count_votes(sentence, predictions)}


def after(
    action: Action,
    *predictions: OutOfFoldPrediction,
    sentence: Sentence = SENTENCE,
    nested: bool = False,
    **rules: Any,
) -> tuple[Sentence, dict[Span, VotedEntity]]:
    entities = count_votes(sentence, predictions)
    rules = {"min_votes": len(predictions) // 2 + 1, "threshold": 0.5, **rules}
    changed, decided = decide(sentence, entities, predictions, Rules(action, **rules), nested=nested)
    return changed, {one.span: one for one in decided}


# ---- counting


def test_votes_are_models_that_found_exactly_this_span_and_type() -> None:
    wrong = says(Span(0, 1, "PER"), Span(0, 2, "LOC"))
    assert {span: one.votes for span, one in voted(*TWO, wrong).items() if span in (ANA, MET, ROME)} == {
        ANA: 2, MET: 0, ROME: 1,
    }  # fmt: skip


def test_what_is_found_and_not_given_is_voted_on_too() -> None:
    assert {span: one.given for span, one in voted(*TWO).items()} == {ANA: True, MET: True, ROME: False}


def test_the_probability_is_the_mean_of_those_of_the_models() -> None:
    assert voted(*TWO)[ANA].prob == pytest.approx((0.9 + 0.7) / 2)


def test_suspicion_of_a_given_entity_is_the_mean_of_missing_votes_and_doubts() -> None:
    models = says(ANA, ANA=0.8), says(ANA=0.3)
    assert voted(*models)[ANA].suspicion == pytest.approx((1 / 2 + (0.2 + 0.7) / 2) / 2)


def test_suspicion_of_a_missed_entity_is_the_mean_of_votes_and_doubts() -> None:
    assert voted(*TWO)[ROME].suspicion == pytest.approx((1 / 2 + (0.9 + 0.3) / 2) / 2)


def test_a_model_that_does_not_know_the_type_is_not_asked() -> None:
    found = voted(TWO[0], says(ANA, labels=("PER",)))
    assert (found[MET].of, found[MET].prob) == (1, pytest.approx(0.1))
    assert found[ANA].of == 2


def test_an_entity_of_a_type_that_no_model_knows_is_under_no_suspicion() -> None:
    changed, found = after("drop", says(ANA, labels=("PER",)))
    assert (found[MET].of, found[MET].suspicion, found[MET].decision) == (0, 0.0, "keep")
    assert changed is SENTENCE


def test_predictions_are_joined_by_the_id_of_the_sentence() -> None:
    sentences = [replace(SENTENCE, id=id) for id in "ab"]
    one, two, three, four = says(ANA), says(MET), says(ROME), says()
    folds = [{"b": one}, {"a": two}, {"a": three, "b": four}]
    assert by_sentence(sentences, folds, 2) == [[two, three], [one, four]]


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        ([{"s": says()}, {}], "sentence s: expected 2 held-out predictions, one of each repeat, found 1"),
        ([{"s": says()}] * 3, "found 3"),
        ([{"s": says()}, {"t": says()}], "'t' that the data does not have; are they of other data"),
    ],
    ids=["fewer", "more", "other"],
)
def test_predictions_of_other_data_are_refused(folds: list[Mapping[str, OutOfFoldPrediction]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        by_sentence([SENTENCE], folds, 2)


# ---- what becomes of the labels


def test_drop_removes_outvoted_entities_and_adds_nothing() -> None:
    changed, found = after("drop", says(ANA, ROME), says(ANA, ROME))
    assert (changed.spans, changed.keep) == ((ANA,), None)
    assert {span: one.decision for span, one in found.items()} == {ANA: "keep", MET: "drop", ROME: "keep"}


def test_mask_leaves_labels_and_takes_outvoted_and_missed_words_out_of_the_loss() -> None:
    changed, found = after("mask", says(ANA, ROME), says(ANA, ROME))
    assert changed.spans == SENTENCE.spans
    assert changed.keep == (True, True, False, False, True)
    assert {span: one.decision for span, one in found.items()} == {ANA: "keep", MET: "mask", ROME: "mask"}


def test_mask_takes_out_whole_entities_where_a_missed_one_overlaps() -> None:
    longer = Span(1, 4, "PER")
    changed, _ = after("mask", says(longer, ANA=0.9), says(longer, ANA=0.9))
    assert changed.keep == (False, False, False, False, True)


def test_mask_keeps_what_was_masked_before() -> None:
    before = replace(SENTENCE, keep=(True, True, True, True, False))
    changed, _ = after("mask", says(ANA), says(ANA), sentence=before)
    assert changed.keep == (True, True, False, True, False)


def test_relabel_takes_what_most_models_find_and_adds_missed_entities() -> None:
    wider = Span(0, 3, "ORG")
    models = [says(wider, ROME, labels=("LOC", "ORG", "PER"))] * 2
    changed, found = after("relabel", *models)
    assert changed.spans == (wider, ROME)
    assert found[ANA].instead == found[MET].instead == (wider,)
    assert {span: one.decision for span, one in found.items()} == {
        ANA: "relabel", MET: "relabel", wider: "keep", ROME: "add",
    }  # fmt: skip


def test_relabel_drops_where_most_models_find_nothing() -> None:
    changed, found = after("relabel", says(ANA), says(ANA))
    assert (changed.spans, changed.keep) == ((ANA,), None)
    assert (found[MET].decision, found[MET].instead) == ("drop", ())


def test_relabel_masks_where_models_do_not_agree() -> None:
    changed, found = after("relabel", says(ANA, Span(2, 3, "PER")), says(ANA, Span(2, 4, "PER")))
    assert changed.spans == SENTENCE.spans
    assert changed.keep == (True, True, False, True, True)
    assert (found[MET].decision, found[MET].instead) == ("mask", None)


def test_relabel_adds_nothing_across_an_entity_that_stays() -> None:
    across = Span(1, 3, "LOC")
    changed, found = after("relabel", says(across, ANA, MET, ANA=0.9), says(across, ANA, MET, ANA=0.9))
    assert changed is SENTENCE
    assert found[across].decision == "keep"


def test_relabel_adds_an_entity_inside_another_where_entities_may_nest() -> None:
    inside = Span(0, 1, "LOC")
    changed, found = after("relabel", says(inside, ANA, MET), says(inside, ANA, MET), nested=True)
    assert changed.spans == (inside, ANA, MET)
    assert found[inside].decision == "add"


def test_relabel_masks_where_the_other_entity_has_no_room_beside_one_that_stays() -> None:
    wider = Span(0, 3, "LOC")
    changed, found = after("relabel", says(wider, MET=0.9), says(wider, MET=0.9), thresholds={"LOC": 0.6})
    assert found[MET].decision == "keep"
    assert (found[ANA].decision, found[ANA].instead) == ("mask", (wider,))
    assert changed.spans == SENTENCE.spans


@pytest.mark.parametrize("first", [Span(0, 3, "LOC"), Span(1, 3, "LOC"), Span(2, 4, "PER")])
@pytest.mark.parametrize("second", [Span(1, 4, "PER"), Span(0, 1, "LOC"), Span(2, 5, "LOC")])
def test_relabelled_sentences_never_overlap_whatever_single_models_find(first: Span, second: Span) -> None:
    changed, _ = after("relabel", says(first), says(second), min_votes=1, threshold=0.2)
    spans = sorted(changed.spans or ())
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_weight_is_epsilon_to_the_missing_votes_of_the_most_doubtful_entity() -> None:
    models = (says(ANA, MET), says(ANA), says(ANA))
    changed, found = after("weight", *models, epsilon=0.7)
    assert changed.weight == pytest.approx(0.7**2)
    assert (changed.spans, changed.keep) == (SENTENCE.spans, None)
    assert {span: one.decision for span, one in found.items()} == {ANA: "keep", MET: "weight"}


def test_weight_counts_the_votes_of_missed_entities() -> None:
    models = [says(ANA, MET, ROME)] * 3
    assert after("weight", *models, epsilon=0.5)[0].weight == pytest.approx(0.5**3)


def test_weight_multiplies_the_weight_that_was_given() -> None:
    half = replace(SENTENCE, weight=0.5)
    assert after("weight", says(ANA), sentence=half, epsilon=0.5)[0].weight == pytest.approx(0.25)


@pytest.mark.parametrize("action", ["drop", "mask", "relabel", "weight"])
def test_a_sentence_that_all_models_confirm_is_left_alone(action: Action) -> None:
    changed, found = after(action, says(ANA, MET), says(ANA, MET))
    assert changed is SENTENCE
    assert {one.decision for one in found.values()} == {"keep"}


# ---- thresholds


def test_an_entity_with_enough_votes_stays_however_improbable() -> None:
    unsure = says(ANA, MET, MET=0.05)
    assert after("drop", unsure, says(ANA), min_votes=1)[0] is SENTENCE
    assert after("drop", unsure, says(ANA), min_votes=2)[0].spans == (ANA,)


def test_a_type_has_its_own_threshold() -> None:
    models = [says(MET=0.4, ANA=0.4)] * 2
    assert after("drop", *models, threshold=0.5, thresholds={"LOC": 0.85})[0].spans == (MET,)


def test_where_fewer_models_were_asked_all_of_them_are_enough() -> None:
    models = says(ANA, MET), says(ANA, labels=("PER",))
    assert after("drop", *models, min_votes=2, threshold=0.0)[1][MET].decision == "keep"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (Rules(min_votes=3), r"`min_votes` 3: expected 0 to 2; .*\(`repeats`\), so that more can never be reached"),
        (Rules(threshold=1.2), "`threshold` 1.2: a suspicion is from 0 to 1"),
        (Rules(thresholds={"LOC": -1}), "`threshold` LOC=-1: a suspicion is from 0 to 1"),
        (Rules(thresholds={"LCO": 0.5}), "`threshold` LCO=0.5: no such type; the data has LOC, PER"),
    ],
)
def test_rules_that_no_vote_can_meet_are_refused(rules: Rules, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rules.check(2, LABELS)


# ---- the file


def test_a_voted_entity_is_written_with_all_that_the_review_needs() -> None:
    _, found = after("relabel", says(ANA), says(ANA))
    assert json.loads(json.dumps(found[MET].record())) == {
        "start_word": 2, "end_word": 3, "label": "LOC", "given": True, "votes": 0, "of": 2, "prob": 0.0,
        "suspicion": 1.0, "decision": "drop", "instead": [],
    }  # fmt: skip


@pytest.mark.parametrize(("of", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_without_a_number_more_than_half_of_those_asked_decide(of: int, needed: int) -> None:
    rules = Rules()
    assert [votes for votes in range(of + 1) if rules.enough(votes, of)] == list(range(needed, of + 1))


def test_models_that_were_trained_on_given_entities_have_no_vote_on_them() -> None:
    entities = {one.span: one for one in count_votes(SENTENCE, TWO, on_given=False)}
    assert (entities[ANA].of, entities[ANA].suspicion) == (0, 0.0)
    assert entities[ROME] == voted(*TWO)[ROME]


def test_what_contradicts_an_entity_that_nobody_judged_is_not_acted_on() -> None:
    rival = Span(0, 1, "LOC")
    against = says(rival, ROME)
    entities = count_votes(SENTENCE, (against, against), on_given=False)
    for action in ("mask", "relabel"):
        changed, decided = decide(SENTENCE, entities, (against, against), Rules(action, threshold=0.4), nested=True)
        assert {one.span: one.decision for one in decided}[rival] == "keep"
        assert {one.span: one.decision for one in decided}[ROME] != "keep"
        assert changed.keep is None or changed.keep[:3] == (True, True, True)


def test_any_number_of_predictions_is_taken_where_none_is_expected() -> None:
    predictions = [{"s": TWO[0]}, {"s": TWO[1]}, {"s": TWO[0]}]
    assert by_sentence([SENTENCE, replace(SENTENCE, id="t")], predictions, None) == [[TWO[0], TWO[1], TWO[0]], []]


def test_keep_changes_nothing_whatever_the_votes_are() -> None:
    against = says(ROME)
    changed, decided = after("keep", against, against)
    assert changed is SENTENCE
    assert {one.decision for one in decided.values()} == {"keep"}
    assert decided[ANA].suspicion > 0.9


def test_a_type_may_need_other_votes_than_the_rest() -> None:
    models = says(ANA, MET), says()
    for label, decision in (("PER", "drop"), ("LOC", "keep")):
        _, entities = after("drop", *models, min_votes=1, min_votes_of={label: 2}, threshold=0.0)
        assert entities[ANA].decision == decision


def test_votes_of_a_type_that_can_never_be_reached_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"`min_votes` PER=3: expected 0 to 2; .*\(`repeats`\)"):
        Rules(min_votes_of={"PER": 3}).check(2, LABELS)
    with pytest.raises(ConfigError, match="`min_votes` PRE=1: no such type; the data has LOC, PER"):
        Rules(min_votes_of={"PRE": 1}).check(2, LABELS)


def test_nothing_is_found_on_words_that_are_surely_of_no_entity() -> None:
    told = replace(SENTENCE, negative=tuple(word in range(ROME.start, ROME.end) for word in range(len(SENTENCE.words))))
    assert ROME in voted(*TWO)
    assert ROME not in voted(*TWO, sentence=told)
    changed, _ = after("relabel", says(ANA, ROME), says(ANA, ROME), sentence=told)
    assert ROME not in (changed.spans or ())
