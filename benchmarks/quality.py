"""Quality on real data, 3 seeds: `python -m benchmarks.quality NAME [--seeds 1 2 3] [--data DIR] [--out DIR]`.

    scratch-es      CoNLL-2002 Spanish, scratch teacher with its defaults: test F1 and seconds
    scratch-resume  the Chinese résumé corpus, the same
    zero-shot       CoNLL English labels → Spanish: teacher; student from soft labels of Spanish text and the
                    English gold, alpha, beta, gamma on and off; the same from the gold alone. Checkpoints chosen on
                    the English development set
    lattice         KINDS below on the résumé corpus (test F1) and on CLUENER (development F1): the same seeds, epochs
                    and settings with FLAT, with other kinds of knowledge, and with none
    lattice-student students of the FLAT teachers, without a lexicon: soft labels of the training texts and of raw news,
                    and gold; against the same student on the gold alone
    small-student   the résumé corpus: a student of at most a quarter of the parameters, from soft labels and gold

Finished runs in --out are used again, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks import trainings
from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.options import ReadOptions
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.comparison.speed import seconds_to_tag
from ner_distill.pipelines.evaluate import score_model
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.runs.build import load_run
from ner_distill.runtime.inference import parameters_of

Figures = dict[str, float]
SMALL = [
    "encoder.hidden=64", "encoder.heads=1", "encoder.word_dim=32", "encoder.bigram_dim=24", "encoder.max_forms=4000",
]  # fmt: skip
WORDS = "lexicon/zh_words.txt"
KINDS: dict[str, tuple[str, ...]] = {
    "flat": ("lattice.kind=flat",),
    "none": (),
    "soft-lexicon": ("lattice.kind=soft-lexicon",),
    "ex-softword": ("lattice.kind=ex-softword",),
    "pinyin+glyph": ("features.pinyin=true", "features.glyph=true"),
    "flat+pinyin+glyph": ("lattice.kind=flat", "features.pinyin=true", "features.glyph=true"),
}
CORPORA = {
    "resume": ("resume/train.char.bmes", "resume/dev.char.bmes", "resume/test.char.bmes"),
    "cluener": ("cluener/train.json", "cluener/dev.json", "cluener/dev.json"),  # its test set has no labels
}
AVERAGED = ("optim.swa=true", "optim.swa_start=0.5")
LATTICE = {  # FLAT wants no FGM of this strength on CLUENER: docs/log.md
    "resume": ("adversarial.kind=fgm", *AVERAGED, "optim.epochs=10"),
    "cluener": (*AVERAGED, "optim.epochs=3"),
}
NEWS = 4000  # lines of raw news beside the training text
STUDENT = ["optim.epochs=6"]


class Bench:
    """Runs one recipe for one seed in a directory of its own."""

    def __init__(
        self, data: Path, out: Path, seed: int, *, corpora: Sequence[str] = tuple(CORPORA), kinds: Sequence[str] = ()
    ) -> None:
        self.data, self.out, self.seed = data, out / f"seed{seed}", seed
        self.corpora, self.kinds = corpora, kinds or tuple(KINDS)

    def teacher(self, name: str, train: str, dev: str, settings: Sequence[str] = ()) -> Path:
        """A trained teacher's run."""
        return trainings.train_teacher(
            self.out / name, self.data / train, self.data / dev, [f"seed={self.seed}", *settings]
        )

    def store(self, name: str, teacher: Path, text: Sequence[str]) -> Path:
        """The teacher's answer on the words of these files."""
        store = self.out / name
        files = [self.data / file for file in text]
        options = LabelUnlabeledOptions(teacher=[teacher], text=files, out=store, resume=store.exists())
        label_unlabeled(options, seed=self.seed)
        return store

    def student(
        self, name: str, soft: Path | None, dev: str, gold: Sequence[str], settings: Sequence[str] = ()
    ) -> Path:
        """A trained student's run."""
        texts = [self.data / file for file in gold]
        return trainings.train_student(self.out / name, soft, self.data / dev, texts, [f"seed={self.seed}", *settings])

    def score(self, prefix: str, run: Path, test: str, *, timed: bool = False) -> Figures:
        """Test F1 × 100, parameters, training seconds, and sentences per second where `timed`."""
        built = load_run(run)
        sentences, _ = read_labelled([self.data / test], "--data", ReadOptions(), Reporter(quiet=True))
        figures = {
            f"{prefix} F1": 100 * score_model(built, sentences).micro.f1,
            f"{prefix} parameters": float(parameters_of(built.tagger)),
            f"{prefix} seconds": json.loads((run / "metrics.json").read_text())["seconds"],
        }
        if timed:
            seconds = statistics.median(seconds_to_tag(built, sentences) for _ in range(7))
            figures[f"{prefix} sentences/s"] = len(sentences) / seconds
        return figures


def scratch_es(bench: Bench) -> Figures:
    """Line `scratch-es`."""
    run = bench.teacher("scratch-es", "conll/es/train.txt", "conll/es/dev.txt")
    return bench.score("teacher", run, "conll/es/test.txt")


