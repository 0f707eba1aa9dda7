"""A training step of the pointers against one of our CRF: `python -m benchmarks.pointers [--threads 1] [--device cpu]`.

A step is the loss of random vectors of unequal lengths and its gradients, projections included. All heads run
alternately on the same batch, and the ratio to the CRF is taken within a round. Peak memory is that of a process
of its own beyond what it had before the first step.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.common import alternately, median, report, seconds
from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import CrfHead
from ner_distill.nn.heads.pointer import AdditivePointerHead, EfficientPointerHead, GlobalPointerHead
from ner_distill.nn.spans import Spans

POINTERS = {"global": GlobalPointerHead, "efficient": EfficientPointerHead, "additive": AdditivePointerHead}
SHAPES: Sequence[tuple[int, int, int]] = ((14, 37, 10), (1, 512, 20))
MIB = 2**20


class Case:
    """A batch with gold spans that do not overlap, one in ten words, as vectors, tags and places."""

    def __init__(self, batch: int, words: int, types: int, dim: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        lengths = torch.randint(3 * words // 4, words + 1, (batch,), generator=generator)
        lengths[0] = words
        places = []
        tags = torch.zeros(batch, words, dtype=torch.long)
        for row, length in enumerate(lengths.tolist()):
            for start in range(0, length - 3, 10):
                kind = int(torch.randint(types, (), generator=generator))
                places.append((row, start, start + 3, kind))
                tags[row, start : start + 3] = torch.tensor([1, 2, 2]) + 2 * kind
        self.vectors = torch.randn(batch, words, dim, generator=generator).to(device).requires_grad_()
        self.mask = (torch.arange(words) < lengths[:, None]).to(device)
        self.tags, self.gold = tags.to(device), Spans(torch.tensor(places).to(device))
        self.device, self.dim, self.types = device, dim, types

    def step(self, name: str) -> Callable[[], object]:
        """Forward and backward of a new head."""
        torch.manual_seed(0)
        loss: Callable[[], Tensor]
        if name == "crf":
            tagset = TagSet(tuple(f"T{number}" for number in range(self.types)))
            crf = CrfHead(self.dim, tagset.allowed_start(), tagset.allowed_transitions()).to(self.device)
            loss = partial(crf.loss, self.vectors, self.mask, self.tags)
        else:
            pointer = POINTERS[name](self.dim, self.types).to(self.device)
            loss = partial(pointer.loss, self.vectors, self.mask, self.gold)

        def step() -> None:
            torch.autograd.backward(loss())
            if self.device.type == "cuda":
                torch.cuda.synchronize()

        return step


def peak(case: Case, name: str) -> float:
    """MiB that two steps take at most beyond what there was before."""
    step = case.step(name)
    if case.device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    # The kernel's record of the peak, begun anew: `ru_maxrss` would begin with that of the process which started it.
    Path("/proc/self/clear_refs").write_text("5")
    before = _kib("VmRSS")
    step()
    step()
    return (_kib("VmHWM") - before) / 1024


def _kib(name: str) -> int:
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(name))


def peak_in_process(shape: tuple[int, int, int], name: str, options: argparse.Namespace) -> float:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.pointers", "--peak", name, "--shape", *map(str, shape)]
    command += ["--threads", str(options.threads), "--device", options.device, "--dim", str(options.dim)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def table(shape: tuple[int, int, int], options: argparse.Namespace) -> None:
    """The lines of one shape."""
    case = Case(*shape, options.dim, torch.device(options.device))
    steps: dict[str, Callable[[], float]] = {
        name: partial(seconds, case.step(name), options.clock) for name in ("crf", *POINTERS)
    }
    times = alternately(steps, options.rounds)
    print(f"{shape[0]} sentences of up to {shape[1]} words, {shape[2]} types")
    print(f"{'head':<10} {'ms a step':>10} {'× crf':>7} {'peak MiB':>9}")
    for name, measured in times.items():
        milliseconds = 1000 * median(measured)
        ratio = median([one / base for one, base in zip(measured, times["crf"], strict=True)])
        memory = peak_in_process(shape, name, options)
        print(f"{name:<10} {milliseconds:10.2f} {ratio:7.2f} {memory:9.1f}")
        report(head=name, shape=shape, milliseconds=round(milliseconds, 2), ratio=round(ratio, 3), mib=round(memory, 1))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="A training step of the pointers against one of our CRF.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--dim", type=int, default=160)
    parser.add_argument("--shape", type=int, nargs=3, metavar=("SENTENCES", "WORDS", "TYPES"), help="only this one")
    parser.add_argument("--peak", choices=("crf", *POINTERS), help="print the peak memory of this head and no more")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shapes = [(options.shape[0], options.shape[1], options.shape[2])] if options.shape else SHAPES
    if options.peak:
        batch, words, types = shapes[0]
        print(peak(Case(batch, words, types, options.dim, torch.device(options.device)), options.peak))
        return
    for shape in shapes:
        table(shape, options)


if __name__ == "__main__":
    main()
