"""spaCy's DocBin (`.spacy`), what `spacy train` reads: written by spaCy itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ner_distill.data.formats.standins import BLANK
from ner_distill.data.formats.writing.base import FileWriter, Labelled, Losses, Scored, in_order
from ner_distill.data.formats.writing.plain import without_overlaps
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import DataError

if TYPE_CHECKING:
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

GROUP = "sc"
"""The span group that spaCy's spancat reads by default."""


class DocBinFile(FileWriter):
    """A document for each sentence; its words are the tokens, beside them a token for each longer white space.

    `Doc.ents` has the entities; of those that overlap the longest, and then the span group `sc` has all of them, with
    their scores. Words whose label does not count, and all of an unlabelled sentence, are of a missing label.
    """

    name = "docbin"
    suffixes = (".spacy",)
    holds = frozenset({"text", "words", "unlabelled", "keep"})

    def installed(self) -> None:
        try:
            import spacy.tokens  # noqa: F401
        except ImportError:
            raise DataError(
                "writing a DocBin (`.spacy`) needs spaCy, which is not installed: pip install 'ner-distill[spacy]'"
            ) from None

    def save(self, records: Iterable[Labelled], path: Path, losses: Losses) -> None:
        from spacy.tokens import DocBin
        from spacy.vocab import Vocab

        vocab, documents = Vocab(), DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
        for sentence, entities in self.kept(records, losses):
            documents.add(_document(sentence, entities, vocab, losses))
        documents.to_disk(path)


def _document(sentence: Sentence, entities: Sequence[Scored] | None, vocab: Vocab, losses: Losses) -> Doc:
    from spacy.tokens import Doc
    from spacy.tokens import Span as SpacySpan

    losses.add("empty", sentence.id, sentence.words.count(""))
    losses.add("blank", sentence.id, sum(word.isspace() for word in sentence.words))
    tokens, blanks, number_of = _tokens(sentence)
    document = Doc(vocab, words=tokens, spaces=blanks)
    if entities is None:
        return document

    def of_spacy(span: Span) -> SpacySpan:
        return SpacySpan(document, number_of[span.start], number_of[span.end - 1] + 1, label=span.label)

    flat = without_overlaps(entities)
    missing = [
        SpacySpan(document, number_of[word], number_of[word] + 1)
        for word, counts in enumerate(sentence.counted)
        if not counts
    ]
    inside = {word for one in missing for word in range(one.start, one.end)}
    ents = [one for one in map(of_spacy, flat) if inside.isdisjoint(range(one.start, one.end))]
    losses.add("uncounted", sentence.id, len(flat) - len(ents))
    document.set_ents(ents, missing=missing, default="outside")
    if len(flat) < len(entities):
        losses.add("grouped", sentence.id, len(entities) - len(flat))
        ordered = in_order(entities)
        document.spans[GROUP] = [of_spacy(span) for span, _ in ordered]
        scores = [score for _, score in ordered if score is not None]
        if len(scores) == len(ordered):
            document.spans[GROUP].attrs["scores"] = [float(score) for score in scores]
    return document


def _tokens(sentence: Sentence) -> tuple[list[str], list[bool] | None, list[int]]:
    """Tokens, whether a blank follows each (None: unknown), and which token each word is.

    A blank between two words belongs to the first; what else stands between words is a token of its own.
    """
    if sentence.text is None or sentence.offsets is None:
        return [word or BLANK for word in sentence.words], None, list(range(len(sentence.words)))
    tokens: list[str] = []
    blanks: list[bool] = []
    number_of: list[int] = []
    end = 0

    def between(text: str) -> None:
        if text.startswith(" ") and tokens and not blanks[-1]:
            blanks[-1] = True
            text = text[1:]
        if text:
            blank = len(text) > 1 and text.endswith(" ")
            tokens.append(text[:-1] if blank else text)
            blanks.append(blank)

    for start, stop in sentence.offsets:
        between(sentence.text[end:start])
        number_of.append(len(tokens))
        tokens.append(sentence.text[start:stop])
        blanks.append(False)
        end = stop
    between(sentence.text[end:])
    return tokens, blanks, number_of
