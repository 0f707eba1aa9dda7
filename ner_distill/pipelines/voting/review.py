"""`review`: a vote file → one HTML page on which a person looks at the suspicious entities.

The page is `ner_distill/views/review/page.html` with the style, the scripts and the data put in: nothing is loaded from
elsewhere, and its Content-Security-Policy names the hashes of what may run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ner_distill.console import Reporter
from ner_distill.data.formats.lines import check_file, lines_of
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.sentence import Sentence, separator, unit_of
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.files import atomic_write_text, sha256_of
from ner_distill.options import ReadOptions

VOTES = "votes.jsonl"
LIMIT = 2000
"""Entities of a page, unless another number is asked for: more than most people look at."""

SCRIPTS = ("store.js", "sentence.js", "queue.js", "editor.js", "page.js", "keys.js")
_ASSETS = files("ner_distill.views") / "review"

Line = TypeVar("Line", bound=BaseModel)


def _list_of(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class WordSpan(BaseModel):
    """Words `start_word` to `end_word` (half-open) and a type, as JSON Lines have them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    start_word: Annotated[int, Field(strict=True, ge=0)]
    end_word: Annotated[int, Field(strict=True)]
    label: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _has_a_word(self) -> WordSpan:
        if self.start_word >= self.end_word:
            raise ValueError(f"start_word {self.start_word} must be below end_word {self.end_word}")
        return self


class VotedEntity(WordSpan):
    """An entity of the data (`given`) or one that only models found, and what the held-out models say of it.

    instead: what most models say stands there; [] for nothing, None where they do not agree.
    """

    given: bool
    votes: Annotated[int, Field(ge=0)]
    of: Annotated[int, Field(ge=0)]
    prob: float
    suspicion: float
    decision: Literal["keep", "drop", "mask", "relabel", "add", "weight"] = "keep"
    instead: Annotated[list[WordSpan] | None, BeforeValidator(_list_of)] = None


class VotedSentence(BaseModel):
    """A line of `votes.jsonl`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    words: list[str]
    entities: list[VotedEntity]
    weight: float = 1.0

    @model_validator(mode="after")
    def _inside(self) -> VotedSentence:
        for entity in self.entities:
            for span in (entity, *(entity.instead or ())):
                if span.end_word > len(self.words):
                    raise ValueError(f"an entity ends at word {span.end_word}, but there are {len(self.words)} words")
        return self


@dataclass(frozen=True)
class Reviewed:
    """What went onto the page."""

    shown: int
    left_out: int
    sentences: int


def review(
    votes: Path,
    out: Path,
    *,
    limit: int = LIMIT,
    min_suspicion: float = 0.0,
    data: Sequence[str | Path] = (),
    reading: ReadOptions | None = None,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Reviewed:
    """Write the review page of a vote file.

    votes:         `votes.jsonl`, or the directory of `vote-labels` that holds it.
    limit:         the page has so many entities, the most suspicious ones; 0: all.
    min_suspicion: entities that are less suspicious (0 to 1) are not asked about; they are seen in their sentences.
    data:          the labelled files that were voted on: checked to have the words that the votes are about.

    Raises DataError where the file is none of votes or not of this data, ConfigError where no entity is left,
    RunError where `out` exists (and not `overwrite`) or cannot be written.
    """
    path = votes / VOTES if votes.is_dir() else votes
    if out.exists() and not overwrite:
        raise RunError(f"{out}: exists already; choose another name, or pass --overwrite to replace it")
    sentences = [one for _, one in read_lines(path, VotedSentence, "votes, as vote-labels writes them")]
    if data:
        read, _ = read_labelled(data, "--data", reading or ReadOptions(), reporter or Reporter(), keep_nested=True)
        _check_votes(path, sentences, read)
    content, found = _content(path, sentences, limit, min_suspicion)
    atomic_write_text(out, page_of(content, title=content["name"]))
    return found


def hash_of(words: Sequence[str]) -> str:
    """What decisions know a sentence's words by: SHA-256 of the words joined by U+001F, 64 hex digits."""
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()


