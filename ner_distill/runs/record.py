"""What a directory was begun with: written when it begins, compared when it is resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from ner_distill.config import RunConfig, StudentConfig, TeacherConfig
from ner_distill.config.checks import unread
from ner_distill.data.formats.folders import expanded
from ner_distill.directories import OutputKind, Resume
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import read_json, sha256_of, write_json
from ner_distill.holding import hold
from ner_distill.options.shared import NEWER, ReadOptions
from ner_distill.places.objects import about, read_all
from ner_distill.places.urls import is_url, last_part
from ner_distill.runs.commit import same_checkpoint
from ner_distill.runs.info import RunInfo, read_config, read_info, write_config, write_info

Inputs = Mapping[str, Sequence[Mapping[str, Any]]]
"""Role of files → name, size and hash of each: see `fingerprints`."""
INPUTS = "inputs.json"
OF_CHECKPOINTS = ("encoder.name", "init.teacher")
"""Roles of files that a run begins with and has its own copy of in the end."""


class Record(Protocol):
    """What a directory is begun with. inputs: the files that are read for it."""

    @property
    def inputs(self) -> Inputs: ...

    def write(self, directory: Path) -> None:
        """Write it into a directory that was just made."""

    def require_same(self, directory: Path) -> None:
        """Raise NerDistillError where the directory was begun with something else."""


def open_directory(
    kind: OutputKind, directory: Path, record: Record, *, resume: Resume = False, overwrite: bool = False
) -> None:
    """Make a directory and write what it is begun with, or compare with that where it is resumed; and hold it.

    Raises NerDistillError as `OutputKind.check` does,
    where another process writes there, where what is resumed began otherwise, and where a file that is read would be
    removed.
    """
    if kind.resumes(directory, resume):
        kind.check(directory, resume=resume, overwrite=overwrite)
        hold(directory, kind.noun)
        record.require_same(directory)
        return
    if overwrite:
        require_outside(directory, record.inputs)
    kind.begin(directory, resume=resume, overwrite=overwrite)
    record.write(directory)


def require_outside(directory: Path, inputs: Inputs) -> None:
    """Raise ConfigError where one of the files that are read lies in a directory that is to be replaced."""
    home = directory.resolve()
    for role, files in inputs.items():
        for file in files:
            if not is_url(file["name"]) and Path(file["name"]).resolve().is_relative_to(home):
                raise ConfigError(
                    f"{file['name']}: is read (`{role}`), and `overwrite` would remove it with {directory}; move it "
                    "out of there, or choose another directory"
                )


@dataclass(frozen=True)
class RunRecord:
    """What the run of a teacher or a student is begun with."""

    config: TeacherConfig | StudentConfig
    info: RunInfo
    inputs: Inputs

    def write(self, directory: Path) -> None:
        write_config(directory, self.config)
        write_info(directory, self.info)
        write_json(directory / INPUTS, self.inputs)

    def require_same(self, directory: Path) -> None:
        known, info = read_info(directory), self.info
        if known.kind != info.kind:
            raise RunError(f"{directory}: is the run of a {known.kind}; train-{known.kind} can go on with it")
        require_same_config(directory, self.config)
        require_same_inputs(directory, self.inputs)
        if known != info:
            raise RunError(
                f"`resume`: {directory} began with the labels {', '.join(known.labels)} ({known.unit}), now they are "
                f"{', '.join(info.labels)} ({info.unit}); read the files as then (`format`, `scheme`, `tag_column`, "
                "`unit`)"
            )


@dataclass(frozen=True)
class RoundsRecord:
    """What a command of many trainings is begun with, in the one file that its kind of directory names.

    config: of all teachers. options: what else has to stay as it is.
    """

    kind: OutputKind
    config: TeacherConfig
    options: Mapping[str, Any]
    inputs: Inputs

    @property
    def format(self) -> str:
        return f"ner-distill/{self.kind.record[0].removesuffix('.json')}/1"

    def write(self, directory: Path) -> None:
        state = {"format": self.format, "options": dict(self.options), "inputs": dict(self.inputs)}
        write_json(directory / self.kind.record[0], state)
        write_config(directory, self.config)

    def require_same(self, directory: Path) -> None:
        path = directory / self.kind.record[0]
        before = read_json(path, f"there is no {self.kind.noun} to go on with")
        if not isinstance(before, dict) or before.get("format") != self.format:
            raise RunError(
                f"{path}: is not what {self.kind.command} wrote, or of another version; choose another directory"
            )
        old = before.get("options")
        if not isinstance(old, dict):
            raise RunError(f"{path}: is damaged; choose another directory")
        require_same_files(path, before.get("inputs"), self.inputs)
        require_same_values(old, self.options, self.kind.noun)
        if (directory / "config.toml").exists():
            require_same_config(directory, self.config, self.kind.noun)
        else:  # killed between the two files
            write_config(directory, self.config)


def fingerprints(paths: Sequence[Path | str]) -> list[dict[str, Any]]:
    """Name, size and hash of input files; of what is no file only the name.

    Of folders and patterns those of the files that they stand for, of a directory that is one source all in it. Of what
    is behind a URL its version in place of the hash.
    """
    prints: list[dict[str, Any]] = []
    for source in [source for given in paths for source in expanded(given).sources]:
        if is_url(source):
            prints.append(_print_of_url(source))
            continue
        path = Path(source)
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        for file in files:
            size, digest = (file.stat().st_size, _hashed(file)) if file.is_file() else (None, None)
            prints.append({"name": str(file), "size": size, "sha256": digest})
    return prints


def _hashed(file: Path) -> str:
    about = file.stat()
    return _hash_of(file, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=1_000)
def _hash_of(file: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, computed once for each size and time of change: trainings of a comparison share theirs."""
    return sha256_of(file)


