"""The CRF head against enumeration of all paths, against pytorch-crf, and against its own log-space form."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor
from torchcrf import CRF  # type: ignore[import-untyped]

from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import CrfHead, chain

BIO = TagSet(("LOC", "PER"))
# Padding on the right, a hole, a sentence that begins with a hole, one word, none.
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]).bool()
GOLD = torch.tensor([[1, 2, 0, 3], [3, 4, 4, 2], [1, 4, 2, 2], [2, 1, 4, 2], [4, 4, 0, 1], [2, 2, 2, 2]])


def crf(tagset: TagSet = BIO, *, dim: int | None = None, scale: float = 1.0) -> CrfHead:
    """A head with random scores in float64; without `dim` its vectors are the scores."""
    torch.manual_seed(3)
    head = CrfHead(dim or len(tagset), tagset.allowed_start(), tagset.allowed_transitions()).double()
    for scores in (head.start, head.end, head.transitions):
        torch.nn.init.normal_(scores, std=scale)
    if dim is None:
        head.project = torch.nn.Identity()  # type: ignore[assignment]
    return head


def free_pair(tags: int, seed: int = 5) -> tuple[CrfHead, CRF]:
    """Our head with every transition allowed and pytorch-crf with the same scores."""
    torch.manual_seed(seed)
    theirs = CRF(tags, batch_first=True).double()
    ours = CrfHead(tags, [True] * tags, [[True] * tags] * tags).double()
    ours.project = torch.nn.Identity()  # type: ignore[assignment]
    ours.start.data.copy_(theirs.start_transitions.data)
    ours.end.data.copy_(theirs.end_transitions.data)
    ours.transitions.data.copy_(theirs.transitions.data)
    return ours, theirs


def emissions(words: int = 4, tags: int = 5, scale: float = 1.0, batch: int = 6) -> Tensor:
    return scale * torch.randn(batch, words, tags, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def paths_of(head: CrfHead, scores: Tensor, tagset: TagSet = BIO) -> dict[tuple[int, ...], Tensor]:
    """Every allowed path over the words (words, tags) and its score, one by one."""
    first, follows = tagset.allowed_start(), tagset.allowed_transitions()
    paths = {}
    for path in product(range(len(tagset)), repeat=len(scores)):
        if first[path[0]] and all(follows[a][b] for a, b in pairwise(path)):
            total = head.start[path[0]] + head.end[path[-1]] + sum(scores[i, tag] for i, tag in enumerate(path))
            paths[path] = total + sum(head.transitions[a, b] for a, b in pairwise(path))
    return paths


def enumerated_loss(head: CrfHead, scores: Tensor) -> Tensor:
    """The loss of GOLD under MASK."""
    total = scores.new_zeros(())
    for row, counted in enumerate(MASK):
        if counted.any():
            paths = paths_of(head, scores[row][counted])
            total = total + torch.stack(list(paths.values())).logsumexp(0) - paths[tuple(GOLD[row][counted].tolist())]
    return total


def enumerated_marginals(head: CrfHead, scores: Tensor) -> Tensor:
    """(batch, words, tags) probabilities under MASK; zeros where it is False."""
    marginals = torch.zeros_like(scores)
    for row, counted in enumerate(MASK):
        if counted.any():
            paths = paths_of(head, scores[row][counted])
            chances = torch.stack(list(paths.values())).softmax(0)
            for path, chance in zip(paths, chances.detach(), strict=True):
                marginals[row, counted.nonzero()[:, 0], torch.tensor(path)] += chance
    return marginals


@pytest.fixture(params=["scaled", "log space"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to sum over paths; the second is what other devices and extreme scores get."""
    if request.param == "log space":
        monkeypatch.setattr(chain, "_scaled_prefixes", lambda *_: None)
    return str(request.param)


@pytest.mark.usefixtures("form")
def test_loss_matches_enumeration_with_padding_and_holes() -> None:
    head, scores = crf(), emissions()
    torch.testing.assert_close(head.loss(scores, MASK, GOLD), enumerated_loss(head, scores))


@pytest.mark.usefixtures("form")
def test_gradient_of_loss_matches_enumeration() -> None:
    head, scores = crf(), emissions().requires_grad_()
    inputs = [scores, head.start, head.end, head.transitions]
    ours = torch.autograd.grad(head.loss(scores, MASK, GOLD), inputs)
    torch.testing.assert_close(ours, torch.autograd.grad(enumerated_loss(head, scores), inputs))


