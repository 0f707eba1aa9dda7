"""What holds for files of every format: formats, units, ids, errors, streams."""

from __future__ import annotations

import io
import json
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ner_distill.data.formats.lines import lines_of
from ner_distill.data.formats.readers import count_sentences, input_files, read_corpus, read_raw, resumable
from ner_distill.data.formats.registry import detect_format
from ner_distill.data.formats.segment import segment
from ner_distill.data.sentence import Span, Unit
from ner_distill.errors import ConfigError, DataError

Write = Callable[[str, str | bytes], Path]

CONLL = "NATO NNP B-ORG\ninvites VBZ O\n\nPeter NNP B-PER\nLindqvist NNP I-PER\n"


def json_lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("content", "encoding", "offset"), [("a O\n\nLópez B-PER\n", "LATIN1", 6), ("中 O\n\n彭小军 O\n", "GB18030", 0)]
)
def test_other_encoding_names_line_byte_offset_and_the_cure(
    content: str, encoding: str, offset: int, write: Write
) -> None:
    data = content.encode(encoding)
    line = data.count(b"\n", 0, offset) + 1
    with pytest.raises(DataError) as error:
        read_corpus([write("a.conll", data)])
    found = f"byte 0x{data[offset]:02X} at offset {offset} is not UTF-8"
    assert f"a.conll:{line}: expected UTF-8; {found}" in str(error.value)
    assert f"iconv -f {encoding} -t UTF-8 " in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n \n", "holds no sentence"),
        (b"\x1f\x8b\x08\x00", "is packed by gzip and damaged or cut off"),
        ("a O\n".encode("utf-16"), r"is UTF-16.*iconv -f UTF-16"),
    ],
)
def test_file_without_readable_sentences_is_an_error(content: bytes, message: str, write: Write) -> None:
    with pytest.raises(DataError, match=rf"a\.conll: {message}"):
        read_corpus([write("a.conll", content)])


def test_missing_file_is_named() -> None:
    with pytest.raises(DataError, match=r"nowhere/train\.conll: no such file"):
        read_corpus(["nowhere/train.conll"])


def test_directory_where_a_file_should_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a directory; expected files with sentences in it, found none"):
        read_corpus([tmp_path])


@pytest.mark.parametrize(("option", "named"), [("format", "input_format"), ("scheme", "scheme"), ("unit", "unit")])
def test_unknown_choice_names_the_known_ones(option: str, named: str, write: Write) -> None:
    named = "input_format" if option == "format" else option
    with pytest.raises(ConfigError, match=rf"`{named}` xml: expected auto, \w+"):
        read_corpus([write("a.conll", CONLL)], **{option: "xml"})


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a", CONLL, "conll"),
        ("a.bmes", "中 B-X\n", "conll"),
        ("a", '{"text": "a"}\n', "jsonl"),
        ("a.json", "[]\n", "jsonl"),
        ("a", '{"text": "a"}\n{"text": "a", "label": {}}\n', "cluener"),
        ("a", "肺|||0 0 bod|||\n", "cmeee"),
        ("a", "肺|||\n", "cmeee"),
        ("a", "One line.\nAnother line.\n", "text"),
        ("a", "Buy a T-shirt", "text"),
        ("a", "{{stub}}\ntext\n", "text"),
        ("a", "[1] A note.\n", "text"),
        ("a", b"PAR1....", "parquet"),
    ],
)
def test_format_is_told_from_content_and_name(name: str, content: str | bytes, format: str, write: Write) -> None:
    assert detect_format(write(name, content)) == format


def test_forced_format_wins_over_content(write: Write) -> None:
    assert read_corpus([write("a", CONLL)], format="text").sentences[0].words == ("NATO", "NNP", "B-ORG")


def test_repeated_ids_get_a_suffix_that_is_free(write: Write) -> None:
    path = write("a.jsonl", json_lines(*({"id": id, "words": ["w"]} for id in ("x", "x", "x#2", "x"))))
    corpus = read_corpus([path])
    assert [one.id for one in corpus.sentences] == ["x", "x#3", "x#2", "x#4"]
    assert corpus.report.counts == {"repeated_ids": 2}


