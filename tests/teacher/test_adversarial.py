from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.scratch import ScratchEncoder, WordEmbedding
from ner_distill.nn.heads import CrfHead
from ner_distill.teacher.adversarial import PLACES, Fgm, FreeLb, Pgd, Vat
from ner_distill.teacher.perturbations import OnVectors, OnWeights
from tests.pipelines.training import UNEQUAL, new_fit, new_teacher, watch_gradients

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


METHODS = {"fgm": Fgm, "pgd": Pgd, "freelb": FreeLb}


def adversary(kind: str, on: str, model: Toy, **settings: float):
    return made(kind, on, [model.embedding], **settings)


def made(kind: str, on: str, embeddings: list[nn.Module], **settings: float):
    values = {"epsilon": 1.0} if kind == "fgm" else {"epsilon": 1.0, "alpha": 0.3, "steps": 3}
    changed = {key: value for key, value in settings.items() if key in values}
    return METHODS[kind](PLACES[on](embeddings), **values | changed)


def no_hooks(model: nn.Module) -> bool:
    return not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


# ---- on vectors


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("epsilon", [1.0, 0.3])
def test_fgm_on_vectors_is_the_plain_gradient_plus_that_at_the_perturbed_embedding(twice, epsilon):
    model = Toy(twice=twice)
    wanted, _ = by_autograd(model, epsilon=epsilon)
    Fgm(OnVectors([model.embedding]), epsilon=epsilon).backward(lambda: model(IDS), backward)
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
    plain, moved = embedded_in_each_pass(model, Fgm(OnVectors([model.embedding]), epsilon=0.7))
    torch.testing.assert_close(moved - plain, wanted, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close((moved - plain).flatten(1).norm(dim=1), torch.full((3,), 0.7))


def test_padding_is_not_moved():
    model = Toy()
    plain, moved = embedded_in_each_pass(model, Fgm(OnVectors([model.embedding])))
    assert torch.equal(moved[~MASK], plain[~MASK])


def test_padding_of_the_scratch_encoder_is_not_moved():
    embedding = WordEmbedding(7, dim=6, unknown=0.0)
    encoder = ScratchEncoder(embedding, hidden=8, layers=1, heads=2, dropout=0.0, embedding_dropout=0.0)
    outputs = []
    encoder.projection.register_forward_pre_hook(lambda _module, inputs: outputs.append(inputs[0].detach().clone()))
    inputs = {"words": IDS, "mask": MASK}
    Fgm(OnVectors([encoder.embedding])).backward(lambda: encoder(inputs).square().sum(), backward)
    plain, moved = outputs
    assert torch.equal(moved[~MASK], plain[~MASK])
    assert (moved[MASK] != plain[MASK]).any()


def test_a_sentence_gets_the_same_perturbation_in_any_batch():
    model = Toy()
    attack = Fgm(OnVectors([model.embedding]))
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

    Fgm(OnVectors([model.embedding])).backward(loss, backward)
    assert torch.equal(seen[1][2], seen[0][2])
    assert not torch.equal(seen[1][0], seen[0][0])


def test_two_embeddings_are_perturbed_each_by_its_own_gradient():
    first, second = nn.Embedding(7, 5), nn.Embedding(7, 5)
    seen = []

    def loss():
        one, other = first(IDS), second(IDS)
        seen.append((one.detach().clone(), other.detach().clone()))
        return one.pow(3).sum() + 1e-3 * other.pow(3).sum()

    Fgm(OnVectors([first, second])).backward(loss, backward)
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
    Fgm(OnWeights([model.embedding]), epsilon=epsilon).backward(lambda: model(IDS), backward)
    torch.testing.assert_close(gradients_of(model), wanted)


def test_fgm_on_weights_takes_its_direction_from_this_batch_alone():
    model = Toy()
    wanted = weights_by_autograd(model, epsilon=1.0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 100
    before = gradients_of(model)
    Fgm(OnWeights([model.embedding])).backward(lambda: model(IDS), backward)
    added = {name: gradient - before[name] for name, gradient in gradients_of(model).items()}
    torch.testing.assert_close(added, wanted, rtol=1e-3, atol=1e-3)


def test_fgm_on_weights_finds_every_matrix_once():
    embedding = WordEmbedding(7, dim=6, chars=9, bigrams=8)
    assert len(OnWeights([embedding, embedding]).matrices) == 3


def in_place(model: nn.Module, kind: str, *, epsilon: float, alpha: float, steps: int) -> dict[str, Tensor]:
    """The gradients of the loop that is usual in published code: parameters of embeddings are moved and put back."""

    def attack(length: float) -> None:
        for name, parameter in model.named_parameters():
            if "embedding" in name and parameter.grad.norm() > 0:
                parameter.data.add_(length * parameter.grad / parameter.grad.norm())
                move = parameter.data - backup[name]
                if move.norm() > epsilon:
                    parameter.data = backup[name] + epsilon * move / move.norm()

    model(IDS).backward()
    backup = {name: parameter.data.clone() for name, parameter in model.named_parameters()}
    plain = gradients_of(model)
    for _ in range(1 if kind == "fgm" else steps):
        attack(epsilon if kind == "fgm" else alpha)
        model.zero_grad()
        model(IDS).backward()
    return {name: plain[name] + gradient for name, gradient in gradients_of(model).items()}


class TwoTables(Toy):
    """Words with a second table, of which one row is padding."""

    def __init__(self) -> None:
        super().__init__()
        self.other_embedding = nn.Embedding(7, 5, padding_idx=0)

    def forward(self, ids: Tensor) -> Tensor:
        return self.loss([self.embedding(ids) + 3 * self.other_embedding(ids)], ids)


@pytest.mark.parametrize("kind", ["fgm", "pgd"])
@pytest.mark.parametrize("climbs", [{"epsilon": 1.0, "alpha": 0.3}, {"epsilon": 0.5, "alpha": 0.4}])
def test_on_weights_is_the_usual_loop_over_parameters_with_a_norm_for_each_matrix(kind, climbs):
    wanted = in_place(TwoTables(), kind, steps=3, **climbs)
    model = TwoTables()
    attack = made(kind, "weights", [model.embedding, model.other_embedding], steps=3, **climbs)
    attack.backward(lambda: model(IDS), backward)
    torch.testing.assert_close(gradients_of(model), wanted, rtol=1e-4, atol=1e-5)


# ---- several steps


def along_the_climb(model: Toy, on: str, *, epsilon: float, alpha: float, steps: int) -> list[dict[str, Tensor]]:
    """Gradients of all parameters at r = 0 and after each of the steps, by autograd alone."""
    parameters = dict(model.named_parameters())
    moves, found = None, []
    for _ in range(steps + 1):
        if on == "weights":
            points = [parameters["embedding.weight"] + (moves[0] if moves else 0)]
            value = functional_call(model, {**parameters, "embedding.weight": points[0]}, (IDS,))
        else:
            points = [model.embedding(IDS)] + ([model.embedding(IDS.flip(1)).flip(1)] if model.twice else [])
            points = [point + move for point, move in zip(points, moves or [0.0, 0.0], strict=False)]
            value = model.loss(points, IDS)
        gradients = torch.autograd.grad(value, [*parameters.values(), *points])
        found.append(dict(zip(parameters, gradients, strict=False)))
        slopes = gradients[len(parameters) :]
        moves = [climb(old, slope, on, epsilon, alpha) for old, slope in zip(moves or [0.0, 0.0], slopes, strict=False)]
    return found


def climb(move: Tensor | float, slope: Tensor, on: str, epsilon: float, alpha: float) -> Tensor:
    end = torch.zeros_like(slope) + move
    for part, by in [(end, slope)] if on == "weights" else zip(end, slope, strict=True):
        part += alpha * by / by.square().sum().sqrt()
        length = part.square().sum().sqrt()
        if length > epsilon:
            part *= epsilon / length
    return end


CLIMBS = [{"epsilon": 1.0, "alpha": 0.3}, {"epsilon": 0.5, "alpha": 0.4}]  # inside the ball, and stopped by it
MODELS = [("vectors", False), ("vectors", True), ("weights", False)]


@pytest.mark.parametrize(("on", "twice"), MODELS)
@pytest.mark.parametrize("climbs", CLIMBS)
@pytest.mark.parametrize("steps", [1, 3])
def test_pgd_is_the_plain_gradient_plus_that_at_the_last_step(on, twice, climbs, steps):
    model = Toy(twice=twice)
    plain, *_, last = along_the_climb(model, on, steps=steps, **climbs)
    Pgd(PLACES[on]([model.embedding]), steps=steps, **climbs).backward(lambda: model(IDS), backward)
    wanted = {name: plain[name] + last[name] for name in plain}
    torch.testing.assert_close(gradients_of(model), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("on", "twice"), MODELS)
@pytest.mark.parametrize("climbs", CLIMBS)
@pytest.mark.parametrize("steps", [2, 3])
def test_freelb_is_the_mean_gradient_along_the_climb_beginning_with_the_plain_one(on, twice, climbs, steps):
    model = Toy(twice=twice)
    *counted, _ = along_the_climb(model, on, steps=steps, **climbs)
    FreeLb(PLACES[on]([model.embedding]), steps=steps, **climbs).backward(lambda: model(IDS), backward)
    wanted = {name: sum(one[name] for one in counted) / steps for name in counted[0]}
    torch.testing.assert_close(gradients_of(model), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("epsilon", [2.0, 0.5])
def test_on_a_linear_loss_pgd_goes_straight_to_the_border_of_the_ball(epsilon):
    embedding, slope = nn.Embedding(7, 5), torch.randn(3, 4, 5)
    seen = []

    def loss():
        embedded = embedding(IDS)
        seen.append(embedded.detach().clone())
        return (embedded * slope).sum()

    Pgd(OnVectors([embedding]), epsilon=epsilon, alpha=0.3, steps=3).backward(loss, backward)
    for number, vectors in enumerate(seen):
        length = min(0.3 * number, epsilon)
        wanted = length * slope / slope.square().sum((1, 2), keepdim=True).sqrt()
        torch.testing.assert_close(vectors - seen[0], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [Pgd, FreeLb])
def test_no_pass_leaves_the_ball(make):
    model = Toy()
    plain, *others = embedded_in_each_pass(model, make(OnVectors([model.embedding]), epsilon=0.5, alpha=0.4, steps=5))
    lengths = torch.stack([(other - plain).flatten(1).norm(dim=1) for other in others])
    assert (lengths <= 0.5 * (1 + 1e-5)).all()
    assert (lengths[-1] > 0.49).all()


@pytest.mark.parametrize("on", PLACES)
def test_one_step_of_pgd_over_the_whole_ball_is_fgm(on):
    one, other = Toy(), Toy()
    adversary("fgm", on, one, epsilon=0.7).backward(lambda: one(IDS), backward)
    adversary("pgd", on, other, epsilon=0.7, alpha=0.7, steps=1).backward(lambda: other(IDS), backward)
    torch.testing.assert_close(gradients_of(one), gradients_of(other))


# ---- all that run passes of the loss

KINDS = list(METHODS)
PASSES = {"fgm": (2, 2), "pgd": (4, 2), "freelb": (3, 3)}  # forward passes, and those backward through the parameters
all_of_them = pytest.mark.parametrize(("kind", "on"), [(kind, on) for kind in KINDS for on in PLACES])


@all_of_them
def test_each_method_costs_the_passes_that_theory_says(kind, on):
    model, values, whole = Toy(), [], []

    def loss():
        values.append(model(IDS))
        return values[-1]

    def counted(value):
        whole.append(value)
        value.backward()

    adversary(kind, on, model).backward(loss, counted)
    assert (len(values), len(whole)) == PASSES[kind]


@all_of_them
def test_the_gradient_is_added_to_what_is_there(kind, on):
    fresh, used = Toy(), Toy()
    adversary(kind, on, fresh).backward(lambda: fresh(IDS), backward)
    for parameter in used.parameters():
        parameter.grad = torch.ones_like(parameter)
    adversary(kind, on, used).backward(lambda: used(IDS), backward)
    wanted = {name: gradient + 1 for name, gradient in gradients_of(fresh).items()}
    torch.testing.assert_close(gradients_of(used), wanted)


@all_of_them
def test_the_plain_loss_is_returned_without_a_graph(kind, on):
    model = Toy()
    value = adversary(kind, on, model).backward(lambda: model(IDS), backward)
    assert torch.equal(value, model(IDS).detach())
    assert not value.requires_grad


def assert_untouched(model: nn.Module, before: dict[str, Tensor], parameters: list[nn.Parameter]) -> None:
    assert all(now is then for now, then in zip(model.parameters(), parameters, strict=True))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert no_hooks(model)


@all_of_them
def test_parameters_are_the_same_and_bit_identical_afterwards(kind, on):
    model = Toy()
    before, parameters = snapshot(model), list(model.parameters())
    adversary(kind, on, model, epsilon=1 / 3).backward(lambda: model(IDS), backward)
    assert_untouched(model, before, parameters)


@pytest.mark.parametrize("failing", [1, 2, 3])
@all_of_them
def test_an_exception_in_any_pass_leaves_no_hook_and_the_parameters_as_they_were(kind, on, failing):
    model, calls = Toy(), []
    before, parameters = snapshot(model), list(model.parameters())

    def loss():
        calls.append(model(IDS))
        if len(calls) == min(failing, PASSES[kind][0]):
            raise RuntimeError("out of memory")
        return calls[-1]

    with pytest.raises(RuntimeError, match="out of memory"):
        adversary(kind, on, model).backward(loss, backward)
    assert_untouched(model, before, parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_alone_gets_the_gradient_that_it_has_in_a_batch(kind):
    model = Toy()
    attack = adversary(kind, "vectors", model, alpha=0.6)
    attack.backward(lambda: model(IDS), backward)
    together = gradients_of(model)
    model.zero_grad()
    for row in range(len(IDS)):
        attack.backward(lambda row=row: alone(model, row), backward)
    torch.testing.assert_close(gradients_of(model), together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_accumulated_batches_give_the_gradient_of_one_big_batch(tmp_path, kind):
    def gradients(directory, plan, accumulate):
        teacher = new_teacher()
        embeddings = [teacher.tagger.encoder.embedding]
        attack = made(kind, "vectors", embeddings, epsilon=0.5)
        fit = new_fit(directory, plan=plan, accumulate=accumulate, model=teacher, adversary=attack)
        seen = watch_gradients(fit)
        fit.run()
        return seen[0]

    one = gradients(tmp_path / "one", [[sentence for batch in UNEQUAL for sentence in batch]], 1)
    five = gradients(tmp_path / "five", UNEQUAL, len(UNEQUAL))
    torch.testing.assert_close(five, one, rtol=1e-4, atol=1e-6)


@all_of_them
def test_a_frozen_embedding_is_perturbed_and_gets_no_gradient(kind, on):
    free, frozen = Toy(), Toy()
    frozen.embedding.requires_grad_(False)
    for model in (free, frozen):
        adversary(kind, on, model).backward(lambda model=model: model(IDS), backward)
    assert frozen.embedding.weight.grad is None
    assert not frozen.embedding.weight.requires_grad
    for name in ("head", "mix"):
        wanted = getattr(free, name).weight.grad
        torch.testing.assert_close(getattr(frozen, name).weight.grad, wanted, rtol=1e-5, atol=1e-6)


@all_of_them
def test_bf16_gives_the_gradient_of_full_precision_but_for_rounding(kind, on):
    full, half = Toy(), Toy()
    adversary(kind, on, full).backward(lambda: full(IDS), backward)

    def loss():
        with torch.autocast("cpu", torch.bfloat16):
            return half(IDS)

    adversary(kind, on, half).backward(loss, backward)
    for name, wanted in gradients_of(full).items():
        got = half.get_parameter(name).grad
        assert got.dtype == torch.float32
        assert (got - wanted).norm() < 0.1 * wanted.norm()


@all_of_them
def test_an_embedding_that_takes_no_part_in_the_loss_is_an_error(kind, on):
    model, other = Toy(), nn.Embedding(3, 3)
    attack = made(kind, on, [other])
    with pytest.raises(ConfigError, match="took no part"):
        attack.backward(lambda: model(IDS), backward)


def test_two_modules_that_share_a_matrix_move_together():
    first, second = nn.Embedding(7, 5), nn.Embedding(7, 5)
    second.weight = first.weight
    seen = []

    def loss():
        one, other = first(IDS), second(IDS)
        seen.append((one.detach().clone(), other.detach().clone()))
        return (one * other).pow(3).sum()

    Fgm(OnWeights([first, second])).backward(loss, backward)
    one, other = seen[1]
    assert torch.equal(one, other)
    assert not torch.equal(one, seen[0][0])
    assert second.weight is first.weight


def test_an_embedding_named_twice_is_perturbed_once():
    model = Toy()
    plain, moved = embedded_in_each_pass(model, Fgm(OnVectors([model.embedding, model.embedding]), epsilon=0.7))
    torch.testing.assert_close((moved - plain).flatten(1).norm(dim=1), torch.full((3,), 0.7))


@pytest.mark.parametrize("on", PLACES)
def test_a_model_without_an_embedding_is_refused(on):
    with pytest.raises(ConfigError, match="no embedding .*to perturb"):
        PLACES[on]([])


def test_a_model_without_an_embedding_matrix_is_refused():
    with pytest.raises(ConfigError, match="no embedding matrix to perturb"):
        OnWeights([nn.Linear(2, 2)])


# ---- dropout


def dropped_in_each_pass(kind: str) -> list[Tensor]:
    model, dropout, seen = Toy(), nn.Dropout(0.5), []

    def loss():
        kept = dropout(torch.ones(40))
        seen.append(kept)
        return model(IDS) * kept.mean()

    adversary(kind, "vectors", model).backward(loss, backward)
    return seen


@pytest.mark.parametrize("kind", ["pgd", "freelb"])
def test_all_passes_of_a_climb_have_one_dropout_mask(kind):
    first, *others = dropped_in_each_pass(kind)
    assert all(torch.equal(other, first) for other in others)


def test_the_second_pass_of_fgm_draws_its_own_dropout_mask():
    first, second = dropped_in_each_pass("fgm")
    assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", ["pgd", "freelb"])
def test_after_a_climb_the_random_numbers_go_on_as_after_one_pass(kind):
    model = Toy()
    torch.manual_seed(4)
    torch.rand(40)
    wanted = torch.rand(3)
    torch.manual_seed(4)
    adversary(kind, "vectors", model).backward(lambda: model(IDS) * torch.rand(40).sum(), backward)
    assert torch.equal(torch.rand(3), wanted)


# ---- VAT


class Softmax(nn.Module):
    """A word's prediction is a softmax over a linear map of its vector, and of nothing else."""

    def __init__(self, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.embedding = nn.Embedding(7, 5)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(5, classes)
        self.seen: list[Tensor] = []

    def forward(self) -> tuple[Tensor, Tensor]:
        embedded = self.embedding(IDS)
        self.seen.append(embedded.detach().clone())
        return self.head(self.dropout(embedded)).log_softmax(-1), MASK


def hessian(model: Softmax, vector: Tensor) -> Tensor:
    """Of KL(p(x) ‖ p(x + r)) by r at 0, for one word: Aᵀ (diag p − p pᵀ) A."""
    probs = model.head(vector).softmax(-1)
    weight = model.head.weight
    return (weight.T @ (probs.diag() - probs[:, None] * probs) @ weight).detach()


def one_word(monkeypatch) -> None:
    monkeypatch.setitem(globals(), "IDS", torch.tensor([[1], [4], [6]]))
    monkeypatch.setitem(globals(), "MASK", torch.ones(3, 1, dtype=torch.bool))


def test_vat_moves_along_the_top_eigenvector_of_the_hessian_of_two_classes(monkeypatch):
    """Of two classes the Hessian has rank one: one iteration finds its eigenvector from anywhere."""
    one_word(monkeypatch)
    model = Softmax(2)
    Vat(OnVectors([model.embedding]), epsilon=0.7).divergence(model)
    clean, _, moved = model.seen
    for start, end in zip(clean[:, 0], moved[:, 0], strict=True):
        top = torch.linalg.eigh(hessian(model, start)).eigenvectors[:, -1]
        torch.testing.assert_close((end - start).norm(), torch.tensor(0.7), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(((end - start) @ top).abs(), torch.tensor(0.7), rtol=1e-3, atol=1e-4)


def test_vat_makes_one_power_iteration_with_the_hessian(monkeypatch):
    one_word(monkeypatch)
    model = Softmax(4)
    model.embedding.weight.data *= 0.1
    model.head.weight.data *= 0.1  # so flat that the trial step is a small one
    Vat(OnVectors([model.embedding])).divergence(model)
    clean, tried, moved = model.seen
    for start, trial, end in zip(clean[:, 0], tried[:, 0], moved[:, 0], strict=True):
        wanted = hessian(model, start) @ (trial - start)
        torch.testing.assert_close(end - start, wanted / wanted.norm(), rtol=0, atol=0.03)


def test_vat_changes_the_prediction_more_than_random_steps_do():
    model = Softmax(4)
    found = Vat(OnVectors([model.embedding]), epsilon=0.5).divergence(model).detach()
    probs = model()[0].exp().detach()
    values = []
    for _ in range(50):
        step = torch.randn(3, 4, 5) * MASK[..., None]
        step = 0.5 * step / step.square().sum((1, 2), keepdim=True).sqrt()
        log_probs = model.head(model.embedding(IDS) + step).log_softmax(-1)
        values.append(((probs * (probs.log() - log_probs)).sum(-1) * MASK).sum().detach())
    assert found > torch.stack(values).quantile(0.9)


@pytest.mark.parametrize("on", PLACES)
def test_vat_is_the_kl_at_its_step_with_no_gradient_through_the_clean_prediction(on):
    model = Softmax(4)
    value = Vat(PLACES[on]([model.embedding]), epsilon=0.8).divergence(model)
    value.backward()
    found = gradients_of(model)
    clean, _, moved = model.seen
    model.zero_grad()
    now = torch.distributions.Categorical(logits=model.head(model.embedding(IDS) + (moved - clean)))
    before = torch.distributions.Categorical(logits=model.head(model.embedding(IDS)).detach())
    wanted = (torch.distributions.kl_divergence(before, now) * MASK).sum()
    torch.testing.assert_close(value, wanted)
    wanted.backward()
    torch.testing.assert_close(found, gradients_of(model), rtol=1e-4, atol=1e-6)


def test_vat_moves_each_sentence_by_epsilon_and_no_padding():
    model = Softmax(4)
    Vat(OnVectors([model.embedding]), epsilon=0.7).divergence(model)
    clean, tried, moved = model.seen
    torch.testing.assert_close((moved - clean).flatten(1).norm(dim=1), torch.full((3,), 0.7), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close((tried - clean).flatten(1).norm(dim=1), torch.full((3,), 0.1), rtol=1e-4, atol=1e-5)
    assert torch.equal(moved[~MASK], clean[~MASK])


def test_vat_costs_three_predictions():
    model = Softmax(4)
    Vat(OnVectors([model.embedding])).divergence(model)
    assert len(model.seen) == 3


@pytest.mark.parametrize("on", PLACES)
def test_vat_adds_no_gradient_until_it_is_asked_for(on):
    model = Softmax(4)
    Vat(PLACES[on]([model.embedding])).divergence(model)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("on", PLACES)
def test_vat_leaves_the_parameters_as_they_were(on):
    model = Softmax(4)
    before, parameters = snapshot(model), list(model.parameters())
    Vat(PLACES[on]([model.embedding])).divergence(model).backward()
    assert_untouched(model, before, parameters)


@pytest.mark.parametrize("failing", [1, 2, 3])
@pytest.mark.parametrize("on", PLACES)
def test_an_exception_in_any_prediction_of_vat_leaves_the_parameters_as_they_were(on, failing):
    model = Softmax(4)
    before, parameters = snapshot(model), list(model.parameters())

    def predict():
        if len(model.seen) == failing - 1:
            raise RuntimeError("out of memory")
        return model()

    with pytest.raises(RuntimeError, match="out of memory"):
        Vat(PLACES[on]([model.embedding])).divergence(predict)
    assert_untouched(model, before, parameters)


def test_vat_compares_predictions_under_one_dropout_mask():
    model = Softmax(4, dropout=0.5)
    assert Vat(OnVectors([model.embedding]), epsilon=1e-6).divergence(model).item() < 1e-6


def test_vat_draws_one_dropout_mask_for_its_three_predictions_and_another_in_the_next_call():
    model = Softmax(4, dropout=0.5)
    masks = []
    model.dropout.register_forward_hook(lambda _module, _inputs, output: masks.append(output.detach() == 0))
    vat = Vat(OnVectors([model.embedding]))
    vat.divergence(model)
    vat.divergence(model)
    assert torch.equal(masks[1], masks[0])
    assert torch.equal(masks[2], masks[0])
    assert not torch.equal(masks[3], masks[0])


def test_after_vat_the_random_numbers_go_on_behind_the_draw_of_its_trial_step():
    model = Softmax(4, dropout=0.5)
    torch.manual_seed(4)
    model()
    torch.randn(3, 4, 5)
    wanted = torch.rand(3)
    torch.manual_seed(4)
    Vat(OnVectors([model.embedding])).divergence(model)
    assert torch.equal(torch.rand(3), wanted)


def test_vat_is_a_function_of_the_random_state():
    values = []
    for _ in range(2):
        model = Softmax(4, dropout=0.5)
        torch.manual_seed(9)
        vat = Vat(OnVectors([model.embedding]))
        values.append((vat.divergence(model).item(), vat.divergence(model).item(), torch.rand(1).item()))
    assert values[0] == values[1]


def test_vat_runs_in_full_precision_inside_autocast():
    model = Softmax(4)
    torch.manual_seed(9)
    wanted = Vat(OnVectors([model.embedding])).divergence(model)
    torch.manual_seed(9)
    with torch.autocast("cpu", torch.bfloat16):
        found = Vat(OnVectors([model.embedding])).divergence(model)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("on", PLACES)
def test_vat_of_a_crf_with_impossible_tags_has_a_finite_gradient(on):
    torch.manual_seed(2)
    embedding, head = nn.Embedding(7, 5), CrfHead(5, [True, True, False], [[True, True, False], [True] * 3, [True] * 3])
    value = Vat(PLACES[on]([embedding])).divergence(lambda: (head.log_probs(embedding(IDS), MASK), MASK))
    value.backward()
    assert value > 0
    gradient = embedding.weight.grad
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_vat_of_nothing_counted_is_zero_and_back_propagates():
    model = Softmax(4)
    value = Vat(OnVectors([model.embedding])).divergence(lambda: (model()[0], torch.zeros_like(MASK)))
    value.backward()
    assert value == 0


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("on", PLACES)
def test_vat_of_an_embedding_that_takes_no_part_is_an_error(on, frozen):
    model, other = Softmax(4), nn.Embedding(3, 3)
    model.requires_grad_(not frozen)
    with pytest.raises(ConfigError, match="took no part"):
        Vat(PLACES[on]([other])).divergence(model)


@pytest.mark.parametrize("on", PLACES)
def test_vat_moves_a_frozen_embedding_and_gives_it_no_gradient(on):
    model = Softmax(4)
    model.embedding.requires_grad_(False)
    Vat(PLACES[on]([model.embedding])).divergence(model).backward()
    assert model.embedding.weight.grad is None
    assert model.head.weight.grad.abs().sum() > 0
