from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ner_distill.data.batching import Batch
from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import HEADS
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.tagger import Tagger
from ner_distill.student.loss import DistillationLoss
from ner_distill.student.model import Student, StudentObjective

TAGSET = TagSet(("LOC", "PER"))
MASK = torch.tensor([[True, True, True], [True, True, False]])
INPUTS = {"ids": torch.tensor([[1, 2, 3], [4, 5, 0]]), "mask": MASK}


class Encoder(nn.Module):
    dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, self.dim)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.embedding(inputs["ids"]) * inputs["mask"][..., None]


def new_student(kind="token"):
    head = HEADS[kind](Encoder.dim, TAGSET.allowed_start(), TAGSET.allowed_transitions())
    return Student(Tagger(Encoder(), head), PairSimilarity())


def soft_batch(**changes):
    probs = torch.rand(2, 3, len(TAGSET)) * MASK[..., None]
    fields = {
        "keep": torch.tensor([[True, False, True], [True, True, False]]),
        "probs": probs / probs.sum(-1, keepdim=True).clamp(min=1e-9),
        "pairs": torch.tensor([[0, 3], [2, 4], [0, 2]]),
        "pair_targets": torch.tensor([0.2, 0.9, 0.5]),
    }
    return Batch(INPUTS, MASK, **{**fields, **changes})


def gold_batch():
    return Batch(INPUTS, MASK, tags=torch.tensor([[0, 1, 2], [3, 0, 0]]))


def objective(student=None, **settings):
    return StudentObjective(student or new_student(), DistillationLoss(**settings.pop("loss", {})), **settings)


# ---- what the model gives


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_probabilities_add_up_to_one_inside_the_mask_and_are_zero_outside(kind):
    probs = new_student(kind)(INPUTS)
    torch.testing.assert_close(probs.sum(-1), MASK.float())
    assert (probs[~MASK] == 0).all()


# ---- counts


def test_a_soft_batch_counts_kept_words_and_pairs():
    assert objective().counts(soft_batch()) == {"soft": 4.0, "similarity": 3.0}


@pytest.mark.parametrize(("kind", "count"), [("token", 5.0), ("crf", 2.0)])
def test_a_gold_batch_counts_what_its_likelihood_is_of(kind, count):
    assert objective(new_student(kind)).counts(gold_batch()) == {"gold": count}


def test_counts_need_no_forward_pass():
    student = new_student()
    student.tagger.encoder.forward = None
    both = objective(student)
    assert both.counts(soft_batch())
    assert both.counts(gold_batch())


# ---- sums


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_the_sums_of_a_soft_batch_are_those_of_the_loss(kind):
    student, batch, loss = new_student(kind), soft_batch(), DistillationLoss(divergence="kl", scale=4.0, shift=0.5)
    sums = StudentObjective(student, loss).sums(batch)
    vectors = student.tagger.vectors(INPUTS)
    taught = (batch.pairs, batch.pair_targets)
    words = loss.words(student.tagger.scorer.log_probs(vectors, MASK), batch.probs, batch.keep, *taught)
    pairs = loss.similarity_term(student.similarity(vectors, batch.pairs), batch.probs, *taught)
    torch.testing.assert_close(sums, {"soft": words, "similarity": pairs})


def test_the_sum_of_a_gold_batch_is_the_heads_loss():
    student, batch = new_student("crf"), gold_batch()
    sums = objective(student).sums(batch)
    wanted = student.tagger.scorer.loss(student.tagger.vectors(INPUTS), MASK, batch.tags)
    torch.testing.assert_close(sums, {"gold": wanted})


def test_padding_changes_no_sum():
    student, batch = new_student(), soft_batch()
    pad = torch.nn.functional.pad
    wide = Batch(
        {"ids": pad(INPUTS["ids"], (0, 2)), "mask": pad(MASK, (0, 2))},
        pad(MASK, (0, 2)),
        keep=pad(batch.keep, (0, 2)),
        probs=pad(batch.probs, (0, 0, 0, 2)),
        pairs=batch.pairs // 3 * 5 + batch.pairs % 3,
        pair_targets=batch.pair_targets,
    )
    torch.testing.assert_close(objective(student).sums(wide), objective(student).sums(batch))


def test_words_that_are_not_kept_do_not_teach():
    student = new_student()
    batch = soft_batch(pairs=torch.zeros(0, 2, dtype=torch.long), pair_targets=torch.zeros(0))
    objective(student).sums(batch)["soft"].backward()
    taught = student.tagger.encoder.embedding.weight.grad.abs().sum(-1) > 0
    assert taught.tolist() == [False, True, False, True, True, True]  # word 2 is dropped, id 0 is padding


def test_all_parts_learn_from_a_soft_batch():
    student = new_student("crf")
    sum(objective(student).sums(soft_batch()).values()).backward()
    assert {name for name, parameter in student.named_parameters() if parameter.grad is None} == set()


# ---- weights


def test_weights_are_those_given():
    assert objective(similarity_weight=0.25, gold_weight=2.0).weights == {"soft": 1.0, "similarity": 0.25, "gold": 2.0}


def test_a_term_of_weight_zero_is_not_computed():
    student = new_student()
    student.similarity.forward = None
    without = objective(student, similarity_weight=0.0, gold_weight=0.0)
    assert set(without.sums(soft_batch())) == {"soft"}
    assert without.sums(gold_batch()) == {}
