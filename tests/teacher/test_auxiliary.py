"""What is learned beside the head: entities of whatever type, and those of one; and what regularises a span head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Beta

from ner_distill.data.batching import Batch
from ner_distill.data.sentence import Span, without_overlap
from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import HEADS, CrfPerTypeHead, GlobalPointerHead, MrcHead, SpanHead, Spans, TagHead
from ner_distill.nn.tagger import Tagger
from ner_distill.teacher.model import Teacher, TeacherObjective, TermWeights
from tests.pointers import TinyPointer

LABELS = ("LOC", "ORG", "PER")
TAGSET, ONE = TagSet(LABELS), TagSet(("one",))
LENGTHS = (6, 4, 3)
MASK = torch.tensor([[place < length for place in range(6)] for length in LENGTHS])
DIM, ORG = 6, 1
# Side by side, in each other, and of equal place with other types; a sentence without any.
ENTITIES = (
    (Span(0, 4, "ORG"), Span(2, 4, "LOC"), Span(4, 5, "ORG"), Span(5, 6, "PER")),
    (Span(0, 1, "LOC"), Span(1, 3, "ORG"), Span(1, 3, "PER"), Span(1, 3, "LOC")),
    (),
)


class Encoder(nn.Module):
    """A vector for each word and place."""

    dim = DIM

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, DIM)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return cast(Tensor, self.embedding(inputs["ids"])) * inputs["mask"][..., None]


class Recorder(TagHead):
    """A head that says what it was to learn."""

    decode = log_probs = None  # never asked for

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.asked: list[Any] = []

    def loss(self, vectors: Tensor, mask: Tensor, gold: Any, weight: Tensor | None = None) -> Tensor:
        self.asked.append(gold)
        return vectors.sum()


class SpanRecorder(SpanHead):
    """The same of a span head."""

    find = log_probs = span_probs = None
    __init__, loss = Recorder.__init__, Recorder.loss


def batch() -> Batch:
    places = [(row, *place) for row, spans in enumerate(ENTITIES) for place in TAGSET.places(spans).tolist()]
    tags = [TAGSET.encode(without_overlap(spans), 6) for spans in ENTITIES]
    inputs = {"ids": torch.arange(18).view(3, 6), "mask": MASK}
    return Batch(inputs, MASK, tags=torch.tensor(tags), spans=torch.tensor(places))


def teacher_of(kind: str, auxiliary: Mapping[str, nn.Module] | None = None) -> Teacher:
    torch.manual_seed(5)
    return Teacher(Tagger(Encoder(), head_of(kind, TAGSET)), None, auxiliary=auxiliary)


def head_of(kind: str, tagset: TagSet) -> nn.Module:
    types = len(tagset.labels)
    spans = {"crf-per-type": CrfPerTypeHead, "global-pointer": GlobalPointerHead, "tiny": TinyPointer}
    if kind in spans:
        return spans[kind](DIM, types)
    return HEADS[kind](DIM, tagset.allowed_start(), tagset.allowed_transitions())


def both(kind: str) -> dict[str, nn.Module]:
    torch.manual_seed(6)
    return {"boundary": head_of(kind, ONE), "main_type": head_of(kind, ONE)}


def objective_of(teacher: Teacher, **settings: Any) -> TeacherObjective:
    settings = {"boundary": 0.5, "main_type": 0.25, "main_label": ORG} | settings
    return TeacherObjective(teacher, TermWeights(similarity=0.5, **settings))


def asked(recorder: type[Recorder], kind: str) -> tuple[Any, Any]:
    """The gold of `boundary` and of `main_type`."""
    auxiliary = {"boundary": recorder(), "main_type": recorder()}
    objective_of(teacher_of(kind, auxiliary)).sums(batch())
    [boundary], [main_type] = (head.asked for head in auxiliary.values())
    return boundary, main_type


# ---- gold


def test_boundary_tags_are_those_of_all_entities_as_if_of_one_type() -> None:
    found, _ = asked(Recorder, "crf")
    for row, spans in enumerate(ENTITIES):
        longest = [Span(span.start, span.end, "one") for span in without_overlap(spans)]
        assert found[row].tolist() == ONE.encode(longest, 6)


def test_main_type_tags_are_those_of_its_entities_alone() -> None:
    _, found = asked(Recorder, "crf")
    for row, spans in enumerate(ENTITIES):
        own = [Span(span.start, span.end, "one") for span in without_overlap(spans) if span.label == "ORG"]
        assert found[row].tolist() == ONE.encode(own, 6)
    assert found.any()


def test_boundary_spans_are_all_places_each_of_them_once() -> None:
    found, _ = asked(SpanRecorder, "tiny")
    places = {(row, span.start, span.end, 0) for row, spans in enumerate(ENTITIES) for span in spans}
    assert sorted(found.places.tolist()) == sorted(map(list, places))
    assert len(places) == sum(map(len, ENTITIES)) - 2  # three types of one place


def test_main_type_spans_are_those_of_its_entities_alone() -> None:
    _, found = asked(SpanRecorder, "tiny")
    own = [[row, s.start, s.end, 0] for row, spans in enumerate(ENTITIES) for s in spans if s.label == "ORG"]
    assert sorted(found.places.tolist()) == own


def test_a_batch_without_entities_has_none_of_any_type() -> None:
    auxiliary = {"boundary": SpanRecorder(), "main_type": SpanRecorder()}
    plain = batch()
    none = Batch(plain.inputs, MASK, tags=torch.zeros_like(plain.inputs["ids"]), spans=torch.zeros(0, 4).long())
    objective_of(teacher_of("tiny", auxiliary)).sums(none)
    assert [head.asked[0].places.shape for head in auxiliary.values()] == [(0, 4)] * 2


# ---- terms


def test_the_boundary_term_of_a_softmax_is_its_cross_entropy_word_by_word() -> None:
    auxiliary = both("token")
    teacher = teacher_of("token", auxiliary)
    vectors = teacher.tagger.encoder(batch().inputs)
    wanted = 0.0
    for row, spans in enumerate(ENTITIES):
        tags = ONE.encode([Span(s.start, s.end, "one") for s in without_overlap(spans)], 6)
        for word in range(LENGTHS[row]):
            scores = cast(Any, auxiliary["boundary"]).project(vectors[row, word])
            wanted -= scores.log_softmax(-1)[tags[word]].item()
    assert objective_of(teacher).sums(batch())["boundary"].item() == pytest.approx(wanted, rel=1e-5)


def test_the_boundary_term_of_a_pointer_is_its_loss_on_all_places() -> None:
    auxiliary = both("tiny")
    teacher = teacher_of("tiny", auxiliary)
    scores = cast(TinyPointer, auxiliary["boundary"]).scores(teacher.tagger.encoder(batch().inputs))
    wanted = 0.0
    for row, spans in enumerate(ENTITIES):
        gold = {(span.start, span.end - 1) for span in spans}
        positive = negative = 1.0
        for i in range(LENGTHS[row]):
            for j in range(i, LENGTHS[row]):
                score = scores[row, 0, i, j].item()
                positive += math.exp(-score) if (i, j) in gold else 0
                negative += math.exp(score) if (i, j) not in gold else 0
        wanted += math.log(positive) + math.log(negative)
    assert objective_of(teacher).sums(batch())["boundary"].item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("kind", ["token", "crf", "crf-per-type", "global-pointer"])
def test_terms_are_counted_and_weighed_as_the_likelihood(kind: str) -> None:
    objective = objective_of(teacher_of(kind, both(kind)))
    likelihoods = 13.0 if kind == "token" else 3.0
    assert objective.weights == {"entities": 1.0, "boundary": 0.5, "main_type": 0.25}
    assert objective.counts(batch()) == dict.fromkeys(objective.weights, likelihoods)
    assert objective.sums(batch()).keys() == objective.weights.keys()


@pytest.mark.parametrize("kind", ["token", "crf", "crf-per-type", "global-pointer"])
@pytest.mark.parametrize("name", ["boundary", "main_type"])
def test_an_auxiliary_term_teaches_its_head_and_the_encoder_and_no_other_head(kind: str, name: str) -> None:
    teacher = teacher_of(kind, both(kind))
    objective_of(teacher).sums(batch())[name].backward()
    taught = {path for path, parameter in teacher.named_parameters() if parameter.grad is not None}
    own = {path for path, _ in teacher.named_parameters() if path.startswith(f"auxiliary.{name}.")}
    assert own
    assert taught == own | {"tagger.encoder.embedding.weight"}


@pytest.mark.parametrize("kind", ["crf", "global-pointer"])
def test_auxiliary_heads_change_no_answer_of_a_teacher(kind: str) -> None:
    plain, other = teacher_of(kind), teacher_of(kind, both(kind))
    torch.testing.assert_close(other(batch().inputs), plain(batch().inputs), rtol=0, atol=0)


# ---- regularisers of a span head


class TwoPasses(Encoder):
    """Every other call gives other vectors: dropout that a test can foresee."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        self.calls += 1
        vectors = super().forward(inputs)
        return vectors if self.calls % 2 else vectors * torch.linspace(0.2, 1.6, self.dim)


