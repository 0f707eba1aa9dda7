"""Run directories: made without overwriting anything, read without running anything.

config.toml        the whole resolved configuration
labels.json        what the run is: teacher or student, labels in order, unit, format version
inputs.json        the files it was trained on, with sizes and hashes
model.safetensors  weights; tokenizer or vocabulary files beside it (a pretrained teacher's under encoder/)
metrics.json       final figures;  metrics.jsonl, tensorboard/  the figures of every epoch
checkpoints/       what --resume goes on from;  log.txt  what was said
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomli_w

from ner_distill.config import Config, StudentConfig, TeacherConfig, parse_config
from ner_distill.data.sentence import Unit
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import atomic_write_text, sha256_of, temporary_files, write_error, write_json

FORMAT = 1
Kind = Literal["teacher", "student"]


@dataclass(frozen=True)
class RunInfo:
    """What `labels.json` says."""

    kind: Kind
    unit: Unit
    labels: tuple[str, ...]

    @property
    def tagset(self) -> TagSet:
        """The tags of these labels."""
        return TagSet(self.labels)


def check_out(directory: Path, *, resume: bool, overwrite: bool, beside: Sequence[str] = ()) -> None:
    """Could `open_run` do its work? Changes nothing. beside: names in the directory that are nobody's business here.

    Raises RunError where the directory holds something and neither flag is given, where `overwrite` would remove
    what is no run, or where there is nothing to resume.
    """
    if resume and overwrite:
        raise ConfigError("--resume goes on with a run, --overwrite removes it: give one of them")
    if directory.exists() and not directory.is_dir():
        raise RunError(f"{directory}: is a file; expected the name of a directory to write the run into")
    occupied = bool(_others(directory, beside))
    if resume and not ((directory / "labels.json").is_file() and (directory / "config.toml").is_file()):
        raise RunError(f"{directory}: no run to resume here (config.toml and labels.json expected); leave --resume out")
    if occupied and not resume and not overwrite:
        raise RunError(
            f"{directory}: exists and is not empty. Go on with it (--resume), replace it (--overwrite) "
            "or choose another --out"
        )
    if occupied and overwrite and not _is_run(directory):
        raise RunError(
            f"{directory}: holds something that is not a run of ner-distill; --overwrite does not remove that"
        )


def _is_run(directory: Path) -> bool:
    """Is all of this ours to remove? Others have a labels.json and a config.toml as well, so look inside."""
    try:
        read_info(directory)
    except RunError:
        return False
    return (directory / "config.toml").is_file()


def _others(directory: Path, beside: Sequence[str]) -> list[Path]:
    """What is in the directory, if there is one, but for these names and for what interrupted writers left."""
    if not directory.is_dir():
        return []
    left = temporary_files(directory)
    return [entry for entry in directory.iterdir() if entry.name not in beside and entry not in left]


def open_run(directory: Path, *, resume: bool, overwrite: bool, beside: Sequence[str] = ()) -> None:
    """Make the directory of a run, or enter one. Raises as `check_out` does, and where it cannot be made."""
    check_out(directory, resume=resume, overwrite=overwrite, beside=beside)
    if resume:
        return
    try:
        for entry in [*_others(directory, beside), *(temporary_files(directory) if directory.is_dir() else ())]:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(directory, error) from error


def write_info(directory: Path, info: RunInfo) -> None:
    """Write `labels.json`."""
    data = {"format": FORMAT, "kind": info.kind, "unit": info.unit, "labels": info.labels}
    write_json(directory / "labels.json", data)


def read_info(directory: Path) -> RunInfo:
    """Read `labels.json`. Raises RunError where this is no run or one of a newer format."""
    path = directory / "labels.json"
    data = read_json(path, "this is not a run of ner-distill")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else data
        raise RunError(f"{path}: expected a run of format {FORMAT}, found {found!r}")
    kind, unit, labels = data.get("kind"), data.get("unit"), data.get("labels")
    if kind not in ("teacher", "student") or unit not in ("word", "character"):
        raise RunError(
            f"{path}: expected kind teacher or student and unit word or character, found {kind!r} and {unit!r}"
        )
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise RunError(f"{path}: expected a list of labels, found {labels!r}")
    return RunInfo(kind, unit, tuple(labels))


def read_json(path: Path, missing: str) -> Any:
    """A JSON file of a run. Raises RunError naming the file; `missing` says what its absence means."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path}: not found; {missing}") from None
    except (ValueError, OSError) as error:
        raise RunError(f"{path}: cannot be read as JSON ({error}); the run is damaged") from None


