"""`quickstart`: the whole way on the generated sample, ending in a table that says what it was worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ner_distill.config import StudentConfig, TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.sample.corpus import write_sample
from ner_distill.directories import OutputKind
from ner_distill.holding import until_done
from ner_distill.options import ReadOptions
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.options.start import QuickstartOptions
from ner_distill.options.training import StudentOptions, TeacherOptions
from ner_distill.pipelines.comparison.speed import megabytes_of, seconds_to_tag
from ner_distill.pipelines.evaluate import read_gold, score_model
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.pipelines.train_student import train_student
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.build import load_run
from ner_distill.runtime.inference import parameters_of

MARK = ".ner-distill-workspace"
WORKSPACE = OutputKind(
    "quickstart", "workspace", (MARK,), contents="sample|teacher|soft|student|student-without", can_resume=False
)


@dataclass(frozen=True)
class Row:
    """F1 of a model on the Spanish test, and what the model costs."""

    name: str
    f1: float
    parameters: int
    megabytes: float
    sentences_per_second: float


@until_done()
def quickstart(options: QuickstartOptions) -> list[Row]:
    """English labels and raw Spanish → a small Spanish model, compared with its teacher and with no teacher.

    Raises RunError where the directory holds something and `overwrite` is not given.
    """
    reporter, directory, seed = Reporter(), options.directory, options.seed
    WORKSPACE.begin(directory, overwrite=options.overwrite)
    (directory / MARK).touch()
    sample = directory / "sample"
    write_sample(sample, seed=seed)
    english, spanish = sample / "en", sample / "es"
    gold, dev = [english / "train.conll"], [english / "dev.conll"]
    config = load_config(TeacherConfig, None, [f"seed={seed}", "optim.epochs=12"])
    small = load_config(StudentConfig, None, [f"seed={seed}", "optim.epochs=10"])

    reporter.info("1/4 training a teacher on labelled English")
    train_teacher(config, TeacherOptions(train=gold, dev=dev, out=directory / "teacher"))
    reporter.info("2/4 labelling raw Spanish")
    raw = LabelUnlabeledOptions(teacher=[directory / "teacher"], text=[spanish / "raw.txt"], out=directory / "soft")
    label_unlabeled(raw, reporter)
    reporter.info("3/4 training a student on the soft labels of the Spanish text and on the labelled English")
    # judged by its teacher on Spanish text, of which there are no labels
    train_student(small, StudentOptions(soft=directory / "soft", gold=gold, out=directory / "student"))
    reporter.info("4/4 training the same student without the soft labels, on the labelled English alone")
    train_student(small, StudentOptions(gold=gold, dev=dev, out=directory / "student-without"))
    names = {"teacher": "teacher", "student": "student, from soft labels", "student-without": "student, without them"}
    return [measure(name, directory / run, spanish / "test.conll") for run, name in names.items()]


def measure(name: str, run: Path, test: Path) -> Row:
    """Score a run and time it on the same sentences: words in, entities out; best of three."""
    built = load_run(run)
    sentences = read_gold([test], ReadOptions(), Reporter(quiet=True), known=built.info.cutting)
    f1 = score_model(built, sentences).micro.f1
    seconds = min(seconds_to_tag(built, sentences) for _ in range(3))
    return Row(name, f1, parameters_of(built.tagger), megabytes_of(run), len(sentences) / seconds)
