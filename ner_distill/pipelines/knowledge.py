"""`[lattice]` and `[features]`: from settings and files to sources and modules, and from a run directory back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.gazetteers import Gazetteers
from ner_distill.data.knowledge import Source
from ner_distill.data.lattice import LatticeSource
from ner_distill.data.lexicon import Lexicon, Match, Matcher
from ner_distill.data.readers import read_raw
from ner_distill.data.segmenters import Segmenter
from ner_distill.data.sentence import Unit
from ner_distill.data.soft_lexicon import SoftLexicon, Softword, SoftwordKind
from ner_distill.data.spelling_features import WIDTHS, Spelling, SpellingKind
from ner_distill.data.vectors import read_vectors
from ner_distill.data.vocab import Vocab
from ner_distill.errors import ConfigError, DataError
from ner_distill.nn.flat import FlatTransformer
from ner_distill.nn.knowledge import MarkEmbedding, SoftLexiconEmbedding, SpellingEmbedding
from ner_distill.nn.lattice import LatticeLayers
from ner_distill.pipelines import runs

DIRECTORY = "knowledge"
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
    single = (lattice.segmenter_model, lattice.vectors, features.char_vectors, features.bigram_vectors)
    return [*lattice.lexicon, *lattice.raw_text, *features.gazetteers.values(), *filter(None, single)]


def read_knowledge(config: TeacherConfig, unit: Unit, sentences: Words, reporter: Reporter) -> Knowledge:
    """Read the files that the configuration names, and count vocabularies on these sentences.

    Raises DataError or ConfigError where a file is wrong or has nothing to do with the sentences.
    """
    sentences = list(sentences)
    lattice, separator = config.lattice, "" if unit == "character" else " "
    lexicon, segmenter = None, None
    if lattice.kind != "none":
        if lattice.lexicon:
            shortest = 2 if lattice.kind == "flat" else 1
            lexicon, cleaned = Lexicon.read(
                lattice.lexicon, min_length=shortest, max_length=max(lattice.max_length, shortest), separator=separator
            )
            left = ", ".join(f"{count:,} {reason}" for reason, count in cleaned.items() if count)
            reporter.info(f"lexicon: {len(lexicon):,} words" + (f"; cleaned: {left}" if left else ""))
        if lattice.segmenter == "pkuseg":
            segmenter = Segmenter(lattice.segmenter_model)
    known = Knowledge({}, lexicon, segmenter)
    if (matcher := known.matcher) is not None:
        known.sources["lattice"] = _lattice_source(config, matcher, unit, sentences)
        _report_matches(config, matcher, sentences, reporter)
    for kind in WIDTHS:
        if getattr(config.features, kind):
            known.sources[kind] = Spelling.counted(kind, sentences)
    if config.features.gazetteers:
        lists = {label: Path(file) for label, file in config.features.gazetteers.items()}
        known.sources["gazetteers"] = Gazetteers.read(lists, separator)
    if not lattice.vectors:
        return known
    return _with_vectors(config, known, sentences, reporter)


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
            known.sources["lattice"] = SoftLexicon.load(place, matcher)
        else:
            known.sources["lattice"] = Softword.load(place, cast(SoftwordKind, lattice.kind), matcher)
    for kind in WIDTHS:
        if getattr(config.features, kind):
            known.sources[kind] = Spelling.load(place, kind)
    if config.features.gazetteers:
        known.sources["gazetteers"] = Gazetteers.load(place)
    return known


def matcher_of(run: Path) -> Matcher:
    """What a teacher's run finds words with. Raises ConfigError where it has nothing of the kind."""
    info = runs.read_info(run)
    matcher = None
    if info.kind == "teacher":
        matcher = load_knowledge(runs.read_config(run, TeacherConfig), info.unit, run).matcher
    if matcher is None:
        raise ConfigError(f"{run}: has no lexicon and no segmenter; expected a teacher trained with [lattice]")
    return matcher


def _lattice_source(config: TeacherConfig, matcher: Matcher, unit: Unit, sentences: Words) -> Source:
    lattice = config.lattice
    if lattice.kind == "flat":
        return LatticeSource.counted(
            matcher, sentences, min_count=lattice.min_count, max_words=config.encoder.max_pieces
        )
    if lattice.kind == "soft-lexicon":
        raw: Iterator[Sequence[str]] = iter(())
        if lattice.raw_text:
            raw = (sentence.words for sentence in read_raw(list(lattice.raw_text), format="auto", unit=unit))
        return SoftLexicon.counted(matcher, sentences, raw)
    return Softword(cast(SoftwordKind, lattice.kind), matcher)


