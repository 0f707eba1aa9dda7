"""CMeEE and CCF 2020 → sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]


def test_cmeee_ends_are_inclusive_and_entities_nest(write: Write) -> None:
    path = write("train.txt", "右肺结核。|||0    3    dis|||0    1    bod|||\r\n没有|||\r\n")
    corpus = read_corpus([path])
    assert [one.spans for one in corpus.sentences] == [(Span(0, 2, "bod"), Span(0, 4, "dis")), ()]
    assert [one.text for one in corpus.sentences] == ["右肺结核。", "没有"]


def test_cmeee_entity_of_another_form_is_an_error_at_its_line(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.txt:2: expected `start    end    type` between \|\|\|, found '1 dis'"):
        read_corpus([write("a.txt", "肺|||0 0 bod|||\n肺病|||1 dis|||\n")])


def test_ccf2020_document_is_a_sentence_with_white_space_inside(ccf2020: Path) -> None:
    corpus = read_corpus([ccf2020])
    assert [(one.id, one.words, one.spans) for one in corpus.sentences] == [
        ("2", tuple("周思平"), (Span(0, 3, "name"),)),
        ("10", tuple("他\t在香港\n工作"), (Span(3, 5, "address"),)),
    ]


def test_ccf2020_finding_names_file_and_line_of_the_table(ccf2020: Path) -> None:
    (place,) = read_corpus([ccf2020]).report.places["out_of_range"]
    assert place.startswith(f"{ccf2020 / 'label' / '10.csv'}:3: x with start=0, end=10 (exclusive)")


def test_ccf2020_table_without_text_is_an_error(ccf2020: Path) -> None:
    (ccf2020 / "data" / "2.txt").unlink()
    with pytest.raises(DataError, match=r"2\.csv: has no text; expected .*2\.txt"):
        read_corpus([ccf2020])
