"""Self-training: rounds of teachers, votes on raw text, and more training data, from the command line to the files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.errors import ConfigError, DataError, NerDistillError, RunError
from ner_distill.options.labels import SelfTrainOptions
from ner_distill.pipelines.voting import self_train as module
from ner_distill.runs.build import load_run
from ner_distill.runs.info import fold_teachers
from tests import corpora
from tests.commands import ok, run, settings

LEARNS = (
    *corpora.SMALL,
    "adversarial.kind=none",
    "optim.ema=0",
    "encoder.min_count=1",
    "optim.epochs=10",
    "similarity.weight=0",
)
SHORT = (
    *corpora.SMALL,
    "adversarial.kind=none",
    "optim.ema=0",
    "encoder.min_count=1",
    "optim.epochs=1",
    "similarity.weight=0",
)
LABELLED, RAW = corpora.sentences(90, seed=1), corpora.sentences(60, seed=2)


def quiet() -> Reporter:
    return Reporter(quiet=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Labelled sentences, a development set, and raw text that holds some of both."""
    root = tmp_path_factory.mktemp("self")
    given = {name: root / f"{name}.jsonl" for name in ("train", "dev", "text")}
    development = corpora.sentences(15, seed=5)
    write_jsonl(LABELLED, given["train"])
    write_jsonl(development, given["dev"])
    write_jsonl([replace(one, spans=None) for one in [*RAW, *LABELLED[:5], *development[:5]]], given["text"])
    return given


