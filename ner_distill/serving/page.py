"""The page that a server shows at /."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from ner_distill.errors import ConfigError

_FILES = files(__name__.rpartition(".")[0])


@dataclass(frozen=True)
class Page:
    """content: the HTML. headers: that it is sent with."""

    content: str
    headers: Mapping[str, str] = field(default_factory=lambda: {"x-content-type-options": "nosniff"})


def page_in(file: Path) -> Page:
    """A page of a file, as it is. Raises ConfigError where it cannot be read."""
    try:
        return Page(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"`page` {file}: cannot be read as HTML in UTF-8 ({error})") from None


def own_page() -> Page:
    """A page that sends a text to the server which it comes from, and shows the entities."""
    style, script = ((_FILES / name).read_text("utf-8") for name in ("page.css", "page.js"))
    content = (_FILES / "page.html").read_text("utf-8").replace("{{style}}", style).replace("{{script}}", script)
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(content, {"content-security-policy": policy, "x-content-type-options": "nosniff"})


def _source(text: str) -> str:
    """How a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
