"""The PU head against its formulas word by word, and its risk against that of data whose labels are all known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from ner_distill.nn.heads.base import Gold
from ner_distill.nn.heads.pu import Negatives, PuHead, pu_risk

TYPES, DIM = 2, 3
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]]).bool()
TAGS = torch.tensor([[1, 2, 0, 3], [0, 4, 3, 0], [1, 1, 0, 0], [0, 0, 0, 3], [0, 0, 0, 0]])
PRIORS, SHARES = (0.4, 0.5), (0.2, 0.25)


def head_of(**options: Any) -> PuHead:
    torch.manual_seed(3)
    made = PuHead(DIM, TYPES, **options)
    made.set_rates(PRIORS, SHARES)
    return made.double()


def vectors_of(*, scale: float = 3.0, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*MASK.shape, DIM, dtype=torch.float64, generator=generator)


def prob(head: PuHead, vector: Tensor, kind: int) -> float:
    logit = head.project.weight[kind] @ vector + head.project.bias[kind]
    return 1 / (1 + math.exp(-logit.item()))


def chances(head: PuHead, vector: Tensor) -> list[float]:
    """No type, and each, given that at most one of the binary classifiers is right."""
    odds = [f / (1 - f) for f in (prob(head, vector, kind) for kind in range(TYPES))]
    return [value / (1 + sum(odds)) for value in (1.0, *odds)]


def looped_loss(head: PuHead, vectors: Tensor, weights: Sequence[float] = (1.0,) * len(MASK)) -> float:
    total = 0.0
    for kind in range(TYPES):
        rate = PRIORS[kind] / SHARES[kind]
        gamma = head.gamma or (1 / PRIORS[kind] if head.bounded else 1)
        missed = elsewhere = 0.0
        for row, word in MASK.nonzero().tolist():
            vector = vectors[row, word]
            f = chances(head, vector)[1 + kind] if head.joint else prob(head, vector, kind)
            present, absent = (1 - f, f) if head.bounded else (-math.log(f), -math.log(1 - f))
            elsewhere += weights[row] * absent
            if int(TAGS[row, word]) in (1 + 2 * kind, 2 + 2 * kind):
                missed += weights[row] * rate * present
                elsewhere -= weights[row] * rate * absent
        total += gamma * missed + max(0.0, elsewhere)
    return total


# ---- the risk


@pytest.mark.parametrize("gamma", [2.0, None])
@pytest.mark.parametrize("scale", [0.1, 3.0])
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("bounded", [True, False])
def test_pu_loss_is_the_formula_word_by_word(bounded: bool, joint: bool, gamma: float | None, scale: float) -> None:
    head, vectors = head_of(bounded=bounded, joint=joint, gamma=gamma), vectors_of(scale=scale)
    assert head.loss(vectors, MASK, TAGS).item() == pytest.approx(looped_loss(head, vectors), rel=1e-6)


def test_pu_loss_weighs_the_words_of_each_sentence() -> None:
    head, vectors, weights = head_of(), vectors_of(scale=0.5), (0.5, 2.0, 0.0, 1.0, 3.0)
    loss = head.loss(vectors, MASK, TAGS, torch.tensor(weights))
    assert loss.item() == pytest.approx(looped_loss(head, vectors, weights), rel=1e-6)


def test_pu_risk_with_every_positive_labelled_is_the_plain_loss() -> None:
    probs, labelled = torch.rand(50, TYPES), torch.rand(50, TYPES) < 0.3
    rates = torch.tensor([0.3, 0.3])
    risk = pu_risk(1 - probs, probs, labelled, torch.ones(50), rates, rates, gamma=1.0)
    torch.testing.assert_close(risk, (labelled.float() - probs).abs().sum(0))


def test_pu_risk_of_a_sample_of_the_labels_is_that_of_all_of_them() -> None:
    words, prior = 400_000, 0.2
    true = torch.rand(words, 1) < prior
    probs = torch.where(true, 0.5 + 0.5 * torch.rand(words, 1), 0.7 * torch.rand(words, 1))
    labelled = true & (torch.rand(words, 1) < 0.25)
    share = labelled.float().mean(0)
    risk = pu_risk(1 - probs, probs, labelled, torch.ones(words), true.float().mean(0), share, gamma=1.0)
    expected = (true.float() - probs).abs().sum(0)
    torch.testing.assert_close(risk, expected, rtol=0.01, atol=0)


def test_pu_risk_does_not_reward_finding_fewer_words_than_the_prior_has() -> None:
    labelled = torch.tensor([[True], [False], [False], [False]])
    probs = labelled.float().requires_grad_()
    risk = pu_risk(1 - probs, probs, labelled, torch.ones(4), torch.tensor([0.5]), torch.tensor([0.25]), gamma=1.0)
    (gradient,) = torch.autograd.grad(risk.sum(), probs)
    assert risk == 0
    assert (gradient[1:] == 0).all()


def test_a_wrong_label_can_only_do_so_much_where_the_loss_is_bounded() -> None:
    vectors, tags = vectors_of(scale=1000.0), TAGS.flip(1)
    costs = [head_of(bounded=bounded, gamma=1.0).loss(vectors, MASK, tags).item() for bounded in (True, False)]
    assert costs[0] <= 2 * TYPES * max(TAGS.numel(), 1)
    assert costs[1] > 1000


def test_pu_loss_with_nothing_counted_is_zero_and_back_propagates() -> None:
    head = head_of()
    loss = head.loss(vectors_of(), torch.zeros_like(MASK), TAGS)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == 0
    assert head.project.weight.grad is not None
    assert (head.project.weight.grad == 0).all()


def test_pu_count_is_the_number_of_counted_words() -> None:
    assert head_of().count(MASK) == 12


def test_pu_loss_without_rates_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="set_rates"):
        PuHead(DIM, TYPES).loss(vectors_of().float(), MASK, TAGS)


@pytest.mark.parametrize("priors", [(0.1,), (0.0, 0.1), (0.1, 1.0)])
def test_priors_that_are_no_shares_are_refused(priors: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="priors: expected 2 numbers between 0 and 1"):
        PuHead(DIM, TYPES).set_rates(priors, SHARES)


def test_rates_are_saved_with_the_weights() -> None:
    other = PuHead(DIM, TYPES)
    other.load_state_dict(head_of().state_dict())
    assert other.priors.tolist() == pytest.approx(PRIORS)
    assert other.shares.tolist() == pytest.approx(SHARES)


# ---- what it says of words


def before(row: int, word: int) -> int | None:
    """The counted word before this one."""
    counted = [index for index in range(word) if MASK[row, index]]
    return counted[-1] if counted else None


def test_pu_log_probs_are_those_of_two_words_by_enumeration() -> None:
    head, vectors = head_of(), vectors_of()
    found = head.log_probs(vectors, MASK).exp()
    for row, word in MASK.nonzero().tolist():
        own, previous = chances(head, vectors[row, word]), before(row, word)
        earlier = [1.0, 0.0, 0.0] if previous is None else chances(head, vectors[row, previous])
        expected = [own[0]]
        for kind in (1, 2):
            expected += [own[kind] * (1 - earlier[kind]), own[kind] * earlier[kind]]
        assert found[row, word].tolist() == pytest.approx(expected, rel=1e-5)


def test_pu_log_probs_add_up_to_one() -> None:
    totals = head_of().log_probs(vectors_of(), MASK).exp().sum(-1)
    torch.testing.assert_close(totals[MASK], torch.ones(12, dtype=torch.float64))


def test_pu_log_probs_are_zero_where_the_mask_is_false() -> None:
    assert (head_of().log_probs(vectors_of(), MASK)[~MASK] == 0).all()


def test_pu_log_probs_of_very_sure_words_have_finite_gradients() -> None:
    vectors = vectors_of(scale=300.0).float().requires_grad_()
    logs = head_of().float().log_probs(vectors, MASK)
    (gradient,) = torch.autograd.grad(logs.masked_fill(logs == -torch.inf, 0).sum(), vectors)
    assert gradient.isfinite().all()


def test_pu_decode_takes_the_best_type_above_a_half_and_joins_neighbours() -> None:
    head, vectors = head_of(), vectors_of()
    decoded = head.decode(vectors, MASK)
    for row in range(len(MASK)):
        last = 0
        for word in range(MASK.shape[1]):
            if not MASK[row, word]:
                assert decoded[row, word] == 0
                continue
            said = [prob(head, vectors[row, word], kind) for kind in range(TYPES)]
            best = said.index(max(said)) + 1 if max(said) > 0.5 else 0
            assert decoded[row, word] == (0 if not best else 2 * best if best == last else 2 * best - 1)
            last = best


def test_what_stands_in_uncounted_words_makes_no_difference() -> None:
    head, vectors = head_of(), vectors_of()
    other = vectors.masked_fill(~MASK[..., None], torch.nan)
    assert torch.equal(head.loss(vectors, MASK, TAGS), head.loss(other, MASK, TAGS))
    assert torch.equal(head.log_probs(vectors, MASK), head.log_probs(other, MASK))
    assert torch.equal(head.decode(vectors, MASK), head.decode(other, MASK))


def test_adding_padding_leaves_the_pu_loss_unchanged() -> None:
    head, vectors = head_of(), vectors_of()
    wider = torch.cat([vectors, torch.ones(len(MASK), 2, DIM)], 1)
    mask, tags = (torch.nn.functional.pad(one, (0, 2)) for one in (MASK, TAGS))
    torch.testing.assert_close(head.loss(wider, mask, tags), head.loss(vectors, MASK, TAGS))


# ---- words that are surely of no type

SURE = torch.tensor([False, True, False, True, False])
ABSENT = torch.tensor([[0.1], [0.4], [0.8], [0.2], [0.3]])
LABELLED = torch.tensor([[True], [False], [False], [False], [False]])


@pytest.mark.parametrize(
    ("eta", "expected"),
    # missed: π / s · 0.9 = 1.8; sure: 0.6; the others: 0.1 + 0.8 + 0.3 - π / s · 0.1 = 1.0; for all: (1 - π) / ν · 0.6
    [(0.0, 1.8 + 0.6 + 1.0), (1.0, 1.8 + 0.6 / 0.4 * 0.6), (0.25, 1.8 + 0.75 * 1.6 + 0.25 * 0.9)],
)
def test_pu_risk_with_known_negatives_is_the_formula(eta: float, expected: float) -> None:
    negatives = Negatives(SURE, 0.4, eta)
    rates = torch.tensor([0.4]), torch.tensor([0.2])
    risk = pu_risk(1 - ABSENT, ABSENT, LABELLED, torch.ones(5), *rates, gamma=1.0, negatives=negatives)
    assert risk.item() == pytest.approx(expected)


def test_known_negatives_are_learned_where_the_maximum_cuts_the_rest() -> None:
    probs = torch.tensor([[1.0], [0.1], [0.1], [0.1]], requires_grad=True)
    labelled, sure = torch.tensor([[True], [False], [False], [False]]), torch.tensor([False, True, False, False])
    rates = torch.tensor([0.5]), torch.tensor([0.25])
    risk = pu_risk(1 - probs, probs, labelled, torch.ones(4), *rates, gamma=1.0, negatives=Negatives(sure, 0.25))
    (gradient,) = torch.autograd.grad(risk.sum(), probs)
    assert gradient[1:].flatten().tolist() == [1.0, 0.0, 0.0]


def test_known_negatives_of_whatever_kind_leave_the_risk_what_it_is() -> None:
    # all of them are easy ones: the risk is that of all labels all the same
    words, prior = 400_000, 0.2
    true = torch.rand(words, 1) < prior
    easy = ~true & (torch.rand(words, 1) < 0.5)
    probs = torch.where(easy, 0.05, torch.where(true, 0.5 + 0.5 * torch.rand(words, 1), 0.7 * torch.rand(words, 1)))
    labelled = true & (torch.rand(words, 1) < 0.25)
    share, negatives = labelled.float().mean(0), Negatives(easy[:, 0], easy.float().mean().item())
    rates = true.float().mean(0), share
    risk = pu_risk(1 - probs, probs, labelled, torch.ones(words), *rates, gamma=1.0, negatives=negatives)
    torch.testing.assert_close(risk, (true.float() - probs).abs().sum(0), rtol=0.01, atol=0)


def test_the_head_reads_known_negatives_of_the_gold() -> None:
    sure = torch.tensor([[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]]).bool()
    head, vectors = head_of(eta=0.5), vectors_of(scale=0.3)
    head.set_rates(PRIORS, SHARES, 0.25)
    plain, told = (head.gold_loss(vectors, MASK, Gold(TAGS, negative=one)) for one in (None, sure))
    apart = extra = 0.0
    for row, word in (MASK & sure).nonzero().tolist():
        for kind in range(TYPES):
            absent = -math.log(1 - chances(head, vectors[row, word])[1 + kind])
            apart += absent
            extra += (1 - PRIORS[kind]) / 0.25 * absent
    missed = looped_loss(head, vectors) - looped_elsewhere(head, vectors)
    expected = missed + 0.5 * (apart + looped_elsewhere(head, vectors, sure)) + 0.5 * extra
    assert plain.item() == pytest.approx(looped_loss(head, vectors), rel=1e-6)
    assert told.item() == pytest.approx(expected, rel=1e-6)


def looped_elsewhere(head: PuHead, vectors: Tensor, sure: Tensor | None = None) -> float:
    """The sum over types of the part under the maximum, without the words that are surely of no type."""
    total = 0.0
    for kind in range(TYPES):
        rest = 0.0
        for row, word in MASK.nonzero().tolist():
            absent = -math.log(1 - chances(head, vectors[row, word])[1 + kind])
            if sure is None or not sure[row, word]:
                rest += absent
            if int(TAGS[row, word]) in (1 + 2 * kind, 2 + 2 * kind):
                rest -= PRIORS[kind] / SHARES[kind] * absent
        total += max(0.0, rest)
    return total


def test_known_negatives_are_repeated_and_reordered_with_the_labels() -> None:
    gold = Gold(TAGS, negative=TAGS == 0)
    order = torch.tensor([3, 1, 0, 2, 4])
    assert gold.repeat(2).negative is not None
    assert torch.equal(gold.repeat(2).negative, (TAGS == 0).repeat(2, 1))  # type: ignore[arg-type]
    assert torch.equal(gold.reordered(order).negative, (TAGS == 0)[order])  # type: ignore[arg-type]