def test_r_drop_of_a_pointer_is_the_divergence_of_every_span_by_hand() -> None:
    torch.manual_seed(5)
    head = GlobalPointerHead(DIM, len(LABELS), head_dim=4)
    teacher = Teacher(Tagger(TwoPasses(), head), None)
    objective = TeacherObjective(teacher, TermWeights(similarity=0.5, r_drop=2.0))
    found = objective.sums(batch())
    first, second = (head.scores(teacher.tagger.encoder(batch().inputs), MASK) for _ in range(2))
    wanted = 0.0
    for row, length in enumerate(LENGTHS):
        for kind in range(len(LABELS)):
            for i in range(length):
                for j in range(i, length):
                    s, t = (scores[row, kind, i, j].item() for scores in (first, second))
                    wanted += (1 / (1 + math.exp(-s)) - 1 / (1 + math.exp(-t))) * (s - t)
    assert wanted > 0.1
    assert found["r_drop"].item() == pytest.approx(wanted, rel=1e-4)
    assert objective.weights["r_drop"] == 0.5
    gold = Spans(cast(Tensor, batch().spans))
    plain = [head.loss(teacher.tagger.encoder(batch().inputs), MASK, gold).item() for _ in range(2)]
    assert found["entities"].item() == pytest.approx(sum(plain) / 2, rel=1e-5)


