"""The student as a directory that `AutoModelForTokenClassification` loads with no code of ours."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ner_distill.errors import ConfigError, RunError
from ner_distill.nn.encoders.huggingface import (
    build_classifier,
    load_backbone,
    load_classifier,
    position_limit,
    save_checkpoint,
)
from ner_distill.student.initialise import copy_layers


def build_token_classifier(name: str | Path, tags: Sequence[str]) -> PreTrainedModel:
    """A token classifier on a checkpoint's encoder, with a fresh classifier for these tags; fp32.

    A classifier that the checkpoint may have is not taken: its labels are others, or in another order.
    Raises ConfigError where the checkpoint is not to be had, or its architecture has no linear classifier.
    """
    backbone = load_backbone(name)
    model = build_classifier(backbone.config, tuple(tags))
    classifier_of(model)
    backbone_of(model).load_state_dict(backbone.state_dict())
    model.eval()
    return model


def from_layers_of(backbone: PreTrainedModel, layers: Sequence[int], tags: Sequence[str]) -> PreTrainedModel:
    """A token classifier of the backbone's architecture with fewer layers, copied from it.

    layers: indices of the layers to copy, lowest first; negative ones count from the top. The embeddings come too,
    so that the student has the backbone's tokenizer. Raises ConfigError as `copy_layers` does.
    """
    config = copy.deepcopy(backbone.config)
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None):  # some list a kind for each layer
        config.layer_types = [config.layer_types[layer] for layer in layers]
    model = build_classifier(config, tuple(tags))
    classifier_of(model)
    copy_layers(backbone, backbone_of(model), layers)
    model.eval()
    return model


def backbone_of(model: PreTrainedModel) -> PreTrainedModel:
    """The encoder inside a token classifier."""
    backbone = model.base_model
    if backbone is model or not isinstance(backbone, PreTrainedModel):
        raise ConfigError(f"{type(model).__name__} has no encoder of its own inside; choose another architecture")
    return backbone


def classifier_of(model: PreTrainedModel) -> nn.Linear:
    """The linear layer that turns a piece's vector into tag scores: (dim,) → (tags,).

    Raises ConfigError where there is none, or where other layers stand between the encoder and it: then the encoder
    and the layer that we train would not be what transformers computes.
    """
    classifier = getattr(model, "classifier", None)
    if not isinstance(classifier, nn.Linear):
        raise ConfigError(
            f"{type(model).__name__}: expected a linear layer named classifier, found {type(classifier).__name__}; "
            "a student in the Hugging Face format cannot have this architecture"
        )
    ours = {id(parameter) for part in (backbone_of(model), classifier) for parameter in part.parameters()}
    others = [name for name, parameter in model.named_parameters() if id(parameter) not in ours]
    if others:
        raise ConfigError(
            f"{type(model).__name__}: expected the classifier right after the encoder, found {others[0]} as well; "
            "a student in the Hugging Face format cannot have this architecture"
        )
    return classifier


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
