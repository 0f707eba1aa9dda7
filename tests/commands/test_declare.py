"""The way of an option from its declaration to a command."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from ner_distill.cli import app
from ner_distill.commands.declare import command, group
from ner_distill.options import Options, option
from tests.commands import run

COMMANDS = vars(typer.main.get_command(app))["commands"]


class GreetOptions(Options):
    """Options of `greet`."""

    first_name: str = option("you", "Who is greeted.", "NAME")


def test_an_option_is_a_field_that_reaches_the_command() -> None:
    commands = group()

    @command(commands, "greet", short_help="say hello")
    def greet(options: GreetOptions) -> None:
        """Say hello."""
        typer.echo(f"Hello {options.first_name}")

    assert CliRunner().invoke(commands, ["--first-name", "Ana"]).output == "Hello Ana\n"
    assert CliRunner().invoke(commands, []).output == "Hello you\n"
    assert "--first-name NAME" in CliRunner().invoke(commands, ["--help"]).output


class ShoutOptions(Options):
    """Options of `shout`."""

    volume: int = option(1, "How loud.", "N")
    word: Sequence[str] = option((), "What is shouted. Repeatable.", "WORD")
    loud: bool = option(False, "Louder.")


def test_only_options_of_one_value_are_refused_where_they_are_given_twice() -> None:
    commands = group()

    @command(commands, "shout", short_help="shout")
    def shout(options: ShoutOptions) -> None:
        """Shout."""
        typer.echo(" ".join(options.word))

    many = ["--word", "a", "--word", "b", "--loud", "--loud", "--volume", "2"]
    assert CliRunner().invoke(commands, many).output == "a b\n"
    error = CliRunner().invoke(commands, [*many, "--volume=2"]).exception
    assert str(error) == "--volume is given more than once and takes one value; give it once"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_one_value_may_be_given_once(name: str) -> None:
    single = [one for one in COMMANDS[name].params if one.param_type_name == "option" and not one.multiple]
    for parameter in single:
        if not parameter.is_flag:
            done = run(name, parameter.opts[0], "1", parameter.opts[0], "1")
            assert (done.code, done.out) == (2, "")
            assert f"{parameter.opts[0]} is given more than once" in done.err


READERS = [name for name in COMMANDS if any("--input-format" in one.opts for one in COMMANDS[name].params)]


def test_every_command_that_reads_files_calls_their_format_so() -> None:
    assert {"train-teacher", "evaluate", "label-unlabeled", "check-data", "predict", "convert", "review"} <= {*READERS}
    written = {name for name in COMMANDS if any("--format" in one.opts for one in COMMANDS[name].params)}
    assert written == {"predict", "show", "convert"}


def test_the_older_spelling_is_another_name_that_help_does_not_show() -> None:
    assert "--format" not in run("check-data", "--help").out.replace("--input-format", "")
    for spelling in ("--format", "--input-format"):
        done = run("check-data", "none.conll", f"{spelling}=xml")
        assert done.err.startswith("error: --input-format xml: expected auto, ")
    twice = run("check-data", "none.conll", "--format", "conll", "--input-format", "jsonl")
    assert twice.err == "error: --input-format is given more than once and takes one value; give it once\n"
