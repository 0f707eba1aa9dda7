"""The two files of a review: `votes.jsonl`, which its page is made of, and the decisions that the page exports."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ner_distill.data.formats.lines import check_file, lines_of
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Line = TypeVar("Line", bound="Record")
_NAMED = 5
"""Sentences that a message names before it says how many more there are."""


class Record(BaseModel):
    """A line of such a file, or a part of one."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SpanRecord(Record):
    """An entity as JSON Lines have it: the words `start_word` to `end_word`, half-open, and its type."""

    start_word: Annotated[int, Field(strict=True, ge=0)]
    end_word: Annotated[int, Field(strict=True)]
    label: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _has_a_word(self) -> SpanRecord:
        if self.start_word >= self.end_word:
            raise ValueError(f"start_word {self.start_word} must be below end_word {self.end_word}")
        return self

    @property
    def span(self) -> Span:
        return Span(self.start_word, self.end_word, self.label)


def _list_of(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class EntityVotes(SpanRecord):
    """What `data.noise.votes.VotedEntity` wrote: an entity, and what the models say that did not see it."""

    given: bool
    votes: Annotated[int, Field(ge=0)]
    of: Annotated[int, Field(ge=0)]
    prob: float
    suspicion: float
    decision: Literal["keep", "drop", "mask", "relabel", "add", "weight"] = "keep"
    instead: Annotated[list[SpanRecord] | None, BeforeValidator(_list_of)] = None


class SentenceVotes(Record):
    """A line of `votes.jsonl`."""

    id: str
    words: list[str]
    entities: list[EntityVotes]
    weight: float = 1.0

    def spans(self) -> Iterator[SpanRecord]:
        """Yields every entity, and the entities that models find in its place."""
        for entity in self.entities:
            yield from (entity, *(entity.instead or ()))

    @model_validator(mode="after")
    def _inside(self) -> SentenceVotes:
        for span in self.spans():
            if span.end_word > len(self.words):
                raise ValueError(f"an entity ends at word {span.end_word}, but there are {len(self.words)} words")
        return self


class Decision(SpanRecord):
    """What a person decided on an entity: it is right, it is none, or it is the entities of `spans` instead."""

    decision: Literal["accept", "reject", "correct"]
    spans: list[SpanRecord] = Field(default_factory=list)

    @model_validator(mode="after")
    def _correct_into_something(self) -> Decision:
        if self.decision == "correct" and not self.spans:
            raise ValueError("`correct` needs `spans`; an entity that is none is a `reject`")
        return self


class Doubt(SpanRecord):
    """An entity for which voting masked words or lowered the weight of the sentence."""

    decision: Literal["mask", "weight"]


class SentenceDecisions(Record):
    """A line of the file that the review page exports.

    doubts: all of the sentence, decided or not. weight: the weight of the sentence before the votes.
    """

    id: str
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    decisions: list[Decision]
    doubts: list[Doubt] = Field(default_factory=list)
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0


def read_lines(path: Path, record: type[Line], expected: str) -> Iterator[tuple[int, Line]]:
    """Yield (line number, record) of a JSON Lines file. Raises DataError naming the first line that is no record."""
    check_file(path)
    for number, line in lines_of(path, bare_cr=False):
        if not line.strip():
            continue
        try:
            yield number, record.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
            problem = f"{where!r}: {first['msg']}" if where else first["msg"]
            raise DataError.at(path, number, f"expected {expected}; {problem}; found {line[:60]!r}") from None


def hash_of(words: Sequence[str]) -> str:
    """Returns what decisions know the words of a sentence by: SHA-256 of them joined by U+001F, 64 hex digits."""
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()


def some(names: Sequence[str]) -> str:
    """Returns the first of these names, and how many more there are, for a message."""
    more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])
