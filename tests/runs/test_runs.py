from __future__ import annotations

import json

import pytest

from ner_distill.config import StudentConfig, TeacherConfig, load_config
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, RunError
from ner_distill.runs.runs import (
    RunInfo,
    begin,
    check_inputs,
    check_out,
    fingerprints,
    open_run,
    open_workspace,
    read_config,
    read_info,
    read_json,
    require_same,
    require_same_config,
    write_config,
    write_info,
)

INFO = RunInfo("teacher", "character", ("LOC", "机构"))
CONFIG = load_config(TeacherConfig, None)


def make_run(directory, info=INFO, config=CONFIG):
    directory.mkdir(parents=True, exist_ok=True)
    write_config(directory, config)
    write_info(directory, info)
    (directory / "model.safetensors").write_bytes(b"weights")
    return directory


def tree(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


# ---- entering a directory


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_new_run_makes_its_directory_and_those_above(tmp_path, overwrite):
    open_run(tmp_path / "a" / "b", resume=False, overwrite=overwrite)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_an_empty_directory_is_taken(tmp_path):
    open_run(tmp_path, resume=False, overwrite=False)
    assert tmp_path.is_dir()


def test_a_run_is_not_overwritten_unasked(tmp_path):
    before = tree(make_run(tmp_path))
    with pytest.raises(RunError, match=r"not empty.*--resume.*--overwrite.*--out"):
        open_run(tmp_path, resume=False, overwrite=False)
    assert tree(tmp_path) == before


def test_overwrite_removes_a_run_and_all_in_it(tmp_path):
    make_run(tmp_path / "run")
    (tmp_path / "beside").touch()
    open_run(tmp_path / "run", resume=False, overwrite=True)
    assert list((tmp_path / "run").iterdir()) == []
    assert (tmp_path / "beside").exists()


@pytest.mark.parametrize(
    "files",
    [
        {"thesis.txt": "years of work"},
        {"config.toml": "", "thesis.txt": ""},
        {"labels.json": '{"0": "cat"}', "config.toml": "[tool]"},
        {"labels.json": '["cat"]', "config.toml": ""},
        {"labels.json": '{"format": 1, "kind": "teacher", "unit": "word", "labels": ["LOC"]}'},
    ],
    ids=["other-files", "a-config", "labels-of-another-program", "a-list-of-labels", "no-config"],
)
def test_overwrite_does_not_remove_what_is_no_run(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = tree(tmp_path)
    with pytest.raises(RunError, match="not a run.*--overwrite does not remove"):
        open_run(tmp_path, resume=False, overwrite=True)
    assert tree(tmp_path) == before


def test_checking_changes_nothing(tmp_path):
    before = tree(make_run(tmp_path / "run"))
    check_out(tmp_path / "run", resume=False, overwrite=True)
    check_out(tmp_path / "new", resume=False, overwrite=False)
    assert tree(tmp_path / "run") == before
    assert not (tmp_path / "new").exists()


def test_resume_enters_a_run_as_it_is(tmp_path):
    before = tree(make_run(tmp_path))
    open_run(tmp_path, resume=True, overwrite=False)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("files", [None, {}, {"config.toml": ""}, {"labels.json": "{}"}])
def test_resume_needs_a_run(tmp_path, files):
    directory = tmp_path / "run"
    if files is not None:
        directory.mkdir()
        for name, text in files.items():
            (directory / name).write_text(text)
    with pytest.raises(RunError, match="no run to resume here"):
        open_run(directory, resume=True, overwrite=False)


def test_resume_and_overwrite_exclude_each_other(tmp_path):
    before = tree(make_run(tmp_path))
    with pytest.raises(ConfigError, match="give one of them"):
        open_run(tmp_path, resume=True, overwrite=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("flag", ["resume", "overwrite", None])
def test_a_file_is_no_place_for_a_run(tmp_path, flag):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(RunError, match="file: is a file"):
        open_run(tmp_path / "file", resume=flag == "resume", overwrite=flag == "overwrite")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file/run: cannot be written"):
        open_run(tmp_path / "file" / "run", resume=False, overwrite=False)


def test_a_workspace_is_made_and_only_a_workspace_replaced(tmp_path):
    open_workspace(tmp_path / "w", overwrite=False)
    (tmp_path / "w" / "sample.conll").touch()
    with pytest.raises(RunError, match="not empty"):
        open_workspace(tmp_path / "w", overwrite=False)
    open_workspace(tmp_path / "w", overwrite=True)
    assert [path.name for path in (tmp_path / "w").iterdir()] == [".ner-distill-workspace"]


def test_a_workspace_does_not_replace_what_it_did_not_make(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="did not make"):
        open_workspace(tmp_path, overwrite=True)
    assert tree(tmp_path) == {"thesis.txt": b"years of work"}


# ---- labels.json


def test_info_comes_back(tmp_path):
    write_info(tmp_path, INFO)
    assert read_info(tmp_path) == INFO
    assert read_info(tmp_path).tagset == TagSet(("LOC", "机构"))


def test_missing_info_says_that_this_is_no_run(tmp_path):
    with pytest.raises(RunError, match=r"labels\.json: not found; this is not a run"):
        read_info(tmp_path)


GOOD = {"format": 1, "kind": "teacher", "unit": "word", "labels": ["LOC"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as JSON"),
        (b'{"format": 1', "cannot be read as JSON"),
        (b"\xff\xfe\x00", "cannot be read as JSON"),
        (b"[]", r"format 1, found \[\]"),
        (json.dumps({**GOOD, "format": 2}), "format 1, found 2"),
        (json.dumps({**GOOD, "kind": "pupil"}), "'pupil'"),
        (json.dumps({**GOOD, "kind": ["teacher"]}), "'teacher'"),
        (json.dumps({**GOOD, "unit": None}), "None"),
        (json.dumps({**GOOD, "labels": []}), r"list of labels, found \[\]"),
        (json.dumps({**GOOD, "labels": ["LOC", 3]}), "list of labels"),
        (json.dumps({**GOOD, "labels": "LOC"}), "list of labels, found 'LOC'"),
    ],
)
def test_damaged_info_is_named_with_what_was_found(tmp_path, content, message):
    (tmp_path / "labels.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError, match=rf"labels\.json: .*{message}"):
        read_info(tmp_path)


def test_a_json_file_below_a_file_is_missing_not_damaged(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="not found; so what"):
        read_json(tmp_path / "file" / "labels.json", "so what")


# ---- config.toml


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (TeacherConfig, []),
        (StudentConfig, []),
        (TeacherConfig, ["seed=7", "optim.lr=1e-5", 'encoder.name="xlm-roberta-base"', "optim.swa=true"]),
        (StudentConfig, ['init.teacher="runs/a b"', "init.layers=[0, -1]", "distill.alpha=0.3", 'distill.beta="off"']),
    ],
)
def test_a_configuration_comes_back(tmp_path, kind, settings):
    config = load_config(kind, None, settings)
    write_config(tmp_path, config)
    assert read_config(tmp_path, kind) == config


def test_the_written_configuration_is_resolved_and_loads_as_any_file(tmp_path):
    write_config(tmp_path, CONFIG)
    assert "auto" not in (tmp_path / "config.toml").read_text("utf-8")
    assert load_config(TeacherConfig, tmp_path / "config.toml") == CONFIG


@pytest.mark.parametrize("content", [b"[optim", b"seed = 1\nseed = 2\n", b"\xff\xfe"])
def test_a_damaged_configuration_is_named(tmp_path, content):
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(RunError, match=r"config\.toml: cannot be read .*damaged"):
        read_config(tmp_path, TeacherConfig)


def test_a_missing_configuration_says_that_this_is_no_run(tmp_path):
    with pytest.raises(RunError, match=r"config\.toml: not found; this is not a run"):
        read_config(tmp_path, TeacherConfig)


def test_the_same_configuration_may_go_on(tmp_path):
    write_config(tmp_path, CONFIG)
    require_same_config(tmp_path, CONFIG)


def test_every_changed_key_is_listed_with_both_values(tmp_path):
    write_config(tmp_path, CONFIG)
    changed = load_config(TeacherConfig, None, ["optim.lr=0.5", "seed=14", 'head.kind="token"'])
    with pytest.raises(ConfigError) as raised:
        require_same_config(tmp_path, changed)
    rate = CONFIG.optim.lr
    assert [line.removeprefix("  - --resume: ").partition(";")[0] for line in str(raised.value).splitlines()] == [
        "4 problems:",
        "seed was 13, now 14",
        "head.kind was 'crf', now 'token'",
        f"optim.lr was {rate}, now 0.5",
        f"optim.head_lr was {rate}, now 0.5",  # follows lr where it is not given
    ]


# ---- what a run began with


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
    check_inputs(tmp_path, inputs_of(tmp_path, "a"), resume=False)
    check_inputs(tmp_path, inputs_of(tmp_path, "a"), resume=True)


def test_resume_with_a_changed_input_names_the_option(tmp_path):
    check_inputs(tmp_path, inputs_of(tmp_path, "a"), resume=False)
    with pytest.raises(RunError, match="the --train files are not those"):
        check_inputs(tmp_path, inputs_of(tmp_path, "b"), resume=True)


def test_resume_with_one_file_less_names_the_option(tmp_path):
    check_inputs(tmp_path, inputs_of(tmp_path, "a"), resume=False)
    with pytest.raises(RunError, match="the --train files are not those"):
        check_inputs(tmp_path, {"train": [], "dev": []}, resume=True)


@pytest.mark.parametrize("content", ["[]", "{}", '{"train": 3}', '{"train": [{}]}', '{"train": ["x"]}', "{"])
def test_a_damaged_record_of_inputs_is_named(tmp_path, content):
    (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(RunError, match=r"inputs\.json: .*damaged"):
        check_inputs(tmp_path, inputs_of(tmp_path, "a"), resume=True)


def test_a_run_that_began_may_go_on_as_it_began(tmp_path):
    inputs = inputs_of(tmp_path, "a")
    begin(tmp_path / "run", CONFIG, INFO, inputs, overwrite=False)
    check_out(tmp_path / "run", resume=True, overwrite=False)
    require_same(tmp_path / "run", CONFIG, INFO, inputs)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (RunInfo("student", "character", INFO.labels), "run of a teacher: train-teacher --resume"),
        (RunInfo("teacher", "character", ("LOC", "ORG")), "labels LOC, 机构 .* now they are LOC, ORG"),
        (RunInfo("teacher", "word", INFO.labels), r"\(character\), now .*\(word\)"),
    ],
)
def test_resume_as_something_else_is_refused(tmp_path, info, message):
    begin(tmp_path / "run", CONFIG, INFO, {}, overwrite=False)
    with pytest.raises(RunError, match=message):
        require_same(tmp_path / "run", CONFIG, info, {})
