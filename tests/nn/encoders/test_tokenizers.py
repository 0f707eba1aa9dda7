"""Tokenizers of newer kinds read a word by itself as they read it in a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.vocabularies import Forms, cut_vocabulary, for_unit
from ner_distill.nn.encoders.huggingface import load_tokenizer

TEXTS = ["Ana lives in Madrid , don't she ?", "The Bank of Spain isn't in Lima ."]
SPECIAL = ["[UNK]", "[PAD]", "[MASK]"]
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+"


def like_llama(path: Path) -> PreTrainedTokenizerFast:
    """Cuts by a pattern, then into bytes, as those of Llama 3 and EuroBERT."""
    made = Tokenizer(models.BPE())
    cut, read = (
        pre_tokenizers.Split(Regex(WORDS), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    )
    made.pre_tokenizer, made.decoder = pre_tokenizers.Sequence([cut, read]), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return saved(made, trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet), path)


def like_gemma(path: Path) -> PreTrainedTokenizerFast:
    """Replaces blanks by a mark, as those of Gemma and mmBERT."""
    made = Tokenizer(models.BPE(unk_token="[UNK]", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    return saved(made, trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL), path)


def saved(made: Tokenizer, trainer: trainers.BpeTrainer, path: Path) -> PreTrainedTokenizerFast:
    made.train_from_iterator(TEXTS * 20, trainer)
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **names)
    tokenizer.save_pretrained(path)
    return tokenizer


def of_words(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    numbers = tokenizer(text.split(), is_split_into_words=True, add_special_tokens=False)["input_ids"]
    found: list[str] = tokenizer.convert_ids_to_tokens(numbers)
    return found


@pytest.mark.parametrize("make", [like_llama, like_gemma])
def test_words_are_read_as_in_a_text(make: Callable[[Path], PreTrainedTokenizerFast], tmp_path: Path) -> None:
    published = make(tmp_path / "published")
    loaded = load_tokenizer(tmp_path / "published")
    PieceFeaturizer(loaded).save(tmp_path)
    again = load_tokenizer(tmp_path)  # which puts no second blank before a word
    for text in TEXTS:
        expected = published.tokenize(f" {text}")
        assert of_words(loaded, text) == of_words(again, text) == expected
        assert again.tokenize(text) == expected  # in a pipeline of transformers
        assert of_words(published, text) != expected


@pytest.mark.parametrize("make", [like_llama, like_gemma])
def test_their_vocabularies_can_be_cut(make: Callable[[Path], PreTrainedTokenizerFast], tmp_path: Path) -> None:
    make(tmp_path)
    loaded = load_tokenizer(tmp_path)
    cut = cut_vocabulary(loaded, Forms.of([TEXTS[0].split()])).tokenizer
    assert len(cut) < len(loaded)
    assert of_words(cut, TEXTS[0]) == of_words(loaded, TEXTS[0])


def roberta(path: Path) -> PreTrainedTokenizerFast:
    """Bytes, with a setting for the blank before a text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return saved(made, trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet), path)


@pytest.mark.parametrize("make", [like_llama, like_gemma, roberta])
def test_no_blank_is_read_between_the_characters_of_a_text(
    make: Callable[[Path], PreTrainedTokenizerFast], tmp_path: Path
) -> None:
    published = make(tmp_path / "published")
    loaded = load_tokenizer(tmp_path / "published")
    characters = for_unit(loaded, "character")
    PieceFeaturizer(characters).save(tmp_path)
    again = load_tokenizer(tmp_path)  # which puts no blank back
    assert for_unit(again, "character") is again
    letters = ["M", "a", "d", "é", "é"]
    expected = [piece for letter in letters for piece in published.tokenize(letter)]
    for read in (characters, again):
        assert of_words(read, " ".join(letters)) == expected
    assert of_words(loaded, " ".join(letters)) != expected
    words = TEXTS[0]
    assert of_words(for_unit(again, "word"), words) == of_words(loaded, words)
    cut = cut_vocabulary(again, Forms.of([letters])).tokenizer
    assert of_words(cut, " ".join(letters)) == expected
