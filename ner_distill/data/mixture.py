"""How much each of several distributions weighs in their mixture, so that what was seen is likeliest."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ROUNDS = 500
ENOUGH = 1e-9
"""Where a round moves no weight by more, the rounds end."""


def mixture_weights(likelihoods: Floats, counts: Floats | None = None) -> Floats:
    """The weights w ≥ 0, Σ_k w_k = 1, that maximise Σ_n c_n log Σ_k w_k l_k,n.

    likelihoods: (mixed, seen) above 0: how probable each of the mixed distributions calls what was seen.
    counts:      (seen,) c_n ≥ 0, how often it was seen; None: once each.
    Returns: (mixed,). Where nothing was seen, or all say the same, they are equal.

    By EM, from equal weights: w_k ← the mean share that k has in the mixture's likelihood, which never lowers the sum.
    Source: Jelinek & Mercer, "Interpolated estimation of Markov source parameters from sparse data", 1980.
    """
    mixed, seen = likelihoods.shape
    weights = np.full(mixed, 1 / mixed)
    often = np.ones(seen) if counts is None else counts
    if not often.sum():
        return weights
    for _ in range(ROUNDS):
        parts = weights[:, None] * likelihoods
        shares = parts / parts.sum(0)
        before, weights = weights, shares @ often / often.sum()
        if np.abs(weights - before).max() < ENOUGH:
            break
    return weights


def mixture_weights_of_classes(
    probs: Floats, gold: Ints, class_of: Ints, general: Floats, free: Collection[int]
) -> dict[int, Floats]:
    """Weights of each class c of outcomes: those that maximise Σ_n log p_n(gold_n) of the pooled distribution

        p_n(y) = Σ_k w_k^c(y) p_k,n(y) / Z_n,    Z_n = Σ_y Σ_k w_k^c(y) p_k,n(y),

    with Σ_k w_k^c = 1 for each class.

    probs:    (mixed, seen, outcomes), each a distribution over the outcomes; of gold ones above 0.
    gold:     (seen,) the outcome that came.
    class_of: (outcomes,) the class of each.
    general:  (mixed,) the weights that all other classes keep, and from which the free ones begin.
    free:     the classes whose weights are sought.
    Returns: class → (mixed,).

    Without Z a class would go to whoever says it most, right or wrong. With it plain EM does not hold: −log Z is
    bounded below by its tangent, log Σ as EM bounds it, and what is left is maximised class by class:
    w_k ∝ R_k / (D_k + μ), R_k the shares of k in what came of the class, D_k what it says of the class everywhere, over
    Z, and μ so that the weights sum to 1. No step lowers the likelihood.
    Source: minorise and maximise, Hunter & Lange, "A tutorial on MM algorithms", 2004; the bound of the first part is
    that of EM (Dempster, Laird & Rubin 1977).
    """
    classes = int(class_of.max()) + 1
    weights = np.repeat(general[:, None], classes, axis=1)  # (mixed, classes)
    mass = np.stack([probs[:, :, class_of == one].sum(-1) for one in range(classes)], axis=2)
    own = probs[:, np.arange(len(gold)), gold]  # (mixed, seen)
    came = class_of[gold]
    for _ in range(ROUNDS):
        whole = np.einsum("kc,knc->n", weights, mass)
        before = weights.copy()
        for one in free:
            parts = before[:, one, None] * own[:, came == one]
            said = (mass[:, :, one] / whole).sum(1)
            weights[:, one] = _with_sum_one((parts / parts.sum(0)).sum(1), said)
        if np.abs(weights - before).max() < ENOUGH:
            break
    return {one: weights[:, one] for one in free}


def _with_sum_one(shares: Floats, said: Floats) -> Floats:
    """R / (D + μ) with the μ for which it sums to 1; what has no share has no weight."""
    some = shares > 0
    low = -said[some].min()
    high = low + shares.sum()  # there the sum is 1 at most
    for _ in range(80):
        middle = (low + high) / 2
        too_high = (shares[some] / (said[some] + middle)).sum() > 1
        low, high = (middle, high) if too_high else (low, middle)
    weights = np.zeros_like(shares)
    weights[some] = shares[some] / (said[some] + high)
    return np.asarray(weights / weights.sum())
