"""The answers for the windows of a sentence, put together."""

from __future__ import annotations

import numpy as np

from ner_distill.data.features.windows import cut_windows
from ner_distill.data.store.columns import SPAN
from ner_distill.pipelines.labelling.shard_buffer import Answer, RowSpans, joined_answers

WORDS = 9
SPANS = [(1, 3, 0, 0.75), (3, 5, 0, 0.875), (4, 5, 1, 0.0625), (5, 6, 0, 0.5625), (7, 9, 1, 1.0)]


def answer_of(start: int, end: int) -> Answer:
    """What a window says of SPANS and of its words, whose probability is their number; of two rows one counts."""
    whole = [(first - start, last - start, *rest) for first, last, *rest in SPANS if start <= first and last <= end]
    values = np.array([*whole, (0, 1, 0, 0.5)], SPAN)
    rows = np.array([1] * len(whole) + [0], np.int64)
    probs = np.stack([np.zeros(end - start), np.arange(start, end)])[..., None].astype(np.float32)
    width = end - start
    pairs = [np.zeros((0, 2), np.int64), np.array([[width, width + 1]])]
    similarity = [np.zeros(0, np.float32), np.array([0.5], np.float32)]
    return Answer(probs, np.ones((2, width), np.bool_), pairs, similarity, RowSpans(rows, values)).of_row(1)


def test_words_spans_and_pairs_of_windows_are_those_of_the_sentence() -> None:
    windows = cut_windows(WORDS, 4)
    joined = joined_answers(windows, [answer_of(window.start, window.end) for window in windows])
    assert joined.probs[0, :, 0].tolist() == list(range(WORDS))
    assert joined.keep.shape == (1, WORDS)
    assert joined.pairs[0].tolist() == [[window.start, window.start + 1] for window in windows]
    assert joined.spans is not None
    assert joined.spans.values.tolist() == SPANS
    assert joined.spans.rows.tolist() == [0] * len(SPANS)
