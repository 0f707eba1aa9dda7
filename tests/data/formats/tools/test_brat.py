"""brat's pairs of files and folders of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ner_distill.data.formats.readers import count_sentences, input_files, read_corpus, read_raw
from ner_distill.data.formats.registry import detect_format
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]

TEXT = "Ann Bell lives in Oslo.\nShe left Bonn.\n"
ANNOTATIONS = "T1\tPerson 0 8\tAnn Bell\nT2\tPlace 18 22\tOslo\nT3\tPlace 33 37\tBonn\n"
SPANS = (Span(0, 2, "Person"), Span(4, 5, "Place"), Span(8, 9, "Place"))


@pytest.fixture
def pair(write: Write) -> tuple[Path, Path]:
    return write("one/a.txt", TEXT), write("one/a.ann", ANNOTATIONS)


def read(annotations: str, write: Write, text: str = TEXT) -> tuple[tuple[Span, ...] | None, dict[str, int], list[str]]:
    write("a.txt", text)
    path = write("a.ann", annotations)
    corpus = read_corpus([path])
    return corpus.sentences[0].spans, corpus.report.counts, [one.partition(": ")[2] for one in corpus.report.remarks]


@pytest.mark.parametrize("name", [0, 1])
def test_a_pair_is_given_by_either_name(name: int, pair: tuple[Path, Path]) -> None:
    assert detect_format(pair[name]) == "brat"
    corpus = read_corpus([pair[name]])
    (sentence,) = corpus.sentences
    assert (sentence.id, sentence.text, sentence.spans) == ("a", TEXT, SPANS)
    assert corpus.report.clean
    assert input_files([pair[name]]) == list(pair)
    (raw,) = read_raw([pair[name]], unit="word")
    assert (raw.text, raw.spans) == (TEXT, None)


def test_a_folder_has_its_pairs_in_the_order_of_their_names(pair: tuple[Path, Path], write: Write) -> None:
    write("one/sub/b.txt", "Bo left")
    write("one/sub/b.ann", "")
    write("one/c.txt", "Cy left")
    folder = pair[0].parent
    assert detect_format(folder) == "brat"
    sentences = read_corpus([folder]).sentences
    assert [(one.id, one.spans) for one in sentences] == [("a", SPANS), ("c", None), ("sub/b", ())]
    assert count_sentences([folder]) == 3
    assert len(input_files([folder])) == 5


def test_text_alone_is_text(write: Write) -> None:
    assert detect_format(write("a.txt", TEXT)) == "text"


def test_offsets_count_the_characters_of_the_file(write: Write) -> None:
    spans, counts, _ = read("T1\tPlace 6 10\tOslo\r\n", write, text="\U0001f600é\r\nx Oslo\r\n")
    assert (spans, counts) == ((Span(3, 4, "Place"),), {})


def test_all_but_entities_is_left_out_and_counted(write: Write) -> None:
    others = (
        "R1\tLives Arg1:T1 Arg2:T2\nA1\tSure T1\nA2\tRare T2\nN1\tReference T2 Wikipedia:1\tOslo\n"
        "T4\tLeave 28 32\tleft\nE1\tLeave:T4 Who:T1\n*\tEquiv T2 T3\n#1\tAnnotatorNotes T1\ta note\n\n"
    )
    spans, counts, remarks = read(ANNOTATIONS + others, write)
    assert (spans, counts) == (SPANS, {})
    assert set(remarks) == {
        "2 relations left out",
        "2 attributes left out",
        "1 link to a knowledge base left out",
        "1 event left out",
        "1 trigger of an event left out",
        "1 note left out",
    }


def test_entity_of_several_parts_is_left_out_and_noted_unless_white_space_parts_it(write: Write) -> None:
    lines = "T1\tPerson 0 3;9 14\tAnn lives\nT2\tPerson 0 3;4 8\tAnn Bell\n"
    assert read(lines, write)[:2] == ((Span(0, 2, "Person"),), {"discontinuous": 1})


def test_line_of_another_form_is_an_error_with_its_place(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.ann:2: expected an annotation of brat, .* found 'T2 Place 18 22 Oslo'"):
        read("T1\tPerson 0 8\tAnn Bell\nT2 Place 18 22 Oslo\n", write)


def test_annotations_without_a_text_are_an_error(write: Write) -> None:
    path = write("one/a.ann", ANNOTATIONS)
    for given in (path, path.parent):
        with pytest.raises(DataError, match=r"a\.ann: has no text; expected .*a\.txt beside it"):
            read_corpus([given])


def test_text_and_place_that_contradict_each_other_are_noted(write: Write) -> None:
    spans, counts, _ = read("T1\tPlace 9 14\tOslo\n", write)
    assert (spans, counts) == ((Span(4, 5, "Place"),), {"surface_differs": 1})


def test_parts_of_an_entity_may_stand_in_any_order(write: Write) -> None:
    lines = "T1\tPerson 9 14;0 3\tlives Ann\nT2\tPerson 4 8;0 3\tAnn Bell\n"
    assert read(lines, write)[:2] == ((Span(0, 2, "Person"),), {"discontinuous": 1})
