"""Every kind of head from files to predictions, with entities inside of entities."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.sentence import Span
from ner_distill.options.models import EvaluateOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.evaluate import evaluate
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.build import Built, load_run
from ner_distill.runtime.inference import predict_spans
from ner_distill.training.session import Trained
from tests import corpora, nested

QUIET = Reporter(quiet=True)
LEARNING = ("crf-per-type", "global-pointer", "efficient-global-pointer", "additive-pointer")
# An MRC head learns more slowly than a test can wait for; flat heads are learned elsewhere.
EPOCHS = {**dict.fromkeys(LEARNING, 12), "mrc": 1, "token": 2, "crf": 2}
FLAT = ("token", "crf")
DEV = nested.sentences(20, seed=2)
GOLD = [sentence.spans or () for sentence in DEV]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train.jsonl` and `dev.jsonl`."""
    return nested.write_all(tmp_path_factory.mktemp("nested"), train=40)


def train(data: Path, out: Path, *keys: str, flatten: str | None = None) -> Trained:
    options = TeacherOptions(train=[data / "train.jsonl"], dev=[data / "dev.jsonl"], out=out, flatten=flatten)
    return train_teacher(load_config(TeacherConfig, None, [*corpora.SMALL, *keys]), options, QUIET)


Runs = Callable[[str], tuple[Path, Trained]]


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A run of each kind of head, trained when it is first asked for."""
    root = tmp_path_factory.mktemp("runs")

    @cache
    def of_kind(kind: str) -> tuple[Path, Trained]:
        keys = (f"head.kind={kind}", f"optim.epochs={EPOCHS[kind]}", "similarity.weight=0.1")
        return root / kind, train(data, root / kind, *keys, flatten="longest" if kind in FLAT else None)

    return of_kind


def predictions(built: Built) -> list[tuple[Span, ...]]:
    features = [built.featurizer.features(sentence.words) for sentence in DEV]
    return predict_spans(built.tagger, built.featurizer, built.info.tagset, features)


def marginals(built: Built) -> torch.Tensor:
    inputs = built.featurizer.collate([built.featurizer.features(sentence.words) for sentence in DEV])
    with torch.no_grad():
        log_probs: torch.Tensor = built.tagger(inputs)
    return log_probs


@pytest.mark.parametrize("kind", EPOCHS)
def test_a_run_that_is_loaded_again_answers_as_the_model_that_was_trained(trained: Runs, kind: str) -> None:
    directory, done = trained(kind)
    loaded = load_run(directory)
    torch.testing.assert_close(marginals(loaded), marginals(done.built), rtol=0, atol=0)
    assert predictions(loaded) == predictions(done.built)


@pytest.mark.parametrize("kind", EPOCHS)
def test_evaluation_counts_every_nested_entity(trained: Runs, data: Path, kind: str) -> None:
    directory, _ = trained(kind)
    scores = evaluate(EvaluateOptions(model=directory, data=[data / "dev.jsonl"]), QUIET)
    found = predictions(load_run(directory))
    assert scores.micro.support == sum(map(len, GOLD))
    assert scores.micro.predicted == sum(map(len, found))
    assert scores.micro.correct == sum(len({*gold} & {*some}) for gold, some in zip(GOLD, found, strict=True))


@pytest.mark.parametrize("kind", LEARNING)
def test_entities_in_entities_are_learned(trained: Runs, kind: str) -> None:
    directory, done = trained(kind)
    assert done.scores.by_type["FIRST"].f1 > 0.6
    assert done.scores.micro.f1 > 0.6
    # nothing of the development set was left out
    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics["dev"]["micro"]["support"] == sum(map(len, GOLD))


EVERYTHING = (
    "regularize.r_drop=0.5", "regularize.simcse=0.1", "regularize.mixup=0.2", "head.label_smoothing=0.1",
    "head.dropout_samples=2", "head.boundary_weight=0.3", "head.main_type=PER", "head.main_type_weight=0.2",
    "head.task_weighting=log-sum", "optim.layer_decay=0.9", "optim.swa=true", "optim.accumulate=2",
)  # fmt: skip
TERMS = {"entities", "similarity", "boundary", "main_type", "r_drop", "simcse", "mixup"}


@pytest.mark.parametrize(
    ("kind", "keys", "terms"),
    [
        ("global-pointer", ["adversarial.kind=fgm", "head.reading_weight=0.1", "head.max_span=4"], TERMS),
        ("crf-per-type", ["adversarial.kind=fgm"], TERMS | {"smoothing"}),
        ("efficient-global-pointer", ["adversarial.kind=vat"], TERMS | {"vat"}),
    ],
)
def test_every_training_method_at_once_trains_a_span_head(
    data: Path, tmp_path: Path, kind: str, keys: list[str], terms: set[str]
) -> None:
    train(data, tmp_path / "run", f"head.kind={kind}", "optim.epochs=2", *EVERYTHING, *keys)
    epochs = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [set(losses) for losses in epochs] == [terms, terms]
    assert all(losses[name] > 0 for losses in epochs for name in terms)
    assert epochs[1]["entities"] < epochs[0]["entities"]
    assert len(predictions(load_run(tmp_path / "run"))) == len(DEV)


def test_an_mrc_head_trains_with_the_methods_that_it_knows(data: Path, tmp_path: Path) -> None:
    keys = ("regularize.r_drop=0.5", "head.label_smoothing=0.1", "adversarial.kind=fgm", "similarity.encoder=separate")
    train(data, tmp_path / "run", "head.kind=mrc", "optim.epochs=1", "optim.batch_words=512", *keys)
    losses = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())["loss"]
    assert set(losses) == {"entities", "similarity", "smoothing", "r_drop"}
