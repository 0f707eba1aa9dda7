"""`predict --format html`: a page in parts, its head, a block for each sentence, its foot: written as sentences come.

It loads nothing from anywhere, and no script can run in it.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from ner_distill.views.highlight import Entity, entities_html
from ner_distill.views.pages import base_style

_STYLE = """
main { max-width: 900px; margin: 0 auto; padding: 8px 16px 40px; }
article { padding: 8px 0; border-bottom: 1px solid var(--edge); font-size: 16px; }
article { content-visibility: auto; contain-intrinsic-size: auto 60px; }
small { color: var(--faint); font-size: 11px; overflow-wrap: anywhere; }
"""
# Blocks have styles of their own, which come later than this line: so any style may stand in the page, but no script,
# and nothing can be loaded.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Entities by {model}</title>
<style>{style}</style>
</head>
<body>
<header class="top"><h1>Entities <bdi id="name">{model}</bdi></h1></header>
<main>"""
FOOT = "</main>\n</body>\n</html>"


def head_of(model: str) -> str:
    """What stands before the first block: it names the model."""
    return _HEAD.format(policy=_POLICY, style=base_style() + _STYLE, model=html.escape(model))


def block_of(text: str, entities: Sequence[Entity], id: str) -> str:
    """A sentence with its entities, and below it its id."""
    return f'<article>{entities_html(text, entities)}<small dir="auto">{html.escape(id)}</small></article>'
