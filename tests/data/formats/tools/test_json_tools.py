"""JSON of doccano, Prodigy, Argilla, GLiNER, UIE, CBLUE and spaCy: each in the forms that the tool documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import Corpus, read_corpus, read_raw
from ner_distill.data.formats.registry import detect_format
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]

TEXT = "Ann lives in Oslo"
ANN, OSLO = Span(0, 1, "PER"), Span(3, 4, "LOC")
OBJECTS = [{"start": 0, "end": 3, "label": "PER"}, {"start": 13, "end": 17, "label": "LOC"}]
TRIPLES = [[0, 3, "PER"], [13, 17, "LOC"]]


def lines(*records: Any) -> str:
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)


def read(records: Sequence[Any], write: Write, format: str) -> Corpus:
    """The corpus of the records, recognised as of this format; as raw text it has no labels."""
    path = write("a.jsonl", lines(*records))
    assert detect_format(path) == format
    assert all(one.spans is None and one.words for one in read_raw([path], unit="word"))
    return read_corpus([path])


def spans(corpus: Corpus) -> list[tuple[Span, ...] | None]:
    return [one.spans for one in corpus.sentences]


def remarks(corpus: Corpus) -> set[str]:
    return {remark.partition(": ")[2] for remark in corpus.report.remarks}


SEEDS: dict[str, Any] = {
    "label-studio": {"annotations": [{"result": [{"type": "labels", "value": OBJECTS[0]}]}], "data": {"text": TEXT}},
    "argilla": {"fields": {"text": TEXT}, "suggestions": {}, "responses": {"ner": [{"value": OBJECTS}]}},
    "prodigy": {"text": TEXT, "spans": OBJECTS, "answer": "accept", "_input_hash": 1, "relations": []},
    "doccano": {"text": TEXT, "annotations": [{"label": "X", "start_offset": 0, "end_offset": 3, "user": 1}]},
    "gliner": {"tokenized_text": ["Bo", "left"], "ner": [[0, 0, "X"]], "relations": []},
    "uie": {"content": TEXT, "prompt": "X", "result_list": OBJECTS},
    "cblue": {"text": TEXT, "entities": [{"start_idx": 0, "end_idx": 2, "type": "X", "entity": "Ann"}]},
    "spacy-json": {"id": 1, "paragraphs": [{"sentences": [{"tokens": [{"orth": "Bo", "ner": "U-X"}]}]}]},
}


def damaged(value: Any) -> Iterator[Any]:
    """The value with one of its parts replaced by something else, each part by each."""
    yield from (None, 7, "x", [], {}, [{}])
    for key, part in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        for other in damaged(part):
            made = value.copy()
            made[key] = other
            yield made


@pytest.mark.parametrize("format", SEEDS)
def test_damaged_records_are_errors_of_the_data_at_worst(format: str, write: Write) -> None:
    for record in damaged(SEEDS[format]):
        path = write("a.json", json.dumps([record]))
        with suppress(DataError):
            read_corpus([path], format=format)
        with suppress(DataError):
            list(read_raw([path], format=format, unit="word"))


# doccano


def test_doccano_with_relations_counts_them(write: Write) -> None:
    entities = [{"id": 1, "label": one[2], "start_offset": one[0], "end_offset": one[1]} for one in TRIPLES]
    corpus = read([{"id": 1, "text": TEXT, "entities": entities, "relations": [{}, {}]}], write, "doccano")
    assert spans(corpus) == [(ANN, OSLO)]
    assert remarks(corpus) == {"2 relations left out"}


def test_doccano_with_data_for_text(write: Write) -> None:
    corpus = read(
        [{"id": 1, "data": TEXT, "label": TRIPLES}, {"id": 2, "data": "Bo left", "label": []}], write, "doccano"
    )
    assert spans(corpus) == [(ANN, OSLO), ()]


def by_users(*users: tuple[int, Sequence[Sequence[Any]]]) -> dict[str, Any]:
    items = [
        {"label": label, "start_offset": start, "end_offset": end, "user": user}
        for user, triples in users
        for start, end, label in triples
    ]
    return {"id": 1, "text": TEXT, "annotations": items, "meta": {}, "annotation_approver": None}


def test_doccano_of_several_users_takes_one_and_notes_where_they_differ(write: Write) -> None:
    same = by_users((1, TRIPLES), (2, TRIPLES))
    other = by_users((1, TRIPLES), (2, TRIPLES[:1])) | {"id": 2}
    corpus = read([same, other, {"id": 3, "text": "Bo", "annotations": []}], write, "doccano")
    assert spans(corpus) == [(ANN, OSLO), (ANN,), ()]
    assert corpus.report.counts == {"several_annotations": 1}


def test_doccano_labels_that_are_numbers_are_types_of_that_name(write: Write) -> None:
    corpus = read([by_users((1, [[0, 3, 12]]))], write, "doccano")
    assert spans(corpus) == [(Span(0, 1, "12"),)]
    assert remarks(corpus) == {"its labels are numbers without names, read as types ['12']"}


def test_doccano_classes_of_whole_texts_are_an_error(write: Write) -> None:
    record = {"id": 1, "text": TEXT, "annotations": [{"label": 3, "user": 1}], "annotation_approver": None}
    with pytest.raises(DataError, match=r"a\.jsonl:1: .*'annotations'"):
        read_corpus([write("a.jsonl", lines(record))])


# Prodigy


def prodigy(answer: str = "accept", spans: Sequence[Any] = OBJECTS, **others: Any) -> dict[str, Any]:
    record = {"text": TEXT, "spans": spans, "answer": answer, "_input_hash": 1, "_task_hash": 2}
    return record | {"_view_id": "ner_manual"} | others


def test_prodigy_answers_are_honoured(write: Write) -> None:
    records = [prodigy(), prodigy("reject", _input_hash=2), prodigy("ignore", _input_hash=3)]
    corpus = read([*records, prodigy(spans=[], _input_hash=4)], write, "prodigy")
    assert spans(corpus) == [(ANN, OSLO), ()]
    assert remarks(corpus) == {'1 record left out: "answer" is "reject"', '1 record left out: "answer" is "ignore"'}


def test_prodigy_answers_about_single_entities_are_left_out(write: Write) -> None:
    corpus = read([prodigy(), prodigy(_view_id="ner", spans=OBJECTS[:1], _input_hash=2)], write, "prodigy")
    assert spans(corpus) == [(ANN, OSLO)]
    assert [one.partition(" left out")[0] for one in remarks(corpus)] == ["1 record"]


def test_prodigy_of_several_annotators_is_one_text(write: Write) -> None:
    records = [prodigy(_annotator_id="a"), prodigy(_annotator_id="b", spans=OBJECTS[:1])]
    corpus = read(records, write, "prodigy")
    assert spans(corpus) == [(ANN,)]
    assert corpus.report.counts == {"several_annotations": 1}


def test_texts_of_one_hash_that_differ_stay_apart(write: Write) -> None:
    corpus = read([prodigy(), prodigy(text="Bo left", spans=[])], write, "prodigy")
    assert spans(corpus) == [(ANN, OSLO), ()]


@pytest.mark.parametrize("record", [{"text": TEXT, "answer": "42"}, {"text": TEXT, "content": "x", "prompt": "y"}])
def test_texts_with_an_answer_or_a_prompt_are_no_tasks(record: dict[str, str], write: Write) -> None:
    assert detect_format(write("a.jsonl", lines(record))) == "jsonl"


# Argilla


def argilla(*values: Any, **others: Any) -> dict[str, Any]:
    responses = {"ner": [{"value": value, "user_id": "u"} for value in values]} if values else {}
    record = {"id": "a", "fields": {"text": TEXT}, "metadata": {}, "suggestions": {}, "responses": responses}
    return record | {"vectors": {}, "_server_id": "s"} | others


def test_argilla_takes_responses_and_counts_suggestions(write: Write) -> None:
    suggestions = {"ner": {"value": OBJECTS, "score": [0.9, 0.8], "agent": "model"}}
    corpus = read(
        [argilla(OBJECTS, suggestions=suggestions), argilla(suggestions=suggestions, id="b")], write, "argilla"
    )
    assert spans(corpus) == [(ANN, OSLO), None]
    assert remarks(corpus) == {"2 suggestions left out"}


def test_argilla_leaves_out_what_is_discarded_and_notes_where_responses_differ(write: Write) -> None:
    discarded = {"ner": [{"value": None, "user_id": "u", "status": "discarded"}]}
    corpus = read([argilla(OBJECTS, OBJECTS[:1]), argilla(responses=discarded, id="b")], write, "argilla")
    assert spans(corpus) == [(ANN,)]
    assert corpus.report.counts == {"several_annotations": 1}
    assert remarks(corpus) == {"1 record left out: its responses are discarded or drafts"}


def test_argilla_flat_records(write: Write) -> None:
    record = {"id": "a", "text": TEXT, "ner.responses": [OBJECTS], "ner.responses.users": ["u"]}
    record |= {"ner.responses.status": ["submitted"], "ner.suggestion": OBJECTS, "ner.suggestion.score": None}
    corpus = read([record, {"id": "b", "text": "Bo left", "ner.responses": None}], write, "argilla")
    assert spans(corpus) == [(ANN, OSLO), None]
    assert remarks(corpus) == {"1 suggestion left out"}


def test_argilla_responses_to_other_questions_alone_are_an_error(write: Write) -> None:
    path = write("a.jsonl", lines(argilla(responses={"mood": [{"value": "good", "user_id": "u"}]})))
    with pytest.raises(DataError, match="expected responses to a span question, found only mood"):
        read_corpus([path])


@pytest.mark.parametrize("items", [[["PER", 0, 3], ["LOC", 13, 17]], OBJECTS], ids=["triples", "objects"])
def test_argilla_of_version_1(items: list[Any], write: Write) -> None:
    record = {"id": "a", "text": TEXT, "tokens": ["Ann", "lives", "in", "Oslo"], "annotation": items}
    record |= {
        "annotation_agent": "u",
        "prediction": [["PER", 0, 3, 0.9]],
        "prediction_agent": "m",
        "status": "Validated",
    }
    records = [record, record | {"status": "Discarded"}, record | {"annotation": None, "status": "Default"}]
    corpus = read(records, write, "argilla")
    assert spans(corpus) == [(ANN, OSLO), None]
    assert corpus.sentences[0].offsets == ((0, 3), (4, 9), (10, 12), (13, 17))
    assert remarks(corpus) == {"3 predictions of models left out", "1 record left out: it was discarded"}


# GLiNER


def test_gliner_ends_name_the_last_word(write: Write) -> None:
    records = [
        {"tokenized_text": ["University", "of", "New", "York"], "ner": [[0, 3, "org"], [2, 3, "city"]]},
        {"tokenized_text": ["Bo", "left"], "ner": [], "relations": [[0, 1, "x"]]},
    ]
    corpus = read(records, write, "gliner")
    assert spans(corpus) == [(Span(0, 4, "org"), Span(2, 4, "city")), ()]
    assert remarks(corpus) == {"1 relation left out"}


@pytest.mark.parametrize(
    ("ner", "message"),
    [
        ([[0, 2, "X"]], r"\[0, 2, 'X'\] lies outside the 2 words; its second number is the last word"),
        ([[1, 0, "X"]], "lies outside the 2 words"),
        ([[0, "X"]], r"expected an entity \[first word, last word, type\]"),
        (None, "expected 'ner' to be a list"),
    ],
)
def test_gliner_of_another_form_is_an_error_with_its_place(ner: Any, message: str, write: Write) -> None:
    with pytest.raises(DataError, match=rf"a\.jsonl:1: .*{message}"):
        read_corpus([write("a.jsonl", lines({"tokenized_text": ["Bo", "left"], "ner": ner}))])


# UIE


def uie(prompt: str, *results: tuple[str, int, int], content: str = "小明的父亲是大明") -> dict[str, Any]:
    found = [{"text": text, "start": start, "end": end} for text, start, end in results]
    return {"content": content, "result_list": found, "prompt": prompt}


def test_uie_prompts_of_one_text_are_its_types(write: Write) -> None:
    other = "大明在北京"
    records = [
        uie("人物", ("小明", 0, 2), ("大明", 6, 8)),
        uie("地点", ("北京", 3, 5), content=other),
        uie("组织"),
        uie("人物", ("大明", 0, 2), content=other),
    ]
    corpus = read(records, write, "uie")
    assert spans(corpus) == [(Span(0, 2, "人物"), Span(6, 8, "人物")), (Span(0, 2, "人物"), Span(3, 5, "地点"))]
    assert len(list(read_raw([write("b.jsonl", lines(*records))], unit="character"))) == 2


def test_uie_relations_and_classes_of_texts_are_left_out_and_counted(write: Write) -> None:
    records = [
        uie("人物", ("小明", 0, 2)),
        uie("小明的父亲", ("大明", 6, 8)),
        uie("人物的地点", ("小明", 0, 2)),  # a type with 的 in it
        uie("情感倾向[正向，负向]", ("正向", -7, -5)),
    ]
    corpus = read(records, write, "uie")
    assert spans(corpus) == [(Span(0, 2, "人物"), Span(0, 2, "人物的地点"))]
    assert remarks(corpus) == {"1 answer about a relation left out", "1 class of a whole text left out"}


def test_uie_of_another_form_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl:1: expected a 'prompt' and a list in 'result_list'"):
        read_corpus([write("a.jsonl", lines({"content": "小明", "prompt": "人物", "result_list": "小明"}))])


# CBLUE


def cmeee(*entities: tuple[int, int, str, str]) -> dict[str, Any]:
    named = [{"start_idx": one[0], "end_idx": one[1], "type": one[2], "entity": one[3]} for one in entities]
    return {"text": "呼吸肌麻痹和呼吸中枢受累", "entities": named}


@pytest.mark.parametrize("more", [0, 1], ids=["last character", "character behind"])
def test_cmeee_ends_are_told_by_the_entities(more: int, write: Write) -> None:
    record = cmeee((0, 2 + more, "bod", "呼吸肌"), (0, 4 + more, "sym", "呼吸肌麻痹"))
    corpus = read([record, {"text": "无"}, cmeee()], write, "cblue")
    assert spans(corpus) == [(Span(0, 3, "bod"), Span(0, 5, "sym")), None, ()]
    said = {"'end_idx' is read as the character behind an entity: 2 of 2 entities agree with that, 0 with the last"}
    assert (corpus.unit, corpus.report.counts, remarks(corpus)) == ("character", {}, said if more else set())


# spaCy


def test_spacy_json_of_version_2_has_its_sentences(write: Write) -> None:
    tags = [["U-PER", "O", "O", "U-LOC"], ["-", "O"], ["-", "-"]]
    words = [TEXT.split(), ["Bo", "left"], ["Cy", "left"]]
    sentences = [
        {"tokens": [{"orth": word, "ner": tag} for word, tag in zip(*one, strict=True)]}
        for one in zip(words, tags, strict=True)
    ]
    corpus = read([{"id": 4, "paragraphs": [{"raw": "x", "sentences": sentences}]}], write, "spacy-json")
    assert [one.id for one in corpus.sentences] == ["4.0.0", "4.0.1", "4.0.2"]
    assert spans(corpus) == [(ANN, OSLO), (), None]
    assert [one.keep for one in corpus.sentences] == [None, (False, True), None]
    assert remarks(corpus) == {"1 word without a tag in a labelled sentence: not counted"}


def test_spacy_json_of_another_form_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl:1: expected 'paragraphs' with 'sentences'"):
        read_corpus([write("a.jsonl", lines({"paragraphs": [{"text": "x"}]}))])


@pytest.mark.parametrize("content", ["Ann|B-PER left|O\nBo|B-PER\n", "Ann|NNP|B-PER left|VB|O\nBo|NNP|B-PER\n"])
def test_words_with_tags_behind_bars_are_read(content: str, write: Write) -> None:
    for name in ("a.iob", "a"):
        path = write(name, content)
        assert detect_format(path) == "spacy-iob"
        assert [one.words for one in read_corpus([path]).sentences] == [("Ann", "left"), ("Bo",)]
        assert spans(read_corpus([path])) == [(Span(0, 1, "PER"),), (Span(0, 1, "PER"),)]
    assert [one.spans for one in read_raw([path], unit="word")] == [None, None]


def test_word_without_a_tag_behind_a_bar_is_an_error_with_its_line(write: Write) -> None:
    content = "Ann|B-PER left|O\n" * 20 + "Bo left|O\n"
    with pytest.raises(DataError, match=r"a\.iob:21: expected word\|TAG or word\|POS\|TAG"):
        read_corpus([write("a.iob", content)])
