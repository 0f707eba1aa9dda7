"""`apply-review`: what a person decided on the review page, merged into the labelled data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import input_files
from ner_distill.data.formats.reading import read_repaired
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Span, covered, disjoint, whole_entities
from ner_distill.errors import DataError
from ner_distill.files import refuse_existing
from ner_distill.options.labels import ApplyReviewOptions
from ner_distill.pipelines.voting.review_files import Decision, Doubt, SentenceDecisions, hash_of, read_lines, some


@dataclass(frozen=True)
class Applied:
    """What the decisions did, in numbers.

    kept, added:     accepted entities that were in the data, and those that only models had found.
    removed, absent: rejected entities that were in the data, and those that were not.
    corrected:       entities that were replaced by others.
    skipped:         decisions that were left out with `skip_changed`.
    reweighed:       sentences that weigh what they did before the votes, as every doubt that lowered it is decided.
    changed:         sentences, of all `sentences`, that have other entities than before.
    overlaps:        the ids of sentences in which entities overlap now and did not before.
    """

    sentences: int
    changed: int = 0
    kept: int = 0
    added: int = 0
    removed: int = 0
    absent: int = 0
    corrected: int = 0
    reweighed: int = 0
    skipped: int = 0
    overlaps: tuple[str, ...] = ()


def apply_review(options: ApplyReviewOptions, reporter: Reporter | None = None) -> Applied:
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
    out, reporter = options.out, reporter or Reporter()
    refuse_existing(out, overwrite=options.overwrite, read=[*options.decisions, *input_files(options.data)])
    decided = _read_decisions(options.decisions)
    sentences = read_repaired(options.data, options, reporter).sentences
    counts: Counter[str] = Counter(skipped=_refuse_changed(decided, sentences, options.skip_changed, reporter))
    merged, overlaps = [], []
    for sentence in sentences:
        decisions = decided.get((sentence.id, hash_of(sentence.words)))
        after = _merged(sentence, decisions, counts) if decisions and sentence.spans is not None else sentence
        counts["changed"] += after.spans != sentence.spans
        counts["reweighed"] += after.weight != sentence.weight
        if _overlap(after) and not _overlap(sentence):
            overlaps.append(sentence.id)
        merged.append(after)
    write_jsonl(merged, out, overwrite=options.overwrite)
    if overlaps:
        which = some(overlaps)
        reporter.warn(f"entities overlap now in {counted(len(overlaps), 'sentence')} ({which}): a BIO tag has no both")
    return Applied(sentences=len(merged), overlaps=tuple(overlaps), **counts)


def summary(applied: Applied) -> str:
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
class _Decisions:
    """What was decided on the entities of a sentence, what had been doubted, and its weight before the votes."""

    of: dict[Span, Decision] = field(default_factory=dict)
    doubts: set[Doubt] = field(default_factory=set)
    weight: float = 1.0

    def open_doubts(self) -> list[Doubt]:
        """Returns the doubts about entities on which nobody decided, and which no correction made."""
        settled = {*self.of, *(record.span for decision in self.of.values() for record in decision.spans)}
        return [doubt for doubt in self.doubts if doubt.span not in settled]


def _read_decisions(paths: Sequence[Path]) -> dict[tuple[str, str], _Decisions]:
    """Returns the decisions by the id of their sentence and the hash of its words."""
    decided: dict[tuple[str, str], _Decisions] = {}
    first_at: dict[tuple[str, str, Span], str] = {}
    for path in paths:
        for number, line in read_lines(path, SentenceDecisions, "decisions, as the review page exports them"):
            if not line.decisions:
                continue
            sentence = line.id, line.hash
            decisions = decided.setdefault(sentence, _Decisions(weight=line.weight))
            decisions.doubts.update(line.doubts)
            for decision in line.decisions:
                span, here = decision.span, f"{path}:{number}"
                before = decisions.of.setdefault(span, decision)
                there = first_at.setdefault((*sentence, span), here)
                if (before.decision, set(before.spans)) != (decision.decision, set(decision.spans)):
                    raise DataError(
                        f"{here}: sentence {line.id}, {span.label} {span.start}-{span.end}: {decision.decision}, but "
                        f"{there} says {before.decision}: agree on one, and remove the other"
                    )
    if not decided:
        raise DataError(f"{', '.join(map(str, paths))}: no decision in it; decide something on the page and export it")
    return decided


def _refuse_changed(
    decided: Mapping[tuple[str, str], _Decisions], sentences: Sequence[Sentence], skip: bool, reporter: Reporter
) -> int:
    """Returns how many decisions are on sentences that are not in the data as they were, if `skip`; else DataError."""
    by_id = {sentence.id: sentence for sentence in sentences}
    reasons: dict[str, str] = {}
    lost = 0
    for (id, hash), decisions in decided.items():
        sentence = by_id.get(id)
        if sentence is None:
            reasons[id] = "not there"
        elif hash_of(sentence.words) != hash:
            reasons[id] = "other words"
        elif sentence.spans is None:
            reasons[id] = "no labels"
        else:
            for decision in decisions.of.values():
                _check_inside(sentence, decision)
            continue
        lost += len(decisions.of)
    if not reasons:
        return 0
    which = some([f"{id}: {reason}" for id, reason in reasons.items()])
    many = f"{counted(lost, 'decision')} on {counted(len(reasons), 'sentence')} that the data does not have as reviewed"
    if len(reasons) == len(decided):
        raise DataError(f"this is a review of other data: all {many} ({which}); give the files that were voted on")
    if not skip:
        raise DataError(
            f"{many} ({which}); nothing was written. Give the data that was reviewed, or `skip_changed` to leave these "
            "decisions out"
        )
    reporter.warn(f"{many} ({which}): left out")
    return lost


def _check_inside(sentence: Sentence, decision: Decision) -> None:
    if (end := max(span.end_word for span in (decision, *decision.spans))) > len(sentence.words):
        raise DataError(
            f"sentence {sentence.id}: a decision on {decision.label} {decision.start_word}-{decision.end_word} "
            f"reaches word {end}, expected at most {len(sentence.words)}; export the decisions again"
        )


def _merged(sentence: Sentence, decisions: _Decisions, counts: Counter[str]) -> Sentence:
    """Returns the sentence with its entities as decided.

    Removals come first, so that the order of decisions says nothing: what any decision wants in the data is in it.
    """
    given = set(sentence.spans or ())
    gone: set[Span] = set()
    new: set[Span] = set()
    for span, decision in decisions.of.items():
        if decision.decision == "accept":
            new.add(span)
            counts["kept" if span in given else "added"] += 1
        elif decision.decision == "reject":
            gone.add(span)
            counts["removed" if span in given else "absent"] += 1
        else:
            into = {record.span for record in decision.spans}
            gone |= {span} - into
            new |= into
            counts["corrected"] += 1
    spans = tuple(sorted((given - gone) | new))
    still_open = decisions.open_doubts()
    # what is known of these words: the entities that were wanted, and that there is no entity but for an open doubt
    known = covered(gone) - covered(doubt.span for doubt in still_open) | covered(new)
    # half an entity that counts would be masked again: where a word of an entity is known, all of it is
    unknown, _ = whole_entities(spans, [word not in known for word in range(len(sentence.words))])
    keep = sentence.keep and tuple(not masked or kept for masked, kept in zip(unknown, sentence.keep, strict=True))
    lowered = [doubt for doubt in decisions.doubts if doubt.decision == "weight"]
    whole = lowered and not any(doubt in lowered for doubt in still_open)
    weight = max(decisions.weight, sentence.weight) if whole else sentence.weight
    return replace(sentence, spans=spans, keep=keep, weight=weight)


def _overlap(sentence: Sentence) -> bool:
    return len(disjoint(sentence.spans or ())) < len(sentence.spans or ())
