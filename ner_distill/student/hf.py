"""The student as a directory that `AutoModelForTokenClassification` loads with no code of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ner_distill.errors import ConfigError, RunError
from ner_distill.nn.encoders.architectures import guarded
from ner_distill.nn.encoders.backbone import ADVICE, is_shared
from ner_distill.nn.encoders.huggingface import (
    build_classifier,
    load_backbone,
    load_classifier,
    load_weights_of,
    position_limit,
    save_checkpoint,
)
from ner_distill.student.initialise import copy_all, copy_layers, with_layers


def build_token_classifier(name: str | Path, tags: Sequence[str]) -> PreTrainedModel:
    """A token classifier on a checkpoint's encoder, with a fresh classifier for these tags; fp32.

    A classifier that the checkpoint may have is not taken: its labels are others, or in another order. Layers that
    stand between the encoder and the classifier (ModernBERT's) are, where the checkpoint has them.
    Raises ConfigError where the checkpoint is not to be had, or its architecture has no linear classifier.
    """
    backbone = load_backbone(name)
    model = build_classifier(backbone.config, tuple(tags))
    with guarded(str(name), backbone.config):
        copy_all(backbone, backbone_of(model))
        if (between := layers_before_classifier(model)) is not None:
            ours = {id(parameter) for parameter in between.parameters()}
            names = {key for key, parameter in model.named_parameters() if id(parameter) in ours}
            model.load_state_dict(load_weights_of(names, name, model.config), strict=False)
    model.eval()
    return model


def from_layers_of(backbone: PreTrainedModel, layers: Sequence[int] | int, tags: Sequence[str]) -> PreTrainedModel:
    """A token classifier of the backbone's architecture with fewer layers, copied from it.

    layers: indices of the layers to copy, lowest first; negative ones count from the top. A number: so many of the
    lowest, which learned most in what was measured (docs/pretrained.md). The embeddings come too, so that the student
    has the backbone's tokenizer. Raises ConfigError as `copy_layers` does.
    """
    layers = range(layers) if isinstance(layers, int) else layers
    with guarded("init.layers", backbone.config):
        model = build_classifier(with_layers(backbone, layers), tuple(tags))
        if is_shared(backbone):  # then every choice of layers is the first so many
            copy_all(backbone, backbone_of(model))
        else:
            copy_layers(backbone, backbone_of(model), layers)
    model.eval()
    return model


def backbone_of(model: PreTrainedModel) -> PreTrainedModel:
    """The encoder inside a token classifier."""
    backbone = model.base_model
    if backbone is model:  # SqueezeBERT calls its encoder otherwise than it says
        inside = [child for child in model.children() if isinstance(child, PreTrainedModel)]
        backbone = inside[0] if len(inside) == 1 else model
    if backbone is model or not isinstance(backbone, PreTrainedModel):
        raise ConfigError(f"{type(model).__name__} has no encoder of its own inside; {ADVICE}")
    return backbone


def classifier_of(model: PreTrainedModel) -> nn.Linear:
    """The linear layer that turns a piece's vector into tag scores: (dim,) → (tags,).

    Raises ConfigError where there is none.
    """
    found = [child for child in model.children() if isinstance(child, nn.Linear)]
    if len(found) != 1 or found[0].out_features != model.config.num_labels:
        raise ConfigError(
            f"{type(model).__name__}: expected one linear layer of tags, found {len(found) or 'none'}; "
            f"a student in the Hugging Face format cannot have this architecture; {ADVICE}"
        )
    return found[0]


def layers_before_classifier(model: PreTrainedModel) -> nn.Sequential | None:
    """The layers between the encoder and the classifier, in their order, where there is one that learns."""
    ends = (backbone_of(model), classifier_of(model))
    between = nn.Sequential(*(child for child in model.children() if child not in ends))
    return between if any(True for _ in between.parameters()) else None


def tags_of(model: PreTrainedModel) -> tuple[str, ...]:
    """The tags in the order of the classifier's rows."""
    names = {int(index): name for index, name in (model.config.id2label or {}).items()}
    return tuple(names[index] for index in range(len(names)))


def save_token_classifier(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files.

    `AutoModelForTokenClassification.from_pretrained(directory)` and `pipeline("token-classification", directory)`
    load them. A tokenizer that does not know the encoder's limit is told it, so that a pipeline can cut.
    """
    positions = position_limit(model.config)
    if positions is not None:
        tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    save_checkpoint(model, tokenizer, directory)


def load_token_classifier(directory: Path) -> PreTrainedModel:
    """What `save_token_classifier` wrote, in evaluation mode. Raises RunError where it is missing or damaged."""
    try:
        return load_classifier(directory)
    except ConfigError as error:
        raise RunError(str(error)) from None
