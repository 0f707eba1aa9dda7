from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ner_distill.config import TeacherConfig, load_config
from ner_distill.directories import OutputKind, remove_made
from ner_distill.errors import ConfigError, RunError
from ner_distill.runs.card import signed
from ner_distill.runs.info import STUDENT_RUN, TEACHER_RUN, RunInfo, write_config, write_info
from ner_distill.runs.record import require_same_config

KIND = OutputKind("brew", "potion", ("recipe.json",), "label.txt", contents=r"herb-\d+")


def make_run(directory):
    directory.mkdir(parents=True, exist_ok=True)
    write_config(directory, load_config(TeacherConfig, None))
    write_info(directory, RunInfo("teacher", "character", ("LOC", "机构")))
    (directory / "model.safetensors").write_bytes(b"weights")
    return directory


def tree(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_new_run_makes_its_directory_and_those_above(tmp_path, overwrite):
    TEACHER_RUN.make(tmp_path / "a" / "b", overwrite=overwrite)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_an_empty_directory_is_taken(tmp_path):
    TEACHER_RUN.make(tmp_path)
    assert tmp_path.is_dir()


def test_a_run_is_not_overwritten_unasked(tmp_path):
    before = tree(make_run(tmp_path))
    with pytest.raises(RunError, match=r"not empty.*`resume`.*`overwrite`.*another directory"):
        TEACHER_RUN.make(tmp_path)
    assert tree(tmp_path) == before


def test_overwrite_removes_a_run_and_all_that_was_made_in_it(tmp_path):
    run = make_run(tmp_path / "run")
    made = ("measured.json", "metrics.jsonl", "log.txt", "tokenizer_config.json", "chat_template.jinja", "vocab.txt")
    for name in (*made, ".DS_Store"):
        (run / name).touch()
    (run / "encoder").mkdir()
    (tmp_path / "beside").touch()
    TEACHER_RUN.make(tmp_path / "run", overwrite=True)
    assert [path.name for path in run.iterdir()] == [".DS_Store"]  # which does not count
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
    with pytest.raises(RunError, match="is no whole run of train-teacher; `overwrite` does not remove"):
        TEACHER_RUN.make(tmp_path, overwrite=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    [
        "notes.md",
        "scores.json",
        "test.jsonl",
        "model.safetensors.bak",
        "medical-vocabulary.txt",
        "tokenizer-old.json",
        "zh.model",
        "int8/model.onnx",
        "voting/decisions.jsonl",
        "encoder/notes.md",
        "knowledge/notes.txt",
        "voting/folds/notes.md",
        "knowledge/segmenter/names.txt",
        "knowledge/gazetteers/names.txt",
        "checkpoints/best-of-march.safetensors",
        "tensorboard/notes.md",
    ],
)
def test_overwrite_does_not_remove_what_a_person_put_into_a_run(tmp_path, name):
    run = make_run(tmp_path / "run")
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text("mine")
    before = tree(run)
    with pytest.raises(RunError, match=f"holds {name.removesuffix('/model.onnx')} that train-teacher did not make"):
        TEACHER_RUN.make(run, overwrite=True)
    assert tree(run) == before


def test_a_teacher_is_not_replaced_by_a_student(tmp_path):
    before = tree(make_run(tmp_path / "run"))
    with pytest.raises(RunError, match="which is no whole run of train-student; `overwrite` does not remove that"):
        STUDENT_RUN.make(tmp_path / "run", overwrite=True)
    with pytest.raises(RunError, match="exists and is not empty; choose another directory"):
        STUDENT_RUN.make(tmp_path / "run")
    assert tree(tmp_path / "run") == before


def test_a_kill_while_a_run_is_removed_leaves_what_says_that_it_is_one(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    (run / "metrics.json").touch()
    removed, unlink = [], Path.unlink

    def killed(path, missing_ok=False):
        if len(removed) == 2:
            raise OSError("killed")
        removed.append(path.name)
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(RunError):
            TEACHER_RUN.make(run, overwrite=True)
    assert sorted(removed) == ["metrics.json", "model.safetensors"]
    TEACHER_RUN.make(run, overwrite=True)
    assert tree(run) == {}


def test_overwrite_does_not_remove_a_card_that_was_edited(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "README.md").write_text(signed("# A model\n"))
    TEACHER_RUN.check(run, overwrite=True)
    (run / "README.md").write_text(signed("# A model\n").replace("# A", "# My"))
    before = tree(run)
    with pytest.raises(RunError, match=r"README\.md: was edited, and `overwrite` does not remove what a person wrote"):
        TEACHER_RUN.make(run, overwrite=True)
    assert tree(run) == before


def test_checking_changes_nothing(tmp_path):
    before = tree(make_run(tmp_path / "run"))
    TEACHER_RUN.check(tmp_path / "run", overwrite=True)
    TEACHER_RUN.check(tmp_path / "new")
    assert tree(tmp_path / "run") == before
    assert not (tmp_path / "new").exists()


def test_resume_enters_a_run_as_it_is(tmp_path):
    before = tree(make_run(tmp_path))
    TEACHER_RUN.check(tmp_path, resume=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("files", [None, {}, {"config.toml": ""}, {"labels.json": "{}"}])
def test_resume_needs_a_run(tmp_path, files):
    directory = tmp_path / "run"
    if files is not None:
        directory.mkdir()
        for name, text in files.items():
            (directory / name).write_text(text)
    with pytest.raises(RunError, match="there is no run to go on with"):
        TEACHER_RUN.check(directory, resume=True)


def test_resume_and_overwrite_exclude_each_other(tmp_path):
    before = tree(make_run(tmp_path))
    with pytest.raises(ConfigError, match="give one of them"):
        TEACHER_RUN.check(tmp_path, resume=True, overwrite=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("flag", ["resume", "overwrite", None])
def test_a_file_is_no_place_for_a_run(tmp_path, flag):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(RunError, match="file: is a file"):
        TEACHER_RUN.make(tmp_path / "file", resume=flag == "resume", overwrite=flag == "overwrite")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file/run: cannot be written"):
        TEACHER_RUN.make(tmp_path / "file" / "run")


def test_a_directory_is_absent_then_begun_then_finished(tmp_path):
    assert KIND.state(tmp_path / "out") == KIND.state(tmp_path) == "absent"
    (tmp_path / "recipe.json").touch()
    assert KIND.state(tmp_path) == "begun"
    (tmp_path / "label.txt").touch()
    assert KIND.state(tmp_path) == "finished"


def test_auto_resumes_what_was_begun_and_makes_what_was_not(tmp_path):
    (tmp_path / "half").touch()
    (tmp_path / ".recipe.json.123.tmp").touch()
    assert not KIND.resumes(tmp_path, "auto")
    KIND.make(tmp_path, resume="auto")
    assert [path.name for path in tmp_path.iterdir()] == ["half"]
    (tmp_path / "recipe.json").touch()
    assert KIND.resumes(tmp_path, "auto")


def test_overwrite_removes_no_name_that_the_command_does_not_make(tmp_path):
    for name in ("recipe.json", "label.txt", "herb-1", "herb-x"):
        (tmp_path / name).touch()
    with pytest.raises(RunError, match=r"holds herb-x that brew did not make; `overwrite` does not remove that"):
        KIND.make(tmp_path, overwrite=True)
    assert len(list(tmp_path.iterdir())) == 4
    (tmp_path / "herb-x").unlink()
    KIND.make(tmp_path, overwrite=True)
    assert list(tmp_path.iterdir()) == []


def test_what_lies_beside_does_not_count_and_stays(tmp_path):
    kind = dataclasses.replace(KIND, beside=("cellar",))
    (tmp_path / "cellar").mkdir()
    kind.make(tmp_path)
    (tmp_path / "recipe.json").touch()
    kind.make(tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["cellar"]


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        ({}, r"go on with it \(`resume`\), replace it \(`overwrite`\) or choose another directory"),
        ({"can_resume": False}, r"empty; replace it \(`overwrite`\) or choose another directory"),
        ({"can_resume": False, "can_overwrite": False}, r"empty; choose another directory"),
    ],
)
def test_only_what_the_command_can_do_is_offered(tmp_path, options, ways):
    (tmp_path / "recipe.json").touch()
    with pytest.raises(RunError, match=ways):
        dataclasses.replace(KIND, **options).check(tmp_path)


def test_of_a_directory_only_what_matches_is_removed(tmp_path):
    outside, made = tmp_path / "outside", tmp_path / "made"
    for name in ("step-1/a", "step-2", ".step-3.77.tmp", "my-step-1", "steps"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).touch()
    outside.mkdir()
    (outside / "kept").touch()
    (made / "step-4").symlink_to(outside)
    remove_made(made, r"step-\d")
    assert sorted(path.name for path in made.iterdir()) == ["my-step-1", "steps"]
    assert (outside / "kept").exists()
    remove_made(made, "my-step-1|steps")
    assert not made.exists()
    remove_made(made, "any")  # there is none: nothing to do


def test_a_run_goes_on_without_a_key_that_nothing_read(tmp_path):
    def begun_with(*settings):
        write_config(tmp_path, load_config(TeacherConfig, None, settings, alone=False))

    begun_with("adversarial.kind=none", "adversarial.epsilon=0.3")
    require_same_config(tmp_path, load_config(TeacherConfig, None, ["adversarial.kind=none"]))
    with pytest.raises(ConfigError, match=r"adversarial\.kind was 'none', now 'fgm'"):
        require_same_config(tmp_path, load_config(TeacherConfig, None))
    begun_with("optim.swa=true", "optim.swa_start=1.0")  # which was read: another would average
    with pytest.raises(ConfigError, match=r"optim\.swa_start was 1\.0, now 0\.5"):
        require_same_config(tmp_path, load_config(TeacherConfig, None, ["optim.swa=true", "optim.swa_start=0.5"]))
