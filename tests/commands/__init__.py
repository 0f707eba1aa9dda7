"""Runs a command line in this process, as `ner-distill ...` does in one of its own."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.cli import main

TRAINS_TEACHERS = ("train-teacher", "vote-labels", "self-train")


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


def run(*arguments: str | Path, stdin: str = "") -> Done:
    """Run `ner-distill ARGUMENTS`. What is no error for users is raised, as a traceback would show it.

    Teachers are trained in half the time, without an adversary and an average, unless the arguments speak of them.
    """
    arguments = _plain(arguments)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    code: object = 0
    with _standard_input(stdin), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _argv(arguments):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int)
    return Done(code, *(_text(stream) for stream in (out, err)))


def _plain(arguments: tuple[str | Path, ...]) -> tuple[str | Path, ...]:
    said = " ".join(map(str, arguments))
    if not arguments or arguments[0] not in TRAINS_TEACHERS or "--config" in arguments or "--help" in arguments:
        return arguments
    plain = {"adversarial": "adversarial.kind=none", "optim.ema": "optim.ema=0"}
    return (arguments[0], *settings(*(pair for key, pair in plain.items() if key not in said)), *arguments[1:])


def ok(*arguments: str | Path, stdin: str = "") -> Done:
    """Run a command that must succeed."""
    done = run(*arguments, stdin=stdin)
    assert done.code == 0, done.err
    return done


def settings(*pairs: str) -> list[str]:
    """`--set` for each `key=value`."""
    return [part for pair in pairs for part in ("--set", pair)]


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file under a directory and what is in it."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode("utf-8")


@contextlib.contextmanager
def _argv(arguments: Sequence[str | Path]) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["ner-distill", *map(str, arguments)]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _standard_input(text: str) -> Iterator[None]:
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode("utf-8")), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = before
