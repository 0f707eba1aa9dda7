"""What a training saves on its way and restores: tensors in safetensors, everything else in JSON.

Never a pickle: a run directory from a stranger is data. A checkpoint is a directory that is written under a
temporary name and renamed when whole, so that a kill at any moment leaves the one before it.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ner_distill.errors import RunError

NAME = re.compile(r"step-(\d{9})")


@dataclass
class Progress:
    """Where a training stands.

    batch counts the steps done in `epoch`; the sums and counts are those of the epoch so far.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_score: float = float("-inf")
    best_epoch: int = -1
    epochs_without_gain: int = 0
    averaged: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)


def save_weights(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors to a temporary name and rename."""
    temporary = path.with_name(path.name + ".tmp")
    save_file({name: tensor.detach().contiguous().cpu().clone() for name, tensor in tensors.items()}, temporary)
    temporary.replace(path)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors. Raises RunError where the file is missing or is no whole safetensors file."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise RunError(f"{path}: not found; the training did not finish (go on with --resume) or this is no run") from None
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: not a whole safetensors file ({error}); restore it or train again") from None


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state under `parameter.key` names."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}.{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        owner, _, key = name.rpartition(".")
        if owner not in parameters:
            raise RunError(f"the checkpoint has optimizer state of {owner}, which this model has not")
        parameter = parameters[owner]
        # AdamW keeps its step counter on the CPU whatever the device
        optimizer.state[parameter][key] = value if key == "step" else value.to(parameter.device)


def random_state() -> dict[str, Tensor]:
    """The state of torch's generators; nothing else in training draws from a stateful one."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Tensor]) -> None:
    """Put back what `random_state` took."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def save_checkpoint(
    directory: Path, progress: Progress, tensors: dict[str, dict[str, Tensor]], *, rank: int, main: bool, wait: object
) -> None:
    """Write `step-NNNNNNNNN/` with one safetensors file per entry of `tensors`; older ones go afterwards.

    Every process writes its own random state; `wait` is a callable that lets all processes meet.
    """
    assert callable(wait)
    final = directory / f"step-{progress.step:09d}"
    temporary = directory / f"{final.name}.tmp"
    if main:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name, entry in tensors.items():
            save_weights(temporary / f"{name}.safetensors", entry)
        (temporary / "progress.json").write_text(json.dumps(asdict(progress)), "utf-8")
    wait()
    save_weights(temporary / f"random-{rank}.safetensors", random_state())
    wait()
    if main:
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        for old in checkpoints(directory)[:-1]:
            shutil.rmtree(old, ignore_errors=True)
    wait()


def checkpoints(directory: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if NAME.fullmatch(path.name))


def read_progress(checkpoint: Path) -> Progress:
    """The progress of a checkpoint. Raises RunError where it is damaged."""
    try:
        return Progress(**json.loads((checkpoint / "progress.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{checkpoint}/progress.json: damaged ({error}); remove this checkpoint to use an older one") from None
