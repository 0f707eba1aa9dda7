"""`grow-dictionary --rounds`: label text with dictionaries, train on that, grow them by what is found, and again.

OUT/growing.json            what it was begun with: what resuming compares; config.toml: of all teachers
OUT/summary.json            the rounds so far, and which of their teachers is the best
OUT/round-1/labelled.jsonl  the text with the labels of the dictionaries so far
OUT/round-1/teacher/        the run that was trained on it
OUT/round-1/dictionaries/   with what that finds: see `grow_dictionary.py`
OUT/round-1/round.json      its figures, written last: the mark of a finished round
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ner_distill.config import PuConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_raw, resumable
from ner_distill.data.formats.reading import unit_of_raw
from ner_distill.data.formats.units import Cutting
from ner_distill.data.lexicon.dictionaries import Dictionaries, parse_dictionaries
from ner_distill.data.sentence import Sentence, Unit
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.executing.each import require_one_process
from ner_distill.files import read_json, write_json
from ner_distill.holding import until_done
from ner_distill.options import ReadOptions
from ner_distill.options.labels import GrowOptions, LabelDictionaryOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.dictionaries.grow_dictionary import check_types, grow_dictionary
from ner_distill.pipelines.dictionaries.label_dictionary import label_dictionary
from ner_distill.pipelines.evaluate import score_model
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.build import load_run
from ner_distill.runs.commit import with_commit
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.raw_text import cutting_for
from ner_distill.runs.record import RoundsRecord, fingerprints, open_directory
from ner_distill.training.reading import read_development
from ner_distill.training.rounds import Rounds, do_rounds

GROWING = OutputKind(
    "grow-dictionary",
    "growing",
    ("growing.json",),
    contents=r"config\.toml|log\.txt|summary\.json|round-\d+",
)


@dataclass(frozen=True)
class GrowthRound:
    """A round that is done.

    teacher: the run that it grew the dictionaries by. forms: of each type how many that was trained with.
    added:   of each type how many it added. f1: of the teacher on the development set, 0 to 1.
    """

    number: int
    teacher: Path
    dictionaries: Path
    forms: dict[str, int]
    added: dict[str, int]
    f1: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "teacher": str(self.teacher), "dictionaries": str(self.dictionaries)}


@until_done()
def grow_rounds(config: TeacherConfig, options: GrowOptions, reporter: Reporter | None = None) -> Rounds[GrowthRound]:
    """Label the text with the dictionaries, train a teacher on that, grow the dictionaries, until nothing is new.

    The development data chooses the best epoch of each teacher, and the best teacher. With `model` the first round
    grows by what this run finds, and nothing is trained for it. With `resume` finished rounds are used as they are,
    and a training that was begun goes on; there may be more rounds than before.

    Source: Peng et al., ACL 2019 (AdaPU).
    Raises NerDistillError for wrong input; TrainingError where a teacher could not go on, with what is finished kept.
    """
    reporter, model = reporter or Reporter(), options.model
    GROWING.check(options.out, resume=options.resume, overwrite=options.overwrite)
    config = with_commit(config, options.out if options.resume else None)
    require_one_process("grow-dictionary with `rounds` has one process; start it without torchrun")
    lists = parse_dictionaries(options.dictionary)
    unit, development = _read(config, options, lists)
    inputs = {"text": fingerprints(options.text), "dev": fingerprints(options.dev), **inputs_of(config)}
    inputs |= {f"dictionary {label}": fingerprints(files) for label, files in lists.items()}
    inputs |= {"negative": fingerprints(options.negative)} if options.negative else {}
    inputs |= {"model": fingerprints([model / "labels.json", model / "model.safetensors"])} if model else {}
    if options.resume:
        resumable([*options.text, *options.dev])
    # only now: whatever was wrong with the input, nothing has been made or replaced
    settled = {"min_count": options.min_count, "format": options.format}
    settled |= {name: getattr(options, name) for name in ("unit", "word_column") if options.changed(name)}
    record = RoundsRecord(GROWING, config, settled, inputs)
    open_directory(GROWING, options.out, record, resume=options.resume, overwrite=options.overwrite)
    growing = _Growing(config, options, unit, development, reporter)
    return do_rounds(options.out, options.rounds or 1, growing.do, _nothing_new, _summary, reporter)


@dataclass(frozen=True)
class _Growing:
    """What every round needs."""

    config: TeacherConfig
    options: GrowOptions
    unit: Unit
    development: Sequence[Sentence]
    reporter: Reporter

    def do(self, done: Sequence[GrowthRound]) -> GrowthRound:
        """Do the next round, or read it where it is finished."""
        number = len(done) + 1
        directory = self.options.out / f"round-{number}"
        model = self.options.model if number == 1 else None
        teacher = model or directory / "teacher"
        growth = _read_round(directory, number, teacher)
        if growth is None:
            self.reporter.info(f"round {number} of at most {self.options.rounds}: {directory}")
            make_directory(directory)
            # this round begins with the dictionaries of the one before
            options = replace(self.options, dictionary=_lists(done[-1])) if done else self.options
            f1 = score_model(load_run(model), self.development).micro.f1 if model else self._train(directory, options)
            growth = self._grow(directory, number, replace(options, model=teacher), f1)
        added = ", ".join(f"{label} {count:,}" for label, count in growth.added.items())
        self.reporter.info(f"round {number}: development F1 {100 * growth.f1:.2f}, new names: {added}")
        return growth

    def _train(self, directory: Path, options: GrowOptions) -> float:
        """Label the text and train a teacher on it, or go on with that. Returns its F1."""
        labelled = directory / "labelled.jsonl"
        if not labelled.exists():
            labels = LabelDictionaryOptions(
                dictionary=options.dictionary,
                negative=options.negative,
                text=options.text,
                out=labelled,
                unit=self.unit,
                format=options.format,
                word_column=options.word_column,
            )
            label_dictionary(labels, self.reporter)
        teacher = TeacherOptions(train=[labelled], dev=options.dev, out=directory / "teacher")
        trained = train_teacher(self.config, teacher, self.reporter, unit=self.unit, resume="auto")
        self.reporter.log_to(options.out / "log.txt")
        assert trained.scores is not None  # `dev` is asked for
        return trained.scores.micro.f1

    def _grow(self, directory: Path, number: int, options: GrowOptions, f1: float) -> GrowthRound:
        """Grow the dictionaries by what `options.model` finds, and write what the round came to."""
        dictionaries = directory / "dictionaries"
        shutil.rmtree(dictionaries, ignore_errors=True)  # half of them, as the round is not finished
        try:
            growth = grow_dictionary(replace(options, out=dictionaries), self.reporter)
        except DataError as error:
            raise DataError(
                f"round {number}: {error}; look at {options.model}: its development F1 is {100 * f1:.2f}. More "
                "epochs (optim.epochs) or priors that are known (loss.prior) may help"
            ) from None
        before = read_json(dictionaries / "summary.json", "the round is not finished")["before"]
        forms = {label: before.get(label, 0) for label in growth.added}
        added = {label: len(new) for label, new in growth.added.items()}
        assert options.model is not None
        done = GrowthRound(number, options.model, dictionaries, forms, added, f1)
        write_json(directory / "round.json", done.to_json())
        return done


def _read_round(directory: Path, number: int, teacher: Path) -> GrowthRound | None:
    """Returns what a round came to, None where it is not finished. Raises RunError where its file is damaged."""
    path = directory / "round.json"
    if not path.is_file():
        return None
    data = read_json(path, "this round is not finished")
    try:
        forms, added = ({str(label): int(n) for label, n in data[key].items()} for key in ("forms", "added"))
        return GrowthRound(number, teacher, directory / "dictionaries", forms, added, float(data["f1"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError(f"{path}: is damaged; remove {directory} and go on with `resume`") from None


def _lists(done: GrowthRound) -> list[str]:
    """Returns the dictionaries of a round as `GrowOptions.dictionary` has them."""
    folder = done.dictionaries
    files = read_json(folder / "summary.json", "these are no dictionaries of grow-dictionary")["files"]
    return [f"{label}={folder / name}" for label, name in files.items()]


def _read(config: TeacherConfig, options: GrowOptions, lists: dict[str, list[Path]]) -> tuple[Unit, list[Sentence]]:
    """Returns the unit and the development set. Raises NerDistillError for what no round could be done with."""
    text, model = options.text, options.model
    if not options.dev:
        raise ConfigError("`rounds` trains teachers, and development data chooses among them: give `dev` FILE")
    if "-" in map(str, [*text, *options.dev]):
        raise ConfigError("standard input is read once, and every round reads these files: give files")
    info = load_run(model).info if model else None
    labels = info.labels if info else tuple(lists)
    if model:
        check_types(lists, labels, model)
    priors = config.loss.prior if isinstance(config.loss, PuConfig) else {}
    if unknown := [label for label in priors if label not in labels]:
        raise ConfigError(f"loss.prior: no type {unknown[0]!r}; the dictionaries have {', '.join(labels)}")
    quiet = Reporter(quiet=True)  # each training says again what is odd
    if info and model:
        unit = cutting_for(model, info, options.unit, quiet).unit
    else:
        unit = unit_of_raw(text, options.format, options.unit, options.word_column)
    development = read_development(options.dev, Cutting(unit), labels, ReadOptions(), quiet)
    dictionaries, _ = Dictionaries.read(lists, unit=unit, negative=options.negative)
    missing = set(lists)
    for sentence in read_raw(list(text), format=options.format, unit=unit, word_column=options.word_column):
        missing.difference_update(span.label for span in dictionaries.find(sentence.words).spans)
        if not missing:
            return unit, development
    raise DataError(
        f"`dictionary` {', '.join(sorted(missing))}: none of its entries stands in the text, and a teacher learns a "
        "type from some; give more text or more names, or leave the type out"
    )


def _nothing_new(done: Sequence[GrowthRound]) -> bool:
    return not any(done[-1].added.values())


def _summary(done: Rounds[GrowthRound]) -> dict[str, Any]:
    return {
        "rounds": [growth.to_json() for growth in done.rounds],
        "best": done.best.number,
        "teacher": str(done.best.teacher),
        "nothing_new": _nothing_new(done.rounds),
    }
