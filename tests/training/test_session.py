"""One training in its directory, of several processes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ner_distill.config import TeacherConfig
from ner_distill.errors import RunError
from ner_distill.options.training import TeacherOptions
from ner_distill.runs.info import TEACHER_RUN
from ner_distill.training import session as sessions
from ner_distill.training.session import Session


@pytest.mark.parametrize("first", [True, False])
def test_where_the_directory_is_not_free_every_process_of_several_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").touch()
    one = SimpleNamespace(is_main_process=first, device=torch.device("cpu"))
    monkeypatch.setattr(sessions, "make_accelerator", lambda precision: one)
    monkeypatch.setattr(sessions, "any_process", lambda accelerator, wish: True)
    options = TeacherOptions(train=["a"], dev=["b"], out=tmp_path / "run", track=["none"])
    with pytest.raises(RunError, match="exists and is not empty" if first else "the first process says why"):
        Session(TEACHER_RUN, options, TeacherConfig())
