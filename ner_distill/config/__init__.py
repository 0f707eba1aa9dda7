"""The settings of a run: `trainings` of `sections`, how they are read (`load`), what contradicts what (`checks`)."""

from ner_distill.config.load import Config, load_config, parse_config, read_start
from ner_distill.config.sections import (
    START_FILE,
    START_SHAPE,
    AdversarialConfig,
    DistillConfig,
    HeadConfig,
    MrcConfig,
    OptimConfig,
    PretrainedEncoderConfig,
    PuConfig,
    ScratchEncoderConfig,
    VatConfig,
)
from ner_distill.config.trainings import PretrainConfig, RunConfig, StudentConfig, TeacherConfig

__all__ = [
    "START_FILE",
    "START_SHAPE",
    "AdversarialConfig",
    "Config",
    "DistillConfig",
    "HeadConfig",
    "MrcConfig",
    "OptimConfig",
    "PretrainConfig",
    "PretrainedEncoderConfig",
    "PuConfig",
    "RunConfig",
    "ScratchEncoderConfig",
    "StudentConfig",
    "TeacherConfig",
    "VatConfig",
    "load_config",
    "parse_config",
    "read_start",
]
