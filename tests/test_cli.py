from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

from ner_distill.cli import GROUPS, app
from tests.commands import ok, run
from tests.world import World

ROOT = Path(__file__).resolve().parent.parent
GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_names_each_option_and_its_purpose(name: str) -> None:
    shown = "".join(ok(name, "--help").out.split())
    for parameter in COMMANDS[name].params:
        if parameter.name != "help":
            assert len(parameter.help or "") > 5, f"{name} {parameter.opts}: no help"
            assert "".join(parameter.help.split()) in shown
            assert parameter.param_type_name == "argument" or parameter.opts[0] in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example_or_needs_none(name: str) -> None:
    assert "Example:\n" in COMMANDS[name].help or name == "quickstart"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "quickstart"])
def test_examples_are_lines_that_can_be_copied(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    examples = [line for line in COMMANDS[name].help.splitlines() if "ner-distill " in line and line.startswith("  ")]
    assert examples
    shown = [line.strip() for line in ok(name, "--help").out.splitlines()]
    assert {example.strip() for example in examples} <= set(shown)


def test_every_command_stands_under_a_heading_of_its_own() -> None:
    named = [name for names in GROUPS.values() for name in names]
    assert len(named) == len(set(named))
    assert set(COMMANDS) <= set(named)
    shown = ok("--help").out
    assert [f"{heading}:" in shown for heading in (*GROUPS, "More")] == [True] * len(GROUPS) + [False]


def test_quiet_says_only_warnings_and_results(world: World, tmp_path: Path) -> None:
    label = ["label-unlabeled", "--teacher", world.teacher, "--text", world.raw, "--out"]
    loud, quiet = ok(*label, tmp_path / "a"), ok("--quiet", *label, tmp_path / "b")
    assert "labelling: 80" in loud.err
    assert "next: ner-distill train-student --soft" in loud.err
    assert quiet.err == ""
    assert quiet.out.replace(str(tmp_path / "b"), "") == loud.out.replace(str(tmp_path / "a"), "")


def test_the_shell_can_complete_commands() -> None:
    environment = {
        **os.environ,
        "_NER_DISTILL_COMPLETE": "complete_bash",
        "COMP_WORDS": "ner-distill tr",
        "COMP_CWORD": "1",
    }
    code = "import sys; sys.argv = ['ner-distill']; from ner_distill.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert {"train-teacher", "train-student"} <= set(done.stdout.split())


def test_help_lists_every_command() -> None:
    shown = ok("--help").out
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_commands_are_those_of_the_documentation() -> None:
    assert set(COMMANDS) == {
        "train-teacher", "label-unlabeled", "train-student", "export", "evaluate", "predict", "check-data", "show",
        "init-config", "train-segmenter", "compare", "learning-curve", "verdict", "pretrain", "label-dictionary",
        "grow-dictionary", "review", "apply-review", "vote-labels", "self-train", "vary-entities",
        "sample", "quickstart",
        "serve", "convert",
    }  # fmt: skip


def test_defaults_of_the_command_line_are_those_of_the_library() -> None:
    from ner_distill.options import ReadOptions
    from ner_distill.options.models import LabelOptions

    for name, options in (("label-unlabeled", LabelOptions()), ("train-teacher", ReadOptions())):
        shown = {parameter.name: parameter.default for parameter in COMMANDS[name].params}
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(options).items()}
        kept = {key: value for key, value in values.items() if key in shown}
        assert len(kept) >= 5
        assert {key: shown[key] for key in kept} == kept


WRONG = {
    "unknown command": ["train-techer"],
    "unknown option": ["evaluate", "--modell", "x", "--data", "y"],
    "missing option": ["train-teacher", "--train", "x"],
    "missing argument": ["show"],
    "not a number": ["label-unlabeled", "--teacher", "t", "--text", "x", "--out", "o", "--limit", "many"],
    "out of range": ["label-unlabeled", "--teacher", "t", "--text", "x", "--out", "o", "--min-confidence", "2"],
    "no such kind": ["init-config", "model"],
    "no such precision": ["label-unlabeled", "--teacher", "t", "--text", "x", "--out", "o", "--precision", "fp8"],
    "no such way to flatten": ["train-teacher", "--train", "t", "--dev", "x", "--out", "o", "--flatten", "both"],
    "no such directory": ["show", "/no/such/store"],
}

