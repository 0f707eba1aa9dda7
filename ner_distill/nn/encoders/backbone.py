"""The inside of an encoder of transformers: its embedding, its layers, its states; no import of transformers.

So a module may know `PretrainedEncoder` without the seconds that transformers takes to load.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ner_distill.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADVICE = "choose another encoder (docs/pretrained.md lists those that work)"
# Whose layers compute what those of BERT do.
LIKE_BERT = ("bert", "camembert", "roberta", "xlm-roberta")
# What stands at padding pieces reaches those beside it, whatever the mask says (XLNet: which takes no bool mask): rows
# of one length are read together, without padding.
UNPADDED = frozenset(["convbert", "fnet", "funnel", "xlnet"])
FLOAT32_ALONE = ("deberta", "xmod")
"""Architectures whose code in transformers (5.23) fails in bf16: DeBERTa's first version and X-MOD."""


def embedding_of(backbone: PreTrainedModel) -> nn.Embedding:
    """The module that makes vectors of pieces. Raises ConfigError where the architecture has no plain one."""
    embedding = _embedding(backbone)
    if not isinstance(embedding, nn.Embedding):
        raise _no_embedding(backbone)
    return embedding


def embedding_table(backbone: PreTrainedModel) -> Tensor:
    """The vectors of its pieces: (pieces, dim)."""
    table = _embedding(backbone).weight
    if not isinstance(table, Tensor):
        raise _no_embedding(backbone)
    return table


def _embedding(backbone: PreTrainedModel) -> nn.Module:
    try:
        embedding = backbone.get_input_embeddings()
    except NotImplementedError:
        raise _no_embedding(backbone) from None
    if not isinstance(embedding, nn.Module):
        raise _no_embedding(backbone)
    return embedding


def _no_embedding(backbone: PreTrainedModel) -> ConfigError:
    kind = backbone.config.model_type
    return ConfigError(f"the architecture {kind} of transformers has no embedding of pieces; {ADVICE}")


def layers_of(backbone: nn.Module) -> nn.ModuleList:
    """The transformer layers, lowest first: the module list of as many as the configuration says, or the longest."""
    lists = list(layer_lists(backbone).values())
    if not lists:
        raise ConfigError(f"{type(backbone).__name__}: no list of layers found; {ADVICE}")
    number = getattr(getattr(backbone, "config", None), "num_hidden_layers", 0)
    return next((each for each in lists if len(each) == number), max(lists, key=len))


def layer_lists(backbone: nn.Module) -> dict[str, nn.ModuleList]:
    """The module lists that lie in no other, by name."""
    lists: dict[str, nn.ModuleList] = {}
    for name, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in lists):
            lists[name] = module
    return lists


def is_shared(backbone: PreTrainedModel) -> bool:
    """Is one layer repeated, as in ALBERT?"""
    return len(layers_of(backbone)) == 1 < int(backbone.config.num_hidden_layers)


def obstacle_to_single(backbone: PreTrainedModel) -> str:
    """Why the layers of an encoder cannot be taken one by one, as said of them; "" where they can, or are one."""
    lists, found = layer_lists(backbone), layers_of(backbone)
    have = int(backbone.config.num_hidden_layers)
    if isinstance(found[0], nn.ModuleList):
        return "lie in blocks that shorten the sentence, and cannot be chosen one by one"
    if sum(len(each) == len(found) for each in lists.values()) > 1:
        return f"lie in parts in several lists ({', '.join(lists)})"
    if len(found) != have and len(found) > 1:
        return f"are {have}, made of {len(found)} that repeat"
    return ""


def on_top(backbone: PreTrainedModel) -> list[nn.Parameter]:
    """The parameters that read the last layer (a norm, in some architectures): they stand behind the layers.

    None where embeddings stand there too, such as distances (DeBERTa, MPNet): all layers read those.
    """
    layers = layers_of(backbone)
    inside = set(map(id, layers.parameters()))
    places = [id(parameter) in inside for parameter in backbone.parameters()]
    last = len(places) - places[::-1].index(True)
    behind = list(backbone.parameters())[last:]
    tables = {id(module.weight) for module in backbone.modules() if isinstance(module, nn.Embedding)}
    return [] if tables & set(map(id, behind)) else behind


def has_segments(backbone: PreTrainedModel) -> bool:
    """Has the encoder vectors for two segments (`token_type_ids`), such as question and sentence?"""
    kinds = getattr(backbone.config, "type_vocab_size", None)
    return isinstance(kinds, int) and kinds > 1 and "token_type_ids" in inspect.signature(backbone.forward).parameters


def states_of(
    backbone: PreTrainedModel, pieces: Tensor, mask: Tensor, *, segments: Tensor | None = None, layers: int = 0
) -> list[Tensor]:
    """The states (rows, pieces, dim) of the last layer, or with `layers` of the last so many.

    pieces: (rows, pieces) long; mask: (rows, pieces) bool, True = not padding, which stands at the end of a row.
    segments: (rows, pieces) long, for what `has_segments`; None = all 0.
    """
    if backbone.config.model_type not in UNPADDED:
        return _states(backbone, layers, segments, input_ids=pieces, attention_mask=mask)
    lengths = mask.sum(dim=1)
    found: list[Tensor] = []
    for length in lengths.unique().tolist():
        rows = (lengths == length).nonzero()[:, 0]
        of_rows = None if segments is None else segments[rows, :length]
        states = _states(backbone, layers, of_rows, input_ids=pieces[rows, :length])
        if not found:
            found = [each.new_zeros(*pieces.shape, each.shape[-1]) for each in states]
        padded = [nn.functional.pad(each, (0, 0, 0, pieces.shape[1] - length)) for each in states]
        found = [whole.index_copy(0, rows, part) for whole, part in zip(found, padded, strict=True)]
    return found


def _states(backbone: PreTrainedModel, layers: int, segments: Tensor | None, **inputs: Tensor) -> list[Tensor]:
    if segments is not None:
        inputs["token_type_ids"] = segments
    output = backbone(**inputs, output_hidden_states=layers > 0)
    return list(output.hidden_states[-layers:]) if layers else [output.last_hidden_state]
