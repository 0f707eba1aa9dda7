"""Lines of files in other encodings, with other line ends, and with what should not be in them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ner_distill.data.formats.lines import lines_of
from ner_distill.data.formats.readers import read_corpus, read_raw
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]
CONLL = "Ann B-PER\nlives O\n\nBo B-PER\nsings O\n"


@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE", "UTF-16", "UTF-32"])
@pytest.mark.parametrize("name", ["a b.conll", "a.txt"])
def test_wide_text_names_its_encoding_and_the_advice_works(encoding: str, name: str, write: Write) -> None:
    path = write(name, CONLL.encode(encoding))
    with pytest.raises(DataError) as error:
        next(read_raw([path], unit="word"))
    assert f" is {encoding}" in str(error.value)
    subprocess.run(str(error.value).partition("convert it: ")[2], shell=True, check=True)
    assert [one.words for one in read_corpus([f"{path}.utf8"]).sentences] == [("Ann", "lives"), ("Bo", "sings")]


def test_wide_chinese_text_is_named(write: Write) -> None:
    with pytest.raises(DataError, match=r"iconv -f UTF-16LE -t UTF-8"):
        read_corpus([write("a.conll", "彭 B-PER\n小 I-PER\n军 I-PER\n说 O\n".encode("UTF-16LE"))])


def test_wide_text_of_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(CONLL.encode("UTF-16LE")))))
    with pytest.raises(DataError, match="is UTF-16LE without a byte order mark"):
        next(read_raw(["-"], unit="word"))


def test_further_carriage_returns_are_dropped_and_counted(write: Write) -> None:
    corpus = read_corpus([write("a.conll", CONLL.replace("\n", "\r\r\n"))])
    assert [one.words for one in corpus.sentences] == [("Ann", "lives"), ("Bo", "sings")]
    assert corpus.report.counts == {"carriage_returns": 5}


def test_byte_order_mark_inside_joined_files_is_dropped_and_counted(write: Write) -> None:
    path = write("a.conll", "\ufeff" + CONLL + "\n\ufeff" + CONLL)
    corpus = read_corpus([path])
    assert [one.words[0] for one in corpus.sentences] == ["Ann", "Bo", "Ann", "Bo"]
    assert corpus.report.places["byte_order_marks"][0].startswith(f"{path}:7: ")


def test_nul_characters_are_said_and_kept(write: Write) -> None:
    said: list[str] = []
    path = write("a.txt", "Ann lives\0 in a very large and very old house\n")
    (sentence,) = read_raw([path], unit="character", say=said.append)
    assert "\0" in sentence.words
    assert said[0].startswith("lines with NUL characters")


def test_stray_bytes_in_utf8_are_told_from_another_encoding(write: Write) -> None:
    path = write("a.conll", "Ä B-A\nÖ O\nü O\n".encode() + b"caf\xe9 O\n")
    with pytest.raises(DataError) as error:
        read_corpus([path])
    assert "a.conll:4: expected UTF-8" in str(error.value)
    assert "the rest is, so mend this line" in str(error.value)


def test_bytes_of_windows_are_named(write: Write) -> None:
    with pytest.raises(DataError, match="iconv -f WINDOWS-1252"):
        read_corpus([write("a.conll", "it’s B-A\n".encode("cp1252"))])


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"PK\x03\x04", "zip"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"\xff\xff\xff\xff", "Arrow stream"), (b"%PDF-", "PDF")],
)
def test_file_of_another_kind_is_named(start: bytes, what: str, write: Write) -> None:
    with pytest.raises(DataError, match=what):
        read_corpus([write("a.conll", start + b"....")])


def test_lines_without_a_report_are_the_same(write: Write) -> None:
    path = write("a.txt", "\ufeffa\r\n\ufeffb\r\r\nc\rd\n")
    assert list(lines_of(path)) == [(1, "a"), (2, "b"), (3, "c\rd")]
