"""What all pages share: their look, helpers in JavaScript, and how text and data become part of a page, never code.

`base.css` and `base.js` are of all pages, `app.css` of those that are worked with.

A page is one HTML file that loads nothing from elsewhere. Its Content-Security-Policy names the hashes of what may run
and of the one style; attributes `style` are not among them.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from ner_distill.views.highlight import hues_of

_FILES = files(__name__)


class Html(str):
    """Text that is HTML already. Any other `str` is escaped where it becomes part of a page."""

    __slots__ = ()


def tag(name: str, *children: str | None, **attributes: str | float | None) -> Html:
    """An element. Children and attributes that are None are left out, and so are children of no text.

    Attributes are spelled `class_` where the name is a word of Python, and with `_` for `-`.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{said}>{join(*children)}</{name}>")


def join(*parts: str | None) -> Html:
    """The parts one after another, escaped where they are not HTML; None is left out."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts if part))


def as_data(content: object) -> Html:
    """A JSON value for a script element of type application/json: `<`, which alone could end it, as an escape."""
    return Html(json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def base_style() -> str:
    """The style that all pages begin with."""
    return read(_FILES, "base.css")


def expand(template: str, parts: Mapping[str, str]) -> Html:
    """A template with `{{name}}` replaced by `parts[name]`, escaped where that is not HTML."""
    # Split, not replaced: text that was put in may hold the name of a place itself.
    pieces = template.replace("}}", "{{").split("{{")
    return Html("".join(join(parts[piece]) if place % 2 else piece for place, piece in enumerate(pieces)))


def head(title: str, *, policy: str, style: str) -> Html:
    """What every page begins with, up to its body. policy: its Content-Security-Policy; style: all that it has."""
    return expand(read(_FILES, "head.html"), {"title": title, "policy": Html(policy), "style": Html(style)})


def fill(template: str, *, title: str, style: str, script: str, **fills: str) -> str:
    """The page of a template, with `{{name}}` replaced by `fills[name]`, escaped where that is not HTML.

    style stands behind that of all pages. script is wrapped, so that its names are its own. `{{head}}` has the title
    and the Content-Security-Policy that allows these two and nothing else.
    """
    style = base_style() + style
    script = f'(() => {{\n"use strict";\n{script}\n}})();\n'
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = expand(template, {"head": head(title, policy=policy, style=style), "script": Html(script), **fills})
    return page.encode("utf-8", "replace").decode()  # JSON of strangers may hold halves of surrogate pairs


def one_file(
    package: str,
    scripts: Sequence[str],
    *,
    title: str,
    content: Mapping[str, Any],
    template: str = "page.html",
    styles: Sequence[str] = ("style.css",),
    fills: Mapping[str, str] | None = None,
) -> str:
    """The page that is worked with in a package's folder: a template, styles and scripts, with data.

    scripts: files of the folder in their order; they share one scope, that of `base.js` included. The content is data,
    and stays text whatever is in it; `base.js` reads its `labels`: a type has one colour on all pages. fills: what else
    the template has places for.
    """
    folder = files(package)
    return fill(
        read(folder, template),
        style=read(_FILES, "app.css") + read(folder, *styles),
        script=read(_FILES, "base.js") + "\n" + read(folder, *scripts),
        title=title,
        data=as_data({**content, "hues": hues_of(content["labels"])}),
        **(fills or {}),
    )


def read(folder: Traversable, *names: str) -> str:
    """The files of a folder of the package, one after another."""
    return "\n".join((folder / name).read_text("utf-8") for name in names)


def _source(text: str) -> str:
    """How a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
