"""The command line: parse, call one pipeline, print. No logic, and no heavy import outside a command."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="ner-distill",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=(
        "Small, fast named-entity models from a few labelled sentences and a lot of raw text.\n\n"
        "The way through: train-teacher on labelled sentences, label-unlabeled over raw text, train-student from "
        "the stored labels; then evaluate and predict. `ner-distill quickstart` does all of it on a generated sample."
        "\n\n"
        "Exit status: 0 done; 1 a run that failed on its way, with what was finished kept; 2 wrong input."
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

RESUMABLE = (
    "pretrain", "train-teacher", "label-unlabeled", "train-student", "compare", "vote-labels", "grow-dictionary",
    "self-train",
)  # fmt: skip
FORMATS = "conll, jsonl, cluener, cmeee, ccf2020, text, parquet"
Files = list[str]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file; `ner-distill init-config` writes one.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key, e.g. optim.epochs=8. Repeatable."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped or killed.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier run of this program wrote there.")
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help=f"Format of the files: auto (by content and name), {FORMATS}; hf:NAME/CONFIG/SPLIT is a path.",
    ),
]
Scheme = Annotated[str, typer.Option("--scheme", metavar="NAME", help="Tag scheme: auto, iob1, iob2, bioes, bmes.")]
TagColumn = Annotated[
    int, typer.Option("--tag-column", metavar="N", help="Column of the tags in CoNLL files, from 0; -1 is the last.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at invalid tags and offsets instead of repairing and counting them.")
]
Flatten = Annotated[
    str | None,
    typer.Option(
        "--flatten",
        metavar="WHICH",
        help="Of entities that overlap keep the longest or the shortest, for heads that cannot have both; "
        "default: refuse them.",
    ),
]


@app.command("train-teacher", short_help="labelled sentences → a teacher")
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
    from ner_distill.pipelines.reading import ReadOptions
    from ner_distill.pipelines.train_teacher import train_teacher as run
    from ner_distill.pipelines.train_voted import train_voted

    if folds == 0 and (action, jobs) != ("mask", 1):
        raise typer.BadParameter("--action and --jobs are of the voting: give --folds as well")
    given: dict[str, Any] = {
        "config_file": config,
        "settings": settings or [],
        "resume": resume,
        "overwrite": overwrite,
        "reading": ReadOptions(format, scheme, tag_column, strict, _flatten(flatten)),
    }
    if folds:
        trained = train_voted(train, dev, out, folds=folds, action=action, jobs=jobs, **given)
    else:
        trained = run(train, dev, out, **given)
    if trained.main:
        _print_scores(trained.scores, f"teacher on {', '.join(dev)}")


@app.command("label-unlabeled", short_help="raw text → what a teacher says of it, stored")
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
    from ner_distill.pipelines.label_unlabeled import label_unlabeled as run
    from ner_distill.pipelines.labeller import LabelOptions

    _require_one_of("--precision", precision, ("auto", "fp32", "bf16"))
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


@app.command("train-student", short_help="stored soft labels → a small model")
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
    from ner_distill.pipelines.reading import ReadOptions
    from ner_distill.pipelines.train_student import train_student as run

    reading = ReadOptions(format, scheme, tag_column, strict, _flatten(flatten))
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
        _print_scores(trained.scores, f"student on {', '.join(dev)}")


@app.command("evaluate", short_help="score a model on labelled sentences")
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
    from ner_distill.pipelines.evaluate import evaluate as run
    from ner_distill.pipelines.reading import ReadOptions

    scores = run(model, data, json=json, reading=ReadOptions(format, scheme, tag_column, strict, None))
    _print_scores(scores, f"{model} on {', '.join(data)}")


@app.command("predict", short_help="find entities in text")
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

    width = _console().width
    for line in run(model, text or ["-"], style=style, format=input_format, lattice=lattice, width=width):
        # flushed: somebody may be waiting at the other end
        print(line, flush=True)


@app.command("check-data", short_help="what is in labelled files, and what is wrong")
def check_data(
    files: Annotated[
        Files,
        typer.Argument(
            metavar="FILE...", help="Labelled files; several are compared as splits, the first as training data."
        ),
    ],
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
) -> None:
    """Tell what is in labelled files, and what is wrong with them.

    Counts, lengths and balance of labels; sentences that occur twice, also in different files; entities that
    look suspicious; invalid tags and offsets with their places. With --strict the exit status is 1 where there is
    anything to repair, and where files share sentences.

    Example: ner-distill check-data train.conll dev.conll test.conll
    """
    from ner_distill.pipelines.check_data import check_data as run
    from ner_distill.pipelines.check_data import render

    report = run(files, format=format, scheme=scheme, tag_column=tag_column, strict=strict)
    _console().print(render(report))
    if strict and report.problems:
        raise typer.Exit(1)


@app.command("show", short_help="print sentences of a store with their entities")
def show(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="Store that label-unlabeled wrote.")],
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Sentences to print.")] = 10,
    start: Annotated[int, typer.Option("--start", metavar="N", min=0, help="First sentence, from 0.")] = 0,
    type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only sentences with an entity of this type.")
    ] = None,
    entities_only: Annotated[bool, typer.Option("--entities-only", help="Only sentences with an entity.")] = False,
    lattice: Annotated[
        Path | None,
        typer.Option("--lattice", metavar="RUN", help="Draw the words that this teacher's lexicon finds as well."),
    ] = None,
) -> None:
    """Print sentences of a soft-label store with the teacher's entities and confidence.

    Example: ner-distill show runs/soft --type ORG --limit 20
    """
    from ner_distill.pipelines.show import show as run

    console = _console()
    for part in run(store, limit=limit, start=start, label=type, entities_only=entities_only, lattice=lattice):
        console.print(part)


@app.command("compare", short_help="train several teachers over several seeds and compare")
def compare(
    configs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[CONFIG]...", help="Teacher configurations (TOML), each named after its file."),
    ] = None,
    train: Annotated[
        list[str] | None, typer.Option("--train", metavar="FILE", help="Labelled sentences. Repeatable.")
    ] = None,
    dev: Annotated[
        list[str] | None, typer.Option("--dev", metavar="FILE", help="Development sentences. Repeatable.")
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option("--test", metavar="FILE", help="Score the finished runs on these as well.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory of all runs.")] = Path("comparison"),
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="Seeds of each configuration.")] = 3,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME:KEY=VALUE,...",
            help="The first CONFIG (or the defaults) with these keys changed. Repeatable.",
        ),
    ] = None,
    settings: Settings = None,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
    flatten: Flatten = None,
    resume: Resume = False,
) -> None:
    """Train several configurations over several seeds on the same data, and compare them.

    Each training is a process of its own. The table has F1 as mean and standard deviation, the difference to
    the first configuration over the same seeds, seconds, memory and parameters. Finished runs are kept, and
    --resume goes on after a stop. With --out alone the table of a comparison is printed again.

    Example: ner-distill compare --variant plain: --variant fgm:adversarial.kind=fgm --train train.conll --dev dev.conll
    """
    from ner_distill.pipelines.compare import compare as run
    from ner_distill.pipelines.compare_view import read_comparison, render
    from ner_distill.pipelines.reading import ReadOptions

    if not (configs or variant or train or dev):
        _console().print(render(read_comparison(out)))
        return
    if not train or not dev:
        raise typer.BadParameter("expected --train and --dev with the configurations to compare")
    found = run(
        configs or [],
        train,
        dev,
        out=out,
        test=test or [],
        seeds=seeds,
        variants=variant or [],
        settings=settings or [],
        resume=resume,
        reading=ReadOptions(format, scheme, tag_column, strict, _flatten(flatten)),
    )
    _console().print(render(found))
    if found.failed:
        raise typer.Exit(1)


@app.command("pretrain", short_help="raw text → an encoder that knows the language")
def pretrain(
    text: Annotated[
        Files,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Raw text, a sentence a line; JSON Lines, Parquet, CoNLL (labels ignored). Repeatable.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Directory of the encoder, made by this command.")],
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder", metavar="NAME", help="scratch (default), a Hugging Face encoder, or a directory to go on from."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", metavar="N", min=0.0, help="Length of the training, instead of optim.epochs."),
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", metavar="NAME", help="What a word is: word, character (Chinese) or auto.")
    ] = "auto",
    config: Config = None,
    settings: Settings = None,
    format: Format = "auto",
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train an encoder on raw text, without labels: it learns to guess masked words.

    The result is a directory for encoder.name of train-teacher and train-student. From a Hugging Face encoder it is
    a checkpoint that transformers loads; from scratch it holds weights, vocabulary and encoder.toml with the sizes.

    Text is read as a stream: its size does not matter. With --minutes the last step comes after about so long, and
    the learning rate falls in that time.

    Example: ner-distill pretrain --text raw.txt --out runs/encoder --minutes 20
    """
    import json

    from ner_distill.pipelines.pretrain import pretrain as run

    given = [f"encoder.name={json.dumps(encoder, ensure_ascii=False)}"] if encoder is not None else []
    given += [f"minutes={minutes}"] if minutes is not None else []
    trained = run(
        text,
        out,
        config_file=config,
        settings=[*(settings or []), *given],
        format=format,
        unit=unit,
        resume=resume,
        overwrite=overwrite,
    )
    if trained.main:
        typer.echo(
            f"{out}: guesses {trained.accuracy:.1%} of masked words (perplexity {trained.perplexity:,.1f}); "
            f"use it: --set encoder.name={out}"
        )


