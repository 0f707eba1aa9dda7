from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ner_distill.console import Progress, Reporter

ROOT = Path(__file__).resolve().parent.parent


class Clock:
    """A clock that the test moves by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_messages_go_to_stderr_and_leave_stdout_to_results(capsys):
    reporter = Reporter()
    reporter.info("reading [train.conll]")
    reporter.warn("3 rows repaired")
    with reporter.progress("labelling", 10) as progress:
        progress.advance(10)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("reading [train.conll]\nwarning: 3 rows repaired\nlabelling: 10 / 10 words")


def test_a_quiet_reporter_says_nothing_and_logs_nothing(capsys, tmp_path):
    reporter = Reporter(quiet=True)
    reporter.log_to(tmp_path / "log.txt")
    reporter.info("a")
    reporter.warn("b")
    with reporter.progress("labelling", 10) as progress:
        progress.advance(10)
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "log.txt").exists()


def test_progress_line_says_amount_rate_time_left_and_fields(stream, clock):
    with Reporter(stream=stream, clock=clock).progress("labelling", 400_000) as progress:
        clock.now += 100 / 7
        progress.advance(120_000, loss=0.123456, epoch=2)
    first = stream.getvalue().splitlines()[0]
    assert first == "labelling: 120,000 / 400,000 words (30 %), 8,400 words/s, 0:33 left, loss 0.1235, epoch 2"


def test_plain_progress_prints_at_most_a_line_in_ten_seconds_and_a_last_one(stream, clock):
    with Reporter(stream=stream, clock=clock).progress("labelling", 60, "sentences") as progress:
        for _ in range(60):
            clock.now += 0.5
            progress.advance()
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "labelling: 20 / 60 sentences (33 %)",
        "labelling: 40 / 60 sentences (66 %)",
        "labelling: 60 / 60 sentences (100 %)",
        "labelling: 60 / 60 sentences (100 %)",
    ]
    assert lines[-1] == "labelling: 60 / 60 sentences (100 %), 2 sentences/s, took 0:30"


def test_progress_of_unknown_length_says_neither_percent_nor_time_left(stream, clock):
    with Reporter(stream=stream, clock=clock).progress("reading") as progress:
        clock.now += 3700
        progress.advance(7400)
    assert stream.getvalue().splitlines() == [
        "reading: 7,400 words, 2 words/s",
        "reading: 7,400 words, 2 words/s, took 1:01:40",
    ]


def test_what_an_earlier_run_did_is_no_part_of_the_rate(stream, clock):
    with Reporter(stream=stream, clock=clock).progress("labelling", 1000, done=900) as progress:
        clock.now += 10
        progress.advance(20)
    assert stream.getvalue().splitlines()[0] == "labelling: 920 / 1,000 words (92 %), 2 words/s, 0:40 left"


def test_an_interrupted_progress_says_where_it_stopped_and_lets_the_error_pass(stream, clock):
    def fill_the_disk():
        with Reporter(stream=stream, clock=clock).progress("labelling", 100) as progress:
            clock.now += 5
            progress.advance(25)
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fill_the_disk()
    assert stream.getvalue() == "labelling: 25 / 100 words (25 %), 5 words/s, stopped after 0:05\n"


def test_log_has_what_was_said_before_it_and_is_appended_to_with_times_across_reporters(stream, tmp_path):
    log = tmp_path / "log.txt"
    first, second = Reporter(stream=stream), Reporter(stream=stream)
    first.info("first: López")
    first.log_to(log)
    second.log_to(log)
    second.warn("second")
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(f"{stamp} first: López\n{stamp} warning: second\n", log.read_text(encoding="utf-8"))


def test_a_progress_that_is_told_after_has_a_last_line_only_where_it_stops(stream, clock, tmp_path):
    reporter = Reporter(stream=stream, clock=clock)
    reporter.log_to(tmp_path / "log.txt")
    with reporter.progress("epoch 1/2", 2, "steps", told_after=True) as progress:
        progress.advance(2)
    reporter.info("epoch 1/2: F1 80.00")
    with pytest.raises(RuntimeError), reporter.progress("epoch 2/2", 2, "steps", told_after=True):
        raise RuntimeError
    assert [line[20:] for line in (tmp_path / "log.txt").read_text().splitlines()] == [
        "epoch 1/2: F1 80.00",
        "epoch 2/2: 0 / 2 steps (0 %), stopped after 0:00",
    ]


def test_a_terse_program_shows_only_warnings_and_logs_all(stream, clock, tmp_path, monkeypatch):
    monkeypatch.setattr(Reporter, "terse", True)
    reporter = Reporter(stream=stream, clock=clock)
    reporter.log_to(tmp_path / "log.txt")
    reporter.info("a")
    reporter.warn("b")
    with reporter.progress("labelling", 10) as progress:
        clock.now += 60
        progress.advance(10)
    assert stream.getvalue() == "warning: b\n"
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 3


def test_a_state_leaves_out_whole_figures_where_there_is_no_room(clock):
    progress = Progress("labelling", 400_000, "words", 0, clock)
    clock.now += 100 / 7
    progress.advance(120_000, loss=0.123456)
    assert progress.state(60) == "120,000 / 400,000 words (30 %), 8,400 words/s, 0:33 left"
    assert progress.state(50) == "120,000 / 400,000 words (30 %), 8,400 words/s"
    assert progress.state(5) == "120,000 / 400,000 words (30 %)"


def test_log_holds_only_the_end_of_a_progress(stream, clock, tmp_path):
    reporter = Reporter(stream=stream, clock=clock)
    reporter.log_to(tmp_path / "log.txt")
    with reporter.progress("labelling", 2) as progress:
        for _ in range(2):
            clock.now += 30
            progress.advance()
    assert len(stream.getvalue().splitlines()) == 3
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert line.endswith("took 1:00")


def test_a_log_goes_on_in_another_file_and_its_directory_may_be_moved(stream, tmp_path):
    reporter = Reporter(stream=stream)
    (tmp_path / "a").mkdir()
    reporter.log_to(tmp_path / "a" / "log.txt")
    reporter.info("first")
    (tmp_path / "a").rename(tmp_path / "b")
    reporter.log_to(tmp_path / "log.txt")
    reporter.info("second")
    assert (tmp_path / "b" / "log.txt").read_text().endswith("first\n")
    assert (tmp_path / "log.txt").read_text().endswith("second\n")


ON_TERMINAL = """
from ner_distill.console import Reporter
reporter = Reporter()
with reporter.progress("labelling", 100) as progress:
    for step in range(5):
        progress.advance(20, loss=0.5)
        print("result", step)
    reporter.warn("look [here] :smile:")
