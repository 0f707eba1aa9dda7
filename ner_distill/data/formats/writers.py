"""Sentences → CoNLL and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ner_distill.data.formats.standins import column_type, column_word
from ner_distill.data.formats.tagging import Scheme, tags_from_spans
from ner_distill.data.sentence import Sentence, Span, without_overlap
from ner_distill.errors import DataError
from ner_distill.files import refuse_existing, replacing, write_error


def write_conll(
    sentences: Iterable[Sentence], path: Path | str, scheme: Scheme = "iob2", *, overwrite: bool = False
) -> None:
    """Write `word TAG` lines and a blank line after each sentence.

    What columns cannot hold is replaced or left out: white space and control characters of words and types have
    stand-ins (`standins.py`), of which reading turns those of types back; of entities that overlap the longest stay;
    ids, texts, offsets, `keep`, `weight` and `inside_words` are not written.

    Raises DataError for a sentence without labels or words, RunError where the file exists (and not `overwrite`) or
    cannot be written; then nothing is changed.
    """
    write_parts(path, (_conll(sentence, scheme) for sentence in sentences), overwrite=overwrite)


def write_jsonl(sentences: Iterable[Sentence], path: Path | str, *, overwrite: bool = False) -> None:
    """Write an object a line; `read_corpus` makes the same sentences of it.

    With a text: `{"id", "text", "offsets", "entities": [{"start", "end", "label"}]}` in characters, end exclusive;
    without: `{"id", "words", "tags"}`, or, where entities overlap, `{"id", "words", "entities": [{"start_word",
    "end_word", "label"}]}`; `lang` where it is known, and neither tags nor entities where nobody labelled; `keep` where
    a word does not count, `negative` where one is surely of no entity, `inside_words` where entities begin or end
    inside a word (`Sentence`), `weight` where it is not 1.

    Raises RunError where the file exists (and not `overwrite`) or cannot be written; then nothing is changed.
    """
    lines = (json.dumps(record_of(sentence), ensure_ascii=False) + "\n" for sentence in sentences)
    write_parts(path, lines, overwrite=overwrite)


def write_words(sentences: Iterable[Sentence], path: Path | str) -> None:
    """Write, or replace, JSON Lines of words without the text, which would be cut into words again."""
    write_jsonl((replace(sentence, text=None, offsets=None) for sentence in sentences), path, overwrite=True)


def _conll(sentence: Sentence, scheme: Scheme) -> str:
    if sentence.spans is None or not sentence.words:
        what = "labels" if sentence.words else "words"
        raise DataError(f"sentence {sentence.id}: has no {what}; CoNLL files hold labelled sentences: write JSON Lines")
    return columns_of_entities(sentence.words, without_overlap(sentence.spans), scheme) + "\n"


def columns_of_entities(words: Sequence[str], spans: Sequence[Span], scheme: Scheme = "iob2") -> str:
    """A `word TAG` line for each word, with stand-ins for what columns cannot hold. spans: none of them overlap."""
    tags = tags_from_spans(spans, len(words), scheme)
    return "".join(f"{column_word(word)} {column_type(tag)}\n" for word, tag in zip(words, tags, strict=True))


def record_of(sentence: Sentence) -> dict[str, Any]:
    """A sentence with its labels as an object of `write_jsonl`."""
    record: dict[str, Any] = {"id": sentence.id}
    text, offsets, spans = sentence.text, sentence.offsets, sentence.spans
    if text is not None and offsets is not None and tuple(text[start:end] for start, end in offsets) == sentence.words:
        record |= {"text": text, "offsets": [list(offset) for offset in offsets]}
        if spans is not None:
            record["entities"] = [
                {"start": offsets[span.start][0], "end": offsets[span.end - 1][1], "label": span.label}
                for span in spans
            ]
    else:
        record["words"] = list(sentence.words)
        if spans is not None and len(without_overlap(spans)) == len(spans):
            record["tags"] = tags_from_spans(spans, len(sentence.words))
        elif spans is not None:
            record["entities"] = [span.to_json() for span in spans]
    if sentence.lang is not None:
        record["lang"] = sentence.lang
    if not all(sentence.counted):
        record["keep"] = list(sentence.counted)
    if any(sentence.sure_negatives):
        record["negative"] = list(sentence.sure_negatives)
    if widened := sentence.widened:
        record["inside_words"] = [span.to_json() for span in widened]
    if sentence.weight != 1:
        record["weight"] = sentence.weight
    return record


def write_parts(path: Path | str, parts: Iterable[str], *, overwrite: bool = False) -> None:
    """Stream the parts into a file that appears when it is whole.

    Raises RunError where it exists (and not `overwrite`) or cannot be written; then nothing is changed.
    """
    path = Path(path)
    refuse_existing(path, overwrite=overwrite)
    try:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.writelines(parts)
    except OSError as error:
        raise write_error(path, error) from error
