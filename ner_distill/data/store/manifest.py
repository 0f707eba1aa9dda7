"""What a soft-label store says about itself: `manifest.json`, and the lists of its shards beside it.

Version 2: `manifest.json` names the parts of the index, Parquet files whose names are hashes of what is in them, and
decides alone which of them count. While a store is written, the latest shards stand in logs (`listing.py`).
Version 1: `manifest.json` lists the shards itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ner_distill.data.sentence import Unit
from ner_distill.data.store.entries import Count, Entries, Sha256, ShardEntry
from ner_distill.data.tagset import TagSet
from ner_distill.errors import RunError
from ner_distill.files import sha256_of
from ner_distill.places import Location, Place, place_of
from ner_distill.places.objects import about
from ner_distill.places.urls import is_url

MANIFEST = "manifest.json"
FORMAT: Literal["ner-distill/soft-labels"] = "ner-distill/soft-labels"
VERSION: Literal[2] = 2
OLD_VERSION: Literal[1] = 1
INDEX_NAME = re.compile(r"index-[0-9a-f]{16}\.parquet")
LOG_NAME = re.compile(r"log-\d{5,}\.jsonl")

OUT_OF_FOLD = "sentences answered out of fold"
"""The counter of sentences that fold teachers answered, since their teacher was trained on them."""

Scalar = bool | int | float | str | None

StorePrecision = Literal["exact", "compact"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class InputFile(_Frozen):
    """A file of raw text. The same text in another place is the same input: only size and hash are compared.

    Of a file behind a URL, which is not read once more only to hash it, the `version` that its store gives it stands in
    place of the hash: it is another one whenever the file was written.
    """

    name: str
    size: Annotated[int, Field(ge=0)]
    sha256: Sha256 | None = None
    version: str | None = None

    @classmethod
    def of(cls, path: Path | str) -> Self:
        """What a file is now; a URL is text. Raises OSError, and as `about` does."""
        if isinstance(path, str) and is_url(path):
            known = about(path)
            return cls(name=path, size=known.size, version=known.version)
        name = os.fsencode(path).decode("utf-8", "replace")  # which bytes of a name need not be
        return cls(name=name, size=Path(path).stat().st_size, sha256=sha256_of(Path(path)))

    @property
    def identity(self) -> str:
        return f"{self.size:,} bytes, {self.version if self.sha256 is None else f'sha256 {self.sha256}'}"

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if (self.sha256 is None) == (self.version is None):
            raise ValueError("expected sha256, or the version of a file behind a URL")
        return self

    @model_serializer(mode="wrap")
    def _what_is_known(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class TeacherId(_Frozen):
    """A teacher run. A run that was moved is the same teacher: only the fingerprint is compared."""

    name: str
    fingerprint: Annotated[str, Field(min_length=1)]


class StoreHeader(_Frozen):
    """Everything that decides what the shards hold; a resumed run must have the same.

    labels:     entity types, in the order of the tag ids.
    shard_size: shard k holds what became of the input sentences [k * shard_size, (k + 1) * shard_size).
    block_size: the most sentences of a block.
    span_floor: the rows have spans, all that are more probable than this; None: the rows have no spans.
    evaluators: the runs that the similarities come from; (): from the teachers.
    settings:   all else that changes the rows (thresholds, pairs per sentence, seed, ...).
    store_precision: the form of the shards: probabilities as float16, or in few bytes (`quantised.py`).
    """

    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    unit: Unit
    teachers: Annotated[tuple[TeacherId, ...], Field(min_length=1)]
    inputs: tuple[InputFile, ...]
    shard_size: Annotated[int, Field(ge=1)]
    block_size: Annotated[int, Field(ge=1)]
    span_floor: Annotated[float, Field(gt=0, lt=1)] | None = None
    settings: dict[str, Scalar | tuple[Scalar, ...]] = {}
    evaluators: tuple[TeacherId, ...] = ()
    store_precision: StorePrecision = "exact"

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or "" in self.labels:
            raise ValueError(f"labels must be distinct and not empty, found {list(self.labels)}")
        return self

    def differences(self, other: StoreHeader) -> list[str]:
        """One line for each thing that is not the same in both: `name: this one's, other's`. [] where all is."""
        mine, its = _comparable(self), _comparable(other)
        return [
            f"{name}: the store has {mine.get(name, _unsaid(name))}, this run has {its.get(name, _unsaid(name))}"
            for name in dict.fromkeys([*mine, *its])
            if mine.get(name, _unsaid(name)) != its.get(name, _unsaid(name))
        ]

    def fingerprint(self) -> str:
        """The same for two headers where `differences` finds none: what their shards are made of is the same."""
        return hashlib.sha256(json.dumps(_comparable(self), sort_keys=True).encode()).hexdigest()


def _unsaid(name: str) -> str:
    """The value that a thing has in headers that do not name it."""
    return "exact" if name == "store_precision" else "nothing"


def similarity_of(settings: Mapping[str, object]) -> dict[str, object]:
    """What the settings of a store say of its similarities: `similarity_target` (type or tag) and `similarity_scale`.

    The scale is "learned", or "source" where the similarity is σ(cos) as published. Earlier versions wrote the numbers
    a and b, which were 1 and 0 of the source's and of a store without pairs, and no target.
    """
    scale, shift = settings.get("similarity_scale", "learned"), settings.get("similarity_shift", 0.0)
    if isinstance(scale, int | float):
        scale = "source" if (scale, shift) == (1.0, 0.0) else "learned"
    return {"similarity_target": settings.get("similarity_target", "type"), "similarity_scale": scale}


def _comparable(header: StoreHeader) -> dict[str, object]:
    plain = header.model_dump(mode="json", include=set(StoreHeader.model_fields))
    settings = {name: value for name, value in plain["settings"].items() if name != "similarity_shift"}
    if "similarity_scale" in settings:
        settings |= similarity_of(plain["settings"])
    return {
        "labels": plain["labels"],
        "unit": header.unit,
        "teacher fingerprints": [teacher.fingerprint for teacher in header.teachers],
        **({"evaluator fingerprints": [one.fingerprint for one in header.evaluators]} if header.evaluators else {}),
        "number of input files": len(header.inputs),
        **{f"input file {number}": file.identity for number, file in enumerate(header.inputs, start=1)},
        "shard_size": header.shard_size,
        "block_size": header.block_size,
        **({} if header.span_floor is None else {"span_floor": header.span_floor}),
        **({} if header.store_precision == "exact" else {"store_precision": header.store_precision}),
        **{f"settings.{name}": value for name, value in settings.items()},
    }


class Part(_Frozen):
    """A file of the index. shards: how many it lists."""

    name: str
    size: Count
    sha256: Sha256
    shards: Count

    @model_validator(mode="after")
    def _name_is_ours(self) -> Self:
        # as of shards: a name that is not exactly ours could lead out of the directory
        if not INDEX_NAME.fullmatch(self.name):
            raise ValueError(f"a part of the index must be named index-HASH.parquet, found {self.name!r}")
        return self


class _File(StoreHeader):
    """What both versions of `manifest.json` say beside the shards."""

    tags: tuple[str, ...]
    complete: bool = False
    summary: dict[str, Scalar] = {}

    @model_validator(mode="after")
    def _tags_are_of_labels(self) -> Self:
        if self.tags != TagSet(self.labels).tags:
            raise ValueError(f"tags must be {list(TagSet(self.labels).tags)}, found {list(self.tags)}")
        return self


class _File1(_File):
    shards: tuple[ShardEntry, ...] = ()


class _File2(_File):
    parts: tuple[Part, ...] = ()

    @model_validator(mode="after")
    def _parts_are_distinct(self) -> Self:
        if len({part.name for part in self.parts}) != len(self.parts):
            raise ValueError("a part of the index is named twice")
        return self


class Manifest(_File):
    """A store's header, its shards, and how it ended. parts: the files that list the shards, beside the logs."""

    version: Literal[1, 2] = VERSION
    shards: InstanceOf[Entries]
    parts: tuple[Part, ...] = ()

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.complete and self.shards.numbers["index"].tolist() != list(range(len(self.shards))):
            raise ValueError("the store is called complete, but shards are missing between the listed ones")
        return self

    def total(self, name: str) -> int:
        """The rows, words, kept words, blocks, pairs, spans or bytes (`size`) of all shards."""
        return self.shards.total(name)

    def counters(self) -> dict[str, int]:
        """The shards' counters, added up."""
        return self.shards.summed()


