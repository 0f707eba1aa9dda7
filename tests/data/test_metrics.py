from __future__ import annotations

import json
import random
import warnings

import pytest

from ner_distill.data.metrics import Scores, score
from ner_distill.data.sentence import Span
from ner_distill.data.tagset import TagSet

PER, LOC, ORG = "PER", "LOC", "ORG"
LABELS = (LOC, ORG, PER)


def hand_counted() -> Scores:
    """Two right, one of the wrong type, one with a wrong end, one missed outright."""
    gold = [
        [Span(0, 2, PER), Span(3, 4, LOC)],
        [Span(0, 1, ORG), Span(2, 5, ORG)],
        [],
        [Span(1, 2, PER)],
    ]
    predicted = [
        [Span(0, 2, PER), Span(3, 4, LOC)],
        [Span(0, 1, PER), Span(2, 4, ORG)],
        [],
        [],
    ]
    return score(gold, predicted, LABELS)


def test_micro_figures_match_a_hand_count():
    micro = hand_counted().micro
    assert (micro.correct, micro.support, micro.predicted) == (2, 5, 4)
    assert (micro.precision, micro.recall, micro.f1) == pytest.approx((2 / 4, 2 / 5, 4 / 9))


@pytest.mark.parametrize(
    ("label", "precision", "recall", "f1", "support"),
    [(PER, 1 / 2, 1 / 2, 1 / 2, 2), (LOC, 1.0, 1.0, 1.0, 1), (ORG, 0.0, 0.0, 0.0, 2)],
)
def test_figures_of_a_type_match_a_hand_count(label, precision, recall, f1, support):
    counts = hand_counted().by_type[label].to_json()
    assert counts == pytest.approx({"precision": precision, "recall": recall, "f1": f1, "support": support})


def test_boundary_score_ignores_the_type():
    boundary = hand_counted().boundary
    assert (boundary.correct, boundary.support, boundary.predicted) == (3, 5, 4)


def test_confusion_says_what_each_type_was_taken_for():
    assert hand_counted().to_json()["confusion"] == {
        LOC: {"predicted_as": {LOC: 1}, "missed": 0, "invented": 0},
        ORG: {"predicted_as": {PER: 1}, "missed": 1, "invented": 1},
        PER: {"predicted_as": {PER: 1}, "missed": 1, "invented": 0},
    }


def test_confusion_prefers_the_right_prediction_among_several_of_the_same_boundaries():
    confusion = score([[Span(0, 1, PER)]], [[Span(0, 1, LOC), Span(0, 1, PER)]], LABELS).confusion
    assert confusion[PER].predicted_as == {PER: 1}
    assert confusion[LOC].invented == 1


def test_two_gold_types_at_one_place_are_both_accounted_for():
    gold, predicted = [[Span(0, 1, PER), Span(0, 1, LOC)]], [[Span(0, 1, PER), Span(0, 1, ORG)]]
    confusion = score(gold, predicted, LABELS).confusion
    assert confusion[LOC].predicted_as == {ORG: 1}
    assert confusion[ORG].invented == 0


def test_a_prediction_that_is_given_twice_counts_once():
    micro = score([[Span(0, 1, PER)]], [[Span(0, 1, PER), Span(0, 1, PER)]], LABELS).micro
    assert (micro.correct, micro.predicted) == (1, 1)


def test_nested_spans_are_scored_each_for_itself():
    gold = [[Span(0, 4, ORG), Span(2, 4, LOC)]]
    micro = score(gold, [[Span(2, 4, LOC)]], LABELS).micro
    assert (micro.precision, micro.recall) == (1.0, 0.5)


def test_equal_spans_of_different_sentences_do_not_match():
    assert score([[Span(0, 1, PER)], []], [[], [Span(0, 1, PER)]], LABELS).micro.correct == 0


def test_nothing_to_find_and_nothing_found_scores_zero():
    assert score([[]], [[]], LABELS).micro.to_json() == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_types_the_run_does_not_know_count_as_missed():
    scores = score([[Span(0, 1, "MISC")]], [[]], LABELS)
    assert list(scores.by_type) == [*LABELS, "MISC"]
    assert scores.micro.support == 1


def test_score_refuses_different_numbers_of_sentences():
    with pytest.raises(ValueError, match="2 sentences with gold spans but 1"):
        score([[], []], [[]], LABELS)


def test_json_has_the_keys_of_the_evaluate_command():
    written = json.loads(json.dumps(hand_counted().to_json()))
    assert list(written) == ["micro", "by_type", "boundary", "confusion"]
    figures = {"precision", "recall", "f1", "support"}
    assert set(written["micro"]) == set(written["boundary"]) == set(written["by_type"][PER]) == figures


def random_flat_data(seed: int) -> tuple[list[list[Span]], list[list[Span]], list[int]]:
    """Gold and predicted flat spans of 200 sentences, alike enough that many match, and the sentences' lengths."""
    rng = random.Random(seed)
    gold: list[list[Span]] = []
    predicted: list[list[Span]] = []
    lengths = [rng.randint(1, 15) for _ in range(200)]
    for length in lengths:
        tagset = TagSet(LABELS)
        ids = [rng.choice([0, 0, *range(len(tagset))]) for _ in range(length)]
        noisy = [rng.randrange(len(tagset)) if rng.random() < 0.25 else tag for tag in ids]
        gold.append(list(tagset.decode(ids)))
        predicted.append(list(tagset.decode(noisy)))
    return gold, predicted, lengths


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_strict_seqeval_on_flat_data(seed):
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    gold, predicted, lengths = random_flat_data(seed)
    tagset = TagSet(LABELS)

    def tags(side):
        return [
            [tagset.tags[tag] for tag in tagset.encode(spans, words)]
            for spans, words in zip(side, lengths, strict=True)
        ]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = classification_report(tags(gold), tags(predicted), mode="strict", scheme=IOB2, output_dict=True)
    ours = score(gold, predicted, LABELS).to_json()
    for name, figures in {"micro avg": ours["micro"], **ours["by_type"]}.items():
        theirs = {key.replace("f1-score", "f1"): value for key, value in report[name].items()}
        assert figures == pytest.approx(theirs), name
    assert 0.2 < ours["micro"]["f1"] < 0.95


def test_confusion_adds_up_to_gold_and_to_predicted_counts():
    gold, predicted, _ = random_flat_data(7)
    scores = score(gold, predicted, LABELS)
    for label, counts in scores.by_type.items():
        row = scores.confusion[label]
        column = sum(other.predicted_as[label] for other in scores.confusion.values())
        assert row.predicted_as.total() + row.missed == counts.support
        assert column + row.invented == counts.predicted


def test_entities_inside_words_are_missed_and_what_is_found_there_is_invented():
    wide = Span(1, 2, "LOC")  # of an entity that is a part of this word
    scores = score([[Span(0, 1, "PER")]], [[Span(0, 1, "PER"), wide]], ["LOC", "PER"], inside_words=["LOC", "ORG"])
    assert (scores.micro.correct, scores.micro.support, scores.micro.predicted) == (1, 3, 2)
    assert (scores.boundary.correct, scores.boundary.support) == (1, 3)
    assert scores.by_type["LOC"].to_json() == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert scores.confusion["LOC"].to_json() == {"predicted_as": {}, "missed": 1, "invented": 1}
    assert scores.confusion["ORG"].missed == 1
    assert scores.to_json()["inside_words"] == 2
