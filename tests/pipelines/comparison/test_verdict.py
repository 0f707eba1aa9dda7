"""The verdict on distillation: which trainings it makes, what it resumes, and what it makes of their figures."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_words
from ner_distill.errors import ConfigError, DataError, NerDistillError, RunError
from ner_distill.options.models import EvaluateOptions
from ner_distill.options.training import VerdictOptions
from ner_distill.pipelines.comparison import verdict as module
from ner_distill.pipelines.comparison.configurations import read_students
from ner_distill.pipelines.comparison.figures import Comparison, Figures, Run, Spread
from ner_distill.pipelines.comparison.findings import Cost, Verdict, read_verdict
from ner_distill.pipelines.comparison.job import Job, Runner, StudentJob, TrainingJob, run_in_processes
from ner_distill.pipelines.comparison.speed import SpeedJob, megabytes_of
from ner_distill.pipelines.comparison.verdict import LabellingJob, write_hard_labels
from ner_distill.pipelines.evaluate import evaluate
from ner_distill.views.verdict import render
from tests import corpora
from tests.commands import ok, run
from tests.pipelines.comparison.pretend import PRETENDED, Pretend
from tests.stores import ANN, BANK, RAIN, make_row, write_store

QUIET = Reporter(quiet=True)
ONE_STUDENT = ["teacher", "default-gold", "default-hard", "default-soft", "default-soft-gold"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few sentences, and the configuration of a student."""
    root = corpora.write_all(tmp_path_factory.mktemp("data"), train=12, dev=6, raw=12)
    corpora.write_conll(root / "test.conll", corpora.sentences(6, seed=4))
    (root / "tiny.toml").write_text("[encoder]\nhidden = 32\nheads = 4\n")
    return root


class PretendAll(Pretend):
    """Pretends labelling and measuring as well."""

    def do(self, job: Job) -> None:
        super().do(job)
        if isinstance(job, LabellingJob):
            write_store(job.store, [[ANN, RAIN]])
            write_words(corpora.sentences(3), job.hard)
        elif isinstance(job, SpeedJob):
            costs = {name: {"megabytes": 2.0, "single": 100.0, "batched": 900.0} for name in job.models}
            job.file.write_text(json.dumps({"costs": costs}))


def verdict(data: Path, out: Path, *, runner: Runner | None = None, **options: Any) -> Verdict:
    given: dict[str, Any] = {"train": [data / "train.conll"], "dev": [data / "dev.conll"], "text": [data / "raw.txt"]}
    given |= {"test": [data / "test.conll"], "seeds": 1, "out": out}
    own = VerdictOptions(**(given | options))
    teacher = load_config(TeacherConfig, own.config, own.set)
    return module.verdict(teacher, read_students(own), own, QUIET, runner=runner or PretendAll())


def refused(kind: type[NerDistillError], data: Path, out: Path, **options: Any) -> str:
    """The message of a verdict that must not train anything."""
    pretend = PretendAll()
    with pytest.raises(kind) as caught:
        verdict(data, out, runner=pretend, **options)
    assert pretend.jobs == []
    return str(caught.value)


# ---- which trainings are made, and of what


def test_each_seed_has_a_teacher_and_each_student_four_ways_to_learn(data: Path, tmp_path: Path) -> None:
    pretend = PretendAll()
    students = [f"preset:default,{data / 'tiny.toml'}"]
    verdict(data, tmp_path / "out", runner=pretend, seeds=2, students=students)
    rows = [*ONE_STUDENT, "tiny-gold", "tiny-hard", "tiny-soft", "tiny-soft-gold"]
    assert pretend.made == [(row, seed) for seed in (13, 14) for row in rows]
    assert (tmp_path / "out" / "seed-14" / "tiny-soft-gold" / "config.toml").is_file()


def test_students_learn_from_gold_hard_labels_soft_labels_or_soft_and_gold(data: Path, tmp_path: Path) -> None:
    pretend, seed = PretendAll(), tmp_path / "out" / "seed-13"
    verdict(data, tmp_path / "out", runner=pretend)
    students = [job.options for job in pretend.jobs if isinstance(job, StudentJob)]
    train = data / "train.conll"
    assert [(options.soft, [*options.gold]) for options in students] == [
        (None, [train]), (None, [seed / "hard.jsonl"]), (seed / "soft", []), (seed / "soft", [train]),
    ]  # fmt: skip


