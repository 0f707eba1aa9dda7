"""Entities in text, by a model that `ner-distill export` wrote. This file lies beside it and needs nothing else.

    python tagger.py < text.txt               for each line of text a line of JSON with its entities
    >>> from tagger import load
    >>> load("exported").predict(["Ana lives in Madrid."])
    [[Entity(start=0, end=3, label='PER', text='Ana', score=0.98), ...]]

Needs numpy and onnxruntime, and for models with a pretrained encoder tokenizers. A sentence takes four steps: its text
is cut into words, words become numbers, the graph scores tags (or spans), and entities are read from the scores. What
each step has to know is in `runtime.json`.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol, overload

import numpy as np
import numpy.typing as npt

FORMAT = 1
SETTINGS, VOCABULARY, TOKENIZER, LEXICON = "runtime.json", "vocabulary.json", "tokenizer.json", "lexicon.json"
BATCH_WORDS = 2048
"""Words (pieces) of a batch, padding included: more are slower, as the caches of a processor do not hold them."""
BATCH_SPANS = 1 << 22
"""Scores of spans that are held at once."""
TOGETHER, MUCH = 2048, 1 << 20
"""Texts, and characters of texts, that `stream` reads before it answers."""
MOST_LABELS, MOST_UNITS = 2000, 10_000_000
"""What settings may ask for."""
SCALED = 4
"""Sums over paths are divided by their total at every word whose number this divides."""
TINY = 1e-300
"""The least number that sums are divided by: no division by 0 where all of them are too small for a number."""
KEPT = 40_000
"""Words whose ids, spellings or pieces are cached."""
STORED = "stored"

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Found = tuple[int, int, int, float]
"""An entity in words: start, end (exclusive), number of its label, score."""


class ExportError(Exception):
    """An exported model cannot be used; the message says which file, what is wrong with it, and what to do."""


class Entity(NamedTuple):
    """An entity. start, end: characters (code points) of the text as given, end exclusive; of `predict_words` words.

    score: how probable it is that the entity is right, 0 to 1.
    """

    start: int
    end: int
    label: str
    text: str
    score: float


MinScore = float | str | Mapping[str, float] | None
"""Which entities pass: those of this score or more; by label where it is a mapping, and a label that it does not name
passes; "stored": as the run says."""


# ---- text → words


def _class_of(code: int) -> int:
    """A character that stands for all of its class in the expression below; ASCII and joiners for themselves."""
    char = chr(code)
    if code < 128 or char in "’‐‑\u200c\u200d":
        return code
    kind = unicodedata.category(char)
    if char in "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" or "\u2000" <= char <= "\u200a":
        return ord(" ")
    if is_chinese(char):
        return ord("一" if kind[0] == "L" else "§")
    if kind[0] in "LMN":
        return ord({"L": "À" if kind == "Lu" else "ß", "M": "\u0301", "N": "²"}[kind[0]])
    return ord("§")


class _Classes(dict[int, int]):
    """For `str.translate`: the class of each character, found when it is met first."""

    def __missing__(self, code: int) -> int:
        self[code] = found = _class_of(code)
        return found


_CLASSES = _Classes()
_LETTER, _DIGIT, _SPACE = "A-Za-zÀß", "0-9²", " \t-\r"
_ALNUM = f"[{_LETTER}{_DIGIT}\u0301_]"
_CLITIC = rf"['’](?:[sSmMdD]|re|RE|ve|VE|ll|LL)(?!{_ALNUM})"
_JOINERS = (
    rf"(?:(?!{_CLITIC})['’]"  # O'Brien, d'Esquadra; but Germany|'s
    r"|[-‐‑./&@+\u200c\u200d]"  # al-Ain, U.S, 5-1/2, S&P, a@b.com, I+D; the (non-)joiners of Persian and Indic
    rf"|(?<=[{_DIGIT}])[,:](?=[{_DIGIT}]))"  # 1,000 and 10:30
)
_WORD = re.compile(
    "|".join(
        (
            rf"(?:https?://|www\.)[^{_SPACE}<>\"]*[^{_SPACE}<>\".,;:!?)\]}}'’]",  # an address is one word
            rf"(?:[{_LETTER}一]\.){{2,}}(?!{_ALNUM})",  # U.S. and a.m. keep their last dot
            rf"[A-ZÀ]\.(?=[{_SPACE}][A-ZÀ])",  # the J. of J. Smith
            rf"{_ALNUM}+(?:{_JOINERS}{_ALNUM}+)*",
            _CLITIC,
            r"([-.=*~])\1+",  # -- and ... and rulers
            rf"[^{_SPACE}]\u0301*",  # any other character, with its accents and variation selectors
        )
    )
)
_BETWEEN_BLANKS = re.compile(r"\S+")


def is_chinese(char: str) -> bool:
    """Whether the character is of a block of Chinese characters: a word of its own."""
    return (
        "\u4e00" <= char <= "\u9fff"
        or "\u3400" <= char <= "\u4dbf"
        or "\U00020000" <= char <= "\U0002ceaf"
        or "\uf900" <= char <= "\ufaff"
        or "\U0002f800" <= char <= "\U0002fa1f"
    )


def split(text: str, unit: str) -> list[tuple[int, int]]:
    """The words of a text: the (start, end) of each in characters, end exclusive, in order.

    unit: how the model's training words are cut: "word" (letters and digits with what joins them; marks alone; each
    Chinese character alone), "character" or "blank" (whatever stands between white space).
    """
    if unit == "character":
        start, length = len(text) - len(text.lstrip()), len(text.strip())
        return [(place, place + 1) for place in range(start, start + length)]
    if unit == "blank":
        return [match.span() for match in _BETWEEN_BLANKS.finditer(text)]
    classes = text if text.isascii() else text.translate(_CLASSES)
    return [match.span() for match in _WORD.finditer(classes)]


# ---- windows over what is too long


@dataclass(frozen=True, slots=True)
class Window:
    """Units `start` to `end` are read together; the results of `take_start` to `take_end` are kept."""

    start: int
    end: int
    take_start: int
    take_end: int


def cut_windows(length: int, limit: int) -> list[Window]:
    """Windows of at most `limit` units over `length`, neighbours overlapping by `limit // 2` or more.

    Each unit is taken from the window in which it stands farthest from an edge that is not the sentence's
    own. One window where the length allows it; none for length 0. Raises ValueError for a limit below 2.
    """
    if limit < 2:
        raise ValueError(f"a window needs room for 2 units, found limit={limit}")
    if length == 0:
        return []
    if length <= limit:
        return [Window(0, length, 0, length)]
    stride = limit - limit // 2
    count = -(-(length - limit) // stride) + 1
    starts = [min(index * stride, length - limit) for index in range(count)]
    ends = [start + limit for start in starts]
    borders = [0, *((following + end) // 2 for following, end in zip(starts[1:], ends, strict=False)), length]
    return [
        Window(start, end, take_start, take_end)
        for start, end, take_start, take_end in zip(starts, ends, borders, borders[1:], strict=False)
    ]


def cut_at_words(lengths: npt.NDArray[np.int32], room: int, overlap: int) -> tuple[Window, ...]:
    """Windows of whole words, at most `room` pieces each, neighbours sharing about `overlap` pieces.

    lengths: (words,) pieces of each word, from 1 to `room`. The words taken from the windows are all words in order.
    """
    ends = ends_of(lengths)
    words, total = len(lengths), int(ends[-1])
    if total <= room:
        return (Window(0, words, 0, words),)
    spans = [(0, _last_within(ends, room))]
    while (end := spans[-1][1]) < words:
        start = int(np.searchsorted(ends, ends[spans[-1][0]] + room - overlap))
        # Far enough that the next word comes in, near enough that no word is skipped.
        start = min(max(start, int(np.searchsorted(ends, ends[end + 1] - room))), end)
        # The last window reaches back as far as it can: more context, no more windows.
        start = min(start, int(np.searchsorted(ends, total - room)))
        spans.append((start, _last_within(ends, ends[start] + room)))
    # A word between two windows is the right one's where its middle is beyond the middle of what they share.
    middles = ends[:-1] + ends[1:]
    borders = [
        int(np.searchsorted(middles, ends[following[0]] + ends[span[1]], side="right"))
        for span, following in pairwise(spans)
    ]
    takes = zip([0, *borders], [*borders, words], strict=True)
    windows = (Window(*span, *take) for span, take in zip(spans, takes, strict=True))
    return tuple(window for window in windows if window.take_start < window.take_end)


def ends_of(lengths: npt.NDArray[np.int32]) -> Ints:
    """(words + 1,): pieces before each word, and all pieces."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _last_within(ends: Ints, pieces: int) -> int:
    """The largest number of words that end within so many pieces."""
    return int(np.searchsorted(ends, pieces, side="right")) - 1


