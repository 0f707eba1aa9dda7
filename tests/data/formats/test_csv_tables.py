"""CSV and TSV with a header → sentences."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import count_sentences, read_corpus, read_raw
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]
KAGGLE = (
    "Sentence #,Word,POS,Tag\r\n"
    'Sentence: 1,Ann,NNP,B-per\r\n,",",",",O\r\n,"""",``,O\r\n,Lee,NNP,B-per\r\n'
    "Sentence: 2,Oslo,NNP,B-geo\r\n,NA,NNP,O\r\n"
)
FIRST = (("Ann", ",", '"', "Lee"), (Span(0, 1, "per"), Span(3, 4, "per")))


def found(sentences: Any) -> list[tuple[Any, Any]]:
    return [(one.words, one.spans) for one in sentences]


def table(*rows: list[str], delimiter: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_number_of_a_sentence_that_stands_in_its_first_row_alone(name: str, write: Write) -> None:
    corpus = read_corpus([write(name, KAGGLE)])
    assert found(corpus.sentences) == [FIRST, (("Oslo", "NA"), (Span(0, 1, "geo"),))]
    assert [one.id for one in corpus.sentences] == ["Sentence: 1", "Sentence: 2"]
    (summary,) = corpus.report.files
    assert (summary.format, summary.columns) == ("csv", "word 'Word', tag 'Tag', sentence 'Sentence #'")


def test_index_of_pandas_and_a_number_in_every_row(write: Write) -> None:
    text = ",sentence_idx,word,tag\n0,1.0,Ann,B-per\n1,1.0,runs,O\n2,2.0,Bo,B-per\n3,1.0,Cy,O\n"
    corpus = read_corpus([write("a.csv", text)])
    assert [one.words for one in corpus.sentences] == [("Ann", "runs"), ("Bo",), ("Cy",)]
    assert [one.id for one in corpus.sentences] == ["1.0", "2.0", "1.0#2"]


@pytest.mark.parametrize("blank", ["", ",,"])
def test_blank_rows_part_sentences_where_no_column_does(blank: str, write: Write) -> None:
    corpus = read_corpus([write("a.csv", f"token,pos,ner_tags\nAnn,N,B-PER\n{blank}\n{blank}\nBo,N,B-PER\n")])
    assert [one.words for one in corpus.sentences] == [("Ann",), ("Bo",)]
    assert [one.id for one in corpus.sentences] == ["a.csv:2", "a.csv:5"]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(delimiter: str, write: Write) -> None:
    rows = list(csv.reader(io.StringIO(KAGGLE)))
    corpus = read_corpus([write("a.tsv", table(*rows, delimiter=delimiter))])
    assert found(corpus.sentences)[0] == FIRST
    assert corpus.report.files[0].format == "csv"


def test_quotes_between_tabs_are_words_where_cells_are_not_quoted(write: Write) -> None:
    text = 'sent_id\tword\ttag\n1\t"\tO\n1\tAnn\tB-PER\n2\tBo\tB-PER\n2\t"\tO\n'
    assert [one.words for one in read_corpus([write("a.tsv", text)]).sentences] == [('"', "Ann"), ("Bo", '"')]


def test_columns_between_tabs_with_a_header_stay_conll(write: Write) -> None:
    corpus = read_corpus(
        [write("a.tsv", "sent_id\tword\ttag\n1\tAnn\tB-PER\n1\truns\tO\n\n2\tBo\tB-PER\n2\truns\tO\n")]
    )
    assert corpus.report.files[0].format == "conll"
    assert len(corpus.sentences) == 2
    assert read_corpus([write("b.tsv", "word\ttag\nAnn\tB-PER\nruns\tO\n")]).report.files[0].format == "conll"


def test_raw_words_of_a_table(write: Write) -> None:
    assert [one.words for one in read_raw([write("a.csv", KAGGLE)], unit="word")] == [FIRST[0], ("Oslo", "NA")]
    assert count_sentences([write("a.csv", KAGGLE)]) is None


def test_columns_that_the_user_names(write: Write) -> None:
    path = write("a.csv", "a,b,c\nAnn,B-X,B-PER\nruns,O,O\n")
    assert read_corpus([path], word_column=0, tag_column=[-1]).sentences[0].spans == (Span(0, 1, "PER"),)
    levels = read_corpus([path], word_column=0, tag_column=[1, 2]).sentences[0].spans
    assert levels == (Span(0, 1, "PER"), Span(0, 1, "X"))
    without_header = write("b.csv", "Ann,B-X\nruns,O\n")
    assert read_corpus([without_header], word_column=0, tag_column=[1]).sentences[0].words == ("Ann", "runs")


def test_of_several_columns_of_tags_the_one_of_entities_is_read_and_said(write: Write) -> None:
    corpus = read_corpus([write("a.csv", "word,tag,ner\nAnn,NNP,B-PER\nruns,V,O\n")])
    assert corpus.sentences[0].spans == (Span(0, 1, "PER"),)
    assert "reads column 'ner' as tags, of 'tag', 'ner'" in corpus.report.remarks[0]


# ---- a text a row

TEXT = 'Ann\r\nand "Bo", too'
ENTITIES = [{"start": 0, "end": 3, "label": "PER"}, {"start": 10, "end": 12, "label": "PER"}]


@pytest.mark.parametrize("written", [json.dumps(ENTITIES), repr(ENTITIES), repr([(0, 3, "PER"), (10, 12, "PER")])])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_text_with_entities(written: str, delimiter: str, write: Write) -> None:
    rows = [["id", "text", "entities"], ["x", TEXT, written], ["y", "nothing", "[]"], ["z", "unknown", ""]]
    path = write("a.tsv", table(*rows, delimiter=delimiter))
    corpus = read_corpus([path])
    assert [(one.id, one.text) for one in corpus.sentences] == [("x", TEXT), ("y", "nothing"), ("z", "unknown")]
    assert [one.spans for one in corpus.sentences] == [(Span(0, 1, "PER"), Span(3, 4, "PER")), (), None]
    assert [one.text for one in read_raw([path], unit="word")] == [TEXT, "nothing", "unknown"]


@pytest.mark.parametrize("write_list", [json.dumps, repr])
def test_lists_of_words_and_tags(write_list: Callable[[Any], str], write: Write) -> None:
    text = table(["tokens", "ner_tags"], [write_list(["Ann", "runs"]), write_list(["B-PER", "O"])])
    assert found(read_corpus([write("a.csv", text)]).sentences) == [(("Ann", "runs"), (Span(0, 1, "PER"),))]


@pytest.mark.parametrize("tags", ["B-PER,O", "B-PER O"])
def test_tags_of_all_words_in_one_cell(tags: str, write: Write) -> None:
    text = table(["sentence", "word_labels"], ["Ann runs.", tags])
    assert found(read_corpus([write("a.csv", text)]).sentences) == [(("Ann", "runs."), (Span(0, 1, "PER"),))]


def test_raw_text_is_the_column_of_text(write: Write) -> None:
    path = write("a.csv", 'id,date,text\n7,2020,Ann runs\n8,2021,"Bo, too"\n')
    sentences: list[Sentence] = list(read_raw([path], unit="word"))
    assert [(one.id, one.text) for one in sentences] == [("7", "Ann runs"), ("8", "Bo, too")]
    assert count_sentences([path]) == 2
    assert [one.text for one in read_raw([write("b.csv", "text\nAnn runs\n")], unit="word")] == ["Ann runs"]


def test_text_with_commas_stays_text(write: Write) -> None:
    path = write("a.txt", "Text, sentence, word and tag\nare words, too.\n")
    assert [one.text for one in read_raw([path], unit="word")] == ["Text, sentence, word and tag", "are words, too."]


def test_first_word_that_is_a_name_of_columns_makes_no_table(write: Write) -> None:
    corpus = read_corpus([write("a.txt", "Text\tO\nfrom\tO\nOslo\tB-LOC\n")])
    assert (corpus.report.files[0].format, len(corpus.sentences)) == ("conll", 1)


# ---- errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b\nAnn,B-PER\n",
            r"a\.csv:1: expected a header with .*, found 'a', 'b'; `word_column` and `tag_column` say",
        ),
        ("text,date\nAnn,2020\n", r"a\.csv:1: expected a header with .*, found 'text', 'date'"),
        ("text,label\nAnn runs,good\n", r"a\.csv:2: 'label' looks like labels and cannot be read, found 'good'"),
        ("text,entities\nAnn,[{]\n", r"a\.csv:2: .*found '\[\{\]'"),
        ("word,tag\nAnn,B-PER,O\n", r"a\.csv:2: expected 2 columns \(as on line 1\), found 3: 'Ann,B-PER,O'"),
        ('word,tag\n"Ann,O\n"Bo,O\n', r"a\.csv: is no table with ',' between its cells: .*written twice"),
        ('word,tag\n"Ann\nBo",O\n', r"a\.csv:2: expected a word, found one over several lines: 'Ann\\nBo'"),
        ("word,tag\nAnn,O\nBo,X-PER\n", r"a\.csv:3: "),
    ],
)
def test_errors_name_the_place_and_what_was_found(text: str, message: str, write: Write) -> None:
    with pytest.raises(DataError, match=message):
        read_corpus([write("a.csv", text)])


