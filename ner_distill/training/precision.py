"""In which precision a training computes, where its configuration leaves that to the device."""

from __future__ import annotations

from typing import TypeVar

from ner_distill.config import StudentConfig, TeacherConfig
from ner_distill.config.sections import PretrainedEncoderConfig
from ner_distill.directories import OutputKind, Resume
from ner_distill.nn.encoders.backbone import FLOAT32_ALONE
from ner_distill.options import TrackedOutput
from ner_distill.runs.info import read_config
from ner_distill.runs.knowledge import ENCODER
from ner_distill.runtime.inference import best_device, has_bf16

Trained = TypeVar("Trained", TeacherConfig, StudentConfig)


def with_precision(config: Trained, kind: OutputKind, output: TrackedOutput, resume: Resume) -> Trained:
    """The configuration with a precision in place of an `optim.precision` that is "auto".

    A run that goes on keeps the precision that it began with, also on another device; a new one takes bf16 where the
    device has it. Raises RunError where the configuration of a run that goes on cannot be read.
    """
    if config.optim.precision != "auto":
        return config
    goes_on = kind.resumes(output.out, resume) and (output.out / "config.toml").is_file()
    precision = read_config(output.out, type(config)).optim.precision if goes_on else "auto"
    if precision == "auto":
        precision = "bf16" if has_bf16(best_device()) and not _needs_float32(config) else "fp32"
    return config.model_copy(update={"optim": config.optim.model_copy(update={"precision": precision})})


def _needs_float32(config: TeacherConfig | StudentConfig) -> bool:
    """Whether the training is on a pretrained encoder whose code cannot compute in bf16."""
    if isinstance(config.encoder, PretrainedEncoderConfig):
        place = config.encoder.name
    elif isinstance(config, StudentConfig) and (config.init.run / ENCODER / "config.json").is_file():
        place = str(config.init.run / ENCODER)
    else:
        return False
    from ner_distill.nn.encoders.huggingface import load_backbone_config

    return load_backbone_config(place).model_type in FLOAT32_ALONE
