"""Many clients at once: `python -m benchmarks.serve --model DIR --text FILE [--clients 100] [--seconds 60]`.

A server is started on a free port of loopback, and asked by that many clients, each of which sends its next sentence
once it has the answer. Printed are the requests, the errors, the times of the middle request and the slowest, and the
requests a second; then what becomes of a request of ten megabytes, with its length said and without. The clients are
threads of another process than the server.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

JSON = {"content-type": "application/json"}


@contextmanager
def server(model: Path) -> Iterator[int]:
    """The port of a server of this model, which is stopped at the end."""
    command = [sys.executable, "-m", "ner_distill.cli", "serve", str(model), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = None
        while found is None and (line := process.stderr.readline()):
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found is not None, "the server did not start"
        yield int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@dataclass
class Client(threading.Thread):
    """Asks until the time is over. seconds: that each answer took. errors: how often which."""

    port: int
    sentences: Sequence[str]
    first: int
    until: float
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for number in count(self.first):
            if time.monotonic() > self.until:
                break
            body = json.dumps({"text": self.sentences[number % len(self.sentences)]})
            began = time.perf_counter()
            try:
                connection.request("POST", "/predict", body, JSON)
                response = connection.getresponse()
                response.read()
                problem = "" if response.status == 200 else str(response.status)
            except (OSError, http.client.HTTPException) as error:
                problem = type(error).__name__
                connection.close()
            self.seconds.append(time.perf_counter() - began)
            if problem:
                self.errors[problem] += 1
        connection.close()


def load(port: int, sentences: Sequence[str], clients: int, seconds: float) -> tuple[list[float], Counter[str]]:
    """The seconds that each request of all clients took, sorted, and the errors."""
    until = time.monotonic() + seconds
    threads = [Client(port, sentences, 97 * number, until) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = sorted(took for thread in threads for took in thread.seconds)
    return taken, sum((thread.errors for thread in threads), Counter())


def refused(port: int, size: int, *, chunked: bool) -> str:
    """What the server says to a request of so many bytes."""
    body = json.dumps({"texts": ["A sentence. " * 100] * (size // 1200)}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    sent = (body[place : place + 65536] for place in range(0, len(body), 65536)) if chunked else body
    connection.request("POST", "/predict", sent, JSON)  # of an iterator in chunks
    response = connection.getresponse()
    return f"{response.status} {response.read().decode()}"


def main() -> None:
    parser = argparse.ArgumentParser(description="How many clients a server answers, and how soon.")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="run, or exported directory")
    parser.add_argument("--text", type=Path, required=True, metavar="FILE", help="sentences, one a line")
    parser.add_argument("--clients", type=int, default=100, metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S")
    given = parser.parse_args()
    sentences = [line for line in given.text.read_text("utf-8").splitlines() if line.strip()]
    with server(given.model) as port:
        taken, errors = load(port, sentences, given.clients, given.seconds)
        middle, *high = (1000 * taken[int(share * (len(taken) - 1))] for share in (0.5, 0.95, 0.99, 1.0))
        print(f"{given.clients} clients, {given.seconds:g} s: {len(taken):,} requests, {errors.total()} errors")
        for problem, times in errors.most_common():
            print(f"  {problem}: {times:,}")
        print(f"  {len(taken) / given.seconds:,.0f} requests/s; ms a request: p50 {middle:.1f}, p95 {high[0]:.1f}, "
              f"p99 {high[1]:.1f}, slowest {high[2]:.1f}")  # fmt: skip
        for chunked in (False, True):
            print(f"  10 MB{', length not said' * chunked}: {refused(port, 10_000_000, chunked=chunked)}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"  the server: {used.ru_utime + used.ru_stime:.0f} s of CPU, at most {used.ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