@pytest.fixture(scope="module")
def trained(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory of two rounds, and what the command printed."""
    out = tmp_path_factory.mktemp("rounds") / "out"
    options = ("--rounds", "1", "--folds", "2", "--raw-weight", "0.5", *settings(*LEARNS))
    paths = ("--train", files["train"], "--dev", files["dev"], "--text", files["text"], "--out", out)
    return out, ok("self-train", *paths, *options).out


@pytest.fixture
def copy(trained: tuple[Path, str], tmp_path: Path) -> Path:
    """One that a test may change."""
    return Path(shutil.copytree(trained[0], tmp_path / "out"))


def again(files: dict[str, Path], out: Path, **changes: Any) -> Any:
    given: dict[str, Any] = {"rounds": 1, "folds": 2, "raw_weight": 0.5, **changes}
    config = load_config(TeacherConfig, None, given.pop("settings", LEARNS))
    paths: dict[str, Any] = {name: [files[name]] for name in ("train", "dev", "text")}
    return module.self_train(config, SelfTrainOptions(out=out, **paths, **given), quiet())


# ---- the rounds


def test_every_round_is_a_run_with_its_fold_teachers(trained: tuple[Path, str]) -> None:
    for number in (0, 1):
        assert load_run(trained[0] / f"round-{number}").info.labels == corpora.LABELS
        assert len(fold_teachers(trained[0] / f"round-{number}")) == 2


def test_what_is_added_is_text_of_which_the_labels_are_mostly_right(trained: tuple[Path, str]) -> None:
    added = read_corpus([trained[0] / "round-1.jsonl"]).sentences
    true = {one.words: set(one.spans or ()) for one in RAW}
    found = [span in true[one.words] for one in added for span in one.spans or ()]
    assert len(found) > 20
    assert sum(found) > 0.8 * len(found)
    assert {one.weight for one in added} == {0.5}


def test_labelled_sentences_and_the_development_set_are_not_added(
    trained: tuple[Path, str], files: dict[str, Path]
) -> None:
    added = {one.words for one in read_corpus([trained[0] / "round-1.jsonl"]).sentences}
    for name in ("train", "dev"):
        assert added.isdisjoint(one.words for one in read_corpus([files[name]]).sentences)


def test_a_round_is_trained_on_the_labelled_data_and_on_what_is_added(trained: tuple[Path, str]) -> None:
    data = {name: read_corpus([trained[0] / name]).sentences for name in ("labelled.jsonl", "round-1.jsonl")}
    cleaned = read_corpus([trained[0] / "round-1" / "voting" / "cleaned.jsonl"]).sentences
    assert [one.words for one in cleaned] == [one.words for part in data.values() for one in part]
    assert [one.spans for one in cleaned[: len(LABELLED)]] == [one.spans for one in LABELLED]


def test_the_summary_and_the_table_name_the_best_round(trained: tuple[Path, str]) -> None:
    out = trained[0]
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    metrics = [json.loads((out / f"round-{n}" / "metrics.json").read_text("utf-8")) for n in (0, 1)]
    scores = [one["dev"]["micro"]["f1"] for one in metrics]
    assert [one["f1"] for one in summary["rounds"]] == scores
    best = scores.index(max(scores))
    assert summary["best"] == str(out / f"round-{best}")
    assert f"best teacher: round {best}, {out / f'round-{best}'} (development F1 {100 * max(scores):.2f})" in trained[1]


def test_it_ends_when_the_score_rises_no_more(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, scores = module._SelfTraining._read, {0: 0.6, 1: 0.6, 2: 0.9}
    monkeypatch.setattr(module._SelfTraining, "_read", lambda own, n: replace(read(own, n), f1=scores[n]))
    done = again(files, tmp_path / "out", rounds=3, settings=LEARNS)
    assert [one.f1 for one in done.rounds] == [0.6, 0.6]
    assert (done.stopped, done.best.number) == (True, 0)
    assert not (tmp_path / "out" / "round-2").exists()


# ---- going on


def weights(out: Path) -> list[bytes]:
    return [(out / f"round-{number}" / "model.safetensors").read_bytes() for number in (0, 1)]


def test_resume_of_finished_rounds_trains_nothing(
    copy: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = weights(copy)
    (copy / "round-1" / "checkpoints").mkdir()  # killed before it was removed
    (copy / "round-1" / "checkpoints" / "best.safetensors").write_bytes(b"")
    for name in ("train_voted", "label_unlabeled"):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("was done again"))
    again(files, copy, resume=True)
    assert weights(copy) == before
    assert not (copy / "round-1" / "checkpoints").exists()


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(("round-1",), id="the run", marks=pytest.mark.slow),
        pytest.param(("round-1", "round-1.jsonl"), id="the sentences", marks=pytest.mark.slow),
        pytest.param(("round-1", "round-1.jsonl", "round-1.soft"), id="the store"),
        pytest.param(("round-1/voting/folds/r1-f2", "round-1/metrics.json"), id="a fold"),
    ],
)
def test_resume_makes_what_is_missing_and_comes_to_the_same(
    lost: tuple[str, ...], copy: Path, files: dict[str, Path]
) -> None:
    before, chosen = weights(copy), (copy / "round-1.jsonl").read_bytes()
    for name in lost:
        path = copy / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again(files, copy, resume=True)
    assert (copy / "round-1.jsonl").read_bytes() == chosen
    assert weights(copy) == before


def test_half_a_store_is_gone_on_with(copy: Path, files: dict[str, Path]) -> None:
    before = weights(copy)
    for name in ("round-1", "round-1.jsonl"):
        path = copy / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    manifest = copy / "round-1.soft" / "manifest.json"
    data = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps({**data, "complete": False}), "utf-8")
    again(files, copy, resume=True)
    assert weights(copy) == before


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"folds": 3}, ConfigError, "`resume`: folds was 2, now 3"),
        ({"settings": (*LEARNS, "seed=5")}, ConfigError, "`resume`: seed was 13, now 5"),
        ({"overwrite": True}, ConfigError, "`resume` goes on with a self-training, `overwrite` removes it"),
    ],
)
def test_what_began_otherwise_is_not_gone_on_with(
    changes: dict[str, Any], error: type[Exception], said: str, copy: Path, files: dict[str, Path]
) -> None:
    with pytest.raises(error, match=said):
        again(files, copy, resume=True, **changes)


def test_resume_with_other_text_is_refused(copy: Path, files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("Peter sings .\n")
    with pytest.raises(RunError, match="the files of `text` are not those"):
        again({**files, "text": tmp_path / "other.txt"}, copy, resume=True)


def test_nothing_is_overwritten_unasked_nor_what_others_made(copy: Path, files: dict[str, Path]) -> None:
    with pytest.raises(RunError, match="exists and is not empty"):
        again(files, copy)
    (copy / "thesis.tex").write_text("dear")
    with pytest.raises(RunError, match=r"holds thesis\.tex that self-train did not make"):
        again(files, copy, overwrite=True)
    assert (copy / "thesis.tex").read_text() == "dear"


# ---- what is asked of the input


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rounds": 0}, "`rounds`: expected 1 or more, found 0"),
        ({"folds": 1}, "`folds`: expected 2 or more, found 1"),
        ({"min_votes": 3}, r"`min_votes` 3: expected 2 to 2 \(`folds`\), or 0 for all"),
        ({"min_votes": 1}, "`min_votes` 1: expected 2 to 2"),
        ({"min_votes": ["PER=3"]}, r"`min_votes` PER=3: expected 2 to 2 \(`folds`\), or 0 for all"),
        ({"min_votes": ["PRE=2"]}, "`min_votes` PRE=2: no such type; the data has LOC"),
        ({"action": "burn"}, "`action`: expected drop, mask, relabel, weight, keep, found 'burn'"),
        ({"min_confidence": 1.0}, r"`min_confidence` 1\.0: expected 0 to less than 1"),
        ({"raw_weight": 0.0}, r"`raw_weight` 0\.0: expected more than 0"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_made(
    changes: dict[str, Any], said: str, files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        again(files, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_text_that_is_not_there_is_an_error_of_the_command(files: dict[str, Path], tmp_path: Path) -> None:
    paths = ("--train", files["train"], "--dev", files["dev"], "--out", tmp_path / "out")
    done = run("self-train", *paths, "--text", tmp_path / "no.txt")
    assert done.code == 2
    assert "no.txt: no such file" in done.err.replace("\n", "")
    assert not (tmp_path / "out").exists()


def test_standard_input_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="standard input is read once"):
        again({**files, "text": Path("-")}, tmp_path / "out")


def test_development_data_of_other_types_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "dev.conll").write_text("Zorn\tB-KING\n\n", "utf-8")
    with pytest.raises(DataError, match=r"its labels \(KING\) are none of those"):
        again({**files, "dev": tmp_path / "dev.conll"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_text_on_which_the_teachers_agree_on_nothing_is_an_error(files: dict[str, Path], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("zzz yyy xxx .\n")
    given: dict[str, Any] = {"settings": SHORT}
    with pytest.raises(NerDistillError, match="round 1: the teachers agree on no entity of the text"):
        again({**files, "text": text}, tmp_path / "out", **given)
    assert (tmp_path / "out" / "round-0" / "metrics.json").exists()
    # the advice that it gives can be taken: other options of the text, with the round that is there
    with pytest.raises(NerDistillError, match="agree on no entity"):
        again({**files, "text": text}, tmp_path / "out", resume=True, raw_weight=0.1, **given)
    with pytest.raises(ConfigError, match="`resume`: folds was 2, now 3"):
        again({**files, "text": text}, tmp_path / "out", resume=True, folds=3, raw_weight=0.1, **given)


@pytest.mark.parametrize(("content", "said"), [(b"\n \n", "no sentence in it"), (b"Ann .\n\xff\n", "utf-8|UTF-8")])
def test_text_that_cannot_be_read_is_refused_before_anything_is_trained(
    content: bytes, said: str, files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(DataError, match=said):
        again({**files, "text": tmp_path / "text.txt"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
