"""What a page holds of a run, and which runs it refuses. What it answers: tests/browser/test_page.py."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ner_distill.config import StudentConfig, TeacherConfig
from ner_distill.errors import ConfigError, RunError
from ner_distill.nn.encoders.base import Encoder
from ner_distill.pipelines.exporting.page import page_content, take_page_weights, write_page
from ner_distill.runs.build import Built, new_student, new_teacher
from ner_distill.runs.info import RunInfo
from ner_distill.views.page import page_of

INFO = RunInfo("student", "word", ("LOC", "PER"))
SHAPE = {"hidden": 16, "heads": 2, "word_dim": 8, "char_filters": 4}
SENTENCES = 3 * [("Ann", "lives", "in", "Oslo")]


def student(head: str = "crf", **more: Any) -> Built[Any]:
    config = StudentConfig.model_validate({"encoder": SHAPE | more, "head": {"kind": head}})
    return new_student(config, INFO, SENTENCES)


def teacher(**sections: Any) -> Built[Any]:
    config = TeacherConfig.model_validate({"encoder": SHAPE, **sections})
    return new_teacher(config, RunInfo("teacher", "word", INFO.labels), SENTENCES)


@pytest.mark.parametrize("head", ["global-pointer", "efficient-global-pointer", "additive-pointer"])
def test_pointers_are_refused_with_the_heads_that_are_not(head, tmp_path):
    with pytest.raises(ConfigError, match="PointerHead.*token or crf or crf-per-type"):
        page_content(tmp_path, student(head))


def test_questions_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="MRC head.*without `html`"):
        page_content(tmp_path, teacher(head={"kind": "mrc"}))


def test_knowledge_of_words_is_refused_by_name(tmp_path):
    knowledge: Any = SimpleNamespace(sources={"soft_lexicon": None, "pinyin": None})
    with pytest.raises(ConfigError, match=r"knows more of words.*soft_lexicon, pinyin.*export the student"):
        page_content(tmp_path, replace(teacher(), knowledge=knowledge))


def test_pretrained_encoders_are_refused(tmp_path):
    class Pretrained(Encoder):
        forward = embedding_layer = layer_groups = lambda self: None

    built: Any = SimpleNamespace(
        questions=None, knowledge=None, base=None, tagger=SimpleNamespace(encoder=Pretrained(), head=None)
    )
    with pytest.raises(ConfigError, match=r"pretrained encoder.*name = \"scratch\""):
        page_content(tmp_path, built)


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(RunError, match="expected a run"):
        write_page(tmp_path / "absent", tmp_path / "page.html", page_of)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    built = student()
    with torch.no_grad():
        built.tagger.head.project.weight[0, 0] = torch.nan
    with pytest.raises(ConfigError, match="head.project.weight: expected finite numbers"):
        page_content(tmp_path, built)


def test_numbers_beyond_float16_are_refused_as_float16_alone(tmp_path):
    built = student()
    with torch.no_grad():
        built.tagger.head.project.weight[0, 0] = 1e6
    page_content(tmp_path, built)
    with pytest.raises(ConfigError, match="beyond those of float16; store them as int8"):
        page_content(tmp_path, built, weights="float16")


@pytest.mark.parametrize(("weights", "most"), [("int8", 1 / 254 + 1e-6), ("float16", 2**-11 + 1e-6)])
def test_stored_weights_are_within_half_a_step_of_their_row(weights, most):
    built = student()
    before = built.tagger.encoder.projection.weight.detach().clone()
    take_page_weights(built, weights)
    after = built.tagger.encoder.projection.weight.detach()
    largest = before.abs().amax(1, keepdim=True)
    assert bool(((after - before).abs() <= most * largest).all())
    assert not torch.equal(after, before)


def test_digits_are_those_of_python(tmp_path):
    ranges = page_content(tmp_path, student())["digits"]
    assert {code for first, last in ranges for code in range(first, last + 1)} == {
        code for code in range(0x110000) if chr(code).isdigit()
    }


def test_the_page_forbids_every_connection_and_keeps_data_from_ending_its_script(tmp_path):
    content = page_content(tmp_path, student()) | {"labels": ["</script><script>evil=1</script>"]}
    page = page_of(content)
    assert "default-src 'none'" in page
    assert page.count("</script>") == 2
    assert not re.search(r"(?:src|href)=[\"']?https?:", page)


def test_calibration_and_card_come_from_the_run(tmp_path: Path):
    (tmp_path / "metrics.json").write_text('{"dev": {"micro": {"f1": 0.5}, "by_type": {"LOC": {"f1": 0.25}}}}')
    (tmp_path / "log.txt").write_text("2026-01-02 03:04:05 no soft labels, 7 gold sentences; 5 parameters; cpu\n")
    content = page_content(tmp_path, student())
    card = dict(content["card"])
    assert card["Trained"] == "2026-01-02"
    assert card["On"] == "no soft labels, 7 gold sentences"
    assert card["F1 on development data"].startswith("50.0")
    assert card["F1 by type"] == "LOC 25.0"
    assert content["calibration"] is None
