"""Of every JSON format an array of records is read as the same records a line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus

Write = Callable[[str, str | bytes], Path]
TEXT = "Ann lives in Oslo"
OBJECTS = [{"start": 0, "end": 3, "label": "PER"}, {"start": 13, "end": 17, "label": "LOC"}]
IN_WORDS = {"orth": "Bo", "ner": "U-X"}
LABELS = {"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]}
RESULT = {"from_name": "label", "to_name": "text", "type": "labels", "value": LABELS}
RECORDS: dict[str, dict[str, Any]] = {
    "jsonl": {"text": TEXT, "entities": OBJECTS},
    "label-studio": {"data": {"text": TEXT}, "annotations": [{"result": [RESULT]}]},
    "argilla": {"fields": {"text": TEXT}, "suggestions": {}, "responses": {"ner": [{"value": OBJECTS}]}},
    "prodigy": {"text": TEXT, "spans": OBJECTS, "answer": "accept", "_input_hash": 1},
    "doccano": {"id": 1, "text": TEXT, "label": [[0, 3, "PER"]], "Comments": []},
    "gliner": {"tokenized_text": ["Bo", "left"], "ner": [[0, 0, "X"]]},
    "uie": {"content": TEXT, "prompt": "X", "result_list": [{"text": "Ann", "start": 0, "end": 3}]},
    "cblue": {"text": TEXT, "entities": [{"start_idx": 0, "end_idx": 2, "type": "X", "entity": "Ann"}]},
    "cluener": {"text": TEXT, "label": {"name": {"Ann": [[0, 2]]}}},
    "spacy-json": {"id": 1, "paragraphs": [{"sentences": [{"tokens": [IN_WORDS]}]}]},
}


@pytest.mark.parametrize("format", RECORDS)
def test_array_is_read_as_its_records(format: str, write: Write) -> None:
    record = RECORDS[format]
    forms = [f"{json.dumps(record)}\n" * 2, json.dumps([record, record]), json.dumps([record, record], indent=1)]
    read = [read_corpus([write(f"{number}.json", form)]) for number, form in enumerate(forms)]
    assert {corpus.report.files[0].format for corpus in read} == {format}
    found = [[(one.words, one.spans) for one in corpus.sentences] for corpus in read]
    assert found[0] == found[1] == found[2] != []
