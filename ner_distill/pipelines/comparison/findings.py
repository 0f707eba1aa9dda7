"""The results of a verdict: figures of every run, sizes and speeds, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner_distill.errors import RunError
from ner_distill.files import read_json
from ner_distill.pipelines.comparison.figures import Comparison, Spread, comparison_of

FORMAT = 1
FILE = "verdict.json"
TEACHER = "teacher"
WAYS = {"gold": "gold alone", "hard": "hard labels", "soft": "soft labels", "soft-gold": "soft and gold"}
"""Way → what a student learns from."""
DISTILLED = ("soft", "soft-gold")


@dataclass(frozen=True)
class Cost:
    """What a model takes on one thread of the CPU.

    megabytes: of its files, weights and vocabulary, 10^6 bytes. single, batched: sentences a second, one at a time and
    32 at once.
    """

    megabytes: float
    single: float
    batched: float


@dataclass(frozen=True)
class Gain:
    """What distillation gave a student, in F1, over another row.

    way:    of the WAYS that use soft labels the better one on the development set.
    spread: of the differences seed by seed.
    """

    student: str
    way: str
    over: str
    spread: Spread

    @property
    def within_noise(self) -> bool | None:
        """Is the difference smaller than its deviation over the seeds? None where one seed does not tell."""
        return None if self.spread.deviation is None else abs(self.spread.mean) < self.spread.deviation


@dataclass(frozen=True)
class Verdict:
    """The rows are the teacher and `STUDENT-WAY` of each student and way.

    test:  files that all are scored on; () where the development set is all there is.
    costs: row → cost, of those that were measured.
    """

    comparison: Comparison
    students: tuple[str, ...]
    test: tuple[str, ...]
    costs: Mapping[str, Cost]

    @property
    def tested(self) -> bool:
        return bool(self.test)

    def front(self) -> list[str]:
        """The rows of which no other is both as small and as good, and better in one: size against F1."""
        summaries = {one.name: one.test if self.tested else one.dev for one in self.comparison.summaries()}
        points = {
            name: (self.costs[name].megabytes, -f1.mean) for name, f1 in summaries.items() if f1 and name in self.costs
        }
        return [
            name
            for name, own in points.items()
            if not any(other != own and other[0] <= own[0] and other[1] <= own[1] for other in points.values())
        ]

    def gains(self) -> Iterator[Gain]:
        """Of each student over gold alone, over hard labels, and over the teacher, as far as there are runs."""
        dev = {one.name: one.dev.mean for one in self.comparison.summaries() if one.dev}
        for student in self.students:
            ways = [way for way in DISTILLED if f"{student}-{way}" in dev]
            if not ways:
                continue
            way = max(ways, key=lambda way: dev[f"{student}-{way}"])
            for over in (f"{student}-gold", f"{student}-hard", TEACHER):
                if spread := self.comparison.gain(f"{student}-{way}", over, test=self.tested):
                    yield Gain(student, way, over, spread)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.comparison.to_json(),
            "students": list(self.students),
            "test": list(self.test),
            "costs": {name: asdict(cost) for name, cost in self.costs.items()},
            "front": self.front(),
            "gains": [asdict(gain) | {"within_noise": gain.within_noise} for gain in self.gains()],
        }


def read_verdict(out: Path) -> Verdict:
    """Returns the verdict that a directory holds, as far as it has come. Raises RunError where there is none."""
    path = out / FILE
    data = read_json(path, "this is not a directory of `ner-distill verdict`")
    comparison = comparison_of(path, data, "verdict")
    try:
        costs = {name: Cost(**cost) for name, cost in data["costs"].items()}
        return Verdict(comparison, tuple(data["students"]), tuple(data["test"]), costs)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not as it was written ({error!r}); go on with the verdict (`resume`)") from None
