import random

import pytest

from ner_distill.data.metrics import score
from ner_distill.data.mistakes import Mistake, count_kinds, mistakes_of
from ner_distill.data.sentence import Span

LABELS = ("LOC", "ORG", "PER")


def span(text: str) -> Span:
    """`0-2 PER`"""
    place, label = text.split()
    start, end = map(int, place.split("-"))
    return Span(start, end, label)


@pytest.mark.parametrize(
    ("gold", "found", "expected"),
    [
        pytest.param(["0-2 PER"], ["0-2 PER"], [], id="right"),
        pytest.param(["0-2 PER"], [], [("missed", "0-2 PER", None)], id="missed"),
        pytest.param([], ["3-4 LOC"], [("invented", None, "3-4 LOC")], id="invented"),
        pytest.param(["0-2 PER"], ["0-2 ORG"], [("type", "0-2 PER", "0-2 ORG")], id="another type"),
        pytest.param(["0-3 ORG"], ["0-1 ORG"], [("boundary", "0-3 ORG", "0-1 ORG")], id="too short"),
        pytest.param(["0-3 ORG"], ["2-5 LOC"], [("boundary", "0-3 ORG", "2-5 LOC")], id="borders and type"),
        pytest.param(
            ["0-2 PER"], ["2-3 PER"], [("missed", "0-2 PER", None), ("invented", None, "2-3 PER")], id="side by side"
        ),
        pytest.param(
            ["0-4 ORG"],
            ["0-1 ORG", "2-4 LOC"],
            [("invented", None, "0-1 ORG"), ("boundary", "0-4 ORG", "2-4 LOC")],
            id="of two parts the longer one",
        ),
        pytest.param(
            ["0-4 ORG"],
            ["0-2 LOC", "2-4 ORG"],
            [("invented", None, "0-2 LOC"), ("boundary", "0-4 ORG", "2-4 ORG")],
            id="of equal parts that of the same type",
        ),
        pytest.param(
            ["0-3 ORG", "2-3 LOC"], ["0-3 ORG"], [("missed", "2-3 LOC", None)], id="inside of a right one: missed"
        ),
        pytest.param(
            ["0-1 PER", "4-6 LOC"],
            ["0-1 PER", "4-6 ORG", "4-5 LOC"],
            [("invented", None, "4-5 LOC"), ("type", "4-6 LOC", "4-6 ORG")],
            id="equal borders come before overlaps",
        ),
    ],
)
def test_mistakes_of_sentences_judged_by_hand(
    gold: list[str], found: list[str], expected: list[tuple[str, str | None, str | None]]
) -> None:
    made = mistakes_of(map(span, gold), map(span, found))
    assert made == [Mistake(kind, one and span(one), other and span(other)) for kind, one, other in expected]  # type: ignore[arg-type]


def test_kinds_are_counted_in_their_order() -> None:
    made = mistakes_of([span("0-1 PER"), span("2-3 LOC")], [span("2-3 ORG"), span("5-6 PER"), span("7-8 PER")])
    assert list(count_kinds(made).items()) == [("boundary", 0), ("type", 1), ("missed", 1), ("invented", 2)]


def test_mistakes_add_up_to_what_the_scores_count_as_wrong() -> None:
    """On random spans: each wrong entity is in one mistake, and the types are confused as the confusion says."""
    rng = random.Random(5)

    def draw() -> list[set[Span]]:
        return [
            {Span(start, start + rng.randint(1, 3), rng.choice(LABELS)) for start in rng.sample(range(8), 3)}
            for _ in range(200)
        ]

    gold, found = draw(), draw()
    scores = score(gold, found, LABELS)
    counts = count_kinds(one for pair in zip(gold, found, strict=True) for one in mistakes_of(*pair))
    micro = scores.micro
    assert counts["type"] + counts["boundary"] + counts["missed"] == micro.support - micro.correct
    assert counts["type"] + counts["boundary"] + counts["invented"] == micro.predicted - micro.correct
    confused = [n for label, row in scores.confusion.items() for other, n in row.predicted_as.items() if other != label]
    assert counts["type"] == sum(confused)
    assert min(counts.values()) > 0
