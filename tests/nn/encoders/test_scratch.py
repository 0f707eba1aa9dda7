"""The scratch encoder: what a sentence's vectors may depend on, and what they may not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ner_distill.data.features.windows import cut_windows
from ner_distill.data.features.words import WordFeatures, WordFeaturizer
from ner_distill.nn.encoders.scratch import ScratchEncoder, SpellingCnn, WordEmbedding

SENTENCES = [
    ["Juan", "vive", "en", "San", "Sebastián", "desde", "1999"],
    ["EU"],
    ["la", "Interminablemente", "largafrase", "de", "Juan", "en", "EU"],
]
CHINESE = [list("北京市长在北京"), list("市长"), list("在北京市北京市")]


def featurizer_of(unit: str, *, max_words: int = 512) -> WordFeaturizer:
    sentences = SENTENCES if unit == "word" else CHINESE
    return WordFeaturizer.counted(sentences * 3, unit, max_words=max_words)  # type: ignore[arg-type]


def encoder_of(featurizer: WordFeaturizer) -> ScratchEncoder:
    """In float64 and eval mode, so that only real differences show."""
    sizes = {name: len(vocab) for name, vocab in featurizer.vocabs.items()}
    embedding = WordEmbedding(
        sizes["words"],
        dim=6,
        chars=sizes.get("chars", 0),
        char_filters=4,
        bigrams=sizes.get("bigrams", 0),
        bigram_dim=3,
        unknown=0.5,
    )
    return ScratchEncoder(embedding, hidden=8, layers=2, heads=2).double().eval()


def encode(encoder: ScratchEncoder, featurizer: WordFeaturizer, sentences: list[list[str]]) -> Tensor:
    vectors: Tensor = encoder(featurizer.collate([featurizer.features(words) for words in sentences]))
    return vectors


UNITS = pytest.mark.parametrize(("unit", "sentences"), [("word", SENTENCES), ("character", CHINESE)])


@UNITS
def test_padding_and_batch_do_not_change_a_sentence(unit: str, sentences: list[list[str]]) -> None:
    featurizer = featurizer_of(unit)
    encoder = encoder_of(featurizer)
    together = encode(encoder, featurizer, sentences)
    for row, words in enumerate(sentences):
        torch.testing.assert_close(together[row, : len(words)], encode(encoder, featurizer, [words])[0])


@UNITS
def test_rows_of_padding_are_zero(unit: str, sentences: list[list[str]]) -> None:
    featurizer = featurizer_of(unit)
    found = encode(encoder_of(featurizer), featurizer, [*sentences, []])
    mask = featurizer.collate([featurizer.features(words) for words in [*sentences, []]])["mask"]
    assert found.shape == (4, 7, 8)
    assert (found[~mask] == 0).all()
    assert (found[mask].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("unit", ["word", "character"])
def test_a_batch_of_empty_sentences_has_no_vectors(unit: str) -> None:
    featurizer = featurizer_of(unit)
    assert encode(encoder_of(featurizer), featurizer, [[], []]).shape == (2, 0, 8)


def cut(features: WordFeatures, start: int, end: int) -> WordFeatures:
    bigrams = None if features.bigrams is None else features.bigrams[:, start:end]
    return WordFeatures(features.words[start:end], bigrams, features.forms[start:end])


@UNITS
def test_a_long_sentence_is_encoded_as_each_of_its_windows_by_itself(unit: str, sentences: list[list[str]]) -> None:
    featurizer = featurizer_of(unit, max_words=8)
    encoder = encoder_of(featurizer)
    features = featurizer.features([word for words in sentences for word in words] + sentences[0])
    length = len(features.words)
    assert length > 2 * 8
    whole = encoder(featurizer.collate([features]))[0]
    taken = []
    for window in cut_windows(length, 8):
        vectors = encoder(featurizer.collate([cut(features, window.start, window.end)]))[0]
        taken.append(vectors[window.take_start - window.start : window.take_end - window.start])
    torch.testing.assert_close(whole, torch.cat(taken))


@UNITS
def test_a_long_sentence_does_not_change_the_short_ones_of_its_batch(unit: str, sentences: list[list[str]]) -> None:
    featurizer = featurizer_of(unit, max_words=8)
    encoder = encoder_of(featurizer)
    together = encode(encoder, featurizer, [sentences[0], sentences[0] * 4, [], sentences[1]])
    alone = encode(encoder, featurizer, [sentences[0], [], [], sentences[1]])
    torch.testing.assert_close(together[[0, 2, 3], : alone.shape[1]], alone[[0, 2, 3]])
    assert (together[[0, 2, 3], alone.shape[1] :] == 0).all()


# ---- spellings


def naive_spelling(cnn: SpellingCnn, chars: list[int]) -> Tensor:
    """One form by itself: each filter at each character, over zeros beyond the edges; then the maximum."""
    vectors = cnn.embedding.weight[torch.tensor(chars)]
    pooled = []
    for convolution in cnn.convolutions:
        assert isinstance(convolution, torch.nn.Conv1d)
        assert convolution.bias is not None
        width = convolution.weight.shape[-1]
        around = torch.nn.functional.pad(vectors, (0, 0, width // 2, width))
        at_each = [
            (convolution.weight * around[start : start + width].T).sum((1, 2)) + convolution.bias
            for start in range(len(chars))
        ]
        pooled.append(torch.stack(at_each).amax(0))
    return torch.cat(pooled).relu()


SPELLINGS = [[2, 2], [2, 5, 2], [2, 3, 4, 5, 2], [2, 6, 3, 3, 3, 3, 3, 7, 2]]


@pytest.mark.parametrize("extra", [0, 1, 7])
def test_spelling_vectors_equal_a_loop_however_wide_the_batch(extra: int) -> None:
    cnn = SpellingCnn(8, dim=5, filters=4).double().eval()
    width = max(map(len, SPELLINGS)) + extra
    padded = torch.tensor([chars + [0] * (width - len(chars)) for chars in SPELLINGS])
    wanted = torch.stack([naive_spelling(cnn, chars) for chars in SPELLINGS])
    torch.testing.assert_close(cnn(padded), wanted)


@pytest.mark.parametrize("chars", SPELLINGS)
def test_a_spelling_is_the_same_alone_and_beside_longer_ones(chars: list[int]) -> None:
    cnn = SpellingCnn(8, dim=5, filters=4).double().eval()
    padded = torch.tensor([chars + [0] * 20])
    torch.testing.assert_close(cnn(padded), cnn(torch.tensor([chars])))


def test_training_leaves_the_vectors_of_padding_at_zero() -> None:
    featurizer = featurizer_of("word")
    encoder = encoder_of(featurizer).train()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.1)
    encode(encoder, featurizer, SENTENCES).pow(3).sum().backward()
    optimizer.step()
    assert encoder.embedding.spelling is not None
    assert (encoder.embedding.words.weight[0] == 0).all()
    assert (encoder.embedding.spelling.embedding.weight[0] == 0).all()


# ---- unknown words


def words_of(embedding: WordEmbedding, ids: Tensor) -> Tensor:
    """The ids whose vectors the embedding gave: row k of the table holds k."""
    with torch.no_grad():
        embedding.words.weight.copy_(torch.arange(embedding.words.num_embeddings)[:, None].expand(-1, 2))
        vectors: Tensor = embedding({"words": ids})
    return vectors[..., 0].long()


IDS = torch.arange(2, 12).expand(400, 10)


def test_words_are_hidden_in_training_with_the_chance_that_was_asked() -> None:
    found = words_of(WordEmbedding(12, dim=2, unknown=0.3).train(), IDS)
    hidden = found != IDS
    assert (found[hidden] == 1).all()
    assert hidden.double().mean().item() == pytest.approx(0.3, abs=0.03)


def test_no_word_is_hidden_outside_training() -> None:
    assert torch.equal(words_of(WordEmbedding(12, dim=2, unknown=1.0).eval(), IDS), IDS)


def test_padding_is_never_hidden() -> None:
    ids = torch.tensor([[3, 0, 0]])
    assert words_of(WordEmbedding(12, dim=2, unknown=1.0).train(), ids).tolist() == [[1, 0, 0]]


def test_bigrams_are_hidden_in_training_too() -> None:
    embedding = WordEmbedding(4, dim=2, bigrams=4, bigram_dim=2, unknown=1.0).train()
    inputs = {"words": torch.tensor([[2]]), "bigrams": torch.tensor([[[2], [3]]])}
    unknown = embedding.bigrams.weight[1]  # type: ignore[union-attr]
    torch.testing.assert_close(embedding(inputs)[0, 0, 2:], torch.cat([unknown, unknown]))


# ---- parts


def test_a_character_is_its_vector_and_those_of_both_bigrams() -> None:
    embedding = WordEmbedding(4, dim=2, bigrams=5, bigram_dim=3).eval()
    inputs = {"words": torch.tensor([[2, 3]]), "bigrams": torch.tensor([[[2, 3], [4, 2]]])}
    words, bigrams = embedding.words.weight, embedding.bigrams.weight  # type: ignore[union-attr]
    wanted = torch.stack([torch.cat([words[2], bigrams[2], bigrams[4]]), torch.cat([words[3], bigrams[3], bigrams[2]])])
    torch.testing.assert_close(embedding(inputs)[0], wanted)


@pytest.mark.parametrize(("chars", "bigrams", "dim"), [(0, 0, 7), (5, 0, 7 + 3 * 4), (0, 5, 7 + 2 * 2)])
def test_the_width_of_an_embedding_is_the_sum_of_its_parts(chars: int, bigrams: int, dim: int) -> None:
    embedding = WordEmbedding(4, dim=7, chars=chars, char_filters=4, bigrams=bigrams, bigram_dim=2)
    inputs = {
        "words": torch.tensor([[2]]),
        "bigrams": torch.tensor([[[2], [3]]]),
        "forms": torch.tensor([[0]]),
        "spellings": torch.tensor([[2, 3, 2]]),
    }
    assert embedding.dim == embedding(inputs).shape[-1] == dim


def test_layer_groups_hold_every_parameter_once_from_low_to_high() -> None:
    encoder = encoder_of(featurizer_of("word"))
    groups = encoder.layer_groups()
    assert [id(parameter) for group in groups for parameter in group] == [
        id(parameter)
        for part in (encoder.embedding, encoder.projection, *encoder.transformer.layers)
        for parameter in part.parameters()
    ]
    assert len(groups) == 3
    assert sum(map(len, groups)) == len(list(encoder.parameters()))
