from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from torch import Tensor, nn

from ner_distill.config import StudentConfig, TeacherConfig, load_config
from ner_distill.data.sentence import Sentence, Span
from ner_distill.nn.encoders.base import Encoder
from ner_distill.runs.build import Built, new_student, new_teacher
from ner_distill.runs.info import RunInfo
from ner_distill.runtime.inference import tag_log_probs
from ner_distill.teacher.model import Teacher
from ner_distill.training import pairs
from ner_distill.training.development import DevelopmentSet
from ner_distill.training.pairs import development_pairs, score_pairs
from tests import corpora

INFO = RunInfo("teacher", "word", ("LOC", "PER"))
SENTENCES = [
    Sentence("1", ("Ann", "Lee", "sings", "in", "New", "York"), (Span(0, 2, "PER"), Span(4, 6, "LOC"))),
    Sentence("2", ("Oslo", "likes", "Ann", "Lee"), (Span(0, 1, "LOC"), Span(2, 4, "PER"))),
]
TYPES = {"Ann": 1, "Lee": 1, "New": 2, "York": 2, "Oslo": 2}
TAGS = {"Ann": 1, "Lee": 2, "New": 3, "York": 4, "Oslo": 3}


def built(*keys: str) -> Built[Teacher]:
    config = load_config(TeacherConfig, None, [*corpora.SMALL, "encoder.min_count=1", *keys])
    made = new_teacher(config, INFO, [sentence.words for sentence in SENTENCES])
    made.model.eval()
    return made


class Known(Encoder):
    """The vector of a word is that of its class: those of two classes stand at right angles."""

    dim = 5

    def __init__(self, classes: dict[str, int], ids: dict[str, int]) -> None:
        super().__init__()
        rows = torch.zeros(max(ids.values()) + 1, self.dim)
        for word, number in ids.items():
            rows[number, classes.get(word, 0)] = 1.0
        self.rows = nn.Parameter(rows)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.rows[inputs["words"]]

    def embedding_layer(self) -> nn.Module:
        return self

    def layer_groups(self) -> list[list[nn.Parameter]]:
        return [[self.rows]]


def knowing(made: Built[Teacher], classes: dict[str, int]) -> Teacher:
    """The teacher with vectors of these classes in its encoder's place; σ(5 cos − 2.5) is 0.92 or 0.08."""
    words = {word for sentence in SENTENCES for word in sentence.words}
    ids = {word: made.featurizer.features([word]).words[0] for word in words}
    made.model.tagger.encoder = Known(classes, ids)
    with torch.no_grad():
        made.model.similarity.shift.fill_(-2.5)
    return made.model


def test_scores_are_those_counted_by_hand():
    said, alike = [0.9, 0.5, 0.4, 0.2, 0.1], [1, 0, 1, 0, 1]
    found = score_pairs(said, alike)
    assert (found.precision, found.recall, found.pairs) == (1 / 2, pytest.approx(1 / 3), 5)
    assert found.f1 == pytest.approx(0.4)
    places = [(a, b) for a, b in itertools.product(range(5), repeat=2) if alike[a] > alike[b]]
    assert found.auc == pytest.approx(sum(said[a] > said[b] for a, b in places) / len(places))


def test_pairs_of_one_kind_have_no_curve():
    found = score_pairs([0.9, 0.1], [1, 1])
    assert (found.f1, found.auc) == (pytest.approx(2 / 3), None)
    assert "similarity_auc" not in found.figures()


@pytest.mark.parametrize(("target", "classes", "other"), [("type", TYPES, TAGS), ("tag", TAGS, TYPES)])
def test_what_tells_apart_what_the_target_says_is_right_and_else_is_not(target, classes, other):
    for known, right in ((classes, True), (other, False)):
        made = built(f"similarity.target={target}")
        scores = development_pairs(SENTENCES, made).scores(knowing(made, known))
        assert (scores.precision == scores.recall == scores.f1 == scores.auc == 1.0) == right
        assert 0 < scores.pairs <= 32 * len(SENTENCES)


