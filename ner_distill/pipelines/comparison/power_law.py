"""An inverse power law through learning curves: what more labels would bring, and how sure that is.

F(n) = a - b · n^-c: the score after n sentences; a is where it ends with ever more of them (Cortes et al. 1993; for the
size of labelled data Figueroa et al. 2012). It is fitted by least squares to the scores of all trainings. How sure it
is, a bootstrap tells: scores are drawn anew around the curve, as far off as the trainings were, and fitted again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ner_distill.errors import ConfigError

EXPONENTS = np.geomspace(0.01, 3.0, 300)
"""Those that are tried as c."""
DRAWS = 400
SURE = 0.9
"""Share of the draws that lies in an interval."""
PARAMETERS = 3
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value, and between which values it lies in `SURE` of the draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PowerLaw:
    """The curve, and curves as well fitted to scores drawn around it.

    a, b, c: of F(n) = a - b · n^-c. noise: how far a training is off, as a standard deviation. draws: (draws, 3).
    """

    a: float
    b: float
    c: float
    noise: float
    draws: Floats

    def at(self, size: float) -> Interval:
        """The score after so many sentences; 0 where the curve is below."""
        return self._interval(self._value(size), _values(self.draws, size))

    def gain(self, size: float, more: float) -> Interval:
        """What `more` sentences add to so many."""
        drawn = _values(self.draws, size + more) - _values(self.draws, size)
        return self._interval(self._value(size + more) - self._value(size), drawn)

    def _value(self, size: float) -> float:
        return max(0.0, self.a - self.b * math.pow(size, -self.c))

    @staticmethod
    def _interval(value: float, drawn: Floats) -> Interval:
        low, high = np.quantile(drawn, [(1 - SURE) / 2, (1 + SURE) / 2])
        return Interval(value, min(value, float(low)), max(value, float(high)))


def fit(sizes: Sequence[float], scores: Sequence[float], *, seed: int = 13) -> PowerLaw:
    """The power law of scores, 0 to 1, after trainings on so many sentences.

    seed: of the draws. Raises ConfigError where there are fewer than four trainings, or fewer than three sizes.
    """
    n, f1 = np.array(sizes, np.float64), np.array(scores, np.float64)
    if len(n) <= PARAMETERS or len(set(sizes)) < PARAMETERS:
        raise ConfigError(
            f"a learning curve needs four trainings of three sizes, found {len(n)} of {len(set(sizes))}; see why "
            "others failed"
        )
    largest = n.max()
    share = n / largest
    best = _least_squares(share, f1)
    fitted = best[0] - best[1] * share ** -best[2]
    noise = math.sqrt(float(((f1 - fitted) ** 2).sum()) / (len(n) - PARAMETERS))
    rng = np.random.default_rng(seed)
    drawn = [_least_squares(share, fitted + rng.normal(0, noise, len(n))) for _ in range(DRAWS)]
    curves = np.array([best, *drawn])
    curves[:, 1] *= largest ** curves[:, 2]  # of n as it is, not as a share of the largest
    a, b, c = curves[0].tolist()
    return PowerLaw(a, b, c, noise, curves[1:])


def _values(draws: Floats, size: float) -> Floats:
    return np.maximum(0.0, draws[:, 0] - draws[:, 1] * size ** -draws[:, 2])


def _least_squares(share: Floats, f1: Floats) -> tuple[float, float, float]:
    """a, b, c of the curve nearest to these scores: a at most 1, b at least 0, c one of `EXPONENTS`.

    For a given c, a and b are those of the straight line through share^-c: every c is tried, and no local minimum is in
    the way.
    """
    x = share ** -EXPONENTS[:, None]
    mean = x.mean(1)
    beside = x - mean[:, None]
    b = np.maximum(0.0, -(beside @ f1) / (beside**2).sum(1))
    a = f1.mean() + b * mean
    above = a > 1  # no score is: then the best line through 1
    a = np.where(above, 1.0, a)
    b = np.where(above, np.maximum(0.0, (x @ (1 - f1)) / (x**2).sum(1)), b)
    errors = ((f1 - (a[:, None] - b[:, None] * x)) ** 2).sum(1)
    best = int(errors.argmin())
    return float(a[best]), float(b[best]), float(EXPONENTS[best])