def test_students_on_hard_labels_are_judged_by_the_same_sentences(data: Path, tmp_path: Path) -> None:
    verdict(data, tmp_path / "out")
    copied, given = (read_corpus([file]).sentences for file in (tmp_path / "out" / "dev.jsonl", data / "dev.conll"))
    assert [(one.words, one.spans) for one in copied] == [(one.words, one.spans) for one in given]


def test_hard_labels_are_the_best_reading_of_the_store_and_keep_what_it_keeps(tmp_path: Path) -> None:
    doubted = make_row("doubted", ("Eva", "B-PER", 0.9), dropped=(0,))
    write_store(tmp_path / "soft", [[BANK, RAIN], [doubted, ANN]])
    write_hard_labels(tmp_path / "soft", tmp_path / "hard.jsonl")
    sentences = read_corpus([tmp_path / "hard.jsonl"]).sentences
    found = [(one.words, [(span.start, span.end, span.label) for span in one.spans or ()]) for one in sentences]
    assert found == [(BANK.words, [(1, 4, "ORG")]), (RAIN.words, []), (ANN.words, [(0, 1, "PER")])]
    assert sentences[0].keep == (True, True, True, True, False)


def test_options_of_reading_are_not_those_of_hard_labels(data: Path, tmp_path: Path) -> None:
    pretend = PretendAll()
    verdict(data, tmp_path / "out", runner=pretend, format="conll", scheme="iob2")
    read = {job.name: job.options for job in pretend.jobs if isinstance(job, StudentJob)}
    assert (read["default-hard"].format, read["default-hard"].scheme) == ("jsonl", "auto")
    assert (read["default-soft-gold"].format, read["default-soft-gold"].scheme) == ("conll", "iob2")


def test_nested_entities_of_hard_labels_become_flat_where_those_of_the_files_do(data: Path, tmp_path: Path) -> None:
    pretend = PretendAll()
    verdict(data, tmp_path / "out", runner=pretend, flatten="longest")
    assert {job.options.flatten for job in pretend.jobs if isinstance(job, StudentJob)} == {"longest"}


def test_without_a_teacher_only_gold_is_trained_on_and_the_rest_says_why(data: Path, tmp_path: Path) -> None:
    pretend = PretendAll(errors={"teacher": "the disk is full"})
    found = verdict(data, tmp_path / "out", runner=pretend)
    assert pretend.made == [("teacher", 13), ("default-gold", 13)]
    errors = {run.name: run.error for run in found.comparison.failed}
    assert errors.pop("teacher") == "the disk is full"
    assert set(errors) == {"labelling", "default-hard", "default-soft", "default-soft-gold"}
    assert all("what it needs was not made" in str(error) for error in errors.values())


def test_a_failed_student_leaves_the_others_alone(data: Path, tmp_path: Path) -> None:
    found = verdict(data, tmp_path / "out", runner=PretendAll(errors={"default-hard": "no memory"}))
    done = {summary.name: summary.seeds for summary in found.comparison.summaries()}
    assert done == dict.fromkeys(ONE_STUDENT, 1) | {"default-hard": 0}
    assert "default-hard" not in found.costs


# ---- resuming


def test_resume_trains_only_what_is_missing(data: Path, tmp_path: Path) -> None:
    verdict(data, tmp_path / "out", runner=PretendAll(errors={"default-soft": "no memory"}))
    second = PretendAll()
    verdict(data, tmp_path / "out", runner=second, resume=True)
    assert second.made == [("default-soft", 13)]


def test_resume_takes_more_students_and_seeds_and_measures_again(data: Path, tmp_path: Path) -> None:
    verdict(data, tmp_path / "out")
    second = PretendAll()
    students = ["preset:default", str(data / "tiny.toml")]
    found = verdict(data, tmp_path / "out", runner=second, resume=True, students=students, seeds=2)
    assert second.made[:5] == [("tiny-gold", 13), ("tiny-hard", 13), ("tiny-soft", 13), ("tiny-soft-gold", 13),
                               ("teacher", 14)]  # fmt: skip
    assert set(found.costs) == {*ONE_STUDENT, "tiny-gold", "tiny-hard", "tiny-soft", "tiny-soft-gold"}


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"set": ["optim.epochs=3"]}, "teacher: `resume`: optim.epochs was 12, now 3"),
        ({"student_set": ["distill.gamma=off"]}, "default-soft: `resume`: distill.gamma was"),
    ],
)
def test_resume_with_another_configuration_names_run_and_key(
    data: Path, tmp_path: Path, options: dict[str, Any], key: str
) -> None:
    verdict(data, tmp_path / "out")
    assert f"{tmp_path / 'out' / 'seed-13'}/{key}" in refused(ConfigError, data, tmp_path / "out", resume=True,
                                                              **options)  # fmt: skip


