"""Run folders from strangers: refused with a message that names the file, or read as data; nothing in them runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import run
from tests.world import World

CODE = "import pathlib\npathlib.Path({marker!r}).write_text('ran')\n"


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    """A copy of a student's run."""
    shutil.copytree(world.student, tmp_path / "run")
    return tmp_path / "run"


def _json(name: str, **changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")

    return change


def _toml(old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "config.toml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")

    return change


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text, "utf-8")


def _instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (_instead("vocabulary.json", os.mkfifo), "vocabulary.json: is no plain file"),
    "a device": (_instead("labels.json", lambda path: path.symlink_to("/dev/zero")), "labels.json: is no plain file"),
    "a link to nowhere": (_instead("config.toml", lambda path: path.symlink_to("/nowhere")), "leads nowhere"),
    "a link to itself": (_instead("config.toml", lambda path: path.symlink_to(path.name)), "config.toml: is"),
    "a directory": (_instead("labels.json", Path.mkdir), "labels.json: cannot be read"),
    "other text": (_instead("labels.json", lambda path: path.symlink_to("/etc/passwd")), "labels.json: cannot be read"),
    "deep nesting": (_text("labels.json", "[" * 100_000), "labels.json: cannot be read as JSON"),
    "deep nesting in TOML": (_text("config.toml", "a = " + "[" * 10_000), "config.toml: cannot be read"),
    "a number of many digits": (_text("labels.json", '{"format": ' + "9" * 10_000 + "}"), "labels.json"),
    "terminal escapes": (_json("labels.json", labels=["PER\x1b[2J"]), "expected different labels of letters"),
    "a label twice": (_json("labels.json", labels=["PER", "PER"]), "expected different labels"),
    "a huge width": (_toml("hidden = ", "hidden = 1000000000"), "encoder.hidden"),
    "very many layers": (_toml("layers = ", "layers = 100000000"), "encoder.layers"),
    "widths that fit no weights": (_toml("word_dim = ", "word_dim = 1"), "model.safetensors: does not fit"),
    "a huge kernel": (_toml("char_filters = ", "char_filters = 99999999"), "encoder.char_filters"),
    "a pickle for weights": (
        _instead("model.safetensors", lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")),
        "not a whole safetensors file",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_predict_refuses_a_folder_with(case: str, folder: Path, world: World) -> None:
    change, message = REFUSED[case]
    change(folder)
    done = run("predict", "--model", folder, "--text", world.raw)
    assert done.code in (1, 2)
    assert message in done.err
    assert done.err.startswith("error: ")


def test_code_that_lies_in_a_folder_is_not_run(folder: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = folder.parent / "ran"
    for name in ("json.py", "torch.py", "code.py", "conftest.py", "__init__.py", "sitecustomize.py"):
        (folder / name).write_text(CODE.format(marker=str(marker)), "utf-8")
    monkeypatch.chdir(folder)
    assert run("predict", "--model", ".", "--text", world.raw).code == 0
    assert not marker.exists()


def test_going_on_writes_nothing_through_links_that_lead_out(folder: Path, world: World) -> None:
    outside = folder.parent / "outside.txt"
    outside.write_text("mine\n", "utf-8")
    (folder / "log.txt").unlink()
    (folder / "log.txt").symlink_to(outside)
    done = run("train-student", "--soft", world.soft, "--dev", world.dev, "--out", folder, "--resume")
    assert done.code == 2
    assert "log.txt: is a link that leads out of the run" in done.err
    assert outside.read_text("utf-8") == "mine\n"


def test_replacing_removes_links_and_not_what_they_lead_to(folder: Path, world: World) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine\n", "utf-8")
    (folder / "checkpoints").symlink_to(outside)
    run("train-student", "--soft", world.soft, "--dev", world.dev, "--out", folder, "--overwrite", "--set", "x=1")
    run("train-student", "--soft", world.soft, "--dev", world.dev, "--out", folder, "--overwrite", *_SHORT)
    assert (outside / "mine.txt").read_text("utf-8") == "mine\n"


def test_an_error_shows_no_control_characters(folder: Path, world: World) -> None:
    (folder / "labels.json").write_text('{"format": "\\u001b[2J", "kind": "\\u001b"}', "utf-8")
    assert "\x1b" not in run("predict", "--model", folder, "--text", world.raw).err


_SHORT = ["--set", "optim.epochs=1", "--set", "encoder.hidden=16", "--set", "encoder.heads=2"]
