"""`README.md` of a run, its model card: who wrote it, and whether it is still as the program wrote it.

The last line has a hash of all above it. A card without that line, or of which another line was changed, is a person's:
it is never replaced or removed.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

CARD = "README.md"
_LAST = "<!-- written by ner-distill; a card that was edited is kept. {digest} -->\n"
_SIGNED = re.compile(re.escape(_LAST).replace(r"\{digest\}", "([0-9a-f]{64})"))


def signed(text: str) -> str:
    """The card with its last line."""
    return text + _LAST.format(digest=_digest(text))


def is_as_written(path: Path) -> bool:
    """Returns whether a card is just as the program wrote it; of one that cannot be read that is not known: False."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    above, _, last = text.removesuffix("\n").rpartition("\n")
    found = _SIGNED.fullmatch(f"{last}\n")
    return found is not None and found[1] == _digest(f"{above}\n")


def may_be_removed(path: Path) -> bool:
    """Returns whether what lies in a run under this name is not a card that a person edited."""
    return path.name != CARD or (path.is_file() and is_as_written(path))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
