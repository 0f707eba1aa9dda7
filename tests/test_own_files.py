"""What a command reads, and what a person wrote, it never replaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ner_distill.console import Reporter
from ner_distill.files import write_output
from ner_distill.runs.info import STUDENT_RUN, TEACHER_RUN
from tests import corpora
from tests.commands import ok, run, settings, snapshot
from tests.world import World

SHORT = settings(*corpora.PLAIN, "optim.epochs=1", "similarity.weight=0")


def refused(*arguments: str | Path) -> str:
    """What a command says that must be refused in one line."""
    done = run(*arguments)
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert (done.code, len(lines)) == (2, 1), done.err
    return lines[0]


# ---- a directory that is replaced


def test_a_store_that_is_read_is_not_replaced_by_its_own_labels(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.soft, tmp_path / "soft")
    before = snapshot(tmp_path / "soft")
    label = ("label-unlabeled", "--teacher", world.teacher, "--out", tmp_path / "soft", "--overwrite", "--text")
    for text in (tmp_path / "soft" / "part-00000.parquet", tmp_path / "soft" / "part-*.parquet"):
        assert "part-00000.parquet: is read, and --overwrite would remove it" in refused(*label, text)
    assert snapshot(tmp_path / "soft") == before


@pytest.fixture(scope="module")
def voted(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voting, and a teacher of a voting beside it."""
    root = tmp_path_factory.mktemp("voted")
    ok("vote-labels", "--train", world.train, "--out", root / "voting", "--folds", "2", *SHORT)
    ok("train-teacher", "--train", world.train, "--out", root / "run", "--folds", "2", *SHORT)
    return root


def test_labels_are_not_removed_to_be_voted_on(voted: Path) -> None:
    before = snapshot(voted)
    for command, out, read in (("vote-labels", "voting", "voting"), ("train-teacher", "run", "run/voting")):
        train = voted / read / "cleaned.jsonl"
        error = refused(command, "--train", train, "--out", voted / out, "--folds", "2", "--overwrite", *SHORT)
        assert "cleaned.jsonl: is read (--train), and --overwrite would remove it" in error
    assert snapshot(voted) == before


def test_cleaned_labels_that_a_person_edited_stay(world: World, voted: Path, tmp_path: Path) -> None:
    shutil.copytree(voted / "voting", tmp_path / "voting")
    vote = ("vote-labels", "--train", world.train, "--out", tmp_path / "voting", "--folds", "2", *SHORT)
    ok(*vote, "--resume", "--action", "drop")  # what nobody edited is written anew
    ok(*vote, "--resume")
    cleaned = tmp_path / "voting" / "cleaned.jsonl"
    edited = cleaned.read_text("utf-8") + cleaned.read_text("utf-8").splitlines()[0] + "\n"
    cleaned.write_text(edited, "utf-8")
    assert "cleaned.jsonl: was edited since it was written" in refused(*vote, "--resume")
    assert "cleaned.jsonl: was edited" in refused(*vote, "--overwrite")
    assert cleaned.read_text("utf-8") == edited
    (tmp_path / "voting" / "summary.json").unlink()  # a kill while the results were written: nobody edited them
    ok(*vote, "--resume")


def test_a_run_is_not_replaced_with_the_labels_in_it_that_a_person_edited(
    world: World, voted: Path, tmp_path: Path
) -> None:
    shutil.copytree(voted / "run", tmp_path / "run")
    cleaned = tmp_path / "run" / "voting" / "cleaned.jsonl"
    cleaned.write_text(cleaned.read_text("utf-8") + "\n", "utf-8")
    before = snapshot(tmp_path / "run")
    for folds in ((), ("--folds", "2")):
        train = ("train-teacher", "--train", world.train, "--out", tmp_path / "run", *folds, *SHORT)
        assert "was edited" in refused(*train, "--overwrite")
    assert snapshot(tmp_path / "run") == before


# ---- a file that is named


def test_a_run_is_not_replaced_with_what_a_person_put_beside_it(world: World, voted: Path, tmp_path: Path) -> None:
    shutil.copytree(voted / "run", tmp_path / "run")
    train = ("train-teacher", "--train", world.train, "--out", tmp_path / "run", "--overwrite", *SHORT)
    ok("evaluate", "--model", tmp_path / "run", "--data", world.dev, "--json", tmp_path / "run" / "scores.json")
    assert "holds scores.json that train-teacher did not make; --overwrite does not remove that" in refused(*train)
    (tmp_path / "run" / "scores.json").unlink()
    ok(*train)
    TEACHER_RUN.check(world.teacher, overwrite=True)
    STUDENT_RUN.check(world.student, overwrite=True)


