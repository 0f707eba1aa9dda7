"""What stands before the application: how large a request may be, how many there may be, and how long they may take."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ner_distill.options.serving import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
BUSY = "the server has as many requests as it takes: ask again in a moment, or start it with a larger --max-waiting"


class Refused(Exception):
    """A request is answered with this status and message. later: whether it may be right when asked again."""

    def __init__(self, status: int, message: str, *, later: bool = False) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = {"retry-after": "1"} if later else {}


class Guard:
    """An ASGI application around another: reads the bodies of requests, within limits, and refuses what is too much.

    A body of more than `max_bytes` is refused before it is read where the client says how long it is, else as soon as
    so much of it came; no more than that is ever held. Who goes away is not answered: the application is cancelled.
    The time that the application has left, as time.monotonic() counts, is in the scope: `deadline`.
    """

    def __init__(self, app: App, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self.waiting = 0
        """Requests that are read, wait or are answered."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self.waiting >= self._limits.max_waiting:
            await _refuse(send, Refused(503, BUSY, later=True))
            return
        self.waiting += 1
        try:
            scope["deadline"] = time.monotonic() + self._limits.timeout
            body = await self._body(dict(scope["headers"]), receive, scope["deadline"])
            if body is not None:
                await self._answered(scope, body, receive, send)
        except Refused as refused:
            await _refuse(send, refused)
        finally:
            self.waiting -= 1

    async def _body(self, headers: dict[bytes, bytes], receive: Receive, deadline: float) -> bytes | None:
        """The whole body; None where the client went away. Raises Refused."""
        most = self._limits.max_bytes
        length = headers.get(b"content-length", b"0")
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        if length.isdigit() and int(length[:20]) > most:
            raise _too_large(most, f"{int(length[:20]):,}")
        if kind != "application/json":
            raise Refused(
                415, f"expected the header content-type: application/json, found {kind or 'none'}; send JSON with it"
            )
        body = bytearray()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise _too_large(most, "more")
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise Refused(
                408, f"the request did not come whole within {self._limits.timeout:g} s: send it faster, or in parts"
            ) from None

    async def _answered(self, scope: MutableMapping[str, Any], body: bytes, receive: Receive, send: Send) -> None:
        given = False

        async def whole() -> Message:
            nonlocal given
            if given:
                return await asyncio.shield(gone)
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        gone = asyncio.ensure_future(receive())  # the next that comes, now that the body is whole: the client left
        answer = asyncio.ensure_future(self._app(scope, whole, send))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                await answer
        finally:
            for task in (answer, gone):
                task.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)


def _too_large(most: int, found: str) -> Refused:
    return Refused(
        413,
        f"expected a request of at most {most:,} bytes, found {found}: send the texts in several requests, or start "
        "the server with a larger --max-bytes",
    )


async def _refuse(send: Send, refused: Refused) -> None:
    body = json.dumps({"error": refused.message}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
