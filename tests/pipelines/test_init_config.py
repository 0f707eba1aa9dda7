"""`init-config` against the models that it describes."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ner_distill.config import StudentConfig, TeacherConfig, load_config
from ner_distill.errors import RunError
from ner_distill.pipelines.init_config import init_config

KINDS = pytest.mark.parametrize(("name", "kind"), [("teacher", TeacherConfig), ("student", StudentConfig)])
Kind = type[TeacherConfig] | type[StudentConfig]


def keys_of(kind: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Every key of a configuration, without its section, in order."""
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of(field.annotation)
        else:
            yield name, field


@KINDS
def test_the_file_says_exactly_the_defaults(name: str, kind: Kind) -> None:
    assert tomllib.loads(init_config(name, None)) == json.loads(kind().model_dump_json())


@KINDS
def test_training_with_the_file_is_training_without_it(name: str, kind: Kind, tmp_path: Path) -> None:
    init_config(name, tmp_path / "c.toml")
    assert load_config(kind, tmp_path / "c.toml") == load_config(kind, None)  # type: ignore[type-var]


@KINDS
def test_every_key_has_a_description(name: str, kind: Kind) -> None:
    assert [key for key, field in keys_of(kind) if not field.description] == []


@KINDS
def test_a_comment_with_its_description_stands_above_every_key(name: str, kind: Kind) -> None:
    lines = init_config(name, None).splitlines()
    keys = [(lines[number - 1], line) for number, line in enumerate(lines) if re.match(r"\w+ = ", line)]
    assert [line.partition(" = ")[0] for _, line in keys] == [key for key, _ in keys_of(kind)]
    for (comment, _), (_, field) in zip(keys, keys_of(kind), strict=True):
        assert comment.startswith(f"# {field.description}")


@KINDS
def test_the_words_that_a_key_may_have_are_listed(name: str, kind: Kind) -> None:
    text = init_config(name, None)
    choices = [get_args(field.annotation) for _, field in keys_of(kind) if get_origin(field.annotation) is Literal]
    assert choices
    for words in choices:
        assert " | ".join(f'"{word}"' for word in words) in text


@KINDS
def test_what_is_written_is_what_is_returned(name: str, kind: Kind, tmp_path: Path) -> None:
    text = init_config(name, tmp_path / "c.toml")
    assert (tmp_path / "c.toml").read_text("utf-8") == text
    assert f"ner-distill train-{name}" in text.splitlines()[0]


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("mine")
    with pytest.raises(RunError, match=r"c\.toml: exists"):
        init_config("teacher", path)
    assert path.read_text() == "mine"


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"c\.toml: cannot be written"):
        init_config("teacher", tmp_path / "no" / "c.toml")
