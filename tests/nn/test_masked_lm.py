"""Guessing masked words: which vectors are projected, onto what, and the loss."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ner_distill.nn.encoders.huggingface import load_masked_lm
from ner_distill.nn.encoders.scratch import ScratchEncoder, WordEmbedding
from ner_distill.nn.masked_lm import MaskedPieces, MaskedWords, masked_loss
from tests import checkpoints

WORDS, DIM = 7, 5


def small() -> MaskedWords:
    encoder = ScratchEncoder(WordEmbedding(WORDS, dim=DIM), hidden=8, layers=1, heads=2)
    return MaskedWords(encoder, words=WORDS, dim=DIM).eval()


def inputs_of(masked: list[int]) -> dict[str, Tensor]:
    """Two sentences of 3 and 2 words."""
    words = torch.tensor([[2, 3, 4], [5, 6, 0]])
    return {"words": words, "mask": words != 0, "masked": torch.tensor(masked, dtype=torch.long)}


def test_loss_is_the_hand_computed_cross_entropy_onto_the_embeddings_of_known_words() -> None:
    model, inputs = small(), inputs_of([1, 3])
    vectors = model.encoder(inputs)
    wanted = 0.0
    for vector, target in ((vectors[0, 1], 4), (vectors[1, 0], 2)):
        hidden = model.project(vector)
        table = model.encoder.embedding.words.weight
        scores = [(hidden @ table[word] + model.bias[word - 2]).item() for word in range(2, WORDS)]
        wanted += math.log(sum(math.exp(score) for score in scores)) - scores[target - 2]
    loss = masked_loss(model(inputs).logits, model.target(torch.tensor([4, 2])))
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_nothing_masked_gives_zero_and_still_back_propagates() -> None:
    model = small()
    loss = masked_loss(model(inputs_of([])).logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert not torch.any(model.encoder.projection.weight.grad)


def test_padding_and_the_unknown_word_are_never_guessed() -> None:
    assert small()(inputs_of([0, 1])).logits.shape == (2, WORDS - 2)


def test_output_weights_are_the_word_embeddings() -> None:
    model = small()
    model(inputs_of([0])).logits.sum().backward()
    grad = model.encoder.embedding.words.weight.grad
    assert bool((grad[6] != 0).any())
    assert not any(parameter.shape == (WORDS - 2, DIM) for parameter in model.parameters())


# ---- pretrained encoders


@pytest.fixture(scope="module", params=["bert", "roberta"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp(request.param)
    return getattr(checkpoints, request.param)(directory, layers=1, hidden=16)  # type: ignore[no-any-return]


def pieces_of(masked: list[int]) -> dict[str, Tensor]:
    pieces = torch.tensor([[5, 9, 12, 7], [5, 8, 1, 1]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    return {"pieces": pieces, "piece_mask": mask, "masked": torch.tensor(masked)}


def test_logits_of_masked_pieces_are_those_of_the_whole_model(checkpoint: Path) -> None:
    model = load_masked_lm(checkpoint)[0].eval()
    inputs = pieces_of([1, 5])
    whole = model(input_ids=inputs["pieces"], attention_mask=inputs["piece_mask"]).logits.flatten(0, 1)[[1, 5]]
    torch.testing.assert_close(MaskedPieces(model)(inputs).logits, whole)


def test_texts_are_the_means_of_the_encoders_states(checkpoint: Path) -> None:
    model = load_masked_lm(checkpoint)[0].eval()
    inputs = pieces_of([1])
    states = model.base_model(input_ids=inputs["pieces"], attention_mask=inputs["piece_mask"]).last_hidden_state
    wanted = torch.stack([states[0].mean(0), states[1, :2].mean(0)])
    torch.testing.assert_close(MaskedPieces(model)(inputs).texts, wanted)


def test_a_copy_answers_by_its_own_weights(checkpoint: Path) -> None:
    """Averaged weights are those of a copy: its hook must not hand on the original's states."""
    model = MaskedPieces(load_masked_lm(checkpoint)[0].eval())
    before = model(pieces_of([1])).logits
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(copied(pieces_of([1])).logits, before)


def test_a_checkpoint_without_an_output_layer_gets_a_new_one(checkpoint: Path) -> None:
    assert load_masked_lm(checkpoint)[1] is False


def test_a_checkpoints_own_output_layer_is_loaded(checkpoint: Path, tmp_path: Path) -> None:
    model, _ = load_masked_lm(checkpoint)
    model.save_pretrained(tmp_path)
    again, whole = load_masked_lm(tmp_path)
    assert whole
    for name, tensor in again.state_dict().items():
        torch.testing.assert_close(tensor, model.state_dict()[name], rtol=0, atol=0)