def read_lines(path: Path, model: type[Line], what: str) -> Iterator[tuple[int, Line]]:
    """(line number, object) of a JSON Lines file. Raises DataError naming the line of one that is not as `model`."""
    check_file(path)
    for number, line in lines_of(path, bare_cr=False):
        if not line.strip():
            continue
        try:
            yield number, model.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
            problem = f"`{where}`: {first['msg']}" if where else first["msg"]
            raise DataError.at(path, number, f"expected {what}; {problem}; found {line[:60]!r}") from None


def page_of(content: dict[str, Any], *, title: str) -> str:
    """The whole page; content is data, and stays text whatever is in it."""
    style = (_ASSETS / "style.css").read_text("utf-8")
    parts = "\n".join((_ASSETS / name).read_text("utf-8") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{parts}\n}})();\n'
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # In a script element only `<` can end or comment anything; as an escape it is the same JSON.
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = (_ASSETS / "page.html").read_text("utf-8")
    # Split, not replaced: text that was put in may hold the name of a place itself.
    fills = {"policy": policy, "title": html.escape(title), "style": style, "data": data, "script": script}
    for name in fills:
        if page.count(f"{{{{{name}}}}}") != 1:
            raise AssertionError(f"page.html must have {{{{{name}}}}} once")
    pieces = page.replace("}}", "{{").split("{{")
    return "".join(fills[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def _source(text: str) -> str:
    """How a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _content(
    path: Path, sentences: Sequence[VotedSentence], limit: int, min_suspicion: float
) -> tuple[dict[str, Any], Reviewed]:
    places = [(s, e) for s, sentence in enumerate(sentences) for e in range(len(sentence.entities))]
    ranked = sorted(places, key=lambda place: -sentences[place[0]].entities[place[1]].suspicion)
    asked = [(s, e) for s, e in ranked if sentences[s].entities[e].suspicion >= min_suspicion]
    if not asked:
        found = f"{len(places):,} entities" + (f", none with a suspicion of {min_suspicion:g}" if places else "")
        raise ConfigError(f"{path}: nothing to review: {found}; lower --min-suspicion, or review other votes")
    asked = asked[: limit or None]
    used = sorted({s for s, _ in asked})
    numbers = {s: number for number, s in enumerate(used)}
    labels = sorted({span.label for one in sentences for span in _all_spans(one)})
    words = [Sentence(one.id, tuple(one.words)) for one in sentences if one.words]
    content = {
        # names of files may hold bytes that are no UTF-8
        "name": path.resolve().parent.name.encode("utf-8", "replace").decode(),
        "key": sha256_of(path),
        "separator": separator(unit_of(words)),
        "labels": labels,
        "left_out": len(places) - len(asked),
        "sentences": [{"hash": hash_of(sentences[s].words), **sentences[s].model_dump()} for s in used],
        "queue": [[numbers[s], e] for s, e in asked],
    }
    return content, Reviewed(len(asked), len(places) - len(asked), len(used))


def _all_spans(sentence: VotedSentence) -> Iterator[WordSpan]:
    for entity in sentence.entities:
        yield entity
        yield from entity.instead or ()


def _check_votes(path: Path, votes: Sequence[VotedSentence], data: Sequence[Sentence]) -> None:
    """Raises DataError where the votes are about words that the data does not have under these ids."""
    known = {sentence.id: hash_of(sentence.words) for sentence in data}
    wrong = [one.id for one in votes if known.get(one.id) != hash_of(one.words)]
    if wrong:
        raise DataError(
            f"{path}: votes on other data than --data: of {len(votes):,} sentences {len(wrong):,} are not in it with "
            f"these words (the first is {wrong[0]}); give the files that were voted on, or vote again"
        )
