"""All cases: small runs of every command, and of every setting that decides what a model becomes."""

from __future__ import annotations

from tests.witness import basics, labels, pretrained, students, teachers, teachers_zh, tools  # noqa: F401
from tests.witness.registry import CASES, Case

__all__ = ["CASES", "Case"]
