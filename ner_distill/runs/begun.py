"""What a command of many trainings was begun with: written when it begins, compared when it goes on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import temporary_files, write_error, write_json
from ner_distill.runs import runs


@dataclass(frozen=True)
class Kind:
    """Such a command. what: it does, "a voting", say. state: the file that says what that was begun with.

    own: a pattern of what the command makes beside that, config.toml, log.txt and summary.json, and may remove again.
    """

    command: str
    what: str
    state: str
    own: str

    @property
    def format(self) -> str:
        """Of the state."""
        return f"ner-distill/{self.state.removesuffix('.json')}/1"

    def made(self, name: str) -> bool:
        """Is something of this name what the command makes?"""
        return re.fullmatch(rf"config\.toml|log\.txt|summary\.json|{self.own}", name) is not None or name == self.state


def open_directory(
    of: Kind,
    out: Path,
    options: Mapping[str, Any],
    inputs: Mapping[str, Any],
    config: TeacherConfig,
    *,
    resume: bool,
    overwrite: bool,
) -> None:
    """Make the directory and write what is begun with, or compare with it.

    inputs: of each role the hashes of its files. config: of all teachers.
    Raises NerDistillError where something else is there, or where what is resumed began otherwise.
    """
    path = out / of.state
    if resume:
        before = runs.read_json(path, f"there is no {of.what} to go on with; leave --resume out")
        _require_same(of, path, before, options, inputs)
        if (out / "config.toml").exists():
            runs.require_same_config(out, config)
        else:  # killed between the two files
            runs.write_config(out, config)
        return
    left = temporary_files(out) if out.is_dir() else {}  # by a process that was killed as it wrote
    if out.exists() and (not out.is_dir() or any(entry not in left for entry in out.iterdir())):
        if not overwrite:
            raise RunError(
                f"{out}: exists and is not empty. Go on with it (--resume), replace it (--overwrite) or choose "
                "another --out"
            )
        foreign = ["something"]
        if path.is_file():
            foreign = sorted(entry.name for entry in out.iterdir() if entry not in left and not of.made(entry.name))
        if foreign:
            raise RunError(
                f"{out}: holds {', '.join(foreign[:5])} that {of.command} did not make; --overwrite does not remove "
                "that"
            )
        shutil.rmtree(out)
    for path_left in left:
        path_left.unlink(missing_ok=True)
    make_directory(out)
    state = {"format": of.format, "options": dict(options), "inputs": dict(inputs)}
    write_json(path, state)
    runs.write_config(out, config)


def _require_same(of: Kind, path: Path, before: Any, options: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    if not isinstance(before, dict) or before.get("format") != of.format:
        raise RunError(f"{path}: is not what {of.command} wrote, or of another version; choose another --out")
    try:
        was = dict(before["options"])
        old, new = (
            {role: [(file["size"], file["sha256"]) for file in files] for role, files in one.items()}
            for one in (before["inputs"], inputs)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError(f"{path}: is damaged; choose another --out") from None
    if other := [role for role in {**old, **new} if old.get(role) != new.get(role)]:
        named = ", ".join(role if "." in role or role == "knowledge" else f"--{role}" for role in other)
        raise RunError(f"--resume: the files of {named} are not those that {path.parent} began with; see {path}")
    changed = [f"{key} was {was.get(key)!r}, now {value!r}" for key, value in options.items() if was.get(key) != value]
    if changed:
        raise ConfigError.of([f"--resume: {change}; a {of.what} goes on as it began" for change in changed])


def make_directory(directory: Path) -> None:
    """With what is above it. Raises NerDistillError where that is not possible."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(directory, error) from error
