"""Tokenizers made to measure: for words without blanks between them, and with fewer pieces.

Of fewer pieces: those of a tokenizer that a text needs, or new ones learned from the text.
"""

from __future__ import annotations

import io
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ner_distill.data.features.pieces import NO_BLANK, mark_schemes, reads_inside
from ner_distill.data.sentence import Unit
from ner_distill.errors import ConfigError

HELD_OUT = 10
"""Of so many sentences about one is left out, to see what the vocabulary of the others makes of its words."""
RARE_SCRIPT = 1_000
"""Of a script that fewer than one in so many letters belong to, only those letters stay that the text has."""
_ALWAYS = frozenset(["Sc", "Sm", "Sk"])  # signs such as $ and +; digits and marks stay as well
_FORMS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Forms:
    """How often each word occurs, in sentences that are held out and in the rest."""

    rest: Counter[str]
    held_out: Counter[str]

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]]) -> Forms:
        """Count the words of sentences. The same sentence is always on the same side, however often it is there."""
        text = cls(Counter(), Counter())
        for words in sentences:
            number = crc32("\0".join(words).encode("utf-8", "replace"))
            (text.rest if number % HELD_OUT else text.held_out).update(words)
        return text

    def all(self) -> Counter[str]:
        return self.rest + self.held_out


@dataclass(frozen=True)
class SmallerVocabulary:
    """A tokenizer with fewer pieces, and what their vectors are made of.

    rows, sources, shares: row `rows[i]` of the new table gets `shares[i]` of row `sources[i]` of the old one. The
    shares of a row add up to 1.
    before: pieces of the old tokenizer.
    split_more: share of the words of sentences held out that the pieces of the other sentences cut into more pieces
    than the old ones do, or do not know; None where the text is too short to hold some out.
    """

    tokenizer: PreTrainedTokenizerFast
    rows: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    before: int
    split_more: float | None

    @property
    def pieces(self) -> int:
        return int(self.rows.max()) + 1


def for_unit(tokenizer: PreTrainedTokenizerFast, unit: Unit) -> PreTrainedTokenizerFast:
    """The tokenizer as it has to read words of this unit one by one; itself where it does so already.

    SentencePiece marks the blank before a word, and puts the mark before every text; byte-level tokenizers read a blank
    there. Between the characters of a text without blanks (Chinese, Japanese, Thai) there is none: with it nearly each
    would be two pieces, the mark and the character, and the mark's vector would stand for the character. So it is put
    before words of other units alone. Changed is the part that marks blanks (Metaspace, as XLM-R, T5, ALBERT and
    CamemBERT have it), or that puts one before a text (those of RoBERTa's, Llama 3's and Gemma's kinds); WordPiece puts
    none and stays as it is.
    """
    inside = unit == "character"
    if schemes := mark_schemes(tokenizer):
        if all((scheme == "never") == inside for scheme in schemes):
            return tokenizer
    elif reads_inside(tokenizer) == inside:
        return tokenizer
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if not schemes and not _set_blank(state, before=not inside):
        return tokenizer
    for part in _parts(state["pre_tokenizer"]):
        if part["type"] == "Metaspace":
            part["prepend_scheme"] = "never" if inside else "always"
    return _like(tokenizer, Tokenizer.from_str(json.dumps(state)))


def _set_blank(state: dict[str, Any], *, before: bool) -> bool:
    """Put a blank before each text, or none. Returns False, and changes nothing, where the tokenizer has no part in it.

    state: of a tokenizer (JSON) that does not mark blanks by Metaspace.
    """
    own = state["normalizer"]
    steps = own["normalizers"] if own and own["type"] == "Sequence" else [own] if own else []
    if before:
        steps = [{"type": "Prepend", "prepend": " "}, *steps[1:]]
    else:
        reading = [part for part in _parts(state["pre_tokenizer"]) if part.get("add_prefix_space")]
        put = bool(steps) and steps[0]["type"] == "Prepend"
        if not reading and not put:
            return False
        for part in reading:
            part["add_prefix_space"] = False
        steps = [NO_BLANK, *steps[put:]]
    state["normalizer"] = {"type": "Sequence", "normalizers": steps}
    return True


