"""How words are cut: the unit that cuts raw text into such words, and how many it does not give."""

from __future__ import annotations

import pytest

from ner_distill.data.formats.units import Cutting, Given, differs, find_cutting
from ner_distill.data.sentence import Unit


def given(*sentences: str) -> list[Given]:
    """Sentences of words between bars."""
    return [Given(tuple(sentence.split("|"))) for sentence in sentences]


ENGLISH = given("Ann|,|born|in|Oslo|,|sings|.", "In|Bonn|,|Ann|'s|dog|barks|!")
AT_BLANKS = given("Ann,|born|in|(Oslo),|sings.", 'In|"Bonn",|Ann\'s|dog|barks!')
KANA = given("|".join("サッポロでスズキさんにあった。"))
CHINESE_WORDS = given("张伟|在|上海|的|清华大学|工作|。")


@pytest.mark.parametrize(
    ("sentences", "unit", "mismatch"),
    [
        (ENGLISH, "word", 0.0),
        (AT_BLANKS, "blank", 0.0),
        (given("김철수는|서울에서|일했다.", "그는|부산에|산다."), "blank", 0.0),  # Korean puts blanks between words
        (given("lower|case|words|without|marks"), "word", 0.0),
        (KANA, "character", 0.0),
        (given("|".join("กรุงเทพมหานคร")), "character", 0.0),
        (given("|".join("他在北京工作。")), "character", 0.0),
        (given("他|在|IBM|工|作|。"), "word", 0.0),  # Latin words among Chinese characters
        (given(*["|".join("Ann lives in Oslo.")] * 20), "character", 0.0),  # one letter a word, blanks included
        (given(*["|".join("김철수가서울에산다.")] * 2), "character", 0.0),
        (given("나|너"), "word", 0.0),  # too few syllables to be sure
        (given("a|b|c"), "word", 0.0),  # too few letters to be sure
        (given("|".join("これはＩＢＭ\u3000です")), "character", 0.0),  # a full-width blank is a character
        (CHINESE_WORDS, "word", 4 / 7),
        (given("東京|で|会っ|た"), "word", 3 / 4),
    ],
)
def test_the_unit_is_the_one_that_gives_the_words(sentences: list[Given], unit: Unit, mismatch: float) -> None:
    found = find_cutting(sentences)
    assert (found.unit, found.mismatch) == (unit, pytest.approx(mismatch, abs=1e-4))


def test_a_few_split_words_among_many_marks_are_no_text_cut_at_blanks() -> None:
    found = find_cutting(given(*["In|Bonn|,|Ann|'s|dog|barks|!"] * 4, "the|U.S.-led|force|."))
    assert (found.unit, found.mismatch) == ("word", round(1 / 36, 4))
    assert found.example == ("U.S.-led", ("U.S.", "-", "led"))


def test_one_long_word_is_compared_as_any_other() -> None:
    assert find_cutting(given("x" * 100_000)) == Cutting("word")


def test_a_text_that_is_there_is_cut_in_place_of_joined_words() -> None:
    # joined by blanks `Ann , sings` would look right; in the text the comma is a part of the word
    own = Given(("Ann,", "sings"), "Ann, sings", ((0, 4), (5, 10)))
    assert find_cutting([own] * 3).unit == "blank"


def test_an_asked_unit_is_kept_and_measured() -> None:
    found = find_cutting(AT_BLANKS, "word")
    assert (found.unit, found.mismatch, found.notable) == ("word", 0.6, True)
    assert "60.0% of the words come out otherwise" in found.warning()
    assert "'Ann,' → 'Ann', ','" in found.warning()


@pytest.mark.parametrize(
    ("sentences", "known", "said"),
    [
        (ENGLISH * 10, Cutting("word"), None),
        (AT_BLANKS * 10, Cutting("blank"), None),
        (CHINESE_WORDS * 10, find_cutting(CHINESE_WORDS), None),  # as bad as the training's
        (AT_BLANKS * 10, Cutting("word"), "cut by blank, those trained on by word: 60.0% of them are others"),
        (ENGLISH * 10, Cutting("blank"), "cut by word, those trained on by blank: 31.2% of them are others"),
        (KANA * 10, Cutting("word"), "cut by character, those trained on by word: 100.0%"),
        (KANA * 10, Cutting("character", 0.5), "raw text gives its words, but 50.0% of those trained on it does not"),
        (AT_BLANKS * 10, Cutting("word", 0.5), None),  # nearly as bad
        (ENGLISH, Cutting("blank"), None),  # too few words to tell
    ],
)
def test_words_that_are_cut_otherwise_than_those_trained_on_are_told(
    sentences: list[Given], known: Cutting, said: str | None
) -> None:
    told = differs(sentences, known)
    assert told is None if said is None else said in (told or "")
