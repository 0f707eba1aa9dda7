"""Copied layers are the source's own, and nothing is copied where something does not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, DebertaV2Config, DistilBertConfig, RobertaConfig

from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.huggingface import build_backbone
from ner_distill.student.initialise import copy_layers
from tests.checkpoints import sizes

KINDS: dict[str, Any] = {"bert": BertConfig, "roberta": RobertaConfig, "deberta-v2": DebertaV2Config}


def _model(layers: int, kind: str = "bert", hidden: int = 16, **options: int) -> Any:
    return build_backbone(KINDS[kind](vocab_size=40, **sizes(layers=layers, hidden=hidden, heads=2), **options)).eval()


def _same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    left, right = first.state_dict(), second.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("layers", [[0, 2], [3, 1], [2, 2], [-1, 0]])
def test_copied_layers_and_embeddings_equal_the_sources(layers: list[int]) -> None:
    source, target = _model(4), _model(2)
    copy_layers(source, target, layers)
    assert _same(target.embeddings, source.embeddings)
    assert all(
        _same(layer, source.encoder.layer[index]) for layer, index in zip(target.encoder.layer, layers, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_copying_every_layer_gives_the_same_encoder(kind: str) -> None:
    source, target = _model(3, kind), _model(3, kind)
    copy_layers(source, target, [0, 1, 2])
    pieces = torch.randint(3, 40, (2, 7))
    with torch.no_grad():
        assert torch.equal(source(pieces).last_hidden_state, target(pieces).last_hidden_state)


def test_student_does_not_share_memory_with_its_source() -> None:
    source, target = _model(2), _model(1)
    copy_layers(source, target, [1])
    before = source.embeddings.word_embeddings.weight.clone()
    with torch.no_grad():
        target.embeddings.word_embeddings.weight.add_(1)
    assert torch.equal(source.embeddings.word_embeddings.weight, before)


def test_every_problem_with_the_indices_is_listed_and_nothing_copied() -> None:
    source, target = _model(4), _model(2)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(ConfigError) as error:
        copy_layers(source, target, [0, 4, -5])
    assert "layer 4 is out of range" in str(error.value)
    assert "layer -5 is out of range" in str(error.value)
    assert "2 layers; expected as many indices, found 3" in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())


def test_other_hidden_size_is_refused_with_both_shapes() -> None:
    with pytest.raises(ConfigError, match=r"has shape \(40, 16\) in the student but \(40, 32\) in the source"):
        copy_layers(_model(2, hidden=32), _model(2), [0, 1])


def test_other_vocabulary_is_refused() -> None:
    other = build_backbone(BertConfig(vocab_size=41, **sizes(layers=2, hidden=16, heads=2)))
    with pytest.raises(ConfigError, match=r"word_embeddings.*\(40, 16\) in the student but \(41, 16\)"):
        copy_layers(other, _model(2), [0, 1])


def test_other_architecture_is_refused() -> None:
    other = build_backbone(DistilBertConfig(vocab_size=40, n_layers=2, dim=16, n_heads=2, hidden_dim=64))
    with pytest.raises(ConfigError, match="another architecture"):
        copy_layers(other, _model(2), [0, 1])
