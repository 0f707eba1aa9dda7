"""The input of the scratch encoder, worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ner_distill.data.features.vocab import UNKNOWN, Vocab
from ner_distill.data.features.words import EDGE, WordFeaturizer, normal
from ner_distill.errors import RunError

CHARS = "abcdefgh"


def of_words(max_words: int = 512) -> WordFeaturizer:
    """Words a to d have the ids 2 to 5; characters EDGE, a to h have 2 to 10."""
    vocabs = {"words": Vocab("abcd", [1] * 4), "chars": Vocab([EDGE, *CHARS], [1] * 9)}
    return WordFeaturizer("word", vocabs, max_words=max_words)


def of_characters() -> WordFeaturizer:
    """Characters 北 2, 京 3; bigrams |北 2, 北京 3, 京| 4."""
    vocabs = {"words": Vocab("北京", [1] * 2), "bigrams": Vocab([EDGE + "北", "北京", "京" + EDGE], [1] * 3)}
    return WordFeaturizer("character", vocabs)


def collate(featurizer: WordFeaturizer, *sentences: list[str]) -> dict[str, Tensor]:
    return featurizer.collate([featurizer.features(words) for words in sentences])


@pytest.mark.parametrize(
    ("word", "form"),
    [("Madrid", "madrid"), ("EU-27", "eu-00"), ("1999", "0000"), ("", ""), ("٣", "0"), ("京", "京"), ("ÉTÉ", "été")],
)
def test_normal_form_ignores_case_and_digits(word: str, form: str) -> None:
    assert normal(word) == form


def test_words_that_differ_in_case_share_an_id_but_not_a_spelling() -> None:
    featurizer = WordFeaturizer.counted([["Apple", "apple", "APPLE"]] * 3, "word")
    inputs = collate(featurizer, ["Apple", "apple"])
    assert inputs["words"][0, 0] == inputs["words"][0, 1] > UNKNOWN
    first, second = inputs["spellings"][inputs["forms"][0]].tolist()
    assert first[1] != second[1]
    assert first[2:] == second[2:]


def test_words_and_mask_are_padded_at_the_end() -> None:
    inputs = collate(of_words(), ["a", "zebra", "d"], ["b"])
    assert inputs["words"].tolist() == [[2, UNKNOWN, 5], [3, 0, 0]]
    assert inputs["mask"].tolist() == [[True, True, True], [True, False, False]]


def test_every_form_of_a_batch_is_spelled_once() -> None:
    inputs = collate(of_words(), ["ab", "c", "ab"], ["c"])
    # row 0 is what padding points at
    assert inputs["spellings"].tolist() == [[2, 2, 2, 0], [2, 3, 4, 2], [2, 5, 2, 0]]
    assert inputs["forms"].tolist() == [[1, 2, 1], [2, 0, 0]]


@pytest.mark.parametrize(("most", "kept"), [(8, "abcdefgh"), (6, "abcfgh"), (4, "abgh"), (2, "ah")])
def test_a_long_word_keeps_its_two_ends(most: int, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ner_distill.tagger.MAX_CHARS", most)
    inputs = collate(of_words(), [CHARS])
    assert inputs["spellings"][1].tolist() == [2, *(3 + CHARS.index(char) for char in kept), 2]


def test_a_character_has_the_bigrams_with_the_next_and_the_one_before() -> None:
    inputs = collate(of_characters(), ["北", "京"], ["京"])
    assert inputs["bigrams"].tolist() == [[[3, 4], [2, 3]], [[4, 0], [UNKNOWN, 0]]]


def test_the_unit_decides_between_spellings_and_bigrams() -> None:
    sentences = [["北", "京"]] * 3
    assert set(WordFeaturizer.counted(sentences, "word").vocabs) == {"words", "chars"}
    assert set(WordFeaturizer.counted(sentences, "character").vocabs) == {"words", "bigrams"}
    assert set(WordFeaturizer.counted(sentences, "character", bigrams=False).vocabs) == {"words"}


def test_sentences_are_counted_in_one_pass_over_an_iterator() -> None:
    featurizer = WordFeaturizer.counted(iter([["der", "Hund"], ["der", "hund", "bellt"]]), "word")
    assert featurizer.vocabs["words"].to_json() == {"forms": ["der", "hund"], "counts": [2, 2]}


def test_counted_characters_include_case_and_the_edges_of_words() -> None:
    chars = WordFeaturizer.counted([["Aa", "Aa", "Aab"]], "word").vocabs["chars"]
    assert chars.to_json() == {"forms": [EDGE, "A", "a"], "counts": [6, 3, 3]}


def test_max_forms_caps_words_and_bigrams() -> None:
    vocabs = WordFeaturizer.counted([list("北京北京市")] * 2, "character", max_forms=2).vocabs
    assert vocabs["words"].forms == ["京", "北"]
    assert vocabs["bigrams"].forms == ["北京", EDGE + "北"]


# ---- windows of long sentences


def test_a_sentence_that_fits_is_not_cut() -> None:
    assert "window_words" not in collate(of_words(max_words=4), list("abcd"), ["a"])


def test_windows_point_at_the_words_of_their_sentence_and_back() -> None:
    inputs = collate(of_words(max_words=4), ["a"] * 2, list("abcdab"))
    # flat indices of (2 sentences × 6 words): one window of the short sentence, two of the long one
    assert inputs["window_words"].tolist() == [[0, 1, -1, -1], [6, 7, 8, 9], [8, 9, 10, 11]]
    assert inputs["word_window"].tolist() == [[0, 1, 0, 0, 0, 0], [4, 5, 6, 9, 10, 11]]


@pytest.mark.parametrize("lengths", [(3, 7, 0, 20), (9,), (5, 4)])
def test_every_word_is_read_back_from_a_window_that_holds_it(lengths: tuple[int, ...]) -> None:
    inputs = collate(of_words(max_words=4), *(["a"] * length for length in lengths))
    mask = inputs["mask"]
    own = torch.arange(mask.numel()).view(mask.shape)
    assert inputs["window_words"].flatten()[inputs["word_window"]][mask].tolist() == own[mask].tolist()


@pytest.mark.parametrize(("length", "size"), [(0, 0), (4, 4), (5, 8), (20, 36)])
def test_size_counts_the_units_of_overlapping_windows(length: int, size: int) -> None:
    featurizer = of_words(max_words=4)
    features = featurizer.features(["a"] * length)
    assert featurizer.size(features) == size
    if size > length:
        assert featurizer.collate([features])["window_words"].numel() == size


# ---- edges


@pytest.mark.parametrize("featurizer", [of_words(), of_characters()], ids=["word", "character"])
def test_an_empty_sentence_is_a_row_of_padding(featurizer: WordFeaturizer) -> None:
    inputs = collate(featurizer, [], ["a", "b"])
    assert inputs["mask"].tolist() == [[False, False], [True, True]]
    assert inputs["words"][0].tolist() == [0, 0]


@pytest.mark.parametrize("featurizer", [of_words(), of_characters()], ids=["word", "character"])
def test_a_batch_of_empty_sentences_has_no_words(featurizer: WordFeaturizer) -> None:
    assert collate(featurizer, [], [])["mask"].shape == (2, 0)


def test_an_empty_word_is_spelled_by_its_edges() -> None:
    inputs = collate(of_words(), [""])
    assert inputs["spellings"][1].tolist() == [2, 2, 0]


# ---- files


@pytest.mark.parametrize("unit", ["word", "character"])
def test_loading_gives_the_featurizer_that_was_saved(tmp_path: Path, unit: str) -> None:
    featurizer = WordFeaturizer.counted([["北", "Ab"], ["北", "京", "Ab", "12"]] * 3, unit, max_words=4)  # type: ignore[arg-type]
    featurizer.save(tmp_path)
    loaded = WordFeaturizer.load(tmp_path, unit, max_words=4)  # type: ignore[arg-type]
    sentences = ["Ab", "北", "京", "99", "new", "x" * 50], ["京"]
    torch.testing.assert_close(collate(loaded, *sentences), collate(featurizer, *sentences))


def test_a_file_without_words_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text(json.dumps({"chars": {"forms": [], "counts": []}}))
    with pytest.raises(RunError, match=r"vocabulary\.json: expected the vocabulary 'words', found chars"):
        WordFeaturizer.load(tmp_path, "word")
