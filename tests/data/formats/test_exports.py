"""Records of annotation tools: read as what they are, or refused by the name of their key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus, read_raw
from ner_distill.data.formats.registry import detect_format
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]

TEXT = "Ann lives in Oslo"
SPANS = (Span(0, 1, "PER"), Span(3, 4, "LOC"))
OBJECTS = [{"start": 0, "end": 3, "label": "PER"}, {"start": 13, "end": 17, "label": "LOC"}]
TRIPLES = [[0, 3, "PER"], [13, 17, "LOC"]]
WORDS = TEXT.split()
TOKENS = [
    {"text": "Ann", "start": 0, "end": 3, "id": 0, "ws": True},
    {"text": "lives", "start": 4, "end": 9, "id": 1, "ws": True},
    {"text": "in", "start": 10, "end": 12, "id": 2, "ws": True},
    {"text": "Oslo", "start": 13, "end": 17, "id": 3, "ws": False},
]
PRODIGY = [one | {"token_start": at, "token_end": at} for one, at in zip(OBJECTS, (0, 3), strict=True)]
EXPORTS: dict[str, Any] = {
    "doccano label": {"id": 1, "text": TEXT, "label": TRIPLES},
    "doccano labels": {"id": 1, "text": TEXT, "labels": TRIPLES},
    "doccano relations": {
        "text": TEXT,
        "entities": [
            {"id": 5, "label": "PER", "start_offset": 0, "end_offset": 3},
            {"id": 6, "label": "LOC", "start_offset": 13, "end_offset": 17},
        ],
        "relations": [],
        "Comments": [],
    },
    "triples": {"text": TEXT, "entities": TRIPLES},
    "prodigy": {"text": TEXT, "spans": OBJECTS, "answer": "accept"},
    "prodigy with tokens": {"text": TEXT, "tokens": TOKENS, "spans": PRODIGY, "answer": "accept"},
    "prodigy without text": {"tokens": [{"text": word} for word in WORDS], "spans": PRODIGY},
    "spacy doc": {"text": TEXT, "ents": OBJECTS, "sents": [], "tokens": [{**one, "text": None} for one in TOKENS]},
    "spacy pair": [TEXT, {"entities": TRIPLES}],
    "label studio": {"text": TEXT, "label": [{**one, "labels": [one["label"]], "label": None} for one in OBJECTS]},
    "data set of structs": {
        "text": TEXT,
        "entities": {"start": [0, 13], "end": [3, 17], "label": ["PER", "LOC"]},
    },
    "tags under labels": {"tokens": WORDS, "labels": ["B-PER", "O", "O", "B-LOC"]},
    "tags under ner": {"words": WORDS, "ner": ["B-PER", "O", "O", "B-LOC"]},
    "triples of words": {"words": WORDS, "spans": [[0, 1, "PER"], [3, 4, "LOC"]]},
}


@pytest.mark.parametrize("record", EXPORTS.values(), ids=EXPORTS)
def test_export_has_its_words_and_entities(record: Any, write: Write) -> None:
    path = write("a.jsonl", json.dumps(record) + "\n")
    (sentence,) = read_corpus([path]).sentences
    assert (list(sentence.words), sentence.spans) == (WORDS, SPANS)
    (raw,) = read_raw([path], unit="word")
    assert (list(raw.words), raw.spans) == (WORDS, None)


@pytest.mark.parametrize("key", ["label", "labels", "spans", "ents"])
def test_export_with_an_empty_list_has_no_entity(key: str, write: Write) -> None:
    path = write("a.jsonl", json.dumps({"text": TEXT, key: []}) + "\n")
    assert read_corpus([path]).sentences[0].spans == ()


def test_rejected_and_ignored_records_are_left_out_and_counted(write: Write) -> None:
    answers = ["accept", "reject", "ignore", "reject"]
    lines = [json.dumps({"text": TEXT, "spans": OBJECTS, "answer": answer}) for answer in answers]
    path = write("a.jsonl", "\n".join(lines) + "\n")
    corpus = read_corpus([path])
    assert len(corpus.sentences) == 1
    assert corpus.report.remarks == [
        f'{path}: 2 records left out: "answer" is "reject"',
        f'{path}: 1 record left out: "answer" is "ignore"',
    ]
    assert len(list(read_raw([path], unit="word"))) == 4


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": TEXT, "label": "sports"}, "'label' looks like labels and cannot be read, found 'sports'"),
        ({"text": TEXT, "label": ["sports"]}, "'label' looks like labels"),
        ({"text": TEXT, "labels": 1}, "'labels' looks like labels"),
        ({"text": TEXT, "tags": ["news"]}, "'tags' looks like labels"),
        ({"text": TEXT, "annotations": [{"result": []}]}, "'annotations' looks like labels"),
        ({"words": WORDS, "ner_tags": [1, 0, 0, 2]}, "'tags' must be a list of strings|'ner_tags'"),
        ({"words": WORDS, "labels": [1, 0, 0, 2]}, "'tags' must be a list of strings"),
        ({"text": TEXT, "label": [[0, 3]]}, r"an entity must be .* found \[0, 3\]"),
        ({"text": TEXT, "tokens": [{"start": 0}]}, "'offsets' must be ascending"),
    ],
)
def test_labels_of_no_known_form_are_an_error_with_place_and_key(
    record: dict[str, Any], message: str, write: Write
) -> None:
    with pytest.raises(DataError, match=rf"a\.jsonl:1: .*({message})"):
        read_corpus([write("a.jsonl", json.dumps(record) + "\n")])


RECORDS = [{"text": TEXT, "entities": OBJECTS}, {"text": "Bo left", "entities": []}]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\n\n" + json.dumps(RECORDS, indent=1).replace("\n", "\r\n"),
        "\n".join(json.dumps(record, indent=2) for record in RECORDS),
        json.dumps([[TEXT, {"entities": TRIPLES}], ["Bo left", {"entities": []}]], indent=2),
        "[" + ",\n".join(json.dumps(record) for record in RECORDS) + "\n]\n",
    ],
    ids=["array", "pretty array", "blank lines", "pretty objects", "pairs", "a line an item"],
)
def test_json_over_several_lines_is_read(content: str, write: Write) -> None:
    path = write("a.txt", content)  # told by its content
    assert detect_format(path) == "jsonl"
    assert [one.spans for one in read_corpus([path]).sentences] == [SPANS, ()]


def test_cluener_in_an_array_is_read_as_cluener(write: Write) -> None:
    record = {"text": "彭小军", "label": {"name": {"彭小军": [[0, 2]]}}}
    path = write("a.json", json.dumps([record], indent=2))
    assert detect_format(path) == "cluener"
    assert read_corpus([path]).sentences[0].spans == (Span(0, 3, "name"),)


def test_error_in_an_array_names_the_line_of_its_record(write: Write) -> None:
    content = json.dumps([{"text": "a", "entities": []}, {"text": "b", "entities": 3}], indent=1)
    line = content[: content.index('"b"')].count("\n")  # where the record begins
    with pytest.raises(DataError, match=rf"a\.json:{line}: 'entities' must be a list"):
        read_corpus([write("a.json", content)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a", "entities": [],}\n', r"a\.json:1: is no JSON at column 30: .*take out the comma before }"),
        ('[\n{"text": "a"},\n]\n', r"a\.json:3: is no JSON: take out the comma before the closing \]"),
        ('{"text": "a", "weight": NaN}\n', r"a\.json:1: is no JSON: NaN is no number of JSON"),
        ("{'text': 'a'}\n", r"a\.json:1: is no JSON at column 2: .*double quotes"),
        ('{"text": "a"}{"text": "b"}\n', r"a\.json:1: is no JSON at column 14: Extra data; write one object a line"),
        ('[{"text": "a"}, {"text": \n', r"a\.json:1: is no JSON .*was the file cut off\?"),
        ('[{"text": "a"}\n', r"a\.json:1: is no JSON: expected , or \], found the end of the file"),
        ('[{"text": "a"} {"text": "b"}]\n', r"a\.json:1: is no JSON: expected , or \], found '{'"),
        ("[1, 2]\n", r"a\.json:1: expected a JSON object a line or an array of objects, found 1"),
        ('{"text": "a", "weight": ' + "9" * 5000 + "}\n", r"a\.json:1: is no JSON: a number is too long"),
        ('{"text": ' + "[" * 100_000 + "\n", r"a\.json:1: is no JSON"),
    ],
    ids=["comma", "comma of an array", "nan", "quotes", "two", "cut", "open", "no comma", "numbers", "long", "deep"],
)
def test_what_is_no_json_names_its_place_and_the_cure(content: str, message: str, write: Write) -> None:
    with pytest.raises(DataError, match=message):
        read_corpus([write("a.json", content)])


@pytest.mark.parametrize("ner", ['[{"index": [0], "type": "PER"}]', '[[0, 0, "PER"]]', "[]"])
def test_entities_beside_tokens_in_a_form_that_is_not_read_are_no_missing_labels(ner: str, write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl:1: 'ner' looks like labels and cannot be read"):
        read_corpus([write("a.jsonl", f'{{"tokens": ["Ann"], "ner": {ner}}}\n')])


def test_record_without_a_text_is_told_of_with_its_own_keys(write: Write) -> None:
    with pytest.raises(DataError, match="found the keys label, sentence$"):
        read_corpus([write("a.jsonl", '{"sentence": "Ann sings", "label": [[0, 3, "PER"]]}\n')])


def test_english_texts_in_the_form_of_cluener_are_cut_into_words(write: Write) -> None:
    path = write("a.jsonl", '{"text": "Ann sings", "label": {"PER": {"Ann": [[0, 2]]}}}\n')
    (sentence,) = read_corpus([path]).sentences
    assert (sentence.words, sentence.spans) == (("Ann", "sings"), (Span(0, 1, "PER"),))
