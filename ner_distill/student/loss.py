"""The distillation loss, weighted by α, β and γ (Li et al., ACL 2022, "MTMT").

    α_i = (max_c p_i,c)²                       confidence of the teacher on word i
    β   = min(1, (2 s − 1)² + floor)           certainty of the similarity (paper: floor 0; authors' code: 0.5)
    γ   = 1 − |P(same) − s|                    do the two tasks of the teacher agree on this pair

All three come from the teacher and carry no gradient. P(same) is what the teacher's recogniser says of the pair, s what
its evaluator says of it; see `same_probability`.
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
Statement = Literal["type", "tag", "source"]
"""What a teacher's similarity says of two words: that they share a type, or a tag; or "source", as published."""


@dataclass(frozen=True)
class DistillationLoss:
    """The terms of the loss for one batch, as sums; the loop divides by words and by pairs.

    alpha, beta, gamma: "auto" is the formula, a number is that number everywhere, "off" is 1.
    statement:          what the teacher's similarity says of two words, with which γ compares.
    """

    divergence: Literal["mse", "kl", "ce"] = "kl"
    temperature: float = 1.0
    alpha: Setting = "auto"
    beta: Setting = "auto"
    gamma: Setting = "auto"
    beta_floor: float = 0.5
    statement: Statement = "type"

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
        weights = self.word_weights(teacher_probs, keep, pairs, similarity)
        return (distance * weights).masked_fill(~keep, 0.0).sum()

    def word_weights(self, teacher_probs: Tensor, keep: Tensor, pairs: Tensor, similarity: Tensor) -> Tensor:
        """(batch, words) float32: γ_i α_i of each kept word, 0 of others. Arguments as in `word_term`; no gradient."""
        probs = teacher_probs.detach().float()
        weights = _setting(self.alpha, probs.amax(-1).square()) * self._word_gamma(probs, pairs, similarity)
        return weights.masked_fill(~keep, 0.0)

    def sentence_weights(
        self, teacher_probs: Tensor, span_probs: Tensor, keep: Tensor, pairs: Tensor, similarity: Tensor
    ) -> Tensor:
        """(batch,) float32: the mean of γ_i α_i over the kept words of each sentence, 0 without any.

        What a span head's loss of a sentence is weighed by: it is of all spans at once, not of words. α_i is the square
        of the least max(p, 1 − p) over the spans that hold word i: tags share a word's probability between entities
        that nest, however sure each is. γ still comes from the tags: where entities nest it is less than it should be.
        Arguments as in `word_term`, and span_probs (batch, types, words, words); no gradient.
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
        return _setting(self.gamma, 1 - (same_probability(probs, pairs, self.statement) - similarity).abs())

    def _word_gamma(self, probs: Tensor, pairs: Tensor, similarity: Tensor) -> Tensor:
        if self.gamma != "auto" or len(pairs) == 0:
            # a fixed γ holds for every word, in a pair or not
            return _setting(1.0 if self.gamma == "auto" else self.gamma, torch.ones_like(probs[..., 0]))
        gamma = self._pair_gamma(probs, pairs, similarity.detach().float())
        ends = pairs.flatten()
        total = torch.zeros(probs.shape[:2].numel(), device=probs.device).index_add(0, ends, gamma.repeat_interleave(2))
        count = torch.bincount(ends, minlength=len(total))
        return torch.where(count > 0, total / count.clamp(min=1), torch.ones_like(total)).view(probs.shape[:2])


def same_probability(probs: Tensor, pairs: Tensor, statement: Statement) -> Tensor:
    """What a recogniser says of two words being alike, (pairs,) float32 in [0, 1].

    "type":   Σ_T P_i(T) P_j(T), with P(T) = p(B-T) + p(I-T), and O a type of its own.
    "tag":    Σ_c p_i,c p_j,c over the tags.
    "source": σ(cos(p_i, p_j)), as Li et al. (ACL 2022) have it, whose similarity is σ(cos) of vectors too. It lies in
              [0.5, 0.73], so that it says little about words that are sure to differ.

    Of a similarity with learned a and b the source's form compares unlike things: words of one type, B and I, have the
    cosine 0 and s ≈ 1. The first two are the statement that the similarity makes, in the recogniser's words: they
    agree wherever both are sure of the same, whatever a and b are.

    probs: (batch, words, tags) float, tags in the order O, B-X, I-X, B-Y, …. pairs: (pairs, 2) long, flat indices
    row · words + word.
    """
    if statement == "type":
        probs = torch.cat([probs[..., :1], probs[..., 1::2] + probs[..., 2::2]], dim=-1)
    first, second = probs.flatten(0, 1)[pairs].unbind(1)
    if statement == "source":
        return torch.sigmoid(functional.cosine_similarity(first, second, dim=-1))
    # rounded probabilities may add up to a little more than 1
    return (first * second).sum(-1).clamp(max=1.0)


def _setting(setting: Setting, automatic: Tensor) -> Tensor:
    if setting == "auto":
        return automatic
    return torch.full_like(automatic, 1.0 if setting == "off" else setting)
