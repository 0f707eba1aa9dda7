"""`init-config`: a configuration with every key, its default and what it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ner_distill.config import PretrainConfig, StudentConfig, TeacherConfig
from ner_distill.errors import RunError
from ner_distill.files import atomic_write_text

KINDS: dict[str, tuple[str, BaseModel]] = {
    "teacher": ("train-teacher", TeacherConfig()),
    "student": ("train-student", StudentConfig()),
    "pretrain": ("pretrain", PretrainConfig()),
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


def _lines(config: BaseModel) -> list[str]:
    lines: list[str] = []
    fields = type(config).model_fields
    for name, field in fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            lines += ["", f"[{name}]", f"# {_summary(type(value))}", *_lines(value)]
        else:
            lines += [f"# {field.description}{_choices(field)}", f"{name} = {_toml(value)}"]
    return lines


def _summary(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _choices(field: FieldInfo) -> str:
    """The words a key may have, where those are all it may have."""
    if get_origin(field.annotation) is not Literal:
        return ""
    return f" ({' | '.join(json.dumps(choice) for choice in get_args(field.annotation))})"


def _toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)
