"""Options of the commands that train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ner_distill.options.declare import option, required
from ner_distill.options.shared import (
    Action,
    Dev,
    ExecutorOptions,
    Files,
    Jobs,
    Keys,
    LongestOptions,
    Overwrite,
    PathOrUrl,
    RawText,
    ReadOptions,
    ResumeOptions,
    Settings,
    TrackedOutput,
    Training,
    UnitOptions,
    VotingRules,
)

_MANIFEST = "manifest.json"  # of a store


class TeacherOptions(Training, VotingRules, Jobs, LongestOptions, TrackedOutput):
    """Options of `train-teacher`."""

    jobs: int = option(1, "With `folds`: folds that are trained at once, a process each.", "N", least=1)
    folds: int = option(0, "First let K fold teachers vote on the labels (vote-labels); 0: no.", "K", least=0)
    repeats: int = option(1, "With `folds`: other splits; each label is judged so many times.", "R", least=1)
    action: Action = option("mask", "With `folds`: what happens to outvoted labels, as of vote-labels.", "NAME")

    def files(self) -> dict[str, Files]:
        """Role → files, as a run records what it was begun with."""
        return {"train": self.train, "dev": self.dev}


class StudentOptions(Dev, ReadOptions, TrackedOutput, LongestOptions):
    """Options of `train-student`."""

    soft: PathOrUrl | None = option(
        None, "Store that label-unlabeled wrote (also a URL); without it, gold alone.", "STORE", urls=True
    )
    gold: Files = option((), "Labelled sentences to learn from as well. Repeatable.", "FILE")
    dev: Files = option(
        (),
        "Labelled sentences that choose the best epoch; without any, agreement with the teacher on a part of `soft` "
        "that is held out does, and of gold alone the last weights are kept. Repeatable.",
        "FILE",
    )

    def files(self) -> dict[str, Files]:
        """Role → files, as a run records what it was begun with; of a store its manifest."""
        store: list[PathOrUrl] = []
        if self.soft is not None:
            store = [self.soft / _MANIFEST if isinstance(self.soft, Path) else f"{self.soft}/{_MANIFEST}"]
        return {"soft": store, "dev": self.dev, "gold": self.gold}


class PretrainOptions(RawText, UnitOptions, TrackedOutput):
    """Options of `pretrain`."""


class PretrainSettings(Settings):
    """The configuration of `pretrain`: two of its keys are options as well."""

    encoder: str | None = option(
        None, "scratch (default), a Hugging Face encoder, or a directory to go on from.", "NAME"
    )
    minutes: float | None = option(None, "Length of the training, instead of optim.epochs.", "N", least=0.0)


class SegmenterOptions(Overwrite):
    """Options of `train-segmenter`."""

    train: Sequence[Path] = required("Sentences, one a line, a space between words. Repeatable.", "FILE")
    out: Path = required("Directory to write the segmenter into.", "DIR")


class CompareOptions(Keys, ReadOptions, ResumeOptions, ExecutorOptions):
    """Options of `compare`."""

    configs: Sequence[Path] = option(
        (),
        "Configurations: TOML files, each named after its file, or preset:NAME.",
        "[CONFIG]...",
        positional=True,
    )
    train: Files = option((), "Labelled sentences: teachers are compared. Repeatable.", "FILE")
    soft: PathOrUrl | None = option(
        None, "Store that label-unlabeled wrote (also a URL): students are compared.", "STORE", urls=True
    )
    gold: Files = option((), "Labelled sentences that students learn from as well, or alone. Repeatable.", "FILE")
    dev: Files = option((), "Development sentences. Repeatable.", "FILE")
    test: Files = option((), "Score the finished runs on these as well.", "FILE")
    out: Path = option(Path("comparison"), "Directory of all runs.", "DIR")
    seeds: int = option(3, "Seeds of each configuration.", "N", least=1)
    variant: Sequence[str] = option(
        (), "The first CONFIG (or the defaults) with these keys changed. Repeatable.", "NAME:KEY=VALUE,..."
    )

    @property
    def of_students(self) -> bool:
        return self.soft is not None or bool(self.gold)


class CurveOptions(ReadOptions, ResumeOptions, Jobs):
    """Options of `learning-curve`."""

    train: Files = option((), "Labelled sentences, of which parts are trained on. Repeatable.", "FILE")
    dev: Files = option((), "Development sentences, which choose the epochs. Repeatable.", "FILE")
    test: Files = option((), "Take the scores of these in place of the development sentences. Repeatable.", "FILE")
    out: Path = option(Path("learning-curve"), "Directory of all runs.", "DIR")
    more: int = option(200, "How many more labelled sentences the curve is asked about.", "N", least=1)
    seeds: int = option(3, "Seeds: each draws its parts, and trains on them.", "N", least=1)
    jobs: int = option(1, "Trainings that run at once, a process each.", "N", least=1)


class VerdictOptions(ReadOptions, ResumeOptions, Jobs):
    """Options of `verdict`."""

    train: Files = option((), "Labelled sentences. Repeatable.", "FILE")
    dev: Files = option((), "Development sentences, which choose the checkpoints. Repeatable.", "FILE")
    test: Files = option((), "Labelled sentences that all models are scored on. Repeatable.", "FILE")
    text: Files = option((), "Raw text that the teacher labels, a sentence a line. Repeatable.", "FILE")
    out: Path = option(Path("verdict"), "Directory of all runs.", "DIR")
    seeds: int = option(3, "Seeds of each training.", "N", least=1)
    config: Path | None = option(None, "Configuration of the teacher (TOML).", "FILE")
    set: Sequence[str] = option((), "Change one key of the teacher's configuration. Repeatable.", "KEY=VALUE")
    students: Sequence[str] = option(
        ("preset:default",),
        "Configurations of students: TOML files or preset:NAME, several parted by commas. Repeatable.",
        "CONFIG,...",
    )
    student_set: Sequence[str] = option((), "Change one key of every student's configuration. Repeatable.", "KEY=VALUE")
    jobs: int = option(1, "Trainings that run at once, a process each.", "N", least=1)
