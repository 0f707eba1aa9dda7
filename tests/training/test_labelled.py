"""Training batches of labelled sentences whose labels do not all count alike."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from ner_distill.console import Reporter
from ner_distill.data.batching import Batch
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.metrics import Scores, score
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.tagset import TagSet
from ner_distill.training import development
from ner_distill.training.development import DevelopmentSet
from ner_distill.training.labelled import LabelledData

LONG = Sentence("a", ("Ana", "López", "visits", "Rome"), (Span(0, 2, "PER"), Span(3, 4, "LOC")))
SHORT = Sentence("b", ("Rome", "calls", "Ana"), (Span(0, 1, "LOC"), Span(2, 3, "PER")))


def data(sentences: Sequence[Sentence], pairs: int = 0) -> LabelledData:
    featurizer = WordFeaturizer.counted([sentence.words for sentence in sentences], "word")
    tagset = TagSet(("LOC", "PER"))
    return LabelledData(sentences, featurizer, tagset, budget=64, seed=1, pairs_per_sentence=pairs)


def batch_of(*sentences: Sentence, pairs: int = 0) -> Batch:
    return data(sentences, pairs).load(range(len(sentences)), 0)


def test_a_batch_says_nothing_of_keep_and_weight_where_all_labels_count() -> None:
    batch = batch_of(LONG, replace(SHORT, keep=(True, True, True)))
    assert (batch.keep, batch.weight) == (None, None)


def test_a_batch_has_keep_and_weight_of_its_sentences() -> None:
    batch = batch_of(LONG, replace(SHORT, keep=(True, False, True), weight=0.5))
    assert batch.kept.tolist() == [[True, True, True, True], [True, False, True, False]]
    assert batch.weight is not None
    assert batch.weight.tolist() == [1.0, 0.5]


def test_an_entity_that_is_partly_kept_is_masked_whole_and_counted() -> None:
    found = data([replace(LONG, keep=(True, False, True, True))])
    assert found.load([0], 0).kept.tolist() == [[False, False, True, True]]
    assert found.partly_kept == 1


@pytest.mark.parametrize("kept", [(3, 6), (0, 3, 6)], ids=str)
def test_pairs_are_drawn_from_kept_words_only(kept: tuple[int, ...]) -> None:
    flat = torch.zeros(8, dtype=torch.bool)
    flat[list(kept)] = True
    rows = [tuple(row) for row in flat.view(2, 4).tolist()]
    single = replace(LONG, spans=(Span(0, 1, "PER"), Span(3, 4, "LOC")), keep=rows[0])
    batch = batch_of(single, replace(SHORT, keep=rows[1][:3]), pairs=50)
    assert batch.pairs is not None
    assert set(batch.pairs.flatten().tolist()) == set(kept)


# ---- development data of which some words are masked


NESTED = Sentence("c", ("Bank", "of", "Oslo", "."), (Span(0, 3, "ORG"), Span(2, 3, "LOC")))
RIGHT = [list(LONG.spans or ()), list(SHORT.spans or ())]


class Development:
    """LONG and SHORT as a development set; what a model finds in them is made up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *keep: str | None) -> None:
        self.monkeypatch = monkeypatch
        sentences = [_masked(one, own) for one, own in zip((LONG, SHORT), keep, strict=False)]
        featurizer = WordFeaturizer.counted([sentence.words for sentence in sentences], "word")
        self.data = DevelopmentSet(sentences, featurizer, TagSet(("LOC", "PER")))

    def scores(self, found: Sequence[Sequence[Span]]) -> Scores:
        scored = [[(span, 1.0) for span in own] for own in found]
        self.monkeypatch.setattr(development, "find_entities", lambda *_, **__: scored)
        return self.data.scores(None)  # type: ignore[arg-type]

    def counts(self, found: Sequence[Sequence[Span]]) -> tuple[int, int, int]:
        micro = self.scores(found).micro
        return micro.correct, micro.support, micro.predicted


def _masked(sentence: Sentence, keep: str | None) -> Sentence:
    """keep: `+` for a word that counts, `-` for one that does not."""
    return replace(sentence, keep=keep and tuple(sign == "+" for sign in keep))


@pytest.mark.parametrize("keep", [(None, None), ("++++", None)])
def test_figures_are_the_same_where_nothing_is_masked(monkeypatch: pytest.MonkeyPatch, keep: Any) -> None:
    found = [[Span(0, 1, "PER"), Span(3, 4, "LOC")], [Span(0, 1, "PER")]]
    scored = Development(monkeypatch, *keep)
    assert scored.scores(found) == score(RIGHT, found, ("LOC", "PER"))
    assert scored.data.left_out == 0


@pytest.mark.parametrize("keep", ["--++", "+-++", "-+++"])
def test_a_gold_entity_that_is_not_wholly_kept_is_left_out(monkeypatch: pytest.MonkeyPatch, keep: str) -> None:
    scored = Development(monkeypatch, keep, None)
    assert scored.counts([[], []]) == (0, 3, 0)
    assert scored.data.left_out == 1


