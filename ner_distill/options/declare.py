"""How options are declared, checked and spelled."""

from __future__ import annotations

import dataclasses
import inspect
import re
from dataclasses import MISSING, dataclass
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, dataclass_transform, get_args, get_origin, get_type_hints

from ner_distill.errors import ConfigError
from ner_distill.places.urls import is_url, kept_apart, was_url, without_secrets


@dataclass(frozen=True)
class Option:
    """What is known of an option besides its name, type and default.

    metavar:     what stands for its value in the help of the command line.
    least, most: bounds of a number, both allowed.
    positional:  whether the command line takes it by its place, without a name.
    called:      what the command line calls it, where that is not the name of the field.
    also:        another spelling, which help does not show, on commands that call nothing else so.
    urls:        whether a path may be the URL of an object store (`s3://bucket/x`) as well.
    """

    help: str
    metavar: str = ""
    least: float | None = None
    most: float | None = None
    positional: bool = False
    called: str = ""
    also: str = ""
    urls: bool = False

    def problem(self, value: Any, choices: tuple[Any, ...]) -> str | None:
        """What is wrong with a value, or None. A value of None (not given) is always right."""
        if value is None:
            return None
        if choices and value not in choices:
            return f"expected {', '.join(choices)}, found {value!r}"
        if self.least is not None and value < self.least:
            return f"expected {self.least:g} or more, found {value!r}"
        if self.most is not None and value > self.most:
            return f"expected {self.most:g} or less, found {value!r}"
        return None


def option(default: Any, help: str, metavar: str = "", **about: Any) -> Any:
    """A field of an `Options` class; `about` is the rest of `Option`. A type such as Literal["a", "b"] is checked."""
    return dataclasses.field(default=default, metadata={"option": Option(help, metavar, **about)})


def required(help: str, metavar: str = "", **about: Any) -> Any:
    """A field of an `Options` class that has no default."""
    return option(MISSING, help, metavar, **about)


_TYPES: dict[type[Options], dict[str, Any]] = {}
_SPELLINGS: dict[str, str] = {}
"""How the command line calls each option of every class."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(required,))
@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of all options; each class of it becomes a frozen dataclass as this one is.

    Raises ConfigError with every value that is out of its bounds, none of its choices, or no number where one is
    expected.
    """

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)
        for field in dataclasses.fields(cls):
            about = option_of(field)
            # Of two spellings the one that is the name of the field: messages know no command.
            name = field.name if about.also == field.name else about.called or field.name
            if not about.positional:
                _SPELLINGS[field.name] = spelling(name)
            elif not _SPELLINGS.get(field.name, "").startswith("--"):  # an option of another command goes first
                _SPELLINGS[field.name] = about.metavar

    def __post_init__(self) -> None:
        types = types_of(type(self))
        problems = []
        for field in fields_of(type(self)):
            about, type_, value = option_of(field), types[field.name], getattr(self, field.name)
            if expected := _other_number(type_, value):
                problems.append(f"`{field.name}`: expected {expected}, found {value!r}")
                continue
            problem = about.problem(value, choices_of(type_)) or (
                _problem_of_urls(value, taken=about.urls) if is_path(type_) else None
            )
            if problem:
                problems.append(f"`{field.name}`: {problem}")
            elif about.urls:
                object.__setattr__(self, field.name, _located(value))  # frozen for everybody else
        if problems:
            raise ConfigError.of(problems)

    def changed(self, *names: str) -> list[str]:
        """Which of these options have not their default."""
        return [name for name in names if getattr(self, name) != getattr(type(self), name)]


def fields_of(options: type[Options]) -> list[dataclasses.Field[Any]]:
    """The options of a class: its own first, then those of its bases from left to right."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    names = dict.fromkeys(name for base in options.__mro__ for name in inspect.get_annotations(base))
    return [fields[name] for name in names]


def called_of(options: type[Options]) -> dict[str, str]:
    """What the command line calls each option of a class, where that is not its name."""
    return {field.name: called for field in dataclasses.fields(options) if (called := option_of(field).called)}


def types_of(options: type[Options]) -> dict[str, Any]:
    """The type of each option of a class. Kept, as annotations are text and a command asks often."""
    if options not in _TYPES:
        _TYPES[options] = get_type_hints(options)
    return _TYPES[options]


def option_of(field: dataclasses.Field[Any]) -> Option:
    """What `option` said of a field."""
    about: Option = field.metadata["option"]
    return about


def choices_of(annotation: Any) -> tuple[str, ...]:
    """The values that a type lists, as Literal["a", "b"] does, or that beside None; of other types none."""
    parts = (annotation, *get_args(annotation))
    return next((get_args(part) for part in parts if get_origin(part) is Literal), ())


def is_path(annotation: Any) -> bool:
    """Is an option of this type a path, or several?"""
    return annotation is Path or any(map(is_path, get_args(annotation)))


_NUMBERS: dict[type, tuple[type, str]] = {int: (Integral, "a whole number"), float: (Real, "a number")}


def _other_number(annotation: Any, value: Any) -> str:
    """What is expected where an option of this type is a number and the value is none of its kind; else ""."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    kinds = [kind for kind in parts if kind is not NoneType]
    if value is None or len(kinds) != 1 or kinds[0] not in _NUMBERS:
        return ""
    abstract, called = _NUMBERS[kinds[0]]
    return called if isinstance(value, bool) or not isinstance(value, abstract) else ""


def _problem_of_urls(value: Any, *, taken: bool) -> str | None:
    """What is wrong with paths among which are URLs, or what once was a URL; None where nothing is."""
    for one in value if isinstance(value, tuple | list) else (value,):
        given = was_url(one) if isinstance(one, Path) else one
        if is_url(given):
            shown = without_secrets(given)
            if not taken:
                return f"{shown} is a URL; expected what lies on this machine: URLs are for raw text and for stores"
            if isinstance(one, Path):
                return f"{shown} was made a Path, which drops a slash; give URLs as text"
    return None


def _located(value: Any) -> Any:
    """Paths and URLs as the rest of the program takes them: a URL is text without keys, all else single is a Path."""
    if isinstance(value, tuple | list):
        return tuple(kept_apart(one) if is_url(one) else one for one in value)
    if is_url(value):
        return kept_apart(value)
    return Path(value) if isinstance(value, str) else value


def spelling(name: str) -> str:
    """An option on the command line: `min_votes` is --min-votes."""
    return "--" + name.replace("_", "-")


def spelled(message: str) -> str:
    """A message as the command line says it: `` `min_votes` `` becomes `--min-votes`; other words in backticks stay.

    What the command line takes by its place is called as its help calls it: `` `kind` `` becomes KIND.
    """
    return re.sub(r"`(\w+)`", lambda match: _SPELLINGS.get(match[1], match[0]), message)
