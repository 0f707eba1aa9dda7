from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ner_distill.console import Reporter
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.nn.heads import TokenHead
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.tagger import Tagger
from ner_distill.student.loss import DistillationLoss
from ner_distill.student.model import Student
from ner_distill.training.agreement import TeacherAgreement, held_out, warn_of_foreign
from tests import corpora
from tests.commands import ok, run, settings
from tests.world import World

QUICK = settings(*corpora.SMALL, "optim.epochs=4")


@pytest.fixture
def store(world: World) -> SoftLabelStore:
    return SoftLabelStore.open(world.soft)


# ---- what is held out


def test_a_twentieth_of_the_sentences_in_whole_blocks(store: SoftLabelStore) -> None:
    blocks = held_out(store, 1)
    assert 0 < len(blocks) < store.block_count
    rows = np.concatenate([store.blocks_of(shard)["rows"] for shard in range(len(store.manifest.shards))])
    assert rows[blocks].sum() - max(rows[blocks]) < 0.05 * store.rows <= rows[blocks].sum() <= 0.2 * store.rows


def test_it_is_a_function_of_the_seed(store: SoftLabelStore) -> None:
    assert held_out(store, 1) == held_out(store, 1)
    assert len({tuple(held_out(store, seed)) for seed in range(20)}) > 1


