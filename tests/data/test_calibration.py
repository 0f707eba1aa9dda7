import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ner_distill.data import calibration
from ner_distill.data.calibration import (
    Calibration,
    JudgedEntity,
    ScoreMap,
    cross_fitted,
    fit,
    fit_map,
    fit_temperature,
    folds_of,
    reliability,
    tag_loss,
)


def drawn(count: int, scale: float, shift: float, *, label: str = "PER", seed: int = 0) -> list[JudgedEntity]:
    """Entities that are right with the probability that a map gives their scores; one a sentence."""
    generator = np.random.default_rng(seed)
    truth = ScoreMap(scale, shift)
    scores = generator.uniform(0.2, 0.999, count)
    chances = generator.uniform(size=count)
    return [
        JudgedEntity(number, label, float(score), bool(chance < truth(float(score))))
        for number, (score, chance) in enumerate(zip(scores, chances, strict=True))
    ]


def test_map_is_the_sigmoid_of_the_scaled_and_shifted_logit() -> None:
    assert ScoreMap(2.0, -1.0)(0.8) == pytest.approx(1 / (1 + math.exp(-(2 * math.log(4) - 1))))


def test_map_of_one_and_nothing_leaves_scores_as_they_are() -> None:
    assert [ScoreMap(1.0, 0.0)(score) for score in (0.1, 0.5, 0.93)] == pytest.approx([0.1, 0.5, 0.93])


@pytest.mark.parametrize("score", [0.0, 1.0, 1.0000001])
def test_scores_at_the_ends_have_a_finite_map(score: float) -> None:
    assert 0.0 <= ScoreMap(calibration.MOST, -calibration.MOST)(score) <= 1.0


def test_fitted_map_is_that_of_an_unweighted_logistic_regression_where_entities_are_many() -> None:
    entities = drawn(20_000, 0.6, -0.5)
    found = fit_map(entities)
    logits = np.array([[math.log(entity.score / (1 - entity.score))] for entity in entities])
    truth = LogisticRegression(C=1e9, tol=1e-8).fit(logits, [entity.right for entity in entities])
    assert found is not None
    assert found.scale == pytest.approx(float(truth.coef_[0, 0]), abs=5e-3)
    assert found.shift == pytest.approx(float(truth.intercept_[0]), abs=5e-3)


def test_fitted_map_finds_the_one_that_entities_were_drawn_with() -> None:
    found = fit_map(drawn(20_000, 0.6, -0.5))
    assert found is not None
    assert (found.scale, found.shift) == pytest.approx((0.6, -0.5), abs=0.06)


def test_perfectly_told_entities_still_have_a_map() -> None:
    found = fit_map([JudgedEntity(k, "PER", 0.9 if k % 2 else 0.3, bool(k % 2)) for k in range(200)])
    assert found is not None
    assert found(0.9) == pytest.approx(101 / 102, abs=1e-3)  # Platt's target of 100 right ones
    assert found(0.3) == pytest.approx(1 / 102, abs=1e-3)


def test_scores_that_rise_where_entities_are_wrong_have_no_map() -> None:
    assert fit_map([JudgedEntity(k, "PER", 0.3 if k % 2 else 0.9, bool(k % 2)) for k in range(200)]) is None


def test_too_few_entities_are_not_calibrated() -> None:
    entities = drawn(calibration.LEAST, 1.0, 0.0)
    assert fit(entities) is not None
    assert fit(entities[1:]) is None


def test_type_whose_scores_mean_something_else_gets_a_map_of_its_own() -> None:
    one, other = drawn(600, 1.0, 0.0), drawn(600, 0.5, -1.5, label="ORG", seed=1)
    found = fit([entity for pair in zip(one, other, strict=True) for entity in pair])
    assert found is not None
    assert set(found.of_types) == {"PER", "ORG"}
    assert found("ORG", 0.9) == pytest.approx(ScoreMap(0.5, -1.5)(0.9), abs=0.06)


