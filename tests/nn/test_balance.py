from __future__ import annotations

import math

import pytest
import torch

from ner_distill.nn.balance import AT_FIRST, NEWEST, TaskBalance


def trained(balance, scales, steps=200):
    """Steps on two losses of one vector whose gradients have these norms; the shares of the last step."""
    shares = []
    for step in range(steps):
        weights = balance.weights({"soft": 1.0, "similarity": 123.0})
        vectors = torch.zeros(1, 1, 4, requires_grad=True)
        first, second = balance.watched("soft", vectors), balance.watched("similarity", vectors)
        noise = 1 + 0.1 * math.sin(step)
        loss = (
            weights["soft"] * first.sum() * scales[0] * noise / 2 + weights["similarity"] * second.sum() * scales[1] / 2
        )
        loss.backward()
        squares = balance.measured()
        shares.append(math.sqrt(squares["similarity"] / squares["soft"]))
        balance.after_step({}, squares)
    return shares


@pytest.mark.parametrize("scales", [(1.0, 1.0), (1.0, 30.0), (0.01, 5.0), (40.0, 0.1)])
def test_the_gradient_of_the_second_task_is_the_share_of_the_firsts_whatever_the_losses(scales):
    assert trained(TaskBalance(0.3, "soft"), scales)[-1] == pytest.approx(0.3, rel=0.15)


def test_the_weight_is_that_of_the_source_until_a_gradient_was_seen():
    assert TaskBalance(0.3, "soft").weights({"soft": 1.0, "similarity": 7.0}) == {"soft": 1.0, "similarity": AT_FIRST}


def test_the_weight_is_the_root_of_the_ratio_of_running_means():
    balance = TaskBalance(0.5, "soft")
    for squares in ({"soft": 4.0, "similarity": 1.0}, {"soft": 9.0, "similarity": 2.0}):
        balance.weights({"soft": 1.0, "similarity": 1.0})
        given = dict(balance._given)
        balance.after_step({}, {term: square * given[term] ** 2 for term, square in squares.items()})
    means = [before * (1 - NEWEST) + NEWEST * new for before, new in ((4.0, 9.0), (1.0, 2.0))]
    assert balance.weights({"soft": 1.0, "similarity": 1.0})["similarity"] == pytest.approx(
        0.5 * math.sqrt(means[0] / means[1])
    )


def test_a_step_without_one_of_the_tasks_or_with_a_gradient_out_of_bounds_is_passed_over():
    balance = TaskBalance(0.5, "soft")
    balance.weights({"soft": 1.0, "similarity": 1.0})
    balance.after_step({}, {"soft": 3.0, "similarity": 0.0})
    balance.after_step({}, {"soft": 3.0, "similarity": math.inf})
    balance.after_step({}, {"soft": math.nan, "similarity": 1.0})
    assert balance.running == {}


def test_watching_changes_no_gradient():
    vectors = torch.randn(2, 3, 4, requires_grad=True)
    plain = (vectors**2).sum()
    (expected,) = torch.autograd.grad(plain, vectors)
    balance = TaskBalance(0.5, "soft")
    (balance.watched("soft", vectors) ** 2).sum().backward()
    torch.testing.assert_close(vectors.grad, expected)
    assert balance.measured()["soft"] == pytest.approx(expected.square().sum().item(), rel=1e-6)


@pytest.mark.parametrize("copies", [1, 2, 6])
def test_copies_of_the_sentences_count_as_what_they_add_up_to(copies):
    vectors = torch.randn(2, 3, 4, requires_grad=True)
    balance = TaskBalance(0.5, "soft")
    (balance.watched("soft", vectors.repeat(copies, 1, 1), copies) ** 2).sum().div(copies).backward()
    assert balance.measured()["soft"] == pytest.approx(vectors.grad.square().sum().item(), rel=1e-5)


def test_vectors_of_a_frozen_encoder_are_not_watched():
    vectors = torch.zeros(1, 1, 4)
    assert TaskBalance(0.5, "soft").watched("soft", vectors) is vectors
