"""What options say of somebody else's models."""

from __future__ import annotations

from ner_distill.errors import ConfigError
from ner_distill.options.by_type import by_type
from ner_distill.options.models import ForeignOptions
from ner_distill.teacher.foreign.base import TypeMap
from ner_distill.teacher.foreign.opening import SURE, ForeignSettings


def foreign_settings(options: ForeignOptions) -> ForeignSettings:
    """The settings of somebody else's models. Raises ConfigError for what is wrong in them."""
    confidence = by_type("confidence", options.confidence, SURE)
    if found := confidence.problems("confidence", None, lambda p: 0 < p <= 1, "expected more than 0 and at most 1"):
        raise ConfigError.of(found)
    given = options.confidence != ()
    return ForeignSettings(TypeMap.of(options.map), tuple(options.types), confidence if given else None)
