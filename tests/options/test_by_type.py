"""Numbers by type: `0.9`, `PER=0.7`."""

from __future__ import annotations

import pytest

from ner_distill.errors import ConfigError
from ner_distill.options.by_type import ByType, GivenByType, by_type


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), ByType(0.95, {})),
        (["0.3"], ByType(0.3, {})),
        (0.3, ByType(0.3, {})),
        ("PER=0.3", ByType(0.95, {"PER": 0.3})),
        (["A=B=0.7", " PER = 0"], ByType(0.95, {"A=B": 0.7, "PER": 0.0})),
        (["PER=0.7", "0.5", "PER=0.7"], ByType(0.5, {"PER": 0.7})),
    ],
)
def test_numbers_are_read_for_all_types_and_for_single_ones(given: GivenByType, expected: ByType[float]) -> None:
    assert by_type("threshold", given, 0.95) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["many"], "`min_votes` many: expected a whole number, or TYPE=number"),
        (["PER=1.5"], "`min_votes` PER=1.5: expected a whole number"),
        (["PER="], "`min_votes` PER=: expected a whole number"),
        (["=2"], "`min_votes` =2: expected a type before ="),
        ([""], "`min_votes` : expected a whole number"),
        (["PER=2", "PER=3"], "`min_votes` PER=3: 2 was given for PER before; give one of them"),
        (["2", "3"], "`min_votes` 3: 2 was given for all types before"),
    ],
)
def test_what_is_no_number_or_two_numbers_is_refused(given: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        by_type("min_votes", given, 0)
    assert said in str(error.value)


def test_problems_name_numbers_out_of_bounds_and_types_that_are_none() -> None:
    found = ByType(0, {"PER": 9, "LCO": 1}).problems(
        "min_votes", ["LOC", "PER"], lambda votes: 1 <= votes <= 3, "1 to 3"
    )
    assert found == [
        "`min_votes` 0: 1 to 3",
        "`min_votes` PER=9: 1 to 3",
        "`min_votes` LCO=1: no such type; the data has LOC, PER",
    ]


def test_a_file_records_one_number_as_such_and_others_as_they_are_given() -> None:
    assert ByType(2, {}).plain == 2
    assert ByType(2, {"PER": 3}).plain == ["2", "PER=3"]
