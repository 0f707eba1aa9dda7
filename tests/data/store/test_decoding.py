from itertools import product

import numpy as np
import pytest

from ner_distill.data.sentence import Span
from ner_distill.data.store.decoding import best_path, decode_probs
from ner_distill.data.tagset import TagSet

TAGS = TagSet(("LOC", "PER"))


def _legal(names: list[str]) -> bool:
    """IOB2 by its definition, on tag strings."""
    before = "O"
    for name in names:
        if name.startswith("I-") and before not in (f"B-{name[2:]}", name):
            return False
        before = name
    return True


@pytest.mark.parametrize("seed", range(20))
def test_best_path_is_the_most_probable_of_all_legal_sequences(seed):
    # Concentrated on few tags: about every other case has a best tag per word that is not legal.
    probs = np.random.default_rng(seed).dirichlet([0.3] * len(TAGS), size=4)
    sequences = [ids for ids in product(range(len(TAGS)), repeat=4) if _legal([TAGS.tags[tag] for tag in ids])]
    best = max(sequences, key=lambda ids: np.prod([probs[word, tag] for word, tag in enumerate(ids)]))
    assert best_path(probs, TAGS).tolist() == list(best)


def test_the_enumeration_meets_cases_where_the_best_tags_are_illegal():
    illegal = 0
    for seed in range(20):
        greedy = np.random.default_rng(seed).dirichlet([0.3] * len(TAGS), size=4).argmax(1)
        illegal += not _legal([TAGS.tags[tag] for tag in greedy])
    assert illegal >= 5


def test_confidence_is_the_mean_probability_over_the_words_of_the_entity():
    probs = np.array([[0.2, 0.8, 0, 0, 0], [0.25, 0, 0.5, 0.25, 0], [0.9, 0.1, 0, 0, 0]], np.float16)
    [(span, confidence)] = decode_probs(probs, TAGS)
    assert span == Span(0, 2, "LOC")
    assert confidence == pytest.approx((0.8 + 0.5) / 2, abs=1e-3)


def test_an_inside_tag_at_the_start_of_a_sentence_is_never_chosen():
    probs = np.array([[0, 0, 1, 0, 0], [1, 0, 0, 0, 0]], np.float16)  # only I-LOC has any probability
    assert best_path(probs, TAGS)[0] != TAGS.tags.index("I-LOC")


def test_a_sentence_of_no_words_has_no_entities():
    assert decode_probs(np.zeros((0, 5), np.float16), TAGS) == []
