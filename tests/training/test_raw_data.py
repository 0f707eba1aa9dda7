"""Raw text beside labelled sentences: what of it is read when, and what a training with it leaves."""

from __future__ import annotations

import io
import json
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.batching import Batch
from ner_distill.data.features.questions import CUT
from ner_distill.data.features.windows import Window
from ner_distill.data.sentence import Sentence
from ner_distill.data.tagset import TagSet
from ner_distill.errors import DataError, RunError, TrainingError
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.training.fit import Fit
from ner_distill.training.labelled import LabelledData
from ner_distill.training.raw_data import WithRawText, read_sample
from tests import corpora

LABELLED = corpora.sentences(12, seed=1)
RAW = corpora.sentences(90, seed=3)
STRETCH = sum(len(sentence.words) for sentence in LABELLED)


class Numbers:
    """A featurizer of which a test can see what it is about."""

    def features(self, words: Sequence[str]) -> tuple[str, ...]:
        return tuple(words)

    def training_features(self, words: Sequence[str]) -> tuple[str, ...]:
        return self.features(words)

    def windows(self, features: tuple[str, ...]) -> list[Window]:
        return [Window(0, len(features), 0, len(features))]

    def size(self, features: tuple[str, ...]) -> int:
        return len(features)

    def collate(self, batch: Sequence[tuple[str, ...]]) -> dict[str, Tensor]:
        lengths = torch.tensor([len(words) for words in batch])
        return {"mask": torch.arange(int(lengths.max())) < lengths[:, None]}


def data(raw: Sequence[Sentence] = RAW, *, seed: int = 5, budget: int = 40) -> WithRawText:
    featurizer = Numbers()
    labelled = LabelledData(LABELLED, featurizer, TagSet(corpora.LABELS), budget=budget, seed=seed)  # type: ignore[arg-type]
    return WithRawText(labelled, [sentence.words for sentence in raw], featurizer, budget=budget, seed=seed)


def lengths(found: WithRawText, epoch: int) -> list[int]:
    return [len(found.sentences[number]) for number in found.numbers(epoch)]


# ---- what an epoch reads


def test_every_epoch_reads_about_as_many_raw_words_as_labelled_ones() -> None:
    found, longest = data(), max(len(sentence.words) for sentence in RAW)
    for epoch in range(20):
        assert abs(sum(lengths(found, epoch)) - STRETCH) < longest


def test_epochs_read_one_part_after_the_other_until_all_is_read() -> None:
    found = data()
    circle = sum(len(sentence.words) for sentence in RAW)
    whole = circle // STRETCH
    read = Counter(number for epoch in range(whole) for number in found.numbers(epoch))
    assert set(read.values()) == {1}
    assert read.keys() | set(found.numbers(whole)) == set(range(len(RAW)))
    assert whole > 3


def test_a_text_shorter_than_the_labelled_one_is_read_once_in_each_epoch() -> None:
    found = data(RAW[:4])
    assert [sorted(found.numbers(epoch)) for epoch in (0, 1)] == [[0, 1, 2, 3]] * 2


def test_what_an_epoch_reads_does_not_depend_on_those_before_it() -> None:
    long, fresh = data(), data()
    for epoch in range(4):
        before = long.plan(epoch)
    assert fresh.plan(3) == before
    assert fresh.sentences == long.sentences


def test_another_seed_reads_in_another_order() -> None:
    assert data(seed=5).sentences != data(seed=6).sentences
    assert sorted(data(seed=5).sentences) == sorted(data(seed=6).sentences)


def test_batches_hold_what_the_epoch_reads_and_keep_to_the_budget() -> None:
    found = data()
    raw = [numbers for kind, numbers in found.plan(2) if kind == "raw"]
    assert sorted(number for numbers in raw for number in numbers) == found.numbers(2)
    for numbers in raw:
        assert len(numbers) * max(len(found.sentences[number]) for number in numbers) <= 40


