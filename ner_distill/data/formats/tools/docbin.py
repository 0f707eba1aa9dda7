"""spaCy's DocBin (`.spacy`): documents with their tokens as arrays of numbers, packed; nothing in it is executed."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.rows import Entity, Row, RowOptions
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAGIC = (b"x\x9c", b"x\xda")  # zlib's, as it packs by default and best; no UTF-8 text begins so
_ORTH, _ENT_IOB, _ENT_TYPE = 65, 77, 78  # spaCy's numbers of a token's attributes
_MISSING, _INSIDE, _BEGIN = 0, 1, 3  # of ENT_IOB; 2 is outside
_GROUPED = {40: (struct.Struct(">QQQllll"), 2), 32: (struct.Struct(">QQllll"), 1)}
"""By its bytes: what a span of a group holds, and which of it is the label; first and last word lie behind that."""
_USUAL_GROUP = "sc"
_INSTALL = "pip install 'ner-distill[spacy]'"


def is_docbin(beginning: Beginning) -> bool:
    """By its first bytes or its name."""
    return beginning.bytes[:2] in _MAGIC or beginning.suffix == ".spacy"


def docbin_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each document: its tokens that are no white space are the words; entities as `Doc.ents` has them.

    Where no document has any, those of the span group `sc`, or of the only group there is; they may nest. Words whose
    label spaCy calls missing do not count (`keep`); a document of nothing else is unlabelled. A document of unknown
    blanks has words and no text. All else in a document, user data too, is not looked at.
    Raises DataError where the file is none that spaCy wrote, where its labels cannot be told, and where spaCy is not
    installed.
    """
    documents = _read(path)
    group = None if options.bare_words else _group(documents, path, options)
    missing = 0
    for number, document in enumerate(documents, start=1):
        row = document.row(path, number)
        if not options.bare_words:
            row = document.labelled(row, group)
            missing += 0 if row.keep is None else row.keep.count(False)
        yield row
    if missing:
        what = "words of labelled documents have" if missing > 1 else "word of a labelled document has"
        options.report.remark(path, f"{missing:,} {what} no label: not counted")


@dataclass(frozen=True)
class _Document:
    """A document of a DocBin.

    words, blanks: of its tokens, and whether a blank follows. known: the blanks are.
    entities:      those of `Doc.ents`, in tokens. missing: tokens without a label; None where the file has no labels.
    groups:        those of each span group, in tokens.
    """

    words: Sequence[str]
    blanks: Sequence[bool]
    known: bool
    entities: Sequence[Span]
    missing: Sequence[bool] | None
    groups: Mapping[str, Sequence[Span]]

    def row(self, path: str, number: int) -> Row:
        """Its words, and its text where that is known, without labels."""
        shown = [not word.isspace() and word != "" for word in self.words]
        if not self.known:
            return Row(path, number, words=tuple(word for word, one in zip(self.words, shown, strict=True) if one))
        text = "".join([word + " " * blank for word, blank in zip(self.words, self.blanks, strict=True)])
        return Row(path, number, text=text, offsets=tuple(self._kept(self._places(), shown)))

    def _places(self) -> list[tuple[int, int]]:
        """Where each token stands in the text."""
        lengths = [len(word) for word in self.words]
        steps = [length + blank for length, blank in zip(lengths, self.blanks, strict=True)]
        starts = accumulate(steps, initial=0)
        return [(start, start + length) for start, length in zip(starts, lengths, strict=False)]

    @staticmethod
    def _kept(items: Sequence[Any], shown: Sequence[bool]) -> list[Any]:
        return list(items) if all(shown) else [item for item, one in zip(items, shown, strict=True) if one]

    def labelled(self, row: Row, group: str | None) -> Row:
        """The row with the entities of a span group, or (None) with its own."""
        if group is None and (self.missing is None or (all(self.missing) and not self.entities)):
            return row
        shown = [not word.isspace() and word != "" for word in self.words]
        keep = None
        if group is None and self.missing is not None and any(self.missing):
            keep = tuple(not one for one in self._kept(self.missing, shown))
        spans = self.entities if group is None else self.groups.get(group, ())
        if row.text is None:
            before = list(accumulate(shown, initial=0))
            inside = [(before[one.start], before[one.end], one.label) for one in spans]
            return replace(row, spans=tuple(Span(*one) for one in inside if one[0] < one[1]), keep=keep)
        places = self._places()
        entities = (Entity(places[one.start][0], places[one.end - 1][1], one.label) for one in spans)
        return replace(row, entities=tuple(entities), keep=keep)


