"""The page on which a person reviews suspicious entities: one HTML file that loads nothing from elsewhere.

It is `page.html` with the style, the scripts and the data put in; its Content-Security-Policy names the hashes of
what may run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

SCRIPTS = ("store.js", "sentence.js", "queue.js", "editor.js", "page.js", "keys.js")
_FILES = files(__name__)


def page_of(content: Mapping[str, Any]) -> str:
    """Returns the whole page. The content is data, and stays text whatever is in it."""
    style = _read("style.css")
    parts = "\n".join(map(_read, SCRIPTS))
    script = f'(() => {{\n"use strict";\n{parts}\n}})();\n'
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # In a script element only `<` can end or comment anything; as an escape it is the same JSON.
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    # Split, not replaced: text that was put in may hold the name of a place itself.
    fills = {"policy": policy, "title": html.escape(content["name"]), "style": style, "data": data, "script": script}
    pieces = _read("page.html").replace("}}", "{{").split("{{")
    return "".join(fills[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def _read(name: str) -> str:
    return (_FILES / name).read_text("utf-8")


def _source(text: str) -> str:
    """Returns how a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
