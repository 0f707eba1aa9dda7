"""From `[encoder]`, `[lattice]` and `[features]` to encoders and their featurizers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tomli_w
import torch
from torch import nn

from ner_distill.config import START_FILE, START_SHAPE, read_start, sections
from ner_distill.console import Reporter
from ner_distill.data.features.gazetteers import Gazetteers
from ner_distill.data.features.lattice import LatticeSource
from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.soft_lexicon import SoftLexicon, Softword
from ner_distill.data.features.spelling import WIDTHS, Spelling
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.lexicon.vectors import read_vectors
from ner_distill.data.sentence import Unit
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import atomic_write_text
from ner_distill.nn.encoders.base import Encoder, WordKnowledge
from ner_distill.nn.encoders.embedding import AnyEmbedding, GivenEmbedding, start_rows
from ner_distill.nn.encoders.flat import FlatTransformer
from ner_distill.nn.encoders.knowledge import MarkEmbedding, SoftLexiconEmbedding, SpellingEmbedding
from ner_distill.nn.encoders.lattice import KnowledgeEncoder, LatticeLayers
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.nn.encoders.relative import RelativeTransformer
from ner_distill.nn.encoders.scratch import ScratchEncoder, WordEmbedding
from ner_distill.runs.knowledge import Knowledge, Words, report_vectors
from ner_distill.runs.weights import load_weights, save_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ner_distill.nn.encoders.trial import TrialInputs

START_WEIGHTS = "model.safetensors"


def count_words(
    config: sections.ScratchEncoderConfig, unit: Unit, sentences: Iterable[Sequence[str]]
) -> WordFeaturizer:
    """The featurizer of a scratch encoder, its vocabularies counted on these sentences or read from `start`.

    Raises ConfigError where `start` was pretrained on characters and these are words, or the other way round.
    """
    if config.start:
        directory = Path(config.start).expanduser()
        pretrained_unit, _ = read_start(directory)
        if (pretrained_unit == "character") != (unit == "character"):
            raise ConfigError(
                f"encoder.start: {directory} was pretrained by {pretrained_unit}, this text is read by {unit}; "
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


def count_pieces(config: sections.PretrainedEncoderConfig, unit: Unit, backbone: PreTrainedModel) -> PieceFeaturizer:
    """The featurizer of a pretrained encoder. Raises ConfigError where the tokenizer does not fit it."""
    from ner_distill.data.features.vocabularies import for_unit
    from ner_distill.nn.encoders.huggingface import check_vocabulary, load_tokenizer, position_limit

    tokenizer = for_unit(load_tokenizer(config.name), unit)
    check_vocabulary(backbone, tokenizer, config.name)
    return PieceFeaturizer(tokenizer, max_pieces=config.max_pieces, positions=position_limit(backbone.config))


def trial_inputs(pieces: PieceFeaturizer) -> TrialInputs:
    """What a new pretrained encoder is tried with before it is trained."""
    from ner_distill.nn.encoders.trial import TrialInputs

    return TrialInputs(**pieces.trial_batches())


def scratch(
    config: sections.ScratchEncoderConfig,
    featurizer: WordFeaturizer,
    knowledge: Sequence[WordKnowledge] = (),
    lattice: LatticeLayers | None = None,
) -> ScratchEncoder:
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


def start_encoder(
    config: sections.ScratchEncoderConfig, encoder: ScratchEncoder, reporter: Reporter | None = None
) -> None:
    """Load the weights of the directory `start`, if there is one, as far as they fit.

    Always the embeddings, and the columns of the projection that read them: those for knowledge of words come after
    them and begin anew. The layers too, unless they are those of a lattice.
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


def save_start(config: sections.ScratchEncoderConfig, unit: Unit, encoder: ScratchEncoder, directory: Path) -> None:
    """Write weights and `encoder.toml`, which `start_encoder` reads; the vocabulary is there already."""
    save_weights(directory / START_WEIGHTS, encoder.state_dict())
    shape = {key: getattr(config, key) for key in START_SHAPE}
    about = {"format": 1, "unit": unit, "encoder": shape}
    atomic_write_text(directory / START_FILE, tomli_w.dumps(about))


# ---- of teachers


def new_scratch_encoders(
    config: sections.ScratchEncoderConfig,
    known: Knowledge,
    unit: Unit,
    sentences: Words,
    number: int,
    reporter: Reporter,
) -> tuple[WordFeaturizer, list[ScratchEncoder]]:
    """Encoders with their first weights, and their featurizer, whose words are counted on the sentences."""
    featurizer = count_words(config, unit, sentences)
    encoders = [scratch_with(config, featurizer, known) for _ in range(number)]
    for encoder in encoders:
        start_encoder(config, encoder, reporter)
        _start_vectors(known.features, encoder.embedding, featurizer, reporter)
    return featurizer, encoders


