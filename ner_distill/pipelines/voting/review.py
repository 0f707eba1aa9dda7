"""`review`: a vote file → the entities that a person should look at, most suspicious first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import input_files
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.sentence import Sentence, separator, unit_of
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.files import refuse_existing, sha256_of
from ner_distill.options.labels import ReviewOptions
from ner_distill.options.shared import PathOrUrl
from ner_distill.pipelines.voting.review_files import SentenceVotes, hash_of, read_lines
from ner_distill.runs.edited import CLEANED, SUMMARY

VOTES = "votes.jsonl"


def review(options: ReviewOptions, reporter: Reporter | None = None) -> dict[str, Any]:
    """Collect what the review page of a vote file shows; `views.review.page_of` makes the page.

    Returns the content of the page: the `sentences` with entities to look at, the `queue` of these entities, the most
    suspicious first, and how many others are `left_out`.
    Raises DataError where the file holds no votes or votes on other data, ConfigError where no entity is left and for
    `order`, RunError where `out` exists (and not `overwrite`).
    """
    if options.order is not None:
        raise ConfigError("`order` is of the sentences of a store; votes come with the most suspicious first")
    path = _votes_file(options.votes)
    own = [path.with_name(name) for name in (CLEANED, SUMMARY, "voting.json", "config.toml", "log.txt")]
    refuse_existing(options.out, overwrite=options.overwrite, read=[path, *own, *input_files(options.data)])
    sentences = [line for _, line in read_lines(path, SentenceVotes, "votes, as vote-labels writes them")]
    if options.data:
        reporter = reporter or Reporter()
        data, _ = read_labelled(options.data, "`data`", options.reading(), reporter, keep_nested=True)
        _check_votes(path, sentences, data)
    suspicions = {
        (s, e): entity.suspicion for s, sentence in enumerate(sentences) for e, entity in enumerate(sentence.entities)
    }
    ranked = sorted(suspicions, key=lambda place: -suspicions[place])
    queue = [place for place in ranked if suspicions[place] >= options.min_suspicion][: options.limit or None]
    if not queue:
        found = f"{len(ranked):,} entities"
        found += f", none with a suspicion of {options.min_suspicion:g}" if ranked else ""
        raise ConfigError(f"{path}: nothing to review: {found}; lower `min_suspicion`, or review other votes")
    used = sorted({s for s, _ in queue})
    numbers = {s: number for number, s in enumerate(used)}
    return {
        # names of files may hold bytes that are no UTF-8
        "name": path.resolve().parent.name.encode("utf-8", "replace").decode(),
        "key": sha256_of(path),
        "separator": separator(unit_of([Sentence(one.id, tuple(one.words)) for one in sentences if one.words])),
        "labels": sorted({span.label for sentence in sentences for span in sentence.spans()}),
        "left_out": len(ranked) - len(queue),
        "sentences": [{"hash": hash_of(sentences[s].words), **sentences[s].model_dump()} for s in used],
        "queue": [[numbers[s], e] for s, e in queue],
    }


def _votes_file(votes: PathOrUrl) -> Path:
    """Returns the file of votes at this place, or in this directory. Raises RunError where there is none."""
    if not isinstance(votes, Path):
        raise RunError(f"{votes}: no store of soft labels is there, and votes are read from this machine alone")
    if not votes.exists():
        raise RunError(
            f"{votes}: no such file or directory; expected {VOTES} of vote-labels, the directory of it, or a "
            "store of label-unlabeled"
        )
    path = votes / VOTES if votes.is_dir() else votes
    if path.exists():
        return path
    if not (votes / "voting.json").is_file():  # with which a voting begins
        raise RunError(f"{votes}: has no {VOTES}; expected the directory that vote-labels wrote, or the file itself")
    raise RunError(f"{votes}: this voting is not finished; go on with the same vote-labels command and `resume`")


def _check_votes(path: Path, votes: Sequence[SentenceVotes], data: Sequence[Sentence]) -> None:
    """Raise DataError where the votes are about words that the data does not have under these ids."""
    hashes = {sentence.id: hash_of(sentence.words) for sentence in data}
    wrong = [sentence.id for sentence in votes if hashes.get(sentence.id) != hash_of(sentence.words)]
    if wrong:
        raise DataError(
            f"{path}: votes on other data than `data`: of {len(votes):,} sentences {len(wrong):,} are not in it with "
            f"these words (the first is {wrong[0]}); give the files that were voted on, or vote again"
        )
