"""The curve through scores: against curves that are known, and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from ner_distill.errors import ConfigError
from ner_distill.pipelines.comparison.power_law import fit

SIZES = [250, 500, 750, 1000]


def true(n: float, a: float = 0.85, b: float = 2.0, c: float = 0.4) -> float:
    return float(a - b * n**-c)


def noisy(seeds: int, noise: float, seed: int = 1) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    sizes = [float(size) for size in SIZES * seeds]
    return sizes, [true(size) + rng.normal(0, noise) for size in sizes]


def test_scores_without_noise_give_their_curve_back() -> None:
    law = fit(SIZES, [true(size) for size in SIZES])
    assert [law.a, law.b, law.c] == pytest.approx([0.85, 2.0, 0.4], rel=0.05)
    gain = law.gain(1000, 200)
    assert gain.value == pytest.approx(true(1200) - true(1000), rel=0.02)
    assert gain.high - gain.low < 1e-3


def test_curve_is_that_of_least_squares() -> None:
    sizes, scores = noisy(3, 0.004)
    law = fit(sizes, scores)
    n = np.array(sizes)
    (a, b, c), _ = curve_fit(
        lambda n, a, b, c: a - b * n**-c, n, scores, p0=(0.9, 1.0, 0.3), bounds=([0, 0, 0.01], [1, 50, 3])
    )
    ours = np.square([law.at(size).value - score for size, score in zip(sizes, scores, strict=True)]).sum()
    theirs = np.square(a - b * n**-c - scores).sum()
    assert ours == pytest.approx(theirs, rel=0.01)


def test_nothing_ends_above_1() -> None:
    law = fit(SIZES, [0.2, 0.4, 0.6, 0.8])
    assert law.a <= 1
    assert law.at(10_000).high <= 1


def test_falling_scores_promise_nothing() -> None:
    law = fit(SIZES, [0.8, 0.79, 0.78, 0.77])
    assert law.gain(1000, 200).value == pytest.approx(0, abs=1e-9)


def test_limits_hold_what_is_true_as_often_as_they_say() -> None:
    held = 0
    for seed in range(40):
        sizes, scores = noisy(3, 0.006, seed)
        gain = fit(sizes, scores).gain(1000, 200)
        held += gain.low <= true(1200) - true(1000) <= gain.high
    assert held >= 32  # 36 are expected


def test_more_seeds_narrow_the_limits() -> None:
    few, many = (fit(*noisy(seeds, 0.006)).gain(1000, 200) for seeds in (2, 12))
    assert many.high - many.low < few.high - few.low


@pytest.mark.parametrize(("sizes", "scores"), [([1, 2, 3], [0.1, 0.2, 0.3]), ([1, 1, 2, 2], [0.1, 0.1, 0.2, 0.2])])
def test_too_few_trainings_are_refused(sizes: list[float], scores: list[float]) -> None:
    with pytest.raises(ConfigError, match="needs four trainings of three sizes, found"):
        fit(sizes, scores)


def test_no_score_is_below_zero() -> None:
    curve = fit([100, 100, 200, 200, 300, 300, 400, 400], [0.0, 0.0, 0.0, 0.02, 0.14, 0.19, 0.25, 0.29])
    first = curve.at(50)
    assert (first.value, first.low) == (0.0, 0.0)
    assert 0 < curve.at(400).low < curve.at(400).value < 0.4
