"""What helps before and beside the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
)

commands = group()


@commands.command("check-data", short_help="what is in labelled files, and what is wrong")
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
    from ner_distill.views.check_data import render

    report = run(files, format=format, scheme=scheme, tag_column=tag_column, strict=strict)
    console_for_results().print(render(report))
    if strict and report.problems:
        raise typer.Exit(1)


@commands.command("show", short_help="print sentences of a store with their entities")
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
    from ner_distill.views.store import render

    console = console_for_results()
    excerpt = run(store, limit=limit, start=start, label=type, entities_only=entities_only, lattice=lattice)
    for part in render(excerpt):
        console.print(part)


@commands.command("compare", short_help="train several teachers over several seeds and compare")
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
    from ner_distill.data.formats.reading import ReadOptions
    from ner_distill.pipelines.comparison.compare import compare as run
    from ner_distill.pipelines.comparison.figures import read_comparison
    from ner_distill.views.comparison import render

    if not (configs or variant or train or dev):
        console_for_results().print(render(read_comparison(out)))
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
        reading=ReadOptions(format, scheme, tag_column, strict, flatten_choice(flatten)),
    )
    console_for_results().print(render(found))
    if found.failed:
        raise typer.Exit(1)


@commands.command("pretrain", short_help="raw text → an encoder that knows the language")
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

    from ner_distill.pipelines.pretraining.pretrain import pretrain as run

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


@commands.command("train-segmenter", short_help="train a word segmenter from segmented text")
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
