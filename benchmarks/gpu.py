"""How well one GPU is used: `python -m benchmarks.gpu [--json FILE]`, or `make bench-gpu`; a few minutes.

Labelling whole shards (words in, blocks of the store out) and training steps with encoders of 12 × 768 and 12 × 384 in
bfloat16, FLAT at 512 + 256, a CRF; then the tests marked `gpu`. Operations are those of the sentences' own pieces
(linear layers and attention; three times as many for a training step): what is computed for padding is waste. The
peak is that of a large product of matrices, measured, and of the card as its maker states it where we know it.
Synchronisations are how often a step makes the host wait for the GPU, as torch counts them.

`--device cpu --tiny` goes through all of it in seconds, with sizes that say nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks import common, flat
from benchmarks.crf import Case
from ner_distill.data.formats.segment import segment
from ner_distill.data.sentence import Sentence, Span
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling import labeller
from ner_distill.pipelines.labelling.panel import Panel
from ner_distill.pipelines.labelling.voices import RunVoice
from ner_distill.runs.build import load_teacher
from ner_distill.runtime.inference import device_named, has_bf16
from ner_distill.teacher.model import TeacherObjective, TermWeights
from ner_distill.training.labelled import LabelledData

PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L40": 181, "L4": 121, "A10": 125, "4090": 165}
"""TFLOP/s of dense bfloat16 products, as the makers state them, by a part of the card's name (the first that fits)."""
SECONDS = 20.0
"""How long a measurement goes on, after its warm-up."""


@dataclass(frozen=True)
class Sizes:
    """encoders: (layers, hidden) of each. lines: of a shard. batch: of a training step, in pieces; 0: the device's."""

    encoders: Sequence[tuple[int, int]]
    lines: int
    batch: int
    matrix: int
    flat: flat.Shape
    crf: tuple[int, int, int]


FULL = Sizes(((12, 768), (12, 384)), 4096, 16_384, 8192, flat.LARGE, (41, 256, 128))
TINY = Sizes(((2, 24),), 24, 128, 64, flat.Shape(1, 16, 8, 16, 2), (5, 2, 8))


@dataclass(frozen=True)
class Measured:
    """A row of the table. tflops: per second. syncs: of a step; None: not counted."""

    what: str
    milliseconds: float
    words_per_second: float | None = None
    tflops: float | None = None
    syncs: int | None = None


class Bench:
    """Times work on a device."""

    def __init__(self, device: torch.device, seconds: float) -> None:
        self.device, self.seconds = device, seconds
        self.dtype = torch.bfloat16 if has_bf16(device) else torch.float32

    def milliseconds(self, work: Callable[[], object], *, most: int = 50) -> float:
        """The median of calls, after one that does not count."""
        self._once(work)
        times: list[float] = []
        began = time.perf_counter()
        while not times or (len(times) < most and time.perf_counter() - began < self.seconds):
            times.append(self._once(work))
        return common.median(times)

    def _once(self, work: Callable[[], object]) -> float:
        return flat.milliseconds(work, self.device, "wall")

    def syncs(self, work: Callable[[], object]) -> int | None:
        """How often the host waits for the GPU while it does the work; None on a CPU."""
        if self.device.type != "cuda":
            return None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                work()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return sum("synchroniz" in str(one.message) for one in caught)


def operations(pieces: Sequence[int], layers: int, hidden: int) -> float:
    """Of one pass over sentences of so many pieces; an inner layer is four times as wide."""
    linear = 2 * layers * 12 * hidden**2 * sum(pieces)
    return float(linear + 4 * layers * hidden * sum(length**2 for length in pieces))


def peak(bench: Bench, size: int) -> float:
    """TFLOP/s of a product of two square matrices."""
    first, second = (torch.randn(size, size, device=bench.device, dtype=bench.dtype) for _ in range(2))
    return 2 * size**3 / bench.milliseconds(lambda: first @ second) / 1e9


def labelling(bench: Bench, run: Path, lines: Sequence[str], shape: tuple[int, int]) -> Measured:
    """A shard, from words to blocks."""
    voice = RunVoice(load_teacher(run), run)
    precision: Literal["bf16", "fp32"] = "bf16" if bench.dtype is torch.bfloat16 else "fp32"
    options = LabelUnlabeledOptions(teacher=[run], text=[run], out=run, precision=precision)
    sentences = [Sentence(str(number), segment(line, "word")[0]) for number, line in enumerate(lines)]
    with patch.object(labeller, "best_device", lambda: bench.device):
        asked = labeller.Labeller(Panel.of([voice]), options)
    pieces = [voice.size(own) for own in voice.features_of(sentences)]

    def work() -> None:
        asked.blocks(sentences, 0, lambda rows, words: None)

    taken, words = bench.milliseconds(work), sum(len(one.words) for one in sentences)
    rate = operations(pieces, *shape) / taken / 1e9
    return Measured(f"labelling, {shape[0]} × {shape[1]}", taken, 1000 * words / taken, rate)


