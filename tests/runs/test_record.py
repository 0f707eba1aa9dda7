from __future__ import annotations

import pytest

from ner_distill.config import TeacherConfig, load_config
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import write_json
from ner_distill.runs.info import TEACHER_RUN, RunInfo, write_config
from ner_distill.runs.record import (
    RunRecord,
    fingerprints,
    open_directory,
    require_same_config,
    require_same_inputs,
    require_same_values,
)

INFO = RunInfo("teacher", "character", ("LOC", "机构"))
CONFIG = load_config(TeacherConfig, None)


def test_the_same_configuration_may_go_on(tmp_path):
    write_config(tmp_path, CONFIG)
    require_same_config(tmp_path, CONFIG)


def test_every_changed_key_is_listed_with_both_values(tmp_path):
    write_config(tmp_path, CONFIG)
    changed = load_config(TeacherConfig, None, ["optim.lr=0.5", "seed=14", 'head.kind="token"'])
    with pytest.raises(ConfigError) as raised:
        require_same_config(tmp_path, changed)
    rate = CONFIG.optim.lr
    assert [line.removeprefix("  - `resume`: ").partition(";")[0] for line in str(raised.value).splitlines()] == [
        "4 problems:",
        "seed was 13, now 14",
        "head.kind was 'crf', now 'token'",
        f"optim.lr was {rate}, now 0.5",
        f"optim.head_lr was {rate}, now 0.5",  # follows lr where it is not given
    ]


def test_fingerprints_tell_files_apart_by_content_and_list_directories(tmp_path):
    for name in ("b", "a"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / name).write_text(name)
    found = fingerprints([tmp_path / "folder", "hf:conll2003/en/train"])
    assert [(file["name"].rpartition("/")[2], file["size"]) for file in found] == [("a", 1), ("b", 1), ("train", None)]
    assert found[0]["sha256"] != found[1]["sha256"]
    assert found[2]["sha256"] is None


def inputs_of(tmp_path, text):
    (tmp_path / "train.conll").write_text(text)
    return {"train": fingerprints([tmp_path / "train.conll"]), "dev": []}


def test_resume_with_the_same_inputs_goes_on(tmp_path):
    write_json(tmp_path / "inputs.json", inputs_of(tmp_path, "a"))
    require_same_inputs(tmp_path, inputs_of(tmp_path, "a"))


def test_resume_with_a_changed_input_names_the_option(tmp_path):
    write_json(tmp_path / "inputs.json", inputs_of(tmp_path, "a"))
    with pytest.raises(RunError, match="the files of `train` are not those"):
        require_same_inputs(tmp_path, inputs_of(tmp_path, "b"))


def test_resume_with_one_file_less_names_the_option(tmp_path):
    write_json(tmp_path / "inputs.json", inputs_of(tmp_path, "a"))
    with pytest.raises(RunError, match="the files of `train` are not those"):
        require_same_inputs(tmp_path, {"train": [], "dev": []})


@pytest.mark.parametrize("content", ["[]", '{"train": 3}', '{"train": [{}]}', '{"train": ["x"]}', "{"])
def test_a_damaged_record_of_inputs_is_named(tmp_path, content):
    (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(RunError, match=r"inputs\.json: .*damaged"):
        require_same_inputs(tmp_path, inputs_of(tmp_path, "a"))


def test_a_run_that_began_may_go_on_as_it_began(tmp_path):
    inputs = inputs_of(tmp_path, "a")
    open_directory(TEACHER_RUN, tmp_path / "run", RunRecord(CONFIG, INFO, inputs))
    open_directory(TEACHER_RUN, tmp_path / "run", RunRecord(CONFIG, INFO, inputs), resume=True)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (RunInfo("student", "character", INFO.labels), "run of a teacher; train-teacher can"),
        (RunInfo("teacher", "character", ("LOC", "ORG")), "labels LOC, 机构 .* now they are LOC, ORG"),
        (RunInfo("teacher", "word", INFO.labels), r"\(character\), now .*\(word\)"),
    ],
)
def test_resume_as_something_else_is_refused(tmp_path, info, message):
    open_directory(TEACHER_RUN, tmp_path / "run", RunRecord(CONFIG, INFO, {}))
    with pytest.raises(RunError, match=message):
        RunRecord(CONFIG, info, {}).require_same(tmp_path / "run")


@pytest.mark.parametrize(("before", "now"), [({}, {"unit": "word"}), ({"unit": "blank"}, {"unit": "blank"}), ({}, {})])
def test_a_unit_that_was_not_recorded_may_be_said_now(before: dict[str, str], now: dict[str, str]) -> None:
    require_same_values(before, now, "voting")


@pytest.mark.parametrize("now", [{}, {"unit": "word"}])
def test_a_unit_that_was_recorded_stays(now: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="unit was 'blank', now '(auto|word)'; a voting goes on"):
        require_same_values({"unit": "blank"}, now, "voting")
