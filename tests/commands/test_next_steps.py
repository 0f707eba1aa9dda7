"""What commands say to do next: lines that can be copied."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer.main

from ner_distill.cli import app
from ner_distill.pipelines.comparison.figures import Comparison, Figures, Run
from tests.commands import ok

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
ROUND = SimpleNamespace(run=Path("self/round-1"), teacher=Path("new/round-2/teacher"))
ROUNDS = SimpleNamespace(best=ROUND)


def figures(dev: float) -> Figures:
    return Figures(dev=dev, test=None, seconds=1.0, epochs=1, peak_mib=None, gpu_mib=None, parameters=1)


COMPARISON = Comparison(
    ("teacher", "b", "c"),
    (1, 2),
    (
        Run("teacher", 1, figures(0.9)),
        Run("b", 1, figures(0.8)),
        Run("b", 2, figures(0.2)),
        Run("c", 1, figures(0.6)),
        Run("c", 2, figures(0.7)),
    ),
)
VERDICT = SimpleNamespace(comparison=COMPARISON)
GROWTH = SimpleNamespace(
    added={"PER": {"Ann": 3}},
    rare=0,
    several=0,
    elsewhere=0,
    negative=0,
    files={"PER": "PER.txt", "A/B": "A%2FB.txt"},
)

SAID: dict[str, tuple[list[str], dict[str, Any], list[str]]] = {
    "vote-labels": (
        ["--train", "t", "--out", "my votes"],
        {"pipelines.voting.vote_labels.vote_labels": None, "views.vote_labels.render": ""},
        [
            "review 'my votes' --out review.html",
            "train-teacher --train 'my votes/cleaned.jsonl' --dev DEV --out runs/teacher",
        ],
    ),
    "self-train": (
        ["--train", "t", "--dev", "d", "--text", "x", "--out", "self"],
        {
            "pipelines.voting.self_train.self_train": ROUNDS,
            "views.rounds.self_training_table": "",
            "views.rounds.self_training_verdict": "",
        },
        [
            "label-unlabeled --teacher self/round-1 --text TEXT --out runs/soft",
            "evaluate --model self/round-1 --data TEST",
        ],
    ),
    "grow-dictionary --rounds 2": (
        ["--text", "x", "--dictionary", "PER=p", "--dev", "d", "--out", "new"],
        {
            "pipelines.dictionaries.grow_rounds.grow_rounds": ROUNDS,
            "views.rounds.growth_table": "",
            "views.rounds.growth_verdict": "",
        },
        [
            "label-unlabeled --teacher new/round-2/teacher --text TEXT --out runs/soft",
            "evaluate --model new/round-2/teacher --data TEST",
        ],
    ),
    "grow-dictionary": (
        ["--model", "m", "--text", "x", "--dictionary", "PER=p", "--dictionary", "PER=q", "--out", "new"],
        {"pipelines.dictionaries.grow_dictionary.grow_dictionary": GROWTH},
        ["label-dictionary --dictionary PER=new/PER.txt --dictionary A/B=new/A%2FB.txt --text x --out labelled.jsonl"],
    ),
    "compare a.toml": (  # the best mean, of its seeds the better one
        ["--train", "t", "--dev", "d", "--out", "all"],
        {
            "pipelines.comparison.configurations.read_configurations": None,
            "pipelines.comparison.compare.compare": COMPARISON,
            "views.comparison.render": "",
        },
        [
            "label-unlabeled --teacher all/teacher/seed-1 --text TEXT --out runs/soft",
            "evaluate --model all/teacher/seed-1 --data TEST",
        ],
    ),
    "compare b.toml": (
        ["--soft", "s", "--dev", "d", "--out", "all"],
        {
            "pipelines.comparison.configurations.read_configurations": None,
            "pipelines.comparison.compare.compare": COMPARISON,
            "views.comparison.render": "",
        },
        [
            "predict --model all/teacher/seed-1 --text TEXT",
            "evaluate --model all/teacher/seed-1 --data TEST",
        ],
    ),
    "verdict": (
        ["--train", "t", "--dev", "d", "--text", "x", "--out", "v"],
        {
            "pipelines.comparison.configurations.read_students": None,
            "pipelines.comparison.verdict.verdict": VERDICT,
            "views.verdict.render": "",
        },
        ["predict --model v/seed-2/c --text TEXT", "export v/seed-2/c --out runs/exported --int8"],
    ),
    "quickstart": (
        ["q"],
        {"pipelines.quickstart.quickstart": None, "views.quickstart.render": ""},
        [
            "predict --model q/student --text TEXT",
            "train-teacher --train TRAIN --dev DEV --out runs/teacher",
        ],
    ),
    "train-segmenter": (
        ["--train", "t", "--out", "seg"],
        {"pipelines.train_segmenter.train_segmenter": None},
        [
            "train-teacher --train TRAIN --dev DEV --set lattice.kind=soft-lexicon --set lattice.segmenter=pkuseg "
            "--set lattice.segmenter_model=seg --out runs/teacher"
        ],
    ),
}


@pytest.mark.parametrize("command", SAID)
def test_what_to_do_next_is_said_with_the_paths_of_this_run_and_parses(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, results, wanted = SAID[command]
    for name, result in results.items():
        monkeypatch.setattr(f"ner_distill.{name}", lambda *_, result=result, **__: result)
    said = ok(*command.split(), *arguments)
    assert parsed(said.err) == wanted
    assert "next:" not in said.out


def test_a_sample_and_a_configuration_say_what_takes_them(tmp_path: Path) -> None:
    sample = tmp_path / "sample"
    files = f"--train {sample}/en/train.conll --dev {sample}/en/dev.conll"
    assert parsed(ok("sample", sample).err) == [f"train-teacher {files} --out runs/teacher"]
    for kind, command in {"teacher": "train-teacher", "student": "train-student", "pretrain": "pretrain"}.items():
        (line,) = parsed(ok("init-config", kind, "--out", tmp_path / f"{kind}.toml").err)
        assert line.startswith(f"{command} --config {tmp_path}/{kind}.toml ")
    assert "next:" not in ok("init-config", "teacher").err


def parsed(err: str) -> list[str]:
    """The commands that are said to be next, each parsed as the command line parses it."""
    lines = [line.removeprefix("next: ner-distill ") for line in err.splitlines() if line.startswith("next: ")]
    for line in lines:
        name, *arguments = shlex.split(line)
        COMMANDS[name].make_context(name, arguments)
    return lines
