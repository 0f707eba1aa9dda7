"""What a case left behind, as hashes: one for each part, so that a difference says where it is.

Weights count by their values, stores by their columns, label files by their bytes, figures by their numbers. What
varies from run to run (times, rates, memory), what only says where something came from (hashes of files and of
configurations) and text whose keys may move (configurations, states for `--resume`, logs) does not count.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file

VARYING = frozenset({"seconds", "seconds_per_epoch", "peak_mib", "gpu_mib", "minutes", "single", "batched"})
"""Times, memory and speed: the only figures that differ between two runs of the same program."""

ORIGIN = frozenset(
    {"sha256", "size", "held_out", "fingerprint", "settings", "config", "inputs", "rules", "transformers_version"}
)
"""Where something came from, and how it was asked for."""

STORE = ("labels", "tags", "unit", "span_floor", "shards", "complete", "summary")
SIMILARITY = ("similarity_target", "similarity_scale")
"""Of the settings that a store's manifest has: what training reads, what the teachers' similarities say."""

_INDEX = re.compile(r"index-[0-9a-f]{16}")  # of a store: named after a hash, which depends on where it came from


def short(data: bytes) -> str:
    """A hash that is long enough to tell two results apart."""
    return hashlib.sha256(data).hexdigest()[:16]


def hashes_below(directory: Path) -> dict[str, str]:
    """Part → hash, of every file below the directory that counts."""
    found: dict[str, str] = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        name = _INDEX.sub("index", path.relative_to(directory).as_posix())
        for part, value in _parts(path):
            found[f"{name} {part}".strip()] = value
    return found


def _parts(path: Path) -> Iterator[tuple[str, str]]:
    """The parts of a file and their hashes; the name of a part is empty where the file is one."""
    if "knowledge" in path.parts:  # what a run remembers of its lexicons; its answers show it
        return
    if path.suffix == ".parquet":
        yield from ((name, value) for name, value in _columns(path) if name not in ORIGIN)
    elif path.name in _READERS:
        yield "", _READERS[path.name](path)
    elif path.suffix in _BY_SUFFIX and path.name != "log.txt":
        yield "", _BY_SUFFIX[path.suffix](path)


# ---- weights


def weights(path: Path) -> str:
    """Of the values of all tensors, whatever their names and their order."""
    tensors = load_file(path).values()
    # as bytes, since numpy has no bfloat16
    named = [
        (str(one.dtype), tuple(one.shape), one.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        for one in tensors
    ]
    return _of_arrays(named)


def _segmenter(path: Path) -> str:
    """The arrays of an .npz file: the archive itself holds times."""
    with np.load(path) as arrays:
        return _of_arrays([(str(arrays[name].dtype), arrays[name].shape, arrays[name].tobytes()) for name in arrays])


def _of_arrays(arrays: list[tuple[str, tuple[int, ...], bytes]]) -> str:
    digest = hashlib.sha256()
    for kind, shape, content in sorted(arrays):
        digest.update(f"{kind} {shape} ".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


# ---- stores


def _columns(path: Path) -> Iterator[tuple[str, str]]:
    table = pq.read_table(path)
    for name in sorted(table.column_names):
        yield name, short(repr(table[name].to_pylist()).encode())


def _manifest(path: Path) -> str:
    manifest = json.loads(path.read_bytes())
    figures = {key: manifest.get(key) for key in STORE}
    return _of_json([figures, [manifest["settings"].get(key) for key in SIMILARITY]])


# ---- text and figures


def _bytes(path: Path) -> str:
    return short(path.read_bytes())


def _figures(path: Path) -> str:
    return _of_json(json.loads(path.read_bytes()))


def _figure_lines(path: Path) -> str:
    return _of_json([json.loads(line) for line in path.read_text("utf-8").splitlines()])


def _of_json(value: Any) -> str:
    return short(json.dumps(masked(value), ensure_ascii=False, sort_keys=True).encode())


def masked(value: Any) -> Any:
    """JSON without what does not count."""
    if isinstance(value, dict):
        return {key: masked(one) for key, one in value.items() if key not in VARYING | ORIGIN}
    return [masked(one) for one in value] if isinstance(value, list) else value


def _there(_path: Path) -> str:
    return "is there"


_READERS: dict[str, Callable[[Path], str]] = {
    "model.safetensors": weights,
    "weights.npz": _segmenter,
    "features.msgpack": _bytes,
    "manifest.json": _manifest,
    "metrics.jsonl": _figure_lines,
    "tokenizer.json": _figures,  # this and the next of transformers
    "config.json": _figures,
    **dict.fromkeys(
        (
            "metrics.json",
            "scores.json",
            "predictions.json",
            "summary.json",
            "comparison.json",
            "verdict.json",
            "round.json",
        ),
        _figures,
    ),
}
_BY_SUFFIX: dict[str, Callable[[Path], str]] = {
    **dict.fromkeys((".jsonl", ".conll", ".txt"), _bytes),
    ".html": _there,
}
