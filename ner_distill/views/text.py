"""Text of the data, made fit for a terminal."""

from __future__ import annotations

# Text from anywhere must not steer the terminal that shows it.
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "\ufffd")


def plain(text: str) -> str:
    """The text with U+FFFD in place of control characters."""
    return text.translate(_CONTROLS)


def shortened(text: str, length: int) -> str:
    """The text, or where it has more than `length` characters its beginning and an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
