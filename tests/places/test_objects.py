"""Text behind URLs and places there, in fsspec's memory."""

import bz2
import gzip
import io
import lzma
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ner_distill.data.formats import readers
from ner_distill.data.formats.folders import expanded
from ner_distill.data.formats.readers import count_sentences, input_files, read_raw
from ner_distill.data.store.manifest import InputFile
from ner_distill.errors import DataError, RunError, TrainingError
from ner_distill.places import asking, objects, place_of
from ner_distill.places.objects import RemoteFile

pytestmark = pytest.mark.usefixtures("memory")

LINES = [f"Ana {number} lives in Berlin ." for number in range(1, 5001)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, "zstd", asbytes=True)
    return packed


def words(url: str | list[str], **options: Any) -> list[str]:
    given = url if isinstance(url, list) else [url]
    return [" ".join(sentence.words) for sentence in read_raw(given, unit="blank", **options)]


@pytest.mark.parametrize(
    ("name", "packed"),
    [("raw.txt", bytes), ("raw.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress), ("a.zst", zstd)],
    ids=["plain", "gzip", "bzip2", "xz", "zstd"],
)
def test_text_is_read_and_unpacked_as_it_comes(memory: Any, name: str, packed: Callable[[bytes], bytes]) -> None:
    memory.pipe_file(f"/b/{name}", packed(TEXT))
    assert words(f"memory://b/{name}") == LINES


def test_reading_begins_before_all_is_fetched(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe_file("/b/raw.txt", 400 * TEXT)
    fetched = 0
    cat = memory.cat_file

    def counted(path: str, start: int | None = None, end: int | None = None) -> bytes:
        nonlocal fetched
        data: bytes = cat(path, start=start, end=end)
        fetched += len(data)
        return data

    monkeypatch.setattr(type(memory), "cat_file", lambda self, *args, **options: counted(*args, **options))
    stream = read_raw(["memory://b/raw.txt"], unit="blank")
    assert " ".join(next(stream).words) == LINES[0]
    assert fetched < len(400 * TEXT) / 10


def test_a_file_is_asked_for_a_few_times_before_it_is_read(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe_file("/b/raw.txt", TEXT)
    asked = 0
    for name in ("cat_file", "info"):
        own = getattr(type(memory), name)

        def counted(self: Any, *args: Any, own: Any = own, **options: Any) -> Any:
            nonlocal asked
            asked += 1
            return own(self, *args, **options)

        monkeypatch.setattr(type(memory), name, counted)
    next(read_raw(["memory://b/raw.txt"], unit="blank"))
    assert asked <= 8  # the memory's own reading asks what it is, too
    memory.pipe_file("/b/raw.txt", b"other\n")
    assert words("memory://b/raw.txt") == ["other"]


def test_other_formats_are_recognised(memory: Any) -> None:
    memory.pipe_file("/b/x.jsonl", b'{"text": "Ana lives"}\n{"text": "in Berlin"}\n')
    memory.pipe_file("/b/x.conll", b"Ana B-PER\nlives O\n\nin O\nBerlin B-LOC\n\n")
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["Ana lives", "in Berlin"], "more": ["x" * 10_000, "y"]}), sink)
    memory.pipe_file("/b/x.parquet", sink.getvalue())
    for name in ("x.jsonl", "x.conll", "x.parquet"):
        assert words(f"memory://b/{name}") == ["Ana lives", "in Berlin"]


def test_a_prefix_is_a_folder_and_reads_as_the_same_folder_here(memory: Any, tmp_path: Path) -> None:
    files = {"b/2.txt": b"two\n", "a.txt": b"one\n", "b/10.txt": b"ten\n", "b-c.txt": b"more\n", "README.md": b"no\n",
             ".hidden/x.txt": b"no\n", "empty.txt": b""}  # fmt: skip
    for name, data in files.items():
        memory.pipe_file(f"/bucket/raw/{name}", data)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    here, there = expanded(tmp_path), expanded("memory://bucket/raw/")
    assert [Path(one).relative_to(tmp_path).as_posix() for one in here.sources] == [
        one.removeprefix("memory://bucket/raw/") for one in there.sources
    ]
    assert words("memory://bucket/raw") == words(str(tmp_path)) == ["one", "ten", "two", "more"]
    assert "left out, as no sentences: README.md, empty.txt" in there.remark()


def test_patterns_match_keys(memory: Any) -> None:
    for name in ("p-1.txt", "p-2.txt", "p-10.txt", "q.txt", "in/p-1.txt"):
        memory.pipe_file(f"/b/{name}", name.encode())
    assert words("memory://b/p-?.txt") == ["p-1.txt", "p-2.txt"]
    assert words("memory://b/**/p-1.txt") == ["in/p-1.txt", "p-1.txt"]
    with pytest.raises(DataError, match=r"memory://b/z\*: no file matches"):
        words("memory://b/z*")


@pytest.mark.parametrize("name", ["a[1].txt", "a*.txt", "a?.txt", "a#b.txt", "a%20b.txt", "a b.txt", "ä:b.txt"])
def test_a_file_that_is_there_is_no_pattern(name: str, memory: Any) -> None:
    memory.pipe_file(f"/b/raw/{name}", b"one\n")
    memory.pipe_file("/b/raw/a1.txt", b"another\n")
    assert words(f"memory://b/raw/{name}") == ["one"]
    assert sorted(words("memory://b/raw")) == ["another", "one"]


def test_what_is_not_there_is_named(memory: Any) -> None:
    with pytest.raises(DataError, match=r"memory://b/raw.txt: no such file, and nothing below it"):
        words("memory://b/raw.txt")
    memory.pipe_file("/b/raw.txt", b"")
    with pytest.raises(DataError, match=r"memory://b/raw.txt: is empty"):
        words("memory://b/raw.txt")


def test_bad_text_is_named_with_advice_that_can_be_followed(memory: Any) -> None:
    memory.pipe_file("/b/raw.txt", "straße\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"memory://b/raw.txt:1: expected UTF-8.*copy it to this machine, then iconv"):
        words("memory://b/raw.txt")


def test_text_that_is_written_while_it_is_read_is_an_error(memory: Any) -> None:
    memory.pipe_file("/b/raw.txt", TEXT)
    stream = read_raw(["memory://b/raw.txt"], unit="blank")
    next(stream)
    memory.pipe_file("/b/raw.txt", TEXT[:-1] + b"!")
    with pytest.raises(DataError, match="was written to while it was read"):
        list(stream)


def test_no_text_is_fetched_only_to_count_it(memory: Any) -> None:
    memory.pipe_file("/b/raw.txt", TEXT)
    assert count_sentences(["memory://b/raw.txt"]) is None


def test_an_input_is_another_one_once_it_was_written_again(memory: Any) -> None:
    memory.pipe_file("/b/raw.txt", TEXT)
    (file,) = input_files(["memory://b/raw.txt"])
    before = InputFile.of(file)
    assert (before.name, before.size, before.sha256) == ("memory://b/raw.txt", len(TEXT), None)
    assert InputFile.of(file) == before
    memory.pipe_file("/b/raw.txt", TEXT)
    assert InputFile.of(file).identity != before.identity


def test_the_version_is_the_entity_tag_where_there_is_one() -> None:
    known = objects._about("s3://b/x", {"size": 3, "ETag": '"abc-2"', "LastModified": "today"})
    assert known.version == "etag abc-2"
    with pytest.raises(DataError, match="does not say how big it is"):
        objects._about("https://host/x", {"size": None, "ETag": "x"})


def test_what_a_server_says_nothing_of_is_not_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, object] = {"size": 3}
    monkeypatch.setattr(readers, "about", lambda url: objects._about(url, known))
    with pytest.raises(DataError, match="`resume`: https://host/x: its server does not say whether it changed"):
        readers.resumable(["https://host/x"])
    known["Last-Modified"] = "today"
    readers.resumable(["https://host/x"])


# ---- random access


def test_a_file_is_read_from_any_place(memory: Any) -> None:
    memory.pipe_file("/b/x", TEXT)
    with RemoteFile("memory://b/x") as file:
        for start, length in ((0, 10), (10, 3), (90_000, 70_000), (5, 100), (len(TEXT) - 4, 100)):
            file.seek(start)
            assert file.read(length) == TEXT[start : start + length]
        file.seek(-7, io.SEEK_END)
        assert (file.read(), file.read(), file.tell()) == (TEXT[-7:], b"", len(TEXT))


# ---- places


def test_a_place_has_the_files_that_were_written(memory: Any) -> None:
    place = place_of("memory://b/soft")
    assert (place.names(), place.occupied(lambda name: False)) == ({}, False)
    place.write("x", b"abc")
    place.write("x", memoryview(b"defg"))
    memory.pipe_file("/b/soft/deeper/y", b"1")
    memory.pipe_file("/b/softer", b"1")
    assert place.names() == {"x": 4}
    assert place.read("x") == b"defg"
    assert place.occupied(lambda name: True)
    again = pickle.loads(pickle.dumps(place))
    again.remove("x")
    again.remove("x")
    assert place.names() == {}
    with pytest.raises(FileNotFoundError):
        place.read("x")


def test_a_place_that_is_none_says_so(memory: Any) -> None:
    with pytest.raises(RunError, match="memory://b/soft: nothing is there; expected a store"):
        place_of("memory://b/soft").check("store", "a store")
    memory.pipe_file("/b/soft", b"1")
    place = place_of("memory://b/soft")
    with pytest.raises(RunError, match="memory://b/soft: is a file; expected the folder of a store"):
        place.check("store", "a store")
    assert place.occupied(lambda name: True)
    assert place.names() == {}


# ---- errors


class Flaky:
    """Fails so many times with an error."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.asked = error, times, 0

    def __call__(self) -> str:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


class HttpError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"{status}, https://host/x?sig=hunter2")
        self.status = status


@pytest.mark.parametrize("error", [OSError(5, "SlowDown"), TimeoutError(), ConnectionResetError(), HttpError(503),
                                   HttpError(429)], ids=["5", "timeout", "reset", "503", "429"])  # fmt: skip
def test_what_passes_is_asked_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT", 0.0)
    call = Flaky(error, asking.TRIES - 1)
    assert asking.ask("s3://b/x", "reading", call) == "done"
    assert call.asked == asking.TRIES


def test_what_stays_is_said_with_the_way_on_and_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT", 0.0)
    with pytest.raises(TrainingError, match=r"s3://b/x: reading failed 3 times .* 503.*, with `resume`") as caught:
        asking.ask("s3://b/x", "reading", Flaky(HttpError(503), 99))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("error", [PermissionError("AccessDenied"), HttpError(403), OSError(22, "InvalidBucketName")],
                         ids=["denied", "403", "invalid"])  # fmt: skip
def test_a_refusal_is_not_asked_again(error: Exception) -> None:
    call = Flaky(error, 99)
    with pytest.raises(RunError, match="s3://b/x: access is refused: .*keys belong in") as caught:
        asking.ask("s3://b/x", "reading", call)
    assert call.asked == 1
    assert "hunter2" not in str(caught.value)


def test_an_answer_that_is_cut_off_is_asked_for_again(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe_file("/b/x", b"0123456789")
    cat, cut = memory.cat_file, [True, True]
    monkeypatch.setattr(
        type(memory), "cat_file",
        lambda self, *args, **options: cat(*args, **options)[: 3 if cut and cut.pop() else None],
    )  # fmt: skip
    with RemoteFile("memory://b/x") as file:
        assert file.read() == b"0123456789"
    assert not cut
