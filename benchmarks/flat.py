"""Speed and memory of our FLAT against the dense formula: `python -m benchmarks.flat [--threads 2] [--rounds 3]`.

One layer, forward and backward, no dropout. All run in turn on the same lattices: characters, and half as many words
of random places, 2 to 8 characters long. `gathered` looks up the score of every pair, where ours goes through them in
blocks of strided memory (`flat_attention.py` has both); `dense` is the formula as it stands; `unique` fuses each
different quadruple of distances once, as one version of the authors' code does. A ratio is theirs / ours of one round,
the median over rounds is shown. Each peak of memory is that of a process of its own, less what it held before the step
(on a GPU: what torch allocated).
The dense form keeps several (elements × elements × 4 · hidden) tensors: 512 + 256 needs 16 GB and is left out
unless `--dense-limit 512` asks for it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks import common
from benchmarks.dense_flat import dense_flat
from ner_distill.nn.encoders import flat
from ner_distill.nn.encoders.flat import FlatTransformer, WordGroup
from ner_distill.nn.encoders.flat_attention import gathered_attention

WIDTHS = range(1, 8)


class Shape(NamedTuple):
    """A batch of lattices and a layer."""

    batch: int
    chars: int
    words: int
    hidden: int = 160
    heads: int = 8


GROWTH = [Shape(4, chars, chars // 2) for chars in (64, 128, 256, 512, 1024)]
LARGE = Shape(8, 512, 256, 768, 12)


def step(shape: Shape, way: str, device: torch.device) -> Callable[[], object]:
    """A forward and backward pass over one batch, in this way."""
    torch.manual_seed(0)
    batch, chars, words, hidden, heads = shape
    model = FlatTransformer(hidden, layers=1, heads=heads, inner=2 * hidden, dropout=0.0).to(device)
    vectors = torch.randn(batch, chars, hidden, device=device).requires_grad_()
    mask = torch.ones(batch, chars, dtype=torch.bool, device=device)
    groups = []
    for width in WIDTHS:
        count = words // len(WIDTHS) + (width <= words % len(WIDTHS))
        places = torch.randint(0, max(1, chars - width), (batch, count)).to(device)
        known = torch.randn(batch, count, hidden, device=device).requires_grad_()
        groups.append(WordGroup(width, known, places, torch.ones(batch, count, dtype=torch.bool, device=device)))

    def run() -> Tensor:
        if way == "ours":
            found = model(vectors, mask, groups)
        elif way == "gathered":
            with patch.object(flat, "character_attention", gathered_attention):
                found = model(vectors, mask, groups)
        else:
            found = dense_flat(model, vectors, mask, groups, unique=way == "unique")
        found.square().sum().backward()
        return found

    return run


def milliseconds(work: Callable[[], object], device: torch.device, clock: str) -> float:
    """Time of one call, its work on the device included."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = common.CLOCKS[clock]()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (common.CLOCKS[clock]() - began)


def status(field: str) -> float:
    """MiB of this process: VmRSS (now) or VmHWM (at most)."""
    with open("/proc/self/status") as lines:
        return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024


def print_peak(shape: Shape, way: str, device: torch.device) -> None:
    """MiB that one step needs beyond what the process held before it."""
    step(Shape(1, 16, 8, shape.hidden, shape.heads), way, device)()  # libraries load
    run = step(shape, way, device)
    if device.type == "cuda":
        allocated = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        print((torch.cuda.max_memory_allocated() - allocated) / 2**20)
        return
    held = status("VmRSS")
    run()
    print(status("VmHWM") - held)


def peak(shape: Shape, way: str, arguments: argparse.Namespace, device: str) -> float:
    """What `print_peak` prints in a process of its own; NaN if that ran out of memory."""
    command = [sys.executable, "-m", "benchmarks.flat", "--threads", str(arguments.threads), "--device", device]
    command += ["--peak", way, *map(str, shape)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, -9, 137) and "out of memory" not in done.stderr.lower():
        raise SystemExit(done.stderr)
    return float(done.stdout) if done.returncode == 0 else float("nan")


def line(shape: Shape, arguments: argparse.Namespace, device: str) -> str:
    """A row of the table."""
    place, dense = torch.device(device), shape.chars <= arguments.dense_limit and shape.hidden == 160
    others = ("gathered", "dense", "unique") if dense else ("gathered",)
    ways = {way: step(shape, way, place) for way in ("ours", *others)}
    calls: dict[str, Callable[[], float]] = {
        name: partial(milliseconds, work, place, arguments.clock) for name, work in ways.items()
    }
    times = common.alternately(calls, arguments.rounds)
    peaks = {name: peak(shape, name, arguments, device) for name in ways}
    name = f"{shape.batch} × ({shape.chars} + {shape.words}), {shape.hidden}/{shape.heads}"
    row = f"{device:<5} {name:<26} {common.median(times['ours']):9.1f} ms {peaks['ours']:8.0f} MiB"
    for way in others:
        ratio = common.median([slow / fast for fast, slow in zip(times["ours"], times[way], strict=True)])
        row += f" {common.median(times[way]):10.1f} ms {peaks[way]:8.0f} MiB"
        row += f" {ratio:7.1f} {peaks[way] / peaks['ours']:7.1f}"
    return row


def main() -> None:
    """Print the table."""
    parser = common.arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", action="append", default=[])
    parser.add_argument("--dense-limit", type=int, default=256, help="characters to which the dense form is run")
    parser.add_argument("--peak", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    devices = arguments.device or ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if arguments.peak:
        print_peak(Shape(*map(int, arguments.peak[1:])), arguments.peak[0], torch.device(devices[0]))
        return
    began = time.perf_counter()
    heads = ("", "batch × (chars + words)", "ours", "memory", *("gathered", "memory", "faster", "smaller"))
    print("{:<5} {:<26} {:>12} {:>12} {:>13} {:>12} {:>7} {:>7}".format(*heads), end="")
    for way in ("dense", "unique"):
        print("{:>14} {:>12} {:>7} {:>7}".format(way, "memory", "faster", "smaller"), end="")
    print()
    for device in devices:
        for shape in [*GROWTH, LARGE]:
            print(line(shape, arguments, device), flush=True)
    print(f"{arguments.threads} threads, {arguments.rounds} rounds, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
