"""`review` of a soft-label store: the sentences that a person should label first, with what the teacher would label."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from ner_distill.data.sentence import separator
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.manifest import MANIFEST, is_store
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import files_of_store
from ner_distill.errors import ConfigError
from ner_distill.files import refuse_existing
from ner_distill.options.labels import ReviewOptions
from ner_distill.options.shared import PathOrUrl
from ner_distill.pipelines.reviewing.order import Ranked, doubts, ranked
from ner_distill.pipelines.show import entities_of
from ner_distill.pipelines.voting.review_files import hash_of
from ner_distill.places.urls import last_part

OF_VOTES = ("min_suspicion", "data")
"""Options that a review of a store has no use for."""


def is_raw_review(options: ReviewOptions) -> bool:
    """Is it a store that is to be reviewed, rather than votes?"""
    return is_store(options.votes)


def review_sentences(options: ReviewOptions) -> dict[str, Any]:
    """Collect what the page shows on which a person labels raw text; `views.review.sentences_page` makes the page.

    Returns the content of the page: the `sentences`, the most useful first, and how many others are `left_out`.
    Raises RunError where the store is damaged or unfinished, and where `out` exists (and not `overwrite`); ConfigError
    where there is no sentence, and for options that are about votes.
    """
    refuse_existing(options.out, overwrite=options.overwrite, read=files_of_store(options.votes))
    if wrong := options.changed(*OF_VOTES):
        raise ConfigError(f"{options.votes} is a store of soft labels; {named(wrong)} is for votes: leave it out")
    store = SoftLabelStore.open(options.votes, cached_shards=1)
    best = ranked(store.iter_rows(), order=options.order or "useful", limit=options.limit)
    if not best:
        raise ConfigError(f"{options.votes}: nothing to review: the store has no sentence with words")
    return {
        # names of files may hold bytes that are no UTF-8
        "name": last_part(str(_resolved(options.votes))).encode("utf-8", "replace").decode(),
        "key": sha256(store.place.read(MANIFEST)).hexdigest(),
        "separator": separator(store.unit),
        "labels": list(store.labels),
        "nested": store.has_spans,
        "teachers": len(store.manifest.teachers),
        "left_out": store.rows - len(best),
        "sentences": list(_shown(store, best)),
    }


def _resolved(store: PathOrUrl) -> PathOrUrl:
    return store.resolve() if isinstance(store, Path) else store


def named(names: list[str]) -> str:
    """Names of options, as messages have them."""
    return ", ".join(f"`{name}`" for name in names)


def _shown(store: SoftLabelStore, best: list[Ranked]) -> Iterator[dict[str, Any]]:
    """Yields what the page knows of each sentence, in their order."""
    wanted = {one.number for one in best}
    rows = {number: row for number, row in enumerate(store.iter_rows()) if number in wanted}
    for one in best:
        yield {**_sentence(store, rows[one.number]), "worth": one.worth}


def _sentence(store: SoftLabelStore, row: SoftRow) -> dict[str, Any]:
    entities = [
        {**span.to_json(), "prob": round(score, 4), "kept": bool(row.keep[span.start : span.end].all())}
        for span, score in entities_of(row, store.tagset)
    ]
    return {
        "id": row.id,
        "hash": hash_of(row.words),
        "words": list(row.words),
        "doubt": [round(float(doubt), 2) for doubt in doubts(row)],
        "entities": entities,
    }
