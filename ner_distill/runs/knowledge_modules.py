"""Modules for what a teacher knows of words: from sources and vectors that were read."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import nn

from ner_distill.config import (
    EncoderConfig,
    FlatConfig,
    ScratchEncoderConfig,
    SoftLexiconConfig,
    SoftwordConfig,
    WordVectorsConfig,
)
from ner_distill.console import Reporter
from ner_distill.data.features.gazetteers import Gazetteers
from ner_distill.data.features.lattice import LatticeSource
from ner_distill.data.features.soft_lexicon import SoftLexicon, Softword
from ner_distill.data.features.spelling import WIDTHS, Spelling, SpellingKind
from ner_distill.data.features.vocab import Vocab
from ner_distill.data.lexicon.vectors import read_vectors
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.embedding import GivenEmbedding, start_rows
from ner_distill.nn.encoders.flat import FlatTransformer
from ner_distill.nn.encoders.knowledge import MarkEmbedding, SoftLexiconEmbedding, SpellingEmbedding
from ner_distill.nn.encoders.lattice import LatticeLayers
from ner_distill.runs.knowledge import Knowledge, report_vectors


def modules_of(known: Knowledge) -> list[nn.Module]:
    """What joins the word vectors, for every source but the lattice of FLAT."""
    modules: list[nn.Module] = []
    lattice, features = known.lattice, known.features
    for name, source in known.sources.items():
        if isinstance(source, SoftLexicon):
            modules.append(_soft_lexicon(len(source.vocab), known))
        elif isinstance(source, Softword) and isinstance(lattice, SoftwordConfig):
            modules.append(MarkEmbedding(source.marks, lattice.word_dim, key="softword_marks"))
        elif isinstance(source, Spelling):
            widths = WIDTHS[cast(SpellingKind, name)]
            modules.append(SpellingEmbedding(len(source.vocab), features.spelling_dim, name=name, widths=widths))
        elif isinstance(source, Gazetteers):
            modules.append(MarkEmbedding(source.marks, features.gazetteer_dim, key="gazetteers_marks"))
    return modules


def lattice_of(known: Knowledge, encoder: EncoderConfig, dim: int) -> LatticeLayers | None:
    """The FLAT layers over vectors of this width, where `[lattice]` asks for them."""
    lattice = known.lattice
    if not isinstance(lattice, FlatConfig):
        return None
    scratch = isinstance(encoder, ScratchEncoderConfig)
    shape = encoder if isinstance(encoder, ScratchEncoderConfig) else lattice
    if dim % shape.heads:
        raise ConfigError(f"lattice.heads must divide the encoder's width, found {shape.heads} and {dim}")
    flat = FlatTransformer(
        dim,
        layers=shape.layers,
        heads=shape.heads,
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
    layers.words = _begun(layers.words, known)
    return layers


def _soft_lexicon(entries: int, known: Knowledge) -> SoftLexiconEmbedding:
    assert isinstance(known.lattice, SoftLexiconConfig)
    module = SoftLexiconEmbedding(entries, known.lattice.word_dim, unknown=known.lattice.unknown)
    module.words = _begun(module.words, known)
    return module


def _begun(embedding: nn.Module, known: Knowledge) -> nn.Module:
    """The embedding of the lexicon's words with the vectors that were read, to be tuned or to stay."""
    lattice = known.lattice
    if isinstance(lattice, WordVectorsConfig) and lattice.vectors and not lattice.tune_vectors:
        embedding = GivenEmbedding(cast(nn.Embedding, embedding))
    if known.start is not None:
        rows, vectors = known.start
        start_rows(embedding, rows, torch.from_numpy(np.array(vectors)))
    return embedding


def _width(embedding: nn.Module) -> int:
    return cast(nn.Embedding, embedding.learned if isinstance(embedding, GivenEmbedding) else embedding).embedding_dim


def start_words(embedding: nn.Module, vocab: Vocab, file: str, key: str, reporter: Reporter) -> None:
    """Begin the vectors of words (or bigrams) at those of a file; the others stay as they are."""
    vectors = read_vectors(file, vocab.forms, dim=_width(embedding))
    report_vectors(key, vectors, reporter)
    start_rows(embedding, [vocab.id(form) for form in vectors.forms], torch.from_numpy(np.array(vectors.matrix)))
