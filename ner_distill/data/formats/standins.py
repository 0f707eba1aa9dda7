"""What columns cannot hold, and what stands for it in CoNLL files."""

from __future__ import annotations

import re

BLANK = "␣"
"""What stands for white space inside a word of a CoNLL file (U+2423), for an empty word, and for a blank in a type."""
EXPLAINED = "␣ for white space and empty words, ␀ ... ␟ (U+2400 and on) for control characters"

_C0 = {code: chr(0x2400 + code) for code in range(32)} | {127: "\u2421"}
_UNSEEN = _C0 | dict.fromkeys(range(128, 160), "\ufffd") | {0xFEFF: BLANK}  # a byte order mark vanishes in reading
_IN_TYPES = _C0 | {32: BLANK}
_TO_TYPES = {ord(sign): code for code, sign in _IN_TYPES.items()}


def column_word(word: str) -> str:
    """A word as a column holds it: one that any reader of columns takes for one word, and never for a comment.

    White space becomes BLANK, as does a word of nothing; a control character the sign for it (U+2400 and on), or
    U+FFFD; the hyphen that makes a word look like a line of -DOCSTART- becomes U+2010.
    """
    if word.startswith("-DOCSTART-"):
        word = f"\u2010{word[1:]}"
    if word.isprintable() and word:  # nothing to do for nearly all
        return word.replace(" ", BLANK)
    return re.sub(r"\s", BLANK, word).translate(_UNSEEN) or BLANK


def column_type(label: str) -> str:
    """A type as a column holds it: blanks become BLANK, control characters the signs for them; see `type_of_column`."""
    return label.translate(_IN_TYPES)


def type_of_column(column: str) -> str:
    """The type, or the tag, that `column_type` made such a column of."""
    return column if column.isascii() else column.translate(_TO_TYPES)
