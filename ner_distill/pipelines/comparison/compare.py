"""`compare`: several configurations of a teacher, or of a student, over several seeds.

OUT/comparison.json        the files it is about, with hashes; figures of every run, means over seeds
OUT/NAME/config.toml       a configuration as it was when the comparison began
OUT/NAME/seed-13/          a run directory, with measured.json: memory, scores on the test files
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ner_distill.config import StudentConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError
from ner_distill.executing.each import require_one_process
from ner_distill.executing.opening import executor_for
from ner_distill.files import write_json
from ner_distill.holding import until_done
from ner_distill.options.training import CompareOptions, StudentOptions, TeacherOptions
from ner_distill.pipelines.comparison.figures import FILE, FORMAT, Comparison, Run
from ner_distill.pipelines.comparison.job import (
    Runner,
    StudentJob,
    TeacherJob,
    TrainingJob,
    run_in_processes,
    runner_by,
)
from ner_distill.pipelines.comparison.jobs import begun_with, check_begun, do_jobs, read_data, require_files
from ner_distill.runs.info import write_config
from ner_distill.runs.record import fingerprints

COMPARISON = OutputKind("compare", "comparison", (FILE,), can_overwrite=False)
FIRST_SEED = 13


@until_done()
def compare(
    configs: Mapping[str, TeacherConfig] | Mapping[str, StudentConfig],
    options: CompareOptions,
    reporter: Reporter | None = None,
    *,
    runner: Runner = run_in_processes,
) -> Comparison:
    """Train each configuration with each seed, one run after the other, and say what they came to.

    configs: name → configuration; the first is what all are compared with. The seeds are 13, 14, ...

    With `resume` finished runs are reused, stopped ones continued, failed ones tried again. There may be more
    configurations and seeds than before, and test files if there were none, but not less.
    Returns: the comparison, also written to `out`. A run that failed has a message there, and the others went on.
    Raises NerDistillError for wrong input, before anything is trained.
    """
    reporter, out = reporter or Reporter(), options.out
    require_one_process("compare starts the processes of its runs itself; start it without torchrun")
    executor = executor_for(options)
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + options.seeds))
    jobs = [_job(name, config, seed, options) for seed in seeds for name, config in configs.items()]
    if not options.dev:
        raise ConfigError("`dev`: what is compared are scores on development sentences; give labelled ones")
    files = jobs[0].options.files() | ({"test": options.test} if options.test else {})
    require_files(files)
    read_data(jobs[: len(configs)], options.test, options.reading())
    hashes = {role: fingerprints(paths) for role, paths in files.items()}
    inputs = begun_with(
        COMPARISON, out, hashes, options.reading(), resume=options.resume, names=tuple(configs), seeds=seeds
    )
    check_begun(jobs)

    record = {"format": FORMAT, "inputs": inputs, "reading": options.reading().recorded()}

    def write(done: Sequence[Run]) -> None:
        write_json(out / FILE, record | Comparison(tuple(configs), seeds, tuple(done)).to_json())

    write([job.outcome() for job in jobs if job.finished])  # first: by this file resuming knows the directory
    for name, config in configs.items():
        make_directory(out / name)
        write_config(out / name, config)
    at_once = 1 if executor is None else executor.workers
    done = do_jobs(jobs, runner_by(executor, runner, reporter.warn), write, reporter, at_once=at_once)
    return Comparison(tuple(configs), seeds, tuple(done))


def _job(name: str, config: TeacherConfig | StudentConfig, seed: int, options: CompareOptions) -> TrainingJob:
    out, reading = options.out / name / f"seed-{seed}", options.reading()
    seeded, dev, read_as = config.model_copy(update={"seed": seed}), options.dev, asdict(reading)
    if isinstance(seeded, TeacherConfig):
        teacher = TeacherOptions(train=options.train, dev=dev, out=out, **read_as)
        return TeacherJob(name, seeded, teacher, options.test, reading)
    student = StudentOptions(soft=options.soft, gold=options.gold, dev=dev, out=out, **read_as)
    return StudentJob(name, seeded, student, options.test, reading)
