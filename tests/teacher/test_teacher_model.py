from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ner_distill.data.batching import Batch
from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import HEADS
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.tagger import Tagger
from ner_distill.teacher.model import Teacher, TeacherObjective, TermWeights

TAGSET = TagSet(("LOC",))
MASK = torch.tensor([[True, True, True], [True, True, False]])
INPUTS = {"ids": torch.tensor([[1, 2, 3], [4, 5, 0]]), "mask": MASK}
TAGS = torch.tensor([[0, 1, 2], [1, 0, 0]])
PAIRS = torch.tensor([[0, 1], [1, 3], [4, 2]])
TARGETS = torch.tensor([0.0, 1.0, 1.0])


class Encoder(nn.Module):
    dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, self.dim)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.embedding(inputs["ids"]) * inputs["mask"][..., None]


def new_teacher(kind="token", *, separate=False, similarity=True):
    head = HEADS[kind](Encoder.dim, TAGSET.allowed_start(), TAGSET.allowed_transitions())
    evaluator = Encoder() if separate else None
    return Teacher(Tagger(Encoder(), head), PairSimilarity() if similarity else None, evaluator=evaluator)


def batch_of(*, pairs=True):
    taught = {"pairs": PAIRS, "pair_targets": TARGETS} if pairs else {}
    return Batch(INPUTS, MASK, tags=TAGS, **taught)


def gradients(module):
    return {name for name, parameter in module.named_parameters() if parameter.grad is not None}


# ---- the joint loss


def test_the_two_sums_are_those_computed_word_by_word_and_pair_by_pair():
    teacher = new_teacher()
    sums = TeacherObjective(teacher, TermWeights(similarity=0.5)).sums(batch_of())
    vectors = teacher.tagger.encoder(INPUTS)
    entities = 0.0
    for row, word in MASK.nonzero().tolist():
        entities -= teacher.tagger.head.project(vectors[row, word]).log_softmax(-1)[TAGS[row, word]].item()
    alike = 0.0
    flat = vectors.detach().reshape(-1, Encoder.dim)
    for (first, second), target in zip(PAIRS.tolist(), TARGETS.tolist(), strict=True):
        cosine = (flat[first] @ flat[second] / (flat[first].norm() * flat[second].norm())).item()
        chance = 1 / (1 + math.exp(-5.0 * cosine))
        alike -= target * math.log(chance) + (1 - target) * math.log(1 - chance)
    assert sums["entities"].item() == pytest.approx(entities, rel=1e-5)
    assert sums["similarity"].item() == pytest.approx(alike, rel=1e-5)


@pytest.mark.parametrize(("kind", "count"), [("token", 5.0), ("crf", 2.0)])
def test_counts_are_words_or_sentences_and_pairs(kind, count):
    counts = TeacherObjective(new_teacher(kind), TermWeights(similarity=0.5)).counts(batch_of())
    assert counts == {"entities": count, "similarity": 3.0}


def test_the_weight_is_that_of_the_similarity():
    assert TeacherObjective(new_teacher(), TermWeights(similarity=0.3)).weights == {"entities": 1.0, "similarity": 0.3}


@pytest.mark.parametrize("settings", [{"weight": 0.0, "similarity": True}, {"weight": 0.5, "similarity": False}])
def test_without_the_second_task_only_entities_count(settings):
    terms = TermWeights(similarity=settings["weight"])
    objective = TeacherObjective(new_teacher(similarity=settings["similarity"]), terms)
    assert objective.weights == {"entities": 1.0}
    assert set(objective.sums(batch_of())) == set(objective.counts(batch_of())) == {"entities"}


def test_a_batch_without_pairs_trains_entities_alone():
    objective = TeacherObjective(new_teacher(), TermWeights(similarity=0.5))
    assert set(objective.sums(batch_of(pairs=False))) == {"entities"}
    assert objective.counts(batch_of(pairs=False))["similarity"] == 0


