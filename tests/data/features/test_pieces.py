"""Pieces against the tokenizer itself, windows against their definition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ner_distill.data.features.pieces import PieceFeaturizer, cut_at_words
from ner_distill.data.features.windows import Window
from ner_distill.errors import ConfigError, RunError
from ner_distill.nn.encoders.huggingface import load_tokenizer
from tests import checkpoints

WORDS = [
    "Peter",
    "lives",
    "in",
    "Brussels",
    ",",
    "Ünbelievable",
    "北",
    "京大学",
    "antidisestablishment",
    "x\u00a0y",
    "😀",
]
BUILDERS = {"bert": checkpoints.bert, "xlm-roberta": checkpoints.xlm_roberta, "roberta": checkpoints.roberta}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], PreTrainedTokenizerFast]:
    """Tokenizers by name, each built once."""
    made: dict[str, PreTrainedTokenizerFast] = {}

    def get(name: str) -> PreTrainedTokenizerFast:
        if name not in made:
            made[name] = load_tokenizer(BUILDERS[name](tmp_path_factory.mktemp(name)))
        return made[name]

    return get


Get = Callable[[str], PreTrainedTokenizerFast]


@pytest.mark.parametrize("name", BUILDERS)
def test_pieces_of_a_batch_equal_the_tokenizers_own(name: str, tokenizer: Get) -> None:
    batch = [WORDS, WORDS[:3], list(reversed(WORDS))]
    featurizer = PieceFeaturizer(tokenizer(name))
    inputs = featurizer.collate([featurizer.features(words) for words in batch])
    expected = tokenizer(name)(batch, is_split_into_words=True, padding=True, return_tensors="pt")
    assert inputs["pieces"].tolist() == expected["input_ids"].tolist()
    assert inputs["piece_mask"].tolist() == expected["attention_mask"].bool().tolist()


@pytest.mark.parametrize("name", BUILDERS)
def test_each_word_points_at_its_own_pieces(name: str, tokenizer: Get) -> None:
    featurizer = PieceFeaturizer(tokenizer(name))
    inputs = featurizer.collate([featurizer.features(WORDS[:2]), featurizer.features(WORDS)])
    owners = tokenizer(name)(WORDS, is_split_into_words=True).word_ids()
    width = inputs["pieces"].shape[1]
    assert inputs["word_piece"][1].tolist() == [width + owners.index(word) for word in range(len(WORDS))]
    assert inputs["word_pieces"][1].tolist() == [owners.count(word) for word in range(len(WORDS))]
    nobody = 2 * len(WORDS)
    assert inputs["piece_word"][1].tolist() == [nobody if word is None else len(WORDS) + word for word in owners]
    assert inputs["mask"].tolist() == [[True] * 2 + [False] * (len(WORDS) - 2), [True] * len(WORDS)]


def test_words_seen_before_read_as_when_new(tokenizer: Get) -> None:
    featurizer = PieceFeaturizer(tokenizer("bert"))
    first = featurizer.features(WORDS).pieces.tolist()
    assert featurizer.features(WORDS).pieces.tolist() == first


def test_cache_that_is_full_begins_anew(tokenizer: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ner_distill.data.features.pieces.WORDS_KEPT", 3)
    featurizer = PieceFeaturizer(tokenizer("bert"))
    expected = [featurizer.features(WORDS[:5]).pieces.tolist(), featurizer.features(WORDS[4:]).pieces.tolist()]
    again = [featurizer.features(WORDS[:5]).pieces.tolist(), featurizer.features(WORDS[4:]).pieces.tolist()]
    assert again == expected
    assert set(featurizer._known) == set(WORDS[4:])


@pytest.mark.parametrize("word", ["", " ", "\u200b", "\x00"])
def test_word_without_pieces_gets_the_unknown_piece_and_is_counted(word: str, tokenizer: Get) -> None:
    featurizer = PieceFeaturizer(tokenizer("bert"))
    features = featurizer.features(["in", word, "in", word])
    within = featurizer.features(["in"]).pieces.tolist()
    assert features.pieces.tolist() == [*within, 1, *within, 1]
    assert featurizer.counts["words without pieces"] == 2


def test_byte_level_tokenizer_without_prefix_space_is_refused(tmp_path: Path) -> None:
    bare = AutoTokenizer.from_pretrained(checkpoints.roberta(tmp_path), add_prefix_space=False)
    with pytest.raises(ConfigError, match="reads a single word as the inside of a longer one"):
        PieceFeaturizer(bare)


@pytest.mark.parametrize(("options", "limit"), [({}, 512), ({"max_pieces": 100}, 100), ({"positions": 40}, 40)])
def test_limit_is_the_least_of_the_limits(options: dict[str, int], limit: int, tokenizer: Get) -> None:
    assert PieceFeaturizer(tokenizer("bert"), **options).limit == limit


def test_tokenizers_own_limit_counts(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(checkpoints.bert(tmp_path, positions=24))
    assert PieceFeaturizer(tokenizer).limit == 24


def test_windows_without_room_are_refused(tokenizer: Get) -> None:
    with pytest.raises(ConfigError, match="expected"):
        PieceFeaturizer(tokenizer("bert"), max_pieces=3)


LENGTHS = [
    [1] * 50,
    [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6],
    [10] * 7,
    [10, 1, 1, 1, 10, 10, 1, 1, 1, 1, 1, 10],
    [1, 10, 1, 10, 1, 10, 1],
]


def _inside(window: Window, word: int, lengths: list[int]) -> float:
    """Pieces between a word and the nearer edge of the window; the sentence's own edges do not count."""
    if not window.start <= word < window.end:
        return -1.0
    before = float("inf") if window.start == 0 else sum(lengths[window.start : word])
    after = float("inf") if window.end == len(lengths) else sum(lengths[word + 1 : window.end])
    return min(before, after)


