"""Options of the commands that train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.options.declare import Options, option
from ner_distill.options.shared import (
    ACTIONS,
    Dev,
    Files,
    Jobs,
    Keys,
    Output,
    Overwrite,
    RawText,
    ReadOptions,
    Resume,
    Training,
    Unit,
)


@dataclass(frozen=True, kw_only=True)
class TeacherOptions(Training, Jobs):
    """Options of `train-teacher`."""

    folds: int = option(
        0, help="First let K fold teachers vote on the labels (vote-labels); 0: no.", metavar="K", least=0
    )
    action: str = option(
        "mask",
        help="With `folds`: what happens to outvoted labels, as of vote-labels.",
        metavar="NAME",
        choices=ACTIONS,
    )


@dataclass(frozen=True, kw_only=True)
class StudentOptions(Dev, ReadOptions, Output):
    """Options of `train-student`."""

    soft: Path | None = option(None, help="Store that label-unlabeled wrote; without it, gold alone.", metavar="STORE")
    gold: Files = option((), help="Labelled sentences to learn from as well. Repeatable.", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class PretrainOptions(RawText, Unit, Output):
    """Options of `pretrain`."""


@dataclass(frozen=True, kw_only=True)
class PretrainSettings(Options):
    """Options of `pretrain` that stand for keys of its configuration."""

    encoder: str | None = option(
        None, help="scratch (default), a Hugging Face encoder, or a directory to go on from.", metavar="NAME"
    )
    minutes: float | None = option(
        None, help="Length of the training, instead of optim.epochs.", metavar="N", least=0.0
    )


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions(Overwrite):
    """Options of `train-segmenter`."""

    train: Sequence[Path] = option(help="Sentences, one a line, a space between words. Repeatable.", metavar="FILE")
    out: Path = option(help="Directory to write the segmenter into.", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class CompareOptions(Keys, ReadOptions, Resume):
    """Options of `compare`."""

    configs: Sequence[Path] = option(
        (),
        help="Teacher configurations (TOML), each named after its file.",
        metavar="[CONFIG]...",
        positional=True,
    )
    train: Files = option((), help="Labelled sentences. Repeatable.", metavar="FILE")
    dev: Files = option((), help="Development sentences. Repeatable.", metavar="FILE")
    test: Files = option((), help="Score the finished runs on these as well.", metavar="FILE")
    out: Path = option(Path("comparison"), help="Directory of all runs.", metavar="DIR")
    seeds: int = option(3, help="Seeds of each configuration.", metavar="N", least=1)
    variant: Sequence[str] = option(
        (),
        help="The first CONFIG (or the defaults) with these keys changed. Repeatable.",
        metavar="NAME:KEY=VALUE,...",
    )