def _parts(pre_tokenizer: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """A pre-tokenizer (JSON) and all that it consists of."""
    if pre_tokenizer is not None:
        yield pre_tokenizer
        for part in pre_tokenizer.get("pretokenizers", ()):
            yield from _parts(part)


def cut_vocabulary(tokenizer: PreTrainedTokenizerFast, text: Forms, *, padding: int | None = None) -> SmallerVocabulary:
    """Keep the pieces that these words are cut into, special and added pieces, and single characters.

    The words are cut as before: where all pieces of a word stay, longest-match (WordPiece), merges (BPE; those that
    lead to a kept piece stay as well) and the most probable path (Unigram) find the same ones. Of characters stay
    digits, marks, signs and the letters of all scripts that the text is written in, so that new words can be spelled;
    of byte-level BPE also every byte.

    padding: the encoder's padding piece, if not the tokenizer's.
    Raises ConfigError for a tokenizer of another kind.
    """
    keep = _needed(tokenizer, text.all(), padding)
    split_more = None
    if text.held_out:
        of_rest = _with_pieces(tokenizer, _needed(tokenizer, text.rest, padding))
        split_more = _split_more(tokenizer, of_rest, text.held_out)
    kept = np.array(sorted(keep), np.int64)
    smaller = _with_pieces(tokenizer, keep)
    return SmallerVocabulary(smaller, np.arange(len(kept)), kept, np.ones(len(kept)), len(tokenizer), split_more)


def learn_vocabulary(
    tokenizer: PreTrainedTokenizerFast,
    text: Forms,
    size: int,
    *,
    unit: Unit = "word",
    padding: int | None = None,
) -> SmallerVocabulary:
    """Learn `size` pieces (fewer of a short text) from words, as SentencePiece does (Unigram; Kudo 2018).

    The text is normalised as the tokenizer does, and the special pieces are its own. The vector of a new piece is the
    mean of those of the old pieces at the same place in the words of the text. Learns twice: for `split_more` without
    the words held out. A word with a tab inside is not learned from.

    unit: what a word of the text is; before a character there is no blank.
    padding: the encoder's padding piece, if not the tokenizer's.
    Raises ConfigError where the tokenizer has no unknown piece, or `size` is too small for the text.
    """
    inside = unit == "character" or reads_inside(tokenizer)
    tokenizer = for_unit(tokenizer, "character") if inside else tokenizer
    learned = _learned(tokenizer, text.all(), size, padding, inside=inside)
    split_more = None
    if text.held_out:
        of_rest = _learned(tokenizer, text.rest, size, padding, inside=inside)
        split_more = _split_more(tokenizer, of_rest, text.held_out)
    rows, sources, shares = _means(tokenizer, learned, text.all())
    return SmallerVocabulary(learned, rows, sources, shares, len(tokenizer), split_more)


# ---- words


def _encoded(tokenizer: PreTrainedTokenizerFast, words: Iterable[str], **options: bool) -> Iterator[tuple[str, Any]]:
    """Each word and what the tokenizer makes of it alone, without special pieces."""
    waiting = iter(words)
    while some := list(islice(waiting, _FORMS_AT_ONCE)):
        inputs = [[word] for word in some]
        found = tokenizer(
            inputs, is_split_into_words=True, add_special_tokens=False, truncation=False, verbose=False, **options
        )
        yield from zip(some, found.encodings, strict=True)


def counts_of_pieces(tokenizer: PreTrainedTokenizerFast, text: Forms, rows: int) -> npt.NDArray[np.int64]:
    """(rows,): how often each piece of the tokenizer occurs in the words. rows: of the encoder's table."""
    counts, forms = np.zeros(rows, np.int64), text.all()
    for word, encoding in _encoded(tokenizer, forms):
        np.add.at(counts, encoding.ids, forms[word])
    return counts


def _split_more(before: PreTrainedTokenizerFast, after: PreTrainedTokenizerFast, forms: Counter[str]) -> float:
    """The share of the words that `after` cuts into more pieces than `before`, or of which it knows less."""
    old = {word: _size(encoding, before) for word, encoding in _encoded(before, forms)}
    more = 0
    for word, encoding in _encoded(after, forms):
        (pieces, unknown), (pieces_before, unknown_before) = _size(encoding, after), old[word]
        if pieces > pieces_before or unknown > unknown_before:
            more += forms[word]
    return more / forms.total()


def _size(encoding: Any, tokenizer: PreTrainedTokenizerFast) -> tuple[int, int]:
    return len(encoding.ids), encoding.ids.count(tokenizer.unk_token_id)


# ---- fewer of the tokenizer's pieces


def _needed(tokenizer: PreTrainedTokenizerFast, forms: Mapping[str, int], padding: int | None) -> set[int]:
    """The pieces of these words, special and added ones, single characters of the words' scripts, and their parts.

    Raises ConfigError for a tokenizer that is none of WordPiece, BPE and Unigram.
    """
    state, vocabulary = json.loads(tokenizer.backend_tokenizer.to_str()), tokenizer.get_vocab()
    model, kind = state["model"], state["model"]["type"]
    if kind not in ("WordPiece", "BPE", "Unigram"):
        raise ConfigError(
            f'init.vocabulary: the tokenizer is of the kind {kind}; expected WordPiece, BPE or Unigram; leave "whole"'
        )
    keep = {piece for _, encoding in _encoded(tokenizer, forms) for piece in encoding.ids}
    keep.update(tokenizer.added_tokens_decoder)
    keep |= _special(tokenizer, state, padding)
    scripts, spelled = _scripts(forms), _is_byte_level(state)
    keep.update(number for piece, number in vocabulary.items() if _stays(piece, scripts, byte_level=spelled))
    if kind == "Unigram":  # the unknown piece costs somewhat more than the rarest one: whose cost has to stay
        keep.add(min(range(len(model["vocab"])), key=lambda number: model["vocab"][number][1]))
    if kind == "BPE":
        _add_parts(model, keep)
    return keep & set(vocabulary.values())


def _special(tokenizer: PreTrainedTokenizerFast, state: Mapping[str, Any], padding: int | None) -> set[int]:
    """Special pieces: those that transformers knows, and what the tokenizer itself and the encoder need."""
    model, vocabulary = state["model"], tokenizer.get_vocab()
    found = set(tokenizer.all_special_ids) | _named(state["post_processor"])
    found.update(number for number, token in tokenizer.added_tokens_decoder.items() if token.special)
    if model.get("unk_id") is not None:
        found.add(model["unk_id"])
    if model.get("unk_token") in vocabulary:
        found.add(vocabulary[model["unk_token"]])
    for number in (padding, tokenizer.pad_token_id):
        if isinstance(number, int):  # positions of RoBERTa begin behind the number of the padding piece
            found.update(range(number + 1) if number < 100 else [number])
    return found & set(vocabulary.values())


def _named(processor: Any) -> set[int]:
    """The pieces that a post-processor (JSON) puts around a sentence."""
    if not isinstance(processor, dict):
        return set()
    found = {processor[name][1] for name in ("sep", "cls") if name in processor}
    found.update(number for token in processor.get("special_tokens", {}).values() for number in token["ids"])
    return found.union(*map(_named, processor.get("processors", ())))


def _scripts(forms: Mapping[str, int]) -> set[str]:
    """The scripts that at least one in RARE_SCRIPT letters of the words belongs to."""
    letters: Counter[str] = Counter()
    for word, number in forms.items():
        for character in word:
            if character.isalpha():
                letters[_script(character)] += number
    return {script for script, number in letters.items() if number * RARE_SCRIPT >= letters.total()}


def _script(character: str) -> str:
    """LATIN, CJK, CYRILLIC, ...: the first word of the character's name in Unicode."""
    return unicodedata.name(character, "?").split()[0]


_MARKS = ("##", "▁", "</w>", "Ġ")  # of a word's inside, beginning or end
_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))


