"""Lexicons: word lists, and which of their words stand in a sentence.

A lexicon file is UTF-8, optionally packed (gzip, bzip2, xz, zstd); its lines end with LF or CRLF. A line is a word, or
a word, a tab and a frequency: 1 to 18 decimal digits, or nothing where none is known. White space around either is
dropped. A line without a word, or without one before its tab, is blank; anything else after a tab is an error.

Where the words of sentences are characters, a file whose lines, the blank ones apart, all are a word, a space, a
frequency and, where there is one, a space and a tag of ASCII letters (`北京 34488 ns`), without any tab, has there the
frequencies of the words that are wholly Chinese. In its other lines and in all other files a number after a space is
part of the word: `波音 747`. Lists of names have no frequencies: a line, whole, is a name, white space and all.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import ahocorasick_rs

from ner_distill.data.formats.lines import check_file, lines_of
from ner_distill.data.formats.packed import opened
from ner_distill.data.sentence import is_chinese
from ner_distill.errors import DataError, RunError
from ner_distill.files import atomic_write_text

FILE = "lexicon.txt"
LONGEST_NAME = 100  # characters; longer lines are no names, and are counted
_HEADER = "# ner-distill lexicon "
_BOM = "\ufeff"
_UNREADABLE = "\ufffd"
_SPACED = re.compile(r"([^\t]*\S)[^\S\t]+([0-9]{1,18})(?:[^\S\t]+[A-Za-z]+)?")
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
_NOT_CHINESE = re.compile(r"[^\W\d_\u3400-\u9fff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FORMAT = 1


class Match(NamedTuple):
    """The words `start` to `end` of a sentence, half-open, found as one word; `form` is these joined as they stand."""

    start: int
    end: int
    form: str


class Matcher(Protocol):
    """What finds words in a sentence: a lexicon, a segmenter."""

    def matches(self, words: Sequence[str]) -> list[Match]:
        """The words found, sorted by start, then by end; no two of the same place."""


class Lexicon:
    """Forms with frequencies, found in sentences wherever they begin and end on borders of the sentence's words.

    separator: what lies between the words of a sentence: nothing in Chinese text, whose words are characters; a space
               where words are words, so that expressions of several words match.
    fold_case: match without regard to case.

    Forms are compared in Unicode normal form C. A surrogate of a sentence matches nothing.
    """

    def __init__(self, frequencies: Mapping[str, int], *, separator: str = "", fold_case: bool = False) -> None:
        """frequencies: form → how often it occurs, 0 where nobody counted. Raises ValueError for the form ""."""
        self.separator = separator
        self.fold_case = fold_case
        self._frequencies: dict[str, int] = {}
        for form, count in frequencies.items():
            key = self._key(form)
            if count >= self._frequencies.get(key, 0):
                self._frequencies[key] = count
        if "" in self._frequencies:
            raise ValueError("a lexicon holds no empty form")
        self._forms = list(self._frequencies)
        # The contiguous automaton: a quarter less memory and thrice the speed of the other, built as fast.
        self._automaton = ahocorasick_rs.AhoCorasick(
            self._forms, store_patterns=False, implementation=ahocorasick_rs.Implementation.ContiguousNFA
        )

    @classmethod
    def read(
        cls,
        paths: Sequence[str | Path],
        *,
        min_length: int = 2,
        max_length: int = 8,
        separator: str = "",
        fold_case: bool = False,
        frequencies: bool = True,
    ) -> tuple[Lexicon, dict[str, int]]:
        """One lexicon of all the files, and how many lines were left out or repaired, for what reason.

        min_length, max_length: of a form that is kept, in characters, `separator` included.
        frequencies: False for names, which may end in a number and never have a frequency after them.
        Of duplicates the highest frequency stays. White space inside a form becomes one separator; where that is
        empty it is taken out of words, and becomes a blank in names, which text has with and without it. Forms of
        mixed scripts are kept.
        Raises DataError (file:line) where a file cannot be read or a line has anything but a frequency after its tab,
        and where nothing is left.
        """
        counts: Counter[str] = Counter()
        forms: dict[str, int] = {}
        kept = 0
        for path in map(Path, paths):
            spaced = frequencies and not separator and _is_spaced(path)
            for number, line in _lines(path, counts):
                form, frequency = line, 0
                if not _CHINESE.fullmatch(line):  # most lines of most lists: nothing to repair
                    if frequencies:
                        form, frequency = _parsed(line, spaced, path, number)
                    form = _repaired(form.strip(), separator if frequencies else separator or " ", counts)
                if min_length <= len(form) <= max_length and form:
                    kept += 1
                    if frequency >= forms.get(form, 0):
                        forms[form] = frequency
                elif form:
                    counts["too short" if len(form) < min_length else "too long"] += 1
        if not forms:
            found = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count) or "no line"
            raise DataError(
                f"{', '.join(map(str, paths))}: no word of {min_length} to {max_length} characters is left of the "
                f"lexicon; expected a word a line, found {found}"
            )
        lexicon = cls(forms, separator=separator, fold_case=fold_case)
        counts["duplicate"] = kept - len(lexicon)
        return lexicon, {reason: count for reason, count in sorted(counts.items()) if count}

    def __len__(self) -> int:
        return len(self._forms)

    @property
    def forms(self) -> Sequence[str]:
        return self._forms

    def __contains__(self, form: str) -> bool:
        return self._key(form) in self._frequencies

    def frequency(self, form: str) -> int:
        """How often the lexicon's files say that a form occurs; 0 where they do not say or do not have it."""
        return self._frequencies.get(self._key(form), 0)

    def matches(self, words: Sequence[str]) -> list[Match]:
        """All forms that stand in the sentence, overlapping and nested ones too, sorted by start, then by end."""
        text = self.separator.join(words)
        find = self._automaton.find_matches_as_indexes  # (index of the form, start, end), in characters
        try:
            changed = self.fold_case or not unicodedata.is_normalized("NFC", text)
            keys = [self._key(word) for word in words] if changed else words
            found = find(self.separator.join(keys), overlapping=True)
        except UnicodeEncodeError:
            changed = True
            keys = [_SURROGATE.sub(_UNREADABLE, self._key(word)) for word in words]  # one for one
            found = find(self.separator.join(keys), overlapping=True)
        if not found:
            return []
        if len(text) == len(words) and not changed and max(map(len, words)) == 1 and not self.separator:
            return sorted(Match(start, end, self._forms[index]) for index, start, end in found)
        starts, ends = word_borders(keys, self.separator)
        borders = ((starts.get(first), ends.get(last)) for _, first, last in found)
        return sorted(
            Match(start, end, self.separator.join(words[start:end]))
            for start, end in borders
            if start is not None and end is not None
        )

    def _key(self, form: str) -> str:
        return unicodedata.normalize("NFC", form.casefold() if self.fold_case else form)

    def save(self, directory: Path) -> None:
        """Write `lexicon.txt` into a directory: a line about the lexicon, then its lines as any lexicon file has them.

        Raises RunError or TrainingError where it cannot be written.
        """
        body = "".join(f"{form}\t{count}\n" if count else f"{form}\n" for form, count in self._frequencies.items())
        about = {"format": _FORMAT, "separator": self.separator, "fold_case": self.fold_case, "sha256": _sha256(body)}
        atomic_write_text(directory / FILE, f"{_HEADER}{json.dumps(about)}\n{body}")

    @classmethod
    def load(cls, directory: Path) -> Lexicon:
        """What `save` wrote. Raises RunError naming the file where it is missing, damaged or of a later format."""
        path = directory / FILE
        try:
            header, _, body = path.read_bytes().decode("utf-8").partition("\n")
            about = json.loads(header.removeprefix(_HEADER))
            if about["format"] != _FORMAT:
                found = f"has format {about['format']!r}, this version reads {_FORMAT}"
                raise RunError(f"{path}: {found}; use a newer ner-distill")
            if about["sha256"] != _sha256(body):
                raise RunError(f"{path}: is not as it was written (its checksum differs); the run is damaged")
            pairs = (line.partition("\t") for line in body.split("\n")[:-1])
            frequencies = {form: int(count or 0) for form, _, count in pairs}
            return cls(frequencies, separator=str(about["separator"]), fold_case=bool(about["fold_case"]))
        except FileNotFoundError:
            raise RunError(f"{path}: not found; is this a run of ner-distill with a lexicon?") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: is no lexicon as a run has it ({error!r}); the run is damaged") from None


