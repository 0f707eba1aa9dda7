"""The command line as a case uses it: in this process, with what it prints kept for its hashes."""

from __future__ import annotations

import contextlib
import io
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.witness.hashing import short

TORCH_SEED = 67280421310721
"""What torch begins with in a fresh process."""

SMALL = (
    "encoder.hidden=32", "encoder.heads=4", "encoder.word_dim=16", "encoder.char_filters=8", "encoder.bigram_dim=8",
    "encoder.unknown=0.05", "encoder.dropout=0.1", "encoder.embedding_dropout=0.1", "optim.lr=1e-2",
    "optim.batch_words=64",
)  # fmt: skip
"""A scratch encoder that is trained in a second."""

CORPORA = {
    "en": ("data/en-train.conll", "data/en-dev.conll"),
    "zh": ("data/zh-train.conll", "data/zh-dev.conll"),
    "nested": ("data/nested-train.jsonl", "data/nested-dev.jsonl"),
    "weighted": ("data/weighted.jsonl", "data/en-dev.conll"),
    "lies": ("data/en-lies.conll", "data/en-dev.conll"),
    "dictionary": ("dictionary-labels/labelled.jsonl", "data/en-dev.conll"),
}
"""Name → training and development file."""


class CommandError(Exception):
    """A command ended with another exit code than it should have."""


class Shell:
    """Runs commands of one case. Paths are relative to the working directory, the same in every run.

    name:   of the case, and of the directory of what it writes.
    printed: part → hash of what a command printed as its result.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.printed: dict[str, str] = {}

    def at(self, *parts: str) -> str:
        """A path in the directory of this case."""
        return str(Path(self.name, *parts))

    def run(
        self,
        *arguments: str,
        keys: Sequence[str] = (),
        stdin: str = "",
        code: int = 0,
        mask: Callable[[str], str] = lambda text: text,
    ) -> str:
        """Run `ner-distill ARGUMENTS` with `--set` for each of the keys, which is to end with `code`.

        mask: makes of what is printed what counts of it. Returns: what was printed.
        """
        _as_in_a_fresh_process()
        words = [*arguments, *(part for key in keys for part in ("--set", key))]
        print(f"$ ner-distill {' '.join(words)}", file=sys.stderr, flush=True)
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
        with contextlib.redirect_stdout(out), _standard_input(stdin), _argv(words):
            found = _main()
        out.flush()
        text = out.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]
        print(text, file=sys.stderr, flush=True)
        if found != code:
            raise CommandError(f"{words[0]} ended with exit code {found}, expected {code}")
        if text:
            number = 1 + sum(part.startswith("printed") for part in self.printed)
            self.printed[f"printed {number:02} {words[0]}"] = short(mask(_without_fingerprints(text)).encode())
        return text

    # ---- what most cases do

    def small(self, *keys: str, epochs: int) -> list[str]:
        """Settings of a small scratch encoder and so many epochs, and then these."""
        return [*SMALL, f"optim.epochs={epochs}", *keys]

    def teacher(
        self,
        corpus: str,
        *keys: str,
        epochs: int = 3,
        small: bool = True,
        out: str = "teacher",
        more: Sequence[str] = (),
    ) -> str:
        """Train a teacher on a corpus. Returns its run."""
        train, dev = CORPORA[corpus]
        run = self.at(out)
        settings = self.small(*keys, epochs=epochs) if small else [f"optim.epochs={epochs}", *keys]
        self.run("train-teacher", "--train", train, "--dev", dev, "--out", run, *more, keys=settings)
        return run

    def student(
        self, soft: str | None, corpus: str, *keys: str, epochs: int = 12, small: bool = True, gold: str = ""
    ) -> str:
        """Train a student on a store, on gold, or on both. Returns its run."""
        out = self.at("student")
        given = [*(("--soft", soft) if soft else ()), *(("--gold", gold) if gold else ())]
        settings = self.small(*keys, epochs=epochs) if small else [f"optim.epochs={epochs}", *keys]
        self.run("train-student", *given, "--dev", CORPORA[corpus][1], "--out", out, keys=settings)
        return out

    def label(self, *teachers: str, text: str, out: str = "soft", more: Sequence[str] = ()) -> str:
        """Label text. Returns the store."""
        store = self.at(out)
        given = [part for teacher in teachers for part in ("--teacher", teacher)]
        self.run("label-unlabeled", *given, "--text", text, "--out", store, *more)
        return store

    def use(self, run: str, corpus: str) -> None:
        """Score a model, and let it predict."""
        self.run("evaluate", "--model", run, "--data", CORPORA[corpus][1], "--json", self.at("scores.json"))
        text = "data/zh-raw.txt" if corpus == "zh" else "data/en-raw.txt"
        self.run("predict", "--model", run, "--text", text, "--format", "jsonl")


def table_of_comparison(text: str) -> str:
    """The table of `compare` without its seconds and MiB, and without its widths, which depend on these."""
    lines = []
    for line in text.splitlines():
        row = re.sub(r"\S+ +\S+ +\S+( +[\d,]+ *)$", r"* * *\1", line)
        lines.append(" ".join(re.sub("─+", "─", row).split()))
    return "\n".join(lines)


def table_of_verdict(text: str) -> str:
    """The table of `verdict` without its sentences a second, and without its widths, which depend on these."""
    rows = (re.sub(r"( [\d,]+\.\d) +[\d,]+ +[\d,]+ *$", r"\1 * *", line) for line in text.splitlines())
    return "\n".join(" ".join(re.sub("─+", "─", row).split()) for row in rows)


def _main() -> int:
    """The exit code of the command line."""
    from ner_distill.cli import main

    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _as_in_a_fresh_process() -> None:
    """Cases are forked from one process, whose random state would be that of all."""
    import numpy as np
    import torch

    torch.manual_seed(TORCH_SEED)
    random.seed()
    np.random.seed(None)


@contextlib.contextmanager
def _argv(words: Sequence[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["ner-distill", *words]
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


def _without_fingerprints(text: str) -> str:
    """Text without the teachers' fingerprints, which follow every change of what `config.toml` holds."""
    return re.sub(r"\([0-9a-f]{12}\)", "(*)", text)
