"""Word vectors: what is read, what is refused, and that the cache is never of another file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ner_distill.data.lexicon.vectors import WordVectors, read_vectors
from ner_distill.errors import DataError

WORDS = {"的", "南京", "长江大桥", "京", "windows 10", "a", "b"}
SMALL = "3 2\n的 0.5 -1\n南京 1e-3 2.25\n长江大桥 .5 -0.125\n"

Read = Callable[..., WordVectors]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def read(tmp_path: Path, cache: Path) -> Read:
    """Writes a file of vectors and reads it; bytes as they are."""

    def read(content: str | bytes, needed: object = WORDS, *, name: str = "v.txt", **options: object) -> WordVectors:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return read_vectors(path, needed, **{"cache": cache, **options})  # type: ignore[arg-type]

    return read


def rows(vectors: WordVectors) -> dict[str, list[float]]:
    return dict(zip(vectors.forms, vectors.matrix.tolist(), strict=True))


def test_the_numbers_are_those_of_the_file(read: Read) -> None:
    found = read(SMALL)
    expected = {"的": [0.5, -1.0], "南京": [float(np.float32(0.001)), 2.25], "长江大桥": [0.5, -0.125]}
    assert rows(found) == expected
    assert found.matrix.dtype == np.float32


def test_only_needed_words_are_kept_in_the_order_of_the_file(read: Read) -> None:
    found = read(SMALL, ["长江大桥", "的", "市长"])
    assert found.forms == ("的", "长江大桥")
    assert found.matrix.tolist() == [[0.5, -1.0], [0.5, -0.125]]


def test_coverage_is_the_share_of_distinct_needed_words(read: Read) -> None:
    found = read(SMALL, ["的", "的", "市长", "江", "桥"])
    assert (found.needed, found.coverage) == (4, 0.25)


def test_no_needed_words_give_no_rows_of_the_right_width(read: Read) -> None:
    found = read(SMALL, set())
    assert (found.matrix.shape, found.coverage) == ((0, 2), 0.0)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(SMALL.split("\n", 1)[1], id="no header"),
        pytest.param("\ufeff" + SMALL, id="byte order mark"),
        pytest.param(SMALL.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(SMALL.replace("\n", " \n"), id="space at the line's end, as word2vec writes"),
        pytest.param(SMALL.replace(" ", "\t"), id="tabs"),
        pytest.param(SMALL.replace("的 ", "的\t").replace("南京 ", "南京\t"), id="a tab after the word"),
        pytest.param(SMALL.replace("-1\n", " -1\n"), id="two spaces between numbers"),
        pytest.param(SMALL.replace("0.5", "+0.5"), id="plus sign"),
        pytest.param(SMALL.removesuffix("\n"), id="no line end at the end"),
        pytest.param(gzip.compress(SMALL.encode(), mtime=0), id="gzip"),
        pytest.param(bz2.compress(SMALL.encode()), id="bzip2"),
        pytest.param(lzma.compress(SMALL.encode()), id="xz"),
    ],
)
def test_ways_of_writing_give_the_same_vectors(read: Read, content: str | bytes) -> None:
    assert rows(read(content, name="other.txt")) == rows(read(SMALL, name="plain.txt"))


@pytest.mark.parametrize(
    "word", ['"', "a,b", "NaN", "null", "#", "\u3000", "\u00a0", "\u2028", "\x85", "123", "New York", ". . .", "𠮷😀"]
)
def test_a_strange_word_is_a_word(read: Read, word: str) -> None:
    found = read(f"的 1 2\n{word} 3 4\n京 5 6\n", {word, "京"})
    assert rows(found) == {word: [3.0, 4.0], "京": [5.0, 6.0]}


def test_a_word_of_a_number_after_a_space_is_a_word(read: Read) -> None:
    assert read("2 2\n的 1 2\nwindows 10 3 4\n").forms == ("的", "windows 10")


def test_parsing_equals_numpy_over_many_blocks(read: Read) -> None:
    values = np.random.default_rng(0).normal(0, 1, (6000, 40))
    numbers = [[f"{value:.6g}" for value in row] for row in values]
    words = {f"w{place}" for place in range(6000)}
    found = read("".join(f"w{place} {' '.join(row)}\n" for place, row in enumerate(numbers)), words)
    assert found.forms == tuple(f"w{place}" for place in range(6000))
    np.testing.assert_array_equal(found.matrix, np.array(numbers, np.float32))


def test_chosen_rows_are_right_over_many_blocks_of_the_cache(read: Read) -> None:
    content = "".join(f"{'x' * 50}{place} {place}\n" for place in range(6000))
    wanted = [f"{'x' * 50}{place}" for place in range(0, 6000, 7)]
    assert read(content, wanted).matrix[:, 0].tolist() == list(range(0, 6000, 7))


def test_the_first_of_two_vectors_of_a_word_counts(read: Read) -> None:
    found = read("的 1 2\n的 3 4\n京 5 6\n")
    assert rows(found) == {"的": [1.0, 2.0], "京": [5.0, 6.0]}
    assert found.counts["duplicates"] == 1


def test_blank_lines_and_vectors_of_no_word_are_counted(read: Read) -> None:
    found = read("的 1 2\n\n 3 4\n  5 6\n京 7 8\n\n")
    assert found.forms == ("的", "京")
    assert (found.counts["blank"], found.counts["nameless"], found.counts["vectors"]) == (2, 2, 2)


def test_a_header_that_announces_more_vectors_is_counted(read: Read) -> None:
    assert read("10 2\n的 1 2\n").counts["missing"] == 9


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("京 1", "a word and 2 numbers .* found 1"),
        ("京", "a word and 2 numbers .* found 0"),
        ("京 0.1 0.2 0.3", "a word and 2 numbers .* found 3"),
        ("京 1 x", "2 finite numbers, the 2. is 'x'"),
        ("京 nan 2", "the 1. is 'nan'"),
        ("京 1 -inf", "the 2. is '-inf'"),
        ("京 1 1e39", "the 2. is '1e39'"),
        ("京 1_0 2", "the 1. is '1_0'"),
        ("京 1 2\r3", "the 2. is '2"),
    ],
)
def test_a_malformed_line_is_named(read: Read, bad: str, says: str) -> None:
    with pytest.raises(DataError, match=rf"v\.txt:4: expected .*{says}"):
        read(f"9 2\n的 1 2\n\n{bad}\n江 3 4\n")


def test_a_malformed_line_far_down_is_named(read: Read) -> None:
    content = "".join(f"{place} {' '.join(['0.25'] * 50)}\n" for place in range(5000)) + "bad 1 2\n"
    with pytest.raises(DataError, match=r"v\.txt:5001: expected a word and 50 numbers"):
        read(content)


def test_a_malformed_line_is_an_error_each_time(read: Read) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match=r"v\.txt:2"):
            read("的 1 2\n京 1\n")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "v.txt:1: expected `word number number ...`"),
        ("南京\n长江\n", "v.txt:1: expected `word number number ...`.*found '南京'"),
        ("他 去 北京\n", "v.txt:1: expected `word number number ...`"),
        ("3 300\n", "v.txt:2: holds no vectors"),
        (b"2 2\nab \x00\x00\x80\x3f\x00\x00\x00\x40", "is binary; expected the text format"),
        (b"PK\x03\x04rest", "is a zip archive"),
        ("的 1 2\n南京 3 4\n".encode("gb18030"), "v.txt:1: expected UTF-8"),
        (gzip.compress(SMALL.encode(), mtime=0)[:-12], "damaged or cut off"),
    ],
)
def test_what_is_no_word2vec_text_is_refused(read: Read, content: str | bytes, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(content)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.txt: cannot be read"):
        read_vectors(tmp_path / "nowhere.txt", WORDS, cache=tmp_path)
    with pytest.raises(DataError, match="is no regular file"):
        read_vectors(tmp_path, WORDS, cache=tmp_path)


@pytest.mark.parametrize("cached", [False, True])
def test_another_width_is_refused_naming_both(read: Read, cached: bool) -> None:
    if cached:
        read(SMALL)
    with pytest.raises(DataError, match="expected vectors of 300 numbers, found 2"):
        read(SMALL, dim=300)


def test_vectors_that_cover_nothing_are_an_error_with_examples(read: Read) -> None:
    with pytest.raises(DataError, match=r"none of the 1 words.*'Madrid'.*'的', '南京', '长江大桥'"):
        read(SMALL, ["Madrid"])


def test_the_second_reading_parses_nothing(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.txt"
    path.write_text(SMALL)
    first = read_vectors(path, WORDS, cache=cache)
    monkeypatch.setattr("ner_distill.data.lexicon.vectors.VectorText", None)
    second = read_vectors(path, WORDS, cache=cache)
    assert (rows(second), second.counts) == (rows(first), first.counts)


def test_the_cache_is_a_safetensors_file(read: Read, cache: Path) -> None:
    from safetensors.numpy import load_file

    found = read(SMALL)
    tensors = load_file(*cache.iterdir())
    np.testing.assert_array_equal(tensors["matrix"], found.matrix)
    assert tensors["forms"].tobytes().decode() == "的\n南京\n长江大桥\n"


def test_a_changed_file_of_equal_size_and_time_is_read_again(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("a 1\nb 2\n")
    status = path.stat()
    read_vectors(path, WORDS, cache=cache)
    time.sleep(0.05)  # the clock of files ticks
    path.write_text("a 1\nb 3\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert rows(read_vectors(path, WORDS, cache=cache)) == {"a": [1.0], "b": [3.0]}


def test_a_touched_file_keeps_its_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.txt"
    path.write_text(SMALL)
    read_vectors(path, WORDS, cache=cache)
    os.utime(path, ns=(0, 0))
    monkeypatch.setattr("ner_distill.data.lexicon.vectors.VectorText", None)
    assert len(read_vectors(path, WORDS, cache=cache).forms) == 3


def test_a_file_of_unchanged_times_is_not_hashed(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.txt"
    path.write_text(SMALL)
    read_vectors(path, WORDS, cache=cache)
    monkeypatch.setattr("ner_distill.data.lexicon.vectors.sha256_of", None)
    assert len(read_vectors(path, WORDS, cache=cache).forms) == 3


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "forms"])
def test_a_damaged_cache_is_made_again(read: Read, cache: Path, damage: str) -> None:
    read(SMALL)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(
        {
            "cut": whole[:-1],
            "empty": b"",
            "other": b"x" * 9000,
            "forms": whole.replace("南京".encode(), "北京".encode()),
        }[damage]
    )
    assert read(SMALL, ["南京"]).forms == ("南京",)
    assert len(file.read_bytes()) == len(whole)


def test_two_files_of_one_name_have_caches_of_their_own(tmp_path: Path, cache: Path) -> None:
    for name, content in (("one", "a 1\n"), ("two", "b 2\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "v.txt").write_text(content)
    read_vectors(tmp_path / "one/v.txt", WORDS, cache=cache)
    assert read_vectors(tmp_path / "two/v.txt", WORDS, cache=cache).forms == ("b",)


def test_a_cache_that_cannot_be_written_is_done_without(read: Read, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = read(SMALL, ["的", "长江大桥"], cache=tmp_path / "file")
    assert rows(found) == {"的": [0.5, -1.0], "长江大桥": [0.5, -0.125]}


def test_rows_are_right_over_many_blocks_without_a_cache(read: Read, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    content = "".join(f"w{place} {' '.join(['0.25'] * 50)} {place}\n" for place in range(3000))
    found = read(content, {f"w{place}" for place in range(3000)}, cache=tmp_path / "file")
    assert found.matrix[:, -1].tolist() == list(range(3000))


def test_a_failed_conversion_leaves_nothing(read: Read, cache: Path) -> None:
    with pytest.raises(DataError):
        read("的 1 2\n京 1\n")
    assert list(cache.iterdir()) == []


def test_what_a_killed_conversion_left_is_removed_by_a_later_one(read: Read, cache: Path) -> None:
    cache.mkdir()
    old, young = cache / ".small.safetensors.1.tmp", cache / ".small.safetensors.2.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    read(SMALL)
    assert not old.exists()
    assert young.exists()  # of a conversion that may go on


def test_the_default_cache_follows_xdg(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    read(SMALL, cache=None)
    assert list((tmp_path / "xdg/ner-distill/vectors").iterdir())


def test_processes_that_convert_at_once_all_get_the_vectors(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("".join(f"w{place} {' '.join(['0.25'] * 50)}\n" for place in range(2000)))
    code = f"""from pathlib import Path; from ner_distill.data.lexicon.vectors import read_vectors
print(len(read_vectors({str(path)!r}, ["w0", "w1999"], cache=Path({str(cache)!r})).forms))"""
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in started] == [b"2"] * 3
    assert len(list(cache.iterdir())) == 1
