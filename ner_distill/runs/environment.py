"""What a training ran on: by it people can tell why the same seed gave other weights."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ner_distill import __version__
from ner_distill.console import Reporter
from ner_distill.files import write_json

ENVIRONMENT = "environment.json"
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, threads of this process, what the processor can do, and where it computes."""
    return {
        "ner_distill": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "threads": torch.get_num_threads(),
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


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
        f"{key} was {before[key]!r:.80}, now {now!r}" for key, now in found.items() if before.get(key, now) != now
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
