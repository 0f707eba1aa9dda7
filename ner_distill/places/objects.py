"""Single files behind URLs, and those below a prefix: their size and version, reading them in ranges, listing them."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ner_distill.errors import DataError
from ner_distill.places.asking import ask
from ner_distill.places.urls import file_system

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LEAST, _MOST = 1 << 16, 1 << 23
"""Bytes of a request: that of a file that is read from its beginning grows from the first to the second."""
_TAGS = ("ETag", "etag", "blob_id", "md5Hash", "crc32c", "content_md5", "Content-MD5", "Digest")
_TIMES = ("LastModified", "last_modified", "Last-Modified", "updated", "mtime", "created")


@dataclass(frozen=True)
class About:
    """What a store says of a file.

    version: changes whenever the file is written: its entity tag, or without one the time of its last change; "" where
             a server says neither.
    """

    url: str
    size: int
    version: str


def about(url: str) -> About:
    """The size and version of a file. Raises FileNotFoundError where there is none, and as `ask` does."""
    system, path = file_system(url, fresh=True)
    info = ask(url, "asking for it", lambda: system.info(path))
    if info.get("type") == "directory":
        raise IsADirectoryError(f"{url}: is a folder")
    return _about(url, info)


def _about(url: str, info: Mapping[str, Any]) -> About:
    size = info.get("size", info.get("Size"))
    if not isinstance(size, int):
        raise DataError(f"{url}: the server does not say how big it is; copy the file to this machine and give that")
    tag = next((info[key] for key in _TAGS if info.get(key)), None)
    if tag is not None:
        return About(url, size, f"etag {str(tag).strip(chr(34))}")
    when = next((info[key] for key in _TIMES if info.get(key)), None)
    return About(url, size, f"modified {when.isoformat() if hasattr(when, 'isoformat') else when}" if when else "")


def read_all(url: str) -> bytes:
    """All bytes of a file, in one request. Raises as `about` does."""
    system, path = file_system(url)
    return bytes(ask(url, "reading", lambda: system.cat_file(path)))


def files_below(url: str) -> dict[str, int]:
    """The files under a prefix, in all its folders → their bytes: URLs, in the order of their parts; {}: none."""
    system, root = file_system(url, fresh=True)
    try:
        found = ask(url, "listing", lambda: system.find(root, detail=True))
    except FileNotFoundError:
        return {}
    return _sorted(url, root, found)


def files_matching(url: str) -> list[str]:
    """The files that a pattern matches (* and ? in a name, ** over folders), sorted."""
    base = url[: min(url.find(char) for char in "*?[" if char in url)].rpartition("/")[0]
    system, root = file_system(base, fresh=True)
    below = url[len(base) :].strip("/")
    found = ask(url, "listing", lambda: system.glob(f"{root.rstrip('/')}/{below}", detail=True))
    return sorted(_sorted(base, root, found))


def _sorted(url: str, root: str, found: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    names = {
        name.removeprefix(root).strip("/"): int(info.get("size") or 0)
        for name, info in found.items()
        if info.get("type") == "file" and not name.endswith("/")
    }
    return {
        f"{url.rstrip('/')}/{name}": names[name]
        for name in sorted(filter(None, names), key=lambda name: name.split("/"))
    }


_beginnings: dict[str, tuple[float, About, bytes]] = {}
"""URL → when its beginning was read, and what that is: a dozen formats look at it before one of them reads on."""
_SECONDS, _MANY = 60.0, 256


def forget_beginnings() -> None:
    """Ask for the beginning of files once more: done whenever a command looks at its inputs."""
    _beginnings.clear()


class RemoteFile(io.BufferedIOBase):
    """A file behind a URL, read in ranges: what is asked for, and ahead of it where it is read from place to place.

    steady: it is to stay as it is. Raise DataError at its end where it was written to since it was opened; its
            beginning may be what was read of it within the last minute.
    Raises as `about` does; each range is asked for again where the network fails.
    """

    def __init__(self, url: str, *, steady: bool = False) -> None:
        super().__init__()
        self._steady = steady
        self._place = 0
        seen = _beginnings.get(url) if steady else None
        if seen is None or time.monotonic() - seen[0] > _SECONDS:
            seen = (0.0, about(url), b"")
        _, self.about, self._kept = seen
        self._start = 0  # what was read last: from which place on; `_kept` are its bytes
        self._ahead = _LEAST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = max(0, {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.about.size}[whence] + offset)
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.about.size - self._place)
        wanted = left if size is None or size < 0 else min(size, left)
        found = bytes(self._have()[:wanted])
        if len(found) < wanted:
            found += self._fetched(self._place + len(found), wanted - len(found))
        self._place += len(found)
        if self._steady and wanted == left:
            self._steady = False
            self.require_same()
        return found

    def read1(self, size: int = -1) -> bytes:
        return self.read(size)

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)

    def _have(self) -> memoryview:
        """What is there already of what stands at the place."""
        at = self._place - self._start
        return memoryview(self._kept)[at:] if 0 <= at <= len(self._kept) else memoryview(b"")

    def _fetched(self, start: int, wanted: int) -> bytes:
        """So many bytes from a place on; more of them are read and kept where the file is read on from there."""
        goes_on = start == self._start + len(self._kept)
        ahead = self._ahead if goes_on else 0
        end = min(self.about.size, start + max(wanted, ahead))
        system, path = file_system(self.about.url)
        data = ask(
            self.about.url, "reading", lambda: self._whole(system.cat_file(path, start=start, end=end), end - start)
        )
        self._start, self._kept = start, data
        self._ahead = min(2 * self._ahead, _MOST) if goes_on else _LEAST
        if self._steady and start == 0:
            if len(_beginnings) >= _MANY:
                _beginnings.clear()
            _beginnings[self.about.url] = (time.monotonic(), self.about, data[:_LEAST])
        return data[:wanted]

    def _whole(self, data: bytes, expected: int) -> bytes:
        """Raises OSError, upon which is asked again, where a connection ended early; DataError where that is no use."""
        if len(data) == self.about.size > expected:
            raise DataError(
                f"{self.about.url}: its server gives whole files alone; copy the file to this machine and give that"
            )
        if len(data) != expected:
            raise OSError(f"{len(data):,} bytes came, expected {expected:,}")
        return data

    def require_same(self) -> None:
        """Raise DataError where the file was written to since it was opened."""
        if about(self.about.url) != self.about:
            raise DataError(
                f"{self.about.url}: was written to while it was read; label it again, from a copy that stays"
            )
