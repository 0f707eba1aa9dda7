"""Small checkpoints as a download would put them into a directory, built with transformers alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def bert(directory: Path, texts: Sequence[str], *, layers: int = 3, cased: bool = True) -> None:
    """A BERT of random weights with a WordPiece vocabulary of the texts."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    pieces = _pieces([text if cased else text.lower() for text in texts])
    vocab = {piece: number for number, piece in enumerate([*SPECIALS, *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]",
    ).save_pretrained(directory)  # fmt: skip
    torch.manual_seed(0)
    shape = {"num_hidden_layers": layers, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=128, **shape)
    BertModel(config).save_pretrained(directory)


def _pieces(texts: Sequence[str]) -> list[str]:
    """Characters, frequent words, beginnings and ends: tokenizers trains other WordPiece vocabularies every time."""
    words = Counter(word for text in texts for word in re.findall(r"\w+|[^\w\s]", text))
    counts = Counter[str]()
    for word, count in words.items():
        counts.update({word: count, word[:3]: count, f"##{word[3:]}": count if len(word) > 3 else 0})
    frequent = sorted(counts, key=lambda piece: (-counts[piece], piece))[:400]
    letters = sorted({char for word in words for char in word})
    return [
        piece for piece in dict.fromkeys([*letters, *(f"##{char}" for char in letters), *frequent]) if piece != "##"
    ]


def roberta(directory: Path, texts: Sequence[str]) -> None:
    """A RoBERTa of random weights with byte-level BPE: vocab.json and merges.txt."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel

    directory.mkdir(parents=True)
    tokenizer = ByteLevelBPETokenizer()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(texts, vocab_size=600, special_tokens=specials, show_progress=False)
    tokenizer.save_model(str(directory))
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=130, type_vocab_size=1, pad_token_id=1,
        bos_token_id=0, eos_token_id=2, num_hidden_layers=2, hidden_size=32, num_attention_heads=4,
        intermediate_size=64,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(directory)


def xlm_roberta(directory: Path, texts: Sequence[str]) -> None:
    """An XLM-R of random weights as the older checkpoints are: a SentencePiece model and no tokenizer.json."""
    import sentencepiece
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    directory.mkdir(parents=True)
    corpus = directory / "corpus.txt"
    corpus.write_text("\n".join(texts), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(directory / "sentencepiece.bpe"), vocab_size=500, model_type="unigram",
        hard_vocab_limit=False, minloglevel=2, num_threads=1,
    )  # fmt: skip
    corpus.unlink()
    (directory / "sentencepiece.bpe.vocab").unlink()
    model = sentencepiece.SentencePieceProcessor(model_file=str(directory / "sentencepiece.bpe.model"))
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=model.get_piece_size() + 2, max_position_embeddings=130, type_vocab_size=1, pad_token_id=1,
        bos_token_id=0, eos_token_id=2, num_hidden_layers=2, hidden_size=32, num_attention_heads=4,
        intermediate_size=64,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(directory)
