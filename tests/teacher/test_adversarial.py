from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from ner_distill.errors import ConfigError
from ner_distill.nn.scratch import ScratchEncoder, WordEmbedding
from ner_distill.teacher.adversarial import ADVERSARIES, FgmOnVectors, FgmOnWeights

IDS = torch.tensor([[1, 2, 3, 1], [4, 5, 0, 0], [2, 2, 6, 0]])
MASK = IDS != 0
TARGETS = torch.tensor([[0, 1, 2, 0], [1, 1, 0, 0], [2, 0, 1, 0]])


class Toy(nn.Module):
    """Words that see each other through a masked mean; `twice` embeds the sentence a second time, reversed."""

    def __init__(self, *, twice: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(7, 5)
        self.mix = nn.Linear(5, 5)
        self.head = nn.Linear(5, 3)
        self.twice = twice

    def forward(self, ids: Tensor) -> Tensor:
        embedded = [self.embedding(ids)]
        if self.twice:
            embedded.append(self.embedding(ids.flip(1)).flip(1))
        return self.loss(embedded, ids)

    def loss(self, embedded: list[Tensor], ids: Tensor) -> Tensor:
        mask = (ids != 0)[..., None]
        vectors = sum((2 + place) * one for place, one in enumerate(embedded)) * mask
        mean = vectors.sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        logits = self.head((self.mix(vectors) * mean).tanh())
        negative = -logits.log_softmax(-1).gather(-1, TARGETS[: len(ids), :, None])
        return (negative * mask).sum()


def gradients_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def by_autograd(model: Toy, *, epsilon: float) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Plain gradient + gradient at the perturbed embedding, one norm per sentence; and the perturbations."""
    parameters = dict(model.named_parameters())

    def grads(value: Tensor, by: list[Tensor], **more: bool) -> list[Tensor]:
        return list(torch.autograd.grad(value, by, **more))

    embedded = [model.embedding(IDS)]
    if model.twice:
        embedded.append(model.embedding(IDS.flip(1)).flip(1))
    value = model.loss(embedded, IDS)
    by_embedded = grads(value, embedded, retain_graph=True)
    plain = grads(value, list(parameters.values()))
    moves = []
    for by_one in by_embedded:
        move = torch.zeros_like(by_one)
        for row in range(len(IDS)):
            move[row] = epsilon * by_one[row] / by_one[row].square().sum().sqrt()
        moves.append(move)
    again = [model.embedding(IDS)]
    if model.twice:
        again.append(model.embedding(IDS.flip(1)).flip(1))
    moved = model.loss([one + move for one, move in zip(again, moves, strict=True)], IDS)
    second = grads(moved, list(parameters.values()))
    return {name: a + b for name, a, b in zip(parameters, plain, second, strict=True)}, moves


def backward(value: Tensor) -> None:
    value.backward()


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def adversary(on: str, model: Toy, **settings: float):
    return ADVERSARIES[on]([model.embedding], **settings)


def no_hooks(model: nn.Module) -> bool:
    return not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


# ---- on vectors


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("epsilon", [1.0, 0.3])
def test_fgm_on_vectors_is_the_plain_gradient_plus_that_at_the_perturbed_embedding(twice, epsilon):
    model = Toy(twice=twice)
    wanted, _ = by_autograd(model, epsilon=epsilon)
    FgmOnVectors([model.embedding], epsilon=epsilon).backward(lambda: model(IDS), backward)
    torch.testing.assert_close(gradients_of(model), wanted)


def embedded_in_each_pass(model: Toy, attack) -> list[Tensor]:
    seen = []
    loss = model.loss
    model.loss = lambda embedded, ids: seen.append(embedded[0].detach().clone()) or loss(embedded, ids)
    attack.backward(lambda: model(IDS), backward)
    return seen


def test_every_sentence_moves_by_epsilon_in_the_direction_of_its_own_gradient():
    model = Toy()
    _, (wanted,) = by_autograd(model, epsilon=0.7)
    plain, moved = embedded_in_each_pass(model, FgmOnVectors([model.embedding], epsilon=0.7))
    torch.testing.assert_close(moved - plain, wanted, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close((moved - plain).flatten(1).norm(dim=1), torch.full((3,), 0.7))


def test_padding_is_not_moved():
    model = Toy()
    plain, moved = embedded_in_each_pass(model, FgmOnVectors([model.embedding]))
    assert torch.equal(moved[~MASK], plain[~MASK])


def test_padding_of_the_scratch_encoder_is_not_moved():
    embedding = WordEmbedding(7, dim=6, unknown=0.0)
    encoder = ScratchEncoder(embedding, hidden=8, layers=1, heads=2, dropout=0.0, embedding_dropout=0.0)
    outputs = []
    encoder.projection.register_forward_pre_hook(lambda _module, inputs: outputs.append(inputs[0].detach().clone()))
    inputs = {"words": IDS, "mask": MASK}
    FgmOnVectors([encoder.embedding]).backward(lambda: encoder(inputs).square().sum(), backward)
    plain, moved = outputs
    assert torch.equal(moved[~MASK], plain[~MASK])
    assert (moved[MASK] != plain[MASK]).any()


def test_a_sentence_gets_the_same_perturbation_in_any_batch():
    model = Toy()
    attack = FgmOnVectors([model.embedding])
    attack.backward(lambda: model(IDS), backward)
    together = gradients_of(model)
    model.zero_grad()
    for row in range(len(IDS)):
        attack.backward(lambda row=row: alone(model, row), backward)
    torch.testing.assert_close(gradients_of(model), together, rtol=1e-4, atol=1e-6)


def alone(model: Toy, row: int) -> Tensor:
    mask = MASK[row : row + 1, :, None]
    vectors = 2 * model.embedding(IDS[row : row + 1]) * mask
    mean = vectors.sum(1, keepdim=True) / mask.sum(1, keepdim=True)
    logits = model.head((model.mix(vectors) * mean).tanh())
    return -(logits.log_softmax(-1).gather(-1, TARGETS[row : row + 1, :, None]) * mask).sum()


def test_a_row_without_gradient_does_not_move():
    model = Toy()
    seen = []

    def loss():
        embedded = model.embedding(IDS)
        seen.append(embedded.detach().clone())
        return embedded[:2].square().sum()

    FgmOnVectors([model.embedding]).backward(loss, backward)
    assert torch.equal(seen[1][2], seen[0][2])
    assert not torch.equal(seen[1][0], seen[0][0])


def test_two_embeddings_are_perturbed_each_by_its_own_gradient():
    first, second = nn.Embedding(7, 5), nn.Embedding(7, 5)
    seen = []

    def loss():
        one, other = first(IDS), second(IDS)
        seen.append((one.detach().clone(), other.detach().clone()))
        return one.pow(3).sum() + 1e-3 * other.pow(3).sum()

    FgmOnVectors([first, second]).backward(loss, backward)
    for plain, moved in zip(*seen, strict=True):
        torch.testing.assert_close((moved - plain).flatten(1).norm(dim=1), torch.ones(3), rtol=1e-4, atol=1e-5)


# ---- on weights


def weights_by_autograd(model: Toy, *, epsilon: float) -> dict[str, Tensor]:
    parameters = dict(model.named_parameters())
    plain = torch.autograd.grad(model(IDS), list(parameters.values()))
    move = dict(zip(parameters, plain, strict=True))["embedding.weight"]
    moved = {**parameters, "embedding.weight": parameters["embedding.weight"] + epsilon * move / move.norm()}
    second = torch.autograd.grad(functional_call(model, moved, (IDS,)), list(parameters.values()))
    return {name: a + b for name, a, b in zip(parameters, plain, second, strict=True)}


@pytest.mark.parametrize("epsilon", [1.0, 0.3])
def test_fgm_on_weights_is_the_plain_gradient_plus_that_at_the_perturbed_matrix(epsilon):
    model = Toy()
    wanted = weights_by_autograd(model, epsilon=epsilon)
    FgmOnWeights([model.embedding], epsilon=epsilon).backward(lambda: model(IDS), backward)
    torch.testing.assert_close(gradients_of(model), wanted)


def test_fgm_on_weights_takes_its_direction_from_this_batch_alone():
    model = Toy()
    wanted = weights_by_autograd(model, epsilon=1.0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 100
    before = gradients_of(model)
    FgmOnWeights([model.embedding]).backward(lambda: model(IDS), backward)
    added = {name: gradient - before[name] for name, gradient in gradients_of(model).items()}
    torch.testing.assert_close(added, wanted, rtol=1e-3, atol=1e-3)


def test_fgm_on_weights_finds_every_matrix_once():
    embedding = WordEmbedding(7, dim=6, chars=9, bigrams=8)
    assert len(FgmOnWeights([embedding, embedding]).matrices) == 3


# ---- both


@pytest.mark.parametrize("on", ADVERSARIES)
def test_the_gradient_is_added_to_what_is_there(on):
    fresh, used = Toy(), Toy()
    adversary(on, fresh).backward(lambda: fresh(IDS), backward)
    for parameter in used.parameters():
        parameter.grad = torch.ones_like(parameter)
    adversary(on, used).backward(lambda: used(IDS), backward)
    wanted = {name: gradient + 1 for name, gradient in gradients_of(fresh).items()}
    torch.testing.assert_close(gradients_of(used), wanted)


@pytest.mark.parametrize("on", ADVERSARIES)
def test_the_plain_loss_is_returned_without_a_graph(on):
    model = Toy()
    value = adversary(on, model).backward(lambda: model(IDS), backward)
    assert torch.equal(value, model(IDS).detach())
    assert not value.requires_grad


@pytest.mark.parametrize("on", ADVERSARIES)
def test_parameters_are_bit_identical_afterwards(on):
    model = Toy()
    before = snapshot(model)
    adversary(on, model, epsilon=1 / 3).backward(lambda: model(IDS), backward)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("on", ADVERSARIES)
def test_an_exception_in_either_pass_leaves_no_hook_and_the_parameters_as_they_were(on, failing):
    model = Toy()
    before, calls = snapshot(model), []

    def loss():
        calls.append(model(IDS))
        if len(calls) == failing:
            raise RuntimeError("out of memory")
        return calls[-1]

    with pytest.raises(RuntimeError, match="out of memory"):
        adversary(on, model).backward(loss, backward)
    assert no_hooks(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("on", ADVERSARIES)
def test_no_hook_stays(on):
    model = Toy()
    adversary(on, model).backward(lambda: model(IDS), backward)
    assert no_hooks(model)


def test_a_model_without_an_embedding_is_refused():
    with pytest.raises(ConfigError, match="no embedding to perturb"):
        FgmOnVectors([])


@pytest.mark.parametrize("modules", [[], [nn.Linear(2, 2)]])
def test_a_model_without_an_embedding_matrix_is_refused(modules):
    with pytest.raises(ConfigError, match="no embedding matrix to perturb"):
        FgmOnWeights(modules)


@pytest.mark.parametrize("on", ADVERSARIES)
def test_an_embedding_that_takes_no_part_in_the_loss_is_an_error(on):
    model, other = Toy(), nn.Embedding(3, 3)
    with pytest.raises(ConfigError, match="took no part"):
        ADVERSARIES[on]([other]).backward(lambda: model(IDS), backward)
