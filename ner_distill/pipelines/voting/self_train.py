"""`self-train`: teachers vote over raw text, what they agree on becomes training data, and again.

OUT/self-training.json   what it was begun with: what resuming compares; config.toml: of all teachers
OUT/labelled.jsonl       the labelled sentences, dev.jsonl: the development set; words as they are cut
OUT/round-0/             a teacher of the labelled data alone, with its fold teachers (see `train_voted.py`)
OUT/round-1.soft/        the store of what the fold teachers of the round before say of the text
OUT/round-1.jsonl        the sentences of it that became training data
OUT/round-1/             the teacher of both, with its fold teachers; and so on
OUT/summary.json         the rounds so far, and which is the best
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import input_files, read_corpus, read_raw, resumable
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.writers import write_jsonl, write_words
from ner_distill.data.noise.folds import make_folds
from ner_distill.data.sentence import Sentence, Unit, labels_of
from ner_distill.data.store.pseudo_labels import labelled_row, worth_training_on
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.directories import OutputKind
from ner_distill.errors import ConfigError, DataError
from ner_distill.executing.each import require_one_process
from ner_distill.files import read_json, write_json
from ner_distill.holding import until_done
from ner_distill.options import Files
from ner_distill.options.by_type import ByType, GivenByType, by_type
from ner_distill.options.labels import SelfTrainOptions
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.pipelines.voting.train_voted import train_voted
from ner_distill.pipelines.voting.vote_labels import VOTES
from ner_distill.runs.commit import with_commit
from ner_distill.runs.heads import finds_spans
from ner_distill.runs.info import VOTING, clear_finished, fold_teachers
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import RoundsRecord, fingerprints, open_directory
from ner_distill.training.reading import read_development
from ner_distill.training.rounds import Rounds, do_rounds

SELF_TRAINING = OutputKind(
    "self-train",
    "self-training",
    ("self-training.json",),
    contents=r"config\.toml|log\.txt|summary\.json|labelled\.jsonl|dev\.jsonl|round-\d+(?:\.jsonl|\.soft)?",
)
OF_TEXT = ("min_votes", "min_confidence", "raw_weight", "limit")
"""Options that matter from the first sentence of the text on."""


@dataclass(frozen=True)
class SelfTrainingRound:
    """A round that is done. run: of its teacher. f1: of that on the development set, 0 to 1.

    sentences: how many of the text it was trained on beside the labelled data. entities: of these, by type.
    """

    number: int
    run: Path
    f1: float
    sentences: int
    entities: dict[str, int]


@until_done()
def self_train(
    config: TeacherConfig, options: SelfTrainOptions, reporter: Reporter | None = None
) -> Rounds[SelfTrainingRound]:
    """Train a teacher with folds; let its fold teachers vote over the text; add what they agree on; and again.

    The development data chooses the best epoch of each teacher, the best round, and when to stop: after a round that is
    not better than all before. Round 0, of the labelled data alone, comes before the `rounds`.

    With `resume` finished rounds are used as they are, and what was begun goes on; there may be more rounds than
    before. Where the teachers of round 0 agree on nothing, it takes other votes and confidences for the text.

    Raises NerDistillError for wrong input, before anything is made; TrainingError where a training could not go on.
    """
    reporter, out = reporter or Reporter(), options.out
    _check(options)
    SELF_TRAINING.check(out, resume=options.resume, overwrite=options.overwrite)
    config = with_commit(config, out if options.resume else None)
    reading = options.reading()
    nested = finds_spans(config.head)
    labelled, cutting = read_labelled(options.train, "`train`", reading, reporter, keep_nested=nested)
    if not labels_of(labelled):
        raise DataError("`train`: no entity in any sentence; there is nothing to learn")
    if unknown := _min_votes(options).problems("min_votes", labels_of(labelled), lambda votes: True, ""):
        raise ConfigError.of(unknown)
    development = read_development(options.dev, cutting, labels_of(labelled), reading, reporter)
    make_folds(labelled, options.folds, seed=config.seed)
    if not options.resume:  # not only after a round was trained
        _require_readable(options.text, cutting.unit, options.limit)
    files = {"train": options.train, "dev": options.dev, "text": input_files(list(options.text))}
    inputs = {**{role: fingerprints(paths) for role, paths in files.items()}, **inputs_of(config)}
    if options.resume:
        resumable([*options.train, *options.dev])
    # only now: whatever was wrong with the input, nothing has been made or replaced
    _open(config, options, inputs)
    write_words(labelled, out / "labelled.jsonl")
    write_words(development, out / "dev.jsonl")
    training = _SelfTraining(config, options, cutting.unit, labelled, development, reporter)
    return do_rounds(out, options.rounds + 1, training.do, _rises_no_more, _summary, reporter)


@dataclass(frozen=True)
class _SelfTraining:
    """What all rounds have in common. Each part of a round leaves alone what is finished."""

    config: TeacherConfig
    options: SelfTrainOptions
    unit: Unit
    labelled: Sequence[Sentence]
    development: Sequence[Sentence]
    reporter: Reporter

    def do(self, done: Sequence[SelfTrainingRound]) -> SelfTrainingRound:
        """Do the next round, or read it where it is finished."""
        number = len(done)
        self.reporter.info(f"round {number} of at most {self.options.rounds}")
        if number:
            self._label(number)
            self._choose(number)
        if not (self._run(number) / "metrics.json").is_file():
            self._train(number)
        else:
            clear_finished(self._run(number))  # killed before it did
        trained = self._read(number)
        self.reporter.log_to(self.options.out / "log.txt")
        self.reporter.info(f"round {number}: development F1 {100 * trained.f1:.2f}")
        return trained

    def _run(self, number: int) -> Path:
        return self.options.out / f"round-{number}"

    def _store(self, number: int) -> Path:
        return self.options.out / f"round-{number}.soft"

    def _chosen(self, number: int) -> Path:
        return self.options.out / f"round-{number}.jsonl"

    def _label(self, number: int) -> None:
        """Let the fold teachers of the round before say what they find in the text."""
        manifest = self._store(number) / "manifest.json"
        if manifest.is_file() and read_json(manifest, "the store is damaged").get("complete"):
            return
        teachers = fold_teachers(self._run(number - 1))
        options = LabelUnlabeledOptions(
            teacher=teachers,
            text=self.options.text,
            out=self._store(number),
            pairs_per_sentence=0,
            min_votes=_votes_of_all(_min_votes(self.options), len(teachers)),
            min_confidence=self.options.min_confidence,
            limit=self.options.limit,
            resume=True,
        )
        label_unlabeled(options, self.reporter)

    def _choose(self, number: int) -> None:
        """Write the sentences of the text that are trained on. Raises DataError where there are none."""
        if self._chosen(number).exists():
            return
        full = sum(bool(sentence.spans) for sentence in self.labelled)
        known = {sentence.words for sentence in (*self.labelled, *self.development)}
        store = SoftLabelStore.open(self._store(number))
        rows = (labelled_row(row, store.tagset, weight=self.options.raw_weight) for row in store.iter_rows())
        sentences = (replace(row, id=f"text/{row.id}") for row in rows if row is not None)
        chosen = list(worth_training_on(sentences, known, (len(self.labelled) - full) / max(1, full)))
        if not chosen:
            raise DataError(
                f"round {number}: the teachers agree on no entity of the text; see {self._store(number)}. Fewer "
                "`min_votes`, a lower `min_confidence`, more labelled data or more epochs (optim.epochs) may help"
            )
        write_jsonl(chosen, self._chosen(number))

    def _train(self, number: int) -> None:
        """Train the teacher and its fold teachers, or go on."""
        out, run = self.options.out, self._run(number)
        options = TeacherOptions(
            train=[out / "labelled.jsonl", *([self._chosen(number)] if number else [])],
            dev=[out / "dev.jsonl"],
            out=run,
            folds=self.options.folds,
            action=self.options.action,
            jobs=self.options.jobs,
            executor=self.options.executor,
            workers=self.options.workers,
            format="jsonl",
            resume=VOTES.state(run / VOTING) != "absent",
        )
        train_voted(self.config, options, self.reporter, unit=self.unit)

    def _read(self, number: int) -> SelfTrainingRound:
        run = self._run(number)
        metrics = read_json(run / "metrics.json", "the round is not finished")
        raw = read_corpus([self._chosen(number)], format="jsonl").sentences if number else ()
        entities = Counter(span.label for sentence in raw for span in sentence.spans or ())
        return SelfTrainingRound(number, run, metrics["dev"]["micro"]["f1"], len(raw), dict(sorted(entities.items())))


def _min_votes(options: SelfTrainOptions) -> ByType[int]:
    return by_type("min_votes", options.min_votes, 0)


def _votes_of_all(votes: ByType[int], teachers: int) -> GivenByType:
    """The votes with the number of teachers in place of 0."""
    of_types = {label: own or teachers for label, own in votes.of_types.items()}
    return ByType(votes.general or teachers, of_types).plain


def _check(options: SelfTrainOptions) -> None:
    """Raise NerDistillError for options that make no sense, before files are read."""
    folds, problems = options.folds, []
    if not options.dev:
        problems.append("`dev` chooses the best round: give labelled sentences")
    expected = f"expected 2 to {folds} (`folds`), or 0 for all of them"
    problems += _min_votes(options).problems(
        "min_votes", None, lambda votes: not votes or 2 <= votes <= folds, expected
    )
    if not 0 <= options.min_confidence < 1:
        problems.append(f"`min_confidence` {options.min_confidence}: expected 0 to less than 1")
    if not options.raw_weight > 0:
        problems.append(f"`raw_weight` {options.raw_weight}: expected more than 0")
    if problems:
        raise ConfigError.of(problems)
    if "-" in map(str, options.text):
        raise ConfigError("`text` -: standard input is read once, and every round reads the text: give files")
    require_one_process("self-train has one process; start it without torchrun (`jobs` N trains folds side by side)")
    for path in input_files(list(options.text)):
        if not Path(path).is_file():
            raise DataError(f"`text` {path}: no such file")


def _require_readable(text: Files, unit: Unit, limit: int) -> None:
    """Raise DataError where the text, or its first `limit` sentences, cannot be read to the end."""
    if not sum(1 for _ in islice(read_raw(list(text), unit=unit), limit or None)):
        raise DataError(f"`text` {', '.join(map(str, text))}: no sentence in it")


def _open(config: TeacherConfig, options: SelfTrainOptions, inputs: Mapping[str, Any]) -> None:
    """Make the directory, or go on with it; until a round is trained on the text, that may be labelled otherwise."""
    out = options.out
    values = {**vars(options), "min_votes": _min_votes(options).plain}
    state = {name: values[name] for name in ("folds", *OF_TEXT, "action")} | options.reading().recorded()
    free = OF_TEXT if options.resume and not (out / "round-1.jsonl").exists() else ()
    settled = {name: value for name, value in state.items() if name not in free}
    record = RoundsRecord(SELF_TRAINING, config, settled, inputs)
    open_directory(SELF_TRAINING, out, record, resume=options.resume, overwrite=options.overwrite)
    path = out / SELF_TRAINING.record[0]
    before = read_json(path, "the self-training is damaged")
    if free and before["options"] != state:
        shutil.rmtree(out / "round-1.soft", ignore_errors=True)
        write_json(path, {**before, "options": state})


def _rises_no_more(done: Sequence[SelfTrainingRound]) -> bool:
    return len(done) > 1 and done[-1].f1 <= max(one.f1 for one in done[:-1])


def _summary(done: Rounds[SelfTrainingRound]) -> dict[str, Any]:
    return {"rounds": [{**asdict(one), "run": str(one.run)} for one in done.rounds], "best": str(done.best.run)}
