"""The Python face: what its functions hand on to the pipelines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ner_distill import face


@pytest.mark.parametrize(("given", "files"), [("runs/soft", [Path("runs/soft/manifest.json")]), (None, [])])
def test_train_student_learns_from_one_store_or_from_none(
    monkeypatch: pytest.MonkeyPatch, given: str | None, files: list[Path]
) -> None:
    seen: list[Any] = []

    def run(_config: object, options: Any) -> SimpleNamespace:
        seen.append(options)
        return SimpleNamespace(main=False)

    monkeypatch.setattr("ner_distill.pipelines.train_student.train_student", run)
    monkeypatch.setattr(face, "load", lambda path: path)
    face.train_student(given, "runs/student", gold="gold.conll", track=["none"])
    assert seen[0].files() == {"soft": files, "dev": (), "gold": (Path("gold.conll"),)}
    assert seen[0].track == ["none"]
