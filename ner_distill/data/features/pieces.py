"""The input of a pretrained encoder: the pieces of words, in overlapping windows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ner_distill.data.batching import pad_rows
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.windows import Window, cut_at_words
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import read_json
from ner_distill.tagger import ends_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FILE = "pieces.json"
NO_PIECES = "words without pieces"
SENTENCES_TOGETHER = 512
WORDS_KEPT = 30_000  # forms: nineteen words in twenty of a text, and no more memory for a longer one
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PieceFeatures:
    """One sentence.

    pieces:  (pieces,) int32, the words' pieces one after the other, without special pieces.
    lengths: (words,) int32, at least 1: pieces of each word.
    windows: in words; one for a sentence that fits, an empty sentence included.
    """

    pieces: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    windows: tuple[Window, ...]


class PieceFeaturizer(Featurizer[PieceFeatures]):
    """Words → pieces of a pretrained encoder, as `tokenizer(words, is_split_into_words=True)` gives them.

    tokenizer: reads each word as one behind a blank, or as a part of a text without blanks (`for_unit`).

    A window holds at most `limit` pieces, special pieces included: the least of `max_pieces`, the tokenizer's own limit
    and `positions` (what the encoder has positions for). Neighbouring windows share about half of their pieces, and
    each word is taken from the window in which it stands farthest from an edge that is not the sentence's own.

    A word of which the tokenizer makes nothing ('', white space, control characters) gets the unknown piece; a word
    of more pieces than a window holds is cut. `counts` says how many, over all calls of `features`.

    Raises ConfigError for a tokenizer that cannot take words, or a limit that leaves no room.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, *, max_pieces: int = 512, positions: int | None = None
    ) -> None:
        self.tokenizer = tokenizer
        _check_takes_words(tokenizer)
        self._before, self._after = _special_pieces(tokenizer)
        self._padding = tokenizer.pad_token_id if isinstance(tokenizer.pad_token_id, int) else 0
        self.limit = min(max_pieces, int(tokenizer.model_max_length), positions or max_pieces)
        self._room = self.limit - len(self._before) - len(self._after)
        if self._room < 2:
            raise ConfigError(
                f"max_pieces: a window of {self.limit} pieces leaves room for {self._room} besides the special pieces; "
                "expected at least 2; raise max_pieces"
            )
        self._counts = {NO_PIECES: 0, "words cut": 0, "sentences in windows": 0}
        self._known: dict[str, list[int]] = {}
        self._odd: dict[str, str] = {}  # words of the cache that are counted, and as what

    def features(self, words: Sequence[str]) -> PieceFeatures:
        """One sentence; every word has at least one piece."""
        self._look_at(words)
        return self._made(words)

    def features_of(self, sentences: Sequence[Sequence[str]]) -> list[PieceFeatures]:
        """Several sentences: the tokenizer is called for many new words at once, as each call costs as much as some
        hundred of them.
        """
        made: list[PieceFeatures] = []
        for first in range(0, len(sentences), SENTENCES_TOGETHER):
            together = sentences[first : first + SENTENCES_TOGETHER]
            self._look_at(chain.from_iterable(together))
            made += map(self._made, together)
        return made

    def _look_at(self, words: Iterable[str]) -> None:
        """Know the pieces of these words, and forget others where they have become too many."""
        if len(self._known) > WORDS_KEPT:
            self._known.clear()
            self._odd.clear()
        unseen = [word for word in dict.fromkeys(words) if word not in self._known]
        if unseen:
            self._learn(unseen)

    def _made(self, words: Sequence[str]) -> PieceFeatures:
        """The features of words whose pieces are known."""
        if self._odd:
            for word in words:
                if word in self._odd:
                    self._counts[self._odd[word]] += 1
        pieces = [self._known[word] for word in words]
        lengths = np.fromiter(map(len, pieces), dtype=np.int32, count=len(pieces))
        flat = np.fromiter(chain.from_iterable(pieces), dtype=np.int32, count=int(lengths.sum()))
        windows = cut_at_words(lengths, self._room, self._room // 2)
        self._counts["sentences in windows"] += len(windows) > 1
        return PieceFeatures(flat, lengths, windows)

    def has_pieces(self, word: str) -> bool:
        """Does the tokenizer make anything of a word?"""
        if word not in self._known:
            self._learn([word])
        return self._odd.get(word) != NO_PIECES

    def _learn(self, words: list[str]) -> None:
        """Tokenise new words in one call: the tokenizer looks at each word by itself, so a word has one reading."""
        found = self.tokenizer(
            [
                [word.encode("utf-8", "replace").decode("utf-8")] for word in words
            ],  # half of a surrogate pair is no text
            is_split_into_words=True,
            add_special_tokens=False,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        for word, pieces in zip(words, found, strict=True):
            if not pieces:
                self._odd[word] = NO_PIECES
                pieces = [_unknown_piece(self.tokenizer)]
            elif len(pieces) > self._room:
                self._odd[word] = "words cut"
            self._known[word] = pieces[: self._room]

    def frame(self) -> dict[str, Any]:
        """What reading words without this class has to know.

        before, after: special pieces around a sentence. padding, unknown: pieces. room: pieces of a window without the
        special ones.
        """
        return {
            "before": self._before,
            "after": self._after,
            "padding": self._padding,
            "unknown": _unknown_piece(self.tokenizer),
            "room": self._room,
        }

    def trial_batches(self) -> dict[str, dict[str, Tensor]]:
        """Batches that show whether an encoder can be used: see `TrialInputs` for each."""
        long, short = self.sample(6), self.sample(3)
        return {
            "full": self.collate([self.sample()]),
            "pair": self.collate([long, short]),
            "second": self.collate([short]),
            "other_end": self.collate([self.sample(6, other_end=True), short]),
        }

    def sample(self, words: int | None = None, *, other_end: bool = False) -> PieceFeatures:
        """A made-up sentence of one piece a word, to try an encoder with; as long as a window may be without `words`.

        other_end: with other words in its second half.
        """
        special = set(self.tokenizer.all_special_ids)
        known = sorted(piece for piece in self.tokenizer.get_vocab().values() if piece not in special)
        pieces = np.resize(np.array(known, dtype=np.int32), self._room if words is None else words)
        if other_end:
            half = len(pieces) // 2
            pieces[half:] = np.roll(known, -half - 1)[: len(pieces) - half]
        return PieceFeatures(pieces, np.ones_like(pieces), (Window(0, len(pieces), 0, len(pieces)),))

    @property
    def counts(self) -> dict[str, int]:
        return self._counts

    def cut(self, features: PieceFeatures, start: int, end: int) -> PieceFeatures:
        first, last = int(features.lengths[:start].sum()), int(features.lengths[:end].sum())
        lengths = features.lengths[start:end]
        return PieceFeatures(features.pieces[first:last], lengths, cut_at_words(lengths, self._room, self._room // 2))

    def windows(self, features: PieceFeatures, *, reserved: int = 0) -> Sequence[Window]:
        if not reserved:
            return features.windows
        room = max(self._room - reserved, self._room // 2)
        return cut_at_words(np.minimum(features.lengths, room), room, room // 2)

    def in_windows(self, features: PieceFeatures) -> bool:
        return len(features.windows) > 1

    def size(self, features: PieceFeatures) -> int:
        """Pieces, special ones and overlaps included."""
        if len(features.windows) == 1:
            inside = len(features.pieces)
        else:
            ends = ends_of(features.lengths)
            inside = sum(int(ends[window.end] - ends[window.start]) for window in features.windows)
        return inside + len(features.windows) * (self.limit - self._room)

    def collate(self, batch: Sequence[PieceFeatures]) -> dict[str, Tensor]:
        """Tensors of a batch; a sentence has one row of pieces for each of its windows.

        pieces      (windows, pieces) long; piece_mask (windows, pieces) bool, True = not padding.
        mask        (batch, words) bool, True = the word exists.
        word_piece  (batch, words) long, index of the word's first piece in the flat windows · pieces; 0 at padding.
        word_pieces (batch, words) long, pieces of the word; 0 at padding.
        piece_word  (windows, pieces) long, index in the flat batch · words of the word that is taken from this piece;
                    batch · words for the pieces that belong to none (special, padding, another window's).
        """
        length = max((len(features.lengths) for features in batch), default=0)
        word_pieces = pad_rows([features.lengths for features in batch], length)
        return {"mask": word_pieces > 0, "word_pieces": word_pieces, **self._rows(batch, length)}

    def _rows(self, batch: Sequence[PieceFeatures], length: int) -> dict[str, Tensor]:
        spots = [(row, window) for row, features in enumerate(batch) for window in features.windows]
        ends = [ends_of(features.lengths) for features in batch]
        inner = max((int(ends[row][window.end] - ends[row][window.start]) for row, window in spots), default=0)
        width = inner + self.limit - self._room
        pieces = np.full((len(spots), width), self._padding, dtype=np.int64)
        piece_mask = np.zeros((len(spots), width), dtype=np.bool_)
        piece_word = np.full((len(spots), width), len(batch) * length, dtype=np.int64)
        word_piece = np.zeros((len(batch), length), dtype=np.int64)
        begin, tail = len(self._before), len(self._after)
        for index, (row, window) in enumerate(spots):
            first, last = int(ends[row][window.start]), int(ends[row][window.end])
            stop = begin + last - first
            pieces[index, :begin] = self._before
            pieces[index, begin:stop] = batch[row].pieces[first:last]
            pieces[index, stop : stop + tail] = self._after
            piece_mask[index, : stop + tail] = True
            taken = slice(window.take_start, window.take_end)
            places = ends[row][window.take_start : window.take_end + 1] - first + begin
            word_piece[row, taken] = index * width + places[:-1]
            owners = row * length + np.arange(window.take_start, window.take_end)
            piece_word[index, places[0] : places[-1]] = np.repeat(owners, batch[row].lengths[taken])
        arrays = {"pieces": pieces, "piece_mask": piece_mask, "piece_word": piece_word, "word_piece": word_piece}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def segments(self, batch: Sequence[PieceFeatures], firsts: Sequence[int]) -> dict[str, Tensor]:
        """piece_segments (windows, pieces) long: 0 up to the last piece of the first part, 1 behind it, 0 at padding.

        A window behind the first part has 0 at its opening special piece alone.
        """
        rows = []
        for features, first in zip(batch, firsts, strict=True):
            ends = ends_of(features.lengths)
            for window in features.windows:
                before = int(ends[min(max(first, window.start), window.end)] - ends[window.start])
                behind = int(ends[window.end] - ends[window.start]) - before
                rows.append([0] * (len(self._before) + before) + [1] * (behind + len(self._after)))
        return {"piece_segments": pad_rows(rows, max(map(len, rows), default=self.limit - self._room))}

    def save(self, directory: Path) -> None:
        self.tokenizer.save_pretrained(directory)
        sizes = {"max_pieces": self.limit, "overlap": None}  # None, half a window: earlier versions read it
        (directory / FILE).write_text(json.dumps(sizes), "utf-8")

    @classmethod
    def load(cls, directory: Path, tokenizer: PreTrainedTokenizerFast) -> PieceFeaturizer:
        """What `save` wrote, with the tokenizer loaded from the same directory. Raises RunError naming the file."""
        path = directory / FILE
        sizes = read_json(path, "is this a run of ner-distill with a pretrained encoder?")
        try:
            return cls(tokenizer, max_pieces=sizes["max_pieces"])
        except (KeyError, TypeError) as error:
            raise RunError(f"{path}: expected max_pieces ({error}); the run is damaged") from None


def reads_inside(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether a tokenizer reads a word by itself without a blank before it, as `for_unit` makes one for characters.

    SentencePiece says so (`prepend_scheme` "never"); of bytes, and of marks that a normalizer puts, a normalizer that
    takes blanks away at the left, and nothing else, stands first.
    """
    return "never" in mark_schemes(tokenizer) or first_normalizer(tokenizer) == NO_BLANK


NO_BLANK: dict[str, Any] = {"type": "Strip", "strip_left": True, "strip_right": False}


def first_normalizer(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any] | None:
    """What the tokenizer does first with a text (JSON); None where that is nothing."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    found = None if normalizer is None else json.loads(normalizer.__getstate__())
    while found is not None and found["type"] == "Sequence":
        found = next(iter(found["normalizers"]), None)
    return found


def mark_schemes(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """When each part of the pre-tokenizer that marks blanks (Metaspace) puts a mark before a text that has none.

    "always", "first" or "never"; none of a tokenizer that does not mark blanks so.
    """
    pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    waiting: list[dict[str, Any]] = [] if pre_tokenizer is None else [json.loads(pre_tokenizer.__getstate__())]
    schemes = []
    while waiting:
        part = waiting.pop()
        waiting += part.get("pretokenizers", ())
        if part["type"] == "Metaspace":
            schemes.append(str(part["prepend_scheme"]))
    return schemes


def _check_takes_words(tokenizer: PreTrainedTokenizerFast) -> None:
    if not tokenizer.is_fast:
        name = type(tokenizer).__name__
        raise ConfigError(f"{name} is not a fast tokenizer: choose a checkpoint that has a tokenizer.json")
    by_word = tokenizer(["a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    text = tokenizer("a a", add_special_tokens=False)["input_ids"]
    if by_word + by_word != text and not reads_inside(tokenizer):
        raise ConfigError(
            f"{type(tokenizer).__name__} reads a single word as the inside of a longer one, and nothing in its "
            "tokenizer.json changes that; choose a checkpoint with another tokenizer"
        )


def _special_pieces(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    encoded = tokenizer(["a"], is_split_into_words=True, return_token_type_ids=True)
    if any(encoded["token_type_ids"]):
        name = type(tokenizer).__name__
        raise ConfigError(f"{name} gives one sentence several segment ids: this encoder is not supported")
    inside = [index for index, word in enumerate(encoded.word_ids()) if word is not None]
    ids: list[int] = encoded["input_ids"]
    return ids[: inside[0]], ids[inside[-1] + 1 :]


def _unknown_piece(tokenizer: PreTrainedTokenizerFast) -> int:
    """The unknown piece; byte-level vocabularies without one have a mask or padding piece."""
    for piece in (tokenizer.unk_token_id, tokenizer.mask_token_id, tokenizer.pad_token_id):
        if isinstance(piece, int):
            return piece
    raise ConfigError(f"{type(tokenizer).__name__} has no unknown, mask or padding piece for a word of no pieces")
