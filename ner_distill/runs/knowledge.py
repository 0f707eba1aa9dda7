"""`[lattice]` and `[features]`: from settings and files to sources and modules, and from a run directory back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ner_distill.config import START_FILE, StudentConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.features.gazetteers import Gazetteers
from ner_distill.data.features.knowledge import Source
from ner_distill.data.features.lattice import LatticeSource
from ner_distill.data.features.soft_lexicon import SoftLexicon, Softword
from ner_distill.data.features.spelling import WIDTHS, Spelling
from ner_distill.data.features.vocab import Vocab
from ner_distill.data.features.words import FILE as VOCABULARY
from ner_distill.data.formats.readers import read_raw
from ner_distill.data.lexicon.lexicon import Lexicon, Match, Matcher
from ner_distill.data.lexicon.segmenters import Segmenter
from ner_distill.data.lexicon.vectors import WordVectors, read_vectors
from ner_distill.data.sentence import Unit, separator
from ner_distill.errors import ConfigError, DataError
from ner_distill.runs.info import read_config, read_info
from ner_distill.runs.record import fingerprints

DIRECTORY = "knowledge"
NO_WORDS = "has no lexicon and no segmenter; expected a teacher trained with [lattice]"
LONGEST = 100  # characters of a lexicon entry where words are words
Vectors = npt.NDArray[np.float32]
Words = Iterable[Sequence[str]]


class Together:
    """Several matchers as one."""

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self.matchers = matchers

    def matches(self, words: Sequence[str]) -> list[Match]:
        """What any of them finds, each place once."""
        return sorted({match for matcher in self.matchers for match in matcher.matches(words)})


@dataclass(frozen=True)
class Knowledge:
    """The sources of a teacher in the order of their modules, and the parts that finding words needs.

    start: embedding weights (vocabulary ids of rows, vectors) that were read for the lexicon's words.
    """

    sources: dict[str, Source]
    lexicon: Lexicon | None = None
    segmenter: Segmenter | None = None
    start: tuple[list[int], Vectors] | None = None

    def save(self, directory: Path) -> None:
        """Everything that labelling needs, so that a run is complete in itself."""
        if not self.sources:
            return
        place = directory / DIRECTORY
        place.mkdir(exist_ok=True)
        for part in (*self.sources.values(), self.lexicon, self.segmenter):
            if part is not None:
                part.save(place)

    @property
    def matcher(self) -> Matcher | None:
        """What finds words in sentences, if anything does."""
        found = [matcher for matcher in (self.lexicon, self.segmenter) if matcher is not None]
        return None if not found else found[0] if len(found) == 1 else Together(found)


def files_of(config: TeacherConfig) -> list[str]:
    """The files and directories that decide what a teacher knows."""
    lattice, features = config.lattice, config.features
    single = (lattice.vectors, features.char_vectors, features.bigram_vectors)
    lists = [file for files in features.gazetteers.values() for file in files]
    files = [*lattice.lexicon, *lattice.raw_text, *lists, *filter(None, single)]
    if lattice.segmenter == "pkuseg":
        files.append(str(Segmenter(lattice.segmenter_model).directory))
    return files


def inputs_of(config: TeacherConfig | StudentConfig) -> dict[str, list[dict[str, Any]]]:
    """Size and hash of what a configuration names and a training reads beside its data, by key (or `knowledge`)."""
    found: dict[str, Sequence[str | Path]] = {"encoder.start": start_files(config.encoder.start)}
    if isinstance(config, TeacherConfig):
        found["knowledge"] = files_of(config)
        found["head.questions"] = list(filter(None, [config.head.questions]))
        found["adversarial.raw_text"] = config.adversarial.raw_text
    return {key: fingerprints(files) for key, files in found.items() if files}


def start_files(directory: str) -> list[Path]:
    """What decides how an encoder begins that `pretrain` made; [] where there is none."""
    start = Path(directory).expanduser()
    return [start / name for name in (START_FILE, VOCABULARY, "model.safetensors")] if directory else []


def read_knowledge(config: TeacherConfig, unit: Unit, sentences: Words, reporter: Reporter) -> Knowledge:
    """Read the files that the configuration names, and count vocabularies on these sentences.

    Raises DataError or ConfigError where a file is wrong or has nothing to do with the sentences.
    """
    sentences = list(sentences)
    lexicon = _read_lexicon(config, unit, reporter)
    segmenter = Segmenter(config.lattice.segmenter_model) if config.lattice.segmenter == "pkuseg" else None
    known = Knowledge({}, lexicon, segmenter)
    if (matcher := known.matcher) is not None:
        recorded = Recorded(matcher)
        _report_matches(config, recorded, sentences, reporter)
        known.sources["lattice"] = _lattice_source(config, known, recorded, unit, sentences)
    for kind in WIDTHS:
        if getattr(config.features, kind):
            if unit == "word":
                raise ConfigError(f"features.{kind} is for text read by Chinese characters; this text is read by words")
            known.sources[kind] = Spelling.counted(kind, sentences)
    if config.features.gazetteers:
        known.sources["gazetteers"] = _read_gazetteers(config, unit, sentences, reporter)
    if not config.lattice.vectors:
        return known
    return _with_vectors(config, known, reporter)


def load_knowledge(config: TeacherConfig, unit: Unit, directory: Path) -> Knowledge:
    """What `Knowledge.save` wrote; no other file is needed. Raises RunError naming what is damaged."""
    place, lattice = directory / DIRECTORY, config.lattice
    lexicon, segmenter = None, None
    if lattice.kind != "none":
        lexicon = Lexicon.load(place) if lattice.lexicon else None
        segmenter = Segmenter.load(place) if lattice.segmenter != "none" else None
    known = Knowledge({}, lexicon, segmenter)
    if (matcher := known.matcher) is not None:
        if lattice.kind == "flat":
            known.sources["lattice"] = LatticeSource.load(place, matcher, max_words=config.encoder.max_pieces)
        elif lattice.kind == "soft-lexicon":
            known.sources["lattice"] = SoftLexicon.load(place, matcher, _frequency(lexicon))
        else:
            known.sources["lattice"] = _softword(config, known)
    for kind in WIDTHS:
        if getattr(config.features, kind):
            known.sources[kind] = Spelling.load(place, kind)
    if config.features.gazetteers:
        known.sources["gazetteers"] = Gazetteers.load(place)
    return known


def matcher_of(run: Path) -> Matcher:
    """What a teacher's run finds words with. Raises ConfigError where it has nothing of the kind."""
    info = read_info(run)
    matcher = None
    if info.kind == "teacher":
        matcher = load_knowledge(read_config(run, TeacherConfig), info.unit, run).matcher
    if matcher is None:
        raise ConfigError(f"{run}: {NO_WORDS}")
    return matcher


