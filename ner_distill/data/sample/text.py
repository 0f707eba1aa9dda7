"""The last touches to a generated sentence: what depends on the words beside a word."""

from __future__ import annotations

import re

from ner_distill.data.sample.grammar import Tagged

_AN = re.compile(r"(?!uni|eu|one|us)[aeiou]", re.IGNORECASE)
_CONTRACTED = {"de": "del", "a": "al"}
_I_SOUND = re.compile(r"(?:hi|[ií])(?![aeo])", re.IGNORECASE)
_WIDE = str.maketrans(",:;?()", "，：；？（）")
_NO_SPACE_BEFORE = frozenset(",.:;?!)")
_NO_SPACE_AFTER = frozenset("(¿")


def english(tagged: Tagged) -> Tagged:
    """`a` or `an`, no comma before a full stop, and capitals."""
    found = _commas(tagged)
    for place, (word, tag) in enumerate(found[:-1]):
        if word == "a" and tag == "O" and _AN.match(found[place + 1][0]):
            found[place] = ("an", tag)
    return _capitals(found)


def spanish(tagged: Tagged) -> Tagged:
    """`del` and `al`, `e` before an i, one full stop after `S.A.`, no comma before a full stop, and capitals."""
    found: Tagged = []
    for word, tag in _commas(tagged):
        before, before_tag = found[-1] if found else ("", "O")
        if word == "el" and tag[0] != "B" and before in _CONTRACTED:
            found[-1] = (_CONTRACTED[before], before_tag)
            continue
        if word == "." and before == "S.A.":
            continue
        if before == "y" and _I_SOUND.match(word):
            found[-1] = ("e", before_tag)
        found.append((word, tag))
    return _capitals(found)


def chinese(tagged: Tagged) -> Tagged:
    """Marks of full width; the rules have the narrow ones, which are easier to tell apart."""
    return [(word.translate(_WIDE), tag) for word, tag in tagged]


def as_text(sentence: tuple[str, ...]) -> str:
    """The words as they are printed: no space before a comma, none inside quotation marks and brackets."""
    text, quoted, glued = "", False, True
    for word in sentence:
        closing = word == '"' and quoted
        text += word if glued or closing or word in _NO_SPACE_BEFORE else " " + word
        glued = word in _NO_SPACE_AFTER or (word == '"' and not quoted)
        quoted ^= word == '"'
    return text


def _commas(tagged: Tagged) -> Tagged:
    """Without the comma of an apposition where another mark follows."""
    following = [*tagged[1:], ("", "O")]
    pairs = zip(tagged, following, strict=True)
    return [(word, tag) for (word, tag), (after, _) in pairs if word != "," or after not in (".", ",", "(")]


def _capitals(tagged: Tagged) -> Tagged:
    """The first word, and the first one after a dateline, with a capital letter."""
    found, begins = list(tagged), True
    for place, (word, tag) in enumerate(found):
        if begins and word[0].isalnum():
            found[place] = (word[0].upper() + word[1:], tag)
            begins = False
        begins = begins or (word == "-" and place > 0 and found[place - 1][0] in (")", "."))
    return found