def test_padding_changes_no_sum():
    objective = TeacherObjective(new_teacher("crf"), TermWeights(similarity=0.5))
    pad = torch.nn.functional.pad
    mask = pad(MASK, (0, 2))
    wide = Batch(
        {"ids": pad(INPUTS["ids"], (0, 2)), "mask": mask},
        mask,
        tags=pad(TAGS, (0, 2)),
        pairs=PAIRS // 3 * 5 + PAIRS % 3,
        pair_targets=TARGETS,
    )
    torch.testing.assert_close(objective.sums(wide), objective.sums(batch_of()))
    assert objective.counts(wide) == objective.counts(batch_of())


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_with_every_regulariser_off_sums_and_random_draws_are_those_of_one_plain_pass(kind):
    teacher, batch = new_teacher(kind, separate=True), batch_of()
    teacher.tagger.dropout = nn.Dropout(0.4)
    torch.manual_seed(3)
    vectors = teacher.tagger.dropout(teacher.tagger.encoder(INPUTS))
    entities = teacher.tagger.head.loss(vectors, MASK, TAGS)
    logits = teacher.similarity(teacher.tagger.dropout(teacher.evaluator(INPUTS)), PAIRS)
    alike = torch.nn.functional.binary_cross_entropy_with_logits(logits, TARGETS, reduction="sum")
    drawn = torch.rand(3)
    torch.manual_seed(3)
    sums = TeacherObjective(
        teacher,
        TermWeights(similarity=0.5, r_drop=0.0, simcse=0.0, mixup=0.0, label_smoothing=0.0, dropout_samples=1),
    ).sums(batch)
    torch.testing.assert_close(sums, {"entities": entities, "similarity": alike}, rtol=0, atol=0)
    assert torch.equal(torch.rand(3), drawn)


# ---- labels that do not count, or count less

KEEP = torch.tensor([[True, False, True], [True, True, True]])
WEIGHT = torch.tensor([0.5, 2.0])
ALL = {"r_drop": 1.0, "simcse": 1.0, "mixup": 1.0, "label_smoothing": 0.1}


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_entities_are_the_heads_loss_of_kept_words_times_the_weights(kind):
    teacher = new_teacher(kind)
    sums = TeacherObjective(teacher, TermWeights(similarity=0)).sums(replace(batch_of(), keep=KEEP, weight=WEIGHT))
    vectors = teacher.tagger.encoder(INPUTS)
    torch.testing.assert_close(sums["entities"], teacher.tagger.head.loss(vectors, MASK & KEEP, TAGS, WEIGHT))


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_the_tag_of_a_word_that_is_not_kept_changes_no_term(kind):
    objective = TeacherObjective(new_teacher(kind), TermWeights(similarity=0.5, **ALL))
    sums = []
    for tag in (0, 1):
        tags = TAGS.clone()
        tags[0, 1] = tag
        torch.manual_seed(1)
        sums.append(objective.sums(replace(batch_of(), tags=tags, keep=KEEP)))
    torch.testing.assert_close(*sums, rtol=0, atol=0)


def test_counts_of_terms_with_labels_are_of_kept_words_and_know_no_weights():
    objective = TeacherObjective(new_teacher(), TermWeights(similarity=0.5, **ALL))
    counts = objective.counts(replace(batch_of(), keep=KEEP, weight=WEIGHT))
    assert counts == {
        "entities": 4.0, "similarity": 3.0, "smoothing": 4.0, "mixup": 4.0, "r_drop": 5.0, "simcse": 2.0,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_keeping_all_words_with_weight_one_changes_no_term(kind):
    objective, sums = TeacherObjective(new_teacher(kind), TermWeights(similarity=0.5, **ALL)), []
    for batch in (batch_of(), replace(batch_of(), keep=MASK, weight=torch.ones(2))):
        torch.manual_seed(1)
        sums.append(objective.sums(batch))
    torch.testing.assert_close(*sums)


def test_mixup_gives_each_likelihood_the_weight_of_its_own_sentence():
    teacher = new_teacher()
    objective = TeacherObjective(teacher, TermWeights(similarity=0, mixup=1.0))
    found = []
    for weight in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [3.0, 0.5]):
        torch.manual_seed(1)
        found.append(objective.sums(replace(batch_of(), weight=torch.tensor(weight)))["mixup"])
    torch.testing.assert_close(found[2], found[0] + found[1])
    torch.testing.assert_close(found[3], 3 * found[0] + 0.5 * found[1])


