"""`check-data`: what is in labelled files, and what looks wrong with them.

Files are taken as the splits of one data set, the first one as training data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, filterfalse, islice
from pathlib import Path

from ner_distill.data.formats.folders import expanded
from ner_distill.data.formats.lines import STDIN
from ner_distill.data.formats.readers import Corpus, read_corpus
from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.tables import is_hub_name
from ner_distill.data.formats.units import Cutting, Given, differs, find_cutting
from ner_distill.data.noise.suspicious import (
    Conflict,
    Suspect,
    Twin,
    conflicts,
    missed,
    surface_counts,
    suspects,
    twins,
)
from ner_distill.data.sentence import Sentence, Unit, covered, labels_of
from ner_distill.options.models import CheckDataOptions

EXAMPLES = 4
SAMPLES = 3
QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class FileCheck:
    """What is in one file.

    name:       what it is called where it is shown; places are `name:line`, or name and id where the file gives ids.
    read_as:    format, and scheme of the tags where there are any.
    entities:   type → how many. lengths: words of a sentence at each of QUANTILES.
    unlabelled: sentences that nobody labelled. empty: labelled sentences without an entity.
    overlapping: pairs of entities that share a word. duplicates: sentences whose words occurred before in the file.
    repeated:   the longest of the duplicates.
    outside:    words of labelled sentences that lie in no entity, as a fraction (0..1); None where none is labelled.
    absent_labels: types that the first file does not have.
    cutting:    how its words are cut. other_words: what is other about them than about those of the first file.
    columns:  what the columns of a CoNLL-like file were taken for, "" of other formats.
    samples:  its first sentences with an entity, or else its first ones.
    """

    path: str
    name: str
    read_as: str
    report: ReadReport
    sentences: int
    words: int
    entities: dict[str, int]
    lengths: tuple[int, ...]
    unlabelled: int
    empty: int
    overlapping: int
    duplicates: int
    repeated: tuple[Twin, ...]
    outside: float | None
    absent_labels: tuple[str, ...]
    cutting: Cutting
    other_words: str | None
    columns: str
    samples: tuple[Sentence, ...]

    @property
    def unit(self) -> Unit:
        return self.cutting.unit

    @property
    def labelled(self) -> bool:
        """Did somebody label a sentence of it?"""
        return self.outside is not None


@dataclass(frozen=True)
class Shared:
    """Two files (their paths) with the same sentences: how many different ones, and the longest of them."""

    path: str
    other: str
    count: int
    longest: tuple[Twin, ...]


@dataclass(frozen=True)
class DataReport:
    """What `check_data` finds in the files.

    shared:    pairs of files that have sentences in common.
    conflicts: surfaces with several labels, those with the most labels against their commonest one first.
    missed:    surfaces that are entities here and words outside entities there, likewise.
    suspects:  some entities with odd borders or of unusual length of each reason; `suspect_counts` counts all.
    remarks:   what is read of folders and patterns, and what is left out.
    """

    files: tuple[FileCheck, ...]
    shared: tuple[Shared, ...]
    conflicts: tuple[Conflict, ...]
    missed: tuple[Conflict, ...]
    suspects: tuple[Suspect, ...]
    suspect_counts: dict[str, int]
    remarks: tuple[str, ...] = ()

    @property
    def problems(self) -> bool:
        """Is something wrong beyond doubt: repaired in reading, shared by two files, a type the first file lacks?"""
        return bool(self.shared) or any(not file.report.clean or file.absent_labels for file in self.files)


def check_data(options: CheckDataOptions) -> DataReport:
    """Read the files, each by itself (also those of a folder or pattern), and look at them.

    Errors are those of `read_corpus`.
    """
    given = [expanded(path, options.format) for path in options.files]
    paths = [source for one in given for source in one.sources]
    of_first = len(given[0].sources)  # these are one data set, in which each need not have all types
    names = _names(paths)
    corpora: list[Corpus] = []
    for path, name in zip(paths, names, strict=True):
        corpus = read_corpus(
            [path],
            format=options.format,
            scheme=options.scheme,
            word_column=options.word_column,
            tag_column=options.tag_column,
            unit=corpora[0].unit if corpora else options.unit,  # as a training cuts its files alike
        )
        corpora.append(_placed(corpus, path, name))
    labels = labels_of([sentence for corpus in corpora[:of_first] for sentence in corpus.sentences])
    files = [
        _file_check(str(path), name, corpus, labels, None if corpus is corpora[0] else corpora[0].cutting)
        for path, name, corpus in zip(paths, names, corpora, strict=True)
    ]
    files[:of_first] = [replace(file, absent_labels=()) for file in files[:of_first]]
    sentences = [sentence for corpus in corpora for sentence in corpus.sentences if sentence.spans is not None]
    counts = surface_counts(sentences)
    characters = all(file.unit == "character" for file in files)
    by_reason: dict[str, list[Suspect]] = {}
    for suspect in suspects(sentences, "character" if characters else "word"):
        by_reason.setdefault(suspect.reason, []).append(suspect)
    return DataReport(
        tuple(files),
        tuple(_shared(files, corpora)),
        conflicts(sentences, counts),
        missed(sentences, counts),
        tuple(suspect for same in by_reason.values() for suspect in same[:EXAMPLES]),
        {reason: len(same) for reason, same in by_reason.items()},
        tuple(filter(None, (one.remark() for one in given))),
    )


def _names(paths: Sequence[str | Path]) -> list[str]:
    """The last part of each path, or the whole path where two have the same last part."""
    often = Counter(map(_short, paths))
    return [short if often[short := _short(path)] == 1 else str(path) for path in paths]


def _short(path: str | Path) -> str:
    """The name that `read_corpus` gives a file that it reads alone."""
    return "stdin" if str(path) == STDIN else str(path) if is_hub_name(str(path)) else Path(path).name


def _placed(corpus: Corpus, path: str | Path, name: str) -> Corpus:
    """The corpus with the place of each sentence as its id."""
    start = f"{_short(path)}:"

    def place(id: str) -> str:
        line = id.removeprefix(start)
        return f"{name}:{line}" if id.startswith(start) and line.isdecimal() else f"{name}, id {id}"

    return replace(corpus, sentences=tuple(replace(sentence, id=place(sentence.id)) for sentence in corpus.sentences))


def _shared(files: Sequence[FileCheck], corpora: Sequence[Corpus]) -> Iterator[Shared]:
    keys = [{sentence.words for sentence in corpus.sentences} for corpus in corpora]
    for first, second in combinations(range(len(files)), 2):
        if count := len(keys[first] & keys[second]):
            longest = twins(corpora[first].sentences, corpora[second].sentences)
            yield Shared(files[first].path, files[second].path, count, longest)


def _file_check(path: str, name: str, corpus: Corpus, labels: Sequence[str], first: Cutting | None) -> FileCheck:
    """first: how the words of the first file are cut; None of that one itself."""
    sentences = corpus.sentences
    entities = Counter(span.label for sentence in sentences for span in sentence.spans or ())
    labelled = [sentence for sentence in sentences if sentence.spans is not None]
    words = sum(len(sentence.words) for sentence in labelled)
    inside = sum(len(covered(sentence.spans or ())) for sentence in labelled)
    (summary,) = corpus.report.files
    return FileCheck(
        path=path,
        name=name,
        read_as=summary.format + (f", {summary.scheme}" if summary.scheme else ""),
        report=corpus.report,
        sentences=len(sentences),
        words=sum(len(sentence.words) for sentence in sentences),
        entities=dict(entities.most_common()),
        lengths=quantiles([len(sentence.words) for sentence in sentences]),
        unlabelled=len(sentences) - len(labelled),
        empty=sum(not sentence.spans for sentence in labelled),
        overlapping=sum(
            span.overlaps(other) for sentence in sentences for span, other in combinations(sentence.spans or (), 2)
        ),
        duplicates=len(sentences) - len({sentence.words for sentence in sentences}),
        repeated=twins(sentences),
        outside=1 - inside / words if words else None,
        absent_labels=tuple(label for label in labels_of(sentences) if label not in labels),
        cutting=corpus.cutting if first is None else _own_cutting(corpus),
        other_words=None if first is None else differs(list(map(Given.of, sentences)), first),
        columns=summary.columns,
        samples=tuple(islice(chain(filter(_has_entity, sentences), filterfalse(_has_entity, sentences)), SAMPLES)),
    )


def _own_cutting(corpus: Corpus) -> Cutting:
    """How the words of a file that gives words are cut; else how its texts were."""
    given = [Given(sentence.words) for sentence in corpus.sentences if sentence.text is None]
    return find_cutting(given) if given else corpus.cutting


def _has_entity(sentence: Sentence) -> bool:
    return bool(sentence.spans)


def quantiles(lengths: Sequence[int]) -> tuple[int, ...]:
    """The smallest length that at least the fraction q of all do not exceed, for each q of QUANTILES; 0 of none."""
    ordered = sorted(lengths) or [0]
    return tuple(ordered[max(0, -int(-q * len(ordered) // 1) - 1)] for q in QUANTILES)
