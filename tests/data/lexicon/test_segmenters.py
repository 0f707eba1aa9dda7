"""The segmenter as a source of words, on a model of generated text."""

from __future__ import annotations

import gc
import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import srsly  # type: ignore[import-untyped]

from ner_distill.console import Reporter
from ner_distill.data.features.soft_lexicon import Softword
from ner_distill.data.lexicon.lexicon import Match
from ner_distill.data.lexicon.segmenters import FEATURES, WEIGHTS, Segmenter
from ner_distill.errors import ConfigError, RunError
from ner_distill.options.training import SegmenterOptions
from ner_distill.pipelines.train_segmenter import train_segmenter

WORDS = ("肾盂", "膀胱", "输尿管", "结石", "及", "、", "。", "在", "IBM", "２")


def segmented(sentences: int) -> str:
    """Lines of these words in random order, separated by spaces."""
    rng = random.Random(7)
    return "".join(" ".join(rng.choices(WORDS, k=rng.randint(3, 9))) + "\n" for _ in range(sentences))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the words of `WORDS`; to be read, not changed."""
    place = tmp_path_factory.mktemp("segmenter")
    (place / "text.txt").write_text(segmented(80), encoding="utf-8")
    train_segmenter(
        SegmenterOptions(train=[place / "text.txt"], out=place / "model"), Reporter(quiet=True), iterations=5
    )
    return place / "model"


@pytest.fixture
def copied(model: Path, tmp_path: Path) -> Path:
    """The model again, to be damaged."""
    shutil.copytree(model, tmp_path / "copied")
    return tmp_path / "copied"


@pytest.fixture
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the library without any model, and no package that brings one."""
    monkeypatch.setenv("PKUSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("ner_distill.data.lexicon.segmenters._of_pkuseg", lambda: [])
    return tmp_path / "home"


def test_text_is_cut_into_the_words_that_were_learned(model: Path) -> None:
    assert Segmenter(model).words_of("膀胱及输尿管结石。") == ["膀胱", "及", "输尿管", "结石", "。"]


def test_matches_are_the_chinese_words_of_several_characters(model: Path) -> None:
    words = [*"２肾盂、膀胱及", "IBM", *"输尿管结石。"]
    assert Segmenter(model).matches(words) == [
        Match(1, 3, "肾盂"),
        Match(4, 6, "膀胱"),
        Match(8, 11, "输尿管"),
        Match(11, 13, "结石"),
    ]


def test_the_segmentation_has_all_words_those_of_one_character_too(model: Path) -> None:
    words = [*"２肾盂、膀胱及", "IBM", *"输尿管"]
    assert Segmenter(model).segmentation(words) == [
        Match(0, 1, "２"),
        Match(1, 3, "肾盂"),
        Match(3, 4, "、"),
        Match(4, 6, "膀胱"),
        Match(6, 7, "及"),
        Match(7, 8, "IBM"),
        Match(8, 11, "输尿管"),
    ]


def test_softword_over_a_segmenter_marks_words_of_one_character(model: Path) -> None:
    marks = Softword("softword", Segmenter(model)).features([*"膀胱及输尿管。"])
    assert ["".join(np.array(list("BMESO"))[row]) for row in marks] == list("BESBMES")


def test_the_segmentation_of_white_space_is_empty(model: Path) -> None:
    assert Segmenter(model).segmentation([" ", "膀", "胱", "\u3000"]) == [Match(1, 3, "膀胱")]


@pytest.mark.parametrize("white", [" ", "\u3000", "\t", "\n", "\u2028", "", "  "])
def test_white_space_that_cutting_drops_does_not_shift_the_matches(model: Path, white: str) -> None:
    assert Segmenter(model).matches([white, "膀", "胱", white, "结", "石", white]) == [
        Match(1, 3, "膀胱"),
        Match(4, 6, "结石"),
    ]


@pytest.mark.parametrize("odd", ["\U0001f600", "\ud83d", "\U00020000", "e\u0301", "\u200b", "\x00", "/"])
def test_odd_characters_do_not_shift_the_matches(model: Path, odd: str) -> None:
    assert Match(2, 4, "膀胱") in Segmenter(model).matches([odd, "、", "膀", "胱", "、"])


def test_a_cut_through_a_word_of_the_sentence_is_no_match(model: Path) -> None:
    assert Segmenter(model).matches(["在膀", "胱", "、", "结石"]) == [Match(3, 4, "结石")]


@pytest.mark.parametrize("words", [[], [""], [" ", "\u3000"]])
def test_a_sentence_without_characters_has_no_match(model: Path, words: list[str]) -> None:
    assert Segmenter(model).matches(words) == []


def test_a_model_is_read_once_per_process(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Segmenter(model).words_of("膀胱")
    monkeypatch.setattr("spacy_pkuseg.pkuseg", None)
    assert Segmenter(str(model)).words_of("膀胱") == ["膀胱"]


def test_a_model_is_not_read_before_it_is_needed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: Path) -> None:
        raise AssertionError(f"read {directory}")

    monkeypatch.setattr("ner_distill.data.lexicon.segmenters._load", refuse)
    assert Segmenter(model).directory == model.resolve()


# Where models are


@pytest.mark.parametrize("name", ["", "medicine", "no/such/model"])
def test_where_there_is_no_model_the_error_says_how_to_get_one(no_models: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"(no such model|no model).*train-segmenter.*pkuseg"):
        Segmenter(name)


def test_nothing_is_downloaded(no_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    monkeypatch.setattr("spacy_pkuseg.download_model", lambda *given: tried.append(given))
    with pytest.raises(ConfigError):
        Segmenter("medicine")
    assert (tried, no_models.exists()) == ([], False)


def test_a_downloaded_model_is_found_by_its_name(no_models: Path, model: Path) -> None:
    shutil.copytree(model, no_models / "medicine")
    assert Segmenter("medicine").words_of("膀胱结石") == ["膀胱", "结石"]


def test_a_directory_that_holds_no_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{tmp_path}: is no model .*{WEIGHTS}"):
        Segmenter(tmp_path)


# Pickles


def as_pickle(copied: Path) -> None:
    """Turn a model into the format of pkuseg's own release page."""
    (copied / "features.pkl").write_bytes(pickle.dumps(srsly.read_msgpack(copied / FEATURES)))
    (copied / FEATURES).unlink()


def test_a_model_in_the_format_of_pkuseg_itself_cuts_alike(copied: Path) -> None:
    as_pickle(copied)
    assert Segmenter(copied).words_of("膀胱及输尿管结石。") == ["膀胱", "及", "输尿管", "结石", "。"]


class _Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return os.mkdir, (self.path,)


def test_code_in_a_pickled_model_is_not_run(copied: Path, tmp_path: Path) -> None:
    as_pickle(copied)
    (copied / "features.pkl").write_bytes(pickle.dumps(_Harm(tmp_path / "harm")))
    with pytest.raises(ConfigError, match="expected plain data"):
        Segmenter(copied).words_of("膀胱")
    assert not (tmp_path / "harm").exists()


# Damage


def features_beyond_the_weights(copied: Path) -> None:
    """Would be read from outside of the array."""
    data = srsly.read_msgpack(copied / FEATURES)
    data["feature_to_idx"]["c.膀"] = 10**9
    srsly.write_msgpack(copied / FEATURES, data)


def weights_of_another_model(copied: Path) -> None:
    """Fewer features than are named."""
    np.savez(copied / WEIGHTS, sizes=np.array([5, 3]), w=np.zeros(5 * (3 + 5)))


def half_of_the_features(copied: Path) -> None:
    """As a copy that was stopped leaves them."""
    data = (copied / FEATURES).read_bytes()
    (copied / FEATURES).write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("damage", [features_beyond_the_weights, weights_of_another_model, half_of_the_features])
def test_a_damaged_model_is_refused_by_name(copied: Path, damage: Callable[[Path], None]) -> None:
    damage(copied)
    with pytest.raises(ConfigError, match=rf"{copied}: .*damaged"):
        Segmenter(copied).words_of("膀胱")


def test_a_damaged_model_leaves_the_garbage_collector_on(copied: Path) -> None:
    half_of_the_features(copied)
    with pytest.raises(ConfigError):
        Segmenter(copied).words_of("膀胱")
    assert gc.isenabled()


# In a run


def test_a_saved_model_cuts_without_the_one_it_came_from(copied: Path, tmp_path: Path) -> None:
    Segmenter(copied).save(tmp_path / "run")
    shutil.rmtree(copied)
    assert Segmenter.load(tmp_path / "run").words_of("膀胱及结石") == ["膀胱", "及", "结石"]


def test_a_pickled_model_is_saved_without_pickle(copied: Path, tmp_path: Path) -> None:
    as_pickle(copied)
    Segmenter(copied).save(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run" / "segmenter").iterdir()} == {FEATURES, WEIGHTS, "segmenter.json"}


def test_a_run_with_a_pickle_is_refused(model: Path, tmp_path: Path) -> None:
    Segmenter(model).save(tmp_path)
    (tmp_path / "segmenter" / "features.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(RunError, match=r"features\.pkl: is a pickle"):
        Segmenter.load(tmp_path)


@pytest.mark.parametrize("name", [FEATURES, WEIGHTS])
def test_a_run_whose_model_was_changed_is_refused_by_file(model: Path, tmp_path: Path, name: str) -> None:
    Segmenter(model).save(tmp_path)
    path = tmp_path / "segmenter" / name
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(RunError, match=f"{path}: .*damaged"):
        Segmenter.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"sha256": 3}'])
def test_a_run_whose_description_is_damaged_is_refused(model: Path, tmp_path: Path, text: str) -> None:
    Segmenter(model).save(tmp_path)
    (tmp_path / "segmenter" / "segmenter.json").write_text(text)
    with pytest.raises(RunError, match=r"segmenter\.json: .*damaged"):
        Segmenter.load(tmp_path)


def test_a_run_of_a_later_format_is_refused(model: Path, tmp_path: Path) -> None:
    Segmenter(model).save(tmp_path)
    path = tmp_path / "segmenter" / "segmenter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(RunError, match="has format 2, this version reads 1"):
        Segmenter.load(tmp_path)


def test_a_run_without_a_segmenter_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"segmenter\.json: not found"):
        Segmenter.load(tmp_path)