def _report_matches(config: TeacherConfig, matcher: Matcher, sentences: Words, reporter: Reporter) -> None:
    """How much of the text the lexicon knows. Raises DataError where that is nothing."""
    found = words = covered = 0
    for sentence in sentences:
        matches = matcher.matches(sentence)
        found += len(matches)
        words += len(sentence)
        covered += len({place for match in matches for place in range(match.start, match.end)})
    if not found:
        raise DataError(
            f"lattice: no word of {', '.join(config.lattice.lexicon) or 'the segmenter'} stands in the training text; "
            "expected a lexicon of the text's language, of words that are at most lattice.max_length long"
        )
    reporter.info(f"lattice: {found:,} words found in the training text, over {100 * covered / words:.0f} % of it")


def _with_vectors(config: TeacherConfig, known: Knowledge, sentences: Words, reporter: Reporter) -> Knowledge:
    """Read vectors for all words of the lexicon, seen in training or not: those that have one get a row."""
    lattice, source = config.lattice, known.sources["lattice"]
    assert isinstance(source, LatticeSource | SoftLexicon)
    needed = {*source.vocab.forms, *(known.lexicon.forms if known.lexicon is not None else ())}
    vectors = read_vectors(lattice.vectors, needed, dim=lattice.word_dim)
    reporter.info(f"lattice.vectors: {vectors.coverage:.1%} of {len(needed):,} words have one")
    unseen = [form for form in vectors.forms if form not in source.vocab]
    source.vocab = Vocab([*source.vocab.forms, *unseen], [*source.vocab.counts, *([0] * len(unseen))])
    rows = [source.vocab.id(form) for form in vectors.forms]
    return Knowledge(known.sources, known.lexicon, known.segmenter, (rows, np.asarray(vectors.matrix)))


# ---- modules


def modules_of(config: TeacherConfig, known: Knowledge) -> list[nn.Module]:
    """What joins the word vectors, for every source but the lattice of FLAT."""
    modules: list[nn.Module] = []
    lattice, features = config.lattice, config.features
    for name, source in known.sources.items():
        if isinstance(source, SoftLexicon):
            modules.append(_soft_lexicon(config, source, known))
        elif isinstance(source, Softword):
            modules.append(MarkEmbedding(source.marks, lattice.word_dim, key="softword_marks"))
        elif isinstance(source, Spelling):
            widths = WIDTHS[cast(SpellingKind, name)]
            modules.append(SpellingEmbedding(len(source.vocab), features.spelling_dim, name=name, widths=widths))
        elif isinstance(source, Gazetteers):
            modules.append(MarkEmbedding(source.marks, features.gazetteer_dim, key="gazetteers_marks"))
    return modules


def lattice_of(config: TeacherConfig, known: Knowledge, dim: int) -> LatticeLayers | None:
    """The FLAT layers over vectors of this width, where `[lattice]` asks for them."""
    lattice, encoder = config.lattice, config.encoder
    if lattice.kind != "flat":
        return None
    scratch = encoder.name == "scratch"
    heads = encoder.heads if scratch else lattice.heads
    if dim % heads:
        raise ConfigError(f"lattice.heads must divide the encoder's width, found {heads} and {dim}")
    flat = FlatTransformer(
        dim,
        layers=encoder.layers if scratch else lattice.layers,
        heads=heads,
        inner=3 * dim,
        dropout=encoder.dropout,
        fusion=lattice.fusion,
        shared=lattice.shared_positions,
        learned=lattice.positions == "learned",
        scaled=lattice.scaled,
        max_distance=encoder.max_pieces,
    )
    source = known.sources["lattice"]
    assert isinstance(source, LatticeSource)
    layers = LatticeLayers(
        len(source.vocab),
        flat,
        word_dim=lattice.word_dim,
        dropout=lattice.dropout,
        unknown=lattice.unknown,
        normed=not scratch,
    )
    if known.start is not None:
        _start(layers.words, *known.start)
    layers.words.weight.requires_grad_(lattice.tune_vectors or not lattice.vectors)
    return layers


def _soft_lexicon(config: TeacherConfig, source: SoftLexicon, known: Knowledge) -> SoftLexiconEmbedding:
    lattice = config.lattice
    module = SoftLexiconEmbedding(len(source.vocab), lattice.word_dim, unknown=lattice.unknown)
    if known.start is not None:
        _start(module.words, *known.start)
    module.words.weight.requires_grad_(lattice.tune_vectors or not lattice.vectors)
    return module


def _start(embedding: nn.Embedding, rows: Sequence[int], vectors: Vectors) -> None:
    with torch.no_grad():
        embedding.weight[torch.tensor(rows)] = torch.from_numpy(np.array(vectors, dtype=np.float32))


def start_words(
    embedding: nn.Embedding, vocab: Vocab, file: str, key: str, reporter: Reporter, *, tuned: bool
) -> None:
    """Begin the vectors of words (or bigrams) at those of a file; the others stay as they are."""
    vectors = read_vectors(file, vocab.forms, dim=embedding.embedding_dim)
    reporter.info(f"{key}: {vectors.coverage:.1%} of {len(vocab.forms):,} have a vector")
    _start(embedding, [vocab.id(form) for form in vectors.forms], vectors.matrix)
    embedding.weight.requires_grad_(tuned)