def test_words_that_do_not_count_are_in_no_pair():
    made = built()
    masked = [Sentence("1", ("Ann", "sings", "York"), (Span(2, 3, "LOC"),), keep=(False, True, True))]
    kept = made.featurizer.features(("sings", "York")).words
    wanted = development_pairs(masked, made)
    batch = wanted.data.load([0], 0)
    assert {int(word) for word in batch.inputs["words"].flatten()[batch.pairs.flatten()]} <= set(kept)
    assert len(batch.pairs) > 0


def test_types_that_were_never_trained_on_are_compared_as_well():
    made = built()
    strange = [Sentence("1", ("Ann", "Oslo", "Lee"), (Span(0, 1, "NEW"), Span(2, 3, "NEW")))]
    assert development_pairs(strange, made).scores(made.model).pairs > 0


def test_one_word_makes_no_pair():
    made = built()
    assert development_pairs([Sentence("1", ("Ann",), (Span(0, 1, "PER"),))], made).scores(made.model) is None


def test_sentences_beyond_a_number_are_not_read(monkeypatch):
    monkeypatch.setattr(pairs, "SENTENCES", 3)
    made = built()
    many = corpora.sentences(9)
    found, again = (development_pairs(many, made).data for _ in range(2))
    assert len(found.features) == 3
    assert found.ids == again.ids != [sentence.id for sentence in many[:3]]


def test_the_evaluators_own_encoder_is_the_one_that_is_asked():
    made = built("similarity.encoder=separate", "similarity.weight=1.0")
    evaluator = made.model.evaluator
    made.model.evaluator = knowing(made, TYPES).tagger.encoder
    made.model.tagger.encoder = evaluator
    assert development_pairs(SENTENCES, made).scores(made.model).f1 == 1.0


@pytest.mark.parametrize("max_words", [0, 6])
def test_a_reading_of_the_development_set_scores_pairs_as_one_of_their_own(max_words):
    made = built()
    made.model.eval()
    many = corpora.sentences(40)
    wanted = development_pairs(many, made, max_words=max_words)
    dev_set = DevelopmentSet(many, made.featurizer, made.info.tagset, max_words=max_words, pairs=wanted)
    assert 0 < len(dev_set.read) < len(many) or not max_words
    alone, together = wanted.scores(made.model), dev_set.read_by(made.model).similarity
    assert together == dataclasses.replace(alone, auc=pytest.approx(alone.auc))
    assert together.pairs > 50


@pytest.mark.parametrize("most", [0, 10**9])
def test_what_is_read_again_has_the_same_scores(most, monkeypatch):
    """A second encoder, sentences in windows, and vectors that take too much memory."""
    monkeypatch.setattr(pairs, "MOST_NUMBERS", most)
    many = corpora.sentences(12)
    for keys in (["similarity.encoder=separate", "similarity.weight=1.0"], ["encoder.max_pieces=8"], []):
        made = built(*keys)
        long = [*many, Sentence("long", tuple(word for one in many for word in one.words), ())]
        wanted = development_pairs(long, made)
        dev_set = DevelopmentSet(long, made.featurizer, made.info.tagset, pairs=wanted)
        alone, together = wanted.scores(made.model), dev_set.read_by(made.model).similarity
        assert together == dataclasses.replace(alone, auc=pytest.approx(alone.auc))
        assert (wanted.watch(made.model) is None) == bool(keys or not most)


def test_each_sentence_is_encoded_once_for_all_that_is_asked():
    made = built()
    made.model.eval()
    many = corpora.sentences(30)
    dev_set = DevelopmentSet(many, made.featurizer, made.info.tagset, pairs=development_pairs(many, made), max_words=0)
    words = 0

    def count(module, inputs, vectors):
        nonlocal words
        words += int(inputs[0]["mask"].sum())

    made.model.tagger.encoder.register_forward_hook(count)
    reading = dev_set.read_by(made.model, scores=True, tag_logs=True)
    assert words == sum(len(sentence.words) for sentence in many)
    assert reading.similarity.pairs > 0
    for index, log_probs in tag_log_probs(made.model.tagger, made.featurizer, dev_set.features):
        torch.testing.assert_close(reading.tag_logs[index], log_probs)


def test_a_student_and_a_teacher_of_one_task_have_no_pairs():
    assert development_pairs(SENTENCES, built("similarity.weight=0.0")) is None
    student = new_student(load_config(StudentConfig, None, corpora.SMALL), INFO, [["Ann"]])
    assert development_pairs(SENTENCES, student) is None
