"""What helps before and beside the main job."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

from ner_distill.commands.common import console_for_results, loading, next_steps
from ner_distill.commands.declare import command, group
from ner_distill.console import Reporter
from ner_distill.errors import ConfigError
from ner_distill.options import Settings
from ner_distill.options.models import CheckDataOptions, ConvertOptions, ShowOptions
from ner_distill.options.training import (
    CompareOptions,
    CurveOptions,
    PretrainOptions,
    PretrainSettings,
    SegmenterOptions,
    VerdictOptions,
)

commands = group()


@command(commands, "check-data", short_help="what is in labelled files, and what is wrong")
def check_data(options: CheckDataOptions) -> None:
    """Tell what is in labelled files, and what is wrong with them.

    Counts, lengths and balance of labels; sentences that occur twice, also in different files; entities that
    look suspicious; invalid tags and offsets with their places. With --strict the exit status is 1 where there is
    anything to repair, and where files share sentences.

    Example: ner-distill check-data train.conll dev.conll test.conll
    """
    from ner_distill.pipelines.check_data import check_data as run
    from ner_distill.views.check_data import render

    report = run(options)
    for remark in report.remarks:
        Reporter().info(remark)
    console_for_results().print(render(report))
    if options.strict and report.problems:
        raise typer.Exit(1)


@command(commands, "show", short_help="print sentences of a store with their entities")
def show(options: ShowOptions) -> None:
    """Print sentences of a soft-label store with the teacher's entities and confidence.

    With --format or --out they are written as labelled sentences, to be looked at and corrected in any tool: the
    entities that the store keeps; all words that voting or a threshold dropped are masked (keep: false, in jsonl).

    Example: ner-distill show runs/soft --type ORG --limit 20

    Example: ner-distill show runs/soft --limit 0 --min-confidence 0.9 --out labelled.jsonl
    """
    if options.format is not None or options.out is not None:
        _export(options)
        return
    if options.min_confidence:
        raise ConfigError("`min_confidence` is for labelled sentences; expected `format` or `out` beside it")
    from ner_distill.pipelines.show import show as run
    from ner_distill.views.store import render

    console = console_for_results()
    for part in render(run(options)):
        console.print(part)


def _export(options: ShowOptions) -> None:
    from ner_distill.pipelines.show import export
    from ner_distill.views.labelled import export_labels

    made = export(options)
    for part in export_labels(made, options):
        sys.stdout.write(part)


@command(commands, "convert", short_help="labelled files in one format → another")
def convert(options: ConvertOptions) -> None:
    """Write labelled files in another format.

    What is read is found by content, as everywhere; what is written by the end of the last name (.jsonl, .conll,
    .csv, .json: Label Studio, .spacy, .html, a folder: brat) or by --format. What the format cannot hold is counted, a
    line for each kind.

    Example: ner-distill convert train.conll train.spacy

    Example: ner-distill convert a.conll b.jsonl tasks.json --format label-studio
    """
    from ner_distill.data.formats.report import counted
    from ner_distill.pipelines.convert import convert as run
    from ner_distill.views.written import ALL_WRITERS

    done = run(options, ALL_WRITERS)
    entities = counted(done.entities, "entity", "entities")
    typer.echo(f"{done.path}: {counted(done.sentences, 'sentence')}, {entities} ({done.format})")


@command(commands, "compare", short_help="train several configurations over several seeds and compare")
def compare(options: CompareOptions) -> None:
    """Train several configurations over several seeds on the same data, and compare them.

    Of teachers with --train; with --soft STORE, --gold or both of students, on the same soft labels.

    Each training is a process of its own. The table has F1 as mean and standard deviation, the difference to
    the first configuration over the same seeds, seconds, memory and parameters. Finished runs are kept, and
    --resume goes on after a stop. With --out alone the table of a comparison is printed again.

    Example: ner-distill compare --variant plain: --variant fgm:adversarial.kind=fgm --train train.conll --dev dev.conll

    Example: ner-distill compare --variant plain: --variant no-gamma:distill.gamma=off --soft runs/soft --dev dev.conll
    """
    loading()
    from ner_distill.pipelines.comparison.compare import compare as run
    from ner_distill.pipelines.comparison.configurations import read_configurations
    from ner_distill.pipelines.comparison.figures import read_comparison
    from ner_distill.views.comparison import render

    if not (options.configs or options.variant or options.train or options.dev or options.of_students):
        console_for_results().print(render(read_comparison(options.out)))
        return
    if bool(options.train) == options.of_students or not options.dev:
        raise ConfigError(
            "expected with the configurations to compare `dev`, and either `train` (of teachers) or `soft`, `gold` or "
            "both (of students)"
        )
    comparison = run(read_configurations(options), options)
    console_for_results().print(render(comparison))
    if comparison.failed:
        raise typer.Exit(1)
    if best := comparison.best():
        model = options.out / best.name / f"seed-{best.seed}"
        used: list[str | Path] = ["label-unlabeled", "--teacher", model, "--text", "TEXT", "--out", "runs/soft"]
        if options.of_students:
            used = ["predict", "--model", model, "--text", "TEXT"]
        next_steps(used, ["evaluate", "--model", model, "--data", "TEST"])


@command(commands, "learning-curve", short_help="what more labels would bring")
def learning_curve(options: CurveOptions, settings: Settings) -> None:
    """Tell what more labelled sentences would bring.

    Trains a teacher on a quarter, half, three quarters and all of the labelled sentences, each with several seeds, and
    lays a power law through the scores. The table has F1 as mean and standard deviation over seeds, what --more
    sentences would add to it by that curve, and between which values this lies as far as the seeds tell; a page with
    the picture stands beside the runs.

    Each training is a process of its own. Finished runs are kept, and --resume goes on after a stop. With --out alone
    the table is printed again.

    Example: ner-distill learning-curve --train train.conll --dev dev.conll --out runs/curve
    """
    loading()
    from ner_distill.config import TeacherConfig, load_config
    from ner_distill.files import atomic_write_text
    from ner_distill.pipelines.comparison.curve import learning_curve as run
    from ner_distill.pipelines.comparison.curve import read_curve
    from ner_distill.views.learning_curve import page_of, render

    again = not (options.train or options.dev)
    curve = (
        read_curve(options.out) if again else run(load_config(TeacherConfig, settings.config, settings.set), options)
    )
    console_for_results().print(render(curve, options.more))
    if curve.drawable:
        page = options.out / "learning-curve.html"
        atomic_write_text(page, page_of(curve, options.more))
        typer.echo(f"{page}: the curve as a picture")
    if curve.comparison.failed and not again:
        raise typer.Exit(1)


@command(commands, "verdict", short_help="what distillation is worth on your files")
def verdict(options: VerdictOptions) -> None:
    """Tell what distillation is worth on your files.

    Trains a teacher on the labelled sentences, lets it label the raw text, and trains students of the same
    architecture in four ways: on the labelled sentences alone; on the teacher's labels of the text as a labelled file
    would have them (hard labels); on its probabilities (soft labels); on these and the labelled sentences. The table
    has F1 as mean and standard deviation over seeds, parameters, megabytes, and sentences a second on one thread, one
    at a time and 32 at once; with several --students it is a front of size against F1.

    --config and --set are the teacher's, --student-set is of all students. Each training is a process of its own.
    Finished runs are kept, and --resume goes on after a stop. With --out alone the table is printed again.

    Example: ner-distill verdict --train train.conll --dev dev.conll --test test.conll --text raw.txt --out runs/verdict
    """
    loading()
    from ner_distill.config import TeacherConfig, load_config
    from ner_distill.pipelines.comparison.configurations import read_students
    from ner_distill.pipelines.comparison.findings import TEACHER, read_verdict
    from ner_distill.pipelines.comparison.verdict import verdict as run
    from ner_distill.views.verdict import render

    if not (options.train or options.dev or options.text or options.test):
        console_for_results().print(render(read_verdict(options.out)))
        return
    teacher = load_config(TeacherConfig, options.config, options.set)
    found = run(teacher, read_students(options), options)
    console_for_results().print(render(found))
    if found.comparison.failed:
        raise typer.Exit(1)
    if best := found.comparison.best([name for name in found.comparison.names if name != TEACHER]):
        student = options.out / f"seed-{best.seed}" / best.name
        next_steps(
            ["predict", "--model", student, "--text", "TEXT"],
            ["export", student, "--out", "runs/exported", "--int8"],
        )


@command(commands, "pretrain", short_help="raw text → an encoder that knows the language")
def pretrain(options: PretrainOptions, settings: PretrainSettings) -> None:
    """Train an encoder on raw text, without labels: it learns to guess masked words.

    The result is a directory for encoder.name of train-teacher and train-student. From a Hugging Face encoder it is
    a checkpoint that transformers loads; from scratch it holds weights, vocabulary and encoder.toml with the sizes.

    Text is read as a stream: its size does not matter. With --minutes the last step comes after about so long, and
    the learning rate falls in that time.

    Example: ner-distill pretrain --text raw.txt --out runs/encoder --minutes 20
    """
    loading()
    from ner_distill.config import PretrainConfig, load_config
    from ner_distill.pipelines.pretraining.pretrain import pretrain as run

    keys = [*settings.set]
    if settings.encoder is not None:
        keys.append(f"encoder.name={json.dumps(settings.encoder, ensure_ascii=False)}")
    if settings.minutes is not None:
        keys.append(f"minutes={settings.minutes}")
    trained = run(load_config(PretrainConfig, settings.config, keys), options)
    if trained.main:
        typer.echo(
            f"{options.out}: guesses {trained.accuracy:.1%} of masked words (perplexity {trained.perplexity:,.1f}); "
            f"use it: --set encoder.name={options.out}"
        )
        encoder = f"encoder.name={options.out}"
        next_steps(["train-teacher", "--train", "TRAIN", "--dev", "DEV", "--set", encoder, "--out", "runs/teacher"])


@command(commands, "train-segmenter", short_help="train a word segmenter from segmented text")
def train_segmenter(options: SegmenterOptions) -> None:
    """Train a word segmenter (pkuseg) for [lattice] segmenter_model, from segmented text.

    Example: ner-distill train-segmenter --train segmented.txt --out runs/segmenter
    """
    from ner_distill.pipelines.train_segmenter import train_segmenter as run

    run(options)
    lattice = ["lattice.kind=soft-lexicon", "lattice.segmenter=pkuseg", f"lattice.segmenter_model={options.out}"]
    keys = [part for key in lattice for part in ("--set", key)]
    next_steps(["train-teacher", "--train", "TRAIN", "--dev", "DEV", *keys, "--out", "runs/teacher"])