def write_config(directory: Path, config: TeacherConfig | StudentConfig) -> None:
    """Write the resolved configuration as TOML."""
    atomic_write_text(directory / "config.toml", tomli_w.dumps(config.model_dump()))


def read_config(directory: Path, kind: type[Config]) -> Config:
    """The configuration of a run, checked as any file is."""
    path = directory / "config.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: not found; this is not a run of ner-distill") from None
    except (ValueError, OSError) as error:
        raise RunError(f"{path}: cannot be read ({error}); the run is damaged") from None
    return parse_config(kind, data, str(path))


def require_same_config(directory: Path, config: Config) -> None:
    """On resume: raises ConfigError listing each key whose value is not what the run began with."""
    old = _flat(read_config(directory, type(config)).model_dump())
    new = _flat(config.model_dump())
    changed = [f"{key} was {old.get(key)!r}, now {value!r}" for key, value in new.items() if old.get(key) != value]
    if changed:
        raise ConfigError.of([f"--resume: {change}; a run goes on as it began" for change in changed])


def fingerprints(paths: Sequence[Path | str]) -> list[dict[str, Any]]:
    """Name, size and hash of input files (of all files in a directory; only the name of what is no file)."""
    found: list[dict[str, Any]] = []
    for path in map(Path, paths):
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        for file in files:
            size, digest = (file.stat().st_size, sha256_of(file)) if file.is_file() else (None, None)
            found.append({"name": str(file), "size": size, "sha256": digest})
    return found


def check_inputs(directory: Path, inputs: dict[str, list[dict[str, Any]]], *, resume: bool) -> None:
    """Write `inputs.json`, or on resume compare with it. Raises RunError naming the option whose files changed."""
    path = directory / "inputs.json"
    if not resume or not path.exists():
        write_json(path, inputs)
        return
    before = read_json(path, "the run is damaged")
    for role, files in inputs.items():
        try:
            old = [(file["size"], file["sha256"]) for file in before[role]]
        except (KeyError, TypeError):
            raise RunError(f"{path}: expected sizes and hashes of the files of {role}; the run is damaged") from None
        if old != [(file["size"], file["sha256"]) for file in files]:
            named = f"files of {role}" if "." in role else f"--{role} files"
            named = "files of [lattice] and [features]" if role == "knowledge" else named
            raise RunError(f"--resume: the {named} are not those that {directory} began with; see {path}")


def begin(
    directory: Path,
    config: TeacherConfig | StudentConfig,
    info: RunInfo,
    inputs: dict[str, Any],
    *,
    overwrite: bool,
    beside: Sequence[str] = (),
) -> None:
    """Make the directory of a new run, and write what is known before it trains. Raises as `open_run` does."""
    open_run(directory, resume=False, overwrite=overwrite, beside=beside)
    write_config(directory, config)
    write_info(directory, info)
    check_inputs(directory, inputs, resume=False)


def require_same(directory: Path, config: Config, info: RunInfo, inputs: dict[str, Any]) -> None:
    """On resume: raises NerDistillError where kind, configuration, inputs or labels are not what the run began with."""
    known = read_info(directory)
    if known.kind != info.kind:
        raise RunError(f"{directory}: is the run of a {known.kind}: train-{known.kind} --resume goes on with it")
    require_same_config(directory, config)
    check_inputs(directory, inputs, resume=True)
    if known != info:
        raise RunError(
            f"--resume: {directory} began with the labels {', '.join(known.labels)} ({known.unit}), now they are "
            f"{', '.join(info.labels)} ({info.unit}); read the files as then (--format, --scheme, --tag-column)"
        )


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def open_workspace(directory: Path, *, overwrite: bool) -> None:
    """Make a directory that several commands will write into.

    Raises RunError where it holds something; `overwrite` removes it only if it is a workspace made here.
    """
    mark = directory / ".ner-distill-workspace"
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        if not overwrite:
            raise RunError(
                f"{directory}: exists and is not empty; choose another directory, or replace it (--overwrite)"
            )
        if not mark.is_file():
            raise RunError(
                f"{directory}: holds something that this command did not make; --overwrite does not remove that"
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    mark.touch()
