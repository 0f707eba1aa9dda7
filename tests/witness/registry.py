"""What a case is, and all of them by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.witness.shell import Shell

Work = Callable[[Shell], object]


@dataclass(frozen=True)
class Case:
    """A small run of one command or several. What it leaves in its directory, and what is printed, is hashed.

    needs: cases whose outputs it reads. slots: processes that it keeps busy.
    first: is it better begun early, as it is long, or as others wait for it?
    """

    name: str
    work: Work
    needs: tuple[str, ...] = ()
    slots: int = 1
    first: bool = False


CASES: dict[str, Case] = {}


def case(*needs: str, slots: int = 1, first: bool = False, name: str = "") -> Callable[[Work], Work]:
    """The function is a case, named as it is if nothing else is said; all need the data, most nothing more."""

    def add(work: Work) -> Work:
        own = name or work.__name__.replace("_", "-")
        assert own not in CASES, own
        CASES[own] = Case(own, work, needs or ("data",), slots, first)
        return work

    return add


def each(settings: Mapping[str, tuple[str, ...]], *needs: str) -> Callable[[Callable[..., object]], None]:
    """A case for each name and its settings, of a function that is called with a shell and these as `keys`."""

    def add(work: Callable[..., object]) -> None:
        for name, keys in settings.items():
            case(*needs, name=name)(lambda sh, keys=keys: work(sh, keys))

    return add
