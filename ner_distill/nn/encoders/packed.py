"""Encoders of BERT's kind over the pieces of several sentences end to end, without padding; in evaluation, on a CPU.

The modules are the encoder's own: what is computed differs from its forward pass by rounding alone. It saves the rows
of padding in all that works on pieces one by one (nine parts in ten of the time), and in the last layer what is
made of pieces that nobody asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ner_distill.nn.encoders.backbone import LIKE_BERT, layers_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class _Run(NamedTuple):
    """Sentences of one length that stand end to end: so many `rows` of `length` pieces from piece `first` on."""

    first: int
    rows: int
    length: int


class PackedPieces(NamedTuple):
    """The pieces of a batch end to end, sentences of one length beside each other.

    places: (pieces,) long, the place of each in the flat (rows · width) batch. runs: which of them are of one length.
    """

    places: Tensor
    runs: tuple[_Run, ...]

    @classmethod
    def of(cls, mask: Tensor) -> PackedPieces:
        """mask: (rows, width) bool, True = not padding, which stands at the end of a row."""
        lengths = mask.sum(1)
        order = lengths.argsort(descending=True, stable=True)
        places = order[:, None] * mask.shape[1] + torch.arange(mask.shape[1], device=mask.device)
        runs, first = [], 0
        found, rows = lengths[order].unique_consecutive(return_counts=True)
        for length, count in zip(found.tolist(), rows.tolist(), strict=True):
            if length:  # 0: no word, and a tokenizer without special pieces
                runs.append(_Run(first, count, length))
            first += count * length
        return cls(places[mask[order]], tuple(runs))


def can_be_packed(backbone: PreTrainedModel, pieces: Tensor) -> bool:
    """Whether `packed_states` gives what the encoder's forward pass would: no gradients, a CPU, layers as BERT has.

    A GPU gains nothing by many small calls of attention, and a graph that is traced has to hold for all batches.
    """
    config = backbone.config
    plain = config.model_type in LIKE_BERT and getattr(config, "position_embedding_type", "absolute") == "absolute"
    quiet = not torch.is_grad_enabled() and not torch.compiler.is_compiling() and not backbone.training
    return plain and quiet and pieces.device.type == "cpu" and getattr(config, "_attn_implementation", "") == "sdpa"


def packed_states(
    backbone: PreTrainedModel, pieces: Tensor, mask: Tensor, wanted: Tensor, *, segments: Tensor | None = None
) -> Tensor:
    """The states (wanted, dim) of the last layer at the wanted pieces. For an encoder that `can_be_packed`.

    pieces: (rows, width) long; mask: (rows, width) bool, True = not padding, which stands at the end of a row.
    wanted: (wanted,) long, flat indices into rows · width, none of them padding. segments: (rows, width) long; None =
    all 0.
    """
    packed = PackedPieces.of(mask)
    model: Any = backbone
    kinds = {} if segments is None else {"token_type_ids": segments}
    states: Tensor = model.embeddings(input_ids=pieces, **kinds).flatten(0, 1).index_select(0, packed.places)
    layers: Any = layers_of(backbone)
    for layer in layers[:-1]:
        states = _feed_forward(layer, _attended(layer, states, packed.runs), states)
    order = torch.empty(mask.numel(), dtype=torch.long, device=mask.device)
    order[packed.places] = torch.arange(len(packed.places), device=mask.device)
    chosen, attended = order.index_select(0, wanted), _attended(layers[-1], states, packed.runs)
    return _feed_forward(layers[-1], attended.index_select(0, chosen), states.index_select(0, chosen))


def _attended(layer: Any, states: Tensor, runs: tuple[_Run, ...]) -> Tensor:
    """What attention says of each piece (pieces, dim), before the projection that follows it."""
    attention = layer.attention.self
    parts = [project(states) for project in (attention.query, attention.key, attention.value)]
    heads = attention.num_attention_heads
    found = torch.empty_like(parts[0])
    for first, rows, length in runs:
        own = slice(first, first + rows * length)
        query, key, value = (part[own].view(rows, length, heads, -1).transpose(1, 2) for part in parts)
        said = functional.scaled_dot_product_attention(query, key, value, scale=attention.scaling)
        found[own].view(rows, length, heads, -1).copy_(said.transpose(1, 2))
    return found


def _feed_forward(layer: Any, attended: Tensor, states: Tensor) -> Tensor:
    """The rest of a layer, which looks at each piece by itself. states: what the layer began with."""
    states = layer.attention.output(attended, states)
    result: Tensor = layer.output(layer.intermediate(states), states)
    return result
