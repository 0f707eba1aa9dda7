"""One writer at a time: a directory that a process writes to, no other process of ours writes to."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from ner_distill.errors import RunError

if sys.platform != "win32":
    import fcntl

_Key = tuple[int, int]  # device and inode


@dataclass
class _Holder:
    """The descriptor that the lock belongs to, and how often this process holds the directory."""

    descriptor: int
    times: int = 0


_holders: dict[_Key, _Holder] = {}
"""The directories that this process holds."""


_scope: ContextVar[list[Held] | None] = ContextVar("scope", default=None)
"""What is held within the innermost `until_done`."""


@contextmanager
def until_done() -> Iterator[None]:
    """Hold what is held within the block, or the decorated function, to its end; and no longer, whatever it raises.

    The traceback of an error keeps objects alive, in a notebook for as long as that is open.
    """
    held: list[Held] = []
    token = _scope.set(held)
    try:
        yield
    finally:
        _scope.reset(token)
        for one in held:
            one.release()


class Held:
    """A directory that no other process writes to: to the end of `until_done`, or of this object outside of one."""

    def __init__(self, key: _Key | None) -> None:
        """key: None where the directory cannot be held."""
        self._finalizer = weakref.finalize(self, _let_go, key)
        if (scope := _scope.get()) is not None:
            scope.append(self)

    def release(self) -> None:
        """Let others have it; does nothing the second time."""
        self._finalizer()


def hold(directory: Path, noun: str) -> Held:
    """Keep other processes from writing to a directory, which exists. Raises RunError where one of them does.

    The system's lock of the directory itself (flock): there is no file that could be left behind, and the lock ends
    with its process, however that ends. This process may hold a directory several times. Of systems without such locks,
    and of network file systems that refuse them, nothing is held.

    noun: what the directory is, for the message.
    """
    key = _locked(directory, noun)
    if key is not None:
        _holders[key].times += 1
    return Held(key)


def _locked(directory: Path, noun: str) -> _Key | None:
    """The key of a directory that this process has locked; None where that cannot be done."""
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return None  # what cannot be read is told of by who reads it
    try:
        about = os.fstat(descriptor)
        key = (about.st_dev, about.st_ino)
        if key in _holders:
            os.close(descriptor)
            return key
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            return None
        raise RunError(
            f"{directory}: another process is writing the {noun} here; wait until it is done, or stop it, or choose "
            "another directory"
        ) from None
    _holders[key] = _Holder(descriptor)
    return key


def _let_go(key: _Key | None) -> None:
    if key is None or (holder := _holders.get(key)) is None:
        return
    holder.times -= 1
    if not holder.times:
        del _holders[key]
        os.close(holder.descriptor)


def _forget() -> None:
    """A child that was forked holds nothing: its parent alone says how long."""
    for holder in _holders.values():
        with suppress(OSError):
            os.close(holder.descriptor)
    _holders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