def _group(documents: Sequence[_Document], path: str, options: RowOptions) -> str | None:
    """The span group that holds the entities; None where `Doc.ents` does."""
    sizes = Counter({name: 0 for one in documents for name in one.groups})
    for one in documents:
        sizes.update({name: len(spans) for name, spans in one.groups.items()})
    names = ", ".join(f"{name} ({size:,})" for name, size in sorted(sizes.items()))
    if any(one.entities for one in documents):
        if names:
            options.report.remark(path, f"spans of groups left out, the entities are read: {names}")
        return None
    if sizes and (_USUAL_GROUP in sizes or len(sizes) == 1):
        group = _USUAL_GROUP if _USUAL_GROUP in sizes else next(iter(sizes))
        options.report.remark(path, f"no document has entities: read are the spans of group {group!r} of {names}")
        return group
    if sizes:
        raise DataError(f"{path}: expected entities, or spans in group {_USUAL_GROUP!r}, found the groups {names}")
    return None


def _read(path: str) -> list[_Document]:
    """The documents of a file. Raises DataError where it is none of spaCy's, or spaCy is not installed."""
    try:
        import srsly
        from spacy.strings import StringStore
    except ImportError:
        raise DataError(f"{path}: is a DocBin of spaCy, which is not installed: {_INSTALL}") from None
    try:
        message = srsly.msgpack_loads(zlib.decompress(Path(path).read_bytes()))
        store = StringStore(message["strings"])
        strings = {store[string]: string for string in message["strings"]}
        return list(_documents(message, strings, _reader()))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # whatever a damaged file leads to
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise DataError(f"{path}: cannot be read as a DocBin (`.spacy`): {reason:.80}") from error


def _reader() -> Callable[[bytes], Any]:
    """What unpacks the many small messages in a file: srsly's function for one sets itself up for each."""
    from srsly.msgpack import Unpacker

    unpacker = Unpacker(raw=False)

    def loads(data: bytes) -> Any:
        unpacker.feed(data)
        return unpacker.unpack()

    return loads


def _documents(
    message: Mapping[str, Any], strings: Mapping[int, str], loads: Callable[[bytes], Any]
) -> Iterator[_Document]:
    import numpy as np

    attributes = list(message["attrs"])
    tokens = np.frombuffer(message["tokens"], dtype="<u8").reshape(-1, len(attributes))
    lengths = np.frombuffer(message["lengths"], dtype="<i4").tolist()
    blanks = np.frombuffer(message["spaces"], dtype=bool).tolist()
    words = [strings[one] for one in tokens[:, attributes.index(_ORTH)].tolist()]
    if not sum(lengths) == len(words) == len(blanks):
        raise DataError(f"holds {len(words)} tokens, {len(blanks)} blanks and documents of {sum(lengths)} tokens")
    if _ENT_TYPE in attributes and _ENT_IOB not in attributes:
        raise DataError("holds the types of entities (ENT_TYPE) and not where they begin: write it with ENT_IOB too")
    iob = tokens[:, attributes.index(_ENT_IOB)] if _ENT_IOB in attributes else None
    types = tokens[:, attributes.index(_ENT_TYPE)] if _ENT_TYPE in attributes else None
    flags = message.get("flags") or [{}] * len(lengths)
    groups = message.get("span_groups") or [b""] * len(lengths)
    start = 0
    for length, flag, group in zip(lengths, flags, groups, strict=True):
        end = start + length
        own = None if iob is None or types is None else (iob[start:end], types[start:end])
        yield _Document(
            words[start:end],
            blanks[start:end],
            not flag.get("has_unknown_spaces"),
            [] if own is None else _entities(*own, strings),
            None if own is None else (own[0] == _MISSING).tolist(),
            _groups(group, strings, length, loads),
        )
        start = end


def _entities(iob: NDArray[np.uint64], types: NDArray[np.uint64], strings: Mapping[int, str]) -> list[Span]:
    """The entities of a document. A begin without a type is spaCy's mark of a token that surely begins none."""
    marks = iob.tolist()
    spans = []
    for start in (iob == _BEGIN).nonzero()[0].tolist():
        if label := strings[int(types[start])]:
            end = start + 1
            while end < len(marks) and marks[end] == _INSIDE:
                end += 1
            spans.append(Span(start, end, label))
    return spans


def _groups(
    packed: bytes, strings: Mapping[int, str], length: int, loads: Callable[[bytes], Any]
) -> dict[str, list[Span]]:
    """The spans of each group, of a document of so many tokens."""
    message = loads(packed) if packed else []
    named = message.items() if isinstance(message, Mapping) else [(one, None) for one in message]
    found: dict[str, list[Span]] = {}
    for one, names in named:
        group = loads(one)
        spans = []
        for item in group["spans"]:
            form, label = _GROUPED[len(item)]
            values = form.unpack(item)
            start, end = values[label + 1 : label + 3]
            if not 0 <= start < end <= length:
                raise DataError(f"span {start} to {end} lies outside the {length} tokens of its document")
            spans.append(Span(start, end, strings.get(values[label], "")))
        found |= dict.fromkeys(names or [group["name"]], spans)
    return found
