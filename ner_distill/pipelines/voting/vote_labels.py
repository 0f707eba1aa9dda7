"""`vote-labels`: labelled sentences → votes of models that did not see them, and the data after these votes.

OUT/cleaned.jsonl    the sentences after `drop | mask | relabel | weight | keep`
OUT/votes.jsonl      for each sentence its entities, given and found, with their votes (bags: also scores of words)
OUT/summary.json     settings, seeds, hashes of the files, counts by type, examples
OUT/voting.json      what the folds were begun with: what --resume compares
OUT/folds/           see `held_out.py`
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, cast

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import resumable
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.noise.folds import By, Fold, development_slice, entities_alone, make_bags, make_folds, rare_labels
from ner_distill.data.noise.votes import (
    THRESHOLD,
    Action,
    Prediction,
    Rules,
    VotedEntity,
    by_sentence,
    count_votes,
    decide,
)
from ner_distill.data.sentence import Sentence, Unit, labels_of, separator, without_overlap
from ner_distill.directories import OutputKind
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import atomic_write_text, write_json
from ner_distill.options import ReadOptions
from ner_distill.pipelines.voting.fold_jobs import run_folds
from ner_distill.pipelines.voting.held_out import FoldTask
from ner_distill.runs.heads import finds_spans
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import RoundsRecord, fingerprints, open_directory

VOTES = OutputKind(
    "vote-labels",
    "voting",
    ("voting.json",),
    contents=r"config\.toml|log\.txt|summary\.json|folds|cleaned\.jsonl|votes\.jsonl",
)
DEVELOPMENT = 0.1
"""Share of a fold's training part that chooses its best epoch."""
EXAMPLES = 20
DOUBTFUL = 0.5
"""Where models find a smaller share of the given entities, they may well be worse than the labels."""
FAST = {
    "scratch": (
        "encoder.hidden=64", "encoder.heads=4", "encoder.layers=1", "encoder.word_dim=48", "encoder.bigram_dim=48",
        "encoder.char_filters=24", "optim.epochs=5", "similarity.weight=0",
    ),
    "pretrained": ("optim.epochs=2", "similarity.weight=0"),
}  # fmt: skip
"""What `fast` sets in a configuration, by kind of its encoder; `--set` still has the last word."""


Decided = list[tuple[Sentence, tuple[VotedEntity, ...]]]


@dataclass(frozen=True)
class Voting:
    """What a voting came to: the sentences after it, in the order of the input, their entities, and `summary.json`."""

    sentences: tuple[Sentence, ...]
    entities: tuple[tuple[VotedEntity, ...], ...]
    summary: dict[str, Any]


