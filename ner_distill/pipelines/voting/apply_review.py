"""`apply-review`: what a person decided on the review page, merged into the labelled data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Span, without_overlap
from ner_distill.errors import DataError, RunError
from ner_distill.options import ReadOptions
from ner_distill.pipelines.voting.review import WordSpan, hash_of, read_lines

_NAMED = 5
"""Sentences that a message names before it says how many more there are."""


class Decision(WordSpan):
    """On one entity: it is right, it is none, or it is these spans instead."""

    decision: Literal["accept", "reject", "correct"]
    spans: list[WordSpan] = Field(default_factory=list)

    @model_validator(mode="after")
    def _correct_into_something(self) -> Decision:
        if self.decision == "correct" and not self.spans:
            raise ValueError("`correct` needs `spans`; an entity that is none is a `reject`")
        return self


class Doubt(WordSpan):
    """An entity for which voting masked words or lowered the weight of the sentence."""

    decision: Literal["mask", "weight"]


class DecidedSentence(BaseModel):
    """A line of the file that the review page exports.

    doubts: all of the sentence, decided or not. weight: of the sentence before the votes.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    decisions: list[Decision]
    doubts: list[Doubt] = Field(default_factory=list)
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0


@dataclass(frozen=True)
class Applied:
    """What the decisions did.

    kept:      accepted entities that were there.   added:   accepted ones that were not: models had found them.
    removed:   rejected entities that were there.   absent:  rejected ones that were not.
    corrected: entities replaced by others.         skipped: decisions left out with `skip_changed`.
    reweighed: sentences that weigh what they did before the votes, as all is decided that lowered their weight.
    sentences: sentences of the data, of which `changed` have other entities than before.
    overlaps:  sentences in which entities overlap now and did not before.
    """

    sentences: int
    changed: int
    kept: int
    added: int
    removed: int
    absent: int
    corrected: int
    reweighed: int
    skipped: int
    overlaps: tuple[str, ...]


