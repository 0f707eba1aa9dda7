"""Functions on tables of spans against loops, and word tags against enumeration of independent spans."""

from __future__ import annotations

from itertools import product
from math import exp, log, prod

import pytest
import torch
from torch import Tensor

from ner_distill.nn import spans
from ner_distill.nn.spans import Spans
from tests.pointers import soft_multilabel_loss

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 0]]).bool()
GOLD = Spans(torch.tensor([[0, 0, 3, 1], [0, 1, 2, 1], [0, 1, 2, 0], [1, 0, 1, 0], [2, 1, 4, 1], [3, 0, 3, 0]]))
SHAPE = (5, 2, 4, 4)


def scores(shape: tuple[int, ...] = SHAPE, *, scale: float = 2.0, seed: int = 0) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def is_candidate(row: Tensor, first: int, last: int, max_width: int = 0) -> bool:
    if first > last or (max_width and last - first >= max_width):
        return False
    return bool(row[first : last + 1].all())


def places_of(max_width: int = 0) -> list[list[tuple[int, int]]]:
    return [[(i, j) for i in range(4) for j in range(4) if is_candidate(row, i, j, max_width)] for row in MASK]


@pytest.mark.parametrize("max_width", [0, 1, 2, 9])
def test_candidates_are_the_runs_of_counted_words_up_to_the_width(max_width: int) -> None:
    found = spans.candidates(MASK, max_width=max_width)
    assert [[tuple(place) for place in row.nonzero().tolist()] for row in found] == places_of(max_width)


def test_targets_are_true_at_the_gold_spans_alone() -> None:
    table = spans.targets(GOLD, SHAPE)
    expected = {(row, kind, start, end - 1) for row, start, end, kind in GOLD.places.tolist()}
    assert {tuple(place) for place in table.nonzero().tolist()} == expected


@pytest.mark.parametrize("place", [(5, 0, 1, 0), (0, 0, 5, 0), (0, 2, 2, 0), (0, -1, 2, 0), (0, 0, 1, 2)])
def test_gold_that_does_not_fit_the_table_is_refused_by_name(place: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"found \\[{', '.join(map(str, place))}\\]"):
        spans.targets(Spans(torch.tensor([(0, 0, 1, 0), place])), SHAPE)


def looped_loss(table: Tensor, probs: Tensor) -> Tensor:
    """The formula with weights; p = 0 or 1 leaves a span out of one of the sums."""
    losses = torch.zeros(SHAPE[:2], dtype=torch.float64)
    for row, kind in product(range(5), range(2)):
        places = places_of()[row]
        values = [(table[row, kind, i, j].item(), probs[row, kind, i, j].item()) for i, j in places]
        values = [(s, p * p / (p * p + (1 - p) ** 2)) for s, p in values]
        gold, rest = sum(t * exp(-s) for s, t in values), sum((1 - t) * exp(s) for s, t in values)
        losses[row, kind] = log(1 + gold) + log(1 + rest)
    return losses


def test_loss_matches_a_loop_over_candidates() -> None:
    gold = spans.targets(GOLD, SHAPE)
    found = soft_multilabel_loss(scores(), gold, spans.candidates(MASK))
    torch.testing.assert_close(found, looped_loss(scores(), gold.double()))


def test_soft_loss_matches_a_loop_over_candidates() -> None:
    probs = scores(seed=1).sigmoid()
    found = soft_multilabel_loss(scores(), probs, spans.candidates(MASK))
    torch.testing.assert_close(found, looped_loss(scores(), probs))


