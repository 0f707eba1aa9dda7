"""Text → sentences, by ICU's rules for every language (Unicode Standard Annex 29) and its lists of abbreviations.

ICU ends a sentence behind `Dr.` and behind the initials of a name, where its list of a language does not have them:
that would cut names in two, and is undone here. Nothing is imported before a text is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from ner_distill.errors import ConfigError
from ner_distill.tagger import Entity

if TYPE_CHECKING:
    from icu4py.breakers import SentenceBreaker

Place = tuple[int, int]
"""Start and end in a text, in characters (code points), end exclusive."""

LONGEST = 5000
"""Characters of a sentence from which on it is cut at white space: such is no sentence, but a table or a list."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]+)*")
_UNNAMED = "en"  # a text of which nobody says the language; the rules are the same for all, but for abbreviations

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*|[\f\u2029]")
_LINE_ENDS = dict.fromkeys(map(ord, "\n\r\v\x85\u2028"), " ")  # ends of sentences to ICU; here they are white space
_WIDE = re.compile("[\U00010000-\U0010ffff\ud800-\udfff]")

_TITLES = (
    "mr mrs ms dr drs prof ir ing mag st sta sto ste jr gen col lt capt cap sgt sen rep gov hon rev pres "  # several
    "sr sra srta sres sras dr dra dn dña dna excmo excma ilmo ilma fray ee av avda pza ctra "  # Spanish, Portuguese
    "m mm mme mlle mgr me vve "  # French
    "hr fr fa dipl str bgm "  # German
    "dhr mevr mej mw jhr jkvr ds gebr kon "  # Dutch
    "г гр ул пр пл пос д дер проф акад им св о тов доц чл"  # Russian
)
_COUNTED = (
    "no nr num núm nro n art arts fig figs p pp pág págs pag pags vol vols cap cf ca c s ch sec sect abs "
    "jan feb mar apr jun jul aug sep sept oct nov dec ст стр гл рис табл п"
)
_BEFORE_NAMES, _BEFORE_NUMBERS = frozenset(_TITLES.split()), frozenset(_COUNTED.split())
_LAST_WORD = re.compile(r"([^\W\d_]+)\.\s*\Z")
_ORDINAL = re.compile(r"(?<!\d)\d{1,2}\.\s*\Z")
_MONTHS = re.compile("Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember")
_OPENING = frozenset("“‘«„‹「『《〈（【〔([{¿¡")
_QUOTED = re.compile("[.?!…][\"'”’»]\\s*\\Z")
_LOOK_BACK = 24  # characters, more than any abbreviation


class Splitter:
    """Cuts texts into sentences.

    lang: the language of texts that do not say theirs, as a code (es, pt-BR).
    Raises ConfigError where that is no code.
    """

    def __init__(self, lang: str | None = None) -> None:
        if lang is not None and _LANGUAGE.fullmatch(lang) is None:
            raise ConfigError(f"`lang` {lang}: expected the code of a language, such as es, de or zh")
        self.lang = lang

    @property
    def recorded(self) -> str:
        """By what it cuts, as the settings of a store say it: another version may cut elsewhere."""
        return f"icu4py {version('icu4py')}" + (f", {self.lang}" if self.lang else "")

    def places(self, text: str, lang: str | None = None) -> list[Place]:
        """The sentences of a text, without the white space around them; none of a text of nothing else.

        A paragraph (blank lines, U+2029, a form feed) ends a sentence, the end of a line does not. What is longer than
        LONGEST characters is cut at white space. lang: of the text, where it says it; what is no code counts as none.
        """
        if lang is None or _LANGUAGE.fullmatch(lang) is None:
            lang = self.lang or _UNNAMED
        return [
            place
            for start, end in _paragraphs(text)
            for sentence in _sentences(text[start:end], lang)
            for place in _short(text, start + sentence[0], start + sentence[1])
        ]


def splitter_of(lang: str | None, *, split_sentences: bool) -> Splitter | None:
    """None where texts are not to be cut. Raises ConfigError for a language that is no code or that nothing needs."""
    if lang is not None and not split_sentences:
        raise ConfigError(f"`lang` {lang}: is for `split_sentences`; give that as well")
    return Splitter(lang) if split_sentences else None


def sentences_of(text: str, splitter: Splitter | None) -> tuple[list[str], list[int]]:
    """The sentences of a text, one at least, and where each begins; the text itself where it is not cut."""
    places = splitter.places(text) if splitter is not None else []
    return [text[start:end] for start, end in places] or [text], [start for start, _ in places] or [0]


def in_whole(found: Sequence[Sequence[Entity]], starts: Sequence[int]) -> list[Entity]:
    """The entities of each sentence as those of the text. starts: where each sentence begins."""
    return [
        one._replace(start=one.start + start, end=one.end + start)
        for own, start in zip(found, starts, strict=True)
        for one in own
    ]


def _paragraphs(text: str) -> Iterator[Place]:
    start = 0
    for match in _PARAGRAPH.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)


def _sentences(text: str, lang: str) -> Iterator[Place]:
    """The sentences of a paragraph, white space behind them and all; they cover it."""
    if not text or text.isspace():
        return
    plain = _WIDE.sub(_narrow, text).translate(_LINE_ENDS)
    start = 0
    for _, end in _breaker()(plain, f"{lang}@ss=standard").segments():
        while plain[end - 1] in _OPENING and end - 1 > start and end < len(plain):
            end -= 1  # ICU gives marks that stand together behind the end to the sentence before them
        if end == len(plain) or _ends(plain, start, end):
            yield start, end
            start = end


def _narrow(match: re.Match[str]) -> str:
    """A character of one UTF-16 unit in place of one of two, in which ICU counts: a letter for a letter."""
    return "\u4e00" if match[0].isalpha() else "\u263a"


def _ends(text: str, start: int, end: int) -> bool:
    """Does a sentence that ICU ends here end here, and not behind the abbreviation before a name or a number?"""
    before, after = text[max(start, end - _LOOK_BACK) : end], text[end]
    if _QUOTED.search(before):
        return not after.islower()  # "Is it?" she asked.
    if _ORDINAL.search(before):
        return _MONTHS.match(text, end) is None
    if (match := _LAST_WORD.search(before)) is None:
        return True
    word = match[1]
    if len(word) == 1 and (word.isupper() or (after.isupper() and word.islower())):
        return not (after.isupper() or after.isdigit())  # J. Smith, v. d. Sandt, z. B. 5
    word = word.lower()
    return not ((word in _BEFORE_NAMES and after.isupper()) or (word in _BEFORE_NUMBERS and after.isdigit()))


def _short(text: str, start: int, end: int) -> Iterator[Place]:
    """The sentence without white space around it, in parts of LONGEST characters at most where it has blanks."""
    while True:
        sentence = text[start:end] if end - start <= LONGEST else text[start : start + LONGEST]
        start += len(sentence) - len(sentence.lstrip())
        if end - start <= LONGEST:
            if kept := text[start:end].rstrip():
                yield start, start + len(kept)
            return
        part = text[start : start + LONGEST]
        cut = len(part) if text[start + LONGEST].isspace() else _last_blank(part)
        if not cut:
            yield start, start + len(text[start:end].rstrip())
            return
        yield start, start + len(part[:cut].rstrip())
        start += cut


def _last_blank(text: str) -> int:
    """Where the last white space stands; 0 where there is none."""
    return next((place for place in range(len(text) - 1, 0, -1) if text[place].isspace()), 0)


@cache
def _breaker() -> type[SentenceBreaker]:
    from icu4py.breakers import SentenceBreaker

    return SentenceBreaker
