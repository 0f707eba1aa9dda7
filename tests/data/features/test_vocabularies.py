"""Smaller vocabularies of each kind of tokenizer: what stays, how words are cut, what new vectors are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.vocabularies import (
    Forms,
    SmallerVocabulary,
    counts_of_pieces,
    cut_vocabulary,
    for_unit,
    learn_vocabulary,
)
from ner_distill.data.sentence import Unit
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.huggingface import load_tokenizer
from tests import checkpoints

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "WordPiece": lambda path: checkpoints.bert(path, vocabulary=300),
    "byte-level BPE": lambda path: checkpoints.roberta(path, vocabulary=500),
    "Unigram": lambda path: checkpoints.xlm_roberta(path, vocabulary=200),
}
WORDS = sorted({word for text in checkpoints.TEXTS for word in text.split()})
FEW = [WORDS[start : start + 3] for start in range(0, 12, 3)]


@pytest.fixture(scope="module", params=BUILDERS)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(BUILDERS[request.param](tmp_path_factory.mktemp("checkpoint") / "it"))


def pieces(tokenizer: PreTrainedTokenizerFast, words: list[str]) -> list[int]:
    found: list[int] = tokenizer(words, is_split_into_words=True)["input_ids"]
    return found


def old_pieces(smaller: SmallerVocabulary, words: list[str]) -> list[int]:
    """What a cut vocabulary makes of words, special pieces included, as pieces of the old one."""
    assert smaller.rows.tolist() == list(range(smaller.pieces))
    return [int(smaller.sources[piece]) for piece in pieces(smaller.tokenizer, words)]


def test_words_of_the_text_are_cut_as_before(tokenizer: PreTrainedTokenizerFast) -> None:
    smaller = cut_vocabulary(tokenizer, Forms.of(FEW))
    assert smaller.pieces < smaller.before == len(tokenizer)
    for words in FEW:
        assert old_pieces(smaller, words) == pieces(tokenizer, words)
    assert len(smaller.tokenizer) == len(smaller.tokenizer.get_vocab())


def test_other_words_are_spelled_and_nothing_is_unknown_that_was_not(tokenizer: PreTrainedTokenizerFast) -> None:
    smaller = cut_vocabulary(tokenizer, Forms.of(FEW))
    latin = [word for word in WORDS if word.isascii() and tokenizer.unk_token not in tokenizer.tokenize(word)]
    assert len(latin) > 20
    for word in latin:
        now = smaller.tokenizer.tokenize(word)
        assert len(now) >= len(tokenizer.tokenize(word))
        assert smaller.tokenizer.unk_token not in now


def test_the_cut_tokenizer_is_read_again_as_it_was(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    smaller = cut_vocabulary(tokenizer, Forms.of(FEW)).tokenizer
    smaller.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.special_tokens_map == smaller.special_tokens_map == tokenizer.special_tokens_map
    assert again.model_input_names == tokenizer.model_input_names
    assert pieces(again, WORDS) == pieces(smaller, WORDS)


def test_only_letters_of_the_scripts_of_the_text_stay(tmp_path: Path) -> None:
    texts = ["Ann went to Oslo", "Анна живёт в Осло", "中 文 字"] * 5
    tokenizer = load_tokenizer(checkpoints.bert(tmp_path / "bert", texts, vocabulary=200))
    smaller = cut_vocabulary(tokenizer, Forms.of([["Ann", "lives"], ["Осло"]])).tokenizer.get_vocab()
    assert {"w", "в", "ж", "##в"} <= set(smaller)  # letters that no word of the text has
    assert not {"中", "文"} & set(smaller)


def test_words_held_out_are_counted_that_are_cut_into_more_pieces() -> None:
    vocabulary = {"[UNK]": 0, "a": 1, "##b": 2, "ab": 3, "##a": 4, "b": 5}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    text = Forms(Counter({"a": 9, "b": 9}), Counter({"ab": 2, "a": 1, "b": 1}))
    smaller = cut_vocabulary(tokenizer, text)
    assert smaller.split_more == 0.5  # "ab" is in the sentences held out alone
    assert "ab" in smaller.tokenizer.get_vocab()
    assert cut_vocabulary(tokenizer, Forms(text.rest, Counter())).split_more is None


def test_a_tenth_of_the_sentences_is_held_out_and_all_copies_of_one_with_it() -> None:
    sentences = [[f"w{number}", "of", "it"] for number in range(2000)]
    once, twice = Forms.of(sentences), Forms.of([*sentences, *reversed(sentences)])
    assert 150 < once.held_out["of"] < 250
    assert not once.held_out.keys() & once.rest.keys() - {"of", "it"}
    assert twice.held_out == once.held_out + once.held_out
    assert twice.rest == once.rest + once.rest


def test_a_tokenizer_of_whole_words_is_refused() -> None:
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    with pytest.raises(ConfigError, match="of the kind WordLevel; expected WordPiece, BPE or Unigram"):
        cut_vocabulary(tokenizer, Forms.of([["a"]]))


def test_new_pieces_are_learned_and_their_vectors_are_means(tokenizer: PreTrainedTokenizerFast) -> None:
    text = Forms.of([text.split() for text in checkpoints.TEXTS])
    smaller = learn_vocabulary(tokenizer, text, 120)
    assert smaller.pieces <= 120
    assert smaller.tokenizer.special_tokens_map == tokenizer.special_tokens_map
    assert sorted(set(smaller.rows.tolist())) == list(range(smaller.pieces))
    assert np.bincount(smaller.rows, smaller.shares) == pytest.approx(np.ones(smaller.pieces))
    vocabulary, number = smaller.tokenizer.get_vocab(), tokenizer.get_vocab()
    for special in smaller.tokenizer.all_special_tokens:
        assert smaller.sources[smaller.rows == vocabulary[special]].tolist() == [number[special]]


def test_new_pieces_are_the_same_each_time(tokenizer: PreTrainedTokenizerFast) -> None:
    text = Forms.of([text.split() for text in checkpoints.TEXTS])
    first, second = (learn_vocabulary(tokenizer, text, 120) for _ in range(2))
    assert first.tokenizer.get_vocab() == second.tokenizer.get_vocab()
    assert np.array_equal(first.shares, second.shares)


def test_a_new_piece_has_the_mean_of_what_stands_at_its_place() -> None:
    vocabulary = {"[UNK]": 0, "a": 1, "##b": 2, "ab": 3, "##a": 4, "b": 5, "cd": 6, "c": 7, "d": 8}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    smaller = learn_vocabulary(tokenizer, Forms.of([["cd"] * 50 + ["aba"] * 50] * 9), 12)
    new = smaller.tokenizer.get_vocab()
    rows = {
        piece: dict(zip(smaller.sources[smaller.rows == row], smaller.shares[smaller.rows == row], strict=True))
        for piece, row in new.items()
    }
    assert rows["▁aba"] == pytest.approx({3: 0.5, 4: 0.5})  # "ab", "##a"
    assert rows["c"] == rows["d"] == {6: 1.0}  # within "cd"


def test_fewer_pieces_than_characters_are_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    text = Forms.of([[chr(0x4E00 + number) for number in range(300)]])
    with pytest.raises(ConfigError, match=r"init.vocabulary: SentencePiece cannot learn"):
        learn_vocabulary(tokenizer, text, 100)


def test_pieces_are_counted_as_often_as_their_words_occur(tokenizer: PreTrainedTokenizerFast) -> None:
    counts = counts_of_pieces(tokenizer, Forms.of([[WORDS[5], WORDS[5]], [WORDS[6]]]), len(tokenizer) + 3)
    spelled = tokenizer([WORDS[5], WORDS[5], WORDS[6]], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    assert counts.tolist() == np.bincount(spelled, minlength=len(tokenizer) + 3).tolist()


def made_of(model: models.Model, processor: processors.PostProcessor | None = None) -> PreTrainedTokenizerFast:
    """A tokenizer of which transformers knows no special piece."""
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    if processor is not None:
        backend.post_processor = processor
    return PreTrainedTokenizerFast(tokenizer_object=backend)


UNIGRAM = [("<unk>", 0.0), ("▁", -1.0), ("a", -2.0), ("z", -2.0), ("▁a", -2.0), ("▁aa", -2.5), ("q", -15.0)]


def test_a_lone_mark_stays_so_that_a_word_can_begin_with_any_letter() -> None:
    tokenizer = made_of(models.Unigram(UNIGRAM, 0))
    cut = cut_vocabulary(tokenizer, Forms.of([["a", "aa"]])).tokenizer
    assert cut.tokenize("za") == ["▁", "z", "a"]


def test_unknown_and_other_pieces_that_transformers_knows_nothing_of_stay() -> None:
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "bb": 4}
    around = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer = made_of(models.WordPiece({**vocabulary, "▁a": 5}, unk_token="[UNK]"), around)
    cut = cut_vocabulary(tokenizer, Forms.of([["a"]]))
    assert cut.tokenizer(["a"], is_split_into_words=True)["input_ids"] == [1, 4, 2]
    assert cut.sources.tolist() == [0, 1, 2, 3, 5]
    assert cut.tokenizer.tokenize("x") == ["[UNK]"]


def test_signs_stay() -> None:
    vocabulary = {piece: number for number, piece in enumerate(["[UNK]", "▁a", "$", "+", "☃", "%"])}
    cut = cut_vocabulary(made_of(models.WordPiece(vocabulary, unk_token="[UNK]")), Forms.of([["a"]])).tokenizer
    assert set(cut.get_vocab()) == {"[UNK]", "▁a", "$", "+", "%"}


def test_the_padding_piece_of_the_encoder_keeps_its_number() -> None:
    tokenizer = made_of(models.Unigram(UNIGRAM, 0))
    tokenizer.unk_token = "<unk>"
    text = Forms.of([["a", "aa", "aaa"]])
    for smaller in (cut_vocabulary(tokenizer, text, padding=3), learn_vocabulary(tokenizer, text, 20, padding=3)):
        assert smaller.sources[smaller.rows <= 3].tolist() == [0, 1, 2, 3]


def test_too_few_pieces_for_the_special_ones_are_refused() -> None:
    tokenizer = made_of(models.Unigram(UNIGRAM, 0))
    tokenizer.unk_token = "<unk>"
    with pytest.raises(ConfigError, match="expected more than the 4 special pieces"):
        learn_vocabulary(tokenizer, Forms.of([["a"]]), 4, padding=3)


# ---- words without blanks between them

CHINESE = "北京大学在中国的首都。"


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(BUILDERS["Unigram"](tmp_path_factory.mktemp("checkpoint") / "it"))


def test_characters_of_a_text_get_no_blank_before_them(sentencepiece: PreTrainedTokenizerFast) -> None:
    characters = for_unit(sentencepiece, "character")
    own = characters.convert_ids_to_tokens(pieces(characters, list(CHINESE)))
    assert own == ["<s>", *CHINESE, "</s>"]
    # as the tokenizer reads the text itself, but for the mark at its beginning
    assert sentencepiece.tokenize(CHINESE) == ["▁", *CHINESE]
    with_blanks = sentencepiece.convert_ids_to_tokens(pieces(sentencepiece, list(CHINESE)))
    assert with_blanks.count("▁") == len(CHINESE)


@pytest.mark.parametrize("unit", ["word", "blank"])
def test_for_other_units_it_stays_or_becomes_what_it_was(sentencepiece: PreTrainedTokenizerFast, unit: Unit) -> None:
    assert for_unit(sentencepiece, unit) is sentencepiece
    back = for_unit(for_unit(sentencepiece, "character"), unit)
    assert pieces(back, WORDS) == pieces(sentencepiece, WORDS)


def test_a_tokenizer_that_puts_no_mark_before_a_word_stays_as_it_is(tmp_path: Path) -> None:
    other = load_tokenizer(BUILDERS["WordPiece"](tmp_path / "it"))
    assert for_unit(other, "character") is other


@pytest.mark.parametrize("kind", ["WordPiece", "byte-level BPE", "Unigram"])
def test_learned_pieces_read_each_character_as_one(kind: str, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(BUILDERS[kind](tmp_path / "it"))  # which reads blanks, as one of an older run may
    learned = learn_vocabulary(tokenizer, Forms.of([list(CHINESE)] * 3), 40, unit="character").tokenizer
    learned.save_pretrained(tmp_path / "learned")
    for read in (learned, load_tokenizer(tmp_path / "learned")):
        own = read(list(CHINESE), is_split_into_words=True, add_special_tokens=False)["input_ids"]
        assert read.convert_ids_to_tokens(own) == list(CHINESE)
        PieceFeaturizer(read)


def test_characters_are_read_the_same_when_the_tokenizer_is_loaded_again(
    sentencepiece: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    characters = for_unit(sentencepiece, "character")
    characters.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert for_unit(again, "character") is again
    assert pieces(again, list(CHINESE)) == pieces(characters, list(CHINESE))
    assert again.special_tokens_map == sentencepiece.special_tokens_map


def test_smaller_vocabularies_read_characters_as_the_whole_one(sentencepiece: PreTrainedTokenizerFast) -> None:
    characters = for_unit(sentencepiece, "character")
    text = Forms.of([list(CHINESE)])
    cut, learned = cut_vocabulary(characters, text), learn_vocabulary(characters, text, 30)
    assert old_pieces(cut, list(CHINESE)) == pieces(characters, list(CHINESE))
    new = learned.tokenizer.convert_ids_to_tokens(pieces(learned.tokenizer, list(CHINESE)))
    assert new == ["<s>", *CHINESE, "</s>"]
    for character in CHINESE:  # each begins with the vector that it had
        row = learned.tokenizer.convert_tokens_to_ids(character)
        sources = learned.sources[learned.rows == row].tolist()
        assert sentencepiece.convert_ids_to_tokens(sources) == [character]


@pytest.mark.parametrize("scheme", ["always", "first"])
def test_a_mark_that_stands_alone_or_first_is_left_out_too(scheme: Literal["always", "first"]) -> None:
    backend = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -1.0), ("中", -2.0), ("▁中", -2.5)], 0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    assert tokenizer.convert_ids_to_tokens(pieces(tokenizer, ["中", "中"])) == ["▁中", "▁中"]
    characters = for_unit(tokenizer, "character")
    assert characters.convert_ids_to_tokens(pieces(characters, ["中", "中"])) == ["中", "中"]
