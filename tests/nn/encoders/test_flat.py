"""FLAT by tables of distances against the dense formula."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from benchmarks.dense_flat import dense_flat
from ner_distill.nn.encoders.flat import FlatTransformer, WordGroup
from ner_distill.nn.encoders.flat_attention import gathered_attention, strided_attention

DIM, HEADS, CHARS = 12, 3, 9
equal = functools.partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5)


def flat(layers: int = 1, *, dropout: float = 0.2, **options: object) -> FlatTransformer:
    """In evaluation mode; no bias is zero, and learned tables are no longer sinusoids."""
    torch.manual_seed(3)
    model = FlatTransformer(
        DIM,
        layers=layers,
        heads=HEADS,
        inner=20,
        dropout=dropout,
        max_distance=5,
        **options,  # type: ignore[arg-type]
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.3)
    return model.eval()


def sentences(*lengths: int, chars: int = CHARS) -> tuple[Tensor, Tensor]:
    """Vectors of characters and their mask."""
    vectors = torch.randn(len(lengths), chars, DIM, generator=torch.Generator().manual_seed(5))
    return vectors.requires_grad_(), torch.arange(chars) < torch.tensor(lengths)[:, None]


def lattice(lengths: Sequence[int], widths: Sequence[int] = (1, 2, 4), words: int = 4) -> list[WordGroup]:
    """Random words inside sentences of these lengths, some of them padding; the last group is all padding."""
    generator = torch.Generator().manual_seed(7)
    groups = []
    for width in widths:
        places = [torch.randint(max(1, length - width), (words,), generator=generator) for length in lengths]
        fits = torch.tensor([length > width for length in lengths])[:, None]
        mask = fits & (torch.rand(len(lengths), words, generator=generator) < 0.7)
        vectors = torch.randn(len(lengths), words, DIM, generator=generator).requires_grad_()
        groups.append(WordGroup(width, vectors, torch.stack(places), mask & (width != widths[-1])))
    return groups


def gradients(model: FlatTransformer, found: Tensor, inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """Of a random weighted sum of the result, by every input and parameter."""
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(11))
    return list(torch.autograd.grad((found * weights).sum(), [*inputs, *model.parameters()], allow_unused=True))


@pytest.mark.parametrize(
    ("fusion", "shared", "learned", "scaled"),
    list(itertools.product(["ff", "two", "attn", "gate"], [True, False], [True, False], [True, False])),
)
@pytest.mark.parametrize("layers", [1, 2])
def test_values_and_gradients_equal_the_dense_formula(
    layers: int, fusion: str, shared: bool, learned: bool, scaled: bool
) -> None:
    model = flat(layers, fusion=fusion, shared=shared, learned=learned, scaled=scaled)
    chars, mask = sentences(9, 6, 1)
    words = lattice((9, 6, 1))
    inputs = [chars, *(group.vectors for group in words)]
    found, wanted = model(chars, mask, words), dense_flat(model, chars, mask, words)
    equal(found, wanted)
    equal(gradients(model, found, inputs), gradients(model, wanted, inputs))


@pytest.mark.parametrize("layers", [1, 2])
def test_blocks_of_queries_equal_the_dense_formula(layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ner_distill.nn.encoders.flat_attention.CACHED_NUMBERS", 1
    )  # the smallest blocks: 16 queries, and a rest of 5
    model = flat(layers)
    chars, mask = sentences(37, 20, chars=37)
    words = lattice((37, 20))
    inputs = [chars, *(group.vectors for group in words)]
    found, wanted = model(chars, mask, words), dense_flat(model, chars, mask, words)
    equal(found, wanted)
    equal(gradients(model, found, inputs), gradients(model, wanted, inputs))


def test_a_long_sentence_equals_the_dense_formula_in_double_precision() -> None:
    model = flat(1, learned=True).double()  # sinusoids are float32 tables: learned ones are as exact as the rest
    chars, mask = sentences(140, 90, chars=140)
    chars = chars.detach().double().requires_grad_()
    words = [
        group._replace(vectors=group.vectors.detach().double().requires_grad_())
        for group in lattice((140, 90), widths=(1, 2, 3, 5), words=20)
    ]
    inputs = [chars, *(group.vectors for group in words)]
    found, wanted = model(chars, mask, words), dense_flat(model, chars, mask, words)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    pairs = zip(gradients(model, found, inputs), gradients(model, wanted, inputs), strict=True)
    for ours, dense in pairs:
        torch.testing.assert_close(ours, dense, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("layers", [1, 2])
def test_without_words_the_result_is_the_dense_one(layers: int) -> None:
    model = flat(layers)
    chars, mask = sentences(9, 4)
    equal(model(chars, mask, []), dense_flat(model, chars, mask, []))


def test_groups_of_no_words_change_nothing() -> None:
    model = flat(2)
    chars, mask = sentences(9, 4)
    nothing = WordGroup(3, torch.zeros(2, 0, DIM), torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, 0) > 0)
    torch.testing.assert_close(model(chars, mask, [nothing]), model(chars, mask, []))


@pytest.mark.parametrize("layers", [1, 2])
def test_one_character_under_sixty_words_equals_the_dense_formula(layers: int) -> None:
    model = flat(layers)
    chars, mask = sentences(1, chars=1)
    words = lattice((1,), widths=(0, 9), words=60)
    words[0] = words[0]._replace(mask=torch.ones(1, 60, dtype=torch.bool))
    inputs = [chars, words[0].vectors]
    found, wanted = model(chars, mask, words), dense_flat(model, chars, mask, words)
    equal(found, wanted)
    equal(gradients(model, found, inputs), gradients(model, wanted, inputs))


def test_words_longer_than_learned_tables_reach_equal_the_dense_formula() -> None:
    model = flat(2, learned=True, shared=False)
    chars, mask = sentences(9)
    words = lattice((9,), widths=(8, 7, 1))
    equal(model(chars, mask, words), dense_flat(model, chars, mask, words))


def test_fixed_tables_are_the_same_whether_shared_or_not() -> None:
    chars, mask = sentences(9, 6)
    words = lattice((9, 6))
    together, apart = flat(2, shared=True), flat(2, shared=False)
    torch.testing.assert_close(together(chars, mask, words), apart(chars, mask, words))


def test_learned_tables_begin_as_the_fixed_ones() -> None:
    options = {"layers": 1, "heads": HEADS, "inner": 20, "dropout": 0.0}
    fixed = FlatTransformer(DIM, **options).eval()  # type: ignore[arg-type]
    learned = FlatTransformer(DIM, learned=True, shared=False, **options).eval()  # type: ignore[arg-type]
    learned.load_state_dict(fixed.state_dict(), strict=False)
    chars, mask = sentences(9, 6)
    words = lattice((9, 6))
    torch.testing.assert_close(learned(chars, mask, words), fixed(chars, mask, words))


@pytest.mark.parametrize("layers", [1, 2])
def test_padding_and_neighbours_in_the_batch_do_not_change_a_sentence(layers: int) -> None:
    model = flat(layers)
    chars, mask = sentences(4, 9)
    words = lattice((4, 9))
    alone = [WordGroup(group.width, group.vectors[:1], group.heads[:1], group.mask[:1]) for group in words]
    found = model(chars, mask, words)[0, :4]
    equal(found, model(chars[:1, :4], mask[:1, :4], alone)[0])


@pytest.mark.parametrize("layers", [1, 2])
def test_what_stands_in_padding_does_not_matter(layers: int) -> None:
    model = flat(layers)
    chars, mask = sentences(9, 5)
    words = lattice((9, 5))
    other = [
        group._replace(
            vectors=group.vectors.masked_fill(~group.mask[..., None], 1e4),
            heads=group.heads.masked_fill(~group.mask, CHARS - 1),
        )
        for group in words
    ]
    found = model(chars.masked_fill(~mask[..., None], 1e4), mask, other)
    equal(found, model(chars, mask, words))


def test_rows_outside_the_mask_are_zero() -> None:
    chars, mask = sentences(9, 5, 0)
    found = flat(2)(chars, mask, lattice((9, 5, 0)))
    assert (found[~mask] == 0).all()
    assert (found[mask] != 0).any()


@pytest.mark.parametrize("layers", [1, 2])
def test_a_batch_with_nothing_in_it_has_zero_gradients(layers: int) -> None:
    model = flat(layers)
    chars, mask = sentences(0, 0)
    found = model(chars, mask, lattice((0, 0)))
    (gradient,) = torch.autograd.grad(found.sum(), [chars])
    assert (found == 0).all()
    assert (gradient == 0).all()


def test_the_order_of_words_and_of_groups_does_not_matter() -> None:
    model = flat(2)
    chars, mask = sentences(9, 6)
    words = lattice((9, 6))
    turned = [WordGroup(group.width, *(part.flip(1) for part in group[1:])) for group in reversed(words)]
    equal(model(chars, mask, turned), model(chars, mask, words))


def test_a_word_is_told_by_its_width_and_place() -> None:
    model = flat()
    chars, mask = sentences(9)
    word = WordGroup(2, torch.ones(1, 1, DIM), torch.tensor([[3]]), torch.ones(1, 1, dtype=torch.bool))
    here = model(chars, mask, [word])
    assert (model(chars, mask, [word._replace(width=3)]) - here).abs().max() > 1e-3
    assert (model(chars, mask, [word._replace(heads=torch.tensor([[4]]))]) - here).abs().max() > 1e-3


@pytest.mark.parametrize("shape", [(2, 0), (0, 3)])
def test_no_characters_give_no_vectors(shape: tuple[int, int]) -> None:
    assert flat(2)(torch.zeros(*shape, DIM), torch.zeros(shape, dtype=torch.bool), []).shape == (*shape, DIM)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("way", ["autocast", "weights"])
def test_bfloat16_is_within_its_rounding(layers: int, way: str) -> None:
    model = flat(layers, scaled=True)
    for parameter in model.parameters():  # of the size that weights have; rounding grows with it
        parameter.data /= 2
    chars, mask = sentences(9, 6)
    words = lattice((9, 6))
    wanted = dense_flat(model, chars, mask, words)
    (expected,) = torch.autograd.grad(wanted.square().sum(), [chars])
    if way == "weights":
        model.bfloat16()
        words = [group._replace(vectors=group.vectors.bfloat16()) for group in words]
    with torch.autocast("cpu", torch.bfloat16, enabled=way == "autocast"):
        found = model(chars if way == "autocast" else chars.bfloat16(), mask, words).float()
    (gradient,) = torch.autograd.grad(found.square().sum(), [chars])
    assert (found - wanted).norm() < 0.03 * wanted.norm()
    assert (gradient - expected).norm() < 0.06 * expected.norm()


Attention = Callable[..., Tensor]


def attention_of(form: Attention, dropout: float) -> tuple[Attention, list[Tensor]]:
    """The attention of two sentences to words of two classes as a function of five tensors, and these."""
    chars, counts = 18, (2, 1)
    heads = [torch.tensor([[0, 17], [4, 4]]), torch.tensor([[3], [9]])]
    mask = torch.ones(2, chars + sum(counts), dtype=torch.bool)
    mask[1, 12:chars] = mask[0, -1] = False
    shapes = [(1, 2, chars, 2)] * 2 + [(1, 2, chars + sum(counts), 2)] * 2 + [(3, 1, 2 * chars - 1, 2)]
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_() for shape in shapes]

    def attention(content: Tensor, query: Tensor, key: Tensor, value: Tensor, distances: Tensor) -> Tensor:
        torch.manual_seed(2)  # the same weights are dropped at every call
        return form((content, query), (key, value), distances, mask, heads, dropout=dropout)

    return attention, inputs


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_of_the_attention_of_characters_equal_finite_differences(
    dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ner_distill.nn.encoders.flat_attention.CACHED_NUMBERS", 1)
    attention, inputs = attention_of(strided_attention, dropout)
    assert torch.autograd.gradcheck(attention, inputs, fast_mode=True)


@pytest.mark.parametrize("numbers", [1, 2**19])
def test_the_fast_attention_of_characters_is_the_plain_one(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ner_distill.nn.encoders.flat_attention.CACHED_NUMBERS", numbers)
    (fast, inputs), (plain, others) = attention_of(strided_attention, 0.0), attention_of(gathered_attention, 0.0)
    found, wanted = fast(*inputs), plain(*others)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        torch.autograd.grad(found.square().sum(), inputs), torch.autograd.grad(wanted.square().sum(), others)
    )


def test_dropped_attention_weights_leave_the_mean_unchanged() -> None:
    key = torch.zeros(1, 1, 4000, 2)
    distances = torch.zeros(2, 1, 1, 2)
    heads, mask = torch.zeros(1, 3999, dtype=torch.long), torch.ones(1, 4000, dtype=torch.bool)
    query = torch.zeros(1, 1, 1, 2)
    torch.manual_seed(0)
    found = strided_attention((query, query), (key, torch.ones_like(key)), distances, mask, [heads], dropout=0.3)
    torch.testing.assert_close(found, torch.ones_like(found), atol=0.05, rtol=0)
    assert (found != 1).all()


def test_dropout_acts_while_training_only() -> None:
    model = flat(2, dropout=0.5)
    chars, mask = sentences(9)
    words = lattice((9,))
    torch.testing.assert_close(model(chars, mask, words), model(chars, mask, words), rtol=0, atol=0)
    model.train()
    assert (model(chars, mask, words) - model(chars, mask, words)).abs().max() > 1e-3


def test_every_parameter_has_a_finite_gradient_while_training() -> None:
    model = flat(2, fusion="gate", learned=True, shared=False).train()
    chars, mask = sentences(9, 0)
    model(chars, mask, lattice((9, 0))).pow(3).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
