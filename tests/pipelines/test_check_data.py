"""What `check-data` finds, counted by hand."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ner_distill.data.noise.suspicious import Conflict, Twin
from ner_distill.options.models import CheckDataOptions
from ner_distill.pipelines.check_data import DataReport, FileCheck, Shared, check_data, quantiles
from ner_distill.views.check_data import render
from tests.commands import run

# Sentences are separated by `/`; `Rome:LOC` is an entity of one word.
TRAIN = "Rome:LOC wins / Rome:LOC wins / Rome:ORG plays Paris:LOC / in Rome and Rome / (:MISC Paris:LOC / none here"
DEV = "Rome:LOC wins / Milan:CLUB"


def conll(text: str) -> str:
    words = (word.partition(":") for word in text.split())
    return "".join("\n" if word == "/" else f"{word} {f'B-{label}' if label else 'O'}\n" for word, _, label in words)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    for name, text in (("train.conll", TRAIN), ("dev.conll", DEV)):
        (tmp_path / name).write_text(conll(text), "utf-8")
    return [tmp_path / "train.conll", tmp_path / "dev.conll"]


@pytest.fixture
def report(paths: list[Path]) -> DataReport:
    return check(paths)


@pytest.fixture
def train(report: DataReport) -> FileCheck:
    return report.files[0]


def check(files: list[Path], **options: Any) -> DataReport:
    return check_data(CheckDataOptions(files=files, **options))


def shown(report: DataReport, width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(render(report))
    return out.getvalue()


def test_sentences_words_and_entities_are_counted(train: FileCheck) -> None:
    assert (train.sentences, train.words, train.empty) == (6, 15, 2)
    assert train.entities == {"LOC": 4, "ORG": 1, "MISC": 1}


def test_words_outside_are_a_fraction_of_all(train: FileCheck) -> None:
    assert train.outside == pytest.approx(9 / 15)


def test_repeated_sentences_are_counted_in_a_file_and_between_files(report: DataReport, paths: list[Path]) -> None:
    assert [file.duplicates for file in report.files] == [1, 0]
    twin = Twin("Rome wins", "train.conll:1", "dev.conll:1")
    assert report.shared == (Shared(str(paths[0]), str(paths[1]), 1, (twin,)),)
    assert report.files[0].repeated == (Twin("Rome wins", "train.conll:1", "train.conll:4"),)


def test_types_that_the_first_file_does_not_have_are_named(report: DataReport) -> None:
    assert [file.absent_labels for file in report.files] == [(), ("CLUB",)]


def test_surface_with_several_labels_is_a_conflict(report: DataReport) -> None:
    assert report.conflicts == (Conflict("Rome", {"LOC": 3, "ORG": 1}, "ORG", "train.conll:7"),)


def test_surface_that_is_an_entity_here_and_none_there_is_found(report: DataReport) -> None:
    assert report.missed == (Conflict("Rome", {"LOC": 3, "ORG": 1, "O": 2}, "ORG", "train.conll:7"),)


def test_entity_of_marks_alone_is_suspicious_and_placed(report: DataReport) -> None:
    (suspect,) = report.suspects
    assert (suspect.place, suspect.label, suspect.surface) == ("train.conll:16", "MISC", "(")


@pytest.mark.parametrize(
    ("entity", "reason"),
    [
        ("Rome ,", "ends with a punctuation mark"),
        ("《 红", "begins with a punctuation mark"),
        ("《 红 》", None),
        ("Bayern ( Munich )", None),
        ("U.S.", None),
        ("a b c d e f g h i", "is longer than 8 words"),
    ],
)
def test_borders_and_length_of_entities_are_judged(entity: str, reason: str | None, tmp_path: Path) -> None:
    tags = "".join(f"{word} {'I' if place else 'B'}-X\n" for place, word in enumerate(entity.split()))
    # so many short entities that the long one does not set the limit
    (tmp_path / "a.conll").write_text(tags + "\n" + "Rome B-X\n" * 40, "utf-8")
    assert check([tmp_path / "a.conll"]).suspect_counts == ({reason: 1} if reason else {})


def test_overlapping_entities_are_counted_in_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("右肺结核|||0 3 dis|||0 1 bod|||2 3 dis|||\n", "utf-8")
    assert check([tmp_path / "a.txt"]).files[0].overlapping == 2


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([], (0, 0, 0, 0)), ([7], (7, 7, 7, 7)), (list(range(1, 101)), (50, 90, 99, 100)), ([3, 1], (1, 3, 3, 3))],
)
def test_quantiles_are_lengths_that_occur(lengths: list[int], expected: tuple[int, ...]) -> None:
    assert quantiles(lengths) == expected


def test_rendering_says_what_was_found(report: DataReport) -> None:
    text = shown(report)
    for line in (
        "4 (66.7%)",
        "train.conll and dev.conll share 1 sentence: ",
        "train.conll:1 and dev.conll:1: Rome wins",
        "dev.conll: types that train.conll does not have: CLUB",
        "Rome: LOC 3, ORG 1, O 2 (ORG: train.conll:7)",
        "train.conll:16: MISC '('",
    ):
        assert line in text


def test_rendering_places_invalid_tags(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("x B-A\ny O\nz B-A\nw I-B\n", "utf-8")
    assert "a.conll:4: 'I-B' follows 'B-A': not valid iob2" in shown(check([tmp_path / "a.conll"]))


def test_rendering_takes_data_neither_as_markup_nor_as_control_codes(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("\x1b[31m B-[bold]A\n\x1b[31m B-B\n", "utf-8")
    text = shown(check([tmp_path / "a.conll"]))
    assert "[bold]A" in text
    assert "\x1b" not in text


def row(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.split("  ")[0].strip() == name or f" {name}  " in line]
    return line.strip().removeprefix(name).split()


def test_rendering_says_what_files_were_read_as(report: DataReport) -> None:
    assert row(shown(report), "read as") == ["conll,", "iob2", "conll,", "iob2"]
    assert row(shown(report), "unit") == ["word", "word"]


def test_figures_of_three_large_files_are_whole_in_80_columns(report: DataReport) -> None:
    entities = {"ORGANISATION": 1_234_567, "LOC": 7_654_321}
    large = replace(
        report.files[0], sentences=2_345_678, words=98_765_432, empty=1_111_111, entities=entities, samples=()
    )
    files = tuple(
        replace(large, name=f"a-rather-long-name-of-a-file-{part}.conll") for part in ("train", "dev", "test")
    )
    text = shown(replace(report, files=files, shared=()), 80)
    assert max(map(len, text.splitlines())) <= 80
    for figure in ("2,345,678", "98,765,432", "1,111,111", "1,234,567 (13.9%)", "7,654,321 (86.1%)"):
        assert text.count(figure) == 3, figure


def test_fourth_file_is_shown_below_the_first_three(report: DataReport) -> None:
    files = tuple(replace(report.files[0], name=f"{part}.conll") for part in "abcd")
    lines = [line.split() for line in shown(replace(report, files=files, shared=()), 80).splitlines()]
    assert ["file", "a.conll", "b.conll", "c.conll"] in lines
    assert ["file", "d.conll"] in lines


def test_three_sentences_are_shown_as_they_were_understood(report: DataReport) -> None:
    lines = shown(report, 80).splitlines()
    at = lines.index("train.conll, as it was understood:")
    assert lines[at + 1 : at + 4] == ["  [LOC Rome] wins", "  [LOC Rome] wins", "  [ORG Rome] plays [LOC Paris]"]


def test_sentences_with_an_entity_are_shown_first_and_long_ones_cut(tmp_path: Path) -> None:
    words = " ".join(["und"] * 60)
    (tmp_path / "a.conll").write_text(conll(f"none here / Rome:LOC {words} Paris:LOC"), "utf-8")
    text = shown(check([tmp_path / "a.conll"]), 80)
    lines = text[text.index("a.conll, as") :].splitlines()[1:6]
    assert lines[0].startswith("  [LOC Rome] und und")
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == "[LOC Rome] " + "und " * 39 + "… none here"


def test_columns_and_nested_entities_are_shown_as_understood(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(
        "1\tUni\tB-ORG\tO\n2\tBonn\tI-ORG\tB-LOC\n3\tin\tO\tO\n4\tBonn\tB-LOC\tO\n", "utf-8"
    )
    text = shown(check([tmp_path / "a.tsv"]), 80)
    assert row(text, "columns") == ["word", "1,", "tag", "2,", "3"]
    assert "  [ORG Uni [LOC Bonn]] in [LOC Bonn]\n" in text
    assert "--word-column and --tag-column say otherwise" in " ".join(text.split())


def test_file_without_labels_has_no_figures_of_entities(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("Rome wins again\n", "utf-8")
    text = shown(check([paths[0], tmp_path / "raw.txt"]))
    assert row(text, "without entity") == ["2", "-"]
    assert row(text, "words outside") == ["60.0%", "-"]
    assert row(text, "LOC") == ["4", "(66.7%)", "-"]
    assert "raw.txt: 1 sentence without labels" in text


def test_file_whose_labels_are_all_outside_is_said(tmp_path: Path) -> None:
    (tmp_path / "dev.conll").write_text("It O\nrains O\n")
    assert "dev.conll: no entity in any sentence" in shown(check([tmp_path / "dev.conll"]))


def test_places_are_file_and_id_where_the_file_gives_ids(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "n7", "words": ["("], "tags": ["B-X"]}\n', "utf-8")
    assert check([tmp_path / "a.jsonl"]).suspects[0].place == "a.jsonl, id n7"


def test_places_in_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "x.conll").write_text("Rome B-LOC\nwins O\n", "utf-8")
    ((twin,),) = [pair.longest for pair in check([tmp_path / "a/x.conll", tmp_path / "b/x.conll"]).shared]
    assert (twin.place, twin.other) == (f"{tmp_path}/a/x.conll:1", f"{tmp_path}/b/x.conll:1")


def test_longest_three_shared_sentences_are_given(tmp_path: Path) -> None:
    text = " / ".join(" ".join(["ha"] * length) for length in (2, 5, 1, 4, 3))
    for name in ("a.conll", "b.conll"):
        (tmp_path / name).write_text(conll(text), "utf-8")
    (pair,) = check([tmp_path / "a.conll", tmp_path / "b.conll"]).shared
    assert pair.count == 5
    assert [len(twin.text.split()) for twin in pair.longest] == [5, 4, 3]


def test_long_entities_of_chinese_text_are_counted_in_characters(tmp_path: Path) -> None:
    rows = ["北京|||0 1 loc|||"] * 40 + ["中华人民共和国国务院|||0 9 org|||"]
    (tmp_path / "a.txt").write_text("\n".join(rows) + "\n", "utf-8")
    assert check([tmp_path / "a.txt"]).suspect_counts == {"is longer than 8 characters": 1}


def test_strict_check_tells_everything_and_exits_with_one(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("x B-A\ny O\nz B-A\nw I-B\n\nv I-C\n", "utf-8")
    assert run("check-data", tmp_path / "a.conll").code == 0
    done = run("check-data", tmp_path / "a.conll", "--strict")
    assert done.code == 1
    assert "a.conll:4" in done.out
    assert "a.conll:6" in done.out


def test_the_files_of_a_folder_and_of_a_pattern_are_each_looked_at(tmp_path: Path) -> None:
    for name in ("a.conll", "b.conll"):
        (tmp_path / name).write_text(conll("Rome:LOC wins"), "utf-8")
    for given in (tmp_path, tmp_path / "*.conll"):
        report = check([given])
        assert [file.name for file in report.files] == ["a.conll", "b.conll"]
        assert len(report.shared) == 1
    (tmp_path / "b.conll").write_text(conll("Rome:ORG wins here"), "utf-8")
    assert not check([tmp_path]).problems  # one data set: a file need not have all types
    assert check([tmp_path / "a.conll", tmp_path / "b.conll"]).problems
    assert "reads 2 files: a.conll, b.conll" in run("check-data", tmp_path).err


@pytest.mark.parametrize(
    ("train", "dev", "expected"),
    [
        ("Rome:LOC wins", "Paris:LOC wins", False),
        ("Rome:LOC wins", "Rome:LOC wins", True),
        ("Rome:LOC wins", "Paris:ORG wins", True),
    ],
)
def test_problems_are_shared_sentences_and_types_of_one_file(
    train: str, dev: str, expected: bool, tmp_path: Path
) -> None:
    for name, text in (("a.conll", train), ("b.conll", dev)):
        (tmp_path / name).write_text(conll(text), "utf-8")
    assert check([tmp_path / "a.conll", tmp_path / "b.conll"]).problems is expected
