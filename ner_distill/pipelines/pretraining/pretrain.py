"""`pretrain`: raw text → an encoder that has learned to guess masked words, for `encoder.name` of any training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import nn

from ner_distill.config import PretrainConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.features.words import FILE as VOCABULARY
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.formats.readers import count_sentences, read_raw, resumable
from ner_distill.data.formats.reading import unit_of_raw
from ner_distill.data.lexicon.lexicon import Lexicon
from ner_distill.data.sentence import Unit, separator
from ner_distill.directories import OutputKind
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import atomic_write_text, read_json, write_json
from ner_distill.nn.masked_lm import MaskedPieces, MaskedWords
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
from ner_distill.runs.encoders import count_pieces, count_words, save_start, scratch, start_encoder
from ner_distill.runs.info import write_config
from ner_distill.runs.knowledge import LONGEST
from ner_distill.runs.record import (
    INPUTS,
    Inputs,
    fingerprints,
    open_directory,
    require_same_config,
    require_same_inputs,
)
from ner_distill.training.fit import Fit
from ner_distill.training.labelled import fit_settings, parameter_groups, require_device
from ner_distill.training.processes import make_accelerator

MARK = "pretrain.json"
PRETRAINING = OutputKind("pretrain", "pretraining", ("config.toml", MARK), "metrics.json")


@dataclass(frozen=True)
class Pretrained:
    """A finished pretraining: its figures on held-out sentences. main: is this the process that speaks for all?"""

    accuracy: float
    perplexity: float
    main: bool = True


@dataclass(frozen=True)
class _Model:
    """What is trained, what feeds it, and what of it begins at a checkpoint (`optim.lr`; all else: `head_lr`)."""

    module: MaskedWords | MaskedPieces
    masker: WordMasker | PieceMasker
    begun: list[nn.Module]


def pretrain(
    text: Sequence[str | Path],
    out: Path,
    *,
    config_file: Path | None = None,
    settings: Sequence[str] = (),
    format: str = "auto",
    unit: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Pretrained:
    """Train an encoder on text and write its directory. Raises as `train_teacher` does.

    The directory of a scratch encoder has `encoder.toml`, vocabulary.json and model.safetensors; that of a pretrained
    one is a Hugging Face checkpoint. Either is what `encoder.name` of another training may name.
    """
    config = load_config(PretrainConfig, config_file, settings)
    require_device(config.optim.precision)
    accelerator = make_accelerator(config.optim.precision)
    reporter = reporter or Reporter(quiet=not accelerator.is_main_process)
    if accelerator.is_main_process:
        PRETRAINING.check(out, resume=resume, overwrite=overwrite)
    if resume:
        resumable(text)
    begins = config.encoder.start if config.encoder.name == "scratch" else config.encoder.name
    if begins and Path(begins).expanduser().resolve() == out.resolve():
        raise ConfigError(f"--out {out}: is what the training begins at; choose another directory")
    chosen = unit_of_raw(text, format, unit)
    inputs = {"text": fingerprints(text), "mask.lexicon": fingerprints(config.mask.lexicon)}
    record = PretrainRecord(config, chosen, inputs)
    if resume:
        record.require_same(out)
        if PRETRAINING.state(out) == "finished":
            reporter.info(f"{out}: this pretraining is finished; nothing to do")
            figures = read_json(out / "metrics.json", "the training did not finish")
            return Pretrained(figures["accuracy"], figures["perplexity"], accelerator.is_main_process)
    lexicon = _lexicon(config, chosen)
    pieces = _piece_model(config) if config.encoder.name != "scratch" else None
    if config.encoder.start:
        count_words(config.encoder, chosen, ())  # of another unit, or not there: before anything is made
    if accelerator.is_main_process:
        if not resume:
            open_directory(PRETRAINING, out, record, overwrite=overwrite)
        reporter.log_to(out / "log.txt")
        _write_text(text, out, format, chosen, reporter)
    accelerator.wait_for_everyone()
    stored = Text(out / "checkpoints" / "text")
    model = pieces or _word_model(config, chosen, stored, out, accelerator, reporter)
    reporter.info(
        f"{len(stored):,} sentences, {int(stored.lengths.sum(dtype='int64')):,} words, {len(stored.held_out):,} "
        f"sentences held out; {sum(p.numel() for p in model.module.parameters()):,} parameters; {accelerator.device}"
    )
    return _fit(config, model, stored, lexicon, out, accelerator, reporter, resume=resume)


def _fit(
    config: PretrainConfig,
    model: _Model,
    text: Text,
    lexicon: Lexicon | None,
    out: Path,
    accelerator: Accelerator,
    reporter: Reporter,
    *,
    resume: bool,
) -> Pretrained:
    optim = config.optim
    assert isinstance(optim.batch_words, int)
    minutes = Minutes(out / "checkpoints" / "rounds.json", config.minutes, accelerator, optim.accumulate)
    data = PretrainData(
        text,
        model.masker,
        budget=optim.batch_words,
        seed=config.seed,
        kind=config.mask.kind,
        share=config.mask.share,
        matcher=lexicon,
        planned=minutes.places if config.minutes else None,
    )
    epochs = ROUNDS if optim.epochs == "auto" else optim.epochs * text.rounds()
    fit = Fit(
        model.module,
        MaskedObjective(model.module, simcse=config.simcse),
        data,
        parameter_groups(model.module, model.begun, optim),
        minutes.timed(lambda module: development_figures(module, data)),
        settings=fit_settings(optim.model_copy(update={"epochs": epochs}), config.seed),
        directory=out,
        reporter=reporter,
        accelerator=accelerator,
    )
    minutes.done = lambda: (fit.progress.step, fit.progress.seconds)
    result = fit.run(resume=resume)
    figures = development_figures(model.module, data)
    if accelerator.is_main_process:
        _finish(config, model, out, {**figures, "steps": result.steps, "seconds": round(result.seconds, 1)})
    accelerator.wait_for_everyone()
    return Pretrained(figures["accuracy"], figures["perplexity"], accelerator.is_main_process)


# ---- what it begins with


def _lexicon(config: PretrainConfig, unit: Unit) -> Lexicon | None:
    if not config.mask.lexicon:
        return None
    longest, fold = (8, False) if unit == "character" else (LONGEST, True)
    return Lexicon.read(config.mask.lexicon, max_length=longest, separator=separator(unit), fold_case=fold)[0]


def _write_text(text: Sequence[str | Path], out: Path, format: str, unit: Unit, reporter: Reporter) -> None:
    place = out / "checkpoints" / "text"
    if place.is_dir():  # of the training that is resumed
        return
    with reporter.progress("reading", total=count_sentences(text, format=format), unit="sentences") as progress:

        def words() -> Iterator[tuple[str, ...]]:
            for sentence in read_raw(list(text), format=format, unit=unit):
                yield sentence.words
                progress.advance(1)

        Text.write(place, words())


def _piece_model(config: PretrainConfig) -> _Model:
    """A checkpoint with its own layer for guessing pieces, or a new one where it has none."""
    from ner_distill.nn.encoders.huggingface import load_masked_lm

    torch.manual_seed(config.seed)
    model, whole = load_masked_lm(config.encoder.name)
    featurizer = count_pieces(config.encoder, config.encoder.name, cast(Any, model.base_model))
    module = MaskedPieces(model)
    return _Model(module, PieceMasker(featurizer), [module if whole else model.base_model])


def _word_model(
    config: PretrainConfig, unit: Unit, text: Text, out: Path, accelerator: Accelerator, reporter: Reporter
) -> _Model:
    """A scratch encoder for the words of the text, or of the directory where it starts."""
    if (out / VOCABULARY).is_file():  # of the training that is resumed
        featurizer = WordFeaturizer.load(out, unit, max_words=config.encoder.max_pieces)
    else:
        featurizer = count_words(config.encoder, unit, text.spread(COUNTED))
    masker = WordMasker(featurizer)
    if accelerator.is_main_process:
        featurizer.save(out)
    torch.manual_seed(config.seed)
    encoder = scratch(config.encoder, featurizer)
    start_encoder(config.encoder, encoder, reporter)
    module = MaskedWords(encoder, words=len(masker.vocab), dim=config.encoder.word_dim)
    return _Model(module, masker, [encoder])


# ---- its directory


@dataclass(frozen=True)
class PretrainRecord:
    """What a pretraining is begun with. unit: what a word of the text is."""

    config: PretrainConfig
    unit: Unit
    inputs: Inputs

    def write(self, directory: Path) -> None:
        """Write `config.toml`, `pretrain.json` and `inputs.json`."""
        write_config(directory, self.config)
        atomic_write_text(directory / MARK, json.dumps({"format": 1, "unit": self.unit}) + "\n")
        write_json(directory / INPUTS, self.inputs)

    def require_same(self, directory: Path) -> None:
        """Raise NerDistillError where configuration, text or unit are not what the training began with."""
        about = read_json(directory / MARK, "this is no pretraining")
        if not isinstance(about, dict) or about.get("format") != 1 or about.get("unit") != self.unit:
            raise RunError(
                f"--resume: {directory / MARK} says {about!r}, the text is now read by {self.unit}; a pretraining goes "
                "on as it began (--unit)"
            )
        require_same_config(directory, self.config, PRETRAINING.noun)
        require_same_inputs(directory, self.inputs)


def _finish(config: PretrainConfig, model: _Model, out: Path, figures: dict[str, Any]) -> None:
    """Write the encoder and then `metrics.json`, the mark of a finished training; checkpoints are of no more use."""
    if isinstance(model.module, MaskedWords):
        assert isinstance(model.masker, WordMasker)
        save_start(config.encoder, model.masker.featurizer.unit, model.module.encoder, out)
    else:
        from ner_distill.nn.encoders.huggingface import save_backbone

        assert isinstance(model.masker, PieceMasker)
        save_backbone(model.module.model, model.masker.featurizer.tokenizer, out)
    atomic_write_text(out / "metrics.json", json.dumps({"kind": "pretrain", **figures}, indent=1) + "\n")
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
