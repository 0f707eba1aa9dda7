from __future__ import annotations

import errno
import os
import shutil
import stat

import pytest
import torch
from torch import nn

from ner_distill.errors import RunError, TrainingError
from ner_distill.runs.weights import load_weights, save_weights
from ner_distill.training.checkpoint import (
    Progress,
    checkpoints,
    optimizer_tensors,
    random_state,
    read_progress,
    require_processes,
    restore_optimizer,
    restore_random_state,
    save_checkpoint,
)
from ner_distill.training.processes import make_accelerator


def save(directory, step, *, epoch=0, value=0.0):
    tensors = {"model": {"weight": torch.full((2, 3), value)}}
    save_checkpoint(directory, Progress(epoch=epoch, step=step), tensors, make_accelerator())


# ---- files of tensors


def test_weights_come_back_bit_by_bit(tmp_path):
    weights = {
        "single": torch.randn(3, 5),
        "double": torch.randn(2, dtype=torch.float64),
        "half": torch.randn(4).bfloat16(),
        "number": torch.tensor(7),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "none": torch.zeros(0, 4),
    }
    save_weights(tmp_path / "w.safetensors", weights)
    loaded = load_weights(tmp_path / "w.safetensors")
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in loaded.items()} == {
        name: (tensor.dtype, tensor.shape) for name, tensor in weights.items()
    }
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())


def test_weights_that_share_memory_or_are_no_block_of_it_are_saved_each(tmp_path):
    table = torch.randn(3, 4)
    save_weights(tmp_path / "w.safetensors", {"a": table, "tied": table, "turned": table.T, "row": table[1]})
    loaded = load_weights(tmp_path / "w.safetensors")
    assert torch.equal(loaded["tied"], table)
    assert torch.equal(loaded["turned"], table.T)
    assert torch.equal(loaded["row"], table[1])


def test_weights_may_be_read_by_whom_an_ordinary_file_may_be_read(tmp_path):
    (tmp_path / "plain").touch()
    save_weights(tmp_path / "w.safetensors", {"a": torch.zeros(1)})
    assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_weights_that_are_missing_are_named(tmp_path):
    with pytest.raises(RunError, match=r"none\.safetensors: not found.*`resume`"):
        load_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04" + b"\0" * 40, b"\xff" * 100])
def test_weights_of_another_format_are_refused_by_name(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=r"w\.safetensors: not a whole safetensors file"):
        load_weights(tmp_path / "w.safetensors")


# ---- the optimizer and the random state


def trained(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    for _ in range(seed):
        optimizer.zero_grad()
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    return model, optimizer


def test_a_restored_optimizer_takes_the_same_step(tmp_path):
    model, optimizer = trained(3)
    save_weights(tmp_path / "o.safetensors", optimizer_tensors(model, optimizer))
    other, restored = trained(0)
    other.load_state_dict(model.state_dict())
    restore_optimizer(other, restored, load_weights(tmp_path / "o.safetensors"))
    for module, stepper in ((model, optimizer), (other, restored)):
        stepper.zero_grad()
        module(torch.tensor([[1.0, -2.0, 3.0]])).square().sum().backward()
        stepper.step()
    assert all(torch.equal(mine, its) for mine, its in zip(model.parameters(), other.parameters(), strict=True))


def test_optimizer_state_of_an_unknown_parameter_is_refused():
    model, optimizer = trained(1)
    with pytest.raises(RunError, match=r"2\.weight"):
        restore_optimizer(model, optimizer, {"2.weight.exp_avg": torch.zeros(1)})


def test_the_random_state_is_restored(tmp_path):
    save_weights(tmp_path / "r.safetensors", random_state())
    drawn = torch.rand(5)
    restore_random_state(load_weights(tmp_path / "r.safetensors"))
    assert torch.equal(torch.rand(5), drawn)


# ---- whole checkpoints


def test_a_checkpoint_replaces_the_one_before(tmp_path):
    for step in (9, 10, 100):
        save(tmp_path, step, value=step)
    (last,) = checkpoints(tmp_path)
    assert last.name == "step-000000100-epoch-0000"
    assert load_weights(last / "model.safetensors")["weight"].unique().tolist() == [100]


def test_the_end_of_an_epoch_comes_after_its_last_step(tmp_path):
    save(tmp_path, 12, epoch=0)
    save(tmp_path, 12, epoch=1)
    assert [read_progress(path).epoch for path in checkpoints(tmp_path)] == [1]


def test_a_whole_checkpoint_is_there_whenever_something_is_removed(tmp_path, monkeypatch):
    """The end of an epoch and the last step in it are of one step: were they one name, a kill could leave neither."""
    there = []
    rmtree = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda *a, **k: rmtree(*a, **k) or there.append(len(checkpoints(tmp_path))))
    for step, epoch in ((11, 0), (12, 0), (12, 1)):
        save(tmp_path, step, epoch=epoch)
    assert there == [1, 1]


