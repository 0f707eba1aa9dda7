"""Pointers: scores, losses and what they find against plain loops over spans, and tiles against the whole."""

from __future__ import annotations

import cmath
from collections.abc import Callable
from itertools import product
from math import exp, log, tanh

import pytest
import torch
from torch import Tensor

from ner_distill.nn import spans
from ner_distill.nn.heads import pointer
from ner_distill.nn.heads.pointer import AdditivePointerHead, EfficientPointerHead, GlobalPointerHead, PointerHead
from ner_distill.nn.heads.pointer_scores import AdditiveScores, ProductScores, SharedProductScores, turned
from ner_distill.nn.spans import Spans
from tests.pointers import soft_multilabel_loss

DIM, TYPES, WORDS = 5, 2, 6
MASK = torch.tensor(
    [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0]]
).bool()
# Nested, of both types, over words that do not count, in a sentence of none, and one that is given twice.
GOLD = Spans(
    torch.tensor(
        [
            [0, 0, 6, 1], [0, 1, 3, 1], [0, 1, 3, 0], [0, 2, 3, 1], [1, 0, 1, 0], [2, 0, 4, 1], [2, 3, 5, 0],
            [3, 2, 5, 1], [4, 0, 2, 0], [0, 1, 3, 0], [0, 1, 4, 0],
        ]
    )
)  # fmt: skip
KINDS: dict[str, Callable[..., PointerHead]] = {
    "global": GlobalPointerHead,
    "efficient": EfficientPointerHead,
    "additive": AdditivePointerHead,
}
EVERY = pytest.mark.parametrize("kind", KINDS)


def head(kind: str, **options: float) -> PointerHead:
    torch.manual_seed(1)
    size = {"head_dim": 4}
    made: PointerHead = KINDS[kind](DIM, TYPES, **size, **options)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    made.double()
    return made


def word_vectors(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(MASK), WORDS, DIM, generator=generator, dtype=torch.float64)


def places_of(max_width: int = 0, mask: Tensor = MASK) -> list[list[tuple[int, int]]]:
    wide = max_width or mask.shape[1]
    return [
        [(i, j) for i, j in product(range(len(row)), repeat=2) if i <= j < i + wide and row[i : j + 1].all()]
        for row in mask
    ]


