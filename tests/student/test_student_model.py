from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ner_distill.data.batching import Batch
from ner_distill.data.tagset import TagSet
from ner_distill.nn.balance import TaskBalance
from ner_distill.nn.heads import HEADS, Spans
from ner_distill.nn.heads.base import Tags
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.spans import candidates
from ner_distill.nn.tagger import Tagger
from ner_distill.student.loss import DistillationLoss
from ner_distill.student.model import Student, StudentObjective
from tests.pointers import TinyPointer

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
    head = HEADS[kind].of_tags(Encoder.dim, Tags(TAGSET.allowed_start(), TAGSET.allowed_transitions()))
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


def same_labels(words):
    """A soft and a gold batch of two sentences that say the same of each word: entities of two words, then two of O."""
    mask = torch.ones(2, words, dtype=torch.bool)
    inputs = {"ids": torch.arange(2 * words).reshape(2, words) % 6, "mask": mask}
    tags = torch.tensor([[1, 2, 0, 0], [3, 4, 0, 0]]).repeat(1, words)[:, :words]
    places = [(row, start, start + 2, row) for row in range(2) for start in range(0, words - 1, 4)]
    table = torch.zeros(2, 2, words, words)
    for row, start, end, label in places:
        table[row, label, start, end - 1] = 1.0
    probs = torch.nn.functional.one_hot(tags, len(TAGSET)).float()
    none = {"pairs": torch.zeros(0, 2, dtype=torch.long), "pair_targets": torch.zeros(0)}
    soft = Batch(inputs, mask, keep=mask, probs=probs, span_probs=table, **none)
    return soft, Batch(inputs, mask, tags=tags, spans=torch.tensor(places))


def objective(student=None, **settings):
    return StudentObjective(student or new_student(), DistillationLoss(**settings.pop("loss", {})), **settings)


# ---- what the model gives


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_probabilities_add_up_to_one_inside_the_mask_and_are_zero_outside(kind):
    probs = new_student(kind)(INPUTS)
    torch.testing.assert_close(probs.sum(-1), MASK.float())
    assert (probs[~MASK] == 0).all()


# ---- gold labels that do not count, or count less


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_gold_is_the_heads_loss_of_kept_words_times_the_weights(kind):
    student, keep, weight = new_student(kind), torch.tensor([[True, False, True], [False] * 3]), torch.tensor([0.5, 2])
    batch = replace(gold_batch(), keep=keep, weight=weight)
    expected = student.tagger.head.loss(student.tagger.encoder(INPUTS), MASK & keep, batch.tags, weight)
    torch.testing.assert_close(objective(student).sums(batch)["gold"], expected)
    assert objective(student).counts(batch) == {"gold": 2.0}


# ---- counts


def test_a_soft_batch_counts_kept_words_and_pairs():
    assert objective().counts(soft_batch()) == {"soft": 4.0, "similarity": 3.0}


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_a_gold_batch_counts_words_as_a_soft_one_does(kind):
    assert objective(new_student(kind)).counts(gold_batch()) == {"gold": 5.0}


def test_counts_need_no_forward_pass():
    student = new_student()
    student.tagger.encoder.forward = None
    both = objective(student)
    assert both.counts(soft_batch())
    assert both.counts(gold_batch())


# ---- sums


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_the_sums_of_a_soft_batch_are_those_of_the_loss(kind):
    student, batch, loss = new_student(kind), soft_batch(), DistillationLoss(divergence="kl", statement="tag")
    sums = StudentObjective(student, loss).sums(batch)
    vectors = student.tagger.vectors(INPUTS)
    taught = (batch.pairs, batch.pair_targets)
    words = loss.word_term(student.tagger.head.log_probs(vectors, MASK), batch.probs, batch.keep, *taught)
    pairs = loss.similarity_term(student.similarity(vectors, batch.pairs), batch.probs, *taught)
    torch.testing.assert_close(sums, {"soft": words, "similarity": pairs})


def test_the_sum_of_a_gold_batch_is_the_heads_loss():
    student, batch = new_student("crf"), gold_batch()
    sums = objective(student).sums(batch)
    wanted = student.tagger.head.loss(student.tagger.vectors(INPUTS), MASK, batch.tags)
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


