from __future__ import annotations

import json

import pytest

from ner_distill.config import StudentConfig, TeacherConfig, load_config
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import read_json
from ner_distill.runs.info import RunInfo, read_config, read_info, write_config, write_info

INFO = RunInfo("teacher", "character", ("LOC", "机构"))
CONFIG = load_config(TeacherConfig, None)


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


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        ("mrc", {"match_hidden": 0, "segments": False}),
        ("additive-pointer", {"output_bias": False}),
    ],
)
def test_a_run_that_does_not_know_a_key_is_what_runs_were_before_the_key(tmp_path, kind, before):
    config = load_config(TeacherConfig, None, [f"head.kind={kind}"])
    write_config(tmp_path, config)
    lines = (tmp_path / "config.toml").read_text("utf-8").splitlines()
    old = [line for line in lines if line.partition(" ")[0] not in before]
    assert len(old) == len(lines) - len(before)
    (tmp_path / "config.toml").write_text("\n".join(old), "utf-8")
    found = read_config(tmp_path, TeacherConfig)
    assert {key: getattr(found.head, key) for key in before} == before
    assert {key: getattr(config.head, key) for key in before} != before


@pytest.mark.parametrize("content", [b"head = 3", b"[head]\nkind = ['mrc']", b"[head]\nkind = 'none'"])
def test_a_head_of_no_kind_is_refused(tmp_path, content):
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml: head"):
        read_config(tmp_path, TeacherConfig)
