"""Raw text → words with character offsets.

Unit "word" cuts as the CoNLL files are cut, so that a model that was trained on them meets words of the same shape
in raw text. The rules are one regular expression, run by the `tokenizers` library (its expressions, unlike Python's,
know the Unicode classes: a Devanagari vowel sign is a part of its word), and on ASCII text by Python.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from ner_distill.data.sentence import Unit, count_unspaced

if TYPE_CHECKING:
    from tokenizers.pre_tokenizers import PreTokenizer

Offsets = tuple[tuple[int, int], ...]


def _pattern(*, letter: str, upper: str, number: str, alnum: str, mark: str, joiner: str) -> str:
    """The rules as a regular expression, of what an expression calls these characters.

    alnum: letters, digits, their marks and `_`, but no Chinese ones. joiner: what stands inside a word, in brackets.
    """
    clitic = rf"['’](?:[sSmMdD]|re|RE|ve|VE|ll|LL)(?!{alnum})"
    joiners = (
        rf"(?:(?!{clitic})['’]"  # O'Brien, d'Esquadra; but Germany|'s
        rf"|[{joiner}]"  # al-Ain, U.S, 5-1/2, S&P, a@b.com, I+D; the (non-)joiners of Persian and Indic
        rf"|(?<={number})[,:](?={number}))"  # 1,000 and 10:30
    )
    return "|".join(
        (
            r"(?:https?://|www\.)[^\s<>\"]*[^\s<>\".,;:!?)\]}'’]",  # an address is one word
            rf"(?:{letter}\.){{2,}}(?!{alnum})",  # U.S. and a.m. keep their last dot
            rf"{upper}\.(?=\s{upper})",  # the J. of J. Smith
            rf"{alnum}+(?:{joiners}{alnum}+)*",
            clitic,
            r"([-.=*~])\1+",  # -- and ... and rulers
            rf"\S{mark}*" if mark else r"\S",  # any other character, with its accents and variation selectors
        )
    )


# The blocks of `is_chinese`: each of these characters is a word of its own.
_HAN = r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}"
_PATTERN = _pattern(
    letter=r"\p{L}",
    upper=r"\p{Lu}",
    number=r"\p{N}",
    alnum=rf"[\p{{L}}\p{{N}}\p{{M}}_&&[^{_HAN}]]",
    mark=r"\p{M}",
    joiner=r"-‐‑./&@+\x{200C}\x{200D}",
)
_ASCII = re.compile(  # the same rules where no other characters are; Python's expressions are twice as fast
    _pattern(letter="[A-Za-z]", upper="[A-Z]", number="[0-9]", alnum="[A-Za-z0-9_]", mark="", joiner="-./&@+"),
    re.ASCII,
)

_BETWEEN_BLANKS = re.compile(r"\S+")  # Python's: white space is what `str.isspace` says


def segment(text: str, unit: Unit) -> tuple[tuple[str, ...], Offsets]:
    """Words of a text and for each its (start, end) in characters, end exclusive: `text[start:end] == word`.

    unit "word":      runs of letters, digits and `_`. Hyphens, apostrophes, dots, `/`, `&`, `@` and `+` between two
                      of these stay inside the word, comma and colon between two digits (al-Ain, O'Brien, 1996-08-22,
                      U.S., 1,000), all other marks are words of their own; English clitics are cut off
                      (Germany|'s), initials and dotted abbreviations keep their dot, an address is one word, each
                      Chinese character is a word. White space is in no word; no other character is lost.
    unit "character": every character (code point) is a word. White space at both ends is dropped, inside it stays.
    unit "blank":     what stands between white space is a word, marks and all.
    Words are in order and do not overlap. A text of nothing but white space has no words.
    """
    if unit == "character":
        start = len(text) - len(text.lstrip())
        words = tuple(text.strip())
        return words, tuple((place, place + 1) for place in range(start, start + len(words)))
    if unit == "blank":
        matches = list(_BETWEEN_BLANKS.finditer(text))
        return tuple(match[0] for match in matches), tuple(match.span() for match in matches)
    if text.isascii():
        offsets = tuple([match.span() for match in _ASCII.finditer(text)])
        return tuple([text[start:end] for start, end in offsets]), offsets
    try:
        pieces = _splitter().pre_tokenize_str(text)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold and UTF-8 cannot
        pieces = _splitter().pre_tokenize_str(text.encode("utf-16", "replace").decode("utf-16"))
    offsets = tuple([offset for _, offset in pieces])
    return tuple([text[start:end] for start, end in offsets]), offsets


def unit_of_texts(texts: list[str]) -> Unit:
    """ "character" where more than three in ten characters, white space aside, are of a script without blanks.

    Looks at the first 2000 texts; no text at all is "word".
    """
    characters = sum(len("".join(text.split())) for text in texts[:2000])
    unspaced = sum(map(count_unspaced, texts[:2000]))
    return "character" if unspaced > 0.3 * characters else "word"


@cache
def _splitter() -> PreTokenizer:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    # What the expression matches is kept; what lies between two matches is white space.
    splitter: PreTokenizer = Split(Regex(_PATTERN), behavior="removed", invert=True)
    return splitter