@pytest.mark.parametrize(
    ("word", "tags", "message"),
    [
        (9, [1], "`word_column` 9: expected 0 to 1"),
        (0, [-3], "`tag_column` -1: expected 0 to 1"),
        (1, [1], "another column"),
    ],
)
def test_columns_that_are_not_there_are_named(word: int, tags: list[int], message: str, write: Write) -> None:
    with pytest.raises(DataError, match=message):
        read_corpus([write("a.csv", "a,b\nAnn,B-PER\n")], word_column=word, tag_column=tags)


# ---- documents


@pytest.mark.parametrize("header", ["doc_id,sent_id,word,tag", "File,Sentence,Token,Tag", "Article ID,sent,form,ner"])
def test_numbers_of_sentences_that_begin_again_in_each_document(header: str, write: Write) -> None:
    corpus = read_corpus([write("a.csv", f"{header}\n1,0,Ana,B-PER\n1,0,ran,O\n2,0,Oslo,B-LOC\n2,0,won,O\n")])
    assert [(one.id, one.words) for one in corpus.sentences] == [("1#0", ("Ana", "ran")), ("2#0", ("Oslo", "won"))]
    document, sentence, *_ = header.split(",")
    assert f"document {document!r}, sentence {sentence!r}" in corpus.report.files[0].columns


