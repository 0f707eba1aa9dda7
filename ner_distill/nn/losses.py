"""Divergences between tag probabilities, word by word; sentence vectors and their contrast."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

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
    Source of the use: Li et al., ACL 2022 (MTMT).
    """
    dtype = torch.promote_types(student_log_probs.dtype, torch.float32)
    student, teacher = student_log_probs.to(dtype), teacher_probs.detach().to(dtype)
    if kind == "mse":
        known = teacher.sum(-1) > 0
        return ((student.exp() - _normalised(teacher)) ** 2).mean(-1) * known
    possible = student.detach() != -torch.inf
    wanted = _normalised(_normalised(teacher).pow(1 / temperature).masked_fill(~possible, 0))
    # What is impossible is set to a plain number before any exponent, so that no 0 · inf arises in the gradient.
    scaled = (student.masked_fill(~possible, 0) / temperature).masked_fill(~possible, torch.finfo(dtype).min)
    cross = -(wanted * scaled.log_softmax(-1)).sum(-1)
    if kind == "kl":
        cross = cross + torch.xlogy(wanted, wanted).sum(-1)
    return cross * temperature**2


def _normalised(probs: Tensor) -> Tensor:
    """Rows that add up to 1; a row of zeros stays one."""
    return probs / probs.sum(-1, keepdim=True).clamp_min(torch.finfo(probs.dtype).tiny)


def symmetric_kl(first: Tensor, second: Tensor) -> Tensor:
    """KL(p ‖ q) + KL(q ‖ p) of each word: Σ_c (p_c − q_c)(log p_c − log q_c); 0 where both agree, never less.

    first, second: (batch, words, tags) float, log of probabilities; both carry gradient. A tag that one of them
                   can never give (−inf) is left out.
    Returns: (batch, words) float32 or better, not masked; 0 for rows of zeros (padding).
    """
    impossible = (first.detach() == -torch.inf) | (second.detach() == -torch.inf)
    dtype = torch.promote_types(first.dtype, torch.float32)
    first, second = (side.to(dtype).masked_fill(impossible, 0) for side in (first, second))
    return ((first.exp() - second.exp()) * (first - second)).sum(-1)


def uniform_cross_entropy(log_probs: Tensor) -> Tensor:
    """−log p_c of each word, as the mean over the tags c that are possible: cross-entropy to the even distribution.

    (1 − ε) NLL + ε times this is label smoothing (Szegedy et al. 2016).

    log_probs: (batch, words, tags) float, log of probabilities; −inf = never possible, left out.
    Returns: (batch, words) float32 or better, not masked; 0 for rows of zeros (padding).
    """
    possible = log_probs.detach() != -torch.inf
    dtype = torch.promote_types(log_probs.dtype, torch.float32)
    total = log_probs.to(dtype).masked_fill(~possible, 0).sum(-1)
    return -total / possible.sum(-1).clamp(min=1)


def contrast(first: Tensor, second: Tensor, counted: Tensor, *, temperature: float = 0.05) -> Tensor:
    """SimCSE: of all other vectors, the same sentence's from the other pass is to be the nearest; a scalar SUM.

    For each of the 2n vectors the cross-entropy of its partner among the 2n − 1 others, by cosine / temperature; a
    sentence counts with the mean of its two. One sentence alone gives 0: there is nothing to tell it from.

    first, second: (batch, dim) float, sentence vectors of two passes.
    counted:       (batch,) bool; what is False is neither asked nor compared with.
    Returns: SUM over counted sentences, float32 or better; none gives 0 and still back-propagates.
    Source: Gao et al., EMNLP 2021, here with both passes as queries and as candidates.
    """
    dtype = torch.promote_types(first.dtype, torch.float32)
    with torch.autocast(first.device.type, enabled=False):
        vectors = functional.normalize(torch.cat([first, second]).to(dtype), dim=-1)
        logits = vectors @ vectors.t() / temperature
        same = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        partner = same.roll(len(first), 1)
        # the partner stays in even where it does not count, so that no row is without any
        logits = logits.masked_fill(same | ~(counted.repeat(2)[None] | partner), -torch.inf)
        losses = torch.logsumexp(logits, 1) - logits.masked_fill(~partner, 0).sum(1)
        return losses.masked_fill(~counted.repeat(2), 0).sum() / 2


def mean_vectors(vectors: Tensor, mask: Tensor) -> Tensor:
    """The means of the counted vectors: (rows, units, dim), mask (rows, units) bool → (rows, dim) float32 or better.

    A row in which nothing counts is zeros.
    """
    dtype = torch.promote_types(vectors.dtype, torch.float32)
    sums = vectors.to(dtype).masked_fill(~mask[..., None], 0).sum(1)
    return sums / mask.sum(1, keepdim=True).clamp(min=1)
