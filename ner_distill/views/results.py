"""What trainings and evaluations leave for people: `report.html`, the model card, the page of `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ner_distill.files import atomic_write_text, write_output
from ner_distill.options.models import EvaluateOptions
from ner_distill.pipelines.evaluate import Evaluation
from ner_distill.runs.card import CARD
from ner_distill.runs.info import REPORT
from ner_distill.training.session import Trained

_KEPT = "The training is finished and its model kept; `resume` writes what is missing here."


def write_results(trained: Trained, run: Path, dev: Sequence[str | Path]) -> Path:
    """Write the report and the card of a finished training into its run, and return the path of the report.

    What is there already stays as it is: a finished training that is resumed changes no file, and a card that a person
    wrote is theirs. dev: the files of its development set. Raises NerDistillError where the run cannot be written.
    """
    from ner_distill.runs.facts import read_facts
    from ner_distill.views.card import card_of
    from ner_distill.views.report import Report, page_of

    report, card = run / REPORT, run / CARD
    if not report.exists():
        atomic_write_text(report, page_of(Report.of_training(trained, run, dev)), advice=_KEPT)
    if not card.exists() and not card.is_symlink():
        atomic_write_text(card, card_of(read_facts(run)), advice=_KEPT)
    return report


def write_evaluation(done: Evaluation, options: EvaluateOptions) -> None:
    """Write the page that `html` of `evaluate` asks for, if it does. Raises NerDistillError where it cannot be."""
    from ner_distill.views.report import Report, page_of

    if options.html is not None:
        write_output(options.html, page_of(Report.of_evaluation(done, options.models, options.data)))
