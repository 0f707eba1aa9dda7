"""The encoder without padding against its own forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.processors import Sequence
from torch import Tensor, nn
from transformers import AutoConfig

from benchmarks.checkpoints import bert, sizes
from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.nn.encoders import pretrained
from ner_distill.nn.encoders.backbone import LIKE_BERT
from ner_distill.nn.encoders.huggingface import build_backbone, load_tokenizer
from ner_distill.nn.encoders.packed import PackedPieces, can_be_packed, packed_states
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.nn.int8 import Int8Linear, quantize_linear

SENTENCES = (["Peter", "Lindqvist", "lives", "in", "Brussels", "."], ["NATO"], ["unbelievable", "ports"] * 20, [])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert(tmp_path_factory.mktemp("bert"))


def encoder_of(kind: str, **options: Any) -> PretrainedEncoder:
    torch.manual_seed(1)
    same = {"n_layers": 2, "dim": 32, "n_heads": 2, "hidden_dim": 64} if kind == "distilbert" else {}
    shape = same or sizes(layers=3, hidden=32, heads=2)
    config = AutoConfig.for_model(kind, vocab_size=400, max_position_embeddings=520, pad_token_id=0, **shape)
    return PretrainedEncoder(build_backbone(config), **options).eval()


def inputs_of(directory: Path, **options: Any) -> dict[str, Tensor]:
    featurizer = PieceFeaturizer(load_tokenizer(directory), **options)
    return featurizer.collate([featurizer.features(words) for words in SENTENCES])


def both(encoder: PretrainedEncoder, inputs: dict[str, Tensor], monkeypatch: Any) -> tuple[Tensor, Tensor]:
    """What the encoder says without padding, and what with it."""
    with torch.inference_mode():
        assert can_be_packed(encoder.backbone, inputs["pieces"])
        without = encoder(inputs)
        with monkeypatch.context() as patched:
            patched.setattr(pretrained, "can_be_packed", lambda *_: False)
            return without, encoder(inputs)


@pytest.mark.parametrize("kind", LIKE_BERT)
@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("limit", [512, 12])
def test_vectors_without_padding_are_those_with_it(
    kind: str, pooling: Any, limit: int, directory: Path, monkeypatch: Any
) -> None:
    encoder, inputs = encoder_of(kind, pooling=pooling), inputs_of(directory, max_pieces=limit)
    without, with_padding = both(encoder, inputs, monkeypatch)
    assert (without - with_padding).abs().max() < 1e-5
    assert not without[~inputs["mask"]].any()


def test_segments_are_read_without_padding_too(directory: Path, monkeypatch: Any) -> None:
    encoder, featurizer = encoder_of("bert"), PieceFeaturizer(load_tokenizer(directory))
    rows = [featurizer.features(words) for words in SENTENCES[:3]]
    inputs = featurizer.collate(rows) | featurizer.segments(rows, [2, 0, 3])
    without, with_padding = both(encoder, inputs, monkeypatch)
    assert (without - with_padding).abs().max() < 1e-5
    assert (without - encoder({**inputs, "piece_segments": 0 * inputs["pieces"]})).abs().max() > 1e-3


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_a_sentence_without_any_piece_is_passed_over(pooling: Any, directory: Path) -> None:
    tokenizer = load_tokenizer(directory)
    tokenizer.backend_tokenizer.post_processor = Sequence([])  # no special pieces
    featurizer = PieceFeaturizer(tokenizer)
    alone, beside = (
        featurizer.collate([featurizer.features(words) for words in rows]) for rows in ([["a"]], [["a"], []])
    )
    encoder = encoder_of("bert", pooling=pooling)
    with torch.inference_mode():
        assert can_be_packed(encoder.backbone, beside["pieces"])
        assert torch.allclose(encoder(beside)[:1], encoder(alone), atol=1e-6)


def test_packing_keeps_every_piece_once_and_equal_lengths_together() -> None:
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
    packed = PackedPieces.of(mask)
    assert [tuple(run) for run in packed.runs] == [(0, 1, 4), (4, 2, 2), (8, 1, 1)]
    assert packed.places.tolist() == [4, 5, 6, 7, 0, 1, 8, 9, 12]


def test_only_pieces_that_are_asked_for_come_back(directory: Path) -> None:
    encoder, inputs = encoder_of("bert"), inputs_of(directory)
    pieces, mask = inputs["pieces"], inputs["piece_mask"]
    wanted = torch.tensor([pieces.shape[1] + 1, 0, 3])
    with torch.inference_mode():
        states = packed_states(encoder.backbone, pieces, mask, wanted)
        whole = encoder.backbone(input_ids=pieces, attention_mask=mask).last_hidden_state.flatten(0, 1)
    assert (states - whole[wanted]).abs().max() < 1e-5


@pytest.mark.parametrize("case", ["gradients", "training", "another kind"])
def test_whoever_needs_the_plain_pass_gets_it(case: str, directory: Path) -> None:
    encoder = encoder_of("distilbert" if case == "another kind" else "bert")
    encoder.train(case == "training")
    with torch.set_grad_enabled(case == "gradients"):
        assert not can_be_packed(encoder.backbone, inputs_of(directory)["pieces"])


# ---- in 8 bits


def test_int8_layer_is_the_product_of_what_was_rounded() -> None:
    torch.manual_seed(0)
    layer, vectors = nn.Linear(40, 12), torch.randn(3, 7, 40)
    layer.weight.data[3] = 0
    with torch.no_grad():
        expected, found = layer(vectors), Int8Linear(layer)(vectors)
    steps = (vectors.max() - vectors.min()) / 255
    assert found.shape == expected.shape
    # a product's rounding: half a step of each vector's entry and of each weight
    bound = 0.5 * steps * layer.weight.abs().sum(1) + layer.weight.abs().amax(1) / 126 * vectors.abs().sum(-1).max()
    assert ((found - expected).abs() <= bound * 1.1 + 1e-5).all()
    assert (found[..., 3] == layer.bias[3]).all()


def test_quantizing_twice_changes_nothing(directory: Path) -> None:
    encoder, inputs = encoder_of("bert"), inputs_of(directory)
    with torch.inference_mode():
        exact = encoder(inputs)
        layers = quantize_linear(encoder.backbone.encoder)  # type: ignore[arg-type]
        once = encoder(inputs)
        assert quantize_linear(encoder.backbone.encoder) == layers > 0  # type: ignore[arg-type]
        assert torch.equal(encoder(inputs), once)
    cosine = nn.functional.cosine_similarity(once, exact, dim=-1)[inputs["mask"]]
    assert cosine.min() > 0.99
    assert not torch.equal(once, exact)
