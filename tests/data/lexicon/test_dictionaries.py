"""What dictionaries find, against sentences read by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ner_distill.data.lexicon.dictionaries import Dictionaries, parse_dictionaries
from ner_distill.data.sentence import Span, Unit
from ner_distill.errors import ConfigError, DataError


def find(
    entries: Mapping[str, Sequence[str]], sentence: str, unit: Unit = "word", **options: object
) -> tuple[Span, ...]:
    words = tuple(sentence) if unit == "character" else tuple(sentence.split())
    return Dictionaries(entries, unit, **options).find(words).spans  # type: ignore[arg-type]


def test_the_longest_match_from_the_left_is_taken() -> None:
    entries = {"LOC": ["New York", "York"], "ORG": ["New York Times", "Times Square"]}
    assert find(entries, "The New York Times Square of York") == (Span(1, 4, "ORG"), Span(6, 7, "LOC"))


def test_a_name_inside_a_word_is_none() -> None:
    assert find({"PER": ["Ann", "Al"]}, "Annapolis and Ann's Al") == (Span(3, 4, "PER"),)


def test_chinese_names_are_found_between_any_characters() -> None:
    assert find({"LOC": ["北京"], "ORG": ["北京大学"]}, "他在北京大学也在北京", "character") == (
        Span(2, 6, "ORG"),
        Span(8, 10, "LOC"),
    )


@pytest.mark.parametrize(
    ("name", "text"), [("ソニー", "ヤマダはソニーをやめた"), ("กรุงเทพ", "ไปกรุงเทพวันนี้")], ids=["kana", "Thai"]
)
def test_names_in_other_scripts_without_blanks_are_found_so_too(name: str, text: str) -> None:
    start = text.index(name)
    assert find({"X": [name]}, text, "character") == (Span(start, start + len(name), "X"),)


def test_case_counts_unless_it_is_folded() -> None:
    assert find({"LOC": ["New York"]}, "NEW YORK wins") == ()
    assert find({"LOC": ["New York"]}, "NEW YORK wins", fold_case=True) == (Span(0, 2, "LOC"),)


@pytest.mark.parametrize("sentence", ["in St. John's .", "in St . John 's ."])
def test_an_entry_is_found_as_written_and_as_segmented(sentence: str) -> None:
    (span,) = find({"LOC": ["St. John's"]}, sentence)
    assert span.start == 1
    assert span.end == len(sentence.split()) - 1


AMBIGUOUS = {"PER": ["Paris Hilton", "Paris"], "LOC": ["Paris", "Oslo"]}


def test_a_form_under_two_types_is_dropped() -> None:
    found = Dictionaries(AMBIGUOUS).find(("Paris", "and", "Oslo"))
    assert (found.spans, found.keep, found.dropped) == ((Span(2, 3, "LOC"),), None, 1)


def test_a_form_under_two_types_may_take_the_first() -> None:
    found = Dictionaries(AMBIGUOUS, conflicts="first").find(("Paris", "and", "Oslo"))
    assert found.spans == (Span(0, 1, "PER"), Span(2, 3, "LOC"))


def test_a_form_under_two_types_may_be_masked() -> None:
    found = Dictionaries(AMBIGUOUS, conflicts="mask").find(("Paris", "and", "Oslo"))
    assert (found.spans, found.keep) == ((Span(2, 3, "LOC"),), (False, True, True))


def test_nothing_is_found_inside_a_dropped_form() -> None:
    entries = {"LOC": ["New York", "York"], "ORG": ["New York"]}
    assert find(entries, "New York and York") == (Span(3, 4, "LOC"),)


def test_an_ambiguous_form_inside_a_longer_name_does_no_harm() -> None:
    assert find(AMBIGUOUS, "Paris Hilton") == (Span(0, 2, "PER"),)


def test_forms_that_differ_in_case_are_one_where_it_is_folded() -> None:
    entries = {"MISC": ["may"], "PER": ["May"]}
    assert Dictionaries(entries).ambiguous == {}
    assert list(Dictionaries(entries, fold_case=True).ambiguous.values()) == [("MISC", "PER")]


# ---- files


def test_read_counts_entries_and_repairs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Oslo\n\nOslo\nBuenos  Aires\n", "utf-8")
    (tmp_path / "b.txt").write_text("Area 51\n", "utf-8")
    dictionaries, counts = Dictionaries.read({"LOC": [tmp_path / "a.txt", tmp_path / "b.txt"]})
    assert dictionaries.entries == {"LOC": ["Oslo", "Buenos Aires", "Area 51"]}
    assert counts["LOC"] == {"entries": 3, "blank": 1, "duplicate": 1, "with white space inside": 1}


def test_an_empty_dictionary_is_refused_with_its_type(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n", "utf-8")
    with pytest.raises(DataError, match=r"empty\.txt.*dictionary of the type LOC"):
        Dictionaries.read({"LOC": [tmp_path / "empty.txt"]})


def test_a_dictionary_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bytes.txt").write_bytes(b"Oslo\nK\xf8benhavn\n")
    with pytest.raises(DataError, match=r"bytes\.txt:2: expected UTF-8"):
        Dictionaries.read({"LOC": [tmp_path / "bytes.txt"]})


def test_options_name_types_and_files() -> None:
    assert parse_dictionaries(["PER=a.txt", "LOC = b=c.txt", "PER=d.txt"]) == {
        "PER": [Path("a.txt"), Path("d.txt")],
        "LOC": [Path("b=c.txt")],
    }


@pytest.mark.parametrize("option", ["people.txt", "=people.txt", "PER="])
def test_an_option_without_type_or_file_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="expected TYPE=FILE"):
        parse_dictionaries([option])


def test_letters_of_a_longer_word_are_no_match_in_chinese_text() -> None:
    found = Dictionaries({"ORG": ["NBA", "中国"]}, "character").find(tuple("看WNBA和NBA，中国NBA"))
    assert found.spans == (Span(6, 9, "ORG"), Span(10, 12, "ORG"), Span(12, 15, "ORG"))
