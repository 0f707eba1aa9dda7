"""The MRC head against its formulas one element at a time; the encoder that reads questions against single readings."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.questions import QuestionFeaturizer
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.nn.encoders import huggingface as _hf
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.nn.encoders.questions import QuestionEncoder
from ner_distill.nn.encoders.scratch import ScratchEncoder, WordEmbedding
from ner_distill.nn.heads import mrc
from ner_distill.nn.heads.mrc import MrcHead
from ner_distill.nn.spans import Spans
from tests import checkpoints

TYPES, WIDTH = 2, 3
# All words, padding, a hole, one word, none.
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]]).bool()
# Nested in row 0, also of one type; in row 2 one that holds the word that is not counted.
GOLD = [(0, 0, 4, 0), (0, 1, 3, 0), (0, 1, 3, 1), (1, 2, 3, 1), (2, 0, 3, 0), (2, 2, 4, 1), (3, 2, 3, 0)]


def spans(*places: tuple[int, int, int, int]) -> Spans:
    return Spans(torch.tensor(places, dtype=torch.long).reshape(-1, 4))


EITHER = pytest.mark.parametrize("hidden", [0, 5])


def head_of(hidden: int, **options: Any) -> MrcHead:
    torch.manual_seed(4)
    head = MrcHead(TYPES * WIDTH, TYPES, hidden=hidden, **options).double()
    for parameter in head.match.parameters():
        nn.init.normal_(parameter)  # as fresh it hardly tells spans apart
    return head


def vectors_of(*, words: int = 4, seed: int = 1, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(len(MASK), words, TYPES * WIDTH, dtype=torch.float64, generator=generator)


def logits_of(head: MrcHead, vectors: Tensor, row: int, kind: int) -> tuple[list[Tensor], list[Tensor], Any]:
    """Start, end and match of one sentence in one reading, from the weights."""

    def scores(part: nn.Linear) -> list[Tensor]:
        return [part.weight[0] @ vector[kind * WIDTH : (kind + 1) * WIDTH] for vector in vectors[row]]

    starts = [score + head.starts.bias[0] for score in scores(head.starts)]
    ends = [score + head.ends.bias[0] for score in scores(head.ends)]
    both = torch.cat([head.match_first.weight, head.match_last.weight], 1)

    def match(first: int, last: int) -> Tensor:
        pair = [vectors[row, word, kind * WIDTH : (kind + 1) * WIDTH] for word in (first, last)]
        inside = both @ torch.cat(pair) + head.match_first.bias
        if not head.hidden:
            return inside[0]
        output = cast(nn.Linear, head.match[2])
        return output.weight[0] @ (inside * (1 + torch.erf(inside / 2**0.5)) / 2) + output.bias[0]

    return starts, ends, match


def places_of(row: int) -> list[tuple[int, int]]:
    """First and last word of every candidate."""
    return [(i, j) for i in range(4) for j in range(i, 4) if MASK[row, i : j + 1].all()]


def cross_entropy(logit: Tensor, wanted: bool) -> Tensor:
    prob = 1 / (1 + torch.exp(-logit))
    return -torch.log(prob if wanted else 1 - prob)


def mean(costs: list[Tensor]) -> Tensor:
    return torch.stack(costs).mean() if costs else torch.zeros((), dtype=torch.float64)


def looped_loss(head: MrcHead, vectors: Tensor, weights: tuple[float, float, float] = (1, 1, 1)) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for row in range(len(MASK)):
        for kind in range(TYPES):
            starts, ends, match = logits_of(head, vectors, row, kind)
            gold = {(s, e - 1) for r, s, e, k in GOLD if (r, k) == (row, kind) and (s, e - 1) in places_of(row)}
            first, last = {i for i, _ in gold}, {j for _, j in gold}
            words = MASK[row].nonzero()[:, 0].tolist()
            asked = [(i, j) for i, j in places_of(row) if (i in first or starts[i] > 0) and (j in last or ends[j] > 0)]
            total = total + weights[0] * mean([cross_entropy(starts[i], i in first) for i in words])
            total = total + weights[1] * mean([cross_entropy(ends[j], j in last) for j in words])
            total = total + weights[2] * mean([cross_entropy(match(i, j), (i, j) in gold) for i, j in asked])
    return total


@EITHER
def test_loss_equals_a_loop_over_words_and_spans(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of()
    torch.testing.assert_close(head.loss(vectors, MASK, spans(*GOLD)), looped_loss(head, vectors))


@EITHER
def test_gradients_of_loss_equal_those_of_a_loop(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of().requires_grad_()
    inputs = [vectors, *head.parameters()]
    ours = torch.autograd.grad(head.loss(vectors, MASK, spans(*GOLD)), inputs)
    torch.testing.assert_close(ours, torch.autograd.grad(looped_loss(head, vectors), inputs))


@EITHER
def test_start_end_and_match_have_weights(hidden: int) -> None:
    weights = (0.5, 2.0, 3.0)
    head, vectors = head_of(hidden, weights=weights), vectors_of()
    torch.testing.assert_close(head.loss(vectors, MASK, spans(*GOLD)), looped_loss(head, vectors, weights))


@EITHER
def test_a_few_spans_at_a_time_give_the_same_loss_and_gradients(hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    head, vectors = head_of(hidden), vectors_of().requires_grad_()
    inputs = [vectors, *head.parameters()]
    whole = head.loss(vectors, MASK, spans(*GOLD)) + head.span_probs(vectors, MASK).square().sum()
    expected = [whole, *torch.autograd.grad(whole, inputs)]
    monkeypatch.setattr(mrc, "KEPT", 2 * max(1, hidden))
    parts = head.loss(vectors, MASK, spans(*GOLD)) + head.span_probs(vectors, MASK).square().sum()
    torch.testing.assert_close([parts, *torch.autograd.grad(parts, inputs)], expected)


@EITHER
def test_likely_are_the_spans_more_probable_than_the_floor(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of()
    table = looped_probs(head, vectors).permute(0, 2, 3, 1)
    found, probs = head.likely(vectors, MASK, 0.05)
    wanted = [[row, i, j + 1, kind] for row, i, j, kind in (table > 0.05).nonzero().tolist()]
    assert found.places.tolist() == wanted
    assert len(wanted) > 5
    torch.testing.assert_close(probs, table[table > 0.05].detach())


def looped_probs(head: MrcHead, vectors: Tensor) -> Tensor:
    probs = torch.zeros(len(MASK), TYPES, 4, 4, dtype=torch.float64)
    for row in range(len(MASK)):
        for kind in range(TYPES):
            starts, ends, match = logits_of(head, vectors, row, kind)
            for i, j in places_of(row):
                probs[row, kind, i, j] = min(starts[i], ends[j], match(i, j)).sigmoid()
    return probs


@EITHER
def test_a_span_is_as_probable_as_the_least_of_start_end_and_match(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of()
    torch.testing.assert_close(head.span_probs(vectors, MASK), looped_probs(head, vectors))


@EITHER
def test_found_are_the_spans_whose_start_end_and_match_are_all_positive(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of()
    for part in (head.starts, head.ends, head.match_first):
        part.bias.data += 1.5
    wanted = []
    for row in range(len(MASK)):
        for kind in range(TYPES):
            starts, ends, match = logits_of(head, vectors, row, kind)
            for i, j in places_of(row):
                if starts[i] > 0 and ends[j] > 0 and match(i, j) > 0:
                    wanted.append((row, i, j + 1, kind))
    found, probs = head.find(vectors, MASK)
    assert len(wanted) > 3
    assert [tuple(place) for place in found.places.tolist()] == sorted(wanted)
    rows, start, end, kinds = found.places.unbind(1)
    torch.testing.assert_close(probs, looped_probs(head, vectors)[rows, kinds, start, end - 1].detach())


@EITHER
def test_types_are_read_alike(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of()
    swapped = vectors.unflatten(-1, (TYPES, WIDTH)).flip(2).flatten(2)
    torch.testing.assert_close(head.span_probs(swapped, MASK), head.span_probs(vectors, MASK).flip(1))


@EITHER
def test_tag_probabilities_add_up_to_one_and_are_zero_at_padding(hidden: int) -> None:
    log_probs = head_of(hidden).log_probs(vectors_of(), MASK)
    assert log_probs.shape == (5, 4, 1 + 2 * TYPES)
    torch.testing.assert_close(log_probs.exp().sum(-1)[MASK], torch.ones(int(MASK.sum()), dtype=torch.float64))
    assert (log_probs[~MASK] == 0).all()


def everything(head: MrcHead, vectors: Tensor, mask: Tensor) -> list[Tensor]:
    found, probs = head.find(vectors, mask)
    tables = [head.log_probs(vectors, mask), head.span_probs(vectors, mask)]
    return [head.loss(vectors, mask, spans(*GOLD)), *tables, found.places, probs]


@EITHER
def test_vectors_of_words_that_are_not_counted_make_no_difference(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of()
    other = vectors.masked_scatter(~MASK[..., None], vectors_of(seed=8))
    torch.testing.assert_close(everything(head, other, MASK), everything(head, vectors, MASK))


@EITHER
def test_more_padding_changes_nothing(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of()
    wide = torch.cat([vectors, vectors_of(words=3, seed=8)], 1)
    more = torch.cat([MASK, torch.zeros(5, 3).bool()], 1)
    loss, log_probs, probs, places, chances = everything(head, wide, more)
    cut = [loss, log_probs[:, :4], probs[..., :4, :4], places, chances]
    torch.testing.assert_close(cut, everything(head, vectors, MASK))


@EITHER
def test_gradients_of_probabilities_are_finite(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of(scale=1000.0).requires_grad_()
    total = head.log_probs(vectors, MASK).exp().square().sum() + head.span_probs(vectors, MASK).square().sum()
    grads = torch.autograd.grad(total, [vectors, *head.parameters()])
    assert all(grad.isfinite().all() for grad in grads)


@EITHER
def test_no_counted_word_gives_no_loss_and_still_back_propagates(hidden: int) -> None:
    head, vectors = head_of(hidden), vectors_of()
    loss = head.loss(vectors, torch.zeros_like(MASK), spans())
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is not None and (parameter.grad == 0).all() for parameter in head.parameters())


@EITHER
def test_sentences_of_no_words_have_neither_loss_nor_entities(hidden: int) -> None:
    head, vectors, mask = (
        head_of(hidden),
        torch.zeros(2, 0, TYPES * WIDTH, dtype=torch.float64),
        torch.zeros(2, 0).bool(),
    )
    found, probs = head.find(vectors, mask)
    assert head.loss(vectors, mask, spans()).item() == 0
    assert head.log_probs(vectors, mask).shape == (2, 0, 1 + 2 * TYPES)
    assert (found.places.shape, probs.shape) == ((0, 4), (0,))


@EITHER
def test_autocast_changes_nothing(hidden: int) -> None:
    head, vectors = head_of(hidden).float(), vectors_of().float()
    plain = everything(head, vectors, MASK)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(everything(head, vectors, MASK), plain)


# ---- the encoder


QUESTIONS = [["Who", "?"], ["Which", "city", "is", "it", "?"], ["Firms"]]
SENTENCES = [["Peter", "lives", "in", "Brussels", "."], [], ["unbelievable", "北京", "Montevideo"], ["Berlin"] * 9]


def scratch() -> tuple[WordFeaturizer, nn.Module]:
    featurizer = WordFeaturizer.counted([*SENTENCES, *QUESTIONS] * 3, "word")
    sizes = {name: len(vocab) for name, vocab in featurizer.vocabs.items()}
    embedding = WordEmbedding(sizes["words"], dim=6, chars=sizes["chars"], char_filters=4)
    return featurizer, ScratchEncoder(embedding, hidden=8, layers=2, heads=2).double().eval()


def bert(directory: Path) -> tuple[PieceFeaturizer, nn.Module]:
    path = checkpoints.bert(directory, hidden=16)
    return PieceFeaturizer(_hf.load_tokenizer(path)), PretrainedEncoder(_hf.load_backbone(path)).eval()


@pytest.fixture(params=["scratch", "bert"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, nn.Module]:
    torch.manual_seed(2)
    return scratch() if request.param == "scratch" else bert(tmp_path)


def inputs_of(featurizer: Any, sentences: list[list[str]]) -> dict[str, Tensor]:
    return cast(dict[str, Tensor], featurizer.collate([featurizer.features(words) for words in sentences]))


@torch.no_grad()
def test_a_word_is_its_vectors_behind_each_question(base: tuple[Any, nn.Module]) -> None:
    featurizer, encoder = base
    asking = QuestionEncoder(encoder, len(QUESTIONS))
    vectors = asking(inputs_of(QuestionFeaturizer(featurizer, QUESTIONS, separator="[SEP]"), SENTENCES))
    assert vectors.shape == (4, 9, asking.dim)
    readings = vectors.unflatten(-1, (len(QUESTIONS), -1))
    for row, words in enumerate(SENTENCES):
        for kind, question in enumerate(QUESTIONS):
            alone = encoder(inputs_of(featurizer, [[*question, "[SEP]", *words]]))[0, len(question) + 1 :]
            torch.testing.assert_close(readings[row, : len(words), kind], alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_padding_words_are_zero(base: tuple[Any, nn.Module]) -> None:
    inputs = inputs_of(QuestionFeaturizer(base[0], QUESTIONS, separator="[SEP]"), SENTENCES)
    vectors = QuestionEncoder(base[1], len(QUESTIONS))(inputs)
    assert (vectors[~inputs["mask"]] == 0).all()
    assert (vectors[inputs["mask"]].abs().sum(-1) > 0).all()


@torch.no_grad()
def test_sentences_of_no_words_have_no_vectors(base: tuple[Any, nn.Module]) -> None:
    asking = QuestionEncoder(base[1], len(QUESTIONS))
    inputs = inputs_of(QuestionFeaturizer(base[0], QUESTIONS, separator="[SEP]"), [[], []])
    assert asking(inputs).shape == (2, 0, asking.dim)


@torch.no_grad()
def test_question_and_sentence_are_read_as_the_tokenizer_pairs_them(tmp_path: Path) -> None:
    featurizer, encoder = bert(tmp_path)
    asking = QuestionEncoder(encoder, len(QUESTIONS))
    vectors = asking(inputs_of(QuestionFeaturizer(featurizer, QUESTIONS, separator="[SEP]", segments=True), SENTENCES))
    plain = asking(inputs_of(QuestionFeaturizer(featurizer, QUESTIONS, separator="[SEP]"), SENTENCES))
    readings = vectors.unflatten(-1, (len(QUESTIONS), -1))
    backbone = cast(PretrainedEncoder, encoder).backbone
    for row, words in [(0, SENTENCES[0]), (2, SENTENCES[2])]:
        for kind, question in enumerate(QUESTIONS):
            pair = featurizer.tokenizer(
                question, words, is_split_into_words=True, return_token_type_ids=True, return_tensors="pt"
            )
            assert pair["token_type_ids"].unique().tolist() == [0, 1]
            states = backbone(**pair).last_hidden_state[0]
            owners = list(zip(pair.sequence_ids(0), pair.word_ids(0), strict=True))
            firsts = [owners.index((1, word)) for word in range(len(words))]
            torch.testing.assert_close(readings[row, : len(words), kind], states[firsts], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(vectors, plain, atol=1e-3)


def test_windows_behind_the_question_are_of_the_second_segment(tmp_path: Path) -> None:
    path = checkpoints.bert(tmp_path, hidden=16)
    featurizer = PieceFeaturizer(_hf.load_tokenizer(path), max_pieces=12)
    inputs = inputs_of(QuestionFeaturizer(featurizer, [["Who", "?"]], separator="[SEP]", segments=True), [["in"] * 30])
    assert inputs["piece_segments"].shape == inputs["pieces"].shape
    assert len(inputs["pieces"]) > 2
    assert inputs["piece_segments"][0].tolist() == [0] * 4 + [1] * 8
    assert inputs["piece_segments"][1].tolist() == [0] + [1] * 11
    assert (inputs["piece_segments"][~inputs["piece_mask"]] == 0).all()


@torch.no_grad()
def test_an_encoder_without_segments_reads_as_before(tmp_path: Path) -> None:
    path = checkpoints.roberta(tmp_path / "roberta", hidden=16)
    featurizer, encoder = PieceFeaturizer(_hf.load_tokenizer(path)), PretrainedEncoder(_hf.load_backbone(path)).eval()
    asking = QuestionEncoder(encoder, len(QUESTIONS))
    told, plain = (
        asking(inputs_of(QuestionFeaturizer(featurizer, QUESTIONS, segments=segments), SENTENCES))
        for segments in (True, False)
    )
    assert torch.equal(told, plain)


def test_embedding_and_layers_are_those_of_the_base(base: tuple[Any, nn.Module]) -> None:
    encoder = cast(Any, base[1])
    asking = QuestionEncoder(encoder, len(QUESTIONS))
    assert asking.embedding_layer() is encoder.embedding_layer()
    assert [list(map(id, group)) for group in asking.layer_groups()] == [
        list(map(id, group)) for group in encoder.layer_groups()
    ]


def found_after_steps(gold: Spans, *, hidden: int) -> Spans:
    """What a small model finds in two sentences that it was trained on."""
    torch.manual_seed(0)
    featurizer, encoder = scratch()
    encoder = QuestionEncoder(encoder.float(), len(QUESTIONS))
    head = MrcHead(encoder.dim, len(QUESTIONS), hidden=hidden)
    inputs = inputs_of(QuestionFeaturizer(featurizer, QUESTIONS), [SENTENCES[0], SENTENCES[2]])
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)
    for _ in range(500):  # enough from each of five seeds
        optimizer.zero_grad()
        head.loss(encoder(inputs), inputs["mask"], gold).backward()
        optimizer.step()
    encoder.eval()
    head.eval()
    return head.find(encoder(inputs), inputs["mask"])[0]


def test_a_few_steps_learn_nested_entities_from_their_questions() -> None:
    gold = spans((0, 0, 1, 0), (0, 1, 4, 1), (0, 3, 4, 1), (1, 0, 3, 2), (1, 1, 2, 0))
    assert sorted(found_after_steps(gold, hidden=0).places.tolist()) == sorted(gold.places.tolist())


# Inside each other without a common border: two of one type, and three.
NESTED = spans((0, 0, 5, 0), (0, 2, 4, 0), (0, 0, 5, 1), (0, 1, 4, 1), (0, 2, 3, 1), (1, 0, 3, 2), (1, 1, 2, 2))


def test_nested_entities_of_one_type_are_learned_through_the_hidden_layer() -> None:
    assert sorted(found_after_steps(NESTED, hidden=16).places.tolist()) == sorted(NESTED.places.tolist())


def test_nested_entities_of_one_type_are_never_found_alone_without_a_hidden_layer() -> None:
    """m_03 + m_12 = m_02 + m_13: where the first two are above 0, one of the others is; here for many vectors."""
    head, mask = head_of(0), torch.ones(len(MASK), 4).bool()
    for part in (head.starts, head.ends, head.match_first):
        part.bias.data += 2.0
    nested = 0
    for seed in range(200):
        found = {tuple(place) for place in head.find(vectors_of(seed=seed, scale=1.0), mask)[0].places.tolist()}
        for row, kind in product(range(len(MASK)), range(TYPES)):
            if {(row, 0, 4, kind), (row, 1, 3, kind)} <= found:
                nested += 1
                assert {(row, 0, 3, kind), (row, 1, 4, kind)} & found
    assert nested > 50
