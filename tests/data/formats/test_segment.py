"""Raw text → words and offsets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_distill.data.formats.segment import segment, unit_of_texts
from ner_distill.data.sentence import UNITS, Unit

# Ordinary text draws what the rules speak of; arbitrary text draws everything else.
TEXTS = st.text() | st.text(alphabet="aB9 .,-'’:/&@+_s中国\u3000\u200d\u0301😀é\n\t") | st.just("\ud800 x")


@pytest.mark.parametrize("unit", UNITS)
@given(TEXTS)
def test_words_are_ordered_slices_and_only_white_space_is_lost(unit: Unit, text: str) -> None:
    words, offsets = segment(text, unit)
    assert words == tuple(text[start:end] for start, end in offsets)
    assert all(start < end for start, end in offsets)
    assert all(before[1] <= after[0] for before, after in pairwise(offsets))
    covered = {place for start, end in offsets for place in range(start, end)}
    assert all(char.isspace() for place, char in enumerate(text) if place not in covered)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("On 1996-08-22, al-Ain's team won.", "On|1996-08-22|,|al-Ain|'s|team|won|."),
        ("O'Brien of the U.S. paid $1,000.50 at 10:30", "O'Brien|of|the|U.S.|paid|$|1,000.50|at|10:30"),
        ('J. Smith (S&P) -- said: "no"...', 'J.|Smith|(|S&P|)|--|said|:|"|no|"|...'),
        ("a.b@c.org, see https://x.org/a?b=c.", "a.b@c.org|,|see|https://x.org/a?b=c|."),
        ("d'Esquadra zo’n 5-1/2 I+D", "d'Esquadra|zo’n|5-1/2|I+D"),
        ("one,two 3, 4", "one|,|two|3|,|4"),
        ("在IBM工作", "在|IBM|工|作"),
        ("हिन्दी में", "हिन्दी|में"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("hi😀👍", "hi|😀|👍"),
        ("  \u3000\n", ""),
    ],
)
def test_words_look_like_those_of_conll(text: str, words: str) -> None:
    assert segment(text, "word")[0] == tuple(words.split("|") if words else ())


def test_characters_keep_inner_white_space_and_lose_it_at_the_ends() -> None:
    assert segment(" 中 国\n", "character") == (("中", " ", "国"), ((1, 2), (2, 3), (3, 4)))


def test_between_blanks_marks_stay_with_their_words() -> None:
    assert segment(' Ann\u3000in (Oslo), "now"\n', "blank") == (
        ("Ann", "in", "(Oslo),", '"now"'),
        ((1, 4), (5, 7), (8, 15), (16, 21)),
    )


def test_character_beyond_the_basic_plane_is_one_character() -> None:
    assert segment("a😀𠀀b", "word") == (("a", "😀", "𠀀", "b"), ((0, 1), (1, 2), (2, 3), (3, 4)))


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (["他在北京。", "IBM 是一家公司"], "character"),
        (["He lives in 北京 now."], "word"),
        (["シマムラさんはソニーをやめた。"], "character"),
        (["กรุงเทพมหานคร เป็นเมืองหลวง"], "character"),
        (["김철수는 서울에서 일했다."], "word"),
        ([""], "word"),
        ([], "word"),
    ],
)
def test_unit_of_texts_is_character_where_most_of_them_has_no_blanks(texts: list[str], unit: Unit) -> None:
    assert unit_of_texts(texts) == unit


@given(
    st.text(alphabet=st.characters(max_codepoint=127))
    | st.text(alphabet="aBs9_.,-'/&@+=~*:;()<>\" \n\t\x0b\x1c")
    | st.lists(
        st.sampled_from(["www.", "http://", "U.", "S.", "n't", "'s", "'LL", "1", ",", "a", "J. ", "-", " "])
    ).map("".join)
)
def test_ascii_text_is_cut_as_in_front_of_other_text(text: str) -> None:
    assert segment(text, "word")[1] == segment(f"{text} é", "word")[1][:-1]
