"""Learning from words of which only some are labelled: positive and unlabelled (PU) learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional

from ner_distill.nn.heads.base import Gold, Projection, TagHead, Tags


class PuHead(TagHead):
    """Per type a classifier of words with a logit z = w · h + b; a word has the type of the greatest above 0, or none.

    dim:     of the word vectors. types: how many; type k has the tags 1 + 2k and 2 + 2k.
    bounded: the loss of a word is |y − f|, as in the source: a wrong label can only do so much. False: −log of the
             probability, which learns from scratch in a fraction of the steps.
    joint:   f is e^z / (1 + Σ e^z) over all types, as `log_probs` says it, so that types compete while they are learned
             (after Zhou et al., ACL 2022). False: σ(z), the binary classifiers of the source.
    gamma:   γ, weight of missed labels; None: 1, or 1 / π of each type where bounded, so that they weigh as much as all
             other words do: with much less, "none" for every word soon is as good as anything, and stays so.
    eta:     η, how much words that are surely of no type stand for all that are of none, see `pu_risk`.

    Labels are trusted, their absence is not. Neighbouring words of one type make one entity: two entities of one type
    that touch are not told apart.
    Source: Peng et al., ACL 2019, "Distantly Supervised Named Entity Recognition using Positive-Unlabeled Learning".
    """

    priors: Tensor
    shares: Tensor

    def __init__(
        self,
        dim: int,
        types: int,
        *,
        bounded: bool = False,
        joint: bool = True,
        gamma: float | None = None,
        eta: float = 0.0,
    ) -> None:
        super().__init__()
        self.types, self.bounded, self.joint, self.gamma, self.eta = types, bounded, joint, gamma, eta
        self.project = Projection(dim, types)
        self.register_buffer("priors", torch.zeros(types))
        self.register_buffer("shares", torch.zeros(types))
        self.negative_share = 0.0

    def set_rates(self, priors: Sequence[float], shares: Sequence[float], negative_share: float = 0.0) -> None:
        """What `loss` alone has to know of all the data, kept with the weights. Each in (0, 1), else ValueError.

        priors: (types,) π, the share of all words that are of each type, labelled or not.
        shares: (types,) the share of all words that are LABELLED with each type.
        negative_share: of all words that are surely of no type, 0 to below 1; it is not kept.
        """
        if not 0 <= negative_share < 1:
            raise ValueError(f"negative_share: expected 0 to below 1, found {negative_share}")
        self.negative_share = negative_share
        for name, values, kept in (("priors", priors, self.priors), ("shares", shares, self.shares)):
            if len(values) != self.types or not all(0 < value < 1 for value in values):
                raise ValueError(f"{name}: expected {self.types} numbers between 0 and 1, found {list(values)}")
            kept.copy_(torch.tensor(values))

    @classmethod
    def of_tags(cls, dim: int, tags: Tags, **options: Any) -> Self:
        return cls(dim, tags.types, **options)

    def count(self, mask: Tensor) -> float:
        """Words: the risk is a mean over them."""
        return float(mask.sum())

    def gold_loss(self, vectors: Tensor, mask: Tensor, gold: Gold) -> Tensor:
        return self.loss(vectors, mask, gold.tags, gold.weight, negative=gold.negative)

    def loss(
        self,
        vectors: Tensor,
        mask: Tensor,
        tags: Tensor,
        weight: Tensor | None = None,
        *,
        negative: Tensor | None = None,
    ) -> Tensor:
        """`pu_risk` of the words, times the number of them; a tag of `tags` (batch, words) long is a label, 0 is none.

        negative: (batch, words) bool, True = surely of no type; None = nothing is known.

        The maximum in it is that over the words given at once, so that unlike other losses it is not the sum of those
        of single sentences. Raises ValueError where the rates were never set (on a GPU, where asking would mean
        waiting, the loss is NaN then).
        """
        if self.shares.device.type == "cpu" and not bool(self.shares.all()):
            raise ValueError("the PU loss needs class priors: call set_rates before training")
        labelled = (tags[..., None] + 1) // 2 == torch.arange(1, self.types + 1, device=tags.device)
        present, absent = self._losses(self._logits(vectors, mask))
        counted = mask.to(present.dtype)
        counted = counted if weight is None else counted * weight.to(present.dtype)[:, None]
        gamma = self.gamma if self.gamma is not None else 1 / self.priors if self.bounded else 1.0
        sure = None if negative is None else Negatives(negative, self.negative_share, self.eta)
        return pu_risk(present, absent, labelled, counted, self.priors, self.shares, gamma=gamma, negatives=sure).sum()

    def _losses(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(..., types) twice: what each word costs as one of the type, and as none."""
        if self.joint:
            classes = _with_none(logits).log_softmax(-1)
            present, absent = classes[..., 1:], _log_others(classes)
        else:
            present, absent = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        return (absent.exp(), present.exp()) if self.bounded else (-present, -absent)

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """P(O) ∝ 1, P(X) ∝ e^z: what binary classifiers say, given that at most one of them is right.

        The most probable of these is what `decode` gives. P(I-X) = P(X) · P(X) of the word before, P(B-X) the rest.
        """
        types = self._type_log_probs(vectors, mask)
        counted, before = _before(mask)
        indices = before[..., None].expand(-1, -1, self.types)
        first = ~counted[..., None]
        same = types[..., 1:].gather(1, indices)
        other = _log_others(types).gather(1, indices).masked_fill(first, 0.0)
        begin, inside = types[..., 1:] + other, (types[..., 1:] + same).masked_fill(first, -torch.inf)
        tags = torch.stack([begin, inside], -1).flatten(2)
        return torch.cat([types[..., :1], tags], -1).masked_fill(~mask[..., None], 0)

    @torch.no_grad()
    def decode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Each word's best type; `B` where the word before has another one."""
        types = self._type_log_probs(vectors, mask).argmax(-1).masked_fill(~mask, 0)
        counted, before = _before(mask)
        inside = counted & (types.gather(1, before) == types)
        return (2 * types - 1 + inside.long()).masked_fill(types == 0, 0)

    def _type_log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, words, 1 + types) float32 or better: none, and each type."""
        return _with_none(self._logits(vectors, mask)).log_softmax(-1)

    def _logits(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, words, types), whatever the vectors of uncounted words hold."""
        logits: Tensor = self.project(vectors.masked_fill(~mask[..., None], 0))
        return logits


