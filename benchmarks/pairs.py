"""Training pairs per second of encoder time, ours against the published way:
`python -m benchmarks.pairs [--text FILE ...] [--sentences 16] [--encoder bert|scratch|both]`.

Ours:      a batch of sentences is encoded once; 16 or 32 pairs per sentence are sampled inside the batch.
Published: every pair is two sentences, both encoded, one word of each compared; as many sentences per batch.

Both: the same encoder in training mode, the same sentences in batches of like length, encoding, similarity loss and
backward pass; drawing pairs counts for ours.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from benchmarks import common
from ner_distill.data.formats.segment import segment
from ner_distill.data.sampling import sample_pairs
from ner_distill.nn.similarity import pair_bce
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.teacher.model import Teacher


@dataclass(frozen=True)
class Encoded:
    """A batch: the input of the encoder, and random entity types (0 = none) of its words, (batch, words)."""

    inputs: dict[str, Tensor]
    keys: Any


def batches_of(built: AnyBuilt, lines: list[str], size: int) -> list[Encoded]:
    """Batches of `size` sentences of like length."""
    words = sorted((segment(line, "word")[0] for line in lines), key=len)
    rng = np.random.default_rng(0)
    batches = []
    for first in range(0, len(words) - size + 1, size):
        features: list[Any] = [built.featurizer.features(one) for one in words[first : first + size]]
        inputs = built.featurizer.collate(features)
        shape = tuple(inputs["mask"].shape)
        batches.append(Encoded(inputs, np.where(rng.random(shape) < 0.15, rng.integers(1, 5, shape), 0)))
    return batches


def pairs_of(batch: Encoded, per_sentence: int, rng: np.random.Generator) -> Tensor:
    """(pairs, 2) flat indices. 0 per sentence: a pair of a word each for sentences 0 and 1, 2 and 3, ..."""
    mask = batch.inputs["mask"].numpy()
    if per_sentence:
        return torch.from_numpy(sample_pairs(batch.keys, mask, per_sentence * len(mask), rng))
    words = np.arange(len(mask)) * mask.shape[1] + (rng.random(len(mask)) * mask.sum(1)).astype(np.int64)
    return torch.from_numpy(words.reshape(-1, 2))


def pass_over(teacher: Teacher, batches: list[Encoded], per_sentence: int, clock: str) -> Callable[[], float]:
    """Seconds per pair of a training pass over the batches."""
    rng = np.random.default_rng(1)

    def measured() -> float:
        trained = 0

        def train() -> None:
            nonlocal trained
            for batch in batches:
                pairs = pairs_of(batch, per_sentence, rng)
                keys = torch.from_numpy(batch.keys).flatten()
                targets = (keys[pairs[:, 0]] == keys[pairs[:, 1]]).float()
                assert teacher.similarity is not None
                logits = teacher.similarity(teacher.tagger.vectors(batch.inputs), pairs)
                pair_bce(logits, targets).mean().backward()
                teacher.zero_grad()
                trained += len(pairs)

        return common.seconds(train, clock) / trained

    return measured


def compare(name: str, run: Path, lines: list[str], *, sentences: int, rounds: int, clock: str) -> None:
    """Print a line for each number of pairs per sentence."""
    built = load_run(run)
    teacher = cast(Teacher, built.model).train()
    batches = batches_of(built, lines, sentences)
    published = "two sentences per pair"
    ways = {published: pass_over(teacher, batches, 0, clock)}
    ways |= {f"{number} pairs per sentence": pass_over(teacher, batches, number, clock) for number in (16, 32)}
    times = common.alternately(ways, rounds)
    for way, taken in times.items():
        ratio = common.median([slow / fast for slow, fast in zip(times[published], taken, strict=True)])
        print(f"{name:<10} {way:<24} {1 / common.median(taken):10,.0f} pairs/s {ratio:7.1f}", flush=True)


def main() -> None:
    """Print pairs per second and ratios."""
    parser = common.arguments(__doc__)
    parser.add_argument("--lines", type=int, default=160)
    parser.add_argument("--sentences", type=int, default=16, help="of a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoder", choices=("bert", "scratch", "both"), default="both")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lines = common.lines_of(given.text, given.lines)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if given.encoder != "scratch":
            base = common.checkpoint(place / "bert", lines, layers=4, hidden=312, heads=12)
            run = common.pretrained_teacher(place / "token", base, head="token")
            compare("4x312 BERT", run, lines, sentences=given.sentences, rounds=given.rounds, clock=given.clock)
        if given.encoder != "bert":
            run = common.scratch_teacher(place / "scratch", lines, hidden=160, heads=8)
            compare("scratch", run, lines, sentences=given.sentences, rounds=given.rounds, clock=given.clock)


if __name__ == "__main__":
    main()