@pytest.mark.parametrize(
    ("kind", "divergence"),
    [("token", "kl"), ("crf", "kl"), ("global-pointer", "kl"), ("token", "mse"), ("crf", "mse")],
)
def test_gold_and_soft_labels_pull_alike_where_the_student_knows_nothing(kind, divergence):
    """The same labels, said as gold and as probabilities of 1: their gradients are within a factor of 2 of each other.

    Sentences of 30 words, where a likelihood that is summed over a sentence would pull 30 times as hard.
    """
    torch.manual_seed(0)
    student, (soft, gold) = new_student(kind), same_labels(30)
    both = objective(student, similarity_weight=0.0, loss={"divergence": divergence})
    norms = {}
    for name, batch in (("soft", soft), ("gold", gold)):
        student.zero_grad()
        (both.weights[name] * both.sums(batch)[name] / both.counts(batch)[name]).backward()
        norms[name] = student.tagger.encoder.embedding.weight.grad.norm().item()
    assert 0.5 <= norms["gold"] / norms["soft"] <= 2


def share_of_similarity(divergence):
    """The similarity's gradient at the word vectors over that of the words, late in a short training."""
    torch.manual_seed(0)
    student, batch, balance = new_student("crf"), soft_batch(), TaskBalance(0.3, "soft")
    both = objective(student, loss={"divergence": divergence}, balance=balance)
    optimizer, shares = torch.optim.SGD(student.parameters(), lr=0.01), []
    for _ in range(120):
        weights, counts = balance.weights(both.weights), both.counts(batch)
        optimizer.zero_grad()
        sum(weights[name] * value / counts[name] for name, value in both.sums(batch).items()).backward()
        squares = balance.measured()
        shares.append(math.sqrt(squares["similarity"] / squares["soft"]))
        balance.after_step({}, squares)
        optimizer.step()
    return sum(shares[-20:]) / 20


def test_the_similarity_weighs_the_same_beside_every_divergence():
    shares = [share_of_similarity(divergence) for divergence in ("mse", "kl", "ce")]
    assert max(shares) / min(shares) < 2
    assert all(0.15 < share < 0.6 for share in shares)


def test_a_term_of_weight_zero_is_not_computed():
    student = new_student()
    student.similarity.forward = None
    without = objective(student, similarity_weight=0.0, gold_weight=0.0)
    assert set(without.sums(soft_batch())) == {"soft"}
    assert without.sums(gold_batch()) == {}


# ---- a student with a span head


def span_student(seed=0):
    torch.manual_seed(seed)
    return Student(Tagger(Encoder(), TinyPointer(Encoder.dim, len(TAGSET.labels))), PairSimilarity())


def span_batch(**changes):
    torch.manual_seed(1)
    probs = torch.rand(2, 2, 3, 3) * candidates(MASK)[:, None]
    return soft_batch(**{"span_probs": probs, **changes})


def kept_spans(keep):
    """(row, first, last) of all spans of kept words."""
    for row, words in enumerate(keep.tolist()):
        for i, j in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]:
            if all(words[i : j + 1]):
                yield row, i, j


def span_loss_by_hand(student, batch, weights):
    scores = student.tagger.head.scores(student.tagger.vectors(INPUTS)).tolist()
    probs, total = batch.span_probs.tolist(), 0.0
    for row, weight in enumerate(weights):
        for label in range(2):
            entity = rest = 1.0
            for of, i, j in kept_spans(batch.keep):
                if of == row:
                    s, p = scores[row][label][i][j], probs[row][label][i][j]
                    wanted = p**2 / (p**2 + (1 - p) ** 2)
                    entity += wanted * math.exp(-s)
                    rest += (1 - wanted) * math.exp(s)
            total += weight * (math.log(entity) + math.log(rest))
    return total


def test_a_soft_batch_counts_the_sentences_with_a_kept_word_for_a_span_head():
    student = span_student()
    assert objective(student).counts(span_batch()) == {"soft": 2.0, "similarity": 3.0}
    keep = torch.tensor([[False, True, False], [False, False, False]])
    assert objective(student).counts(span_batch(keep=keep))["soft"] == 1.0


def test_a_span_head_learns_the_soft_loss_of_all_spans_of_kept_words():
    student, batch = span_student(), span_batch()
    loss = DistillationLoss(alpha="off", gamma="off")
    assert [*kept_spans(batch.keep)] == [(0, 0, 0), (0, 2, 2), (1, 0, 0), (1, 0, 1), (1, 1, 1)]
    found = StudentObjective(student, loss).sums(batch)["soft"]
    assert found.item() == pytest.approx(span_loss_by_hand(student, batch, [1.0, 1.0]), rel=1e-5)


