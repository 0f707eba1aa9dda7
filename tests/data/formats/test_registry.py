"""The thinnest file format: a function that gives rows, and an entry in the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ner_distill.data.formats.lines import Beginning, lines_of
from ner_distill.data.formats.readers import count_sentences, read_corpus, read_raw
from ner_distill.data.formats.registry import FORMATS, FileFormat
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.sentence import Span
from ner_distill.options.shared import FORMATS as IN_THE_HELP


def is_slashed(beginning: Beginning) -> bool:
    return beginning.suffix == ".slashed"


def slashed_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """`Ana/B-PER sings/O` a line."""
    for number, line in lines_of(path):
        words, tags = zip(*(word.rsplit("/", 1) for word in line.split()), strict=True)
        yield Row(path, number, words=words, tags=None if options.bare_words else tags)


@pytest.fixture
def slashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(FORMATS, "slashed", FileFormat(is_slashed, slashed_rows))
    path = tmp_path / "train.slashed"
    path.write_text("Ana/B-PER López/I-PER sings/O\nin/O Oslo/B-LOC\n", "utf-8")
    return path


def test_a_format_is_read_where_the_table_names_it(slashed: Path) -> None:
    corpus = read_corpus([slashed])
    assert [sentence.words for sentence in corpus.sentences] == [("Ana", "López", "sings"), ("in", "Oslo")]
    assert [sentence.spans for sentence in corpus.sentences] == [(Span(0, 2, "PER"),), (Span(1, 2, "LOC"),)]
    assert [file.format for file in corpus.report.files] == ["slashed"]
    assert [sentence.spans for sentence in read_raw([slashed], unit="word")] == [None, None]
    assert count_sentences([slashed], format="slashed") == 2


def test_every_format_is_in_the_help() -> None:
    assert set(IN_THE_HELP.split(", ")) == FORMATS.keys() - {"hf"}
