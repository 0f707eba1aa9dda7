"""In which precision a labelling computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ner_distill.errors import ConfigError
from ner_distill.options.models import LabelOptions
from ner_distill.pipelines.labelling import labeller
from ner_distill.pipelines.labelling.panel import Panel
from ner_distill.pipelines.labelling.voices import RunVoice
from ner_distill.runs.build import load_teacher
from tests.world import World


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_what_cannot_compute_in_bf16_labels_in_float32(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeller, "has_bf16", lambda _: True)
    monkeypatch.setattr(labeller, "best_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(RunVoice, "prepare", lambda *_: None)
    panel = Panel.of([RunVoice(load_teacher(world.teacher), world.teacher)])
    assert labeller.Labeller(panel, LabelOptions()).options.precision == "bf16"
    monkeypatch.setattr(RunVoice, "float32_alone", True)
    assert labeller.Labeller(panel, LabelOptions()).options.precision == "fp32"
    with pytest.raises(ConfigError, match="teacher cannot compute in it; use fp32"):
        labeller.Labeller(panel, LabelOptions(precision="bf16"))


@pytest.mark.parametrize(("asked", "expected"), [("auto", "fp32"), ("bf16", "bf16")])
def test_a_processor_labels_in_bf16_where_that_is_asked_for_alone(
    asked: Any, expected: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labeller, "has_bf16", lambda _: True)
    panel = Panel.of([RunVoice(load_teacher(world.teacher), world.teacher)])
    made = labeller.Labeller(panel, LabelOptions(precision=asked))
    assert (made.options.precision, made.autocast._enabled) == (expected, expected == "bf16")
