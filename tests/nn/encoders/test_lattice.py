"""Lattice layers: what reaches a character, with windows, padding and pretrained encoders."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ner_distill.data.features.lattice import LatticeSource
from ner_distill.data.features.vocab import Vocab
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.lexicon.lexicon import Lexicon
from ner_distill.nn.encoders.flat import FlatTransformer
from ner_distill.nn.encoders.knowledge import MarkEmbedding
from ner_distill.nn.encoders.lattice import KnowledgeEncoder, LatticeLayers
from ner_distill.nn.encoders.scratch import ScratchEncoder, WordEmbedding

WORDS = ("南京", "南京市", "市长", "长江", "大桥", "长江大桥")
SENTENCE = tuple("南京市长江大桥")


def lattice(*, unknown: float = 0.0, normed: bool = False) -> LatticeLayers:
    flat = FlatTransformer(16, layers=2, heads=4, inner=32, dropout=0.0)
    return LatticeLayers(len(WORDS) + 2, flat, word_dim=6, dropout=0.0, unknown=unknown, normed=normed)


def source(max_words: int = 512) -> LatticeSource:
    return LatticeSource(Lexicon(dict.fromkeys(WORDS, 1)), Vocab(WORDS, [1] * len(WORDS)), max_words=max_words)


def encoder() -> ScratchEncoder:
    embedding = WordEmbedding(30, dim=8, unknown=0.0)
    return ScratchEncoder(embedding, hidden=16, layers=2, heads=4, dropout=0.0, lattice=lattice()).eval()


def inputs_of(sentences: list[tuple[str, ...]], max_words: int = 512) -> dict[str, Tensor]:
    featurizer = WordFeaturizer.counted([SENTENCE], "character", min_count=1, bigrams=False, max_words=max_words)
    inputs = featurizer.collate([featurizer.features(words) for words in sentences])
    words = source(max_words)
    return inputs | words.collate([words.features(words_) for words_ in sentences], inputs["mask"].shape[1])


def test_a_lexicon_word_changes_the_characters() -> None:
    one = encoder()
    inputs = inputs_of([SENTENCE])
    without = {key: value for key, value in inputs.items() if not key.startswith("lattice_")}
    assert (one(inputs) - one(without)).abs().max() > 1e-3


def test_a_sentence_encodes_as_alone_whatever_is_beside_it_in_the_batch() -> None:
    one = encoder()
    together = one(inputs_of([tuple("大桥"), SENTENCE, ()]))
    assert torch.allclose(together[0, :2], one(inputs_of([tuple("大桥")]))[0], atol=1e-6)
    assert torch.allclose(together[1], one(inputs_of([SENTENCE]))[0], atol=1e-6)
    assert (together[2] == 0).all()


def test_windows_encode_each_window_as_a_sentence_of_its_own() -> None:
    one = encoder()
    whole = one(inputs_of([SENTENCE], max_words=4))[0]
    # windows (0, 4), (2, 6), (3, 7), from which words 0-2, 3 and 4-6 are taken
    first, second, third = (one(inputs_of([SENTENCE[start : start + 4]]))[0] for start in (0, 2, 3))
    assert torch.allclose(whole, torch.cat([first[:3], second[1:2], third[1:]]), atol=1e-6)


def test_hidden_words_are_the_unknown_word_in_training_alone() -> None:
    layers = lattice(unknown=1.0)
    inputs = inputs_of([SENTENCE])
    unknown = dict(inputs)
    for key in [key for key in inputs if key.startswith("lattice_")]:
        ids, heads = inputs[key].unbind(1)
        unknown[key] = torch.stack([ids.clamp(max=1), heads], 1)
    vectors, mask = torch.randn(1, 7, 16), inputs["mask"]
    assert torch.allclose(layers.train()(vectors, mask, inputs), layers.eval()(vectors, mask, unknown), atol=1e-6)
    assert not torch.allclose(layers(vectors, mask, inputs), layers(vectors, mask, unknown), atol=1e-3)


class Base(nn.Module):
    """Stands for a pretrained encoder."""

    dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 16)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        vectors: Tensor = self.embedding(inputs["words"])
        return vectors * inputs["mask"][..., None]

    def layer_groups(self) -> list[list[nn.Parameter]]:
        return [list(self.parameters())]


@pytest.mark.parametrize("with_lattice", [False, True])
def test_a_pretrained_encoder_keeps_its_width_and_zero_padding(with_lattice: bool) -> None:
    marks = MarkEmbedding(3, 5, key="softword_marks")
    top = lattice(normed=True) if with_lattice else None
    one = KnowledgeEncoder(Base(), knowledge=[marks], lattice=top).eval()
    inputs = inputs_of([SENTENCE, tuple("大桥")]) | {"softword_marks": torch.rand(2, 7, 3)}
    vectors = one(inputs)
    assert vectors.shape == (2, 7, 16)
    assert (vectors[1, 2:] == 0).all()
    assert (vectors[1, :2] != 0).any()


def test_every_parameter_of_an_encoder_with_a_lattice_is_in_one_layer_group() -> None:
    for one in (encoder(), KnowledgeEncoder(Base(), lattice=lattice(normed=True))):
        grouped = [id(parameter) for group in one.layer_groups() for parameter in group]
        assert sorted(grouped) == sorted(id(parameter) for parameter in one.parameters())
