"""The page on which a person reviews suspicious entities: one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ner_distill.views.pages import one_file

SCRIPTS = ("store.js", "sentence.js", "queue.js", "editor.js", "page.js", "keys.js")


def page_of(content: Mapping[str, Any]) -> str:
    """Returns the whole page. The content is data, and stays text whatever is in it."""
    return one_file(__name__, SCRIPTS, title=content["name"], content=content)