@pytest.mark.parametrize("kind", ["tiny", "global-pointer", "crf-per-type"])
@pytest.mark.parametrize("seed", [1, 2])
def test_mixup_of_spans_equals_mixing_sentence_by_sentence(kind: str, seed: int) -> None:
    teacher = teacher_of(kind)
    head = cast(Any, teacher.tagger.head)
    torch.manual_seed(seed)
    found = TeacherObjective(teacher, TermWeights(similarity=0.5, mixup=0.3, mixup_beta=0.7)).sums(batch())["mixup"]
    torch.manual_seed(seed)
    share = Beta(0.7, 0.7).sample().item()
    order = torch.randperm(3).tolist()
    vectors = teacher.tagger.encoder(batch().inputs)
    wanted = 0.0
    for row, other in enumerate(order):
        longest = max(LENGTHS[row], LENGTHS[other])
        mixed = torch.stack([mixed_word(vectors, row, other, word, share) for word in range(longest)])
        for one, weight in ((row, share), (other, 1 - share)):
            places = [[0, *place] for place in TAGSET.places(ENTITIES[one]).tolist()]
            gold = Spans(torch.tensor(places, dtype=torch.long).view(-1, 4))
            whole = torch.ones(1, LENGTHS[one], dtype=torch.bool)
            wanted += weight * head.loss(mixed[None, : LENGTHS[one]], whole, gold).item()
    assert order != [0, 1, 2]
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def mixed_word(vectors: Tensor, row: int, other: int, word: int, share: float) -> Tensor:
    """Where only one of two sentences has the word, it stands unmixed."""
    if word >= LENGTHS[row]:
        return vectors[other, word]
    if word >= LENGTHS[other]:
        return vectors[row, word]
    return share * vectors[row, word] + (1 - share) * vectors[other, word]


def test_dropout_samples_of_a_span_head_are_averaged_with_the_gold_of_each() -> None:
    torch.manual_seed(5)
    head = TinyPointer(DIM, len(LABELS))
    teacher = Teacher(Tagger(Encoder(), head, dropout=0.4), None)
    torch.manual_seed(2)
    found = TeacherObjective(teacher, TermWeights(similarity=0.5, dropout_samples=3)).sums(batch())["entities"]
    torch.manual_seed(2)
    vectors = teacher.tagger.vectors(batch().inputs, samples=3).chunk(3)
    gold = Spans(cast(Tensor, batch().spans))
    wanted = sum(head.loss(sample, MASK, gold).item() for sample in vectors) / 3
    assert len({sample.sum().item() for sample in vectors}) == 3
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_what_is_summed_over_words_is_averaged_over_them_where_the_loss_of_an_mrc_head_is() -> None:
    torch.manual_seed(0)
    head = MrcHead(8, 2)
    tagger = Tagger(nn.Identity(), head)
    objective = TeacherObjective(Teacher(tagger, None), TermWeights(similarity=0.0, label_smoothing=0.1, r_drop=1.0))
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    batch = Batch({}, mask, tags=torch.zeros(2, 5, dtype=torch.long), spans=torch.zeros(0, 4, dtype=torch.long))
    assert objective.counts(batch) == {"entities": 2.0, "smoothing": 8.0, "r_drop": 8.0}
