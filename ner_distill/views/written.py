"""All writers by name: those of `data`, and the page for a browser."""

from __future__ import annotations

from ner_distill.data.formats.writing.base import AnyWriter
from ner_distill.data.formats.writing.registry import WRITERS
from ner_distill.views.prediction_page import Page

ALL_WRITERS: dict[str, type[AnyWriter]] = {**WRITERS, Page.name: Page}
