"""What a model scores and gets wrong, as a page: one HTML file that loads nothing from elsewhere.

`Report` is what it shows; `sections.py` and `charts.py` make HTML of the figures, which can be read without
JavaScript; `mistakes.py` makes the data of which `errors.js` draws the errors in their sentences, a few at a time.
"""

from __future__ import annotations

from importlib.resources import files

from ner_distill.views.highlight import hues_of
from ner_distill.views.pages import Html, as_data, fill, join, read
from ner_distill.views.report import sections
from ner_distill.views.report.content import Report
from ner_distill.views.report.mistakes import errors_of

__all__ = ["Report", "page_of"]
_FILES = files(__name__)


def page_of(report: Report) -> str:
    """Returns the whole page. Names, labels and sentences stay text whatever is in them."""
    errors = errors_of(report)
    return fill(
        read(_FILES, "page.html"),
        style=read(_FILES, "style.css") + _hues(report.labels),
        script=read(_FILES, "errors.js"),
        # "Scores": by which `evaluate` knows a page of its own, which it may replace, from the report of a training
        title=f"{'Report' if report.chosen_on else 'Scores'} {report.name}",
        about=report.about,
        figures=join(
            sections.headline(report),
            sections.by_type(report),
            sections.confusion(report),
            sections.curves(report),
            sections.calibration(report),
            sections.teachers(report),
            sections.lost(report),
        ),
        model=sections.model(report),
        data=as_data(errors),
    )


def _hues(labels: tuple[str, ...]) -> Html:
    """The hue of each type as a class: a page that allows no `style` attributes can have no other."""
    return Html("".join(f".t{number} {{ --h: {hue}; }}\n" for number, hue in enumerate(hues_of(labels))))
