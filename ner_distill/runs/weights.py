"""Weights on disk: safetensors, never a pickle, whole or not there."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ner_distill.errors import RunError
from ner_distill.files import atomic_write_bytes

KEPT = "What was saved before is kept: free some space and go on with the same command and `resume`"


def save_weights(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors so that a kill at any moment leaves the old file or the new one.

    Raises TrainingError where the disk is full, RunError where the place cannot be written.
    """
    # not save_file: it neither syncs, nor tells a full disk from other errors, nor lets a group read the file;
    # clones, as it refuses tensors that share memory
    data = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
    atomic_write_bytes(path, data, advice=KEPT)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors. Raises RunError where the file is missing or is no whole safetensors file."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise RunError(
            f"{path}: not found; the training did not finish (go on with `resume`) or this is no run"
        ) from None
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: not a whole safetensors file ({error}); restore it or train again") from None