class _Kind(BaseModel):
    format: object = None
    version: object = None


def is_store(location: Location) -> bool:
    """Has this place a manifest of a soft-label store, of whatever version?"""
    try:
        return _Kind.model_validate_json(place_of(location).read(MANIFEST)).format == FORMAT
    except (OSError, ValidationError):
        return False


def write_manifest(place: Place, manifest: Manifest, *, advice: str = "") -> None:
    """Write `manifest.json` of version 2, whole; its parts are there already. Raises as `Place.write` does."""
    totals = {name: manifest.total(name) for name in ("rows", "words", "kept", "blocks", "pairs", "spans", "size")}
    said = manifest.model_dump(mode="json", exclude={"version", "shards", "complete", "summary", "parts"})
    if not manifest.evaluators:
        del said["evaluators"]
    said |= {"format": FORMAT, "version": VERSION, "complete": manifest.complete, "shards": len(manifest.shards)}
    said |= {"totals": totals, "summary": manifest.summary, "parts": [one.model_dump() for one in manifest.parts]}
    place.write(MANIFEST, f"{json.dumps(said, ensure_ascii=False, indent=1)}\n".encode(), advice=advice)


def read_manifest(location: Location) -> Manifest:
    """The manifest of a store with the entries of its shards, with every field checked: it may come from anybody.

    Raises RunError where there is none, where it is of another kind or version, or is damaged.
    """
    place = place_of(location)
    path = f"{place.shown}/{MANIFEST}"
    place.check("store", "a soft-label store that label-unlabeled wrote")
    try:
        data = place.read(MANIFEST)
    except FileNotFoundError:
        raise RunError(f"{place.shown}: not a soft-label store: it has no {MANIFEST}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        kind = _Kind.model_validate_json(data)
        if kind.format == FORMAT and kind.version not in (VERSION, OLD_VERSION):
            raise RunError(
                f"{path}: written in version {kind.version} of the format, this program reads versions "
                f"{OLD_VERSION} and {VERSION}; label the text again, or use the release that wrote it"
            )
        if kind.format != FORMAT:
            raise ValueError(f"format must be {FORMAT!r}, found {kind.format!r}")
        if kind.version == OLD_VERSION:
            old = _File1.model_validate_json(data)
            return Manifest(**{**dict(old), "shards": _in_order(old.shards)}, version=OLD_VERSION)
        new = _File2.model_validate_json(data)
        return Manifest(**dict(new), shards=_listed(place, new))
    except ValidationError as error:
        places = [(".".join(map(str, found["loc"])) or "file", found["msg"]) for found in error.errors()[:10]]
        problems = [f"  - {place}: {message}" for place, message in places]
        raise RunError("\n".join([f"{path}: not a manifest of a soft-label store:", *problems])) from error
    except ValueError as error:
        raise RunError(f"{path}: not a manifest of a soft-label store:\n  - {error}") from error


def _in_order(shards: tuple[ShardEntry, ...]) -> Entries:
    indices = [shard.index for shard in shards]
    if indices != sorted(set(indices)):
        raise ValueError("shards must be listed once each, in the order of their index")
    return Entries.of(shards)


def _listed(place: Place, manifest: _File2) -> Entries:
    """The entries of the parts, and of logs where the store is being written. Raises RunError, ValueError."""
    found = [_part(place, part) for part in manifest.parts]
    if not manifest.complete:
        found += read_logs(place, manifest.fingerprint())
    return Entries.joined(found)


def _part(place: Place, part: Part) -> Entries:
    where = f"{place.shown}/{part.name}"
    again = "the list of shards is lost: label the text again, with `overwrite` or into another `out`"
    try:
        data = place.read(part.name)
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise ValueError("its sha256 is not what the manifest says")
        entries = Entries.from_parquet(data)
        if len(entries) != part.shards:
            raise ValueError(f"lists {len(entries)} shards, the manifest says {part.shards}")
        return entries
    except (OSError, ValueError) as error:
        said = "is missing" if isinstance(error, FileNotFoundError) else error
        raise RunError(f"{where}: {said}; {again}") from error


def log_name(number: int) -> str:
    return f"log-{number:05d}.jsonl"


def log_bytes(fingerprint: str, entries: list[ShardEntry]) -> bytes:
    """A log: a line that says of which store it is (the header's fingerprint), and one for each entry."""
    lines = [json.dumps({"header": fingerprint}), *(entry.model_dump_json() for entry in entries)]
    return "".join(f"{line}\n" for line in lines).encode()


def read_logs(place: Place, fingerprint: str) -> list[Entries]:
    """The entries of the logs of this store; others are what a store that was overwritten left.

    Raises RunError where a log is damaged.
    """
    found = []
    for name in sorted(filter(LOG_NAME.fullmatch, place.names()), key=lambda name: (len(name), name)):
        try:
            first, *lines = place.read(name).decode().strip("\n").split("\n")
            if json.loads(first) == {"header": fingerprint}:
                found.append(Entries.of([ShardEntry.model_validate_json(line) for line in lines]))
        except FileNotFoundError:
            continue  # compacted meanwhile
        except (OSError, ValueError) as error:
            raise RunError(
                f"{place.shown}/{name}: not a list of shards: {str(error).splitlines()[0]}; remove it: `resume` makes "
                "its shards again, or finds them whole"
            ) from error
    return found