def test_saving_twice_at_one_place_leaves_one_whole_checkpoint(tmp_path):
    save(tmp_path, 3)
    save(tmp_path, 3)
    assert [read_progress(path).step for path in checkpoints(tmp_path)] == [3]


def test_a_checkpoint_holds_no_pickle(tmp_path):
    save(tmp_path, 1)
    names = sorted(path.name for path in checkpoints(tmp_path)[0].iterdir())
    assert names == ["model.safetensors", "progress.json", "random-0.safetensors"]


def test_progress_comes_back_exactly(tmp_path):
    progress = Progress(
        epoch=3,
        batch=2,
        step=17,
        best_score=0.1 + 0.2,
        best_epoch=1,
        epochs_without_gain=2,
        averaged=4,
        seconds=1 / 3,
        sums={"entities": 1e-300},
        totals={"entities": 12345678.0},
    )
    save_checkpoint(tmp_path, progress, {}, make_accelerator())
    assert read_progress(checkpoints(tmp_path)[0]) == progress


def test_progress_before_any_score_comes_back(tmp_path):
    save(tmp_path, 1)
    assert read_progress(checkpoints(tmp_path)[0]).best_score == float("-inf")


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"epoch": 1, "unknown": 2}'])
def test_damaged_progress_is_named(tmp_path, content):
    save(tmp_path, 1)
    (checkpoint,) = checkpoints(tmp_path)
    (checkpoint / "progress.json").write_text(content)
    with pytest.raises(RunError, match=r"step-000000001-epoch-0000/progress\.json: damaged"):
        read_progress(checkpoint)


def test_what_a_killed_process_left_is_no_checkpoint_and_goes_with_the_next(tmp_path):
    save(tmp_path, 1)
    shutil.copytree(checkpoints(tmp_path)[0], tmp_path / "step-000000002-epoch-0000.tmp")
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000001-epoch-0000"]
    save(tmp_path, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000003-epoch-0000"]


def test_other_files_in_the_directory_stay(tmp_path):
    (tmp_path / "best.safetensors").write_bytes(b"x")
    (tmp_path / "step-notes").mkdir()
    save(tmp_path, 1)
    save(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.safetensors",
        "step-000000002-epoch-0000",
        "step-notes",
    ]


def test_no_directory_has_no_checkpoints(tmp_path):
    assert checkpoints(tmp_path / "none") == []


@pytest.mark.parametrize("write", range(3))
def test_a_disk_that_fills_up_amid_a_checkpoint_leaves_the_one_before_and_nothing_else(tmp_path, monkeypatch, write):
    save(tmp_path, 1, value=1)
    files = iter(range(9))
    fsync = os.fsync

    def fill_up(handle):
        if stat.S_ISREG(os.fstat(handle).st_mode) and next(files) == write:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(TrainingError, match="the disk is full.*saved before is kept.*`resume`"):
        save(tmp_path, 2, value=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001-epoch-0000"]
    assert load_weights(checkpoints(tmp_path)[0] / "model.safetensors")["weight"].unique().tolist() == [1]


def test_a_disk_with_no_room_for_a_directory_gives_a_clear_error(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.mkdir", full)
    with pytest.raises(TrainingError, match=r"step-000000002.*the disk is full.*`resume`"):
        save(tmp_path, 2)


def test_a_checkpoint_of_several_processes_is_not_for_one(tmp_path):
    save(tmp_path, 1)
    (checkpoint,) = checkpoints(tmp_path)
    require_processes(checkpoint, 1)
    with pytest.raises(RunError, match="of 2 processes, found 1; resume with as many"):
        require_processes(checkpoint, 2)
