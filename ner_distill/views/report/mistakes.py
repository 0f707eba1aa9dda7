"""The data of the errors: sentences in which something is wrong, with what is gold, what was found, and the kinds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ner_distill.data.mistakes import KINDS, Mistake, mistakes_of
from ner_distill.data.sentence import ScoredSpan, Sentence, Span, separator, unit_of
from ner_distill.training.development import Answers
from ner_distill.views.report.content import Report
from ner_distill.views.text import shortened

AROUND = 40
"""Words that are shown on each side of an error."""
LONGEST_WORD = 200
MOST_CHARACTERS = 12_000_000
"""Of the words in a page: sentences behind so many are counted only."""


def errors_of(report: Report) -> dict[str, Any]:
    """What `errors.js` draws.

    labels, kinds: names, of which all else has the numbers. counts: errors of each kind. separator: between two words.
    sentences: those with errors, see `_sentence`. left_out: how many more there are.
    """
    wrong = list(_with_mistakes(report.answers)) if report.answers is not None else []
    kinds = Counter(one.kind for *_, mistakes in wrong for one in mistakes)
    number = {label: place for place, label in enumerate(report.labels)}
    shown: list[dict[str, Any]] = []
    size = 0
    for sentence, gold, found, mistakes in wrong:
        shown.append(_sentence(sentence, gold, found, mistakes, number))
        size += sum(len(word) + 1 for part in shown[-1]["parts"] for word in part["words"])
        if size > MOST_CHARACTERS:
            break
    return {
        "labels": list(report.labels),
        "kinds": list(KINDS),
        "counts": [kinds[kind] for kind in KINDS],
        "separator": separator(unit_of([sentence for sentence, *_ in wrong])),
        "sentences": shown,
        "left_out": len(wrong) - len(shown),
    }


Wrong = tuple[Sentence, Sequence[Span], Sequence[ScoredSpan], list[Mistake]]


def _with_mistakes(answers: Answers) -> Iterator[Wrong]:
    """The sentences in which something is wrong."""
    for sentence, gold, found in zip(answers.sentences, answers.gold, answers.found, strict=True):
        if mistakes := mistakes_of(gold, (span for span, _ in found)):
            yield sentence, gold, found, mistakes


def _sentence(
    sentence: Sentence,
    gold: Sequence[Span],
    found: Sequence[ScoredSpan],
    mistakes: Sequence[Mistake],
    number: Mapping[str, int],
) -> dict[str, Any]:
    """`id`, and `parts`: the words around its errors.

    Of a part `from` and `cut`: its first word, and whether words behind it are left out; its `words`; `gold` and
    `found`: first word in the part, the word after the last one, label, and the score of what was found; and `errors`:
    kind, label of the gold entity and of the prediction, -1 for none.
    """
    parts = []
    for start, end in _windows(mistakes, len(sentence.words)):

        def placed(span: Span, start: int = start, end: int = end) -> list[int]:
            return [max(span.start, start) - start, min(span.end, end) - start, number[span.label]]

        inside = Span(start, end, "")
        parts.append(
            {
                "from": start,
                "cut": end < len(sentence.words),
                "words": [shortened(word, LONGEST_WORD) for word in sentence.words[start:end]],
                "gold": [placed(span) for span in gold if span.overlaps(inside)],
                "found": [[*placed(span), round(score, 3)] for span, score in found if span.overlaps(inside)],
                "errors": [_error(one, number) for one in mistakes if start <= one.start < end],
            }
        )
    return {"id": sentence.id, "parts": parts}


def _error(mistake: Mistake, number: Mapping[str, int]) -> list[int]:
    sides = (mistake.gold, mistake.found)
    return [KINDS.index(mistake.kind), *(-1 if span is None else number[span.label] for span in sides)]


def _windows(mistakes: Iterable[Mistake], words: int) -> list[tuple[int, int]]:
    """First word and the word after the last one of what is shown: `AROUND` words on each side of an error."""
    windows: list[tuple[int, int]] = []
    for one in mistakes:  # in the order of their first words
        start, end = max(0, one.start - AROUND), min(words, one.end + AROUND)
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(end, windows[-1][1]))
        else:
            windows.append((start, end))
    return windows
