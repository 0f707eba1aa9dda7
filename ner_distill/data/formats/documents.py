"""Documents: texts that are cut into sentences to be asked about, and put together again of the answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.rows import Row, sentence_of, without_surrogates
from ner_distill.data.formats.splitting import Splitter, splitter_of
from ner_distill.data.sentence import ScoredSpan, Sentence, Span, Unit
from ner_distill.options.shared import DocumentOptions

Answer = tuple[Sentence, Sequence[ScoredSpan]]
"""A sentence with the entities that were found in it."""


@dataclass(frozen=True)
class Cut:
    """What a document is in files, and whether it is cut into sentences.

    documents: of text files: line, paragraph or file; a record of other files is a document.
    text_key:  of records: where their text stands; None: where our own formats have it.
    splitter:  None: a document is a sentence.
    """

    documents: str = "line"
    text_key: str | None = None
    splitter: Splitter | None = None

    @classmethod
    def of(cls, options: DocumentOptions) -> Cut:
        """As the options say. Raises ConfigError for a language that is no code, or that nothing is cut by."""
        splitter = splitter_of(options.lang, split_sentences=options.split_sentences)
        return cls(options.documents, options.text_key, splitter)

    def recorded(self) -> dict[str, str]:
        """What the settings of a store say of it: nothing where a line or a record is a sentence, as it always was."""
        said = {"documents": self.documents if self.documents != "line" else None, "text_key": self.text_key}
        said["split_sentences"] = None if self.splitter is None else self.splitter.recorded
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence of a document: `document.text[start:start + len(sentence.text)] == sentence.text`.

    start:      where it begins in the text of the document.
    first_word: where it begins among the words of the document.
    """

    sentence: Sentence
    start: int
    first_word: int


@dataclass(frozen=True, slots=True)
class Document:
    """A text as it was given, and the sentences of it, one at least.

    whole: all of it. Its words are those of its sentences.
    """

    whole: Sentence
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, sentence: Sentence) -> Document:
        """A document that is not cut."""
        return cls(sentence, (Part(sentence, 0, 0),))

    def joined(self, answers: Sequence[Sequence[ScoredSpan]]) -> list[ScoredSpan]:
        """The entities of each sentence as those of the document."""
        return [
            (Span(span.start + part.first_word, span.end + part.first_word, span.label), score)
            for part, spans in zip(self.parts, answers, strict=True)
            for span, score in spans
        ]


def document_of(row: Row, id: str, unit: Unit, report: ReadReport, splitter: Splitter | None) -> Document:
    """The document of a row without labels.

    Its sentences have the ids `id#1`, `id#2`. Each is cut into words by itself, as sentences of training are; where a
    row gives the words of its text, a sentence goes on to the end of its last word. Words without a text are one
    sentence.
    """
    if splitter is None or row.text is None:
        return Document.of(sentence_of(row, id, unit, "iob2", report))
    row = replace(row, text=without_surrogates(row.text, row, report))
    parts: list[Part] = []
    words = 0
    for piece, start in pieces_of(row, splitter):
        sentence = sentence_of(piece, f"{id}#{len(parts) + 1}", unit, "iob2", report)
        if sentence.words:
            parts.append(Part(sentence, start, words))
            words += len(sentence.words)
    if not parts:
        return Document.of(sentence_of(row, id, unit, "iob2", report))
    return Document(_whole(row, parts), tuple(parts))


def pieces_of(row: Row, splitter: Splitter) -> Iterator[tuple[Row, int]]:
    """The rows of the sentences of a text, and where each begins."""
    text = row.text or ""
    places = splitter.places(text, row.lang)
    if row.offsets is None:
        yield from ((replace(row, text=text[start:end]), start) for start, end in places)
        return
    word = 0
    for _, end in places:
        first = word
        while word < len(row.offsets) and row.offsets[word][0] < end:
            word += 1
        if first < word:
            offsets = row.offsets[first:word]
            start, end = offsets[0][0], max(end, offsets[-1][1])
            moved = tuple((one - start, other - start) for one, other in offsets)
            yield replace(row, text=text[start:end], offsets=moved), start


def _whole(row: Row, parts: Sequence[Part]) -> Sentence:
    first = parts[0].sentence
    words = tuple(word for part in parts for word in part.sentence.words)
    offsets = tuple(
        (start + part.start, end + part.start) for part in parts for start, end in part.sentence.offsets or ()
    )
    return Sentence(first.id.rpartition("#")[0], words, None, row.text, offsets, row.lang)


class Conversation:
    """Documents whose sentences are asked about one by one, as a stream. Held are those that wait for an answer."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents
        self._waiting: deque[Document] = deque()

    def sentences(self) -> Iterator[Sentence]:
        """The sentences of all documents."""
        for document in self._documents:
            self._waiting.append(document)  # before its first sentence can be answered, perhaps by another thread
            yield from (part.sentence for part in document.parts)

    def documents(self, answers: Iterator[Answer]) -> Iterator[tuple[Document, list[Sequence[ScoredSpan]]]]:
        """The documents, each with the entities of its sentences, as soon as the last of these is answered.

        answers: one for each of the `sentences`, in their order.
        """
        for _, spans in answers:
            document = self._waiting.popleft()
            yield document, [spans, *(next(answers)[1] for _ in document.parts[1:])]