def test_document_and_sentence_that_stand_in_their_first_rows_alone(write: Write) -> None:
    rows = "a,1,Ann,B-X\n,,ran,O\n,2,Bo,B-X\nb,,Cy,B-X\n,,sat,O\n,,,\n,7,Do,B-X\n"
    corpus = read_corpus([write("a.csv", f"doc,sent_id,word,tag\n{rows}")])
    assert [(one.id, one.words) for one in corpus.sentences] == [
        ("a#1", ("Ann", "ran")), ("a#2", ("Bo",)), ("a.csv:5", ("Cy", "sat")), ("b#7", ("Do",)),
    ]  # fmt: skip


def test_a_document_ends_its_last_sentence_where_no_column_numbers_them(write: Write) -> None:
    corpus = read_corpus([write("a.csv", "file_name,word,tag\na,Ann,B-X\na,ran,O\n,,\na,Bo,B-X\nb,Cy,B-X\n")])
    assert [(one.id, one.words) for one in corpus.sentences] == [
        ("a.csv:2", ("Ann", "ran")), ("a.csv:5", ("Bo",)), ("a.csv:6", ("Cy",)),
    ]  # fmt: skip


def test_a_column_that_is_asked_for_is_no_document(write: Write) -> None:
    path = write("a.csv", "document,sent_id,tag\nAnn,1,B-X\nran,1,O\n")
    assert read_corpus([path], word_column=0).sentences[0].words == ("Ann", "ran")
