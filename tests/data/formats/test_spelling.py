"""How files spell their tags, against readings by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.spelling import spelling_of
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]
A, B = Span(1, 3, "PER"), Span(4, 5, "LOC")


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O B_PER I_PER O B_LOC", (A, B)),
        ("O PER-B PER-I O LOC-B", (A, B)),
        ("O PER_B PER_I O LOC_B", (A, B)),
        ("o b-per i-per o b-loc", (Span(1, 3, "per"), Span(4, 5, "loc"))),
        ("_ B-PER I-PER _ B-LOC", (A, B)),
        ("- B-PER I-PER - B-LOC", (A, B)),
        ("0 B-PER I-PER 0 B-LOC", (A, B)),
        ("OTHER B-PER I-PER OTHER B-LOC", (A, B)),
        ("O B-PER E-PER O W-LOC", (A, B)),
        ("O B-PER L-PER O W-LOC", (A, B)),
        ("O B-PER E-PER O U-LOC", (A, B)),
        ("O B I O B", (Span(1, 3, "ENTITY"), Span(4, 5, "ENTITY"))),
        ("O B L O U", (Span(1, 3, "ENTITY"), Span(4, 5, "ENTITY"))),
        ("O PER PER O LOC", (A, B)),
        ("_ PER PER _ LOC", (A, B)),
        ("O person-actor person-actor O place", (Span(1, 3, "person-actor"), Span(4, 5, "place"))),
        ("O PER PER PER LOC", (Span(1, 4, "PER"), B)),
    ],
)
def test_spelling_that_means_one_thing_is_read_and_said(tags: str, spans: tuple[Span, ...], write: Write) -> None:
    path = write("a.conll", "".join(f"w{at}\t{tag}\n" for at, tag in enumerate(tags.split())))
    corpus = read_corpus([path])
    assert corpus.sentences[0].spans == spans
    assert corpus.report.clean
    assert len(corpus.report.remarks) == 1


def test_empty_column_is_outside(write: Write) -> None:
    path = write("a.tsv", "Ann\tB-PER\nlives\t\nin\t\nOslo\tB-LOC\n")
    assert read_corpus([path]).sentences[0].spans == (Span(0, 1, "PER"), Span(3, 4, "LOC"))


@pytest.mark.parametrize(
    ("tags", "first"),
    [("O X-PER", "X-PER"), ("O _ B-PER", "_"), ("O B-PER I_PER", "I_PER"), ("O NN VB X", "NN"), ("_ _", "_"),
     ("O PER[1]", "PER[1]"), ("NN VB", "NN"), ("O B-PER PER", "PER")],
)  # fmt: skip
def test_spelling_that_means_nothing_certain_is_refused_by_name(tags: str, first: str, write: Write) -> None:
    path = write("a.conll", "".join(f"w{at} {tag}\n" for at, tag in enumerate(tags.split())))
    with pytest.raises(DataError) as error:
        read_corpus([path])
    assert f"tag {first!r} is of no scheme" in str(error.value)


def test_usual_tags_have_nothing_to_say() -> None:
    spelling = spelling_of(Counter(["O", "B-PER", "I-PER"]))
    assert spelling is not None
    assert (spelling.remark, spelling.scheme) == ("", None)


def test_tags_of_json_lines_are_spelled_so_too(write: Write) -> None:
    path = write("a.jsonl", '{"words": ["Ann", "sings"], "tags": ["PER", "O"]}\n')
    assert read_corpus([path]).sentences[0].spans == (Span(0, 1, "PER"),)


@pytest.mark.parametrize("tag", ["B-PER|B-ORG", "O|B-ORG", "B-PER|O", "I-PER|I-ORG|O"])
def test_several_tags_in_one_column_are_refused_with_their_place(tag: str, write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.tsv:2: .* are several tags; expected one a column"):
        read_corpus([write("a.tsv", f"Ann\tB-PER\nLee\t{tag}\nsings\tO\n")])


def test_a_bar_may_be_part_of_a_type(write: Write) -> None:
    path = write("a.conll", "Ann B-PER|X\nLee I-PER|X\n")
    assert read_corpus([path]).sentences[0].spans == (Span(0, 2, "PER|X"),)