def vote_labels(
    train: Sequence[str | Path],
    out: Path,
    *,
    folds: int = 5,
    repeats: int = 2,
    by: str = "sentence",
    bags: int = 0,
    bag_share: float = 0.5,
    action: str = "mask",
    threshold: float = THRESHOLD,
    thresholds: Mapping[str, float] | None = None,
    min_votes: int = 0,
    epsilon: float = 0.7,
    unit: Unit | str = "auto",
    config_file: Path | None = None,
    settings: Sequence[str] = (),
    fast: bool = False,
    jobs: int = 1,
    discard_folds: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    reading: ReadOptions | None = None,
    reporter: Reporter | None = None,
    opened: Callable[[], None] = lambda: None,
) -> Voting:
    """Train a fresh teacher for every fold of every repeat, and let each vote on the sentences it was not trained on.

    by:        what is kept together, see `make_folds`. The splits of each repeat have another seed.
    bags:      PU bagging in place of folds and repeats, for labels that are right but incomplete: so many teachers,
               each trained on all entities and on the other words of a bag of sentences (see `make_bags`), vote on what
               is missing in the sentences out of its bag, and score their words. None votes on the given entities.
    bag_share: how large a bag is.
    action, threshold, thresholds, min_votes, epsilon: see `Rules`.
    unit:      see `train_teacher`.
    fast:      small models of few epochs, see `FAST`.
    jobs:      folds that are trained at once, each in a process of its own; 1: one after the other in this process.
    resume:    finished folds are used as they are, and one that was begun goes on. What becomes of the labels (action,
               thresholds) may be changed: no fold is trained again for that.
    opened:    called when the input has been found right and the directory is there, before anything is trained.

    Raises NerDistillError for wrong input; TrainingError where a fold could not go on, with the finished ones kept.
    """
    reporter, reading = reporter or Reporter(), reading or ReadOptions()
    config = _config(config_file, settings, fast=fast)
    if repeats < 1 or jobs < 1:
        raise ConfigError(f"expected --repeats and --jobs of 1 or more, found {repeats} and {jobs}")
    if bags and by != "sentence":
        raise ConfigError(f"--bags draws sentences, --by {by} splits in another way: give one of them")
    if bags and action == "drop":
        raise ConfigError("--action drop removes given entities, and with --bags these are right; try mask or relabel")
    sentences, unit = read_labelled(
        train, "--train", reading, reporter, unit=unit, keep_nested=finds_spans(config.head)
    )
    rules = Rules(cast(Action, action), min_votes, threshold, thresholds or {}, epsilon)
    labels = labels_of(sentences)
    if not labels:
        raise DataError("--train: no entity in any sentence; there is nothing to vote on")
    rules.check(bags or repeats, labels, "`bags`" if bags else "`repeats`")
    if bags:
        drawn = make_bags(sentences, bags, share=bag_share, seed=config.seed)
        splits: list[tuple[Fold, ...]] = [(bag,) for bag in drawn]
        given: dict[str, Any] = {"bags": bags, "bag_share": bag_share}
    else:
        splits = [make_folds(sentences, folds, by=cast(By, by), seed=config.seed + repeat) for repeat in range(repeats)]
        given = {"folds": folds, "repeats": repeats, "by": by}
    given |= {"fast": fast, **asdict(reading)}
    files = {"train": fingerprints(train), **inputs_of(config)}
    parts = _parts(out, sentences, splits, config.seed, unit, bags=bool(bags))
    _check_types(parts, config)  # whatever is wrong is said before anything is made or replaced
    if resume:
        resumable(train)
    open_directory(VOTES, out, RoundsRecord(VOTES, config, given, files), resume=resume, overwrite=overwrite)
    opened()
    reporter.log_to(out / "log.txt")
    if not bags:
        _warn(sentences, splits, folds, reporter)
    for part in parts:
        part.task.write(part.learned, part.development, part.held_out)
    tasks = [part.task for part in parts]
    run_folds(tasks, jobs, reporter)
    said = by_sentence(sentences, [task.read() for task in tasks], None if bags else repeats)
    decided = _decide(sentences, said, rules, on_given=not bags)
    of_splits = [config.seed] if bags else [config.seed + repeat for repeat in range(repeats)]
    seeds = {"splits": of_splits, "models": [task.seed for task in tasks]}
    begun = {"settings": given, "config": config.model_dump(mode="json"), "inputs": files}
    known = {**begun, "rules": asdict(rules), "unit": unit, "seeds": seeds}
    voting = _voting(sentences, decided, known, splits)
    _write(out, sentences, voting, said)
    if not bags and rules.action != "keep" and voting.summary["agreement"] < DOUBTFUL:
        reporter.warn(
            f"held-out models find only {voting.summary['agreement']:.0%} of the given entities: their votes mean "
            "little. More data, more epochs (optim.epochs), or a pretrained encoder may help"
        )
    if discard_folds:
        shutil.rmtree(out / "folds", ignore_errors=True)
    return voting


def parse_thresholds(texts: Sequence[str]) -> tuple[float, dict[str, float]]:
    """`["0.4", "PER=0.7"]` → 0.4 for all types (THRESHOLD where none is given) and 0.7 for PER. Raises ConfigError."""
    general, thresholds, problems = THRESHOLD, dict[str, float](), []
    for text in texts:
        label, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            problems.append(f"--threshold {text}: expected a number from 0 to 1, or TYPE=number")
            continue
        if equals:
            thresholds[label] = value
        else:
            general = value
    if problems:
        raise ConfigError.of(problems)
    return general, thresholds


@dataclass(frozen=True)
class _Part:
    """What a fold is trained on, what chooses its best epoch, and what it judges."""

    task: FoldTask
    learned: Sequence[Sentence]
    development: Sequence[Sentence]
    held_out: Sequence[Sentence]


def _parts(
    out: Path, sentences: Sequence[Sentence], splits: Sequence[Sequence[Fold]], seed: int, unit: Unit, *, bags: bool
) -> list[_Part]:
    """Of all folds of all repeats. Raises DataError where one has nothing to choose its best epoch by."""
    parts, labels = [], labels_of(sentences)
    for repeat, split in enumerate(splits):
        for number, fold in enumerate(split):
            own = seed + repeat * len(split) + number
            task = FoldTask(str(out), repeat + 1, number + 1, own, unit, labels, words=bags)
            inside, held_out = ([sentences[index] for index in some] for some in (fold.train, fold.held_out))
            learned, development = development_slice(inside, DEVELOPMENT, seed=seed + repeat)
            if bags:
                learned += [entities_alone(one) for one in held_out if one.spans]
            parts.append(_Part(task, learned, development, held_out))
    return parts


