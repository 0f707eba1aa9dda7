"""Stands in for the training of resolved configurations until that is there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.info import write_config
from ner_distill.training.labelled import Trained


def train_on(config: TeacherConfig, train: Any, dev: Any, out: Path, **more: Any) -> Trained:
    with tempfile.TemporaryDirectory() as place:
        write_config(Path(place), config)
        return train_teacher(train, dev, out, config_file=Path(place) / "config.toml", resume="auto", **more)
