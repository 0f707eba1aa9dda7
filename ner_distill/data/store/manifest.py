"""What a soft-label store says about itself: `manifest.json`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ner_distill.data.sentence import Unit
from ner_distill.data.tagset import TagSet
from ner_distill.errors import RunError
from ner_distill.files import sha256_of
from ner_distill.places import Location, place_of
from ner_distill.places.objects import about
from ner_distill.places.urls import is_url

MANIFEST = "manifest.json"
FORMAT: Literal["ner-distill/soft-labels"] = "ner-distill/soft-labels"
VERSION: Literal[1] = 1
SHARD_NAME = re.compile(r"part-\d{5,}\.parquet")

OUT_OF_FOLD = "sentences answered out of fold"
"""The counter of sentences that fold teachers answered, since their teacher was trained on them."""

Scalar = bool | int | float | str | None
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class InputFile(_Frozen):
    """A file of raw text. The same text in another place is the same input: only size and hash are compared.

    Of a file behind a URL, which is not read once more only to hash it, the `version` that its store gives it stands in
    place of the hash: it is another one whenever the file was written.
    """

    name: str
    size: Count
    sha256: Sha256 | None = None
    version: str | None = None

    @classmethod
    def of(cls, path: Path | str) -> Self:
        """What a file is now; a URL is text. Raises OSError, and as `about` does."""
        if isinstance(path, str) and is_url(path):
            known = about(path)
            return cls(name=path, size=known.size, version=known.version)
        return cls(name=str(path), size=Path(path).stat().st_size, sha256=sha256_of(Path(path)))

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

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or "" in self.labels:
            raise ValueError(f"labels must be distinct and not empty, found {list(self.labels)}")
        return self

    def differences(self, other: StoreHeader) -> list[str]:
        """One line for each thing that is not the same in both: `name: this one's, other's`. [] where all is."""
        mine, its = _comparable(self), _comparable(other)
        return [
            f"{name}: the store has {mine.get(name, 'nothing')}, this run has {its.get(name, 'nothing')}"
            for name in dict.fromkeys([*mine, *its])
            if mine.get(name, "nothing") != its.get(name, "nothing")
        ]


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
    plain = header.model_dump(mode="json")
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
        **{f"settings.{name}": value for name, value in settings.items()},
    }


class ShardEntry(_Frozen):
    """A whole shard: its file and what is in it. `kept`: words whose `keep` is True; `counters`: the run's own."""

    index: Count
    name: str
    size: Count
    sha256: Sha256
    rows: Count
    words: Count
    kept: Count
    blocks: Count
    pairs: Count
    spans: Count = 0
    counters: dict[str, Count] = {}

    @model_validator(mode="after")
    def _name_is_ours(self) -> Self:
        # A manifest may come from anybody: a name that is not exactly ours could lead out of the directory.
        if self.name != shard_name(self.index):
            raise ValueError(f"shard {self.index} must be named {shard_name(self.index)}, found {self.name!r}")
        return self


class Manifest(StoreHeader):
    """The whole of `manifest.json`: the header, the shards in the order of their index, and how it ended."""

    format: Literal["ner-distill/soft-labels"] = FORMAT
    version: Literal[1] = VERSION
    tags: tuple[str, ...]
    shards: tuple[ShardEntry, ...] = ()
    complete: bool = False
    summary: dict[str, Scalar] = {}

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.tags != TagSet(self.labels).tags:
            raise ValueError(f"tags must be {list(TagSet(self.labels).tags)}, found {list(self.tags)}")
        indices = [shard.index for shard in self.shards]
        if any(later <= earlier for earlier, later in pairwise(indices)):
            raise ValueError("shards must be listed once each, in the order of their index")
        if self.complete and indices != list(range(len(indices))):
            raise ValueError("the store is called complete, but shards are missing between the listed ones")
        return self

    def counters(self) -> dict[str, int]:
        """The shards' counters, added up."""
        total = Counter[str]()
        for shard in self.shards:
            total.update(shard.counters)
        return dict(total)


class _Kind(BaseModel):
    format: object = None
    version: object = None


def shard_name(index: int) -> str:
    return f"part-{index:05d}.parquet"


def is_store(location: Location) -> bool:
    """Has this place a manifest of a soft-label store, of whatever version?"""
    try:
        return _Kind.model_validate_json(place_of(location).read(MANIFEST)).format == FORMAT
    except (OSError, ValidationError):
        return False


def write_manifest(location: Location, manifest: Manifest, *, advice: str = "") -> None:
    """Write `manifest.json`, whole. Raises as `Place.write` does."""
    # without evaluators as it was before there were any: who resumes a whole store leaves its bytes as they are
    exclude = None if manifest.evaluators else {"evaluators"}
    text = manifest.model_dump_json(indent=1, exclude=exclude)
    place_of(location).write(MANIFEST, f"{text}\n".encode(), advice=advice)


def read_manifest(location: Location) -> Manifest:
    """The manifest of a store, with every field checked: it may come from anybody.

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
        if kind.format == FORMAT and kind.version != VERSION:
            raise RunError(
                f"{path}: written in version {kind.version} of the format, this program reads version {VERSION}; "
                "label the text again, or use the release that wrote it"
            )
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        places = [(".".join(map(str, found["loc"])) or "file", found["msg"]) for found in error.errors()[:10]]
        problems = [f"  - {place}: {message}" for place, message in places]
        raise RunError("\n".join([f"{path}: not a manifest of a soft-label store:", *problems])) from error