def test_records_of_one_line_have_different_ids(write: Write) -> None:
    path = write("a.json", json.dumps([{"text": "a"}, {"text": "b"}, {"id": "x", "text": "c"}, {"text": "d"}]))
    ids = ["a.json:1", "a.json:1#2", "x", "a.json:1#4"]
    corpus = read_corpus([path])
    assert ([one.id for one in corpus.sentences], corpus.report.counts) == (ids, {})
    assert [one.id for one in read_raw([path], unit="word")] == ids


def test_files_of_one_name_in_two_directories_have_different_ids(write: Write) -> None:
    paths = [write("one/a.txt", "x y\n"), write("two/a.txt", "x y\n")]
    assert [one.id for one in read_corpus(paths).sentences] == [f"{path}:1" for path in paths]


def test_record_without_a_word_is_left_out_and_counted(write: Write) -> None:
    corpus = read_corpus([write("a.jsonl", json_lines({"text": " "}, {"words": []}, {"text": "w"}))])
    assert [one.words for one in corpus.sentences] == [("w",)]
    assert corpus.report.counts == {"no_words": 2}


@pytest.mark.parametrize(("text", "unit"), [("他在北京工作。", "character"), ("He works in 北京.", "word")])
def test_unit_of_text_is_character_where_it_is_mostly_chinese(text: str, unit: str, write: Write) -> None:
    path = write("a.jsonl", json_lines({"text": text, "entities": []}))
    assert read_corpus([path]).unit == unit


def test_unit_of_words_is_theirs(write: Write) -> None:
    chinese, english = write("a.conll", "中 B-X\n国 I-X\n"), write("b.conll", CONLL)
    assert (read_corpus([chinese]).unit, read_corpus([english]).unit) == ("character", "word")


def labelled(text: str, *places: tuple[int, int]) -> dict[str, Any]:
    return {"text": text, "entities": [{"start": start, "end": end, "label": "X"} for start, end in places]}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("シマムラさんはソニーをやめた。", [(0, 4), (7, 10)]),
        ("กรุงเทพมหานครเป็นเมืองหลวง", [(0, 13)]),
        ("ພາສາລາວ", [(4, 7)]),
        ("ភ្នំពេញគឺជារាជធានី", [(0, 7)]),
        ("ရန်ကုန်မြို့", [(0, 7)]),
        ("김철수는 서울에서 일했다.", [(0, 3), (5, 7)]),  # a name and its particle make one word
        ("The new album of シマムラさん is out, and so is the film", [(17, 21)]),  # little of it is kana
    ],
)
def test_texts_of_scripts_without_blanks_are_cut_so_that_entities_are_exact(
    text: str, places: list[tuple[int, int]], write: Write
) -> None:
    corpus = read_corpus([write("a.jsonl", json_lines(labelled(text, *places)))])
    assert (corpus.unit, corpus.report.clean) == ("character", True)
    (one,) = corpus.sentences
    assert one.text is not None
    assert ["".join(one.words[span.start : span.end]) for span in one.exact] == [text[s:e] for s, e in places]


def test_korean_text_is_cut_into_words(write: Write) -> None:
    assert read_corpus([write("a.jsonl", json_lines(labelled("김철수는 서울에서 일했다.", (5, 9))))]).unit == "word"


@pytest.mark.parametrize(
    ("first", "second", "unit"),
    [
        ("In O\nOslo, B-X\n(now). O\n\nSee O\nBonn, B-X\n\n", "Ulm, too", "blank"),
        ("In O\nOslo B-X\n, O\n\n", "北京大学在哪里", "word"),
        ("在 O\n北 B-X\n京 I-X\n", "It is in Oslo, you know", "character"),
    ],
)
def test_texts_beside_words_are_cut_as_these_are(first: str, second: str, unit: Unit, write: Write) -> None:
    corpus = read_corpus([write("a.conll", first), write("b.jsonl", json_lines(labelled(second)))])
    assert (corpus.unit, corpus.sentences[-1].words) == (unit, segment(second, unit)[0])


def test_two_files_of_one_corpus_are_cut_alike(write: Write) -> None:
    chinese = {"text": "彭小军认为国内银行", "label": {"name": {"彭小军": [[0, 2]]}}}
    corpus = read_corpus([write("a.json", json_lines(chinese)), write("b.jsonl", json_lines(labelled("at IBM")))])
    assert [one.words for one in corpus.sentences] == [tuple("彭小军认为国内银行"), tuple("at IBM")]