def test_types_alike_share_their_map_and_so_do_rare_ones() -> None:
    rare = drawn(calibration.LEAST_OF_TYPE - 1, 0.5, -1.5, label="ORG", seed=1)
    found = fit([*drawn(2000, 1.0, 0.0), *rare])
    assert found is not None
    assert "ORG" not in found.of_types
    assert found("ORG", 0.7) == found.general(0.7)


def test_folds_are_stretches_of_neighbouring_sentences() -> None:
    entities = [JudgedEntity(number, "PER", 0.5, True) for number in (0, 0, 1, 4, 5, 9)]
    assert folds_of(entities).tolist() == [0, 0, 0, 2, 2, 4]


def test_an_entity_has_no_say_in_its_own_cross_fitted_score() -> None:
    entities = drawn(500, 0.6, -0.5)
    flipped = [entity._replace(right=not entity.right) if entity.sentence < 100 else entity for entity in entities]
    before, after = cross_fitted(entities), cross_fitted(flipped)
    assert [entity.score for entity in before[:100]] == [entity.score for entity in after[:100]]
    assert [entity.score for entity in before[100:]] != [entity.score for entity in after[100:]]


def test_calibration_error_is_that_counted_by_hand() -> None:
    # bins of 1/15: 0.9 is in the 14th with 0.92, 1.0 in the last
    entities = [
        JudgedEntity(0, "A", 0.90, True),
        JudgedEntity(0, "A", 0.92, False),
        JudgedEntity(0, "A", 1.0, True),
        JudgedEntity(1, "A", 0.1, True),
    ]
    found = reliability(entities)
    assert found.error == pytest.approx((2 * abs(0.5 - 0.91) + 0 + abs(1 - 0.1)) / 4)
    assert [(one.entities, one.precision) for one in found.bins] == [(1, 1.0), (2, 0.5), (1, 1.0)]


def test_nothing_found_has_no_calibration_error() -> None:
    assert reliability([]).to_json() == {"ece": 0.0, "bins": []}


def test_calibrating_scores_that_lie_lowers_their_error() -> None:
    entities, fresh = drawn(3000, 0.5, -0.7), drawn(3000, 0.5, -0.7, seed=9)
    found = fit(entities)
    assert found is not None
    assert reliability(fresh).error > 0.1
    assert reliability([found.applied(entity) for entity in fresh]).error < 0.03


def test_order_within_a_type_stays() -> None:
    found = Calibration(ScoreMap(0.3, -2.0), {"PER": ScoreMap(3.0, 1.0)})
    for label in ("PER", "LOC"):
        scores = [found(label, score) for score in np.linspace(0.01, 0.99, 50)]
        assert scores == sorted(scores)


def test_temperature_brings_back_probabilities_that_were_sharpened() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, 5)) * 2
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gold = (probs.cumsum(1) > generator.uniform(size=(len(probs), 1))).argmax(1)
    sharp = np.log(probs**1.7 / (probs**1.7).sum(1, keepdims=True))
    assert fit_temperature(sharp, gold) == pytest.approx(1.7, abs=0.05)
    assert tag_loss(sharp, gold, 1.7) == pytest.approx(-np.log(probs[np.arange(len(gold)), gold]).mean())


def test_tags_that_cannot_be_leave_the_temperature_finite() -> None:
    logs = np.log(np.array([[0.7, 0.3, 1e-300]] * 10))
    logs[:, 2] = -np.inf
    found = fit_temperature(logs, np.array([0] * 7 + [1] * 3))
    assert found == pytest.approx(1.0, abs=1e-3)


def test_the_folds_of_a_set_that_is_just_large_enough_have_maps_too() -> None:
    """Scores of 110 entities: each fold is fitted on 88, of which a whole set would have no map."""
    entities = drawn(110, 0.8, -1.5)
    assert fit(entities[:88]) is None
    moved = cross_fitted(entities)
    assert all(after.score != before.score for before, after in zip(entities, moved, strict=True))