class Negatives(NamedTuple):
    """words: (...) bool, surely of no type. share: of all words, ν. eta: η in [0, 1]; without a share it is 0."""

    words: Tensor
    share: float
    eta: float = 0.0


def pu_risk(
    present: Tensor,
    absent: Tensor,
    labelled: Tensor,
    counted: Tensor,
    priors: Tensor,
    shares: Tensor,
    *,
    gamma: Tensor | float,
    negatives: Negatives | None = None,
) -> Tensor:
    """Non-negative PU risk of each type, times the weight of all words: γ π R_p⁺ + max(0, R⁻ − π R_p⁻).

    R_p⁺ and R_p⁻ are the mean losses of labelled words as positive and as negative, R⁻ the mean loss of ALL words as
    negative (of which a share π is positive: what they add is taken off again). Means over labelled words divide by how
    many there are expected to be, `shares`, not by how many the batch happens to have; so a batch without any is
    nothing special.

    With words that are surely of no type, a share ν of all with mean loss R_n⁻, the others' part of the mean R_o⁻:

        γ π R_p⁺ + (1 − η) (ν R_n⁻ + max(0, R_o⁻ − π R_p⁻)) + η (1 − π) R_n⁻

    At η = 0 they count as what they are, whichever words they are: as positives are all among the others, what these
    add is taken off the others alone, and no maximum cuts the known negatives. At η = 1 they stand for all negatives
    (PN learning), which is right where they are a random sample of these; between lies PNU learning.

    present:  (..., types) float, 0 or more: the loss of each word if it is of the type. absent: if it is not.
    labelled: (..., types) bool. Where π equals the share that is labelled and γ = 1, the risk is the plain loss, words
              without a label as negative ones (and the maximum does nothing).
    counted:  (...) float, weight of each word in the loss, 0 = none. All 0 gives 0 and still back-propagates.
    priors, shares: (types,) float in (0, 1). gamma: one number, or (types,).
    Returns: (types,), each 0 or more.
    Source: Peng et al. 2019, eq. 6 (its unlabelled words are all words here); the maximum: Kiryo et al., NeurIPS 2017.
    PNU: Sakai et al., ICML 2017, "Semi-Supervised Classification Based on Classification from Positive and Unlabeled
    Data", whose (1 − γ) R_PN + γ R_PU this is with γ = 1 − η.
    """
    weight = counted[..., None].flatten(0, -2)
    present, absent = present.flatten(0, -2), absent.flatten(0, -2)
    positive = weight * labelled.flatten(0, -2)
    rates = (priors / shares).to(present.dtype)
    missed = rates * (positive * present).sum(0)
    elsewhere = (weight * absent).sum(0) - rates * (positive * absent).sum(0)
    if negatives is None:
        return gamma * missed + elsewhere.clamp_min(0)
    sure = (weight * absent * negatives.words.flatten()[:, None]).sum(0)
    eta = negatives.eta if negatives.share else 0.0
    apart = (1 - priors.to(present.dtype)) / (negatives.share or 1.0) * sure
    return gamma * missed + (1 - eta) * (sure + (elsewhere - sure).clamp_min(0)) + eta * apart


def _with_none(logits: Tensor) -> Tensor:
    """(..., types) → (..., 1 + types): a logit of 0 for no type."""
    return torch.cat([torch.zeros_like(logits[..., :1]), logits], -1)


def _before(mask: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, words) bool, is there a counted word before? and long, where the last of them stands (else 0)."""
    places = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)
    last = places.masked_fill(~mask, -1).cummax(1).values if mask.shape[1] else places
    before = torch.cat([torch.full_like(last[:, :1], -1), last[:, :-1]], 1)
    return before >= 0, before.clamp_min(0)


def _log_others(log_probs: Tensor) -> Tensor:
    """(..., 1 + types) log of a distribution → (..., types): log(1 − p) of each type, exact also where p is near 1."""
    classes = log_probs.shape[-1]
    itself = torch.eye(classes, dtype=torch.bool, device=log_probs.device)[1:]
    others = log_probs[..., None, :].expand(*log_probs.shape[:-1], classes - 1, classes)
    return others.masked_fill(itself, -torch.inf).logsumexp(-1)
