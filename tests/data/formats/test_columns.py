"""What the columns of a file hold: as it looks, and as asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ner_distill.data.formats.columns import columns_in
from ner_distill.data.formats.readers import read_corpus, read_raw
from ner_distill.data.formats.registry import detect_format
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]
Found = list[tuple[str, list[str]]]

GERMEVAL = (
    "#\thttp://example.org/a [2010-01-01]\n1\tAnna\tB-PER\tO\n2\tlebt\tO\tO\n3\tin\tO\tO\n4\tBonn\tB-LOC\tO\n\n"
    "#\thttp://example.org/b [2010-01-01]\n1\tUni\tB-ORG\tO\n2\tBonn\tI-ORG\tB-LOC\n3\twirbt\tO\tO\n"
)
CONLLU = (
    "# sent_id = a\n# text = Vamos al Prado\n1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t{}\n"
    "2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_\n2\ta\ta\tADP\t_\t_\t4\tcase\t_\t{}\n3\tel\tel\tDET\t_\t_\t4\tdet\t_\t{}\n"
    "3.1\tmuseo\t_\t_\t_\t_\t_\t_\t_\t_\n4\tPrado\tPrado\tPROPN\t_\t_\t1\tobl\t_\t{}\n"
)


def read(path: Path, **asked: object) -> Found:
    """(words, entities as `TYPE words`) of each sentence."""
    found = []
    for one in read_corpus([path], **asked).sentences:  # type: ignore[arg-type]
        entities = [f"{span.label} {' '.join(one.words[span.start : span.end])}" for span in one.spans or ()]
        found.append((" ".join(one.words), entities))
    return found


@pytest.mark.parametrize(
    "content",
    [
        "EU NNP B-NP B-ORG\nsays VBZ B-VP O\n",
        "1996 CD O\nwas VB O\n",
        "EU B-ORG\nEU O\n",
        "1 O\n2 B-NUM\n",
        "very RB B-X\nvery JJ I-X\n",
        "3 CD O\n4 NN B-X\n",
    ],
    ids=["chunks", "number", "one word", "words that count", "two words, the same", "two words, numbers that rise"],
)
def test_usual_file_has_words_first_tags_last_and_no_remark(content: str) -> None:
    columns = columns_in(content.splitlines())
    assert (columns.word, columns.tags, columns.remark) == (0, (columns.width - 1,), "")


def test_two_levels_of_tags_beside_an_index_are_nested_entities(write: Write) -> None:
    path = write("train.tsv", GERMEVAL)
    corpus = read_corpus([path])
    assert [one.words for one in corpus.sentences] == [("Anna", "lebt", "in", "Bonn"), ("Uni", "Bonn", "wirbt")]
    assert corpus.sentences[1].spans == (Span(0, 2, "ORG"), Span(1, 2, "LOC"))
    assert corpus.report.clean
    (remark,) = corpus.report.remarks
    assert remark == (
        f"{path}: reads column 1 as words, columns 2 and 3 as tags (from 0): column 0 counts words; columns 2 and 3 "
        "are levels of entities that may nest; `word_column` and `tag_column` say otherwise"
    )


WORDS = ("Ann", "lives", "in", "Oslo")
TAGS = ("B-PER", "O", "O", "B-LOC")


@pytest.mark.parametrize(
    "index",
    [
        [f"{place}\t" for place in range(4)],
        [f"{place + 1}.\t" for place in range(4)],
        [f"t{place}\t" for place in range(4)],
        [f"1-{place}\t{4 * place}-{4 * place + 3}\t" for place in range(4)],
        ["7\t", "5\t", "9\t", "5\t"],
    ],
    ids=["from 0", "with a dot", "named", "of WebAnno, with offsets", "of something else"],
)
@pytest.mark.parametrize("end", ["\n", ""], ids=["sentences", "no blank lines"])
def test_column_with_a_digit_in_every_row_is_never_the_words(index: list[str], end: str, write: Write) -> None:
    lines = [f"{count}{word}\t{tag}\n" for count, word, tag in zip(index, WORDS, TAGS, strict=True)]
    found = read(write("train.tsv", ("".join(lines) + end) * 5))
    assert " ".join(words for words, _ in found) == " ".join(WORDS * 5)


@pytest.mark.parametrize(
    ("names", "cells"),
    [
        ("word\ttag", "{}\t{}"),
        ("ID\tToken\tNER_tag", "1\t{}\t{}"),
        ("TOKEN\tNE-COARSE-LIT\tNE-FINE-LIT\tMISC", "{0}\t{1}\t{1}\t_"),
        ("token label", "{} {}"),
    ],
)
def test_first_line_that_names_the_columns_is_no_word(names: str, cells: str, write: Write) -> None:
    lines = "".join(cells.format(*pair) + "\n" for pair in zip(WORDS, TAGS, strict=True))
    path = write("train.tsv", f"{names}\n{lines}\n{lines}")
    assert read(path) == [("Ann lives in Oslo", ["PER Ann", "LOC Oslo"])] * 2
    (remark,) = read_corpus([path]).report.remarks
    assert "the first line names them" in remark
    assert [one.words for one in read_raw([path], unit="word")] == [WORDS] * 2


def test_first_line_of_common_words_is_a_sentence_of_the_file(write: Write) -> None:
    assert read(write("train.conll", "Word O\nform O\nis O\n")) == [("Word form is", [])]
    assert read(write("more.conll", "Text MISC\nin O\nBonn MISC\n")) == [("Text in Bonn", ["MISC Text", "MISC Bonn"])]


def test_comment_without_a_tab_is_one_however_many_blanks_it_has(write: Write) -> None:
    path = write("train.tsv", "#Text=Ann sings\nAnn\tB-PER\nsings\tO\n\n#two words\nBo\tB-PER\n")
    assert read(path) == [("Ann sings", ["PER Ann"]), ("Bo", ["PER Bo"])]


def test_blanks_beside_tabs_are_no_part_of_words_and_tags(write: Write) -> None:
    path = write("train.tsv", "Ann \t B-PER\nLee\tI-PER \n \tO\n\nBo\tO\n")
    assert [one.words for one in read_corpus([path]).sentences] == [("Ann", "Lee", " "), ("Bo",)]


def test_one_level_or_both_are_asked_for(write: Write) -> None:
    path = write("train.tsv", GERMEVAL)
    assert read(path, tag_column=[2])[1] == ("Uni Bonn wirbt", ["ORG Uni Bonn"])
    assert read(path, tag_column=[-1])[1] == ("Uni Bonn wirbt", ["LOC Bonn"])
    assert read(path, word_column=1, tag_column=[2, 3])[1] == ("Uni Bonn wirbt", ["ORG Uni Bonn", "LOC Bonn"])


@pytest.mark.parametrize(
    "tags",
    [
        ("O", "O", "O", "B-LOC"),
        ("NE=O", "_", "NE=O|SpaceAfter=No", "SpaceAfter=No|NE=B-LOC"),
        ("_", "_", "_", "B-LOC"),
        ("O", "_", "SpaceAfter=No", "B-LOC|SpaceAfter=No"),
    ],
    ids=["column", "key of MISC", "alone in MISC", "beside a feature"],
)
def test_conllu_words_are_the_syntactic_ones(tags: tuple[str, ...], write: Write) -> None:
    path = write("train.conllu", CONLLU.format(*tags))
    corpus = read_corpus([path])
    (sentence,) = corpus.sentences
    assert (sentence.id, sentence.words, sentence.spans) == ("a", ("Vamos", "a", "el", "Prado"), (Span(3, 4, "LOC"),))
    left_out = [remark for remark in corpus.report.remarks if "left out" in remark]
    assert len(left_out) == 2
    assert left_out[0].startswith(f"{path}: 1 line of a multiword token (1-2) left out")
    assert [one.words for one in read_raw([path], unit="word")] == [("Vamos", "a", "el", "Prado")]


def test_conllu_error_names_the_line_of_a_word_behind_a_multiword_token(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.conllu:8: tag 'I-LOC' is not of scheme bmes"):
        read_corpus([write("a.conllu", CONLLU.format("M-X", "O", "O", "I-LOC"))], scheme="bmes")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("B-ACTOR\tAnn\nI-ACTOR\tMiller\nO\tfilms\n", [("Ann Miller films", ["ACTOR Ann Miller"])]),
        ("O show\nB-TITLE Dune\n", [("show Dune", ["TITLE Dune"])]),
        ("doc1 Ann NNP B-PER\ndoc1 sings VB O\n\ndoc2 Bo NNP O\ndoc2 left VB O\n",
         [("Ann sings", ["PER Ann"]), ("Bo left", [])]),
        ("doc1 0 0 Ann NNP B-PER\ndoc1 0 1 sings VB O\n", [("Ann sings", ["PER Ann"])]),
        ("B-PER\t0\t3\tAnn\nO\t4\t9\tsings\n", [("Ann sings", ["PER Ann"])]),
        ("1\tAnn\tB-PER\t-\tanna\n2\tsings\tO\t-\tanna\n", [("Ann sings", ["PER Ann"])]),
        ("Ann NNP B-GENE B-PER\nsings VB O O\n", [("Ann sings", ["PER Ann"])]),
        ("Ann B-PER B-PER\nOslo B-LOC O\n", [("Ann Oslo", ["PER Ann"])]),
    ],
    ids=["tag first", "tag first, blanks", "document", "document and index", "offsets", "annotator", "other tags",
         "gold and predicted"],
)  # fmt: skip
def test_other_columns_are_seen_and_said(content: str, expected: Found, write: Write) -> None:
    path = write("train.txt", content)
    assert read(path) == expected
    assert len(read_corpus([path]).report.remarks) == 1
    assert [" ".join(one.words) for one in read_raw([path], unit="word")] == [words for words, _ in expected]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"word_column": 4}, r"a\.conll:1: `word_column` 4: expected 0 to 1 .* found 2 columns: 'EU B-ORG'"),
        ({"tag_column": [-3]}, r"a\.conll:1: `tag_column` -3: expected 0 to 1"),
        ({"word_column": -1}, r"a\.conll:1: `tag_column` 1: expected another column than that of the words, 1"),
    ],
    ids=["word", "tag", "same"],
)
def test_column_that_is_none_or_taken_is_an_error(asked: dict[str, object], message: str, write: Write) -> None:
    with pytest.raises(DataError, match=message):
        read_corpus([write("a.conll", "EU B-ORG\n")], **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("# text = Give me Vitamin O\nGive\tO\nme\tO\nVitamin\tO\nO\tO\n", ["Give me Vitamin O"]),
        ("# text = Buy a T-shirt\nBuy\tO\na\tO\nT-shirt\tO\n", ["Buy a T-shirt"]),
        ("# text = #NATO meets\n#NATO\tB-ORG\nmeets\tO\n", ["#NATO meets"]),
        ("a\tO\n\n#NATO\tORG\nmeets\tO\nAnn\tPER\n", ["a", "#NATO meets Ann"]),
        ("###MEDLINE:1\nIL-2 B-DNA\nbinds O\n", ["IL-2 binds"]),
        ("# id f54-a9\tdomain=en\nit _ _ O\nis _ _ O\n", ["it is"]),
        ("# text = O\nAnn NN NN B-PER\nsings V V O\n", ["Ann sings"]),
    ],
    ids=["ends in O", "ends in a shirt", "word with #", "type alone", "medline", "tab", "as many columns"],
)  # fmt: skip
def test_comments_are_told_from_words(content: str, expected: list[str], write: Write) -> None:
    assert [words for words, _ in read(write("a.conll", content))] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [("#NATO\nmeets\n", "#NATO meets"), ("#\nis\n", "# is"), ("#NATO\tNNP\nmeets\tVBZ\n", "#NATO meets"),
     ("# id = 7\nBo\nsings\n", "Bo sings")],
)  # fmt: skip
def test_raw_columns_have_words_with_number_signs(content: str, expected: str, write: Write) -> None:
    assert [" ".join(one.words) for one in read_raw([write("a.conll", content)], unit="word")] == [expected]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ("the\tO\nBig\tLEX\nBonn\tLOC\n", "conll"),
        ("Ann\tNNP\nsings\tVBZ\n\nBo\tNNP\nleft\tVBD\n", "conll"),
        ("1\tThis is a sentence.\n2\tAnother sentence.\n3\tThe last one.\n", "text"),
        ("Ana López\nBo Smith\nCy Young\n", "text"),
        ("O show\nB-TITLE Dune\n", "conll"),
        ("E-mail me\nE-mail us\n", "text"),
        ("1\t他在北京工作。\n2\t他在上海。\n3\t没有。\n", "text"),
        ("标题\t内容在这里\n\n标题\t内容在这里\n\n", "text"),
    ],
)
def test_what_looks_like_columns_is_no_raw_text(content: str, format: str, write: Write) -> None:
    assert detect_format(write("a.tsv", content)) == format
