"""spaCy's older training files: the JSON of version 2, and lines of `word|TAG` (`spacy convert --converter iob`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.jsonl import has_records
from ner_distill.data.formats.lines import Beginning, lines_of
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.errors import DataError

_MISSING = (None, "-", "")  # what the tag of a word says of which nothing is known
_TAG = re.compile(r"O|[BIMESLU]-\S+")
_ENOUGH = 0.9  # of the lines


def is_spacy_json(beginning: Beginning) -> bool:
    return has_records(beginning, lambda record: isinstance(record.get("paragraphs"), list))


def spacy_json_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each sentence of each paragraph of a document: its words and their BILUO tags in `ner`.

    Words without a tag (`-`) do not count (`keep`); a sentence of nothing else is unlabelled.
    Raises DataError for an object of another form.
    """
    missing = 0
    for number, document in json_records(path, options.report):
        try:
            sentences = [
                (f"{document.get('id', number)}.{paragraph}.{sentence}", tokens["tokens"])
                for paragraph, one in enumerate(document["paragraphs"])
                for sentence, tokens in enumerate(one["sentences"])
            ]
            found = [
                (id, tuple(one["orth"] for one in words), [one.get("ner") for one in words]) for id, words in sentences
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError.at(
                path, number, f"expected 'paragraphs' with 'sentences' with 'tokens' with 'orth', found {error!r:.60}"
            ) from None
        for id, words, tags in found:
            if not all(isinstance(word, str) for word in words):
                raise DataError.at(path, number, f"expected 'orth' to be text, found {words!r:.60}")
            known = [tag not in _MISSING for tag in tags]
            if options.bare_words or not any(known):
                yield Row(path, number, id, words)
                continue
            missing += known.count(False)
            read = tuple(str(tag) if one else "O" for tag, one in zip(tags, known, strict=True))
            yield Row(path, number, id, words, read, keep=None if all(known) else tuple(known))
    if missing:
        options.report.remark(path, f"{counted(missing, 'word')} without a tag in a labelled sentence: not counted")


def is_piped(beginning: Beginning) -> bool:
    """Are nearly all of the first lines words with their tags behind `|`, or with another column between?"""
    lines = beginning.lines
    full = [_items(line) for line in lines]
    return bool(lines) and sum(map(_is_tagged, full)) >= _ENOUGH * len(lines)


def piped_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """`word|TAG word|TAG ...` a line, or `word|POS|TAG`; a word may be `|` itself.

    Raises DataError for a line with something else in it.
    """
    for number, line in lines_of(path, report=options.report):
        if not line.strip():
            continue
        items = _items(line)
        if not _is_tagged(items):
            raise DataError.at(path, number, f"expected word|TAG or word|POS|TAG between blanks, found {line[:60]!r}")
        words = tuple(item[0] for item in items)
        yield Row(path, number, words=words, tags=None if options.bare_words else tuple(item[-1] for item in items))


def _items(line: str) -> list[list[str]]:
    """The parts of each `word|POS|TAG` of a line; in a word further bars stay."""
    return [_parts(item) for item in line.split()]


def _parts(item: str) -> list[str]:
    parts = item.split("|")
    return parts if len(parts) < 4 else ["|".join(parts[:-2]), *parts[-2:]]


def _is_tagged(items: list[list[str]]) -> bool:
    return bool(items) and all(len(parts) > 1 and parts[0] and _TAG.fullmatch(parts[-1]) for parts in items)
