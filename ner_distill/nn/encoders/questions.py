"""An encoder that reads a sentence once for each entity type, behind the type's question."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class QuestionEncoder(nn.Module):
    """base: any encoder. types: how many questions; the readings of a word stand side by side, of base.dim each."""

    def __init__(self, base: nn.Module, types: int) -> None:
        super().__init__()
        self.base = base
        self.types = types
        self.dim = types * cast(int, base.dim)

    @property
    def embedding(self) -> nn.Module:
        """The module whose output adversarial training perturbs: the base's."""
        return cast(nn.Module, self.base.embedding)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Keys as `QuestionFeaturizer.collate` gives them → (batch, words, types · base.dim), padding rows zero."""
        mask = inputs["mask"]
        long: Tensor = self.base({**inputs, "mask": inputs["question_mask"]})  # (batch · types, question words, dim)
        places = inputs["question_places"]
        rows = torch.arange(len(places), device=places.device)[:, None]
        # The view has batch and words given: a batch of no words tells nothing of them.
        readings = long[rows, places].view(len(mask), self.types, mask.shape[1], long.shape[-1])
        return readings.transpose(1, 2).flatten(2) * mask[..., None]

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the lowest layer to the highest: the base's."""
        return cast(list[list[nn.Parameter]], self.base.layer_groups())  # type: ignore[operator]
