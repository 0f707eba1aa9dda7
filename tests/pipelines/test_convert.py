"""`convert`: from files in any format to one in another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ner_distill.data.formats.readers import read_corpus
from tests.commands import ok, run

COLUMNS = "Ana B-PER\nlives O\nin O\nOslo B-LOC\n\nIt O\nrains O\n"
RECORDS = (
    '{"id": "n", "text": "University of Oslo", "lang": "en", "entities": '
    '[{"start": 0, "end": 18, "label": "ORG"}, {"start": 14, "end": 18, "label": "LOC"}]}\n'
    '{"id": "u", "text": "nobody"}\n'
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "a.conll").write_text(COLUMNS, encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(RECORDS, encoding="utf-8")
    return tmp_path / "a.conll", tmp_path / "b.jsonl"


def test_files_of_several_formats_become_one_with_a_line_for_each_loss(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    done = ok("convert", *files, tmp_path / "out.conll")
    assert done.out == f"{tmp_path / 'out.conll'}: 3 sentences, 3 entities (conll)\n"
    assert [line.partition(": ")[2].partition(":")[0] for line in done.err.splitlines()] == [
        "1 entity inside or across a longer one",
        "1 sentence that nobody labelled",
        "1 sentence with a language",
        "1 sentence with a text",
        "1 sentence with an id",
    ]
    assert "the first in n; --format jsonl holds everything" in done.err
    columns = COLUMNS + "\nUniversity B-ORG\nof I-ORG\nOslo I-ORG\n\n"
    assert (tmp_path / "out.conll").read_text("utf-8") == columns


def test_json_lines_lose_nothing(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = ok("convert", *files, tmp_path / "out", "--format", "jsonl")
    assert (done.err, done.out) == ("", f"{tmp_path / 'out'}: 4 sentences, 4 entities (jsonl)\n")
    assert read_corpus([tmp_path / "out"]).sentences == read_corpus(files).sentences


def test_the_format_of_the_files_read_may_be_said_as_well(files: tuple[Path, Path], tmp_path: Path) -> None:
    ok("convert", files[0], tmp_path / "out.json", "--input-format", "conll", "--scheme", "iob2")
    assert len(json.loads((tmp_path / "out.json").read_text("utf-8"))) == 2


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["a.conll"], "a.conll: expected the files to read, and behind them the one to write"),
        (["a.conll", "b.jsonl"], "b.jsonl: exists already; choose another name, or pass --overwrite"),
        (["a.conll", "b.jsonl", "b.jsonl", "--overwrite"], "b.jsonl: is read and written"),
        (["in/a.ann", "in/", "--overwrite"], "in/: is to be written, and a.txt in it is read"),
        (["*.jsonl", "u.jsonl", "--overwrite"], "u.jsonl: is read and written"),
        (["a.conll", "c.xml"], "c.xml: its name does not say which format; give --format, one of jsonl, conll"),
        (["a.conll", "c.jsonl", "--format", "xml"], "--format: expected jsonl, conll, csv, label-studio"),
        (["u.jsonl", "c.conll"], "u.jsonl: none of the 1 sentences is labelled, and conll holds labelled ones alone"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_changed(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("u.jsonl").write_text('{"text": "nobody"}\n')
    Path("in").mkdir()
    for name in ("a.txt", "a.ann", "b.txt"):
        Path("in", name).write_text("")
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    done = run("convert", *names)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {error}")
    assert {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()} == before