# ---- the evaluator


def test_a_shared_encoder_learns_from_both_tasks():
    teacher = new_teacher()
    sums = TeacherObjective(teacher, TermWeights(similarity=0.5)).sums(batch_of())
    sums["similarity"].backward()
    assert gradients(teacher) == {"tagger.encoder.embedding.weight", "similarity.scale", "similarity.shift"}


def test_a_separate_evaluator_keeps_the_similarity_away_from_the_tagger():
    teacher = new_teacher(separate=True)
    TeacherObjective(teacher, TermWeights(similarity=0.5)).sums(batch_of())["similarity"].backward()
    assert gradients(teacher) == {"evaluator.embedding.weight", "similarity.scale", "similarity.shift"}


def test_a_separate_evaluator_learns_nothing_from_the_entities():
    teacher = new_teacher(separate=True)
    TeacherObjective(teacher, TermWeights(similarity=0.5)).sums(batch_of())["entities"].backward()
    assert gradients(teacher.tagger) == {name for name, _ in teacher.tagger.named_parameters()}
    assert gradients(teacher.evaluator) == gradients(teacher.similarity) == set()


def test_a_separate_evaluator_shares_no_parameter_with_the_tagger():
    teacher = new_teacher(separate=True)
    own = {parameter.data_ptr() for parameter in teacher.evaluator.parameters()}
    assert own.isdisjoint(parameter.data_ptr() for parameter in teacher.tagger.parameters())


def test_pairs_are_compared_on_the_evaluators_vectors():
    teacher = new_teacher(separate=True).eval()
    vectors, _ = teacher(INPUTS)
    torch.testing.assert_close(teacher.pair_vectors(INPUTS, vectors), teacher.evaluator(INPUTS))
    shared = new_teacher().eval()
    vectors, _ = shared(INPUTS)
    assert shared.pair_vectors(INPUTS, vectors) is vectors


# ---- what the model gives


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_probabilities_add_up_to_one_inside_the_mask_and_are_zero_outside(kind):
    vectors, probs = new_teacher(kind)(INPUTS)
    assert vectors.shape == (2, 3, Encoder.dim)
    torch.testing.assert_close(probs.sum(-1), MASK.float())
    assert (probs[~MASK] == 0).all()


def test_compare_gives_the_similarity_that_was_trained():
    teacher = new_teacher()
    vectors, _ = teacher(INPUTS)
    wanted = torch.nn.functional.binary_cross_entropy(teacher.compare(vectors, PAIRS), TARGETS, reduction="sum")
    sums = TeacherObjective(teacher, TermWeights(similarity=0.5)).sums(batch_of())
    torch.testing.assert_close(sums["similarity"], wanted)


def test_compare_without_an_evaluator_is_an_error():
    teacher = new_teacher(similarity=False)
    with pytest.raises(ValueError, match="no similarity evaluator"):
        teacher.compare(torch.zeros(2, 3, Encoder.dim), PAIRS)


def test_a_pair_weighs_what_the_less_trusted_of_its_sentences_does():
    teacher, batch = new_teacher(), batch_of()
    plain = replace(batch, pairs=batch.pairs, weight=None)
    each = []
    for number in range(len(batch.pairs)):
        own = slice(number, number + 1)
        one = replace(plain, pairs=batch.pairs[own], pair_targets=batch.pair_targets[own])
        each.append(TeacherObjective(teacher, TermWeights(similarity=0.5)).sums(one)["similarity"])
    weight = torch.tensor([0.5, 0.25, 1.0])[: len(batch.mask)]
    found = TeacherObjective(teacher, TermWeights(similarity=0.5)).sums(replace(plain, weight=weight))["similarity"]
    rows = batch.pairs // batch.mask.shape[1]
    expected = sum(min(weight[one], weight[other]) * loss for (one, other), loss in zip(rows, each, strict=True))
    torch.testing.assert_close(found, expected)
