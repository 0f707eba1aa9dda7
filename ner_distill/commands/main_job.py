"""The main job: a teacher, its answers on raw text, a student; scores and predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ner_distill.commands.common import (
    Config,
    Files,
    Flatten,
    Format,
    Overwrite,
    Resume,
    Scheme,
    Settings,
    Strict,
    TagColumn,
    console_for_results,
    flatten_choice,
    group,
    print_scores,
    require_one_of,
)

commands = group()


@commands.command("train-teacher", short_help="labelled sentences → a teacher")
def train_teacher(
    train: Annotated[
        Files, typer.Option("--train", metavar="FILE", help="Labelled sentences to learn from. Repeatable.")
    ],
    dev: Annotated[
        Files, typer.Option("--dev", metavar="FILE", help="Labelled sentences that choose the best epoch. Repeatable.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Directory of the run, made by this command.")],
    folds: Annotated[
        int,
        typer.Option(
            "--folds", metavar="K", min=0, help="First let K fold teachers vote on the labels (vote-labels); 0: no."
        ),
    ] = 0,
    action: Annotated[
        str,
        typer.Option(
            "--action", metavar="NAME", help="With --folds: what happens to outvoted labels, as of vote-labels."
        ),
    ] = "mask",
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="With --folds: folds that are trained at once.")
    ] = 1,
    config: Config = None,
    settings: Settings = None,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
    flatten: Flatten = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a teacher on labelled sentences.

    The teacher recognises entities and, as a second task, tells how alike two words are. By default its
    encoder is trained from scratch; --set encoder.name=bert-base-multilingual-cased (or any Hugging Face
    encoder, or a directory) starts from a pretrained one.

    Files may be CoNLL columns, JSON Lines, CLUENER, CMeEE, CCF 2020 or hf:NAME/CONFIG/SPLIT.

    With --folds K the labels are voted on first (see vote-labels), and the teacher learns from what is left of them.
    The fold teachers stay in the run: label-unlabeled --teacher RUN --min-votes N lets them vote on raw text.

    The run directory holds config.toml, labels.json, model.safetensors, the vocabulary or tokenizer, metrics.json,
    metrics.jsonl and log.txt.

    Example: ner-distill train-teacher --train train.conll --dev dev.conll --out runs/teacher
    """
    from ner_distill.data.formats.reading import ReadOptions
    from ner_distill.pipelines.train_teacher import train_teacher as run
    from ner_distill.pipelines.voting.train_voted import train_voted

    if folds == 0 and (action, jobs) != ("mask", 1):
        raise typer.BadParameter("--action and --jobs are of the voting: give --folds as well")
    given: dict[str, Any] = {
        "config_file": config,
        "settings": settings or [],
        "resume": resume,
        "overwrite": overwrite,
        "reading": ReadOptions(format, scheme, tag_column, strict, flatten_choice(flatten)),
    }
    if folds:
        trained = train_voted(train, dev, out, folds=folds, action=action, jobs=jobs, **given)
    else:
        trained = run(train, dev, out, **given)
    if trained.main:
        print_scores(trained.scores, f"teacher on {', '.join(dev)}")