def test_forced_unit_cuts_chinese_text_into_words(write: Write) -> None:
    path = write("a.json", json_lines({"text": "在IBM", "label": {"company": {"IBM": [[1, 3]]}}}))
    corpus = read_corpus([path], unit="word")
    assert (corpus.unit, corpus.sentences[0].words, corpus.sentences[0].spans) == (
        "word",
        ("在", "IBM"),
        (Span(1, 2, "company"),),
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "Ana lives\n\n  \nin Rome\n"),
        ("a.jsonl", '{"text": "Ana lives", "entities": 3}\n\n\n{"words": ["in", "Rome"], "tags": ["X"]}\n'),
        ("a.conll", "Ana B-PER\nlives O\n\nin O\nRome X-LOC\n"),
    ],
)
def test_raw_sentences_are_unlabelled_and_ids_keep_line_numbers(name: str, content: str, write: Write) -> None:
    found = [(one.id, one.words, one.spans) for one in read_raw([write(name, content)], unit="word")]
    assert found == [(f"{name}:1", ("Ana", "lives"), None), (f"{name}:4", ("in", "Rome"), None)]


def test_raw_text_keeps_line_separators_that_are_no_line_ends(write: Write) -> None:
    (sentence,) = read_raw([write("a.txt", "a\u2028b\x85c\rd\r\n")], unit="character")
    assert sentence.text == "a\u2028b\x85c\rd"


def test_raw_standard_input_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO("\ufeffAna López\n".encode()), encoding="ascii")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert [(one.id, one.text) for one in read_raw(["-"], unit="word")] == [("stdin:1", "Ana López")]


def test_raw_missing_file_is_an_error_before_the_first_sentence(write: Write) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_raw([write("a.txt", "a\n"), "nowhere.txt"], unit="word")


def test_raw_text_is_read_in_constant_memory(write: Write) -> None:
    path = write("a.txt", "a line of text of which there are many\n" * 50_000)
    stream = read_raw([path], unit="character")
    next(stream)
    tracemalloc.start()
    try:
        for _ in zip(range(5000), stream, strict=False):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000 < path.stat().st_size


def test_input_files_are_the_real_ones(ccf2020: Path, write: Write) -> None:
    text = write("a.txt", "a\n")
    (ccf2020 / "label" / "2.csv").unlink()
    files = input_files([text, "-", "hf:x/y/z", ccf2020])
    assert files == [text, *(ccf2020 / name for name in ("data/2.txt", "data/10.txt", "label/10.csv"))]


@pytest.mark.parametrize(
    ("name", "content", "sentences"),
    [
        ("a.txt", "one\ntwo\nthree\n", 3),
        ("a.jsonl", '{"text": "one"}\n{"text": "two"}\n', 2),
        ("a.conll", "one O\ntwo B-X\n\nthree O\n\n", 2),
    ],
)
def test_count_sentences_is_what_the_stream_gives(tmp_path, name, content, sentences):
    path = tmp_path / name
    path.write_text(content)
    assert count_sentences([path]) == sentences == len(list(read_raw([path], unit="word")))


def test_count_sentences_of_standard_input_is_not_known():
    assert count_sentences(["-"], format="text") is None


def test_count_sentences_leaves_out_blank_lines(write: Write) -> None:
    paths = [write("a.txt", "one\n\n \ntwo\n"), write("a.jsonl", '{"text": "one"}\n\n')]
    assert count_sentences(paths) == 3 == len(list(read_raw(paths, unit="word")))


