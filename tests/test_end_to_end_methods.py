"""Every training method from the command line: it trains, resumes, and what cannot work is refused."""

from __future__ import annotations

import json

import pytest

from tests import corpora
from tests.commands import ok, run, settings
from tests.world import World

QUICK = settings(*corpora.SMALL, "optim.epochs=2")
METHODS = {
    "pgd": ("adversarial.kind=pgd", "adversarial.steps=2"),
    "freelb on weights": ("adversarial.kind=freelb", "adversarial.on=weights"),
    "vat": ("adversarial.kind=vat",),
    "r-drop and simcse": ("regularize.r_drop=1.0", "regularize.simcse=0.1"),
    "mixup": ("regularize.mixup=0.5",),
    "smoothing and samples": ("head.label_smoothing=0.1", "head.dropout_samples=2"),
    "log-sum": ("head.task_weighting=log-sum",),
    "layer decay": ("optim.layer_decay=0.8", "encoder.layers=2"),
    "all": (
        "adversarial.kind=freelb", "regularize.r_drop=0.5", "regularize.simcse=0.1", "regularize.mixup=0.2",
        "head.label_smoothing=0.1", "head.dropout_samples=2", "head.task_weighting=log-sum", "optim.layer_decay=0.9",
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_teacher_trains_with_the_method_and_its_run_can_be_used(method: str, world: World, tmp_path) -> None:
    out = tmp_path / "run"
    ok("train-teacher", "--train", world.train, "--dev", world.dev, "--out", out, *QUICK, *settings(*METHODS[method]))
    epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert len(epochs) == 2
    ok("evaluate", "--model", out, "--data", world.dev)


def test_vat_learns_from_raw_text_too(world: World, tmp_path) -> None:
    files = ("--train", world.train, "--dev", world.dev, "--out", tmp_path / "run")
    done = ok("train-teacher", *files, *QUICK, *settings("adversarial.kind=vat", f"adversarial.raw_text={world.raw}"))
    assert "adversarial.raw_text: 80 sentences" in done.err
    ok("evaluate", "--model", tmp_path / "run", "--data", world.dev)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("adversarial.steps=2",), 'only for adversarial.kind = "pgd" or "freelb"; found "fgm"'),
        (("adversarial.kind=freelb", "adversarial.steps=1"), "freelb with one step is plain training"),
        (("head.dropout_samples=2", "head.dropout=0.0"), "with head.dropout = 0 all samples are the same"),
        (("head.task_weighting=log-sum", "similarity.weight=0.0"), "joins two tasks"),
        (
            ("regularize.r_drop=1.0", "head.dropout=0.0", "encoder.dropout=0.0", "encoder.embedding_dropout=0.0",
             "encoder.unknown=0.0"),
            "without any dropout they are the same",
        ),
        (("optim.freeze_epochs=1",), "one from scratch (or its FLAT layers) would stay random"),
        (("optim.freeze_layers=1",), "optim.freeze_layers keeps a pretrained encoder; one from scratch"),
        (("optim.freeze_epochs=3", "optim.epochs=3"), "must be less than optim.epochs"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_together_is_refused(keys: tuple[str, ...], message: str, world: World, tmp_path) -> None:
    done = run("train-teacher", "--train", world.train, "--dev", world.dev, "--out", tmp_path / "run", *settings(*keys))
    assert done.code == 2
    assert message in done.err


def test_a_student_refuses_what_is_for_teachers(world: World, tmp_path) -> None:
    done = run("train-student", "--soft", world.soft, "--dev", world.dev, "--out", tmp_path / "run",
               *settings("head.label_smoothing=0.1"))  # fmt: skip
    assert "head.label_smoothing is for teachers" in done.err
