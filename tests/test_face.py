"""The Python face: what its functions hand on to the pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ner_distill import face
from ner_distill.errors import ConfigError
from ner_distill.options.exporting import ExportOptions
from ner_distill.options.models import EvaluateOptions
from ner_distill.tagger import Answering


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
    assert face._with_paths(kind, given) == expected


class Capitals(Answering):
    """Finds words in capital letters, and remembers the sentences that it was asked about."""

    labels, unit = ("X",), "word"

    def __init__(self) -> None:
        self.asked = list[str]()

    def found(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int, str, float]]]:
        self.asked += map(" ".join, sentences)
        return [[(n, n + 1, "X", 0.5) for n, word in enumerate(words) if word.isupper()] for words in sentences]

    def tag_probs(self, sentences: Sequence[Sequence[str]]) -> list[Any]:
        raise NotImplementedError


def test_documents_are_cut_into_sentences_and_answered_as_they_were_given() -> None:
    answering = Capitals()
    model = face.Model(answering, ())
    texts = ["\U0001f600 ROME won. Then OSLO\ndid.", "", "  PARIS"]
    results = model.predict(texts, split_sentences=True)
    assert [one.text for one in results] == texts
    assert [[text[one.start : one.end] for one in own] for text, own in zip(texts, results, strict=True)] == [
        ["ROME", "OSLO"], [], ["PARIS"],
    ]  # fmt: skip
    assert answering.asked == ["\U0001f600 ROME won .", "Then OSLO did .", "", "PARIS"]
    assert model.predict(texts) == results
    assert model.predict(texts[0], split_sentences=True) == results[0]
    with pytest.raises(ConfigError, match="is for `split_sentences`"):
        model.predict("a", lang="es")