def settled(windows: Sequence[Window], spans: Iterable[tuple[int, int]]) -> list[Window]:
    """The windows of one sentence, so that no entity lies on both sides of a border between what is taken of each.

    spans: the entities, in words (start, end) of the sentence. A border goes to the nearest place, within what the two
    windows share, that no entity crosses; where all places are crossed it stays.
    """
    length = windows[-1].end
    steps = np.zeros(length + 2, dtype=np.int64)
    for start, end in spans:
        steps[start + 1] += 1
        steps[end] -= 1
    crossed = steps.cumsum() > 0
    borders = [0]
    for left, right in pairwise(windows):
        first, last = max(right.start, borders[-1]), left.end
        free = first + np.flatnonzero(~crossed[first : last + 1])
        border = max(right.take_start, borders[-1])
        borders.append(int(free[np.abs(free - border).argmin()]) if len(free) else border)
    takes = zip(borders, [*borders[1:], length], strict=True)
    return [Window(one.start, one.end, *take) for one, take in zip(windows, takes, strict=True)]


# ---- words → numbers

PADDING, UNKNOWN = 0, 1
EDGE = "\u0002"  # stands for the border of a word or sentence in character and bigram features
MAX_CHARS = 24  # of a word's spelling


def normal(word: str) -> str:
    """The form under which a word is counted: lower case, every digit a 0."""
    lower = word.lower()
    return "".join("0" if char.isdigit() else char for char in lower) if any(map(str.isdigit, lower)) else lower


