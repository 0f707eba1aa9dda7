"""An encoder that reads a sentence once for each entity type, behind the type's question."""

from __future__ import annotations

import torch
from torch import Tensor

from ner_distill.nn.encoders.base import Encoder, EncoderWrapper


class QuestionEncoder(EncoderWrapper):
    """Encodes a sentence once per entity type, behind that type's question, and concatenates the vectors of each word.

    base:  the encoder that reads question and sentence.
    types: how many entity types there are; the vector of a word has types · base.dim numbers.
    """

    def __init__(self, base: Encoder, types: int) -> None:
        super().__init__(base)
        self.types = types
        self.dim = types * base.dim

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Keys as `QuestionFeaturizer.collate` gives them → (batch, words, types · base.dim)."""
        mask = inputs["mask"]
        long: Tensor = self.base({**inputs, "mask": inputs["question_mask"]})  # (batch · types, question words, dim)
        places = inputs["question_places"]
        rows = torch.arange(len(places), device=places.device)[:, None]
        # The view has batch and words given: a batch of no words tells nothing of them.
        readings = long[rows, places].view(len(mask), self.types, mask.shape[1], long.shape[-1])
        return readings.transpose(1, 2).flatten(2) * mask[..., None]
