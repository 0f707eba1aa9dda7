"""Comparing configurations: a few real trainings in processes of their own, and many that are pretended."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ner_distill.config import StudentConfig, TeacherConfig, load_config, sections
from ner_distill.console import Reporter
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError, DataError, NerDistillError, RunError
from ner_distill.options.models import EvaluateOptions
from ner_distill.options.training import CompareOptions, StudentOptions, TeacherOptions
from ner_distill.pipelines.comparison import compare as module
from ner_distill.pipelines.comparison.configurations import read_configurations
from ner_distill.pipelines.comparison.figures import Comparison, Figures, Run, Spread, read_comparison
from ner_distill.pipelines.comparison.job import Runner, StudentJob, TrainingJob, run_in_processes
from ner_distill.pipelines.evaluate import evaluate
from ner_distill.pipelines.train_student import train_student
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.info import read_config, write_config
from ner_distill.views.comparison import render
from tests import corpora
from tests.commands import run as run_command
from tests.pipelines.comparison.pretend import PRETENDED, Pretend
from tests.stores import ANN, RAIN, write_store

QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few sentences, and two configurations."""
    root = corpora.write_all(tmp_path_factory.mktemp("data"), train=12, dev=6)
    corpora.write_conll(root / "test.conll", corpora.sentences(6, seed=4))
    (root / "plain.toml").write_text("seed = 99\n[encoder]\nhidden = 32\nheads = 4\n")
    (root / "wide.toml").write_text("[encoder]\nhidden = 64\nheads = 4\n")
    return root


def compare(out: Path, *, runner: Runner, reporter: Reporter = QUIET, **options: Any) -> Comparison:
    own = CompareOptions(out=out, **options)
    return module.compare(read_configurations(own), own, reporter, runner=runner)


def run(data: Path, out: Path, *names: str, **options: Any) -> Comparison:
    """Compare configurations of `data`."""
    defaults: dict[str, Any] = {"seeds": 2, "runner": Pretend(), "configs": [data / f"{name}.toml" for name in names]}
    defaults |= {"train": [data / "train.conll"], "dev": [data / "dev.conll"]}
    return compare(out, **(defaults | options))


# ---- real trainings


@pytest.fixture(scope="module")
def real(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Comparison]:
    """A configuration that trains and one that cannot, each in a process."""
    out = tmp_path_factory.mktemp("real") / "out"
    settings = [*corpora.SMALL, "optim.epochs=2"]
    (none := tmp_path_factory.mktemp("no-checkpoint") / "here").mkdir()
    broken = f"broken:encoder.name={none},encoder.hidden=160,encoder.heads=8,encoder.word_dim=64,"
    broken += "encoder.char_filters=50,encoder.unknown=0.15,encoder.dropout=0.2,encoder.embedding_dropout=0.4"
    options: dict[str, Any] = {"test": [data / "test.conll"], "set": settings, "variant": [broken]}
    return out, run(data, out, "plain", seeds=1, runner=run_in_processes, **options)


def figures_of(comparison: Comparison, name: str) -> Figures:
    found = next(run.figures for run in comparison.runs if run.name == name)
    assert found is not None
    return found


def test_a_process_gives_the_weights_that_train_teacher_gives(
    real: tuple[Path, Comparison], data: Path, tmp_path: Path
) -> None:
    settings = [*corpora.SMALL, "optim.epochs=2", "seed=13"]
    files = {"train": [data / "train.conll"], "dev": [data / "dev.conll"]}
    config = load_config(TeacherConfig, data / "plain.toml", settings)
    train_teacher(config, TeacherOptions(**files, out=tmp_path / "run"), QUIET)
    weights = (real[0] / "plain" / "seed-13" / "model.safetensors").read_bytes()
    assert weights == (tmp_path / "run" / "model.safetensors").read_bytes()


