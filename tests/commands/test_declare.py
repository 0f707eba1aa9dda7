"""The way of an option from its declaration to a command."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from ner_distill.commands.declare import command, group
from ner_distill.options import Options, option


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
