"""Small real checkpoints, built on the spot with no network: what a download would put into a directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

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
    return _save(BertModel, config, directory, seed)


def xlm_roberta(
    directory: Path,
    texts: Iterable[str] = TEXTS,
    *,
    layers: int = 2,
    hidden: int = 32,
    heads: int = 2,
    positions: int = 514,
    vocabulary: int = 200,
    seed: int = 0,
) -> Path:
    """An XLM-R as the older checkpoints are: a SentencePiece Unigram model and no tokenizer.json."""
    directory.mkdir(parents=True, exist_ok=True)
    corpus = directory / "corpus.txt"
    corpus.write_text("\n".join(texts), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(directory / "sentencepiece.bpe"),
        vocab_size=vocabulary,
        model_type="unigram",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    corpus.unlink()
    (directory / "sentencepiece.bpe.vocab").unlink()
    model = sentencepiece.SentencePieceProcessor(model_file=str(directory / "sentencepiece.bpe.model"))
    config = XLMRobertaConfig(
        vocab_size=model.get_piece_size() + 2,
        max_position_embeddings=positions,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        **sizes(layers=layers, hidden=hidden, heads=heads),
    )
    return _save(XLMRobertaModel, config, directory, seed)


def roberta(
    directory: Path,
    texts: Iterable[str] = TEXTS,
    *,
    layers: int = 2,
    hidden: int = 32,
    heads: int = 2,
    positions: int = 514,
    vocabulary: int = 400,
    seed: int = 0,
) -> Path:
    """A RoBERTa with byte-level BPE: vocab.json and merges.txt, which say nothing of a prefix space."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = ByteLevelBPETokenizer()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(texts, vocab_size=vocabulary, special_tokens=specials, show_progress=False)
    tokenizer.save_model(str(directory))
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=positions,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        **sizes(layers=layers, hidden=hidden, heads=heads),
    )
    return _save(RobertaModel, config, directory, seed)


def _save(kind: type[PreTrainedModel], config: PretrainedConfig, directory: Path, seed: int) -> Path:
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kind(config).save_pretrained(directory)
    return directory