@pytest.mark.parametrize("sentences", [5, 90])
def test_raw_batches_are_spread_evenly_behind_a_labelled_one(sentences: int) -> None:
    kinds = [kind for kind, _ in data(RAW[:sentences], budget=20).plan(0)]
    labelled, raw = kinds.count("labelled"), kinds.count("raw")
    assert kinds[0] == "labelled"
    assert raw
    for end in range(len(kinds)):
        share = kinds[:end].count("raw") / raw - kinds[:end].count("labelled") / labelled
        assert abs(share) <= 1 / raw + 1 / labelled


def test_raw_batches_have_neither_tags_nor_spans_and_labelled_ones_have_both() -> None:
    found = data()
    plan = found.plan(0)
    assert {kind for kind, _ in plan} == {"labelled", "raw"}
    for kind, numbers in plan:
        batch = found.load((kind, numbers), 0)
        assert (batch.tags is None, batch.spans is None, batch.pairs) == (kind == "raw", kind == "raw", None)
        assert batch.mask.shape[0] == len(numbers)


# ---- what is read of the files


def sample(path: Path, *, held: int = 1000, seed: int = 1, longest: int = 20) -> tuple[list[tuple[str, ...]], str]:
    """The sample, and what was said."""
    said = io.StringIO()
    found = read_sample([str(path)], "word", longest=longest, seed=seed, reporter=Reporter(stream=said), held=held)
    return found, said.getvalue()


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """2,000 sentences, each of its number."""
    path = tmp_path / "raw.txt"
    path.write_text("".join(f"number {number}\n" for number in range(2000)))
    return path


def test_a_text_of_few_sentences_is_taken_whole_and_in_order(numbered: Path) -> None:
    found, said = sample(numbered, held=2000)
    assert found == [("number", str(number)) for number in range(2000)]
    assert said == "adversarial.raw_text: 2,000 sentences\n"


def test_of_a_long_text_an_even_sample_is_taken_and_said(numbered: Path) -> None:
    found, said = sample(numbered, held=400)
    numbers = sorted(int(number) for _, number in found)
    assert len(set(numbers)) == 400
    assert sum(number < 1000 for number in numbers) == pytest.approx(200, abs=50)  # five standard deviations
    assert sum(number >= 1500 for number in numbers) == pytest.approx(100, abs=43)
    assert "2,000 sentences, 400 of them drawn at random" in said


def test_the_sample_is_a_function_of_the_seed(numbered: Path) -> None:
    assert sample(numbered, held=50)[0] == sample(numbered, held=50)[0]
    assert sample(numbered, held=50)[0] != sample(numbered, held=50, seed=2)[0]


def test_sentences_too_long_for_a_batch_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("a b c d\na b c\na b c d e\n")
    found, said = sample(tmp_path / "raw.txt", longest=3)
    assert found == [("a", "b", "c")]
    assert "1 sentences; 2 of more than 3 words (optim.batch_words) left out" in said


def test_a_text_without_a_usable_sentence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("a b c d\n")
    with pytest.raises(DataError, match=r"raw\.txt: no sentence of 1 to 3 words \(optim\.batch_words\)"):
        sample(tmp_path / "raw.txt", longest=3)


# ---- trainings with it


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few labelled sentences; raw text with words of its own."""
    directory = corpora.write_all(tmp_path_factory.mktemp("short"), train=12, dev=4, raw=20)
    with (directory / "raw.txt").open("a", encoding="utf-8") as file:
        file.write("Unheard unheard unheard words\n" * 5)
    return directory


def train(data: Path, out: Path, *keys: str, raw: Path | None = None, resume: bool = False) -> Path:
    vat = ["adversarial.kind=vat", *([f'adversarial.raw_text="{raw}"'] if raw else [])]
    keys = (*corpora.SMALL, "optim.epochs=2", "optim.batch_words=60", *vat, *keys)
    options = TeacherOptions(train=[data / "train.conll"], dev=[data / "dev.conll"], out=out, resume=resume)
    train_teacher(load_config(TeacherConfig, None, keys), options, Reporter(quiet=True))
    return out


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def trained(short: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with raw text."""
    return train(short, tmp_path_factory.mktemp("trained") / "run", raw=short / "raw.txt")


