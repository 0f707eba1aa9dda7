"""Chains per type against enumeration of all sets of entities, and against one ordinary CRF for each type."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from ner_distill.nn.heads import CrfHead
from ner_distill.nn.heads.crf_per_type import (
    ALLOWED_START,
    ALLOWED_TRANSITIONS,
    TAGS,
    B,
    CrfPerTypeHead,
    E,
    I,
    O,
    log_marginals,
    without_same_type_overlap,
)
from ner_distill.nn.spans import Spans

TYPES = 2
# All words, padding, a hole, a hole at the beginning, one word, none.
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]]).bool()
# Types overlap in row 0; an entity of one word; in row 2 one that holds the word that is not counted.
GOLD = [(0, 0, 2, 0), (0, 1, 4, 1), (1, 2, 3, 0), (1, 0, 3, 1), (2, 0, 3, 0), (2, 2, 4, 1), (3, 1, 2, 0), (3, 2, 4, 0)]


def spans(*places: tuple[int, int, int, int]) -> Spans:
    return Spans(torch.tensor(places, dtype=torch.long).reshape(-1, 4))


def head_of(*, dim: int | None = None) -> CrfPerTypeHead:
    """Random scores in float64; without `dim` its vectors are the scores."""
    torch.manual_seed(3)
    head = CrfPerTypeHead(dim or 1, TYPES).double()
    for scores in (head.start, head.end, head.transitions):
        torch.nn.init.normal_(scores)
    if dim is None:
        head.project = torch.nn.Identity()  # type: ignore[assignment]
    return head


def vectors_of(batch: int = 6, words: int = 4, *, scale: float = 1.0, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(batch, words, 4 * TYPES, dtype=torch.float64, generator=generator)


Entities = frozenset[tuple[int, int]]  # first word, end


def tags_of(entities: Entities, words: int) -> list[int]:
    tags = [O] * words
    for start, end in entities:
        tags[start:end] = [B] if end - start == 1 else [B, *[I] * (end - start - 2), E]
    return tags


def sets_of_entities(words: int) -> list[Entities]:
    """Every set of entities that do not overlap: each word ends one, goes on, or lies outside."""
    found: set[Entities] = set()
    for kinds in product("bio", repeat=words):  # begins one, goes on with one, outside
        entities: list[tuple[int, int]] = []
        start = None
        for word, kind in enumerate([*kinds, "o"]):
            if kind != "i" and start is not None:
                entities.append((start, word))
                start = None
            if kind == "b":
                start = word
        if all(kind != "i" or any(s < word < e for s, e in entities) for word, kind in enumerate(kinds)):
            found.add(frozenset(entities))
    return sorted(found, key=sorted)


def inside_of(counted: Tensor) -> list[int]:
    """The words from the first to the last that counts."""
    places = counted.nonzero()[:, 0].tolist()
    return list(range(places[0], places[-1] + 1)) if places else []


def scored(head: CrfPerTypeHead, scores: Tensor, row: int, kind: int) -> dict[Entities, Tensor]:
    """Every set of entities of one type that the sentence may have, in its own places, and its score."""
    places = inside_of(MASK[row])
    found = {}
    for entities in sets_of_entities(len(places)):
        tags = tags_of(entities, len(places))
        counted = [bool(MASK[row, place]) for place in places]
        if any(tag != O and not one for tag, one in zip(tags, counted, strict=True)):
            continue
        total = head.start[tags[0]] + head.end[tags[-1]] + sum(head.transitions[a, b] for a, b in pairwise(tags))
        for place, tag, one in zip(places, tags, counted, strict=True):
            if one:
                total = total + scores[row, place, 4 * kind + tag]
        found[frozenset((start + places[0], end + places[0]) for start, end in entities)] = total
    return found


def rows_and_types() -> list[tuple[int, int]]:
    return [(row, kind) for row in range(len(MASK)) if MASK[row].any() for kind in range(TYPES)]


def enumerated_loss(head: CrfPerTypeHead, scores: Tensor) -> Tensor:
    total = scores.new_zeros(())
    for row, kind in rows_and_types():
        all_scores = scored(head, scores, row, kind)
        own = [(s, e) for r, s, e, k in GOLD if (r, k) == (row, kind) and MASK[r, s:e].all()]
        total = total + torch.stack(list(all_scores.values())).logsumexp(0) - all_scores[frozenset(own)]
    return total


def enumerated_probs(head: CrfPerTypeHead, scores: Tensor) -> Tensor:
    """(batch, types, words, words): how probable each place is to be an entity."""
    probs = torch.zeros(len(MASK), TYPES, 4, 4, dtype=torch.float64)
    for row, kind in rows_and_types():
        found = scored(head, scores, row, kind)
        chances = torch.stack(list(found.values())).softmax(0).detach()
        for entities, chance in zip(found, chances, strict=True):
            for start, end in entities:
                probs[row, kind, start, end - 1] += chance
    return probs


def test_there_is_one_path_for_each_set_of_entities() -> None:
    def allowed(path: tuple[int, ...]) -> bool:
        follows = all(ALLOWED_TRANSITIONS[a][b] for a, b in pairwise(path))
        return ALLOWED_START[path[0]] and follows and path[-1] != I

    paths = {path for path in product(TAGS, repeat=4) if allowed(path)}
    assert paths == {tuple(tags_of(entities, 4)) for entities in sets_of_entities(4)}


def test_loss_matches_enumeration_with_padding_and_holes() -> None:
    head, scores = head_of(), vectors_of()
    torch.testing.assert_close(head.loss(scores, MASK, spans(*GOLD)), enumerated_loss(head, scores))


def test_gradients_of_loss_match_enumeration() -> None:
    head, scores = head_of(), vectors_of().requires_grad_()
    inputs = [scores, head.start, head.end, head.transitions]
    ours = torch.autograd.grad(head.loss(scores, MASK, spans(*GOLD)), inputs)
    torch.testing.assert_close(ours, torch.autograd.grad(enumerated_loss(head, scores), inputs))


def test_span_probs_match_enumeration_with_padding_and_holes() -> None:
    head, scores = head_of(), vectors_of()
    torch.testing.assert_close(head.span_probs(scores, MASK), enumerated_probs(head, scores))


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_find_gives_the_best_set_of_each_type(scale: float) -> None:
    head, scores = head_of(), vectors_of(scale=scale)
    found, _ = head.find(scores, MASK)
    wanted = []
    for row, kind in rows_and_types():
        options = scored(head, scores, row, kind)
        best = max(options, key=lambda entities: options[entities].item())
        wanted += [[row, start, end, kind] for start, end in best]
    assert found.places.tolist() == sorted(wanted)


def test_found_probabilities_are_those_of_span_probs() -> None:
    head, scores = head_of(), vectors_of(words=9, scale=2.0)
    mask = torch.ones(6, 9).bool()
    found, probs = head.find(scores, mask)
    row, start, end, kind = found.places.unbind(1)
    assert {1, 2, 3} <= set((end - start).tolist())
    torch.testing.assert_close(probs, head.span_probs(scores, mask)[row, kind, start, end - 1])


def separate(head: CrfPerTypeHead) -> CrfHead:
    """An ordinary CRF over the four tags with the same scores."""
    crf = CrfHead(4, ALLOWED_START, ALLOWED_TRANSITIONS).double()
    crf.project = torch.nn.Identity()  # type: ignore[assignment]
    for name in ("start", "end", "transitions"):
        getattr(crf, name).data.copy_(getattr(head, name).data)
    crf.end.data[I] = -1e9
    return crf


def test_loss_is_that_of_one_crf_for_each_type() -> None:
    head, scores = head_of(), vectors_of(2, 6)
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2]).bool()
    gold = spans((0, 0, 3, 0), (0, 4, 6, 0), (0, 2, 3, 1), (1, 1, 4, 1))
    tags = torch.tensor([[[B, I, E, O, B, E], [O] * 6], [[O, O, B, O, O, O], [O, B, I, E, O, O]]])
    crf = separate(head)
    wanted = sum(crf.loss(scores[..., 4 * kind : 4 * kind + 4], mask, tags[kind]) for kind in range(TYPES))
    torch.testing.assert_close(head.loss(scores, mask, gold), wanted)


def test_tag_probabilities_are_the_marginals_of_one_crf_for_each_type() -> None:
    head, scores = head_of(), vectors_of(2, 6)
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2]).bool()
    crf = separate(head)
    marginals = [crf.log_probs(scores[..., 4 * kind : 4 * kind + 4], mask).exp() for kind in range(TYPES)]
    outside = marginals[0][..., O] * marginals[1][..., O]
    parts = [part for own in marginals for part in (own[..., B], own[..., I] + own[..., E])]
    wanted = torch.stack([outside, *parts], -1)
    wanted = wanted / wanted.sum(-1, keepdim=True)
    torch.testing.assert_close(head.log_probs(scores, mask).exp()[mask], wanted[mask])


def test_tag_probabilities_add_up_to_one() -> None:
    totals = head_of().log_probs(vectors_of(), MASK).exp().sum(-1)
    torch.testing.assert_close(totals[MASK], torch.ones(int(MASK.sum()), dtype=torch.float64))


def test_log_probs_are_zero_where_the_mask_is_false() -> None:
    assert (head_of().log_probs(vectors_of(), MASK)[~MASK] == 0).all()


def test_a_first_word_goes_on_with_nothing() -> None:
    log_probs = head_of().log_probs(vectors_of(), MASK)
    assert log_probs[0, 0].isneginf().tolist() == [False, False, True, False, True]


def test_the_probabilities_of_entities_that_begin_at_a_word_are_that_of_its_b() -> None:
    head, scores = head_of(), vectors_of(3, 30, scale=3.0)
    mask = torch.arange(30) < torch.tensor([30, 17, 1])[:, None]
    marginals = log_marginals(head._chains(scores, mask))[..., B].exp()
    wanted = marginals.unflatten(1, (3, TYPES)).permute(1, 2, 0) * mask[:, None]
    torch.testing.assert_close(head.span_probs(scores, mask).sum(-1), wanted)


def test_entities_of_two_types_may_overlap() -> None:
    scores = torch.full((1, 3, 4 * TYPES), -9.0, dtype=torch.float64)
    for word, (first, second) in enumerate([(B, O), (E, B), (O, E)]):
        scores[0, word, first] = scores[0, word, 4 + second] = 9
    found, probs = head_of().find(scores, torch.ones(1, 3).bool())
    assert found.places.tolist() == [[0, 0, 2, 0], [0, 1, 3, 1]]
    assert (probs > 0.99).all()


def test_entities_of_one_word_may_follow_each_other() -> None:
    scores = torch.full((1, 3, 4 * TYPES), -9.0, dtype=torch.float64)
    scores[0, :, [B, 4 + O]] = 9
    found, _ = head_of().find(scores, torch.ones(1, 3).bool())
    assert found.places.tolist() == [[0, 0, 1, 0], [0, 1, 2, 0], [0, 2, 3, 0]]


def test_nothing_is_found_across_a_word_that_is_not_counted() -> None:
    scores = torch.full((1, 4, 4 * TYPES), -9.0, dtype=torch.float64)
    for word, tag in enumerate([B, I, I, E]):
        scores[0, word, [tag, 4 + tag]] = 900
    mask = torch.tensor([[True, False, True, True]])
    found, _ = head_of().find(scores, mask)
    assert not any(start <= 1 < end for _, start, end, _ in found.places.tolist())


def everything(head: CrfPerTypeHead, scores: Tensor, mask: Tensor) -> list[Tensor]:
    gold = spans(*[place for place in GOLD if place[2] <= mask.shape[1]])
    found, probs = head.find(scores, mask)
    tables = [head.log_probs(scores, mask), head.span_probs(scores, mask)]
    return [head.loss(scores, mask, gold), *tables, found.places, probs]


def test_vectors_of_words_that_are_not_counted_make_no_difference() -> None:
    head, scores = head_of(), vectors_of()
    other = scores.masked_scatter(~MASK[..., None], vectors_of(seed=8, scale=50))
    torch.testing.assert_close(everything(head, other, MASK), everything(head, scores, MASK))


def test_more_padding_changes_nothing() -> None:
    head, scores = head_of(), vectors_of()
    wide = torch.cat([scores, vectors_of(words=3, seed=8)], 1)
    more = torch.cat([MASK, torch.zeros(6, 3).bool()], 1)
    loss, log_probs, probs, places, chances = everything(head, wide, more)
    cut = [loss, log_probs[:, :4], probs[..., :4, :4], places, chances]
    torch.testing.assert_close(cut, everything(head, scores, MASK))


def test_sentences_do_not_know_of_each_other() -> None:
    head, scores = head_of(), vectors_of()
    together = head.span_probs(scores, MASK)
    for row in range(len(MASK)):
        alone = head.span_probs(scores[row : row + 1], MASK[row : row + 1])
        torch.testing.assert_close(together[row], alone[0])


def test_no_counted_word_gives_no_loss_and_still_back_propagates() -> None:
    head = head_of(dim=5)
    vectors = torch.randn(2, 3, 5, dtype=torch.float64)
    loss = head.loss(vectors, torch.zeros(2, 3).bool(), spans())
    loss.backward()
    assert loss.item() == 0
    assert head.project.weight.grad is not None
    assert (head.project.weight.grad == 0).all()


def test_sentences_of_no_words_have_neither_loss_nor_entities() -> None:
    head = head_of(dim=5)
    vectors, mask = torch.zeros(2, 0, 5, dtype=torch.float64), torch.zeros(2, 0).bool()
    found, probs = head.find(vectors, mask)
    assert head.loss(vectors, mask, spans()).item() == 0
    assert head.log_probs(vectors, mask).shape == (2, 0, 1 + 2 * TYPES)
    assert head.span_probs(vectors, mask).shape == (2, TYPES, 0, 0)
    assert (found.places.shape, probs.shape) == ((0, 4), (0,))


@pytest.mark.parametrize("what", ["log_probs", "span_probs"])
def test_gradcheck_of_probabilities(what: str) -> None:
    head, scores = head_of(), vectors_of().requires_grad_()
    possible = head.log_probs(scores, MASK).isfinite() if what == "log_probs" else head.span_probs(scores, MASK) > 0

    def probs(scores: Tensor, *_: Tensor) -> Tensor:
        found: Tensor = getattr(head, what)(scores, MASK)[possible]
        return found

    assert torch.autograd.gradcheck(probs, (scores, head.start, head.end, head.transitions))


def test_gradients_of_probabilities_with_impossible_tags_are_finite() -> None:
    head, scores = head_of(), vectors_of().requires_grad_()
    total = head.log_probs(scores, MASK).exp().square().sum() + head.span_probs(scores, MASK).square().sum()
    grads = torch.autograd.grad(total, [scores, head.start, head.end, head.transitions])
    assert all(grad.isfinite().all() for grad in grads)


def test_probabilities_of_a_long_sentence_are_exact_in_float32() -> None:
    head, scores = head_of(), vectors_of(1, 600, scale=8.0)
    mask = torch.ones(1, 600).bool()
    exact = head.span_probs(scores, mask).float()
    torch.testing.assert_close(head.float().span_probs(scores.float(), mask), exact, atol=1e-5, rtol=1e-4)


def test_autocast_changes_nothing() -> None:
    head, scores = head_of(dim=5).float(), torch.randn(6, 4, 5)
    plain = everything(head, scores, MASK)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(everything(head, scores, MASK), plain)


# ---- gold that one chain cannot hold


NESTED = [(0, 0, 5, 0), (0, 1, 3, 0), (0, 1, 3, 1), (0, 4, 6, 0), (1, 1, 3, 0), (0, 5, 7, 0)]


def test_of_gold_of_one_type_that_overlaps_the_longest_stays() -> None:
    kept = without_same_type_overlap(spans(*NESTED)).places.tolist()
    assert kept == [[0, 0, 5, 0], [0, 1, 3, 1], [0, 5, 7, 0], [1, 1, 3, 0]]


def test_loss_asks_only_for_the_longest_of_overlapping_gold() -> None:
    head, scores, mask = head_of(), vectors_of(2, 7), torch.ones(2, 7).bool()
    kept = without_same_type_overlap(spans(*NESTED))
    torch.testing.assert_close(head.loss(scores, mask, spans(*NESTED)), head.loss(scores, mask, kept))


def test_gold_inside_of_gold_that_is_no_candidate_is_learned() -> None:
    head, scores, mask = head_of(), vectors_of(1), torch.tensor([[True, True, True, False]])
    both = head.loss(scores, mask, spans((0, 0, 4, 0), (0, 1, 3, 0)))
    torch.testing.assert_close(both, head.loss(scores, mask, spans((0, 1, 3, 0))))


@pytest.mark.parametrize("place", [(2, 0, 1, 0), (0, 0, 5, 0), (0, 2, 2, 0), (0, 0, 1, 2), (-1, 0, 1, 0)])
def test_gold_outside_of_the_batch_is_an_error(place: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"row < 2.*end <= 4 and type < 2, found .{place[0]}, {place[1]}"):
        head_of().loss(vectors_of(2), torch.ones(2, 4).bool(), spans(*GOLD[:2], place))
