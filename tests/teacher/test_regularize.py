from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Beta, Categorical, kl_divergence
from torch.nn import functional

from ner_distill.data.batching import Batch
from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import HEADS, Gold, TokenHead
from ner_distill.nn.losses import contrast, mean_vectors, symmetric_kl, uniform_cross_entropy
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.tagger import Tagger
from ner_distill.teacher.adversarial import PLACES, Vat
from ner_distill.teacher.model import Teacher, TeacherObjective, TermWeights
from ner_distill.teacher.regularize import LogSum, mixup_loss
from tests.pipelines.training import UNEQUAL, Encoder, make_batch, new_fit, watch_gradients

TAGSET = TagSet(("LOC",))
LENGTHS = (4, 2, 3)
MASK = torch.tensor([[place < length for place in range(4)] for length in LENGTHS])
TAGS = torch.tensor([[0, 1, 2, 0], [1, 2, 0, 0], [0, 0, 1, 0]])


class TwoPasses(Encoder):
    """Every other call gives vectors that are scaled by dimension: dropout that a test can foresee."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        self.calls += 1
        vectors = super().forward(inputs)
        return vectors if self.calls % 2 else vectors * torch.linspace(0.2, 1.6, self.dim)


def new_head(kind: str, dim: int = Encoder.dim) -> nn.Module:
    torch.manual_seed(7)
    head = HEADS[kind](dim, TAGSET.allowed_start(), TAGSET.allowed_transitions())
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    return head


def new_teacher(kind: str = "token", *, encoder: type[Encoder] = TwoPasses, dropout: float = 0.0) -> Teacher:
    torch.manual_seed(5)
    return Teacher(Tagger(encoder(), new_head(kind), dropout=dropout), PairSimilarity())


def batch_of(sentences: tuple[int, ...] = (1, 2, 4)) -> Batch:
    batch = make_batch(sentences)  # its tags know nothing of BIO
    return replace(batch, tags=batch.tags.masked_fill(batch.tags == 2, 0))


def objective_of(teacher: Teacher, **settings: float) -> TeacherObjective:
    return TeacherObjective(teacher, TermWeights(similarity=0.5, **settings))


def log_probs(*, seed: int) -> Tensor:
    return torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).log_softmax(-1)


# ---- the divergences


def test_symmetric_kl_is_the_sum_of_both_directions():
    first, second = log_probs(seed=1), log_probs(seed=2)
    p, q = Categorical(logits=first), Categorical(logits=second)
    torch.testing.assert_close(symmetric_kl(first, second), kl_divergence(p, q) + kl_divergence(q, p))


def test_symmetric_kl_leaves_out_what_can_never_be_and_keeps_gradients_finite():
    first, second = (log_probs(seed=seed)[..., :3] for seed in (1, 2))
    scores = [functional.pad(side, (0, 1), value=-torch.inf).requires_grad_() for side in (first, second)]
    found = symmetric_kl(*scores)
    torch.testing.assert_close(found, symmetric_kl(first, second))
    found.sum().backward()
    assert all(side.grad.isfinite().all() for side in scores)


def test_uniform_cross_entropy_is_the_mean_over_the_tags_that_can_be():
    given = torch.tensor([[[0.5, 0.25, 0.25, 0.0]]]).log()
    wanted = (math.log(2) + 2 * math.log(4)) / 3
    assert uniform_cross_entropy(given).item() == pytest.approx(wanted)


# ---- SimCSE


def contrast_by_hand(first: Tensor, second: Tensor, temperature: float) -> float:
    vectors = [*first.tolist(), *second.tolist()]

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    total = 0.0
    for place, vector in enumerate(vectors):
        partner = (place + len(first)) % len(vectors)
        chances = [math.exp(cosine(vector, other) / temperature) for other in vectors]
        total -= math.log(chances[partner] / (sum(chances) - chances[place]))
    return total / 2


def test_contrast_equals_the_loop_over_all_vectors_of_both_passes():
    torch.manual_seed(1)
    first, second = torch.randn(3, 5), torch.randn(3, 5)
    found = contrast(first, second, torch.ones(3, dtype=torch.bool), temperature=0.3)
    assert found.item() == pytest.approx(contrast_by_hand(first, second, 0.3), rel=1e-5)


def test_contrast_does_not_see_a_sentence_that_does_not_count():
    torch.manual_seed(1)
    first, second = torch.randn(3, 5), torch.randn(3, 5)
    found = contrast(first, second, torch.tensor([True, False, True]))
    torch.testing.assert_close(found, contrast(first[[0, 2]], second[[0, 2]], torch.ones(2, dtype=torch.bool)))


@pytest.mark.parametrize("counted", [[], [False], [True], [False, False], [True, False]])
def test_contrast_of_fewer_than_two_sentences_is_0_and_has_a_finite_gradient(counted):
    first = torch.randn(len(counted), 5).requires_grad_()
    found = contrast(first, torch.randn(len(counted), 5), torch.tensor(counted, dtype=torch.bool))
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(first.grad, torch.zeros_like(first))


def test_a_sentence_vector_is_the_mean_of_its_words_whatever_the_padding_holds():
    vectors = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [99.0, 99.0]], [[9.0, 9.0]] * 3])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert mean_vectors(vectors, mask).tolist() == [[2.0, 4.0], [0.0, 0.0]]


# ---- mixup


def mixup_by_hand(head: nn.Module, vectors: Tensor, *, beta: float) -> Tensor:
    """Sentence by sentence, without any padding."""
    share, order = Beta(beta, beta).sample(), torch.randperm(3).tolist()
    total = torch.zeros(())
    for row, other in enumerate(order):
        both = min(LENGTHS[row], LENGTHS[other])
        for weight, own in ((share, row), (1 - share, other)):
            mixed = share * vectors[row, :both] + (1 - share) * vectors[other, :both]
            whole = torch.cat([mixed, vectors[own, both : LENGTHS[own]]])[None]
            all_of_it = torch.ones(whole.shape[:2], dtype=torch.bool)
            total = total + weight * head.loss(whole, all_of_it, TAGS[own : own + 1, : LENGTHS[own]])
    return total


@pytest.mark.parametrize("kind", ["token", "crf"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mixup_equals_mixing_sentence_by_sentence_without_padding(kind, seed):
    head, vectors = new_head(kind), torch.randn(3, 4, Encoder.dim)
    torch.manual_seed(seed)
    found = mixup_loss(head, vectors, MASK, Gold(TAGS), kept=MASK, beta=0.7)
    torch.manual_seed(seed)
    torch.testing.assert_close(found, mixup_by_hand(head, vectors, beta=0.7))


def test_mixup_counts_every_word_once_whatever_is_drawn():
    head = TokenHead(Encoder.dim, TAGSET.allowed_start(), TAGSET.allowed_transitions())
    for parameter in head.parameters():
        nn.init.zeros_(parameter)  # every word costs log 3
    found = mixup_loss(head, torch.randn(3, 4, Encoder.dim), MASK, Gold(TAGS), kept=MASK, beta=0.5)
    assert found.item() == pytest.approx(sum(LENGTHS) * math.log(3), rel=1e-5)


def test_mixup_of_one_sentence_is_its_plain_loss():
    head, vectors = new_head("crf"), torch.randn(1, 4, Encoder.dim)
    found = mixup_loss(head, vectors, MASK[:1], Gold(TAGS[:1]), kept=MASK[:1], beta=0.5)
    torch.testing.assert_close(found, head.loss(vectors, MASK[:1], TAGS[:1]))


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_padding_changes_no_mixup(kind):
    head, vectors = new_head(kind), torch.randn(3, 4, Encoder.dim)
    torch.manual_seed(0)
    plain = mixup_loss(head, vectors, MASK, Gold(TAGS), kept=MASK, beta=0.5)
    torch.manual_seed(0)
    pad = functional.pad
    mask = pad(MASK, (0, 3))
    wide = mixup_loss(head, pad(vectors, (0, 0, 0, 3)), mask, Gold(pad(TAGS, (0, 3))), kept=mask, beta=0.5)
    torch.testing.assert_close(wide, plain)


# ---- the terms of the objective


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_r_drop_is_the_divergence_of_two_passes_beside_their_mean_likelihood(kind):
    teacher, batch = new_teacher(kind), batch_of()
    first, second = (teacher.tagger.encoder(batch.inputs) for _ in range(2))
    objective = objective_of(teacher, r_drop=2.0)
    sums, head = objective.sums(batch), teacher.tagger.head
    p, q = (head.log_probs(vectors, batch.mask)[batch.mask].detach() for vectors in (first, second))
    possible = p > -torch.inf
    both = [(a.exp() * (a - b).where(possible, 0)).sum() for a, b in ((p, q), (q, p))]
    torch.testing.assert_close(sums["r_drop"], both[0] + both[1])
    losses = [head.loss(vectors, batch.mask, batch.tags) for vectors in (first, second)]
    torch.testing.assert_close(sums["entities"], (losses[0] + losses[1]) / 2)
    assert objective.weights["r_drop"] == 0.5


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_r_drop_is_0_where_both_passes_agree(kind):
    teacher, batch = new_teacher(kind, encoder=Encoder), batch_of()
    sums, plain = (objective_of(teacher, r_drop=alpha).sums(batch) for alpha in (1.0, 0.0))
    assert sums["r_drop"].item() == 0
    torch.testing.assert_close(sums["entities"], plain["entities"])


def test_simcse_contrasts_the_mean_word_vectors_of_two_passes():
    teacher, batch = new_teacher(), batch_of()
    passes = [teacher.tagger.encoder(batch.inputs) for _ in range(2)]
    first, second = (torch.stack([vectors[row][batch.mask[row]].mean(0) for row in range(3)]) for vectors in passes)
    sums = objective_of(teacher, simcse=1.0).sums(batch)
    assert sums["simcse"].item() == pytest.approx(contrast_by_hand(first, second, 0.05), rel=1e-4)


@pytest.mark.parametrize(("sentences", "count"), [((1, 2, 4), 3.0), ((1,), 0.0)])
def test_simcse_counts_sentences_where_there_are_others(sentences, count):
    assert objective_of(new_teacher(), simcse=1.0).counts(batch_of(sentences))["simcse"] == count


@pytest.mark.parametrize(
    ("settings", "passes"),
    [({}, 1), ({"mixup": 1.0, "label_smoothing": 0.1, "dropout_samples": 3}, 1), ({"r_drop": 1.0, "simcse": 1.0}, 2)],
)
def test_r_drop_and_simcse_share_the_only_second_pass(settings, passes):
    teacher = new_teacher()
    objective_of(teacher, **settings).sums(batch_of())
    assert teacher.tagger.encoder.calls == passes


def test_label_smoothing_of_a_softmax_is_that_of_torch():
    teacher, batch = new_teacher(), batch_of()
    logits = teacher.tagger.head.project(teacher.tagger.encoder(batch.inputs))[batch.mask]
    teacher.tagger.encoder.calls = 0
    objective = objective_of(teacher, label_smoothing=0.2)
    sums = objective.sums(batch)
    found = sum(objective.weights[name] * sums[name] for name in ("entities", "smoothing"))
    wanted = functional.cross_entropy(logits, batch.tags[batch.mask], label_smoothing=0.2, reduction="sum")
    torch.testing.assert_close(found, wanted)


def test_label_smoothing_of_a_crf_is_over_the_possible_tags_of_the_marginals():
    teacher, batch = new_teacher("crf"), batch_of()
    marginals = teacher.tagger.head.log_probs(teacher.tagger.encoder(batch.inputs), batch.mask)[batch.mask].tolist()
    teacher.tagger.encoder.calls = 0
    possible = [[value for value in row if value > -math.inf] for row in marginals]
    assert {len(row) for row in possible} == {2, 3}, "the first word of a sentence cannot be I"
    wanted = -sum(sum(row) / len(row) for row in possible)
    assert objective_of(teacher, label_smoothing=0.2).sums(batch)["smoothing"].item() == pytest.approx(wanted, rel=1e-4)


def test_dropout_samples_are_one_encoding_dropped_out_anew_and_averaged():
    teacher, batch = new_teacher(dropout=0.5), batch_of()
    torch.manual_seed(0)
    found = objective_of(teacher, dropout_samples=4).sums(batch)["entities"]
    teacher.tagger.encoder.calls = 0
    encoded = teacher.tagger.encoder(batch.inputs)
    torch.manual_seed(0)
    samples = functional.dropout(encoded.repeat(4, 1, 1), 0.5).chunk(4)
    losses = torch.stack([teacher.tagger.head.loss(sample, batch.mask, batch.tags) for sample in samples])
    assert losses.unique().numel() == 4
    torch.testing.assert_close(found, losses.mean())


def test_r_drop_compares_each_dropout_sample_with_its_own_of_the_other_pass():
    teacher, batch = new_teacher(), batch_of()  # without dropout all samples of a pass are the same
    one, three = (objective_of(teacher, r_drop=1.0, dropout_samples=samples).sums(batch) for samples in (1, 3))
    for name in one:
        torch.testing.assert_close(three[name], one[name])


EVERYTHING = {"r_drop": 1.0, "simcse": 0.1, "mixup": 0.5, "label_smoothing": 0.1, "dropout_samples": 2}


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_all_of_them_together_count_what_they_sum_and_train_every_parameter(kind):
    teacher, batch = new_teacher(kind, dropout=0.2), batch_of()
    objective = objective_of(teacher, **EVERYTHING)
    sums, counts = objective.sums(batch), objective.counts(batch)
    assert set(sums) == set(counts) == set(objective.weights)
    sum(objective.weights[name] * sums[name] / counts[name] for name in sums).backward()
    assert all(parameter.grad.isfinite().all() for parameter in teacher.parameters())


@pytest.mark.parametrize("kind", ["token", "crf"])
def test_padding_changes_no_term(kind):
    def sums_of(batch: Batch) -> dict[str, Tensor]:
        torch.manual_seed(0)
        return objective_of(new_teacher(kind), **{**EVERYTHING, "dropout_samples": 1}).sums(batch)

    batch = batch_of()
    words = batch.mask.shape[1]
    inputs = {name: functional.pad(value, (0, 2)) for name, value in batch.inputs.items()}
    pairs = batch.pairs // words * (words + 2) + batch.pairs % words
    wide = replace(batch, inputs=inputs, mask=inputs["mask"], tags=functional.pad(batch.tags, (0, 2)), pairs=pairs)
    torch.testing.assert_close(sums_of(wide), sums_of(batch))


# ---- raw text


def test_raw_text_has_the_term_of_vat_alone():
    teacher = new_teacher(encoder=Encoder)
    vat = Vat(PLACES["vectors"]([teacher.tagger.encoder.embedding]), epsilon=1.0)
    objective = TeacherObjective(teacher, TermWeights(similarity=0.5), vat=vat)
    batch = batch_of()
    raw = Batch(batch.inputs, batch.mask)
    assert objective.counts(raw) == {"vat": 12.0}
    assert set(objective.sums(raw)) == {"vat"}
    assert set(objective.sums(batch)) == set(objective.counts(batch)) == {"entities", "similarity", "vat"}
    assert objective.weights["vat"] == 1.0


# ---- accumulation


def gradients_of(directory, plan, accumulate, *, weighting=None, epochs=1, **settings):
    teacher = new_teacher(encoder=TwoPasses if "r_drop" in settings else Encoder)
    fit = new_fit(directory, plan=plan, accumulate=accumulate, model=teacher, lr=0.0, epochs=epochs)
    fit.objective, fit.weighting = objective_of(teacher, **settings), weighting
    seen = watch_gradients(fit)
    fit.run()
    return seen


@pytest.mark.parametrize("settings", [{"r_drop": 3.0}, {"label_smoothing": 0.3}, {"r_drop": 3.0, "dropout_samples": 2}])
def test_accumulating_unequal_batches_gives_the_gradient_of_one_big_batch(tmp_path, settings):
    big = [tuple(sentence for batch in UNEQUAL for sentence in batch)]
    (one,), (five,) = (gradients_of(tmp_path / str(len(plan)), plan, len(plan), **settings) for plan in (big, UNEQUAL))
    plain = gradients_of(tmp_path / "plain", big, 1)[0]
    for name, gradient in one.items():
        torch.testing.assert_close(five[name], gradient, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(one["tagger.head.project.weight"], plain["tagger.head.project.weight"], rtol=1e-2)


# ---- log-sum


def test_log_sum_begins_with_the_plain_weights():
    assert LogSum(["similarity"]).weights({"entities": 1.0, "similarity": 0.5}) == {"entities": 1.0, "similarity": 0.5}


def test_log_sum_divides_each_weight_by_its_tasks_loss():
    weighting = LogSum(tasks=("similarity",))
    weighting.after_step({"entities": 4.0, "similarity": 0.2, "r_drop": 8.0}, {})
    found = weighting.weights({"entities": 1.0, "similarity": 0.5, "r_drop": 0.25})
    assert found == pytest.approx({"entities": 1 / 6, "similarity": 0.5 / 0.2, "r_drop": 0.25 / 6})


def test_log_sum_clips_what_it_divides_by():
    weighting = LogSum(["similarity"])
    weighting.after_step({"entities": 1e9, "similarity": 0.0}, {})
    found = weighting.weights({"entities": 1.0, "similarity": 1.0})
    assert found == pytest.approx({"entities": 1e-7, "similarity": 1e7})


def test_log_sums_means_follow_the_latest_step_by_a_tenth():
    weighting = LogSum(["similarity"])
    for mean in (2.0, 4.0, 4.0):
        weighting.after_step({"entities": mean}, {})
    assert weighting.running == pytest.approx({"entities": 2.0 * 0.81 + 4.0 * 0.19})


def test_log_sum_leaves_a_task_as_it_is_that_was_never_seen():
    weighting = LogSum(tasks=("similarity", "vat"))
    weighting.after_step({"vat": 4.0}, {})
    assert weighting.weights({"entities": 1.0, "similarity": 0.5, "vat": 1.0}) == {
        "entities": 1.0,
        "similarity": 0.5,
        "vat": 0.25,
    }


def test_the_second_step_of_log_sum_has_the_gradient_of_the_logarithms(tmp_path):
    """The weights stand still (rate 0) and both steps see the same sentences, so the running mean is the mean."""
    big = tuple(sentence for batch in UNEQUAL for sentence in batch)
    _, found = gradients_of(tmp_path, UNEQUAL, 5, weighting=LogSum(["similarity"]), epochs=2)
    teacher, batch = new_teacher(encoder=Encoder), make_batch(big)
    objective = objective_of(teacher)
    sums, counts = objective.sums(batch), objective.counts(batch)
    ((sums["entities"] / counts["entities"]).log() + 0.5 * (sums["similarity"] / counts["similarity"]).log()).backward()
    for name, parameter in teacher.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6)
