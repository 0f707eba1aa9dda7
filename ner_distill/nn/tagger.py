"""Encoder, dropout and head: what both a teacher's recogniser and a student are."""

from __future__ import annotations

from torch import Tensor, nn

from ner_distill.nn.encoders.base import Encoder
from ner_distill.nn.heads.base import AnyHead


class Tagger(nn.Module):
    """Words → tags, or entities."""

    def __init__(self, encoder: Encoder, head: AnyHead, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = head

    def vectors(self, inputs: dict[str, Tensor], *, samples: int = 1) -> Tensor:
        """Dropped-out word vectors (samples · batch, words, dim), sample by sample.

        samples: how often one encoding is dropped out, each time anew (multi-sample dropout, Inoue 2019).
        """
        encoded: Tensor = self.encoder(inputs)
        dropped: Tensor = self.dropout(encoded.repeat(samples, 1, 1) if samples > 1 else encoded)
        return dropped

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Log marginals of the tags, (batch, words, tags) float32."""
        return self.head.log_probs(self.vectors(inputs), inputs["mask"])
