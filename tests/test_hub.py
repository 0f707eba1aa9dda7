"""The hub is asked once, for a few seconds; without an answer its cache is read at once."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from huggingface_hub import constants

from ner_distill import hub
from ner_distill.data.formats.rows import RowOptions
from ner_distill.data.formats.tables import hf_rows
from ner_distill.errors import ConfigError, DataError
from ner_distill.hub import cache_where_unreachable
from ner_distill.nn.encoders.huggingface import load_backbone, load_tokenizer


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A place that takes connections and never answers, and that the hub's client asks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(hub, "PATIENCE", 0.2)
        yield server


def test_a_hub_that_does_not_answer_is_not_tried_again(endpoint: socket.socket) -> None:
    begin = time.monotonic()
    for _ in range(3):
        with cache_where_unreachable() as online:
            assert not online
            assert constants.is_offline_mode()
    assert not constants.is_offline_mode()
    assert time.monotonic() - begin < 2


def test_a_hub_that_refuses_connections_is_not_tried_again(endpoint: socket.socket) -> None:
    endpoint.close()
    with cache_where_unreachable() as online:
        assert not online


def test_a_hub_that_answers_anything_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        with cache_where_unreachable() as online:
            assert online
            assert not constants.is_offline_mode()


def test_nothing_is_asked_where_the_user_says_so(endpoint: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    endpoint.settimeout(0.1)
    with cache_where_unreachable() as online:
        assert not online
    with pytest.raises(TimeoutError):
        endpoint.accept()
    assert constants.is_offline_mode()


@pytest.mark.parametrize("load", [load_backbone, load_tokenizer])
@pytest.mark.usefixtures("endpoint")
def test_a_checkpoint_of_an_unreachable_hub_is_an_error_that_tells_the_way_without(
    load: Callable[[str], object],
) -> None:
    begin = time.monotonic()
    with pytest.raises(
        ConfigError, match=r"did not answer within 0\.2 s.*hf download NAME --local-dir.*HF_HUB_OFFLINE"
    ):
        load("nobody/no-such-model")
    assert time.monotonic() - begin < 5


@pytest.mark.usefixtures("endpoint")
def test_a_data_set_of_an_unreachable_hub_is_an_error_that_tells_the_way_without() -> None:
    with pytest.raises(DataError, match=r"did not answer within.*--repo-type dataset"):
        list(hf_rows("hf:nobody/no-such/default/train", RowOptions()))
