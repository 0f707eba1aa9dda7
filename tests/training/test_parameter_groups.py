from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig

from ner_distill.config import OptimConfig
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.huggingface import build_backbone
from ner_distill.nn.encoders.lattice import KnowledgeEncoder
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.nn.encoders.scratch import ScratchEncoder, WordEmbedding
from ner_distill.nn.heads import HEADS
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.tagger import Tagger
from ner_distill.teacher.model import Teacher
from ner_distill.training.optim import freeze_lowest, parameter_groups

TAGSET = TagSet(("LOC",))
OPTIM = OptimConfig(lr=1e-3, head_lr=5e-3, crf_lr=2e-2, weight_decay=0.01)


class Known(nn.Module):
    """Something that is known of words."""

    dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(1, self.dim))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.vector.expand(*inputs["mask"].shape, -1)


def new_encoder() -> ScratchEncoder:
    return ScratchEncoder(WordEmbedding(9, dim=4), hidden=8, layers=2, heads=2)


def new_teacher(encoder: nn.Module, evaluator: nn.Module | None = None) -> Teacher:
    head = HEADS["crf"](encoder.dim, TAGSET.allowed_start(), TAGSET.allowed_transitions())
    return Teacher(Tagger(encoder, head), PairSimilarity(), evaluator=evaluator)


def rates_of(teacher: Teacher, encoders: list[nn.Module], **settings: float) -> dict[str, float]:
    groups = parameter_groups(teacher, encoders, OPTIM.model_copy(update=settings))
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rates) == len(list(teacher.parameters()))
    return {name: rates[id(parameter)] for name, parameter in teacher.named_parameters()}


def wanted_rate(name: str, decay: float) -> float:
    """By hand: two layers, then what is below them."""
    for part, rate in {
        "transformer.layers.1.": 1e-3,
        "transformer.layers.0.": 1e-3 * decay,
        "tagger.encoder.": 1e-3 * decay**2,
        "evaluator.": 1e-3 * decay**2,
        "head.start": 2e-2,
        "head.end": 2e-2,
        "head.transitions": 2e-2,
    }.items():
        if part in name:
            return rate
    return 5e-3


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_each_layer_below_the_top_has_the_rate_times_the_decay_once_more(decay):
    encoder, evaluator = new_encoder(), new_encoder()
    rates = rates_of(new_teacher(encoder, evaluator), [encoder, evaluator], layer_decay=decay)
    assert rates == pytest.approx({name: wanted_rate(name, decay) for name in rates})
    assert len(set(rates.values())) == (3 if decay == 1 else 5)


def test_new_layers_on_a_pretrained_encoder_keep_the_heads_rate():
    encoder = KnowledgeEncoder(new_encoder(), knowledge=[Known()])
    rates = rates_of(new_teacher(encoder), [encoder], layer_decay=0.5)
    new = {name: rate for name, rate in rates.items() if ".projection." in name and ".base." not in name}
    assert new == {"tagger.encoder.projection.weight": 5e-3, "tagger.encoder.projection.bias": 5e-3}
    assert rates["tagger.encoder.knowledge.0.vector"] == 5e-3
    below = {rate for name, rate in rates.items() if ".base." in name}
    assert below == {1e-3, 5e-4, 2.5e-4}


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_weight_decay_is_on_matrices_of_every_layer_and_on_nothing_else(layer_decay):
    encoder = new_encoder()
    teacher = new_teacher(encoder)
    decayed = {
        id(parameter)
        for group in parameter_groups(teacher, [encoder], OPTIM.model_copy(update={"layer_decay": layer_decay}))
        if group["weight_decay"]
        for parameter in group["params"]
    }
    names = {name for name, parameter in teacher.named_parameters() if id(parameter) in decayed}
    assert {name for name in names if not name.endswith("weight") or "norm" in name} == set()
    assert {"tagger.encoder.embedding.words.weight", "tagger.head.project.weight"} <= names


def test_a_frozen_parameter_is_in_no_group():
    encoder = new_encoder()
    encoder.embedding.requires_grad_(False)
    groups = parameter_groups(new_teacher(encoder), [encoder], OPTIM.model_copy(update={"layer_decay": 0.5}))
    inside = {id(parameter) for group in groups for parameter in group["params"]}
    assert inside.isdisjoint(map(id, encoder.embedding.parameters()))


def test_the_base_of_an_encoder_is_the_pretrained_one_or_itself():
    encoder = new_encoder()
    assert KnowledgeEncoder(encoder).innermost() is encoder.innermost() is encoder


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_the_mix_of_a_pretrained_encoders_layers_is_new(decay):
    shape = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    backbone = build_backbone(BertConfig(vocab_size=20, max_position_embeddings=16, **shape))
    encoder = PretrainedEncoder(backbone, layer_mix=True)
    rates = rates_of(new_teacher(encoder), [encoder], layer_decay=decay)
    assert {rate for name, rate in rates.items() if ".mix." in name} == {5e-3}
    assert {rate for name, rate in rates.items() if "layer.1." in name} == {1e-3}
    assert {name for name, parameter in encoder.named_parameters() if parameter not in {*encoder.started()}} == {
        "mix.weight", "mix.bias"
    }  # fmt: skip


# ---- layers that stay as they are


def frozen(teacher: Teacher) -> set[str]:
    return {name for name, parameter in teacher.named_parameters() if not parameter.requires_grad}


def test_freezing_takes_the_embeddings_and_the_lowest_layers_of_every_encoder():
    encoder, evaluator = new_encoder(), new_encoder()
    teacher = new_teacher(KnowledgeEncoder(encoder, knowledge=[Known()]), evaluator)
    freeze_lowest([teacher.tagger.encoder, evaluator], 1)
    low = ("embedding.words.", "projection.", "transformer.layers.0.")
    named = {"tagger.encoder.base.": encoder, "evaluator.": evaluator}
    assert frozen(teacher) == {
        prefix + name for prefix, one in named.items() for name, _ in one.named_parameters() if name.startswith(low)
    }


def test_no_layers_freeze_nothing():
    encoder = new_encoder()
    freeze_lowest([encoder], 0)
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_more_layers_than_there_are_cannot_be_frozen():
    encoder = new_encoder()
    with pytest.raises(ConfigError, match=r"optim\.freeze_layers: the encoder has 2 layers, found 3"):
        freeze_lowest([encoder], 3)
    freeze_lowest([encoder], 2)


def test_layers_that_stay_frozen_and_rates_that_fall_with_depth_go_together():
    encoder = new_encoder()
    teacher = new_teacher(encoder)
    freeze_lowest([encoder], 1)
    groups = parameter_groups(teacher, [encoder], OPTIM.model_copy(update={"layer_decay": 0.5}))
    names = {id(parameter): name for name, parameter in teacher.named_parameters()}
    rates = {names[id(parameter)]: group["lr"] for group in groups for parameter in group["params"]}
    assert set(rates) == set(names.values()) - frozen(teacher)
    assert {rate for name, rate in rates.items() if "layers.1." in name} == {1e-3}


def test_the_gradient_does_not_go_back_through_frozen_layers():
    encoder = new_encoder()
    freeze_lowest([encoder], 1)
    carries = []
    for layer in encoder.transformer.layers:
        layer.register_forward_hook(lambda _module, _inputs, output: carries.append(output.requires_grad))
    encoder({"words": torch.tensor([[2, 3]]), "mask": torch.ones(1, 2, dtype=torch.bool)})
    assert carries == [False, True]