def scratch_resume(bench: Bench) -> Figures:
    """Line `scratch-resume`."""
    run = bench.teacher("scratch-resume", "resume/train.char.bmes", "resume/dev.char.bmes")
    return bench.score("teacher", run, "resume/test.char.bmes")


def zero_shot(bench: Bench) -> Figures:
    """Line `zero-shot`."""
    english, test = "conll/en/dev.txt", "conll/es/test.txt"
    teacher = bench.teacher("en-teacher", "conll/en/train.txt", english, ["optim.epochs=8"])
    store = bench.store("es-soft", teacher, ["conll/es/train.txt"])
    figures = bench.score("teacher", teacher, test)
    off = ["distill.alpha=off", "distill.beta=off", "distill.gamma=off"]
    gold = ["conll/en/train.txt"]
    for name, soft, settings in (("on", store, []), ("off", store, off), ("gold alone", None, [])):
        student = bench.student(f"es-student-{name}", soft, english, gold, ["optim.epochs=5", *settings])
        figures |= bench.score(f"student {name}", student, test)
        figures[f"student {name} gain"] = figures[f"student {name} F1"] - figures["teacher F1"]
    return figures


def small_student(bench: Bench) -> Figures:
    """Line `small-student`."""
    train, dev, test = (f"resume/{part}.char.bmes" for part in ("train", "dev", "test"))
    teacher = bench.teacher("scratch-resume", train, dev)
    store = bench.store("resume-soft", teacher, [train])
    student = bench.student("resume-student", store, dev, [train], SMALL)
    figures = bench.score("teacher", teacher, test, timed=True) | bench.score("student", student, test, timed=True)
    figures["kept % of F1"] = 100 * figures["student F1"] / figures["teacher F1"]
    figures["parameters ratio"] = figures["student parameters"] / figures["teacher parameters"]
    figures["speed ratio"] = figures["student sentences/s"] / figures["teacher sentences/s"]
    return figures


def lattice_teacher(bench: Bench, corpus: str, kind: str) -> Path:
    """A teacher of a kind on a corpus."""
    train, dev, _ = CORPORA[corpus]
    settings = [*KINDS[kind], *LATTICE[corpus]]
    if any(key.startswith("lattice.") for key in KINDS[kind]):
        settings.append(f"lattice.lexicon=['{bench.data / WORDS}']")
    return bench.teacher(f"{corpus}-{kind}", train, dev, settings)


def lattice(bench: Bench) -> Figures:
    """Line `lattice`."""
    figures: Figures = {}
    for corpus in bench.corpora:
        for kind in bench.kinds:
            figures |= bench.score(f"{corpus} {kind}", lattice_teacher(bench, corpus, kind), CORPORA[corpus][2])
    return figures


def lattice_student(bench: Bench) -> Figures:
    """Line `lattice-student`."""
    figures: Figures = {}
    for corpus in bench.corpora:
        train, dev, test = CORPORA[corpus]
        teacher = lattice_teacher(bench, corpus, "flat")
        news = bench.out / "news.txt"
        if not news.exists():
            lines = (bench.data / "raw/zh_news.txt").read_text("utf-8").splitlines()
            news.write_text("\n".join(random.Random(bench.seed).sample(lines, NEWS)) + "\n", "utf-8")
        store = bench.store(f"{corpus}-flat-soft", teacher, [train, str(news)])
        figures |= bench.score(f"{corpus} teacher", teacher, test)
        for name, soft in (("taught", store), ("gold alone", None)):
            student = bench.student(f"{corpus}-student-{name}", soft, dev, [train], [*SMALL, *STUDENT])
            figures |= bench.score(f"{corpus} {name}", student, test)
        figures[f"{corpus} gain"] = figures[f"{corpus} taught F1"] - figures[f"{corpus} gold alone F1"]
        figures[f"{corpus} parameters ratio"] = (
            figures[f"{corpus} taught parameters"] / figures[f"{corpus} teacher parameters"]
        )
    return figures


RECIPES = {
    "lattice": lattice,
    "lattice-student": lattice_student,
    "scratch-es": scratch_es,
    "scratch-resume": scratch_resume,
    "zero-shot": zero_shot,
    "small-student": small_student,
}


def main() -> None:
    """Run a recipe over the seeds and print mean ± standard deviation of every figure."""
    parser = trainings.arguments(__doc__, "runs/quality")
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA), help="of the lattice recipes")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="of `lattice`")
    options = parser.parse_args()
    found = []
    for seed in options.seeds:
        bench = Bench(options.data, options.out, seed, corpora=options.corpora, kinds=options.kinds)
        figures = RECIPES[options.name](bench)
        found.append(figures)
        print(f"seed {seed}: " + ", ".join(f"{key} {value:,.2f}" for key, value in figures.items()), flush=True)
    for key in found[0]:
        print(f"{key:26} {trainings.mean_and_deviation([figures[key] for figures in found], 2)}")


if __name__ == "__main__":
    main()
