"""Beside a GPU batches are collated ahead, in a thread."""

from __future__ import annotations

import threading
from typing import Any

import torch

from ner_distill.options.models import LabelOptions
from ner_distill.pipelines.labelling.labeller import Labeller
from ner_distill.pipelines.labelling.panel import Panel
from ner_distill.pipelines.labelling.voices import RunVoice
from ner_distill.runs.build import load_teacher
from tests.world import World

BATCHES = [[["a"], ["b"]], [["c"]], [["d"], ["e"], ["f"]]]


def collated(world: World, monkeypatch: Any, device: str) -> tuple[list[Any], list[str]]:
    """What is asked about each batch, and the threads that made it."""
    voice = RunVoice(load_teacher(world.teacher), world.teacher)
    asked, threads = Labeller(Panel.of([voice]), LabelOptions()), []

    def collate(batch: Any) -> str:
        threads.append(threading.current_thread().name)
        return "".join(batch)

    monkeypatch.setattr(voice, "collate", collate)
    asked.device = torch.device(device)
    return list(asked._collated(BATCHES)), threads


def test_batches_come_in_order_from_a_thread_beside_a_gpu_alone(world: World, monkeypatch: Any) -> None:
    here = threading.current_thread().name
    beside_a_gpu, threads = collated(world, monkeypatch, "meta")
    alone, own = collated(world, monkeypatch, "cpu")
    assert beside_a_gpu == alone == [["ab"], ["c"], ["def"]]
    assert here not in threads
    assert set(own) == {here}