def read_names(
    files: Mapping[str, Sequence[str | Path]], separator: str, what: str
) -> tuple[dict[str, Lexicon], dict[str, dict[str, int]]]:
    """Lists of names by type, and of each type how many "entries" it has and how many lines were cleaned, by reason.

    files: type → lists, a name a line, whole, also where it ends in a number. what: such a list is, for messages.
    Raises DataError that names file and type where a file is missing or no text, and where a type has no entry.
    """
    lexicons: dict[str, Lexicon] = {}
    counts: dict[str, dict[str, int]] = {}
    for label, paths in files.items():
        try:
            lexicons[label], cleaned = Lexicon.read(
                paths, min_length=1, max_length=LONGEST_NAME, separator=separator, frequencies=False
            )
        except DataError as error:
            raise DataError(f"{error} (the {what} of the type {label})") from None
        counts[label] = {"entries": len(lexicons[label]), **cleaned}
    return lexicons, counts


def without_blanks(forms: Iterable[str]) -> dict[str, int]:
    """Names as text without blanks between words has them, too: `New York` and `NewYork`. Frequencies are 0."""
    return {form: 0 for one in forms for form in (one, "".join(one.split()))}


def longest_from_left(matches: Iterable[Match]) -> list[Match]:
    """One segmentation: from the left, at each place the longest match, what overlaps it left out."""
    chosen: list[Match] = []
    for match in sorted(matches, key=lambda match: (match.start, -match.end)):
        if not chosen or match.start >= chosen[-1].end:
            chosen.append(match)
    return chosen


