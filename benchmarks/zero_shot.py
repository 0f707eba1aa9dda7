"""Labels in one language, entities in another: `python -m benchmarks.zero_shot --encoder NAME [WAY ...]`.

A teacher learns English and answers on raw text of each other language, students learn from that; no label of the
other language is used before the last line, which is test F1. Checkpoints are chosen on the English development set.

    python -m benchmarks.zero_shot --encoder bert-base-multilingual-cased

is what published work reports, on a GPU. --data holds en/train.txt, en/dev.txt, and LANGUAGE/train.txt and
LANGUAGE/test.txt of each --languages, in column format (of a train.txt without English the words alone are read).

WAY:
    transfer   the teacher as it is
    hard       a student of the teacher's size, on the teacher's best reading (TSL with one teacher, labels for logits)
    plain      the same from soft labels, without weights and without the second task
    mtmt       teacher and student of preset:mtmt (Li et al. 2022), this encoder
    ours       a student of the teacher's size with the defaults
    four, two  the same with four and two layers of the teacher, and the pieces of the text alone
    scratch    a student from scratch, of one or two megabytes

Finished runs in --out are used again, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import trainings
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.comparison.speed import megabytes_of
from ner_distill.pipelines.comparison.verdict import write_hard_labels
from ner_distill.pipelines.evaluate import score_model
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.runs.build import load_run
from ner_distill.runtime.inference import best_device

TEACHER = ("head.kind=crf", "optim.epochs=3", "optim.lr=5e-5")
COPIED = ("optim.epochs=5", "optim.lr=5e-5")
FEWER = ("optim.epochs=8", "optim.lr=2e-4", "init.vocabulary=cut")
SCRATCH = ("optim.epochs=12",)
PLAIN = ("distill.alpha=off", "distill.beta=off", "distill.gamma=off", "distill.similarity_weight=0")
MTMT_PAIRS = 60  # per sentence, as the preset says


@dataclass(frozen=True)
class Recipe:
    """The runs of one seed. settings: of every training on the encoder. small: of students of fewer layers, besides."""

    encoder: str
    data: Path
    out: Path
    seed: int
    settings: Sequence[str]
    small: Sequence[str]

    def teacher(self, preset: str | None = None) -> Path:
        """The teacher of English."""
        wanted = [f"seed={self.seed}", f"encoder.name={self.encoder}", *(() if preset else TEACHER), *self.settings]
        english = self.data / "en"
        run = self.out / f"seed{self.seed}" / (preset or "teacher")
        return trainings.train_teacher(run, english / "train.txt", english / "dev.txt", wanted, preset=preset)

    def store(self, language: str, preset: str | None = None) -> Path:
        """Its answer on the words of the other language."""
        teacher = self.teacher(preset)
        store = teacher.with_name(f"{teacher.name}-{language}")
        pairs = MTMT_PAIRS if preset else LabelUnlabeledOptions.pairs_per_sentence
        text = [self.data / language / "train.txt"]
        options = LabelUnlabeledOptions(
            teacher=[teacher], text=text, out=store, resume=store.exists(), pairs_per_sentence=pairs
        )
        label_unlabeled(options, seed=self.seed)
        return store

    def student(self, name: str, language: str, settings: Sequence[str], preset: str | None = None) -> Path:
        """A student from soft labels, or from hard ones."""
        store, hard = self.store(language, preset), name == "hard"
        gold = store.with_suffix(".jsonl")
        if hard and not gold.exists():
            write_hard_labels(store, gold)
        run = self.out / f"seed{self.seed}" / f"{language}-{name}"
        dev = self.data / "en" / "dev.txt"
        wanted = [f"seed={self.seed}", *settings]
        return trainings.train_student(run, None if hard else store, dev, [gold] if hard else [], wanted, preset=preset)

    def copied(self, name: str, language: str, settings: Sequence[str]) -> Path:
        """A student of the teacher's size, which begins where the teacher began."""
        return self.student(name, language, [f"encoder.name={self.encoder}", *COPIED, *settings, *self.settings])

    def fewer(self, name: str, language: str, layers: Sequence[int]) -> Path:
        """A student with some of the teacher's layers."""
        begin = [f"init.teacher={self.teacher()}", f"init.layers={list(layers)}"]
        return self.student(name, language, [*begin, *FEWER, *self.settings, *self.small])

    def mtmt(self, language: str) -> Path:
        """The student of the preset."""
        settings = [f"encoder.name={self.encoder}", *self.settings]
        return self.student("mtmt", language, settings, preset="mtmt")


WAYS: dict[str, Callable[[Recipe, str], Path]] = {
    "transfer": lambda recipe, language: recipe.teacher(),
    "hard": lambda recipe, language: recipe.copied("hard", language, ()),
    "plain": lambda recipe, language: recipe.copied("plain", language, PLAIN),
    "mtmt": lambda recipe, language: recipe.mtmt(language),
    "ours": lambda recipe, language: recipe.copied("ours", language, ()),
    "four": lambda recipe, language: recipe.fewer("four", language, (0, 1, 2, 3)),
    "two": lambda recipe, language: recipe.fewer("two", language, (0, 1)),
    "scratch": lambda recipe, language: recipe.student("scratch", language, SCRATCH),
}


def main() -> None:
    """Train what is missing; print test F1, megabytes and seconds of training of each way, over the seeds."""
    parser = trainings.arguments(__doc__, "runs/zero-shot", data="conll")
    parser.add_argument("ways", nargs="*", metavar="WAY", help="default: all")
    parser.add_argument("--encoder", default="bert-base-multilingual-cased", help="id of the hub, or a directory")
    parser.add_argument("--languages", nargs="+", default=["es", "nl"])
    parser.add_argument("--set", dest="settings", action="append", default=[], help="of all trainings on the encoder")
    parser.add_argument("--set-small", dest="small", action="append", default=[], help="of `four` and `two`, besides")
    given = parser.parse_args()
    if unknown := set(given.ways) - set(WAYS):
        parser.error(f"no such way: {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    print(f"{'':4} {'way':10} {'test F1':>12} {'MB':>7} {'training s':>11}")
    for language in given.languages:
        tests = [given.data / language / "test.txt"]
        for way in given.ways or WAYS:
            scores, seconds, size = [], [], 0.0
            for seed in given.seeds:
                recipe = Recipe(given.encoder, given.data, given.out, seed, given.settings, given.small)
                run = WAYS[way](recipe, language)
                built = load_run(run)
                built.tagger.to(best_device())
                scores.append(100 * score_model(built, trainings.read_test(tests[0], built.info.unit)).micro.f1)
                seconds.append(float(json.loads((run / "metrics.json").read_text("utf-8"))["seconds"]))
                size = megabytes_of(run)
            mean, time = trainings.mean_and_deviation(scores), trainings.mean_and_deviation(seconds, 0)
            print(f"{language:4} {way:10} {mean:>12} {size:7.1f} {time:>11}", flush=True)


if __name__ == "__main__":
    main()
