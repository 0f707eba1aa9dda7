"""Encoder, dropout and head: what both a teacher's recogniser and a student are."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ner_distill.nn.heads import AnyHead


class Tagger(nn.Module):
    """Words → tags, or entities. `encoder` and `head` are as docs/architecture.md describes them."""

    def __init__(self, encoder: nn.Module, head: nn.Module, *, dropout: float = 0.0) -> None:
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

    @property
    def scorer(self) -> AnyHead:
        """The head under its interfaces' type."""
        return cast(AnyHead, self.head)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Log marginals of the tags, (batch, words, tags) float32."""
        return self.scorer.log_probs(self.vectors(inputs), inputs["mask"])