def test_a_sentence_weighs_the_mean_of_alpha_gamma_of_its_kept_words():
    student, batch = span_student(), span_batch()
    loss = DistillationLoss(statement="tag")
    alpha = {
        (row, word): min(
            max(p, 1 - p)
            for table in batch.span_probs[row].tolist()
            for start, end in itertools.combinations_with_replacement(range(3), 2)
            if start <= word <= end and batch.keep[row, start : end + 1].all()
            for p in [table[start][end]]
        )
        ** 2
        for row, word in batch.keep.nonzero().tolist()
    }
    flat = batch.probs.flatten(0, 1)
    gamma = {}  # of the words in pairs 0-3, 2-4, 0-2
    for (one, other), similarity in zip(batch.pairs.tolist(), batch.pair_targets.tolist(), strict=True):
        agreement = 1 - abs((flat[one] * flat[other]).sum().item() - similarity)
        for word in (one, other):
            gamma.setdefault(word, []).append(agreement)
    of_word = {word: sum(values) / len(values) for word, values in gamma.items()}
    weights = [
        (alpha[0, 0] * of_word[0] + alpha[0, 2] * of_word[2]) / 2,
        (alpha[1, 0] * of_word[3] + alpha[1, 1] * of_word[4]) / 2,
    ]
    found = StudentObjective(student, loss).sums(batch)["soft"]
    assert found.item() == pytest.approx(span_loss_by_hand(student, batch, weights), rel=1e-5)


def test_a_sentence_without_kept_words_teaches_a_span_head_nothing():
    student = span_student()
    keep = torch.tensor([[True, True, True], [False, False, False]])
    none = {"pairs": torch.zeros(0, 2, dtype=torch.long), "pair_targets": torch.zeros(0)}
    objective(student).sums(span_batch(keep=keep, **none))["soft"].backward()
    taught = student.tagger.encoder.embedding.weight.grad.abs().sum(-1) > 0
    assert taught.tolist() == [False, True, True, True, False, False]


def test_a_span_head_is_not_taught_by_what_is_said_of_spans_with_a_dropped_word():
    student, batch = span_student(), span_batch()
    before = objective(student).sums(batch)["soft"]
    changed = batch.span_probs.clone()
    changed[0, :, 0, 1:] = changed[0, :, 1, 1:] = 0.9  # word 1 of the first sentence is dropped
    assert objective(student).sums(replace(batch, span_probs=changed))["soft"] == before


def test_padding_changes_no_sum_of_a_span_head():
    student, batch = span_student(), span_batch()
    pad = torch.nn.functional.pad
    wide = replace(
        batch,
        inputs={"ids": pad(INPUTS["ids"], (0, 2)), "mask": pad(MASK, (0, 2))},
        mask=pad(MASK, (0, 2)),
        keep=pad(batch.keep, (0, 2)),
        probs=pad(batch.probs, (0, 0, 0, 2)),
        span_probs=pad(batch.span_probs, (0, 2, 0, 2)),
        pairs=batch.pairs // 3 * 5 + batch.pairs % 3,
    )
    torch.testing.assert_close(objective(student).sums(wide), objective(student).sums(batch))


def test_a_span_head_learns_gold_spans():
    student = span_student()
    spans = torch.tensor([[0, 0, 2, 1], [0, 1, 2, 0], [1, 0, 1, 0]])  # one inside another
    batch = replace(gold_batch(), spans=spans)
    wanted = student.tagger.head.loss(student.tagger.vectors(INPUTS), MASK, Spans(spans))
    torch.testing.assert_close(objective(student).sums(batch), {"gold": wanted})
    assert objective(student).counts(batch) == {"gold": 2.0}


def test_a_span_head_without_a_loss_for_spans_learns_the_tags_of_words(monkeypatch):
    student, loss = span_student(), DistillationLoss()
    batch = soft_batch()
    monkeypatch.setattr(TinyPointer, "learns_spans", False)
    found = StudentObjective(student, loss)
    log_probs = student.tagger.head.log_probs(student.tagger.vectors(INPUTS), MASK)
    wanted = loss.word_term(log_probs, batch.probs, batch.keep, batch.pairs, batch.pair_targets)
    torch.testing.assert_close(found.sums(batch)["soft"], wanted)
    assert found.counts(batch)["soft"] == 4.0


def test_a_span_student_that_equals_its_teacher_has_nothing_to_learn():
    student, batch = span_student(), span_batch()
    own = student.tagger.head.span_probs(student.tagger.vectors(INPUTS), MASK).detach()
    objective(student).sums(replace(batch, span_probs=own))["soft"].backward()
    for parameter in student.tagger.parameters():
        assert parameter.grad is None or parameter.grad.abs().max() < 1e-6
