"""What a run says that it was trained on."""

from __future__ import annotations

import re

import torch

from ner_distill.console import Reporter
from ner_distill.runs import environment as env


def test_an_environment_names_versions_threads_and_the_commit_of_a_checkout(monkeypatch, tmp_path):
    found = env.environment(torch.device("cpu"))
    assert found["torch"]
    assert found["threads"] == torch.get_num_threads()
    assert found["commit"] is None or re.fullmatch("[0-9a-f]{40}", found["commit"])
    monkeypatch.setattr(env, "__file__", str(tmp_path / "ner_distill" / "runs" / "environment.py"))
    assert env.commit_of_program() is None


def test_another_commit_is_no_other_environment(tmp_path, capsys):
    env.write_environment(tmp_path, {"commit": "a", "threads": 1})
    env.warn_of_another(tmp_path, {"commit": "b", "threads": 1}, Reporter())
    assert capsys.readouterr().err == ""
    env.warn_of_another(tmp_path, {"commit": "b", "threads": 2}, Reporter())
    assert "threads was 1, now 2" in capsys.readouterr().err