def apply_review(
    decisions: Sequence[Path],
    data: Sequence[str | Path],
    out: Path,
    *,
    skip_changed: bool = False,
    overwrite: bool = False,
    reading: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Applied:
    """Write the data as JSON Lines with the decisions merged in.

    Sentences are found by id and by the hash of their words. An accepted entity is in the data afterwards whether it
    was given or found by models; a rejected one is not; a corrected one is replaced. Words of an entity that was
    decided on count in training again where they were masked, but for those that a doubt is about which is still open.
    A weight is what it was before the votes where all doubts that lowered it are decided. Decisions may be merged
    twice, with the same result.

    Raises DataError, with nothing written, where a decision is malformed, where two files decide differently, where
    none is on this data, and (without `skip_changed`) where one is on a sentence that is not in the data with these
    words; RunError where `out` exists (and not `overwrite`) or cannot be written.
    """
    if out.exists() and not overwrite:
        raise RunError(f"{out}: exists already; choose another name, or pass --overwrite to replace it")
    reporter = reporter or Reporter()
    decided = _read_decisions(decisions)
    sentences = _read_data(data, reading or ReadOptions(), reporter)
    counts: Counter[str] = Counter(skipped=_refuse_changed(decided, sentences, skip_changed, reporter))
    merged, overlaps = [], []
    for sentence in sentences:
        mine = decided.get((sentence.id, hash_of(sentence.words)))
        after = _merged(sentence, mine, counts) if mine and sentence.spans is not None else sentence
        counts["changed"] += after.spans != sentence.spans
        counts["reweighed"] += after.weight != sentence.weight
        if _overlap(after) and not _overlap(sentence):
            overlaps.append(sentence.id)
        merged.append(after)
    write_jsonl(merged, out, overwrite=overwrite)
    names = ("changed", "kept", "added", "removed", "absent", "corrected", "reweighed", "skipped")
    applied = Applied(sentences=len(merged), overlaps=tuple(overlaps), **{name: counts[name] for name in names})
    if overlaps:
        which = _some(overlaps)
        reporter.warn(f"entities overlap now in {counted(len(overlaps), 'sentence')} ({which}): a BIO tag has no both")
    return applied


def _read_data(data: Sequence[str | Path], reading: ReadOptions, reporter: Reporter) -> tuple[Sentence, ...]:
    """All sentences, unlabelled ones too: the result is the data with nothing missing."""
    corpus = read_corpus(
        list(data),
        format=reading.format,
        scheme=reading.scheme,
        tag_column=reading.tag_column,
        strict=reading.strict,
    )
    if not corpus.report.clean:
        reporter.warn(corpus.report.summary())
    return corpus.sentences


def summary(applied: Applied) -> str:
    """One line that says what was done."""
    done = [
        f"{applied.kept:,} accepted as they are",
        f"{applied.added:,} added",
        f"{applied.removed:,} removed",
        f"{applied.corrected:,} corrected",
        *([f"{applied.absent:,} rejected that the data does not have"] if applied.absent else []),
        *([f"{applied.skipped:,} skipped"] if applied.skipped else []),
    ]
    whole = f"; {counted(applied.reweighed, 'sentence')} with full weight again" if applied.reweighed else ""
    return f"{', '.join(done)}; {applied.changed:,} of {applied.sentences:,} sentences changed{whole}"


@dataclass(frozen=True)
class _Decided:
    """Of a sentence what was decided on each entity, what was doubted, and its weight before the votes."""

    on: dict[Span, Decision] = field(default_factory=dict)
    doubts: set[Doubt] = field(default_factory=set)
    weight: float = 1.0

    def open(self) -> list[Doubt]:
        """Doubts that nobody decided: neither that entity, nor another one that was made to be it."""
        settled = {*self.on, *(_span(span) for one in self.on.values() for span in one.spans)}
        return [doubt for doubt in self.doubts if _span(doubt) not in settled]


Places = Mapping[tuple[str, str], _Decided]
"""By id and hash."""


def _read_decisions(paths: Sequence[Path]) -> Places:
    decided: dict[tuple[str, str], _Decided] = {}
    first_at: dict[tuple[str, str, Span], str] = {}
    for path in paths:
        for number, line in read_lines(path, DecidedSentence, "decisions, as the review page exports them"):
            if not line.decisions:
                continue
            mine = decided.setdefault((line.id, line.hash), _Decided(weight=line.weight))
            mine.doubts.update(line.doubts)
            for one in line.decisions:
                span, here = _span(one), f"{path}:{number}"
                before = mine.on.setdefault(span, one)
                there = first_at.setdefault((line.id, line.hash, span), here)
                if (before.decision, set(before.spans)) != (one.decision, set(one.spans)):
                    raise DataError(
                        f"{here}: sentence {line.id}, {span.label} {span.start}-{span.end}: {one.decision}, but "
                        f"{there} says {before.decision}: agree on one, and remove the other"
                    )
    if not decided:
        raise DataError(f"{', '.join(map(str, paths))}: no decision in it; decide something on the page and export it")
    return decided


def _refuse_changed(decided: Places, sentences: Sequence[Sentence], skip: bool, reporter: Reporter) -> int:
    """How many decisions are on sentences that are not in the data as they were; raises DataError if not `skip`."""
    by_id = {sentence.id: sentence for sentence in sentences}
    reasons: dict[str, str] = {}
    lost = 0
    for (id, hash), mine in decided.items():
        found = by_id.get(id)
        if found is not None and hash_of(found.words) == hash and found.spans is not None:
            _check_inside(found, mine.on.values())
            continue
        other = found is not None and hash_of(found.words) != hash
        reasons[id] = "other words" if other else "not there" if found is None else "no labels"
        lost += len(mine.on)
    if not reasons:
        return 0
    which = _some([f"{id}: {reason}" for id, reason in reasons.items()])
    many = f"{counted(lost, 'decision')} on {counted(len(reasons), 'sentence')} that the data does not have as reviewed"
    if len(reasons) == len(decided):
        raise DataError(f"this is a review of other data: all {many} ({which}); give the files that were voted on")
    if not skip:
        raise DataError(
            f"{many} ({which}); nothing was written. Give the data that was reviewed, or --skip-changed to leave these "
            "decisions out"
        )
    reporter.warn(f"{many} ({which}): left out")
    return lost


def _check_inside(sentence: Sentence, decisions: Iterable[Decision]) -> None:
    for one in decisions:
        if (end := max(span.end_word for span in (one, *one.spans))) > len(sentence.words):
            raise DataError(
                f"sentence {sentence.id}: a decision on {one.label} {one.start_word}-{one.end_word} reaches word {end}"
                f", expected at most {len(sentence.words)}; export the decisions again"
            )


def _merged(sentence: Sentence, decided: _Decided, counts: Counter[str]) -> Sentence:
    """The sentence with its entities as decided.

    Removals come first, so that the order of decisions says nothing: what any decision wants in the data is in it.
    """
    given = set(sentence.spans or ())
    gone: set[Span] = set()
    new: set[Span] = set()
    for span, one in decided.on.items():
        into = {"accept": {span}, "reject": set(), "correct": {_span(other) for other in one.spans}}[one.decision]
        gone |= {span} - into
        new |= into
        was = span in given
        done = {"accept": "kept" if was else "added", "reject": "removed" if was else "absent", "correct": "corrected"}
        counts[done[one.decision]] += 1
    spans = tuple(sorted((given - gone) | new))
    still_open = decided.open()
    # what is known of these words: the entities that were wanted, and that there is no entity but for an open doubt
    known = _words(gone) - _words(map(_span, still_open)) | _words(new)
    keep = sentence.keep and _kept(sentence.keep, spans, known)
    lowered = [doubt for doubt in decided.doubts if doubt.decision == "weight"]
    whole = lowered and not any(doubt in lowered for doubt in still_open)
    weight = max(decided.weight, sentence.weight) if whole else sentence.weight
    return replace(sentence, spans=spans, keep=keep, weight=weight)


def _kept(keep: Sequence[bool], spans: Sequence[Span], known: set[int]) -> tuple[bool, ...]:
    """`keep` with the words that are known, and with every entity of which a word is known: half an entity that
    counts would be masked again.
    """
    known = set(known)
    while more := _words(span for span in spans if _words([span]) & known) - known:
        known |= more
    return tuple(kept or place in known for place, kept in enumerate(keep))


def _words(spans: Iterable[Span]) -> set[int]:
    return {word for span in spans for word in range(span.start, span.end)}


def _span(one: WordSpan) -> Span:
    return Span(one.start_word, one.end_word, one.label)


def _overlap(sentence: Sentence) -> bool:
    spans = sentence.spans or ()
    return len(without_overlap(spans)) < len(spans)


def _some(names: Sequence[str]) -> str:
    more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])
