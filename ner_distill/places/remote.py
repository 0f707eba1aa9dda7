"""A part of an object store as the place of a store: everything under a prefix of keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from io import BufferedIOBase
from typing import Any

from ner_distill.errors import RunError
from ner_distill.holding import Held
from ner_distill.places.asking import ask
from ner_distill.places.objects import RemoteFile, read_all
from ner_distill.places.urls import OBJECT_STORES, file_system, kept_apart, url_scheme


class RemotePlace:
    """A prefix of an object store. Its folders are names only: there is none to make.

    A file is written by one PUT, or by an upload of parts that is there once it is complete; an interrupted one leaves
    nothing that can be seen. Writing the same again replaces it by the same, so that asking twice does no harm.
    """

    def __init__(self, url: str) -> None:
        """Raises RunError where such a place does not promise that files are whole; as `kept_apart` for keys in it."""
        scheme = url_scheme(url)
        self.url = kept_apart(url).rstrip("/")
        if scheme not in OBJECT_STORES:
            known = ", ".join(f"{name}://" for name in ("s3", "gs", "az", "hf"))
            raise RunError(f"{self.url}: {scheme}:// keeps no store of soft labels; expected {known} or a directory")

    @property
    def shown(self) -> str:
        return self.url

    def names(self) -> dict[str, int]:
        path, found = self._listed()
        return {
            name.rpartition("/")[2]: int(info["size"])
            for name, info in found.items()
            if info.get("type") == "file" and name != path and not name.endswith("/")
        }

    def read(self, name: str) -> bytes:
        return read_all(self._at(name))

    def open(self, name: str) -> BufferedIOBase:
        return RemoteFile(self._at(name))

    def write(self, name: str, data: bytes | memoryview, *, advice: str = "") -> None:
        url, whole = self._at(name), bytes(data)
        system, path = file_system(url)
        try:
            ask(url, "writing", lambda: system.pipe_file(path, whole), advice=advice)
        except OSError as error:  # FileNotFoundError: there is no such bucket
            raise RunError(f"{url}: cannot be written: {error.strerror or error}; is there such a bucket?") from None

    def remove(self, name: str) -> None:
        url = self._at(name)
        system, path = file_system(url)
        with suppress(FileNotFoundError):
            ask(url, "removing", lambda: system.rm_file(path))

    def make(self) -> None:
        """Nothing: a bucket is made by who pays for it, and a prefix is there with its first key."""

    def hold(self, noun: str) -> Held:
        return Held(None)

    def check(self, noun: str, expected: str) -> None:
        path, found = self._listed()
        if path in found and found[path].get("type") == "file":
            raise RunError(f"{self.url}: is a file; expected the folder of {expected}")
        if not found:
            raise RunError(f"{self.url}: nothing is there; expected {expected}")

    def remove_unfinished(self, own: Callable[[str], bool]) -> None:
        """Uploads of parts that were never completed: they cannot be seen, and are paid for until they are aborted.

        Those of S3; the other stores drop them by themselves. Where listing them is not allowed they stay.
        """
        system, path = file_system(self.url)
        if "list_multipart_uploads" not in dir(system):
            return
        bucket, _, prefix = path.partition("/")
        with suppress(RunError, OSError):
            answer = ask(
                self.url,
                "listing uploads",
                lambda: system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/"),
            )
            for upload in answer.get("Uploads", ()):
                key, id = upload["Key"], upload["UploadId"]
                if own(key.removeprefix(f"{prefix}/")):
                    self._abort(system, bucket, key, id)

    def _abort(self, system: Any, bucket: str, key: str, id: str) -> None:
        ask(
            self.url,
            "aborting an upload",
            lambda: system.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=id),
        )

    def occupied(self, own: Callable[[str], bool]) -> bool:
        """An upload that was not completed does not count: nobody can see it."""
        path, found = self._listed()
        return any(name != path or info.get("type") == "file" for name, info in found.items())

    def _at(self, name: str) -> str:
        return f"{self.url}/{name}"

    def _listed(self) -> tuple[str, dict[str, dict[str, Any]]]:
        """What the store calls the place, and what is directly in it, or bears its name: name → what is known of it."""
        system, path = file_system(self.url, fresh=True)
        try:
            listed = ask(self.url, "listing", lambda: system.ls(path, detail=True))
        except FileNotFoundError:
            return path, {}
        system.invalidate_cache()  # what hundreds of thousands of shards are known by is not kept
        # without an empty key that ends in a slash, as consoles make one for a folder
        return path, {info["name"]: info for info in listed if info["name"] != f"{path}/"}
