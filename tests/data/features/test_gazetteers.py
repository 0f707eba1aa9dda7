"""Gazetteer features: which known-entity lists a word lies in."""

from __future__ import annotations

import pytest
import torch

from ner_distill.data.features.gazetteers import Gazetteers
from ner_distill.errors import DataError, RunError


@pytest.fixture
def gazetteers(write) -> Gazetteers:
    place = write("place.txt", "New York\nNew York City\nYork\nWashington\n")
    person = write("person.txt", "Washington\nGeorge Washington\n")
    return Gazetteers.read({"LOC": [place], "PER": [person]}, " ")[0]


def test_the_longest_entry_of_each_type_is_marked_b_and_i(gazetteers):
    marks = gazetteers.features(["in", "New", "York", "City", "York"])
    assert marks[:, :2].astype(int).tolist() == [[0, 0], [1, 0], [0, 1], [0, 1], [1, 0]]


def test_a_word_of_two_lists_is_marked_in_both(gazetteers):
    marks = gazetteers.features(["George", "Washington"])
    assert marks.astype(int).tolist() == [[0, 0, 1, 0], [1, 0, 0, 1]]


def test_entries_match_whole_words_only(gazetteers):
    assert not gazetteers.features(["Yorkshire", "New", "Yorker"]).any()


def test_in_chinese_text_entries_are_found_character_by_character(write):
    path = write("place.txt", "南京\n南京市\n")
    marks = Gazetteers.read({"LOC": [path]}, "")[0].features(list("在南京市"))
    assert marks.astype(int).tolist() == [[0, 0], [1, 0], [0, 1], [0, 1]]


@pytest.mark.parametrize(("separator", "words"), [("", ["波", "音", "7", "4", "7"]), (" ", ["波音", "747"])])
def test_an_entry_may_end_in_a_number(write, separator, words):
    gazetteers, _ = Gazetteers.read({"X": [write("planes.txt", "波音 747\n")]}, separator)
    assert gazetteers.features(words).tolist() == [[True, False], *[[False, True]] * (len(words) - 1)]


def test_the_lists_of_a_type_are_one(write):
    files = [write("a.txt", "York\n"), write("b.txt", "Kiev\nYork\n")]
    gazetteers, counts = Gazetteers.read({"LOC": files}, " ")
    assert gazetteers.features(["Kiev", "York"])[:, 0].all()
    assert counts == {"LOC": {"entries": 2, "duplicate": 1}}


def test_what_was_cleaned_is_counted_for_each_type(write):
    long = write("place.txt", "York\n\n" + "York " * 30 + "\n")
    _, counts = Gazetteers.read({"LOC": [long], "PER": [write("person.txt", "Anna\n")]}, " ")
    assert counts == {"LOC": {"entries": 1, "blank": 1, "too long": 1}, "PER": {"entries": 1}}


def test_padding_and_empty_sentences_have_no_marks(gazetteers):
    batch = [gazetteers.features([]), gazetteers.features(["York"])]
    marks = gazetteers.collate(batch, 2)["gazetteers_marks"]
    assert marks.dtype == torch.float32
    assert marks.tolist() == [[[0] * 4, [0] * 4], [[1, 0, 0, 0], [0] * 4]]


def test_a_missing_list_names_the_file_and_the_type(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt: no such file.*\(the gazetteer of the type LOC\)"):
        Gazetteers.read({"LOC": [tmp_path / "nowhere.txt"]}, " ")


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_list_names_the_file_and_the_type(write, content):
    path = write("empty.txt", content)
    with pytest.raises(DataError, match=r"empty\.txt: .*\(the gazetteer of the type LOC\)"):
        Gazetteers.read({"LOC": [path]}, " ")


def test_loaded_gazetteers_mark_the_same_without_the_original_files(gazetteers, tmp_path, write):
    run = tmp_path / "run"
    run.mkdir()
    gazetteers.save(run)
    write("place.txt", "")
    write("person.txt", "")
    again = Gazetteers.load(run)
    sentence = ["George", "Washington", "in", "New", "York"]
    assert list(again.lexicons) == ["LOC", "PER"]
    assert again.features(sentence).tolist() == gazetteers.features(sentence).tolist()


def test_a_type_may_have_a_name_that_no_file_can_have(write, tmp_path):
    Gazetteers.read({"a/b": [write("a.txt", "York\n")]}, " ")[0].save(tmp_path)
    assert list(Gazetteers.load(tmp_path).lexicons) == ["a/b"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "not found"),
        ("{", "cannot be read as JSON"),
        (b"\xff", "cannot be read as JSON"),
        ("{}", "expected a list of types"),
        ('["LOC", "LOC"]', "expected different types"),
    ],
)
def test_a_damaged_run_names_the_file(tmp_path, write, content, problem):
    if content is not None:
        write("gazetteers.json", content)
    with pytest.raises(RunError, match=rf"gazetteers\.json: {problem}"):
        Gazetteers.load(tmp_path)


def test_a_directory_in_place_of_the_types_is_named(tmp_path):
    (tmp_path / "gazetteers.json").mkdir()
    with pytest.raises(RunError, match=r"gazetteers\.json: cannot be read"):
        Gazetteers.load(tmp_path)
