"""`evaluate`: a model's scores on labelled sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ner_distill.console import Reporter
from ner_distill.data.calibration import Reliability, reliability
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.windows import Window
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.units import Cutting
from ner_distill.data.metrics import Scores
from ner_distill.data.sentence import ScoredSpan, Sentence, Span, unit_named
from ner_distill.data.tagset import TagSet
from ner_distill.data.thresholds import Threshold
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import is_special, json_text, write_output
from ner_distill.options import ReadOptions
from ner_distill.options.models import EvaluateOptions
from ner_distill.pipelines.floors import read_floors
from ner_distill.pipelines.foreign import foreign_settings
from ner_distill.pipelines.thresholds import choose_thresholds, keep_thresholds, wanted_precision
from ner_distill.runs.answering import is_single_run, open_model
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.runs.calibration import read_calibration, read_thresholds
from ner_distill.runs.raw_text import cutting_for
from ner_distill.runtime.inference import best_device
from ner_distill.training.development import Answers, DevelopmentSet

_TITLE, _HEAD = b"<title>Scores ", 5_000
"""What a page of `evaluate` has among its first bytes."""


@dataclass(frozen=True)
class Evaluation:
    """scores: exact-span scores. reliability: of the scores of entities. uncalibrated: the same of those that the head
    gives, where the run calibrates them. thresholds: that were chosen, by type.
    answers: the entities themselves. counts: what of the sentences the model could not read as it is, by what it is.
    """

    scores: Scores
    reliability: Reliability
    answers: Answers
    uncalibrated: Reliability | None = None
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What `evaluate --json` writes."""
        before = {} if self.uncalibrated is None else {"ece_before": self.uncalibrated.error}
        chosen = {label: one.to_json() for label, one in self.thresholds.items()}
        return {
            **self.scores.to_json(),
            "reliability": {**self.reliability.to_json(), **before},
            **({"thresholds": chosen} if chosen else {}),
        }


def evaluate(options: EvaluateOptions, reporter: Reporter | None = None) -> Scores:
    """As `evaluation`, the scores alone."""
    return evaluation(options, reporter).scores


def evaluation(options: EvaluateOptions, reporter: Reporter | None = None) -> Evaluation:
    """Score the model of a run; with `json` also write the figures, with `precision` choose thresholds and keep them.

    Raises NerDistillError for wrong input.
    """
    reporter = reporter or Reporter()
    _require_writable(options)
    if not is_single_run(options.models):
        return _of_others(options, reporter)
    (run,) = options.models
    built = load_run(run)
    calibration = read_calibration(run, built.info.labels)
    wanted = wanted_precision(options, built.info.labels)
    if wanted:
        read_thresholds(run, usable=False)  # of a damaged file now, not when all is done
    floors = read_floors(run, options.min_score, built.info.labels, reporter)
    built.model.to(best_device())
    cutting_for(run, built.info, options.unit, reporter)  # says where another unit is asked for
    corpus = read_gold(options.data, options.reading(), reporter, known=built.info.cutting)
    gold = DevelopmentSet(corpus, built.featurizer, built.info.tagset, max_words=options.max_words)
    _warn(gold, built.info.labels, options, reporter)
    raw = gold.find(built.tagger, scores=True)
    found = [calibration.applied(own) for own in raw]
    judged = gold.judged(found)
    passing = [floors.passing(own) for own in found]
    done = Evaluation(
        gold.scores_of(passing),
        reliability(judged),
        gold.answers(passing),
        None if calibration.scores is None else reliability(gold.judged(raw)),
        choose_thresholds(judged, wanted, gold),
        dict(built.featurizer.counts),
    )
    if options.json is not None:
        write_output(options.json, json_text(done.to_json()).decode())
    if done.thresholds:
        keep_thresholds(run, done.thresholds, options.data, reporter)
    return done


class _AsTheyAre(Featurizer[Sequence[str]]):
    """Words for a model that reads words itself: a development set holds them as features."""

    def features(self, words: Sequence[str]) -> Sequence[str]:
        return words

    def cut(self, features: Sequence[str], start: int, end: int) -> Sequence[str]:
        return features[start:end]

    def size(self, features: Sequence[str]) -> int:
        return len(features)

    def collate(self, batch: Sequence[Sequence[str]]) -> dict[str, Tensor]:
        raise NotImplementedError("these are words, for a model that makes no tensors of them")

    def windows(self, features: Sequence[str], *, reserved: int = 0) -> Sequence[Window]:
        return [Window(0, len(features), 0, len(features))]


