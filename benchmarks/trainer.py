"""Training speed against `Trainer` of transformers:
`python -m benchmarks.trainer --encoder DIRECTORY --train FILE --dev FILE --test FILE [--sentences 2000] [--rounds 3]`.

Both learn the tags of the same first sentences on the same encoder, with the same rate, epochs and precision, each in
a process of its own with one thread, as their users run them. `Trainer`: batches of 32 sentences at random, padded to
the longest, evaluation and a checkpoint after each epoch, the best one kept. `train-teacher`: batches of 1,024 pieces,
sentences of like length together, its own dropout, clipping and checkpoints, and the second task besides (a way
without it stands beside). Seconds are those of the processor for the whole command, loading of libraries included, so
on a GPU they say nothing. F1 is that of `--test`, by our scorer.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks import common
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.tagging import spans_from_tags, tags_from_spans
from ner_distill.data.metrics import score

BATCH = 32  # sentences


def main() -> None:
    """Print CPU seconds, sentences per CPU second and F1 of each way, and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--encoder", required=True)
    for name in ("train", "dev", "test"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--dev-sentences", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=5e-5, help="of encoder and head, in both programs")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    # this process is theirs: what it does, and where it writes
    parser.add_argument("--part", choices=("train", "score"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        _theirs(given, given.out)
    else:
        _compare(given)


def _compare(given: argparse.Namespace) -> None:
    seconds: dict[str, list[float]] = {}
    scores: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        files = {
            "train": _first(given.train, given.sentences, place / "train.txt"),
            "dev": _first(given.dev, given.dev_sentences, place / "dev.txt"),
        }
        for number in range(given.rounds):
            for way, command in _ways(given, files, place, number).items():
                seconds.setdefault(way, []).append(_cpu_seconds(command))
                scores.setdefault(way, []).append(_f1(command, given.test))
                common.report(way=way, round=number, cpu_seconds=seconds[way][-1], f1=scores[way][-1])
    theirs = seconds["Trainer"]
    print(f"{given.sentences:,} sentences, {given.epochs} epochs, {given.precision}, {given.rounds} rounds")
    print(f"{'':<30} {'CPU s':>8} {'sentences/CPU s':>16} {'ratio':>6} {'F1':>12}")
    for way, taken in seconds.items():
        ratio = common.median([slow / fast for slow, fast in zip(theirs, taken, strict=True)])
        speed = given.sentences * given.epochs / common.median(taken)
        f1 = " ".join(f"{100 * score:.1f}" for score in scores[way])
        print(f"{way:<30} {common.median(taken):8.1f} {speed:16.1f} {ratio:6.2f} {f1:>12}")


def _ways(given: argparse.Namespace, files: Mapping[str, Path], place: Path, number: int) -> dict[str, Sequence[str]]:
    """The command of each way; its last word is the directory that it writes."""
    theirs = [
        sys.executable, "-m", "benchmarks.trainer", "--encoder", given.encoder, "--test", str(given.test),
        "--epochs", str(given.epochs), "--precision", given.precision, "--rate", str(given.rate), "--seed", str(number),
    ]  # fmt: skip
    ours = [sys.executable, "-m", "ner_distill.cli", "train-teacher"]
    settings = {
        "encoder.name": given.encoder, "head.kind": "token", "optim.epochs": given.epochs, "optim.lr": given.rate,
        "optim.head_lr": given.rate, "optim.precision": given.precision, "seed": number,
    }  # fmt: skip
    for name, file in files.items():
        theirs += [f"--{name}", str(file)]
        ours += [f"--{name}", str(file)]
    for key, value in settings.items():
        ours += ["--set", f"{key}={value}"]
    return {
        "Trainer": [*theirs, "--part", "train", "--out", str(place / f"theirs-{number}")],
        "ours, two tasks": [*ours, "--out", str(place / f"ours-{number}")],
        "ours, entities alone": [*ours, "--set", "similarity.weight=0", "--out", str(place / f"one-{number}")],
    }


def _cpu_seconds(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    run = subprocess.run(command, env={**os.environ, **one}, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{run.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _first(file: Path, count: int, out: Path) -> Path:
    """The first sentences of a file in column format."""
    blocks = file.read_text("utf-8").split("\n\n")
    out.write_text("\n\n".join(blocks[:count]) + "\n\n", "utf-8")
    return out


def _f1(command: Sequence[str], test: Path) -> float:
    """F1 on a labelled file of what a command has trained."""
    run = Path(command[-1])
    if "--part" in command:
        _cpu_seconds([{"train": "score"}.get(word, word) for word in command])
        tags = json.loads((run / "tags.json").read_text("utf-8"))
        gold = [sentence.spans or () for sentence in read_corpus([test]).sentences]
        return score(gold, [spans_from_tags(own, "iob2")[0] for own in tags], ()).micro.f1
    out = run / "test.json"
    evaluate = [sys.executable, "-m", "ner_distill.cli", "evaluate", "--model", str(run), "--data", str(test)]
    _cpu_seconds([*evaluate, "--json", str(out)])
    return float(json.loads(out.read_text("utf-8"))["micro"]["f1"])


def _theirs(given: argparse.Namespace, out: Path) -> None:
    """`Trainer` as its documentation has it for token classification."""
    import numpy as np
    import torch
    from seqeval.metrics import f1_score
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
    )

    torch.set_num_threads(1)
    train = _read(given.train)
    tags = sorted({tag for _, found in train for tag in found})
    numbers = {tag: number for number, tag in enumerate(tags)}
    tokenizer = AutoTokenizer.from_pretrained(given.encoder)

    def rows(sentences: list[tuple[list[str], list[str]]]) -> list[dict[str, list[int]]]:
        made = []
        for words, labels in sentences:
            pieces = tokenizer(words, is_split_into_words=True, truncation=True, max_length=512)
            places = pieces.word_ids()
            first = [place is not None and place != before for before, place in pairwise([None, *places])]
            wanted = [
                numbers.get(labels[place], -100) if use else -100 for place, use in zip(places, first, strict=True)
            ]
            made.append({"input_ids": pieces["input_ids"], "attention_mask": pieces["attention_mask"],
                         "labels": wanted})  # fmt: skip
        return made

    def found_and_gold(logits: object, labels: np.ndarray) -> tuple[list[list[str]], list[list[str]]]:
        best = np.asarray(logits).argmax(-1)
        pairs = [(row[wanted != -100], wanted[wanted != -100]) for row, wanted in zip(best, labels, strict=True)]
        return [[tags[n] for n in row] for row, _ in pairs], [[tags[n] for n in wanted] for _, wanted in pairs]

    def scores(said: object) -> dict[str, float]:
        found, gold = found_and_gold(*said)  # type: ignore[misc]
        return {"f1": float(f1_score(gold, found))}

    model = AutoModelForTokenClassification.from_pretrained(
        given.encoder if given.part == "train" else out,
        num_labels=len(tags),
        id2label=dict(enumerate(tags)),
        label2id=numbers,
    )
    arguments = TrainingArguments(
        str(out), num_train_epochs=given.epochs, per_device_train_batch_size=BATCH, per_device_eval_batch_size=BATCH,
        learning_rate=given.rate, weight_decay=0.01, warmup_steps=0.1, eval_strategy="epoch", save_strategy="epoch",
        save_total_limit=1, load_best_model_at_end=True, metric_for_best_model="f1", report_to="none",
        bf16=given.precision == "bf16", use_cpu=not torch.cuda.is_available(), seed=given.seed,
    )  # fmt: skip
    trainer = Trainer(
        model, arguments, train_dataset=rows(train), eval_dataset=rows(_read(given.dev)),
        data_collator=DataCollatorForTokenClassification(tokenizer), compute_metrics=scores,
    )  # fmt: skip
    if given.part == "train":
        trainer.train()
        trainer.save_model(str(out))
        return
    test = _read(given.test)
    blank = rows(
        [(words, ["O"] * len(words)) for words, _ in test]
    )  # which pieces begin a word; nothing is said of gold
    answer = trainer.predict(blank)
    found, _ = found_and_gold(answer.predictions, np.asarray(answer.label_ids))
    # words beyond the encoder's limit have no tag
    whole = [own + ["O"] * (len(words) - len(own)) for own, (words, _) in zip(found, test, strict=True)]
    (out / "tags.json").write_text(json.dumps(whole), "utf-8")


def _read(file: Path) -> list[tuple[list[str], list[str]]]:
    """Words and IOB2 tags of a labelled file."""
    return [
        (list(sentence.words), tags_from_spans(sentence.spans or (), len(sentence.words)))
        for sentence in read_corpus([file]).sentences
    ]


if __name__ == "__main__":
    main()
