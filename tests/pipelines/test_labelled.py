"""Training batches of labelled sentences whose labels do not all count alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from ner_distill.data.batching import Batch
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.tagset import TagSet
from ner_distill.data.word_features import WordFeaturizer
from ner_distill.pipelines.labelled import LabelledData

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
