"""Encoders and their featurizers, from scratch or pretrained, with what is known of words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w
import torch
from torch import nn

from ner_distill.config import (
    START_FILE,
    START_SHAPE,
    FeaturesConfig,
    PretrainedEncoderConfig,
    ScratchEncoderConfig,
    read_start,
)
from ner_distill.console import Reporter
from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.sentence import Unit
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import atomic_write_text
from ner_distill.nn.encoders.embedding import GivenEmbedding
from ner_distill.nn.encoders.lattice import KnowledgeEncoder, LatticeLayers
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.nn.encoders.relative import RelativeTransformer
from ner_distill.nn.encoders.scratch import ScratchEncoder, WordEmbedding
from ner_distill.runs.knowledge import Knowledge
from ner_distill.runs.knowledge_modules import lattice_of, modules_of, start_words
from ner_distill.runs.weights import load_weights, save_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

START_WEIGHTS = "model.safetensors"


def count_words(config: ScratchEncoderConfig, unit: Unit, sentences: Iterable[Sequence[str]]) -> WordFeaturizer:
    """The scratch encoder's featurizer, its vocabularies counted on these sentences, or those that it starts with.

    Raises ConfigError where `start` was pretrained on words of another unit.
    """
    if config.start:
        directory = Path(config.start).expanduser()
        found, _ = read_start(directory)
        if found != unit:
            raise ConfigError(
                f"encoder.start: {directory} was pretrained by {found}, this text is read by {unit}; "
                f"expected an encoder of the same unit (pretrain `unit` {unit})"
            )
        return WordFeaturizer.load(directory, unit, max_words=config.max_pieces)
    return WordFeaturizer.counted(
        sentences,
        unit,
        min_count=config.min_count,
        max_forms=config.max_forms or None,
        max_words=config.max_pieces,
        bigrams=config.bigrams,
    )


def count_pieces(config: PretrainedEncoderConfig, backbone: PreTrainedModel) -> PieceFeaturizer:
    """The featurizer of a pretrained encoder. Raises ConfigError where the tokenizer does not fit it."""
    from ner_distill.nn.encoders.huggingface import check_vocabulary, load_tokenizer, position_limit

    tokenizer = load_tokenizer(config.name)
    check_vocabulary(backbone, tokenizer, config.name)
    return PieceFeaturizer(tokenizer, max_pieces=config.max_pieces, positions=position_limit(backbone.config))


def scratch(
    config: ScratchEncoderConfig,
    featurizer: WordFeaturizer,
    knowledge: Sequence[nn.Module] = (),
    lattice: LatticeLayers | None = None,
) -> ScratchEncoder:
    """The scratch encoder for these vocabularies, with fresh weights."""
    sizes = {name: len(vocab) for name, vocab in featurizer.vocabs.items()}
    embedding = WordEmbedding(
        sizes["words"],
        dim=config.word_dim,
        chars=sizes.get("chars", 0),
        char_filters=config.char_filters,
        bigrams=sizes.get("bigrams", 0),
        bigram_dim=config.bigram_dim,
        unknown=config.unknown,
        knowledge=knowledge,
    )
    return ScratchEncoder(
        embedding,
        hidden=config.hidden,
        layers=config.layers,
        heads=config.heads,
        dropout=config.dropout,
        embedding_dropout=config.embedding_dropout,
        lattice=lattice,
    )


def start_encoder(config: ScratchEncoderConfig, encoder: ScratchEncoder, reporter: Reporter | None = None) -> None:
    """Begin at the weights of the directory `start`, if there is one, as far as they fit.

    They always are the embeddings. Of the projection the columns of these: what is known of words besides comes behind
    them and begins anew. And the layers, unless they are those of a lattice.
    Raises RunError where a weight is missing or of another shape.
    """
    if not config.start:
        return
    file = Path(config.start).expanduser() / START_WEIGHTS
    weights, own = load_weights(file), encoder.state_dict()
    wanted = {name for name in own if not name.startswith("embedding.knowledge.")}
    anew = []
    if not isinstance(encoder.transformer, RelativeTransformer):
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("transformer.")}
        wanted = {name for name in wanted if not name.startswith("transformer.")}
        anew.append("the layers of the lattice")
    given, wide = weights.get("projection.weight"), own["projection.weight"]
    if given is not None and len(encoder.embedding.knowledge):
        weights["projection.weight"] = torch.cat([given, wide[:, given.shape[1] :]], dim=1)
        anew.append("what is known of words")
    for name in sorted(wanted | weights.keys()):
        if name not in weights or name not in own or weights[name].shape != own[name].shape:
            raise RunError(f"{file}: does not fit {START_FILE} beside it, such as {name}; restore it or pretrain again")
    encoder.load_state_dict(weights, strict=False)
    if anew and reporter is not None:
        reporter.info(f"encoder.start: {config.start}; {' and '.join(anew)} begin anew")


def save_start(config: ScratchEncoderConfig, unit: Unit, encoder: ScratchEncoder, directory: Path) -> None:
    """Write weights and `encoder.toml`, which `start_encoder` reads; the vocabulary is there already."""
    save_weights(directory / START_WEIGHTS, encoder.state_dict())
    shape = {key: getattr(config, key) for key in START_SHAPE}
    about = {"format": 1, "unit": unit, "encoder": shape}
    atomic_write_text(directory / START_FILE, tomli_w.dumps(about))


def scratch_with(config: ScratchEncoderConfig, featurizer: WordFeaturizer, known: Knowledge) -> ScratchEncoder:
    """The scratch encoder of a teacher, with what it knows of words."""
    lattice = lattice_of(known, config, config.hidden)  # before the modules: in this order their weights are drawn
    encoder = scratch(config, featurizer, modules_of(known), lattice)
    embedding, features = encoder.embedding, known.features
    if not features.tune_vectors:
        if features.char_vectors and isinstance(embedding.words, nn.Embedding):
            embedding.words = GivenEmbedding(embedding.words)
        if features.bigram_vectors and isinstance(embedding.bigrams, nn.Embedding):
            embedding.bigrams = GivenEmbedding(embedding.bigrams)
    return encoder


def start_vectors(
    features: FeaturesConfig, embedding: WordEmbedding, featurizer: WordFeaturizer, reporter: Reporter
) -> None:
    """Begin words and bigrams at the vectors that `[features]` names."""
    for key, table, vocab in (("char_vectors", "words", "words"), ("bigram_vectors", "bigrams", "bigrams")):
        if file := getattr(features, key):
            if vocab not in featurizer.vocabs:
                raise ConfigError(f"features.{key}: this encoder has no {vocab} (encoder.bigrams, Chinese only)")
            start_words(getattr(embedding, table), featurizer.vocabs[vocab], file, f"features.{key}", reporter)


def pretrained_with(config: PretrainedEncoderConfig, backbone: PreTrainedModel, known: Knowledge) -> nn.Module:
    """A pretrained encoder, and on it what the teacher knows of words."""
    encoder = pretrained(config, backbone)
    if not known.sources:
        return encoder
    lattice = lattice_of(known, config, encoder.dim)
    return KnowledgeEncoder(encoder, knowledge=modules_of(known), lattice=lattice)


def pretrained(config: PretrainedEncoderConfig, backbone: PreTrainedModel) -> PretrainedEncoder:
    """The encoder around a backbone."""
    from ner_distill.nn.encoders.huggingface import layers_of

    mixed = min(4, len(layers_of(backbone)))
    return PretrainedEncoder(backbone, pooling=config.pooling, layer_mix=config.layer_mix, layers_to_mix=mixed)
