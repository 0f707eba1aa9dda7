"""The pretrained encoder: pieces in windows → one vector per word."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from ner_distill.nn.encoders.backbone import (
    embedding_of,
    has_segments,
    is_shared,
    layers_of,
    obstacle_to_single,
    on_top,
    states_of,
)
from ner_distill.nn.encoders.base import Encoder
from ner_distill.nn.encoders.packed import can_be_packed, packed_states

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Pooling = Literal["first", "mean"]


class LayerMix(nn.Module):
    """A weighted sum of layers, the weights chosen for each word by its own vectors.

    a_l = w_l · h_l + b_l for each of the k layers, softmax over the k, Σ_l a_l h_l. It begins as the plain
    mean: the scorers are zero.
    """

    def __init__(self, dim: int, *, layers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(layers, dim))
        self.bias = nn.Parameter(torch.zeros(layers))

    def forward(self, vectors: Tensor) -> Tensor:
        """vectors (layers, ..., dim) → (..., dim)."""
        scores = torch.einsum("l...d,ld->...l", vectors, self.weight) + self.bias
        return torch.einsum("l...d,...l->...d", vectors, scores.softmax(dim=-1))


class PretrainedEncoder(Encoder):
    """A transformer of transformers' (BERT, RoBERTa, XLM-R, DistilBERT, ELECTRA, DeBERTa, ...) by word.

    backbone: gives `last_hidden_state` (windows, pieces, dim).
    pooling:  a word is its `first` piece or the `mean` of its pieces.
    layer_mix: mixes the last four layers (all, where there are fewer) instead of taking the last one.
    """

    def __init__(self, backbone: PreTrainedModel, *, pooling: Pooling = "first", layer_mix: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self.dim = int(backbone.config.hidden_size)
        self.segments = has_segments(backbone)
        self.mix = LayerMix(self.dim, layers=min(4, _depth(backbone))) if layer_mix else None

    def embedding_layer(self) -> nn.Module:
        return embedding_of(self.backbone)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Keys as `PieceFeaturizer.collate` gives them; those of its `segments` for encoders that have segments."""
        segments = inputs.get("piece_segments") if self.segments else None
        if self.mix is None and can_be_packed(self.backbone, inputs["pieces"]):
            return self._packed(inputs, segments)
        layers = 0 if self.mix is None else len(self.mix.bias)
        states = states_of(self.backbone, inputs["pieces"], inputs["piece_mask"], segments=segments, layers=layers)
        pooled = [self._pool(each, inputs) for each in states]
        vectors = pooled[0] if self.mix is None else self.mix(torch.stack(pooled))
        return vectors.masked_fill(~inputs["mask"][..., None], 0.0)

    def _packed(self, inputs: dict[str, Tensor], segments: Tensor | None) -> Tensor:
        """As `forward`, of pieces without padding."""
        states_at = partial(packed_states, self.backbone, inputs["pieces"], inputs["piece_mask"], segments=segments)
        mask = inputs["mask"].flatten()
        if self.pooling == "first":
            states = states_at(inputs["word_piece"].flatten()[mask])
            vectors = states.new_zeros(len(mask), self.dim)
            vectors[mask] = states
        else:
            owners = inputs["piece_word"].flatten()
            taken = (owners < len(mask)).nonzero()[:, 0]
            states = states_at(taken)
            sums = torch.zeros(len(mask), self.dim).index_add_(0, owners[taken], states.float())
            vectors = (sums / inputs["word_pieces"].flatten().clamp(min=1)[:, None]).to(states.dtype)
        return vectors.view(*inputs["mask"].shape, self.dim)

    def _pool(self, states: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        """(windows, pieces, dim) → (batch, words, dim); rows outside the mask are anything finite."""
        flat = states.flatten(0, 1)
        if self.pooling == "first":
            return flat[inputs["word_piece"]]
        lengths = inputs["word_pieces"]
        # One row more than words: it takes the pieces that are nobody's. Summed in fp32, also inside autocast.
        sums = torch.zeros(lengths.numel() + 1, flat.shape[-1], device=flat.device)
        sums = sums.index_add(0, inputs["piece_word"].flatten(), flat.float())
        means = sums[:-1] / lengths.flatten().clamp(min=1)[:, None]
        return means.reshape(*lengths.shape, -1).to(states.dtype)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        groups = [list(layer.parameters()) for layer in layers_of(self.backbone)]
        groups[-1] += [*on_top(self.backbone), *(self.mix.parameters() if self.mix is not None else ())]
        inside = {id(parameter) for group in groups for parameter in group}
        bottom = [parameter for parameter in self.backbone.parameters() if id(parameter) not in inside]
        return [bottom, *groups]

    def started(self) -> list[nn.Parameter]:
        return list(self.backbone.parameters())

    def indivisible(self) -> str:
        kind = f"the layers of {self.backbone.config.model_type}"
        if is_shared(self.backbone):
            return f"{kind} are one, repeated"
        obstacle = obstacle_to_single(self.backbone)
        return f"{kind} {obstacle}" if obstacle else ""

    def lowest(self, layers: int) -> list[nn.Parameter]:
        """As of any encoder; without the mix of layers, and a norm that reads the last one, which stand above all."""
        above = {*map(id, on_top(self.backbone)), *(() if self.mix is None else map(id, self.mix.parameters()))}
        return [parameter for parameter in super().lowest(layers) if id(parameter) not in above]


def _depth(backbone: PreTrainedModel) -> int:
    """How many layers' vectors there are; ALBERT has one layer, which it repeats."""
    return int(backbone.config.num_hidden_layers) if is_shared(backbone) else len(layers_of(backbone))