@commands.command("label-unlabeled", short_help="raw text → what a teacher says of it, stored")
def label_unlabeled(
    teacher: Annotated[
        list[Path],
        typer.Option("--teacher", metavar="RUN", help="Run of train-teacher. Repeatable: probabilities are averaged."),
    ],
    text: Annotated[
        Files,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Raw text, a sentence a line; JSON Lines, Parquet, CoNLL (labels ignored). Repeatable.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Directory of the store, made by this command.")],
    format: Format = "auto",
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Stop after so many sentences; 0 = all.")
    ] = 0,
    pairs_per_sentence: Annotated[
        int, typer.Option(metavar="N", min=0, help="Pairs of words per sentence whose similarity is stored.")
    ] = 32,
    min_votes: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Drop the words of entities that fewer teachers predict (of one trained with --folds: its folds).",
        ),
    ] = 1,
    min_confidence: Annotated[
        float, typer.Option(metavar="P", min=0.0, max=1.0, help="Drop words whose best tag is less probable.")
    ] = 0.0,
    span_floor: Annotated[
        float, typer.Option(metavar="P", help="Store spans that are more probable (teachers that find spans).")
    ] = 0.01,
    batch_words: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Words (pretrained: pieces) of a batch, padding included; 0: what suits the device.",
        ),
    ] = 0,
    shard_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Sentences of a Parquet file of the store.")
    ] = 4096,
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="fp32, bf16, or auto: bf16 on a GPU that has it.")
    ] = "auto",
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Label raw text with one teacher or several, and store what they say.

    The store holds for every word the probability of each tag, and similarities of sampled pairs of words. Text is
    read as a stream: its size does not matter. After a kill, the same command with --resume goes on where
    it stopped; no sentence is lost or labelled twice.

    Example: ner-distill label-unlabeled --teacher runs/teacher --text raw.txt --out runs/soft
    """
    from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled as run
    from ner_distill.pipelines.labelling.labeller import LabelOptions

    require_one_of("--precision", precision, ("auto", "fp32", "bf16"))
    options = LabelOptions(
        pairs_per_sentence=pairs_per_sentence,
        min_votes=min_votes,
        min_confidence=min_confidence,
        span_floor=span_floor,
        shard_size=shard_size,
        batch_words=batch_words,
        precision=precision,
    )
    manifest = run(teacher, text, out, options=options, format=format, limit=limit, resume=resume, overwrite=overwrite)
    rows, words = sum(shard.rows for shard in manifest.shards), sum(shard.words for shard in manifest.shards)
    kept = sum(shard.kept for shard in manifest.shards)
    typer.echo(
        f"{out}: {rows:,} sentences, {words:,} words ({kept:,} kept) in {len(manifest.shards)} shards; "
        f"look at it: ner-distill show {out}"
    )


@commands.command("train-student", short_help="stored soft labels → a small model")
def train_student(
    dev: Annotated[
        Files, typer.Option("--dev", metavar="FILE", help="Labelled sentences that choose the best epoch. Repeatable.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Directory of the run, made by this command.")],
    soft: Annotated[
        Path | None,
        typer.Option("--soft", metavar="STORE", help="Store that label-unlabeled wrote; without it, gold alone."),
    ] = None,
    gold: Annotated[
        list[str] | None,
        typer.Option("--gold", metavar="FILE", help="Labelled sentences to learn from as well. Repeatable."),
    ] = None,
    config: Config = None,
    settings: Settings = None,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
    flatten: Flatten = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a student from stored soft labels.

    The loss weighs each word by the teacher's confidence (alpha), each pair by how certain its similarity is
    (beta) and by whether the teacher's two tasks agree (gamma); see [distill] in the configuration. By default the
    student is small and trained from scratch. With --set encoder.name=CHECKPOINT, or init.teacher and
    init.layers, it is a token classifier that transformers loads by itself.

    Example: ner-distill train-student --soft runs/soft --dev dev.conll --out runs/student
    """
    from ner_distill.data.formats.reading import ReadOptions
    from ner_distill.pipelines.train_student import train_student as run

    reading = ReadOptions(format, scheme, tag_column, strict, flatten_choice(flatten))
    trained = run(
        soft,
        dev,
        out,
        gold=gold or [],
        config_file=config,
        settings=settings or [],
        resume=resume,
        overwrite=overwrite,
        reading=reading,
    )
    if trained.main:
        print_scores(trained.scores, f"student on {', '.join(dev)}")


@commands.command("evaluate", short_help="score a model on labelled sentences")
def evaluate(
    model: Annotated[Path, typer.Option("--model", metavar="RUN", help="Run of a teacher or a student.")],
    data: Annotated[
        Files, typer.Option("--data", metavar="FILE", help="Labelled sentences. Repeatable: counted together.")
    ],
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures to this file as well.")
    ] = None,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
) -> None:
    """Score a model on labelled sentences.

    An entity counts as right where its first word, its last word and its type are right. Shown are precision,
    recall and F1, in all and by type, the F1 of boundaries alone, and which types are taken for which.

    Example: ner-distill evaluate --model runs/student --data test.conll --json scores.json
    """
    from ner_distill.data.formats.reading import ReadOptions
    from ner_distill.pipelines.evaluate import evaluate as run

    scores = run(model, data, json=json, reading=ReadOptions(format, scheme, tag_column, strict, None))
    print_scores(scores, f"{model} on {', '.join(data)}")


@commands.command("predict", short_help="find entities in text")
def predict(
    model: Annotated[Path, typer.Option("--model", metavar="RUN", help="Run of a teacher or a student.")],
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text", metavar="FILE", help="Text, a sentence a line; - is standard input (default). Repeatable."
        ),
    ] = None,
    style: Annotated[
        str, typer.Option("--format", metavar="NAME", help="What to print: jsonl, conll or inline.")
    ] = "inline",
    input_format: Annotated[
        str,
        typer.Option(
            "--input-format", metavar="NAME", help="Format of the text: auto, or one that train-teacher reads."
        ),
    ] = "auto",
    lattice: Annotated[
        bool, typer.Option("--lattice", help="Draw the lexicon words that the teacher finds, below each sentence.")
    ] = False,
) -> None:
    """Find entities in text.

    jsonl gives one object per sentence with the entities' character offsets in the original text; conll a word
    and its tag a line; inline the text itself with the entities in brackets.

    Example: echo "Ana López vive en Madrid." | ner-distill predict --model runs/student
    """
    from ner_distill.pipelines.predict import predict as run
    from ner_distill.views.predictions import render

    predictions = run(model, text or ["-"], format=input_format, lattice=lattice)
    for line in render(predictions, style, lattice=lattice, width=console_for_results().width):
        # flushed: somebody may be waiting at the other end
        print(line, flush=True)
