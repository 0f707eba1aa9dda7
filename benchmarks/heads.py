"""What each head is worth on nested entities: CMeEE, scratch encoder + FLAT, the same epochs for all.

    python -m benchmarks.heads [--heads crf global-pointer ...] [--seeds 1] [--epochs 3] [--out runs/heads]

A teacher per head is trained on CMeEE's training sentences without the last thousand, which choose the checkpoint, and
scored on its validation sentences. Tag heads train on the longest of entities that overlap; all are scored on all.
Columns: precision, recall, F1 over all entities; F1 over nested ones (of entities that overlap another one of the same
kind, gold or found: precision of those found, recall of those in gold); seconds of the training; words labelled per
second, with the best of three passes. One thread unless OMP_NUM_THREADS says otherwise. Finished runs are kept in --out
and scored again. With --cost: processor time of a training step (loss and gradient, the whole model) of each finished
run of the first seed against a CRF's, in turns on the same batches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import torch

from benchmarks import trainings
from benchmarks.common import alternately, median, seconds
from ner_distill.config import TeacherConfig
from ner_distill.data.batching import Batch
from ner_distill.data.sentence import Sentence, Span
from ner_distill.pipelines.evaluate import score_model
from ner_distill.runs.build import load_run
from ner_distill.runs.info import read_config
from ner_distill.runtime.inference import predict_spans
from ner_distill.teacher.model import Teacher, TeacherObjective, TermWeights
from ner_distill.training.labelled import LabelledData

HEADS = (
    "token", "crf", "crf-per-type", "global-pointer", "efficient-global-pointer", "additive-pointer", "mrc",
)  # fmt: skip
DEV = 1000
WORDS = ("lexicon/zh_words.txt", "lexicon/zh_medical.tsv")
TIMED = 500  # sentences
BATCHES = 8


def split(data: Path, out: Path) -> tuple[Path, Path]:
    """The training sentences as two files: what is trained on, and the last `DEV`, which choose the checkpoint."""
    out.mkdir(parents=True, exist_ok=True)
    lines = (data / "cmeee/train_data.txt").read_text("utf-8").splitlines()
    files = out / "train.txt", out / "dev.txt"
    for file, part in zip(files, (lines[:-DEV], lines[-DEV:]), strict=True):
        file.write_text("\n".join(part) + "\n", "utf-8")
    return files


def train(head: str, seed: int, epochs: int, data: Path, out: Path) -> Path:
    """The run of a teacher with this head."""
    run = out / f"{head}-{seed}"
    if not trainings.is_finished(run):
        first, last = split(data, out)
        lexicon = [str(data / words) for words in WORDS]
        settings = [
            f"seed={seed}", f"head.kind={head}", f"optim.epochs={epochs}", "optim.swa=true", "optim.swa_start=0.5",
            "lattice.kind=flat", f"lattice.lexicon={lexicon}",
        ]  # fmt: skip
        # flattened for token and crf; the others take nested entities as they are
        trainings.train_teacher(run, first, last, settings, flatten="longest")
    return run


def nested(spans: Sequence[Span]) -> set[Span]:
    """Those that share a word with another one."""
    return {
        span
        for span in spans
        if any(other != span and span.start < other.end and other.start < span.end for other in spans)
    }


def nested_f1(gold: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]]) -> float:
    """F1 over nested entities, as the module says."""
    right = [sum(span in theirs for span in nested(ours)) for ours, theirs in zip(found, gold, strict=True)]
    reached = [sum(span in ours for span in nested(theirs)) for ours, theirs in zip(found, gold, strict=True)]
    precision = sum(right) / max(sum(len(nested(ours)) for ours in found), 1)
    recall = sum(reached) / max(sum(len(nested(theirs)) for theirs in gold), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def figures(run: Path, sentences: Sequence[Sentence]) -> dict[str, float]:
    """One line of the table."""
    built = load_run(run)
    built.model.eval()
    micro = score_model(built, sentences).micro
    features = [built.featurizer.features(sentence.words) for sentence in sentences]
    found = predict_spans(built.tagger, built.featurizer, built.info.tagset, features)
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    return {
        "precision": 100 * micro.precision,
        "recall": 100 * micro.recall,
        "F1": 100 * micro.f1,
        "nested F1": 100 * nested_f1([sentence.spans or () for sentence in sentences], found),
        "seconds": metrics["seconds"],
        "epochs": float(len({step["epoch"] for step in steps if "score" in step})),
        "labelled words/s": _speed(run, sentences),
    }


def _speed(run: Path, sentences: Sequence[Sentence]) -> float:
    built = load_run(run)
    features = [built.featurizer.features(sentence.words) for sentence in sentences[:TIMED]]
    times = []
    for _ in range(3):
        started = time.process_time()
        predict_spans(built.tagger, built.featurizer, built.info.tagset, features)
        times.append(time.process_time() - started)
    return sum(len(sentence.words) for sentence in sentences[:TIMED]) / min(times)


def cost(heads: Sequence[str], seed: int, out: Path, rounds: int) -> None:
    """Print what a step costs of each."""
    sentences = trainings.read_test(out / "dev.txt", "character")
    steps: dict[str, Callable[[], float]] = {}
    for head in heads:
        run = out / f"{head}-{seed}"
        built = load_run(run)
        teacher = cast(Teacher, built.model).train()
        budget = read_config(run, TeacherConfig).optim.batch_words
        assert isinstance(budget, int)
        data = LabelledData(sentences, built.featurizer, built.info.tagset, budget=budget, seed=13)
        batches = [data.load(one, 0) for one in data.plan(0)[:BATCHES]]
        objective = TeacherObjective(teacher, TermWeights(similarity=0.0))
        steps[head] = partial(seconds, partial(_step, objective, teacher, batches), "cpu")
    times = alternately(steps, rounds)
    for head, measured in times.items():
        ratio = median([one / base for one, base in zip(measured, times["crf"], strict=True)])
        print(f"{head:26} {1000 * median(measured) / BATCHES:6.1f} ms a step, {ratio:.2f} of a CRF's", flush=True)


def _step(objective: TeacherObjective, teacher: Teacher, batches: Sequence[Batch]) -> None:
    for batch in batches:
        teacher.zero_grad(set_to_none=True)
        torch.autograd.backward(objective.sums(batch)["entities"])


def main() -> None:
    """Train, score, print."""
    parser = trainings.arguments(__doc__, "runs/heads", seeds=[1])
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--cost", type=int, default=0, metavar="ROUNDS", help="time steps of finished runs, crf's too")
    options = parser.parse_args()
    if options.cost:
        cost(options.heads, options.seeds[0], options.out, options.cost)
        return
    sentences = trainings.read_test(options.data / "cmeee/val_data.txt", "character")
    for head in options.heads:
        trained = [train(head, seed, options.epochs, options.data, options.out) for seed in options.seeds]
        found = [figures(run, sentences) for run in trained]
        cells = []
        for key in found[0]:
            cells.append(f"{key} {trainings.mean_and_deviation([one[key] for one in found])}")
        print(f"{head:26}", ", ".join(cells), flush=True)


if __name__ == "__main__":
    main()
