"""Options: their order, bounds and choices, and how messages spell them."""

from __future__ import annotations

from typing import Literal

import pytest

from ner_distill.errors import ConfigError
from ner_distill.options import Options, option, spelled
from ner_distill.options.declare import fields_of
from ner_distill.options.labels import VoteOptions
from ner_distill.options.shared import Jobs, ReadOptions


class Own(Jobs):
    """Options of its own, and a shared one."""

    colour: Literal["red", "green"] | None = option("red", "Which.")
    share: float = option(0.5, "How much.", least=0.0, most=1.0)


def test_own_options_come_before_shared_ones() -> None:
    assert [field.name for field in fields_of(Own)] == ["colour", "share", "jobs", "executor", "workers"]


def test_all_values_out_of_bounds_are_named_in_one_error() -> None:
    with pytest.raises(ConfigError) as error:
        Own(colour="blue", share=1.5, jobs=0)  # type: ignore[arg-type]
    text = str(error.value)
    assert "`colour`: expected red, green, found 'blue'" in text
    assert "`share`: expected 1 or less, found 1.5" in text
    assert "`jobs`: expected 1 or more, found 0" in text


def test_none_is_a_value_where_the_type_has_it() -> None:
    assert Own(colour=None).colour is None


def test_options_that_have_not_their_default_are_named() -> None:
    assert Own(share=0.25, jobs=1).changed("colour", "share", "jobs") == ["share"]


def test_a_required_option_has_no_default() -> None:
    with pytest.raises(TypeError, match="train"):
        VoteOptions()  # type: ignore[call-arg]


def test_a_setting_in_backticks_is_spelled_as_an_option_and_other_words_are_left() -> None:
    assert spelled("`min_votes` is 9; `resume` or `nonsense`") == "--min-votes is 9; --resume or `nonsense`"


def test_reading_options_of_a_command_are_those_of_files_alone() -> None:
    vote = VoteOptions(train=["a"], out="b", format="conll", flatten="longest", strict=True)  # type: ignore[arg-type]
    assert vars(vote.reading()) == {
        "format": "conll",
        "scheme": "auto",
        "word_column": None,
        "tag_column": (),
        "strict": True,
        "flatten": "longest",
        "unit": "auto",
    }


def test_newer_options_of_reading_are_recorded_only_where_they_are_used() -> None:
    assert "unit" not in ReadOptions().recorded()
    assert ReadOptions(unit="blank").recorded()["unit"] == "blank"
    assert ReadOptions().recorded()["tag_column"] == -1


def test_options_is_a_base_without_options() -> None:
    assert fields_of(Options) == []


def test_default_columns_are_recorded_as_versions_without_them_did() -> None:
    recorded = VoteOptions(train=["a"], out="b").reading().recorded()  # type: ignore[arg-type]
    assert (recorded["tag_column"], recorded.get("word_column")) == (-1, None)


def test_columns_that_were_asked_for_are_recorded() -> None:
    options = VoteOptions(train=["a"], out="b", word_column=1, tag_column=(2, 3))  # type: ignore[arg-type]
    recorded = options.reading().recorded()
    assert (recorded["tag_column"], recorded["word_column"]) == ([2, 3], 1)


def test_one_column_of_tags_is_recorded_as_the_number_that_earlier_versions_recorded() -> None:
    assert ReadOptions(tag_column=(3,)).recorded()["tag_column"] == 3
