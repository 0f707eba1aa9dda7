"""`init-config`: a configuration with every key, its default and what it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from ner_distill.config import PretrainConfig, RunConfig, StudentConfig, TeacherConfig
from ner_distill.config.presets import about_preset, preset_data
from ner_distill.config.sections import Measured, Section
from ner_distill.config.variants import default, experimental, keys, measured, tag, tags, variants, which, words
from ner_distill.errors import RunError
from ner_distill.files import atomic_write_text

KINDS: dict[str, tuple[str, type[RunConfig]]] = {
    "teacher": ("train-teacher", TeacherConfig),
    "student": ("train-student", StudentConfig),
    "pretrain": ("pretrain", PretrainConfig),
}

FIGURES = (
    "# measured: points of development F1 that a key gave a teacher, with the value in brackets, over plain training:",
    "# means of three seeds, on 4,000 sentences of CLUENER and 2,000 of the résumés, 4 epochs; and the seconds of a",
    "# training, of those of a plain one.",
    "# experimental: what cost more than it gave wherever it was tried.",
)


def init_config(kind: str, out: Path | None, *, preset: str = "default") -> str:
    """The commented TOML of the configuration of a teacher, a student or a pretraining; written to `out` if given.

    preset: whose values stand there.
    Raises RunError where `out` exists, ConfigError for a preset that there is not.
    """
    command, config = KINDS[kind]
    head = [f"# Configuration of `ner-distill {command}`. Every key is optional; what is here is its default."]
    values: Mapping[str, Any] = {}
    if preset != "default":
        values = preset_data(preset, kind)
        head = [f"# Configuration of `ner-distill {command}`, as preset:{preset} has it. Every key is optional.", "#"]
        head += [*about_preset(preset), "#"]
    text = "\n".join([*head, *FIGURES, "", *_lines(config, values), ""])
    if out is not None:
        if out.exists():
            raise RunError(f"{out}: exists; choose another name or remove it first")
        atomic_write_text(out, text)
    return text


def _lines(config: type[RunConfig], values: Mapping[str, Any]) -> Iterator[str]:
    """values: by section and key, in place of defaults."""
    for name, field in config.model_fields.items():
        if not variants(field):  # first, as TOML wants it
            yield from _key(name, values.get(name, field.default), str(field.description), words(field))
    for name, field in config.model_fields.items():
        if classes := variants(field):
            shared = classes[0].__mro__[classes[0].__mro__.index(Section) - 1]  # the base of all variants
            yield from ("", f"[{name}]", f"# {(shared.__doc__ or '').splitlines()[0]}")
            yield from _section(name, field, config.automatic(), values.get(name, {}))


def _section(name: str, field: FieldInfo, automatic: Set[str], values: Mapping[str, Any]) -> Iterator[str]:
    """The keys that all variants have, then those of some, at last what did not pay, each with its value or default."""
    classes = variants(field)
    group, doubtful = list(classes), False

    def place(item: tuple[str, list[type[Section]]]) -> tuple[bool, bool]:
        key, holders = item
        return experimental(holders[0], key), len(holders) < len(classes)

    for key, holders in sorted(keys(field).items(), key=place):
        if holders != group or experimental(holders[0], key) != doubtful:
            group, doubtful = holders, experimental(holders[0], key)
            only = [f"only for {which(holders)}"] if len(holders) < len(classes) else []
            yield f"# ---- {', '.join(['experimental'] * doubtful + only)}"
        value = "auto" if f"{name}.{key}" in automatic else default(field, holders[0], key)
        about = holders[0].model_fields[key]
        description, choices = about.description, words(about)
        tried = measured(about)
        if len(classes) > 1 and key == tag(classes[0]):
            choices = tuple(word for variant in classes for word in tags(variant)) if all(map(tags, classes)) else ()
            description, choices = field.description, ("auto", *choices) if value == "auto" else choices
            tried = [entry for variant in classes for entry in measured(variant.model_fields[key])]
        yield from _figures(tried)
        yield from _key(key, values.get(key, value), str(description), choices)


def _figures(tried: Sequence[Measured]) -> Iterator[str]:
    for heading, wanted in (("measured", False), ("experimental", True)):
        if entries := [f"{entry}, {entry.cost:g} times the time" for entry in tried if entry.experimental == wanted]:
            yield f"# {heading}: {'; '.join(entries)}"


def _key(name: str, value: object, description: str, choices: Sequence[str]) -> Iterator[str]:
    listed = f" ({' | '.join(map(json.dumps, choices))})" if choices else ""
    yield f"# {description}{listed}"
    yield f"{name} = {json.dumps(value)}"
