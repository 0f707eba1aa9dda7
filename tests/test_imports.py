"""What light paths import: nothing that they do not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ner_distill.config import StudentConfig, load_config
from ner_distill.runs.build import new_student, save_run
from ner_distill.runs.info import RunInfo, write_config, write_info

ROOT = Path(__file__).resolve().parent.parent
WORDS = ("Peter", "lives", "in", "Oslo", ".")
NOT_FOR_ANSWERS = {
    "accelerate", "datasets", "huggingface_hub", "icu4py", "pandas", "pyarrow", "rich", "scipy", "sklearn",
    "spacy_pkuseg", "tensorboard", "transformers",
}  # fmt: skip

# Runs a command line and prints the libraries that were imported for it, as the last line.
ASK = """
import json, sys
from ner_distill.cli import main
sys.argv = ["ner-distill", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def imported_by(*arguments: str | Path) -> tuple[set[str], str]:
    """The libraries that a command imports, in a process of its own, and what it printed."""
    command = [sys.executable, "-c", ASK, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    *printed, last = done.stdout.splitlines()
    return set(json.loads(last)), "\n".join(printed)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a scratch student that was not trained."""
    directory = tmp_path_factory.mktemp("imports") / "student"
    directory.mkdir()
    config = load_config(StudentConfig, None, ["encoder.hidden=16", "encoder.layers=1", "encoder.heads=2"])
    info = RunInfo("student", "word", ("LOC", "PER"))
    write_info(directory, info)
    write_config(directory, config)
    save_run(new_student(config, info, [WORDS, WORDS]), directory)
    return directory


def test_a_scratch_student_answers_without_the_libraries_of_training(student: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(" ".join(WORDS) + "\n", encoding="utf-8")
    imported, printed = imported_by("predict", "--model", student, "--text", text, "--format", "jsonl")
    assert json.loads(printed)["text"] == " ".join(WORDS)
    assert "torch" in imported
    assert imported & NOT_FOR_ANSWERS == set()


def test_help_imports_neither_torch_nor_what_only_commands_need() -> None:
    imported, printed = imported_by("--help")
    assert "train-teacher" in printed
    assert imported & (NOT_FOR_ANSWERS | {"torch", "numpy", "pydantic", "tokenizers", "safetensors"}) == set()