def _print_of_url(url: str) -> dict[str, Any]:
    """Of text the version that its store gives it; of a store of soft labels the hash of its manifest, which has those
    of all else: a copy of it is the same store.
    """
    from ner_distill.data.store.manifest import MANIFEST  # with pyarrow, which answering needs none of

    if last_part(url) == MANIFEST:
        data = read_all(url)
        return {"name": url, "size": len(data), "sha256": sha256(data).hexdigest()}
    known = about(url)
    return {"name": url, "size": known.size, "sha256": None, "version": known.version}


def require_same_config(directory: Path, config: RunConfig, noun: str = "run") -> None:
    """Raise ConfigError listing each key whose value is not what `config.toml` says.

    An `optim.precision` of "auto" is what the run began with, whatever the device is now, and an id of the hub is the
    commit that it was. Keys that nothing reads are as good as any other: earlier versions took them.
    """
    begun = read_config(directory, type(config))
    before, now = (flattened(one.model_dump()) for one in (begun, config))
    if now["optim.precision"] == "auto":
        del now["optim.precision"]
    for key, _ in unread(begun):
        now.pop(key, None)
    if same_checkpoint(before["encoder.name"], now["encoder.name"]):
        del now["encoder.name"]
    require_same_values(before, now, noun)


def require_same_values(before: Mapping[str, Any], values: Mapping[str, Any], noun: str) -> None:
    """Raise ConfigError listing each of the values that was another.

    Of the newer options of reading files, what is not there is the default (`ReadOptions.recorded`). Of `unit` it may
    be what an earlier version took for words: what each run was begun with is compared anyway.
    """
    usual = {name: getattr(ReadOptions, name) for name in NEWER if name in before or name in values}
    if "unit" not in before:
        values = {name: value for name, value in values.items() if name != "unit"}
        usual.pop("unit", None)
    before, values = usual | dict(before), usual | dict(values)
    changes = [f"{key} was {before.get(key)!r}, now {new!r}" for key, new in values.items() if before.get(key) != new]
    if changes:
        raise ConfigError.of([f"`resume`: {change}; a {noun} goes on as it began" for change in changes])


def require_same_inputs(directory: Path, inputs: Inputs) -> None:
    """Compare with `inputs.json`; a run that was killed before it was written gets it now."""
    path = directory / INPUTS
    if path.exists():
        require_same_files(path, read_json(path, "the run is damaged"), inputs)
    else:
        write_json(path, inputs)


def require_same_files(path: Path, before: Any, inputs: Inputs) -> None:
    """Raise RunError naming the roles whose files are not those of before; `path` is where these are written."""
    try:
        old, new = (
            {
                role: [(file["size"], file["sha256"], file.get("version")) for file in files]
                for role, files in roles.items()
            }
            for roles in (before, inputs)
        )
    except (KeyError, TypeError, AttributeError):
        raise RunError(f"{path}: expected sizes and hashes of the input files; {path.parent} is damaged") from None
    # runs of earlier versions say nothing of these, and a checkpoint that is gone cannot be compared
    roles = [role for role in {**old, **new} if role not in OF_CHECKPOINTS or (old.get(role) and new.get(role))]
    if changed := [role for role in roles if old.get(role) != new.get(role)]:
        named = ", ".join(map(_named, changed))
        raise RunError(f"`resume`: the files of {named} are not those that {path.parent} began with; see {path}")


def _named(role: str) -> str:
    """Files as a message names them: by their setting, or by the keys or sections of the configuration."""
    if role == "knowledge":
        return "[lattice] and [features]"
    name, space, rest = role.partition(" ")  # `dictionary` PER
    return role if "." in role else f"`{name}`{space}{rest}"


def flattened(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
