"""Configurations that come with the package, each a TOML file in `presets/` with a table for each kind of training."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from ner_distill.errors import ConfigError, closest

PREFIX = "preset:"
KINDS = ("teacher", "student")
"""The kinds of training that presets are for."""
_FOLDER = Path(__file__).parent / "presets"
PRESETS = ("default", *sorted(file.stem for file in _FOLDER.glob("*.toml") if file.stem != "default"))


def preset_named(file: Path | None) -> str | None:
    """The name in `preset:NAME`; None for what is a file."""
    return str(file).removeprefix(PREFIX) if file is not None and str(file).startswith(PREFIX) else None


def preset_text(name: str) -> str:
    """The file of a preset. Raises ConfigError where there is none of this name."""
    if name not in PRESETS:
        close = closest(name, PRESETS)
        meant = f"did you mean {PREFIX}{close}? " if close else ""
        raise ConfigError(f"{PREFIX}{name}: no such preset; {meant}There are {', '.join(PRESETS)}")
    return (_FOLDER / f"{name}.toml").read_text("utf-8")


def preset_data(name: str, kind: str) -> dict[str, Any]:
    """What a preset sets for a kind of training. Raises ConfigError where there is none, or none for this kind."""
    data = tomllib.loads(preset_text(name))
    if kind not in KINDS:
        raise ConfigError(f"{PREFIX}{name}: presets are for {' and '.join(KINDS)}, not for {kind}; give a file")
    table: dict[str, Any] = data.get(kind, {})
    return table


def about_preset(name: str) -> list[str]:
    """The lines of comment at the head of its file."""
    lines = preset_text(name).splitlines()
    return lines[: next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))]