def test_free_scores_that_learn_from_probabilities_become_these() -> None:
    """0.90 is learned as 0.90: the loss is least where the scores are those of the probabilities.

    It is convex (logs of sums of exponents of linear terms), so that where its gradient is 0 it is least.
    """
    probs = torch.tensor([0.90, 0.10, 0.5, 0.75, 0.999, 0.02, 1e-4, 0.6, 0.3, 0.95], dtype=torch.float64)
    table = torch.zeros(1, 1, 2, 5, dtype=torch.float64, requires_grad=True)
    every = torch.ones(1, 2, 5, dtype=torch.bool)
    optimizer = torch.optim.LBFGS([table], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = soft_multilabel_loss(table, probs.view(1, 1, 2, 5), every).sum()
        loss.backward()
        return loss

    optimizer.step(step)
    torch.testing.assert_close(table.detach().sigmoid().flatten(), probs, atol=1e-3, rtol=0)


def test_probabilities_of_half_precision_and_of_next_to_nothing_give_finite_gradients() -> None:
    table = scores((1, 1, 2, 3)).float().requires_grad_()
    probs = torch.tensor([0.0, 1e-30, 6e-8, 0.5, 1 - 2**-11, 1.0]).view(1, 1, 2, 3)
    for some in (probs, probs.half()):
        loss = soft_multilabel_loss(table, some, torch.ones(1, 2, 3, dtype=torch.bool)).sum()
        assert torch.autograd.grad(loss, table)[0].isfinite().all()


def test_gradcheck_of_the_loss_of_gold_and_of_probabilities() -> None:
    gold, allowed, probs = spans.targets(GOLD, SHAPE), spans.candidates(MASK), scores(seed=1).sigmoid()
    table = scores().requires_grad_()
    assert torch.autograd.gradcheck(lambda one: soft_multilabel_loss(one, gold, allowed), (table,))
    assert torch.autograd.gradcheck(lambda one: soft_multilabel_loss(one, probs, allowed), (table,))


def test_losses_of_terms_of_blocks_are_those_of_the_whole() -> None:
    gold, allowed = spans.targets(GOLD, SHAPE), spans.candidates(MASK)
    terms = [
        spans.soft_multilabel_terms(scores()[:, :, some], gold[:, :, some], allowed[:, some])
        for some in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(spans.joined(torch.stack(terms)), soft_multilabel_loss(scores(), gold, allowed))


def test_loss_ignores_what_stands_where_there_is_no_candidate() -> None:
    gold, allowed = spans.targets(GOLD, SHAPE), spans.candidates(MASK)
    spoiled = scores().masked_fill(~allowed[:, None], torch.nan)
    assert torch.equal(soft_multilabel_loss(spoiled, gold, allowed), soft_multilabel_loss(scores(), gold, allowed))


def test_log_sum_exp_and_its_gradient_match_torch() -> None:
    logs = scores((3, 50), scale=30).float().requires_grad_()
    found, expected = spans.log_sum_exp(logs), logs.logsumexp(-1)
    torch.testing.assert_close(found, expected)
    weights = torch.tensor([1.0, -2.0, 3.0])
    torch.testing.assert_close(
        torch.autograd.grad(found, logs, weights), torch.autograd.grad(expected, logs, weights), rtol=1e-5, atol=1e-7
    )


def test_log_sum_exp_of_nothing_but_lowest_numbers_is_the_lowest() -> None:
    lowest = torch.finfo(torch.float32).min
    assert spans.log_sum_exp(torch.full((1, 9), lowest)).item() == lowest


def enumerated_tags(table: Tensor, places: list[tuple[int, int]], words: int) -> Tensor:
    """(words, tags) by going through all sets of independent spans: is any B at the word, any I, nothing at all?"""
    every = [(kind, i, j) for kind in range(len(table)) for i, j in places]
    chances = [table[one].sigmoid().item() for one in every]
    result = torch.zeros(words, 1 + 2 * len(table), dtype=torch.float64)
    for drawn in product((False, True), repeat=len(every)):
        chance = prod(p if yes else 1 - p for p, yes in zip(chances, drawn, strict=True))
        chosen = [one for one, yes in zip(every, drawn, strict=True) if yes]
        for word in range(words):
            tags = {1 + 2 * kind if i == word else 2 + 2 * kind for kind, i, j in chosen if i <= word <= j} or {0}
            result[word, list(tags)] += chance
    return result / result.sum(-1, keepdim=True)


def test_word_tags_match_enumeration_of_independent_spans() -> None:
    table, mask = scores((1, 2, 3, 3)), torch.ones(1, 3).bool()
    expected = enumerated_tags(table[0], [(i, j) for i in range(3) for j in range(i, 3)], 3)
    torch.testing.assert_close(spans.tag_log_probs(table, mask)[0].exp(), expected)


def test_word_tags_leave_out_spans_over_words_that_are_not_counted() -> None:
    table, mask = scores((1, 2, 4, 4)), torch.tensor([[True, False, True, True]])
    expected = enumerated_tags(table[0], [(0, 0), (2, 2), (2, 3), (3, 3)], 4)
    found = spans.tag_log_probs(table, mask)[0]
    torch.testing.assert_close(found[mask[0]].exp(), expected[mask[0]])
    assert (found[1] == 0).all()


def test_word_tags_add_up_to_one_for_scores_of_any_size() -> None:
    table = scores(scale=300).float()
    found = spans.tag_log_probs(table, MASK)
    assert not found.isnan().any()
    torch.testing.assert_close(found.exp().sum(-1)[MASK], torch.ones(int(MASK.sum())))


def test_first_word_can_never_go_on_with_an_entity() -> None:
    found = spans.tag_log_probs(scores(), MASK)
    assert found[0, 0].isneginf().tolist() == [False, False, True, False, True]


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_gradient_of_word_tags_is_finite(scale: float) -> None:
    table = scores(scale=scale).float().masked_fill(~spans.candidates(MASK)[:, None], -torch.inf).requires_grad_()
    tags = spans.tag_log_probs(table, MASK)
    (gradient,) = torch.autograd.grad(tags.masked_fill(tags.detach().isneginf(), 0).square().sum(), table)
    assert gradient.isfinite().all()


def test_gradcheck_of_word_tags() -> None:
    table = scores().requires_grad_()
    possible = spans.tag_log_probs(table.detach(), MASK).isfinite()
    assert torch.autograd.gradcheck(lambda one: spans.tag_log_probs(one, MASK)[possible], (table,))


def test_word_tags_of_certain_spans_are_their_bio_tags() -> None:
    table = torch.full((1, 2, 4, 4), -60.0)
    table[0, 1, 1, 3] = 60.0
    assert spans.tag_log_probs(table, torch.ones(1, 4).bool()).argmax(-1).tolist() == [[0, 3, 4, 4]]


def test_spans_of_tags_match_a_loop_over_words() -> None:
    logs = scores((5, 4, 5)).log_softmax(-1)
    logs[0, 0, 2] = -torch.inf
    found, probs = spans.span_probs_of_tags(logs, MASK), logs.exp()
    expected = torch.zeros(SHAPE, dtype=torch.float64)
    for row, kind in product(range(5), range(2)):
        for i, j in places_of()[row]:
            begin, inside = probs[row, :, 1 + 2 * kind], probs[row, :, 2 + 2 * kind]
            goes_on = inside[j + 1].item() if j + 1 < 4 and MASK[row, j + 1] else 0.0
            expected[row, kind, i, j] = begin[i] * inside[i + 1 : j + 1].prod() * (1 - goes_on)
    torch.testing.assert_close(found, expected)


def test_certain_tags_give_certain_spans() -> None:
    tags = torch.tensor([[1, 2, 0, 3]])
    logs = torch.full((1, 4, 5), -torch.inf).scatter(2, tags[..., None], 0.0)
    found = spans.span_probs_of_tags(logs, torch.ones(1, 4).bool())
    assert torch.equal(found, spans.targets(Spans(torch.tensor([[0, 0, 2, 0], [0, 3, 4, 1]])), (1, 2, 4, 4)).float())


def test_found_are_the_places_above_the_floor_in_order() -> None:
    table = torch.zeros(2, 2, 3, 3)
    for value, place in enumerate([(1, 0, 0, 2), (0, 1, 1, 1), (0, 0, 1, 1), (0, 1, 0, 2), (1, 1, 0, 1)], 1):
        table[place] = value
    places, values = spans.spans_above(table, 1.0)
    assert places.places.tolist() == [[0, 0, 3, 1], [0, 1, 2, 0], [0, 1, 2, 1], [1, 0, 2, 1]]
    assert values.tolist() == [4, 3, 2, 5]


@pytest.mark.parametrize("rows", [0, 2])
def test_tables_of_no_words_are_accepted(rows: int) -> None:
    table, mask = torch.zeros(rows, 3, 0, 0), torch.zeros(rows, 0).bool()
    assert soft_multilabel_loss(table, table.bool(), spans.candidates(mask)).tolist() == [[0.0] * 3] * rows
    assert spans.tag_log_probs(table, mask).shape == (rows, 0, 7)
    assert spans.span_probs_of_tags(torch.zeros(rows, 0, 7), mask).shape == table.shape
    assert len(spans.spans_above(table, 0.0)[1]) == 0


def test_confidence_of_a_word_is_that_of_the_least_certain_span_that_holds_it() -> None:
    generator = torch.Generator().manual_seed(4)
    probs, mask = torch.rand(2, 3, 6, 6, generator=generator), torch.ones(2, 6, dtype=torch.bool)
    mask[0, 4:], mask[1, 2] = False, False
    found = spans.word_confidence(probs, mask)
    for row, word in product(range(2), range(6)):
        held = [
            max(p, 1 - p)
            for i, j, kind in product(range(6), range(6), range(3))
            if i <= word <= j and mask[row, i : j + 1].all()
            for p in [probs[row, kind, i, j].item()]
        ]
        assert found[row, word].item() == pytest.approx(min(held, default=0.0))


def test_certain_entities_that_nest_leave_their_words_certain() -> None:
    probs = torch.full((1, 2, 6, 6), 0.01)
    probs[0, 0, 0, 4] = probs[0, 1, 1, 2] = 0.99
    assert spans.word_confidence(probs, torch.ones(1, 6, dtype=torch.bool)).tolist() == [pytest.approx([0.99] * 6)]