def _read_lexicon(config: TeacherConfig, unit: Unit, reporter: Reporter) -> Lexicon | None:
    lattice = config.lattice
    if not lattice.lexicon:
        return None
    shortest = 2 if lattice.kind == "flat" and unit == "character" else 1
    lexicon, cleaned = Lexicon.read(
        lattice.lexicon,
        min_length=shortest,
        max_length=lattice.max_length if unit == "character" else LONGEST,
        separator=separator(unit),
    )
    reporter.info(f"lexicon: {len(lexicon):,} words{_cleaned(cleaned)}")
    return lexicon


def _read_gazetteers(config: TeacherConfig, unit: Unit, sentences: Words, reporter: Reporter) -> Gazetteers:
    lists = {label: [Path(file) for file in files] for label, files in config.features.gazetteers.items()}
    gazetteers, read = Gazetteers.read(lists, separator(unit))
    for label, lexicon in gazetteers.lexicons.items():
        cleaned = dict(read[label])
        entries = cleaned.pop("entries")
        matches = sum(len(lexicon.matches(words)) for words in sentences)
        told = f"gazetteer {label}: {entries:,} entries{_cleaned(cleaned)}; {matches:,} matches in the training text"
        (reporter.info if matches else reporter.warn)(told)
    return gazetteers


