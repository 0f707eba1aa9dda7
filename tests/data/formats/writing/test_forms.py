"""What each writer writes, against the tools' own descriptions of their formats, and spaCy itself."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writing.base import About, Labelled, Losses, TextWriter
from ner_distill.data.formats.writing.registry import write
from ner_distill.data.formats.writing.tables import Csv, Uie
from ner_distill.data.formats.writing.tools import Argilla, Doccano, Gliner, LabelStudio, Prodigy
from ner_distill.data.sentence import Sentence, Span
from ner_distill.views.prediction_page import Page
from ner_distill.views.written import ALL_WRITERS
from tests.parsed import Parsed

TEXT = "😀 Ana lives in New  York."
OFFSETS = ((0, 1), (2, 5), (6, 11), (12, 14), (15, 18), (20, 24), (24, 25))
GIVEN = Sentence("raw.txt:1", tuple(TEXT[start:end] for start, end in OFFSETS), None, TEXT, OFFSETS)
FOUND = [(Span(4, 6, "LOC"), 0.62345), (Span(1, 2, "PER"), 0.975)]
PREDICTED = Labelled(GIVEN, FOUND)


def written(writer: TextWriter, *records: Labelled) -> str:
    return "".join(writer.parts(records, Losses()))


def test_label_studio_has_predictions_with_scores_from_which_a_person_starts() -> None:
    (task,) = json.loads(written(LabelStudio(About("runs/x")), PREDICTED))
    names = {"from_name": "label", "to_name": "text", "type": "labels"}
    person = {"start": 2, "end": 5, "text": "Ana", "labels": ["PER"]}
    place = {"start": 15, "end": 24, "text": "New  York", "labels": ["LOC"]}
    assert task == {
        "id": 1,
        "data": {"text": TEXT},
        "meta": {"id": "raw.txt:1"},
        "predictions": [
            {
                "model_version": "runs/x",
                "score": 0.6234,
                "result": [
                    {"id": "e1", **names, "value": person, "score": 0.975},
                    {"id": "e2", **names, "value": place, "score": 0.6234},
                ],
            }
        ],
    }


@pytest.mark.parametrize("count", [0, 1, 3])
def test_label_studio_is_one_array_whatever_its_length(count: int) -> None:
    writer = LabelStudio()
    for _ in range(2):  # a writer begins anew
        assert len(json.loads(written(writer, *[PREDICTED] * count))) == count


def test_label_studio_has_labels_as_annotations_and_none_where_nobody_labelled() -> None:
    labels, none = json.loads(
        written(LabelStudio(), Labelled(GIVEN, [(Span(1, 2, "PER"), None)]), Labelled(GIVEN, None))
    )
    assert [one["value"]["text"] for one in labels["annotations"][0]["result"]] == ["Ana"]
    assert none["annotations"] == []
    assert "predictions" not in labels


def test_doccano_has_triples_in_characters() -> None:
    row = json.loads(written(Doccano(About("runs/x")), PREDICTED))
    assert row == {"id": "raw.txt:1", "text": TEXT, "label": [[2, 5, "PER"], [15, 24, "LOC"]]}


def test_prodigy_has_tokens_and_spans_whose_last_token_is_inclusive() -> None:
    row = json.loads(written(Prodigy(About("runs/x")), PREDICTED))
    assert [(token["id"], token["text"], token["ws"]) for token in row["tokens"]] == [
        *((0, "😀", True), (1, "Ana", True), (2, "lives", True), (3, "in", True)),
        *((4, "New", True), (5, "York", False), (6, ".", False)),
    ]
    assert all(TEXT[token["start"] : token["end"]] == token["text"] for token in row["tokens"])
    assert row["spans"] == [
        {"start": 2, "end": 5, "token_start": 1, "token_end": 1, "label": "PER", "score": 0.975},
        {"start": 15, "end": 24, "token_start": 4, "token_end": 5, "label": "LOC", "score": 0.6234},
    ]
    assert "answer" not in row


def test_prodigy_takes_labels_for_accepted() -> None:
    assert json.loads(written(Prodigy(), Labelled(GIVEN, [])))["answer"] == "accept"


def test_gliner_names_the_last_word_of_an_entity() -> None:
    (row,) = json.loads(written(Gliner(About("runs/x")), PREDICTED))
    assert row["ner"] == [[1, 1, "PER"], [4, 5, "LOC"]]
    assert row["tokenized_text"] == list(GIVEN.words)


def test_html_of_labels_names_no_model_and_no_score() -> None:
    page = Parsed(written(Page(), Labelled(GIVEN, [(Span(1, 2, "PER"), None)])), "mark")
    assert [attrs["title"] for attrs in page.tags("mark")] == ["PER"]
    assert page.inside == ["AnaPER"]


def test_spacy_reads_the_text_the_entities_and_the_missing_labels(tmp_path: Path) -> None:
    masked = Sentence("m", ("in", "Rome"), (Span(1, 2, "LOC"),), keep=(True, False))
    records = [PREDICTED, Labelled.of(masked), Labelled(GIVEN, None)]
    write(ALL_WRITERS["docbin"](About("runs/x")), records, tmp_path / "a.spacy", Losses())
    first, second, third = DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    assert first.text == TEXT
    assert [(one.text, one.label_) for one in first.ents] == [("Ana", "PER"), ("New  York", "LOC")]
    assert [token.ent_iob_ for token in second] == ["O", ""]
    assert not third.has_annotation("ENT_IOB")
    assert first.has_annotation("ENT_IOB")


def test_spacy_has_all_entities_of_a_nested_document_in_a_span_group(tmp_path: Path) -> None:
    losses = Losses()
    nested = Labelled(GIVEN, [*FOUND, (Span(5, 6, "NAME"), 0.25)])
    write(ALL_WRITERS["docbin"](About("runs/x")), [nested, PREDICTED], tmp_path / "a.spacy", losses)
    first, second = DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    assert [one.label_ for one in first.ents] == ["PER", "LOC"]
    assert [(one.text, one.label_) for one in first.spans["sc"]] == [
        ("Ana", "PER"),
        ("New  York", "LOC"),
        ("York", "NAME"),
    ]
    assert "sc" not in second.spans
    assert losses.counts == {"grouped": 1}
    assert next(losses.warnings()).startswith("1 entity inside or across a longer one: in the span group `sc`")


def test_brat_has_scores_as_notes_and_a_long_entity_in_parts(tmp_path: Path) -> None:
    text = "New\nYork"
    sentence = Sentence("a/b:c", ("New", "York"), None, text, ((0, 3), (4, 8)))
    losses = Losses()
    write(ALL_WRITERS["brat"](About("x")), [Labelled(sentence, [(Span(0, 2, "LOC"), 0.5)])], tmp_path / "out", losses)
    assert {one.name: one.read_text("utf-8") for one in (tmp_path / "out").iterdir()} == {
        "a_b_c.txt": text,
        "a_b_c.ann": "T1\tLOC 0 3;4 8\tNew York\n#1\tAnnotatorNotes T1\tscore 0.5\n",
    }
    assert losses.counts == {"file_ids": 1}


@pytest.mark.parametrize("id", ["../../etc/passwd", ".hidden", "a\0b", "x" * 300, "", "con\nn", "京" * 300])
def test_brat_writes_no_file_outside_its_folder_whatever_the_id(id: str, tmp_path: Path) -> None:
    sentences = [Sentence(id, ("Oslo",), ()), Sentence(id.upper(), ("Rome",), ())]
    write(ALL_WRITERS["brat"](), map(Labelled.of, sentences), tmp_path / "out", Losses())
    files = sorted(tmp_path.rglob("*"))
    assert len(files) == 5
    assert all(one.parent == tmp_path / "out" for one in files if one.is_file())


def test_brat_names_lines_of_files_so_that_they_sort_as_lines_do(tmp_path: Path) -> None:
    sentences = [Sentence(f"a.conll:{line}", ("Oslo",), ()) for line in (2, 10, 100)]
    write(ALL_WRITERS["brat"](), map(Labelled.of, sentences), tmp_path / "out", Losses())
    names = sorted(one.name for one in (tmp_path / "out").glob("*.txt"))
    assert names == ["a.conll_000002.txt", "a.conll_000010.txt", "a.conll_000100.txt"]


def test_brat_leaves_out_an_entity_of_nothing_but_line_ends(tmp_path: Path) -> None:
    sentence, losses = Sentence("a", ("Oslo", "\r\n"), (Span(0, 1, "LOC"), Span(1, 2, "LOC"))), Losses()
    write(ALL_WRITERS["brat"](), [Labelled.of(sentence)], tmp_path / "out", losses)
    assert losses.counts == {"blank_entities": 1, "words": 1}
    assert read_corpus([tmp_path / "out"]).sentences[0].spans == (Span(0, 1, "LOC"),)


def test_spacy_cannot_hold_an_entity_of_words_that_do_not_count(tmp_path: Path) -> None:
    spans = (Span(0, 1, "PER"), Span(2, 3, "LOC"))
    sentence, losses = Sentence("a.txt:1", ("Ana", "in", "Oslo"), spans, keep=(False, True, True)), Losses()
    write(ALL_WRITERS["docbin"](), [Labelled.of(sentence)], tmp_path / "a.spacy", losses)
    assert losses.counts == {"uncounted": 1}
    (read,) = read_corpus([tmp_path / "a.spacy"]).sentences
    assert (read.spans, read.keep) == (spans[1:], (False, True, True))


def test_argilla_has_suggestions_of_a_model_and_responses_of_people() -> None:
    (predicted,), (given,) = (
        map(json.loads, written(Argilla(about), one).splitlines())
        for about, one in ((About("run"), PREDICTED), (About(), Labelled(GIVEN, [(FOUND[1][0], None)])))
    )
    person, place = ({"start": 2, "end": 5, "label": "PER"}, {"start": 15, "end": 24, "label": "LOC"})
    assert predicted == {
        "id": "raw.txt:1", "fields": {"text": TEXT}, "responses": {},
        "suggestions": {"ner": {"value": [person, place], "agent": "run", "score": [0.975, 0.6234]}},
    }  # fmt: skip
    assert given["suggestions"] == {}
    assert [(one["value"], one["status"]) for one in given["responses"]["ner"]] == [([person], "submitted")]
    (unlabelled,) = map(json.loads, written(Argilla(), Labelled(GIVEN, None)).splitlines())
    assert (unlabelled["responses"], unlabelled["suggestions"]) == ({}, {})


def test_argilla_reads_its_records(tmp_path: Path) -> None:
    argilla = pytest.importorskip("argilla")
    for about in (About("run"), About()):
        (line,) = written(Argilla(about), PREDICTED).splitlines()
        record = argilla.Record.from_dict(json.loads(line))
        (answer,) = [*record.suggestions, *record.responses]
        assert [one["label"] for one in answer.value] == ["PER", "LOC"]
        assert record.fields["text"] == TEXT


def test_csv_is_read_by_pythons_own_reader() -> None:
    odd = Sentence('a,"b"', ("Ana", "x"), (Span(0, 1, "PER"),), 'Ana\n"x"', ((0, 3), (5, 6)))
    text = written(Csv(), Labelled.of(odd), Labelled(odd, None), Labelled(odd, []), PREDICTED)
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["id", "text", "entities"]
    assert [row[:2] for row in rows[:3]] == [['a,"b"', 'Ana\n"x"']] * 3
    assert [row[2] for row in rows[:3]] == ['[{"start": 0, "end": 3, "label": "PER"}]', "", "[]"]
    assert [one["score"] for one in json.loads(rows[3][2])] == [0.975, 0.6234]


def test_uie_has_an_object_for_each_type_and_one_for_a_text_without_any() -> None:
    plain = [Sentence(str(number), ("It", f"rains{number}"), ()) for number in range(3)]
    records = [Labelled.of(plain[0]), PREDICTED, Labelled.of(plain[1])]
    objects = [json.loads(line) for line in written(Uie(), *records).splitlines()]
    assert [(one["content"], one["prompt"], one["result_list"]) for one in objects] == [
        ("It rains0", "LOC", []),
        (TEXT, "PER", [{"text": "Ana", "start": 2, "end": 5}]),
        (TEXT, "LOC", [{"text": "New  York", "start": 15, "end": 24}]),
        ("It rains1", "LOC", []),
    ]
    assert json.loads(written(Uie(), Labelled.of(plain[2])))["prompt"] == "entity"


def test_uie_counts_texts_that_come_twice_and_types_that_read_as_relations() -> None:
    sentence, losses = Sentence("a", ("Ana", "x"), (Span(0, 1, "PER"), Span(1, 2, "friend of Ana"))), Losses()
    lines = "".join(Uie().parts([Labelled.of(sentence)] * 2, losses)).splitlines()
    assert losses.counts == {"same_text": 1, "relations": 2, "ids": 2}
    assert {json.loads(line)["prompt"] for line in lines} == {"PER"}