# Each list of arguments in turn, in one process: its exit code, and whether torch was imported by then.
ASK = """
import contextlib, io, json, sys
from ner_distill.cli import main
answers = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["ner-distill", *arguments]
    err, code = io.StringIO(), 0
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            main()
    except SystemExit as end:
        code = end.code
    answers.append([code, err.getvalue(), "torch" in sys.modules])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[int, str, bool]]:
    command = [sys.executable, "-c", ASK, json.dumps(list(WRONG.values()))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return dict(zip(WRONG, map(tuple, json.loads(done.stdout)), strict=True))


@pytest.mark.parametrize("problem", WRONG)
def test_wrong_arguments_exit_2_with_a_message(answers: dict[str, tuple[int, str, bool]], problem: str) -> None:
    code, message, _ = answers[problem]
    assert code == 2
    assert "rror" in message
    assert "Traceback" not in message


@pytest.mark.parametrize("problem", [name for name in WRONG if not name.startswith("no such")])
def test_wrong_arguments_are_refused_before_torch_is_loaded(
    answers: dict[str, tuple[int, str, bool]], problem: str
) -> None:
    assert answers[problem][2] is False


def test_the_message_names_what_is_allowed(answers: dict[str, tuple[int, str, bool]]) -> None:
    assert "expected auto, fp32, bf16, int8, found 'fp8'" in " ".join(answers["no such precision"][1].split())


def test_error_of_the_program_is_one_message_on_stderr(tmp_path: Path) -> None:
    done = run("show", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {tmp_path}: not a soft-label store: it has no manifest.json\n"


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ner_distill.pipelines import show

    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(show, "show", broken)
    with pytest.raises(ZeroDivisionError):
        run("show", tmp_path)


def test_init_config_prints_or_writes_the_same(tmp_path: Path) -> None:
    printed = ok("init-config", "teacher").out
    ok("init-config", "teacher", "--out", tmp_path / "t.toml")
    assert (tmp_path / "t.toml").read_text("utf-8") == printed
    assert run("init-config", "teacher", "--out", tmp_path / "t.toml").code == 2


def test_show_prints_sentences_of_the_store(world: World) -> None:
    out = ok("show", world.soft, "--limit", "2", "--type", "PER").out
    assert out.count("[PER ") >= 2
    assert "80 in 4 shards" in out


# ---- a process of its own: what a shell sees


class Reader(NamedTuple):
    """What a program gave to a reader that went away after its first line."""

    first: str
    err: str
    code: int


@pytest.fixture(scope="module")
def reader(world: World) -> Reader:
    """A prediction of many lines, in a locale that has only ASCII."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ner_distill.cli", "predict", "--model", world.teacher],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write("Peter 😀 lives in Málaga .\n".encode() * 16)
    process.stdin.flush()
    first = process.stdout.readline().decode("utf-8")
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"It rains in Oslo today .\n" * 5000)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    return Reader(first, process.stderr.read().decode("utf-8"), process.wait(timeout=60))


def test_answers_come_before_the_input_ends_and_in_utf_8(reader: Reader) -> None:
    assert "😀" in reader.first
    assert "Málaga" in reader.first


def test_reader_that_goes_away_ends_the_program_in_silence(reader: Reader) -> None:
    assert reader.err == ""
    assert reader.code == 1


def test_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ner_distill.pipelines.labelling import label_unlabeled

    def interrupted(*args: object, **options: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(label_unlabeled, "label_unlabeled", interrupted)
    # what a shell starts in the background ignores the signal from the start
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = run("label-unlabeled", "--teacher", "t", "--text", "x", "--out", tmp_path / "o")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.code, done.out) == (130, "")
    assert done.err == "interrupted; what is finished is kept: go on with the same command and --resume\n"


def test_threads_do_not_spin_unless_the_user_wants_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    ok("--version")
    assert os.environ.pop("OMP_WAIT_POLICY") == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    ok("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