def rotated(vector: list[float], position: int) -> list[complex]:
    """Pairs of numbers as complex ones, turned."""
    size = len(vector)
    return [
        complex(vector[2 * m], vector[2 * m + 1]) * cmath.exp(1j * position * 10000 ** (-2 * m / size))
        for m in range(size // 2)
    ]


def dot(one: list[complex], other: list[complex]) -> float:
    return sum((a * b.conjugate()).real for a, b in zip(one, other, strict=True))


def product_score(form: ProductScores, vectors: Tensor, kind: int, i: int, j: int) -> float:
    query = form.query(vectors[i]).view(TYPES, 4)[kind].tolist()
    key = form.key(vectors[j]).view(TYPES, 4)[kind].tolist()
    if form.rotary:
        return dot(rotated(query, i), rotated(key, j)) / 4**0.5
    return sum(a * b for a, b in zip(query, key, strict=True)) / 4**0.5


def shared_score(form: SharedProductScores, vectors: Tensor, kind: int, i: int, j: int) -> float:
    begin, end = form.project(vectors[i]).tolist(), form.project(vectors[j]).tolist()
    product_of_both = dot(rotated(begin[:4], i), rotated(end[4:], j)) / 4**0.5
    weight, bias = form.of_types.weight, form.of_types.bias
    weights = [*weight[kind].tolist(), *weight[TYPES + kind].tolist()]  # of [q_i; k_i; q_j; k_j]
    constant = (bias[kind] + bias[TYPES + kind]).item()
    return product_of_both + constant + sum(w * x for w, x in zip(weights, begin + end, strict=True))


def additive_score(form: AdditiveScores, vectors: Tensor, kind: int, i: int, j: int) -> float:
    whole = torch.cat([form.begin.weight, form.end.weight], 1)  # W of [h_i; h_j]
    hidden = (whole @ torch.cat([vectors[i], vectors[j]]) + form.begin.bias).tolist()
    constant = 0.0 if form.weights.bias is None else form.weights.bias[kind].item()
    return constant + sum(w * tanh(x) for w, x in zip(form.weights.weight[kind].tolist(), hidden, strict=True))


def looped_scores(one: PointerHead, vectors: Tensor, max_width: int = 0) -> Tensor:
    """Element by element; the lowest number where there is no candidate."""
    table = torch.full((len(vectors), TYPES, WORDS, WORDS), torch.finfo(torch.float64).min, dtype=torch.float64)
    with torch.no_grad():
        for row, places in enumerate(places_of(max_width)):
            for kind, (i, j) in product(range(TYPES), places):
                form, words = one.form, vectors[row]
                if isinstance(form, ProductScores):
                    table[row, kind, i, j] = product_score(form, words, kind, i, j)
                elif isinstance(form, SharedProductScores):
                    table[row, kind, i, j] = shared_score(form, words, kind, i, j)
                elif isinstance(form, AdditiveScores):
                    table[row, kind, i, j] = additive_score(form, words, kind, i, j)
    return table


def looped_loss(table: Tensor, max_width: int = 0) -> float:
    """log(1 + Σ_P e^{−s}) + log(1 + Σ_Q e^{s}) for each sentence and type, as sums of single numbers."""
    gold = {(row, kind, start, end - 1) for row, start, end, kind in GOLD.places.tolist()}
    total = 0.0
    for row, kind in product(range(len(table)), range(TYPES)):
        of_gold, rest = 1.0, 1.0
        for i, j in places_of(max_width)[row]:
            score = table[row, kind, i, j].item()
            if (row, kind, i, j) in gold:
                of_gold += exp(-score)
            else:
                rest += exp(score)
        total += log(of_gold) + log(rest)
    return total


def in_tiles(monkeypatch: pytest.MonkeyPatch, *, rows: int, again: bool) -> None:
    """So many first words at a time; `again`: computed once more in the backward pass."""
    monkeypatch.setitem(pointer.TILE, "cpu", rows * len(MASK) * WORDS * 4)
    monkeypatch.setattr(pointer, "KEPT", 1 if again else 2**24)


@pytest.fixture(params=["whole", "tiles", "tiles again"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All spans at once, those of a few first words at a time, and with these computed again."""
    if request.param != "whole":
        in_tiles(monkeypatch, rows=2, again=request.param == "tiles again")


@EVERY
@pytest.mark.parametrize("max_width", [0, 2])
def test_scores_match_a_loop_over_single_numbers(kind: str, max_width: int) -> None:
    one = head(kind, max_width=max_width)
    torch.testing.assert_close(one.scores(word_vectors(), MASK), looped_scores(one, word_vectors(), max_width))


def test_scores_without_rotary_positions_match_a_loop() -> None:
    one = head("global", rotary=False)
    torch.testing.assert_close(one.scores(word_vectors(), MASK), looped_scores(one, word_vectors()))


def test_scores_of_the_additive_form_without_a_constant_match_a_loop() -> None:
    one = head("additive", output_bias=False)
    torch.testing.assert_close(one.scores(word_vectors(), MASK), looped_scores(one, word_vectors()))


@EVERY
def test_non_candidates_score_the_lowest_number(kind: str) -> None:
    scores = head(kind).scores(word_vectors(), MASK)
    nowhere = ~spans.candidates(MASK)[:, None].expand_as(scores)
    assert (scores[nowhere] == torch.finfo(torch.float64).min).all()


@EVERY
@pytest.mark.parametrize("max_width", [0, 2])
@pytest.mark.usefixtures("form")
def test_loss_matches_a_loop_of_the_formula(kind: str, max_width: int) -> None:
    one = head(kind, max_width=max_width)
    expected = looped_loss(looped_scores(one, word_vectors(), max_width), max_width)
    assert one.loss(word_vectors(), MASK, GOLD).item() == pytest.approx(expected, rel=1e-7)


def test_loss_of_huge_scores_matches_the_formula_in_logs() -> None:
    one, vectors = head("global"), 30 * word_vectors()
    table, gold = one.scores(vectors, MASK), spans.targets(GOLD, (len(MASK), TYPES, WORDS, WORDS))
    expected = 0.0
    for row, kind in product(range(len(MASK)), range(TYPES)):
        allowed, of_type = spans.candidates(MASK)[row], gold[row, kind]
        zero = torch.zeros(1, dtype=torch.float64)
        expected += torch.cat([-table[row, kind][allowed & of_type], zero]).logsumexp(0).item()
        expected += torch.cat([table[row, kind][allowed & ~of_type], zero]).logsumexp(0).item()
    assert table.max() > 800  # no exponent of this is a number
    assert one.loss(vectors, MASK, GOLD).item() == pytest.approx(expected)


@EVERY
@pytest.mark.usefixtures("form")
def test_smoothed_loss_is_the_soft_loss_of_smoothed_targets(kind: str) -> None:
    one = head(kind, smoothing=0.1)
    probs = torch.zeros(len(MASK), TYPES, WORDS, WORDS, dtype=torch.float64)
    for row, places in enumerate(places_of()):
        for of_type, (i, j) in product(range(TYPES), places):
            probs[row, of_type, i, j] = 0.1 / len(places)
    for row, start, end, of_type in GOLD.places.tolist():
        probs[row, of_type, start, end - 1] = 0.9
    table, allowed = looped_scores(one, word_vectors()), spans.candidates(MASK)
    expected = soft_multilabel_loss(table, probs, allowed).sum()
    torch.testing.assert_close(one.loss(word_vectors(), MASK, GOLD), expected)


def overlap_f1(one: tuple[int, int], other: tuple[int, int]) -> float:
    mine, theirs = (set(range(first, last + 1)) for first, last in (one, other))
    return 2 * len(mine & theirs) / (len(mine) + len(theirs))


@EVERY
@pytest.mark.parametrize("max_width", [0, 3])
@pytest.mark.usefixtures("form")
def test_reading_objective_matches_a_loop(kind: str, max_width: int) -> None:
    plain, reading = (
        head(kind, max_width=max_width, reading=weight, reading_entropy=0.3).loss(word_vectors(), MASK, GOLD).item()
        for weight in (0.0, 2.0)
    )
    table, expected = looped_scores(head(kind), word_vectors()), 0.0
    for row, of_type in product(range(len(MASK)), range(TYPES)):
        places = places_of(max_width)[row]
        gold = [(start, end - 1) for one, start, end, other in GOLD.places.tolist() if (one, other) == (row, of_type)]
        gold = [place for place in gold if place in places]
        if gold:
            total = sum(exp(table[row, of_type, i, j].item()) for i, j in places)
            for i, j in places:
                p = exp(table[row, of_type, i, j].item()) / total
                expected += 0.3 * p * log(p) - p * max(overlap_f1((i, j), one) for one in gold)
    assert reading - plain == pytest.approx(2 * expected)


@EVERY
@pytest.mark.parametrize("options", [{}, {"smoothing": 0.1}, {"max_width": 3, "reading": 1.0}])
@pytest.mark.parametrize("again", [False, True])
def test_gradients_of_the_loss_by_blocks_are_those_of_the_whole(
    kind: str, options: dict[str, float], again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, vectors = head(kind, **options), word_vectors().requires_grad_()
    inputs = [vectors, *one.parameters()]
    expected = torch.autograd.grad(one.loss(vectors, MASK, GOLD), inputs)
    in_tiles(monkeypatch, rows=2, again=again)
    torch.testing.assert_close(torch.autograd.grad(one.loss(vectors, MASK, GOLD), inputs), expected)


@EVERY
@pytest.mark.parametrize("options", [{}, {"smoothing": 0.1}, {"reading": 1.0}])
def test_gradcheck_of_the_loss(kind: str, options: dict[str, float]) -> None:
    one, vectors = head(kind, **options), word_vectors().requires_grad_()
    assert torch.autograd.gradcheck(lambda some: one.loss(some, MASK, GOLD), (vectors,))


@EVERY
@pytest.mark.usefixtures("form")
def test_soft_loss_weighs_sentences(kind: str) -> None:
    one, weight = head(kind), torch.tensor([1.0, 0.5, 0.0, 2.0, 3.0])
    probs = head(kind).span_probs(word_vectors(seed=2), MASK).detach().half()
    losses = soft_multilabel_loss(looped_scores(one, word_vectors()), probs, spans.candidates(MASK)).sum(1)
    torch.testing.assert_close(one.soft_loss(word_vectors(), MASK, probs), losses.sum())
    torch.testing.assert_close(one.soft_loss(word_vectors(), MASK, probs, weight), (losses * weight).sum())


@EVERY
def test_soft_loss_of_gold_as_probabilities_is_the_loss(kind: str) -> None:
    one, gold = head(kind), spans.targets(GOLD, (len(MASK), TYPES, WORDS, WORDS))
    torch.testing.assert_close(one.soft_loss(word_vectors(), MASK, gold), one.loss(word_vectors(), MASK, GOLD))


@EVERY
@pytest.mark.usefixtures("form")
def test_disagreement_matches_a_loop(kind: str) -> None:
    one, (first, second) = head(kind), (word_vectors(), word_vectors(seed=2))
    tables, expected = (looped_scores(one, first), looped_scores(one, second)), 0.0
    for row, of_type in product(range(len(MASK)), range(TYPES)):
        for i, j in places_of()[row]:
            s, t = (table[row, of_type, i, j].item() for table in tables)
            expected += (1 / (1 + exp(-s)) - 1 / (1 + exp(-t))) * (s - t)
    assert one.disagreement(first, second, MASK).item() == pytest.approx(expected)


@EVERY
def test_disagreement_of_equal_passes_is_zero(kind: str) -> None:
    assert head(kind).disagreement(word_vectors(), word_vectors(), MASK) == 0


@EVERY
def test_disagreement_does_not_depend_on_the_order_of_passes(kind: str) -> None:
    one, (first, second) = head(kind), (word_vectors(), word_vectors(seed=2))
    torch.testing.assert_close(one.disagreement(first, second, MASK), one.disagreement(second, first, MASK))


def test_disagreement_gives_gradient_to_both_passes() -> None:
    first, second = word_vectors().requires_grad_(), word_vectors(seed=2).requires_grad_()
    gradients = torch.autograd.grad(head("efficient").disagreement(first, second, MASK), [first, second])
    assert all(gradient[MASK].abs().sum() > 0 for gradient in gradients)


@EVERY
@pytest.mark.usefixtures("form")
def test_find_gives_the_candidates_that_score_above_zero_in_order(kind: str) -> None:
    one = head(kind)
    table, expected = looped_scores(one, word_vectors()), []
    for row, i, j, of_type in product(range(len(MASK)), range(WORDS), range(WORDS), range(TYPES)):
        if (i, j) in places_of()[row] and table[row, of_type, i, j] > 0:
            expected.append([row, i, j + 1, of_type])
    found, probs = one.find(word_vectors(), MASK)
    assert found.places.tolist() == expected
    scores = torch.stack([table[row, of_type, start, end - 1] for row, start, end, of_type in expected])
    torch.testing.assert_close(probs, scores.sigmoid())


@EVERY
def test_spans_wider_than_the_limit_are_never_found(kind: str) -> None:
    one, free = head(kind, max_width=2), head(kind)
    wide = free.find(word_vectors(), MASK)[0].places
    kept = [place for place in wide.tolist() if place[2] - place[1] <= 2]
    assert one.find(word_vectors(), MASK)[0].places.tolist() == kept
    assert len(kept) < len(wide)


@EVERY
def test_span_probs_are_the_logistic_function_of_scores(kind: str) -> None:
    one = head(kind)
    expected = looped_scores(one, word_vectors()).sigmoid()
    torch.testing.assert_close(one.span_probs(word_vectors(), MASK), expected)


@EVERY
@pytest.mark.usefixtures("form")
def test_log_probs_are_the_tags_that_follow_from_scores(kind: str) -> None:
    one, vectors = head(kind, max_width=3), word_vectors().requires_grad_()
    found = one.log_probs(vectors, MASK)
    torch.testing.assert_close(found, spans.tag_log_probs(looped_scores(one, word_vectors(), 3), MASK))


@EVERY
def test_gradients_of_log_probs_by_blocks_are_those_of_the_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, vectors = head(kind), word_vectors().requires_grad_()

    def gradients() -> tuple[Tensor, ...]:
        tags = one.log_probs(vectors, MASK)
        value = tags.masked_fill(tags.detach().isneginf(), 0).square().sum()
        return torch.autograd.grad(value, [vectors, *one.parameters()])

    expected = gradients()
    in_tiles(monkeypatch, rows=2, again=True)
    torch.testing.assert_close(gradients(), expected)


def test_rotary_product_depends_on_the_distance_of_words_alone() -> None:
    query, key = torch.randn(2, 8, dtype=torch.float64)
    queries, keys = (turned(one.expand(1, 300, 8))[0] for one in (query, key))
    products = queries @ keys.t()
    for distance in (0, 1, 7, 200):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[0].expand_as(diagonal))
    assert products[0].std() > 0.1


@pytest.mark.parametrize("rotary", [True, False])
@pytest.mark.parametrize("kind", ["global", "efficient"])
def test_equal_words_are_told_apart_by_rotary_positions_alone(kind: str, rotary: bool) -> None:
    same = word_vectors()[:1, :1].expand(1, WORDS, DIM)
    table = head(kind, rotary=rotary).scores(same, MASK[:1])[0, 0]
    first = table[0]
    assert bool(first.max() - first.min() > 1e-3) is rotary
    torch.testing.assert_close(table[0, :3], table[2, 2:5])  # the same distances elsewhere


@EVERY
def test_adding_padding_of_any_content_changes_nothing(kind: str) -> None:
    one, vectors = head(kind, reading=1.0), word_vectors().requires_grad_()
    padding = torch.full((len(MASK), 3, DIM), torch.nan, dtype=torch.float64)
    longer, wider = torch.cat([vectors, padding], 1), torch.cat([MASK, torch.zeros(len(MASK), 3).bool()], 1)
    losses = one.loss(vectors, MASK, GOLD), one.loss(longer, wider, GOLD)
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, [vectors, *one.parameters()]) for loss in losses))
    torch.testing.assert_close(one.scores(longer, wider)[:, :, :WORDS, :WORDS], one.scores(vectors, MASK))
    torch.testing.assert_close(one.log_probs(longer, wider)[:, :WORDS], one.log_probs(vectors, MASK))
    assert torch.equal(one.find(longer, wider)[0].places, one.find(vectors, MASK)[0].places)


@EVERY
def test_content_of_words_that_are_not_counted_makes_no_difference(kind: str) -> None:
    one, vectors = head(kind), word_vectors()
    spoiled = vectors.masked_fill(~MASK[..., None], torch.nan)
    assert torch.equal(one.scores(spoiled, MASK), one.scores(vectors, MASK))
    assert torch.equal(one.loss(spoiled, MASK, GOLD), one.loss(vectors, MASK, GOLD))
    assert torch.equal(one.disagreement(spoiled, vectors, MASK), torch.zeros((), dtype=torch.float64))


@EVERY
@pytest.mark.parametrize("options", [{}, {"smoothing": 0.1}, {"reading": 1.0}])
@pytest.mark.usefixtures("form")
def test_losses_with_nothing_counted_are_zero_and_back_propagate(kind: str, options: dict[str, float]) -> None:
    one, vectors, nothing = head(kind, **options), word_vectors(), torch.zeros_like(MASK)
    probs = torch.full((len(MASK), TYPES, WORDS, WORDS), 0.5)
    for loss in (
        one.loss(vectors, nothing, GOLD),
        one.soft_loss(vectors, nothing, probs),
        one.disagreement(vectors, word_vectors(seed=2), nothing),
    ):
        one.zero_grad()
        torch.autograd.backward(loss)
        assert loss == 0
        assert all(parameter.grad is not None and (parameter.grad == 0).all() for parameter in one.parameters())


@EVERY
@pytest.mark.parametrize("options", [{}, {"smoothing": 0.1}, {"reading": 1.0}])
def test_sentences_without_any_words_are_accepted(kind: str, options: dict[str, float]) -> None:
    one, none = head(kind, **options), Spans(torch.zeros(0, 4).long())
    vectors, mask = torch.zeros(2, 0, DIM, dtype=torch.float64), torch.zeros(2, 0).bool()
    assert one.loss(vectors, mask, none) == 0
    assert one.soft_loss(vectors, mask, torch.zeros(2, TYPES, 0, 0)) == 0
    assert one.disagreement(vectors, vectors, mask) == 0
    assert one.log_probs(vectors, mask).shape == (2, 0, 1 + 2 * TYPES)
    assert one.span_probs(vectors, mask).shape == (2, TYPES, 0, 0)
    assert one.find(vectors, mask)[0].places.shape == (0, 4)


@EVERY
def test_sentences_without_gold_are_learned_from(kind: str) -> None:
    one, none = head(kind, reading=1.0), Spans(torch.zeros(0, 4).long())
    table, allowed = looped_scores(one, word_vectors()), spans.candidates(MASK)
    expected = soft_multilabel_loss(table, torch.zeros_like(table), allowed).sum()
    torch.testing.assert_close(one.loss(word_vectors(), MASK, none), expected)


@EVERY
def test_gold_over_the_only_word_is_left_out_where_it_is_not_counted(kind: str) -> None:
    nothing, only = torch.zeros(1, 1).bool(), Spans(torch.tensor([[0, 0, 1, 1]]))
    assert head(kind, reading=1.0).loss(word_vectors()[:1, :1], nothing, only) == 0


@EVERY
def test_count_is_of_sentences_with_a_counted_word(kind: str) -> None:
    assert head(kind).count(MASK) == 4


@EVERY
def test_bfloat16_autocast_stays_within_its_rounding(kind: str) -> None:
    one, vectors = head(kind).float(), word_vectors().float()
    expected = one.scores(vectors, MASK), one.loss(vectors, MASK, GOLD), one.log_probs(vectors, MASK)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = vectors.bfloat16()
        found = one.scores(rounded, MASK), one.loss(rounded, MASK, GOLD), one.log_probs(rounded, MASK)
    assert all(one.dtype == torch.float32 for one in found)
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.1)


def test_gold_of_another_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"row < 5.*found \[5, 0, 1, 0\]"):
        head("global").loss(word_vectors(), MASK, Spans(torch.tensor([[5, 0, 1, 0]])))


@EVERY
@pytest.mark.parametrize("reading", [0.0, 0.5])
def test_training_reaches_nested_spans(kind: str, reading: float) -> None:
    torch.manual_seed(0)
    option = {"head_dim": 16}
    one = KINDS[kind](16, TYPES, reading=reading, **option)
    vectors, mask = torch.randn(2, 7, 16), torch.ones(2, 7).bool()
    gold = Spans(torch.tensor([[0, 0, 5, 0], [0, 1, 3, 0], [0, 1, 3, 1], [1, 2, 3, 1], [1, 2, 7, 1]]))
    optimizer = torch.optim.Adam(one.parameters(), 0.03)
    for _ in range(80):
        optimizer.zero_grad()
        torch.autograd.backward(one.loss(vectors, mask, gold))
        optimizer.step()
    assert one.find(vectors, mask)[0].places.tolist() == gold.places.tolist()


@pytest.mark.gpu
@EVERY
def test_losses_on_a_gpu_match_the_cpu(kind: str) -> None:
    one, vectors = head(kind, reading=1.0), word_vectors().requires_grad_()

    def results(device: str) -> list[Tensor]:
        there, inputs, mask = one.to(device), vectors.to(device), MASK.to(device)
        loss = there.loss(inputs, mask, Spans(GOLD.places.to(device)))
        found, probs = there.find(inputs, mask)
        gradients = torch.autograd.grad(loss, [vectors, *there.parameters()])
        values = loss, found.places, probs, there.log_probs(inputs, mask), *gradients
        return [value.detach().cpu() for value in values]

    torch.testing.assert_close(results("cuda"), results("cpu"))


def test_likely_spans_are_those_of_the_whole_table_above_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    head = GlobalPointerHead(8, 3, head_dim=4)
    vectors, mask = torch.randn(2, 23, 8), torch.arange(23) < torch.tensor([[23], [11]])
    table = head.span_probs(vectors, mask)
    monkeypatch.setitem(pointer.TILE, "cpu", 1)
    spans, probs = head.likely(vectors, mask, 0.3)
    expected = (table > 0.3).nonzero()
    found = torch.stack([spans.places[:, 0], spans.places[:, 3], spans.places[:, 1], spans.places[:, 2] - 1], 1)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, expected.tolist()))
    row, label, start, end = found.T
    torch.testing.assert_close(probs, table[row, label, start, end])