def shortened(word: str) -> str:
    """Of a long word its two ends, which carry case and inflection."""
    return word if len(word) <= MAX_CHARS else word[: MAX_CHARS // 2] + word[-MAX_CHARS // 2 :]


class Part(NamedTuple):
    """The words `start` to `end` of a sentence; what stands around them is known to bigrams and lexicon."""

    sentence: Sequence[str]
    start: int
    end: int

    @property
    def words(self) -> Sequence[str]:
        return self.sentence[self.start : self.end]


class Reader(Protocol):
    """Words of sentences → the inputs of the graph."""

    def size(self, words: Sequence[str]) -> int:
        """Words, or pieces with the special ones, that the graph reads of a sentence."""

    def windows(self, words: Sequence[str]) -> Sequence[Window]:
        """The windows, in words, in which a sentence is read."""

    def inputs(self, batch: Sequence[Part]) -> dict[str, npt.NDArray[Any]]:
        """Arrays by the name of an input, of parts of sentences that are windows or smaller."""


class WordReader:
    """Of a scratch encoder: ids of words, of their characters, and of bigrams of characters.

    vocabularies: forms by name, "words" and perhaps "chars" and "bigrams"; the first form has id 2.
    """

    def __init__(self, vocabularies: Mapping[str, Sequence[str]], limit: int) -> None:
        self._ids = {name: {form: id for id, form in enumerate(forms, 2)} for name, forms in vocabularies.items()}
        self._limit = limit
        self._words: dict[str, int] = {}
        self._spellings: dict[str, list[int]] = {}

    def size(self, words: Sequence[str]) -> int:
        return len(words)

    def windows(self, words: Sequence[str]) -> Sequence[Window]:
        return cut_windows(len(words), self._limit)

    def inputs(self, batch: Sequence[Part]) -> dict[str, npt.NDArray[Any]]:
        """words (batch, words); mask (batch, words) bool; where there are characters the rows of `spellings` (forms,
        chars) in `forms` (batch, words); where there are bigrams (batch, 2, words) with the next and the last one.
        """
        parts = [part.words for part in batch]
        width = max(map(len, parts))
        arrays: dict[str, npt.NDArray[Any]] = {
            "words": _rows([[self._word(word) for word in words] for words in parts], width),
            "mask": np.arange(width) < np.array([len(words) for words in parts])[:, None],
        }
        if "bigrams" in self._ids:
            ids, pairs = self._ids["bigrams"], np.full((len(batch), 2, width), PADDING, np.int64)
            for row, (sentence, start, end) in enumerate(batch):
                before = sentence[start - 1] if start else EDGE
                after = sentence[end] if end < len(sentence) else EDGE
                around = [normal(word) for word in (before, *sentence[start:end], after)]
                own = [ids.get(first + second, UNKNOWN) for first, second in pairwise(around)]
                pairs[row, 0, : end - start], pairs[row, 1, : end - start] = own[1:], own[:-1]
            arrays["bigrams"] = pairs
        if "chars" in self._ids:
            rows: dict[str, int] = {EDGE: 0}
            arrays["forms"] = _rows([[rows.setdefault(word, len(rows)) for word in words] for words in parts], width)
            spelled = [self._spelled(form) for form in rows]
            arrays["spellings"] = _rows(spelled, max(map(len, spelled)))
        return arrays

    def _word(self, word: str) -> int:
        found = self._words.get(word)
        if found is None:
            found = self._ids["words"].get(normal(word), UNKNOWN)
            _keep(self._words, word, found)
        return found

    def _spelled(self, form: str) -> list[int]:
        found = self._spellings.get(form)
        if found is None:
            ids = self._ids["chars"]
            found = [ids.get(char, UNKNOWN) for char in (EDGE, *shortened(form), EDGE)]
            _keep(self._spellings, form, found)
        return found


class LexiconReader:
    """Words beside a `WordReader`'s: the lexicon words that each character stands in, in the sets B, M, E and S.

    forms: of the lexicon, in Unicode normal form C; for each its id in the vocabulary, and its weight.
    Source: Ma et al., ACL 2020, "Simplify the Usage of Lexicon in Chinese NER".
    """

    SETS = 4
    NONE = 0  # the id of an empty set, whose weight is 1

    def __init__(self, forms: Mapping[str, tuple[int, int]], reader: WordReader) -> None:
        self._forms, self._reader = forms, reader
        self._longest = max(map(len, forms), default=0)

    def size(self, words: Sequence[str]) -> int:
        return self._reader.size(words)

    def windows(self, words: Sequence[str]) -> Sequence[Window]:
        return self._reader.windows(words)

    def inputs(self, batch: Sequence[Part]) -> dict[str, npt.NDArray[Any]]:
        """Those of words, and soft_lexicon_ids, _weights and _slots, (entries,) each; a slot is a place in the flat
        batch · words · 4, and the weights of a word's four sets add up to 4.
        """
        arrays, width = self._reader.inputs(batch), max(part.end - part.start for part in batch)
        ids: list[int] = []
        weights: list[float] = []
        slots: list[int] = []
        for row, (sentence, start, end) in enumerate(batch):
            first = max(0, start - self._longest)  # as far as a word that reaches into the part may begin
            around = [unicodedata.normalize("NFC", word) for word in sentence[first : end + self._longest]]
            shift, last = (start - first) * self.SETS, (end - start) * self.SETS
            found = ((entry, weight, slot - shift) for entry, weight, slot in self._entries(around))
            entries = [entry for entry in found if 0 <= entry[2] < last]
            full = {slot for _, _, slot in entries}
            entries += [(self.NONE, 1.0, slot) for slot in range(last) if slot not in full]
            totals = np.bincount([slot // self.SETS for _, _, slot in entries], [weight for _, weight, _ in entries])
            for entry, weight, slot in entries:
                ids.append(entry)
                weights.append(self.SETS * weight / totals[slot // self.SETS])
                slots.append(row * width * self.SETS + slot)
        arrays["soft_lexicon_ids"] = np.array(ids, np.int64)
        arrays["soft_lexicon_weights"] = np.array(weights, np.float32)
        arrays["soft_lexicon_slots"] = np.array(slots, np.int64)
        return arrays

    def _entries(self, words: Sequence[str]) -> Iterator[tuple[int, float, int]]:
        """(id, weight, slot) for each word of each match."""
        begin, middle, end, single = range(self.SETS)
        for start in range(len(words)):
            form = ""
            for stop in range(start + 1, len(words) + 1):
                form += words[stop - 1]
                if len(form) > self._longest:
                    break
                if form in self._forms:
                    id, weight = self._forms[form]
                    for place in range(start, stop):
                        edge = begin if place == start else end if place == stop - 1 else middle
                        yield id, float(weight), place * self.SETS + (single if stop - start == 1 else edge)


class PieceReader:
    """Of a pretrained encoder: the pieces of words.

    before, after: special pieces around a sentence. room: pieces of a window without these.
    """

    def __init__(self, tokenizer: Any, settings: Mapping[str, Any]) -> None:
        self._tokenizer = tokenizer
        self._before, self._after = list(settings["before"]), list(settings["after"])
        self._padding, self._unknown, self._room = settings["padding"], settings["unknown"], settings["room"]
        self._known: dict[str, list[int]] = {}

    def size(self, words: Sequence[str]) -> int:
        return sum(map(len, map(self._pieces, words))) + len(self._before) + len(self._after)

    def windows(self, words: Sequence[str]) -> Sequence[Window]:
        lengths = np.fromiter((len(self._pieces(word)) for word in words), np.int32, len(words))
        return cut_at_words(lengths, self._room, self._room // 2)

    def inputs(self, batch: Sequence[Part]) -> dict[str, npt.NDArray[Any]]:
        """pieces (batch, pieces) and piece_mask, bool; mask (batch, words) bool; word_piece (batch, words), the place
        of each word's first piece in the flat batch · pieces; word_pieces, how many it has; piece_word (batch, pieces),
        the place of each piece's word in the flat batch · words, batch · words for pieces of none.
        """
        pieces = [[self._pieces(word) for word in part.words] for part in batch]
        lengths = [[len(of_word) for of_word in of_sentence] for of_sentence in pieces]
        rows = [[*self._before, *chain.from_iterable(of_sentence), *self._after] for of_sentence in pieces]
        width, length = max(map(len, rows)), max(map(len, lengths))
        word_pieces = _rows(lengths, length)
        word_piece = np.zeros((len(batch), length), np.int64)
        piece_word = np.full((len(batch), width), len(batch) * length, np.int64)
        for row, own in enumerate(lengths):
            places = len(self._before) + ends_of(np.array(own, np.int32))
            word_piece[row, : len(own)] = row * width + places[:-1]
            piece_word[row, places[0] : places[-1]] = row * length + np.repeat(np.arange(len(own)), own)
        return {
            "pieces": _rows(rows, width, self._padding),
            "piece_mask": np.arange(width) < np.array([len(row) for row in rows])[:, None],
            "mask": word_pieces > 0,
            "word_piece": word_piece,
            "word_pieces": word_pieces,
            "piece_word": piece_word,
        }

    def _pieces(self, word: str) -> list[int]:
        """At least one: the unknown piece for a word of which the tokenizer makes nothing; no more than fit."""
        found = self._known.get(word)
        if found is None:
            plain = word.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair is no text
            ids = self._tokenizer.encode([plain], is_pretokenized=True, add_special_tokens=False).ids
            found = (ids or [self._unknown])[: self._room]
            _keep(self._known, word, found)
        return found


def _rows(rows: Sequence[Sequence[int]], width: int, padding: int = PADDING) -> Ints:
    """(rows, width) of lists of different lengths."""
    array = np.full((len(rows), width), padding, np.int64)
    for row, values in enumerate(rows):
        array[row, : len(values)] = values
    return array


def _keep(known: dict[str, Any], word: str, found: object) -> None:
    if len(known) >= KEPT:
        known.clear()
    known[word] = found


# ---- scores → entities


class Decoder(Protocol):
    """What the graph gives → entities. `lengths`: words of each sentence."""

    def entities(self, scores: npt.NDArray[np.float32], lengths: Sequence[int]) -> list[list[Found]]:
        """For each sentence its entities, sorted."""


class TagDecoder:
    """The best path of BIO tags; an entity's score is the mean probability of its tags.

    Tag 0 is O; the label number k has B at 1 + 2k and I at 2 + 2k. The scores of a CRF (`chain`) are summed along the
    path with those of first, last and neighbouring tags, and probabilities are marginals; without one they are
    independent log probabilities. start, end (tags,), transitions (tags, tags) [previous][next]: −inf where forbidden.
    greedy: each word's best tag, allowed or not, as a pipeline of transformers reads them.
    """

    def __init__(
        self, start: Floats, end: Floats, transitions: Floats, *, chain: bool = False, greedy: bool = False
    ) -> None:
        self._start, self._end, self._transitions = start, end, transitions
        self._chain, self._greedy = chain, greedy
        self._steps = np.exp(transitions)  # scores of trained models are small: no exponent leaves the range

    @classmethod
    def of(cls, labels: int, settings: Mapping[str, Any]) -> TagDecoder:
        """Of the settings of a graph."""
        tags = np.arange(1 + 2 * labels)
        begins = (tags == 0) | (tags % 2 == 1)
        follows = begins | (tags[:, None] == tags) | (tags[:, None] == tags - 1)
        free = np.zeros(len(tags))
        learned = [np.array(settings.get(name, free), np.float64) for name in ("start", "end", "transitions")]
        if [one.shape for one in learned] != [tags.shape, tags.shape, follows.shape] and settings["head"] == "crf":
            raise ValueError(f"start, end and transitions: expected scores of {len(tags)} tags")
        if not all(np.isfinite(one).all() for one in learned):
            raise ValueError("start, end and transitions: expected numbers")
        start, end = np.where(begins, learned[0], -np.inf), learned[1]
        transitions = np.where(follows, learned[2], -np.inf)
        return cls(start, end, transitions, chain=settings["head"] == "crf", greedy=bool(settings.get("greedy")))

    def entities(self, scores: npt.NDArray[np.float32], lengths: Sequence[int]) -> list[list[Found]]:
        tags = scores.argmax(-1)
        mask = np.arange(scores.shape[1]) < np.array(lengths)[:, None]
        if self._chain:
            searched = np.arange(len(tags))
        elif self._greedy:
            searched = np.zeros(0, np.int64)
        else:  # where the best tag of each word alone makes a path, it is the best one
            allowed = np.isfinite(self._transitions[tags[:, :-1], tags[:, 1:]]) | ~mask[:, 1:]
            searched = np.flatnonzero(~(np.isfinite(self._start[tags[:, 0]]) & allowed.all(1)))
        if len(searched):
            tags[searched] = self.best_paths(scores[searched].astype(np.float64), mask[searched])
        places = [spans_of(row[:length].tolist()) for row, length in zip(tags, lengths, strict=True)]
        asked = np.array([row for row, own in enumerate(places) if own], np.int64)
        probs = self.probs(scores[asked].astype(np.float64), mask[asked])
        chances = np.take_along_axis(probs, tags[asked][..., None], -1)[..., 0]
        results: list[list[Found]] = [[] for _ in places]
        for row, own in zip(asked.tolist(), chances, strict=True):
            results[row] = [(start, end, kind, float(own[start:end].mean())) for start, end, kind in places[row]]
        return results

    def probs(self, scores: Floats, mask: npt.NDArray[np.bool_]) -> Floats:
        """(batch, words, tags) scores → the probability of each tag; of no meaning outside the mask."""
        if self._chain and len(scores):
            return self.marginals(scores, mask)
        probs: Floats = np.exp(scores)
        return probs

    def best_paths(self, scores: Floats, mask: npt.NDArray[np.bool_]) -> Ints:
        """Viterbi: (batch, words, tags) → (batch, words) the tags of each sentence's path of the greatest sum.

        mask: (batch, words), True for the words of a sentence, which come first. Of no meaning outside.
        """
        batch, width, tags = scores.shape
        if batch == 1:
            path = np.zeros((1, width), np.int64)
            path[0, : mask.sum()] = self._best_path(scores[0, : mask.sum()])
            return path
        rows, all_tags = np.arange(batch)[:, None], np.arange(tags)
        total, before = self._start + scores[:, 0], []
        for word in range(1, width):
            ways = total[:, :, None] + self._transitions
            came = ways.argmax(1)
            inside = mask[:, word, None]  # behind the last word the tag stays
            total = np.where(inside, ways.max(1) + scores[:, word], total)
            before.append(np.where(inside, came, all_tags))
        paths = np.zeros((batch, width), np.int64)
        tag = paths[:, -1] = (total + self._end).argmax(1)
        for word in range(width - 1, 0, -1):
            tag = paths[:, word - 1] = before[word - 1][rows[:, 0], tag]
        return paths

    def _best_path(self, scores: Floats) -> list[int]:
        """`best_paths` of one sentence, (words, tags), with as few calls of numpy as it takes."""
        total, before = self._start + scores[0], []
        for row in scores[1:]:
            ways = total[:, None] + self._transitions
            before.append(ways.argmax(0))
            total = ways.max(0) + row
        path = [int((total + self._end).argmax())]
        for came in reversed(before):
            path.append(int(came[path[-1]]))
        return path[::-1]

    def marginals(self, scores: Floats, mask: npt.NDArray[np.bool_]) -> Floats:
        """(batch, words, tags) → the probability of each tag, over all allowed paths of its sentence.

        mask: as of `best_paths`. Of no meaning outside. What the sums over paths are in all does not matter, as the
        probabilities of a word's tags add up to 1: they are brought back to 1 before they leave the range of numbers.
        """
        width = scores.shape[1]
        chances = np.exp(scores - scores.max(-1, keepdims=True)).swapaxes(0, 1).copy()  # words first
        prefixes, suffixes = np.empty_like(chances), np.empty_like(chances)
        before = prefixes[0] = np.exp(self._start) * chances[0]
        for word in range(1, width):
            before = (before @ self._steps) * chances[word]
            if word % SCALED == 0:
                before /= np.maximum(before.sum(-1, keepdims=True), TINY)
            prefixes[word] = before
        whole, last, backwards = bool(mask.all()), np.exp(self._end), self._steps.T.copy()
        after = suffixes[-1] = np.broadcast_to(last, before.shape)
        for word in range(width - 2, -1, -1):
            after = (after * chances[word + 1]) @ backwards
            if word % SCALED == 0:
                after /= np.maximum(after.sum(-1, keepdims=True), TINY)
            if not whole:
                after = np.where(mask[:, word + 1, None], after, last)
            suffixes[word] = after
        both = (prefixes * suffixes).swapaxes(0, 1)
        probs: Floats = both / np.maximum(both.sum(-1, keepdims=True), TINY)
        return probs


class SpanDecoder:
    """Every span that scores above 0, nested ones included; its score is the sigmoid of that."""

    def entities(self, scores: npt.NDArray[np.float32], lengths: Sequence[int]) -> list[list[Found]]:
        """scores (batch, labels, words, words): row i, column j stand for the span from word i to j, both inclusive."""
        results: list[list[Found]] = [[] for _ in lengths]
        for row, kind, first, last in np.argwhere(scores > 0).tolist():
            score = 1 / (1 + math.exp(-float(scores[row, kind, first, last])))
            results[row].append((first, last + 1, kind, score))
        return [sorted(found) for found in results]


def spans_of(tags: Sequence[int]) -> list[tuple[int, int, int]]:
    """(start, end, number of the label) of the entities of BIO tags. An I that continues nothing begins an entity."""
    spans = []
    start, kind = 0, -1
    for position, tag in enumerate(chain(tags, (0,))):
        following = (tag - 1) // 2 if tag else -1
        if tag != 0 and tag % 2 == 0 and following == kind:
            continue
        if kind >= 0:
            spans.append((start, position, kind))
        start, kind = position, following
    return spans


def calibrated(score: float, scale: float, shift: float) -> float:
    """p = σ(scale · logit(score) + shift): Platt's sigmoid of the logit (Platt 1999, eq. 1)."""
    clipped = min(max(score, 1e-6), 1 - 1e-6)  # the logit of 0 and of 1 is infinite
    logit = scale * math.log(clipped / (1 - clipped)) + shift
    return 1 / (1 + math.exp(-logit)) if logit > -100 else 0.0


# ---- the tagger


class Answering:
    """What a model of any kind offers: entities of texts and of words, from `found`, which is its own."""

    labels: tuple[str, ...]
    unit: str

    def found(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int, str, float]]]:
        """For each sentence of words its entities: start, end (words, exclusive), label and score, sorted."""
        raise NotImplementedError

    def tag_probs(self, sentences: Sequence[Sequence[str]]) -> list[Floats]:
        """For each sentence (words, tags) the probability of each tag: O, then B and I of each label."""
        raise NotImplementedError

    def thresholds(self, asked: MinScore) -> Mapping[str, float]:
        """The least score of entities by label. Raises ValueError for a number that is none, an unknown label."""
        if isinstance(asked, str):
            raise ValueError(f"min_score: expected a number from 0 to 1, found {asked!r}")
        given = {} if asked is None else asked
        least = dict(given) if isinstance(given, Mapping) else dict.fromkeys(self.labels, given)
        for label, score in least.items():
            if label not in self.labels:
                raise ValueError(f"min_score: {label}: no such label; there are {', '.join(self.labels)}")
            if not 0 <= _number(score) <= 1:
                raise ValueError(f"min_score: expected a number from 0 to 1, found {score!r}")
        return least

    @overload  # to the type checker a text is an iterable of texts as well
    def predict(self, texts: str, *, min_score: MinScore = None) -> list[Entity]: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, texts: Iterable[str], *, min_score: MinScore = None) -> list[list[Entity]]: ...
    def predict(self, texts: str | Iterable[str], *, min_score: MinScore = None) -> list[Entity] | list[list[Entity]]:
        """The entities of each text, sorted by place; of one text, given as a string, its entities alone.

        A text is best a sentence, as models are trained on sentences. Raises TypeError for a text that is none.
        """
        if isinstance(texts, str):
            return next(self.stream([texts], min_score=min_score))
        return list(self.stream(texts, min_score=min_score))

    def stream(self, texts: Iterable[str], *, min_score: MinScore = None) -> Iterator[list[Entity]]:
        """As `predict`, for as many texts as there are: memory does not grow with their number."""
        if isinstance(texts, str | bytes):
            raise TypeError(f"expected several texts, found one {type(texts).__name__}; predict takes a single text")
        return self._streamed(iter(texts), self.thresholds(min_score))

    def _streamed(self, texts: Iterator[str], least: Mapping[str, float]) -> Iterator[list[Entity]]:
        for group in _groups(texts):
            offsets = [split(text, self.unit) for text in group]
            words = [[text[start:end] for start, end in own] for text, own in zip(group, offsets, strict=True)]
            for text, own, found in zip(group, offsets, self.found(words), strict=True):
                places = [(own[start][0], own[end - 1][1], label, score) for start, end, label, score in found]
                yield [
                    Entity(start, end, label, text[start:end], score)
                    for start, end, label, score in places
                    if score >= least.get(label, 0.0)
                ]

    def predict_words(self, sentences: Iterable[Sequence[str]], *, min_score: MinScore = None) -> list[list[Entity]]:
        """The entities of sentences that are cut into words already; `start` and `end` count words."""
        least, given = self.thresholds(min_score), []
        for words in sentences:
            if isinstance(words, str | bytes):
                raise TypeError(f"expected lists of words, found {type(words).__name__}; predict takes texts")
            given.append(list(words))
            if wrong := [word for word in given[-1] if not isinstance(word, str)]:
                raise TypeError(f"expected lists of words, found a list with {wrong[0]!r:.80}")
        between = "" if self.unit == "character" else " "
        return [
            [
                Entity(start, end, label, between.join(words[start:end]), score)
                for start, end, label, score in found
                if score >= least.get(label, 0.0)
            ]
            for words, found in zip(given, self.found(given), strict=True)
        ]


def _number(given: Any) -> float:
    """A number of any library as Python's own; NaN for what is none."""
    try:
        return math.nan if isinstance(given, bool | str | bytes) else float(given)
    except (TypeError, ValueError):
        return math.nan


def _groups(texts: Iterator[str]) -> Iterator[list[str]]:
    """The texts in groups of `TOGETHER`, or of fewer that have `MUCH` characters. Raises TypeError for what is none."""
    group: list[str] = []
    size = 0
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"expected texts, found {type(text).__name__}; predict_words takes lists of words")
        group.append(text)
        size += len(text)
        if len(group) == TOGETHER or size >= MUCH:
            yield group
            group, size = [], 0
    if group:
        yield group


class Tagger(Answering):
    """An exported model. `load` makes it."""

    def __init__(self, session: Any, reader: Reader, decoder: Decoder, settings: Mapping[str, Any]) -> None:
        self.labels = tuple(settings["labels"])
        self.unit = settings["unit"]
        self._session, self._reader, self._decoder, self._settings = session, reader, decoder, settings
        self._wanted = [one.name for one in session.get_inputs()]
        self.has_tags = isinstance(decoder, TagDecoder)
        """Whether there are probabilities of tags; a model of spans has none."""
        tags = session.get_outputs()[0].shape[-1]
        if self.has_tags and isinstance(tags, int) and tags != 1 + 2 * len(self.labels):
            raise ValueError(f"{len(self.labels)} labels, but {tags} tags in the graph")

    def thresholds(self, asked: MinScore) -> Mapping[str, float]:
        """Raises ValueError for "stored" where the run had none, too."""
        if asked != STORED:
            return super().thresholds(asked)
        stored: Mapping[str, float | None] | None = self._settings.get("thresholds")
        if not stored:
            raise ValueError(
                f"min_score: {STORED}: this model was exported without thresholds; choose them (ner-distill evaluate "
                "--precision) and export it again, or give a number"
            )
        return {label: 2.0 if score is None else score for label, score in stored.items()}  # 2: nothing passes

    def found(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int, str, float]]]:
        windows = [self._reader.windows(words) if words else () for words in sentences]
        rows = [(number, window) for number, own in enumerate(windows) for window in own]
        parts = self._answers([Part(sentences[number], window.start, window.end) for number, window in rows])
        of_sentences: list[list[list[Found]]] = [[] for _ in sentences]
        for (number, window), part in zip(rows, parts, strict=True):
            placed = [(start + window.start, end + window.start, kind, score) for start, end, kind, score in part]
            of_sentences[number].append(placed)
        return [
            [(start, end, self.labels[kind], self._score(kind, score)) for start, end, kind, score in _joined(*one)]
            for one in zip(windows, of_sentences, strict=True)
        ]

    def tag_probs(self, sentences: Sequence[Sequence[str]]) -> list[Floats]:
        """Raises ExportError for a model of spans, whose graph says nothing of tags."""
        decoder, tags = self._decoder, 1 + 2 * len(self.labels)
        if not isinstance(decoder, TagDecoder):
            raise ExportError("this model finds spans: it gives no probabilities of tags")
        results = []
        for words in sentences:
            parts = [np.zeros((0, tags))]
            for window in self._reader.windows(words) if words else ():
                (scores,) = self.scores([Part(words, window.start, window.end)])
                probs = decoder.probs(scores[None].astype(np.float64), np.ones((1, len(scores)), np.bool_))[0]
                parts.append(probs[window.take_start - window.start : window.take_end - window.start])
            results.append(np.concatenate(parts))
        return results

    def scores(self, batch: Sequence[Part]) -> npt.NDArray[np.float32]:
        """What the graph gives for windows: (batch, words, tags), or of spans, see the decoders.

        Raises ExportError where graph and files do not fit together.
        """
        try:
            inputs = self._reader.inputs(batch)
            scores: npt.NDArray[np.float32] = self._session.run(None, {name: inputs[name] for name in self._wanted})[0]
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's classes have no common one
            raise ExportError(f"the graph does not fit the files beside it ({error!r:.200}); export again") from error
        return scores

    def _answers(self, parts: Sequence[Part]) -> list[list[Found]]:
        results: list[list[Found]] = [[] for _ in parts]
        words = [part.end - part.start for part in parts]
        for numbers in self._batches([self._reader.size(part.words) for part in parts], words):
            scores = self.scores([parts[number] for number in numbers])
            found = self._decoder.entities(scores, [words[number] for number in numbers])
            for number, entities in zip(numbers, found, strict=True):
                results[number] = entities
        return results

    def _batches(self, sizes: Sequence[int], words: Sequence[int]) -> Iterator[list[int]]:
        """Numbers of sentences to be read together: of like sizes, the longest first."""
        batch: list[int] = []
        most = 0  # words of the sentence that has most of them
        spans = len(self.labels) if isinstance(self._decoder, SpanDecoder) else 0
        for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
            rows, most = len(batch) + 1, max(most, words[number])
            much = rows * sizes[batch[0] if batch else number] > BATCH_WORDS or rows * spans * most**2 > BATCH_SPANS
            if batch and much:
                yield batch
                batch, most = [], words[number]
            batch.append(number)
        if batch:
            yield batch

    def _score(self, kind: int, score: float) -> float:
        maps = self._settings.get("calibration")
        if not maps:
            return score
        one = maps["types"].get(self.labels[kind], maps["all"])
        return calibrated(score, one["scale"], one["shift"])


