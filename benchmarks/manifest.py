"""A store of very many shards: what opening, showing, training on and going on with it takes, and listing one more:
`python -m benchmarks.manifest STORE [--shards 250000]`.

STORE is a finished store of the exact form (`label-unlabeled --store-precision exact`: pairs of the compact one are
drawn by the number of their shard). Its shards are linked under as many names, so that the files and the list are real
and only what is in them repeats. Each step is a process of its own: seconds of the clock, CPU seconds, peak memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from ner_distill.config import StudentConfig
from ner_distill.console import Reporter
from ner_distill.data.store.entries import NUMBERS, Entries, ShardEntry, shard_name
from ner_distill.data.store.listing import LOG_ENTRIES, LOGS, Listing
from ner_distill.data.store.manifest import Manifest, StoreHeader, read_manifest
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import StoreWriter
from ner_distill.options.models import ShowOptions
from ner_distill.options.training import StudentOptions
from ner_distill.pipelines.show import show
from ner_distill.pipelines.train_student import read_student_data
from ner_distill.places import LocalPlace
from ner_distill.runs.build import new_student
from ner_distill.training.agreement import held_out
from ner_distill.training.soft_data import SoftData

MOST_LINKS = 30_000  # of a file: file systems have a limit


def header_of(manifest: Manifest) -> StoreHeader:
    """The header of a store."""
    return StoreHeader(**{name: getattr(manifest, name) for name in StoreHeader.model_fields})


def repeated(entries: Entries, shards: int) -> Entries:
    """So many entries: those of a store over and over."""
    which = np.arange(shards) % len(entries)
    numbers = entries.numbers[which].copy()
    numbers["index"] = np.arange(shards)
    counters = {name: values[which] for name, values in entries.counters.items()}
    return Entries(numbers.astype(NUMBERS), entries.hashes[which], counters)


def make(source: Path, target: Path, shards: int) -> None:
    """Write a store of so many shards; its files are links."""
    manifest = read_manifest(source)
    files = [(source / one.name).read_bytes() for one in manifest.shards]
    for index in range(shards):
        copy, number = divmod(index // len(files), MOST_LINKS)[0], index % len(files)
        first = target / f".{number}.{copy}"
        if not first.exists():
            first.write_bytes(files[number])
        os.link(first, target / shard_name(index))
    for left in target.glob(".*"):
        left.unlink()
    entries = repeated(manifest.shards, shards)
    Listing(LocalPlace(target), header_of(manifest), Entries.of(())).rewrite(entries, complete=True)


def opened(path: Path) -> str:
    """Open it, as every reader does."""
    store = SoftLabelStore.open(path, verify=True)
    return f"{store.rows:,} sentences, {store.words:,} words, {store.block_count:,} blocks"


def shown(path: Path) -> str:
    """`show`: the facts, entities by type in a sample, a few sentences."""
    excerpt = show(ShowOptions(store=path, limit=3))
    return f"{len(list(excerpt.sentences))} sentences, entities counted in {excerpt.counts.rows:,}"


def resumed(path: Path) -> str:
    """`label-unlabeled --resume` of a finished store: what is there is compared."""
    writer = StoreWriter.resume(path, header_of(read_manifest(path)))
    return f"{len(writer.remade)} damaged"


def trained(path: Path) -> str:
    """`train-student` up to its first batch, with a vocabulary of few sentences."""
    config, reporter = StudentConfig(), Reporter(quiet=True)
    data = read_student_data(config, StudentOptions(soft=path, out=path.parent / "student"), reporter)
    assert data.store is not None
    held = held_out(data.store, config.seed)
    built = new_student(config, data.info, islice(data.words(reporter), 2_000), reporter)
    soft = SoftData(data.store, built.featurizer, budget=config.optim.batch_words, seed=1, without=held)
    plan = soft.plan(0)
    assert not isinstance(plan, list)
    [first] = next(plan.taken(1, 0, 1, first=0))
    batch = soft.load(first, 0)
    return f"{len(held)} blocks held out; about {plan.steps(1, 1):,} steps; first batch {tuple(batch.mask.shape)}"


def listed(path: Path) -> str:
    """Listing one more shard, with what is there already; compactions are counted in."""
    manifest = read_manifest(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        said = []
        for known in (0, len(manifest.shards)):
            listing = Listing(LocalPlace(place), header_of(manifest), manifest.shards[:known])
            entry, adds = manifest.shards[0], LOG_ENTRIES * LOGS
            begun, cpu = time.perf_counter(), time.process_time()
            for number in range(adds):
                index = known + number
                listing.add(ShardEntry(**{**entry.model_dump(), "index": index, "name": shard_name(index)}))
            wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
            said.append(f"{1000 * wall / adds:.2f} ms ({1000 * cpu / adds:.2f} of the CPU) after {known:,}")
    return "; ".join(said)


STEPS: dict[str, Callable[[Path], str]] = {
    "open": opened,
    "show": shown,
    "resume": resumed,
    "train-student": trained,
    "list one more": listed,
}


def main() -> None:
    """Make the store and take each step in a process of its own, or take one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--shards", type=int, default=250_000)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        begun, cpu = time.perf_counter(), time.process_time()
        said = STEPS[given.step](given.store)
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
        print(f"{given.step:14} {wall:6.1f} s, {cpu:6.1f} s CPU, {int(peak) / 1024:5.0f} MiB: {said}", flush=True)
        return
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "store"
        path.mkdir()
        make(given.store, path, given.shards)
        parts = sum(file.stat().st_size for file in path.glob("index-*"))
        print(f"{given.shards:,} shards; {parts / 1e6:.1f} MB of index")
        for step in STEPS:
            subprocess.run([sys.executable, "-m", "benchmarks.manifest", str(path), "--step", step], check=True)


if __name__ == "__main__":
    main()
