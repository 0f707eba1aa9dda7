"""A small BERT, built on the spot with no network: what a download would put into a directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from ner_distill.nn.encoders.huggingface import quiet

TEXTS = (
    "NATO invites Danish firms to rebuild Baltic ports .",
    "Peter Lindqvist lives in Brussels , Angela Merkel in Berlin .",
    "El presidente José Álvarez visitó Barcelona y Zürich el martes .",
    "The Harbour Authority wrote on Friday that it agreed with Danish plans .",
    "unbelievable antidisestablishmentarianism in Montevideo and Buenos Aires",
    "北京大学在中国的首都。上海是一个大城市。",
) * 5


def sizes(*, layers: int, hidden: int, heads: int) -> dict[str, Any]:
    """The arguments that every configuration of this family shares."""
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
    }


def bert(
    directory: Path,
    texts: Iterable[str] = TEXTS,
    *,
    cased: bool = True,
    layers: int = 2,
    hidden: int = 32,
    heads: int = 2,
    positions: int = 512,
    vocabulary: int = 300,
    seed: int = 0,
) -> Path:
    """A BERT with a WordPiece vocabulary trained on the texts: config.json, model.safetensors, tokenizer.json."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # BertTokenizerFast would lower-case whatever tokenizer it is given.
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=positions,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(directory)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=positions,
        **sizes(layers=layers, hidden=hidden, heads=heads),
    )
    return save(BertModel, config, directory, seed)


def save(kind: type[PreTrainedModel], config: PretrainedConfig, directory: Path, seed: int) -> Path:
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kind(config).save_pretrained(directory)
    return directory
