import numpy as np
import pytest
import torch

from ner_distill.console import Reporter
from ner_distill.data.calibration import JudgedEntity, fit, reliability
from ner_distill.data.sentence import Sentence, Span
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.runtime.inference import find_entities, tag_log_probs
from ner_distill.training.calibrating import ScoresWorth, calibrate
from ner_distill.training.development import DevelopmentSet, Reading
from tests import corpora
from tests.world import World


@pytest.fixture(scope="module")
def teacher(world: World) -> AnyBuilt:
    return load_run(world.teacher)


def wrong(sentence: Sentence) -> Sentence:
    """With every entity labelled as something else, so that what the model finds there is wrong."""
    other = {"PER": "LOC", "LOC": "ORG", "ORG": "PER"}
    spans = tuple(Span(span.start, span.end, other.get(span.label, "PER")) for span in sentence.spans or ())
    return Sentence(sentence.id, sentence.words, spans)


def development(built: AnyBuilt, sentences: list[Sentence]) -> DevelopmentSet:
    return DevelopmentSet(sentences, built.featurizer, built.info.tagset, ["dev.conll"])


def test_scores_are_fitted_to_what_is_right_of_the_development_set(teacher: AnyBuilt) -> None:
    sentences = corpora.sentences(160, seed=5)
    sentences = [wrong(one) if number % 3 == 0 else one for number, one in enumerate(sentences)]
    dev_set = development(teacher, sentences)
    reading = dev_set.read_by(teacher.model, scores=True, tag_logs=True)
    done = calibrate(teacher.tagger, dev_set, reading, Reporter(quiet=True))
    found = reading.found
    right = [span in dev_set.gold[index] for index, own in enumerate(found) for span, _ in own]
    scores = [score for own in found for _, score in done.fitted.applied(own)]
    assert done.figures["entities"] == len(right)
    assert np.mean(scores) == pytest.approx(np.mean(right), abs=0.03)
    assert done.figures["ece"] < done.figures["ece_before"]
    assert done.figures["fitted_on"] == ["dev.conll"]
    assert done.fitted.temperature is not None
    assert done.fitted.temperature > 1  # a third of its answers, of which it was sure, are wrong here
    assert done.figures["tags"]["nll"] < done.figures["tags"]["nll_before"]


def test_tags_that_were_not_kept_are_read_again(teacher: AnyBuilt) -> None:
    dev_set = development(teacher, corpora.sentences(60, seed=5))
    kept = dev_set.read_by(teacher.model, scores=True, tag_logs=True)
    half = Reading(kept.found, None, {index: logs for index, logs in kept.tag_logs.items() if index % 2})
    whole, mended = (calibrate(teacher.tagger, dev_set, reading, Reporter(quiet=True)) for reading in (kept, half))
    assert mended.figures["tags"]["words"] == whole.figures["tags"]["words"] > 0
    assert mended.fitted.temperature == pytest.approx(whole.fitted.temperature, rel=1e-3)


def test_too_few_entities_are_said(teacher: AnyBuilt, capsys: pytest.CaptureFixture[str]) -> None:
    dev_set = development(teacher, corpora.sentences(10, seed=5))
    done = calibrate(teacher.tagger, dev_set, dev_set.read_by(teacher.model, scores=True), Reporter())
    assert done.fitted.scores is None
    assert "ece" not in done.figures
    assert "scores are not calibrated" in capsys.readouterr().err


def judged(scores: dict[float, float], sentences: range) -> list[JudgedEntity]:
    """An entity of each score in each sentence, of which the given share is right, evenly spread."""
    return [
        JudgedEntity(number, "PER", score, int((number + 1) * share) > int(number * share))
        for number in sentences
        for score, share in scores.items()
    ]


def test_maps_that_are_worse_than_none_on_other_sentences_are_not_kept() -> None:
    # right as often as their scores say; but each fifth of the text errs in a way of its own
    more, less = {0.3: 0.5, 0.5: 0.7, 0.7: 0.9}, {0.3: 0.1, 0.5: 0.3, 0.7: 0.5}
    parts = [more, more, less, less, {0.3: 0.3, 0.5: 0.5, 0.7: 0.7}]
    entities = [one for number, part in enumerate(parts) for one in judged(part, range(20 * number, 20 * number + 20))]
    assert fit(entities) is not None
    worth = ScoresWorth.of(entities)
    assert worth == (None, reliability(entities), None)
    kept = ScoresWorth.of(entities, keeps=True)  # by a run of an earlier version
    assert kept.maps == fit(entities)
    assert kept.after is not None


def test_scores_that_are_too_sure_get_maps() -> None:
    worth = ScoresWorth.of(judged({0.3: 0.45, 0.99: 0.6}, range(100)))
    assert worth.maps is not None
    assert worth.after is not None
    assert worth.after.error < worth.before.error


def test_masked_entities_have_no_say(teacher: AnyBuilt) -> None:
    sentences = [
        Sentence(one.id, one.words, one.spans, keep=(False,) * len(one.words)) for one in corpora.sentences(20, seed=5)
    ]
    dev_set = development(teacher, sentences)
    assert dev_set.judged(dev_set.find(teacher.tagger, scores=True)) == []
    assert set(dev_set.tags_of(0).tolist()) == {-1}


def test_gold_tags_leave_out_what_no_tag_can_say(teacher: AnyBuilt) -> None:
    spans = (Span(0, 3, "PER"), Span(1, 2, "PER"), Span(4, 5, "DATE"))
    dev_set = development(teacher, [Sentence("a", ("a", "b", "c", "d", "e", "f"), spans)])
    first = 1 + 2 * teacher.info.labels.index("PER")
    assert dev_set.tags_of(0).tolist() == [first, -1, first + 1, 0, -1, 0]


def test_tag_probabilities_give_the_scores_of_entities(teacher: AnyBuilt) -> None:
    """Short and long sentences alike: these are read in windows."""
    words = [sentence.words for sentence in corpora.sentences(80, seed=5)]
    texts = [*words[:6], tuple(word for own in words for word in own)]
    features = [teacher.featurizer.features(text) for text in texts]
    tagset = teacher.info.tagset
    entities = find_entities(teacher.tagger, teacher.featurizer, tagset, features, scores=True)
    found = dict(tag_log_probs(teacher.tagger, teacher.featurizer, features))
    assert [len(found[index]) for index in range(len(texts))] == [len(text) for text in texts]
    for index, own in enumerate(entities[:6]):
        for span, score in own:
            tags = tagset.encode([span], len(texts[index]))[span.start : span.end]
            probs = found[index][torch.arange(span.start, span.end), tags].exp()
            assert score == pytest.approx(float(probs.mean()), abs=1e-5)
