"""Groups of options that several commands have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ner_distill.options.declare import Options, option

Files = Sequence[str | Path]
ACTIONS = ("drop", "mask", "relabel", "weight", "keep")
"""What can happen to outvoted labels."""
FORMATS = "conll, jsonl, cluener, cmeee, ccf2020, text, parquet"


@dataclass(frozen=True, kw_only=True)
class Overwrite(Options):
    """What becomes of what is already there."""

    overwrite: bool = option(False, help="Replace what an earlier run of this program wrote there.")


@dataclass(frozen=True, kw_only=True)
class Resume(Options):
    """What is done with a directory that was begun."""

    resume: bool = option(False, help="Go on with a run that was stopped or killed.")


@dataclass(frozen=True, kw_only=True)
class Output(Resume, Overwrite):
    """The directory that a command writes into."""

    out: Path = option(help="Directory that this command makes.", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class Keys(Options):
    """Changes of single keys of a configuration."""

    set: Sequence[str] = option((), help="Change one key, e.g. optim.epochs=8. Repeatable.", metavar="KEY=VALUE")


@dataclass(frozen=True, kw_only=True)
class Settings(Keys):
    """The configuration of a training: a file, and changes of single keys."""

    config: Path | None = option(None, help="TOML file; `ner-distill init-config` writes one.", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class Format(Options):
    """The format of files."""

    format: str = option(
        "auto",
        help=f"Format of the files: auto (by content and name), {FORMATS}; hf:NAME/CONFIG/SPLIT is a path.",
        metavar="NAME",
    )


@dataclass(frozen=True, kw_only=True)
class Columns(Format):
    """What the columns of labelled files hold."""

    scheme: str = option("auto", help="Tag scheme: auto, iob1, iob2, bioes, bmes.", metavar="NAME")
    tag_column: int = option(-1, help="Column of the tags in CoNLL files, from 0; -1 is the last.", metavar="N")

    def reading(self) -> ReadOptions:
        """These options alone, without those of the command."""
        return ReadOptions(format=self.format, scheme=self.scheme, tag_column=self.tag_column)


@dataclass(frozen=True, kw_only=True)
class FileOptions(Columns):
    """How labelled files are read."""

    strict: bool = option(False, help="Stop at invalid tags and offsets instead of repairing and counting them.")

    def reading(self) -> ReadOptions:
        """See Columns."""
        return replace(super().reading(), strict=self.strict)


@dataclass(frozen=True, kw_only=True)
class ReadOptions(FileOptions):
    """How labelled files are read, where entities that overlap may have to go."""

    flatten: str | None = option(
        None,
        help="Of entities that overlap keep the longest or the shortest, for heads that cannot have both; "
        "default: refuse them.",
        metavar="WHICH",
        choices=("longest", "shortest"),
    )

    def reading(self) -> ReadOptions:
        """See Columns."""
        return replace(super().reading(), flatten=self.flatten)


@dataclass(frozen=True, kw_only=True)
class Dev(Options):
    """Development data."""

    dev: Files = option(help="Labelled sentences that choose the best epoch. Repeatable.", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class Training(Dev, ReadOptions, Output):
    """What every training on labelled sentences has."""

    train: Files = option(help="Labelled sentences to learn from. Repeatable.", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class RawText(Format):
    """Raw text to read."""

    text: Files = option(
        help="Raw text, a sentence a line; JSON Lines, Parquet, CoNLL (labels ignored). Repeatable.", metavar="FILE"
    )


@dataclass(frozen=True, kw_only=True)
class Unit(Options):
    """How raw text is cut into words."""

    unit: str = option(
        "auto",
        help="What a word is: word, character (Chinese) or auto.",
        metavar="NAME",
        choices=("auto", "word", "character"),
    )


@dataclass(frozen=True, kw_only=True)
class Jobs(Options):
    """How many trainings run side by side."""

    jobs: int = option(1, help="Folds that are trained at once, a process each.", metavar="N", least=1)


@dataclass(frozen=True, kw_only=True)
class Dictionaries(Options):
    """Lists of names by type."""

    dictionary: Sequence[str] = option(help="Names of this type, one a line. Repeatable.", metavar="TYPE=FILE")
