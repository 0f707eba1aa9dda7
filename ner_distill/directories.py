"""Output directories: the one way to make, resume and refuse them.

Every command that writes a directory describes it as an `OutputKind`. Such a directory is `absent` until the files
that record what it was begun with are there, then `begun`, and at last `finished`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ner_distill.errors import ConfigError, RunError
from ner_distill.files import remove_temporary_files, require_no_way_out, temporary_files, write_error
from ner_distill.holding import hold

OF_DESKTOPS = (".DS_Store", "Thumbs.db", ".ipynb_checkpoints")
"""Names that desktops and notebooks make wherever somebody looks: they do not count."""
State = Literal["absent", "begun", "finished"]
Resume = bool | Literal["auto"]
"""Go on with what is there. "auto": if it was begun, else begin; for directories inside one that a command made."""


@dataclass(frozen=True)
class OutputKind:
    """The directories that a command writes.

    command:    its name, for messages. noun: what it writes: "voting", say.
    record:     the files that say what a directory was begun with; all of them are there once it is.
    last:       the file that is written last; "" where a directory is never finished for good.
    contents:   the pattern of the other names that the command makes, and may remove again; None: all names.
    inside:     of directories among them in which people put files too: the pattern of the names in them.
    beside:     names in the directory that are left as they are and do not count.
    can_resume, can_overwrite: whether the command has these settings.
    recognised: looks into the record: is this really of this kind?
    removable:  looks at an entry of a name that the command makes: is it still what the command made, not a person?
    """

    command: str
    noun: str
    record: tuple[str, ...]
    last: str = ""
    contents: str | None = None
    inside: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    can_resume: bool = True
    can_overwrite: bool = True
    recognised: Callable[[Path], bool] = lambda directory: True
    removable: Callable[[Path], bool] = lambda entry: True

    def state(self, directory: Path) -> State:
        if not all((directory / name).is_file() for name in self.record):
            return "absent"
        return "finished" if self.last and (directory / self.last).is_file() else "begun"

    def resumes(self, directory: Path, resume: Resume) -> bool:
        """Returns whether a training with this setting goes on with what is there."""
        return self.state(directory) != "absent" if resume == "auto" else resume

    def check(self, directory: Path, *, resume: Resume = False, overwrite: bool = False) -> None:
        """Raise NerDistillError where `make`, or resuming, would have to be refused. Changes nothing."""
        if resume and overwrite:
            raise ConfigError(f"`resume` goes on with a {self.noun}, `overwrite` removes it: give one of them")
        if directory.exists() and not directory.is_dir():
            raise RunError(f"{directory}: is a file; expected the name of a directory to write the {self.noun} into")
        if resume is True and (missing := [name for name in self.record if not (directory / name).is_file()]):
            raise RunError(
                f"{directory / missing[0]}: not found; there is no {self.noun} to go on with; leave `resume` out"
            )
        if resume and directory.is_dir():
            require_no_way_out(directory, self.noun)
        names = sorted(path.name for path in self._entries(directory))
        if resume or not names:
            return
        whole = self.state(directory) != "absent" and self.recognised(directory)
        if not overwrite:
            ways = ["go on with it (`resume`)"] * self.can_resume + ["replace it (`overwrite`)"] * self.can_overwrite
            told = f"{', '.join(ways)}{' or ' * bool(ways)}" if whole else ""
            raise RunError(f"{directory}: exists and is not empty; {told}choose another directory")
        if not whole:
            raise RunError(
                f"{directory}: holds {', '.join(names[:5])}, which is no whole {self.noun} of {self.command}; "
                "`overwrite` does not remove that; choose another directory"
            )
        made = re.compile(".*" if self.contents is None else self.contents, re.DOTALL)
        own = [name for name in names if name in (*self.record, self.last) or made.fullmatch(name)]
        if edited := [name for name in own if not self.removable(directory / name)]:
            raise RunError(
                f"{directory / edited[0]}: was edited, and `overwrite` does not remove what a person wrote; "
                "move it away or remove it, or choose another directory"
            )
        if others := [*sorted({*names} - {*own}), *self._others_inside(directory)]:
            raise RunError(
                f"{directory}: holds {', '.join(others[:5])} that {self.command} did not make; `overwrite` does not "
                "remove that"
            )

    def make(self, directory: Path, *, resume: Resume = False, overwrite: bool = False) -> None:
        """Make the directory, or empty it. Raises as `check` does, and where it cannot be made.

        resume: "auto" keeps what is in a directory that was not begun yet.
        """
        self.check(directory, resume=resume, overwrite=overwrite)
        try:
            entries = self._entries(directory) if overwrite else []
            for entry in sorted(entries, key=lambda entry: entry.name in self.record):  # a kill leaves the record
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            directory.mkdir(parents=True, exist_ok=True)
            remove_temporary_files(directory)
        except OSError as error:
            raise write_error(directory, error) from error

    def begin(self, directory: Path, *, resume: Resume = False, overwrite: bool = False) -> None:
        """As `make`, and keep other processes away from the directory: see `hold`."""
        self.check(directory, resume=resume, overwrite=overwrite)
        make_directory(directory)
        hold(directory, self.noun)
        self.make(directory, resume=resume, overwrite=overwrite)  # looks again: another process may have been faster

    def _others_inside(self, directory: Path) -> list[str]:
        """What lies in a directory of `inside` and is not the command's."""
        return [
            f"{name}/{entry.name}"
            for name, pattern in self.inside.items()
            if name.split("/")[0] not in self.beside and (directory / name).is_dir()
            for entry in sorted((directory / name).iterdir())
            if not re.fullmatch(pattern, entry.name, re.DOTALL)
            and entry.name not in OF_DESKTOPS
            and entry not in temporary_files(directory / name)
        ]

    def _entries(self, directory: Path) -> list[Path]:
        """Everything in the directory that counts; what interrupted writers left does not."""
        if not directory.is_dir():
            return []
        left, beside = temporary_files(directory), (*self.beside, *OF_DESKTOPS)
        return [entry for entry in directory.iterdir() if entry.name not in beside and entry not in left]


def remove_made(directory: Path, pattern: str) -> None:
    """Remove the entries of a directory whose whole names match the pattern, and the directory if that empties it.

    What cannot be removed stays. Symbolic links are removed, not what they lead to.
    """
    if not directory.is_dir():
        return
    left = temporary_files(directory)
    for entry in [*directory.iterdir()]:
        if entry in left or re.fullmatch(pattern, entry.name, re.DOTALL):
            with suppress(OSError):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    with suppress(OSError):
        directory.rmdir()


def make_directory(directory: Path) -> None:
    """Make a directory and those above it. Raises NerDistillError where that is not possible."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(directory, error) from error
