"""HTML pages that are one file and load nothing from elsewhere.

A page is a folder with `page.html`, `style.css` and scripts. They are put together with the look and the helpers of all
pages (`base.css`, `base.js`) and with data; the Content-Security-Policy names the hashes of what may run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any


def one_file(package: str, scripts: Sequence[str], *, title: str, content: Mapping[str, Any]) -> str:
    """Returns the whole page of a package's folder. The content is data, and stays text whatever is in it.

    scripts: files of the folder in their order; they share one scope, that of `base.js` included.
    """
    style = _read(__name__, "base.css") + _read(package, "style.css")
    parts = "\n".join([_read(__name__, "base.js"), *(_read(package, name) for name in scripts)])
    script = f'(() => {{\n"use strict";\n{parts}\n}})();\n'
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # In a script element only `<` can end or comment anything; as an escape it is the same JSON.
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    # Split, not replaced: text that was put in may hold the name of a place itself.
    fills = {"policy": policy, "title": html.escape(title), "style": style, "data": data, "script": script}
    pieces = _read(package, "page.html").replace("}}", "{{").split("{{")
    return "".join(fills[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def _read(package: str, name: str) -> str:
    return (files(package) / name).read_text("utf-8")


def _source(text: str) -> str:
    """Returns how a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
