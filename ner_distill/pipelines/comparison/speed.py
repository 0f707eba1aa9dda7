"""How big and how fast models are: one thread of the CPU, in a process that does nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.sentence import Sentence
from ner_distill.errors import RunError
from ner_distill.files import read_json, write_json
from ner_distill.options import Files, ReadOptions
from ner_distill.pipelines.comparison.figures import Run
from ner_distill.pipelines.comparison.findings import Cost
from ner_distill.pipelines.comparison.job import Job
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.runs.info import BESIDE_THE_MODEL
from ner_distill.runtime.inference import predict_spans

BATCH = 32
SENTENCES = 128
ROUNDS = 5


@dataclass(frozen=True)
class SpeedJob(Job):
    """Measure models.

    models: row → its run. sentences: labelled files whose words are read; of them SENTENCES, spread over all.
    """

    models: Mapping[str, Path]
    sentences: Files
    reading: ReadOptions
    file: Path
    name: str = "speed"

    @property
    def title(self) -> str:
        return f"size and speed of {len(self.models)} models"

    @property
    def finished(self) -> bool:
        return self.models.keys() <= costs_of(self.file).keys()

    def outcome(self, error: str | None = None) -> Run | None:
        return Run(self.name, 0, error=error) if error else None

    def do(self) -> None:
        torch.set_num_threads(1)
        built = {name: load_run(run) for name, run in self.models.items()}
        cutting = next(iter(built.values())).info.cutting
        quiet = Reporter(quiet=True)
        sentences, _ = read_labelled(self.sentences, "`test`", self.reading, quiet, known=cutting, keep_nested=True)
        sentences = sentences[:: -(-len(sentences) // SENTENCES)]
        seconds: dict[tuple[str, int], list[float]] = {(name, size): [] for name in built for size in (1, BATCH)}
        for number in range(1 + ROUNDS):  # in turn, so that whatever slows the machine down slows all of them
            for (name, size), times in seconds.items():
                taken = seconds_to_tag(built[name], sentences, size)
                if number:  # the first round warms caches
                    times.append(taken)
        speeds = {key: len(sentences) / median(times) for key, times in seconds.items()}
        costs = {
            name: Cost(round(megabytes_of(run), 3), round(speeds[name, 1], 1), round(speeds[name, BATCH], 1))
            for name, run in self.models.items()
        }
        about = {"threads": 1, "batch": BATCH, "sentences": len(sentences), "rounds": ROUNDS}
        write_json(self.file, {**about, "costs": {name: asdict(cost) for name, cost in costs.items()}})


def costs_of(file: Path) -> dict[str, Cost]:
    """Returns what a SpeedJob wrote; {} where there is no such file. Raises RunError where it is damaged."""
    if not file.is_file():
        return {}
    try:
        return {name: Cost(**cost) for name, cost in read_json(file, "")["costs"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file}: is damaged ({error!r}); remove it to measure again") from None


def megabytes_of(run: Path) -> float:
    """Millions of bytes that the model of a run takes: what is needed to use it, without the record of its training."""
    parts = [path for path in run.iterdir() if path.name not in BESIDE_THE_MODEL and path.name != "measured.json"]
    files = [file for part in parts for file in (part.rglob("*") if part.is_dir() else [part]) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def seconds_to_tag(built: AnyBuilt, sentences: Sequence[Sentence], batch: int = 0) -> float:
    """Seconds from words to entities, everything in between included; so many sentences at once, 0: all."""
    start = time.perf_counter()
    for first in range(0, len(sentences), batch or len(sentences)):
        part = sentences[first : first + batch] if batch else sentences
        features = [built.featurizer.features(sentence.words) for sentence in part]
        predict_spans(built.tagger, built.featurizer, built.info.tagset, features)
    return time.perf_counter() - start
