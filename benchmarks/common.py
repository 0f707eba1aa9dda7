"""What the benchmarks share: text to work on, models of known sizes, and a fair comparison of two times."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertForTokenClassification

from benchmarks.checkpoints import bert
from ner_distill.config import TeacherConfig
from ner_distill.data.formats.segment import segment
from ner_distill.nn.encoders.huggingface import quiet
from ner_distill.runs.build import new_teacher, save_run
from ner_distill.runs.info import RunInfo, write_config, write_info

INFO = RunInfo("teacher", "word", ("PER", "LOC", "ORG", "MISC"))
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "an", "er", "is")]


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: on a machine that others use too, with --threads 1"
    )
    parser.add_argument("--text", type=Path, action="append", default=[], help="raw text, a sentence a line")
    return parser


def lines_of(files: Sequence[Path], count: int, *, seed: int = 13) -> list[str]:
    """`count` distinct lines of the files in random order; without files, generated ones of 2 to 100 words."""
    if not files:
        return generated_lines(count, seed=seed)
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    if len(lines) < count:
        raise SystemExit(f"--text: {len(lines):,} lines, fewer than the {count:,} of this benchmark")
    return random.Random(seed).sample(lines, count)


def generated_lines(count: int, *, seed: int = 13, forms: int = 20_000) -> list[str]:
    """Lines of made-up words, as often as Zipf has them; the median is 20 words, as in news."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(forms)]
    weights = [1 / (rank + 10) for rank in range(forms)]
    lengths = [min(100, max(2, round(rng.lognormvariate(3.0, 0.6)))) for _ in range(count)]
    made = iter(rng.choices(words, cum_weights=list(accumulate(weights)), k=sum(lengths)))
    lines = []
    for length in lengths:
        line = [next(made) for _ in range(length)]
        line[0] = line[0].capitalize()
        lines.append(" ".join(word.capitalize() if rng.random() < 0.1 else word for word in line) + " .")
    return lines


def words_of(lines: Sequence[str]) -> int:
    """Words of the lines, as we cut them."""
    return sum(len(segment(line, "word")[0]) for line in lines)


def checkpoint(directory: Path, lines: Sequence[str], *, layers: int, hidden: int, heads: int) -> Path:
    """A BERT of random weights with a WordPiece vocabulary of these lines."""
    return bert(directory, lines, layers=layers, hidden=hidden, heads=heads, vocabulary=12_000)


def pretrained_teacher(directory: Path, base: Path, *, head: str, pooling: str = "first") -> Path:
    """A run of a teacher over this checkpoint that was never trained."""
    config = TeacherConfig.model_validate({"encoder": {"name": str(base), "pooling": pooling}, "head": {"kind": head}})
    return _saved(directory, config, [])


def scratch_teacher(directory: Path, lines: Sequence[str], *, hidden: int, heads: int, layers: int = 1) -> Path:
    """A run of a teacher with a scratch encoder and a CRF that was never trained."""
    encoder = {"hidden": hidden, "heads": heads, "layers": layers}
    config = TeacherConfig.model_validate({"encoder": encoder, "head": {"kind": "crf"}})
    return _saved(directory, config, [segment(line, "word")[0] for line in lines])


def _saved(directory: Path, config: TeacherConfig, sentences: Sequence[tuple[str, ...]]) -> Path:
    directory.mkdir(parents=True)
    write_info(directory, INFO)
    write_config(directory, config)
    save_run(new_teacher(config, INFO, sentences), directory)
    return directory


def classifier(directory: Path, base: Path) -> Path:
    """The same checkpoint as a token classifier of transformers, with the tokenizer.

    Its bias makes almost every piece `O`, as text has it: a pipeline does less work for these.
    """
    tags = INFO.tagset.tags
    torch.manual_seed(0)
    with quiet():
        model = BertForTokenClassification.from_pretrained(
            base, id2label=dict(enumerate(tags)), label2id={tag: index for index, tag in enumerate(tags)}
        )
        with torch.no_grad():
            model.classifier.bias[0] = 3.0
        model.save_pretrained(directory)
        AutoTokenizer.from_pretrained(base).save_pretrained(directory)
    return directory


def seconds(work: Callable[[], object], clock: str = "wall") -> float:
    """Time of one call: on the wall, or of the processor (all threads of this process)."""
    now = CLOCKS[clock]
    began = now()
    work()
    return now() - began


def alternately(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each way measures, in turn in every round, after one round that does not count.

    On a machine that is not quiet only figures of the same rounds can be compared.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            measured = way()
            if number:
                times[name].append(measured)
    return times


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def report(**figures: object) -> None:
    """One line of JSON, for whoever keeps the figures."""
    print(json.dumps(figures), flush=True)