def test_of_a_single_block_nothing_is_held_out(world: World, tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("Ann sings\nBob lives in Rome\n")
    ok("label-unlabeled", "--teacher", world.teacher, "--text", tmp_path / "raw.txt", "--out", tmp_path / "soft")
    assert held_out(SoftLabelStore.open(tmp_path / "soft"), 1) == []
    done = ok("train-student", "--soft", tmp_path / "soft", "--out", tmp_path / "run", *QUICK)
    assert "--soft is too small for a part of it to be held out" in done.err
    asked = ("--soft", tmp_path / "soft", "--dev", world.dev, "--out", tmp_path / "asked", *QUICK)
    refused = run("train-student", *asked, *settings("distill.judge=teacher"))
    assert refused.code == 2
    assert "--soft is too small" in refused.err
    assert not (tmp_path / "asked").exists()


# ---- how far two agree


class Even(nn.Module):
    """An encoder whose vectors are all zero: with a head without a bias all tags are as probable."""

    dim = 4

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return torch.zeros(*inputs["mask"].shape, self.dim)


def even_student(store: SoftLabelStore) -> Student:
    tagset = store.tagset
    head = TokenHead(Even.dim, tagset.allowed_start(), tagset.allowed_transitions())
    nn.init.zeros_(head.project.bias)
    return Student(Tagger(Even(), head), PairSimilarity()).eval()


def featurizer() -> WordFeaturizer:
    return WordFeaturizer.counted([sentence.words for sentence in corpora.sentences(40)], "word")


@pytest.mark.parametrize("alpha", ["off", "auto"])
def test_agreement_is_e_to_the_minus_mean_divergence_weighted_as_the_loss(store: SoftLabelStore, alpha: str) -> None:
    """A student that knows nothing: KL(p ‖ even) = log C − H(p)."""
    blocks = [0, store.block_count - 1]
    judge = TeacherAgreement(store, blocks, featurizer(), DistillationLoss(alpha=alpha, gamma="off"), budget=64)
    total = weight = 0.0
    for row in (row for block in blocks for row in store.read_block(block).rows):
        probs = row.probs[row.keep].astype(np.float64)
        probs /= probs.sum(1, keepdims=True)
        entropy = -(probs * np.log(np.where(probs > 0, probs, 1))).sum(1)
        weights = probs.max(1) ** 2 if alpha == "auto" else np.ones(len(probs))
        total += (weights * (math.log(probs.shape[1]) - entropy)).sum()
        weight += weights.sum()
    found = judge.figures(even_student(store))["agreement"]
    assert found == pytest.approx(math.exp(-total / weight), rel=1e-3)


def test_a_student_that_answers_as_its_teacher_agrees_wholly(store: SoftLabelStore, world: World) -> None:
    from ner_distill.runs.build import load_run

    teacher = load_run(world.teacher)
    student = Student(teacher.tagger, PairSimilarity()).eval()
    judge = TeacherAgreement(store, [0, 1], teacher.featurizer, DistillationLoss(), budget=64)
    figures = judge.figures(student)
    assert figures["agreement"] == pytest.approx(1.0, abs=1e-3)
    assert figures["teacher_f1"] == 1.0


# ---- it chooses the epoch


def lines(run_directory: Path) -> list[dict[str, float]]:
    epochs = map(json.loads, (run_directory / "metrics.jsonl").read_text().splitlines())
    return list(epochs)


def test_without_development_data_the_epoch_of_most_agreement_is_kept(world: World, tmp_path: Path) -> None:
    done = ok("train-student", "--soft", world.soft, "--out", tmp_path / "run", *QUICK)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    agreed = [epoch["agreement"] for epoch in lines(tmp_path / "run")]
    assert metrics["best_epoch"] == 1 + max(range(4), key=lambda epoch: (agreed[epoch], epoch))
    assert metrics["checkpoint_chosen_on"] == [str(world.soft)]
    assert metrics["checkpoint"].startswith("best agreement with the teacher on ")
    assert metrics["teacher"]["agreement"] == pytest.approx(max(agreed))
    assert "best agreement with the teacher" in done.out


def test_it_can_be_asked_for_beside_development_data(world: World, tmp_path: Path) -> None:
    judge = settings("distill.judge=teacher")
    ok("train-student", "--soft", world.soft, "--dev", world.dev, "--out", tmp_path / "run", *QUICK, *judge)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["checkpoint_chosen_on"] == [str(world.soft)]
    assert 0 <= metrics["dev"]["micro"]["f1"] <= 1
    assert set(lines(tmp_path / "run")[0]) >= {"f1", "agreement", "teacher_f1"}


def test_development_data_choose_where_they_are_given(world: World, tmp_path: Path) -> None:
    ok("train-student", "--soft", world.soft, "--dev", world.dev, "--out", tmp_path / "run", *QUICK)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["checkpoint_chosen_on"] == [str(world.dev)]
    assert "agreement" not in lines(tmp_path / "run")[0]


def test_a_training_that_was_stopped_is_judged_on_the_same_sentences(world: World, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    ok("train-student", "--soft", world.soft, "--out", whole, *QUICK)
    ok("train-student", "--soft", world.soft, "--out", parts, *QUICK)
    (parts / "metrics.json").unlink()  # as if it had been killed before its end
    ok("train-student", "--soft", world.soft, "--out", parts, *QUICK, "--resume")
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--soft", "SOFT", *settings("distill.judge=dev")], 'distill.judge = "dev": give --dev'),
        (["--gold", "GOLD", *settings("distill.judge=teacher")], "there is no teacher without --soft"),
        (["--gold", "GOLD", *settings("optim.patience=1")], "optim.patience stops where the score does not rise"),
    ],
)
def test_a_judge_that_is_not_there(world: World, tmp_path: Path, options: list[str], message: str) -> None:
    given = [{"SOFT": str(world.soft), "GOLD": str(world.train)}.get(option, option) for option in options]
    done = run("train-student", *given, "--out", tmp_path / "run", *QUICK)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "run").exists()


# ---- development data of another language


def warnings(store: SoftLabelStore, sentences: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    labelled = [Sentence(str(number), tuple(text.split()), ()) for number, text in enumerate(sentences)]
    warn_of_foreign(labelled, store, "`dev`", Reporter())
    return capsys.readouterr().err


def test_another_language_is_said(store: SoftLabelStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert "looks like another language" in warnings(store, ["Juana vive ahora mismo en una casa"], capsys)


def test_the_same_language_is_not(store: SoftLabelStore, capsys: pytest.CaptureFixture[str]) -> None:
    words = [" ".join(row.words) for row in store.iter_rows()][:10]
    assert warnings(store, words, capsys) == ""
