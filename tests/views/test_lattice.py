"""The picture of a lattice: pictures drawn by hand, and what holds for any sentence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ner_distill.data.lexicon.lexicon import Match
from ner_distill.views.lattice import picture

BRIDGE = "南京市长江大桥"


def matches(words: Sequence[str], *places: tuple[int, int]) -> list[Match]:
    return [Match(start, end, "".join(words[start:end])) for start, end in places]


def lines(words: Sequence[str], *places: tuple[int, int], width: int = 80) -> list[str]:
    return picture(words, matches(words, *places), width=width).split("\n")


def test_brackets_stand_under_their_characters_in_rows_of_the_longest_first() -> None:
    assert lines(BRIDGE, (0, 2), (0, 3), (2, 4), (3, 5), (3, 7), (5, 7)) == [
        "南京市长江大桥",
        "└────┘└──────┘",
        "└──┘└──┘  └──┘",
        "      └──┘",
    ]


def test_narrow_characters_take_one_column_and_wide_ones_two() -> None:
    assert lines("A股3板", (0, 2), (2, 4), (0, 1), (1, 2)) == ["A股3板", "└─┘└─┘", "┴└┘"]


def test_words_of_several_letters_stand_apart() -> None:
    words = ["I", "saw", "New", "York", "today"]
    assert lines(words, (2, 4), (3, 4)) == ["I saw New York today", "      └──────┘", "          └──┘"]


def test_a_combining_character_shares_the_column_of_its_letter() -> None:
    assert lines(["e", "\u0301", "t"], (0, 2), (1, 3)) == ["e\u0301t", "└┘", "┴"]


def test_a_combining_character_alone_has_a_column() -> None:
    assert lines(["\u0301", "a"], (0, 1), (1, 2)) == ["◌\u0301a", "┴┴"]


def test_a_match_that_crosses_a_line_stays_open_on_both_sides() -> None:
    assert lines("甲乙丙丁戊己", (1, 5), (0, 6), width=6) == [
        *("甲乙丙", "└─────", "  └───"),
        "",
        *("丁戊己", "─────┘", "───┘"),
    ]


def test_a_line_ends_before_a_match_that_would_be_cut() -> None:
    assert lines("一二三四五六", (3, 5), width=8) == ["一二三", "", "四五六", "└──┘"]


def test_one_column_of_a_match_that_goes_on_is_open() -> None:
    assert lines("abcd", (1, 4), (0, 4), width=2) == ["ab", "└─", " └", "", "cd", "─┘", "─┘"]


def test_sixty_words_over_a_character_are_shown_or_counted() -> None:
    places = [(start, end) for start in range(10) for end in range(11, 17)]
    shown = lines("字" * 20, *places)
    assert len(shown) == 14
    assert shown[-1] == "… and 48 more words"


def test_a_place_that_two_sources_found_is_drawn_once() -> None:
    assert lines(BRIDGE, (0, 2), (0, 2)) == [BRIDGE, "└──┘"]


def test_no_words_give_no_picture() -> None:
    assert picture([], [], width=80) == ""


def test_no_matches_give_the_text_alone() -> None:
    assert lines(BRIDGE) == [BRIDGE]


def test_what_steers_a_terminal_is_replaced() -> None:
    assert lines(["\x1b", "\n", "\u202e", "\ud800", "好"], (4, 5)) == ["\ufffd" * 4 + "好", "    └┘"]


def test_a_word_wider_than_a_line_is_cut() -> None:
    assert lines(["x" * 50, "y"], (0, 1), width=10) == ["xxxxxxxxx…", "└────────┘", "", "y"]


@pytest.mark.parametrize("word", ["字", "\u0301"])
def test_the_picture_of_a_long_sentence_takes_time_in_proportion(word: str) -> None:
    words = [*BRIDGE, *[word] * 16000]
    found = [Match(start, start + size, "") for start in range(16000) for size in (2, 4)]
    before = time.process_time()
    picture(words, found, width=80)
    assert time.process_time() - before < 10  # a fraction of a second; minutes where all lines are looked at for each


def test_every_line_uses_its_first_rows() -> None:
    # 丙丁 has no room in the first row of its first line, but in that of its second.
    assert lines("甲乙丙丁戊己", (0, 3), (2, 4), (4, 6), width=6) == [
        *("甲乙丙", "└────┘", "    └─"),
        "",
        *("丁戊己", "─┘└──┘"),
    ]


@pytest.mark.parametrize("place", [(0, 8), (3, 3), (-1, 2)])
def test_a_match_outside_the_sentence_is_an_error(place: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no place in a sentence of 7 words"):
        lines(BRIDGE, place)


def test_a_width_of_one_column_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 columns or more"):
        picture(BRIDGE, [], width=1)


@given(st.data(), st.lists(st.sampled_from(["a", "京", "\u0301", "New", "😀", "（"]), min_size=1), st.integers(2, 30))
def test_no_line_is_wider_than_asked_and_no_match_is_lost(data: st.DataObject, words: list[str], width: int) -> None:
    starts = st.integers(0, len(words) - 1)
    drawn = data.draw(
        st.lists(starts.flatmap(lambda start: st.tuples(st.just(start), st.integers(start + 1, len(words)))))
    )
    with patch("ner_distill.views.lattice.ROWS", 1000):
        shown = picture(words, matches(words, *drawn), width=width)
    assert max(map(cell_len, shown.split("\n"))) <= width
    places = {(start, end) for start, end in drawn}
    # A combining character is shown in the columns of what stands before it: two places may be one.
    if "\u0301" not in words:
        assert shown.count("└") + shown.count("┴") == len(places)
