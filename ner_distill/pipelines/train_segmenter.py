"""`ner-distill train-segmenter`: a model of pkuseg from text whose words are separated by spaces."""

from __future__ import annotations

import io
import random
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from ner_distill.console import Progress, Reporter
from ner_distill.data.formats.lines import check_file, lines_of
from ner_distill.data.lexicon import segmenters
from ner_distill.directories import OutputKind
from ner_distill.errors import ConfigError, DataError, RunError, TrainingError
from ner_distill.files import temporary_path, write_error
from ner_distill.options.training import SegmenterOptions

SEGMENTER = OutputKind(
    "train-segmenter", "segmenter", (segmenters.FEATURES, segmenters.WEIGHTS), contents="", can_resume=False
)
ITERATIONS = 20
_LEAST = 10  # below this many sentences the library divides by zero
_HELD_OUT = 20  # one sentence of so many is scored and not learned from
_TEXT, _TEST = "train.txt", "test.txt"
_SCORE = re.compile(r"iter\d+ .*f-score=([\d.]+)%")


def train_segmenter(
    options: SegmenterOptions, reporter: Reporter | None = None, *, iterations: int = ITERATIONS
) -> None:
    """Train a segmenter on text and write its directory, whole or not at all; the same text gives the same model.

    The text is held in memory several times over, and its features need temporary disk space: some 0.3 kB a character.
    Raises DataError where the text is empty, too little or not segmented, RunError where `out` exists and is no
    segmenter, or `overwrite` is off, or it is the working directory, TrainingError where the disk is full.
    """
    reporter, named, out = reporter or Reporter(), options.out, options.out.resolve()
    if out == Path.cwd():
        raise RunError(
            f"{named}: is the working directory, which cannot be replaced; name a directory in it, such as segmenter"
        )
    SEGMENTER.check(named, overwrite=options.overwrite)
    sentences = _sentences(options.train)
    # Beside its place, so that it can be renamed into it.
    workshop = temporary_path(out)
    try:
        model = workshop / "model"
        model.mkdir(parents=True)
        learned = scored = sentences
        if len(sentences) >= _LEAST * _HELD_OUT:  # of less text everything is both
            learned = [words for index, words in enumerate(sentences) if index % _HELD_OUT]
            scored = sentences[::_HELD_OUT]
        _write(workshop / _TEXT, learned)
        _write(workshop / _TEST, scored)
        reporter.info(f"{len(learned):,} sentences to learn from, {len(scored):,} to score")
        with reporter.progress("training the segmenter", total=iterations, unit="iterations") as progress:
            _run(workshop, model, iterations, progress)
        _move(model, out, workshop / "old")
    except OSError as error:
        raise write_error(named, error) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    setting = shlex.quote(f"lattice.segmenter_model={named}")
    reporter.info(f"wrote {named}; to use it: `set` lattice.segmenter=pkuseg `set` {setting}")


def _sentences(paths: Sequence[Path]) -> list[list[str]]:
    """The words of all lines that have any. Raises DataError where the text is too little or not segmented."""
    sentences = []
    for path in paths:
        check_file(path)
        lines = [line.split() for _, line in lines_of(path, bare_cr=False)]
        filled = [words for words in lines if words]
        longest = max((len(word) for words in filled for word in words), default=0)
        if filled and (all(len(words) == 1 for words in filled) or longest == 1):
            what = "its characters are separated, not its words" if longest == 1 else "no line has two words"
            raise DataError(
                f"{path}: is not segmented: {what}; expected a sentence a line, its words separated by spaces"
            )
        sentences += filled
    if len(sentences) < _LEAST:
        where = ", ".join(map(str, paths)) or "no file"
        raise DataError(
            f"{where}: expected at least {_LEAST} segmented sentences, found {len(sentences)}; give more text"
        )
    return sentences


def _write(path: Path, sentences: list[list[str]]) -> None:
    """A sentence a line, words separated by one space: the library splits at less than we do."""
    path.write_text("".join(" ".join(words) + "\n" for words in sentences), encoding="utf-8")


def _run(workshop: Path, model: Path, iterations: int, progress: Progress) -> None:
    """Train. What the library prints becomes progress; the features that it leaves behind are removed."""
    try:
        import spacy_pkuseg
        from spacy_pkuseg.config import config
    except ImportError:
        raise ConfigError("training a segmenter needs the package spacy-pkuseg: pip install spacy-pkuseg") from None
    try:
        with redirect_stdout(_Lines(progress)), _same_random_numbers():
            spacy_pkuseg.train(str(workshop / _TEXT), str(workshop / _TEST), str(model), train_iter=iterations)
    finally:
        shutil.rmtree(config.tempFile, ignore_errors=True)
    if not segmenters.complete(model):
        raise TrainingError(f"{model}: the library wrote no model; is its version one that this program knows?")


class _Lines(io.StringIO):
    """Takes what is printed; every iteration's line advances the progress."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def write(self, text: str) -> int:
        if match := _SCORE.match(text):
            self._progress.advance(1, f1=float(match[1]) / 100)
        return len(text)


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """The library shuffles with the global generator: the same numbers every time, and none of the caller's."""
    state = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(state)


def _move(model: Path, out: Path, old: Path) -> None:
    """Put the model in its place; what was there goes to `old` and comes back where that fails."""
    if out.exists():
        out.rename(old)
    try:
        model.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
