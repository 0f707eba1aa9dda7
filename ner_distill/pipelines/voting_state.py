"""What a voting was begun with: written when it begins, compared when it goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.data.readers import resumable
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import atomic_write_text, write_error
from ner_distill.pipelines import runs

STATE = "voting.json"
OWN = (STATE, "config.toml", "log.txt", "folds", "cleaned.jsonl", "votes.jsonl", "summary.json")
"""What this command makes in its directory, and may remove again."""
FORMAT = "ner-distill/votes/1"


def plain(config: TeacherConfig) -> dict[str, Any]:
    """As JSON has it: what was read from a file equals what is written to one."""
    return dict(json.loads(json.dumps(config.model_dump())))


def open_voting(
    out: Path, state: dict[str, Any], train: Sequence[str | Path], *, resume: bool, overwrite: bool
) -> None:
    """Make the directory and write what the folds are begun with, or compare with it.

    state: `format` (of this module), `settings`, `config` (as `plain` gives it), `inputs` (hashes of files).
    Raises NerDistillError where something else is there, or where what is resumed began otherwise.
    """
    path = out / STATE
    if resume and overwrite:
        raise ConfigError("--resume goes on with a voting, --overwrite removes it: give one of them")
    if resume:
        resumable(train)
        before = runs.read_json(path, "there is no voting to go on with; leave --resume out")
        _require_same(path, before, state)
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not overwrite:
            raise RunError(
                f"{out}: exists and is not empty. Go on with it (--resume), replace it (--overwrite) or choose "
                "another --out"
            )
        if not path.is_file():
            raise RunError(f"{out}: holds something that vote-labels did not make; --overwrite does not remove that")
        foreign = sorted(entry.name for entry in out.iterdir() if entry.name not in OWN)
        if foreign:
            raise RunError(
                f"{out}: holds {', '.join(foreign[:5])}, which vote-labels did not make and --overwrite does not "
                "remove; move it away first"
            )
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(out, error) from error
    atomic_write_text(path, json.dumps(state, ensure_ascii=False, indent=1) + "\n")


def _require_same(path: Path, before: Any, state: dict[str, Any]) -> None:
    if not isinstance(before, dict) or before.get("format") != FORMAT:
        raise RunError(f"{path}: is not what vote-labels wrote, or of another version; choose another --out")
    try:
        files = [
            {role: [(file["size"], file["sha256"]) for file in some] for role, some in one["inputs"].items()}
            for one in (before, state)
        ]
        pairs = [*zip(_flat(before["settings"]).items(), _flat(state["settings"]).items(), strict=True)]
        pairs += zip(_flat(before["config"]).items(), _flat(state["config"]).items(), strict=True)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError(f"{path}: is damaged, or of another version; choose another --out") from None
    if other := [role for role in {**files[0], **files[1]} if files[0].get(role) != files[1].get(role)]:
        named = ", ".join("--train" if role == "train" else role for role in other)
        raise RunError(f"--resume: the files of {named} are not those that {path.parent} began with; see {path}")
    changed = [f"{key} was {old!r}, now {new!r}" for (key, old), (_, new) in pairs if old != new]
    if changed:
        raise ConfigError.of([f"--resume: {change}; the folds go on as they began" for change in changed])


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
