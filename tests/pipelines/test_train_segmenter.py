"""Training a segmenter: the model, what is refused, and what stays behind."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import spacy_pkuseg

from ner_distill.console import Reporter
from ner_distill.data.lexicon.segmenters import FEATURES, WEIGHTS, Segmenter
from ner_distill.errors import DataError, RunError
from ner_distill.options.training import SegmenterOptions
from ner_distill.pipelines.train_segmenter import train_segmenter

QUIET = Reporter(quiet=True)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Twelve segmented sentences."""
    return write(tmp_path / "text.txt", "我 在 北京\n你 在 上海 。\n北京 和 上海\n" * 4)


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def train(text: Path, out: Path, *, overwrite: bool = False) -> None:
    train_segmenter(SegmenterOptions(train=[text], out=out, overwrite=overwrite), QUIET, iterations=3)


def test_the_model_cuts_sentences_that_it_was_not_trained_on(text: Path, tmp_path: Path) -> None:
    train(text, tmp_path / "model")
    assert Segmenter(tmp_path / "model").words_of("你和我在北京。") == ["你", "和", "我", "在", "北京", "。"]


def test_a_model_is_two_files_without_pickle_and_nothing_else_is_left(text: Path, tmp_path: Path) -> None:
    train(text, tmp_path / "deep" / "model")
    assert {path.name for path in (tmp_path / "deep" / "model").iterdir()} == {FEATURES, WEIGHTS}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]


def test_the_same_text_gives_the_same_model(text: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        random.seed(seed)
        train(text, tmp_path / str(seed))
    for name in (FEATURES, WEIGHTS):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_training_leaves_the_random_numbers_of_the_caller(text: Path, tmp_path: Path) -> None:
    state = random.getstate()
    train(text, tmp_path / "model")
    assert random.getstate() == state


def test_nothing_is_printed_to_stdout(text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(text, tmp_path / "model")
    assert capfd.readouterr() == ("", "")


def test_the_report_counts_iterations_and_scores_the_model(
    text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train_segmenter(SegmenterOptions(train=[text], out=tmp_path / "model"), iterations=3)
    out, messages = capfd.readouterr()
    assert out == ""
    assert "training the segmenter: 3 / 3 iterations" in messages
    assert "f1 1" in messages


def test_one_sentence_in_twenty_is_scored_and_not_learned(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = write(tmp_path / "text.txt", "我 在 北京\n" * 400)
    train_segmenter(SegmenterOptions(train=[text], out=tmp_path / "model"), iterations=1)
    assert "380 sentences to learn from, 20 to score" in capfd.readouterr().err


# Refused


@pytest.mark.parametrize("line", ["我在北京", "我 在 北 京"], ids=["no spaces", "characters separated"])
def test_text_that_is_not_segmented_is_refused_by_name(tmp_path: Path, line: str) -> None:
    text = write(tmp_path / "text.txt", f"{line}\n" * 30)
    with pytest.raises(DataError, match=rf"{text}: is not segmented"):
        train(text, tmp_path / "model")


@pytest.mark.parametrize(
    ("content", "message"), [("", "is empty"), ("\n \n", "found 0"), ("我 在 北京\n" * 9, "found 9")]
)
def test_too_little_text_is_refused(tmp_path: Path, content: str, message: str) -> None:
    text = write(tmp_path / "text.txt", content)
    with pytest.raises(DataError, match=rf"{text}: .*{message}"):
        train(text, tmp_path / "model")


def test_ten_sentences_are_enough(tmp_path: Path) -> None:
    text = write(tmp_path / "text.txt", "我 在 北京\n" * 10)
    train(text, tmp_path / "model")
    assert Segmenter(tmp_path / "model").words_of("我在北京") == ["我", "在", "北京"]


def test_text_that_is_not_utf8_is_refused_by_line(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes("我 在 北京\n".encode() * 3 + "我 在 北京\n".encode("gb18030"))
    with pytest.raises(DataError, match=rf"{text}:4: expected UTF-8"):
        train(text, tmp_path / "model")


# What is in the way


def test_a_model_is_not_replaced_unless_asked(text: Path, tmp_path: Path) -> None:
    train(text, tmp_path / "model")
    with pytest.raises(RunError, match=r"exists and is not empty.*`overwrite`"):
        train(text, tmp_path / "model")


def test_overwrite_replaces_a_model(text: Path, tmp_path: Path) -> None:
    train(text, tmp_path / "model")
    train(write(tmp_path / "other.txt", "甲乙 丙丁\n" * 10), tmp_path / "model", overwrite=True)
    assert Segmenter(tmp_path / "model").words_of("甲乙丙丁") == ["甲乙", "丙丁"]
    assert not list(tmp_path.glob(".*"))


def test_overwrite_does_not_remove_what_is_no_model(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    write(out / "chapter.txt", "work of years")
    with pytest.raises(RunError, match="`overwrite` does not remove that"):
        train(text, out, overwrite=True)
    assert (out / "chapter.txt").read_text() == "work of years"


def test_an_empty_directory_is_filled(text: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    train(text, tmp_path / "model")
    assert (tmp_path / "model" / WEIGHTS).is_file()


@pytest.mark.parametrize("absolute", [False, True])
def test_the_working_directory_is_refused(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(RunError, match="is the working directory.*such as segmenter"):
        train(text, Path.cwd() if absolute else Path("."))


@pytest.mark.parametrize("out", ["../model", "model/", "./deep/../model"])
def test_a_model_is_written_where_a_relative_path_leads(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    train(text, Path(out))
    where = tmp_path if out.startswith("..") else tmp_path / "here"
    assert (where / "model" / WEIGHTS).is_file()


def test_the_last_line_says_how_to_use_the_model(text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train_segmenter(SegmenterOptions(train=[text], out=tmp_path / "my model"), iterations=1)
    last = capfd.readouterr().err.replace("\n", " ").rstrip()
    assert last.endswith(f"`set` lattice.segmenter=pkuseg `set` 'lattice.segmenter_model={tmp_path / 'my model'}'")


def test_a_file_in_the_way_is_refused(text: Path) -> None:
    with pytest.raises(RunError, match="is a file"):
        train(text, text, overwrite=True)


def test_training_that_fails_leaves_the_old_model_and_no_other(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(text, tmp_path / "model")
    before = (tmp_path / "model" / WEIGHTS).read_bytes()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(spacy_pkuseg, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(text, tmp_path / "model", overwrite=True)
    assert (tmp_path / "model" / WEIGHTS).read_bytes() == before
    assert not list(tmp_path.glob(".*"))
