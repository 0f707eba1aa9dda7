"""URLs of object stores and of other machines: what is one, how it is shown, and who answers for it (fsspec).

Nobody beyond this module sees the passwords and keys of a URL: `kept_apart` takes them out where a URL comes in, and
gives them back to the client of the store alone.
"""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path
from typing import Any

from ner_distill.errors import ConfigError, RunError

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_MANGLED = re.compile(r"(s3a?|gs|gcs|az|abfss?|hf|memory|https?|s?ftp):/[^/]")
"""What a `Path` makes of a URL."""
_OF_THIS_MACHINE = ("file", "local")
_USER = re.compile(r"(?<=://)(?:[^/\s'\"]*@|[^/@\s:'\"\[]*:(?!\d*(?:[/?#]|$))[^\s'\"]*@)")
"""The user of a URL, whose password may have slashes in it, as keys of S3 do; a number behind the host is a port."""
_QUERY = re.compile(r"(?P<address>\w+://[^\s'\"?#]+)[?#][^\s'\")]*")
_KEY = re.compile(r"\?[\w.-]+=")

HTTP = ("http", "https")
AZURE = ("az", "abfs", "abfss")
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", *AZURE, "hf", "memory")
"""Where a file that is written is whole or not there; `memory` is this process alone, for trying."""
_CLIENTS = {
    **dict.fromkeys(("s3", "s3a"), ("s3fs", "pip install 'ner-distill[s3]'")),
    **dict.fromkeys(("gs", "gcs"), ("gcsfs", "pip install 'ner-distill[gcs]'")),
    **dict.fromkeys(AZURE, ("adlfs", "pip install 'ner-distill[azure]'")),
    **dict.fromkeys(HTTP, ("aiohttp", "pip install aiohttp")),
}
"""Scheme → the package that reads it, and how it is installed; huggingface_hub (`hf`) is there anyway."""
_RETRIES = {"mode": "standard", "max_attempts": 4}

_given: dict[str, str] = {}
"""URLs that came with passwords or keys: as they are shown → as they were given. Of this process, and nowhere else."""


def is_url(location: object) -> bool:
    """Is this text a URL, rather than a path of this machine?"""
    return isinstance(location, str) and _URL.match(location) is not None


def url_scheme(url: str) -> str:
    """`s3` of `s3://bucket/x`."""
    found = _URL.match(url)
    return found["scheme"].lower() if found else ""


def require_shared(location: object, who: str) -> None:
    """Raise ConfigError for `memory://`, which ends with this process, where another one is to find what lies there."""
    if isinstance(location, str) and url_scheme(location) == "memory":
        raise ConfigError(
            f"{location}: lies in the memory of one process, and {who}; expected a directory or an object store"
        )


def was_url(path: Path) -> str:
    """The URL that was made a path, which drops one of its slashes; "" of other paths."""
    text = str(path)
    return text.replace(":/", "://", 1) if _MANGLED.match(text) else ""


def without_secrets(text: str) -> str:
    """A URL, or a message with URLs in it, without passwords, and without queries, which may hold keys."""
    for shown, given in list(_given.items()):
        text = text.replace(given, shown)
        if query := given.partition("?")[2]:
            text = text.replace(f"?{query}", "")  # servers may say their part of a URL alone
    text = _USER.sub(lambda found: found[0] if _is_container(found) else "", text)
    return _QUERY.sub(lambda found: found["address"], text)


def _is_container(user: re.Match[str]) -> bool:
    """`abfss://CONTAINER@ACCOUNT...`: no user, and no secret."""
    return user.string[: user.start()].lower().endswith(tuple(f"{name}://" for name in AZURE)) and ":" not in user[0]


