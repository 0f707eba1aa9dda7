"""What a training begins with: the files and runs that its configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest

from ner_distill.config import StudentConfig, load_config
from ner_distill.errors import DataError
from ner_distill.runs.knowledge import inputs_there
from tests.commands import run, settings
from tests.world import World


def test_text_of_the_hub_is_no_missing_file(tmp_path: Path) -> None:
    both = ["encoder.name=bert", "init.vocabulary=cut"]
    hub = load_config(StudentConfig, None, [*both, 'init.vocabulary_text=["hf:a/b/train"]'])
    assert inputs_there(hub)["init.vocabulary_text"][0]["size"] is None
    missing = load_config(StudentConfig, None, [*both, f'init.vocabulary_text=["{tmp_path / "no.txt"}"]'])
    with pytest.raises(DataError, match=r"init\.vocabulary_text: .*no\.txt: no such file"):
        inputs_there(missing)


def test_a_teacher_in_the_home_directory_is_found(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(world.root))
    student = settings("init.teacher=~/teacher", "init.layers=1", "optim.epochs=1")
    done = run("train-student", "--soft", world.soft, "--out", tmp_path / "s", *student)
    assert "~/teacher has a scratch encoder; layers are copied from pretrained ones" in done.err
