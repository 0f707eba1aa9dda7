"""Groups of options that several commands have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args

from ner_distill.options.by_type import GivenByType
from ner_distill.options.declare import Options, option, required

Files = Sequence[str | Path]
PathOrUrl = Path | str
"""Where a store lies: of options that take URLs (`urls`) a Path, or the URL of an object store as text."""
Action = Literal["drop", "mask", "relabel", "weight", "keep"]
FORMATS = (
    "conll, jsonl, label-studio, doccano, prodigy, argilla, brat, docbin, spacy-json, spacy-iob, gliner, uie, cluener, "
    "cmeee, cblue, ccf2020, csv, text, parquet, datasets"
)

Written = Literal[
    "jsonl", "conll", "csv", "label-studio", "doccano", "prodigy", "argilla", "docbin", "brat", "gliner", "uie",
    "inline", "html",
]  # fmt: skip
"""The formats that are written."""
WRITTEN = ", ".join(get_args(Written))


class Overwrite(Options):
    """What becomes of what is already there."""

    overwrite: bool = option(False, "Replace what an earlier run of this program wrote there.")


class ResumeOptions(Options):
    """What is done with a directory that was begun."""

    resume: bool = option(False, "Go on with a run that was stopped or killed.")


class Output(ResumeOptions, Overwrite):
    """The directory that a command writes into."""

    out: Path = required("Directory that this command makes.", "DIR")


class TrackedOutput(Output):
    """The directory of a training, and what else its figures go to. Resuming compares no tracker."""

    track: Sequence[str] = option(
        ("tensorboard",),
        "What is told the figures of every epoch: tensorboard, wandb, mlflow or another tracker that "
        "accelerate knows, where it is installed; none. Repeatable.",
        "NAME",
    )


class Keys(Options):
    """Changes of single keys of a configuration."""

    set: Sequence[str] = option((), "Change one key, e.g. optim.epochs=8. Repeatable.", "KEY=VALUE")


class Settings(Keys):
    """The configuration of a training: a file, and changes of single keys."""

    config: Path | None = option(
        None, "TOML file (`ner-distill init-config` writes one), or preset:NAME: default, small, fast, mtmt.", "FILE"
    )


class WordColumn(Options):
    """Where the words stand in files of columns."""

    word_column: int | None = option(
        None, "Column of the words in CoNLL files, from 0; -1 is the last; default: as the file looks.", "N"
    )


class Format(WordColumn):
    """The format of files."""

    format: str = option(
        "auto",
        f"Format of the files: auto (by content and name), {FORMATS}; hf:NAME/CONFIG/SPLIT is a path.",
        "NAME",
        called="input_format",
        also="format",
    )


class UnitOptions(Options):
    """How raw text is cut into words."""

    unit: Literal["auto", "word", "character", "blank"] = option(
        "auto",
        "How raw text is cut into words: word (marks cut off), character, blank (at white space only) or auto: as the "
        "model's training words are, or as suits the files.",
        "NAME",
    )


class ColumnOptions(Format, UnitOptions):
    """What the columns of labelled files hold."""

    scheme: str = option("auto", "Tag scheme: auto, iob1, iob2, bioes, bmes, bilou.", "NAME")
    tag_column: Sequence[int] = option(
        (),
        "Column of the tags in CoNLL files, from 0; -1 is the last; default: as the file looks. Repeatable: levels "
        "of nested entities.",
        "N",
    )

    def reading(self) -> ReadOptions:
        """Returns only the options of reading labelled files, as a `ReadOptions`; what the command lacks is default."""
        own = vars(self)
        return ReadOptions(**{field.name: own[field.name] for field in fields(ReadOptions) if field.name in own})


class FileOptions(ColumnOptions):
    """How labelled files are read."""

    strict: bool = option(False, "Stop at invalid tags and offsets instead of repairing and counting them.")


class ReadOptions(FileOptions):
    """How labelled files are read, where entities that overlap may have to go."""

    flatten: Literal["longest", "shortest"] | None = option(
        None,
        "Of entities that overlap keep the longest or the shortest, for heads that cannot have both; "
        "default: refuse them.",
        "WHICH",
    )

    def recorded(self) -> dict[str, Any]:
        """How files are read, as a directory records it: newer options only where they are not as they always were.

        One column of tags is recorded as versions recorded it in which `tag_column` was a number, its default as -1.
        """
        columns = list(self.tag_column) or [-1]
        values = vars(self) | {"tag_column": columns if len(columns) > 1 else columns[0]}
        return {name: value for name, value in values.items() if name not in NEWER or self.changed(name)}


NEWER = ("unit", "word_column")
"""Options of reading that directories of earlier versions do not name."""


class Dev(Options):
    """Development data."""

    dev: Files = option(
        (),
        "Labelled sentences that choose the best epoch; without any, optim.epochs epochs are trained and the last "
        "weights kept. Repeatable.",
        "FILE",
    )


class Training(Dev, ReadOptions, Output):
    """What every training on labelled sentences has."""

    train: Files = required("Labelled sentences to learn from: files, folders, patterns in quotes. Repeatable.", "FILE")


class RawText(Format):
    """Raw text to read."""

    text: Files = required(
        "Raw text, a sentence a line; JSON Lines, Parquet, CoNLL (labels ignored); URLs too (s3://BUCKET/FILE). "
        "Repeatable.",
        "FILE",
        urls=True,
    )


class DocumentOptions(Options):
    """What is a document in raw text, and whether it is cut into sentences."""

    split_sentences: bool = option(False, "Cut each line, record or document into sentences.")
    lang: str | None = option(
        None, "Language of texts that do not say theirs (es, de, zh), for abbreviations of `split_sentences`.", "CODE"
    )
    documents: Literal["line", "paragraph", "file"] = option(
        "line", "What a document of a text file is: a line, a paragraph (blank lines end it) or the file.", "WHAT"
    )
    text_key: str | None = option(
        None, "Key or column of the text of JSON, CSV, Parquet and data sets; a.b is b in the object a.", "KEY"
    )


class LongestOptions(Options):
    """Which sentences are too long."""

    max_words: int = option(0, "Leave out sentences of more words, counted and said; 0 = none.", "N", least=0)


class ExecutorOptions(Options):
    """Who does work that is many independent pieces, and how many at once. No part of what comes of it."""

    executor: str = option(
        "",
        "Who does the work: local:N (processes of this machine), ray (a cluster; one of this machine), ray:ADDRESS; "
        "default: this process.",
        "WHERE",
    )
    workers: str = option(
        "auto", "Workers of `executor`; auto: one a GPU, or where there is none one a core.", "N|auto"
    )


class Jobs(ExecutorOptions):
    """How many trainings run side by side; `jobs` N is `executor` local:N."""

    jobs: int = option(1, "Folds that are trained at once, a process each.", "N", least=1)


class VotingRules(Options):
    """When votes on labels decide."""

    threshold: GivenByType = option(
        (), "Suspicion, 0 to 1, from which on a label may be outvoted; 0.95. Repeatable, for single types.", "[TYPE=]P"
    )
    min_votes: GivenByType = option(
        (), "Votes that a label needs; 0: more than half. Repeatable, for single types.", "[TYPE=]N"
    )
    epsilon: float = option(0.7, "Weight of a sentence for each missing vote (weight).", "E", least=0.0, most=1.0)


class DictionaryOptions(Options):
    """Lists of names by type."""

    dictionary: Sequence[str] = required("Names of this type, one a line. Repeatable.", "TYPE=FILE")
    negative: Sequence[Path] = option((), "Words that are surely of no entity, one a line. Repeatable.", "FILE")
