"""`self-train`: teachers vote over raw text, what they agree on becomes training data, and again.

OUT/self-training.json   what it was begun with: what --resume compares; config.toml: of all teachers
OUT/labelled.jsonl       the labelled sentences, dev.jsonl: the development set; words as they are cut
OUT/round-0/             a teacher of the labelled data alone, with its fold teachers (see `train_voted.py`)
OUT/round-1.soft/        the store of what the fold teachers of the round before say of the text
OUT/round-1.jsonl        the sentences of it that became training data
OUT/round-1/             the teacher of both, with its fold teachers; and so on
OUT/summary.json         the rounds so far, and which is the best
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import input_files, read_corpus, read_raw, resumable
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.noise.folds import make_folds
from ner_distill.data.noise.votes import Action, Rules
from ner_distill.data.sentence import Sentence, Unit, labels_of
from ner_distill.data.store.pseudo_labels import labelled_row, worth_training_on
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.directories import OutputKind
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import read_json, write_json
from ner_distill.options import ReadOptions
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.pipelines.labelling.labeller import LabelOptions
from ner_distill.pipelines.voting.train_voted import train_voted
from ner_distill.runs.heads import finds_spans
from ner_distill.runs.info import fold_teachers
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import RoundsRecord, fingerprints, open_directory
from ner_distill.training.development import check_development_labels

SELF_TRAINING = OutputKind(
    "self-train",
    "self-training",
    ("self-training.json",),
    contents=r"config\.toml|log\.txt|summary\.json|labelled\.jsonl|dev\.jsonl|round-\d+(?:\.jsonl|\.soft)?",
)
JSON_LINES = ReadOptions(format="jsonl")
OF_TEXT = ("min_votes", "min_confidence", "raw_weight", "limit")
"""Options that matter from the first sentence of the text on."""


@dataclass(frozen=True)
class SelfOptions:
    """How the text is labelled; kept in the state: a self-training goes on as it began.

    folds:          teachers of each round that vote.
    min_votes:      how many, from 2 on, must find an entity for it to be a label; 0: all. Words of others are masked.
    min_confidence: words whose best tag is less probable are masked, and entities with them.
    raw_weight:     of a sentence of the text in the loss; one of the labelled data has 1.
    limit:          sentences of the text; 0: all.
    action:         what votes do to the labels that a round trains on, as of `vote_labels`; "keep": nothing.
    """

    folds: int = 3
    min_votes: int = 0
    min_confidence: float = 0.0
    raw_weight: float = 1.0
    limit: int = 0
    action: str = "keep"

    def check(self) -> None:
        """Raises ConfigError with all problems."""
        problems = []
        if self.folds < 2:
            problems.append(f"--folds {self.folds}: expected 2 or more teachers that vote")
        if self.min_votes and not 2 <= self.min_votes <= self.folds:
            problems.append(f"--min-votes {self.min_votes}: expected 2 to {self.folds} (--folds), or 0 for all of them")
        if not 0 <= self.min_confidence < 1:
            problems.append(f"--min-confidence {self.min_confidence}: expected 0 to less than 1")
        if not self.raw_weight > 0:
            problems.append(f"--raw-weight {self.raw_weight}: expected more than 0")
        if problems:
            raise ConfigError.of(problems)


@dataclass(frozen=True)
class Round:
    """One round. run: of its teacher. f1: of that on the development set, 0 to 1.

    sentences, entities: of the text, that it was trained on beside the labelled data; entities by type.
    """

    number: int
    run: Path
    f1: float
    sentences: int
    entities: dict[str, int]


@dataclass(frozen=True)
class SelfTrained:
    """All rounds. stopped: did the score stop rising before the last one asked for?"""

    rounds: tuple[Round, ...]
    stopped: bool

    @property
    def best(self) -> Round:
        """The one with the best score on the development set; of equals the first."""
        return max(self.rounds, key=lambda one: one.f1)


def self_train(
    train: Sequence[str | Path],
    dev: Sequence[str | Path],
    text: Sequence[str | Path],
    out: Path,
    *,
    rounds: int = 3,
    options: SelfOptions | None = None,
    jobs: int = 1,
    config_file: Path | None = None,
    settings: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    reading: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> SelfTrained:
    """Train a teacher with folds; let its fold teachers vote over the text; add what they agree on; and again.

    dev:    labelled sentences: they choose the best epoch of each teacher, the best round, and when to stop: after a
            round that is not better than all before.
    rounds: the most rounds after the first, which is of the labelled data alone.
    jobs:   fold teachers that are trained at once.
    resume: finished rounds are used as they are, and what was begun goes on. There may be more rounds than before.

    Where the teachers of round 0 agree on nothing, `resume` takes other votes and confidences for the text.

    Raises NerDistillError for wrong input, before anything is made; TrainingError where a training could not go on.
    """
    reporter, reading, options = reporter or Reporter(), reading or ReadOptions(), options or SelfOptions()
    config = load_config(TeacherConfig, config_file, settings)
    options.check()
    _check(rounds, text)
    SELF_TRAINING.check(out, resume=resume, overwrite=overwrite)
    labelled, unit = read_labelled(train, "--train", reading, reporter, keep_nested=finds_spans(config.head))
    development, _ = read_labelled(dev, "--dev", reading, reporter, unit=unit, keep_nested=True)
    if not labels_of(labelled):
        raise DataError("--train: no entity in any sentence; there is nothing to learn")
    check_development_labels(labels_of(labelled), labels_of(development), reporter)
    Rules(cast(Action, options.action)).check(1, labels_of(labelled))
    make_folds(labelled, options.folds, seed=config.seed)
    if not resume:
        _read_through(text, unit, options.limit)
    files = {"train": train, "dev": dev, "text": input_files(text)}
    inputs = {**{role: fingerprints(some) for role, some in files.items()}, **inputs_of(config)}
    if resume:
        resumable([*train, *dev])
    # only now: whatever was wrong with the input, nothing has been made or replaced
    state = {**asdict(options), **asdict(reading)}
    begun = (out / "round-1.jsonl").exists()
    settled = {key: value for key, value in state.items() if begun or key not in OF_TEXT} if resume else state
    record = RoundsRecord(SELF_TRAINING, config, settled, inputs)
    open_directory(SELF_TRAINING, out, record, resume=resume, overwrite=overwrite)
    if resume and not begun:
        _take_other_options(out, state)
    for name, sentences in (("labelled", labelled), ("dev", development)):
        bare = [replace(one, text=None, offsets=None) for one in sentences]  # words as they are cut
        write_jsonl(bare, out / f"{name}.jsonl", overwrite=True)

    done: list[Round] = []
    while len(done) <= rounds and (len(done) < 2 or _rises(done)):
        reporter.log_to(out / "log.txt")  # each teacher has a log of its own
        step = _Step(out, len(done), options)
        reporter.info(f"round {step.number} of at most {rounds}")
        if step.number:
            step.label(text, reporter)
            step.choose(labelled, development)
        step.train(jobs, unit, config_file, settings, reporter)
        done.append(step.read())
        reporter.log_to(out / "log.txt")
        reporter.info(f"round {step.number}: development F1 {100 * done[-1].f1:.2f}")
        _write(out, done)
    return SelfTrained(tuple(done), len(done) <= rounds)


@dataclass(frozen=True)
class _Step:
    """A round to do; each part of it leaves alone what is finished."""

    out: Path
    number: int
    options: SelfOptions

    @property
    def run(self) -> Path:
        return self.out / f"round-{self.number}"

    @property
    def store(self) -> Path:
        return self.out / f"round-{self.number}.soft"

    @property
    def chosen(self) -> Path:
        return self.out / f"round-{self.number}.jsonl"

    def label(self, text: Sequence[str | Path], reporter: Reporter) -> None:
        """Let the fold teachers of the round before say what they find in the text."""
        manifest = self.store / "manifest.json"
        if manifest.is_file() and read_json(manifest, "the store is damaged").get("complete"):
            return
        voters = fold_teachers(self.out / f"round-{self.number - 1}")
        asked = LabelOptions(
            pairs_per_sentence=0,
            min_votes=self.options.min_votes or len(voters),
            min_confidence=self.options.min_confidence,
        )
        given: dict[str, Any] = {"limit": self.options.limit, "resume": True, "reporter": reporter}
        label_unlabeled(voters, text, self.store, options=asked, **given)

    def choose(self, labelled: Sequence[Sentence], development: Sequence[Sentence]) -> None:
        """Write the sentences of the text that are trained on. Raises DataError where there are none."""
        if self.chosen.exists():
            return
        full = sum(bool(one.spans) for one in labelled)
        known = {one.words for one in (*labelled, *development)}
        chosen = list(worth_training_on(self._rows(), known, (len(labelled) - full) / max(1, full)))
        if not chosen:
            raise DataError(
                f"round {self.number}: the teachers agree on no entity of the text; see {self.store}. Fewer "
                "--min-votes, a lower --min-confidence, more labelled data or more epochs (optim.epochs) may help"
            )
        write_jsonl(chosen, self.chosen)

    def _rows(self) -> Iterator[Sentence]:
        store = SoftLabelStore.open(self.store)
        for shard in range(len(store.manifest.shards)):
            for block in store.read_shard(shard):
                for row in block.rows:
                    sentence = labelled_row(row, store.tagset, weight=self.options.raw_weight)
                    if sentence is not None:
                        yield replace(sentence, id=f"text/{sentence.id}")

    def train(
        self, jobs: int, unit: Unit, config_file: Path | None, settings: Sequence[str], reporter: Reporter
    ) -> None:
        """Train the teacher and its fold teachers, or go on."""
        if (self.run / "metrics.json").is_file():
            return
        train_voted(
            [self.out / "labelled.jsonl", *([self.chosen] if self.number else [])],
            [self.out / "dev.jsonl"],
            self.run,
            folds=self.options.folds,
            action=self.options.action,
            jobs=jobs,
            unit=unit,
            config_file=config_file,
            settings=settings,
            resume="auto",
            reading=JSON_LINES,
            reporter=reporter,
        )

    def read(self) -> Round:
        """What the round came to."""
        metrics = read_json(self.run / "metrics.json", "the round is not finished")
        raw = read_corpus([self.chosen], format="jsonl").sentences if self.number else []
        entities = Counter(span.label for sentence in raw for span in sentence.spans or ())
        return Round(self.number, self.run, metrics["dev"]["micro"]["f1"], len(raw), dict(sorted(entities.items())))


def _check(rounds: int, text: Sequence[str | Path]) -> None:
    if rounds < 1:
        raise ConfigError(f"--rounds {rounds}: expected 1 or more")
    if "-" in map(str, text):
        raise ConfigError("--text -: standard input is read once, and every round reads the text: give files")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("self-train has one process; start it without torchrun (--jobs N trains folds side by side)")
    for path in input_files(text):
        if not path.is_file():
            raise DataError(f"--text {path}: no such file")


def _read_through(text: Sequence[str | Path], unit: Unit, limit: int) -> None:
    """A fault in the last line is not to be found after a round was trained. Raises DataError."""
    if not sum(1 for _ in islice(read_raw(list(text), unit=unit), limit or None)):
        raise DataError(f"--text {', '.join(map(str, text))}: no sentence in it")


def _take_other_options(out: Path, state: dict[str, Any]) -> None:
    """Before any sentence of the text is trained on, it may be labelled in another way."""
    path = out / SELF_TRAINING.record[0]
    before = read_json(path, "the self-training is damaged")
    if before["options"] != state:
        shutil.rmtree(out / "round-1.soft", ignore_errors=True)
        write_json(path, {**before, "options": state})


def _rises(done: Sequence[Round]) -> bool:
    return done[-1].f1 > max(one.f1 for one in done[:-1])


def _write(out: Path, done: Sequence[Round]) -> None:
    best = max(done, key=lambda one: one.f1)
    summary = {"rounds": [{**asdict(one), "run": str(one.run)} for one in done], "best": str(best.run)}
    write_json(out / "summary.json", summary)
