"""Who answers together: teachers that tag, teachers that compare words, and how much each of them weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ner_distill.errors import ConfigError
from ner_distill.options.by_type import ByType
from ner_distill.pipelines.labelling.voices import Voice

PLACES = 6
"""Decimal places of a weight, in use as in the manifest."""


@dataclass(frozen=True)
class Weights:
    """How much each of several teachers weighs.

    general:  of each teacher. They sum to 1; of a plain mean each is 1.
    of_types: types that have weights of their own → of each teacher, which sum to 1.
    """

    general: tuple[float, ...]
    of_types: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, numbers: Sequence[float], of_types: Mapping[str, Sequence[float]] | None = None) -> Weights:
        """From numbers of any sum above 0. Equal ones, without others for types, are a plain mean."""
        if len(set(numbers)) == 1 and not of_types:
            return cls((1.0,) * len(numbers))
        return cls(_normalised(numbers), {label: _normalised(own) for label, own in (of_types or {}).items()})

    @property
    def plain(self) -> bool:
        return len(set(self.general)) == 1 and not self.of_types

    def one(self, number: int) -> ByType[float]:
        """Those of one teacher."""
        return ByType(self.general[number], {label: own[number] for label, own in self.of_types.items()})

    def recorded(self, name: str) -> dict[str, tuple[float, ...]]:
        """As the settings of a store say it: `NAME`, and `NAME TYPE` for types with their own; nothing of a mean."""
        if self.plain:
            return {}
        return {name: self.general, **{f"{name} {label}": own for label, own in self.of_types.items()}}


def _normalised(numbers: Sequence[float]) -> tuple[float, ...]:
    greatest = max(numbers)
    scaled = [number / greatest for number in numbers]  # the sum of the largest floats is infinite
    return tuple(round(number / sum(scaled), PLACES) for number in scaled)


@dataclass(frozen=True)
class Member:
    """A teacher of a panel.

    weights:    of its tags and spans, for all types and others for some; O has that for all. None: it does not tag.
    similarity: the weight of its similarities; None: it does not compare.
    temperature: of its tag probabilities, p^(1/T); 1 leaves them as they are.
    """

    voice: Voice
    weights: ByType[float] | None
    similarity: float | None = None
    temperature: float = 1.0


@dataclass(frozen=True)
class Panel:
    """Teachers that answer with one voice; see `Labeller`."""

    members: tuple[Member, ...]

    @classmethod
    def of(
        cls,
        teachers: Sequence[Voice],
        weights: Weights | None = None,
        evaluators: Sequence[Voice] = (),
        evaluator_weights: Weights | None = None,
    ) -> Panel:
        """Teachers that tag, and evaluators, which alone compare. Without any those teachers compare that can.

        A teacher that is an evaluator as well (the same object) is one member. Raises ConfigError where labels or units
        differ, and where an evaluator cannot compare.
        """
        require_alike(teachers, evaluators)
        weights = weights or Weights.of([1.0] * len(teachers))
        tagging = [Member(voice, weights.one(number)) for number, voice in enumerate(teachers)]
        if not evaluators:
            return cls(
                tuple(
                    Member(one.voice, one.weights, _compared(one.voice, weights.general[number]))
                    for number, one in enumerate(tagging)
                )
            )
        if silent := [one for one in evaluators if one.similarity is None]:
            raise ConfigError(
                f"`evaluator`: {len(silent)} of {len(evaluators)} cannot compare words (trained with similarity.weight "
                "0); give runs with a similarity"
            )
        own = evaluator_weights or Weights.of([1.0] * len(evaluators))
        numbers = {id(voice): _compared(voice, own.general[number]) for number, voice in enumerate(evaluators)}
        known = {id(voice) for voice in teachers}
        both = [Member(one.voice, one.weights, numbers.get(id(one.voice))) for one in tagging]
        more = [Member(one, None, numbers[id(one)]) for one in evaluators if id(one) not in known]
        return cls((*both, *more))

    @property
    def labels(self) -> tuple[str, ...]:
        return self.members[0].voice.labels

    @property
    def tagging(self) -> list[Member]:
        return [member for member in self.members if member.weights is not None]

    @property
    def comparing(self) -> list[Member]:
        return [member for member in self.members if member.similarity is not None]

    def calibrated(self) -> Panel:
        """The panel, in which each teacher that tags has its temperature. Raises ConfigError where one has none."""
        return Panel(
            tuple(
                replace(one, temperature=one.voice.temperature()) if one.weights is not None else one
                for one in self.members
            )
        )

    def statement(self, *, compares: bool) -> tuple[str, str]:
        """What two words must share to be alike, and the scale of how alike they are; ("type", "learned") of nobody.

        compares: whether there are pairs. Then ConfigError is raised where two members say different things.
        """
        said = {one.voice.similarity for one in self.comparing if one.voice.similarity is not None}
        if len(said) > 1 and compares:
            found = " and ".join(f'"{target}", scale "{scale}"' for target, scale in sorted(said))
            raise ConfigError(
                f"`teacher`: their similarities say different things: similarity.target {found}; give those of one "
                "kind as `evaluator`, or `pairs_per_sentence` 0"
            )
        return said.pop() if len(said) == 1 else ("type", "learned")


def require_alike(teachers: Sequence[Voice], evaluators: Sequence[Voice] = ()) -> None:
    """Raise ConfigError where a teacher or an evaluator has other labels, or another unit, than the first teacher.

    A model whose unit nobody knows takes the words that it is given.
    """
    every = [*teachers, *evaluators]
    first, unit = every[0], next((one.unit for one in every if one.unit is not None), None)
    for setting, others in (("teacher", teachers), ("evaluator", evaluators)):
        for other in others:
            if other.labels != first.labels or other.unit not in (None, unit):
                raise ConfigError(
                    f"`{setting}`: all need the same labels and unit; "
                    f"the first teacher has {', '.join(first.labels)} ({unit}), "
                    f"another {', '.join(other.labels)} ({other.unit})"
                )


def _compared(voice: Voice, weight: float) -> float | None:
    return weight if voice.similarity is not None and weight > 0 else None
