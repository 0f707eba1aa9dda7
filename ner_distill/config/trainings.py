"""What each command that trains can be told: its sections, their defaults, and what "auto" stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pydantic
from pydantic import Field

from ner_distill.config.sections import (
    AnyAdversarialConfig,
    AnyEncoderConfig,
    AnyHeadConfig,
    AnyLatticeConfig,
    AnyLossConfig,
    CrfHeadConfig,
    DistillConfig,
    FeaturesConfig,
    InitConfig,
    LikelihoodConfig,
    MaskConfig,
    NoAdversaryConfig,
    NoLatticeConfig,
    OptimConfig,
    PretrainedEncoderConfig,
    RegularizeConfig,
    ScratchEncoderConfig,
    Section,
    Seed,
    SimilarityConfig,
    Weight,
)
from ner_distill.config.variants import chosen

_CRF, _TOKEN = {"kind": "crf"}, {"kind": "token"}
_SCRATCH = {"epochs": 12, "lr": 2e-3, "batch_words": 512}
_PRETRAINED = {"epochs": 5, "lr": 3e-5, "head_lr": 1e-3, "batch_words": 1024}
Auto = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""situation → section → key → what "auto" is there. Where `head_lr` is missing, it follows `lr`."""


def _get(data: Mapping[str, Any], section: str, key: str, default: object = None) -> Any:
    """A value of data of which nothing was checked."""
    table = data.get(section)
    return table.get(key, default) if isinstance(table, Mapping) else default


class RunConfig(Section):
    """A configuration of any training. Nothing in it is "auto": that is replaced before the values are checked."""

    seed: Seed = Field(13, description="of everything that is drawn at random")
    encoder: AnyEncoderConfig = ScratchEncoderConfig()

    auto: ClassVar[Auto]

    @pydantic.model_validator(mode="before")
    @classmethod
    def _completed(cls, data: Any) -> Any:
        return cls.completed(data) if isinstance(data, Mapping) else data

    @classmethod
    def completed(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data with a value for every "auto", and with the defaults that this training has."""
        complete = dict(data)
        for name, values in cls.auto[cls.situation(data)].items():
            if isinstance(table := data.get(name, {}), Mapping):
                complete[name] = {**table, **{key: values[key] for key in values if table.get(key, "auto") == "auto"}}
        optim = complete["optim"]
        if isinstance(optim, Mapping) and optim.get("head_lr", "auto") == "auto":
            lr = optim["lr"]
            valid = isinstance(lr, int | float) and lr > 0  # what is wrong with it is said once
            complete["optim"] = {**optim, "head_lr": lr if valid else 1.0}
        for name, field in cls.model_fields.items():
            table = complete.get(name, {})
            if isinstance(field.default, Section) and isinstance(table, Mapping):
                variant = chosen(field, table) or type(field.default)
                usual = field.default.model_dump(include=set(variant.model_fields))
                complete[name] = {**usual, **table}
        return complete

    @classmethod
    def situation(cls, data: Mapping[str, Any]) -> str:
        """The key of `auto` for this data: what suits an encoder from scratch ruins a pretrained one."""
        return "scratch" if _get(data, "encoder", "name", "scratch") == "scratch" else "pretrained"

    @classmethod
    def automatic(cls) -> frozenset[str]:
        """The dotted keys that may be "auto"."""
        tables = [table for tables in cls.auto.values() for table in tables.items()]
        return frozenset(f"{section}.{key}" for section, values in tables for key in values)


class TeacherConfig(RunConfig):
    """Everything that `train-teacher` can be told."""

    lattice: AnyLatticeConfig = NoLatticeConfig()
    features: FeaturesConfig = FeaturesConfig()
    head: AnyHeadConfig = CrfHeadConfig()
    similarity: SimilarityConfig = SimilarityConfig()
    adversarial: AnyAdversarialConfig = NoAdversaryConfig()
    regularize: RegularizeConfig = RegularizeConfig()
    loss: AnyLossConfig = LikelihoodConfig()
    optim: OptimConfig = OptimConfig()

    auto: ClassVar[Auto] = {
        "scratch": {"head": _CRF, "optim": _SCRATCH},
        "pretrained": {"head": _CRF, "optim": _PRETRAINED},
        # PU learning decides word by word. Its risk has a maximum over a batch: many words make it steady; with 512 it
        # was 3 points of F1 behind
        "scratch, pu": {"head": _TOKEN, "optim": {"epochs": 6, "lr": 2e-3, "batch_words": 2048}},
        "pretrained, pu": {"head": _TOKEN, "optim": _PRETRAINED},
    }

    @classmethod
    def completed(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """As for any training; PU learning has no second task."""
        complete = super().completed(data)
        usual = SimilarityConfig().weight
        if _get(data, "loss", "kind") == "pu" and _get(complete, "similarity", "weight") == usual:
            complete["similarity"] = {**complete["similarity"], "weight": 0.0}
        return complete

    @classmethod
    def situation(cls, data: Mapping[str, Any]) -> str:
        """By the encoder and the loss."""
        return super().situation(data) + (", pu" if _get(data, "loss", "kind") == "pu" else "")


class StudentConfig(RunConfig):
    """Everything that `train-student` can be told."""

    encoder: AnyEncoderConfig = ScratchEncoderConfig(
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
    head: AnyHeadConfig = CrfHeadConfig()
    init: InitConfig = InitConfig()
    optim: OptimConfig = OptimConfig()
    distill: DistillConfig = DistillConfig()

    auto: ClassVar[Auto] = {
        "scratch": {"head": _CRF, "optim": _SCRATCH},
        # saved for transformers, which has no CRF
        "pretrained": {"head": _TOKEN, "optim": _PRETRAINED},
    }

    @property
    def pretrained(self) -> bool:
        """Is the encoder that of a checkpoint or of a teacher? Then the student is saved for transformers."""
        return isinstance(self.encoder, PretrainedEncoderConfig) or bool(self.init.teacher)

    @classmethod
    def situation(cls, data: Mapping[str, Any]) -> str:
        """By the encoder, which may be a teacher's."""
        return "pretrained" if _get(data, "init", "teacher") else super().situation(data)


class PretrainConfig(RunConfig):
    """Everything that `pretrain` can be told."""

    minutes: Weight = Field(0.0, description="length of the training, whatever it reads in that time; 0: optim.epochs")
    simcse: Weight = Field(0.0, description="weight of telling sentences apart over two dropout passes (SimCSE)")
    encoder: AnyEncoderConfig = ScratchEncoderConfig(
        min_count=3, max_forms=30_000, unknown=0.0, dropout=0.1, embedding_dropout=0.1
    )
    mask: MaskConfig = MaskConfig()
    optim: OptimConfig = OptimConfig()

    auto: ClassVar[Auto] = {
        "scratch": {"optim": {"epochs": 3, "lr": 3e-3, "batch_words": 1024}},
        "pretrained": {"optim": {"epochs": 1, "lr": 5e-5, "head_lr": 1e-3, "batch_words": 1024}},
        # epochs of 1 say nothing: `minutes` does
        "scratch, timed": {"optim": {"epochs": 1, "lr": 3e-3, "batch_words": 1024}},
        "pretrained, timed": {"optim": {"epochs": 1, "lr": 5e-5, "head_lr": 1e-3, "batch_words": 1024}},
    }

    @classmethod
    def situation(cls, data: Mapping[str, Any]) -> str:
        """By the encoder, and by what says how long."""
        return super().situation(data) + (", timed" if data.get("minutes") else "")