@pytest.mark.parametrize("read", [read_corpus, lambda paths: read_raw(paths, unit="word"), input_files])
def test_pipe_as_a_file_is_refused_unopened(read: Callable[[list[Path]], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # opening it would wait for a writer
    with pytest.raises(DataError, match="fifo: is a pipe, which can be read only once; pass `-` and pipe it in"):
        read([tmp_path / "fifo"])


def test_device_as_a_file_is_refused() -> None:
    with pytest.raises(DataError, match="/dev/null: is a device, which can be read only once"):
        read_corpus(["/dev/null"])


@pytest.mark.parametrize("path", ["-", "hf:x/y/z"])
def test_source_that_cannot_be_checked_is_not_resumable(path: str, write: Write) -> None:
    with pytest.raises(DataError, match="cannot be checked or continued; save it to a file"):
        resumable([write("a.txt", "a\n"), path])


def test_files_are_resumable(write: Write) -> None:
    resumable([write("a.txt", "a\n")])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.conll", "NATO B-ORG\rrejects O\r\rPeter B-PER\r"),
        ("a", "NATO B-ORG\rrejects O\r\rPeter B-PER\r"),
        ("a.jsonl", '{"text": "one"}\r{"text": "two"}\r'),
        ("a.json", '{"text": "one", "label": {}}\r{"text": "two", "label": {}}\r'),
        ("a.cmeee", "肺|||0 0 bod|||\r肝|||0 0 bod|||\r"),
    ],
)
def test_labelled_file_whose_lines_end_with_cr_names_the_cure(name: str, content: str, write: Write) -> None:
    path = write(name, content)
    with pytest.raises(DataError) as error:
        read_corpus([path])
    assert str(error.value) == rf"{path}:1: line ends are CR; convert: tr '\r' '\n' < {path} > {path}.lf"


STDIN = [
    (CONLL, "conll"),
    ('\ufeff{"words": ["NATO", "invites"]}\r\n', "jsonl"),
    ('{"text": "NATO invites", "label": {}}\n', "cluener"),
    ("\nNATO invites\n", "text"),
]


def give_stdin(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content.encode())))
    monkeypatch.setattr(sys, "stdin", stdin)


@pytest.mark.parametrize(("content", "format"), STDIN)
def test_format_of_standard_input_is_told_from_its_start(
    content: str, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, content)
    assert detect_format("-") == format
    assert "".join(line for _, line in lines_of("-", ends=True)) == content.removeprefix("\ufeff")


@pytest.mark.parametrize("content", [content for content, _ in STDIN])
def test_standard_input_is_read_in_its_format(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    give_stdin(monkeypatch, content)
    assert next(read_raw(["-"], unit="word")).words == ("NATO", "invites")
    give_stdin(monkeypatch, content)
    assert read_corpus(["-"], unit="word").sentences[0].words == ("NATO", "invites")


def test_format_of_standard_input_is_told_while_it_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    with open(into, "wb", buffering=0) as writer, open(out, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        writer.write(b'{"text": "one"}\n')
        assert next(read_raw(["-"], unit="word")).text == "one"


# ---- the beginning of standard input


LONG = {"id": "d1", "html": "<p>" * 4000, "text": "Ann lives in Oslo."}


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.FileIO]:
    """The end to write to of what is then standard input."""
    out, into = os.pipe()
    with open(into, "wb", buffering=0) as writer, open(out, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writer


@pytest.mark.parametrize("record", [LONG, [LONG], {**LONG, "html": "<p>" * 400_000}])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_long_first_line_of_standard_input_is_read_as_what_it_is(record: Any, end: str, pipe: io.FileIO) -> None:
    def write_slowly() -> None:
        data = (json.dumps(record) + end).encode()
        for start in range(0, len(data), 8192):
            pipe.write(data[start : start + 8192])
        pipe.close()

    thread = Thread(target=write_slowly)
    thread.start()
    assert [(one.id, one.text) for one in read_raw(["-"], unit="word")] == [("d1", "Ann lives in Oslo.")]
    thread.join()


def test_a_line_of_standard_input_is_there_before_the_next_one_ends(pipe: io.FileIO) -> None:
    pipe.write(b'{"text": "one"}\n{"text": "t')
    stream = read_raw(["-"], unit="word")
    assert next(stream).text == "one"
    pipe.write(b'wo"}\n{"text": ')
    assert next(stream).text == "two"
    pipe.write(b'"three"}')
    pipe.close()
    assert [one.text for one in stream] == ["three"]


@pytest.mark.parametrize("size", [1 << 10, 1 << 21])
def test_a_long_line_of_text_stays_text(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("Ann lives. " * (size // 11), "[Ann] lives. " * (size // 13)):
        give_stdin(monkeypatch, text)
        assert [one.text for one in read_raw(["-"], unit="blank")] == [text]
