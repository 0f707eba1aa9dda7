"""spaCy's DocBin (`.spacy`): documents with their tokens as arrays of numbers, packed; nothing in it is executed."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING, Any, TypeVar

from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.packed import opened
from ner_distill.data.formats.rows import Entity, Row, RowOptions
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAGIC = (b"x\x9c", b"x\xda")  # zlib's, as it packs by default and best; no UTF-8 text begins so
_ORTH, _ENT_IOB, _ENT_TYPE = 65, 77, 78  # spaCy's numbers of a token's attributes
_MISSING, _INSIDE, _BEGIN = 0, 1, 3  # of ENT_IOB; 2 is outside
_MOST_INFLATED = 100
"""How many times its size a file may unpack to. News come to 5 (words and entities) or 12 (all that spaCy's default
keeps), one document again and again to 400, which `_ALWAYS` allows where it is small; zlib goes up to 1032."""
_ALWAYS = 2**26
_GROUPED = {40: (struct.Struct(">QQQllll"), 2), 32: (struct.Struct(">QQllll"), 1)}
"""By its bytes: what a span of a group holds, and which of it is the label; first and last word lie behind that."""
_USUAL_GROUP = "sc"
_NO_GROUPS = (b"", b"\x90")  # the second is an empty list
Item = TypeVar("Item")
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
        row = document.row(path, number, group, bare_words=options.bare_words)
        missing += 0 if row.keep is None else row.keep.count(False)
        yield row
    if missing:
        what = "words of labelled documents have" if missing > 1 else "word of a labelled document has"
        options.report.remark(path, f"{missing:,} {what} no label: not counted")


@dataclass(frozen=True, slots=True)
class _Document:
    """A document of a DocBin.

    words, blanks: of its tokens, and whether a blank follows. known: the blanks are.
    shown:         for each token, is it no white space? None where all are none.
    entities:      those of `Doc.ents`, in tokens.
    missing:       for each token, has it no label? () where all have one, None where the file has no labels.
    groups:        the spans of each group, in tokens.
    """

    words: Sequence[str]
    blanks: Sequence[bool]
    known: bool
    shown: Sequence[bool] | None
    entities: Sequence[Span]
    missing: Sequence[bool] | None
    groups: Mapping[str, Sequence[Span]]

    def row(self, path: str, number: int, group: str | None = None, *, bare_words: bool) -> Row:
        """Its words, and its text where that is known; with the entities of a span group, or (None) its own."""
        spans: Sequence[Span] | None = self.entities if group is None else self.groups.get(group, ())
        missing = self.missing if group is None else ()
        if bare_words or missing is None or (missing and all(missing)):
            spans = None
        keep = None if spans is None or not missing else tuple(not one for one in self._kept(missing))
        if not self.known:
            words = tuple(self._kept(self.words))
            return Row(path, number, words=words, spans=None if spans is None else self._in_words(spans), keep=keep)
        lengths = list(map(len, self.words))
        starts = list(accumulate(map(add, lengths, self.blanks), initial=0))
        places = list(zip(starts, map(add, starts, lengths), strict=False))
        entities = None
        if spans is not None:
            entities = tuple(Entity(places[one.start][0], places[one.end - 1][1], one.label) for one in spans)
        text = "".join([word + " " if blank else word for word, blank in zip(self.words, self.blanks, strict=True)])
        offsets = tuple(self._kept(places))
        return Row(path, number, text=text, offsets=offsets, entities=entities, keep=keep)

    def _kept(self, items: Sequence[Item]) -> Sequence[Item]:
        """Those of the tokens that are no white space."""
        return items if self.shown is None else [item for item, one in zip(items, self.shown, strict=True) if one]

    def _in_words(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        if self.shown is None:
            return tuple(spans)
        before = list(accumulate(self.shown, initial=0))
        inside = [(before[one.start], before[one.end], one.label) for one in spans]
        return tuple(Span(*one) for one in inside if one[0] < one[1])


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
        import srsly  # type: ignore[import-untyped]
        from spacy.strings import StringStore
    except ImportError:
        raise DataError(f"{path}: is a DocBin of spaCy, which is not installed: {_INSTALL}") from None
    with opened(path) as file:
        content = file.read()
    try:
        message = srsly.msgpack_loads(_inflated(content))
        store = StringStore(message["strings"])
        strings = {store[string]: string for string in message["strings"]}
        return list(_documents(message, strings, _reader()))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # whatever a damaged file leads to
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise DataError(f"{path}: cannot be read as a DocBin (`.spacy`): {reason:.80}") from error


def _inflated(content: bytes) -> bytes:
    """What zlib packed. Raises DataError where it would be more than any text of words and labels is."""
    most = max(len(content) * _MOST_INFLATED, _ALWAYS)
    unpacking = zlib.decompressobj()
    inflated = unpacking.decompress(content, most)
    if unpacking.unconsumed_tail:
        raise DataError(
            f"its {len(content):,} bytes unpack to more than {most:,}; expected documents of various words, which "
            "pack to a tenth or so. If the file is yours, write it in several parts"
        )
    if not unpacking.eof:
        raise DataError("cannot be read as a DocBin (`.spacy`): it ends in the middle")
    return inflated


def _reader() -> Callable[[bytes], Any]:
    """What unpacks the many small messages in a file: srsly's function for one sets itself up for each."""
    from srsly.msgpack import Unpacker  # type: ignore[import-untyped]

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
    labelled = _ENT_TYPE in attributes
    entities: dict[int, list[Span]] = {}
    missing: list[bool] = []
    if labelled:
        iob = tokens[:, attributes.index(_ENT_IOB)]
        entities = _entities(iob, tokens[:, attributes.index(_ENT_TYPE)], lengths, strings)
        missing = (iob == _MISSING).tolist() if (iob == _MISSING).any() else []
    hidden = {string for string in strings.values() if not string or string.isspace()}
    flags = message.get("flags") or [{}] * len(lengths)
    groups = message.get("span_groups") or [b""] * len(lengths)
    start = 0
    for number, (length, flag, group) in enumerate(zip(lengths, flags, groups, strict=True)):
        end = start + length
        own = words[start:end]
        yield _Document(
            own,
            blanks[start:end],
            not flag.get("has_unknown_spaces"),
            None if hidden.isdisjoint(own) else [word not in hidden for word in own],
            entities.get(number, ()),
            (missing[start:end] if any(missing[start:end]) else ()) if labelled else None,
            {} if group in _NO_GROUPS else _groups(group, strings, length, loads),
        )
        start = end