def training(bench: Bench, run: Path, lines: Sequence[str], shape: tuple[int, int], budget: int) -> Measured:
    """A step: both tasks of a teacher, forward, backward, AdamW."""
    built = load_teacher(run)
    sentences = []
    for number, line in enumerate(lines):
        words = segment(line, "word")[0]
        sentences.append(Sentence(str(number), words, (Span(0, 1, common.INFO.labels[number % 4]),)))
    data = LabelledData(sentences, built.featurizer, common.INFO.tagset, budget=budget, seed=1, pairs_per_sentence=32)
    chosen = max(data.plan(0), key=len)
    batch, pieces = data.load(chosen, 0).to(bench.device), [data.sizes[index] for index in chosen]
    model = built.model.to(bench.device).train()
    objective = TeacherObjective(model, TermWeights(1.0))
    counts = objective.counts(batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def work() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(bench.device.type, dtype=torch.bfloat16, enabled=bench.dtype == torch.bfloat16):
            sums = objective.sums(batch)
        loss: Tensor = torch.stack([value.float() / max(counts[name], 1.0) for name, value in sums.items()]).sum()
        loss.backward()
        optimizer.step()

    taken, words = bench.milliseconds(work), int(batch.mask.sum())
    rate = 3 * operations(pieces, *shape) / taken / 1e9
    return Measured(f"training step, {shape[0]} × {shape[1]}", taken, 1000 * words / taken, rate, bench.syncs(work))


def others(bench: Bench, sizes: Sizes) -> list[Measured]:
    """FLAT and a CRF, forward and backward."""
    chars, words = sizes.flat.chars, sizes.flat.words
    lattice = flat.step(sizes.flat, "ours", bench.device)
    tags, batch, length = sizes.crf
    crf = Case(tags, batch=batch, words=length, device=bench.device).loss()[0]
    return [
        Measured(
            f"FLAT, {sizes.flat.batch} × ({chars} + {words}), hidden {sizes.flat.hidden}, fp32",
            bench.milliseconds(lattice),
            syncs=bench.syncs(lattice),
        ),
        Measured(f"CRF, {batch} × {length}, {tags} tags", bench.milliseconds(crf), syncs=bench.syncs(crf)),
    ]


def gpu_tests(seconds: float = 240) -> dict[str, object]:
    """What the tests marked `gpu` say, in so long at most."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:  # what was measured before is not lost for it
        return {"exit": None, "said": [f"not done after {seconds:g} s"]}
    return {"exit": done.returncode, "said": done.stdout.strip().splitlines()[-1:]}


def table(rows: Sequence[Measured], measured: float, stated: float | None) -> str:
    """As people read it."""
    lines = [f"{'':<44} {'ms':>9} {'words/s':>10} {'TFLOP/s':>8} {'of peak':>8} {'stated':>7} {'waits':>6}"]
    for row in rows:
        rate = row.tflops
        shares = ["" if rate is None or not top else f"{rate / top:.1%}" for top in (measured, stated)]
        words = "" if row.words_per_second is None else f"{row.words_per_second:,.0f}"
        speed, waits = "" if rate is None else f"{rate:.2f}", "" if row.syncs is None else str(row.syncs)
        lines.append(
            f"{row.what:<44} {row.milliseconds:9,.1f} {words:>10} {speed:>8} {shares[0]:>8} {shares[1]:>7} {waits:>6}"
        )
    return "\n".join(lines)


def measure(device: torch.device, sizes: Sizes, seconds: float, *, tests: bool) -> dict[str, object]:
    """All figures; the table is printed."""
    began = time.perf_counter()
    bench = Bench(device, seconds)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    stated = next((float(value) for name, value in PEAKS.items() if name in card), None)
    top = peak(bench, sizes.matrix)
    print(f"{card}, {str(bench.dtype).removeprefix('torch.')}: {top:,.1f} TFLOP/s measured, stated {stated}")
    lines = common.generated_lines(sizes.lines, forms=2000)
    rows: list[Measured] = []
    with tempfile.TemporaryDirectory() as name:
        for layers, hidden in sizes.encoders:
            place, heads = Path(name) / str(hidden), max(1, hidden // 64)
            base = common.checkpoint(place / "bert", lines, layers=layers, hidden=hidden, heads=heads)
            run = common.pretrained_teacher(place / "run", base, head="token")
            rows.append(labelling(bench, run, lines, (layers, hidden)))
            rows.append(training(bench, run, lines, (layers, hidden), sizes.batch))
    rows += others(bench, sizes)
    print(table(rows, top, stated))
    said = gpu_tests() if tests else None
    return {
        "card": card,
        "torch": torch.__version__,
        "dtype": str(bench.dtype),
        "peak_measured": top,
        "peak_stated": stated,
        "rows": [asdict(row) for row in rows],
        "tests": said,
        "seconds": time.perf_counter() - began,
    }


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny", action="store_true", help="sizes that say nothing, to see that it runs")
    parser.add_argument("--json", type=Path, default=Path("bench-gpu.json"))
    options = parser.parse_args(given)
    device = device_named(options.device)
    found = measure(
        device, TINY if options.tiny else FULL, 0.0 if options.tiny else SECONDS, tests=device.type == "cuda"
    )
    options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"tests marked gpu: {found['tests']}; {options.json}")


if __name__ == "__main__":
    main()