def new_pretrained_encoders(
    config: sections.PretrainedEncoderConfig, known: Knowledge, unit: Unit, number: int, *, bf16: bool
) -> tuple[PieceFeaturizer, list[Encoder]]:
    """As many encoders of one checkpoint, tried as they will be trained. Raises ConfigError."""
    from ner_distill.nn.encoders.huggingface import load_backbone
    from ner_distill.nn.encoders.trial import try_encoder

    backbones = [load_backbone(config.name) for _ in range(number)]
    featurizer = count_pieces(config, unit, backbones[0])
    encoders = [pretrained_with(config, backbone, known) for backbone in backbones]
    base = encoders[0].innermost()
    assert isinstance(base, PretrainedEncoder)
    try_encoder(config.name, base, trial_inputs(featurizer), bf16=bf16)
    return featurizer, encoders


def scratch_with(config: sections.ScratchEncoderConfig, featurizer: WordFeaturizer, known: Knowledge) -> ScratchEncoder:
    """The scratch encoder of a teacher, with what it knows of words."""
    lattice = _lattice_of(known, config, config.hidden)  # before the modules: in this order their weights are drawn
    encoder = scratch(config, featurizer, _modules_of(known), lattice)
    embedding, features = encoder.embedding, known.features
    if not features.tune_vectors:
        if features.char_vectors and isinstance(embedding.words, nn.Embedding):
            embedding.words = GivenEmbedding(embedding.words)
        if features.bigram_vectors and isinstance(embedding.bigrams, nn.Embedding):
            embedding.bigrams = GivenEmbedding(embedding.bigrams)
    return encoder


def pretrained_with(config: sections.PretrainedEncoderConfig, backbone: PreTrainedModel, known: Knowledge) -> Encoder:
    encoder = PretrainedEncoder(backbone, pooling=config.pooling, layer_mix=config.layer_mix)
    if not known.sources:
        return encoder
    lattice = _lattice_of(known, config, encoder.dim)
    return KnowledgeEncoder(encoder, knowledge=_modules_of(known), lattice=lattice)


def _start_vectors(
    features: sections.FeaturesConfig, embedding: WordEmbedding, featurizer: WordFeaturizer, reporter: Reporter
) -> None:
    tables = (
        ("char_vectors", features.char_vectors, "words", embedding.words),
        ("bigram_vectors", features.bigram_vectors, "bigrams", embedding.bigrams),
    )
    for key, file, vocab, table in tables:
        if file:
            if table is None:
                raise ConfigError(f"features.{key}: this encoder has no {vocab} (encoder.bigrams, Chinese only)")
            vectors = read_vectors(file, featurizer.vocabs[vocab].forms, dim=table.embedding_dim)
            report_vectors(f"features.{key}", vectors, reporter)
            rows = [featurizer.vocabs[vocab].id(form) for form in vectors.forms]
            start_rows(table, rows, torch.from_numpy(np.array(vectors.matrix)))


def _modules_of(known: Knowledge) -> list[WordKnowledge]:
    """The modules whose vectors join those of the words: of every source but the lattice of FLAT."""
    modules: list[WordKnowledge] = []
    lattice, features = known.lattice, known.features
    for source in known.sources.values():
        if isinstance(source, SoftLexicon) and isinstance(lattice, sections.SoftLexiconConfig):
            module = SoftLexiconEmbedding(len(source.vocab), lattice.word_dim, unknown=lattice.unknown)
            module.words = _with_vectors(module.words, known)
            modules.append(module)
        elif isinstance(source, Softword) and isinstance(lattice, sections.SoftwordConfig):
            modules.append(MarkEmbedding(source.marks, lattice.word_dim, key="softword_marks"))
        elif isinstance(source, Spelling):
            name, dim = source.name, features.spelling_dim
            modules.append(SpellingEmbedding(len(source.vocab), dim, name=name, widths=WIDTHS[name]))
        elif isinstance(source, Gazetteers):
            modules.append(MarkEmbedding(source.marks, features.gazetteer_dim, key=f"{source.name}_marks"))
    return modules


def _lattice_of(known: Knowledge, encoder: sections.EncoderConfig, dim: int) -> LatticeLayers | None:
    lattice = known.lattice
    if not isinstance(lattice, sections.FlatConfig):
        return None
    shape = encoder if isinstance(encoder, sections.ScratchEncoderConfig) else lattice
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
        normed=isinstance(encoder, sections.PretrainedEncoderConfig),
    )
    layers.words = _with_vectors(layers.words, known)
    return layers


def _with_vectors(embedding: AnyEmbedding, known: Knowledge) -> AnyEmbedding:
    """The embedding of the lexicon's words with the vectors that were read, to be tuned or to stay."""
    lattice = known.lattice
    fixed = isinstance(lattice, sections.WordVectorsConfig) and lattice.vectors and not lattice.tune_vectors
    if fixed and isinstance(embedding, nn.Embedding):
        embedding = GivenEmbedding(embedding)
    if known.start is not None:
        rows, vectors = known.start
        start_rows(embedding, rows, torch.from_numpy(np.array(vectors)))
    return embedding