def _joined(windows: Sequence[Window], found: Sequence[Sequence[Found]]) -> list[Found]:
    """The entities of a sentence from those of its windows, whose borders are moved first so that they cut none in two:
    each is taken from the window in which it begins.
    """
    if len(windows) < 2:
        return list(found[0]) if found else []
    borders = settled(windows, [(start, end) for own in found for start, end, _, _ in own])
    return [
        entity
        for window, own in zip(borders, found, strict=True)
        for entity in own
        if window.take_start <= entity[0] < window.take_end
    ]


def load(directory: str | os.PathLike[str] = ".", *, threads: int = 1) -> Tagger:
    """The model that was exported into a directory. Nothing of it is run as code.

    threads: that a batch is computed on. Raises ExportError that names the file that is missing or damaged.
    """
    folder = Path(directory)
    settings = _read(folder / SETTINGS)
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        found = settings.get("format") if isinstance(settings, dict) else type(settings).__name__
        raise ExportError(
            f"{folder / SETTINGS}: expected format {FORMAT}, found {found!r}; use the tagger.py beside it"
        )
    if threads < 1:
        raise ValueError(f"threads: expected 1 or more, found {threads}")
    try:
        _check(settings)
        reader = _reader(folder, settings["features"])
        decoder = SpanDecoder() if settings["head"] == "spans" else TagDecoder.of(len(settings["labels"]), settings)
        return Tagger(_session(folder / Path(settings["model"]).name, threads), reader, decoder, settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"{folder / SETTINGS}: damaged ({error!r:.200}); export the model again") from None


