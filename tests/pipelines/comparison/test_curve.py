"""The learning curve: which trainings it makes, on which parts, what it resumes, and what it says of them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.options.training import CurveOptions
from ner_distill.pipelines.comparison.curve import LearningCurve, learning_curve, read_curve
from ner_distill.pipelines.comparison.figures import Comparison, Figures, Run
from ner_distill.pipelines.comparison.job import TrainingJob
from ner_distill.views.learning_curve import page_of, render
from tests import corpora
from tests.commands import ok, run
from tests.pipelines.comparison.pretend import PRETENDED, Pretend

PARTS = ("quarter", "half", "three-quarters", "all")
SCORES = dict(zip(PARTS, (0.5, 0.6, 0.65, 0.68), strict=True))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.write_all(tmp_path_factory.mktemp("data"), train=40, dev=6, raw=1)


def figures(job: TrainingJob) -> Figures:
    return replace(PRETENDED, dev=SCORES[job.name] + job.seed / 1000)


def curve(data: Path, out: Path, runner: Pretend | None = None, **options: Any) -> LearningCurve:
    given: dict[str, Any] = {"train": [data / "train.conll"], "dev": [data / "dev.conll"], "out": out, "seeds": 2}
    runner = runner or Pretend(figures)
    return learning_curve(TeacherConfig(), CurveOptions(**(given | options)), Reporter(quiet=True), runner=runner)


def test_parts_of_a_seed_lie_in_one_another_and_seeds_draw_others(data: Path, tmp_path: Path) -> None:
    found = curve(data, tmp_path / "out")
    ids = [
        [[one.words for one in read_corpus([tmp_path / f"out/seed-{seed}/{part}.jsonl"]).sentences] for part in PARTS]
        for seed in (13, 14)
    ]
    for own in ids:
        assert [len(part) for part in own] == [10, 20, 30, 40]
        assert all(larger[: len(part)] == part for part, larger in pairwise(own))
    assert ids[0][0] != ids[1][0]
    assert dict(found.sizes) == {"quarter": 10, "half": 20, "three-quarters": 30, "all": 40}
    assert found.scores("half") == pytest.approx([0.613, 0.614])


def test_finished_runs_are_reused_and_seeds_may_be_added(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = Pretend(figures, errors={"half": "no memory"})
    assert len(curve(data, out, first).comparison.failed) == 2
    with pytest.raises(RunError, match="resume"):
        curve(data, out)
    second = Pretend(figures)
    found = curve(data, out, second, resume=True, seeds=3)
    assert second.made == [("half", 13), ("half", 14), *((part, 15) for part in PARTS)]
    assert len(found.comparison.runs) == 12
    assert read_curve(out).law().at(40).value == pytest.approx(0.694, abs=0.003)


def test_other_data_is_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    curve(data, tmp_path / "out")
    other = corpora.write_all(tmp_path / "other", train=41, dev=6, raw=1)
    with pytest.raises(RunError, match="train"):
        curve(other, tmp_path / "out", resume=True)


def test_scores_are_those_of_test_files_where_there_are_any(data: Path, tmp_path: Path) -> None:
    found = curve(data, tmp_path / "out", test=[data / "dev.conll"])
    assert found.on_test
    assert found.scores("all") == [0.25, 0.25]


@pytest.mark.parametrize("missing", ["train", "dev"])
def test_data_that_is_missing_is_named(data: Path, tmp_path: Path, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"`{missing}`"):
        curve(data, tmp_path / "out", **{missing: []})


def test_too_few_sentences_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="6 sentences are too few for a curve; expected 8 or more"):
        curve(data, tmp_path / "out", train=[data / "dev.conll"])


def made(scores: dict[str, list[float]]) -> LearningCurve:
    runs = [
        Run(part, 13 + number, replace(PRETENDED, dev=score))
        for part, own in scores.items()
        for number, score in enumerate(own)
    ]
    seeds = tuple(range(13, 13 + max(map(len, scores.values()))))
    sizes = dict(zip(PARTS, (100, 200, 300, 400), strict=True))
    return LearningCurve(Comparison(PARTS, seeds, tuple(runs)), sizes, 20.0, on_test=False)


RISING = {"quarter": [0.50, 0.51], "half": [0.60, 0.61], "three-quarters": [0.65, 0.66], "all": [0.68, 0.69]}


def printed(found: LearningCurve, more: int = 200) -> str:
    stream = io.StringIO()
    Console(file=stream, width=80).print(render(found, more))
    return stream.getvalue()


def test_table_says_what_more_labels_bring() -> None:
    text = printed(made(RISING))
    assert "400 (all)" in text
    assert "68.50 ± 0.71" in text
    assert "200 more sentences (4,000 words): +" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "more seeds would tell" not in text


def test_gain_that_may_be_nothing_is_called_so() -> None:
    text = printed(made({part: [0.5, 0.6] for part in PARTS}))
    assert "more seeds would tell whether it is anything" in " ".join(text.split())


def test_a_curve_far_beyond_what_was_tried_is_called_a_guess() -> None:
    assert "a curve that goes so far is a guess" in printed(made(RISING), more=500)


def test_scores_that_no_power_law_goes_through_are_named() -> None:
    late = {"quarter": [0.0, 0.01], "half": [0.16, 0.17], "three-quarters": [0.42, 0.43], "all": [0.57, 0.58]}
    assert "no such curve goes through these scores" in printed(made(late))
    assert "no such curve" not in printed(made(RISING))


def test_one_seed_and_too_few_runs_are_said() -> None:
    assert "with one seed the limits are hardly known" in printed(
        made({part: [one[0]] for part, one in RISING.items()})
    )
    assert "too few trainings for a curve" in printed(made({"quarter": [0.5], "half": [0.6]}))


def test_page_has_the_curve_as_a_picture_and_loads_nothing() -> None:
    page = page_of(made(RISING), 200)
    assert page.count("<polyline") == 2
    assert page.count("<polygon") == 1
    assert "200 more add +" in page
    assert "http" not in page.replace("http-equiv", "")


def test_commands_print_and_print_again(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    curve(data, out)
    said = ok("learning-curve", "--out", out, "--more", "10").out
    assert "10 more sentences" in said
    assert (out / "learning-curve.html").is_file()
    assert json.loads((out / "curve.json").read_text())["sizes"]["half"] == 20
    assert run("learning-curve", "--out", tmp_path / "nowhere").code == 2


@pytest.mark.parametrize("score", [0.0, 0.5])
def test_trainings_that_all_score_alike_say_nothing_of_more(score: float) -> None:
    found = made({part: [score, score] for part in PARTS})
    assert not found.drawable
    said = printed(found, 200)
    assert "all trainings have the same score, which says nothing of more labels" in said
    assert "F1 =" not in said
    assert "points of F1" not in said


@pytest.mark.parametrize(("more", "sizes"), [(200, ["600", "800"]), (400, ["800"]), (900, ["800", "1,300"])])
def test_sizes_that_were_not_tried_are_in_order_and_once(more: int, sizes: list[str]) -> None:
    rows = [line.split() for line in printed(made(RISING), more).splitlines()]
    assert [row[0] for row in rows if len(row) > 1 and row[1] == "-"] == sizes
