"""Scores as a table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from ner_distill.data.formats.report import counted
from ner_distill.data.metrics import Confusion, Counts, Scores
from ner_distill.data.thresholds import Threshold
from ner_distill.pipelines.evaluate import Evaluation
from ner_distill.views.text import plain


def render(scores: Scores, title: str | None = None) -> Table:
    """A table for people, at most 80 columns wide: percentages, and what each type was most often taken for."""
    table = Table(title=title, title_justify="left")
    table.add_column("type", overflow="fold", max_width=20)
    for name in ("precision", "recall", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("support", justify="right", no_wrap=True)
    table.add_column("most errors", overflow="fold", max_width=20)
    for label, counts in scores.by_type.items():
        errors = _most_errors(label, scores.confusion[label])
        table.add_row(Text(plain(label)), *_figures(counts), Text(plain(errors)))
    table.add_section()
    table.add_row("all types", *_figures(scores.micro), "", style="bold")
    table.add_row("boundaries only", *_figures(scores.boundary), "")
    if scores.inside_words:
        gold = counted(scores.inside_words, "gold entity", "gold entities")
        table.caption = f"{gold} with a border inside a word: counted as missed"
        table.caption_justify = "left"
    return table


def reliability_line(done: Evaluation) -> str:
    """How far the scores of entities are from the share that is right."""
    count = sum(one.entities for one in done.reliability.bins)
    if not count:
        return "scores: no entity found"
    before = "" if done.uncalibrated is None else f" (not calibrated: {done.uncalibrated.error:.3f})"
    return f"scores of {counted(count, 'entity', 'entities')}: calibration error {done.reliability.error:.3f}{before}"


def thresholds_table(thresholds: Mapping[str, Threshold]) -> Table:
    """The thresholds that were chosen: percentages, but for scores."""
    table = Table(title="least scores (min-score)", title_justify="left")
    table.add_column("type", overflow="fold", max_width=20)
    for name in ("wanted", "score", "precision", "surely", "kept", "recall"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, one in thresholds.items():
        kept, wanted = f"{one.kept:,}/{one.found:,}", f"{100 * one.wanted:g}"
        if one.score is None:
            table.add_row(Text(plain(label)), wanted, "none", "-", f"{100 * one.bound:.2f}", kept, "-")
        else:
            shares = [f"{100 * value:.2f}" for value in (one.precision, one.bound, one.recall)]
            table.add_row(Text(plain(label)), wanted, f"{one.score:.4f}", *shares[:2], kept, shares[2])
    return table


def _figures(counts: Counts) -> tuple[str, ...]:
    return (*(f"{100 * value:.2f}" for value in (counts.precision, counts.recall, counts.f1)), f"{counts.support:,}")


def _most_errors(label: str, row: Confusion) -> str:
    """`as ORG 12, missed 30`: the two most frequent kinds of error of a type."""
    errors = {f"as {other}": count for other, count in row.predicted_as.items() if other != label}
    errors |= {"missed": row.missed, "invented": row.invented}
    most = sorted((item for item in errors.items() if item[1]), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{kind} {count:,}" for kind, count in most[:2])
