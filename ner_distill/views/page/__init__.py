"""The page that finds entities in a browser: one HTML file with the model in it, which loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ner_distill.views.pages import one_file

ENGINE = ("split.js", "features.js", "network.js", "heads.js", "tagger.js")
"""What answers; it touches nothing of the page, and runs under node as well."""
SCRIPTS = (*ENGINE, "results.js", "page.js")


def page_of(content: Mapping[str, Any]) -> str:
    """Returns the whole page of what `pipelines.exporting.page.page_content` gives."""
    return one_file(__name__, SCRIPTS, title=f"Find entities: {content['name']}", content=content)
