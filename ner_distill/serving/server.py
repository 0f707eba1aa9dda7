"""`serve`: opens the model and the port, and runs the application until it is told to stop."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ner_distill.console import Reporter
from ner_distill.errors import ConfigError
from ner_distill.options.serving import ServeOptions
from ner_distill.runs.answering import is_exported, open_model
from ner_distill.serving.page import Page, own_page, page_in

if TYPE_CHECKING:
    import uvicorn

PAGE = "page.html"
BACKLOG = 2048
"""Connections that wait to be accepted."""


def serve(options: ServeOptions, reporter: Reporter | None = None) -> None:
    """Answer requests until SIGINT or SIGTERM; then those that are there are still answered.

    Raises ConfigError where what it needs is not installed, the port cannot be opened or the page cannot be read, and
    NerDistillError where the model cannot.
    """
    reporter = reporter or Reporter()
    try:
        import uvicorn

        from ner_distill.serving.app import create_app
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"serve needs {error.name}, which is not installed: pip install 'ner-distill[serve]'"
        ) from None
    paths = [Path(path) for path in options.models]
    with _listening(options.host, options.port) as listener:
        page = _page(options.page, paths)
        name = ", ".join(path.resolve().name for path in paths)
        app = create_app(open_model(paths), name, options, page=page, cors=options.cors)
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=int(options.timeout) + 1,
        )
        server = uvicorn.Server(settings)
        host, port = listener.getsockname()[:2]
        _say(reporter, name, host, port)
        with _stopped_by_signals(server):
            server.run(sockets=[listener])
    reporter.info("stopped")


def _say(reporter: Reporter, name: str, host: str, port: int) -> None:
    """Where the server is, and who reaches it."""
    if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        reporter.warn(
            f"`host` {host}: whoever reaches this machine over the network can ask the model, without a password, and "
            "what is sent can be read on the way; 127.0.0.1 keeps it to this machine"
        )
    shown = f"[{host}]" if ":" in host else host
    reporter.info(f"{name} answers at http://{shown}:{port}/ and POST /predict; stop it with Ctrl-C")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """The port, opened before the model is: one that is in use is said at once. Raises ConfigError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"`host` {host}: no address of this machine ({error})") from None
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)  # only then is the port ours; who comes already waits until the model is loaded
        except OSError as error:
            raise ConfigError(
                f"`host` {host} `port` {port}: cannot be opened ({error.strerror or error}); stop what listens there, "
                "or choose another `port` (0: any that is free)"
            ) from None
        yield listener


def _page(asked: Path | None, models: Sequence[Path]) -> Page:
    if asked is not None:
        return page_in(asked)
    exported = len(models) == 1 and is_exported(models[0]) and (models[0] / PAGE).is_file()
    return page_in(models[0] / PAGE) if exported else own_page()


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """SIGINT and SIGTERM stop the server, and end the program with status 0: it was asked to stop.

    uvicorn has handlers of its own while it runs, and raises what it caught again for those that were there before.
    """

    def stop(number: int, frame: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
