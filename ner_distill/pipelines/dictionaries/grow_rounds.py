"""`grow-dictionary --rounds`: label text with dictionaries, train on that, grow them by what is found, and again.

OUT/growing.json            what it was begun with: what --resume compares; config.toml: of all teachers
OUT/summary.json            the rounds so far, and which of their teachers is the best
OUT/round-1/labelled.jsonl  the text with the labels of the dictionaries so far
OUT/round-1/teacher/        the run that was trained on it
OUT/round-1/dictionaries/   with what that finds: see `grow_dictionary.py`
OUT/round-1/round.json      its figures, written last: the mark of a finished round
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner_distill.config import PuConfig, TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_raw, resumable
from ner_distill.data.formats.reading import read_labelled, unit_of_raw
from ner_distill.data.lexicon.dictionaries import Dictionaries, parse_dictionaries
from ner_distill.data.sentence import Sentence, Unit, labels_of
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.files import read_json, write_json
from ner_distill.options import ReadOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.dictionaries.grow_dictionary import grow_dictionary
from ner_distill.pipelines.dictionaries.label_dictionary import label_dictionary
from ner_distill.pipelines.evaluate import score_model
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.build import load_run
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import RoundsRecord, fingerprints, open_directory
from ner_distill.training.development import check_development_labels

GROWING = OutputKind(
    "grow-dictionary --rounds",
    "growing",
    ("growing.json",),
    contents=r"config\.toml|log\.txt|summary\.json|round-\d+",
)
SETTINGS = ("loss.kind=pu",)
"""Of every teacher; what the user sets has the last word."""


@dataclass(frozen=True)
class Round:
    """One round. teacher: the run that it grew by; forms: of each type how many that was trained with; added: to them.

    f1: of the teacher on the development set, 0 to 1.
    """

    number: int
    teacher: Path
    dictionaries: Path
    forms: dict[str, int]
    added: dict[str, int]
    f1: float

    def to_json(self) -> dict[str, Any]:
        """As `round.json` has it."""
        return {**asdict(self), "teacher": str(self.teacher), "dictionaries": str(self.dictionaries)}


@dataclass(frozen=True)
class Rounds:
    """All rounds. finished: did the last one find nothing new?"""

    rounds: tuple[Round, ...]
    finished: bool

    @property
    def best(self) -> Round:
        """The one with the best teacher on the development set; of equals the first."""
        return max(self.rounds, key=lambda one: one.f1)


def grow_rounds(
    text: Sequence[str | Path],
    dictionary: Sequence[str],
    dev: Sequence[str | Path],
    out: Path,
    *,
    rounds: int,
    model: Path | None = None,
    min_count: int = 3,
    config_file: Path | None = None,
    settings: Sequence[str] = (),
    format: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Rounds:
    """Label the text with the dictionaries, train a teacher on that, grow the dictionaries, until nothing is new.

    dev:      labelled sentences: they choose the best epoch of each teacher, and the best teacher.
    rounds:   the most rounds.
    model:    the first round grows by what this run finds; nothing is trained for it.
    settings: of every teacher, after `SETTINGS`.
    resume:   finished rounds are used as they are, and a training that was begun goes on. There may be more rounds
              than before.
    Source: Peng et al., ACL 2019 (AdaPU).
    Raises NerDistillError for wrong input; TrainingError where a teacher could not go on, with what is finished kept.
    """
    reporter = reporter or Reporter()
    settings = [*SETTINGS, *settings]
    config = load_config(TeacherConfig, config_file, settings)
    if rounds < 1:
        raise ConfigError(f"--rounds {rounds}: expected 1 or more")
    GROWING.check(out, resume=resume, overwrite=overwrite)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("grow-dictionary --rounds has one process; start it without torchrun")
    files = parse_dictionaries(dictionary)
    unit, development = _read(text, files, dev, format, model, config)
    inputs = {"text": fingerprints(text), "dev": fingerprints(dev), **inputs_of(config)}
    inputs |= {f"dictionary {label}": fingerprints(lists) for label, lists in files.items()}
    inputs |= {"model": fingerprints([model / "labels.json", model / "model.safetensors"])} if model else {}
    if resume:
        resumable([*text, *dev])
    # only now: whatever was wrong with the input, nothing has been made or replaced
    options = {"min_count": min_count, "format": format}
    record = RoundsRecord(GROWING, config, options, inputs)
    open_directory(GROWING, out, record, resume=resume, overwrite=overwrite)

    done: list[Round] = []
    while len(done) < rounds and (not done or any(done[-1].added.values())):
        number = len(done) + 1
        reporter.log_to(out / "log.txt")  # each teacher has a log of its own
        step = _Step(out / f"round-{number}", number, model if number == 1 else None)
        found = step.read()
        if found is None:
            reporter.info(f"round {number} of at most {rounds}: {step.directory}")
            if step.model is None:
                step.label(_lists(done, dictionary), text, format, unit, reporter)
                f1 = step.train(dev, unit, config_file, settings, reporter)
                reporter.log_to(out / "log.txt")
            else:
                f1 = score_model(load_run(step.model), development).micro.f1
            found = step.grow(_lists(done, dictionary), text, format, min_count, f1, reporter)
        done.append(found)
        added = ", ".join(f"{label} {count:,}" for label, count in found.added.items())
        reporter.info(f"round {number}: development F1 {100 * found.f1:.2f}, new names: {added}")
        _write(out, done)
    return Rounds(tuple(done), not any(done[-1].added.values()))


@dataclass(frozen=True)
class _Step:
    """A round to do. model: what it grows by, where nothing is to be trained."""

    directory: Path
    number: int
    model: Path | None

    @property
    def teacher(self) -> Path:
        return self.model or self.directory / "teacher"

    @property
    def labelled(self) -> Path:
        return self.directory / "labelled.jsonl"

    def read(self) -> Round | None:
        """Its figures, if it is finished. Raises RunError where they are damaged."""
        path = self.directory / "round.json"
        if not path.is_file():
            return None
        data = read_json(path, "this round is not finished")
        try:
            forms, added = ({str(k): int(n) for k, n in data[key].items()} for key in ("forms", "added"))
            return Round(self.number, self.teacher, self.directory / "dictionaries", forms, added, float(data["f1"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RunError(f"{path}: is damaged; remove {self.directory} and go on with --resume") from None

    def label(self, lists: list[str], text: Sequence[str | Path], format: str, unit: Unit, reporter: Reporter) -> None:
        """Make the training data, if it is not there yet."""
        make_directory(self.directory)
        if not self.labelled.exists():
            label_dictionary(lists, text, self.labelled, unit=unit, format=format, reporter=reporter)

    def train(
        self,
        dev: Sequence[str | Path],
        unit: Unit,
        config_file: Path | None,
        settings: Sequence[str],
        reporter: Reporter,
    ) -> float:
        """The teacher's F1; a training that was begun goes on."""
        config = load_config(TeacherConfig, config_file, settings)
        options = TeacherOptions(train=[self.labelled], dev=dev, out=self.teacher)
        return train_teacher(config, options, reporter, unit=unit, resume="auto").scores.micro.f1

    def grow(
        self,
        lists: list[str],
        text: Sequence[str | Path],
        format: str,
        min_count: int,
        f1: float,
        reporter: Reporter,
    ) -> Round:
        """Grow the dictionaries, and write what the round came to."""
        make_directory(self.directory)
        grown = self.directory / "dictionaries"
        shutil.rmtree(grown, ignore_errors=True)  # half of them, as the round is not finished
        try:
            growth = grow_dictionary(
                self.teacher, text, lists, grown, min_count=min_count, format=format, reporter=reporter
            )
        except DataError as error:
            raise DataError(
                f"round {self.number}: {error}; look at {self.teacher}: its development F1 is {100 * f1:.2f}. More "
                "epochs (optim.epochs) or priors that are known (loss.prior) may help"
            ) from None
        before = read_json(grown / "summary.json", "the round is not finished")["before"]
        forms = {label: before.get(label, 0) for label in growth.added}
        added = {label: len(new) for label, new in growth.added.items()}
        found = Round(self.number, self.teacher, grown, forms, added, f1)
        write_json(self.directory / "round.json", found.to_json())
        return found