@pytest.mark.parametrize("overlap", [0, 2, 5, 9])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_each_word_is_taken_once_from_where_it_is_farthest_from_an_edge(lengths: list[int], overlap: int) -> None:
    windows = cut_at_words(np.array(lengths, dtype=np.int32), 10, overlap)
    taken = [(word, window) for window in windows for word in range(window.take_start, window.take_end)]
    assert [word for word, _ in taken] == list(range(len(lengths)))
    for word, window in taken:
        assert _inside(window, word, lengths) == max(_inside(other, word, lengths) for other in windows)


@pytest.mark.parametrize("overlap", [0, 2, 5, 9])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_no_window_is_larger_than_the_room(lengths: list[int], overlap: int) -> None:
    windows = cut_at_words(np.array(lengths, dtype=np.int32), 10, overlap)
    assert max(sum(lengths[window.start : window.end]) for window in windows) <= 10


def test_a_sentence_that_just_fits_is_one_window() -> None:
    assert cut_at_words(np.array([4, 3, 3], dtype=np.int32), 10, 5) == (Window(0, 3, 0, 3),)


def test_neighbouring_windows_share_the_overlap() -> None:
    windows = cut_at_words(np.ones(100, dtype=np.int32), 10, 4)
    assert {left.end - right.start for left, right in pairwise(windows[:-1])} == {4}


def test_last_window_reaches_back_as_far_as_it_can() -> None:
    assert cut_at_words(np.ones(19, dtype=np.int32), 10, 4)[-1].start == 9


def test_sentence_of_5000_words_keeps_every_word(tokenizer: Get) -> None:
    words = (WORDS * 500)[:5000]
    featurizer = PieceFeaturizer(tokenizer("bert"), max_pieces=64)
    inputs = featurizer.collate([featurizer.features(words)])
    flat = inputs["pieces"].flatten().tolist()
    places = zip(inputs["word_piece"][0].tolist(), inputs["word_pieces"][0].tolist(), strict=True)
    found = [flat[at : at + length] for at, length in places]
    alone = tokenizer("bert")([[word] for word in WORDS], is_split_into_words=True, add_special_tokens=False)
    known = dict(zip(WORDS, alone["input_ids"], strict=True))
    assert found == [known[word] for word in words]
    assert inputs["pieces"].shape[1] <= 64
    assert featurizer.counts["sentences in windows"] == 1


def test_every_window_stands_between_the_special_pieces(tokenizer: Get) -> None:
    featurizer = PieceFeaturizer(tokenizer("bert"), max_pieces=16)
    inputs = featurizer.collate([featurizer.features(WORDS * 3)])
    for pieces, mask in zip(inputs["pieces"], inputs["piece_mask"], strict=True):
        assert [pieces[mask][0].item(), pieces[mask][-1].item()] == [2, 3]


def test_word_longer_than_a_window_is_cut_and_counted(tokenizer: Get) -> None:
    featurizer = PieceFeaturizer(tokenizer("roberta"), max_pieces=12)
    features = featurizer.features(["in", "QXJZ" * 30, "in"])
    assert features.lengths.tolist()[1] == 10
    assert featurizer.counts["words cut"] == 1


@pytest.mark.parametrize("max_pieces", [512, 16])
def test_size_is_the_number_of_pieces_that_are_not_padding(max_pieces: int, tokenizer: Get) -> None:
    featurizer = PieceFeaturizer(tokenizer("bert"), max_pieces=max_pieces)
    features = featurizer.features(WORDS * 2)
    assert featurizer.size(features) == int(featurizer.collate([features])["piece_mask"].sum())


def test_empty_sentence_has_a_row_and_no_words(tokenizer: Get) -> None:
    featurizer = PieceFeaturizer(tokenizer("bert"))
    inputs = featurizer.collate([featurizer.features([])])
    assert inputs["pieces"].tolist() == [[2, 3]]
    assert inputs["mask"].shape == inputs["word_piece"].shape == (1, 0)


@pytest.mark.parametrize("name", BUILDERS)
def test_saved_featurizer_gives_the_same_features(name: str, tokenizer: Get, tmp_path: Path) -> None:
    featurizer = PieceFeaturizer(tokenizer(name), max_pieces=16)
    featurizer.save(tmp_path)
    loaded = PieceFeaturizer.load(tmp_path, load_tokenizer(tmp_path))
    before, after = (each.features(WORDS * 2) for each in (featurizer, loaded))
    assert after.pieces.tolist() == before.pieces.tolist()
    assert after.windows == before.windows


@pytest.mark.parametrize("content", [None, "no JSON", "{}", "[]"])
def test_load_names_the_file_that_is_missing_or_damaged(content: str | None, tokenizer: Get, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "pieces.json").write_text(content)
    with pytest.raises(RunError, match=r"pieces\.json"):
        PieceFeaturizer.load(tmp_path, tokenizer("bert"))
