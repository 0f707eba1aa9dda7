"""A number for all types, and other numbers for some of them: `--threshold 0.9 --threshold PER=0.7`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ner_distill.errors import ConfigError

N = TypeVar("N", bound=float)
GivenByType = int | float | Sequence[str]
"""One number, or texts such as `"0.9"` (of all types) and `"PER=0.7"` (of one)."""


@dataclass(frozen=True)
class ByType(Generic[N]):
    """general: the number of each type that `of_types` does not have."""

    general: N
    of_types: Mapping[str, N]

    def of(self, label: str) -> N:
        return self.of_types.get(label, self.general)

    @property
    def values(self) -> list[N]:
        return [self.general, *self.of_types.values()]

    @property
    def plain(self) -> N | list[str]:
        """As a file records it: the number, or texts as they are given where types have their own."""
        return [text for text, _ in self._texts()] if self.of_types else self.general

    def problems(
        self,
        setting: str,
        labels: Sequence[str] | None,
        right: Callable[[N], bool],
        expected: str,
        whose: str = "the data has",
    ) -> list[str]:
        """What is wrong: numbers that are not `right`, and types that are none of the labels (None: not known yet).

        whose: how a message begins to name the labels.
        """
        found = [f"`{setting}` {text}: {expected}" for text, value in self._texts() if not right(value)]
        return found + [
            f"`{setting}` {label}={value}: no such type; {whose} {', '.join(labels)}"
            for label, value in self.of_types.items()
            if labels is not None and label not in labels
        ]

    def _texts(self) -> Iterator[tuple[str, N]]:
        yield str(self.general), self.general
        for label, value in self.of_types.items():
            yield f"{label}={value}", value


def by_type(setting: str, given: GivenByType, default: N) -> ByType[N]:
    """What was given for a setting; `default` where there is no number for all types.

    Raises ConfigError for what is neither a number nor TYPE=number, and for two numbers for one type.
    """
    kind, what = type(default), "a whole number" if isinstance(default, int) else "a number"
    numbers: dict[str, N] = {}
    problems = []
    for text in [str(given)] if isinstance(given, int | float | str) else map(str, given):
        label, equals, number = (part.strip() for part in text.rpartition("="))
        try:
            value = kind(number)
        except ValueError:
            problems.append(f"`{setting}` {text}: expected {what}, or TYPE={what.split()[-1]}")
            continue
        if equals and not label:
            problems.append(f"`{setting}` {text}: expected a type before =")
        elif numbers.get(label, value) != value and label in numbers:
            whose = label or "all types"
            problems.append(f"`{setting}` {text}: {numbers[label]} was given for {whose} before; give one of them")
        else:
            numbers[label] = value
    if problems:
        raise ConfigError.of(problems)
    general = numbers.pop("", default)
    return ByType(general, numbers)
