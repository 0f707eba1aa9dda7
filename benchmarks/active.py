"""Does the order of `review STORE` choose better sentences to label than chance does? English of CoNLL-2003.

    python -m benchmarks.active [--data DIR] [--seeds 1 2 3] [--ways random useful ...] [--on dev|test] [--out DIR]

For each seed 300 labelled and 3,000 raw sentences are drawn from the training set, whose labels are hidden. A scratch
teacher learns from the 300 and labels the raw ones. Some of these get their gold labels, which stand in for a person,
and a teacher is trained on both. Ways to choose them:

random        300 in the order in which they were drawn
useful        the first 300 of `review --order useful`; short, doubt: of the other orders
random-words  as many drawn ones as have together the words of the first 300 of `useful`
useful-words  as many of `useful` as have together the words of 300 random ones; short-words: of `short`

A sentence costs a person what it takes to read it, so both prices are shown. No development set chooses a checkpoint:
with 300 labelled sentences nobody has one. Choose an order by `--on dev`, report `--on test`. Finished runs in --out
are used again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import trainings
from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_jsonl, write_words
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.manifest import is_store
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.options.labels import Order
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.evaluate import score_model
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.pipelines.reviewing.order import ranked
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.build import load_run

ORDERS: tuple[Order, ...] = ("useful", "short", "doubt")
WORDS = "-words"
WAYS = ("none", "random", *ORDERS, *(f"{name}{WORDS}" for name in ("random", *ORDERS)))
QUIET = Reporter(quiet=True)


class Bench:
    """The files of one seed. labelled, raw: so many sentences are drawn; chosen: of the raw ones."""

    def __init__(self, corpus: Sequence[Sentence], out: Path, seed: int, settings: Sequence[str]) -> None:
        self.out, self.seed, self.settings = out / f"seed-{seed}", seed, settings
        self.out.mkdir(parents=True, exist_ok=True)
        self.labelled, self.chosen = 300, 300
        drawn = random.Random(seed).sample(corpus, self.labelled + 3000)
        self.gold = [replace(one, text=None, offsets=None) for one in drawn]

    @property
    def hidden(self) -> dict[str, Sentence]:
        """The raw sentences with their labels, by id, in the order in which they were drawn."""
        return {sentence.id: sentence for sentence in self.gold[self.labelled :]}

    def trained(self, way: str, chosen: Sequence[Sentence]) -> Path:
        """The run of a teacher that learned from the labelled sentences and the chosen ones."""
        run = self.out / way
        if not trainings.is_finished(run):
            file = self.out / f"{way}.jsonl"
            write_words([*self.gold[: self.labelled], *chosen], file)
            config = load_config(TeacherConfig, None, [f"seed={self.seed}", *self.settings])
            options = TeacherOptions(train=[file], out=run, track=("none",), overwrite=run.exists())
            train_teacher(config, options, QUIET)
        return run

    def store(self) -> SoftLabelStore:
        """What the teacher of the labelled sentences says of the raw ones."""
        soft, raw = self.out / "soft", self.out / "raw.jsonl"
        if not is_store(soft):
            write_jsonl((replace(one, spans=None) for one in self.hidden.values()), raw, overwrite=True)
            teacher = self.trained("none", ())
            label_unlabeled(LabelUnlabeledOptions(teacher=[teacher], text=[raw], out=soft, pairs_per_sentence=0), QUIET)
        return SoftLabelStore.open(soft)

    def ordered(self, name: str) -> list[Sentence]:
        """The raw sentences with their labels, in the order of this name."""
        if name == "random":
            return list(self.hidden.values())
        rows = list(self.store().iter_rows())
        order = next(one for one in ORDERS if one == name)
        return [self.hidden[rows[one.number].id] for one in ranked(rows, order=order)]

    def choose(self, way: str) -> list[Sentence]:
        """The sentences that are labelled."""
        if way == "none":
            return []
        name = way.removesuffix(WORDS)
        if name == way:
            return self.ordered(name)[: self.chosen]
        budget = words_of(self.ordered("useful" if name == "random" else "random")[: self.chosen])
        chosen: list[Sentence] = []
        for sentence in self.ordered(name):
            if words_of([*chosen, sentence]) > budget:
                break
            chosen.append(sentence)
        return chosen


def words_of(sentences: Sequence[Sentence]) -> int:
    """Words of the sentences."""
    return sum(len(sentence.words) for sentence in sentences)


def main() -> None:
    """Choose, train, score, print."""
    parser = trainings.arguments(__doc__, "runs/active", data="conll/en")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["random", "useful", "random-words", "short-words"])
    parser.add_argument("--on", choices=("dev", "test"), default="dev", help="choose an order by dev, report test")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="of the teachers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = [one for one in read_corpus([options.data / "train.txt"]).sentences if one.words[0] != "-DOCSTART-"]
    part = trainings.read_test(options.data / f"{options.on}.txt", "word")
    scores: dict[str, list[float]] = {way: [] for way in options.ways}
    for seed in options.seeds:
        bench = Bench(corpus, options.out, seed, options.settings)
        for way in options.ways:
            chosen = bench.choose(way)
            f1 = 100 * score_model(load_run(bench.trained(way, chosen)), part).micro.f1
            scores[way].append(f1)
            found = {"words": words_of(chosen), "entities": sum(len(one.spans or ()) for one in chosen)}
            print(
                json.dumps({"way": way, "seed": seed, "f1": round(f1, 2), "sentences": len(chosen)} | found), flush=True
            )
    for way in options.ways:
        gains = [own - first for own, first in zip(scores[way], scores[options.ways[0]], strict=True)]
        mean = trainings.mean_and_deviation(scores[way])
        print(f"{way:14} {options.on} {mean}, over {options.ways[0]} {trainings.mean_and_deviation(gains)}", flush=True)


if __name__ == "__main__":
    main()
