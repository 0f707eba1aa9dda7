"""An ordinary token classifier of transformers as teacher: the store of its labels against transformers' own answers.

    python -m benchmarks.classifier --encoder DIR --train CONLL --test CONLL --out OUT [--sentences 600] [--steps 300]

fine-tunes a plain token classifier on the first sentences of --train with plain torch (kept in OUT/model, and not
trained again where it is there), labels --label sentences of --test by `label-unlabeled --teacher hf:OUT/model`, and
compares the store, word by word, with the model run by hand on one sentence after the other (the first piece of each
word), and its entities with those of `pipeline("token-classification", aggregation_strategy="first")`.
"""

from __future__ import annotations

import argparse
import random
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer, pipeline

from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.tagging import tags_from_spans
from ner_distill.data.formats.writers import write_words
from ner_distill.data.metrics import score
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.nn.encoders.huggingface import quiet
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.options.shared import ReadOptions
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.pipelines.show import entities_of

BATCH, RATE, WARM = 16, 1e-4, 0.1
Places = set[tuple[int, int, str]]


def main() -> None:
    """Train, label, compare, and print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("encoder", "train", "test", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--label", type=int, default=500)
    given = parser.parse_args()
    train, test = (_read(path) for path in (given.train, given.test))
    directory, store = given.out / "model", given.out / "store"
    if not (directory / "model.safetensors").is_file():
        seconds = fine_tune(given.encoder, train[: given.sentences], directory, given.steps)
        print(f"{given.steps} steps on {given.sentences} sentences: {seconds:.0f} CPU s", flush=True)
    asked = test[: given.label]
    raw = given.out / "raw.jsonl"
    write_words([Sentence(one.id, one.words) for one in asked], raw)
    label_unlabeled(
        LabelUnlabeledOptions(
            teacher=[f"hf:{directory}"], text=[raw], out=store, overwrite=store.exists(), store_precision="exact"
        ),
        Reporter(quiet=True),
    )
    compare(asked, directory, SoftLabelStore.open(store))


def _read(path: Path) -> list[Sentence]:
    return list(read_labelled([path], "`data`", ReadOptions(), Reporter(quiet=True))[0])


def fine_tune(encoder: Path, sentences: Sequence[Sentence], directory: Path, steps: int) -> float:
    """Train a token classifier as transformers' examples do: a tag at the first piece of each word. CPU seconds."""
    torch.manual_seed(0)
    labels = sorted({span.label for one in sentences for span in one.spans or ()})
    tags = ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]
    number = {tag: place for place, tag in enumerate(tags)}
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    config = AutoConfig.from_pretrained(encoder, id2label=dict(enumerate(tags)), label2id=number)
    with quiet():
        model = AutoModelForTokenClassification.from_pretrained(encoder, config=config)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (WARM * steps), 1.0, (steps - step) / ((1 - WARM) * steps))
    )
    rng, queue, start = random.Random(0), list[Sentence](), time.process_time()
    for _ in range(steps):
        if len(queue) < BATCH:
            queue = rng.sample(list(sentences), len(sentences))
        batch, queue = queue[:BATCH], queue[BATCH:]
        inputs = tokenizer(
            [list(one.words) for one in batch], is_split_into_words=True, padding=True, return_tensors="pt"
        )
        wanted = torch.full(inputs["input_ids"].shape, -100)
        for row, one in enumerate(batch):
            gold = tags_from_spans(one.spans or (), len(one.words))
            for word, piece in _first_pieces(inputs.word_ids(row)).items():
                wanted[row, piece] = number[gold[word]]
        model(**inputs, labels=wanted).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return time.process_time() - start


def _first_pieces(owners: Sequence[int | None]) -> dict[int, int]:
    """Word → its first piece."""
    first: dict[int, int] = {}
    for piece, word in enumerate(owners):
        if word is not None:
            first.setdefault(word, piece)
    return first


def compare(sentences: Sequence[Sentence], directory: Path, store: SoftLabelStore) -> None:
    """Print how far the store is from the model run by hand, and from the entities of transformers' pipeline."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForTokenClassification.from_pretrained(directory).eval()
    rows = {row.id: row for row in store.iter_rows()}
    if rows.keys() != {one.id for one in sentences}:
        raise SystemExit("the store has other sentences")
    names = [model.config.id2label[number] for number in range(len(model.config.id2label))]
    counts, furthest = Counter[str](), 0.0
    for one in sentences:
        encoded = tokenizer(list(one.words), is_split_into_words=True, return_tensors="pt")
        first = _first_pieces(encoded.word_ids())
        with torch.inference_mode():
            own = model(**encoded).logits[0].softmax(-1).numpy()
        probs = rows[one.id].probs.astype(np.float32)
        for word, piece in first.items():
            by_hand = _in_tags(own[piece], names, store.tagset.tags)
            said, ours = names[int(own[piece].argmax())], store.tagset.tags[int(probs[word].argmax())]
            counts["words"] += 1
            counts["same tag"] += said == ours
            if said == ours:
                furthest = max(furthest, float(np.abs(by_hand - probs[word]).max()))
            else:
                counts["read as B, as it continues nothing"] += said == f"I{ours[1:]}" and ours[0] == "B"
    print(f"by hand: {dict(counts)}; probabilities at most {furthest:.1e} apart", flush=True)
    ours_found = {
        one.id: {(span.start, span.end, span.label) for span, _ in entities_of(rows[one.id], store.tagset)}
        for one in sentences
    }
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the way in which it tells words: they stand between blanks here
        tagger = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first")
        theirs = [_of_pipeline(one.words, tagger(" ".join(one.words))) for one in sentences]
    same = sum(ours_found[one.id] == found for one, found in zip(sentences, theirs, strict=True))
    shared = sum(len(ours_found[one.id] & found) for one, found in zip(sentences, theirs, strict=True))
    every = sum(map(len, ours_found.values()))
    print(
        f"pipeline: the same entities in {same} of {len(sentences)} sentences; {shared} of our {every} and of its "
        f"{sum(map(len, theirs))} entities are the same",
        flush=True,
    )
    gold = [one.exact for one in sentences]
    labels = list(store.labels)
    for name, found in (("store", [ours_found[one.id] for one in sentences]), ("pipeline", theirs)):
        f1 = score(gold, [[Span(*place) for place in sorted(own)] for own in found], labels).micro.f1
        print(f"F1 of the {name}: {100 * f1:.1f}", flush=True)


def _in_tags(probs: np.ndarray[Any, Any], names: Sequence[str], tags: Sequence[str]) -> np.ndarray[Any, Any]:
    """The probabilities in the order of our tags."""
    return probs[[names.index(tag) for tag in tags]]


def _of_pipeline(words: Sequence[str], found: Sequence[dict[str, Any]]) -> Places:
    """Entities in characters of the words between blanks, as words. Some tokenizers count the blank before a word."""
    text, starts = " ".join(words), np.cumsum([0, *(len(word) + 1 for word in words)])
    places: Places = set()
    for one in found:
        start = one["end"] - len(text[one["start"] : one["end"]].lstrip())
        first, last = np.searchsorted(starts, [start, one["end"]], side="right") - [1, 0]
        places.add((int(first), int(last), one["entity_group"]))
    return places


if __name__ == "__main__":
    main()