"""


def run_on_terminal(**environment: str) -> tuple[str, str]:
    """(stdout, what the terminal got) of a script whose stderr is a terminal of 100 columns and stdout a pipe."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    env |= {"TERM": "xterm-256color", "COLUMNS": "100", **environment}
    done = subprocess.run(
        [sys.executable, "-c", ON_TERMINAL], stdout=subprocess.PIPE, stderr=theirs, env=env, cwd=ROOT, timeout=60
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert done.returncode == 0, shown.decode()
    return done.stdout.decode(), shown.decode()


def test_results_reach_the_pipe_while_a_bar_is_drawn_on_the_terminal():
    out, shown = run_on_terminal()
    assert out == "".join(f"result {step}\n" for step in range(5))
    assert "━" in shown
    assert "100 / 100 words (100 %)" in shown
    assert "loss 0.5" in shown


def test_messages_on_a_terminal_are_text_and_not_markup():
    assert "warning: look [here] :smile:" in run_on_terminal()[1]


def test_lines_on_a_terminal_end_between_words():
    shown = run_on_terminal(COLUMNS="20")[1].replace("\r", "")
    assert "warning: look [here]\n:smile:" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_warnings_on_a_terminal_are_coloured():
    assert "\x1b[33m" in run_on_terminal()[1]


def test_no_color_is_honoured_on_a_terminal():
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", run_on_terminal(NO_COLOR="1")[1])


def test_a_dumb_terminal_gets_plain_lines():
    shown = run_on_terminal(TERM="dumb")[1]
    assert "\x1b" not in shown
    assert "labelling: 100 / 100 words (100 %)" in shown


def test_importing_the_console_imports_no_rich():
    code = "import sys, ner_distill.console; print([name for name in sys.modules if name.startswith('rich')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