@app.command("vote-labels", short_help="labelled sentences → which of their labels are doubtful")
def vote_labels(
    train: Annotated[Files, typer.Option("--train", metavar="FILE", help="Labelled sentences to check. Repeatable.")],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Directory of the votes, made by this command.")],
    folds: Annotated[
        int | None,
        typer.Option("--folds", metavar="K", min=2, help="Parts; each is judged by a model that saw the others; 5."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option("--repeats", metavar="R", min=1, help="Other splits: each label is judged so many times; 2."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="WHAT", help="What stays together: sentence, document (of the id), entity (its words)."
        ),
    ] = "sentence",
    bags: Annotated[
        int,
        typer.Option(
            "--bags",
            metavar="T",
            min=0,
            help="PU bagging in place of folds: the labels are right, T models look for what is missing.",
        ),
    ] = 0,
    bag_share: Annotated[
        float, typer.Option("--bag-share", metavar="S", help="Sentences drawn for a bag, with replacement, of all.")
    ] = 0.5,
    action: Annotated[
        str,
        typer.Option(
            "--action",
            metavar="NAME",
            help="What happens to outvoted labels: drop, mask, relabel, weight (of the sentence), or keep (nothing).",
        ),
    ] = "mask",
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="[TYPE=]P",
            help="Suspicion, 0 to 1, from which on a label may be outvoted; 0.5. Repeatable, for single types.",
        ),
    ] = None,
    min_votes: Annotated[
        int,
        typer.Option("--min-votes", metavar="N", min=0, help="Votes that a label needs; 0: more than half."),
    ] = 0,
    epsilon: Annotated[
        float, typer.Option("--epsilon", metavar="E", help="Weight of a sentence for each missing vote (weight).")
    ] = 0.7,
    fast: Annotated[bool, typer.Option("--fast", help="Small models of few epochs, for much data.")] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Folds that are trained at once, a process each.")
    ] = 1,
    discard_folds: Annotated[
        bool, typer.Option("--discard-folds", help="Remove the folds' models when all is done.")
    ] = False,
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
    """Let models vote on labels that they did not see: find the wrong ones, and those that are missing.

    The data is split into folds, and for each a fresh teacher is trained on the others. An entity that these teachers
    do not find, in so many repeats of this, is dropped, masked, or relabelled as they say; with `weight` its sentence
    counts less.

    With --bags the given entities are taken for right, and unlabelled words for unknown: each of T teachers is told of
    the words without a label in some of the sentences only, and votes on, and scores, those of the others.

    Written are cleaned.jsonl (for train-teacher), votes.jsonl (for review) and summary.json. With --resume finished
    folds are used again, also for another --action, --threshold or --min-votes.

    Example: ner-distill vote-labels --train train.conll --out runs/votes
    """
    from ner_distill.errors import ConfigError
    from ner_distill.pipelines.reading import ReadOptions
    from ner_distill.pipelines.vote_labels import parse_thresholds
    from ner_distill.pipelines.vote_labels import vote_labels as run
    from ner_distill.pipelines.vote_labels_view import render

    general, thresholds = parse_thresholds(threshold or [])
    if bags and (folds or repeats):
        raise ConfigError("--bags takes the place of --folds and --repeats: leave these out")
    voting = run(
        train,
        out,
        folds=folds or 5,
        repeats=repeats or 2,
        by=by,
        bags=bags,
        bag_share=bag_share,
        action=action,
        threshold=general,
        thresholds=thresholds,
        min_votes=min_votes,
        epsilon=epsilon,
        config_file=config,
        settings=settings or [],
        fast=fast,
        jobs=jobs,
        discard_folds=discard_folds,
        resume=resume,
        overwrite=overwrite,
        reading=ReadOptions(format, scheme, tag_column, strict, _flatten(flatten)),
    )
    _console().print(render(voting))
    typer.echo(f"{out}/cleaned.jsonl: train on it; look at the votes: ner-distill review {out} --out review.html")


