"""Options of the commands that ask a model, or look at data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ner_distill.options.by_type import GivenByType
from ner_distill.options.declare import Options, option, required
from ner_distill.options.shared import (
    WRITTEN,
    DocumentOptions,
    ExecutorOptions,
    FileOptions,
    Files,
    LongestOptions,
    Overwrite,
    PathOrUrl,
    RawText,
    ResumeOptions,
    UnitOptions,
    WordColumn,
    Written,
)


class LabelOptions(Options):
    """How text is labelled: each of these decides what the rows of a store are, and is kept in its manifest."""

    pairs_per_sentence: int = option(32, "Pairs of words per sentence whose similarity is stored.", "N", least=0)
    min_votes: GivenByType = option(
        (),
        "Drop the words of entities that fewer teachers predict (of one trained with `folds`: its folds); 1. "
        "Repeatable, for single types.",
        "[TYPE=]N",
    )
    min_confidence: float = option(0.0, "Drop words whose best tag is less probable.", "P", least=0.0, most=1.0)
    span_floor: float = option(0.01, "Store spans that are more probable (teachers that find spans).", "P")
    batch_words: int = option(
        0, "Words (pretrained: pieces) of a batch, padding included; 0: what suits the device.", "N", least=0
    )
    shard_size: int = option(4096, "Sentences of a Parquet file of the store.", "N", least=1)
    precision: Literal["auto", "fp32", "bf16", "int8"] = option(
        "auto",
        "fp32, bf16 (of pretrained encoders 1.7 times as fast on a CPU that has it), int8 (on a CPU: the layers of "
        "pretrained encoders in 8 bits), or auto: bf16 on a GPU that has it, else fp32.",
        "NAME",
    )


class ForeignOptions(Options):
    """What is said of somebody else's model."""

    map: Sequence[str] = option(
        (), "Which type of somebody else's model is which here; THEIRS= drops it. Repeatable.", "THEIRS=OURS"
    )
    types: Sequence[str] = option((), "Type that a model of GLiNER is asked for. Repeatable.", "TYPE")
    confidence: GivenByType = option(
        (),
        "How sure answers of a file are that give no score; default: estimated on `labelled`, else 0.9. Repeatable, "
        "for single types.",
        "[TYPE=]P",
    )


class LabelUnlabeledOptions(
    LabelOptions,
    RawText,
    DocumentOptions,
    UnitOptions,
    ResumeOptions,
    Overwrite,
    LongestOptions,
    ForeignOptions,
    ExecutorOptions,
):
    """Options of `label-unlabeled`."""

    out: PathOrUrl = required("Store that this command makes: a directory, or a URL (s3://BUCKET/x).", "DIR", urls=True)

    teacher: Files = required(
        "Run of train-teacher, or somebody else's model: hf:DIR_OR_ID, spacy:PACKAGE_OR_DIR, gliner:DIR_OR_ID, "
        "answers:FILE. Repeatable: probabilities are averaged, by these weights; 1 where none is given.",
        "RUN[=WEIGHT]",
    )
    evaluator: Files = option(
        (), "Run whose similarities of words are stored, in place of the teachers'. Repeatable.", "RUN[=WEIGHT]"
    )
    teacher_weights: Literal["given", "auto"] = option(
        "given",
        "given (with `teacher`), or auto: by how well each does on `labelled`, or without that by how near its "
        "training text is to the text.",
        "HOW",
    )
    labelled: Files = option(
        (),
        "Labelled sentences for `teacher_weights` auto, and to estimate how far answers of a file are right; none that "
        "a teacher was trained on. Repeatable.",
        "FILE",
    )
    out_of_fold: bool = option(
        False, "Let fold teachers (`folds`) that did not see them answer on sentences a teacher was trained on."
    )
    calibrated: bool = option(False, "Soften each teacher's tags by the temperature that its training fitted on `dev`.")
    limit: int = option(0, "Stop after so many sentences; 0 = all.", "N", least=0)
    store_precision: Literal["auto", "exact", "compact"] = option(
        "auto",
        "Form of the shards: compact (8 bits), exact (float16), or auto: compact, and with `resume` that of the store.",
        "NAME",
    )
    verify: bool = option(
        False, "With `resume`: compare the hash of every shard; else of stores above 2 GB their sizes alone."
    )


