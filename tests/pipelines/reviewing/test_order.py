"""Which sentences come first: against sums by hand, and against greedy choice that looks at everything each time."""

from __future__ import annotations

import numpy as np
import pytest

from ner_distill.data.store.columns import SoftRow
from ner_distill.pipelines.reviewing.order import REPEATED, doubts, ranked
from tests.stores import make_row


def certain(name: str, *words: str) -> SoftRow:
    return make_row(name, *((word, "O", 1.0) for word in words))


def unsure(name: str, *words: str) -> SoftRow:
    """Words that are as well O as B-ORG: half a bit of log2(5)."""
    return make_row(name, *((word, "O", 0.5) for word in words))


HALF = np.log(2) / np.log(5)


def test_doubt_is_the_entropy_over_the_largest_there_is() -> None:
    assert doubts(unsure("a", "x")) == pytest.approx([HALF])
    assert doubts(certain("a", "x", "y")) == pytest.approx([0, 0])
    even = SoftRow("e", ("x",), np.full((1, 5), 0.2, np.float16), np.ones(1, np.bool_))
    assert doubts(even) == pytest.approx([1])


def test_words_that_voting_dropped_are_in_full_doubt() -> None:
    assert doubts(make_row("a", ("x", "O", 1.0), ("y", "O", 1.0), dropped=(1,))) == pytest.approx([0, 1])


def test_a_form_that_was_asked_about_counts_half_as_much_each_time() -> None:
    rows = [unsure("a", "Acme"), unsure("b", "Acme"), unsure("c", "Oslo"), unsure("d", "Acme")]
    found = ranked(rows)
    assert [one.number for one in found] == [0, 2, 1, 3]
    assert [one.worth for one in found] == pytest.approx([HALF, HALF, HALF * REPEATED, HALF * REPEATED**2])


def test_a_form_counts_less_the_second_time_in_its_own_sentence() -> None:
    assert ranked([unsure("a", "Acme", "Acme", "Oslo")])[0].worth == pytest.approx(HALF * (2 + REPEATED))


def test_sentences_without_doubt_come_last_and_those_without_words_not_at_all() -> None:
    found = ranked([certain("a", "x"), certain("empty"), unsure("b", "y")])
    assert [one.number for one in found] == [2, 0]


def test_short_sentences_come_first_where_words_are_what_costs() -> None:
    rows = [make_row("long", ("a", "O", 0.5), ("b", "O", 0.5), *(("c", "O", 1.0),) * 8), unsure("short", "d")]
    assert ranked(rows)[0].number == 0
    assert [one.number for one in ranked(rows, order="short")] == [1, 0]
    assert ranked(rows, order="doubt")[0].number == 1


@pytest.mark.parametrize("order", ["useful", "short", "doubt"])
def test_limit_gives_the_beginning_of_the_order(order: str) -> None:
    rows = drawn(40)
    whole = ranked(rows, order=order)  # type: ignore[arg-type]
    assert ranked(rows, order=order, limit=7) == whole[:7]  # type: ignore[arg-type]
    assert len(whole) == 40


def test_lazy_choice_is_that_of_trying_every_sentence_each_time() -> None:
    rows = drawn(30)
    asked: dict[str, int] = {}

    def worth(number: int) -> float:
        seen = dict(asked)
        total = 0.0
        for word, doubt in zip(rows[number].words, doubts(rows[number]), strict=True):
            total += doubt * 0.5 ** seen.get(word, 0)
            seen[word] = seen.get(word, 0) + 1
        return total

    left = set(range(len(rows)))
    for one in ranked(rows):
        best = max(worth(number) for number in left)
        assert worth(one.number) == pytest.approx(best, abs=1e-5)
        assert one.worth == pytest.approx(best, abs=1e-5)
        left.remove(one.number)
        for word in rows[one.number].words:
            asked[word] = asked.get(word, 0) + 1
    assert not left


def drawn(count: int) -> list[SoftRow]:
    """Sentences of few forms, so that they have many in common."""
    rng = np.random.default_rng(13)
    rows = []
    for number in range(count):
        words = [f"w{form}" for form in rng.integers(0, 12, rng.integers(1, 6))]
        rows.append(make_row(str(number), *((word, "O", float(rng.uniform(0.3, 1))) for word in words)))
    return rows