@pytest.mark.parametrize("role", ["train", "dev", "test", "text"])
def test_resume_with_other_files_is_refused(data: Path, tmp_path: Path, role: str) -> None:
    verdict(data, tmp_path / "out")
    other = corpora.write_conll(tmp_path / "other.conll", corpora.sentences(5, seed=9))
    assert f"the files of `{role}` are not" in refused(RunError, data, tmp_path / "out", resume=True, **{role: [other]})


def test_a_store_that_was_made_again_is_noticed(data: Path, tmp_path: Path) -> None:
    verdict(data, tmp_path / "out")
    manifest = tmp_path / "out" / "seed-13" / "soft" / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    message = refused(ConfigError, data, tmp_path / "out", resume=True)
    assert "default-soft: `resume`: the files of `soft` are not those" in message


def test_test_files_given_later_are_scored(data: Path, tmp_path: Path) -> None:
    verdict(data, tmp_path / "out", test=())
    found = verdict(data, tmp_path / "out", resume=True)
    assert [summary.test for summary in found.comparison.summaries()] == [Spread(0.25, None, 1)] * 5


def test_a_directory_that_holds_something_is_refused_without_resume(data: Path, tmp_path: Path) -> None:
    verdict(data, tmp_path / "out")
    assert "`resume`" in refused(RunError, data, tmp_path / "out")


def test_the_verdict_is_read_again_from_the_directory(data: Path, tmp_path: Path) -> None:
    found = verdict(data, tmp_path / "out", runner=PretendAll(errors={"default-soft": "no memory"}))
    assert read_verdict(tmp_path / "out") == found


def test_what_is_written_after_each_run_is_the_verdict_so_far(data: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def look(job: TrainingJob) -> Figures:
        seen.append(len(read_verdict(tmp_path / "out").comparison.runs))
        return PRETENDED

    verdict(data, tmp_path / "out", runner=PretendAll(look))
    assert seen == [0, 1, 2, 3, 4]


# ---- wrong input: nothing is trained


@pytest.mark.parametrize("role", ["train", "dev", "text"])
def test_missing_files_are_asked_for(data: Path, tmp_path: Path, role: str) -> None:
    assert f"`{role}`: " in refused(ConfigError, data, tmp_path / "out", **{role: ()})
    assert not (tmp_path / "out").exists()


def test_standard_input_is_refused(data: Path, tmp_path: Path) -> None:
    assert "standard input" in refused(ConfigError, data, tmp_path / "out", text=["-"])


def test_a_text_without_a_sentence_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")
    assert "no sentence in it" in refused(DataError, data, tmp_path / "out", text=[tmp_path / "empty.txt"])


def test_a_text_that_is_not_there_is_refused(data: Path, tmp_path: Path) -> None:
    assert "no such file" in refused(DataError, data, tmp_path / "out", text=[tmp_path / "none.txt"])


def test_a_broken_test_file_is_found_before_anything_is_trained(data: Path, tmp_path: Path) -> None:
    (tmp_path / "test.conll").write_text("a O\nb\n")
    assert "test.conll:2" in refused(DataError, data, tmp_path / "out", test=[tmp_path / "test.conll"])


def test_a_student_that_may_not_learn_from_gold_is_refused(data: Path, tmp_path: Path) -> None:
    message = refused(ConfigError, data, tmp_path / "out", student_set=["distill.gold_weight=0"])
    assert "`students` default: distill.gold_weight is 0" in message


def test_a_student_that_only_a_teacher_can_judge_is_refused(data: Path, tmp_path: Path) -> None:
    message = refused(ConfigError, data, tmp_path / "out", student_set=['distill.judge="teacher"'])
    assert "there is no teacher without `soft`" in message


def test_settings_of_students_are_called_so_where_they_are_wrong(data: Path, tmp_path: Path) -> None:
    message = refused(ConfigError, data, tmp_path / "out", student_set=["optim.epoch=3"])
    assert message.startswith("`student_set` optim.epoch=3: unknown key")


def test_a_verdict_on_no_student_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`students`: none is given"):
        module.verdict(TeacherConfig(), {}, VerdictOptions(out=tmp_path / "out"), QUIET, runner=PretendAll())


def test_two_students_of_one_name_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "default.toml").write_text("")
    students = ["preset:default", str(tmp_path / "default.toml")]
    assert "two configurations have the name default" in refused(ConfigError, data, tmp_path / "out", students=students)


