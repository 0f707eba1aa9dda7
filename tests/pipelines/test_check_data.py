"""What `check-data` finds, counted by hand."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from ner_distill.pipelines.check_data import Conflict, DataReport, FileCheck, check_data, quantiles, render

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
    return check_data(paths)


@pytest.fixture
def train(report: DataReport) -> FileCheck:
    return report.files[0]


def shown(report: DataReport) -> str:
    out = io.StringIO()
    Console(file=out, width=200, color_system=None).print(render(report))
    return out.getvalue()


def test_sentences_words_and_entities_are_counted(train: FileCheck) -> None:
    assert (train.sentences, train.words, train.empty) == (6, 15, 2)
    assert train.entities == {"LOC": 4, "ORG": 1, "MISC": 1}


def test_words_outside_are_a_fraction_of_all(train: FileCheck) -> None:
    assert train.outside == pytest.approx(9 / 15)


def test_repeated_sentences_are_counted_in_a_file_and_between_files(report: DataReport, paths: list[Path]) -> None:
    assert [file.duplicates for file in report.files] == [1, 0]
    assert report.shared == ((str(paths[0]), str(paths[1]), 1),)


def test_types_that_the_first_file_does_not_have_are_named(report: DataReport) -> None:
    assert [file.absent_labels for file in report.files] == [(), ("CLUB",)]


def test_surface_with_several_labels_is_a_conflict(report: DataReport) -> None:
    assert report.conflicts == (Conflict("Rome", {"LOC": 3, "ORG": 1}),)


def test_surface_that_is_an_entity_here_and_none_there_is_found(report: DataReport) -> None:
    assert report.missed == (Conflict("Rome", {"LOC": 3, "ORG": 1, "O": 2}),)


def test_entity_of_marks_alone_is_suspicious_and_placed(report: DataReport) -> None:
    (suspect,) = report.suspects
    assert (suspect.sentence, suspect.label, suspect.surface) == ("train.conll:16", "MISC", "(")


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
    assert check_data([tmp_path / "a.conll"]).suspect_counts == ({reason: 1} if reason else {})


def test_overlapping_entities_are_counted_in_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("右肺结核|||0 3 dis|||0 1 bod|||2 3 dis|||\n", "utf-8")
    assert check_data([tmp_path / "a.txt"]).files[0].overlapping == 2


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
        "1 different sentences stand in train.conll and in dev.conll",
        "dev.conll: types that train.conll does not have: CLUB",
        "Rome: LOC 3, ORG 1, O 2",
        "train.conll:16: MISC '('",
    ):
        assert line in text


def test_rendering_places_invalid_tags(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("x B-A\ny O\nz B-A\nw I-B\n", "utf-8")
    assert "a.conll:4: 'I-B' follows 'B-A': not valid iob2" in shown(check_data([tmp_path / "a.conll"]))


def test_rendering_takes_data_neither_as_markup_nor_as_control_codes(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("\x1b[31m B-[bold]A\n\x1b[31m B-B\n", "utf-8")
    text = shown(check_data([tmp_path / "a.conll"]))
    assert "[bold]A" in text
    assert "\x1b" not in text
