"""`evaluate --precision`: thresholds for a wanted precision, chosen and kept in the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ner_distill.console import Reporter
from ner_distill.data.calibration import JudgedEntity
from ner_distill.data.thresholds import Threshold, choose, entities_needed
from ner_distill.errors import ConfigError
from ner_distill.files import read_json
from ner_distill.options import Files
from ner_distill.options.by_type import by_type
from ner_distill.options.models import EvaluateOptions
from ner_distill.runs.calibration import CALIBRATION, THRESHOLDS, read_thresholds, write_thresholds
from ner_distill.runs.record import INPUTS, fingerprints
from ner_distill.training.development import DevelopmentSet


def wanted_precision(options: EvaluateOptions, labels: Sequence[str]) -> dict[str, float]:
    """The precision that is wanted of each type, of those of which one (and not 0) is. Raises ConfigError."""
    given = by_type("precision", options.precision, 0.0)
    problems = given.problems("precision", labels, lambda wanted: 0 <= wanted < 1, "expected from 0 to below 1")
    if any(given.values) and options.min_score:
        problems.append("`precision` chooses among all entities: leave `min_score` out")
    if problems:
        raise ConfigError.of(problems)
    return {label: wanted for label in labels if (wanted := given.of(label))}


def choose_thresholds(
    judged: Sequence[JudgedEntity], wanted: Mapping[str, float], gold: DevelopmentSet
) -> dict[str, Threshold]:
    """The threshold of each type of which a precision is wanted."""
    every = [span.label for spans in gold.gold for span in spans] + gold.inside_words
    return {
        label: choose([one for one in judged if one.label == label], precision, every.count(label))
        for label, precision in wanted.items()
    }


def keep_thresholds(model: Path, chosen: Mapping[str, Threshold], data: Files, reporter: Reporter) -> None:
    """Write thresholds into the run, where they replace those of the same types; says what they are worth."""
    before = read_thresholds(model, usable=False)
    files = fingerprints(data)
    for role in _roles(model, files):
        reporter.warn(
            f"`precision`: the model knows `data` as its {role}: on other text precision is likely to be lower; better "
            "choose on labelled sentences that it does not know"
        )
    for label, one in chosen.items():
        if one.score is None:
            needed = entities_needed(one.wanted)
            few = f"; {one.found:,} are found, at least {needed:,}, all right, would be needed" * (one.found < needed)
            reporter.warn(
                f"{label}: no score shows a precision of {one.wanted:g}; surely reached is {one.bound:.3f}{few}: with "
                "`min_score` stored nothing of it passes"
            )
        if label in before:
            was = "none" if before[label].score is None else f"{before[label].score:.4f}"
            reporter.info(f"{label}: replaces the threshold {was} (for a precision of {before[label].wanted:g})")
    if gone := write_thresholds(model, chosen, files):
        reporter.warn(
            f"{model / THRESHOLDS}: those of {', '.join(gone)} were chosen with another {CALIBRATION} and are removed; "
            "choose them again: evaluate with `precision`"
        )
    reporter.info(f"{model / THRESHOLDS}: {', '.join(chosen)}; used by predict and evaluate with `min_score` stored")


def _roles(model: Path, files: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the model knows some of the files as."""
    path = model / INPUTS
    inputs = read_json(path, "the run is damaged") if path.exists() else {}
    hashes = {one["sha256"] for one in files if one["sha256"]}
    chose = "development data, which chose its checkpoint"
    chose += f" and made {CALIBRATION}" * (model / CALIBRATION).exists()
    known = []
    for role, name in {"train": "training data", "gold": "training data", "dev": chose}.items():
        listed = inputs.get(role) if isinstance(inputs, dict) else None
        own = listed if isinstance(listed, list) else []
        if hashes & {str(one.get("sha256")) for one in own if isinstance(one, dict)}:
            known.append(name)
    return known
