"""Text behind a server of HTTP, on loopback."""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ner_distill.data.formats.readers import read_raw
from ner_distill.errors import DataError, NerDistillError, RunError, TrainingError
from ner_distill.places import asking, urls
from ner_distill.places.objects import about

LINES = [f"Ana {number} lives in Berlin ." for number in range(1, 5001)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()
SECRET = "hunter2-hunter2"


class Handler(BaseHTTPRequestHandler):
    """The text, or an error where the path says one."""

    parts, packs = True, False

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if failing := re.match(r"/([345]\d\d)", self.path):
            self.send_error(int(failing[1]), f"no {self.path}")
            return
        data, part = TEXT, self.headers.get("Range")
        packed = self.packs and "gzip" in self.headers.get("Accept-Encoding", "")
        if packed:
            data = gzip.compress(TEXT)
        ranged = bool(part and self.parts and not packed)
        if ranged:
            first, last = str(part).removeprefix("bytes=").split("-")
            data = data[int(first) : int(last) + 1]
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"1"')
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(handler: type[Handler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT", 0.0)
    monkeypatch.setattr(urls, "_given", {})


def words(url: str) -> list[str]:
    return [" ".join(sentence.words) for sentence in read_raw([url], unit="blank")]


def test_text_is_read_in_parts() -> None:
    with serving(Handler) as host:
        assert words(f"http://{host}/raw.txt?sig={SECRET}") == LINES


def test_a_server_that_packs_what_it_sends_is_asked_not_to() -> None:
    with serving(type("Packs", (Handler,), {"packs": True})) as host:
        assert words(f"http://{host}/raw.txt") == LINES


def test_a_server_without_parts_is_said_to_be_one() -> None:
    expected = "/raw.txt: its server gives whole files alone; copy the file"
    with serving(type("Whole", (Handler,), {"parts": False})) as host, pytest.raises(DataError, match=expected):
        words(f"http://{host}/raw.txt")


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (403, RunError, "/403.txt: access is refused"),
        (503, TrainingError, "/503.txt: asking for it failed 3 times"),
        (404, DataError, "/404.txt: no such file"),
    ],
)
def test_what_a_server_answers_is_what_is_said(status: int, kind: type[NerDistillError], message: str) -> None:
    with serving(Handler) as host, pytest.raises(kind, match=message) as caught:
        words(f"http://{host}/{status}.txt?sig={SECRET}")
    assert SECRET not in str(caught.value)


def test_a_server_that_is_not_there_is_no_missing_file() -> None:
    with serving(Handler) as host:
        pass
    with pytest.raises(TrainingError, match="asking for it failed 3 times"):
        words(f"http://me:{SECRET}@{host}/raw.txt")


def test_what_is_missing_is_named_without_keys() -> None:
    with serving(Handler) as host:
        url = urls.kept_apart(f"http://{host}/404.txt?sig={SECRET}")
        with pytest.raises(FileNotFoundError) as caught:
            about(url)
    assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert caught.value.__suppress_context__