@pytest.mark.usefixtures("form")
def test_marginals_match_enumeration_with_padding_and_holes() -> None:
    head, scores = crf(), emissions()
    expected = enumerated_marginals(head, scores)
    torch.testing.assert_close(head.log_probs(scores, MASK).exp() * MASK[..., None], expected)


def test_marginals_add_up_to_one() -> None:
    totals = crf().log_probs(emissions(), MASK).exp().sum(-1)
    torch.testing.assert_close(totals[MASK], torch.ones(int(MASK.sum()), dtype=torch.float64))


def test_log_probs_are_zero_where_the_mask_is_false() -> None:
    assert (crf().log_probs(emissions(), MASK)[~MASK] == 0).all()


def test_tags_that_cannot_begin_a_sentence_have_probability_zero() -> None:
    log_probs = crf().log_probs(emissions(), MASK)
    assert log_probs[0, 0].isneginf().tolist() == [False, False, True, False, True]


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_decode_matches_enumeration_with_padding_and_holes(scale: float) -> None:
    head, scores = crf(), emissions(scale=scale)
    decoded = head.decode(scores, MASK)
    for row, counted in enumerate(MASK[:-1]):
        paths = paths_of(head, scores[row][counted])
        best = max(paths, key=lambda path: paths[path].item())
        assert tuple(decoded[row][counted].tolist()) == best


def test_decode_gives_zero_where_the_mask_is_false() -> None:
    assert (crf().decode(emissions(), MASK)[~MASK] == 0).all()


def test_decode_gives_only_what_bio_allows() -> None:
    tagset = TagSet(("A", "B", "C"))
    decoded = crf(tagset).decode(emissions(words=50, tags=7, scale=10, batch=20), torch.ones(20, 50).bool())
    first, follows = tagset.allowed_start(), tagset.allowed_transitions()
    assert all(first[row[0]] and all(follows[a][b] for a, b in pairwise(row)) for row in decoded.tolist())


@pytest.mark.usefixtures("form")
def test_loss_and_gradients_match_pytorch_crf() -> None:
    ours, theirs = free_pair(9)
    scores, gold = emissions(words=20, tags=9, scale=3).requires_grad_(), torch.arange(120).reshape(6, 20) % 9
    mask = torch.arange(20) < torch.tensor([20, 13, 1, 7, 20, 2])[:, None]
    our_loss, their_loss = ours.loss(scores, mask, gold), -theirs(scores, gold, mask)
    torch.testing.assert_close(our_loss, their_loss)
    torch.testing.assert_close(
        torch.autograd.grad(our_loss, [scores, ours.start, ours.end, ours.transitions]),
        torch.autograd.grad(their_loss, [scores, theirs.start_transitions, theirs.end_transitions, theirs.transitions]),
    )


def test_decode_matches_pytorch_crf() -> None:
    ours, theirs = free_pair(9)
    scores, lengths = emissions(words=20, tags=9), torch.tensor([20, 13, 1, 7, 20, 2])
    mask = torch.arange(20) < lengths[:, None]
    decoded = ours.decode(scores, mask)
    assert [row[:length].tolist() for row, length in zip(decoded, lengths, strict=True)] == theirs.decode(scores, mask)


@pytest.mark.usefixtures("form")
def test_gradcheck_of_loss() -> None:
    head = crf(dim=3)
    vectors = emissions(tags=3).requires_grad_()

    def loss(vectors: Tensor, start: Tensor, end: Tensor, transitions: Tensor, weight: Tensor) -> Tensor:
        parameters = {"start": start, "end": end, "transitions": transitions, "project.weight": weight}
        named = {f"head.{name}": value for name, value in parameters.items()}
        found: Tensor = torch.func.functional_call(_Loss(head), named, (vectors,))
        return found

    assert torch.autograd.gradcheck(loss, (vectors, head.start, head.end, head.transitions, head.project.weight))


@pytest.mark.usefixtures("form")
def test_gradcheck_of_log_probs() -> None:
    head, vectors = crf(dim=3), emissions(tags=3).requires_grad_()
    possible = head.log_probs(vectors, MASK).isfinite()

    def log_probs(vectors: Tensor, *scores: Tensor) -> Tensor:
        return head.log_probs(vectors, MASK)[possible]

    assert torch.autograd.gradcheck(log_probs, (vectors, head.start, head.end, head.transitions))


class _Loss(torch.nn.Module):
    def __init__(self, head: CrfHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, vectors: Tensor) -> Tensor:
        return self.head.loss(vectors, MASK, GOLD)


