"""One notion of unit: what a run was trained on is how text is cut for it, and what is otherwise is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.sentence import Unit
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.train_teacher import TeacherData, read_teacher_data
from ner_distill.runs.info import TEACHER_RUN, RunInfo, read_info
from ner_distill.runs.record import RunRecord, open_directory
from ner_distill.training.session import Session
from tests import corpora
from tests.commands import ok, run
from tests.world import World

MakeRun = Callable[..., Path]

AT_BLANKS = ("Ann, B-PER\nborn O\nin O\n(Oslo), B-LOC\nsings. O\n\n") * 20
CHINESE_WORDS = ("张伟 B-PER\n在 O\n上海 B-LOC\n的 O\n清华大学 B-ORG\n工作 O\n。 O\n\n") * 20
KANA = "".join(f"{char} {tag}\n" for char, tag in zip("サッポロでにあ", ["B-LOC", *["I-LOC"] * 3, *"OOO"], strict=True))


class Told(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def run_of(world: World, tmp_path: Path) -> MakeRun:
    """Makes a copy of the teacher that says something else of its words."""

    def make(**about: object) -> Path:
        out = tmp_path / "run"
        shutil.copytree(world.teacher, out)
        labels = json.loads((out / "labels.json").read_text("utf-8"))
        (out / "labels.json").write_text(json.dumps(labels | about), "utf-8")
        return out

    return make


def read(tmp_path: Path, train: str, dev: str, **options: object) -> tuple[TeacherData, list[str]]:
    """The data of a training as it is read, and the warnings."""
    for name, content in (("train.conll", train), ("dev.conll", dev)):
        (tmp_path / name).write_text(content, "utf-8")
    told = Told()
    files = {"train": [tmp_path / "train.conll"], "dev": [tmp_path / "dev.conll"], "out": tmp_path / "out"}
    return read_teacher_data(TeacherConfig(), TeacherOptions(**files, **options), told), told.warnings  # type: ignore[arg-type]


# ---- training


@pytest.mark.parametrize(
    ("content", "unit"), [(AT_BLANKS, "blank"), ((KANA + "\n") * 20, "character"), (CHINESE_WORDS, "word")]
)
def test_the_unit_of_the_training_words_becomes_that_of_the_run(content: str, unit: str, tmp_path: Path) -> None:
    assert read(tmp_path, content, content)[0].info.unit == unit


def test_words_that_no_unit_gives_are_told_once_with_share_example_and_advice(tmp_path: Path) -> None:
    data, (warning, _) = read(tmp_path, CHINESE_WORDS, CHINESE_WORDS)  # the second: dev is train
    assert data.info.mismatch == 0.5714
    for part in ("`train`: ", "57.1% of the words", "'张伟' → '张', '伟'", "JSON Lines with `words`"):
        assert part in warning


def test_an_asked_unit_is_that_of_the_run(tmp_path: Path) -> None:
    data, (warning, _) = read(tmp_path, AT_BLANKS, AT_BLANKS, unit="word")
    assert (data.info.unit, data.info.mismatch) == ("word", 0.6)
    assert "60.0% of the words" in warning


def test_development_words_that_are_cut_otherwise_are_told(tmp_path: Path) -> None:
    other = "Ann B-PER\n, O\nborn O\nin O\n( O\nOslo B-LOC\n) O\n, O\nsings O\n. O\n\n" * 20
    (warning,) = read(tmp_path, AT_BLANKS, other)[1]
    assert "`dev`: its words are cut by word, those trained on by blank: 50.0% of them" in warning


def begun(tmp_path: Path, unit: Unit) -> Session:
    """A training that goes on with a run of this unit."""
    options = TeacherOptions(train=["a"], dev=["b"], out=tmp_path / "run", resume=True)
    record = RunRecord(TeacherConfig(), RunInfo("teacher", unit, ("LOC",)), {})
    open_directory(TEACHER_RUN, options.out, record)
    return Session(TEACHER_RUN, options, TeacherConfig())


@pytest.mark.parametrize(("asked", "taken"), [("auto", "word"), ("blank", "blank")])
def test_a_run_goes_on_with_the_unit_that_it_began_with(asked: str, taken: str, tmp_path: Path) -> None:
    assert begun(tmp_path, "word").begun_unit(asked) == taken


# ---- a run and raw text


def test_text_is_cut_as_the_run_says(run_of: MakeRun) -> None:
    out = ok("predict", "--model", run_of(unit="blank"), "--format", "conll", stdin="Ann, lives in (Oslo).\n").out
    assert [line.split()[0] for line in out.splitlines() if line] == ["Ann,", "lives", "in", "(Oslo)."]


def test_an_asked_unit_is_honoured_and_said(world: World) -> None:
    done = ok("predict", "--model", world.teacher, "--unit", "blank", "--format", "conll", stdin="Ann, lives\n")
    assert [line.split()[0] for line in done.out.splitlines() if line] == ["Ann,", "lives"]
    assert f"--unit blank: text is cut so, though {world.teacher} was trained on words cut by word" in done.err


@pytest.mark.parametrize(("kind", "text"), [("text", "王小明在北京\n"), ("jsonl", '{"text": "王小明在北京"}\n')])
def test_raw_text_for_a_run_of_other_words_is_warned_of_once(run_of: MakeRun, kind: str, text: str) -> None:
    path = run_of(mismatch=0.5714) / "raw.jsonl"
    path.write_text(text * 3, "utf-8")
    done = ok("predict", "--model", path.parent, "--text", path, "--input-format", kind)
    assert done.err.count("57.1% are not as raw text is cut here") == 1


@pytest.mark.parametrize(
    "text",
    ['{"words": ["王小明", "在", "北京"]}\n', '{"text": "王小明在", "offsets": [[0, 3], [3, 4]]}\n'],
    ids=["words", "offsets"],
)
def test_words_that_a_file_gives_need_no_warning(run_of: MakeRun, text: str) -> None:
    path = run_of(mismatch=0.5714) / "given.jsonl"
    path.write_text(text, "utf-8")
    assert "warning" not in ok("predict", "--model", path.parent, "--text", path).err


def test_labelling_raw_text_warns_and_a_store_has_the_unit_it_was_cut_by(run_of: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("Ann, lives in (Oslo).\n", "utf-8")
    out = ("--text", tmp_path / "raw.txt", "--out", tmp_path / "soft")
    done = ok("label-unlabeled", "--teacher", run_of(mismatch=0.3), *out, "--unit", "blank")
    assert "30.0% are not as raw text is cut here" in done.err
    assert json.loads((tmp_path / "soft" / "manifest.json").read_text("utf-8"))["unit"] == "blank"


def test_a_run_without_a_mismatch_is_one_of_before(run_of: MakeRun) -> None:
    assert read_info(run_of()).mismatch == 0.0


@pytest.mark.parametrize("about", [{"mismatch": 2}, {"mismatch": "x"}, {"mismatch": True}, {"unit": "letter"}])
def test_a_run_that_says_nonsense_of_its_words_is_refused(run_of: MakeRun, about: dict[str, object]) -> None:
    done = run("predict", "--model", run_of(**about), stdin="a\n")
    assert done.code != 0
    assert "labels.json: expected" in done.err
    assert "Traceback" not in done.err


# ---- scores


def test_evaluating_words_that_are_cut_otherwise_is_warned_of(world: World, tmp_path: Path) -> None:
    (tmp_path / "test.conll").write_text(AT_BLANKS, "utf-8")
    done = ok("evaluate", "--model", world.teacher, "--data", tmp_path / "test.conll")
    assert "--data: its words are cut by blank, those trained on by word: 60.0%" in done.err


def test_words_that_a_file_gives_are_the_same_whatever_unit_is_asked_for(run_of: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "test.conll").write_text(AT_BLANKS, "utf-8")
    run = run_of(unit="blank")
    done = ok("evaluate", "--model", run, "--data", tmp_path / "test.conll", "--unit", "word")
    assert f"--unit word: text is cut so, though {run} was trained on words cut by blank" in done.err
    assert "--data" not in done.err


def test_an_entity_inside_a_word_is_missed_even_where_the_wider_one_is_found(world: World, tmp_path: Path) -> None:
    def scores(end: int) -> dict[str, object]:
        entities = [{"start": 10, "end": end, "label": "LOC"}]
        record = {"text": "It is in  Vienna today .", "entities": entities}
        (tmp_path / "test.jsonl").write_text(json.dumps(record) + "\n", "utf-8")
        done = ok(
            "evaluate", "--model", world.teacher, "--data", tmp_path / "test.jsonl", "--json", tmp_path / "s.json"
        )
        told.append(done.err + done.out)
        return dict(json.loads((tmp_path / "s.json").read_text("utf-8")))

    told: list[str] = []
    whole, part = scores(16), scores(14)
    assert whole["micro"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert part["micro"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert (whole.get("inside_words"), part.get("inside_words")) == (None, 1)
    assert "test.jsonl:1: LOC 'Vien' (10, 14) has a border inside 'Vienna'" in told[1]
    assert "1 gold entity with a border inside a word: counted as missed" in told[1]


def test_check_data_names_files_whose_words_are_cut_otherwise(tmp_path: Path) -> None:
    corpora.write_conll(tmp_path / "train.conll", corpora.sentences(20, seed=1))
    (tmp_path / "dev.conll").write_text(AT_BLANKS, "utf-8")
    out = ok("check-data", tmp_path / "train.conll", tmp_path / "dev.conll").out
    assert "dev.conll: its words are cut by blank, those of train.conll by word" in " ".join(out.split())


def test_check_data_warns_of_words_that_raw_text_does_not_give(tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text(CHINESE_WORDS, "utf-8")
    assert "57.1% of the words come out otherwise (--unit word)" in ok("check-data", tmp_path / "train.conll").out
