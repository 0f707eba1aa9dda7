"""From options to the command line: a command is a function of options objects, and typer sees their fields."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

import typer
import typer.core

from ner_distill.errors import ConfigError
from ner_distill.options.declare import Options, choices_of, fields_of, option_of, spelled, spelling, types_of

RESUMABLE: set[str] = set()
"""The commands that have --resume."""


def group() -> typer.Typer:
    """Commands of one module, for the command line to add."""
    return typer.Typer(rich_markup_mode=None)


Command = Callable[..., None]


class _OnceEach(typer.core.TyperCommand):
    """A command whose options of one value are given once: of two values the last would win in silence.

    also: other spellings of options, which help does not show: spelling → name of the parameter.
    """

    also: ClassVar[dict[str, str]] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = self.make_parser(ctx).parse_args(args=[*args])[2]  # the parameters in the order of the command line
        single = [
            one.name for one in given if isinstance(one, typer.core.TyperOption) and not (one.multiple or one.is_flag)
        ]
        shown = {one.name: one.opts[0] for one in self.params}
        if twice := [shown[name] for name in dict.fromkeys(single) if single.count(name) > 1]:
            raise ConfigError.of(f"{name} is given more than once and takes one value; give it once" for name in twice)
        return super().parse_args(ctx, args)

    def make_parser(self, ctx: Any) -> Any:
        parser = super().make_parser(ctx)
        taken = {spelling for one in self.params for spelling in one.opts}
        for also, name in self.also.items():
            if also not in taken:
                other = copy(next(one for one in self.params if one.name == name))
                other.opts = [also]
                other.add_to_parser(parser, ctx)
        return parser


def command(commands: typer.Typer, name: str, *, short_help: str) -> Callable[[Command], Command]:
    """Add a command to `commands`.

    Each parameter of the function is an `Options` class; the fields of all of them are the options of the command.
    """

    def register(function: Command) -> Command:
        kinds: dict[str, type[Options]] = get_type_hints(function)
        kinds.pop("return", None)
        parameters = [_parameter(kind, field) for kind in kinds.values() for field in fields_of(kind)]
        parameters.sort(key=lambda parameter: parameter.default is not parameter.empty)  # what must be given first

        def run(**values: Any) -> None:
            values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
            options = {}
            for key, kind in kinds.items():
                options[key] = kind(**{field.name: values[field.name] for field in fields_of(kind)})
            function(**options)

        run.__doc__ = _with_examples_as_they_are(function.__doc__ or "")
        run.__dict__["__signature__"] = inspect.Signature(parameters)
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        if "resume" in run.__annotations__:
            RESUMABLE.add(name)
        also = {
            spelling(about.also): field.name
            for kind in kinds.values()
            for field in fields_of(kind)
            if (about := option_of(field)).also
        }
        commands.command(name, cls=type("_Command", (_OnceEach,), {"also": also}), short_help=short_help)(run)
        return function

    return register


def _with_examples_as_they_are(help: str) -> str:
    """The help with each `Example: COMMAND` on two lines that are never wrapped: a broken one could not be copied."""
    return re.sub(r"^( *)Example: ", r"\1\b\n\1Example:\n\1  ", help, flags=re.MULTILINE)


def _parameter(kind: type[Options], field: dataclasses.Field[Any]) -> inspect.Parameter:
    """One option as typer reads it from the signature of a function."""
    about, default = option_of(field), field.default
    names = () if about.positional else (spelling(about.called or field.name),)
    made = (typer.Argument if about.positional else typer.Option)(
        *names, help=spelled(about.help), metavar=about.metavar or None, min=about.least, max=about.most
    )
    if default is dataclasses.MISSING:
        default = inspect.Parameter.empty
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=list(default) if isinstance(default, tuple) else default,
        annotation=Annotated[_type_of(types_of(kind)[field.name]), made],
    )


def _type_of(annotation: Any) -> Any:
    """The type that typer reads: a sequence is a list, also where a number may stand for it; what may be a name or a
    path is a name (`-`, `hf:...`).

    Choices are names, too: `Options` checks them.
    """
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) is Sequence:
            (inner,) = get_args(part)
            return GenericAlias(list, (str if inner == str | Path else inner,))
    if {str, Path} <= {*get_args(annotation)}:
        return str | None if type(None) in get_args(annotation) else str
    return str if choices_of(annotation) else annotation
