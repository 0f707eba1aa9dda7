"""How options are declared, checked and spelled."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from typing import Any

from ner_distill.errors import ConfigError


@dataclass(frozen=True)
class Option:
    """What is known of an option besides its name, type and default.

    least, most: bounds of a number, both allowed. choices: the values that it may have, where they are few.
    spelling:    its name on the command line, where that is not the field's name with dashes.
    positional:  whether the command line takes it by its place, without a name.
    """

    help: str
    metavar: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    spelling: str = ""
    positional: bool = False

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None. A value of None (not given) is always right."""
        if value is None:
            return None
        if self.choices and value not in self.choices:
            return f"expected {', '.join(self.choices)}, found {value!r}"
        if self.least is not None and value < self.least:
            return f"expected {self.least:g} or more, found {value!r}"
        if self.most is not None and value > self.most:
            return f"expected {self.most:g} or less, found {value!r}"
        return None


def option(default: Any = MISSING, *, help: str, **about: Any) -> Any:
    """A field of an `Options` class. Without a default it is required; `about` is the rest of `Option`."""
    return dataclasses.field(default=default, metadata={"option": Option(help, **about)})


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of all options. Raises ConfigError with every value that is out of its bounds or none of its choices."""

    def __post_init__(self) -> None:
        problems = {field.name: option_of(field).problem(getattr(self, field.name)) for field in fields_of(type(self))}
        if any(problems.values()):
            raise ConfigError.of(f"`{name}`: {problem}" for name, problem in problems.items() if problem)


def fields_of(options: type[Options]) -> list[dataclasses.Field[Any]]:
    """The options of a class: its own first, then those of its bases from left to right."""
    ordered: dict[str, dataclasses.Field[Any]] = {}
    fields = {field.name: field for field in dataclasses.fields(options)}
    for base in options.__mro__:
        ordered |= {name: fields[name] for name in inspect.get_annotations(base) if name not in ordered}
    return list(ordered.values())


def option_of(field: dataclasses.Field[Any]) -> Option:
    """What `option` said of a field."""
    about: Option = field.metadata["option"]
    return about


def spelling_of(field: dataclasses.Field[Any]) -> str:
    """The name of a field on the command line, such as `--min-votes`."""
    return "--" + (option_of(field).spelling or field.name.replace("_", "-"))


def spelled(message: str) -> str:
    """A message as the command line says it: `` `min_votes` `` becomes `--min-votes`; other words in backticks stay."""
    names = {field.name: spelling_of(field) for kind in _classes(Options) for field in fields_of(kind)}
    return re.sub(r"`(\w+)`", lambda match: names.get(match[1], match[0]), message)


def _classes(base: type[Options]) -> Iterator[type[Options]]:
    yield base
    for kind in base.__subclasses__():
        yield from _classes(kind)
