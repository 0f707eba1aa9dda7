"""`init-config`: a configuration with every key, its default and what it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from ner_distill.config import PretrainConfig, RunConfig, StudentConfig, TeacherConfig
from ner_distill.config.sections import Section
from ner_distill.config.variants import default, keys, tag, tags, variants, which
from ner_distill.errors import RunError
from ner_distill.files import atomic_write_text

KINDS: dict[str, tuple[str, type[RunConfig]]] = {
    "teacher": ("train-teacher", TeacherConfig),
    "student": ("train-student", StudentConfig),
    "pretrain": ("pretrain", PretrainConfig),
}


def init_config(kind: str, out: Path | None) -> str:
    """The commented TOML of the configuration of a teacher, a student or a pretraining; written to `out` if given.

    Raises RunError where `out` exists.
    """
    command, config = KINDS[kind]
    text = f"# Configuration of `ner-distill {command}`. Every key is optional; what is here is its default.\n\n"
    text += "\n".join(_lines(config))
    text += "\n"
    if out is not None:
        if out.exists():
            raise RunError(f"{out}: exists; choose another name or remove it first")
        atomic_write_text(out, text)
    return text


def _lines(config: type[RunConfig]) -> Iterator[str]:
    """Keys without a section first, as TOML wants it."""
    for name, field in config.model_fields.items():
        if not variants(field):
            yield from _key(name, field, field.default)
    for name, field in config.model_fields.items():
        if classes := variants(field):
            yield from ("", f"[{name}]", f"# {_summary(classes[0])}")
            yield from _section(name, field, config.automatic())


def _section(name: str, field: FieldInfo, automatic: Set[str]) -> Iterator[str]:
    """The keys that all variants have, then those of some, each with its default."""
    classes = variants(field)
    group = list(classes)
    for key, holders in sorted(keys(field).items(), key=lambda item: len(item[1]) < len(classes)):
        if holders != group:
            group = holders
            yield f"# ---- only for {which(holders)}"
        value = "auto" if f"{name}.{key}" in automatic else default(field, holders[0], key)
        if len(classes) > 1 and key == tag(classes[0]):
            words = [word for variant in classes for word in tags(variant)]
            closed = all(tags(variant) for variant in classes)
            choices = ["auto", *words] if value == "auto" else words
            yield from _commented(key, value, f"{field.description}{_choices(choices if closed else ())}")
        else:
            yield from _key(key, holders[0].model_fields[key], value)


def _key(name: str, field: FieldInfo, value: object) -> Iterator[str]:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    yield from _commented(name, value, f"{field.description}{_choices(choices)}")


def _commented(name: str, value: object, comment: str) -> Iterator[str]:
    yield from (f"# {comment}", f"{name} = {_toml(value)}")


def _summary(variant: type[Section]) -> str:
    """What the class says that all variants share."""
    shared = variant.__mro__[variant.__mro__.index(Section) - 1]
    return (shared.__doc__ or "").strip().splitlines()[0]


def _choices(words: Sequence[object]) -> str:
    """The words a key may have, where those are all it may have."""
    return f" ({' | '.join(map(json.dumps, words))})" if words else ""


def _toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)