def test_raw_text_changes_the_weights_and_nothing_else_that_a_run_keeps(
    short: Path, trained: Path, tmp_path: Path
) -> None:
    plain = train(short, tmp_path / "plain")
    assert weights(trained) != weights(plain)
    assert (trained / "vocabulary.json").read_bytes() == (plain / "vocabulary.json").read_bytes()


def test_what_the_metrics_count_is_of_labelled_sentences(short: Path, tmp_path: Path) -> None:
    keys = ("head.kind=mrc", "encoder.max_pieces=9", "optim.epochs=1")  # every sentence is read in windows
    out = train(short, tmp_path / "run", *keys, raw=short / "raw.txt")
    assert json.loads((out / "metrics.json").read_text())["counts"] == {CUT: 12 + 4}


def test_every_epoch_with_raw_text_has_all_losses(trained: Path) -> None:
    epochs = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [set(epoch["loss"]) for epoch in epochs] == [{"entities", "similarity", "vat"}] * 2


def test_the_raw_file_is_among_the_inputs(short: Path, trained: Path) -> None:
    [entry] = json.loads((trained / "inputs.json").read_text())["adversarial.raw_text"]
    assert (entry["name"], entry["size"]) == (str(short / "raw.txt"), (short / "raw.txt").stat().st_size)


def stop(monkeypatch: pytest.MonkeyPatch, step: int, data: Path, out: Path, raw: Path) -> None:
    """A training that a signal stops in this step."""

    def interrupted(self: Fit, batches: list[Batch], done: float) -> None:
        whole(self, batches, done)
        if self.progress.step == step:
            signal.raise_signal(signal.SIGTERM)

    whole = Fit._step
    with monkeypatch.context() as patch:
        patch.setattr(Fit, "_step", interrupted)
        with pytest.raises(TrainingError, match=f"after step {step};"):
            train(data, out, raw=raw)


@pytest.mark.parametrize("step", [2, 9])
def test_a_training_with_raw_text_goes_on_bit_by_bit(
    short: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    stop(monkeypatch, step, short, tmp_path / "run", short / "raw.txt")
    train(short, tmp_path / "run", raw=short / "raw.txt", resume=True)
    assert weights(tmp_path / "run") == weights(trained)


def test_going_on_with_other_raw_text_is_refused(short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw.txt").write_text((short / "raw.txt").read_text())
    stop(monkeypatch, 1, short, tmp_path / "run", tmp_path / "raw.txt")
    (tmp_path / "raw.txt").write_text("It rains .\n")
    with pytest.raises(RunError, match=r"files of adversarial\.raw_text are not those"):
        train(short, tmp_path / "run", raw=tmp_path / "raw.txt", resume=True)


def test_log_sum_and_accumulation_take_steps_of_raw_text(short: Path, tmp_path: Path) -> None:
    out = train(short, tmp_path / "run", "head.task_weighting=log-sum", "optim.accumulate=2", raw=short / "raw.txt")
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["loss"]
    assert 0 < last["vat"] < last["entities"] < 100


@pytest.mark.parametrize("kind", ["global-pointer", "crf-per-type", "mrc"])
def test_span_heads_learn_from_raw_text(short: Path, tmp_path: Path, kind: str) -> None:
    out = train(short, tmp_path / "run", f"head.kind={kind}", "optim.epochs=1", raw=short / "raw.txt")
    assert json.loads((out / "metrics.jsonl").read_text())["loss"]["vat"] > 0


def test_a_missing_raw_file_is_named_before_anything_is_made(short: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.txt: no such file"):
        train(short, tmp_path / "run", raw=tmp_path / "nowhere.txt")
    assert not (tmp_path / "run").exists()
