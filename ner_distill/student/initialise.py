"""Beginning a student with layers of another model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.architectures import PER_LAYER
from ner_distill.nn.encoders.backbone import layers_of, obstacle_to_single

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_UNREAD = ("pooler.", "contact_head.")  # no tag is made of them


def with_layers(backbone: PreTrainedModel, layers: Sequence[int]) -> PretrainedConfig:
    """The configuration of an encoder that has only these layers of `backbone`.

    Raises ConfigError where they are out of range, or the architecture has no plain list of layers.
    """
    config = copy.deepcopy(backbone.config)
    have = int(config.num_hidden_layers)
    if obstacle := obstacle_to_single(backbone):
        raise ConfigError(
            f"init.layers: the layers of {config.model_type} {obstacle}; begin the student with a checkpoint "
            "(`encoder.name`) instead"
        )
    if isinstance(layers, range) and len(layers) > have:
        raise ConfigError(f"init.layers = {len(layers)}: the teacher has {have} layers")
    if wrong := [layer for layer in layers if not -have <= layer < have]:
        raise ConfigError(f"init.layers: the teacher has {have} layers; out of range: {', '.join(map(str, wrong))}")
    config.num_hidden_layers = len(layers)
    for key in PER_LAYER:
        values = getattr(config, key, None)
        if isinstance(values, list | tuple) and len(values) == have:
            setattr(config, key, [values[layer] for layer in layers])
    return config


def copy_layers(source: nn.Module, target: nn.Module, layers: Sequence[int]) -> None:
    """Copy the embeddings and the chosen layers of one encoder into a smaller one of the same shape.

    layers: for each layer of `target`, lowest first, the index of its layer in `source`; negative ones count from
    the top. All else of `target` (embeddings, norms, relative positions) comes from `source` too.

    Raises ConfigError, listing every problem and copying nothing, where indices are out of range or their number is
    not that of the target's layers, where shapes differ, or where `target` has a part that `source` lacks.
    """
    have, want = len(layers_of(source)), len(layers_of(target))
    problems = [
        f"copy_layers: the source has {have} layers; layer {layer} is out of range"
        for layer in layers
        if not -have <= layer < have
    ]
    if len(layers) != want:
        problems.append(f"copy_layers: the student has {want} layers; expected as many indices, found {len(layers)}")
    if problems:
        raise ConfigError.of(problems)
    state = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith(_prefix(source))}
    for index, layer in enumerate(layers):
        for name, tensor in layers_of(source)[layer].state_dict().items():
            state[f"{_prefix(target)}{index}.{name}"] = tensor
    _require_alike(source, layers)
    _load(target, state)


def copy_all(source: nn.Module, target: nn.Module) -> None:
    """Copy all weights of one encoder into another of the same shape. Raises ConfigError as `copy_layers` does."""
    _load(target, source.state_dict())


def _load(target: nn.Module, state: dict[str, Tensor]) -> None:
    """Load the weights that `target` has. What no tag is made of is left out and does not learn."""
    for name, parameter in target.named_parameters():
        if name.startswith(_UNREAD):
            parameter.requires_grad_(False)
    _check_shapes(target, state)
    wanted = {name: state[name] for name in target.state_dict() if not name.startswith(_UNREAD)}
    target.load_state_dict(wanted, strict=False)


def _require_alike(source: nn.Module, layers: Sequence[int]) -> None:
    """Raises ConfigError where a layer would stand in a place whose layer in the source has other weights.

    The first layer of ModernBERT lacks a norm, that of T5 alone has the distances.
    """
    names = [layer.state_dict().keys() for layer in layers_of(source)]
    for place, layer in enumerate(layers):
        if differ := sorted(names[layer] ^ names[place]):
            raise ConfigError(
                f"init.layers: layer {layer} of this teacher cannot be layer {place} of a student, only one of them "
                f"has {differ[0]}; expected layers that are built alike, such as {sorted({0, *layers})}"
            )


def _prefix(model: nn.Module) -> str:
    """What the names of the layers' weights begin with: `encoder.layer.`."""
    layers = layers_of(model)
    return next(f"{name}." for name, module in model.named_modules() if module is layers)


def _check_shapes(target: nn.Module, state: dict[str, Tensor]) -> None:
    problems = []
    for name, tensor in target.state_dict().items():
        if name.startswith(_UNREAD):
            continue
        given = state.get(name)
        if given is None:
            problems.append(f"copy_layers: the source has no {name}: it is of another architecture")
        elif given.shape != tensor.shape:
            problems.append(
                f"copy_layers: {name} has shape {tuple(tensor.shape)} in the student "
                f"but {tuple(given.shape)} in the source"
            )
    if problems:
        raise ConfigError.of(problems[:5])
