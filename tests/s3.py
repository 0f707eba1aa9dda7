"""An S3 server (moto's) on loopback, which may fail as often as is wished, and says what it was asked for."""

from __future__ import annotations

import logging
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

KEY, SECRET = "AKIAEXAMPLEEXAMPLE00", "never-to-be-seen-0123456789abcdefghijkl"
BUCKET = "bucket"
FAULTS = ("500", "503", "drop", "lost", "cut")
"""lost: the request is done, and its answer is not given. cut: half of the answer is given."""


@dataclass
class Server:
    """A server that fails at `share` of the requests, by its seed.

    asked: (method, path without bucket, whether of a range) of each request. failed: by kind of fault.
    """

    share: float = 0.0
    random: random.Random = field(default_factory=lambda: random.Random(13))
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    address: str = ""

    @contextmanager
    def failing(self, share: float, seed: int = 13) -> Iterator[None]:
        self.share, self.random = share, random.Random(seed)
        self.failed.clear()
        yield
        self.share = 0.0

    def wrapped(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        lock = threading.Lock()

        def serve(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            with lock:
                path = environ["PATH_INFO"].removeprefix(f"/{BUCKET}").lstrip("/")
                self.asked.append((environ["REQUEST_METHOD"], path, environ.get("HTTP_RANGE", "")))
                fault = self.random.choice(FAULTS) if self.random.random() < self.share else ""
                if fault:
                    self.failed[fault] += 1
            if fault in ("", "lost", "cut"):
                status, headers, body = _answer(app, environ)
            if fault in ("drop", "lost", "cut"):
                if fault == "cut":
                    write = start(status, headers)
                    if len(body) > 1 and environ["REQUEST_METHOD"] != "HEAD":
                        write(body[: len(body) // 2])
                _hang_up(environ)
                return []
            if fault:
                code = "InternalError" if fault == "500" else "SlowDown"
                body = f"<Error><Code>{code}</Code><Message>no, not now</Message></Error>".encode()
                status, headers = f"{fault} Failed", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
            start(status, headers)
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

        return serve


def _answer(app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    said: list[Any] = []
    body = b"".join(app(environ, lambda status, headers, info=None: said.extend([status, headers])))
    return said[0], said[1], body


def _hang_up(environ: dict[str, Any]) -> None:
    with suppress(OSError):  # the client was quicker
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


@contextmanager
def serving() -> Iterator[Server]:
    """A server with an empty bucket, for the time of the block."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = Server()
    made = make_server("127.0.0.1", 0, server.wrapped(DomainDispatcherApplication(create_backend_app)), threaded=True)
    server.address = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    client(server).create_bucket(Bucket=BUCKET)
    yield server
    made.shutdown()
    made.server_close()


def client(server: Server) -> Any:
    """boto3's own client: another way to look at what lies there."""
    return boto3.client(
        "s3", endpoint_url=server.address, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
    )


def environment(server: Server) -> dict[str, str]:
    """What a process has to know to use it."""
    return {
        "AWS_ENDPOINT_URL": server.address,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def known(server: Server, patch: pytest.MonkeyPatch) -> None:
    """Let this process use it."""
    import fsspec

    for name, value in environment(server).items():
        patch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # of an earlier server


def keys(server: Server, prefix: str = "") -> dict[str, bytes]:
    """All that lies under a prefix: key without the prefix → bytes."""
    s3, found = client(server), {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for one in page.get("Contents", ()):
            body = s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            found[one["Key"].removeprefix(prefix).lstrip("/")] = body
    return found
