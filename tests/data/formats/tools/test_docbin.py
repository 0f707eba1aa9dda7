"""DocBin files: the same words, texts and entities as spaCy's own reading of them."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.tokens import Span as SpacySpan

from ner_distill.data.formats.readers import Corpus, read_corpus, read_raw
from ner_distill.data.formats.registry import detect_format
from ner_distill.data.formats.tools import docbin
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]

NLP = spacy.blank("en")
TEXTS = ["Ann lives  in\n\nOslo, Norway.", "Nothing here.", "El Niño 😀 took place in São Paulo"]


def labelled(text: str, *places: tuple[int, int, str]) -> Doc:
    document = NLP(text)
    document.ents = [document.char_span(start, end, label=label) for start, end, label in places]
    return document


@pytest.fixture
def documents() -> list[Doc]:
    # ORG and PERSON are names that spaCy has a number of its own for, CITY is none of them
    first = labelled(TEXTS[0], (0, 3, "PERSON"), (15, 19, "CITY"), (21, 27, "ORG"))
    return [first, labelled(TEXTS[1]), labelled(TEXTS[2], (0, 7, "EVENT"), (24, 33, "CITY"))]


def read(documents: Sequence[Doc], write: Write, **options: bool) -> Corpus:
    return read_corpus([write("a.spacy", DocBin(docs=documents, **options).to_bytes())])


def by_spacy(path: Path) -> list[tuple[list[str], str, list[tuple[str, str]]]]:
    return [
        (
            [token.text for token in document if not token.is_space],
            document.text,
            [(entity.text, entity.label_) for entity in document.ents],
        )
        for document in DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    ]


def test_documents_are_read_as_spacy_reads_them(documents: list[Doc], write: Write) -> None:
    path = write("train", DocBin(docs=documents).to_bytes())
    assert detect_format(path) == "docbin"
    found = []
    for one in read_corpus([path]).sentences:
        text, offsets = one.text or "", one.offsets or ()
        entities = [(text[offsets[s.start][0] : offsets[s.end - 1][1]], s.label) for s in one.spans or ()]
        found.append((list(one.words), text, entities))
    assert found == by_spacy(path)
    assert [raw.spans for raw in read_raw([path], unit="word")] == [None] * 3


def test_user_data_is_not_looked_at(documents: list[Doc], write: Write) -> None:
    documents[0].user_data["key"] = "value"
    plain = read(documents, write)
    assert read(documents, write, store_user_data=True).sentences == plain.sentences
    message = srsly.msgpack_loads(zlib.decompress(DocBin(docs=documents, store_user_data=True).to_bytes()))
    message["user_data"] = [b"\xc1 is no message"] * 3
    path = write("b.spacy", zlib.compress(srsly.msgpack_dumps(message)))
    assert [one.words for one in read_corpus([path]).sentences] == [one.words for one in plain.sentences]


def test_document_of_unknown_blanks_has_words_and_no_text(write: Write) -> None:
    document = Doc(NLP.vocab, words=["Ann", "\n", "lives", "in", "Oslo"])
    document.ents = [SpacySpan(document, 4, 5, label="LOC")]
    (sentence,) = read([document], write).sentences
    assert sentence.words == ("Ann", "lives", "in", "Oslo")
    assert (sentence.text, sentence.spans) == (None, (Span(3, 4, "LOC"),))


def test_missing_labels_do_not_count_and_a_document_of_them_is_unlabelled(write: Write) -> None:
    partly, unknown = NLP(TEXTS[1]), NLP(TEXTS[1])
    partly.set_ents([SpacySpan(partly, 0, 1, label="PER")], missing=[partly[2:3]], default="outside")
    corpus = read([partly, unknown], write)
    assert [one.keep for one in corpus.sentences] == [(True, True, False), None]
    assert [one.spans for one in corpus.sentences] == [(Span(0, 1, "PER"),), None]
    assert corpus.report.remarks[0].endswith("1 word of a labelled document has no label: not counted")


def test_tokens_where_surely_no_entity_begins_are_outside(write: Write) -> None:
    document = NLP(TEXTS[1])
    document.set_ents([], blocked=[document[0:1]], default="outside")
    assert read([document], write).sentences[0].spans == ()


def test_neighbouring_entities_and_those_at_borders_of_documents_stay_apart(write: Write) -> None:
    ends, begins = labelled("in New York", (3, 11, "X")), labelled("Oslo Rome x", (0, 4, "X"), (5, 9, "X"))
    spans = [one.spans for one in read([ends, begins], write).sentences]
    assert spans == [(Span(1, 3, "X"),), (Span(0, 1, "X"), Span(1, 2, "X"))]


def test_spans_of_a_group_are_read_where_there_are_no_entities(write: Write) -> None:
    first, second = NLP("University of Oslo"), NLP("Bo left")
    first.spans["sc"] = [SpacySpan(first, 0, 3, label="ORG"), SpacySpan(first, 2, 3, label="LOC")]
    first.spans["other"] = [SpacySpan(first, 0, 1, label="X")]
    corpus = read([first, second], write)
    assert [one.spans for one in corpus.sentences] == [(Span(0, 3, "ORG"), Span(2, 3, "LOC")), ()]
    assert corpus.report.remarks[0].endswith("read are the spans of group 'sc' of other (1), sc (2)")


def test_spans_of_a_group_beside_entities_are_left_out_and_counted(documents: list[Doc], write: Write) -> None:
    documents[0].spans["sc"] = [documents[0][0:1]]
    assert read(documents, write).report.remarks[0].endswith("left out, the entities are read: sc (1)")


def test_groups_of_which_none_is_the_usual_one_are_an_error(write: Write) -> None:
    document = NLP("Bo left")
    document.spans["a"], document.spans["b"] = [document[0:1]], [document[1:2]]
    with pytest.raises(DataError, match=r"a\.spacy: expected entities, .* found the groups a \(1\), b \(1\)"):
        read([document], write)


def test_types_without_places_are_an_error(documents: list[Doc], write: Write) -> None:
    path = write("a.spacy", DocBin(attrs=["ENT_TYPE"], docs=documents).to_bytes())
    with pytest.raises(DataError, match=r"a\.spacy: holds the types of entities \(ENT_TYPE\) and not where they begin"):
        read_corpus([path])


@pytest.mark.parametrize("content", [b"x\x9cdamaged", zlib.compress(b"\x81"), zlib.compress(b"\x90"), b"no DocBin"])
def test_what_is_no_docbin_is_an_error(content: bytes, write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.spacy: cannot be read as a DocBin"):
        read_corpus([write("a.spacy", content)])


def test_what_unpacks_to_far_more_than_documents_do_is_an_error(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.spacy", zlib.compress(bytes(2_000_000)))
    monkeypatch.setattr(docbin, "_ALWAYS", 1_000_000)
    with pytest.raises(DataError, match=r"a\.spacy: its 1,\d\d\d bytes unpack to more than 1,000,000; "):
        read_corpus([path])


def test_a_file_that_was_cut_off_is_an_error(documents: list[Doc], write: Write) -> None:
    path = write("a.spacy", DocBin(docs=documents).to_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.spacy: cannot be read as a DocBin .* it ends in the middle"):
        read_corpus([path])


def test_without_spacy_the_error_says_how_to_install_it(
    documents: list[Doc], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.spacy", DocBin(docs=documents).to_bytes())
    monkeypatch.setitem(sys.modules, "spacy.strings", None)
    with pytest.raises(DataError, match=r"not installed: pip install 'ner-distill\[spacy\]'"):
        read_corpus([path])