def _stays(piece: str, scripts: set[str], *, byte_level: bool) -> bool:
    """Whether a piece is a character that stays whatever the text has, alone or with a mark; a byte; or a mark."""
    if piece in _MARKS or piece in _BYTES:
        return True
    if byte_level:
        if len(piece) == 1:
            return True
        character = str(decoders.ByteLevel().decode([piece])).strip()
    else:
        character = piece
        for mark in _MARKS:
            character = character.removeprefix(mark).removesuffix(mark)
    if len(character) != 1:
        return False
    category = unicodedata.category(character)
    if category[0] == "L":
        return _script(character) in scripts
    return category[0] in "MNP" or category in _ALWAYS


def _is_byte_level(state: Mapping[str, Any]) -> bool:
    return '"ByteLevel"' in json.dumps([state["pre_tokenizer"], state["normalizer"]])


def _with_pieces(tokenizer: PreTrainedTokenizerFast, keep: Set[int]) -> PreTrainedTokenizerFast:
    """The tokenizer with these of its pieces (see `_needed`) alone, numbered in the order that they had."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    model = state["model"]
    numbers = {old: new for new, old in enumerate(sorted(keep))}
    if model["type"] == "Unigram":
        model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in numbers]
        if model.get("unk_id") is not None:
            model["unk_id"] = numbers[model["unk_id"]]
    else:
        if model["type"] == "BPE":
            whole = model["vocab"]
            merges = map(_pair, model["merges"])
            model["merges"] = [list(pair) for pair in merges if whole[_merged(model, pair)] in numbers]
        model["vocab"] = {piece: numbers[old] for piece, old in model["vocab"].items() if old in numbers}
    for token in state["added_tokens"]:
        token["id"] = numbers[token["id"]]
    state["padding"] = state["truncation"] = None
    state["post_processor"] = _renumbered(state["post_processor"], numbers)
    return _like(tokenizer, Tokenizer.from_str(json.dumps(state)))


def _add_parts(model: Mapping[str, Any], keep: set[int]) -> None:
    """Add to `keep` what its pieces are merged from."""
    number = model["vocab"]
    parts_of: dict[int, list[int]] = {}
    for pair in map(_pair, model["merges"]):
        parts_of.setdefault(number[_merged(model, pair)], []).extend(number[part] for part in pair)
    waiting = list(keep)
    while waiting:
        parts = set(parts_of.get(waiting.pop(), ())) - keep
        waiting += parts
        keep |= parts


def _pair(merge: str | Sequence[str]) -> tuple[str, str]:
    """A merge of a file of an older version is one text."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _merged(model: Mapping[str, Any], pair: tuple[str, str]) -> str:
    prefix = model.get("continuing_subword_prefix") or ""
    return pair[0] + pair[1].removeprefix(prefix)