@app.command("self-train", short_help="labelled sentences + raw text → teachers that teach themselves")
def self_train(
    train: Annotated[
        Files, typer.Option("--train", metavar="FILE", help="Labelled sentences to learn from. Repeatable.")
    ],
    dev: Annotated[
        Files,
        typer.Option("--dev", metavar="FILE", help="Labelled sentences that choose epochs and rounds. Repeatable."),
    ],
    text: Annotated[Files, typer.Option("--text", metavar="FILE", help="Raw text, a sentence a line. Repeatable.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory of the rounds, made by this command.")],
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", min=1, help="At most; it ends when the score on --dev stops rising.")
    ] = 3,
    folds: Annotated[
        int, typer.Option("--folds", metavar="K", min=2, help="Fold teachers of a round, which vote on the text.")
    ] = 3,
    min_votes: Annotated[
        int, typer.Option("--min-votes", metavar="N", min=0, help="Votes that make an entity a label; 0: all K.")
    ] = 0,
    min_confidence: Annotated[
        float, typer.Option(metavar="P", min=0.0, max=1.0, help="Mask words whose best tag is less probable.")
    ] = 0.0,
    raw_weight: Annotated[
        float, typer.Option(metavar="W", help="Of a sentence of the text in the loss; of a labelled one it is 1.")
    ] = 1.0,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="Sentences of the text; 0 = all.")] = 0,
    action: Annotated[
        str,
        typer.Option(
            "--action", metavar="NAME", help="What the votes of folds do to labels, as of vote-labels; keep: nothing."
        ),
    ] = "keep",
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Folds that are trained at once, a process each.")
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
    """Train a teacher, let its fold teachers label raw text, train on what they agree on, and again.

    Each round is a run, round-0 (labelled data alone), round-1 and so on, with its fold teachers; round-1.jsonl holds
    the sentences of the text that round 1 was trained on: entities with enough votes are labels, words of others are
    masked. It ends after --rounds, or after a round that is not better on --dev than all before.

    --format, --scheme, --tag-column, --strict and --flatten are about --train and --dev.

    Example: ner-distill self-train --train train.conll --dev dev.conll --text raw.txt --out runs/self
    """
    from ner_distill.pipelines.reading import ReadOptions
    from ner_distill.pipelines.self_train import SelfOptions
    from ner_distill.pipelines.self_train import self_train as run
    from ner_distill.pipelines.self_train_view import render, verdict

    trained = run(
        train,
        dev,
        text,
        out,
        rounds=rounds,
        options=SelfOptions(folds, min_votes, min_confidence, raw_weight, limit, action),
        jobs=jobs,
        config_file=config,
        settings=settings or [],
        resume=resume,
        overwrite=overwrite,
        reading=ReadOptions(format, scheme, tag_column, strict, _flatten(flatten)),
    )
    _console().print(render(trained))
    typer.echo(verdict(trained))


