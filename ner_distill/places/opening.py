"""The place that a path or a URL names."""

from __future__ import annotations

from pathlib import Path

from ner_distill.places.base import Place
from ner_distill.places.local import LocalPlace
from ner_distill.places.remote import RemotePlace
from ner_distill.places.urls import is_url

Location = Place | Path | str
"""How callers name a place."""


def place_of(location: Location) -> Place:
    """The place that a path or a URL names; a place is itself. Raises as `RemotePlace` does."""
    if isinstance(location, str) and is_url(location):
        return RemotePlace(location)
    return LocalPlace(location) if isinstance(location, str | Path) else location
