"""Sections of several kinds: the classes that one may have, and how a table of the file chooses among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from ner_distill.config.sections import Measured, Section


def variants(field: FieldInfo) -> tuple[type[Section], ...]:
    """The classes of a section, of which most have one alone; none for a plain key."""
    parts = get_args(field.annotation) or (field.annotation,)
    classes = [get_args(part)[0] if get_origin(part) is Annotated else part for part in parts]
    return tuple(cls for cls in classes if isinstance(cls, type) and issubclass(cls, Section))


def tag(variant: type[Section]) -> str:
    """The key that tells the variants of a section apart: its first."""
    return next(iter(variant.model_fields))


def tags(variant: type[Section]) -> tuple[str, ...]:
    """Returns the values of the tag key that select this variant; empty if it takes every value the others leave."""
    return words(variant.model_fields[tag(variant)])


def words(field: FieldInfo) -> tuple[str, ...]:
    """The words that a key may have, where those are all it may have."""
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def measured(field: FieldInfo) -> list[Measured]:
    """What a key gave where it was tried."""
    return [entry for entry in field.metadata if isinstance(entry, Measured)]


def experimental(variant: type[Section], key: str) -> bool:
    """Whether a key cost more than it gave wherever it was tried, or the kinds that it belongs to did."""
    own, kind = (measured(variant.model_fields[name]) for name in (key, tag(variant)))
    entries = own or kind
    return bool(entries) and all(entry.experimental for entry in entries)


def chosen(field: FieldInfo, table: Mapping[str, Any]) -> type[Section] | None:
    """The class of a section with these keys; None where its first key has a value that no variant takes."""
    classes = variants(field)
    key = tag(classes[0])
    value = table.get(key, getattr(field.default, key))
    return next((variant for variant in classes if value in (tags(variant) or [value])), None)


def default(field: FieldInfo, variant: type[Section], key: str) -> Any:
    """Returns the default of a key, as TOML reads it (a list, no tuple): the section's, else the variant's."""
    value = vars(field.default).get(key, variant.model_fields[key].default)
    return list(value) if isinstance(value, tuple) else value


def keys(field: FieldInfo) -> dict[str, list[type[Section]]]:
    """Every key that the section has in any variant, with the variants that have it."""
    holders: dict[str, list[type[Section]]] = {}
    for variant in variants(field):
        for key in variant.model_fields:
            holders.setdefault(key, []).append(variant)
    return holders


def foreign(field: FieldInfo, table: Mapping[str, Any]) -> dict[str, list[type[Section]]]:
    """The keys of a table that the variant it chooses does not have, but others: with these."""
    variant = chosen(field, table)
    holders = {key: classes for key, classes in keys(field).items() if key in table}
    return {key: classes for key, classes in holders.items() if variant and variant not in classes}


def which(holders: Sequence[type[Section]]) -> str:
    """What chooses one of these variants: `kind = "pgd" or "freelb"`."""
    words = [f'"{word}"' for variant in holders for word in tags(variant)]
    words += [str(variant.model_fields[tag(variant)].description) for variant in holders if not tags(variant)]
    return f"{tag(holders[0])} = {one_of(words)}"


def one_of(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
