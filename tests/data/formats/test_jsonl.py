"""JSON Lines and CLUENER → sentences."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus, read_raw
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]


def json_lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_json_words_and_tags(write: Write) -> None:
    content = json_lines({"id": 7, "tokens": ["Ana", " "], "tags": ["B-PER", "O"], "lang": "es", "align": [0, 0]})
    assert read_corpus([write("a.jsonl", content)]).sentences == (
        Sentence("7", ("Ana", " "), (Span(0, 1, "PER"),), lang="es"),
    )


def test_json_text_and_nested_entities(write: Write) -> None:
    entities = [{"start": 0, "end": 12, "label": "ORG"}, {"start": 8, "end": 12, "label": "LOC"}]
    path = write("a.jsonl", json_lines({"text": "Bank of Rome pays", "entities": entities}))
    (sentence,) = read_corpus([path]).sentences
    assert sentence.words == ("Bank", "of", "Rome", "pays")
    assert sentence.spans == (Span(0, 3, "ORG"), Span(2, 3, "LOC"))
    assert sentence.offsets == ((0, 4), (5, 7), (8, 12), (13, 17))


def test_json_without_labels_is_unlabelled(write: Write) -> None:
    content = json_lines({"words": ["a"]}, {"text": "a", "tags": None}, {"text": "a", "entities": []})
    assert [one.spans for one in read_corpus([write("a.jsonl", content)]).sentences] == [None, None, ()]


def test_json_entities_in_words_win_over_tags_as_they_may_nest(write: Write) -> None:
    nested = [{"start_word": 0, "end_word": 2, "label": "A"}, {"start_word": 1, "end_word": 2, "label": "B"}]
    path = write("a.jsonl", json_lines({"words": ["x", "y"], "tags": ["B-A", "I-A"], "entities": nested}))
    assert read_corpus([path]).sentences[0].spans == (Span(0, 2, "A"), Span(1, 2, "B"))


def test_json_entity_inside_a_word_is_widened_and_counted(write: Write) -> None:
    text = "a Berlin-based firm"
    path = write("a.jsonl", json_lines({"text": text, "entities": [{"start": 2, "end": 8, "label": "LOC"}]}))
    corpus = read_corpus([path])
    assert corpus.sentences[0].spans == corpus.sentences[0].inside_words == (Span(1, 2, "LOC"),)
    assert corpus.sentences[0].exact == ()
    assert corpus.report.counts == {"inside_word": 1}
    assert f"{path}:1: LOC 'Berlin' (2, 8) has a border inside 'Berlin-based'" in corpus.report.summary()


@pytest.mark.parametrize(
    ("entities", "spans", "exact", "inside"),
    [
        ([(0, 3), (4, 6)], 1, 0, 2),  # two parts of one word: both are missed
        ([(0, 6), (0, 3)], 1, 1, 0),  # the word itself is an entity, too
        ([(0, 3), (0, 6)], 1, 1, 0),
    ],
)
def test_entities_inside_words_are_told_from_whole_ones(
    entities: list[tuple[int, int]], spans: int, exact: int, inside: int, write: Write
) -> None:
    items = [{"start": start, "end": end, "label": "LOC"} for start, end in entities]
    (one,) = read_corpus([write("a.jsonl", json_lines({"text": "Ulm-Au to", "entities": items}))]).sentences
    assert tuple(map(len, (one.spans or (), one.exact, one.inside_words))) == (spans, exact, inside)


def test_an_entity_that_ends_inside_a_clitic_is_inside_a_word(write: Write) -> None:
    items = [{"start": 0, "end": 3, "label": "PER"}, {"start": 8, "end": 12, "label": "PER"}]
    (one,) = read_corpus([write("a.jsonl", json_lines({"text": "Ann's & Bob's", "entities": items}))]).sentences
    assert one.words == ("Ann", "'s", "&", "Bob", "'s")
    assert (one.exact, one.inside_words) == ((Span(0, 1, "PER"),), (Span(3, 5, "PER"),))


@pytest.mark.parametrize("with_text", [True, False])
def test_what_is_inside_words_is_written_and_read_again(with_text: bool, write: Write, tmp_path: Path) -> None:
    items = [{"start": 2, "end": 8, "label": "LOC"}, {"start": 15, "end": 19, "label": "ORG"}]
    (one,) = read_corpus([write("a.jsonl", json_lines({"text": "a Berlin-based firm", "entities": items}))]).sentences
    write_jsonl([one if with_text else replace(one, text=None, offsets=None)], tmp_path / "b.jsonl")
    (again,) = read_corpus([tmp_path / "b.jsonl"]).sentences
    assert (again.spans, again.inside_words) == (one.spans, (Span(1, 2, "LOC"),))


def test_json_entity_with_white_space_at_its_ends_is_trimmed(write: Write) -> None:
    path = write("a.jsonl", json_lines({"text": "to Rome now", "entities": [{"start": 2, "end": 8, "label": "LOC"}]}))
    corpus = read_corpus([path])
    assert corpus.sentences[0].spans == (Span(1, 2, "LOC"),)
    assert corpus.report.clean


@pytest.mark.parametrize(
    ("entity", "finding"),
    [((3, 9), "out_of_range"), ((-1, 2), "out_of_range"), ((2, 2), "out_of_range"), ((2, 3), "blank_entities")],
)
def test_json_entity_without_a_word_is_left_out_and_counted(
    entity: tuple[int, int], finding: str, write: Write
) -> None:
    found = {"start": entity[0], "end": entity[1], "label": "X"}
    corpus = read_corpus([write("a.jsonl", json_lines({"text": "ab cd", "entities": [found]}))])
    assert corpus.sentences[0].spans == ()
    assert corpus.report.counts == {finding: 1}


def test_json_half_of_a_surrogate_pair_is_replaced_and_counted(write: Write) -> None:
    corpus = read_corpus([write("a.jsonl", '{"text": "a \\ud83d b"}\n{"words": ["\\ude00"]}\n')])
    assert [one.words for one in corpus.sentences] == [("a", "\ufffd", "b"), ("\ufffd",)]
    assert corpus.report.counts == {"surrogates": 2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"', r"a\.jsonl:2: is no JSON at column 13"),
        ("[1, 2]", r"a\.jsonl:2: expected a JSON object a line or an array of objects, found a list"),
        ('{"txt": "a"}', r"a\.jsonl:2: expected 'words' \(a list\) or 'text' \(a string\), found the keys txt"),
        ('{"words": "a b"}', r"a\.jsonl:2: 'words' must be a list of strings, found 'a b'"),
        ('{"words": ["a", "b"], "tags": ["O"]}', r"a\.jsonl:2: expected a tag for each word, found 2 words and 1 tags"),
        ('{"words": ["a"], "tags": ["X"]}', r"a\.jsonl:2: tag 'X' is of no scheme"),
        ('{"text": "a", "entities": [{"start": 0}]}', r"a\.jsonl:2: an entity must be .* found \{'start': 0\}"),
        ('{"text": "a", "entities": [{"start": true, "end": 1, "label": "A"}]}', r"a\.jsonl:2: an entity must be"),
        ('{"words": ["a"], "entities": [{"start": 0, "end": 1, "label": "A"}]}', r"2: an entity must be .*start_word"),
        ('{"text": "a", "offsets": [[0, 2]]}', r"a\.jsonl:2: 'offsets' must be ascending"),
        ('{"id": [1], "text": "a"}', r"a\.jsonl:2: 'id' must be text or an integer"),
    ],
)
def test_json_of_another_form_is_an_error_at_its_line(line: str, message: str, write: Write) -> None:
    with pytest.raises(DataError, match=message):
        read_corpus([write("a.jsonl", '{"text": "fine", "entities": []}\n' + line + "\n")])


def test_cluener_ends_are_inclusive(write: Write) -> None:
    record = {"text": "彭小军认为 IBM", "label": {"name": {"彭小军": [[0, 2]]}, "company": {"IBM": [[6, 8]]}}}
    path = write("train.json", json_lines(record))
    assert read_corpus([path]).sentences[0].spans == (Span(0, 3, "name"), Span(6, 9, "company"))
    assert read_corpus([path]).sentences[0].words == tuple("彭小军认为 IBM")


def test_cluener_keeps_the_longer_of_overlapping_entities_and_counts_the_other(write: Write) -> None:
    record = {"text": "《永隆银行》", "label": {"company": {"永隆银行": [[1, 4]]}, "book": {"《永隆银行》": [[0, 5]]}}}
    corpus = read_corpus([write("train.json", json_lines(record))])
    assert corpus.sentences[0].spans == (Span(0, 6, "book"),)
    assert corpus.report.counts == {"overlaps": 1}


def test_cluener_surface_that_differs_is_counted_and_read_where_it_stands(write: Write) -> None:
    corpus = read_corpus([write("a.json", json_lines({"text": "彭小军", "label": {"name": {"小军": [[0, 1]]}}}))])
    assert corpus.sentences[0].spans == (Span(1, 3, "name"),)
    assert corpus.report.counts == {"surface_differs": 1}


# ---- how labels count

TWO = {"words": ["a", "b"], "tags": ["O", "O"]}
CUT = {"text": "a b", "offsets": [[0, 1], [2, 3]], "entities": []}


@pytest.mark.parametrize("record", [TWO, CUT], ids=["words", "text"])
def test_json_keep_and_weight_are_read(record: dict[str, Any], write: Write) -> None:
    content = json_lines({**record, "keep": [True, False], "weight": 0.7})
    (sentence,) = read_corpus([write("a.jsonl", content)]).sentences
    assert (sentence.keep, sentence.weight) == ((True, False), 0.7)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({**TWO, "keep": [True]}, "expected 'keep' for each word, found 2 words and 1 values"),
        ({**TWO, "keep": [1, 0]}, r"'keep' must be a list of true and false, found \[1, 0\]"),
        ({**TWO, "keep": "yes"}, "'keep' must be a list of true and false, found 'yes'"),
        ({"text": "a b", "keep": [True, False]}, "give 'offsets'"),
        ({**TWO, "weight": -0.5}, "'weight' must be a number of 0 or more, found -0.5"),
        ({**TWO, "weight": "1"}, "'weight' must be a number of 0 or more, found '1'"),
        ({**TWO, "weight": True}, "'weight' must be a number of 0 or more, found True"),
        ({**TWO, "weight": float("nan")}, "is no JSON: NaN is no number of JSON"),
    ],
    ids=["length", "numbers", "text", "no offsets", "negative", "string", "bool", "nan"],
)
def test_json_keep_or_weight_of_another_form_is_an_error_with_its_place(
    record: dict[str, Any], said: str, write: Write
) -> None:
    with pytest.raises(DataError, match=rf"a\.jsonl:2: .*{said}"):
        read_corpus([write("a.jsonl", json_lines(TWO, record))])


def test_raw_text_is_read_without_keep_and_weight(write: Write) -> None:
    path = write("a.jsonl", json_lines({**TWO, "keep": [True, False], "weight": 0.5}))
    (sentence,) = read_raw([path], unit="word")
    assert (sentence.keep, sentence.weight) == (None, 1.0)