def _lists(done: Sequence[Round], given: Sequence[str]) -> list[str]:
    """The dictionaries so far, as `--dictionary` takes them."""
    if not done:
        return list(given)
    folder = done[-1].dictionaries
    files = read_json(folder / "summary.json", "these are no dictionaries of grow-dictionary")["files"]
    return [f"{label}={folder / name}" for label, name in files.items()]


def _read(
    text: Sequence[str | Path],
    files: dict[str, list[Path]],
    dev: Sequence[str | Path],
    format: str,
    model: Path | None,
    config: TeacherConfig,
) -> tuple[Unit, list[Sentence]]:
    """What words are, and the development set. Raises NerDistillError for what no round could be done with."""
    if not dev:
        raise ConfigError("--rounds trains teachers, and development data chooses among them: give --dev FILE")
    if "-" in map(str, [*text, *dev]):
        raise ConfigError("standard input is read once, and every round reads these files: give files")
    info = load_run(model).info if model else None
    if info is not None and (strange := [label for label in files if label not in info.labels]):
        known = ", ".join(info.labels)
        raise ConfigError(f"--dictionary {strange[0]}: the model knows no such type; it has {known} ({model})")
    labels = info.labels if info else tuple(files)
    priors = config.loss.prior if isinstance(config.loss, PuConfig) else ()
    if strange := [label for label in priors if label not in labels]:
        raise ConfigError(f"loss.prior: no type {strange[0]!r}; the dictionaries have {', '.join(labels)}")
    unit = info.unit if info else unit_of_raw(text, format, "auto")
    quiet = Reporter(quiet=True)  # each training says again what is odd
    development, _ = read_labelled(dev, "--dev", ReadOptions(), quiet, unit=unit, keep_nested=True)
    check_development_labels(labels, labels_of(development), quiet)
    dictionaries, _ = Dictionaries.read(files, unit=unit)
    missing = set(files)
    for sentence in read_raw(list(text), format=format, unit=unit):
        missing.difference_update(span.label for span in dictionaries.find(sentence.words).spans)
        if not missing:
            return unit, development
    raise DataError(
        f"--dictionary {', '.join(sorted(missing))}: none of its entries stands in the text, and a teacher learns a "
        "type from some; give more text or more names, or leave the type out"
    )


def _write(out: Path, done: Sequence[Round]) -> None:
    rounds = Rounds(tuple(done), not any(done[-1].added.values()))
    summary = {
        "rounds": [one.to_json() for one in done],
        "best": rounds.best.number,
        "teacher": str(rounds.best.teacher),
        "nothing_new": rounds.finished,
    }
    write_json(out / "summary.json", summary)