def _entities(
    iob: NDArray[np.uint64], types: NDArray[np.uint64], lengths: Sequence[int], strings: Mapping[int, str]
) -> dict[int, list[Span]]:
    """The entities of each document that has any. A begin without a type is spaCy's mark of where surely none begins.

    iob, types: of the tokens of all documents.
    """
    import numpy as np

    begins = (iob == _BEGIN).nonzero()[0]
    borders = np.cumsum([0, *lengths])
    stop = np.ones(len(iob) + 1, dtype=bool)
    stop[:-1] = iob != _INSIDE
    stop[borders] = True
    stops = stop.nonzero()[0]
    ends = stops[np.searchsorted(stops, begins, side="right")]
    documents = np.searchsorted(borders, begins, side="right") - 1
    found: dict[int, list[Span]] = {}
    starts = borders[documents].tolist()
    labels = types[begins].tolist()
    for document, first, begin, end, label in zip(
        documents.tolist(), starts, begins.tolist(), ends.tolist(), labels, strict=True
    ):
        if name := strings[label]:
            found.setdefault(document, []).append(Span(begin - first, end - first, name))
    return found


def _groups(
    packed: bytes, strings: Mapping[int, str], length: int, loads: Callable[[bytes], Any]
) -> dict[str, list[Span]]:
    """The spans of each group, of a document of so many tokens."""
    message = loads(packed)
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