def _check(settings: Mapping[str, Any]) -> None:
    """Raises ValueError, TypeError or KeyError for settings of wrong kinds or sizes: they may come from a stranger."""
    labels, features = settings["labels"], settings["features"]
    if not isinstance(labels, list) or not all(isinstance(one, str) and one for one in labels):
        raise ValueError("labels: expected a list of texts")
    if not 0 < len(labels) <= MOST_LABELS:
        raise ValueError(f"labels: expected 1 to {MOST_LABELS}, found {len(labels)}")
    for name, known in {"unit": ("word", "character", "blank"), "head": ("token", "crf", "spans")}.items():
        if settings[name] not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, found {settings[name]!r:.40}")
    whole = [features["limit" if features["kind"] == "words" else "room"]]
    if features["kind"] != "words":
        pieces = [*features["before"], *features["after"], features["padding"], features["unknown"]]
        whole += [piece + 2 for piece in pieces]
    if not all(type(number) is int and 2 <= number <= MOST_UNITS for number in whole):
        raise ValueError(f"features: expected numbers of pieces, and windows of 2 to {MOST_UNITS} words or pieces")
    maps = settings.get("calibration")
    for one in (maps["all"], *maps["types"].values()) if maps else ():
        if not (0 < one["scale"] <= 100 and abs(one["shift"]) <= 100):  # NaN is neither
            raise ValueError("calibration: expected a scale above 0 and a shift, of at most 100")
    for score in (settings.get("thresholds") or {}).values():
        if score is not None and not 0 <= score <= 1:
            raise ValueError("thresholds: expected scores from 0 to 1")


