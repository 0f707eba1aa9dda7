"""Small real checkpoints of every tokenizer: that of the benchmarks, and older ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import sentencepiece
from tokenizers import ByteLevelBPETokenizer
from transformers import RobertaConfig, RobertaModel, XLMRobertaConfig, XLMRobertaModel

from benchmarks.checkpoints import TEXTS, bert, save, sizes

__all__ = ["TEXTS", "bert", "roberta", "sizes", "xlm_roberta"]


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
    return save(XLMRobertaModel, config, directory, seed)


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
    return save(RobertaModel, config, directory, seed)
