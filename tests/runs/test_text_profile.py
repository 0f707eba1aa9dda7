from pathlib import Path

import pytest

from ner_distill.errors import RunError
from ner_distill.files import read_json, write_json
from ner_distill.runs.text_profile import FILE, SENTENCES, profile_of, read_profile, write_profile


def test_all_runs_of_one_to_three_characters_count() -> None:
    # "ab c": 4 of one character, 3 of two, 2 of three
    assert profile_of([("ab", "c")], "word").sum() == 9
    assert profile_of([("a", "b", "c")], "character").sum() == 6


def test_texts_of_the_same_words_have_the_same_profile_and_others_another() -> None:
    first = profile_of([("El", "Banco"), ("cerró",)], "word")
    assert (first == profile_of([("cerró",), ("El", "Banco")], "word")).all()
    assert (first != profile_of([("El", "Banco"), ("abrió",)], "word")).any()


def test_a_run_keeps_its_profile(tmp_path: Path) -> None:
    sentences = [("Ann", "left"), ("It", "rains")]
    write_profile(tmp_path, sentences, "word")
    assert (read_profile(tmp_path) == profile_of(sentences, "word")).all()


def test_of_a_long_text_sentences_all_over_it_are_looked_at(tmp_path: Path) -> None:
    write_profile(tmp_path, [("a",)] * SENTENCES + [("b",)] * SENTENCES, "word")
    assert sorted(read_profile(tmp_path).tolist())[-2:] == [SENTENCES // 2] * 2


def test_a_run_of_before_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"not found; .*earlier version. Give labelled .*RUN=WEIGHT\), or train it again"
    ):
        read_profile(tmp_path)


@pytest.mark.parametrize("counts", ["1 2 3", "-1 " * 4096, "1e9 " * 4096, 7])
def test_a_damaged_profile_is_refused(tmp_path: Path, counts: object) -> None:
    write_profile(tmp_path, [("a",)], "word")
    write_json(tmp_path / FILE, {**read_json(tmp_path / FILE, ""), "counts": counts})
    with pytest.raises(RunError, match="expected ner-distill/text-profile/1 with 4096 counts; the run is damaged"):
        read_profile(tmp_path)