def _check_types(parts: Sequence[_Part], config: TeacherConfig) -> None:
    """Raises DataError where a fold of PU learning would have a type without any entity."""
    for part in parts if config.loss.kind == "pu" else ():
        if lost := sorted(set(part.task.labels) - set(labels_of(part.learned))):
            raise DataError(
                f"--train: without fold {part.task.number} of repeat {part.task.repeat} there is no {', '.join(lost)} "
                'to train on, and loss.kind = "pu" needs some of each type; give more data or fewer --folds'
            )


def _decide(
    sentences: Sequence[Sentence], predictions: Sequence[Sequence[Prediction]], rules: Rules, *, on_given: bool
) -> Decided:
    nested = any(len(without_overlap(one.spans or ())) != len(one.spans or ()) for one in sentences)
    return [
        decide(sentence, count_votes(sentence, own, on_given=on_given), own, rules, nested=nested)
        for sentence, own in zip(sentences, predictions, strict=True)
    ]


def _config(config_file: Path | None, settings: Sequence[str], *, fast: bool) -> TeacherConfig:
    """With what `fast` sets before what the user does."""
    config = load_config(TeacherConfig, config_file, settings)
    if not fast:
        return config
    kind = "scratch" if config.encoder.name == "scratch" else "pretrained"
    return load_config(TeacherConfig, config_file, [*FAST[kind], *settings])


def _warn(sentences: Sequence[Sentence], splits: Sequence[Sequence[Fold]], folds: int, reporter: Reporter) -> None:
    if rare := rare_labels(sentences, folds):
        named = ", ".join(f"{label} ({count})" for label, count in rare.items())
        reporter.warn(
            f"types with fewer entities than the {folds} folds: {named}; a model trained without any cannot vote on "
            "them, and their labels stay where none can"
        )
    dropped = [fold.dropped for split in splits for fold in split]
    if any(dropped):
        reporter.info(
            f"left out of training, so that no held-out words are seen: {min(dropped):,} to {max(dropped):,} of "
            f"{len(sentences):,} sentences in a fold"
        )


def _voting(
    sentences: Sequence[Sentence],
    decided: Decided,
    known: dict[str, Any],
    splits: Sequence[Sequence[Fold]],
) -> Voting:
    types: dict[str, dict[str, Any]] = {}
    ranked, votes = [], Counter[str]()
    for sentence, (_, entities) in zip(sentences, decided, strict=True):
        for one in entities:
            own = types.setdefault(one.span.label, {"given": Counter(), "missed": Counter(), "confirmed": 0})
            own["given" if one.given else "missed"][one.decision] += 1
            own["confirmed"] += one.given and one.of > 0 and one.votes == one.of
            votes += Counter(found=one.votes, asked=one.of) if one.given else Counter()
            ranked.append((one.suspicion, one, sentence))
    ranked.sort(key=lambda item: -item[0])
    between = separator(known["unit"])
    changed = [after for before, (after, _) in zip(sentences, decided, strict=True) if after is not before]
    summary = {
        **known,
        "sentences": len(sentences),
        "changed_sentences": len(changed),
        "agreement": round(votes["found"] / votes["asked"], 4) if votes["asked"] else None,
        "dropped_from_training": [[fold.dropped for fold in split] for split in splits],
        "types": dict(sorted(types.items())),
        "examples": [
            {"id": sentence.id, "text": between.join(sentence.words[one.span.start : one.span.end]), **one.record()}
            for _, one, sentence in ranked[:EXAMPLES]
        ],
    }
    return Voting(tuple(after for after, _ in decided), tuple(entities for _, entities in decided), summary)


def _write(
    out: Path, sentences: Sequence[Sentence], voting: Voting, predictions: Sequence[Sequence[Prediction]]
) -> None:
    lines = []
    for sentence, entities, said in zip(sentences, voting.entities, predictions, strict=True):
        line: dict[str, Any] = {"id": sentence.id, "words": sentence.words}
        line["entities"] = [one.record() for one in entities]
        if sentence.weight != 1:  # before the votes: what a review that settles all doubts gives back
            line["weight"] = sentence.weight
        if scores := [one.words for one in said if one.words]:
            line["word_scores"] = [round(fmean(column), 4) for column in zip(*scores, strict=True)]
        lines.append(json.dumps(line, ensure_ascii=False))
    write_jsonl(voting.sentences, out / "cleaned.jsonl", overwrite=True)
    atomic_write_text(out / "votes.jsonl", "\n".join(lines) + "\n")
    write_json(out / "summary.json", voting.summary)
