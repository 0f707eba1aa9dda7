"""Options that the Python face takes as a user writes them: paths as text, one file where several may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ner_distill.face import _with_paths
from ner_distill.options.exporting import ExportOptions
from ner_distill.options.models import EvaluateOptions


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (EvaluateOptions, {"json": "a.json", "html": Path("a.html")}, {"json": Path("a.json"), "html": Path("a.html")}),
        (EvaluateOptions, {"precision": "0.9", "format": "conll"}, {"precision": "0.9", "format": "conll"}),
        (EvaluateOptions, {"json": None}, {"json": None}),
        (ExportOptions, {"check": "a.conll", "int8": True}, {"check": (Path("a.conll"),), "int8": True}),
        (ExportOptions, {"check": ["a", "b"]}, {"check": ["a", "b"]}),
        (ExportOptions, {"chek": "a"}, {"chek": "a"}),
    ],
    ids=["paths", "texts", "none", "one file", "several files", "unknown"],
)
def test_paths_are_taken_as_text(kind: type[Any], given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert _with_paths(kind, given) == expected
