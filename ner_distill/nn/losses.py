"""Divergences between the teacher's and the student's tag probabilities, word by word."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Divergence = Literal["mse", "kl", "ce"]


def token_divergence(
    student_log_probs: Tensor, teacher_probs: Tensor, *, kind: Divergence, temperature: float = 1.0
) -> Tensor:
    """How far the student is from the teacher at each word.

    student_log_probs: (batch, words, tags) float, log of probabilities; −inf for a tag that the student can never give.
    teacher_probs:     (batch, words, tags) float, any precision; rounded probabilities (float16) are made to add up
                       to 1 again. They carry no gradient. A row of zeros (padding) is taken as no teacher: 0.
    Returns: (batch, words) float32 or better, not masked: multiply by weights and mask, then sum.

    "mse": the MEAN over tags of (p − p̂)², whether or not the words are weighted. The published code of the source
           sums over tags in its weighted form and averages in its plain one. The temperature must be 1: the
           source compares the probabilities themselves.
    "kl":  T² · KL(teacher_T ‖ student_T), where p_T ∝ p^(1/T) (Hinton et al. 2015); 0 where both agree.
    "ce":  T² · cross-entropy of the same two: "kl" plus the teacher's entropy, with the same gradient.

    In "kl" and "ce" the teacher's mass on tags that the student can never give (log-probability −inf) is
    left out and the rest made to add up to 1: no student could lower that part, which is infinite.
    Raises ValueError for an unknown kind or temperature.
    Source of the use: Li et al., ACL 2022 (MTMT).
    """
    _check(kind, temperature)
    dtype = torch.promote_types(student_log_probs.dtype, torch.float32)
    student, teacher = student_log_probs.to(dtype), teacher_probs.detach().to(dtype)
    if kind == "mse":
        wanted = _normalised(teacher)
        return ((student.exp() - wanted) ** 2).mean(-1) * _known(teacher)
    possible = student.detach() != -torch.inf
    wanted = _normalised(_normalised(teacher).pow(1 / temperature).masked_fill(~possible, 0))
    # What is impossible is set to a plain number before any exponent, so that no 0 · inf arises in the gradient.
    scaled = (student.masked_fill(~possible, 0) / temperature).masked_fill(~possible, torch.finfo(dtype).min)
    cross = -(wanted * scaled.log_softmax(-1)).sum(-1)
    if kind == "kl":
        cross = cross + torch.xlogy(wanted, wanted).sum(-1)
    return cross * temperature**2


def _check(kind: str, temperature: float) -> None:
    if kind not in ("mse", "kl", "ce"):
        raise ValueError(f"kind: expected 'mse', 'kl' or 'ce', found {kind!r}")
    if not temperature > 0:
        raise ValueError(f"temperature: expected a number above 0, found {temperature}")
    if kind == "mse" and temperature != 1:
        raise ValueError(f"temperature: 'mse' compares probabilities as they are; expected 1, found {temperature}")


def _known(teacher: Tensor) -> Tensor:
    """(batch, words) bool: rows that hold any probability."""
    return teacher.sum(-1) > 0


def _normalised(probs: Tensor) -> Tensor:
    """Rows that add up to 1; a row of zeros stays one."""
    return probs / probs.sum(-1, keepdim=True).clamp_min(torch.finfo(probs.dtype).tiny)
