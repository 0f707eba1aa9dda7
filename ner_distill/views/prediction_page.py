"""`--format html`: a page in parts, its head, a block for each sentence, its foot: written as sentences come.

It loads nothing from anywhere, and no script can run in it.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from ner_distill.data.formats.writing.base import Losses, Scored, TextWriter, characters, placed
from ner_distill.data.sentence import Sentence
from ner_distill.views.highlight import Entity, entities_html
from ner_distill.views.pages import Html, base_style, head, join, tag

_STYLE = """
main { max-width: 900px; margin: 0 auto; padding: 8px 16px 40px; }
article { padding: 8px 0; border-bottom: 1px solid var(--edge); font-size: 16px; }
article { content-visibility: auto; contain-intrinsic-size: auto 60px; }
small { color: var(--faint); font-size: 11px; overflow-wrap: anywhere; }
"""
# Blocks have styles of their own, which come later than this line: so any style may stand in the page, but no script,
# and nothing can be loaded.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MAIN, FOOT = Html("\n<main>"), "</main>\n</body>\n</html>"


class Page(TextWriter):
    """A page for a browser: a block for each sentence, entities marked in the text, scores as tooltips."""

    name = "html"
    suffixes = (".html", ".htm")
    holds = frozenset({"text", "ids", "nested"})
    scores = True

    def head(self) -> str:
        return head_of(self.about.model) + "\n"

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        text, offsets = placed(sentence, self.about.unit)
        marked = [(*characters(offsets, span), span.label, score) for span, score in entities or ()]
        visible = [one for one in marked if one[0] < one[1]]
        losses.add("empty_entities", sentence.id, len(marked) - len(visible))
        return block_of(text, visible, sentence.id) + "\n"

    def foot(self) -> str:
        return FOOT + "\n"


def head_of(model: str) -> str:
    """What stands before the first block: it names the model, where there is one."""
    named = tag("h1", *(("Entities ", tag("bdi", model, id="name")) if model else ("Entities",)))
    title, style = f"Entities by {model}" if model else "Entities", base_style() + _STYLE
    return join(head(title, policy=_POLICY, style=style), Html("<body>\n"), tag("header", named, class_="top"), MAIN)


def block_of(text: str, entities: Sequence[Entity], id: str) -> str:
    """A sentence with its entities, and below it its id."""
    return f'<article>{entities_html(text, entities)}<small dir="auto">{html.escape(id)}</small></article>'
