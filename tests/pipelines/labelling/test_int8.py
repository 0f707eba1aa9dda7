"""`precision` int8: refused where it cannot be, near fp32 where it can, and said in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.checkpoints import bert
from benchmarks.common import generated_lines, pretrained_teacher, scratch_teacher
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError
from ner_distill.nn.int8 import Int8Linear
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling import labeller
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from tests.foreign import classifier


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(generated_lines(30)) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    return pretrained_teacher(place / "run", bert(place / "bert"), head="crf")


def labelled(teacher: Path | str, text: Path, out: Path, precision: Any) -> tuple[list[SoftRow], Any]:
    manifest = label_unlabeled(LabelUnlabeledOptions(teacher=[teacher], text=[text], out=out, precision=precision))
    rows = {row.id: row for row in SoftLabelStore.open(out).iter_rows()}
    return [rows[name] for name in sorted(rows)], manifest.settings["precision"]


@pytest.mark.parametrize("foreign", [False, True])
def test_int8_is_near_fp32_and_the_store_says_it(foreign: bool, teacher: Path, text: Path, tmp_path: Path) -> None:
    asked = f"hf:{classifier(tmp_path / 'hf')}" if foreign else teacher
    exact, said = labelled(asked, text, tmp_path / "exact", "fp32")
    small, said_small = labelled(asked, text, tmp_path / "small", "int8")
    assert (said, said_small) == ("fp32", "int8")
    difference = np.concatenate([np.abs(a.probs - b.probs).max(1) for a, b in zip(exact, small, strict=True)])
    assert 0 < difference.mean() < 0.1  # random weights: a few words stand between two tags


def test_weights_of_the_run_stay_what_they_are(teacher: Path, text: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in teacher.rglob("*") if path.is_file()}
    labelled(teacher, text, tmp_path / "store", "int8")
    assert {path: path.read_bytes() for path in teacher.rglob("*") if path.is_file()} == before


def test_a_scratch_encoder_has_no_int8(text: Path, tmp_path: Path) -> None:
    run = scratch_teacher(tmp_path / "scratch", generated_lines(30), hidden=16, heads=2)
    with pytest.raises(ConfigError, match="`precision` int8: .*scratch: expected a teacher on a pretrained encoder"):
        labelled(run, text, tmp_path / "store", "int8")
    assert not (tmp_path / "store").exists()


def test_another_device_than_a_cpu_has_no_int8(teacher: Path, text: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(labeller, "best_device", lambda: torch.device("meta"))
    with pytest.raises(ConfigError, match="`precision` int8 is for a CPU, and this is meta: use bf16 or fp32"):
        labelled(teacher, text, tmp_path / "store", "int8")


def test_heads_keep_their_precision(teacher: Path) -> None:
    from ner_distill.pipelines.labelling.voices import RunVoice
    from ner_distill.runs.build import load_teacher

    voice = RunVoice(load_teacher(teacher), teacher)
    voice.quantize()
    small = {name for name, one in voice.built.model.named_modules() if isinstance(one, Int8Linear)}
    assert len(small) == 2 * 5  # two layers of query, key, value, output and the first of the feed-forward part
    assert all(".layer." in name for name in small)
