"""Documents, cut into sentences and joined again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ner_distill.data.formats.documents import Answer, Conversation, Cut, Document
from ner_distill.data.formats.readers import read_documents, read_texts
from ner_distill.data.formats.segment import segment
from ner_distill.data.formats.splitting import Splitter
from ner_distill.data.sentence import Sentence, Span, Unit
from ner_distill.errors import ConfigError
from ner_distill.options.models import PredictOptions

Write = Callable[[str, str | bytes], Path]
SPLIT = Cut(splitter=Splitter())
TEXT = "  😀 Ann B. Miller left Oslo.  Tom\nBaker stayed in Bonn! \n\n Rain. "


def documents_of(path: Path, *, unit: Unit = "word", every_line: bool = True) -> list[Document]:
    return list(read_documents([path], SPLIT, unit=unit, every_line=every_line))


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("unit", ["word", "character", "blank"])
def test_every_part_is_its_place_of_the_text_cut_by_itself(unit: Unit, write: Write) -> None:
    (document,) = documents_of(write("a.jsonl", jsonl({"id": "d", "text": TEXT, "lang": "en"})), unit=unit)
    whole, parts = document.whole, document.parts
    assert (whole.id, whole.text, whole.lang) == ("d", TEXT, "en")
    assert [part.sentence.id for part in parts] == ["d#1", "d#2", "d#3"]
    assert [part.sentence.text for part in parts] == [
        *("😀 Ann B. Miller left Oslo.", "Tom\nBaker stayed in Bonn!", "Rain."),
    ]
    for part in parts:
        text = part.sentence.text or ""
        assert TEXT[part.start : part.start + len(text)] == text
        assert part.sentence.words == segment(text, unit)[0]
        assert part.sentence.lang == "en"
        assert whole.words[part.first_word : part.first_word + len(part.sentence.words)] == part.sentence.words
    assert tuple(TEXT[start:end] for start, end in whole.offsets or ()) == whole.words


def test_words_that_a_record_gives_stay_whole(write: Write) -> None:
    text = "Ann left. Tom stayed."
    record = {"text": text, "offsets": [[0, 3], [4, 13], [14, 20], [20, 21]]}
    (document,) = documents_of(write("a.jsonl", jsonl(record)))
    assert [part.sentence.words for part in document.parts] == [("Ann", "left. Tom"), ("stayed", ".")]
    assert [text[part.start :][: len(part.sentence.text or "")] for part in document.parts] == [
        "Ann left. Tom",
        "stayed.",
    ]
    assert document.whole.offsets == ((0, 3), (4, 13), (14, 20), (20, 21))


def test_words_without_a_text_are_a_sentence(write: Write) -> None:
    (document,) = documents_of(write("a.jsonl", jsonl({"words": ["Ann", ".", "Tom", "."]})))
    assert [part.sentence for part in document.parts] == [document.whole]


def test_a_text_without_words_is_a_document_of_one_part(write: Write) -> None:
    path = write("a.txt", "Ann left. Tom stayed.\n \nRain.\n")
    assert [len(document.parts) for document in documents_of(path)] == [2, 1, 1]
    assert [one.whole.id for one in documents_of(path, every_line=False)] == ["a.txt:1", "a.txt:3"]


def test_without_a_splitter_a_document_is_a_sentence() -> None:
    (document,) = read_texts([TEXT], "word")
    assert document.parts[0].sentence is document.whole
    assert document.whole.id == "text:1"


def capitals(sentence: Sentence) -> Answer:
    """Finds each word with a capital; a model that knows nothing but the sentence."""
    return sentence, [
        (Span(at, at + 1, "X"), len(sentence.words) / 100)
        for at, word in enumerate(sentence.words)
        if word[0].isupper()
    ]


def test_joining_gives_what_the_parts_alone_give() -> None:
    texts = [TEXT, "", "One. Two."]
    conversation = Conversation(read_texts(texts, "word", Splitter()))
    seen: list[Sentence] = []

    def answers() -> Iterator[Answer]:
        for sentence in conversation.sentences():
            seen.append(sentence)
            yield capitals(sentence)

    joined = [(document, document.joined(found)) for document, found in conversation.documents(answers())]
    assert [document.whole.text for document, _ in joined] == texts
    for document, spans in joined:
        alone = [
            (part.start + (part.sentence.offsets or ())[span.start][0], score)
            for part in document.parts
            for span, score in capitals(part.sentence)[1]
        ]
        offsets = document.whole.offsets or ()
        assert [(offsets[span.start][0], score) for span, score in spans] == alone
    assert [len(spans) for _, spans in joined] == [8, 0, 2]
    assert len(seen) == 6


def test_a_document_is_there_as_soon_as_its_last_sentence_is_answered() -> None:
    asked: list[str] = []
    conversation = Conversation(read_texts(["One. Two.", "Three."], "word", Splitter()))

    def answers() -> Iterator[Answer]:
        for sentence in conversation.sentences():
            asked.append(sentence.id)
            yield sentence, ()

    next(conversation.documents(answers()))
    assert asked == ["text:1#1", "text:1#2"]


def test_half_a_surrogate_pair_moves_nothing(write: Write) -> None:
    (document,) = documents_of(write("a.jsonl", '{"text": "\\ud800 Ann left. Tom stayed."}\n'))
    assert document.whole.text == "\ufffd Ann left. Tom stayed."
    assert [part.start for part in document.parts] == [0, 12]


def test_a_language_without_splitting_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"`lang` es: is for `split_sentences`; give that as well"):
        Cut.of(PredictOptions(model="m", lang="es"))


def test_a_store_records_what_its_sentences_are() -> None:
    assert Cut().recorded() == {}
    said = Cut("file", "a.b", Splitter("es")).recorded()
    assert said.pop("split_sentences").startswith("icu4py ")
    assert said == {"documents": "file", "text_key": "a.b"}
