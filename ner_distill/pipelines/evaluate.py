"""`evaluate`: a model's scores on labelled sentences."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.metrics import Scores, score
from ner_distill.data.sentence import Sentence, Unit, labels_of
from ner_distill.errors import ConfigError
from ner_distill.files import atomic_write_text
from ner_distill.pipelines.build import Built, load_run
from ner_distill.pipelines.inference import best_device, predict_spans
from ner_distill.pipelines.reading import ReadOptions, read_labelled


def evaluate(
    model: Path,
    data: Sequence[str | Path],
    *,
    json: Path | None = None,
    reading: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Scores:
    """Score the model of a run; with `json` also write the figures. Raises NerDistillError for wrong input."""
    reporter = reporter or Reporter()
    if json is not None and not json.absolute().parent.is_dir():
        raise ConfigError(f"--json {json}: no such directory as {json.absolute().parent}; make it first")
    built = load_run(model)
    built.model.to(best_device())
    corpus = read_gold(data, reading or ReadOptions(), reporter, unit=built.info.unit)
    unseen = [label for label in labels_of(corpus) if label not in built.info.labels]
    if unseen:
        reporter.warn(f"the model does not know {', '.join(unseen)}: each of these entities counts as missed")
    scores = score_model(built, corpus)
    if json is not None:
        atomic_write_text(json, jsonlib.dumps(scores.to_json(), ensure_ascii=False, indent=1) + "\n")
    return scores


def read_gold(data: Sequence[str | Path], reading: ReadOptions, reporter: Reporter, *, unit: Unit) -> list[Sentence]:
    """Labelled sentences to score on, their texts cut into the model's `unit`; entities that overlap all count."""
    return read_labelled(data, "--data", reading, reporter, unit=unit, keep_nested=True)[0]


def score_model(built: Built, sentences: Sequence[Sentence]) -> Scores:
    """Exact-span scores over the model's labels and those of the data."""
    features = [built.featurizer.features(sentence.words) for sentence in sentences]
    predicted = predict_spans(built.tagger, built.featurizer, built.info.tagset, features)
    labels = dict.fromkeys([*built.info.labels, *labels_of(sentences)])
    return score([sentence.spans or () for sentence in sentences], predicted, list(labels))
