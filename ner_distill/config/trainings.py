"""What each command that trains can be told: its sections, their defaults, and what "auto" stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pydantic

from ner_distill.config import sections
from ner_distill.config.variants import chosen

_CRF, _TOKEN = {"kind": "crf"}, {"kind": "token"}
_EXACT = {"precision": "fp32"}
_BY_DEVICE = {"precision": "auto"}
_SCRATCH = {"epochs": 12, "lr": 2e-3, "batch_words": 512} | _EXACT
_USUAL_WIDTH = 96
"""Units of a student from scratch up to which the usual rate holds."""
_PLAIN, _FGM = {"kind": "none", "epsilon": 1.0}, {"kind": "fgm", "epsilon": 1.0}
_AVERAGED = {"ema": 0.98, "average_lr": 0.3}
_LAST = {"ema": 0.0, "average_lr": 0.0}
_PRETRAINED = {"epochs": 5, "lr": 3e-5, "head_lr": 1e-3, "batch_words": 1024} | _BY_DEVICE
Auto = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""situation → section → key → what "auto" is there. Where `head_lr` is missing, it follows `lr`."""


class RunConfig(sections.Section):
    """A configuration of any training.

    What "auto" is hangs on the encoder for most keys, and is replaced before the values are checked. It stays where it
    is a way of its own (`distill.alpha`), and where the device decides (`optim.precision` of a pretrained encoder),
    until the training replaces it.
    """

    seed: sections.Seed = sections.key(13, "of everything that is drawn at random")
    encoder: sections.AnyEncoderConfig = sections.ScratchEncoderConfig()

    table: ClassVar[str]
    """What the training is called: in the files of presets, and by `init-config`."""
    auto: ClassVar[Auto]

    @pydantic.model_validator(mode="before")
    @classmethod
    def _completed(cls, data: Any) -> Any:
        return cls.completed(data) if isinstance(data, Mapping) else data

    @classmethod
    def completed(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data with a value for every "auto", and with the defaults that this training has."""
        data = {name: dict(value) if isinstance(value, sections.Section) else value for name, value in data.items()}
        data = _with_one_average(data)
        complete, pu = dict(data), cls.value(data, "loss", "kind") == "pu"
        for name, values in cls.usual(data).items():
            if isinstance(table := data.get(name, {}), Mapping):
                complete[name] = {**table, **{key: values[key] for key in values if table.get(key, "auto") == "auto"}}
        optim = complete["optim"]
        if isinstance(optim, Mapping) and optim.get("head_lr", "auto") == "auto":
            lr = optim["lr"]
            valid = isinstance(lr, int | float) and lr > 0  # what is wrong with it is said once
            complete["optim"] = {**optim, "head_lr": lr if valid else 1.0}
        for name, field in cls.model_fields.items():
            table = complete.get(name, {})
            if isinstance(field.default, sections.Section) and isinstance(table, Mapping):
                variant = chosen(field, table) or type(field.default)
                usual = field.default.model_dump(include=set(variant.model_fields))
                complete[name] = {**usual, **table}
        similarity = complete.get("similarity")
        if pu and isinstance(similarity, dict) and similarity["weight"] == sections.SimilarityConfig().weight:
            similarity["weight"] = 0.0  # PU learning has no second task
        return complete

    @classmethod
    def usual(cls, data: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """section → key → what "auto" is for this data."""
        return cls.auto[cls.situation(data)]

    @classmethod
    def situation(cls, data: Mapping[str, Any]) -> str:
        """The key of `auto` for this data: what suits an encoder from scratch ruins a pretrained one."""
        scratch = cls.value(data, "encoder", "name") == "scratch" and not cls.value(data, "init", "teacher")
        pu = cls.value(data, "loss", "kind") == "pu"
        flat = scratch and not pu and cls.value(data, "lattice", "kind") == "flat"
        timed = "minutes" in cls.model_fields and data.get("minutes")
        parts = {"pu": pu, "flat": flat, "timed": timed}
        return ", ".join(["scratch" if scratch else "pretrained", *(name for name, holds in parts.items() if holds)])

    @classmethod
    def value(cls, data: Mapping[str, Any], section: str, key: str) -> Any:
        """A value of data of which nothing was checked, or the default of its key; None where there is no such key."""
        if section not in cls.model_fields:
            return None
        table, usual = data.get(section), getattr(cls.model_fields[section].default, key)
        return table.get(key, usual) if isinstance(table, Mapping) else usual

    @classmethod
    def automatic(cls) -> frozenset[str]:
        """The dotted keys that may be "auto"."""
        tables = [table for tables in cls.auto.values() for table in tables.items()]
        return frozenset(f"{section}.{key}" for section, values in tables for key in values)


def _with_one_average(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data with "auto" replaced where an average of the weights was chosen: then that one is meant, alone."""
    optim = data.get("optim", {})
    if not isinstance(optim, Mapping) or not ("swa" in optim or "ema" in optim):
        return data
    others = {"ema": 0.0} if optim.get("swa") else {}
    if optim.get("swa") or optim.get("ema", "auto") != "auto":
        others["average_lr"] = 0.0
    return {
        **data,
        "optim": {**optim, **{key: value for key, value in others.items() if optim.get(key, "auto") == "auto"}},
    }


class TeacherConfig(RunConfig):
    """Everything that `train-teacher` can be told."""

    lattice: sections.AnyLatticeConfig = sections.NoLatticeConfig()
    features: sections.FeaturesConfig = sections.FeaturesConfig()
    head: sections.AnyHeadConfig = sections.TagsHeadConfig()
    similarity: sections.SimilarityConfig = sections.SimilarityConfig()
    adversarial: sections.AnyAdversarialConfig = sections.NoAdversaryConfig()
    regularize: sections.RegularizeConfig = sections.RegularizeConfig()
    loss: sections.AnyLossConfig = sections.LikelihoodConfig()
    optim: sections.OptimConfig = sections.OptimConfig()

    table: ClassVar[str] = "teacher"
    auto: ClassVar[Auto] = {
        # of development F1, for twice the time: CLUENER +0.9, résumés +0.7 (3 seeds), 1,500 sentences of CoNLL +1.9 (1)
        "scratch": {"head": _CRF, "adversarial": _FGM, "optim": _SCRATCH | _AVERAGED},
        # on CLUENER with FLAT: 74.2 against 71.9 with 1
        "scratch, flat": {"head": _CRF, "adversarial": _FGM | {"epsilon": 0.5}, "optim": _SCRATCH | _AVERAGED},
        "pretrained": {"head": _CRF, "adversarial": _PLAIN, "optim": _PRETRAINED | _LAST},
        # PU learning decides word by word. Its risk has a maximum over a batch: many words make it steady; with 512 it
        # was 3 points of F1 behind
        "scratch, pu": {
            "head": _TOKEN,
            "adversarial": _PLAIN,
            "optim": {"epochs": 6, "lr": 2e-3, "batch_words": 2048} | _EXACT | _LAST,
        },
        "pretrained, pu": {"head": _TOKEN, "adversarial": _PLAIN, "optim": _PRETRAINED | _LAST},
    }


class StudentConfig(RunConfig):
    """Everything that `train-student` can be told."""

    encoder: sections.AnyEncoderConfig = sections.ScratchEncoderConfig(
        hidden=96,
        heads=6,
        word_dim=48,
        bigram_dim=32,
        char_filters=24,
        max_forms=6000,
        unknown=0.05,
        dropout=0.1,
        embedding_dropout=0.2,
    )
    head: sections.AnyHeadConfig = sections.TagsHeadConfig()
    init: sections.InitConfig = sections.InitConfig()
    adversarial: sections.AnyAdversarialConfig = sections.NoAdversaryConfig()
    optim: sections.OptimConfig = sections.OptimConfig()
    distill: sections.DistillConfig = sections.DistillConfig()

    table: ClassVar[str] = "student"
    auto: ClassVar[Auto] = {
        "scratch": {"head": _CRF, "optim": _SCRATCH},
        # saved for transformers, which has no CRF; read by the best path it does as well as one
        "pretrained": {"head": _TOKEN, "optim": _PRETRAINED},
    }

    @classmethod
    def usual(cls, data: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """As of every training, but the rate of a student from scratch is as 1 / width.

        256 units on 54,000 sentences end 3.3 points of development F1 lower at 2e-3 (6 epochs) than at 7.5e-4 (8);
        after two epochs 2e-3 costs half a point. A teacher of 256 units on 1,500 sentences, whose weights are
        averaged, has 77.9 at 2e-3 and 72.7 at 7.5e-4.
        """
        usual = super().usual(data)
        width = cls.value(data, "encoder", "hidden") if cls.situation(data) == "scratch" else None
        if not isinstance(width, int) or width <= _USUAL_WIDTH:
            return usual
        return {**usual, "optim": {**usual["optim"], "lr": round(usual["optim"]["lr"] * _USUAL_WIDTH / width, 6)}}

    @property
    def pretrained(self) -> bool:
        """Is the encoder that of a checkpoint or of a teacher? Then the student is saved for transformers."""
        return isinstance(self.encoder, sections.PretrainedEncoderConfig) or bool(self.init.teacher)


class PretrainConfig(RunConfig):
    """Everything that `pretrain` can be told."""

    minutes: sections.Weight = sections.key(
        0.0, "length of the training, whatever it reads in that time; 0: optim.epochs"
    )
    simcse: sections.Weight = sections.key(0.0, "weight of telling sentences apart over two dropout passes (SimCSE)")
    encoder: sections.AnyEncoderConfig = sections.ScratchEncoderConfig(
        min_count=3, max_forms=30_000, unknown=0.0, dropout=0.1, embedding_dropout=0.1
    )
    mask: sections.MaskConfig = sections.MaskConfig()
    optim: sections.OptimConfig = sections.OptimConfig()

    table: ClassVar[str] = "pretrain"
    auto: ClassVar[Auto] = {
        "scratch": {"optim": {"epochs": 3, "lr": 3e-3, "batch_words": 1024} | _EXACT},
        "pretrained": {"optim": {"epochs": 1, "lr": 5e-5, "head_lr": 1e-3, "batch_words": 1024} | _EXACT},
        # epochs of 1 say nothing: `minutes` does
        "scratch, timed": {"optim": {"epochs": 1, "lr": 3e-3, "batch_words": 1024} | _EXACT},
        "pretrained, timed": {"optim": {"epochs": 1, "lr": 5e-5, "head_lr": 1e-3, "batch_words": 1024} | _EXACT},
    }
