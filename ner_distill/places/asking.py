"""Asking an object store: again where it fails for a moment, and errors that say what happened."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable
from typing import TypeVar

from ner_distill.errors import NerDistillError, TrainingError
from ner_distill.places.urls import HTTP, denied, url_scheme, without_secrets

_T = TypeVar("_T")

TRIES = 3
"""How often is asked, beside what the client of a store does by itself (s3fs and botocore: up to 20 tries of a
request): a store that is down is given up after a minute or so."""
FIRST_WAIT = 1.0
"""Seconds; each wait is twice the one before, less a random part, so that many do not ask at once."""

_FINAL = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    FileExistsError,
    NotImplementedError,
    ImportError,
    TypeError,
    AttributeError,
    NerDistillError,
)
"""Asking again would give no other answer."""
_REFUSALS = {errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENAMETOOLONG, errno.EMSGSIZE}
_AGAIN = "check the network and whether the store is up, then run the same command again, with `resume` where it has it"


def ask(url: str, what: str, call: Callable[[], _T], *, advice: str = "") -> _T:
    """What a call to the client of a store gives.

    url: as it is shown. what: what is being done with it, as "reading" it. advice: the last sentence of the message.
    Raises FileNotFoundError and the like as they are; RunError where the store refuses; TrainingError where it failed
    however often it was asked.
    """
    began = time.monotonic()
    for number in range(1, TRIES + 1):
        try:
            return call()
        except Exception as raised:  # the clients of stores have no common type of error
            error = _meant(url, raised)
            if isinstance(error, FileNotFoundError):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None  # theirs names keys
            if isinstance(error, _FINAL):
                raise
            if _is_denial(error):
                raise denied(url, str(error)) from None
            # without its own traceback: clients put URLs with keys into what they raise
            reason = without_secrets(f"{type(error).__name__}: {error}".strip().partition("\n")[0])
            if _is_refusal(error):
                raise denied(url, reason) from None
        if number < TRIES:
            time.sleep(FIRST_WAIT * 2 ** (number - 1) * random.uniform(0.5, 1))
    raise TrainingError(
        f"{url}: {what} failed {TRIES} times in {time.monotonic() - began:,.0f} seconds, at last with {reason}. "
        f"{advice or _AGAIN}"
    )


def _meant(url: str, error: Exception) -> Exception:
    """Of servers that refuse, fail or cannot be reached the client of https:// says that there is no such file."""
    cause = error.__cause__
    if not (isinstance(error, FileNotFoundError) and isinstance(cause, Exception) and url_scheme(url) in HTTP):
        return error
    return error if getattr(cause, "status", None) in (404, 410) else cause


def _is_denial(error: Exception) -> bool:
    """No credentials, or not the right ones. Of the clients' own types only the names are known here."""
    return isinstance(error, PermissionError) or "credential" in type(error).__name__.lower()


def _is_refusal(error: Exception) -> bool:
    """Is the request wrong, rather than the moment?"""
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        return True
    status = getattr(error, "status", None) or getattr(error, "status_code", None) or getattr(error, "code", None)
    try:
        number = int(status or 0)
    except (TypeError, ValueError):
        return False
    return 400 <= number < 500 and number not in (408, 409, 425, 429)