def _of_others(options: EvaluateOptions, reporter: Reporter) -> Evaluation:
    """As `evaluation`, of an exported model, of somebody else's, or of several models."""
    model = open_model(options.models, foreign=foreign_settings(options))
    if wanted_precision(options, model.labels):
        raise ConfigError(f"`precision`: thresholds are kept in a run; expected one run, found {options.named}")
    floors = read_floors(model, options.min_score, model.labels, reporter)
    unit = unit_named(model.unit)
    if unit is None:
        raise RunError(f"{options.named}: expected the unit word, character or blank, found {model.unit!r}")
    corpus = read_gold(options.data, options.reading(), reporter, known=Cutting(unit))
    gold = DevelopmentSet(corpus, _AsTheyAre(), TagSet(model.labels), max_words=options.max_words)
    _warn(gold, model.labels, options, reporter)
    found: list[Sequence[ScoredSpan]] = [()] * len(gold.gold)
    for index, own in zip(gold.read, model.found([corpus[index].words for index in gold.read]), strict=True):
        found[index] = [(Span(start, end, label), score) for start, end, label, score in own]
    passing = [floors.passing(own) for own in found]
    done = Evaluation(gold.scores_of(passing), reliability(gold.judged(found)), gold.answers(passing))
    if options.json is not None:
        write_output(options.json, json_text(done.to_json()).decode())
    return done


def _require_writable(options: EvaluateOptions) -> None:
    """Raise ConfigError where a file that is to be written cannot be, before any sentence is read."""
    for name, path in {"json": options.json, "html": options.html}.items():
        if path is not None and not path.absolute().parent.is_dir():
            raise ConfigError(f"`{name}` {path}: no such directory as {path.absolute().parent}; make it first")
        if path is not None and path.is_dir():
            raise ConfigError(f"`{name}` {path}: is a directory; expected the name of a file to write")
        if path is not None and path.is_file() and not is_special(path) and not _is_ours(path, name):
            raise ConfigError(f"`{name}` {path}: exists, and is nothing that evaluate wrote; choose another name")
    if options.html is not None and options.json is not None and options.html.resolve() == options.json.resolve():
        raise ConfigError(f"`html` and `json` are both {options.html}: give them different names")


def _is_ours(path: Path, name: str) -> bool:
    """Whether a file is what `evaluate` writes by this option, which it replaces; an empty one counts as well."""
    try:
        data = path.read_bytes()
        if name == "html":
            return not data or _TITLE in data[:_HEAD]
        return not data or {"micro", "by_type", "boundary"} <= set(json.loads(data))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _warn(gold: DevelopmentSet, labels: Sequence[str], options: EvaluateOptions, reporter: Reporter) -> None:
    gold.warn_left_out("`data`", reporter)
    if not gold.support:
        reporter.warn(
            f"`data` {', '.join(map(str, options.data))}: no entity that counts in any sentence: recall and F1 are "
            "undefined (shown as 0), and whatever the model finds is wrong"
        )
    unseen = sorted({span.label for spans in gold.gold for span in spans}.difference(labels))
    if unseen:
        reporter.warn(f"the model does not know {', '.join(unseen)}: each of these entities counts as missed")


def read_gold(
    data: Sequence[str | Path], reading: ReadOptions, reporter: Reporter, *, known: Cutting, name: str = "`data`"
) -> list[Sentence]:
    """Labelled sentences to score on, texts cut as the model's words are, or as asked; entities that overlap count.

    name: of the option that they are given by, for messages.
    """
    return read_labelled(data, name, reading, reporter, known=known, keep_nested=True)[0]


def score_model(built: AnyBuilt, sentences: Sequence[Sentence]) -> Scores:
    """Exact-span scores over the model's labels and those of the data; see `DevelopmentSet` for what counts."""
    return DevelopmentSet(sentences, built.featurizer, built.info.tagset).scores(built.tagger)
