from __future__ import annotations

import math

import pytest
import torch

from ner_distill.student.loss import DistillationLoss, same_probability

# Two sentences, of 3 and 2 words; word 1 of the second is dropped. Flat indices are row · 3 + word.
P = [[[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], [[0.25, 0.5, 0.25], [0.9, 0.05, 0.05], [0.0, 0.0, 0.0]]]
Q = [[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], [[0.3, 0.3, 0.4], [0.5, 0.25, 0.25], [0.2, 0.3, 0.5]]]
KEEP = [[True, True, True], [True, False, False]]
PAIRS = [(0, 1), (1, 3), (0, 3)]  # word 2 of the first sentence is in none, the others in two
S = [0.1, 0.9, 0.55]
LOGITS = [0.3, -1.2, 2.0]
STATEMENTS = ["type", "tag", "source"]

SETTINGS = ["auto", "off", 0.25]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def cosine(p: list[float], q: list[float]) -> float:
    return sum(x * y for x, y in zip(p, q, strict=True)) / (math.hypot(*p) * math.hypot(*q))


def word_at(flat: int) -> list[float]:
    return P[flat // 3][flat % 3]


def chosen(setting: str | float, automatic: float) -> float:
    return automatic if setting == "auto" else 1.0 if setting == "off" else setting


def same(statement: str, p: list[float], q: list[float]) -> float:
    if statement == "source":
        return sigmoid(cosine(p, q))
    if statement == "type":
        p, q = ([side[0], side[1] + side[2]] for side in (p, q))
    return sum(x * y for x, y in zip(p, q, strict=True))


def gamma_of(pair: int, statement: str = "type") -> float:
    first, second = PAIRS[pair]
    return 1 - abs(same(statement, word_at(first), word_at(second)) - S[pair])


def divergence(kind: str, p: list[float], q: list[float], temperature: float) -> float:
    if kind == "mse":
        return sum((x - y) ** 2 for x, y in zip(p, q, strict=True)) / len(p)
    p, q = ([x ** (1 / temperature) for x in side] for side in (p, q))
    p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
    cross = -sum(x * math.log(y) for x, y in zip(p, q, strict=True))
    entropy = -sum(x * math.log(x) for x in p)
    return temperature**2 * (cross - (entropy if kind == "kl" else 0.0))


def words_by_hand(
    kind: str, alpha: str | float, gamma: str | float, temperature: float = 1.0, statement: str = "type"
) -> float:
    total = 0.0
    for row in range(2):
        for word in range(3):
            if not KEEP[row][word]:
                continue
            p = P[row][word]
            of_word = [gamma_of(pair, statement) for pair, ends in enumerate(PAIRS) if row * 3 + word in ends]
            mean = sum(of_word) / len(of_word) if of_word else 1.0
            weight = chosen(alpha, max(p) ** 2) * chosen(gamma, mean)
            total += weight * divergence(kind, p, Q[row][word], temperature)
    return total


def similarity_by_hand(beta: str | float, gamma: str | float, floor: float, statement: str = "type") -> float:
    total = 0.0
    for pair, s in enumerate(S):
        mine = sigmoid(LOGITS[pair])
        bce = -(s * math.log(mine) + (1 - s) * math.log(1 - mine))
        total += chosen(gamma, gamma_of(pair, statement)) * chosen(beta, min(1.0, (2 * s - 1) ** 2 + floor)) * bce
    return total


def tensors(double: bool = True):
    kind = torch.float64 if double else torch.float32
    return {
        "student_log_probs": torch.tensor(Q, dtype=kind).log().requires_grad_(),
        "teacher_probs": torch.tensor(P).requires_grad_(),
        "keep": torch.tensor(KEEP),
        "pairs": torch.tensor(PAIRS),
        "similarity": torch.tensor(S).requires_grad_(),
    }


def pair_tensors():
    given = tensors()
    return {
        "student_logits": torch.tensor(LOGITS, requires_grad=True),
        **{name: given[name] for name in ("teacher_probs", "pairs", "similarity")},
    }


@pytest.mark.parametrize("gamma", SETTINGS)
@pytest.mark.parametrize("alpha", SETTINGS)
@pytest.mark.parametrize("kind", ["mse", "kl", "ce"])
def test_the_word_term_is_the_formula(kind, alpha, gamma):
    loss = DistillationLoss(divergence=kind, alpha=alpha, gamma=gamma)
    assert loss.word_term(**tensors()).item() == pytest.approx(words_by_hand(kind, alpha, gamma), rel=1e-5)


@pytest.mark.parametrize("kind", ["kl", "ce"])
def test_the_word_term_softens_both_sides_by_the_temperature(kind):
    loss = DistillationLoss(divergence=kind, temperature=2.5)
    assert loss.word_term(**tensors()).item() == pytest.approx(words_by_hand(kind, "auto", "auto", 2.5), rel=1e-5)


@pytest.mark.parametrize("floor", [0.0, 0.5])
@pytest.mark.parametrize("gamma", SETTINGS)
@pytest.mark.parametrize("beta", SETTINGS)
def test_the_similarity_term_is_the_formula(beta, gamma, floor):
    loss = DistillationLoss(beta=beta, gamma=gamma, beta_floor=floor)
    wanted = similarity_by_hand(beta, gamma, floor)
    assert loss.similarity_term(**pair_tensors()).item() == pytest.approx(wanted, rel=1e-5)


def test_beta_with_its_floor_is_cut_at_one():
    """s = 0.1 and 0.9: (2 s − 1)² is 0.64, so that with the floor 0.5 both weigh 1."""
    loss = DistillationLoss(beta_floor=0.5, gamma="off")
    flat = DistillationLoss(beta="off", gamma="off")
    sure = {**pair_tensors(), "pairs": torch.tensor(PAIRS[:2]), "similarity": torch.tensor(S[:2])}
    sure["student_logits"] = torch.tensor(LOGITS[:2])
    assert loss.similarity_term(**sure).item() == pytest.approx(flat.similarity_term(**sure).item())


def test_alpha_has_no_part_in_the_similarity_and_beta_none_in_the_words():
    plain, other = DistillationLoss(), DistillationLoss(alpha=0.1)
    assert plain.similarity_term(**pair_tensors()) == other.similarity_term(**pair_tensors())
    other = DistillationLoss(beta=0.1, beta_floor=0.0)
    assert plain.word_term(**tensors()) == other.word_term(**tensors())


@pytest.mark.parametrize("statement", STATEMENTS)
def test_gamma_compares_with_what_the_similarity_says(statement):
    loss = DistillationLoss(statement=statement)
    words = words_by_hand("kl", "auto", "auto", statement=statement)
    assert loss.word_term(**tensors()).item() == pytest.approx(words, rel=1e-5)
    pairs = similarity_by_hand("auto", "auto", 0.5, statement)
    assert loss.similarity_term(**pair_tensors()).item() == pytest.approx(pairs, rel=1e-5)


# two types; tags O, B-X, I-X, B-Y, I-Y
SURE = {
    "O": [0.98, 0.005, 0.005, 0.005, 0.005],
    "B-X": [0.01, 0.975, 0.005, 0.005, 0.005],
    "I-X": [0.01, 0.005, 0.975, 0.005, 0.005],
    "B-Y": [0.01, 0.005, 0.005, 0.975, 0.005],
}


def gamma_of_sure(first: str, second: str, s: float, statement: str = "type") -> float:
    probs = torch.tensor([[SURE[first], SURE[second]]])
    return 1 - abs(same_probability(probs, torch.tensor([[0, 1]]), statement).item() - s)


@pytest.mark.parametrize(
    ("first", "second", "s"),
    [("B-X", "B-X", 0.99), ("B-X", "I-X", 0.99), ("O", "O", 0.99), ("B-X", "B-Y", 0.01), ("O", "I-X", 0.01)],
)
def test_gamma_is_near_one_where_both_tasks_are_sure_and_agree(first, second, s):
    assert gamma_of_sure(first, second, s) >= 0.95


@pytest.mark.parametrize(
    ("first", "second", "s"), [("B-X", "I-X", 0.01), ("O", "O", 0.01), ("B-X", "B-Y", 0.99), ("O", "B-Y", 0.99)]
)
def test_gamma_is_near_zero_where_both_tasks_are_sure_and_contradict(first, second, s):
    assert gamma_of_sure(first, second, s) <= 0.1


def test_of_a_similarity_of_tags_b_and_i_of_one_type_are_different():
    assert gamma_of_sure("B-X", "I-X", 0.01, "tag") >= 0.95
    assert gamma_of_sure("B-X", "B-X", 0.99, "tag") >= 0.95


def test_probabilities_that_were_rounded_up_are_no_more_than_sure():
    probs = torch.tensor([[[1.0005, 0.0, 0.0], [1.0005, 0.0, 0.0]]])
    assert same_probability(probs, torch.tensor([[0, 1]]), "type").item() == 1.0


# ---- who gets a gradient


def test_no_gradient_reaches_what_the_teacher_said():
    loss, words, pairs = DistillationLoss(), tensors(), pair_tensors()
    (loss.word_term(**words) + loss.similarity_term(**pairs)).backward()
    assert words["student_log_probs"].grad.abs().sum() > 0
    assert pairs["student_logits"].grad.abs().sum() > 0
    for given in (words, pairs):
        assert given["teacher_probs"].grad is None
        assert given["similarity"].grad is None


@pytest.mark.parametrize("kind", ["mse", "kl", "ce"])
def test_dropped_words_and_padding_get_no_gradient(kind):
    given = tensors()
    DistillationLoss(divergence=kind).word_term(**given).backward()
    counted = given["student_log_probs"].grad.abs().sum(-1) > 0
    assert counted.tolist() == KEEP


# ---- what must not change the sums


@pytest.mark.parametrize("kind", ["mse", "kl", "ce"])
def test_dropped_words_count_nowhere_whatever_they_hold(kind):
    loss, given = DistillationLoss(divergence=kind), tensors()
    before = loss.word_term(**given)
    dropped = ~given["keep"]
    student = given["student_log_probs"].detach().clone()
    teacher = given["teacher_probs"].detach().clone()
    student[dropped] = torch.tensor([-9.0, -1e-4, -9.0], dtype=student.dtype)
    teacher[dropped] = torch.tensor([0.0, 0.0, 1.0])
    assert loss.word_term(**{**given, "student_log_probs": student, "teacher_probs": teacher}) == before


@pytest.mark.parametrize("kind", ["mse", "kl", "ce"])
def test_padding_leaves_both_sums_unchanged(kind):
    loss, words, pairs = DistillationLoss(divergence=kind), tensors(), pair_tensors()

    def widened(tensor, value):
        return torch.nn.functional.pad(tensor, (0, 0, 0, 2), value=value)

    wide = (words["pairs"] // 3) * 5 + words["pairs"] % 3
    padded = {
        **words,
        "student_log_probs": widened(words["student_log_probs"], 0.0),  # what a head gives there
        "teacher_probs": widened(words["teacher_probs"], 0.0),
        "keep": torch.nn.functional.pad(words["keep"], (0, 2)),
        "pairs": wide,
    }
    assert loss.word_term(**padded).item() == pytest.approx(loss.word_term(**words).item(), rel=1e-6)
    padded_pairs = {**pairs, "teacher_probs": padded["teacher_probs"], "pairs": wide}
    assert loss.similarity_term(**padded_pairs).item() == pytest.approx(loss.similarity_term(**pairs).item(), rel=1e-6)


def test_batches_add_up():
    """Each sentence in a batch of its own, with the pair that lies inside it, against both in one."""
    loss, given = DistillationLoss(), tensors()
    inside = {**given, "pairs": torch.tensor([(0, 1), (3, 4)]), "similarity": torch.tensor([0.1, 0.7])}
    logits = torch.tensor([0.5, -0.5])
    words, pairs = 0.0, 0.0
    for row in range(2):
        alone = {name: inside[name][row : row + 1] for name in ("student_log_probs", "teacher_probs", "keep")}
        shared = {"pairs": torch.tensor([(0, 1)]), "similarity": inside["similarity"][row : row + 1]}
        words += loss.word_term(**alone, **shared).item()
        pairs += loss.similarity_term(logits[row : row + 1], alone["teacher_probs"], **shared).item()
    together = (inside["teacher_probs"], inside["pairs"], inside["similarity"])
    assert loss.word_term(**inside).item() == pytest.approx(words, rel=1e-6)
    assert loss.similarity_term(logits, *together).item() == pytest.approx(pairs, rel=1e-6)


def test_the_order_in_a_pair_does_not_matter():
    loss, given, pairs = DistillationLoss(), tensors(), pair_tensors()
    assert loss.word_term(**{**given, "pairs": given["pairs"].flip(1)}) == loss.word_term(**given)
    assert loss.similarity_term(**{**pairs, "pairs": pairs["pairs"].flip(1)}) == loss.similarity_term(**pairs)


# ---- zero cases


def test_the_kl_form_is_zero_when_the_student_equals_the_teacher():
    given = tensors()
    given["student_log_probs"] = torch.tensor(P).log()
    assert DistillationLoss(divergence="kl").word_term(**given).item() == pytest.approx(0.0, abs=1e-6)


def test_a_word_in_no_pair_has_gamma_one():
    given = {**tensors(), "pairs": torch.zeros(0, 2, dtype=torch.long), "similarity": torch.zeros(0)}
    assert DistillationLoss().word_term(**given) == DistillationLoss(gamma="off").word_term(**given)


def test_no_pairs_give_zero_and_still_back_propagate():
    logits = torch.zeros(0, requires_grad=True)
    none = torch.zeros(0, 2, dtype=torch.long)
    total = DistillationLoss().similarity_term(logits, torch.tensor(P), none, torch.zeros(0))
    total.backward()
    assert total.item() == 0
    assert logits.grad.shape == (0,)


def test_no_kept_word_gives_zero_and_still_back_propagates():
    given = {**tensors(), "keep": torch.zeros(2, 3, dtype=torch.bool)}
    total = DistillationLoss().word_term(**given)
    total.backward()
    assert total.item() == 0
    assert given["student_log_probs"].grad.count_nonzero() == 0


def test_probabilities_and_similarities_of_the_store_are_taken_at_half_precision():
    given = tensors(double=False)
    half = {**given, "teacher_probs": torch.tensor(P).half(), "similarity": torch.tensor(S).half()}
    loss = DistillationLoss(divergence="kl")
    assert loss.word_term(**half).item() == pytest.approx(loss.word_term(**given).item(), rel=5e-3)
    assert loss.word_term(**half).dtype == torch.float32
