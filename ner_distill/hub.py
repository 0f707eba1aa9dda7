"""The Hugging Face hub: where it does not answer, its libraries read their cache at once instead of trying for long."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 5.0  # seconds for a first answer; downloads may then take as long as they do
_KEPT = 60.0  # seconds that an answer holds: a command asks for several files of a checkpoint
_asked: dict[str, tuple[float, bool]] = {}


def offline_advice(kind: str = "model") -> str:
    """The sentence after which a user without a network gets on. kind: `model` or `dataset`."""
    what = "" if kind == "model" else f" --repo-type {kind}"
    return (
        f"without a network give a directory: fetch it elsewhere (hf download NAME{what} --local-dir DIRECTORY), copy "
        "it here and name that; HF_HUB_OFFLINE=1 asks the cache alone, HF_HUB_ETAG_TIMEOUT=30 waits longer for the hub"
    )


@contextmanager
def cache_where_unreachable() -> Iterator[bool]:
    """Within, the hub's libraries use their cache alone where the hub does not answer. Gives whether it does.

    Where HF_HUB_OFFLINE says not to, it is not asked.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        yield False
        return
    online = _answers(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = not online
    try:
        yield online
    finally:
        constants.HF_HUB_OFFLINE = False


def unreachable() -> str:
    """Why the hub is not asked: `the hub (https://huggingface.co) did not answer within 5 s`."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE says not to ask the hub"
    return f"the hub ({constants.ENDPOINT}) did not answer within {patience():g} s"


def patience() -> float:
    """Seconds to wait for a first answer: those of HF_HUB_ETAG_TIMEOUT where it is set."""
    from huggingface_hub import constants

    return float(constants.HF_HUB_ETAG_TIMEOUT) if os.environ.get("HF_HUB_ETAG_TIMEOUT") else PATIENCE


def _answers(endpoint: str) -> bool:
    """Does the hub answer at all, whatever it says? Asked by the hub's own client, which knows of proxies."""
    when, answer = _asked.get(endpoint, (0.0, False))
    if not when or time.monotonic() - when > _KEPT:
        found: list[bool] = []
        # in a thread: looking up a host's name heeds no limit of time
        asking = threading.Thread(target=_ask, args=(endpoint, patience(), found), daemon=True)
        asking.start()
        asking.join(patience())
        answer = bool(found)
        _asked[endpoint] = time.monotonic(), answer
    return answer


def _ask(endpoint: str, seconds: float, found: list[bool]) -> None:
    from huggingface_hub import get_session

    try:
        get_session().head(endpoint, timeout=seconds)
    except Exception:  # whatever its client raises: there was no answer
        return
    found.append(True)
