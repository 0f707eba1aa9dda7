"""`evaluate`: a model's scores on labelled sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.units import Cutting
from ner_distill.data.metrics import Scores
from ner_distill.data.sentence import Sentence
from ner_distill.errors import ConfigError
from ner_distill.files import write_json
from ner_distill.options import ReadOptions
from ner_distill.options.models import EvaluateOptions
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.runs.raw_text import cutting_for
from ner_distill.runtime.inference import best_device
from ner_distill.training.development import DevelopmentSet


def evaluate(options: EvaluateOptions, reporter: Reporter | None = None) -> Scores:
    """Score the model of a run; with `json` also write the figures. Raises NerDistillError for wrong input."""
    reporter, json = reporter or Reporter(), options.json
    if json is not None and not json.absolute().parent.is_dir():
        raise ConfigError(f"`json` {json}: no such directory as {json.absolute().parent}; make it first")
    if json is not None and json.is_dir():
        raise ConfigError(f"`json` {json}: is a directory; expected the name of a file to write")
    built = load_run(options.model)
    built.model.to(best_device())
    cutting_for(options.model, built.info, options.unit, reporter)  # says where another unit is asked for
    corpus = read_gold(options.data, options.reading(), reporter, known=built.info.cutting)
    gold = DevelopmentSet(corpus, built.featurizer, built.info.tagset, max_words=options.max_words)
    gold.warn_left_out("`data`", reporter)
    if not gold.support:
        reporter.warn(
            f"`data` {', '.join(map(str, options.data))}: no entity that counts in any sentence: recall and F1 are "
            "undefined (shown as 0), and whatever the model finds is wrong"
        )
    unseen = sorted({span.label for spans in gold.gold for span in spans}.difference(built.info.labels))
    if unseen:
        reporter.warn(f"the model does not know {', '.join(unseen)}: each of these entities counts as missed")
    scores = gold.scores(built.tagger)
    if json is not None:
        write_json(json, scores.to_json())
    return scores


def read_gold(
    data: Sequence[str | Path], reading: ReadOptions, reporter: Reporter, *, known: Cutting
) -> list[Sentence]:
    """Labelled sentences to score on, texts cut as the model's words are, or as asked; entities that overlap count."""
    return read_labelled(data, "`data`", reading, reporter, known=known, keep_nested=True)[0]


def score_model(built: AnyBuilt, sentences: Sequence[Sentence]) -> Scores:
    """Exact-span scores over the model's labels and those of the data; see `DevelopmentSet` for what counts."""
    return DevelopmentSet(sentences, built.featurizer, built.info.tagset).scores(built.tagger)
