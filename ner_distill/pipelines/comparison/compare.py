"""`compare`: several configurations of a teacher over several seeds, each training in a process of its own.

OUT/comparison.json        the files it is about, with hashes; figures of every run, means over seeds
OUT/NAME/config.toml       a configuration as it was when the comparison began
OUT/NAME/seed-13/          a run directory as of train-teacher, with measured.json: memory, scores on --test
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.reading import flattened, read_labelled
from ner_distill.data.sentence import labels_of
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError, DataError, NerDistillError, RunError
from ner_distill.files import read_json, write_json
from ner_distill.options import ReadOptions
from ner_distill.pipelines.comparison.figures import FILE, FORMAT, Comparison, Run
from ner_distill.pipelines.comparison.job import Job, Runner, run_in_process
from ner_distill.runs.info import RunInfo, write_config
from ner_distill.runs.record import RunRecord, fingerprints, require_same_files, require_same_values

COMPARISON = OutputKind("compare", "comparison", (FILE,), can_overwrite=False)
FIRST_SEED = 13
Files = Sequence[str | Path]


def compare(
    configs: Sequence[Path],
    train: Files,
    dev: Files,
    *,
    out: Path,
    test: Files = (),
    seeds: int | Sequence[int] = 3,
    variants: Sequence[str] = (),
    settings: Sequence[str] = (),
    resume: bool = False,
    reading: ReadOptions | None = None,
    reporter: Reporter | None = None,
    runner: Runner = run_in_process,
) -> Comparison:
    """Train each configuration with each seed, one run after the other, and say what they came to.

    configs:  TOML files of teachers; a configuration has the name of its file. The first is what all are compared with.
    variants: `NAME:key=value,key=value`, each the first file (without files: the defaults) with these keys changed.
    settings: `key=value`, for all of them.
    seeds:    the seeds, or their number: 13, 14, ...
    resume:   go on in `out`: finished runs are reused, stopped ones continued, failed ones tried again. There may be
              more configurations and seeds than before, and --test files if there were none.
    Returns: the comparison, also written to `out`. A run that failed has a message there, and the others went on.
    Raises NerDistillError for wrong input, before anything is trained.
    """
    reporter, reading = reporter or Reporter(), reading or ReadOptions()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("compare starts the processes of its runs itself; start it without torchrun")
    chosen = _configurations(configs, variants, settings)
    numbers = _seeds(seeds)
    info, inputs = _read_data(train, dev, test, reading, list(chosen.values()))
    inputs = _check_out(out, inputs, reading, resume=resume)
    files = (_names(train), _names(dev), _names(test))
    jobs = [Job(name, seed, str(out), *files, reading) for seed in numbers for name in chosen]
    _check_begun(jobs, chosen, info, inputs)

    record = {"format": FORMAT, "inputs": inputs, "reading": asdict(reading)}

    def write(done: Sequence[Run]) -> Comparison:
        comparison = Comparison(tuple(chosen), numbers, tuple(done))
        write_json(out / FILE, record | comparison.to_json())
        return comparison

    make_directory(out)
    write([_outcome(job) for job in jobs if job.finished])  # first: by this file --resume knows the directory
    for name, config in chosen.items():
        make_directory(out / name)
        write_config(out / name, config)
    return _do(jobs, runner, write, reporter)


def _do(
    jobs: Sequence[Job], runner: Runner, write: Callable[[Sequence[Run]], Comparison], reporter: Reporter
) -> Comparison:
    """Do all jobs that are not finished, writing after each."""
    done = {job: _outcome(job) for job in jobs if job.finished}
    if done:
        reporter.info(f"{len(done)} of {len(jobs)} runs are finished already")
    for number, job in enumerate(jobs, start=1):
        if job in done:
            continue
        title = f"run {number}/{len(jobs)}: {job.name}, seed {job.seed}"
        left = [other.name for other in jobs if other not in done]
        reporter.info(title + _time_left(left, list(done.values())))
        done[job] = _outcome(job, runner(job, reporter.quiet))
        _say(title, done[job], reporter)
        write(list(done.values()))
    return write(list(done.values()))


# ---- before anything runs


def _names(files: Files) -> tuple[str, ...]:
    return tuple(map(str, files))


class _Source(NamedTuple):
    """A configuration to be read: where the user named it, its file, and the keys changed in it."""

    name: str
    where: str
    file: Path | None
    changes: tuple[str, ...] = ()


def _configurations(files: Files, variants: Sequence[str], settings: Sequence[str]) -> dict[str, TeacherConfig]:
    """name → configuration, in order. Raises ConfigError with the problems of all of them."""
    sources = [_Source(Path(file).stem, str(file), Path(file)) for file in files]
    sources += [_variant(variant, sources[0].file if files else None) for variant in variants]
    problems = [] if sources else ["nothing to compare: expected configuration files, or --variant NAME:key=value"]
    if any(key.partition("=")[0].strip() == "seed" for key in (*settings, *(c for s in sources for c in s.changes))):
        problems.append("seed cannot be set: --seeds says with which seeds each configuration is trained")
    found: dict[str, TeacherConfig] = {}
    seen: dict[str, str] = {}
    for name, where, file, changes in sources:
        if name in seen:
            problems.append(
                f"two configurations have the name {name}: {seen[name]} and {where}; runs lie in a directory of that "
                "name: rename one of them"
            )
        if not re.fullmatch(r"[\w+=-][\w+=. -]*", name) or name == FILE:
            problems.append(f"{where}: {name!r} cannot name a directory; expected letters, digits and . _ + = -")
        seen[name] = where
        try:
            found[name] = load_config(TeacherConfig, file, [*settings, *changes])
        except ConfigError as error:
            own = tuple(f"`set` {change}" for change in changes)
            said = _problems(error)
            problems += [f"{where}: {line.removeprefix('`set` ')}" if line.startswith(own) else line for line in said]
    if problems:
        raise ConfigError.of(dict.fromkeys(problems))
    return found


def _variant(text: str, base: Path | None) -> _Source:
    name, colon, changes = (part.strip() for part in text.partition(":"))
    if not colon or not name:
        raise ConfigError(f"--variant {text}: expected NAME:key=value,key=value")
    # a comma parts two settings where a key follows; in a list of values none does
    keys = re.split(r",(?=\s*\w+(?:\.\w+)*\s*=)", changes) if changes else []
    return _Source(name, f"--variant {name}", base, tuple(keys))


def _problems(error: NerDistillError) -> list[str]:
    """The problems in a message of one, or of several under a heading."""
    lines = str(error).split("\n")
    return [line.removeprefix("  - ") for line in lines[1:]] or lines


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    numbers = tuple(range(FIRST_SEED, FIRST_SEED + seeds) if isinstance(seeds, int) else seeds)
    if not numbers or len(set(numbers)) < len(numbers) or not all(0 <= number < 2**63 for number in numbers):
        raise ConfigError(f"--seeds: expected at least one seed, none of them twice or negative, found {seeds}")
    return numbers


def _read_data(
    train: Files, dev: Files, test: Files, reading: ReadOptions, configs: Sequence[TeacherConfig]
) -> tuple[RunInfo, dict[str, Any]]:
    """What all runs will be, and the hashes of the files. What is wrong in these is said once and at once.

    What is odd in them is not: each training says it again.
    """
    from ner_distill.runs.heads import finds_spans
    from ner_distill.training.development import check_development_labels

    files = {"train": train, "dev": dev} | ({"test": test} if test else {})
    if "-" in (str(path) for paths in files.values() for path in paths):
        raise ConfigError("standard input is read once, and every run reads these files: give files")
    quiet = Reporter(quiet=True)
    sentences, unit = read_labelled(train, "--train", reading, quiet, keep_nested=True)
    info = RunInfo("teacher", unit, labels_of(sentences))
    if not all(finds_spans(config.head) for config in configs):
        flattened(sentences, "--train", reading, quiet)  # refused here if --flatten does not say how
    if not info.labels:
        raise DataError("--train: no entity in any sentence; there is nothing to learn")
    development, _ = read_labelled(dev, "--dev", reading, quiet, unit=unit, keep_nested=True)
    check_development_labels(info.labels, labels_of(development), quiet)
    if test:
        read_labelled(test, "--test", reading, quiet, unit=unit, keep_nested=True)
    return info, {role: fingerprints(paths) for role, paths in files.items()}


def _check_out(out: Path, inputs: dict[str, Any], reading: ReadOptions, *, resume: bool) -> dict[str, Any]:
    """The hashes of all files that the directory is about, those of an earlier --test included; changes nothing."""
    COMPARISON.check(out, resume=resume)
    if not resume:
        return inputs
    path = out / FILE
    before = read_json(path, "the comparison is damaged")
    try:
        known, options = dict(before["inputs"]), dict(before["reading"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path}: expected the data files and how they are read; the comparison is damaged") from None
    both = known.keys() & inputs.keys()  # there may be --test files now, or none
    require_same_files(path, {role: known[role] for role in both}, {role: inputs[role] for role in both})
    require_same_values(options, asdict(reading), COMPARISON.noun)
    return {**known, **inputs}


def _check_begun(
    jobs: Sequence[Job], configs: Mapping[str, TeacherConfig], info: RunInfo, inputs: dict[str, Any]
) -> None:
    """Raises ConfigError where a run to reuse or to go on with was begun with something else."""
    from ner_distill.runs.knowledge import inputs_of

    problems: list[str] = []
    own: dict[str, dict[str, Any]] = {}
    for job in jobs:
        if not job.begun:
            continue
        config = configs[job.name].model_copy(update={"seed": job.seed})
        try:
            if job.name not in own:
                own[job.name] = inputs_of(config)
            expected = {"train": inputs["train"], "dev": inputs["dev"], **own[job.name]}
            RunRecord(config, info, expected).require_same(job.directory)
        except NerDistillError as error:
            problems += [f"{job.directory}: {problem}" for problem in _problems(error)]
    if problems:
        raise ConfigError.of(problems)


# ---- while it runs


def _outcome(job: Job, error: str | None = None) -> Run:
    try:
        return Run(job.name, job.seed, error=error) if error else Run(job.name, job.seed, job.figures())
    except NerDistillError as damage:
        return Run(job.name, job.seed, error=str(damage))


def _say(title: str, run: Run, reporter: Reporter) -> None:
    if run.figures is None:
        reporter.warn(f"{title} failed: {run.error}")
        return
    reporter.info(f"{title}: dev F1 {100 * run.figures.dev:.2f}, {run.figures.seconds:.0f} s")


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
