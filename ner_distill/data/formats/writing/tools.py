"""Formats of annotation tools that are JSON: Label Studio, doccano, Prodigy, Argilla, GLiNER."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ner_distill.data.formats.writing.base import (
    Losses,
    Scored,
    TextWriter,
    characters,
    in_order,
    placed_for_tools,
    rounded,
)
from ner_distill.data.sentence import Sentence

FROM, TO, KIND = "label", "text", "labels"
"""Names in Label Studio: `<Labels name="label" toName="text">` and `<Text name="text" value="$text"/>`."""

QUESTION, NOBODY = "ner", "00000000-0000-0000-0000-000000000000"
"""Names in Argilla: `SpanQuestion(name="ner", field="text", ...)`, and the user whom labels are of."""


class JsonArray(TextWriter):
    """A format that is one JSON array, of which each sentence is an object on a line of its own."""

    _written = 0

    @abstractmethod
    def record(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> dict[str, Any]:
        """The object of a sentence."""

    def head(self) -> str:
        self._written = 0
        return ""

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        before, self._written = "," if self._written else "[", self._written + 1
        return f"{before}{json.dumps(self.record(sentence, entities, losses), ensure_ascii=False)}\n"

    def foot(self) -> str:
        return "]\n" if self._written else "[]\n"


class LabelStudio(JsonArray):
    """Label Studio: an array of tasks.

    What a model found stands under `predictions`, from which a person starts; labels under `annotations`. A prediction
    has the score of its least sure entity, so that the tool can sort by it. What the tool does not know itself (our id,
    the language) stands in `meta`, which it hands back; the number of a task, which it gives anew, is what its own
    converters ask for.
    """

    name = "label-studio"
    suffixes = (".json",)
    holds = frozenset({"text", "ids", "lang", "unlabelled", "nested"})
    scores = True

    def record(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> dict[str, Any]:
        text, offsets = placed_for_tools(sentence, self.about.unit, losses)
        meta = {"id": sentence.id} | ({} if sentence.lang is None else {"lang": sentence.lang})
        task: dict[str, Any] = {"id": self._written, "data": {TO: text}, "meta": meta}
        results = []
        for number, (span, score) in enumerate(in_order(entities or ()), start=1):
            start, end = characters(offsets, span)
            value = {"start": start, "end": end, "text": text[start:end], KIND: [span.label]}
            result = {"id": f"e{number}", "from_name": FROM, "to_name": TO, "type": KIND, "value": value}
            results.append(result if score is None else {**result, "score": rounded(score)})
        if self.about.model:
            scores = [rounded(score) for _, score in entities or () if score is not None]
            prediction: dict[str, Any] = {"model_version": self.about.model, "result": results}
            task["predictions"] = [prediction | ({"score": min(scores)} if scores else {})]
        else:
            task["annotations"] = [] if entities is None else [{"result": results}]
        return task


class Doccano(TextWriter):
    """doccano's JSON Lines: `text`, and triples `[start, end, type]` under `label`. The tool keeps other keys."""

    name = "doccano"
    holds = frozenset({"text", "ids", "lang", "unlabelled", "nested"})

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        text, offsets = placed_for_tools(sentence, self.about.unit, losses)
        record: dict[str, Any] = {"id": sentence.id, "text": text}
        if entities is not None:
            record["label"] = [[*characters(offsets, span), span.label] for span, _ in in_order(entities)]
        return _line(record, sentence)


class Prodigy(TextWriter):
    """Prodigy's JSON Lines: `text`, its `tokens`, and `spans` in characters and in tokens, whose last one is inclusive.

    Labels have the answer `accept`; what a model found has none yet.
    """

    name = "prodigy"
    holds = frozenset({"text", "words", "ids", "lang", "unlabelled", "nested"})
    scores = True

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        text, offsets = placed_for_tools(sentence, self.about.unit, losses)
        followed = [end < start for (_, end), (start, _) in pairwise([*offsets, (len(text), len(text))])]
        tokens = [
            {"text": text[start:end], "start": start, "end": end, "id": number, "ws": blank}
            for number, ((start, end), blank) in enumerate(zip(offsets, followed, strict=True))
        ]
        record: dict[str, Any] = {"id": sentence.id, "text": text, "tokens": tokens}
        if entities is not None:
            record["spans"] = [_span_of_prodigy(offsets, one) for one in in_order(entities)]
            record |= {} if self.about.model else {"answer": "accept"}
        return _line(record, sentence)


class Argilla(TextWriter):
    """Argilla 2: a record a line, as `Record.from_dict` takes it, with one span question, `ner`, of its field `text`.

    Labels are a submitted response of nobody in particular; what a model found is a suggestion, from which a person
    starts.
    """

    name = "argilla"
    holds = frozenset({"text", "ids", "unlabelled", "nested"})
    scores = True

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        text, offsets = placed_for_tools(sentence, self.about.unit, losses)
        record: dict[str, Any] = {"id": sentence.id, "fields": {TO: text}, "responses": {}, "suggestions": {}}
        found = in_order(entities or ())
        spans = []
        for span, _ in found:
            start, end = characters(offsets, span)
            spans.append({"start": start, "end": end, "label": span.label})
        if entities is not None and self.about.model:
            scores = [rounded(score) for _, score in found if score is not None]
            suggestion = {"value": spans, "agent": self.about.model}
            record["suggestions"][QUESTION] = suggestion | ({"score": scores} if len(scores) == len(spans) else {})
        elif entities is not None:
            record["responses"][QUESTION] = [{"value": spans, "user_id": NOBODY, "status": "submitted"}]
        return json.dumps(record, ensure_ascii=False) + "\n"


class Gliner(JsonArray):
    """GLiNER's training data: an array of objects with `tokenized_text`, and `[first, last word, type]` under `ner`."""

    name = "gliner"
    holds = frozenset({"words", "ids", "nested"})

    def record(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> dict[str, Any]:
        found = [[span.start, span.end - 1, span.label] for span, _ in in_order(entities or ())]
        return {"id": sentence.id, "tokenized_text": list(sentence.words), "ner": found}


def _span_of_prodigy(offsets: Sequence[tuple[int, int]], entity: Scored) -> dict[str, Any]:
    span, score = entity
    start, end = characters(offsets, span)
    written = {"start": start, "end": end, "token_start": span.start, "token_end": span.end - 1, "label": span.label}
    return written if score is None else {**written, "score": rounded(score)}


def _line(record: dict[str, Any], sentence: Sentence) -> str:
    if sentence.lang is not None:
        record["lang"] = sentence.lang
    return json.dumps(record, ensure_ascii=False) + "\n"
