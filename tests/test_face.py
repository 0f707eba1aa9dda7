"""The Python face: what its functions hand on to the pipelines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ner_distill import face
from ner_distill.config import TeacherConfig, load_config
from ner_distill.errors import ConfigError, RunError
from ner_distill.options.by_type import by_type
from ner_distill.options.exporting import ExportOptions
from ner_distill.options.models import EvaluateOptions, LabelUnlabeledOptions
from tests.answering import Capitals


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


def test_documents_are_cut_into_sentences_and_answered_as_they_were_given() -> None:
    answering = Capitals()
    model = face.Model(answering, ())
    texts = ["\U0001f600 ROME won! 12 went to OSLO\nthen.", "", "  PARIS"]
    results = model.predict(texts, split_sentences=True)
    assert [one.text for one in results] == texts
    assert [[text[one.start : one.end] for one in own] for text, own in zip(texts, results, strict=True)] == [
        ["ROME", "OSLO"], [], ["PARIS"],
    ]  # fmt: skip
    asked = [sentence for call in answering.calls for sentence in call]
    assert asked == ["\U0001f600 ROME won !", "12 went to OSLO then .", "", "PARIS"]
    assert model.predict(texts) == results
    assert model.predict(texts[0], split_sentences=True) == results[0]
    with pytest.raises(ConfigError, match="is for `split_sentences`"):
        model.predict("a", lang="es")


def test_options_have_the_names_of_the_command_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[EvaluateOptions] = []

    def evaluation(options: EvaluateOptions) -> SimpleNamespace:
        seen.append(options)
        return SimpleNamespace(scores=None)

    monkeypatch.setattr("ner_distill.pipelines.evaluate.evaluation", evaluation)
    monkeypatch.setattr("ner_distill.views.results.write_evaluation", lambda done, options: None)
    for name in ("input_format", "format"):
        face.evaluate("runs/x", "test.txt", **{name: "jsonl"})
    assert [options.format for options in seen] == ["jsonl", "jsonl"]
    with pytest.raises(TypeError, match="input_frmat"):
        face.evaluate("runs/x", "test.txt", input_frmat="jsonl")
    with pytest.raises(TypeError, match="input_format and format are the same option"):
        face.evaluate("runs/x", "test.txt", input_format="jsonl", format="conll")


def test_settings_may_hold_mappings_paths_and_whole_sections() -> None:
    settings = {
        "features.gazetteers": {"PER": [Path("a.txt")], "A/B": ["b\\c.txt"]},
        "optim": {"epochs": 2, "lr": 1e-3},
        "encoder.name": Path("scratch"),
        "lattice": {"kind": "softword", "lexicon": ("w.txt",)},
    }
    config = load_config(TeacherConfig, None, face._keys(settings))
    assert config.features.gazetteers == {"PER": ("a.txt",), "A/B": ("b\\c.txt",)}
    assert (config.optim.epochs, config.optim.lr) == (2, 1e-3)
    assert config.lattice.lexicon == ("w.txt",)
    with pytest.raises(TypeError, match=r"settings\['seed'\]: "):
        face._keys({"seed": object()})


@pytest.mark.parametrize("settings", [["optim.epochs=1"], "optim.epochs=1"])
def test_settings_that_are_no_mapping_are_said(settings: Any) -> None:
    with pytest.raises(TypeError, match=r"settings: expected a mapping such as .*, found .*optim.epochs=1"):
        face._keys(settings)


def test_numbers_by_type_may_be_a_mapping_as_for_predict() -> None:
    found = face._with_paths(LabelUnlabeledOptions, {"min_votes": {"PER": 2, "LOC": 1}})
    assert found == {"min_votes": ("PER=2", "LOC=1")}
    assert by_type("min_votes", found["min_votes"], 0) == by_type("min_votes", [0, "PER=2", "LOC=1"], 0)


@pytest.mark.parametrize("limit", [10.0, "10", True])
def test_a_number_of_another_kind_names_its_option(limit: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        LabelUnlabeledOptions(teacher=[Path("t")], text=["x.txt"], out=Path("o"), limit=limit, shard_size=-1)
    assert f"`limit`: expected a whole number, found {limit!r}" in str(raised.value)
    assert "`shard_size`: expected 1 or more, found -1" in str(raised.value)


@pytest.mark.parametrize("limit", [None, 10, np.int64(10)])
def test_whole_numbers_of_any_kind_are_numbers(limit: Any) -> None:
    assert LabelUnlabeledOptions(teacher=[Path("t")], text=["x.txt"], out=Path("o"), limit=limit).limit == limit


def test_a_model_behind_a_url_is_said_to_be_one() -> None:
    with pytest.raises(RunError, match="s3://bucket/run: is a URL; expected the directory of a model on this machine"):
        face.load("s3://bucket/run")
