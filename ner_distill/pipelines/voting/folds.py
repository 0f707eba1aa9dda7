"""The folds of a voting: for each a fresh teacher that never sees what is held out, and its predictions of that.

OUT/folds/r1-f2.data/   train.jsonl, dev.jsonl (a slice of the training part), held-out.jsonl
OUT/folds/r1-f2/        the run of the teacher, and predictions.json
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_words
from ner_distill.data.noise.votes import OutOfFoldPrediction
from ner_distill.data.sentence import Sentence, Unit, labels_of
from ner_distill.directories import make_directory
from ner_distill.errors import RunError, TrainingError
from ner_distill.executing.base import Executor
from ner_distill.executing.each import run_each
from ner_distill.files import atomic_write_text, read_json, sha256_of
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.pipelines.voting.out_of_fold import EntityAnswer, answers_of, prediction_of
from ner_distill.runs.build import load_run

FORMAT = "ner-distill/held-out/1"


@dataclass(frozen=True)
class FoldTask:
    """A fold to train and to predict.

    out:            the directory of the voting.
    repeat, number: from 1.
    config:         the configuration of its teacher, with its own seed.
    unit:           how raw text is cut into words, as the words alone do not tell how a text was cut.
    labels:         the types of all the data, which every teacher is to know.
    words:          whether to keep how probable it is of each word that it is part of an entity.
    max_words, track: of its training, see `TeacherOptions`.
    """

    out: Path
    repeat: int
    number: int
    config: TeacherConfig
    unit: Unit
    labels: Sequence[str]
    words: bool = False
    max_words: int = 0
    track: Sequence[str] = ("tensorboard",)

    @property
    def run(self) -> Path:
        return self.out / "folds" / f"r{self.repeat}-f{self.number}"

    @property
    def predictions(self) -> Path:
        """The file that marks a finished fold."""
        return self.run / "predictions.json"

    def data(self, part: str) -> Path:
        """Returns the file of the part `train`, `dev` or `held-out` of its sentences."""
        return self.run.with_suffix(".data") / f"{part}.jsonl"

    def write(self, parts: Mapping[str, Sequence[Sentence]]) -> None:
        """Write the parts of its sentences. Raises NerDistillError where that is not possible."""
        make_directory(self.run.with_suffix(".data"))
        for part, sentences in parts.items():
            write_words(sentences, self.data(part))

    def finished(self) -> bool:
        """Returns whether there are predictions of the sentences that are held out now."""
        try:
            before = json.loads(self.predictions.read_text("utf-8"))
            return bool(before["format"] == FORMAT and before["held_out"] == sha256_of(self.data("held-out")))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def read(self) -> dict[str, OutOfFoldPrediction]:
        """Returns the prediction of each held-out sentence by its id. Raises RunError where the file is damaged."""
        data = read_json(self.predictions, "this fold is not finished")
        try:
            labels, words = frozenset(map(str, data["labels"])), data.get("words", {})
            return {
                id: prediction_of([EntityAnswer(*entity) for entity in entities], labels, words.get(id, ()))
                for id, entities in data["sentences"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(f"{self.predictions}: is damaged ({error!r}); remove it and go on with `resume`") from None


def run_folds(folds: Sequence[FoldTask], executor: Executor | None, reporter: Reporter) -> None:
    """Do all folds that are not finished, one after the other in this process, or each in a process of an executor.

    Raises TrainingError where one fails; the finished ones are kept.
    """
    left = [fold for fold in folds if not fold.finished()]
    before = len(folds) - len(left)
    if before:
        reporter.info(f"{before} of {len(folds)} folds are finished already")
    with closing(
        _done_here(left) if executor is None else run_each(do_fold, left, executor, waits=reporter.warn)
    ) as ended:
        for done, (fold, reason) in enumerate(ended, start=before + 1):
            if reason:
                raise TrainingError(f"{fold.run}: {reason}. Finished folds are kept: go on with `resume`")
            f1 = 100 * read_json(fold.run / "metrics.json", "the fold is damaged")["dev"]["micro"]["f1"]
            reporter.info(
                f"fold {done}/{len(folds)} (repeat {fold.repeat}, fold {fold.number}): F1 {f1:.1f} on its slice"
            )


def _done_here(folds: Sequence[FoldTask]) -> Generator[tuple[FoldTask, None], None, None]:
    for fold in folds:
        do_fold(fold)
        yield fold, None


def do_fold(fold: FoldTask) -> None:
    """Train the teacher of a fold, or go on with it, and write its predictions. Raises NerDistillError."""
    options = TeacherOptions(
        train=[fold.data("train")],
        dev=[fold.data("dev")],
        out=fold.run,
        format="jsonl",
        max_words=fold.max_words,
        track=fold.track,
    )
    train_teacher(fold.config, options, Reporter(quiet=True), unit=fold.unit, labels=fold.labels, resume="auto")
    sentences = read_corpus([fold.data("held-out")], format="jsonl").sentences
    answers = dict(zip((one.id for one in sentences), answers_of(load_run(fold.run), sentences), strict=True))
    content: dict[str, Any] = {
        "format": FORMAT,
        "held_out": sha256_of(fold.data("held-out")),
        # it knows all types, but has a vote on those alone that it was shown
        "labels": labels_of(read_corpus([fold.data("train")], format="jsonl").sentences),
        "sentences": {id: answer.entities for id, answer in answers.items()},
    }
    if fold.words:
        content["words"] = {id: answer.words for id, answer in answers.items()}
    atomic_write_text(fold.predictions, json.dumps(content, ensure_ascii=False) + "\n")
