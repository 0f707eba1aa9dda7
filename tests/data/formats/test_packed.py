"""Packed files are read as what is inside; what is damaged is named."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest

from ner_distill.data.formats.lines import count_lines
from ner_distill.data.formats.packed import opened, without_packing
from ner_distill.data.formats.readers import count_sentences, read_corpus, read_raw
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]
Pack = Callable[[bytes], bytes]
CONLL = "Ann B-PER\nlives O\n\nBo B-PER\nsings O\n"
JSON = '{"text": "Ann lives", "entities": [{"start": 0, "end": 3, "label": "PER"}]}\n'


def zstd(data: bytes) -> bytes:
    buffer = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(buffer, "zstd") as file:
        file.write(data)
    return bytes(buffer.getvalue().to_pybytes())


PACKS = [
    pytest.param(gzip.compress, ".gz", id="gzip"),
    pytest.param(bz2.compress, ".bz2", id="bzip2"),
    pytest.param(lzma.compress, ".xz", id="xz"),
    pytest.param(zstd, ".zst", id="zstd"),
]


def of_many_bytes() -> bytes:
    """Text that does not pack to a few bytes."""
    return "".join(f"word{number * 7919 % 100_003} O\n\n" for number in range(30_000)).encode()


@pytest.mark.parametrize(("pack", "suffix"), PACKS)
def test_packed_columns_are_read_and_counted_as_plain_ones(pack: Pack, suffix: str, write: Write) -> None:
    path = write("a.conll" + suffix, pack(CONLL.encode()))
    corpus = read_corpus([path])
    assert [(one.words, one.spans) for one in corpus.sentences] == [
        (("Ann", "lives"), (Span(0, 1, "PER"),)),
        (("Bo", "sings"), (Span(0, 1, "PER"),)),
    ]
    assert [one.id for one in corpus.sentences] == [f"a.conll{suffix}:1", f"a.conll{suffix}:4"]
    assert corpus.report.files[0].format == "conll"
    assert count_sentences([path]) == count_sentences([write("a.conll", CONLL)])


@pytest.mark.parametrize(("pack", "suffix"), PACKS)
def test_files_that_were_joined_after_packing_are_read_to_the_end(pack: Pack, suffix: str, write: Write) -> None:
    path = write("a.txt" + suffix, pack(b"one\n") + pack(b"two\n"))
    assert [one.text for one in read_raw([path], unit="word")] == ["one", "two"]
    assert count_lines(str(path)) == 2


@pytest.mark.parametrize(("pack", "suffix"), PACKS)
def test_what_is_cut_off_is_named(pack: Pack, suffix: str, write: Write) -> None:
    packed = pack(of_many_bytes())
    path = write("a.conll" + suffix, packed[: len(packed) * 3 // 4])
    with pytest.raises(DataError, match=r"a\.conll\.\w+: is packed by \w+ and damaged or cut off: .*pack it once more"):
        read_corpus([path])
    with pytest.raises(DataError, match="damaged or cut off"):
        list(read_raw([path], unit="word"))
    with pytest.raises(DataError, match="damaged or cut off"):
        count_sentences([path])


@pytest.mark.parametrize(("pack", "suffix"), PACKS[:3])  # zstd has a checksum where its own program packs, Arrow none
def test_what_is_damaged_is_named(pack: Pack, suffix: str, write: Write) -> None:
    packed = bytearray(pack(of_many_bytes()))
    packed[len(packed) // 2] ^= 255
    with pytest.raises(DataError, match="damaged or cut off"), opened(write("a.txt" + suffix, bytes(packed))) as file:
        file.read()


def test_a_file_is_told_by_its_bytes_and_not_by_its_name(write: Write) -> None:
    assert len(read_corpus([write("a.conll", gzip.compress(CONLL.encode()))]).sentences) == 2
    assert len(read_corpus([write("b.conll.gz", CONLL)]).sentences) == 2


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [("a.conll.gz", "Ann\nlives\n", "conll"), ("a.JSONL.GZ", JSON, "jsonl"), ("a.txt.gz", "Ann lives\n", "text")],
)
def test_the_suffix_before_that_of_packing_counts(name: str, content: str, format: str, write: Write) -> None:
    said: list[str] = []
    path = write(name, gzip.compress(content.encode()))
    assert without_packing(path).suffix.lower() in (".conll", ".jsonl", ".txt")
    sentences = list(read_raw([path], unit="word", say=said.append))
    assert sentences[0].words == ("Ann", "lives")
    assert count_sentences([path], format=format) == count_sentences([path])


def test_json_over_several_lines_is_read_packed(write: Write) -> None:
    path = write("a.json.gz", gzip.compress(f"[\n{JSON.strip()},\n{JSON}]".encode()))
    assert [one.spans for one in read_corpus([path]).sentences] == [(Span(0, 1, "PER"),)] * 2


def test_chinese_formats_are_read_packed(write: Write) -> None:
    path = write("a.txt.gz", gzip.compress("房室结消融|||0    4    pro|||\n".encode()))
    assert read_corpus([path]).sentences[0].spans == (Span(0, 5, "pro"),)


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        (b"", "is empty"),
        (gzip.compress(b"a", mtime=0), r"what is packed in it is packed again \(gzip\).*unpack it once"),
        (b"PAR1....", "is Parquet: expected Parquet that is not packed"),
        (b"PK\x03\x04", "what is packed in it is a zip archive"),
    ],
)
def test_what_is_no_text_inside_is_named(inside: bytes, what: str, write: Write) -> None:
    with pytest.raises(DataError, match=what):
        read_corpus([write("a.gz", gzip.compress(inside))])


def test_an_archive_of_several_files_is_named(tmp_path: Path, write: Write) -> None:
    write("a.conll", CONLL)
    with tarfile.open(tmp_path / "a b.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.conll", "a.conll")
    with pytest.raises(DataError, match=r"is a tar archive.*: tar xf '.*a b\.tar\.gz'"):
        read_corpus([tmp_path / "a b.tar.gz"])


@pytest.mark.parametrize("encoding", ["UTF-16", "GB18030"])
def test_the_advice_for_another_encoding_inside_works(encoding: str, write: Write, tmp_path: Path) -> None:
    path = write("a b.txt.gz", gzip.compress("彭小军说\n今天\n".encode(encoding)))
    with pytest.raises(DataError, match="expected UTF-8") as error:
        list(read_raw([path], unit="character"))
    subprocess.run(str(error.value).partition("convert it: ")[2], shell=True, check=True)
    texts = [one.text for one in read_raw([tmp_path / "a b.txt.utf8"], unit="character")]
    assert texts == ["彭小军说", "今天"]


def test_packed_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(b"a\n")))))
    with pytest.raises(DataError, match="stdin: is packed by gzip; pipe it through gzip -dc"):
        next(read_raw(["-"], unit="word"))


def test_a_packed_file_is_read_as_a_stream(write: Write) -> None:
    """Its beginning is there although its end is missing."""
    packed = gzip.compress(of_many_bytes() * 4)
    with opened(write("a.gz", packed[:-8])) as file:
        assert file.readline() == b"word0 O\n"
