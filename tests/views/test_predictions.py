from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ner_distill.console import Reporter
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError
from ner_distill.options.models import PredictOptions
from ner_distill.pipelines.predict import Prediction
from ner_distill.views.predictions import format_prediction, render, without_overlaps
from tests.parsed import Parsed

TEXTS = {
    "plain": "Ana López visited Madrid .",
    "emoji": "\N{FAMILY} Ana \U0001f469\u200d\U0001f467 López \U0001f1ea\U0001f1f8 Madrid",
    "combining": "Ana Lo\u0301pez e\u0301 de A\u030a a\u0300",
    "full-width": "ＮＥＣ　株式会社　東京 ！",
    "crlf": "Ana\r\nLópez  \t visited\r\n\r\nMadrid\r\n",
    "brackets": r"see [1] and C:\dir\[x] or \] Madrid",
    "line-separators": "Ana\u2028López\x85Madrid\x0bx",
}


def sentence_of(text: str) -> Sentence:
    """The words between white space, with their offsets."""
    found = list(re.finditer(r"\S+", text))
    return Sentence("s1", tuple(m.group() for m in found), text=text, offsets=tuple(m.span() for m in found))


def words_only(*words: str) -> Sentence:
    return Sentence("s1", words)


def parse_inline(written: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The text and its (start, end, label), read back from brackets: written for the test, from the description."""
    text, spans, opened = "", [], []
    position = 0
    while position < len(written):
        char = written[position]
        if char == "[":
            label = re.compile(r"((?:\\.|[^\\ ])+) ").match(written, position + 1)
            opened.append((len(text), re.sub(r"\\(.)", r"\1", label.group(1))))
            position = label.end()
            continue
        if char == "]":
            start, name = opened.pop()
            spans.append((start, len(text), name))
        else:
            if char == "\\":
                position += 1
            text += written[position]
        position += 1
    assert not opened
    return text, sorted(spans)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_jsonl_offsets_slice_the_original_text(text):
    sentence = sentence_of(text)
    spans = [(Span(i, j, "X"), 0.5) for i in range(len(sentence.words)) for j in range(i + 1, len(sentence.words) + 1)]
    row = json.loads(format_prediction(sentence, spans, "jsonl"))
    assert row["text"] == text
    assert len(row["entities"]) == len(spans)
    for entity in row["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
    single = [entity["text"] for entity in row["entities"] if not re.search(r"\s", entity["text"])]
    assert tuple(single) == sentence.words


def test_jsonl_keeps_a_line_break_of_the_text_inside_its_line():
    assert "\n" not in format_prediction(sentence_of(TEXTS["crlf"]), [(Span(0, 2, "PER"), 1.0)], "jsonl")


def test_jsonl_sorts_entities_by_start_with_the_outer_one_first():
    spans = [(Span(3, 4, "LOC"), 0.9), (Span(0, 1, "PER"), 0.8), (Span(0, 2, "PER"), 0.7)]
    row = json.loads(format_prediction(sentence_of(TEXTS["plain"]), spans, "jsonl"))
    assert [entity["text"] for entity in row["entities"]] == ["Ana López", "Ana", "Madrid"]
    assert [entity["score"] for entity in row["entities"]] == [0.7, 0.8, 0.9]


def test_jsonl_writes_text_as_it_is_rather_than_escaped():
    assert "López" in format_prediction(sentence_of(TEXTS["plain"]), [], "jsonl")


def test_jsonl_of_words_has_tags_and_word_offsets():
    sentence = Sentence("s1", ("Ana", "López", "in", "Madrid"), lang="es")
    row = json.loads(format_prediction(sentence, [(Span(0, 2, "PER"), 0.98765)], "jsonl"))
    assert row == {
        "id": "s1",
        "words": ["Ana", "López", "in", "Madrid"],
        "tags": ["B-PER", "I-PER", "O", "O"],
        "entities": [{"start_word": 0, "end_word": 2, "label": "PER", "words": ["Ana", "López"], "score": 0.9877}],
        "lang": "es",
    }


def test_jsonl_of_words_lists_nested_entities_that_the_tags_cannot_hold():
    spans = [(Span(2, 3, "LOC"), 0.9), (Span(0, 3, "ORG"), 0.8)]
    row = json.loads(format_prediction(words_only("University", "of", "Madrid"), spans, "jsonl"))
    assert row["tags"] == ["B-ORG", "I-ORG", "I-ORG"]
    assert [entity["label"] for entity in row["entities"]] == ["ORG", "LOC"]


def test_conll_tags_adjacent_entities_apart_and_ends_with_a_newline():
    spans = [(Span(0, 2, "PER"), 0.9), (Span(2, 3, "PER"), 0.9)]
    written = format_prediction(words_only("Ana", "López", "Eva", "."), spans, "conll")
    assert written == "Ana B-PER\nLópez I-PER\nEva B-PER\n. O\n"


def test_conll_counts_what_its_columns_cannot_hold_and_says_so_once():
    said = io.StringIO()
    spans = [(Span(0, 1, "work of art"), 0.9), (Span(0, 2, "work of art"), 0.8)]
    predictions = [Prediction(words_only("New York", "", "is"), spans, None)] * 2
    options = PredictOptions(model=Path("m"), format="conll")
    lines = list(render(predictions, options, width=80, reporter=Reporter(stream=said)))
    assert lines == ["New␣York B-work␣of␣art\n␣ I-work␣of␣art\nis O\n"] * 2
    words, types, overlap = said.getvalue().splitlines()
    assert words.startswith("warning: 4 words that columns cannot hold: written with ␣")
    assert types.startswith("warning: types that columns cannot hold are written as work␣of␣art")
    assert overlap.startswith("warning: 2 entities inside or across a longer one: left out")


@pytest.mark.parametrize("style", ["jsonl", "inline", "html"])
def test_what_every_style_can_hold_is_no_matter_of_a_warning(style):
    said = io.StringIO()
    spans = [(Span(0, 1, "work of art"), 0.9), (Span(0, 2, "work of art"), 0.8)]
    options = PredictOptions(model=Path("m"), format=style)
    predictions = [Prediction(words_only("New York", "", "is"), spans, None)]
    list(render(predictions, options, width=80, reporter=Reporter(stream=said)))
    assert said.getvalue() == ""


def test_inline_counts_entities_that_cross_a_longer_one():
    said = io.StringIO()
    predictions = [Prediction(words_only(*"abcd"), [(Span(0, 2, "PER"), 0.9), (Span(1, 4, "ORG"), 0.2)], None)]
    options = PredictOptions(model=Path("m"), format="inline")
    list(render(predictions, options, width=80, reporter=Reporter(stream=said)))
    assert said.getvalue().startswith("warning: 1 entity across a longer one: left out")


def test_without_overlaps_keeps_the_longest_then_the_more_confident():
    spans = [
        (Span(0, 1, "PER"), 0.99),
        (Span(0, 3, "ORG"), 0.5),
        (Span(4, 6, "LOC"), 0.4),
        (Span(5, 7, "PER"), 0.6),
    ]
    assert without_overlaps(spans) == [Span(0, 3, "ORG"), Span(5, 7, "PER")]


def test_inline_brackets_entities_in_the_text():
    spans = [(Span(3, 4, "LOC"), 0.9), (Span(0, 2, "PER"), 0.9)]
    assert format_prediction(sentence_of(TEXTS["plain"]), spans, "inline") == "[PER Ana López] visited [LOC Madrid] ."


def test_inline_nests_brackets_where_spans_nest():
    spans = [(Span(2, 3, "LOC"), 0.9), (Span(0, 3, "ORG"), 0.2)]
    written = format_prediction(words_only("University", "of", "Madrid"), spans, "inline")
    assert written == "[ORG University of [LOC Madrid]]"


def test_inline_keeps_the_longer_of_two_spans_that_cross():
    spans = [(Span(0, 2, "PER"), 0.9), (Span(1, 4, "ORG"), 0.2)]
    assert format_prediction(words_only("a", "b", "c", "d"), spans, "inline") == "a [ORG b c d]"


def test_inline_joins_chinese_characters_without_blanks():
    assert format_prediction(words_only(*"我在北京"), [(Span(2, 4, "LOC"), 0.9)], "inline") == "我在[LOC 北京]"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_inline_can_be_read_back_exactly(text):
    sentence = sentence_of(text)
    last = len(sentence.words)
    spans = [(Span(0, last, "ALL"), 0.9), (Span(1, 2, "A [b] \\c"), 0.9), (Span(1, 2, "SAME"), 0.8)]
    expected = [(sentence.offsets[span.start][0], sentence.offsets[span.end - 1][1], span.label) for span, _ in spans]
    assert parse_inline(format_prediction(sentence, spans, "inline")) == (text, sorted(expected))


def html_page(*predictions: Prediction, model: str = "runs/x") -> str:
    options = PredictOptions(model=Path(model), format="html")
    return "\n".join(render(iter(predictions), options, width=80))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_html_has_the_text_as_it_is_with_nested_and_crossing_entities(text):
    sentence = sentence_of(text)
    last = len(sentence.words)
    spans = [(Span(0, last - 1, "A"), 0.9), (Span(0, 1, "B"), 0.8), (Span(1, last, "C"), 0.75)]
    page = Parsed(html_page(Prediction(sentence, spans, None)), "mark")
    titles = [attrs["title"] for attrs in page.tags("mark")]
    assert [titles.count(title) for title in ("A 0.90", "B 0.80", "C 0.75")] == [1, 1, 2]
    assert Parsed(html_page(Prediction(sentence, [], None)), "article").inside == [f"{text}s1"]


def test_html_is_a_page_that_loads_nothing_and_runs_nothing():
    evil = "<script>alert(1)</script>"
    sentence = Sentence(f"{evil}.txt:1", (evil, "</article>", "&amp;"))
    page = Parsed(html_page(Prediction(sentence, [(Span(0, 2, evil), 1.0)], None), model=evil), "article")
    assert page.tags("script") == []
    assert page.inside == [f"{evil} </article>{evil} &amp;{evil}.txt:1"]
    assert [attrs["href"] for attrs in page.tags("link")] == ["data:,"]
    policy = next(attrs["content"] for attrs in page.tags("meta") if "http-equiv" in attrs)
    assert policy is not None
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'; ")


def test_html_is_written_as_sentences_come():
    lines = render(endless(), PredictOptions(model=Path("runs/x"), format="html"), width=80)
    first = [next(lines) for _ in range(3)]
    assert first[0].startswith("<!doctype html>")
    assert [line.count("<article>") for line in first[1:]] == [1, 1]


def endless() -> Iterator[Prediction]:
    while True:
        yield Prediction(words_only("Oslo"), [(Span(0, 1, "LOC"), 0.9)], None)


@pytest.mark.parametrize("style", ["jsonl", "conll", "inline", "html"])
def test_a_sentence_of_no_words_is_written_in_every_style(style):
    written = format_prediction(Sentence("s1", (), text=" ", offsets=()), [], style)
    if style == "html":
        assert Parsed(written, "div").inside == [" "]
        return
    assert written == {"jsonl": '{"id": "s1", "text": " ", "entities": []}', "conll": "", "inline": " "}[style]


def test_format_prediction_refuses_spans_beyond_the_sentence():
    with pytest.raises(ValueError, match="ends beyond its 1 words"):
        format_prediction(words_only("Ana"), [(Span(0, 2, "PER"), 1.0)], "inline")


def test_a_lattice_below_other_lines_is_refused_before_a_model_is_asked():
    def predictions():
        raise AssertionError("asked")
        yield

    options = PredictOptions(model=Path("teacher"), format="conll", lattice=True)
    with pytest.raises(
        ConfigError, match="`lattice` draws below inline sentences; expected `format` inline, found 'conll'"
    ):
        list(render(predictions(), options, width=80))