def test_gradient_of_marginals_with_impossible_tags_is_finite() -> None:
    head, scores = crf(), emissions().requires_grad_()
    log_probs = head.log_probs(scores, MASK)
    grads = torch.autograd.grad(log_probs.exp().square().sum(), [scores, head.start, head.transitions])
    assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("scale", [30.0, 100.0, 1000.0])
def test_loss_with_scores_hundreds_apart_matches_log_space(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    head, scores = crf(), emissions(words=40, scale=scale).float().requires_grad_()
    gold, mask = torch.zeros(6, 40).long(), torch.ones(6, 40).bool()
    ours = head.loss(scores, mask, gold)
    gradient = torch.autograd.grad(ours, scores)
    monkeypatch.setattr(chain, "_scaled_prefixes", lambda *_: None)
    expected = head.loss(scores, mask, gold)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, scores), rtol=1e-5, atol=1e-6)


def test_loss_is_right_where_scores_and_constraints_contradict_each_other() -> None:
    """Every word's best tag is an I that its predecessor forbids, by far more than exponents can hold."""
    head, scores = crf(), torch.zeros(6, 4, 5, dtype=torch.float64)
    scores[:, 0::2, 2], scores[:, 1::2, 4], scores[:, :, 0] = 900.0, 900.0, -900.0
    torch.testing.assert_close(head.loss(scores, MASK, GOLD), enumerated_loss(head, scores))


def test_forbidden_gold_tags_have_infinite_loss() -> None:
    assert crf().loss(emissions(), MASK, torch.full_like(GOLD, 2)).isposinf()


def test_adding_padding_changes_nothing() -> None:
    head, scores = crf(), emissions()
    padding = torch.full((6, 3, 5), torch.nan, dtype=torch.float64)
    longer, wider = torch.cat([scores, padding], 1), torch.cat([MASK, torch.zeros(6, 3).bool()], 1)
    gold = torch.cat([GOLD, torch.full((6, 3), -100)], 1)
    assert torch.equal(head.loss(scores, MASK, GOLD), head.loss(longer, wider, gold))
    assert torch.equal(head.log_probs(scores, MASK), head.log_probs(longer, wider)[:, :4])
    assert torch.equal(head.decode(scores, MASK), head.decode(longer, wider)[:, :4])


def test_loss_with_nothing_counted_is_zero_and_back_propagates() -> None:
    head, scores = crf(dim=3), emissions(tags=3)
    loss = head.loss(scores, torch.zeros_like(MASK), GOLD)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == 0
    assert head.transitions.grad is not None
    assert (head.transitions.grad == 0).all()


def test_sentences_without_any_words_are_accepted() -> None:
    head, scores = crf(), torch.zeros(2, 0, 5, dtype=torch.float64)
    mask = torch.zeros(2, 0).bool()
    assert head.loss(scores, mask, mask.long()) == 0
    assert head.log_probs(scores, mask).shape == (2, 0, 5)
    assert head.decode(scores, mask).shape == (2, 0)


def test_sentences_of_one_word_match_a_softmax() -> None:
    head, scores = crf(), emissions(words=1)
    one = torch.ones(6, 1).bool()
    total = scores[:, 0] + head.start.masked_fill(head.forbidden_start, -torch.inf) + head.end
    torch.testing.assert_close(head.log_probs(scores, one)[:, 0], total.log_softmax(-1))


@pytest.mark.gpu
def test_loss_and_marginals_on_a_gpu_match_the_cpu() -> None:
    head, scores = crf(dim=3), emissions(tags=3).requires_grad_()

    def results(device: str) -> list[Tensor]:
        there = head.to(device)
        loss = there.loss(scores.to(device), MASK.to(device), GOLD.to(device))
        log_probs, decoded = (work(scores.to(device), MASK.to(device)) for work in (there.log_probs, there.decode))
        gradients = torch.autograd.grad(loss + log_probs.exp().square().sum(), [scores, there.transitions])
        return [value.detach().cpu() for value in (loss, log_probs, decoded, *gradients)]

    torch.testing.assert_close(results("cuda"), results("cpu"))


def test_results_are_float32_inside_autocast() -> None:
    head = crf(dim=3).float()
    vectors = emissions(tags=3).bfloat16()
    expected = head.loss(vectors.float(), MASK, GOLD), head.log_probs(vectors.float(), MASK)
    with torch.autocast("cpu", torch.bfloat16):
        found = head.loss(vectors, MASK, GOLD), head.log_probs(vectors, MASK)
    assert found[0].dtype == found[1].dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
