"""The configurations of a comparison: files, presets, and variants of the first of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ner_distill.config import Config, StudentConfig, TeacherConfig, load_config
from ner_distill.config.presets import preset_named
from ner_distill.errors import ConfigError, NerDistillError
from ner_distill.options.training import CompareOptions, VerdictOptions
from ner_distill.pipelines.comparison.figures import FILE


class _ConfigSource(NamedTuple):
    """A configuration to be read: where the user named it, its file, and the keys changed in it."""

    name: str
    where: str
    file: Path | None
    changes: tuple[str, ...] = ()


def read_configurations(options: CompareOptions) -> dict[str, TeacherConfig] | dict[str, StudentConfig]:
    """Returns name → configuration, in order: a configuration has the name of its file or preset, or of its variant.

    A variant is `NAME:key=value,key=value`: the first file, or without files the defaults, with these keys changed.
    Raises ConfigError with the problems of all of them.
    """
    sources = [_source(str(file)) for file in options.configs]
    sources += [_variant(variant, sources[0].file if options.configs else None) for variant in options.variant]
    problems = [] if sources else ["nothing to compare: expected configuration files, or `variant` NAME:key=value"]
    if options.of_students:
        return _read(StudentConfig, sources, options.set, problems)
    return _read(TeacherConfig, sources, options.set, problems)


def read_students(options: VerdictOptions) -> dict[str, StudentConfig]:
    """Returns name → configuration of the students of a verdict, in order. Raises ConfigError as above."""
    specs = [part.strip() for text in options.students for part in text.split(",") if part.strip()]
    problems = [] if specs else ["`students`: expected configuration files or preset:NAME"]
    try:
        return _read(StudentConfig, [_source(spec) for spec in specs], options.student_set, problems)
    except ConfigError as error:
        own = tuple(f"`set` {change}" for change in options.student_set)
        lines = [
            line.replace("`set`", "`student_set`", 1) if line.startswith(own) else line for line in problems_of(error)
        ]
        raise ConfigError.of(lines) from None


def _source(spec: str) -> _ConfigSource:
    """A file, or `preset:NAME`."""
    file = Path(spec)
    return _ConfigSource(preset_named(file) or file.stem, spec, file)


def _read(
    kind: type[Config], sources: Sequence[_ConfigSource], settings: Sequence[str], problems: Iterable[str]
) -> dict[str, Config]:
    """problems: what was found before. Raises ConfigError with all of them."""
    problems = list(problems)
    changes = [*settings, *(change for source in sources for change in source.changes)]
    if any(change.partition("=")[0].strip() == "seed" for change in changes):
        problems.append("seed cannot be set: `seeds` says with which seeds each configuration is trained")
    configs: dict[str, Config] = {}
    seen: dict[str, str] = {}
    for source in sources:
        name, where = source.name, source.where
        if name in seen:
            problems.append(
                f"two configurations have the name {name}: {seen[name]} and {where}; runs lie in a directory of that "
                "name: rename one of them"
            )
        if not re.fullmatch(r"[\w+=-][\w+=. -]*", name) or name == FILE:
            problems.append(f"{where}: {name!r} cannot name a directory; expected letters, digits and . _ + = -")
        seen[name] = where
        try:
            configs[name] = load_config(kind, source.file, [*settings, *source.changes], alone=len(sources) == 1)
        except ConfigError as error:
            own = tuple(f"`set` {change}" for change in source.changes)
            problems += [
                f"{where}: {line.removeprefix('`set` ')}" if line.startswith(own) else line
                for line in problems_of(error)
            ]
    if problems:
        raise ConfigError.of(dict.fromkeys(problems))
    return configs


def problems_of(error: NerDistillError) -> list[str]:
    """Returns the problems in a message of one, or of several under a heading."""
    lines = str(error).split("\n")
    return [line.removeprefix("  - ") for line in lines[1:]] or lines


def _variant(text: str, base: Path | None) -> _ConfigSource:
    name, colon, changes = (part.strip() for part in text.partition(":"))
    if not colon or not name:
        raise ConfigError(f"`variant` {text}: expected NAME:key=value,key=value")
    # a comma parts two settings where a key follows; in a list of values none does
    keys = re.split(r",(?=\s*\w+(?:\.\w+)*\s*=)", changes) if changes else []
    return _ConfigSource(name, f"`variant` {name}", base, tuple(keys))