def test_f1_is_that_of_evaluate(real: tuple[Path, Comparison], data: Path) -> None:
    figures, directory = figures_of(real[1], "plain"), real[0] / "plain" / "seed-13"
    files = ("dev.conll", "test.conll")
    scores = [evaluate(EvaluateOptions(model=directory, data=[data / file]), QUIET).micro.f1 for file in files]
    assert [figures.dev, figures.test] == scores


def test_peak_is_that_of_a_process_with_torch_in_it(real: tuple[Path, Comparison]) -> None:
    peak = figures_of(real[1], "plain").peak_mib
    assert peak is not None
    assert 100 < peak < 4000


def test_epochs_and_parameters_are_those_of_the_run(real: tuple[Path, Comparison]) -> None:
    figures = figures_of(real[1], "plain")
    metrics = json.loads((real[0] / "plain" / "seed-13" / "metrics.json").read_text())
    assert (figures.epochs, figures.parameters) == (2, metrics["parameters"])


def test_the_message_of_a_failed_process_is_kept(real: tuple[Path, Comparison]) -> None:
    (failed,) = real[1].failed
    assert failed.name == "broken"
    assert "no-checkpoint" in str(failed.error)
    assert "Traceback" not in str(failed.error)


def test_an_interrupted_run_saves_and_goes_on(data: Path, tmp_path: Path) -> None:
    epochs = tmp_path / "out" / "plain" / "seed-13" / "metrics.jsonl"

    def interrupt() -> None:
        until = time.monotonic() + 60
        while not epochs.exists() and time.monotonic() < until:
            time.sleep(0.01)
        if epochs.exists():
            os.kill(os.getpid(), signal.SIGINT)

    settings = [*corpora.PLAIN, "optim.epochs=40"]
    options: dict[str, Any] = {"set": settings, "seeds": 1, "runner": run_in_processes}
    watcher = threading.Thread(target=interrupt)
    # what a shell starts in the background ignores the signal from the start
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "out", "plain", **options)
        watcher.join()
    finally:
        signal.signal(signal.SIGINT, handler)
    before = len(epochs.read_text().splitlines())
    assert before < 40
    assert list((epochs.parent / "checkpoints").glob("*/model.safetensors"))
    done = run(data, tmp_path / "out", "plain", resume=True, **options)
    assert figures_of(done, "plain").epochs == 40
    assert f"going on after epoch {before}" in (epochs.parent / "log.txt").read_text()


# ---- which runs are made


def test_every_configuration_runs_with_every_seed_from_13_on(data: Path, tmp_path: Path) -> None:
    pretend = Pretend()
    run(data, tmp_path / "out", "plain", "wide", runner=pretend)
    assert pretend.made == [("plain", 13), ("wide", 13), ("plain", 14), ("wide", 14)]


