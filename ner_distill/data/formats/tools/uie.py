"""UIE's training data: for each text (`content`) and type (`prompt`) an object with the entities of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.jsonl import has_records
from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.rows import Entity, Row, RowOptions
from ner_distill.data.formats.tools.annotators import LeftOut, entity_of
from ner_distill.errors import DataError

_KEYS = {"prompt", "result_list"}
_OF = ("的", " of ")  # what a relation's prompt has between subject and relation, or (English) relation and subject


def is_uie(beginning: Beginning) -> bool:
    return has_records(beginning, lambda record: isinstance(record.get("content"), str) and record.keys() >= _KEYS)


def uie_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each text, wherever its objects stand, with the entities of all its prompts; ends are exclusive.

    Prompts that ask for something of an entity that the same text has (`小明的父亲`, `father of Ann`) are relations,
    places before the text (negative offsets) are classes of the whole text: both are left out and counted.
    Raises DataError for an object of another form.
    """
    texts: dict[str, int] = {}
    prompts: dict[str, list[tuple[str, list[Entity]]]] = defaultdict(list)
    left_out = LeftOut(path, options.report)
    for number, record in json_records(path, options.report):
        text = record.get("content")
        if not isinstance(text, str):
            raise DataError.at(path, number, f"expected 'content' to be a text, found {text!r:.60}")
        first = texts.setdefault(text, number) == number
        if options.bare_words:
            if first:
                yield Row(path, number, text=text)
            continue
        prompts[text].append(_prompt(record, Row(path, number), left_out))
    if options.bare_words:
        return
    for text, number in texts.items():
        surfaces = {text[one.start : one.end] for _, entities in prompts[text] for one in entities} - {""}
        kept: list[Entity] = []
        for prompt, entities in prompts[text]:
            if is_relation(prompt, surfaces):
                left_out.add("answer about a relation", "answers about relations", count=len(entities))
            else:
                kept += entities
        yield Row(path, number, text=text, entities=tuple(kept))
    left_out.say()


def _prompt(record: Mapping[str, Any], row: Row, left_out: LeftOut) -> tuple[str, list[Entity]]:
    prompt, results = record.get("prompt"), record.get("result_list")
    if not isinstance(prompt, str) or not prompt or not isinstance(results, list):
        found = f"prompt {prompt!r:.40}, result_list {results!r:.40}"
        raise DataError.at(row.path, row.line, f"expected a 'prompt' and a list in 'result_list', found {found}")
    entities = []
    for item in results:
        if not isinstance(item, Mapping):
            raise DataError.at(row.path, row.line, f"expected objects in 'result_list', found {item!r:.60}")
        entity = entity_of(item.get("start"), item.get("end"), prompt, item.get("text"), row)
        if entity.start < 0:
            left_out.add("class of a whole text", "classes of whole texts")
        else:
            entities.append(entity)
    return prompt, entities


def is_relation(prompt: str, surfaces: set[str]) -> bool:
    """Does a prompt ask for something of one of these entities, rather than for entities of a type?"""
    subject, _, _ = prompt.rpartition(_OF[0])
    return subject in surfaces or prompt.partition(_OF[1])[2] in surfaces