def _softword(config: TeacherConfig, known: Knowledge) -> Softword:
    matcher = known.matcher
    assert matcher is not None
    if config.lattice.kind == "ex-softword":
        return Softword("ex-softword", matcher)
    return Softword("softword", known.segmenter or matcher)  # a segmenter's one segmentation, where there is one


def _frequency(lexicon: Lexicon | None) -> Callable[[str], int] | None:
    return lexicon.frequency if lexicon is not None else None


def _cleaned(counts: Mapping[str, int]) -> str:
    left = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
    return f" (cleaned: {left})" if left else ""


class Recorded:
    """A matcher that looks at each sentence once: several counts are made of the same training text."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._found: dict[tuple[str, ...], list[Match]] = {}

    def matches(self, words: Sequence[str]) -> list[Match]:
        """As the matcher's."""
        key = tuple(words)
        if key not in self._found:
            self._found[key] = self._matcher.matches(words)
        return self._found[key]


def _lattice_source(
    config: TeacherConfig, known: Knowledge, recorded: Recorded, unit: Unit, sentences: Words
) -> Source:
    lattice, matcher = config.lattice, known.matcher
    assert matcher is not None
    if lattice.kind == "flat":
        limit = config.encoder.max_pieces
        source = LatticeSource.counted(recorded, sentences, min_count=lattice.min_count, max_words=limit)
        source.matcher = matcher
        return source
    if lattice.kind == "soft-lexicon":
        raw: Iterator[Sequence[str]] = iter(())
        if lattice.raw_text:
            raw = (sentence.words for sentence in read_raw(list(lattice.raw_text), format="auto", unit=unit))
        frequency = _frequency(known.lexicon)
        return SoftLexicon.counted(matcher, sentences, raw, min_count=lattice.min_count, given=frequency)
    return _softword(config, known)


def _report_matches(config: TeacherConfig, matcher: Matcher, sentences: Words, reporter: Reporter) -> None:
    """How much of the text the lexicon knows. Raises DataError where that is nothing."""
    found = words = covered = 0
    shortest = 2 if config.lattice.kind == "flat" else 1  # a match of one word is no element of a lattice
    for sentence in sentences:
        matches = [match for match in matcher.matches(sentence) if match.end - match.start >= shortest]
        found += len(matches)
        words += len(sentence)
        covered += len({place for match in matches for place in range(match.start, match.end)})
    if not found:
        raise DataError(
            f"lattice: no word of {', '.join(config.lattice.lexicon) or 'the segmenter'} stands in the training text; "
            f"expected a lexicon of the text's language, with entries of {shortest} or more of its words (characters)"
        )
    reporter.info(f"lattice: {found:,} words found in the training text, over {100 * covered / words:.0f} % of it")


def _with_vectors(config: TeacherConfig, known: Knowledge, reporter: Reporter) -> Knowledge:
    """Read vectors for all words of the lexicon, seen in training or not: those that have one get a row."""
    lattice, source = config.lattice, known.sources["lattice"]
    assert isinstance(source, LatticeSource | SoftLexicon)
    needed = {*source.vocab.forms, *(known.lexicon.forms if known.lexicon is not None else ())}
    vectors = read_vectors(lattice.vectors, needed, dim=lattice.word_dim)
    report_vectors("lattice.vectors", vectors, reporter)
    unseen = [form for form in vectors.forms if form not in source.vocab]
    source.vocab = Vocab([*source.vocab.forms, *unseen], [*source.vocab.counts, *([0] * len(unseen))])
    rows = [source.vocab.id(form) for form in vectors.forms]
    return Knowledge(known.sources, known.lexicon, known.segmenter, (rows, np.asarray(vectors.matrix)))


def report_vectors(key: str, vectors: WordVectors, reporter: Reporter) -> None:
    """Coverage, and what the file lacks."""
    left = {name: count for name, count in vectors.counts.items() if name in ("duplicates", "nameless", "blank")}
    reporter.info(f"{key}: {vectors.coverage:.1%} of {vectors.needed:,} words have one{_cleaned(left)}")
    if missing := vectors.counts.get("missing", 0):
        reporter.warn(f"{key}: the file's first line announces {missing:,} vectors more than it holds; was it cut off?")