def _renumbered(processor: Any, numbers: Mapping[int, int]) -> Any:
    """A post-processor (JSON) whose special pieces have the new numbers."""
    if not isinstance(processor, dict):
        return processor
    processor = dict(processor)
    for name in ("sep", "cls"):
        if name in processor:
            text, old = processor[name]
            processor[name] = [text, numbers[old]]
    if "special_tokens" in processor:
        processor["special_tokens"] = {
            name: {**token, "ids": [numbers[old] for old in token["ids"]]}
            for name, token in processor["special_tokens"].items()
        }
    if "processors" in processor:
        processor["processors"] = [_renumbered(one, numbers) for one in processor["processors"]]
    return processor


def _like(tokenizer: PreTrainedTokenizerFast, backend: Tokenizer) -> PreTrainedTokenizerFast:
    """A tokenizer of transformers' general class, with the special pieces, sides and limit of another."""
    special = {name: str(piece) for name, piece in tokenizer.special_tokens_map.items() if isinstance(piece, str)}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
        model_input_names=list(tokenizer.model_input_names),
        clean_up_tokenization_spaces=tokenizer.clean_up_tokenization_spaces,
        **special,
    )


# ---- new pieces


def _learned(
    tokenizer: PreTrainedTokenizerFast, forms: Counter[str], size: int, padding: int | None, *, inside: bool
) -> PreTrainedTokenizerFast:
    """inside: there is no blank before a word."""
    if tokenizer.unk_token is None:
        raise ConfigError('init.vocabulary: the tokenizer has no unknown piece, which new pieces need; take "cut"')
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    old = sorted(_special(tokenizer, state, padding))
    special = list(map(str, tokenizer.convert_ids_to_tokens(old)))
    if size <= len(special):
        raise ConfigError(f"init.vocabulary = {size}: expected more than the {len(special)} special pieces")
    normalizer = tokenizer.backend_tokenizer.normalizer
    texts: Counter[str] = Counter()
    for word, number in forms.items():
        texts[normalizer.normalize_str(word).strip() if normalizer is not None else word] += number
    learned = _unigrams(texts, size - len(special), marked=not inside)
    pieces = [(piece, score) for piece, score in learned if piece not in special]
    unknown = special.index(tokenizer.unk_token)
    backend = Tokenizer(models.Unigram([(piece, 0.0) for piece in special] + pieces, unknown))
    if normalizer is not None:  # BERT's puts blanks around each Chinese character
        backend.normalizer = normalizers.Sequence([normalizer, normalizers.Strip()])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never" if inside else "always")
    backend.decoder = decoders.Metaspace()
    backend.add_special_tokens(special)
    numbers = {number: new for new, number in enumerate(old)}
    made = json.loads(backend.to_str())
    made["post_processor"] = _renumbered(state["post_processor"], numbers)
    return _like(tokenizer, Tokenizer.from_str(json.dumps(made)))