def test_a_run_trains_with_its_seed_whatever_the_file_says(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", "plain", seeds=1)
    config = read_config(tmp_path / "out" / "plain" / "seed-13", TeacherConfig)
    assert (config.seed, config.encoder.hidden) == (13, 32)


def test_a_variant_is_the_first_file_with_keys_changed(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", "plain", variant=["fgm:adversarial.kind=fgm,optim.epochs=3"])
    plain, fgm = (load_config(TeacherConfig, tmp_path / "out" / name / "config.toml") for name in ("plain", "fgm"))
    changed = sections.FgmConfig(), plain.optim.model_copy(update={"epochs": 3})
    assert fgm == plain.model_copy(update={"adversarial": changed[0], "optim": changed[1]})


def test_a_comma_within_a_list_parts_no_keys(data: Path, tmp_path: Path) -> None:
    words = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    for file in words:
        Path(file).write_text("Ana\n")
    variant = f'words:lattice.kind=softword,lattice.lexicon=["{words[0]}", "{words[1]}"],optim.epochs=3'
    run(data, tmp_path / "out", variant=[variant])
    config = load_config(TeacherConfig, tmp_path / "out" / "words" / "config.toml")
    assert (config.lattice.lexicon, config.optim.epochs) == (tuple(words), 3)


def test_a_missing_file_of_any_variant_is_told_of_before_one_is_trained(data: Path, tmp_path: Path) -> None:
    variant = 'words:lattice.kind=softword,lattice.lexicon="missing.txt"'
    with pytest.raises(DataError, match=r"\[lattice\] or \[features\]: missing.txt: no such file"):
        run(data, tmp_path / "out", "plain", variant=[variant])
    with pytest.raises(ConfigError, match="no such directory"):
        run(data, tmp_path / "out", variant=["bert:encoder.name=./no/such/encoder"])
    assert not (tmp_path / "out").exists()


def test_a_file_changed_after_the_start_changes_no_run(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[encoder]\nhidden = 32\nheads = 4\n")

    def meddle(job: TrainingJob) -> Figures:
        file.write_text("[encoder]\nhidden = 16\nheads = 4\n")
        return PRETENDED

    run(data, tmp_path / "out", configs=[file], seeds=3, runner=Pretend(meddle))
    read = [read_config(tmp_path / "out" / "own" / f"seed-{seed}", TeacherConfig) for seed in (13, 14, 15)]
    assert [config.encoder.hidden for config in read] == [32, 32, 32]


def test_after_a_failure_the_rest_goes_on(data: Path, tmp_path: Path) -> None:
    done = run(data, tmp_path / "out", "plain", "wide", runner=Pretend(errors={"plain": "the disk is full"}))
    assert [(run.name, run.seed, run.error) for run in done.failed] == [
        ("plain", 13, "the disk is full"),
        ("plain", 14, "the disk is full"),
    ]
    assert [summary.seeds for summary in done.summaries()] == [0, 2]


def test_resume_reuses_what_is_finished_and_tries_again_what_failed(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", "plain", "wide", runner=Pretend(errors={"plain": "the disk is full"}))
    second = Pretend()
    done = run(data, tmp_path / "out", "plain", "wide", runner=second, resume=True)
    assert second.made == [("plain", 13), ("plain", 14)]
    assert [summary.seeds for summary in done.summaries()] == [2, 2]


def test_resume_takes_more_seeds_and_configurations(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", "plain", seeds=1)
    second = Pretend()
    run(data, tmp_path / "out", "plain", "wide", seeds=2, runner=second, resume=True)
    assert second.made == [("wide", 13), ("plain", 14), ("wide", 14)]


def test_resume_with_less_than_before_forgets_nothing(data: Path, tmp_path: Path) -> None:
    out, test = tmp_path / "out", {"test": [data / "test.conll"]}
    run(data, out, "plain", "wide", seeds=2, **test)
    before = (out / "comparison.json").read_bytes()
    for names, options, missing in (
        (("plain",), {"seeds": 2, **test}, "is about configuration wide as well"),
        (("plain", "wide"), {"seeds": 1, **test}, "is about seed 14 as well"),
        (("plain", "wide"), {"seeds": 2}, "is about the files of `test` as well"),
    ):
        assert missing in refused(ConfigError, data, out, *names, resume=True, **options)
    assert (out / "comparison.json").read_bytes() == before


def test_resume_takes_the_span_bound_that_its_runs_took(data: Path, tmp_path: Path) -> None:
    class Bounded(Pretend):
        def train(self, job: TrainingJob) -> None:
            super().train(job)
            head = job.config.head.model_copy(update={"max_span": 16})
            write_config(job.run, job.config.model_copy(update={"head": head}))

    pointer = {"seeds": 1, "set": ["head.kind=global-pointer"]}
    run(data, tmp_path / "out", "plain", runner=Bounded(), **pointer)
    second = Pretend()
    run(data, tmp_path / "out", "plain", runner=second, resume=True, **pointer)
    assert second.made == []
    message = refused(ConfigError, data, tmp_path / "out", "plain", resume=True, seeds=1,
                      set=["head.kind=global-pointer", "head.max_span=20"])  # fmt: skip
    assert "head.max_span was 16, now 20" in message


def test_a_comparison_without_development_data_is_refused(data: Path, tmp_path: Path) -> None:
    assert "`dev`" in refused(ConfigError, data, tmp_path / "out", "plain", dev=[])
    assert not (tmp_path / "out").exists()


def test_test_files_given_later_are_scored(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", "plain", seeds=1)
    done = run(data, tmp_path / "out", "plain", seeds=1, test=[data / "test.conll"], resume=True)
    assert figures_of(done, "plain").test == 0.25


def test_what_was_compared_is_read_again_from_the_directory(data: Path, tmp_path: Path) -> None:
    done = run(data, tmp_path / "out", "plain", "wide", runner=Pretend(errors={"wide": "no memory"}))
    assert read_comparison(tmp_path / "out") == done


# ---- what is said on the way


def test_the_time_left_is_what_runs_of_the_same_configuration_took(data: Path, tmp_path: Path) -> None:
    def slow_if_wide(job: TrainingJob) -> Figures:
        return replace(PRETENDED, seconds=100.0 if job.name == "wide" else 20.0)

    heard = io.StringIO()
    run(data, tmp_path / "out", "plain", "wide", runner=Pretend(slow_if_wide), reporter=Reporter(stream=heard))
    said = [line for line in heard.getvalue().splitlines() if "more" in line]
    # after plain: 20 s for each of three; after both: 20 and 100; at last 100
    assert [line.partition("; ")[2] for line in said] == [
        f"all of them take about {left} more" for left in ("0:01:00", "0:02:00", "0:01:40")
    ]


def test_a_failure_is_said_as_it_happens(data: Path, tmp_path: Path) -> None:
    heard = io.StringIO()
    pretend = Pretend(errors={"plain": "the disk is full"})
    run(data, tmp_path / "out", "plain", seeds=1, runner=pretend, reporter=Reporter(stream=heard))
    assert "warning: run 1/1: plain, seed 13 failed: the disk is full" in heard.getvalue()


# ---- wrong input: nothing is run


def refused(kind: type[NerDistillError], data: Path, out: Path, *names: str, **options: Any) -> str:
    """The message of a comparison that must not run anything."""
    pretend = Pretend()
    with pytest.raises(kind) as caught:
        run(data, out, *names, runner=pretend, **options)
    assert pretend.jobs == []
    return str(caught.value)


def test_two_configurations_of_one_name_are_refused(data: Path, tmp_path: Path) -> None:
    message = refused(ConfigError, data, tmp_path / "out", "plain", variant=["plain:optim.epochs=2"])
    assert "two configurations have the name plain" in message
    assert f"{data / 'plain.toml'} and `variant` plain" in message


def test_problems_of_all_configurations_stand_in_one_message(data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[encoder]\nhiden = 3\nheads = 0\n")
    (tmp_path / "b.toml").write_text("[optim\n")
    with pytest.raises(ConfigError) as caught:
        run(data, tmp_path / "out", configs=[tmp_path / "a.toml", tmp_path / "b.toml"], set=["optim.epochs=-1"])
    first, *lines = str(caught.value).splitlines()
    assert first == "4 problems:"
    for start in ("a.toml: encoder.hiden: unknown key", "a.toml: encoder.heads: ", "b.toml: not valid TOML"):
        assert any(line.startswith(f"  - {tmp_path / start}") for line in lines), start
    assert not (tmp_path / "out").exists()


def test_a_problem_of_a_variant_names_it(data: Path, tmp_path: Path) -> None:
    message = refused(ConfigError, data, tmp_path / "out", "plain", variant=["pgd:adversarial.knd=fgm"])
    assert message.startswith("`variant` pgd: adversarial.knd=fgm: unknown key")


@pytest.mark.parametrize("variant", ["fgm", ":optim.epochs=2", "a/b:optim.epochs=2", "..:optim.epochs=2"])
def test_a_variant_without_a_usable_name_is_refused(data: Path, tmp_path: Path, variant: str) -> None:
    assert "`variant`" in refused(ConfigError, data, tmp_path / "out", variant=[variant])


@pytest.mark.parametrize("options", [{"set": ["seed=3"]}, {"variant": ["other:seed=3"]}])
def test_a_seed_among_the_settings_is_refused(data: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    assert "`seeds`" in refused(ConfigError, data, tmp_path / "out", "plain", **options)


def test_nothing_to_compare_is_refused(data: Path, tmp_path: Path) -> None:
    assert "nothing to compare" in refused(ConfigError, data, tmp_path / "out")


def test_labels_of_no_training_sentence_are_refused(data: Path, tmp_path: Path) -> None:
    other = corpora.write_conll(tmp_path / "dev.conll", [Sentence("a", ("Oslo",), (Span(0, 1, "GPE"),))])
    pretend = Pretend()
    with pytest.raises(DataError, match="its labels \\(GPE\\) are none of those"):
        run(data, tmp_path / "out", "plain", dev=[other], runner=pretend)
    assert pretend.jobs == []


def test_a_broken_test_file_is_found_before_anything_runs(data: Path, tmp_path: Path) -> None:
    (tmp_path / "test.conll").write_text("a O\nb\n")
    assert "test.conll:2" in refused(DataError, data, tmp_path / "out", "plain", test=[tmp_path / "test.conll"])


def test_a_directory_that_holds_something_is_refused_without_resume(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", "plain")
    assert "`resume`" in refused(RunError, data, tmp_path / "out", "plain")


def test_resume_without_a_comparison_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "photo").write_text("")
    assert "no comparison" in refused(RunError, data, tmp_path, "plain", resume=True)


@pytest.mark.parametrize("role", ["train", "dev", "test"])
def test_resume_with_other_data_is_refused(data: Path, tmp_path: Path, role: str) -> None:
    files = {name: [data / f"{name}.conll"] for name in ("train", "dev", "test")}
    run(data, tmp_path / "out", "plain", **files)
    files[role] = [corpora.write_conll(tmp_path / "other.conll", corpora.sentences(5, seed=9))]
    with pytest.raises(RunError, match=f"the files of `{role}` are not those"):
        run(data, tmp_path / "out", "plain", **files, resume=True)


def test_resume_with_files_read_otherwise_is_refused(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", "plain")
    message = refused(ConfigError, data, tmp_path / "out", "plain", resume=True, scheme="iob1")
    assert "scheme was 'auto', now 'iob1'" in message


def test_resume_with_a_changed_configuration_names_run_and_key(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "out", "plain", seeds=1)
    changed = ["encoder.hidden=64"]
    message = refused(ConfigError, data, tmp_path / "out", "plain", seeds=1, set=changed, resume=True)
    assert message.startswith(f"{tmp_path / 'out' / 'plain' / 'seed-13'}: `resume`: encoder.hidden was 32, now 64")


def test_a_run_cannot_be_one_of_several_processes_of_torchrun(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "torchrun" in refused(ConfigError, data, tmp_path / "out", "plain")


# ---- students


@pytest.fixture
def store(data: Path, tmp_path: Path) -> Path:
    """What a teacher of these labels might say of two sentences."""
    return write_store(tmp_path / "soft", [[ANN, RAIN]])


def students(data: Path, out: Path, store: Path, **options: Any) -> Comparison:
    given = {"train": (), "soft": store, "dev": [data / "people.conll"], "variant": ["plain:", "off:distill.gamma=off"]}
    corpora.write_conll(data / "people.conll", [Sentence("a", ("Ann", "left"), (Span(0, 1, "PER"),))] * 12)
    return run(data, out, **(given | options))


def test_with_a_store_the_configurations_are_of_students(data: Path, tmp_path: Path, store: Path) -> None:
    pretend = Pretend()
    students(data, tmp_path / "out", store, seeds=1, runner=pretend, gold=[data / "people.conll"])
    assert pretend.made == [("plain", 13), ("off", 13)]
    assert [job.config.distill.gamma for job in pretend.jobs if isinstance(job, StudentJob)] == ["auto", "off"]
    options = [job.options for job in pretend.jobs if isinstance(job, StudentJob)]
    assert {(one.soft, *one.gold, *one.dev) for one in options} == {(store, *[data / "people.conll"] * 2)}


def test_students_are_resumed_as_teachers_are(data: Path, tmp_path: Path, store: Path) -> None:
    students(data, tmp_path / "out", store, runner=Pretend(errors={"off": "the disk is full"}))
    second = Pretend()
    done = students(data, tmp_path / "out", store, runner=second, resume=True)
    assert second.made == [("off", 13), ("off", 14)]
    assert [summary.seeds for summary in done.summaries()] == [2, 2]


def test_resume_with_a_store_that_was_made_again_is_refused(data: Path, tmp_path: Path, store: Path) -> None:
    students(data, tmp_path / "out", store)
    manifest = store / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(RunError, match="the files of `soft` are not those"):
        students(data, tmp_path / "out", store, resume=True)


def test_resume_with_gold_where_there_was_none_is_refused(data: Path, tmp_path: Path, store: Path) -> None:
    students(data, tmp_path / "out", store)
    with pytest.raises(RunError, match="the files of `gold` are not those"):
        students(data, tmp_path / "out", store, resume=True, gold=[data / "people.conll"])


def test_a_comparison_of_teachers_does_not_go_on_with_students(data: Path, tmp_path: Path, store: Path) -> None:
    run(data, tmp_path / "out", variant=["plain:"])
    with pytest.raises(RunError, match="the files of `train`, .*`soft`.* are not those"):
        students(data, tmp_path / "out", store, resume=True)


def test_a_damaged_store_is_found_before_anything_runs(data: Path, tmp_path: Path, store: Path) -> None:
    next(store.glob("part-*.parquet")).unlink()
    pretend = Pretend()
    with pytest.raises(RunError, match="damaged shards"):
        students(data, tmp_path / "out", store, runner=pretend)
    assert pretend.jobs == []


def test_a_key_that_students_do_not_have_is_refused(data: Path, tmp_path: Path, store: Path) -> None:
    with pytest.raises(ConfigError, match="`variant` mixed: regularize.mixup=1.0: unknown key"):
        students(data, tmp_path / "out", store, variant=["mixed:regularize.mixup=1.0"])


def test_the_command_asks_for_either_teachers_or_students(data: Path, tmp_path: Path, store: Path) -> None:
    files = ("--train", data / "train.conll", "--soft", store, "--dev", data / "dev.conll", "--out", tmp_path / "out")
    done = run_command("compare", "--variant", "plain:", *files)
    assert done.code == 2
    assert "either --train (of teachers) or --soft, --gold or both (of students)" in done.err


@pytest.mark.slow
def test_a_student_in_a_process_has_the_weights_that_train_student_gives(
    data: Path, tmp_path: Path, store: Path
) -> None:
    settings = [*corpora.SMALL, "optim.epochs=2"]
    students(data, tmp_path / "out", store, seeds=1, set=settings, variant=["plain:"], runner=run_in_processes)
    config = load_config(StudentConfig, None, [*settings, "seed=13"])
    options = StudentOptions(soft=store, dev=[data / "people.conll"], out=tmp_path / "run")
    train_student(config, options, QUIET)
    weights = (tmp_path / "out" / "plain" / "seed-13" / "model.safetensors").read_bytes()
    assert weights == (tmp_path / "run" / "model.safetensors").read_bytes()


# ---- the table


def compared(**dev: list[float]) -> Comparison:
    """A comparison of these F1, one for each seed from 0 on; NaN where the run failed."""
    seeds = range(max(map(len, dev.values())))
    made = [
        Run(name, seed, error="no") if values[seed] != values[seed] else Run(name, seed, replace(PRETENDED, dev=value))
        for name, values in dev.items()
        for seed, value in enumerate(values)
    ]
    return Comparison(tuple(dev), tuple(seeds), tuple(made))


def shown(comparison: Comparison, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(comparison))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_deviation_is_that_of_a_sample() -> None:
    assert Spread.of([1.0, 2.0, 6.0]) == Spread(3.0, pytest.approx(7**0.5), 3)  # type: ignore[arg-type]


def test_gain_is_paired_by_seed() -> None:
    # both scatter by ten points from seed to seed, the gain by none
    gain = compared(base=[0.5, 0.6, 0.7], better=[0.52, 0.62, 0.72]).summaries()[1].dev_gain
    assert gain is not None
    assert (gain.mean, gain.deviation, gain.count) == (pytest.approx(0.02), pytest.approx(0.0, abs=1e-9), 3)


def test_gain_counts_only_seeds_that_both_finished() -> None:
    nan = float("nan")
    gain = compared(base=[0.5, nan, 0.7], other=[0.6, 0.9, nan]).summaries()[1].dev_gain
    assert gain == Spread(pytest.approx(0.1), None, 1)  # type: ignore[arg-type]


def test_costs_are_means_and_the_highest_peak() -> None:
    one, other = replace(PRETENDED, seconds=10.0, epochs=2), replace(PRETENDED, seconds=40.0, epochs=4, peak_mib=300.0)
    summary = Comparison(("a",), (1, 2), (Run("a", 1, one), Run("a", 2, other))).summaries()[0]
    assert (summary.seconds, summary.seconds_per_epoch, summary.peak_mib) == (25.0, 7.5, 300.0)


def test_table_gives_mean_and_deviation_in_points() -> None:
    text = shown(compared(base=[0.70, 0.72], fgm=[0.71, 0.75]), 80)
    assert "71.00 ± 1.41" in text
    assert "+2.00 ± 1.41" in text


LARGE = Figures(0.7, 0.69, 12345.0, 12, 12345.0, 45678.0, 110_123_456)


def full_rows(figures: Figures = LARGE) -> Comparison:
    """As wide as rows may become: gains, test scores, and by default large models."""
    names = ("baseline", "globalpointer-rdrop-fgm")
    made = [
        Run(name, seed, replace(figures, dev=0.7 + seed / 50 * number, test=0.6 + seed / 50 * number))
        for number, name in enumerate(names)
        for seed in (0, 1, 2)
    ]
    return Comparison(names, (0, 1, 2), tuple(made))


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, shown(full_rows(), width).splitlines())) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_from_the_table(width: int) -> None:
    text = shown(full_rows(), width)
    parts = ("rdrop-fgm", "72.00 ± 2.00", "62.00 ± 2.00", "12,345", "1,028.75", "110,123,456")
    assert [part for part in parts if part not in text] == []
    assert "…" not in text


@pytest.mark.parametrize(("width", "tables"), [(80, 2), (120, 1)])
def test_wide_terminals_get_one_table(width: int, tables: int) -> None:
    assert shown(full_rows(PRETENDED), width).count("configuration") == tables


def test_failed_runs_and_their_reasons_stand_below_the_table() -> None:
    text = shown(compared(base=[0.5], other=[float("nan")]), 80)
    assert text.rstrip().endswith("failed: other, seed 0: no")


def test_runs_not_yet_made_are_counted() -> None:
    assert "1 of 2 runs have not been made yet" in shown(replace(compared(base=[0.5]), seeds=(0, 1)), 80)


@pytest.mark.parametrize("name", ["[red]x[/red]", "a\x1b[31m"])
def test_names_are_neither_markup_nor_commands_to_the_terminal(name: str) -> None:
    text = shown(Comparison((name,), (0,), (Run(name, 0, PRETENDED),)), 80)
    assert name.replace("\x1b", "\ufffd") in text
