"""Lattices: what is found, where it stands, by width, in batches and in windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from ner_distill.data.features.lattice import FILE, LatticeSource
from ner_distill.data.features.vocab import Vocab
from ner_distill.data.features.windows import cut_windows
from ner_distill.data.lexicon.lexicon import Lexicon
from ner_distill.errors import RunError

SENTENCE = tuple("南京市长江大桥")
WORDS = ("南京", "南京市", "市长", "长江", "大桥", "长江大桥")
LEXICON = Lexicon(dict.fromkeys(WORDS, 1))


def source(*, known: Sequence[str] = WORDS, max_words: int = 512) -> LatticeSource:
    return LatticeSource(LEXICON, Vocab(known, [1] * len(known)), max_words=max_words)


def placed(inputs: dict[str, torch.Tensor], row: int, known: Sequence[str] = WORDS) -> set[tuple[int, int, str]]:
    """(head, tail, form) of a row of the batch, padding left out."""
    return {
        (int(head), int(head) + int(key.removeprefix("lattice_")), known[int(number) - 2])
        for key, values in inputs.items()
        if key.startswith("lattice_")
        for number, head in values[row].T
        if number
    }


def test_every_lexicon_word_is_in_the_lattice_with_head_and_tail() -> None:
    one = source()
    found = placed(one.collate([one.features(SENTENCE)], 7), 0)
    assert found == {
        (0, 1, "南京"), (0, 2, "南京市"), (2, 3, "市长"), (3, 4, "长江"), (5, 6, "大桥"), (3, 6, "长江大桥"),
    }  # fmt: skip


def test_a_match_of_one_word_is_no_lattice_word() -> None:
    lexicon = Lexicon({"江": 1, "长江": 1})
    features = LatticeSource(lexicon, Vocab(["江", "长江"], [1, 1])).features(SENTENCE)
    assert features.ids.tolist() == [3]


def test_a_word_that_training_never_matched_is_the_unknown_word_in_its_place() -> None:
    one = source(known=("南京",))
    inputs = one.collate([one.features(tuple("长江"))], 2)
    assert inputs["lattice_1"].tolist() == [[[1], [0]]]


def test_rows_of_a_batch_do_not_mix_and_a_sentence_without_matches_is_all_padding() -> None:
    one = source()
    sentences = [tuple("大桥"), (), tuple("今天下雨"), SENTENCE]
    inputs = one.collate([one.features(words) for words in sentences], 7)
    assert placed(inputs, 0) == {(0, 1, "大桥")}
    assert placed(inputs, 1) == placed(inputs, 2) == set()
    assert len(placed(inputs, 3)) == 6


def test_a_batch_without_any_match_has_no_lattice_tensors() -> None:
    one = source()
    assert one.collate([one.features(tuple("今天")), one.features(())], 2) == {}


def test_in_windows_a_word_is_in_each_window_that_holds_it_whole() -> None:
    one = source(max_words=4)
    inputs = one.collate([one.features(SENTENCE)], 7)
    windows = cut_windows(7, 4)
    assert [(window.start, window.end) for window in windows] == [(0, 4), (2, 6), (3, 7)]
    assert inputs["window_words"].tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [3, 4, 5, 6]]
    assert placed(inputs, 0) == {(0, 1, "南京"), (0, 2, "南京市"), (2, 3, "市长")}
    assert placed(inputs, 1) == {(0, 1, "市长"), (1, 2, "长江")}
    assert placed(inputs, 2) == {(0, 1, "长江"), (0, 3, "长江大桥"), (2, 3, "大桥")}


def test_a_word_that_no_window_holds_is_counted() -> None:
    one = source(max_words=3)
    one.features(SENTENCE)  # windows (0, 3), (2, 5), (4, 7): 长江大桥 (3, 7) lies in none
    assert one.counts == {"lexicon words in no window": 1}
    one.features(SENTENCE[:3])
    assert one.counts == {"lexicon words in no window": 1}


def test_one_character_under_sixty_words() -> None:
    forms = {"".join(SENTENCE_60[start:end]): 1 for start in range(8) for end in range(9, 17) if end - start > 1}
    lexicon = Lexicon(forms)
    features = LatticeSource(lexicon, Vocab(forms, [1] * len(forms))).features(SENTENCE_60)
    over = (features.heads <= 8) & (features.tails >= 8)
    assert over.sum() >= 60
    assert len(features.ids) == len(forms)


SENTENCE_60 = tuple("一二三四五六七八九十甲乙丙丁戊己")


def test_words_counted_less_than_min_count_share_the_unknown_word() -> None:
    sentences = [SENTENCE, tuple("长江"), tuple("长江水")]
    one = LatticeSource.counted(LEXICON, sentences, min_count=2)
    assert one.vocab.forms == ["长江"]


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    one = source()
    one.save(tmp_path)
    again = LatticeSource.load(tmp_path, LEXICON)
    assert again.features(SENTENCE).ids.tolist() == one.features(SENTENCE).ids.tolist()


def test_a_run_without_its_lattice_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"words": {"forms": [], "counts": []}}')
    with pytest.raises(RunError, match=r"lattice.json: expected the vocabulary 'lattice', found words"):
        LatticeSource.load(tmp_path, LEXICON)
