"""What the server answers, and what it refuses: status, and a message that says what to do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ner_distill.errors import RunError
from ner_distill.options.serving import Limits
from ner_distill.serving.app import create_app
from ner_distill.serving.guard import Guard
from ner_distill.serving.page import own_page
from ner_distill.tagger import MinScore
from tests.answering import BROKEN, Capitals

SMALL = Limits(max_text=20, max_texts=3, max_bytes=500, max_waiting=2, timeout=20.0)


@contextmanager
def served(model: Capitals, limits: Limits = SMALL, **others: Any) -> Iterator[TestClient]:
    app = create_app(model, "tiny", limits, page=own_page(), **others)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with served(Capitals(), cors=["https://friend.example"]) as client:
        yield client


def test_texts_are_answered_in_order_with_offsets_in_characters(client: TestClient) -> None:
    answer = client.post("/predict", json={"texts": ["\U0001f600 Ana in ROME", "", "x"]})
    assert answer.status_code == 200
    assert answer.json() == {
        "model": "tiny",
        "entities": [
            [
                {"start": 2, "end": 5, "label": "PER", "text": "Ana", "score": 0.9},
                {"start": 9, "end": 13, "label": "LOC", "text": "ROME", "score": 0.4},
            ],
            [],
            [],
        ],
    }


@pytest.mark.parametrize(
    ("min_score", "expected"),
    [(None, ["Ana", "ROME"]), (0, ["Ana", "ROME"]), (0.5, ["Ana"]), ({"PER": 1}, ["ROME"]), (1.0, [])],
)
def test_one_text_is_answered_with_the_entities_that_are_sure_enough(
    client: TestClient, min_score: object, expected: list[str]
) -> None:
    answer = client.post("/predict", json={"text": "Ana in ROME", "min_score": min_score}).json()
    assert [one["text"] for one in answer["entities"][0]] == expected


def test_texts_are_cut_into_sentences_and_entities_stand_where_they_do_in_the_text(client: TestClient) -> None:
    texts = ["Ana. \U0001f600 ROME.\n\nAna", " ", "ROME"]
    whole, cut = (
        client.post("/predict", json={"texts": texts, "split_sentences": split}).json()["entities"]
        for split in (False, True)
    )
    assert cut == whole
    assert [[text[one["start"] : one["end"]] for one in own] for text, own in zip(texts, cut, strict=True)] == [
        ["Ana", "ROME", "Ana"], [], ["ROME"],
    ]  # fmt: skip


def test_no_texts_have_no_answers(client: TestClient) -> None:
    assert client.post("/predict", json={"texts": []}).json()["entities"] == []


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ('{"text": "a', 400, "expected JSON, found something else at character 9"),
        ("", 422, "expected a JSON object"),
        ("[1]", 422, "expected a JSON object"),
        ("[" * 400, 400, "JSON"),
        (b'{"text": "\xff"}', 400, "cannot be read as JSON"),
        ("{}", 422, "expected either texts"),
        ('{"text": "a", "texts": []}', 422, "expected either texts"),
        ('{"txt": "a"}', 422, "txt: no such key; did you mean text?"),
        ('{"text": 5}', 422, "text: input should be a valid string, found 5"),
        ('{"texts": ["a", null]}', 422, "texts.1: input should be a valid string"),
        ('{"text": "\\ud83d"}', 422, "texts.0: character 0 is half a surrogate pair"),
        ('{"text": "123456789012345678901"}', 422, "texts.0: expected at most 20 characters, found 21"),
        ('{"texts": ["a", "b", "c", "d"]}', 422, "texts: expected at most 3, found 4"),
        ('{"text": "a", "lang": "es"}', 422, "lang es: is for split_sentences"),
        ('{"text": "a", "lang": "x y", "split_sentences": true}', 422, "lang x y: expected the code of a language"),
        ('{"text": "a", "min_score": 1.5}', 422, "min_score: expected a number from 0 to 1"),
        ('{"text": "a", "min_score": NaN}', 422, "min_score: expected a number from 0 to 1"),
        ('{"text": "a", "min_score": true}', 422, "min_score: expected a number from 0 to 1"),
        ('{"text": "a", "min_score": {"PRE": 0.5}}', 422, "PRE: no such label; there are LOC, PER"),
        ('{"text": "a", "min_score": {"\\ud800": 0.5}}', 422, "no such label"),
        ('{"text": "a", "lang": "\\ud800"}', 422, "is for split_sentences"),
        ('{"text": "a", "lang": "\\ud800", "split_sentences": true}', 422, "expected the code of a language"),
        ('{"text": "a", "min_score": "stored"}', 422, "min_score"),
    ],
)
def test_what_is_wrong_in_a_request_is_said(client: TestClient, content: str, status: int, said: str) -> None:
    answer = client.post("/predict", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert set(answer.json()) == {"error"}


def test_what_is_not_said_to_be_json_is_refused(client: TestClient) -> None:
    answer = client.post("/predict", data={"text": "Ana"})
    assert answer.status_code == 415
    assert "expected the header content-type: application/json, found application/x-www-form" in answer.json()["error"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/docs", 404)])
def test_other_addresses_name_those_that_there_are(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert "there are POST /predict" in answer.json()["error"]


def test_a_failure_of_the_model_is_said_and_the_server_goes_on(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = client.post("/predict", json={"text": BROKEN})
    assert (answer.status_code, "the model failed" in answer.json()["error"]) == (500, True)
    assert client.post("/predict", json={"text": "Ana"}).status_code == 200
    assert client.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("error", "said"),
    [(RunError("thresholds.json: damaged"), "thresholds.json: damaged"), (KeyError("x"), "the server failed")],
)
def test_other_failures_are_errors_in_json_as_well(error: Exception, said: str) -> None:
    class Damaged(Capitals):
        def thresholds(self, asked: MinScore) -> Mapping[str, float]:
            raise error

    with served(Damaged()) as client:
        answer = client.post("/predict", json={"text": "Ana"})
    assert (answer.status_code, said in answer.json()["error"]) == (500, True)


def test_health_names_model_and_labels_and_says_when_it_stopped() -> None:
    with served(Capitals()) as client:
        health = client.get("/health").json()
    assert (health["status"], health["model"], health["labels"]) == ("ok", "tiny", ["LOC", "PER"])
    stopped = TestClient(client.app)  # without starting it again
    assert (stopped.get("/health").status_code, stopped.get("/health").json()["status"]) == (503, "stopped")
    answer = stopped.post("/predict", json={"text": "Ana"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "stopping" in answer.json()["error"]


def test_the_schema_describes_requests_answers_and_errors(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/predict", "/health"}
    assert {"200", "413", "422", "503", "504"} <= set(schema["paths"]["/predict"]["post"]["responses"])
    keys = {"texts", "text", "min_score", "split_sentences", "lang"}
    assert set(schema["components"]["schemas"]["Question"]["properties"]) == keys


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "{{" not in answer.text
    assert "://" not in answer.text


def test_only_pages_of_the_origins_given_may_ask(client: TestClient) -> None:
    def allowed(origin: str, **request: Any) -> str | None:
        answer = client.post("/predict", headers={"origin": origin}, **request)
        return answer.headers.get("access-control-allow-origin")

    assert allowed("https://friend.example", json={"text": "Ana"}) == "https://friend.example"
    assert allowed("https://friend.example", json={"texts": ["x" * 600]}) == "https://friend.example"  # refused: 413
    assert allowed("https://other.example", json={"text": "Ana"}) is None
    with served(Capitals()) as without:
        asked = {"origin": "https://friend.example", "access-control-request-method": "POST"}
        assert "access-control-allow-origin" not in without.options("/predict", headers=asked).headers


def test_requests_that_come_at_once_are_answered_together() -> None:
    model = Capitals()
    model.gate.clear()
    with served(model, Limits()) as client:
        asking = [Asking(client, "first")]
        assert model.asked.wait(20)
        asking += [Asking(client, f"Ana {number}") for number in range(4)]
        wait_until(lambda: _queued(client) == 4)
        model.gate.set()
        assert [one.answer().status_code for one in asking] == [200] * 5
    assert len(model.calls) == 2
    assert sorted(model.calls[1]) == [f"Ana {number}" for number in range(4)]


def test_more_requests_than_may_wait_are_told_to_come_later() -> None:
    model = Capitals()
    model.gate.clear()
    with served(model) as client:
        asking = [Asking(client, "first")]
        assert model.asked.wait(20)
        asking.append(Asking(client, "second"))
        wait_until(lambda: _queued(client) == 1)
        answer = client.post("/predict", json={"text": "third"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "--max-waiting" in answer.json()["error"]
        model.gate.set()
        assert [one.answer().status_code for one in asking] == [200, 200]
        assert client.post("/predict", json={"text": "third"}).status_code == 200


def test_what_takes_too_long_is_given_up_and_it_says_whether_it_was_begun() -> None:
    model = Capitals()
    model.gate.clear()
    with served(model, Limits(timeout=0.3)) as client:
        begun = Asking(client, "first")
        assert model.asked.wait(20)
        waiting = client.post("/predict", json={"text": "second"})
        assert (waiting.status_code, "was not begun" in waiting.json()["error"]) == (503, True)
        assert (begun.answer().status_code, "--timeout" in begun.answer().json()["error"]) == (504, True)
        model.gate.set()
    assert model.calls == [["first"]]


class Asking(threading.Thread):
    """A request that is under way."""

    def __init__(self, client: TestClient, text: str) -> None:
        super().__init__()
        self._ask = lambda: client.post("/predict", json={"text": text})
        self.start()

    def run(self) -> None:
        self._answer = self._ask()

    def answer(self) -> Any:
        self.join(20)
        return self._answer


def wait_until(reached: Callable[[], bool]) -> None:
    for _ in range(4000):
        if reached():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it did not come to that")


def _queued(client: TestClient) -> int:
    waiting: int = client.app.state.batcher.waiting  # type: ignore[attr-defined]
    return waiting


# ---- bodies, as they come in pieces


def asked_in_pieces(*pieces: bytes | None, length: str = "", limits: Limits = SMALL) -> tuple[int, str, int, bool]:
    """Status, message, how many pieces were read, and whether the application was asked. None: the client goes away."""
    sent: list[dict[str, Any]] = []
    read, reached = 0, False

    async def receive() -> dict[str, Any]:
        nonlocal read
        if read == len(pieces):
            await asyncio.sleep(60)
        read += 1
        piece = pieces[read - 1]
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": piece != b"}"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal reached
        reached = True
        await asyncio.sleep(60)

    headers = [(b"content-type", b"application/json"), *([(b"content-length", length.encode())] if length else [])]
    guard = Guard(app, limits)
    asyncio.run(guard({"type": "http", "method": "POST", "headers": headers}, receive, send))
    assert guard.waiting == 0
    if not sent:
        return 0, "", read, reached
    return sent[0]["status"], json.loads(sent[1]["body"])["error"], read, reached


def test_a_body_that_is_said_to_be_too_long_is_refused_unread() -> None:
    status, message, read, _ = asked_in_pieces(b"x" * 100, length="10000000")
    assert (status, read) == (413, 0)
    assert "expected a request of at most 500 bytes, found 10,000,000" in message
    assert "--max-bytes" in message


def test_a_body_of_unknown_length_is_refused_once_it_is_too_long() -> None:
    status, message, read, reached = asked_in_pieces(*[b"x" * 200] * 50)
    assert (status, read, reached) == (413, 3, False)
    assert "found more" in message


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    status, message, _, _ = asked_in_pieces(b"{", limits=Limits(timeout=0.05))
    assert (status, "did not come whole within 0.05 s" in message) == (408, True)


@pytest.mark.parametrize(("pieces", "reached"), [((b"{", None), False), ((b"{", b"}", None), True)])
def test_who_goes_away_is_not_answered(pieces: tuple[bytes | None, ...], reached: bool) -> None:
    assert asked_in_pieces(*pieces) == (0, "", len(pieces), reached)
