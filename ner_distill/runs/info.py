"""What a run directory says of itself; reading it runs nothing.

config.toml        the whole resolved configuration
labels.json        what the run is: teacher or student, labels in order, unit, format version
inputs.json        the files it was trained on, with sizes and hashes
environment.json   versions, threads and processor that it was begun on
model.safetensors  weights; tokenizer or vocabulary files beside it (a pretrained teacher's under encoder/)
calibration.json   maps that make its scores probabilities;  thresholds.json  least scores that `evaluate` chose
metrics.json       final figures;  metrics.jsonl, tensorboard/  the figures of every epoch
report.html        the figures as a page;  README.md  the model card, see `card.py`
checkpoints/       what resuming goes on from;  log.txt  what was said
text_profile.json  of a teacher: what its training text looks like, see `text_profile.py`
voting/            of a teacher that was trained with folds: their voting, with the fold teachers
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import tomli_w

from ner_distill.config import Config, RunConfig, parse_config
from ner_distill.data.formats.units import Cutting
from ner_distill.data.sentence import UNITS, Unit
from ner_distill.data.tagset import TagSet
from ner_distill.directories import OutputKind, remove_made
from ner_distill.errors import RunError, printable
from ner_distill.files import atomic_write_text, read_json, remove_temporary_files, write_json
from ner_distill.runs.card import CARD, may_be_removed
from ner_distill.runs.edited import edited_in
from ner_distill.tagger import SETTINGS

FORMAT = 1
VOTING = "voting"
REPORT = "report.html"
BESIDE_THE_MODEL = ("inputs.json", "environment.json", "metrics.json", "metrics.jsonl", "tensorboard", "checkpoints",
                    "log.txt", "text_profile.json", REPORT, CARD, VOTING)  # fmt: skip
"""What a run directory holds that a model does not need to answer."""
OF_TRAINING = r"(inputs|environment|metrics)\.json|metrics\.jsonl|tensorboard|\.aim|checkpoints|log\.txt"
INSIDE_TRAINING = {
    "checkpoints": r"step-\d+-epoch-\d+(\.tmp)?|best(-parts)?\.safetensors|(trackers|rounds)\.json|text(\.tmp)?",
    "tensorboard": r"events\.out\.tfevents\..+",
}
OF_ENCODER = (
    r"(generation_)?config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|pieces\.json"
    r"|encoder\.toml|vocabulary\.json|tokenizer(_config)?\.json|(entity_|target_)?vocab(-src|-tgt)?\.(json|txt)"
    r"|(special_tokens_map|added_tokens|normalizer|byte_maps|emoji|word_shape|word_pronunciation)\.json"
    r"|(merges|dict)\.txt|bpe\.codes|(sentencepiece\.bpe|sentencepiece|spiece|spm|spm_char|tokenizer)\.model"
    r"|(source|target)\.spm|chat_template\.jinja|additional_chat_templates"
)
"""Patterns of names that the program and transformers give files. One of another name in a run is a person's, which
`overwrite` does not remove."""
OF_VOTING = r"(voting|summary)\.json|config\.toml|log\.txt|folds|(cleaned|votes)\.jsonl"
_OF_RUN = (
    rf"{OF_TRAINING}|{OF_ENCODER}|(text_profile|calibration|thresholds|questions|lattice|measured)\.json|knowledge|encoder|{VOTING}"
    rf"|{re.escape(REPORT)}|{re.escape(CARD)}"
)
Kind = Literal["teacher", "student"]
BEFORE: Mapping[str, Mapping[str, Any]] = {
    "additive-pointer": {"output_bias": False},
    "mrc": {"match_hidden": 0, "segments": False},
}
"""Kind of head → what a run had before its configuration could say it: all later ones say it."""


@dataclass(frozen=True)
class RunInfo:
    """What `labels.json` says.

    unit:     how raw text is cut into words.
    mismatch: share of the training words (0..1) that raw text cut so does not give, where it is notable, else 0.
    """

    kind: Kind
    unit: Unit
    labels: tuple[str, ...]
    mismatch: float = field(default=0.0, compare=False)

    @classmethod
    def of(cls, kind: Kind, cutting: Cutting, labels: tuple[str, ...]) -> RunInfo:
        """Of a model that is trained on words cut so."""
        return cls(kind, cutting.unit, labels, cutting.mismatch if cutting.notable else 0.0)

    @property
    def cutting(self) -> Cutting:
        return Cutting(self.unit, self.mismatch)

    @property
    def tagset(self) -> TagSet:
        return TagSet(self.labels)


def is_run(directory: Path, kind: Kind | None = None) -> bool:
    """Returns whether a run (of this kind) is here: other programs write a `labels.json` as well."""
    try:
        found = read_info(directory).kind
    except RunError:
        return False
    return kind in (None, found)


TEACHER_RUN, STUDENT_RUN = (
    OutputKind(
        f"train-{kind}",
        "run",
        ("config.toml", "labels.json"),
        "metrics.json",
        contents=_OF_RUN,
        inside={
            **INSIDE_TRAINING,
            VOTING: OF_VOTING,
            f"{VOTING}/folds": r"r\d+-f\d+(\.data)?",
            "encoder": OF_ENCODER,
            "knowledge": r"lexicon\.txt|(lattice|soft_lexicon|pinyin|glyph|gazetteers|train_lists)\.json"
            r"|gazetteers|segmenter",
            "knowledge/gazetteers": r"\d+",
            "knowledge/segmenter": r"features\.msgpack|weights\.npz|segmenter\.json",
        },
        recognised=partial(is_run, kind=kind),
        removable=lambda entry: may_be_removed(entry) and not (entry.name == VOTING and edited_in(entry)),
    )
    for kind in get_args(Kind)
)


def clear_finished(directory: Path) -> None:
    """Remove what a finished training needs no more: its checkpoints, and files that killed writers left."""
    remove_made(directory / "checkpoints", INSIDE_TRAINING["checkpoints"])
    remove_temporary_files(directory)


def write_info(directory: Path, info: RunInfo) -> None:
    data: dict[str, Any] = {"format": FORMAT, "kind": info.kind, "unit": info.unit, "labels": info.labels}
    if info.mismatch:
        data["mismatch"] = info.mismatch
    write_json(directory / "labels.json", data)


def read_info(directory: Path) -> RunInfo:
    """Read `labels.json`. Raises RunError where this is no run or one of a newer format."""
    path = directory / "labels.json"
    data = read_json(path, "this is not a run of ner-distill")
    if isinstance(data, list) and (directory / SETTINGS).is_file():
        raise RunError(
            f"{directory}: is a model that `export` wrote; expected the run that it was made of (predict, evaluate, "
            "serve and ner_distill.load take both)"
        )
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else data
        raise RunError(f"{path}: expected a run of format {FORMAT}, found {found!r}")
    kind, unit, labels = data.get("kind"), data.get("unit"), data.get("labels")
    if kind not in ("teacher", "student") or unit not in UNITS:
        raise RunError(
            f"{path}: expected kind teacher or student and unit {' or '.join(UNITS)}, found {kind!r} and {unit!r}"
        )
    mismatch = data.get("mismatch", 0.0)
    if isinstance(mismatch, bool) or not isinstance(mismatch, int | float) or not 0 <= mismatch <= 1:
        raise RunError(f"{path}: expected a mismatch from 0 to 1, found {mismatch!r}")
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise RunError(f"{path}: expected a list of labels, found {labels!r:.80}")
    if len(set(labels)) < len(labels) or not printable("".join(labels)):
        raise RunError(f"{path}: expected different labels of letters and signs, found {labels!r:.80}")
    return RunInfo(kind, unit, tuple(labels), float(mismatch))


def write_config(directory: Path, config: RunConfig) -> None:
    atomic_write_text(directory / "config.toml", tomli_w.dumps(config.model_dump()))


def read_config(directory: Path, kind: type[Config]) -> Config:
    """The configuration of a run, checked as any file is."""
    path = directory / "config.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: not found; this is not a run of ner-distill") from None
    except (ValueError, OSError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({error}); the run is damaged") from None
    return parse_config(kind, _as_then(data), str(path))


def _as_then(data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a run with the keys that it does not have yet, as they were when there was no key."""
    head = data.get("head")
    kind = head.get("kind") if isinstance(head, Mapping) else None
    if not isinstance(head, Mapping) or not isinstance(kind, str):
        return dict(data)
    return {**data, "head": {**BEFORE.get(kind, {}), **head}}


def fold_teachers(run: Path) -> list[Path]:
    """The runs of the fold teachers that were kept in the run of a teacher; [] where it has none."""
    return folds_of_voting(run / VOTING)


def folds_of_voting(voting: Path) -> list[Path]:
    """The runs of the fold teachers in the directory of a voting, finished ones alone; [] where there are none."""
    return sorted(path.parent for path in (voting / "folds").glob("r*-f*/predictions.json"))


def voting_beside(folds: Path) -> Path | None:
    """The directory of the voting whose fold teachers RUN/folds means; None where RUN holds none.

    folds: in a directory of vote-labels the fold teachers themselves; in the run of a teacher a name for those of
    RUN/voting.
    """
    return next((path for path in (folds.parent, folds.parent / VOTING) if (path / "voting.json").is_file()), None)


def held_out_of(fold: Path) -> Path:
    """The sentences that a fold teacher was not trained on, as JSON Lines: beside its run."""
    return fold.with_suffix(".data") / "held-out.jsonl"
