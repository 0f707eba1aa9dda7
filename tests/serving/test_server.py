"""The server around the application: what it refuses to start with, and how it stops."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ner_distill.console import Reporter
from ner_distill.errors import ConfigError, RunError
from ner_distill.options.serving import ServeOptions
from ner_distill.serving import server
from ner_distill.serving.server import serve
from tests.answering import Capitals
from tests.commands import run

ROOT = Path(__file__).resolve().parents[2]
# The program with a model that needs no training.
PROGRAM = """
import sys
from pathlib import Path
from ner_distill.options.serving import ServeOptions
from ner_distill.serving import server
from tests.answering import Capitals

class Slow(Capitals):
    def found(self, sentences):
        sys.stderr.write("asked\\n")
        sys.stdin.readline()
        return super().found(sentences)

server.open_model = lambda paths: Slow()
server.serve(ServeOptions(models=["tiny"], port=0))
"""
HEADERS = {"content-type": "application/json"}


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_stops_the_server_once_those_who_wait_are_answered(
    process: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert process.stderr is not None
    assert process.stdin is not None
    found = re.search(r"tiny answers at http://127\.0\.0\.1:(\d+)/ ", process.stderr.readline())
    assert found is not None
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=20)

    connection.request("POST", "/predict", b"x" * 10_000_000, HEADERS)
    refused = connection.getresponse()
    assert (refused.status, "--max-bytes" in json.load(refused)["error"]) == (413, True)

    connection.request("POST", "/predict", json.dumps({"text": "Ana"}), HEADERS)
    assert process.stderr.readline() == "asked\n"
    process.send_signal(number)
    process.stdin.write("\n")
    process.stdin.flush()
    assert [one["text"] for one in json.load(connection.getresponse())["entities"][0]] == ["Ana"]
    assert process.wait(20) == 0
    assert process.stderr.read() == "stopped\n"


def test_a_port_in_use_is_said_before_the_model_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"`host` 127.0.0.1 `port` {port}: cannot be opened .* choose another"):
            serve(ServeOptions(models=["/no/such"], port=port))


def test_a_host_that_is_not_of_this_machine_is_said() -> None:
    with pytest.raises(ConfigError, match="`host` not a name: no address of this machine"):
        serve(ServeOptions(models=["/no/such"], host="not a name"))


def test_a_model_that_cannot_be_loaded_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(paths: list[Path]) -> Capitals:
        raise RunError(f"{paths[0]}: no such directory")

    monkeypatch.setattr(server, "open_model", missing)
    done = run("serve", "/no/such", "--port", "0")
    assert (done.code, done.out, done.err) == (2, "", "error: /no/such: no such directory\n")


def test_what_is_not_installed_is_said_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match=r"serve needs uvicorn, which is not installed: pip install 'ner-distill\[s"):
        serve(ServeOptions(models=["/no/such"]))


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("::", True)])
def test_who_reaches_the_server_over_the_network_is_warned_of(
    host: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    server._say(Reporter(), "tiny", host, 8000)
    said = capsys.readouterr().err
    assert ("warning: `host`" in said) == warned
    assert f"http://{f'[{host}]' if ':' in host else host}:8000/" in said


def test_the_page_is_that_asked_for_or_the_exported_one_or_our_own(tmp_path: Path) -> None:
    exported, other = tmp_path / "exported", tmp_path / "other.html"
    exported.mkdir()
    other.write_text("other", "utf-8")
    assert "Find entities" in server._page(None, [exported]).content
    (exported / "page.html").write_text("exported", "utf-8")
    assert "Find entities" in server._page(None, [exported]).content  # a run, or what is no model
    (exported / "runtime.json").write_text("{}", "utf-8")
    assert server._page(None, [exported]).content == "exported"
    assert "Find entities" in server._page(None, [exported, exported]).content
    assert server._page(other, [exported]).content == "other"
    with pytest.raises(ConfigError, match="`page`.*cannot be read as HTML"):
        server._page(tmp_path / "missing.html", [exported])


def test_options_out_of_bounds_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        ServeOptions(models=["m"], port=70_000, timeout=0, max_texts=0, batch_wait=-1)
    for name in ("port", "timeout", "max_texts", "batch_wait"):
        assert f"`{name}`: expected" in str(error.value)