def _unigrams(texts: Counter[str], size: int, *, marked: bool) -> list[tuple[str, float]]:
    """At most `size` pieces of these words, and their log-probabilities. One thread: its sums depend on the number.

    marked: the blank before a word is a part of it.
    """
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    written = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=(f"{text}\t{number}" for text, number in texts.items() if "\t" not in text),
            input_format="tsv",
            model_writer=written,
            vocab_size=size + 1,
            hard_vocab_limit=False,
            character_coverage=1.0,
            add_dummy_prefix=marked,
            normalization_rule_name="identity",
            num_threads=1,
            bos_id=-1,
            eos_id=-1,
            unk_id=0,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ConfigError(
            f"init.vocabulary: SentencePiece cannot learn {size:,} pieces of this text: {reason}"
        ) from None
    model = SentencePieceProcessor(model_proto=written.getvalue())
    return [(model.id_to_piece(index), model.get_score(index)) for index in range(1, model.get_piece_size())]


def _means(
    before: PreTrainedTokenizerFast, after: PreTrainedTokenizerFast, forms: Counter[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Rows, sources and shares of `SmallerVocabulary` for new pieces: who stands at their place in the words."""
    shares: dict[int, dict[int, float]] = {index: defaultdict(float) for index in after.get_vocab().values()}
    numbers = before.get_vocab()
    for (word, old), (_, new) in zip(_encoded(before, forms), _encoded(after, forms), strict=True):
        for index, place in zip(new.ids, new.offsets, strict=True):
            covered = [piece for piece, other in zip(old.ids, old.offsets, strict=True) if _overlap(place, other)]
            for piece in covered or old.ids:
                shares[index][piece] += forms[word] / len(covered or old.ids)
    for piece, index in after.get_vocab().items():
        if piece in numbers and index < len(after.added_tokens_decoder):  # special pieces come first
            shares[index] = {numbers[piece]: 1.0}
        elif not shares[index]:  # a piece that no word is cut into
            _, alone = next(_encoded(before, [piece.removeprefix("▁") or piece]))
            shares[index] = dict(Counter(alone.ids or [numbers[str(before.unk_token)]]))
    triples = [
        (row, source, share / sum(own.values())) for row, own in sorted(shares.items()) for source, share in own.items()
    ]
    rows, sources, parts = (np.array(column) for column in zip(*triples, strict=True))
    return rows.astype(np.int64), sources.astype(np.int64), parts.astype(np.float64)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])