def test_students_whose_runs_would_have_one_name_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "default-soft.toml").write_text("")
    students = ["preset:default", str(tmp_path / "default-soft.toml")]
    message = refused(ConfigError, data, tmp_path / "out", students=students)
    assert "two runs would have the name default-soft-gold" in message


# ---- what the figures say


def judged(f1: dict[str, list[float]], costs: dict[str, Cost] | None = None, *, tested: bool = True) -> Verdict:
    """A verdict on these test F1 (dev: the same), one for each seed from 0 on. A row is `teacher` or `STUDENT-WAY`."""
    made = [
        Run(name, seed, replace(PRETENDED, dev=value, test=value if tested else None))
        for name, values in f1.items()
        for seed, value in enumerate(values)
    ]
    students = tuple(dict.fromkeys(name.removesuffix("-gold") for name in f1 if name.endswith("-gold")
                                   and not name.endswith("-soft-gold")))  # fmt: skip
    seeds = tuple(range(max(map(len, f1.values()))))
    names = ("teacher", *(f"{student}-{way}" for student in students for way in ("gold", "hard", "soft", "soft-gold")))
    return Verdict(Comparison(names, seeds, tuple(made)), students, ("test.conll",) if tested else (), costs or {})


THREE = {
    "teacher": [0.70, 0.72, 0.71],
    "small-gold": [0.60, 0.62, 0.64],
    "small-hard": [0.69, 0.66, 0.69],
    "small-soft": [0.68, 0.68, 0.68],
    "small-soft-gold": [0.70, 0.72, 0.74],
}


def shown(found: Verdict, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_gains_are_of_the_way_that_is_better_on_development_data() -> None:
    gains = list(judged(THREE).gains())
    assert [(gain.way, gain.over) for gain in gains] == [
        ("soft-gold", "small-gold"), ("soft-gold", "small-hard"), ("soft-gold", "teacher"),
    ]  # fmt: skip


def test_gains_are_paired_by_seed() -> None:
    over_gold = next(iter(judged(THREE).gains()))
    # each seed gained ten points, though both rows scatter by two
    assert over_gold.spread == Spread(pytest.approx(0.1), pytest.approx(0.0, abs=1e-9), 3)  # type: ignore[arg-type]


def test_a_difference_smaller_than_its_deviation_is_within_noise() -> None:
    noise = {gain.over: gain.within_noise for gain in judged(THREE).gains()}
    # over the teacher: 0, 0, +3: mean 1, deviation 1.7; over hard labels: +1, +6, +5: mean 4, deviation 2.6
    assert noise == {"small-gold": False, "small-hard": False, "teacher": True}


def test_one_seed_does_not_tell_a_difference_from_noise() -> None:
    found = judged({name: values[:1] for name, values in THREE.items()})
    assert {gain.within_noise for gain in found.gains()} == {None}
    assert "one seed does not tell a difference from noise" in shown(found, 400)


def test_a_gain_of_fewer_seeds_than_all_says_of_how_many() -> None:
    found = judged(THREE | {"small-soft": [0.68], "small-soft-gold": [0.70]})
    text = shown(found, 400)
    assert "+10.0 (1) over gold alone, " in text
    assert "one seed does not tell a difference from noise" in text


def test_the_sentence_says_what_distillation_gave_and_what_is_noise() -> None:
    text = shown(judged(THREE), 400)
    assert "What distillation gave small (soft and gold, test F1): +10.0 ± 0.0 over gold alone" in text
    assert "+1.0 ± 1.7 over the teacher (within noise)." in text


def test_a_loss_is_said_as_one() -> None:
    worse = THREE | {"small-soft": [0.5, 0.5, 0.5], "small-soft-gold": [0.5, 0.51, 0.5]}
    assert "-11.7 ± 2.1 over gold alone" in shown(judged(worse), 400)


def test_the_front_holds_what_nothing_smaller_beats() -> None:
    f1 = {"teacher": [0.9], "a-gold": [0.5], "a-hard": [0.6], "a-soft": [0.7], "a-soft-gold": [0.7]}
    megabytes = {"teacher": 9.0, "a-gold": 1.0, "a-hard": 3.0, "a-soft": 2.0, "a-soft-gold": 2.0}
    costs = {name: Cost(size, 1.0, 1.0) for name, size in megabytes.items()}
    # a-hard is bigger than a-soft and worse; two rows that are alike do not beat each other
    assert judged(f1, costs).front() == ["teacher", "a-gold", "a-soft", "a-soft-gold"]


def test_rows_of_the_front_are_marked() -> None:
    costs = {name: Cost(1.0 if name == "small-soft-gold" else 2.0, 1.0, 1.0) for name in THREE}
    lines = shown(judged(THREE, costs)).splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith(" *")] == [" * soft and gold"]


