"""Divergences of tag distributions against torch.distributions and hand-counted values."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from ner_distill.nn.losses import Divergence, token_divergence

KINDS: tuple[Divergence, ...] = ("mse", "kl", "ce")


def student() -> Tensor:
    return torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64).log_softmax(-1)


def teacher() -> Tensor:
    return torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64).softmax(-1)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 4.0])
def test_kl_matches_torch_distributions_at_any_temperature(temperature: float) -> None:
    found = token_divergence(student(), teacher(), kind="kl", temperature=temperature)
    tempered = [Categorical(logits=log_probs / temperature) for log_probs in (teacher().log(), student())]
    torch.testing.assert_close(found, temperature**2 * kl_divergence(*tempered))


def _entropy(distribution: Categorical) -> Tensor:
    return -torch.xlogy(distribution.probs, distribution.probs).sum(-1)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_cross_entropy_is_kl_plus_the_teachers_entropy(temperature: float) -> None:
    found = token_divergence(student(), teacher(), kind="ce", temperature=temperature)
    tempered = [Categorical(logits=log_probs / temperature) for log_probs in (teacher().log(), student())]
    torch.testing.assert_close(found, temperature**2 * (kl_divergence(*tempered) + _entropy(tempered[0])))


def test_mse_is_the_mean_over_tags() -> None:
    found = token_divergence(torch.tensor([[[0.5, 0.5, 0.0]]]).log(), torch.tensor([[[1.0, 0.0, 0.0]]]), kind="mse")
    torch.testing.assert_close(found, torch.tensor([[0.5 / 3]]))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_kl_is_zero_when_student_equals_teacher(temperature: float) -> None:
    found = token_divergence(teacher().log(), teacher(), kind="kl", temperature=temperature)
    torch.testing.assert_close(found, torch.zeros_like(found))


@pytest.mark.parametrize("kind", KINDS)
def test_teacher_gets_no_gradient(kind: Divergence) -> None:
    log_probs, probs = student().requires_grad_(), teacher().requires_grad_()
    token_divergence(log_probs, probs, kind=kind).sum().backward()  # type: ignore[no-untyped-call]
    assert probs.grad is None
    assert log_probs.grad is not None
    assert log_probs.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_rounded_teacher_probabilities_are_made_to_add_up_to_one(kind: Divergence) -> None:
    found = token_divergence(student(), 0.97 * teacher(), kind=kind)
    torch.testing.assert_close(found, token_divergence(student(), teacher(), kind=kind))


def test_kl_of_a_float16_teacher_is_float32_and_not_negative() -> None:
    probs = teacher().half()
    found = token_divergence(probs.float().log(), probs, kind="kl")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.zeros(2, 3), rtol=0, atol=1e-6)


def test_kl_of_a_certain_teacher_is_the_students_surprise() -> None:
    certain = torch.nn.functional.one_hot(torch.tensor([[0, 1, 2], [3, 4, 0]]), 5).half()
    surprise = -student().gather(-1, certain.argmax(-1, keepdim=True))[..., 0]
    torch.testing.assert_close(token_divergence(student(), certain, kind="kl"), surprise)


@pytest.mark.parametrize("kind", KINDS)
def test_impossible_student_tags_give_finite_values_and_gradients(kind: Divergence) -> None:
    log_probs = torch.tensor([[[0.25, 0.75, 0.0]]]).log().requires_grad_()
    found = token_divergence(log_probs, torch.tensor([[[0.5, 0.3, 0.2]]]), kind=kind)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert found.isfinite().all()
    assert log_probs.grad is not None
    assert log_probs.grad.isfinite().all()


def test_kl_leaves_out_what_the_student_can_never_give() -> None:
    with_impossible = token_divergence(
        torch.tensor([[[0.25, 0.75, 0.0]]]).log(), torch.tensor([[[0.5, 0.3, 0.2]]]), kind="kl", temperature=2.0
    )
    without = token_divergence(
        torch.tensor([[[0.25, 0.75]]]).log(), torch.tensor([[[0.5, 0.3]]]), kind="kl", temperature=2.0
    )
    torch.testing.assert_close(with_impossible, without)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_rows_of_zeros_give_zero(kind: Divergence) -> None:
    log_probs = torch.zeros(1, 2, 5, requires_grad=True)
    found = token_divergence(log_probs, torch.zeros(1, 2, 5), kind=kind)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert found.tolist() == [[0.0, 0.0]]
    assert log_probs.grad is not None
    assert (log_probs.grad == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck_of_divergence(kind: Divergence) -> None:
    temperature = 1.0 if kind == "mse" else 2.0
    assert torch.autograd.gradcheck(
        lambda logits: token_divergence(logits.log_softmax(-1), teacher(), kind=kind, temperature=temperature),
        (student().requires_grad_(),),
    )
