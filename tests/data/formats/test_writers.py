"""Sentences → files, and back through the readers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.segment import segment
from ner_distill.data.formats.standins import BLANK
from ner_distill.data.formats.tagging import SCHEMES, Scheme
from ner_distill.data.formats.writers import write_conll, write_jsonl
from ner_distill.data.sentence import Sentence, Span, Unit
from ner_distill.errors import DataError, RunError


def sentence_of_text(id: str, text: str, unit: Unit, *spans: Span, lang: str | None = None) -> Sentence:
    words, offsets = segment(text, unit)
    return Sentence(id, words, spans, text, offsets, lang)


SENTENCES = (
    Sentence("a", ("Ana", "López", "lives"), (Span(0, 2, "PER"),), lang="es"),
    Sentence("b", ("the", "bank", "of", "Rome"), (Span(1, 4, "ORG"), Span(3, 4, "LOC"))),
    Sentence("c", ("nobody", " ", "\u200b", "😀"), None),
    Sentence("d", ("none",), ()),
    sentence_of_text("e", " 他 在 IBM", "word", Span(2, 3, "ORG")),
    sentence_of_text("f", "他 在 IBM", "character", Span(4, 5, "X"), Span(4, 7, "ORG"), lang="zh"),
    sentence_of_text("g", "It's Al\u2028Ain", "word"),
    Sentence("h", ("in", "Rome"), (Span(1, 2, "LOC"),), keep=(True, False), weight=0.49),
    Sentence("i", ("Rome",), (), "Rome", ((0, 4),), keep=(False,)),
    Sentence("j", ("to", "Rome"), (Span(1, 2, "LOC"),), negative=(True, False)),
)


def test_json_lines_are_read_back_as_they_were(tmp_path: Path) -> None:
    write_jsonl(SENTENCES, tmp_path / "out.jsonl")
    corpus = read_corpus([tmp_path / "out.jsonl"])
    assert corpus.report.clean
    assert corpus.sentences == SENTENCES


@pytest.mark.parametrize("scheme", SCHEMES)
def test_conll_is_read_back_with_the_same_words_and_spans(scheme: Scheme, tmp_path: Path) -> None:
    spans = (Span(0, 2, "PER"), Span(2, 3, "LOC"), Span(3, 4, "LOC"))
    sentences = [Sentence("a", ("Ana", "López", "Rome", "Milan", "#"), spans), Sentence("b", ("#", "\u200b"), ())]
    write_conll(sentences, tmp_path / "out.conll", scheme)
    corpus = read_corpus([tmp_path / "out.conll"], scheme=scheme)
    assert corpus.report.clean
    assert [(one.words, one.spans) for one in corpus.sentences] == [(one.words, one.spans) for one in sentences]


def test_conll_replaces_white_space_in_words(tmp_path: Path) -> None:
    write_conll([Sentence("a", ("中", " ", "a b", ""), ())], tmp_path / "out.conll")
    assert (tmp_path / "out.conll").read_text("utf-8") == f"中 O\n{BLANK} O\na{BLANK}b O\n{BLANK} O\n\n"


def test_conll_keeps_the_longest_of_overlapping_entities(tmp_path: Path) -> None:
    write_conll([SENTENCES[1]], tmp_path / "out.conll")
    assert (tmp_path / "out.conll").read_text("utf-8") == "the O\nbank B-ORG\nof I-ORG\nRome I-ORG\n\n"


def test_conll_refuses_a_sentence_without_labels_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sentence c: has no labels"):
        write_conll(SENTENCES[2:3], tmp_path / "out.conll")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "label", ["work of art", " x ", "a\tb", "a\nb\r", "a\x1cb\x00", "O", "a-b", "작품", "a\u00a0b"]
)
def test_any_type_is_read_back_from_columns(label: str, tmp_path: Path) -> None:
    spans = (Span(0, 2, label), Span(2, 3, label))
    write_conll([Sentence("a", ("v", "w", "x", "y"), spans)], tmp_path / "out.conll")
    (sentence,) = read_corpus([tmp_path / "out.conll"]).sentences
    assert sentence.spans == spans


ODD = (
    *("New York", "", " ", "\u3000", "\t", "a\rb", "\x1c", "x\x00", "\x85", "\ufeff", "\u2028"),
    *("#", "#NATO", "# id = 3", "-DOCSTART-", "-DOCSTART-x", "O", "B-PER", "1", "1-2"),
    *("\u200b", "\u0301", "\ud7ff", "\U0001f469\u200d\U0001f467"),
)


@pytest.mark.parametrize("word", ODD, ids=ascii)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_word_that_columns_cannot_hold_is_still_one_word_with_its_tag(word: str, place: int, tmp_path: Path) -> None:
    words = ["Ann", "Lee", "left"]
    words[place] = word
    spans = (Span(0, 2, "PER"),)
    one, other = Sentence("a", tuple(words), spans), Sentence("b", ("Rome",), (Span(0, 1, "LOC"),))
    write_conll([other, one, one, other], tmp_path / "out.conll")
    read = read_corpus([tmp_path / "out.conll"]).sentences
    assert [len(sentence.words) for sentence in read] == [1, 3, 3, 1]
    assert [sentence.spans for sentence in read] == [other.spans, spans, spans, other.spans]


@pytest.mark.parametrize("word", [word for word in ODD if word.strip() == word and word.isprintable() and word])
def test_a_word_that_columns_can_hold_is_read_back_as_it_was(word: str, tmp_path: Path) -> None:
    words = (word, word, "is", "in", "Rome")
    write_conll([Sentence("a", words, ())], tmp_path / "out.conll")
    (sentence,) = read_corpus([tmp_path / "out.conll"]).sentences
    assert sentence.words == words or word.startswith(("-DOCSTART-", "New", "# id"))


def test_existing_file_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("mine")
    with pytest.raises(RunError, match=r"out\.jsonl: exists already"):
        write_jsonl(SENTENCES, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "mine"


def test_overwrite_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("old")
    write_jsonl(SENTENCES[:1], tmp_path / "out.jsonl", overwrite=True)
    assert (tmp_path / "out.jsonl").read_text("utf-8") == (
        '{"id": "a", "words": ["Ana", "López", "lives"], "tags": ["B-PER", "I-PER", "O"], "lang": "es"}\n'
    )


def test_failure_halfway_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "out.conll").write_text("old")
    with pytest.raises(DataError):
        write_conll([SENTENCES[0], SENTENCES[2]], tmp_path / "out.conll", overwrite=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.conll", "old")]


def test_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere"):
        write_jsonl(SENTENCES, tmp_path / "nowhere" / "out.jsonl")


def test_json_lines_say_nothing_of_labels_that_all_count(tmp_path: Path) -> None:
    write_jsonl(
        [Sentence("a", ("x", "y"), (), keep=(True, True), weight=1.0, negative=(False, False))], tmp_path / "out.jsonl"
    )
    assert json.loads((tmp_path / "out.jsonl").read_text("utf-8")).keys() == {"id", "words", "tags"}
