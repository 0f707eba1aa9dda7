"""`compare`: several configurations of a teacher over several seeds, each training in a process of its own.

OUT/comparison.json        the files it is about, with hashes; figures of every run, means over seeds
OUT/NAME/config.toml       a configuration as it was when the comparison began
OUT/NAME/seed-13/          a run directory as of train-teacher, with measured.json: memory, scores on the test files
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from statistics import fmean
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError, NerDistillError, RunError
from ner_distill.files import read_json, remove_temporary_files, write_json
from ner_distill.options.training import CompareOptions
from ner_distill.pipelines.comparison.configurations import problems_of
from ner_distill.pipelines.comparison.figures import FILE, FORMAT, Comparison, Run
from ner_distill.pipelines.comparison.job import Job, Runner, run_in_process
from ner_distill.runs.heads import finds_spans, with_bound_of
from ner_distill.runs.info import RunInfo, write_config
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import RunRecord, fingerprints, require_same_files, require_same_values
from ner_distill.training.reading import read_development, read_training
from ner_distill.training.workers import require_one_process

COMPARISON = OutputKind("compare", "comparison", (FILE,), can_overwrite=False)
FIRST_SEED = 13


def compare(
    configs: Mapping[str, TeacherConfig],
    options: CompareOptions,
    reporter: Reporter | None = None,
    *,
    runner: Runner = run_in_process,
) -> Comparison:
    """Train each configuration with each seed, one run after the other, and say what they came to.

    configs: name → configuration; the first is what all are compared with. The seeds are 13, 14, ...

    With `resume` finished runs are reused, stopped ones continued, failed ones tried again. There may be more
    configurations and seeds than before, and test files if there were none.
    Returns: the comparison, also written to `out`. A run that failed has a message there, and the others went on.
    Raises NerDistillError for wrong input, before anything is trained.
    """
    reporter, out = reporter or Reporter(), options.out
    require_one_process("compare starts the processes of its runs itself; start it without torchrun")
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + options.seeds))
    info, inputs = _read_data(options, list(configs.values()))
    inputs = _check_out(options, inputs)
    jobs = [
        Job(name, config.model_copy(update={"seed": seed}), options)
        for seed in seeds
        for name, config in configs.items()
    ]
    _check_begun(jobs, info, inputs)

    record = {"format": FORMAT, "inputs": inputs, "reading": options.reading().recorded()}

    def write(done: Sequence[Run]) -> Comparison:
        comparison = Comparison(tuple(configs), seeds, tuple(done))
        write_json(out / FILE, record | comparison.to_json())
        return comparison

    make_directory(out)
    write([_outcome(job) for job in jobs if job.finished])  # first: by this file resuming knows the directory
    for name, config in configs.items():
        make_directory(out / name)
        write_config(out / name, config)
    return _do(jobs, runner, write, reporter)


def _do(
    jobs: Sequence[Job], runner: Runner, write: Callable[[Sequence[Run]], Comparison], reporter: Reporter
) -> Comparison:
    done = [_outcome(job) for job in jobs if job.finished]
    left = [(number, job) for number, job in enumerate(jobs, start=1) if not job.finished]
    if done:
        reporter.info(f"{len(done)} of {len(jobs)} runs are finished already")
    for place, (number, job) in enumerate(left):
        title = f"run {number}/{len(jobs)}: {job.name}, seed {job.seed}"
        reporter.info(title + _time_left([other.name for _, other in left[place:]], done))
        done.append(run := _outcome(job, runner(job, reporter.quiet)))
        if run.figures is None:
            reporter.warn(f"{title} failed: {run.error}")
        else:
            reporter.info(f"{title}: dev F1 {100 * run.figures.dev:.2f}, {run.figures.seconds:.0f} s")
        write(done)
    return write(done)


# ---- before anything runs


def _read_data(options: CompareOptions, configs: Sequence[TeacherConfig]) -> tuple[RunInfo, dict[str, Any]]:
    """Returns what all runs will be, and the hashes of the files.

    Raises NerDistillError where a file is wrong, before any run does. Warnings are left to the runs, which read again.
    """
    if not options.dev:
        raise ConfigError("`dev`: what is compared are scores on development sentences; give labelled ones")
    files = {"train": options.train, "dev": options.dev} | ({"test": options.test} if options.test else {})
    if "-" in (str(path) for paths in files.values() for path in paths):
        raise ConfigError("standard input is read once, and every run reads these files: give files")
    quiet, reading = Reporter(quiet=True), options.reading()
    # a head that finds no nested entities, if there is one: then `flatten` has to say what becomes of them
    head = min((config.head for config in configs), key=finds_spans)
    text = read_training(options.train, "`train`", head, reading, quiet)
    read_development(options.dev, text.cutting, text.labels, reading, quiet)
    if options.test:
        read_labelled(options.test, "`test`", reading, quiet, known=text.cutting, keep_nested=True)
    info = RunInfo.of("teacher", text.cutting, text.labels)
    return info, {role: fingerprints(paths) for role, paths in files.items()}


def _check_out(options: CompareOptions, inputs: dict[str, Any]) -> dict[str, Any]:
    """Returns the hashes of all files that the directory is about, those of earlier test files included."""
    COMPARISON.check(options.out, resume=options.resume)
    if not options.resume:
        return inputs
    path = options.out / FILE
    before = read_json(path, "the comparison is damaged")
    try:
        known, reading = dict(before["inputs"]), dict(before["reading"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path}: expected the data files and how they are read; the comparison is damaged") from None
    both = known.keys() & inputs.keys()  # there may be test files now, or none
    require_same_files(path, {role: known[role] for role in both}, {role: inputs[role] for role in both})
    require_same_values(reading, options.reading().recorded(), COMPARISON.noun)
    remove_temporary_files(options.out)
    return {**known, **inputs}


def _check_begun(jobs: Sequence[Job], info: RunInfo, inputs: dict[str, Any]) -> None:
    """Raise ConfigError where a run to reuse or to go on with was begun with something else."""
    problems: list[str] = []
    named: dict[str, dict[str, Any]] = {}  # in a configuration: hashed once for all seeds
    for job in jobs:
        if not job.begun:
            continue
        try:
            if job.name not in named:
                named[job.name] = inputs_of(job.config)
            expected = {"train": inputs["train"], "dev": inputs["dev"], **named[job.name]}
            RunRecord(with_bound_of(job.config, job.run), info, expected).require_same(job.run)
        except NerDistillError as error:
            problems += [f"{job.run}: {problem}" for problem in problems_of(error)]
    if problems:
        raise ConfigError.of(problems)


# ---- while it runs


def _outcome(job: Job, error: str | None = None) -> Run:
    try:
        return Run(job.name, job.seed, error=error) if error else Run(job.name, job.seed, job.figures())
    except NerDistillError as damage:
        return Run(job.name, job.seed, error=str(damage))


def _time_left(left: Sequence[str], done: Sequence[Run]) -> str:
    """For runs of these names: each as long as its configuration's others took, or as a run took on average."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for run in done:
        if run.figures is not None:
            seconds[run.name].append(run.figures.seconds)
    if not seconds:
        return ""
    usual = fmean(fmean(values) for values in seconds.values())
    total = sum(fmean(seconds[name]) if name in seconds else usual for name in left)
    return f"; all of them take about {timedelta(seconds=round(total))} more"
