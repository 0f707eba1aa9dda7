"""The main job: a teacher, its answers on raw text, a student; scores and predictions."""

from __future__ import annotations

import shutil
from pathlib import Path

import typer

from ner_distill.commands.common import console_for_results, finish_training, loading, next_steps, print_scores
from ner_distill.commands.declare import command, group
from ner_distill.errors import ConfigError
from ner_distill.options import Settings
from ner_distill.options.exporting import ExportOptions
from ner_distill.options.models import EvaluateOptions, LabelUnlabeledOptions, PredictOptions
from ner_distill.options.training import StudentOptions, TeacherOptions

commands = group()


@command(commands, "train-teacher", short_help="labelled sentences → a teacher")
def train_teacher(options: TeacherOptions, settings: Settings) -> None:
    """Train a teacher on labelled sentences.

    The teacher recognises entities and, as a second task, tells how alike two words are. By default its
    encoder is trained from scratch; --set encoder.name=bert-base-multilingual-cased (or any Hugging Face
    encoder, or a directory) starts from a pretrained one.

    Files may be CoNLL columns, JSON Lines, CLUENER, CMeEE, CCF 2020 or hf:NAME/CONFIG/SPLIT.

    With --folds K the labels are voted on first (see vote-labels, whose --repeats, --threshold, --min-votes, --epsilon
    and --action these are), and the teacher learns from what is left of them. The fold teachers stay in the run:
    label-unlabeled --teacher RUN --min-votes N lets them vote on raw text.

    The run directory holds config.toml, labels.json, model.safetensors, the vocabulary or tokenizer, metrics.json,
    metrics.jsonl and log.txt; report.html, a page with its figures and errors; and README.md, its model card.

    Example: ner-distill train-teacher --train train.conll --dev dev.conll --out runs/teacher
    """
    loading()
    from ner_distill.config import TeacherConfig, load_config
    from ner_distill.pipelines.train_teacher import train_teacher as run
    from ner_distill.pipelines.voting.train_voted import train_voted

    voting = ("action", "jobs", "executor", "workers", "repeats", "threshold", "min_votes", "epsilon")
    if options.folds == 0 and (changed := options.changed(*voting)):
        raise ConfigError(f"{', '.join(f'`{name}`' for name in changed)}: of the voting; give `folds` as well")
    config = load_config(TeacherConfig, settings.config, settings.set)
    trained = train_voted(config, options) if options.folds else run(config, options)
    if trained.main:
        finish_training(trained, "teacher", options)
        next_steps(
            ["label-unlabeled", "--teacher", options.out, "--text", "TEXT", "--out", options.out.with_name("soft")],
            ["evaluate", "--model", options.out, "--data", "TEST"],
        )


@command(commands, "label-unlabeled", short_help="raw text → what a teacher says of it, stored")
def label_unlabeled(options: LabelUnlabeledOptions) -> None:
    """Label raw text with one teacher or several, and store what they say.

    The store holds for every word the probability of each tag, and similarities of sampled pairs of words. Text is
    read as a stream: its size does not matter. After a kill, the same command with --resume goes on where
    it stopped; no sentence is lost or labelled twice.

    Several teachers answer with one voice: --teacher RUN=WEIGHT weighs them, --teacher-weights auto finds weights. With
    --evaluator the similarities come from other runs than the tags. With --out-of-fold the fold teachers of a run
    (train-teacher --folds) answer on the sentences that it was trained on.

    Example: ner-distill label-unlabeled --teacher runs/teacher --text raw.txt --out runs/soft
    """
    loading()
    from ner_distill.data.formats.report import counted
    from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled as run

    manifest = run(options)
    rows, words, kept = map(manifest.total, ("rows", "words", "kept"))
    typer.echo(
        f"{options.out}: {rows:,} sentences, {words:,} words ({kept:,} kept) in "
        f"{counted(len(manifest.shards), 'shard')}; "
        f"look at it: ner-distill show {options.out}"
    )
    student = options.out.with_name("student") if isinstance(options.out, Path) else "runs/student"
    next_steps(["train-student", "--soft", options.out, "--dev", "DEV", "--out", student])


