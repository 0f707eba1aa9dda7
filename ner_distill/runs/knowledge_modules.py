"""Modules for what a teacher knows of words: from sources and vectors that were read."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.features.gazetteers import Gazetteers
from ner_distill.data.features.lattice import LatticeSource
from ner_distill.data.features.soft_lexicon import SoftLexicon, Softword
from ner_distill.data.features.spelling import WIDTHS, Spelling
from ner_distill.data.features.vocab import Vocab
from ner_distill.data.lexicon.vectors import read_vectors
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.base import WordKnowledge
from ner_distill.nn.encoders.embedding import AnyEmbedding, GivenEmbedding, start_rows
from ner_distill.nn.encoders.flat import FlatTransformer
from ner_distill.nn.encoders.knowledge import MarkEmbedding, SoftLexiconEmbedding, SpellingEmbedding
from ner_distill.nn.encoders.lattice import LatticeLayers
from ner_distill.runs.knowledge import Knowledge, report_vectors


def modules_of(config: TeacherConfig, known: Knowledge) -> list[WordKnowledge]:
    """What joins the word vectors, for every source but the lattice of FLAT."""
    modules: list[WordKnowledge] = []
    lattice, features = config.lattice, config.features
    for source in known.sources.values():
        if isinstance(source, SoftLexicon):
            modules.append(_soft_lexicon(config, source, known))
        elif isinstance(source, Softword):
            modules.append(MarkEmbedding(source.marks, lattice.word_dim, key="softword_marks"))
        elif isinstance(source, Spelling):
            name, dim = source.name, features.spelling_dim
            modules.append(SpellingEmbedding(len(source.vocab), dim, name=name, widths=WIDTHS[name]))
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
    layers.words = _begun(config, layers.words, known)
    return layers


def _soft_lexicon(config: TeacherConfig, source: SoftLexicon, known: Knowledge) -> SoftLexiconEmbedding:
    module = SoftLexiconEmbedding(len(source.vocab), config.lattice.word_dim, unknown=config.lattice.unknown)
    module.words = _begun(config, module.words, known)
    return module


def _begun(config: TeacherConfig, embedding: AnyEmbedding, known: Knowledge) -> AnyEmbedding:
    """The embedding of the lexicon's words with the vectors that were read, to be tuned or to stay."""
    if config.lattice.vectors and not config.lattice.tune_vectors and isinstance(embedding, nn.Embedding):
        embedding = GivenEmbedding(embedding)
    if known.start is not None:
        rows, vectors = known.start
        start_rows(embedding, rows, torch.from_numpy(np.array(vectors)))
    return embedding


def start_words(embedding: AnyEmbedding, vocab: Vocab, file: str, key: str, reporter: Reporter) -> None:
    """Begin the vectors of words (or bigrams) at those of a file; the others stay as they are."""
    vectors = read_vectors(file, vocab.forms, dim=embedding.embedding_dim)
    report_vectors(key, vectors, reporter)
    start_rows(embedding, [vocab.id(form) for form in vectors.forms], torch.from_numpy(np.array(vectors.matrix)))