def word_borders(words: Sequence[str], separator: str = "") -> tuple[dict[int, int], dict[int, int]]:
    """Where words begin and end in their joined text: character → index of the word that begins there, and character →
    index behind the word that ends there. Of empty words at one place the last begins and the first ends there.
    """
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    at = 0
    for index, word in enumerate(words):
        starts[at] = index
        at += len(word)
        ends.setdefault(at, index + 1)
        at += len(separator)
    return starts, ends


def _is_spaced(path: Path) -> bool:
    """Has every line of a file that is not blank a frequency after a space? Raises DataError."""
    stripped = (line.strip() for _, line in _lines(path, Counter()))
    return all(_SPACED.fullmatch(line) for line in stripped if line)


def _parsed(line: str, spaced: bool, path: Path, number: int) -> tuple[str, int]:
    """The form and the frequency of a line, 0 where it has none. Raises DataError."""
    form, _, frequency = line.partition("\t")
    if frequency := frequency.strip():
        if not frequency.isdecimal() or len(frequency) > 18:
            expected = "expected a word, or a word, a tab and its frequency (a whole number)"
            raise DataError.at(path, number, f"{expected}; found {line[:60]!r}")
        return form, int(frequency)
    if spaced and (parts := _SPACED.fullmatch(form.strip())) and all(map(is_chinese, "".join(parts[1].split()))):
        return parts[1], int(parts[2])
    return form, 0


def _repaired(form: str, separator: str, counts: Counter[str]) -> str:
    """The form in its normal form, "" where it is to be left out; the reason is counted."""
    if not form:
        counts["blank"] += 1
    if _UNREADABLE in form:
        counts["with unreadable characters"] += 1
        return ""
    if not unicodedata.is_normalized("NFC", form):
        counts["not in normal form C"] += 1
        form = unicodedata.normalize("NFC", form)
    joined = separator.join(form.split())
    counts["with white space inside"] += joined != form
    counts["of mixed scripts (kept)"] += bool(_NOT_CHINESE.search(joined)) and any(map(is_chinese, joined))
    return joined


def _lines(path: Path, counts: Counter[str]) -> Iterator[tuple[int, str]]:
    """(line number, line) of a plain or packed file, without byte order marks: these are counted. Raises DataError."""
    if path.is_dir():
        raise DataError(f"{path}: is a directory; expected a file with a word a line")
    if not path.is_file():
        check_file(path)  # which says what it is
    with opened(path) as file:
        start = file.read(4)
    counts["with a byte order mark"] += start.startswith(_BOM.encode())
    if start in (b"", _BOM.encode()):
        return
    check_file(path)
    for number, line in lines_of(path, bare_cr=False):
        if line.startswith(_BOM):  # of files that were joined, too
            counts["with a byte order mark"] += 1
            line = line.lstrip(_BOM)
        yield number, line


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
