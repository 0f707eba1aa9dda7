import pytest
from scipy.stats import binomtest

from ner_distill.data.calibration import JudgedEntity
from ner_distill.data.thresholds import CANDIDATES, CONFIDENCE, choose, entities_needed


def judged(*parts: tuple[int, float, bool]) -> list[JudgedEntity]:
    """So many entities of a score that are right or wrong, one part after the other."""
    return [JudgedEntity(0, "PER", score, right) for count, score, right in parts for _ in range(count)]


def bound(right: int, of: int) -> float:
    """scipy's exact bound at the confidence of one of the candidates."""
    confidence = 1 - (1 - CONFIDENCE) / CANDIDATES
    return binomtest(right, of, alternative="greater").proportion_ci(confidence, method="exact").low


def test_threshold_is_the_lowest_whose_exact_bound_reaches_the_precision() -> None:
    entities = judged((400, 0.9, True), (5, 0.9, False), (100, 0.5, True), (100, 0.5, False))
    found = choose(entities, 0.95, support=1000)
    assert (found.score, found.kept, found.right) == (0.9, 405, 400)
    assert found.bound == pytest.approx(bound(400, 405))
    assert found.precision == pytest.approx(400 / 405)
    assert found.recall == pytest.approx(0.4)


def test_precision_of_the_data_alone_is_not_enough() -> None:
    entities = judged((40, 0.9, True), (1, 0.9, False))
    assert bound(40, 41) < 0.95 < 40 / 41
    assert choose(entities, 0.95, support=50).score is None


def test_type_that_cannot_reach_the_precision_lets_nothing_pass() -> None:
    found = choose(judged((50, 0.9, True), (50, 0.9, False)), 0.95, support=50)
    assert (found.score, found.kept, found.found, found.precision) == (None, 0, 100, 0.0)
    assert found.bound == pytest.approx(bound(50, 100))


def test_no_entity_at_all_has_no_threshold() -> None:
    assert choose([], 0.5, support=3).score is None


def test_entities_that_score_alike_pass_together() -> None:
    found = choose(judged((300, 0.8, True), (1, 0.8, False)), 0.9, support=301)
    assert found.kept == 301


def test_so_many_right_ones_show_a_precision_and_not_one_fewer() -> None:
    needed = entities_needed(0.95)
    assert bound(needed, needed) >= 0.95 > bound(needed - 1, needed - 1)
    assert choose(judged((needed, 0.9, True)), 0.95, support=needed).score == 0.9
    assert choose(judged((needed - 1, 0.9, True)), 0.95, support=needed).score is None
