"""CoNLL columns → sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]

CONLL = "EU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\nBlackburn NNP I-PER\n"
CONLL_SENTENCES = (
    Sentence("a.conll:1", ("EU", "rejects"), (Span(0, 1, "ORG"),)),
    Sentence("a.conll:4", ("Peter", "Blackburn"), (Span(0, 2, "PER"),)),
)


@pytest.mark.parametrize(
    "content",
    [
        CONLL,
        CONLL.replace(" ", "\t"),
        CONLL.replace("\n", "\r\n"),
        "\ufeff" + CONLL,
        CONLL.replace("\n\n", "\n \t\n"),
        CONLL.removesuffix("\n"),
        CONLL.replace(" ", "   "),
    ],
    ids=["blanks", "tabs", "crlf", "bom", "white line", "no last newline", "runs of blanks"],
)
def test_conll_is_read_in_all_its_spellings(content: str, write: Write) -> None:
    assert read_corpus([write("a.conll", content)]).sentences == CONLL_SENTENCES


def test_conll_docstart_is_no_word_and_ends_a_sentence(write: Write) -> None:
    content = "-DOCSTART- -X- O\nEU NNP B-ORG\n-DOCSTART- -X- -X- O\nhere RB O\n"
    assert [one.words for one in read_corpus([write("a.txt", content)]).sentences] == [("EU",), ("here",)]


def test_conll_comments_are_skipped_and_name_the_sentence(write: Write) -> None:
    content = "# id = s-7\n# text = EU # rejects\nEU B-ORG\n# O\n\n# O\n"
    found = read_corpus([write("a.conll", content)]).sentences
    assert [(one.id, one.words) for one in found] == [("s-7", ("EU", "#")), ("a.conll:6", ("#",))]


def test_conll_tag_column_is_chosen(write: Write) -> None:
    corpus = read_corpus([write("a.conll", "EU B-ORG B-NP\nsays O B-VP\n")], tag_column=[1])
    assert corpus.sentences[0].spans == (Span(0, 1, "ORG"),)


def test_conll_words_may_be_blank_invisible_or_emoji(write: Write) -> None:
    tabs = read_corpus([write("a.conll", "中\tO\n \tO\n\u3000\tO\n\u200b\tO\n😀\tO\n\u00a0\tO\n")])
    assert tabs.sentences[0].words == ("中", " ", "\u3000", "\u200b", "😀", "\u00a0")


def test_conll_line_that_begins_with_a_blank_has_a_blank_word(write: Write) -> None:
    assert read_corpus([write("a.conll", "中 O\n  O\n国 O\n")]).sentences[0].words == ("中", " ", "国")


def test_conll_names_file_and_line_of_short_row(write: Write) -> None:
    path = write("a.conll", "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nGerman JJ B-NP\n")
    with pytest.raises(DataError) as error:
        read_corpus([path])
    assert str(error.value) == f"{path}:4: expected 4 columns (as on line 1), found 3: 'German JJ B-NP'"


def test_conll_without_that_tag_column_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.conll:1: `tag_column` 5: expected 0 to 1 .* found 2 columns"):
        read_corpus([write("a.conll", "EU B-ORG\n")], tag_column=[5])


def test_conll_of_bare_words_is_an_error_as_training_data(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.conll:1: expected a word and its tag in columns, found 1 column"):
        read_corpus([write("a.conll", "EU\nsays\n")])


def test_conll_tag_of_no_scheme_names_its_line(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.conll:4: tag 'X-PER' is of no scheme"):
        read_corpus([write("a.conll", "EU B-ORG\n\nis O\nPeter X-PER\n")])


@pytest.mark.parametrize(("scheme", "tags"), [("iob1", "I-A B-A O I-A"), ("bmes", "S-A S-A O S-A")])
def test_conll_scheme_is_detected_for_each_file(scheme: str, tags: str, write: Write) -> None:
    path = write("a.conll", "".join(f"w {tag}\n" for tag in tags.split()))
    other = write("b.conll", "w B-A\nw I-A\n")
    corpus = read_corpus([path, other])
    assert corpus.report.clean
    assert [file.scheme for file in corpus.report.files] == [scheme if scheme == "iob1" else "bioes", "iob2"]


def test_mixture_of_schemes_names_its_line(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.conll:5: tag 'I-A', but before it 'M-A': a mixture of schemes"):
        read_corpus([write("a.conll", "w B-A\nw M-A\nw E-A\nw B-A\nw I-A\n")])


def test_invalid_start_is_read_counted_and_placed(write: Write) -> None:
    path = write("a.conll", "w B-A\nw O\nw B-A\n\nw O\nw I-A\n")
    corpus = read_corpus([path])
    assert corpus.sentences[1].spans == (Span(1, 2, "A"),)
    assert corpus.report.counts == {"invalid_starts": 1}
    assert corpus.report.places["invalid_starts"] == [f"{path}:6: 'I-A' follows 'O': not valid iob2"]


def test_invalid_start_is_an_error_where_reading_is_strict(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.conll:3: 'I-A' follows 'O': not valid iob2"):
        read_corpus([write("a.conll", "w B-A\nw O\nw I-A\nw B-A\n")], strict=True)


def test_summary_shows_five_places_and_counts_the_rest(write: Write) -> None:
    content = "w B-A\nw O\n" * 9 + "w I-A\nw O\n" * 7
    lines = read_corpus([write("a.conll", content)]).report.summary().split("\n")
    assert lines[0] == "I- tags (or M-, E-) that start an entity, read as its start: 7"
    assert len(lines) == 7
    assert lines[-1] == "  ... and 2 more"