def test_scores_replace_scores_and_nothing_else(world: World, tmp_path: Path) -> None:
    gold, scores = tmp_path / "gold.conll", tmp_path / "scores.json"
    shutil.copyfile(world.dev, gold)
    shutil.copytree(world.student, tmp_path / "run")
    evaluate = ("evaluate", "--model", tmp_path / "run", "--data", gold)
    own = [tmp_path / "run" / name for name in ("config.toml", "metrics.json", "report.html")]
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    before = snapshot(tmp_path)
    for option, path in (("--json", gold), ("--html", gold), ("--json", own[0]), ("--json", own[1]),
                         ("--html", own[2]), ("--json", deep)):  # fmt: skip
        assert "exists, and is nothing that evaluate wrote; choose another name" in refused(*evaluate, option, path)
    assert snapshot(tmp_path) == before
    for _ in range(2):
        ok(*evaluate, "--json", scores, "--html", tmp_path / "page.html")
    (tmp_path / "link.json").symlink_to(scores)
    scores.write_text("")
    ok(*evaluate, "--json", tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert "micro" in json.loads(scores.read_text("utf-8"))


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        write_output(pipe, "scores\n")
        assert reader.communicate(timeout=20)[0] == "scores\n"
    assert pipe.is_fifo()


def test_a_stream_of_the_process_is_written_to_where_it_stands(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ner_distill.files import write_output; print('first'); "
        "write_output(Path('/dev/stdout'), 'scores\\n'); print('last')"
    )
    with (tmp_path / "out.txt").open("w") as out:
        subprocess.run([sys.executable, "-c", script], stdout=out, check=True)
    assert (tmp_path / "out.txt").read_text() == "first\nscores\nlast\n"


def test_decisions_and_votes_are_not_replaced_by_what_is_made_of_them(voted: Path, tmp_path: Path) -> None:
    shutil.copytree(voted / "voting", tmp_path / "voting")
    votes, cleaned = (tmp_path / "voting" / name for name in ("votes.jsonl", "cleaned.jsonl"))
    for out in (votes, cleaned):
        review = ("review", tmp_path / "voting", "--out", out, "--overwrite", "--min-suspicion", "0")
        assert "is read for what is to be written; choose another name" in refused(*review)
    for _ in range(2):  # a page of whatever name may be replaced
        ok("review", tmp_path / "voting", "--out", votes.with_name("page.htm"), "--overwrite", "--min-suspicion", "0")
    decisions = tmp_path / "decisions.jsonl"
    decisions.write_text("{}\n")
    for out in (decisions, cleaned):
        apply = ("apply-review", decisions, "--data", cleaned, "--out", out, "--overwrite")
        assert "is read for what is to be written" in refused(*apply)


# ---- names and labels that are odd


def test_names_of_files_need_not_be_utf_8(world: World, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/na\xefve"))
    odd.mkdir()
    shutil.copyfile(world.raw, odd / "raw.txt")
    shutil.copyfile(world.train, odd / "train.conll")
    label = ("label-unlabeled", "--teacher", world.teacher, "--text", odd / "raw.txt", "--out", tmp_path / "soft")
    ok(*label)
    ok(*label, "--resume")
    train = ("train-teacher", "--train", odd / "train.conll", "--out", tmp_path / "run", *SHORT)
    ok(*train)
    ok(*train, "--resume")


def test_a_label_that_is_no_text_is_refused_wherever_labels_are_read(world: World, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    for label in ("\ud800", "a\x1b[31m"):
        entity = {"start_word": 0, "end_word": 1, "label": label}
        data.write_text(json.dumps({"words": ["Ana", "."], "entities": [entity]}) + "\n")
        error = refused("evaluate", "--model", world.student, "--data", data)
        assert "expected entity types without control characters" in error


def test_no_message_moves_the_cursor(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    reporter = Reporter()
    reporter.log_to(tmp_path / "log.txt")
    reporter.warn("odd \x1b[31m and \ud800")
    assert capsys.readouterr().err == "warning: odd \ufffd[31m and \ufffd\n"
    assert "\x1b" not in (tmp_path / "log.txt").read_text("utf-8")


# ---- standard input and output


def predicted(world: World, behind: str) -> subprocess.CompletedProcess[str]:
    """`predict` in a shell, with this behind it."""
    command = f"{sys.executable} -m ner_distill.cli predict --model {world.student} {behind}"
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_behind_standard_output_is_one_line(world: World) -> None:
    done = predicted(world, "Ana > /dev/full")
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 0), done.stderr
    assert "error: standard output, or a temporary file: cannot be written, the disk is full" in done.stderr


def test_standard_input_that_is_closed_is_told_of(world: World) -> None:
    done = predicted(world, "--text - <&-")
    assert (done.returncode, done.stderr.count("Traceback")) == (2, 0), done.stderr
    assert "stdin: is closed" in done.stderr
