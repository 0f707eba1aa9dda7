"""Options of `serve`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ner_distill.options.declare import Options, option, required
from ner_distill.options.shared import Files


class Limits(Options):
    """What a server lets a client do."""

    max_text: int = option(10_000, "Characters of a text; longer ones are refused.", "N", least=1)
    max_texts: int = option(256, "Texts of a request; more are refused.", "N", least=1)
    max_bytes: int = option(1_000_000, "Bytes of a request; larger ones are refused unread.", "N", least=1)
    max_waiting: int = option(
        256, "Requests that are read, wait or are answered at once; more are told to come later.", "N", least=1
    )
    timeout: float = option(
        30.0, "Seconds in which a request has its answer, or is given up.", "S", least=0.01, most=86_400.0
    )
    batch_wait: float = option(
        0.0,
        "Milliseconds that the first request waits for others to be answered together with; those that come while a "
        "batch is computed are together anyway.",
        "MS",
        least=0.0,
        most=10_000.0,
    )


class ServeOptions(Limits):
    """Options of `serve`."""

    models: Files = required("Run, or directory that export wrote; several are averaged.", "MODEL...", positional=True)
    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0: all of this machine.", "HOST")
    port: int = option(8000, "Port to listen on; 0: any that is free.", "N", least=0, most=65535)
    page: Path | None = option(
        None, "Page to show at /; default: page.html of the exported directory, else a small page.", "FILE"
    )
    cors: Sequence[str] = option(
        (), "Origin whose pages may ask, as https://example.org; * is every one. Repeatable.", "ORIGIN"
    )
