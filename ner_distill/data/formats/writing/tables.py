"""Labels as tables and prompts: CSV with a text a row, UIE's training data with an object for each type of a text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence

from ner_distill.data.formats.tools.uie import is_relation
from ner_distill.data.formats.writing.base import (
    About,
    Losses,
    Scored,
    TextWriter,
    characters,
    in_order,
    placed_for_tools,
    rounded,
)
from ner_distill.data.sentence import Sentence

COLUMNS = ("id", "text", "entities")


class Csv(TextWriter):
    """CSV with a header and a text a row: `id`, `text`, `entities` as in JSON Lines, empty where nobody labelled."""

    name = "csv"
    suffixes = (".csv",)
    holds = frozenset({"text", "ids", "unlabelled", "nested"})
    scores = True

    def head(self) -> str:
        return _row(COLUMNS)

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        text, offsets = placed_for_tools(sentence, self.about.unit, losses)
        found = []
        for span, score in in_order(entities or ()):
            start, end = characters(offsets, span)
            one = {"start": start, "end": end, "label": span.label}
            found.append(one if score is None else {**one, "score": rounded(score)})
        return _row((sentence.id, text, "" if entities is None else json.dumps(found, ensure_ascii=False)))


def _row(cells: Sequence[str]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerow(cells)  # by which it puts cells with a lone CR in quotes, too
    return file.getvalue().removesuffix("\r\n") + "\n"


class Uie(TextWriter):
    """UIE's JSON Lines: for each text and type an object with the type as `prompt` and its entities in `result_list`.

    A text without entities has one object with none, for the type that came last: those before the first entity wait
    for it.
    """

    name = "uie"
    holds = frozenset({"text", "nested"})

    def __init__(self, about: About | None = None) -> None:
        super().__init__(about)
        self._texts, self._waiting, self._last = set[str](), list[str](), ""

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        text, offsets = placed_for_tools(sentence, self.about.unit, losses)
        losses.add("same_text", sentence.id, int(text in self._texts))
        self._texts.add(text)
        types: dict[str, list[dict[str, object]]] = {}
        surfaces = set[str]()
        for span, _ in in_order(entities or ()):
            start, end = characters(offsets, span)
            types.setdefault(span.label, []).append({"text": text[start:end], "start": start, "end": end})
            surfaces.add(text[start:end])
        for label in [label for label in types if is_relation(label, surfaces)]:
            losses.add("relations", sentence.id, len(types.pop(label)))
        self._last = next(reversed(types), self._last)
        if not self._last:
            self._waiting.append(text)
            return ""
        return "".join([*self._waited(), *(_prompt(text, *one) for one in (types or {self._last: []}).items())])

    def _waited(self) -> Iterator[str]:
        for text in self._waiting:
            yield _prompt(text, self._last or "entity", [])
        self._waiting = []

    def foot(self) -> str:
        return "".join(self._waited())


def _prompt(text: str, prompt: str, results: list[dict[str, object]]) -> str:
    return json.dumps({"content": text, "result_list": results, "prompt": prompt}, ensure_ascii=False) + "\n"
