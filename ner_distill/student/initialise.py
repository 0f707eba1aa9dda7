"""Beginning a student with layers of another model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.huggingface import layers_of


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
    _check_shapes(target, state)
    target.load_state_dict({name: state[name] for name in target.state_dict()})


def _prefix(model: nn.Module) -> str:
    """What the names of the layers' weights begin with: `encoder.layer.`."""
    layers = layers_of(model)
    return next(f"{name}." for name, module in model.named_modules() if module is layers)


def _check_shapes(target: nn.Module, state: dict[str, Tensor]) -> None:
    problems = []
    for name, tensor in target.state_dict().items():
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
