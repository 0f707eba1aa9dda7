"""Options of the commands that ask a model, or look at data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.options.declare import Options, option
from ner_distill.options.shared import FileOptions, Files, Output, RawText


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Options):
    """How text is labelled: each of these decides what the rows of a store are, and is kept in its manifest."""

    pairs_per_sentence: int = option(
        32, help="Pairs of words per sentence whose similarity is stored.", metavar="N", least=0
    )
    min_votes: int = option(
        1,
        help="Drop the words of entities that fewer teachers predict (of one trained with `folds`: its folds).",
        metavar="N",
        least=1,
    )
    min_confidence: float = option(
        0.0, help="Drop words whose best tag is less probable.", metavar="P", least=0.0, most=1.0
    )
    span_floor: float = option(0.01, help="Store spans that are more probable (teachers that find spans).", metavar="P")
    batch_words: int = option(
        0,
        help="Words (pretrained: pieces) of a batch, padding included; 0: what suits the device.",
        metavar="N",
        least=0,
    )
    shard_size: int = option(4096, help="Sentences of a Parquet file of the store.", metavar="N", least=1)
    precision: str = option(
        "auto",
        help="fp32, bf16, or auto: bf16 on a GPU that has it.",
        metavar="NAME",
        choices=("auto", "fp32", "bf16"),
    )


@dataclass(frozen=True, kw_only=True)
class LabelUnlabeledOptions(LabelOptions, RawText, Output):
    """Options of `label-unlabeled`."""

    teacher: Sequence[Path] = option(
        help="Run of train-teacher. Repeatable: probabilities are averaged.", metavar="RUN"
    )
    limit: int = option(0, help="Stop after so many sentences; 0 = all.", metavar="N", least=0)


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Which model is asked."""

    model: Path = option(help="Run of a teacher or a student.", metavar="RUN")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ModelOptions, FileOptions):
    """Options of `evaluate`."""

    data: Files = option(help="Labelled sentences. Repeatable: counted together.", metavar="FILE")
    json: Path | None = option(None, help="Write the figures to this file as well.", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class PredictOptions(ModelOptions):
    """Options of `predict`."""

    text: Files = option(
        ("-",), help="Text, a sentence a line; - is standard input (default). Repeatable.", metavar="FILE"
    )
    format: str = option(
        "inline",
        help="What to print: jsonl, conll or inline.",
        metavar="NAME",
        choices=("jsonl", "conll", "inline"),
    )
    input_format: str = option(
        "auto", help="Format of the text: auto, or one that train-teacher reads.", metavar="NAME"
    )
    lattice: bool = option(False, help="Draw the lexicon words that the teacher finds, below each sentence.")


@dataclass(frozen=True, kw_only=True)
class ShowOptions(Options):
    """Options of `show`."""

    store: Path = option(help="Store that label-unlabeled wrote.", metavar="STORE", positional=True)
    limit: int = option(10, help="Sentences to print.", metavar="N", least=1)
    start: int = option(0, help="First sentence, from 0.", metavar="N", least=0)
    type: str | None = option(None, help="Only sentences with an entity of this type.", metavar="TYPE")
    entities_only: bool = option(False, help="Only sentences with an entity.")
    lattice: Path | None = option(None, help="Draw the words that this teacher's lexicon finds as well.", metavar="RUN")


@dataclass(frozen=True, kw_only=True)
class CheckDataOptions(FileOptions):
    """Options of `check-data`."""

    files: Files = option(
        help="Labelled files; several are compared as splits, the first as training data.",
        metavar="FILE...",
        positional=True,
    )