def _reader(folder: Path, settings: Mapping[str, Any]) -> Reader:
    if settings["kind"] == "words":
        vocabularies = {name: one["forms"] for name, one in _read(folder / VOCABULARY).items()}
        reader = WordReader(vocabularies, settings["limit"])
        if not settings.get("lexicon"):
            return reader
        return LexiconReader({form: (id, weight) for form, id, weight in _read(folder / LEXICON)}, reader)
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ExportError("this model has a pretrained encoder: pip install tokenizers") from None
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the library has no class of its own
        raise ExportError(f"{folder / TOKENIZER}: cannot be read ({error}); export the model again") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return PieceReader(tokenizer, settings)


def _session(graph: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ExportError("onnxruntime is not installed: pip install onnxruntime") from None
    if not graph.is_file():
        raise ExportError(f"{graph}: not found; export the model again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's classes have no common one
        raise ExportError(f"{graph}: cannot be read ({error}); export the model again") from None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ExportError(f"{path}: not found; expected the directory that `ner-distill export` wrote") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"{path}: cannot be read ({error}); export the model again") from None


# ---- as a program


def _lines(file: int) -> Iterator[list[bytes]]:
    """The lines of an open file in groups of those that are there: each is answered before more is waited for."""
    rest: list[bytes] = []
    while data := os.read(file, 1 << 16):
        *lines, last = data.split(b"\n")
        if lines:
            lines[0] = b"".join((*rest, lines[0]))
            rest = []
            yield [line.removesuffix(b"\r") for line in lines]
        rest.append(last)
    if tail := b"".join(rest):
        yield [tail]


def _texts(lines: Iterable[bytes], first: int) -> tuple[list[str], str]:
    """Lines as text, up to one that is no UTF-8, and what is wrong with it; a byte order mark at the beginning goes."""
    texts: list[str] = []
    for number, line in enumerate(lines, first):
        try:
            texts.append(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            return texts, (
                f"line {number}: expected UTF-8, found the byte 0x{line[error.start]:02X} at offset {error.start}; "
                "convert the text first: iconv -f LATIN1 -t UTF-8"
            )
    return texts, ""


def main(arguments: Sequence[str] | None = None) -> int:
    """`python tagger.py`: for each line of the text a line of JSON, `{"text", "entities": [{"start", "end", ...}]}`."""
    parser = argparse.ArgumentParser(description="Find entities in text, a sentence a line; one line of JSON for each.")
    parser.add_argument("file", nargs="?", help="text in UTF-8; without one, standard input")
    parser.add_argument("--model", default=str(Path(__file__).parent), help="directory of the model; here")
    parser.add_argument(
        "--min-score",
        metavar="P",
        help=f"leave out entities of a lower score; `{STORED}`: than the thresholds that were chosen for each label",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="that a batch is computed on; 1")
    given = parser.parse_args(arguments)
    try:
        least: MinScore = given.min_score
        if least is not None and least != STORED:
            try:
                least = float(given.min_score)
            except ValueError:
                raise ValueError(f"--min-score: expected a number from 0 to 1, found {least!r}") from None
        tagger = load(given.model, threads=given.threads)
        if silent := [label for label, score in tagger.thresholds(least).items() if score > 1]:
            names = ", ".join(silent)
            sys.stderr.write(f"warning: no score reached the precision that was wanted of {names}: none is shown\n")
        if sys.stdout is None or (sys.stdin is None and not given.file):  # closed: Python has None there
            raise ValueError("standard input or output is closed; name a file, and let the answers go somewhere")
        if given.file and Path(given.file).is_dir():
            raise ValueError(f"{given.file}: is a directory; expected a file of text")
        file = os.open(given.file, os.O_RDONLY | getattr(os, "O_BINARY", 0)) if given.file else sys.stdin.fileno()
    except FileNotFoundError:
        sys.stderr.write(f"error: {given.file}: no such file\n")
        return 2
    except (ExportError, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        done = 0
        for lines in _lines(file):
            group, problem = _texts(lines, done + 1)
            done += len(group)
            for text, entities in zip(group, tagger.stream(group, min_score=least), strict=True):
                found = [{**one._asdict(), "score": round(one.score, 4)} for one in entities]
                sys.stdout.write(json.dumps({"text": text, "entities": found}, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            if problem:
                raise ValueError(problem)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: no traceback at the end
    except (ExportError, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1 if isinstance(error, OSError) else 2  # such as a full disk: the input is right
    return 0


if __name__ == "__main__":
    sys.exit(main())
