"""How alike two words are: the second task of the teacher, and the target of the student's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PairSimilarity(nn.Module):
    """s = σ(a · cos(z_i, z_j) + b) (Li et al., ACL 2022, "An Unsupervised Multiple-Task and Multiple-Teacher Model").

    The paper has a = 1, b = 0: then s lies in [0.269, 0.731]. Here a and b are learned by default, from
    a = 5 and b = 0 on.
    """

    def __init__(self, *, learned: bool = True) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(5.0 if learned else 1.0), requires_grad=learned)
        self.shift = nn.Parameter(torch.tensor(0.0), requires_grad=learned)

    def forward(self, vectors: Tensor, pairs: Tensor) -> Tensor:
        """Similarity LOGITS of pairs (the sigmoid of these is s), float32.

        vectors: (batch, words, dim), any float dtype.
        pairs:   (pairs, 2) long, flat indices row · words + word.
        Returns: (pairs,); empty where there are no pairs.
        """
        flat = vectors.flatten(0, 1).float()
        cosine = functional.cosine_similarity(flat[pairs[:, 0]], flat[pairs[:, 1]], dim=-1)
        return self.scale * cosine + self.shift


def pair_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of each pair, unreduced.

    logits, targets: (pairs,) float; targets in [0, 1].
    Returns: (pairs,) float32.
    """
    return functional.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
