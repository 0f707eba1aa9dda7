"""`pretrain`: raw text → an encoder that has learned to guess masked words, for `encoder.name` of any training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ner_distill.config import PretrainConfig, PretrainedEncoderConfig, ScratchEncoderConfig
from ner_distill.console import Reporter
from ner_distill.data.features.words import FILE as VOCABULARY
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.formats.readers import count_sentences, read_raw, resumable
from ner_distill.data.formats.reading import unit_of_raw
from ner_distill.data.lexicon.lexicon import Lexicon
from ner_distill.data.sentence import Unit, separator
from ner_distill.directories import OutputKind
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.files import atomic_write_text, read_json, write_json
from ner_distill.holding import until_done
from ner_distill.nn.masked_lm import MaskedPieces, MaskedWords
from ner_distill.options.training import PretrainOptions
from ner_distill.pipelines.pretraining.data import (
    COUNTED,
    ROUNDS,
    MaskedObjective,
    Minutes,
    PieceMasker,
    PretrainData,
    WordMasker,
    development_figures,
)
from ner_distill.pipelines.pretraining.text import Text
from ner_distill.runs.commit import with_commit
from ner_distill.runs.encoders import count_pieces, count_words, save_start, scratch, start_encoder
from ner_distill.runs.info import INSIDE_TRAINING, OF_ENCODER, OF_TRAINING, write_config
from ner_distill.runs.knowledge import LONGEST, model_files
from ner_distill.runs.record import (
    INPUTS,
    Inputs,
    fingerprints,
    require_same_config,
    require_same_inputs,
    require_same_values,
)
from ner_distill.training.fit import TrainingTask
from ner_distill.training.optim import parameter_groups
from ner_distill.training.session import Session

MARK = "pretrain.json"
PRETRAINING = OutputKind(
    "pretrain",
    "pretraining",
    ("config.toml", MARK),
    "metrics.json",
    contents=f"{OF_TRAINING}|{OF_ENCODER}",
    inside=INSIDE_TRAINING,
)


@dataclass(frozen=True)
class Pretrained:
    """The figures of a finished pretraining on held-out sentences. main: whether this process speaks for all."""

    accuracy: float
    perplexity: float
    main: bool = True


@dataclass(frozen=True)
class _Model:
    """What is trained and what feeds it.

    initialised: the parts that learn at `optim.lr`, as encoders do; others at `optim.head_lr`.
    save: writes the encoder into a directory.
    """

    module: MaskedWords | MaskedPieces
    masker: WordMasker | PieceMasker
    initialised: list[nn.Module]
    save: Callable[[Path], None]


@dataclass(frozen=True)
class PretrainRecord:
    """What a pretraining is begun with. unit: what a word of the text is. reading: the options by which it is read."""

    config: PretrainConfig
    unit: Unit
    inputs: Inputs
    reading: Mapping[str, Any]

    def write(self, directory: Path) -> None:
        write_config(directory, self.config)
        about = {"format": 1, "unit": self.unit, "reading": self.reading}
        atomic_write_text(directory / MARK, json.dumps(about) + "\n")
        write_json(directory / INPUTS, self.inputs)

    def require_same(self, directory: Path) -> None:
        about = read_json(directory / MARK, "this is no pretraining")
        reading = about.get("reading") if isinstance(about, dict) else None
        if isinstance(reading, dict):  # earlier versions did not write it
            require_same_values(reading, self.reading, PRETRAINING.noun)
        if not isinstance(about, dict) or about.get("format") != 1 or about.get("unit") != self.unit:
            raise RunError(
                f"`resume`: {directory / MARK} says {about!r}, the text is now read by {self.unit}; a pretraining goes "
                "on as it began (`unit`)"
            )
        require_same_config(directory, self.config, PRETRAINING.noun)
        require_same_inputs(directory, self.inputs)


@until_done()
def pretrain(config: PretrainConfig, options: PretrainOptions, reporter: Reporter | None = None) -> Pretrained:
    """Train an encoder on text and write its directory. Raises as `train_teacher` does.

    The directory of a scratch encoder has `encoder.toml`, vocabulary.json and model.safetensors; that of a pretrained
    one is a Hugging Face checkpoint. Either is what `encoder.name` of another training may name.
    """
    config = with_commit(config, options.out if PRETRAINING.resumes(options.out, options.resume) else None)
    session = Session(PRETRAINING, options, config, reporter)
    encoder = config.encoder
    if session.resumes:
        resumable(options.text)
    start = encoder.start if isinstance(encoder, ScratchEncoderConfig) else encoder.name
    if start and Path(start).expanduser().resolve() == options.out.resolve():
        raise ConfigError(f"`out` {options.out}: is what the training begins at; choose another directory")
    unit = unit_of_raw(options.text, options.format, options.unit, options.word_column)
    inputs = {"text": fingerprints(options.text), "mask.lexicon": fingerprints(config.mask.lexicon)}
    if start:
        inputs |= {"encoder.name": fingerprints(model_files(Path(start).expanduser()))}
    reading = {"format": options.format, "word_column": options.word_column}
    record = PretrainRecord(config, unit, inputs, reading)
    if session.finished(record):
        figures = read_json(options.out / "metrics.json", "the training did not finish")
        return Pretrained(figures["accuracy"], figures["perplexity"], session.main)
    lexicon = _lexicon(config, unit)
    pieces = _piece_model(encoder, unit, config.seed) if isinstance(encoder, PretrainedEncoderConfig) else None
    if isinstance(encoder, ScratchEncoderConfig) and encoder.start:
        count_words(encoder, unit, ())  # of another unit, or not there: before anything is made
    session.begin(record)
    text = _text(options, unit, encoder.max_pieces, session)
    model = pieces or _word_model(config, unit, text, session)
    session.reporter.info(
        f"{len(text):,} sentences, {text.words:,} words, {len(text.held_out):,} sentences held out; "
        f"{sum(p.numel() for p in model.module.parameters()):,} parameters; {session.device}, {config.optim.precision}"
    )
    return _train(config, model, text, lexicon, session)


def _train(config: PretrainConfig, model: _Model, text: Text, lexicon: Lexicon | None, session: Session) -> Pretrained:
    minutes = Minutes(
        session.out / "checkpoints" / "rounds.json", config.minutes, session.accelerator, config.optim.accumulate
    )
    data = PretrainData(text, model.masker, config, lexicon, minutes.places if config.minutes else None)
    parts = text.rounds()
    if parts > 1 and not config.minutes:
        session.reporter.info(f"the text is read in {parts} parts, each of which is scored as an epoch is")
    task = TrainingTask(
        model.module,
        MaskedObjective(model.module, simcse=config.simcse),
        data,
        parameter_groups(model.module, model.initialised, config.optim),
        minutes.timed(lambda module: development_figures(module, data)),
    )
    _require_scored(data, session)
    if config.minutes:
        loop = session.loop(task, epochs=ROUNDS)
    else:
        loop = session.loop(task, epochs=config.optim.epochs * parts, patience=config.optim.patience * parts)
    minutes.done = lambda: (loop.progress.step, loop.progress.seconds)
    done = loop.run(resume=session.resumes)
    figures = development_figures(model.module, data)
    metrics = {"kind": "pretrain", **figures, "steps": done.step, "seconds": round(done.seconds, 1)}
    session.finish(model.save, metrics)
    return Pretrained(figures["accuracy"], figures["perplexity"], session.main)


def _require_scored(data: PretrainData, session: Session) -> None:
    """Raise DataError where no epoch could be scored."""
    if not data.scores_any():
        raise DataError(
            f"{session.out}: no word of the sentences held out can be masked and guessed, so nothing could be scored; "
            "expected more text, or words that stand in it `encoder.min_count` times. Begin anew with `overwrite`"
        )


# ---- what it begins with


def _lexicon(config: PretrainConfig, unit: Unit) -> Lexicon | None:
    if not config.mask.lexicon:
        return None
    longest, fold = (8, False) if unit == "character" else (LONGEST, True)
    return Lexicon.read(config.mask.lexicon, max_length=longest, separator=separator(unit), fold_case=fold)[0]


def _text(options: PretrainOptions, unit: Unit, longest: int, session: Session) -> Text:
    """The sentences on disk, where the first process writes them, if a training that is resumed did not.

    longest: one of more words is several, one after the other, so that memory does not grow with the longest line.
    """
    directory, format = session.out / "checkpoints" / "text", options.format
    if session.main and not Text.is_written(directory):
        total = count_sentences(options.text, format=format)
        with session.reporter.progress("reading", total=total, unit="sentences") as progress:

            def words() -> Iterator[tuple[str, ...]]:
                column, say = options.word_column, session.reporter.info
                for sentence in read_raw(list(options.text), format=format, unit=unit, word_column=column, say=say):
                    yield from (
                        sentence.words[first : first + longest] for first in range(0, len(sentence.words), longest)
                    )
                    progress.advance(1)

            Text.write(directory, words())
    session.accelerator.wait_for_everyone()
    return Text(directory)


def _piece_model(config: PretrainedEncoderConfig, unit: Unit, seed: int) -> _Model:
    """A checkpoint with its own layer for guessing pieces, or a new one where it has none."""
    from ner_distill.nn.encoders.huggingface import load_masked_lm, save_backbone

    torch.manual_seed(seed)
    model, whole = load_masked_lm(config.name)
    featurizer = count_pieces(config, unit, cast(Any, model.base_model))
    module = MaskedPieces(model)
    save = partial(save_backbone, model, featurizer.tokenizer)
    return _Model(module, PieceMasker(featurizer), [module if whole else model.base_model], save)


def _word_model(config: PretrainConfig, unit: Unit, text: Text, session: Session) -> _Model:
    shape, out = config.encoder, session.out
    assert isinstance(shape, ScratchEncoderConfig)
    if (out / VOCABULARY).is_file():  # of the training that is resumed
        featurizer = WordFeaturizer.load(out, unit, max_words=shape.max_pieces)
    else:
        featurizer = count_words(shape, unit, text.spread(COUNTED))
    masker = WordMasker(featurizer)
    if session.main:
        featurizer.save(out)
    torch.manual_seed(config.seed)
    encoder = scratch(shape, featurizer)
    start_encoder(shape, encoder, session.reporter)
    module = MaskedWords(encoder, words=len(masker.vocab), dim=shape.word_dim)
    return _Model(module, masker, [encoder], partial(save_start, shape, unit, encoder))
