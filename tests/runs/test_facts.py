import hashlib
import json
import shutil
from pathlib import Path

import pytest

from ner_distill.errors import RunError
from ner_distill.runs.facts import read_facts
from tests import corpora
from tests.world import World


def recorded(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text("utf-8"))["dev"]


def test_facts_are_those_of_the_files(world: World) -> None:
    facts = read_facts(world.student)
    assert (facts.info.kind, facts.info.labels) == ("student", corpora.LABELS)
    assert [one.number for one in facts.epochs] == list(range(1, 17))
    assert set(facts.epochs[0].losses) == {"soft", "similarity"}
    assert {"f1", "precision", "recall", "score"} == set(facts.epochs[0].figures)
    assert {role: [Path(one.name).name for one in files] for role, files in facts.inputs.items()} == {
        "soft": ["manifest.json"],
        "dev": ["dev.conll"],
    }
    assert facts.dev == recorded(world.student)
    assert facts.dev_chose


def test_a_students_teacher_is_known_by_its_store(world: World) -> None:
    facts = read_facts(world.student)
    assert facts.store is not None
    assert [one.dev for one in facts.teachers] == [recorded(world.teacher)]
    assert read_facts(world.teacher).teachers == ()


@pytest.fixture
def moved(world: World, tmp_path: Path) -> Path:
    """All of them in another place, of which the runs do not know."""
    for run in (world.teacher, world.student, world.soft):
        shutil.copytree(run, tmp_path / run.name)
    named = (tmp_path / "student" / "inputs.json").read_text("utf-8")
    (tmp_path / "student" / "inputs.json").write_text(named.replace(str(world.root), "/gone"), "utf-8")
    return tmp_path


def test_what_was_moved_together_is_found_again(moved: Path) -> None:
    teachers = read_facts(moved / "student").teachers
    assert [one.dev for one in teachers] == [recorded(moved / "teacher")]


def test_a_store_that_is_not_as_it_was_is_not_believed(moved: Path) -> None:
    with (moved / "soft" / "manifest.json").open("a") as file:
        file.write(" ")
    facts = read_facts(moved / "student")
    assert facts.store is None
    assert facts.teachers == ()


@pytest.mark.parametrize("changed", ["weights", "dev"])
def test_figures_of_another_teacher_or_on_other_files_are_not_taken(moved: Path, changed: str) -> None:
    # the store names where the teacher was: of the copy it has to be looked for beside the store
    manifest = moved / "soft" / "manifest.json"
    old = json.loads(manifest.read_text("utf-8"))["teachers"][0]["name"]
    manifest.write_text(manifest.read_text("utf-8").replace(old, "/gone/teacher"), "utf-8")
    inputs = json.loads((moved / "student" / "inputs.json").read_text("utf-8"))
    inputs["soft"][0]["sha256"] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    (moved / "student" / "inputs.json").write_text(json.dumps(inputs), "utf-8")
    assert read_facts(moved / "student").teachers[0].dev is not None
    if changed == "weights":
        with (moved / "teacher" / "labels.json").open("a") as file:
            file.write("\n")
    else:
        text = (moved / "teacher" / "inputs.json").read_text("utf-8")
        (moved / "teacher" / "inputs.json").write_text(text.replace(inputs["dev"][0]["sha256"], "0" * 64), "utf-8")
    assert [one.dev for one in read_facts(moved / "student").teachers] == [None]


@pytest.mark.parametrize("junk", ["", "[]", "7", "{", '{"dev": 3, "counts": [1], "best_epoch": "x"}', "[" * 100_000])
def test_files_that_hold_anything_are_as_if_they_were_not_there(world: World, tmp_path: Path, junk: str) -> None:
    (tmp_path / "labels.json").write_bytes((world.student / "labels.json").read_bytes())
    for name in ("metrics.json", "metrics.jsonl", "inputs.json", "config.toml"):
        (tmp_path / name).write_text(junk)
    facts = read_facts(tmp_path)
    assert (facts.dev, facts.counts, facts.best_epoch, facts.inputs, facts.epochs) == ({}, {}, None, {}, [])


def test_numbers_that_are_none_are_left_out(world: World, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_bytes((world.student / "labels.json").read_bytes())
    loss = '{"a": NaN, "b": 0.5, "c": "x", "d": 1e308}'
    line = f'{{"epoch": 1, "step": 3, "seconds": 1, "loss": {loss}, "f1": true, "recall": 0.25}}'
    (tmp_path / "metrics.jsonl").write_text(f"{line}\n{line[:20]}\n")
    (tmp_path / "metrics.json").write_text('{"counts": {"cut": 2, "none": 0, "odd": "3"}}')
    facts = read_facts(tmp_path)
    assert [(one.number, one.losses, one.figures) for one in facts.epochs] == [(1, {"b": 0.5}, {"recall": 0.25})]
    assert facts.counts == {"cut": 2}


@pytest.mark.parametrize(
    ("config", "encoder"),
    [
        ('[encoder]\nname = "scratch"\n[init]\nteacher = ""\n', "scratch"),
        ('[encoder]\nname = "scratch"\n[init]\nteacher = "runs/t"\n', "layers of t"),
        ("[encoder]\nname = 3\n", ""),
    ],
)
def test_the_encoder_is_what_it_began_as(world: World, tmp_path: Path, config: str, encoder: str) -> None:
    (tmp_path / "labels.json").write_bytes((world.student / "labels.json").read_bytes())
    (tmp_path / "config.toml").write_text(config)
    assert read_facts(tmp_path).encoder == encoder


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="this is not a run of ner-distill"):
        read_facts(tmp_path)
