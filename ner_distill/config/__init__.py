"""The settings of a run: frozen sections (`sections`), what contradicts what (`checks`), and reading them (`load`)."""

from ner_distill.config.load import Config, load_config, parse_config, read_start
from ner_distill.config.sections import (
    START_FILE,
    START_SHAPE,
    DistillConfig,
    EncoderConfig,
    HeadConfig,
    LossConfig,
    OptimConfig,
    PretrainConfig,
    StudentConfig,
    TeacherConfig,
)

__all__ = [
    "START_FILE",
    "START_SHAPE",
    "Config",
    "DistillConfig",
    "EncoderConfig",
    "HeadConfig",
    "LossConfig",
    "OptimConfig",
    "PretrainConfig",
    "StudentConfig",
    "TeacherConfig",
    "load_config",
    "parse_config",
    "read_start",
]
