from __future__ import annotations

import io

from rich.console import Console

from ner_distill.data.metrics import Scores, score
from ner_distill.data.sentence import Span
from ner_distill.views.scores import render


def printed(scores: Scores) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(render(scores))
    return console.file.getvalue()


def test_table_fits_80_columns_and_keeps_every_figure_of_large_data():
    long_type = "government_organisation_[local]"
    gold = [[Span(start, start + 1, long_type) for start in range(12_345)]]
    predicted = [[Span(start, start + 1, "other_" * 6) for start in range(0, 12_345, 2)]]
    text = printed(score(gold, predicted, [long_type]))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "12,345" in text
    assert "…" not in text


def test_table_shows_percentages_and_the_most_frequent_errors():
    gold = [[Span(0, 2, "PER"), Span(3, 4, "LOC")], [Span(0, 1, "PER")]]
    predicted = [[Span(0, 2, "PER"), Span(3, 4, "ORG")], []]
    lines = printed(score(gold, predicted, ["LOC", "ORG", "PER"])).splitlines()
    assert "50.00" in next(line for line in lines if "PER" in line and "missed 1" in line)
    assert "as ORG 1" in next(line for line in lines if "LOC" in line)


def test_table_shows_types_that_look_like_markup():
    assert "[bold]" in printed(score([[Span(0, 1, "[bold]")]], [[]], []))
