"""Which commit of the Hugging Face hub a training begins with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from ner_distill.config import PretrainConfig, StudentConfig, TeacherConfig
from ner_distill.config.sections import PretrainedEncoderConfig
from ner_distill.errors import ConfigError
from ner_distill.runs.info import read_config

Trained = TypeVar("Trained", TeacherConfig, StudentConfig, PretrainConfig)
_WITH_COMMIT = re.compile(r"(?P<id>[^@]+)@[0-9a-f]{40}")


def with_commit(config: Trained, begun: Path | None) -> Trained:
    """The configuration with ID@COMMIT in place of an `encoder.name` that is an id of the hub, or ID@REVISION.

    All that is read of the checkpoint is then of one commit, and a training that goes on keeps it, whatever the hub has
    since: of `begun`, the directory that it goes on with, where its id is the same. A name stays as it is where neither
    the hub nor its cache says which commit it stands for; loading it says why.
    """
    if not isinstance(config.encoder, PretrainedEncoderConfig):
        return config
    name = _commit_of(config, begun)
    return config.model_copy(update={"encoder": config.encoder.model_copy(update={"name": name})})


def same_checkpoint(begun: str, named: str) -> bool:
    """Whether a name stands for the checkpoint that a training began with: the id alone does for any commit of it."""
    return begun == named or without_commit(begun) == named


def without_commit(name: str) -> str:
    """ID of ID@COMMIT; other names as they are."""
    found = _WITH_COMMIT.fullmatch(name)
    return found["id"] if found else name


def _commit_of(config: TeacherConfig | StudentConfig | PretrainConfig, begun: Path | None) -> str:
    from ner_distill.nn.encoders.huggingface import OnHub, commit_of, located

    name = config.encoder.name
    if begun is not None and (begun / "config.toml").is_file():
        before = read_config(begun, type(config)).encoder.name
        if same_checkpoint(before, name):
            return before
    try:
        where = located(name)
    except ConfigError:
        return name  # a finished training does without it, and any other says so when it loads it
    if not isinstance(where, OnHub) or _WITH_COMMIT.fullmatch(name):
        return name
    commit = commit_of(name)
    return name if commit is None else f"{where.id}@{commit}"
