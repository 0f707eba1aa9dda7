"""Lexicons: what is kept of a file, and what is found in a sentence."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_distill.data.lexicon.lexicon import Lexicon, Match
from ner_distill.errors import DataError, RunError
from tests.data.conftest import Write


def lexicon(*forms: str, separator: str = "", fold_case: bool = False) -> Lexicon:
    return Lexicon(dict.fromkeys(forms, 0), separator=separator, fold_case=fold_case)


def places(matches: Sequence[Match]) -> list[tuple[int, int]]:
    return [(match.start, match.end) for match in matches]


# Reading


def test_read_counts_every_kind_of_line_that_it_cleans(write: Write) -> None:
    path = write("words.txt", "\ufeff北京\n\n 上海 \t\n北京\n京\n" + "长" * 300 + "\n  \ncafe\u0301\nT恤\n读\ufffd\n")
    read, counts = Lexicon.read([path], max_length=8)
    assert sorted(read._forms) == sorted(["北京", "上海", "caf\u00e9", "T恤"])
    assert counts == {
        "blank": 2,
        "duplicate": 1,
        "not in normal form C": 1,
        "of mixed scripts (kept)": 1,
        "too long": 1,
        "too short": 1,
        "with a byte order mark": 1,
        "with unreadable characters": 1,
    }


@pytest.mark.parametrize("line", ["北京\t34488", "北京 34488", "北京\t34488\r", " 北京  34488 ns "])
def test_read_takes_the_frequency_after_the_word(write: Write, line: str) -> None:
    read, counts = Lexicon.read([write("words.txt", f"{line}\n")])
    assert (read.frequency("北京"), counts) == (34488, {})


def test_read_keeps_the_highest_frequency_of_a_duplicate(write: Write) -> None:
    read, _ = Lexicon.read([write("a.txt", "北京\t3\n北京\t7\n"), write("b.txt", "北京\t5\n")])
    assert read.frequency("北京") == 7


def test_frequency_is_zero_for_a_form_without_one_and_for_one_unknown(write: Write) -> None:
    read, _ = Lexicon.read([write("words.txt", "北京\n")])
    assert (read.frequency("北京"), read.frequency("上海")) == (0, 0)
    assert "北京" in read
    assert "上海" not in read


def test_read_names_file_and_line_of_a_frequency_that_is_no_number(write: Write) -> None:
    path = write("words.txt", "北京\t3\n上海\tns\n")
    with pytest.raises(DataError, match=rf"{path}:2: expected .*frequency.*上海"):
        Lexicon.read([path])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_read_unpacks_what_is_packed(write: Write, pack: Callable[[bytes], bytes]) -> None:
    path = write("words", pack("\ufeff北京\t3\r\n上海\n".encode()))
    read, counts = Lexicon.read([path])
    assert (len(read), read.frequency("北京"), counts) == (2, 3, {"with a byte order mark": 1})


def test_read_names_a_packed_file_that_is_cut_off(write: Write) -> None:
    path = write("words.gz", gzip.compress("".join(f"词语{n}\n" for n in range(999)).encode())[:-30])
    with pytest.raises(DataError, match=rf"{path}: is packed by gzip and damaged or cut off"):
        Lexicon.read([path])


@pytest.mark.parametrize("name", ["words.txt", "words.gz"])
def test_read_names_file_and_line_of_what_is_not_utf8(write: Write, name: str) -> None:
    content = "北京\n".encode() + "上海".encode("gb18030") + b"\n"
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(DataError, match=rf"{path}:2: expected UTF-8"):
        Lexicon.read([path])


@pytest.mark.parametrize("content", ["", "\ufeff", "\n\n京\n"])
def test_an_empty_lexicon_is_an_error_that_names_the_file(write: Write, content: str) -> None:
    path = write("words.txt", content)
    with pytest.raises(DataError, match=rf"{path}: no word of 2 to 8 characters"):
        Lexicon.read([path])


def test_the_error_of_an_empty_lexicon_says_what_was_left_out(write: Write) -> None:
    with pytest.raises(DataError, match="2 blank, 1 too short"):
        Lexicon.read([write("words.txt", "\n\n京\n")])


def test_read_says_that_a_directory_is_no_lexicon(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a directory; expected a file with a word a line"):
        Lexicon.read([tmp_path])


def test_white_space_inside_a_chinese_form_is_taken_out(write: Write) -> None:
    read, counts = Lexicon.read([write("words.txt", "阿里 巴巴\n")])
    assert places(read.matches("在阿里巴巴")) == [(1, 5)]
    assert counts == {"with white space inside": 1}


def test_a_number_after_a_space_is_no_frequency_of_a_form_that_is_not_wholly_chinese(write: Write) -> None:
    read, _ = Lexicon.read([write("words.txt", "北京 34488 ns\n\nWindows 10\n")], max_length=20)
    assert list(read.forms) == ["北京", "Windows10"]


def test_whether_spaces_part_frequencies_is_decided_for_each_file(write: Write) -> None:
    read, _ = Lexicon.read([write("a.txt", "北京 3\n"), write("b.txt", "波音 747\n南京\n")])
    assert {form: read.frequency(form) for form in read.forms} == {"北京": 3, "波音747": 0, "南京": 0}


@pytest.mark.parametrize("separator", ["", " "])
def test_names_have_no_frequencies(write: Write, separator: str) -> None:
    path = write("names.txt", "波音 747\n北京\t50\n")
    read, _ = Lexicon.read([path], separator=separator, frequencies=False)
    assert list(read.forms) == ["波音 747", "北京 50"]


def test_a_frequency_without_a_word_is_a_blank_line(write: Write) -> None:
    read, counts = Lexicon.read([write("words.txt", "\t50\n北京\t3\n \t7\n")], min_length=1)
    assert (list(read.forms), counts) == (["北京"], {"blank": 2})


def test_between_words_a_number_after_a_space_is_part_of_the_form(write: Write) -> None:
    read, _ = Lexicon.read([write("words.txt", "Apollo 11\t4\n")], max_length=20, separator=" ")
    assert read.matches(["on", "Apollo", "11"]) == [Match(1, 3, "Apollo 11")]


def test_forms_that_folding_makes_equal_are_duplicates(write: Write) -> None:
    read, counts = Lexicon.read([write("words.txt", "IBM\t2\nibm\t5\n")], fold_case=True)
    assert (len(read), read.frequency("Ibm"), counts) == (1, 5, {"duplicate": 1})


# Matching


def test_matches_overlapping_and_nested_forms_in_order() -> None:
    bridge = lexicon("南京", "南京市", "市长", "长江", "长江大桥", "大桥")
    found = [(match.start, match.end, match.form) for match in bridge.matches("南京市长江大桥")]
    assert found == [
        (0, 2, "南京"),
        (0, 3, "南京市"),
        (2, 4, "市长"),
        (3, 5, "长江"),
        (3, 7, "长江大桥"),
        (5, 7, "大桥"),
    ]


@given(
    forms=st.sets(st.text("中国人ab\U0001f600", min_size=1, max_size=4), max_size=8),
    words=st.lists(st.text("中国人ab\U0001f600", max_size=3), max_size=12),
    separator=st.sampled_from(["", " "]),
)
def test_matches_are_those_of_trying_every_stretch_of_words(forms: set[str], words: list[str], separator: str) -> None:
    expected = {
        (start, end)
        for start in range(len(words))
        for end in range(start + 1, len(words) + 1)
        # A stretch that begins or ends with an empty word is the same stretch without it.
        if words[start] and words[end - 1] and separator.join(words[start:end]) in forms
    }
    found = places(lexicon(*forms, separator=separator).matches(words))
    assert found == sorted(expected)


def test_a_form_inside_a_word_of_several_characters_is_no_match() -> None:
    assert lexicon("BM", "20", "M公").matches(["I", "BM公", "2020", "年"]) == []


def test_a_single_word_of_several_characters_matches() -> None:
    assert lexicon("IBM").matches(["在", "IBM", "工", "作"]) == [Match(1, 2, "IBM")]


@pytest.mark.parametrize("before", ["\U0001f600", "２", "\ud83d", "\ud83d\ude00", "\U00020000"])
def test_characters_of_any_width_do_not_shift_what_follows(before: str) -> None:
    words = ["我", *before, "北", "京"]
    assert places(lexicon("北京").matches(words)) == [(len(words) - 2, len(words))]


def test_the_form_of_a_match_is_what_the_sentence_has() -> None:
    words = ["\ud83d", "e\u0301", "B"]
    assert lexicon("éb", fold_case=True).matches(words) == [Match(1, 3, "e\u0301B")]


def test_a_surrogate_matches_nothing() -> None:
    assert lexicon("?", "中").matches(["\ud83d", "中"]) == [Match(1, 2, "中")]


def test_a_decomposed_word_matches_its_composed_form() -> None:
    assert places(lexicon("café").matches(["un", "cafe\u0301"])) == [(1, 2)]


@pytest.mark.parametrize(("fold_case", "expected"), [(False, []), (True, [(0, 2)])])
def test_case_matters_unless_it_is_folded(fold_case: bool, expected: list[tuple[int, int]]) -> None:
    assert places(lexicon("new york", separator=" ", fold_case=fold_case).matches(["New", "York"])) == expected


def test_folding_that_lengthens_a_word_does_not_shift_what_follows() -> None:
    assert places(lexicon("bonn", fold_case=True).matches(["ẞẞ", "BONN"])) == [(1, 2)]


@pytest.mark.parametrize("words", [[], [""], ["", ""]])
def test_a_sentence_without_characters_has_no_match(words: list[str]) -> None:
    assert lexicon("北京").matches(words) == []


def test_a_lexicon_of_nothing_matches_nothing() -> None:
    assert Lexicon({}).matches("北京") == []


def test_all_of_sixty_forms_over_one_character_are_found() -> None:
    text = "".join(chr(0x4E00 + n) for n in range(21))
    forms = {text[start:end]: 0 for start in range(11) for end in range(11, 22)}
    assert len(Lexicon(forms).matches(text)) == 121


def test_an_empty_form_is_refused() -> None:
    with pytest.raises(ValueError, match="empty form"):
        lexicon("")


# Saving


def test_a_saved_lexicon_loads_as_it_was(tmp_path: Path) -> None:
    saved = Lexicon({"New York": 3, "Paris": 0}, separator=" ", fold_case=True)
    saved.save(tmp_path)
    loaded = Lexicon.load(tmp_path)
    assert loaded._frequencies == saved._frequencies
    assert places(loaded.matches(["new", "york"])) == [(0, 2)]


@pytest.mark.parametrize("damage", ["truncated", "changed", "no header", "emptied", "not text"])
def test_load_refuses_a_damaged_file_by_name(tmp_path: Path, damage: str) -> None:
    Lexicon({f"词语{n}": n for n in range(50)}).save(tmp_path)
    path = tmp_path / "lexicon.txt"
    whole = path.read_bytes()
    path.write_bytes(
        {
            "truncated": whole[:-9],
            "changed": whole.replace(b"\t7\n", b"\t8\n"),
            "no header": whole.partition(b"\n")[2],
            "emptied": b"",
            "not text": b"\xff" + whole,
        }[damage]
    )
    with pytest.raises(RunError, match=rf"{path}: .*damaged"):
        Lexicon.load(tmp_path)


@pytest.mark.parametrize("body", ["北京\tabc\n", "北京\n\n", "\t3\n"])
def test_load_refuses_a_strange_line_also_where_the_checksum_is_right(tmp_path: Path, body: str) -> None:
    about = {"format": 1, "separator": "", "fold_case": False, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    (tmp_path / "lexicon.txt").write_text(f"# ner-distill lexicon {json.dumps(about)}\n{body}", encoding="utf-8")
    with pytest.raises(RunError, match=r"lexicon\.txt: .*damaged"):
        Lexicon.load(tmp_path)


def test_load_names_the_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"lexicon\.txt: not found"):
        Lexicon.load(tmp_path)


def test_load_refuses_a_later_format(tmp_path: Path) -> None:
    lexicon("北京").save(tmp_path)
    path = tmp_path / "lexicon.txt"
    path.write_text(path.read_text("utf-8").replace('"format": 1', '"format": 2'), encoding="utf-8")
    with pytest.raises(RunError, match="has format 2, this version reads 1"):
        Lexicon.load(tmp_path)


# Real data


def test_the_big_word_list_loses_only_its_long_words(data_dir: Path) -> None:
    path = data_dir / "lexicon" / "zh_words.txt"
    lines = path.read_text("utf-8").splitlines()
    read, counts = Lexicon.read([path])
    assert counts == {"too long": sum(len(line) > 8 for line in lines)}
    sample = random.Random(0).sample([line for line in lines if len(line) <= 8], 100)
    assert all((0, len(form)) in places(read.matches(form)) for form in sample)
