"""Doing the jobs of a comparison, one after the other or several at once, and what has to be so before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError, NerDistillError, RunError
from ner_distill.files import read_json, remove_temporary_files
from ner_distill.holding import hold
from ner_distill.options import Files, ReadOptions
from ner_distill.pipelines.comparison.configurations import problems_of
from ner_distill.pipelines.comparison.figures import Run
from ner_distill.pipelines.comparison.job import Job, Runner, TrainingJob
from ner_distill.runs.heads import finds_spans
from ner_distill.runs.info import RunInfo, read_info
from ner_distill.runs.knowledge import inputs_of, require_named
from ner_distill.runs.record import (
    Inputs,
    fingerprints,
    require_same_config,
    require_same_files,
    require_same_inputs,
    require_same_values,
)

# ---- before anything runs


def require_files(files: Mapping[str, Files]) -> None:
    """Raise ConfigError where one of these is standard input."""
    if "-" in (str(path) for paths in files.values() for path in paths):
        raise ConfigError("standard input is read once, and every run reads these files: give files")


def read_data(jobs: Sequence[TrainingJob], test: Files, reading: ReadOptions) -> RunInfo:
    """Read the files as the runs will, for jobs that have theirs in common. Returns what such a run is.

    Warnings are left to the runs, which read again. Raises NerDistillError where a file is wrong.
    """
    quiet = Reporter(quiet=True)
    for one in jobs:
        if not one.finished:
            require_named(one.config)
    # a head that finds no nested entities, if there is one: then `flatten` has to say what becomes of them
    job = min(jobs, key=lambda job: finds_spans(job.config.head))
    info = job.read(quiet)
    if test:
        read_labelled(test, "`test`", reading, quiet, known=info.cutting, keep_nested=True)
    return info


def begun_with(
    kind: OutputKind,
    out: Path,
    inputs: Inputs,
    reading: ReadOptions,
    *,
    resume: bool,
    names: Sequence[str],
    seeds: Sequence[int],
) -> Inputs:
    """Make the directory of a comparison, or check it, and hold it.

    names, seeds: what is compared, and over which seeds.
    Returns the hashes of all files that it is about.

    Raises NerDistillError where there is something that is not gone on with, where something else was compared, and
    where configurations, seeds or test files are left out of which there are figures: these would be forgotten.
    """
    kind.check(out, resume=resume)
    if not resume:
        make_directory(out)
        hold(out, kind.noun)
        return inputs
    hold(out, kind.noun)
    path = out / kind.record[0]
    before = read_json(path, f"the {kind.noun} is damaged")
    try:
        known, read_as = dict(before["inputs"]), dict(before["reading"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path}: expected the data files and how they are read; the {kind.noun} is damaged") from None
    measured = [run for run in before.get("runs", ()) if run.get("figures")]
    less = [f"configuration {name}" for name in dict.fromkeys(run["name"] for run in measured) if name not in names]
    less += [f"seed {seed}" for seed in dict.fromkeys(run["seed"] for run in measured) if seed not in seeds]
    if less := less + ["the files of `test`"] * ("test" in known and "test" not in inputs):
        raise ConfigError(
            f"`resume`: {path} is about {', '.join(less)} as well, whose figures would be forgotten: give "
            "these again, or another `out`"
        )
    same = [role for role in {**known, **inputs} if role != "test" or (role in known and role in inputs)]
    old, new = ({role: files[role] for role in same if role in files} for files in (known, inputs))
    require_same_files(path, old, new)  # there may be test files now
    require_same_values(read_as, reading.recorded(), kind.noun)
    remove_temporary_files(out)
    return {**known, **inputs}


def check_begun(jobs: Sequence[TrainingJob]) -> None:
    """Raise ConfigError where a run to reuse or to go on with was begun with something else."""
    problems: list[str] = []
    hashed: dict[Any, Inputs] = {}  # the same files, and those of one configuration, belong to many runs
    for job in jobs:
        if not job.begun:
            continue
        try:
            job_kind = read_info(job.run).kind
            if job.kind.command != f"train-{job_kind}":
                raise RunError(f"is the run of a {job_kind}; train-{job_kind} can go on with it")
            require_same_config(job.run, job.settled())
            require_same_inputs(job.run, _inputs(job, hashed))
        except NerDistillError as error:
            problems += [f"{job.run}: {problem}" for problem in problems_of(error)]
    if problems:
        raise ConfigError.of(problems)


def _inputs(job: TrainingJob, hashed: dict[Any, Inputs]) -> Inputs:
    """What the run of a job records of its files. hashed: what was hashed before."""
    inputs: dict[str, Any] = {}
    for role, paths in job.options.files().items():
        key = tuple(map(str, paths))
        if key not in hashed:
            hashed[key] = {"": fingerprints(paths)}
        inputs[role] = hashed[key][""]
    if job.name not in hashed:
        hashed[job.name] = inputs_of(job.config)
    return {**inputs, **hashed[job.name]}


# ---- while they run


def do_jobs(
    jobs: Sequence[Job],
    runner: Runner,
    write: Callable[[Sequence[Run]], object],
    reporter: Reporter,
    *,
    at_once: int = 1,
) -> list[Run]:
    """Do what is not finished. write: is given what came of all jobs so far, after each.

    A job that fails is warned of, and the others go on; what needs it is left out.
    Returns what came of all.
    """
    done = [run for job in jobs if job.finished and (run := job.outcome())]
    titles = {id(job): f"run {number}/{len(jobs)}: {job.title}" for number, job in enumerate(jobs, start=1)}
    left = [job for job in jobs if not job.finished]
    if len(left) < len(jobs):
        reporter.info(f"{len(jobs) - len(left)} of {len(jobs)} runs are finished already")

    def begins(job: Job) -> None:
        reporter.info(titles[id(job)] + _time_left([other.name for other in left], done, at_once))

    def ended(job: Job, error: str | None) -> None:
        left.remove(job)
        title, run = titles[id(job)], job.outcome(error)
        if run is not None:
            done.append(run)
        if run is not None and run.figures is not None:
            reporter.info(f"{title}: dev F1 {100 * run.figures.dev:.2f}, {run.figures.seconds:.0f} s")
        elif run is not None:
            reporter.warn(f"{title} failed: {run.error}")
        write(done)

    with closing(runner(list(left), begins, at_once, reporter.quiet)) as ends:
        for job, error in ends:
            ended(job, error)
    for job in list(left):
        ended(job, "left out: what it needs was not made")
    write(done)
    return done


def _time_left(left: Sequence[str], done: Sequence[Run], at_once: int) -> str:
    """For runs of these names: each as long as its configuration's others took, or as a run took on average."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for run in done:
        if run.figures is not None:
            seconds[run.name].append(run.figures.seconds)
    if not seconds:
        return ""
    usual = fmean(fmean(values) for values in seconds.values())
    total = sum(fmean(seconds[name]) if name in seconds else usual for name in left)
    return f"; all of them take about {timedelta(seconds=round(total / at_once))} more"
