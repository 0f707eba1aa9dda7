"""Kills commands at random moments and goes on with them: `python -m benchmarks.kills [JOB ...] [--kills 200]`.

JOB: training, labelling, voting, comparing (default: all). Each is first run to the end; then it is begun and killed
(SIGKILL) again and again, each time gone on with as its messages tell a user to. Whenever it ends, what it wrote must
be what the undisturbed run wrote: weights, rows, votes, figures (times aside), nothing missing or half written.
Exit status 1 where it is not.

Commands run in forks of this process, which has the libraries loaded, and processes that they start are forks of a
server that has them too, so that a kill seldom falls into the loading.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import NoReturn

import torch

from benchmarks import common
from ner_distill import cli
from ner_distill.executing import local
from tests.witness.hashing import hashes_below

JOBS = ("training", "labelling", "voting", "comparing")
SMALL = ("encoder.hidden=32", "encoder.heads=2", "encoder.word_dim=16", "encoder.char_filters=8")


@dataclass
class Job:
    """A command, without what says where it writes and that it goes on; `counts` is how its runs ended."""

    name: str
    command: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)

    def attempt(self, out: Path, seconds: float) -> int | None:
        """Go on, or begin where there is nothing to go on with, as the messages say, and kill it after the seconds."""
        command = [*self.command, "--out", str(out)]
        for options in (["--resume"], []):
            status = run([*command, *options], log_of(out), seconds=seconds)
            if status != 2:
                return status
        self.counts["NEITHER RESUMED NOR BEGUN"] += 1
        return 2


def run(command: Sequence[str], log: Path, *, seconds: float | None = None) -> int | None:
    """Run a command in a fork; after so many seconds kill it. Returns its exit status, None where it was killed."""
    sys.stdout.flush()
    number = os.fork() or _command(command, log)
    began = time.monotonic()
    while seconds is None or time.monotonic() - began < seconds:
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(number, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    return None if status == -signal.SIGKILL else status


def _command(command: Sequence[str], log: Path) -> NoReturn:
    """Be the command, in the fork."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["ner-distill", *command]
    forkserver._forkserver.ensure_running = lambda: None  # it runs, but is no child of this process
    status = 1
    try:
        cli.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(status)


def log_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")


def prepared(out: Path, *command: str) -> None:
    """Run what has to be there before the killing begins."""
    if status := run(command, log_of(out)):
        raise SystemExit(f"{' '.join(command)}: exit status {status}: {_said(out)}")


def campaign(job: Job, place: Path, kills: int, rng: random.Random) -> bool:
    """Kill the job so often. Prints and returns whether every end was that of the undisturbed run."""
    killed = place / job.name  # for both: what they write names it
    began = time.monotonic()
    prepared(killed, *job.command, "--out", str(killed))
    total, expected = time.monotonic() - began, hashes_below(killed)
    shutil.rmtree(killed)
    print(f"{job.name}: {total:.1f} s undisturbed, {len(expected)} parts to compare", flush=True)
    while job.counts["killed"] < kills:
        status = job.attempt(killed, rng.uniform(0, 0.8 * total))
        if status is None:
            job.counts["killed"] += 1
            continue
        if status == 0 and not _left(killed) and hashes_below(killed) == expected:
            job.counts["ended the same"] += 1
        else:
            job.counts["ENDED OTHERWISE"] += 1
            found = hashes_below(killed) if killed.is_dir() else {}
            other = sorted(name for name in {**expected, **found} if expected.get(name) != found.get(name))
            print(f"  status {status}; differ: {other[:8]}; left: {_left(killed)}; {_said(killed)}", flush=True)
        shutil.rmtree(killed, ignore_errors=True)
    print(f"{job.name}: {', '.join(f'{count} {what}' for what, count in job.counts.items())}", flush=True)
    return not job.counts["ENDED OTHERWISE"] and not job.counts["NEITHER RESUMED NOR BEGUN"]


def _left(directory: Path) -> list[str]:
    """Files that were never finished."""
    return [path.name for path in directory.rglob("*.tmp")] if directory.is_dir() else []


def _said(out: Path) -> str:
    lines = log_of(out).read_text("utf-8", "replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")[:300]


def jobs_in(place: Path, wanted: Sequence[str]) -> list[Job]:
    """The jobs on a small generated sample, and a teacher for the labelling."""
    sample = place / "sample"
    prepared(sample, "sample", str(sample))
    train, dev = place / "train.conll", sample / "en" / "dev.conll"
    sentences = (sample / "en" / "train.conll").read_text("utf-8").split("\n\n")
    train.write_text("\n\n".join(sentences[:200]) + "\n\n", "utf-8")
    text = place / "text.txt"
    text.write_text("\n".join(common.generated_lines(1500)) + "\n", "utf-8")
    files = ["--train", str(train), "--dev", str(dev)]
    small = [part for setting in SMALL for part in ("--set", setting)]
    epochs = ["--set", "optim.epochs=3", "--set", "optim.checkpoint_minutes=0.002"]
    teacher = place / "teacher"
    if "labelling" in wanted:
        prepared(teacher, "train-teacher", *files, *small, "--set", "optim.epochs=1", "--out", str(teacher))
    label = ["label-unlabeled", "--teacher", str(teacher), "--text", str(text), "--shard-size", "100"]
    variants = ["--variant", "plain:", "--variant", "fgm:adversarial.kind=fgm"]
    made = [
        Job("training", ["train-teacher", *files, *small, *epochs, "--set", "adversarial.kind=fgm"]),
        Job("labelling", label),
        Job("voting", ["vote-labels", *files[:2], *small, *epochs, "--folds", "2"]),
        Job("comparing", ["compare", *files, *small, *epochs, *variants, "--seeds", "1"]),
    ]
    return [job for job in made if job.name in wanted]


def serve_forks() -> None:
    """Let the processes of commands be forked from one server, instead of each loading the libraries."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["ner_distill.pipelines.train_teacher", "ner_distill.pipelines.comparison.compare"])
    forkserver.ensure_running()
    local.get_context = lambda method: context


def main() -> None:
    """A line for each job when it begins, for each fault, and when it ends."""
    parser = common.arguments(__doc__)
    parser.add_argument("job", nargs="*", choices=[*JOBS, []], default=[], help=", ".join(JOBS))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    torch.set_num_threads(1)  # a fork of a process with threads has none of them
    os.environ["OMP_NUM_THREADS"] = "1"
    serve_forks()
    rng, good = random.Random(given.seed), True
    with tempfile.TemporaryDirectory() as name:
        for job in jobs_in(Path(name), given.job or JOBS):
            good &= campaign(job, Path(name), given.kills, rng)
    sys.exit(not good)


if __name__ == "__main__":
    main()
