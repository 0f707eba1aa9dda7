"""Whatever is wrong: a message that says where and what to do, no traceback, and nothing that the user had is touched.

The traceback would be one of the test itself: `run` raises what `main` does not turn into a message.
"""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ner_distill.console import Reporter
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.runs.environment import warn_of_another
from ner_distill.training.labelled import LabelledData
from tests import checkpoints, corpora
from tests.commands import ok, run, settings, snapshot
from tests.world import World

QUICK = settings(*corpora.SMALL, "optim.epochs=1")
ZERO_WIDTH = "\u200b"


def refused(root: Path, *arguments: str | Path, code: int = 2) -> str:
    """The message of a command that must fail and leave everything under `root` as it was."""
    before = snapshot(root)
    done = run(*arguments)
    assert done.code == code, f"{done.out}\n{done.err}"
    assert done.out == ""
    assert snapshot(root) == before
    message = done.err[done.err.index("error: ") :]
    assert len(message) > len("error: ") + 20
    return message


def training(world: World, out: Path, **replaced: Path) -> list[str | Path]:
    """The arguments of a training in which some files are replaced."""
    files = {"train": world.train, "dev": world.dev, **replaced}
    return ["train-teacher", "--train", files["train"], "--dev", files["dev"], "--out", out, *QUICK]


def labelling(world: World, out: Path, *options: str | Path) -> list[str | Path]:
    files = ("--teacher", world.teacher, "--text", world.raw, "--out", out)
    return ["label-unlabeled", *files, "--shard-size", "20", *options]


def learning(world: World, out: Path, *options: str | Path) -> list[str | Path]:
    return ["train-student", "--soft", world.soft, "--dev", world.dev, "--out", out, *QUICK, *options]


# ---- files