def test_without_test_files_the_table_says_what_chose_the_checkpoints() -> None:
    text = shown(judged(THREE, tested=False), 400)
    assert "test F1" not in text
    assert "dev F1 is of the sentences that chose the checkpoints, and so somewhat too high" in text


WIDE = {name.replace("small", "distilbert-multilingual-4x312"): values for name, values in THREE.items()}


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_nothing_is_cut_from_it(width: int) -> None:
    costs = {name: Cost(1234.5, 12345.0, 123456.0) for name in WIDE}
    found = judged(WIDE, costs)
    runs = tuple(replace(run, figures=replace(PRETENDED, dev=0.7, test=0.7, parameters=110_123_456))
                 for run in found.comparison.runs)  # fmt: skip
    text = shown(replace(found, comparison=replace(found.comparison, runs=runs)), width)
    assert max(map(len, text.splitlines())) <= width
    parts = ("70.0 ± 0.0", "110,123,456", "1,234.5", "12,345", "123,456", "* soft labels")
    assert [part for part in parts if part not in text] == []
    assert "…" not in text


def test_names_are_neither_markup_nor_commands_to_the_terminal() -> None:
    f1 = {name.replace("small", "[red]a\x1b[31m"): values for name, values in THREE.items()}
    assert "[red]a\ufffd[31m" in shown(judged(f1))


# ---- size and speed


def test_megabytes_are_of_the_model_and_not_of_the_record_of_its_training(tmp_path: Path) -> None:
    for name, size in {"model.safetensors": 3000, "vocab.json": 500, "encoder/tokenizer.json": 70,
                       "knowledge/words.txt": 6, "log.txt": 10**5, "metrics.jsonl": 10**5, "measured.json": 10**5,
                       "checkpoints/1/model.safetensors": 10**5}.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert megabytes_of(tmp_path) == pytest.approx(3576e-6)


# ---- the command


def test_with_out_alone_the_command_prints_the_table_again(data: Path, tmp_path: Path) -> None:
    verdict(data, tmp_path / "out")
    assert "soft and gold" in ok("verdict", "--out", tmp_path / "out").out


def test_the_command_says_what_is_missing(data: Path) -> None:
    done = run("verdict", "--train", data / "train.conll")
    assert done.code == 2
    assert "--text: raw text" in done.err


# ---- real trainings


@pytest.mark.slow
def test_a_verdict_trains_labels_scores_and_measures(data: Path, tmp_path: Path) -> None:
    out, small = tmp_path / "out", [*corpora.SMALL, "optim.epochs=4"]
    learns = [*corpora.SMALL, "optim.epochs=16"]  # what finds no entity has no hard labels to give
    found = verdict(data, out, runner=run_in_processes, set=learns, student_set=small, jobs=2)
    assert found.comparison.failed == ()
    summaries = {summary.name: summary for summary in found.comparison.summaries()}
    for row in ONE_STUDENT:
        options = EvaluateOptions(model=out / "seed-13" / row, data=[data / "test.conll"])
        assert summaries[row].test == Spread(evaluate(options, QUIET).micro.f1, None, 1)
        assert found.costs[row].single > 0
        assert found.costs[row].batched > 0
    assert len(read_corpus([out / "seed-13" / "hard.jsonl"]).sentences) == 12