@app.command("train-segmenter", short_help="train a word segmenter from segmented text")
def train_segmenter(
    train: Annotated[
        list[Path],
        typer.Option("--train", metavar="FILE", help="Sentences, one a line, a space between words. Repeatable."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write the segmenter into.")],
    overwrite: Overwrite = False,
) -> None:
    """Train a word segmenter (pkuseg) for [lattice] segmenter_model, from segmented text.

    Example: ner-distill train-segmenter --train segmented.txt --out runs/segmenter
    """
    from ner_distill.console import Reporter
    from ner_distill.pipelines.train_segmenter import train_segmenter as run

    run(train, out, overwrite=overwrite, reporter=Reporter())


@app.command("label-dictionary", short_help="raw text and lists of names → labelled sentences")
def label_dictionary(
    dictionary: Annotated[
        list[str],
        typer.Option("--dictionary", metavar="TYPE=FILE", help="Names of this type, one a line. Repeatable."),
    ],
    text: Annotated[
        Files,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Raw text, a sentence a line; JSON Lines, Parquet, CoNLL (labels ignored). Repeatable.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="JSON Lines file to write.")],
    conflicts: Annotated[
        str,
        typer.Option(
            "--conflicts",
            metavar="RULE",
            help="What a name under two types says: drop (nothing), mask (its words count in no loss), first (type).",
        ),
    ] = "drop",
    fold_case: Annotated[bool, typer.Option("--fold-case", help="Match without regard to case.")] = False,
    unit: Annotated[
        str, typer.Option("--unit", metavar="NAME", help="What a word is: word, character (Chinese) or auto.")
    ] = "auto",
    format: Format = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Label raw text with dictionaries: lists of names by type.

    From the left, at each place the longest name that begins and ends with a word. Text is read as a stream: its size
    does not matter. What dictionaries miss has no label: train on the result with --set loss.kind=pu.

    Example: ner-distill label-dictionary --dictionary PER=people.txt --text raw.txt --out labelled.jsonl
    """
    from ner_distill.pipelines.label_dictionary import label_dictionary as run

    matched = run(
        dictionary, text, out, conflicts=conflicts, fold_case=fold_case, unit=unit, format=format, overwrite=overwrite
    )
    typer.echo(f"{out}: {matched.summary()}")


@app.command("grow-dictionary", short_help="add to dictionaries what a model finds in raw text")
def grow_dictionary(
    text: Annotated[Files, typer.Option("--text", metavar="FILE", help="Raw text, a sentence a line. Repeatable.")],
    dictionary: Annotated[
        list[str],
        typer.Option("--dictionary", metavar="TYPE=FILE", help="The dictionaries so far. Repeatable."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Directory of the new dictionaries or rounds, made by this command."),
    ],
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="RUN", help="Run of a teacher or a student; with --rounds that of the first."),
    ] = None,
    min_count: Annotated[
        int, typer.Option("--min-count", metavar="N", min=1, help="How often a name must be found.")
    ] = 3,
    format: Format = "auto",
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", metavar="N", min=1, help="Label, train and grow again, at most N times."),
    ] = None,
    dev: Annotated[
        list[str] | None,
        typer.Option("--dev", metavar="FILE", help="Labelled sentences, for the teachers of --rounds. Repeatable."),
    ] = None,
    config: Config = None,
    settings: Settings = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Add to dictionaries the names that a model finds often enough in raw text, always with one type.

    The new dictionaries, TYPE.txt, hold the old names and the new ones; summary.json says which are new. Then
    label-dictionary and train-teacher with them, and so on until nothing is added: --rounds N does all of that. Each
    round is a directory, round-1 and so on, with labelled.jsonl, teacher and dictionaries; --config and --set are for
    its teacher (loss.kind = "pu" unless --set says otherwise). --resume, --overwrite, --config, --set and --dev are for
    --rounds: the dictionaries of a single step are never overwritten.

    Example: ner-distill grow-dictionary --model runs/pu --text raw.txt --dictionary PER=people.txt --out dictionaries

    Example: ner-distill grow-dictionary --rounds 5 --dev dev.conll --text raw.txt --dictionary PER=people.txt --out new
    """
    from ner_distill.errors import ConfigError

    if rounds is not None:
        from ner_distill.pipelines.grow_rounds import grow_rounds
        from ner_distill.pipelines.grow_rounds_view import render, verdict

        grown = grow_rounds(
            text,
            dictionary,
            dev or [],
            out,
            rounds=rounds,
            model=model,
            min_count=min_count,
            config_file=config,
            settings=settings or [],
            format=format,
            resume=resume,
            overwrite=overwrite,
        )
        _console().print(render(grown))
        typer.echo(verdict(grown))
        return
    given = {"--dev": dev, "--config": config, "--set": settings, "--resume": resume, "--overwrite": overwrite}
    if alone := [name for name, value in given.items() if value]:
        raise ConfigError(f"{', '.join(alone)}: for the teachers of several rounds; give --rounds N as well")
    if model is None:
        raise ConfigError("give --model RUN to grow by what it finds, or --rounds N and --dev FILE to train teachers")
    from ner_distill.pipelines.grow_dictionary import grow_dictionary as run

    growth = run(model, text, dictionary, out, min_count=min_count, format=format)
    added = ", ".join(f"{label} {len(forms):,}" for label, forms in growth.added.items())
    typer.echo(
        f"{out}: new names: {added}; not added: {growth.rare:,} found too rarely, "
        f"{growth.several:,} with several types, {growth.elsewhere:,} that stand under another type"
    )


@app.command("review", short_help="votes → a page on which a person looks at suspicious labels")
def review(
    votes: Annotated[
        Path, typer.Argument(metavar="VOTES", help="votes.jsonl of vote-labels, or the directory that holds it.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="HTML file to write.")],
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Entities of the page, the most suspicious; 0 = all.")
    ] = 2000,
    min_suspicion: Annotated[
        float, typer.Option("--min-suspicion", metavar="P", help="Ask about entities from this suspicion on, 0 to 1.")
    ] = 0.0,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="FILE", help="Check that the votes are on these labelled files. Repeatable."),
    ] = None,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    overwrite: Overwrite = False,
) -> None:
    """Make a page for reviewing suspicious labels in a browser.

    One HTML file, which loads nothing from anywhere: entities of the data that held-out models did not find, and
    entities that only they found, the most suspicious first. Accept, reject or correct them with mouse or keyboard;
    the browser keeps what was decided. Export the decisions there, and merge them with apply-review.

    Example: ner-distill review runs/votes --out review.html
    """
    from ner_distill.pipelines.reading import ReadOptions
    from ner_distill.pipelines.review import review as run

    reading = ReadOptions(format, scheme, tag_column)
    made = run(
        votes, out, limit=limit, min_suspicion=min_suspicion, data=data or [], reading=reading, overwrite=overwrite
    )
    left_out = f", {made.left_out:,} less suspicious ones left out" if made.left_out else ""
    typer.echo(
        f"{out}: {made.shown:,} entities in {made.sentences:,} sentences{left_out}; open it in a browser, then: "
        "ner-distill apply-review EXPORTED --data FILE --out FILE"
    )


@app.command("apply-review", short_help="merge the decisions of a review into the data")
def apply_review(
    decisions: Annotated[
        list[Path], typer.Argument(metavar="DECISIONS...", help="Files that the review page exported.")
    ],
    data: Annotated[
        Files, typer.Option("--data", metavar="FILE", help="The labelled files that were voted on. Repeatable.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="JSON Lines file to write.")],
    skip_changed: Annotated[
        bool, typer.Option("--skip-changed", help="Leave out decisions on sentences that changed since the review.")
    ] = False,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
    overwrite: Overwrite = False,
) -> None:
    """Merge the decisions of a review into the labelled data.

    Sentences are found by their ids and words. What was accepted is in the result, what was rejected is not, what
    was corrected is replaced. Decisions on sentences that changed are refused, and nothing is written.

    Example: ner-distill apply-review review-votes.jsonl --data train.conll --out reviewed.jsonl
    """
    from ner_distill.pipelines.apply_review import apply_review as run
    from ner_distill.pipelines.apply_review import summary
    from ner_distill.pipelines.reading import ReadOptions

    reading = ReadOptions(format, scheme, tag_column, strict)
    applied = run(decisions, data, out, skip_changed=skip_changed, overwrite=overwrite, reading=reading)
    typer.echo(f"{out}: {summary(applied)}")


@app.command("init-config", short_help="write a configuration to edit")
def init_config(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="teacher, student or pretrain.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="File to write; default: standard output.")
    ] = None,
) -> None:
    """Write a configuration with every key, its default and what it does.

    Example: ner-distill init-config teacher --out teacher.toml
    """
    from ner_distill.pipelines.init_config import init_config as run

    _require_one_of("KIND", kind, ("teacher", "student", "pretrain"))
    text = run(kind, out)
    if out is None:
        sys.stdout.write(text)


@app.command("sample", short_help="write the generated sample corpora")
def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write the sample into.")],
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed gives other sentences.")] = 13,
    overwrite: Overwrite = False,
) -> None:
    """Write the generated sample corpora: English labelled; Spanish raw, dev and test; Chinese all four.

    Example: ner-distill sample sample
    """
    from ner_distill.data.sample import write_sample

    for file in write_sample(directory, seed=seed, overwrite=overwrite):
        typer.echo(f"{file.path}: {file.what} ({file.sentences:,} sentences)")


@app.command("quickstart", short_help="the whole way on a generated sample")
def quickstart(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to work in.")] = Path("quickstart"),
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the sample and the trainings.")] = 13,
    overwrite: Overwrite = False,
) -> None:
    """The whole way on the generated sample, in a few minutes on a laptop.

    Trains a teacher, labels raw text, trains a student from the soft labels and the same student without them, and
    ends in a table: F1, parameters, megabytes, sentences per second.
    """
    from ner_distill.pipelines.quickstart import quickstart as run

    _console().print(run(directory, seed=seed, overwrite=overwrite))


def _print_version(wanted: bool) -> None:
    if wanted:
        from ner_distill import __version__

        typer.echo(f"ner-distill {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """What stands before the command; the help is that of `app`."""


def main() -> None:
    """Entry point: errors meant for the user are printed without a traceback."""
    from ner_distill.errors import NerDistillError

    # Before torch is loaded: its threads would spin while they wait for each other, and on a machine that others use
    # as well, each waits for one that does not run: 0.6 steps a second instead of 18.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as all that we write, whatever the locale
    try:
        app()
    except NerDistillError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except SystemExit as end:
        # typer catches Ctrl-C itself and ends with 130, in silence
        if end.code == 130:
            goes_on = sys.argv[1:2] and sys.argv[1] in RESUMABLE
            hint = "; what is finished is kept: go on with the same command and --resume" if goes_on else ""
            sys.stderr.write(f"interrupted{hint}\n")
        raise


def _console() -> Console:
    """For results: as wide as the terminal; in a file or pipe a line is not cut."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def _print_scores(scores: object, title: str) -> None:
    from ner_distill.data.metrics import Scores, render

    assert isinstance(scores, Scores)
    _console().print(render(scores, title))


def _require_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise typer.BadParameter(f"expected {', '.join(allowed)}, found {value!r}", param_hint=name)


def _flatten(choice: str | None) -> str | None:
    if choice is not None:
        _require_one_of("--flatten", choice, ("longest", "shortest"))
    return choice


if __name__ == "__main__":
    main()
