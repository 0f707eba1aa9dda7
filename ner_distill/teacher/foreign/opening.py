"""Which kinds of foreign teachers there are, and how each is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ner_distill.errors import ConfigError
from ner_distill.options.by_type import ByType
from ner_distill.teacher.foreign.base import SURE, ForeignTeacher, TypeMap


@dataclass(frozen=True)
class ForeignSettings:
    """What the user says of foreign teachers.

    map:        their types → ours.
    types:      that a model which takes any types is asked for.
    confidence: of answers without a score, by their types; None: as it is estimated, or SURE.
    """

    map: TypeMap = field(default_factory=lambda: TypeMap({}))
    types: Sequence[str] = ()
    confidence: ByType[float] | None = None


def _hf(place: str, settings: ForeignSettings) -> ForeignTeacher:
    from ner_distill.teacher.foreign.hf import HuggingFaceTeacher

    return HuggingFaceTeacher.load(place, settings.map.given)


def _spacy(place: str, settings: ForeignSettings) -> ForeignTeacher:
    from ner_distill.teacher.foreign.spacy_pipeline import SpacyTeacher

    return SpacyTeacher.load(place)


def _gliner(place: str, settings: ForeignSettings) -> ForeignTeacher:
    from ner_distill.teacher.foreign.gliner import GlinerTeacher

    return GlinerTeacher.load(place, settings.types)


def _answers(place: str, settings: ForeignSettings) -> ForeignTeacher:
    from ner_distill.teacher.foreign.answers import AnswersTeacher

    return AnswersTeacher.load(place, settings.confidence)


KINDS: Mapping[str, Callable[[str, ForeignSettings], ForeignTeacher]] = {
    "hf": _hf,
    "spacy": _spacy,
    "gliner": _gliner,
    "answers": _answers,
}


__all__ = ["KINDS", "SURE", "ForeignSettings", "foreign_source", "open_foreign"]


def foreign_source(text: str) -> tuple[str, str] | None:
    """(kind, place) of `KIND:PLACE`; None where it names no kind."""
    kind, colon, place = text.partition(":")
    return (kind, place) if colon and kind in KINDS else None


def open_foreign(kind: str, place: str, settings: ForeignSettings) -> ForeignTeacher:
    """The teacher at a place. Raises ConfigError where it cannot be had, DataError for a file that is wrong."""
    if not place:
        raise ConfigError(f"{kind}: expected a directory, a name or a file behind {kind}:")
    return KINDS[kind](place, settings)
