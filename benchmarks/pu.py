"""Training from dictionaries alone: CoNLL-2003 English, tags of dictionaries in place of gold.

    python -m benchmarks.pu [--ways matching as-is pu adaptive] [--seeds 1 2 3] [--rounds 3] [--sentences 0] [--out DIR]

    matching   the dictionaries looked up in the test sentences; nothing is trained
    as-is      a teacher (CRF) on `distant/conll03_en_train.jsonl`, whose words without a tag count as no entity
    pu         loss.kind = "pu" on the same file; class priors as --prior says
    adaptive   pu, then --rounds times: grow the dictionaries by what it found in the training text, label that, train;
               the round that is best on the development set

Scratch encoder, no pretrained vectors. The development set (gold) chooses the checkpoint, for all ways alike. Columns:
precision, recall and F1 on the test set, mean ± standard deviation over the seeds. --sentences N takes the first N of
all files, to see that it runs. Finished runs in --out are used again.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from benchmarks import trainings
from ner_distill.commands.dictionaries import ROUNDS
from ner_distill.config import TeacherConfig, load_config
from ner_distill.data.lexicon.dictionaries import Dictionaries
from ner_distill.data.metrics import Counts, score
from ner_distill.data.sentence import labels_of
from ner_distill.options.labels import GrowOptions
from ner_distill.pipelines.dictionaries.grow_rounds import grow_rounds
from ner_distill.pipelines.evaluate import score_model
from ner_distill.runs.build import load_run

DISTANT = "distant/conll03_en_train.jsonl"
DICTIONARIES = {
    "PER": "lexicon/en_person.txt",
    "LOC": "lexicon/en_location.txt",
    "ORG": "lexicon/en_organization.txt",
    "MISC": "lexicon/en_misc.txt",
}
PRIORS = {
    "true": 'loss.prior={PER = 0.055, LOC = 0.041, ORG = 0.049, MISC = 0.023}',  # of the gold training data
    "dev": "loss.prior_from=dev",
    "train": "loss.prior_from=train",
}  # fmt: skip
WAYS = ("matching", "as-is", "pu", "adaptive")


class Bench:
    """Where the data lies, and how it is trained on."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.out: Path = options.out
        self.rounds, self.min_count, self.prior = options.rounds, options.min_count, options.prior
        self.settings: list[str] = options.set or []
        self.lists = {label: options.data / name for label, name in DICTIONARIES.items()}
        self.out.mkdir(parents=True, exist_ok=True)
        names = (DISTANT, "conll/en/dev.txt", "conll/en/test.txt")
        self.train, self.dev, self.test = (self._cut(options.data / name, options.sentences) for name in names)

    def _cut(self, file: Path, sentences: int) -> Path:
        """The first sentences of a file, or the file."""
        if not sentences:
            return file
        separator = "\n" if file.suffix == ".jsonl" else "\n\n"
        part = self.out / file.name
        parts = itertools.islice(file.read_text("utf-8").split(separator), sentences)
        part.write_text(separator.join(parts) + separator, "utf-8")
        return part

    def trained(self, name: str, train: Path, seed: int, *settings: str) -> Path:
        """The run of a teacher."""
        run = self.out / f"{name}-{seed}"
        return trainings.train_teacher(run, train, self.dev, [f"seed={seed}", *settings, *self.settings])

    def run_of(self, way: str, seed: int) -> Path:
        """The last run of a way that trains."""
        if way == "as-is":
            return self.trained(way, self.train, seed)
        pu = ("loss.kind=pu", PRIORS[self.prior])
        run = self.trained("pu", self.train, seed, *pu)
        if way == "pu":
            return run
        out = self.out / f"adaptive-{seed}"
        options = GrowOptions(
            text=[self.train],
            dictionary=_options(self.lists),
            dev=[self.dev],
            out=out,
            rounds=1 + self.rounds,  # nothing is trained in the first
            model=run,
            min_count=self.min_count,
            resume=(out / "growing.json").exists(),
        )
        config = load_config(TeacherConfig, None, [*ROUNDS, f"seed={seed}", *pu, *self.settings])
        return grow_rounds(config, options).best.teacher

    def counts(self, way: str, seed: int) -> Counts:
        """What a way finds in the test sentences."""
        gold = trainings.read_test(self.test, "word")
        if way == "matching":
            dictionaries, _ = Dictionaries.read({label: [path] for label, path in self.lists.items()})
            found = [dictionaries.find(sentence.words).spans for sentence in gold]
            return score([sentence.spans or () for sentence in gold], found, labels_of(gold)).micro
        return score_model(load_run(self.run_of(way, seed)), gold).micro


def _options(lists: dict[str, Path]) -> list[str]:
    return [f"{label}={path}" for label, path in lists.items()]


def main() -> None:
    """Train, score, print."""
    parser = trainings.arguments(__doc__, "runs/pu")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3, help="of adaptive")
    parser.add_argument("--min-count", type=int, default=3, help="of grow-dictionary")
    parser.add_argument("--prior", choices=list(PRIORS), default="train", help="where the class priors come from")
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="of every training")
    parser.add_argument("--sentences", type=int, default=0, help="of each file; 0: all")
    options = parser.parse_args()
    bench = Bench(options)
    for way in options.ways:
        seeds = options.seeds[:1] if way == "matching" else options.seeds
        found = [bench.counts(way, seed) for seed in seeds]
        figures = {name: [100 * getattr(counts, name) for counts in found] for name in ("precision", "recall", "f1")}
        cells = [f"{name} {trainings.mean_and_deviation(values)}" for name, values in figures.items()]
        print(f"{way:10}", ", ".join(cells), flush=True)


if __name__ == "__main__":
    main()
