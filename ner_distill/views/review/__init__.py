"""The pages of a review: of suspicious entities, and of sentences of raw text.

Each is one HTML file that loads nothing from elsewhere: `frame.html` with the `detail.html` and `help.html` of the page
in it. The scripts of this folder are of both pages, but for those that `ENTITIES` alone names; `sentences/` is the
second page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from ner_distill.views.pages import Html, expand, one_file, read

_FILES = files(__name__)

ENTITIES = (
    "kept.js", "store.js", "sentence.js", "occurrences.js", "types.js", "queue.js", "list.js", "editor.js",
    "others.js", "page.js", "start.js", "keys.js",
)  # fmt: skip
SENTENCES = (
    "kept.js", "sentences/answers.js", "sentence.js", "occurrences.js", "types.js", "sentences/queue.js", "list.js",
    "sentences/edit.js", "sentences/page.js", "start.js", "sentences/keys.js",
)  # fmt: skip
ENTITY_NAMES = {
    "does": "Review",
    "done": "Entities decided",
    "undo": "Undo the last decision",
    "export": "Download the decisions as JSON Lines",
    "imported": "Decisions to import",
    "queue": "Entities to review",
    "with_text": "Only entities whose sentence has this text",
    "of_type": "Only entities of this type",
    "in_state": "Only entities in this state",
    "ordered": "Entities, the most suspicious first",
    "one": "The entity and its sentence",
}
"""What the frame of the page calls its parts."""
SENTENCE_NAMES = {
    "does": "Label",
    "done": "Sentences done",
    "undo": "Undo the last change",
    "export": "Download the accepted sentences as JSON Lines",
    "imported": "Answers to import",
    "queue": "Sentences to label",
    "with_text": "Only sentences with this text",
    "of_type": "Only sentences with an entity of this type",
    "in_state": "Only sentences in this state",
    "ordered": "Sentences, the most useful first",
    "one": "The sentence and its entities",
}


def page_of(content: Mapping[str, Any]) -> str:
    """Returns the whole page of a review of votes. The content is data, and stays text whatever is in it."""
    return _page(content, ENTITIES, ENTITY_NAMES, "", ("style.css",))


def sentences_page(content: Mapping[str, Any]) -> str:
    """Returns the whole page on which raw text is labelled. The content is data, as above."""
    return _page(content, SENTENCES, SENTENCE_NAMES, "sentences/", ("style.css", "sentences/style.css"))


def _page(
    content: Mapping[str, Any], scripts: Sequence[str], names: Mapping[str, str], folder: str, styles: Sequence[str]
) -> str:
    """A page in `frame.html`, with `detail.html` and `help.html` of a folder in it."""
    shared = {name: Html(read(_FILES, f"{name}.html")) for name in ("borders", "elsewhere")}
    detail = expand(read(_FILES, f"{folder}detail.html"), shared)
    fills = {**names, "detail": detail, "help": Html(read(_FILES, f"{folder}help.html"))}
    title = f"{names['does']} {content['name']}"
    return one_file(__name__, scripts, title=title, content=content, template="frame.html", styles=styles, fills=fills)
