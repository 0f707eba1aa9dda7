"""The page on which a person reviews suspicious entities: one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ner_distill.views.pages import as_data, fill, read

SCRIPTS = ("store.js", "sentence.js", "queue.js", "editor.js", "page.js", "keys.js")
_FILES = files(__name__)


def page_of(content: Mapping[str, Any]) -> str:
    """Returns the whole page. The content is data, and stays text whatever is in it."""
    return fill(
        read(_FILES, "page.html"),
        style=read(_FILES, "style.css"),
        script=read(_FILES, *SCRIPTS),
        title=content["name"],
        data=as_data(content),
    )