@command(commands, "train-student", short_help="stored soft labels → a small model")
def train_student(options: StudentOptions, settings: Settings) -> None:
    """Train a student from stored soft labels.

    The loss weighs each word by the teacher's confidence (alpha), each pair by how certain its similarity is
    (beta) and by whether the teacher's two tasks agree (gamma); see [distill] in the configuration. By default the
    student is small and trained from scratch. With --set encoder.name=CHECKPOINT, or init.teacher and
    init.layers, it is a token classifier that transformers loads by itself.

    Example: ner-distill train-student --soft runs/soft --dev dev.conll --out runs/student
    """
    loading()
    from ner_distill.config import StudentConfig, load_config
    from ner_distill.pipelines.train_student import train_student as run

    trained = run(load_config(StudentConfig, settings.config, settings.set), options)
    if trained.main:
        finish_training(trained, "student", options)
        next_steps(
            ["predict", "--model", options.out, "--text", "TEXT"],
            ["evaluate", "--model", options.out, "--data", "TEST"],
            ["export", options.out, "--out", options.out.with_name(f"{options.out.name}-exported"), "--int8"],
        )


@command(commands, "evaluate", short_help="score a model on labelled sentences")
def evaluate(options: EvaluateOptions) -> None:
    """Score a model on labelled sentences.

    An entity counts as right where its first word, its last word and its type are right. Shown are precision,
    recall and F1, in all and by type, the F1 of boundaries alone, and which types are taken for which; and how far
    scores are from the share of entities that are right (expected calibration error).

    With --precision PER=0.95 the lowest score is chosen from which on the precision of a type is surely that (lower
    end of a 95 % interval), and kept in the run: predict --min-score stored then finds only such entities. Choose on
    labelled sentences that were not trained on; choosing again replaces the threshold of that type.

    With --html all of it is a page for a browser, with charts and every error in its sentence; it loads nothing from
    anywhere.

    Example: ner-distill evaluate --model runs/student --data test.conll --json scores.json --html report.html
    """
    loading()
    from ner_distill.pipelines.evaluate import evaluation as run
    from ner_distill.views.scores import reliability_line, thresholds_table

    done = run(options)
    print_scores(done.scores, f"{options.named} on {', '.join(map(str, options.data))}")
    console = console_for_results()
    console.print(reliability_line(done))
    if done.thresholds:
        console.print(thresholds_table(done.thresholds))
    if options.html is not None:
        from ner_distill.views.results import write_evaluation

        write_evaluation(done, options)
        typer.echo(f"report: {options.html}")


@command(commands, "predict", short_help="find entities in text")
def predict(options: PredictOptions) -> None:
    """Find entities in text.

    jsonl gives one object per sentence with the entities' character offsets in the original text; conll a word
    and its tag a line; inline the text itself with the entities in brackets. Every line of a text has its answer, a
    blank one too. A score is the probability that the entity is right, where the training had development data. html
    is a page for a browser, entities marked in the text and their scores as tooltips; it loads nothing from anywhere.

    label-studio, doccano, prodigy, argilla, docbin, brat, gliner and uie are files of these tools, in which a person
    corrects what the model found. With --out a file or folder is written, in the format that its name says.

    Example: ner-distill predict --model runs/student "Ana López vive en Madrid."

    Example: ner-distill predict --model runs/student --text raw.txt --out entities.html
    """
    from ner_distill.pipelines.predict import predict as run
    from ner_distill.views.predictions import render, write_predictions

    if options.out is not None:
        write_predictions(run(options), options, str(options.out))
        return
    for line in render(run(options), options, width=shutil.get_terminal_size().columns):
        # flushed: somebody may be waiting at the other end
        print(line, flush=True)


@command(commands, "export", short_help="a run → a directory that runs without torch")
def export(options: ExportOptions) -> None:
    """Write a model as a directory that runs by itself.

    In it lie the model as ONNX and tagger.py, which needs numpy and onnxruntime (and tokenizers for students with a
    pretrained encoder), no torch and nothing of this package: python DIR/tagger.py < text, or from tagger import
    load. What is written is compared with the run first: its scores have to be the same.

    --int8 makes the weights 8-bit integers; with --check FILE F1 is compared on labelled sentences, and refused where
    more than --most-lost points are lost. --html adds page.html, one file that finds entities in a browser.

    Example: ner-distill export runs/student --out exported --int8 --check dev.conll
    """
    loading()
    from ner_distill.pipelines.exporting.export import export as run
    from ner_distill.views.exported import render
    from ner_distill.views.page import page_of

    typer.echo(render(run(options, page_of=page_of)))