COMMANDS: dict[str, Callable[[World, Path, Path], list[str | Path]]] = {
    "--train": lambda world, file, out: training(world, out, train=file),
    "--dev": lambda world, file, out: training(world, out, dev=file),
    "--text": lambda world, file, out: ["label-unlabeled", "--teacher", world.teacher, "--text", file, "--out", out],
    "--gold": lambda world, file, out: learning(world, out, "--gold", file),
    "--data": lambda world, file, out: ["evaluate", "--model", world.student, "--data", file],
    "predict": lambda world, file, out: ["predict", "--model", world.student, "--text", file],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("problem", ["no such file", "is empty", "is a directory"])
def test_file_that_is_none(world: World, tmp_path: Path, command: Callable[..., list[str]], problem: str) -> None:
    file = tmp_path / "input.txt"
    if problem == "is empty":
        file.write_text("")
    elif problem == "is a directory":
        file.mkdir()
    assert f"{file}: {problem}" in refused(tmp_path, *command(world, file, tmp_path / "out"))


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_wrong_encoding_names_line_byte_and_conversion(
    world: World, tmp_path: Path, command: Callable[..., list[str]]
) -> None:
    file = tmp_path / "latin.conll"
    file.write_bytes("Ann B-PER\nin O\nMálaga B-LOC\n".encode("latin-1"))
    message = refused(tmp_path, *command(world, file, tmp_path / "out"))
    assert f"{file}:3: expected UTF-8; byte 0xE1 at offset 16 is not UTF-8" in message
    assert f"iconv -f LATIN1 -t UTF-8 < {file}" in message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Ann B-PER\nMiller\nsings O\n", ":2: expected 2 columns (as on line 1), found 1: 'Miller'"),
        ("Ann B-PER\nsings O\n\nOslo LOC\n", ":4: "),
        ("Ann S-PER\nsings O\n\nOslo B-LOC\nBank M-LOC\nx E-LOC\n\nrains Z-LOC\n", ":8: "),
        ("Ann\nsings\n", ":1: expected a word and its tag"),
        ("\n\n \n", "holds no sentence"),
        ("It O\nrains O\n", "--train: no entity in any sentence"),
    ],
    ids=["ragged columns", "no prefix", "mixed schemes", "one column", "empty sentences", "no entity"],
)
def test_malformed_training_file_is_named_with_its_line(world: World, tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "train.conll"
    file.write_text(content)
    message = refused(tmp_path, *training(world, tmp_path / "out", train=file))
    assert says in message
    if says.startswith(":"):
        assert f"{file}{says}" in message


def test_json_that_is_none_is_named_with_its_line(world: World, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text('{"words": ["a"], "tags": ["O"]}\n{"words": ["a"], \n')
    assert f"{file}:2: is no JSON" in refused(tmp_path, *training(world, tmp_path / "out", train=file))


def test_raw_text_of_blank_lines_leaves_no_store_behind(world: World, tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("\n \n")
    message = refused(
        tmp_path, "label-unlabeled", "--teacher", world.teacher, "--text", tmp_path / "raw.txt", "--out", tmp_path / "o"
    )
    assert "no sentence in it" in message


def test_nested_entities_are_refused_and_flattened_where_asked(world: World, tmp_path: Path) -> None:
    nested = [{"start": 0, "end": 12, "label": "ORG"}, {"start": 8, "end": 12, "label": "LOC"}]
    row = {"text": "Bank of Oslo", "entities": nested}
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(row)}\n" * 2)
    command = training(world, tmp_path / "out", train=tmp_path / "train.jsonl")
    assert "entities that overlap" in (message := refused(tmp_path, *command))
    assert "--flatten longest" in message
    assert "2 entities that overlap a longer one left out" in ok(*command, "--flatten", "longest").err


# ---- odd sentences, which are no errors


def odd_corpus(directory: Path) -> None:
    """A sentence of 5,000 words, and words of blanks, zero-width characters and emoji."""
    long = [sentence for seed in range(20) for sentence in corpora.sentences(60, seed=seed)]
    words = [word for sentence in long for word in sentence.words]
    tags = ["O"] * len(words)
    start = 0
    for sentence in long:
        for span in sentence.spans or ():
            tags[start + span.start] = f"B-{span.label}"
        start += len(sentence.words)
    rows = [
        {"words": words[:5000], "tags": tags[:5000]},
        {"words": [" ", "Ann", ZERO_WIDTH, "😀"], "tags": ["O", "B-PER", "I-PER", "O"]},
        {"words": ["\u3000"], "tags": ["O"]},
        {"words": ["👩‍👧"], "tags": ["B-PER"]},
        {"words": ["Oslo", "\u00ad\u200d"], "tags": ["B-LOC", "O"]},
    ]
    assert len(rows[0]["words"]) == 5000
    (directory / "odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (directory / "odd.txt").write_text(" ".join(words[:600]) + f"\n{ZERO_WIDTH}\n😀\n \u00ad \n👩‍👧 Ann\n", "utf-8")


@pytest.mark.parametrize("encoder", ["scratch", "pretrained"])
def test_odd_words_and_very_long_sentences_go_all_the_way(world: World, tmp_path: Path, encoder: str) -> None:
    odd_corpus(tmp_path)
    odd, text = tmp_path / "odd.jsonl", tmp_path / "odd.txt"
    options = QUICK + settings("encoder.max_pieces=64")
    if encoder == "pretrained":
        checkpoint = checkpoints.bert(tmp_path / "bert", positions=32, layers=1)
        options = settings("optim.epochs=1", f"encoder.name={checkpoint}")
    ok("train-teacher", "--train", odd, "--dev", odd, "--out", tmp_path / "t", *options)
    ok("label-unlabeled", "--teacher", tmp_path / "t", "--text", odd, "--text", text, "--out", tmp_path / "soft")
    ok("train-student", "--soft", tmp_path / "soft", "--dev", odd, "--out", tmp_path / "s", *options)
    rows = list(SoftLabelStore.open(tmp_path / "soft").iter_rows())
    assert sorted(len(row.words) for row in rows)[-2:] == [600, 5000]
    assert all(np.isfinite(row.probs).all() for row in rows)
    asked = ("predict", "--model", tmp_path / "s", "--text", odd, "--text", text)
    assert len(ok(*asked, "--format", "jsonl").out.splitlines()) == len(rows) == 10
    ok(*asked)


# ---- labels


def test_some_unknown_development_labels_are_a_warning(world: World, tmp_path: Path) -> None:
    dev = tmp_path / "dev.conll"
    dev.write_text("Oslo B-LOC\n\nMonday B-DATE\n")
    assert "--dev has labels that training never saw: DATE" in ok(*training(world, tmp_path / "out", dev=dev)).err


@pytest.mark.parametrize("command", ["train-teacher", "train-student"])
def test_all_development_labels_unknown_is_an_error(world: World, tmp_path: Path, command: str) -> None:
    dev = tmp_path / "dev.conll"
    dev.write_text("Monday B-DATE\n\nOslo B-GPE\n")
    source = ("--train", world.train) if command == "train-teacher" else ("--soft", world.soft)
    message = refused(tmp_path, command, *source, "--dev", dev, "--out", tmp_path / "out", *QUICK)
    assert "none of those trained on (LOC, ORG, PER)" in message


def test_gold_with_a_label_that_the_store_lacks(world: World, tmp_path: Path) -> None:
    (tmp_path / "gold.conll").write_text("Monday B-DATE\n\nOslo B-LOC\n")
    message = refused(tmp_path, *learning(world, tmp_path / "out", "--gold", tmp_path / "gold.conll"))
    assert "has labels that the store does not: DATE; the store has LOC, ORG, PER" in message


def test_teachers_with_other_labels_cannot_be_averaged(world: World, tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text("Monday B-DATE\n\nTuesday B-DATE\n")
    ok(*training(world, tmp_path / "t", train=tmp_path / "train.conll", dev=tmp_path / "train.conll"))
    message = refused(tmp_path, *labelling(world, tmp_path / "out", "--teacher", tmp_path / "t"))
    assert "all need the same labels and unit" in message


# ---- where it is written


OUTPUTS = {"train-teacher": training, "label-unlabeled": labelling, "train-student": learning}


@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
def test_existing_output_is_refused(world: World, tmp_path: Path, command: Callable[..., list[str]]) -> None:
    ok(*command(world, tmp_path / "out"))
    message = refused(tmp_path, *command(world, tmp_path / "out"))
    assert "--resume" in message
    assert "--overwrite" in message


@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("option", [[], ["--overwrite"], ["--resume"]], ids=" ".join)
def test_foreign_directory_is_never_written_into(
    world: World, tmp_path: Path, command: Callable[..., list[str]], option: list[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("ten years of work")
    assert str(tmp_path / "out") in refused(tmp_path, *command(world, tmp_path / "out"), *option)


@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
def test_output_that_cannot_be_made_is_said(world: World, tmp_path: Path, command: Callable[..., list[str]]) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refused(tmp_path, *command(world, tmp_path / "file" / "out"))


def test_resume_and_overwrite_exclude_each_other(world: World, tmp_path: Path) -> None:
    ok(*training(world, tmp_path / "out"))
    assert "give one of them" in refused(tmp_path, *training(world, tmp_path / "out"), "--resume", "--overwrite")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda world, out: training(world, out, dev=out.parent / "none.conll"),
        lambda world, out: [*training(world, out), *settings("encoder.name=/no/such/checkpoint")],
        lambda world, out: [*training(world, out), *settings("optim.epoch=3")],
        lambda world, out: [*learning(world, out), *settings("init.teacher=/no/run", "init.layers=[0]")],
    ],
    ids=["file", "checkpoint", "key", "teacher"],
)
def test_overwrite_with_wrong_input_keeps_the_old_run(
    world: World, tmp_path: Path, wrong: Callable[[World, Path], list[str]]
) -> None:
    ok(*training(world, tmp_path / "out"))
    refused(tmp_path, *wrong(world, tmp_path / "out"), "--overwrite")


@pytest.mark.parametrize("options", [["--text", "none.txt"], ["--format", "xml"], ["--min-votes", "2"]], ids=" ".join)
def test_overwrite_with_wrong_input_keeps_the_old_store(world: World, tmp_path: Path, options: list[str]) -> None:
    ok(*labelling(world, tmp_path / "out"))
    refused(tmp_path, *labelling(world, tmp_path / "out"), "--overwrite", *options)


def test_overwrite_removes_no_run_in_place_of_a_store(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.teacher, tmp_path / "out")
    assert "not a soft-label store" in refused(tmp_path, *labelling(world, tmp_path / "out", "--overwrite"))


def test_overwrite_removes_no_store_in_place_of_a_run(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.soft, tmp_path / "out")
    assert "which is no whole run of train-teacher" in refused(
        tmp_path, *training(world, tmp_path / "out"), "--overwrite"
    )


def test_first_run_after_a_mistake_needs_no_flag(world: World, tmp_path: Path) -> None:
    (tmp_path / "dev.conll").write_text("Monday B-DATE\n")
    refused(tmp_path, *training(world, tmp_path / "out", dev=tmp_path / "dev.conll"))
    ok(*training(world, tmp_path / "out"))


# ---- resuming


def stopped(world: World, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of three epochs that was stopped in its second."""
    loaded = 0
    load = LabelledData.load

    def stop_at_7(self: LabelledData, *args: object) -> object:
        nonlocal loaded
        loaded += 1
        if loaded == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return load(self, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(LabelledData, "load", stop_at_7)
        done = run(*training(world, out), *settings("optim.epochs=3"))
    assert done.code == 1
    assert "Go on with the same command and --resume" in done.err


def test_stopped_training_resumes_to_the_same_weights(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(world, tmp_path / "a", monkeypatch)
    ok(*training(world, tmp_path / "a"), *settings("optim.epochs=3"), "--resume")
    ok(*training(world, tmp_path / "b"), *settings("optim.epochs=3"))
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_resume_with_another_number_of_threads_is_said(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(world, tmp_path / "out", monkeypatch)
    kept = tmp_path / "out" / "environment.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "threads": 64}))
    done = ok(*training(world, tmp_path / "out"), *settings("optim.epochs=3"), "--resume")
    assert "warning: --resume: threads was 64, now 1: seeds fix the weights for one number of threads" in done.err


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"{}", b"\xff"])
def test_resume_of_a_run_that_kept_no_environment_says_nothing(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "environment.json").write_bytes(content)
    said = io.StringIO()
    warn_of_another(tmp_path, {"threads": 1}, Reporter(stream=said))
    assert said.getvalue() == ""


def test_stopped_training_without_development_data_resumes_to_the_same_weights(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(out: Path) -> list[str | Path]:
        return ["train-teacher", "--train", world.train, "--out", out, *QUICK, *settings("optim.epochs=3")]

    monkeypatch.setattr("tests.test_bad_input.training", lambda world, out: command(out))
    stopped(world, tmp_path / "a", monkeypatch)
    ok(*command(tmp_path / "a"), "--resume")
    ok(*command(tmp_path / "b"))
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_resume_with_another_configuration_lists_the_keys(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(world, tmp_path / "out", monkeypatch)
    message = refused(
        tmp_path, *training(world, tmp_path / "out"), *settings("optim.epochs=4", "head.dropout=0.3"), "--resume"
    )
    assert "optim.epochs was 3, now 4" in message
    assert "head.dropout was 0.1, now 0.3" in message


def test_resume_with_other_files_is_refused(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(world, tmp_path / "out", monkeypatch)
    other = corpora.write_conll(tmp_path / "other.conll", corpora.sentences(9, seed=3))
    message = refused(
        tmp_path, *training(world, tmp_path / "out", train=other), *settings("optim.epochs=3"), "--resume"
    )
    assert "the files of --train are not those" in message


def test_a_stopped_training_is_no_model_yet(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(world, tmp_path / "out", monkeypatch)
    message = refused(tmp_path, "evaluate", "--model", tmp_path / "out", "--data", world.dev)
    assert f"{tmp_path / 'out'}: this training is not finished" in message
    assert "go on with the same train-teacher command and --resume" in message


def test_a_model_that_was_copied_without_its_figures_is_one(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.student, tmp_path / "run", ignore=shutil.ignore_patterns("metrics.json*", "tensorboard"))
    ok("evaluate", "--model", tmp_path / "run", "--data", world.dev)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["evaluate", "--model", "FILE", "--data", "FILE"], "expected the directory of a run"),
        (["show", "FILE"], "expected the directory of a soft-label store"),
        (["show", "DIR/nowhere"], "no such directory; expected a soft-label store"),
        (
            ["train-teacher", "--train", "FILE", "--dev", "FILE", "--out", "DIR/out", "--config", "DIR"],
            "expected a file",
        ),
        (["evaluate", "--model", "DIR", "--data", "FILE", "--json", "DIR"], "expected the name of a file to write"),
    ],
)
def test_a_file_in_place_of_a_directory_is_called_so(tmp_path: Path, arguments: list[str], expected: str) -> None:
    (tmp_path / "file.txt").write_text("Ann O\n")
    named = [word.replace("FILE", f"{tmp_path}/file.txt").replace("DIR", str(tmp_path)) for word in arguments]
    assert expected in refused(tmp_path, *named)


def test_resume_of_a_finished_training_says_so(world: World, tmp_path: Path) -> None:
    ok(*training(world, tmp_path / "out"))
    before = snapshot(tmp_path)
    done = ok(*training(world, tmp_path / "out"), "--resume")
    assert "this training is finished; nothing to do" in done.err
    assert snapshot(tmp_path) == before


def test_resume_of_nothing_is_refused(world: World, tmp_path: Path) -> None:
    assert "there is no run to go on with" in refused(tmp_path, *training(world, tmp_path / "out"), "--resume")


def test_resume_of_a_run_of_the_other_kind_is_refused(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.student, tmp_path / "out")
    message = refused(tmp_path, *training(world, tmp_path / "out"), "--resume")
    assert "is the run of a student; train-student can go on with it" in message


def test_store_is_not_resumed_with_another_teacher(world: World, tmp_path: Path) -> None:
    ok(*training(world, tmp_path / "t"))
    shutil.copytree(world.soft, tmp_path / "soft")
    message = refused(
        tmp_path, "label-unlabeled", "--teacher", tmp_path / "t", "--text", world.raw, "--out", tmp_path / "soft",
        "--shard-size", "20", "--resume",
    )  # fmt: skip
    assert "made from something else" in message
    assert "teacher fingerprints" in message


def test_store_is_not_resumed_with_other_text_or_settings(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.soft, tmp_path / "soft")
    command = labelling(world, tmp_path / "soft", "--text", world.dev, "--min-confidence", "0.5", "--resume")
    message = refused(tmp_path, *command)
    assert "number of input files: the store has 1, this run has 2" in message
    assert "settings.min_confidence: the store has 0.0, this run has 0.5" in message


# ---- damage


def damaged_store(world: World, out: Path) -> Path:
    """A copy of the store with one byte changed inside its second shard."""
    shutil.copytree(world.soft, out)
    shard = out / "part-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    return out


def test_damaged_shard_is_found_before_training(world: World, tmp_path: Path) -> None:
    store = damaged_store(world, tmp_path / "soft")
    message = refused(tmp_path, "train-student", "--soft", store, "--dev", world.dev, "--out", tmp_path / "out", *QUICK)
    assert "part-00001.parquet: its sha256 is" in message
    assert "label-unlabeled command with --resume makes only these again" in message


def test_resume_makes_a_damaged_shard_again(world: World, tmp_path: Path) -> None:
    store = damaged_store(world, tmp_path / "soft")
    done = ok(*labelling(world, store, "--resume"))
    assert "part-00001.parquet" in done.err
    assert snapshot(store) == snapshot(world.soft)


def test_unfinished_store_is_not_trained_on(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.soft, tmp_path / "soft")
    manifest = json.loads((tmp_path / "soft/manifest.json").read_text())
    (tmp_path / "soft/manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    message = refused(
        tmp_path, "train-student", "--soft", tmp_path / "soft", "--dev", world.dev, "--out", tmp_path / "out", *QUICK
    )
    assert f"the labelling was not finished, {manifest['shards']} shards are done" in message


class FullDisk:
    """Lets so many files be synced; then there is no space left."""

    def __init__(self, files: int) -> None:
        self.left = files

    def __call__(self, handle: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_keeps_the_finished_shards_and_resume_goes_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(9))
        done = run(*labelling(world, tmp_path / "soft"))
    assert done.code == 1
    assert "the disk is full" in done.err
    assert "finished shards are kept" in done.err
    assert not list((tmp_path / "soft").glob("*.tmp"))
    assert SoftLabelStore.open(tmp_path / "soft", verify=True, allow_incomplete=True).rows in (20, 40, 60)
    ok(*labelling(world, tmp_path / "soft", "--resume"))
    assert snapshot(tmp_path / "soft") == snapshot(world.soft)


def test_full_disk_in_training_is_said(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(12))
        done = run(*training(world, tmp_path / "out"), *settings("optim.epochs=3"))
    assert done.code == 1
    assert "the disk is full" in done.err
    ok(*training(world, tmp_path / "out"), *settings("optim.epochs=3"), "--resume")


# ---- runs that are none


def test_teacher_given_as_store(world: World, tmp_path: Path) -> None:
    message = refused(
        world.root, "train-student", "--soft", world.teacher, "--dev", world.dev, "--out", tmp_path / "out", *QUICK
    )
    assert f"{world.teacher}: not a soft-label store" in message


def test_student_given_as_teacher(world: World, tmp_path: Path) -> None:
    message = refused(
        tmp_path, "label-unlabeled", "--teacher", world.student, "--text", world.raw, "--out", tmp_path / "out"
    )
    assert f"{world.student}: is the run of a student; expected one of train-teacher" in message


@pytest.mark.parametrize("name", ["none", "soft", "."])
def test_model_that_is_no_run(world: World, name: str) -> None:
    message = refused(world.root, "evaluate", "--model", world.root / name, "--data", world.dev)
    assert str(world.root / name) in message


@pytest.mark.parametrize("name", ["labels.json", "config.toml", "vocabulary.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"\xff\x00 nonsense", b""], ids=["missing", "nonsense", "empty"])
def test_damaged_run_names_the_file(world: World, tmp_path: Path, name: str, content: bytes | None) -> None:
    shutil.copytree(world.teacher, tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    if content is not None:
        (tmp_path / "run" / name).write_bytes(content)
    if name == "config.toml" and content == b"":  # every key is optional: the defaults do not fit the weights
        name = "model.safetensors"
    message = refused(tmp_path, "evaluate", "--model", tmp_path / "run", "--data", world.dev)
    assert str(tmp_path / "run" / name) in message


def test_weights_of_another_run_do_not_fit(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.teacher, tmp_path / "run")
    weights = load_file(tmp_path / "run" / "model.safetensors")
    save_file({"another": weights.popitem()[1], **weights}, tmp_path / "run" / "model.safetensors")
    message = refused(tmp_path, "predict", "--model", tmp_path / "run", "--text", world.raw)
    assert f"{tmp_path / 'run' / 'model.safetensors'}: does not fit config.toml" in message


class Payload:
    """A pickle that leaves a file where it was opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher on a small BERT, and a student copied from it."""
    root = corpora.write_all(tmp_path_factory.mktemp("pretrained"), train=6, dev=3, raw=2)
    checkpoint = checkpoints.bert(root / "bert", layers=1, positions=32)
    data = ("--train", root / "train.conll", "--dev", root / "dev.conll")
    ok("train-teacher", *data, "--out", root / "teacher", *settings("optim.epochs=1", f"encoder.name={checkpoint}"))
    gold = ("--gold", root / "train.conll", "--dev", root / "dev.conll")
    ok("train-student", *gold, "--out", root / "student", *settings("optim.epochs=1", f"encoder.name={checkpoint}"))
    return root


@pytest.mark.parametrize("run_of", ["scratch", "teacher", "student"])
def test_pickle_in_place_of_weights_is_named_and_not_opened(
    world: World, pretrained: Path, tmp_path: Path, run_of: str
) -> None:
    mark = tmp_path / "executed"
    shutil.copytree(world.teacher if run_of == "scratch" else pretrained / run_of, tmp_path / "run")
    weights = tmp_path / "run" / "model.safetensors"
    weights.write_bytes(pickle.dumps(Payload(mark)))
    (tmp_path / "run" / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(mark)))
    message = refused(tmp_path, "predict", "--model", tmp_path / "run", "--text", world.raw)
    assert str(tmp_path / "run") in message
    assert "model.safetensors" in message
    assert not mark.exists()


@pytest.mark.parametrize("run_of", ["teacher", "student"])
def test_python_of_a_run_is_not_executed(pretrained: Path, tmp_path: Path, run_of: str) -> None:
    mark = tmp_path / "executed"
    shutil.copytree(pretrained / run_of, tmp_path / "run")
    inner = tmp_path / "run" / ("encoder" if run_of == "teacher" else "")
    for directory in {inner, tmp_path / "run"}:
        for name in ("modeling.py", "configuration.py", "tokenization.py", "__init__.py"):
            (directory / name).write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    changed = {"config.json": {"AutoConfig": "configuration.C", "AutoModel": "modeling.M",
                               "AutoModelForTokenClassification": "modeling.M"},
               "tokenizer_config.json": {"AutoTokenizer": ["tokenization.T", "tokenization.T"]}}  # fmt: skip
    for name, auto_map in changed.items():
        data = json.loads((inner / name).read_text())
        (inner / name).write_text(json.dumps(data | {"auto_map": auto_map}))
    run("predict", "--model", tmp_path / "run", stdin="Ann sings .\n")  # refused or not, nothing of it may run
    assert not mark.exists()


# ---- configuration and options


def test_misspelt_key_is_suggested(world: World, tmp_path: Path) -> None:
    message = refused(tmp_path, *training(world, tmp_path / "out"), *settings("encoder.hiden=3"))
    assert "did you mean" in message
    assert "encoder.hidden" in message


def test_all_problems_of_a_configuration_come_at_once(world: World, tmp_path: Path) -> None:
    message = refused(tmp_path, *training(world, tmp_path / "out"), *settings("optim.epochs=-1", "head.kind=hmm"))
    assert "optim.epochs" in message
    assert "head.kind" in message


def test_nothing_to_learn_from(world: World, tmp_path: Path) -> None:
    message = refused(tmp_path, "train-student", "--dev", world.dev, "--out", tmp_path / "out")
    assert "give --soft (a store of label-unlabeled), --gold (labelled sentences) or both" in message


def test_layers_of_a_scratch_teacher_cannot_be_copied(world: World, tmp_path: Path) -> None:
    student = ("train-student", "--soft", world.soft, "--out", tmp_path / "out")
    message = refused(tmp_path, *student, *settings(f"init.teacher={world.teacher}", "init.layers=[0]"))
    assert "has a scratch encoder" in message


def test_more_votes_than_teachers(world: World, tmp_path: Path) -> None:
    message = refused(tmp_path, *labelling(world, tmp_path / "out", "--min-votes", "2"))
    assert "is one teacher without fold teachers; give several --teacher, or one trained with --folds" in message
