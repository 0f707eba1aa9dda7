"""What a training saves on its way and restores: tensors in safetensors, everything else in JSON.

Never a pickle: a run directory from a stranger is data. A checkpoint is a directory that is written under a
temporary name and renamed when whole, so that a kill at any moment leaves the one before it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ner_distill.errors import RunError
from ner_distill.files import atomic_write_text, write_error
from ner_distill.runs.weights import KEPT, save_weights

# The step alone is no name: the end of an epoch and the last step in it are two places.
NAME = re.compile(r"step-\d{9}-epoch-\d{4}")


@dataclass
class Progress:
    """Where a training stands.

    batch counts the steps done in `epoch`; the sums and counts are those of the epoch so far.
    own_best_score, own_best_epoch: of the parts that have a best epoch of their own (`OwnBest`); -1: none was scored.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_score: float = float("-inf")
    best_epoch: int = -1
    epochs_without_gain: int = 0
    own_best_score: float = float("-inf")
    own_best_epoch: int = -1
    averaged: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state under `parameter.key` names."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}.{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` returned. Raises RunError for state of a parameter that the model lacks."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        owner, _, key = name.rpartition(".")
        if owner not in parameters:
            raise RunError(f"the checkpoint has optimizer state of {owner}, which this model has not")
        # the step counter as well: fused AdamW wants it beside the parameter
        optimizer.state[parameters[owner]][key] = value.to(parameters[owner].device)


def random_state() -> dict[str, Tensor]:
    """The state of torch's generators; nothing else in training draws from a stateful one."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def save_checkpoint(
    directory: Path, progress: Progress, tensors: dict[str, dict[str, Tensor]], accelerator: Accelerator
) -> None:
    """Write `step-NNNNNNNNN-epoch-NNNN/` with one safetensors file per entry of `tensors`, then remove older ones.

    All processes call this together; each writes its own random state.
    Raises TrainingError where the disk is full, RunError where the directory cannot be written; the checkpoint before
    stays, and nothing of this one.
    """
    main, wait = accelerator.is_main_process, accelerator.wait_for_everyone
    final = directory / f"step-{progress.step:09d}-epoch-{progress.epoch:04d}"
    temporary = directory / f"{final.name}.tmp"
    with _all_or_nothing(temporary, main):
        if main:
            for left in directory.glob("step-*.tmp"):  # of a process that was killed
                shutil.rmtree(left)
            temporary.mkdir(parents=True)
            for name, entry in tensors.items():
                save_weights(temporary / f"{name}.safetensors", entry)
            atomic_write_text(temporary / "progress.json", json.dumps(asdict(progress)), advice=KEPT)
        wait()
        save_weights(temporary / f"random-{accelerator.process_index}.safetensors", random_state())
        wait()
        if main:
            if final.exists():  # saved twice at one place: both say the same
                shutil.rmtree(final)
            temporary.rename(final)
            for old in checkpoints(directory)[:-1]:
                shutil.rmtree(old, ignore_errors=True)
    wait()


@contextmanager
def _all_or_nothing(directory: Path, main: bool) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if main:
            shutil.rmtree(directory, ignore_errors=True)
        if isinstance(error, OSError):
            raise write_error(directory, error, advice=KEPT) from error
        raise


def checkpoints(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("step-*") if NAME.fullmatch(path.name))


def read_progress(checkpoint: Path) -> Progress:
    """The progress of a checkpoint. Raises RunError where it is damaged."""
    try:
        return Progress(**json.loads((checkpoint / "progress.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{checkpoint / 'progress.json'}: damaged ({error}); remove {checkpoint} to resume without it: from an "
            "older checkpoint if there is one, else from the beginning"
        ) from None


def require_processes(checkpoint: Path, processes: int) -> None:
    """Raises RunError where a checkpoint is of another number of processes: their batches were others."""
    saved = len(list(checkpoint.glob("random-*.safetensors")))
    if saved != processes:
        raise RunError(
            f"{checkpoint}: expected the random states of {processes} processes, found {saved}; "
            "resume with as many processes as the training began with"
        )
