"""What the tests of places share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsspec
import pytest

from ner_distill.places import asking


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty store, and no waits between tries."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    monkeypatch.setattr(asking, "FIRST_WAIT", 0.0)
    yield system
    system.store.clear()
