"""The distillation loss, weighted by α, β and γ (Li et al., ACL 2022, "MTMT").

    α_i = (max_c p_i,c)²                       confidence of the teacher on word i
    β   = min(1, (2 s − 1)² + floor)           certainty of the similarity (paper: floor 0; authors' code: 0.5)
    γ   = 1 − |σ(a·cos(p_i, p_j) + b) − s|     do the two tasks of the teacher agree on this pair

All three come from the teacher and carry no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ner_distill.nn.losses import token_divergence
from ner_distill.nn.similarity import pair_bce
from ner_distill.nn.spans import word_confidence

Setting = Literal["auto", "off"] | float


@dataclass(frozen=True)
class DistillationLoss:
    """The terms of the loss for one batch, as sums; the loop divides by words and by pairs.

    alpha, beta, gamma: "auto" is the formula, a number is that number everywhere, "off" is 1.
    scale, shift:       a and b of the teacher's similarity, with which γ compares.
    """

    divergence: Literal["mse", "kl", "ce"] = "kl"
    temperature: float = 1.0
    alpha: Setting = "auto"
    beta: Setting = "auto"
    gamma: Setting = "auto"
    beta_floor: float = 0.5
    scale: float = 1.0
    shift: float = 0.0

    def word_term(
        self, student_log_probs: Tensor, teacher_probs: Tensor, keep: Tensor, pairs: Tensor, similarity: Tensor
    ) -> Tensor:
        """Sum over kept words of γ_i α_i D(p_i, p̂_i).

        student_log_probs: (batch, words, tags) float, log probabilities.
        teacher_probs:     (batch, words, tags) float, same tag order; no gradient.
        keep:              (batch, words) bool; padding and dropped words are False. None kept gives 0.
        pairs, similarity: as in `similarity_term`; γ_i is the mean over the pairs of word i, 1 without any.
        """
        probs = teacher_probs.detach().float()
        distance = token_divergence(student_log_probs, probs, kind=self.divergence, temperature=self.temperature)
        weight = _setting(self.alpha, probs.amax(-1).square())
        gamma = self._word_gamma(probs, pairs, similarity)
        return (distance * weight * gamma).masked_fill(~keep, 0.0).sum()

    def sentence_weights(
        self, teacher_probs: Tensor, span_probs: Tensor, keep: Tensor, pairs: Tensor, similarity: Tensor
    ) -> Tensor:
        """(batch,) float32: the mean of γ_i α_i over the kept words of each sentence, 0 without any.

        What a span head's loss of a sentence is weighed by: it is of all spans at once, not of words. α_i is the square
        of the least max(p, 1 − p) over the spans that hold word i: tags share a word's probability between entities
        that nest, however sure each is. Arguments as in `word_term`, and span_probs (batch, types, words, words); no
        gradient.
        """
        probs = teacher_probs.detach().float()
        sure = word_confidence(span_probs.detach().float(), keep)
        weight = _setting(self.alpha, sure.square()) * self._word_gamma(probs, pairs, similarity)
        return weight.masked_fill(~keep, 0.0).sum(1) / keep.sum(1).clamp(min=1)

    def similarity_term(
        self, student_logits: Tensor, teacher_probs: Tensor, pairs: Tensor, similarity: Tensor
    ) -> Tensor:
        """Sum over pairs of γ β BCE(ŝ, s).

        student_logits: (pairs,) float, logits of the student's similarity ŝ.
        pairs:          (pairs, 2) long, flat indices row · words + word.
        similarity:     (pairs,) float in [0, 1], the teacher's s; no gradient. No pairs give 0.
        """
        similarity = similarity.detach().float()
        certainty = ((2 * similarity - 1).square() + self.beta_floor).clamp(max=1.0)
        weight = _setting(self.beta, certainty) * self._pair_gamma(teacher_probs.detach().float(), pairs, similarity)
        return (weight * pair_bce(student_logits, similarity)).sum()

    def _pair_gamma(self, probs: Tensor, pairs: Tensor, similarity: Tensor) -> Tensor:
        flat = probs.flatten(0, 1)
        cosine = functional.cosine_similarity(flat[pairs[:, 0]], flat[pairs[:, 1]], dim=-1)
        agreement = 1 - (torch.sigmoid(self.scale * cosine + self.shift) - similarity).abs()
        return _setting(self.gamma, agreement)

    def _word_gamma(self, probs: Tensor, pairs: Tensor, similarity: Tensor) -> Tensor:
        if self.gamma != "auto" or len(pairs) == 0:
            # a fixed γ holds for every word, in a pair or not
            return _setting(1.0 if self.gamma == "auto" else self.gamma, torch.ones_like(probs[..., 0]))
        gamma = self._pair_gamma(probs, pairs, similarity.detach().float())
        ends = pairs.flatten()
        total = torch.zeros(probs.shape[:2].numel(), device=probs.device).index_add(0, ends, gamma.repeat_interleave(2))
        count = torch.bincount(ends, minlength=len(total))
        return torch.where(count > 0, total / count.clamp(min=1), torch.ones_like(total)).view(probs.shape[:2])


def _setting(setting: Setting, automatic: Tensor) -> Tensor:
    if setting == "auto":
        return automatic
    return torch.full_like(automatic, 1.0 if setting == "off" else setting)
