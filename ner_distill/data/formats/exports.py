"""Records of annotation tools (doccano, Prodigy, spaCy, Label Studio, data sets) in the keys of our own.

What looks like labels and is none of these is an error that names the key: it is never read as no labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

ENTITY_KEYS = ("spans", "ents", "label", "labels")
"""Keys of entities beside our own `entities`."""
TAG_KEYS = ("tags", "ner_tags", "labels", "ner_labels", "ner", "label")
"""Keys of a tag for each word, our own first."""
FOREIGN_KEYS = (
    *("annotation", "annotations", "completions", "named_entities", "mentions", "iob", "bio", "bio_tags", "iob_tags"),
    *("ner_spans", "entity", "entity_spans", "tag", "gold", "result", "results"),
)
"""Keys that look like labels and are of no form that is read."""
KEYS = frozenset({*ENTITY_KEYS, *TAG_KEYS, *FOREIGN_KEYS, "entities", "tokens"})
_OWN = frozenset({"entities", "tags", "ner_tags"})
_OTHER = KEYS - _OWN
_STARTS = ("start", "start_offset", "start_char", "begin")
_ENDS = ("end", "end_offset", "end_char")
_LABELS = ("label", "labels", "type", "entity_group", "tag")
REJECTED = ("reject", "ignore")
"""What `answer` says of a record whose labels are not right."""


def is_rejected(record: Mapping[str, Any]) -> bool:
    """Did the person who looked at it (Prodigy) say that these labels are not right?"""
    return record.get("answer") in REJECTED


def own_record(record: Mapping[str, Any], *, bare_words: bool) -> Mapping[str, Any]:
    """The record with `words`, `text`, `offsets`, `entities` and `tags` as `row_of_record` reads them.

    The entities of other tools are triples `[start, end, type]` or objects with `start_offset`, `type` and the like,
    under `label`, `labels`, `spans` or `ents`; a list of as many strings as there are words is their tags. Tokens that
    are objects become words, or the offsets of the words of the text.
    bare_words: labels do not matter. Raises ValueError for a key that looks like labels and cannot be read.
    """
    present = {key for key, value in record.items() if value is not None and key in KEYS}
    if not present & _OTHER and not _has_other_items(record.get("entities")):
        if bare_words or "entities" in present or record.get("words") is not None or not present & _OWN:
            return record
        raise ValueError(_unread(*next((key, record[key]) for key in TAG_KEYS if key in present)))
    made = dict(record)
    if _are_objects(tokens := record.get("tokens")):
        made |= _of_tokens(tokens, record)
        if "text" in record:
            del made["tokens"]
    return made if bare_words else _with_labels(made, record)


def _with_labels(made: dict[str, Any], record: Mapping[str, Any]) -> Mapping[str, Any]:
    words = made.get("words") or made.get("tokens")
    if (entities := record.get("entities")) is not None:
        return made | {"entities": _entities(entities, made)}
    for key in TAG_KEYS:
        if words is not None and _are_tags(record.get(key)):
            return made | {"tags": record[key]}
    for key in ENTITY_KEYS:
        if (value := record.get(key)) is not None:
            return made | {"entities": _entities(_checked(key, value), made)}
    for key in FOREIGN_KEYS:
        if record.get(key) is not None:
            raise ValueError(_unread(key, record[key]))
    for key in TAG_KEYS:
        if record.get(key) is not None and (record[key] or words != []):
            raise ValueError(_unread(key, record[key]))
    return made


def _has_other_items(entities: Any) -> bool:
    """Are there entities that are no objects with `start` or `start_word`, and `label`?"""
    if not isinstance(entities, list):
        return isinstance(entities, Mapping)
    return not all(
        isinstance(item, Mapping) and "label" in item and ("start" in item or "start_word" in item) for item in entities
    )


def _checked(key: str, value: Any) -> Any:
    """The value of a key, where it is a list of entities. Raises ValueError for all else."""
    rows = _rows(value)
    if not isinstance(rows, list) or not all(isinstance(item, Mapping | list | tuple) for item in rows):
        raise ValueError(_unread(key, value))
    return rows


def _unread(key: str, value: Any) -> str:
    found = repr(value)
    return (
        f"'{key}' looks like labels and cannot be read, found {found[:60]}; expected 'entities' "
        '[{"start": 0, "end": 3, "label": "X"}] or \'tags\' ["B-X"]; without labels take the key out'
    )


def _are_tags(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and not isinstance(value[0], Mapping | list | tuple)


def _rows(value: Any) -> Any:
    """A list of objects where there is an object of lists, as `datasets` stores them."""
    if isinstance(value, Mapping) and value and all(isinstance(column, list) for column in value.values()):
        return [dict(zip(value, row, strict=False)) for row in zip(*value.values(), strict=False)]
    return value


def _entities(value: Any, made: Mapping[str, Any]) -> Any:
    """Entities in our own keys; what is none stays for `row_of_record` to name."""
    rows = _rows(value)
    if not isinstance(rows, list | tuple):
        return rows
    return [entity for item in rows for entity in _entity(item, in_words="text" not in made)]


def _entity(item: Any, *, in_words: bool) -> Iterator[Any]:
    if isinstance(item, list | tuple):
        if len(item) not in (3, 4):
            yield item
        elif in_words:
            yield {"start_word": item[0], "end_word": item[1], "label": item[2]}
        else:
            yield {"start": item[0], "end": item[1], "label": item[2]}
        return
    if not isinstance(item, Mapping) or "start_word" in item:
        yield item
        return
    start, end, label = _first(item, _STARTS), _first(item, _ENDS), _first(item, _LABELS)
    for one in label if isinstance(label, list | tuple) else [label]:
        if in_words and isinstance(last := item.get("token_end"), int):
            yield {"start_word": item.get("token_start"), "end_word": last + 1, "label": one}
        elif None in (start, end, one):
            yield item
        else:
            yield dict(item) | {"start": start, "end": end, "label": one}


def _first(item: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _are_objects(tokens: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    return isinstance(tokens, list) and bool(tokens) and all(isinstance(token, Mapping) for token in tokens)


def _of_tokens(tokens: list[Mapping[str, Any]], record: Mapping[str, Any]) -> dict[str, Any]:
    """`offsets` of the tokens in the text where there is one, else `words`."""
    if "text" in record:
        return {"offsets": [[token.get("start"), token.get("end")] for token in tokens]}
    return {"words": [token.get("text") for token in tokens]}
