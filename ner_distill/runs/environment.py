"""What a training ran on: by it people can tell why the same seed gave other weights."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ner_distill import __version__
from ner_distill.console import Reporter
from ner_distill.files import write_json

ENVIRONMENT = "environment.json"
COMMIT = "commit"
LIBRARIES = ("torch", "accelerate", "transformers", "tokenizers", "numpy")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, threads of this process, what the processor can do, and where it computes."""
    return {
        "ner_distill": __version__,
        COMMIT: commit_of_program(),
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "threads": torch.get_num_threads(),
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def commit_of_program() -> str | None:
    """The git commit of the checkout that this program runs from; None where it is installed, or there is no git."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def write_environment(directory: Path, found: Mapping[str, Any]) -> None:
    write_json(directory / ENVIRONMENT, found)


def warn_of_another(directory: Path, found: Mapping[str, Any], reporter: Reporter) -> None:
    """Warn where a training goes on in another environment than it began in; one that kept none says nothing."""
    try:
        before = json.loads((directory / ENVIRONMENT).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(before, dict):
        return
    changes = [
        f"{key} was {before[key]!r:.80}, now {now!r}"
        for key, now in found.items()
        if key != COMMIT and before.get(key, now) != now  # most commits change no weights
    ]
    if changes:
        reporter.warn(
            f"`resume`: {'; '.join(changes)}: seeds fix the weights for one number of threads of one machine and its "
            "libraries, so these may differ in their last digits from what the training would have come to"
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
