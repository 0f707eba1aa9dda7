"""Every writer of a format that is read: what it says it holds comes back, and what it does not hold is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import Corpus, read_corpus
from ner_distill.data.formats.registry import FORMATS
from ner_distill.data.formats.segment import segment
from ner_distill.data.formats.writing.base import About, Labelled, Losses
from ner_distill.data.formats.writing.registry import write
from ner_distill.data.sentence import Sentence, Span, Unit
from ner_distill.views.written import ALL_WRITERS

READ_BACK = [name for name in ALL_WRITERS if name in FORMATS]
SUFFIX = {"docbin": ".spacy", "label-studio": ".json", "conll": ".conll", "brat": "", "csv": ".csv"}


def of_text(id: str, text: str, *spans: Span, unit: Unit = "word", **more: Any) -> Sentence:
    words, offsets = segment(text, unit)
    return Sentence(id, words, spans, text, offsets, **more)


WORDS = Sentence("w", ("Ana", "López", "(", "Rome", ")"), (Span(0, 2, "PER"), Span(3, 4, "LOC")))
TEXT = of_text("t", "Ana López (Rome), 😀 Oslo", Span(0, 2, "PER"), Span(3, 4, "LOC"), Span(7, 8, "LOC"))
HELD = {
    "words": Sentence("w", ("in", "(Rome),", "!"), (Span(1, 2, "LOC"),)),
    "text": of_text("t", " Ana  López\tof\nOslo ", Span(0, 2, "PER")),
    "ids": replace(WORDS, id="my-own_1.2"),
    "lang": replace(TEXT, lang="es"),
    "unlabelled": replace(TEXT, spans=None),
    "keep": replace(TEXT, spans=(Span(0, 2, "PER"),), keep=(True, True, False, False, True, True, True, True)),
    "negative": replace(TEXT, negative=(False, False, True, False, True, False, False, False)),
    "weight": replace(TEXT, weight=0.25),
    "inside_words": replace(TEXT, inside_words=(Span(3, 4, "LOC"),)),
    "nested": replace(TEXT, spans=(Span(0, 2, "PER"), Span(0, 4, "ORG"), Span(3, 4, "LOC"))),
}
"""A sentence for each of what a format may hold."""
PLAIN = of_text("plain", "It rains in Bergen .", Span(3, 4, "PLACE"))
NESTED = {"overlapping", "grouped"}


def back(name: str, sentences: list[Sentence], folder: Path, unit: Unit = "word") -> tuple[Corpus, Losses]:
    """What is read of sentences that were written, the format told by content."""
    path, losses = folder / f"out{SUFFIX.get(name, '.jsonl')}", Losses()
    write(ALL_WRITERS[name](About(unit=unit)), map(Labelled.of, sentences), path, losses)
    return read_corpus([path], unit=unit), losses


def places(sentence: Sentence) -> list[tuple[str, str]]:
    """Text and type of each entity, white space aside."""
    found = []
    for span in sentence.spans or ():
        if sentence.text is None or sentence.offsets is None:
            surface = "".join(sentence.words[span.start : span.end])
        else:
            surface = sentence.text[sentence.offsets[span.start][0] : sentence.offsets[span.end - 1][1]]
        found.append(("".join(surface.split()), span.label))
    return sorted(found)


def aspect(sentence: Sentence, what: str) -> object:
    if what == "ids":
        return sentence.id
    if what == "nested":
        return places(sentence)
    if what == "unlabelled":
        return sentence.spans is None
    return getattr(sentence, what)


@pytest.mark.parametrize("name", READ_BACK)
@pytest.mark.parametrize("what", HELD)
def test_what_a_format_holds_is_read_back_and_what_it_does_not_is_counted(name: str, what: str, tmp_path: Path) -> None:
    corpus, losses = back(name, [PLAIN, HELD[what]], tmp_path)
    if what in ALL_WRITERS[name].holds:
        (found,) = (one for one in corpus.sentences if places(one) == places(HELD[what]))
        assert aspect(found, what) == aspect(HELD[what], what)
        assert what not in losses.counts
        assert what != "nested" or not losses.counts.keys() & NESTED
    else:
        assert losses.counts[what] or (what == "nested" and losses.counts.keys() & NESTED)


@pytest.mark.parametrize("name", READ_BACK)
@pytest.mark.parametrize("sentence", [WORDS, TEXT, HELD["words"], HELD["text"]], ids=["W", "T", "words", "text"])
def test_entities_come_back_with_their_words_or_with_their_text(name: str, sentence: Sentence, tmp_path: Path) -> None:
    corpus, _ = back(name, [sentence], tmp_path)
    assert corpus.report.clean
    (found,) = corpus.sentences
    assert places(found) == places(sentence)
    if "words" in ALL_WRITERS[name].holds:
        assert (found.words, found.spans) == (sentence.words, sentence.spans)
    if "text" in ALL_WRITERS[name].holds and sentence.text is not None:
        assert (found.text, found.offsets) == (sentence.text, sentence.offsets)


@pytest.mark.parametrize("name", READ_BACK)
def test_chinese_characters_come_back(name: str, tmp_path: Path) -> None:
    spans = (Span(2, 4, "LOC"), Span(4, 7, "ORG"))
    sentences = [Sentence(f"z{n}", tuple(f"我在北京IBM{mark}"), spans) for n, mark in enumerate("。，！")]
    corpus, _ = back(name, sentences, tmp_path, "character")
    assert [(one.words, one.spans) for one in corpus.sentences] == [(one.words, one.spans) for one in sentences]


@pytest.mark.parametrize("name", READ_BACK)
def test_types_with_blanks_come_back_or_are_named(name: str, tmp_path: Path) -> None:
    corpus, losses = back(name, [replace(TEXT, spans=(Span(0, 2, "work of art"),))], tmp_path)
    (found,) = corpus.sentences
    label = (found.spans or ())[0].label
    assert label == "work of art" or (label == "work_of_art" and "work_of_art" in next(losses.warnings()))


@pytest.mark.parametrize("name", READ_BACK)
def test_an_entity_over_the_end_of_a_line_comes_back(name: str, tmp_path: Path) -> None:
    sentence = of_text("t", "Ana\r\nLópez\n in\u2028Oslo", Span(0, 2, "PER"), Span(2, 4, "LOC"))
    corpus, _ = back(name, [sentence], tmp_path)
    assert places(corpus.sentences[0]) == places(sentence)


@pytest.mark.parametrize("name", READ_BACK)
def test_words_of_nothing_are_counted_where_they_do_not_come_back(name: str, tmp_path: Path) -> None:
    sentence = Sentence("e", ("Ana", "", " ", "Oslo"), (Span(0, 1, "PER"), Span(1, 2, "X"), Span(3, 4, "LOC")))
    corpus, losses = back(name, [sentence], tmp_path)
    (found,) = corpus.sentences
    assert {("Ana", "PER"), ("Oslo", "LOC")} <= set(places(found))
    assert found.words == sentence.words or losses.counts["empty"] or losses.counts["column_words"]


@pytest.mark.parametrize("name", [name for name in ALL_WRITERS if "unlabelled" not in ALL_WRITERS[name].holds])
def test_unlabelled_sentences_are_left_out_and_counted_where_a_format_cannot_hold_them(
    name: str, tmp_path: Path
) -> None:
    losses = Losses()
    records = map(Labelled.of, [TEXT, replace(PLAIN, spans=None), replace(PLAIN, spans=None)])
    write(ALL_WRITERS[name](), records, tmp_path / "out", losses)
    assert losses.counts["unlabelled"] == 2
    assert "Bergen" not in (tmp_path / "out").read_text("utf-8")


@pytest.mark.parametrize("name", [name for name in READ_BACK if "text" in ALL_WRITERS[name].holds])
@pytest.mark.parametrize("text", ["Ana ran\r", "\rAna ran", "Ana\rran", "Ana\r\r\nran", "Ana\n\rran"])
def test_a_carriage_return_comes_back(name: str, text: str, tmp_path: Path) -> None:
    sentences = [of_text("t", text, Span(0, 1, "PER")), PLAIN]
    corpus, _ = back(name, sentences, tmp_path)
    assert sorted(one.text or "" for one in corpus.sentences) == sorted(one.text or "" for one in sentences)
    assert corpus.report.clean
