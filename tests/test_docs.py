"""Every command that README and docs show exists, with these options."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

from ner_distill.cli import app
from ner_distill.config import StudentConfig, TeacherConfig, load_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^Example:\n +.*?ner-distill (.*)$", re.MULTILINE)
_COMMAND = re.compile(r"(?:^|\s)(?:ner-distill|-m ner_distill\.cli) (.*)")


class Shown(NamedTuple):
    """A command line of a page: the words behind `ner-distill`."""

    page: str
    line: str

    def words(self) -> list[str]:
        """As a shell would read them, up to a pipe, a redirection or a comment."""
        reader = shlex.shlex(self.line, posix=True, punctuation_chars="|<>&;")
        reader.whitespace_split = True
        words: list[str] = []
        for word in reader:
            if set(word) <= set("|<>&;"):
                break
            words.append(word)
        return words


def commands_of(page: Path) -> list[Shown]:
    """The commands in fenced blocks and in indented ones that begin with `ner-distill`; `\\` goes on a line."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    indented = [line for line in text.splitlines() if re.match(r"(    |\t)\$? ?ner-distill ", line)]
    lines = [line for block in _FENCED.findall(text) for line in block.splitlines()] + indented
    found = [match[1] for line in lines if (match := _COMMAND.search(line)) and not line.lstrip().startswith("#")]
    return [Shown(page.relative_to(ROOT).as_posix(), line) for line in found]


def examples() -> list[Shown]:
    """The lines below `Example:` in the commands' own help."""
    group: Any = typer.main.get_command(app)
    found = [(name, _EXAMPLE.findall(command.help or "")) for name, command in group.commands.items()]
    return [Shown(f"{name} --help", line) for name, lines in found for line in lines]


SHOWN = [*(command for page in PAGES for command in commands_of(page)), *examples()]


def parse(words: list[str]) -> None:
    """Read the words as the command line does, without running anything. Raises what it would report."""
    group: Any = typer.main.get_command(app)
    command = group.commands.get(words[0])
    assert command is not None, f"no command {words[0]!r}"
    # ellipses stand for what the reader fills in
    command.make_context(words[0], [word for word in words[1:] if word not in ("…", "...")])


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: f"{shown.page}: {shown.line[:60]}")
def test_command_in_the_docs_parses(shown: Shown) -> None:
    words = shown.words()
    if {"--help", "-h"} & set(words):
        group: Any = typer.main.get_command(app)
        assert words[0] in {*group.commands, "--help", "-h", "COMMAND"}
    elif {"…", "..."} & set(words):
        known = [word for word in words[1:] if word.startswith("--")]
        group = typer.main.get_command(app)
        options = {name for parameter in group.commands[words[0]].params for name in parameter.opts}
        assert set(known) <= options
    else:
        parse(words)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: f"{shown.page}: {shown.line[:60]}")
def test_settings_in_the_docs_are_keys_of_the_configuration(shown: Shown) -> None:
    words = shown.words()
    settings = [value for option, value in pairwise(words) if option == "--set"]
    if words[0] in ("train-teacher", "vote-labels", "self-train", "grow-dictionary"):
        made = ["loss.kind=pu"] if words[0] == "grow-dictionary" else []  # by the command itself
        load_config(TeacherConfig, None, [*made, *settings])
    elif words[0] == "train-student":
        load_config(StudentConfig, None, settings)
    else:
        assert settings == []


def test_every_command_of_the_main_job_is_shown_in_the_readme() -> None:
    shown = {command.words()[0] for command in SHOWN if command.page == "README.md"}
    assert {"train-teacher", "label-unlabeled", "train-student", "evaluate", "predict"} <= shown


@pytest.mark.parametrize("line", ["train-teachers --out x", "evaluate --modell x --data y", "show", "predict --text"])
def test_the_check_sees_wrong_commands(line: str) -> None:
    with pytest.raises(Exception, match="no command|[Nn]o such option|Missing parameter|requires an argument"):
        parse(line.split())