class ModelOptions(Options):
    """Which model is asked."""

    model: Files = required(
        "Run of a teacher or a student, a directory that export wrote, or somebody else's model (hf:DIR_OR_ID, "
        "spacy:PACKAGE_OR_DIR, ...). Repeatable: their probabilities are averaged. RUN/folds: those of its fold "
        "teachers.",
        "RUN",
    )

    @property
    def models(self) -> tuple[Path, ...]:
        """The directories; of Python users one may be given as it is."""
        given = self.model
        return (Path(given),) if isinstance(given, str | Path) else tuple(map(Path, given))

    @property
    def named(self) -> str:
        """The directories as messages name them."""
        return ", ".join(map(str, self.models))


class MinScore(Options):
    """Which entities pass."""

    min_score: GivenByType = option(
        (),
        "Leave out entities of a lower score; `stored`: than the thresholds that `evaluate` chose for `precision` and "
        "the run keeps. Repeatable, for single types.",
        "[TYPE=]P",
    )


class EvaluateOptions(ModelOptions, FileOptions, MinScore, ForeignOptions):
    """Options of `evaluate`."""

    max_words: int = option(
        0, "Do not read sentences of more words: their entities count as missed; 0 = read all.", "N", least=0
    )

    data: Files = required("Labelled sentences. Repeatable: counted together.", "FILE")
    json: Path | None = option(None, "Write the figures to this file as well.", "FILE")
    html: Path | None = option(
        None, "Write a page to this file as well: figures, charts, and every error in its sentence.", "FILE"
    )
    precision: GivenByType = option(
        (),
        "Choose on these data the lowest score from which on so many of a type's entities are right, and keep it in "
        "the run for `min_score` stored. Repeatable, for single types.",
        "[TYPE=]P",
    )


class PredictOptions(
    ModelOptions, DocumentOptions, UnitOptions, WordColumn, LongestOptions, MinScore, ForeignOptions, Overwrite
):
    """Options of `predict`."""

    texts: Sequence[str] = option((), "Text to look at, in place of `text`.", "TEXT", positional=True)
    text: Files = option(
        (), "File of text, a sentence a line; - is standard input (default); URLs too. Repeatable.", "FILE", urls=True
    )
    format: Written | None = option(
        None, f"What to print or write: {WRITTEN}; default: as `out` ends, or inline.", "NAME"
    )
    out: PathOrUrl | None = option(
        None, "Write to this file, or folder (brat), which appears when it is whole.", "FILE"
    )
    input_format: str = option("auto", "Format of the text: auto, or one that train-teacher reads.", "NAME")
    lattice: bool = option(False, "Draw the lexicon words that the teacher finds, below each sentence.")
    device: str = option("auto", "Where to compute: cpu, cuda, cuda:1, or auto (a GPU where there is one).", "NAME")

    @property
    def style(self) -> str:
        """The format; inline where neither it nor the name of a file says anything."""
        return self.format or "inline"

    @property
    def files(self) -> Files:
        """The files of text: standard input where nothing else is given, none where sentences are."""
        return self.text if self.text or self.texts else ("-",)


class ShowOptions(Overwrite):
    """Options of `show`."""

    store: PathOrUrl = required(
        "Store that label-unlabeled wrote: a directory, or a URL.", "STORE", positional=True, urls=True
    )
    limit: int = option(10, "Sentences to print or write; 0 = all.", "N", least=0)
    start: int = option(0, "First sentence, from 0.", "N", least=0)
    type: str | None = option(None, "Only sentences with an entity of this type.", "TYPE")
    entities_only: bool = option(False, "Only sentences with an entity.")
    lattice: Path | None = option(None, "Draw the words that this teacher's lexicon finds as well.", "RUN")
    format: Written | None = option(
        None, f"Print the sentences as labelled ones in place of the table: {WRITTEN}.", "NAME"
    )
    out: PathOrUrl | None = option(None, "Write labelled sentences to this file, or folder (brat).", "FILE")
    min_confidence: float = option(
        0.0, "Of labelled sentences: mask words whose best tag is less probable.", "P", least=0.0, most=1.0
    )


class ConvertOptions(FileOptions, Overwrite):
    """Options of `convert`."""

    paths: Files = required("Files to read, and last the one to write.", "IN... OUT", positional=True)
    output_format: Written | None = option(
        None, f"What to write: {WRITTEN}; default: as the name of OUT ends.", "NAME", called="format"
    )


class CheckDataOptions(FileOptions):
    """Options of `check-data`."""

    files: Files = required(
        "Labelled files; several are compared as splits, the first as training data.", "FILE...", positional=True
    )
    strict: bool = option(
        False, "Exit with status 1 where there is anything to repair, and where files share sentences."
    )