@pytest.mark.parametrize(
    "span", [Span(0, 2, "PER"), Span(0, 2, "LOC"), Span(0, 1, "PER"), Span(1, 2, "PER"), Span(1, 3, "PER")], ids=str
)
def test_what_is_found_on_a_masked_word_is_neither_right_nor_wrong(monkeypatch: pytest.MonkeyPatch, span: Span) -> None:
    assert Development(monkeypatch, "+-++", None).counts([[span, Span(3, 4, "LOC")], []]) == (1, 3, 1)


def test_what_is_found_on_a_masked_word_without_an_entity_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    scored = Development(monkeypatch, "++-+", None)
    assert scored.counts([[Span(2, 3, "LOC")], []]) == (0, 4, 0)
    assert scored.data.left_out == 0


def test_entities_that_overlap_a_masked_one_are_left_out_as_in_training() -> None:
    featurizer = WordFeaturizer.counted([NESTED.words], "word")
    development = DevelopmentSet([_masked(NESTED, "-+++")], featurizer, TagSet(("LOC", "ORG")))
    assert development.left_out == 2


def test_masked_entities_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    Development(monkeypatch, None, None).data.warn_left_out("--dev", Reporter(stream=said))
    assert said.getvalue() == ""
    Development(monkeypatch, "--++", None).data.warn_left_out("--dev", Reporter(stream=said))
    assert (
        "--dev: 1 of 4 entities are masked (keep): they do not count, nor does what is found there" in said.getvalue()
    )


def test_a_batch_has_the_words_that_are_surely_of_no_entity() -> None:
    told = replace(SHORT, negative=(True, True, False))  # Rome is an entity, which counts
    batch = batch_of(LONG, told)
    assert batch.negative is not None
    assert batch.negative.tolist() == [[False] * 4, [False, True, False, False]]
    assert batch_of(LONG, SHORT).negative is None


# ---- sentences too long for the encoder, and for the user


def _long(words: int) -> Sentence:
    """An entity of two words at every third word."""
    spans = tuple(Span(start, start + 2, ("PER", "LOC")[start % 2]) for start in range(1, words - 1, 3))
    return Sentence("long", _words(words), spans)


def _words(number: int) -> tuple[str, ...]:
    """So many different words; digits would all be the same."""
    return tuple(f"{chr(97 + index // 26)}{chr(97 + index % 26)}" for index in range(number))


def _in_rows(sentence: Sentence, max_words: int) -> LabelledData:
    featurizer = WordFeaturizer.counted([sentence.words] * 2, "word", max_words=max_words)
    return LabelledData([SHORT, sentence], featurizer, TagSet(("LOC", "PER")), budget=64, seed=1)


@pytest.mark.parametrize("max_words", [4, 5, 8, 20])
def test_every_word_and_every_entity_of_a_long_sentence_counts_in_one_row(max_words: int) -> None:
    sentence = _long(50)
    data = _in_rows(sentence, max_words)
    batch = data.load(range(len(data.features)), 0)
    assert batch.mask.shape[1] <= max_words
    assert batch.tags is not None
    assert batch.spans is not None
    words = data.featurizer.vocabs["words"]
    ids, kept = batch.inputs["words"][1:], batch.kept[1:]
    assert sorted(ids[kept].tolist()) == sorted(words.id(word) for word in sentence.words)
    by_word = dict(zip(ids[kept].tolist(), batch.tags[1:][kept].tolist(), strict=True))
    tags = TagSet(("LOC", "PER")).encode(sentence.spans or (), 50)
    assert by_word == {words.id(word): tag for word, tag in zip(sentence.words, tags, strict=True)}
    whole = [row for row, start, end, _ in batch.spans.tolist() if row and batch.kept[row, start:end].all()]
    assert len(whole) == len(sentence.spans or ())
    assert data.partly_kept == 0


def test_an_entity_longer_than_two_windows_share_counts_in_none() -> None:
    sentence = Sentence("long", _words(12), (Span(2, 11, "PER"),))
    data = _in_rows(sentence, 4)
    batch = data.load(range(1, len(data.features)), 0)
    words = data.featurizer.vocabs["words"]
    assert {*batch.inputs["words"][batch.kept].tolist()} == {words.id(word) for word in ("aa", "ab", "al")}
    assert data.partly_kept == 1


def test_sentences_longer_than_max_words_are_in_no_batch_and_counted() -> None:
    sentences = [SHORT, _long(50), LONG]
    featurizer = WordFeaturizer.counted([sentence.words for sentence in sentences], "word", max_words=20)
    data = LabelledData(sentences, featurizer, TagSet(("LOC", "PER")), budget=64, seed=1, max_words=10)
    assert sorted(name for batch in data.plan(0) for name in data.ids_of(batch)) == ["a", "b"]
    assert data.too_long == 1


def test_development_sentences_longer_than_max_words_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    featurizer = WordFeaturizer.counted([LONG.words], "word")
    data = DevelopmentSet([LONG, SHORT], featurizer, TagSet(("LOC", "PER")), max_words=3)
    found = [[(span, 1.0) for span in SHORT.spans or ()]]
    monkeypatch.setattr(development, "find_entities", lambda *_, **__: found)
    micro = data.scores(None).micro  # type: ignore[arg-type]
    assert (micro.correct, micro.support, micro.predicted) == (2, 4, 2)
    said = io.StringIO()
    data.warn_left_out("`data`", Reporter(stream=said))
    assert (
        "1 sentences of more than `max_words` words are not read: their 2 entities count as missed" in said.getvalue()
    )
