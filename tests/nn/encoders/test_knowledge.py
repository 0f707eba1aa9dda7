"""Vectors of what is known about words: against sums written by hand, and with padding."""

from __future__ import annotations

import torch
from torch import Tensor

from ner_distill.nn.encoders.knowledge import MarkEmbedding, SoftLexiconEmbedding, SpellingEmbedding


def soft_lexicon_inputs(rows: list[list[tuple[int, float, int]]], words: int) -> dict[str, Tensor]:
    """Each row a sentence: entries of (id, weight, word · 4 + set)."""
    entries = [(index, weight, row * words * 4 + slot) for row, kept in enumerate(rows) for index, weight, slot in kept]
    ids, weights, slots = zip(*entries, strict=True) if entries else ((), (), ())
    return {
        "mask": torch.ones(len(rows), words, dtype=torch.bool),
        "soft_lexicon_ids": torch.tensor(ids, dtype=torch.long),
        "soft_lexicon_weights": torch.tensor(weights, dtype=torch.float32),
        "soft_lexicon_slots": torch.tensor(slots, dtype=torch.long),
    }


ROWS = [[(2, 1.5, 0), (3, 0.5, 0), (0, 1.0, 1), (1, 2.0, 7)], [(4, 4.0, 6)]]


def test_soft_lexicon_sums_weighted_vectors_into_their_sets():
    module = SoftLexiconEmbedding(5, 3).eval()
    vectors = module(soft_lexicon_inputs(ROWS, 2))
    words = module.words.weight
    none, unknown = words[0], words[1]
    expected = torch.zeros(2, 2, 4, 3)
    expected[0, 0, 0] = 1.5 * words[2] + 0.5 * words[3]
    expected[0, 0, 1] = none
    expected[0, 1, 3] = 2 * unknown
    expected[1, 1, 2] = 4 * words[4]
    assert module.dim == 12
    torch.testing.assert_close(vectors, expected.view(2, 2, 12))


def test_soft_lexicon_vectors_do_not_depend_on_padding():
    module = SoftLexiconEmbedding(5, 3).eval()
    plain, padded = module(soft_lexicon_inputs(ROWS, 2)), module(soft_lexicon_inputs(ROWS, 6))
    torch.testing.assert_close(padded[:, :2], plain)
    assert not padded[:, 2:].any()


def test_soft_lexicon_of_a_batch_without_words_is_empty():
    assert SoftLexiconEmbedding(5, 3)(soft_lexicon_inputs([[], []], 0)).shape == (2, 0, 12)


def test_in_training_known_words_become_the_unknown_word_and_none_stays():
    module = SoftLexiconEmbedding(5, 3, unknown=1.0)
    vectors = module(soft_lexicon_inputs([[(2, 1.0, 0), (0, 1.0, 1)]], 1)).view(4, 3)
    torch.testing.assert_close(vectors[0], module.words.weight[1])
    torch.testing.assert_close(vectors[1], module.words.weight[0])


def test_outside_training_no_word_is_replaced():
    module = SoftLexiconEmbedding(5, 3, unknown=1.0).eval()
    vectors = module(soft_lexicon_inputs([[(2, 1.0, 0)]], 1)).view(4, 3)
    torch.testing.assert_close(vectors[0], module.words.weight[2])


def test_marks_add_their_vectors_and_padding_stays_zero():
    module = MarkEmbedding(3, 4, key="gazetteers_marks")
    marks = torch.tensor([[[1.0, 0, 1], [0, 1, 0]], [[0, 0, 0], [0, 0, 0]]])
    vectors = module({"gazetteers_marks": marks})
    of_mark = module.vectors.weight.T
    expected = torch.stack([of_mark[0] + of_mark[2], of_mark[1], torch.zeros(4), torch.zeros(4)]).view(2, 2, 4)
    torch.testing.assert_close(vectors, expected)


def spelling_inputs(spellings: list[list[int]], forms: list[list[int]]) -> dict[str, Tensor]:
    return {"pinyin_spellings": torch.tensor(spellings), "pinyin_forms": torch.tensor(forms)}


def spelling_of(widths: tuple[int, ...] = (2, 3, 6)) -> SpellingEmbedding:
    return SpellingEmbedding(9, 4, name="pinyin", widths=widths).eval()


def test_words_of_one_spelling_have_one_vector_and_padding_has_zero():
    vectors = spelling_of()(spelling_inputs([[0, 0, 0], [2, 3, 4], [2, 5, 4]], [[1, 2, 1], [2, 0, 0]]))
    torch.testing.assert_close(vectors[0, 0], vectors[0, 2])
    torch.testing.assert_close(vectors[0, 1], vectors[1, 0])
    assert not torch.equal(vectors[0, 0], vectors[0, 1])
    assert not vectors[1, 1:].any()


def test_a_longer_spelling_in_the_batch_changes_no_other_vector():
    module = spelling_of()
    alone = module(spelling_inputs([[0, 0, 0], [2, 3, 4]], [[1]]))
    together = module(spelling_inputs([[0] * 7, [2, 3, 4, 0, 0, 0, 0], [2, 3, 4, 5, 6, 7, 8]], [[1]]))
    torch.testing.assert_close(together, alone)


def test_a_spelling_shorter_than_every_width_has_a_vector():
    vectors = spelling_of((3, 6))(spelling_inputs([[0], [2]], [[1]]))
    assert vectors.any()


def test_gradients_of_a_batch_with_padding_are_finite():
    module = spelling_of()
    module(spelling_inputs([[0, 0, 0], [2, 3, 4]], [[1, 0]])).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())