def kept_apart(url: str) -> str:
    """The URL as it may be shown, stored and used from here on; what is secret in it is kept for who opens it.

    Raises ConfigError where an object store is named with a key in its URL (their clients take none) or without a
    bucket, where two URLs differ in what is not shown, and for URLs of files of this machine.
    """
    scheme = url_scheme(url)
    if scheme in _OF_THIS_MACHINE:
        raise ConfigError(f"{without_secrets(url)}: names what is on this machine; give the path as it is")
    if scheme in OBJECT_STORES:
        if not url[len(scheme) :].strip(":/"):
            raise ConfigError(f"{url}: names no bucket; expected {scheme}://BUCKET/NAME")
        # A lone ? is a pattern there: part-?.txt
        shown = (
            without_secrets(url)
            if _KEY.search(url)
            else _USER.sub(lambda found: found[0] if _is_container(found) else "", url)
        )
        if shown != url:
            raise ConfigError(
                f"{shown}: was given with a user, a key or a query in it, which would end up in the shell's history; "
                f"{_where_keys_go(scheme)}"
            )
        return url
    shown = without_secrets(url)
    if shown != url and _given.setdefault(shown, url) != url:
        raise ConfigError(f"{shown}: is given twice, with other queries or users: copy the files to this machine first")
    return shown


def given(url: str) -> str:
    """The URL with what `kept_apart` took out: for clients of stores alone."""
    return _given.get(url, url)


def _where_keys_go(scheme: str) -> str:
    if scheme in ("s3", "s3a"):
        return "keys belong in ~/.aws or the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE)"
    if scheme in ("gs", "gcs"):
        return (
            "keys belong in GOOGLE_APPLICATION_CREDENTIALS, or where `gcloud auth application-default login` puts them"
        )
    if scheme in AZURE:
        return "keys belong in the environment (AZURE_STORAGE_CONNECTION_STRING, or _ACCOUNT_NAME and _ACCOUNT_KEY)"
    return "keys belong where the client of the store looks for them (`hf auth login`, ~/.config/fsspec)"


def denied(url: str, reason: str) -> RunError:
    """The error to raise where a store refuses."""
    return RunError(f"{url}: access is refused: {without_secrets(reason)}; {_where_keys_go(url_scheme(url))}")


def file_system(url: str, *, fresh: bool = False) -> tuple[Any, str]:
    """The file system of fsspec that answers for a URL, and what it calls the place.

    Asked for anew each time, which is cheap: fsspec keeps one for each process.
    fresh: forget what was listed before: others write as well.
    Raises RunError where its package is missing, or nobody knows such URLs.
    """
    import fsspec

    scheme = url_scheme(url)
    address = scheme + given(url)[len(scheme) :]  # in small letters, as clients know it
    try:
        kind = fsspec.get_filesystem_class(scheme)
        # not `url_to_fs`: it takes the :: in a name for the end of the first of several URLs
        system = fsspec.filesystem(scheme, **{**kind._get_kwargs_from_urls(address), **_settings(scheme)})
        path = kind._strip_protocol(address)
    except ImportError as error:
        if scheme not in _CLIENTS:
            raise RunError(f"{url}: cannot be read: {without_secrets(str(error))}") from None
        package, install = _CLIENTS[scheme]
        raise RunError(f"{url}: is read by {package}, which is not installed: {install}") from None
    except ValueError as error:
        known = ", ".join(f"{name}://" for name in ("s3", "gs", "az", "hf", "https"))
        raise RunError(
            f"{url}: nobody reads {scheme}:// ({without_secrets(str(error))}); expected {known} or a path"
        ) from None
    if fresh:
        system.invalidate_cache()
    return system, str(path)


def _settings(scheme: str) -> dict[str, Any]:
    """How we want a file system: that of S3 asks again where the network or S3 fails; servers of https:// are not to
    pack what is asked for in parts.
    """
    import fsspec.config

    if scheme in HTTP:
        return {"headers": {**fsspec.config.conf.get(scheme, {}).get("headers", {}), "Accept-Encoding": "identity"}}
    if scheme not in ("s3", "s3a"):
        return {}
    own = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
    return {"config_kwargs": {"retries": _RETRIES, "connect_timeout": 15, "read_timeout": 60, **own}}


def last_part(location: str) -> str:
    """The last part of a URL or a path: the name of the file."""
    if not is_url(location):
        return Path(location).name
    last = location.rstrip("/").rpartition("/")[2]
    return last if url_scheme(location) in OBJECT_STORES else urllib.parse.unquote(last)
