"""The pages of a review: of suspicious entities, and of sentences of raw text.

Each is one HTML file that loads nothing from elsewhere. `kept.js` (decisions, which the browser keeps), `sentence.js`
(a sentence with its entities), `types.js` (buttons) and `occurrences.js` (the same words elsewhere) are of both;
`sentences/` is the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ner_distill.views.pages import one_file

ENTITIES = (
    "kept.js", "store.js", "sentence.js", "occurrences.js", "types.js", "queue.js", "editor.js", "others.js",
    "page.js", "keys.js",
)  # fmt: skip
SENTENCES = (
    "kept.js", "sentences/answers.js", "sentence.js", "occurrences.js", "types.js", "sentences/queue.js",
    "sentences/edit.js", "sentences/page.js", "sentences/keys.js",
)  # fmt: skip


def page_of(content: Mapping[str, Any]) -> str:
    """Returns the whole page of a review of votes. The content is data, and stays text whatever is in it."""
    return one_file(__name__, ENTITIES, title=content["name"], content=content)


def sentences_page(content: Mapping[str, Any]) -> str:
    """Returns the whole page on which raw text is labelled. The content is data, as above."""
    template, styles = "sentences/page.html", ("style.css", "sentences/style.css")
    return one_file(__name__, SENTENCES, title=content["name"], content=content, template=template, styles=styles)
