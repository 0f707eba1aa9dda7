"""Smaller tables of piece vectors: fewer pieces, or shorter vectors."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ner_distill.console import Reporter
from ner_distill.data.features.vocabularies import (
    Forms,
    SmallerVocabulary,
    counts_of_pieces,
    cut_vocabulary,
    learn_vocabulary,
)
from ner_distill.data.sentence import Unit
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.architectures import factored_bert, guarded
from ner_distill.nn.encoders.backbone import LIKE_BERT, embedding_of
from ner_distill.nn.encoders.huggingface import OFFSET_POSITIONS, build_classifier
from ner_distill.student.hf import backbone_of, tags_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

MANY = 0.02
"""Share of the words of sentences held out from which on a smaller vocabulary costs F1 (3 %: a point)."""
_AT_ONCE = 50_000
"""Vectors that are added up together, so that a long list of them needs little memory."""


def make_smaller(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    sentences: Iterable[Sequence[str]],
    reporter: Reporter,
    *,
    unit: Unit,
    vocabulary: Literal["whole", "cut"] | int,
    rank: int,
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The token classifier with a smaller table, and the tokenizer that belongs to it; says what it comes to.

    sentences: the text that the pieces are chosen by. unit: what its words are.
    vocabulary: all pieces, those that the text needs, or how many are learned from it. rank: see `with_rank`; 0: none.
    Raises ConfigError.
    """
    before, padding = model.num_parameters(), model.config.to_dict().get("pad_token_id")
    text = Forms.of(sentences)
    if vocabulary != "whole":
        if vocabulary == "cut":
            smaller = cut_vocabulary(tokenizer, text, padding=padding)
        else:
            smaller = learn_vocabulary(tokenizer, text, vocabulary, unit=unit, padding=padding)
        model, tokenizer = with_vocabulary(model, tokenizer, smaller), smaller.tokenizer
        held_out = ""
        if smaller.split_more is not None:
            held_out = (
                f"; of the words of sentences held out, {100 * smaller.split_more:.1f} % are cut into more pieces than "
                "before, or not known"
            )
            if vocabulary == "cut" and smaller.split_more > MANY:
                held_out += "; more raw text in init.vocabulary_text keeps more of them whole"
        reporter.info(f"{smaller.pieces:,} of {smaller.before:,} pieces{held_out}")
    if rank:
        table = embedding_of(backbone_of(model)).weight
        model = with_rank(model, rank, torch.from_numpy(counts_of_pieces(tokenizer, text, len(table))))
    reporter.info(f"{model.num_parameters():,} parameters instead of {before:,}")
    return model, tokenizer


def with_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, vocabulary: SmallerVocabulary
) -> PreTrainedModel:
    """The token classifier with vectors for the pieces of a smaller vocabulary.

    tokenizer: the one that the model has. Its weights are the model's; each new piece's vector is the mean of old ones
    that the vocabulary says.
    """
    config = copy.deepcopy(model.config)
    config.vocab_size = vocabulary.pieces
    numbers = vocabulary.tokenizer.get_vocab()
    for name in ("pad", "bos", "eos", "cls", "sep", "mask", "unk"):
        number = config.to_dict().get(f"{name}_token_id")
        if isinstance(number, int) and 0 <= number < len(tokenizer):
            own = numbers.get(str(tokenizer.convert_ids_to_tokens(number)))
            setattr(config, f"{name}_token_id", own)
    table = embedding_of(backbone_of(model)).weight
    smaller = _mixed(table.detach(), vocabulary)
    state = {
        name: smaller if tensor.data_ptr() == table.data_ptr() else tensor
        for name, tensor in model.state_dict().items()
    }
    return _filled(config, tags_of(model), state)


def _mixed(table: Tensor, vocabulary: SmallerVocabulary) -> Tensor:
    """(pieces of the vocabulary, width): the means of rows of `table`."""
    mixed = table.new_zeros(vocabulary.pieces, table.shape[1])
    for start in range(0, len(vocabulary.rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        shares = torch.from_numpy(vocabulary.shares[part]).to(table.dtype)
        mixed.index_add_(0, torch.from_numpy(vocabulary.rows[part]), table[vocabulary.sources[part]] * shares[:, None])
    return mixed


def with_rank(model: PreTrainedModel, rank: int, counts: Tensor) -> PreTrainedModel:
    """The token classifier with vectors of `rank` numbers, and a linear layer that makes them as wide as before.

    Table ≈ A·B with A (pieces, rank) and B (rank, width), from the singular value decomposition of the table whose
    rows are weighed by the roots of their frequencies: the nearest one in squared distance over the text (Eckart &
    Young 1936). It becomes a MobileBERT without bottlenecks, which is BERT with such a layer behind its table, and
    which transformers loads by itself. (Two of its three kinds of norms add 1e-5 to the variance, whatever
    `layer_norm_eps` says.)

    counts: (pieces,) how often each occurs in the text.
    Raises ConfigError for another architecture than BERT and RoBERTa, and for a rank that is not below the width.
    """
    config = model.config
    if config.model_type not in LIKE_BERT:
        raise ConfigError(
            f"init.embedding_rank: {config.model_type} has no factored table in transformers; expected "
            f"{', '.join(LIKE_BERT)}; leave it 0"
        )
    width = int(config.hidden_size)
    if rank >= width:
        raise ConfigError(f"init.embedding_rank = {rank}: expected less than the width of the encoder, {width}")
    state = {name.removeprefix(f"{model.base_model_prefix}."): tensor for name, tensor in model.state_dict().items()}
    table = state.pop("embeddings.word_embeddings.weight")
    short, wide = _factored(table, rank, counts)
    positions = state.pop("embeddings.position_embeddings.weight")
    first = config.pad_token_id + 1 if config.model_type in OFFSET_POSITIONS else 0
    made = {
        name if name.startswith("classifier.") else f"mobilebert.{name}": tensor
        for name, tensor in {
            **state,
            "embeddings.word_embeddings.weight": short,
            "embeddings.embedding_transformation.weight": wide.t().contiguous(),
            "embeddings.embedding_transformation.bias": torch.zeros(width),
            "embeddings.position_embeddings.weight": positions[first:],
        }.items()
    }
    return _filled(factored_bert(config, rank, positions=len(positions) - first), tags_of(model), made)


def _factored(table: Tensor, rank: int, counts: Tensor) -> tuple[Tensor, Tensor]:
    """A (pieces, rank) and B (rank, width) whose product is nearest to the table, rows weighed by their counts."""
    weights = (counts.to(torch.float64) + 1).sqrt()[:, None]
    weighed = weights * table.to(torch.float64)
    _, vectors = torch.linalg.eigh(weighed.t() @ weighed)  # of few columns: faster than the table's own decomposition
    wide = vectors[:, -rank:].t()
    return (table.to(torch.float64) @ wide.t()).to(table.dtype), wide.to(table.dtype)


def _filled(config: PretrainedConfig, tags: Sequence[str], state: dict[str, Tensor]) -> PreTrainedModel:
    with guarded("init", config):
        model = build_classifier(config, tuple(tags))
    model.load_state_dict(state)
    model.train(False)
    return model
