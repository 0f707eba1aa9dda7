"""Weights of mixtures, against searches that know nothing of EM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from ner_distill.data.mixture import mixture_weights, mixture_weights_of_classes

CLASS_OF = np.array([0, 1, 1, 2, 2])


def softmax(values: Any) -> Any:
    return np.exp(values) / np.exp(values).sum(-1, keepdims=True)


def test_weights_make_what_was_seen_likeliest() -> None:
    rng = np.random.default_rng(0)
    likelihoods, counts = rng.random((3, 200)), rng.integers(0, 5, 200).astype(float)
    best = minimize(lambda x: -(counts * np.log(softmax(x) @ likelihoods)).sum(), np.zeros(3))
    assert mixture_weights(likelihoods, counts) == pytest.approx(softmax(best.x), abs=1e-4)


def test_two_that_say_the_same_weigh_the_same() -> None:
    likelihoods = np.random.default_rng(1).random((1, 50)).repeat(2, axis=0)
    assert mixture_weights(likelihoods).tolist() == pytest.approx([0.5, 0.5])


def test_of_nothing_seen_all_weigh_the_same() -> None:
    assert mixture_weights(np.ones((4, 0))).tolist() == [0.25] * 4


def test_weights_of_classes_make_the_gold_outcomes_likeliest() -> None:
    rng = np.random.default_rng(2)
    probs = rng.dirichlet(np.ones(5), size=(3, 400))
    gold = np.array([rng.choice(5, p=0.6 * probs[0, word] + 0.4 * probs[1, word]) for word in range(400)])
    general = mixture_weights(probs[:, np.arange(400), gold])

    def loss(flat: Any) -> float:
        weights = np.stack([general, *softmax(flat.reshape(2, 3))], axis=1)
        pooled = np.einsum("ky,kny->ny", weights[:, CLASS_OF], probs)
        return float(-np.log(pooled[np.arange(400), gold] / pooled.sum(1)).sum())

    best = softmax(minimize(loss, np.zeros(6)).x.reshape(2, 3))
    found = mixture_weights_of_classes(probs, gold, CLASS_OF, general, [1, 2])
    assert found[1] == pytest.approx(best[0], abs=1e-3)
    assert found[2] == pytest.approx(best[1], abs=1e-3)


def test_who_says_a_class_of_everything_does_not_get_the_class() -> None:
    # plain EM over the words of the class, which never sees the others, would give it nearly all
    rng = np.random.default_rng(3)
    gold = (rng.random(400) < 0.2).astype(int)
    honest = np.where(gold[:, None] == np.arange(2), 0.9, 0.1)
    crier = np.tile([0.01, 0.99], (400, 1))
    found = mixture_weights_of_classes(np.stack([honest, crier]), gold, np.arange(2), np.array([0.5, 0.5]), [1])
    assert mixture_weights(np.stack([honest, crier])[:, gold == 1, 1])[1] > 0.9
    assert found[1][1] < 0.1
