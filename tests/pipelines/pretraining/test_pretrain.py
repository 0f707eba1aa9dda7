"""Pretraining from raw text to a directory that other trainings begin at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel, AutoTokenizer

from ner_distill.config import START_FILE, PretrainConfig, StudentConfig, TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.features.masking import HIDDEN, KEPT, LEFT, RANDOM
from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.sentence import Unit
from ner_distill.errors import ConfigError, DataError, NerDistillError, RunError
from ner_distill.nn.encoders.huggingface import load_backbone, load_tokenizer
from ner_distill.nn.masked_lm import MaskedWords
from ner_distill.options.training import PretrainOptions, TeacherOptions
from ner_distill.pipelines.pretraining.data import (
    ROUNDS,
    TRAINING,
    MaskedObjective,
    Minutes,
    PieceMasker,
    PretrainData,
    WordMasker,
)
from ner_distill.pipelines.pretraining.pretrain import Pretrained, pretrain
from ner_distill.pipelines.pretraining.text import Text
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.build import load_run, new_student, new_teacher
from ner_distill.runs.info import RunInfo
from ner_distill.training.fit import Fit
from ner_distill.training.processes import make_accelerator
from tests import checkpoints, corpora
from tests.commands import ok

QUIET = Reporter(quiet=True)
SHAPE = ("encoder.hidden=16", "encoder.heads=2", "encoder.word_dim=8", "encoder.bigram_dim=8", "encoder.char_filters=4")
TINY = (*SHAPE, "encoder.min_count=1", "optim.batch_words=128", "optim.lr=1e-2", "optim.epochs=4")
PIECES = ("optim.batch_words=128", "optim.epochs=2")


def text(path: Path, count: int = 120, *, chinese: bool = False, seed: int = 0) -> Path:
    join = "" if chinese else " "
    lines = [join.join(sentence.words) for sentence in corpora.sentences(count, seed=seed, chinese=chinese)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def alphabet(path: Path, count: int = 300) -> Path:
    """Pieces of the alphabet, letter by letter: each letter tells its neighbours."""
    letters = "abcdefgh" * 4
    path.write_text("".join(f"{' '.join(letters[line % 8 : line % 8 + 12])}\n" for line in range(count)), "utf-8")
    return path


def run(files: Path | Sequence[Path], out: Path, *settings: str, **options: Any) -> Pretrained:
    files = [files] if isinstance(files, Path) else files
    return pretrain(
        load_config(PretrainConfig, None, settings or TINY), PretrainOptions(text=files, out=out, **options), QUIET
    )


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scratch encoder of words."""
    root = tmp_path_factory.mktemp("english")
    run(text(root / "raw.txt"), root / "encoder")
    return root / "encoder"


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scratch encoder of Chinese characters."""
    root = tmp_path_factory.mktemp("chinese")
    run(text(root / "raw.txt", chinese=True), root / "encoder")
    return root / "encoder"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.bert(tmp_path_factory.mktemp("bert"), layers=1, hidden=16)


# ---- the text on disk


def config_of(*, budget: int, seed: int = 1) -> PretrainConfig:
    return load_config(PretrainConfig, None, [f"seed={seed}", f"optim.batch_words={budget}"])


def stored(directory: Path, sentences: Sequence[Sequence[str]]) -> Text:
    Text.write(directory, sentences)
    return Text(directory)


def test_stored_sentences_come_back_whatever_is_in_their_words(tmp_path: Path) -> None:
    sentences = [["a", "b c", '"', "\n"], ["北", "\ud800", ""], ["x" * 300]]
    found = stored(tmp_path / "text", sentences)
    assert found.read(range(len(found))) == sentences
    assert found.lengths([0, 1, 2]) == [4, 3, 1]


def test_the_rounds_of_a_pass_hold_every_sentence_once_but_those_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ner_distill.pipelines.pretraining.text.BLOCK", 8)
    monkeypatch.setattr("ner_distill.pipelines.pretraining.text.BLOCKS", 3)
    found = stored(tmp_path / "text", [["a"]] * 203)
    assert found.rounds() == 9
    seen = [number for round in range(9) for number in found.sentences(round, seed=1)]
    assert sorted(seen) == sorted(set(range(203)) - set(found.held_out))
    assert max(len(found.sentences(round, seed=1)) for round in range(9)) <= 24


def test_rounds_are_shuffled_and_another_pass_otherwise(tmp_path: Path) -> None:
    found = stored(tmp_path / "text", [["a"]] * 2000)
    data = PretrainData(found, masker_of([["a"]], "word"), config_of(budget=10))
    first, second = data.plan(0), data.plan(1)
    assert [numbers for _, numbers in first] != [numbers for _, numbers in second]
    assert data.plan(0) == first


def test_a_text_of_one_sentence_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two sentences, found 1"):
        Text.write(tmp_path / "text", [["a"]])
    assert list(tmp_path.iterdir()) == []


# ---- what the model sees


def masker_of(sentences: Sequence[Sequence[str]], unit: Unit) -> WordMasker:
    return WordMasker(WordFeaturizer.counted(sentences, unit, min_count=1))


SENTENCES = [["Ann", "lives", "in", "Oslo", "."], ["Bob", "rests", "at", "Home", "!"]]
ACTIONS = [np.array([LEFT, HIDDEN, LEFT, RANDOM, LEFT], dtype=np.int8)] * 2


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


@pytest.mark.parametrize("unit", ["word", "character"])
def test_inputs_are_the_same_whatever_the_hidden_and_replaced_words_were(unit: Unit) -> None:
    """No id, no spelling and no bigram tells what was masked: only the targets differ."""
    other = [["Ann", "works", "in", "Rome", "."], ["Bob", "Home", "at", "lives", "!"]]
    masker = masker_of([*SENTENCES, *other, *SENTENCES, *other], unit)
    first = masker.inputs(SENTENCES, ACTIONS, rngs(2))
    second = masker.inputs(other, ACTIONS, rngs(2))
    assert first.keys() == second.keys() > {"words", "mask", "masked", "targets"}
    for name in first.keys() - {"targets"}:
        assert torch.equal(first[name], second[name]), name
    assert not torch.equal(first["targets"], second["targets"])


def test_a_hidden_character_hides_the_bigrams_of_its_neighbours_too() -> None:
    masker = masker_of(["北京大学", "北京大学"], "character")
    hidden = masker.inputs(["北京大学"], [np.array([LEFT, HIDDEN, LEFT, LEFT], dtype=np.int8)], rngs(1))
    following, before = hidden["bigrams"][0]
    assert [following[0], following[1], before[1], before[2]] == [1, 1, 1, 1]
    assert following[2] > 1


def test_targets_are_the_masked_words_at_their_flat_places() -> None:
    masker = masker_of([*SENTENCES, ["a"] * 7], "word")
    actions = [np.array([LEFT, HIDDEN, LEFT, KEPT, LEFT], dtype=np.int8), np.array([0, 0, RANDOM, 0, 0], dtype=np.int8)]
    found = masker.inputs(SENTENCES, actions, rngs(2))
    assert found["masked"].tolist() == [1, 3, 5 + 2]
    assert [masker.vocab.forms[target - 2] for target in found["targets"].tolist()] == ["lives", "oslo", "at"]


def test_words_that_the_vocabulary_does_not_know_are_not_asked_for() -> None:
    masker = masker_of([SENTENCES[0]], "word")
    found = masker.inputs([["Ann", "snores", "in", "Oslo", "."]], ACTIONS[:1], rngs(1))
    assert [masker.vocab.forms[target - 2] for target in found["targets"].tolist()] == ["oslo"]


def test_all_pieces_of_a_masked_word_are_hidden_and_asked_for(bert: Path) -> None:
    tokenizer = load_tokenizer(bert)
    masker = PieceMasker(PieceFeaturizer(tokenizer))
    words = ["Ann", "Osloberlinesque", "Oslo"]
    found = masker.inputs([words], [np.array([LEFT, HIDDEN, LEFT], dtype=np.int8)], rngs(1))
    wanted = tokenizer(words[1], add_special_tokens=False)["input_ids"]
    assert len(wanted) > 1
    assert found["targets"].tolist() == wanted
    assert set(found["pieces"].flatten()[found["masked"]].tolist()) == {tokenizer.mask_token_id}
    assert (found["pieces"] == tokenizer.mask_token_id).sum() == len(wanted)


def test_a_piece_in_two_windows_is_asked_for_once(bert: Path) -> None:
    masker = PieceMasker(PieceFeaturizer(load_tokenizer(bert), max_pieces=8))
    words = ["Berlin", "and", "Oslo", "in", "Danish"] * 3
    found = masker.inputs([words], [np.full(15, KEPT, dtype=np.int8)], rngs(1))
    assert len(found["pieces"]) > 1
    assert len(found["targets"]) == int(found["word_pieces"].sum())
    assert torch.equal(found["pieces"].flatten()[found["masked"]], found["targets"])


def test_masks_depend_on_seed_round_and_sentence_alone(tmp_path: Path) -> None:
    sentences = [[str(number), *"abcdefghijklmnopqrstuvwxyz"] for number in range(40)]
    found = stored(tmp_path / "text", sentences)
    masker = masker_of(sentences, "word")
    data, again, other = (PretrainData(found, masker, config_of(budget=200, seed=seed)) for seed in (1, 1, 2))
    targets = [one.masked(TRAINING, 0, [3, 4]).inputs["targets"].tolist() for one in (data, again, other)]
    assert targets[0] == targets[1] != targets[2]
    assert data.masked(TRAINING, 1, [3, 4]).inputs["targets"].tolist() != targets[0]
    row = data.masked(TRAINING, 0, [4]).inputs["targets"].tolist()
    assert targets[0][-len(row) :] == row


# ---- a training in minutes


def minutes_of(file: Path, minutes: float = 1.0) -> Minutes:
    return Minutes(file, minutes, make_accelerator(), accumulate=1)


def test_rounds_read_what_fits_into_the_time_that_is_left(tmp_path: Path) -> None:
    """10 steps a second, a minute, 20 rounds: whatever the first round took, the sum is 600."""
    minutes = minutes_of(tmp_path / "rounds.json")
    read = 0
    for epoch in range(ROUNDS):
        minutes.done = lambda: (read, read / 10)  # noqa: B023
        read += len(minutes.places(epoch, lambda round: 7))
    assert read == pytest.approx(600, abs=ROUNDS)


def test_time_for_evaluation_is_left_out_of_what_is_read(tmp_path: Path) -> None:
    minutes = minutes_of(tmp_path / "rounds.json")
    read = 0
    for epoch in range(ROUNDS):
        minutes.done = lambda: (read, read / 10 + epoch)  # noqa: B023
        minutes.evaluation = 1.0 * (epoch > 0)
        read += len(minutes.places(epoch, lambda round: 7))
    assert read / 10 + ROUNDS == pytest.approx(60, abs=2)


def test_rounds_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    minutes = minutes_of(tmp_path / "rounds.json")
    minutes.done = lambda: (20, 1.0)
    sizes = {0: 15, 1: 9}
    places = [place for epoch in range(3) for place in minutes.places(epoch, lambda round: sizes.get(round, 30))]
    wanted = [(round, index) for round in range(60) for index in range(sizes.get(round, 30))]
    assert places == wanted[: len(places)]


def test_a_resumed_training_repeats_the_rounds_that_were_decided(tmp_path: Path) -> None:
    first = minutes_of(tmp_path / "rounds.json")
    first.done = lambda: (20, 3.0)
    decided = [first.places(epoch, lambda round: 11) for epoch in range(2)]
    again = minutes_of(tmp_path / "rounds.json")
    again.done = lambda: (20, 9.0)
    assert [again.places(epoch, lambda round: 11) for epoch in range(2)] == decided


def test_a_training_in_minutes_ends_about_then(tmp_path: Path) -> None:
    trained = run(text(tmp_path / "raw.txt"), tmp_path / "out", *TINY[:-1], "minutes=0.05")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert len(lines_of(tmp_path / "out")) == ROUNDS
    assert metrics["seconds"] < 15
    assert trained.accuracy > 0


# ---- from end to end


def test_pretraining_lowers_the_loss_of_held_out_masked_words(tmp_path: Path) -> None:
    trained = run(alphabet(tmp_path / "raw.txt"), tmp_path / "out", *TINY[:-1], "optim.epochs=8")
    lines = lines_of(tmp_path / "out")
    assert trained.perplexity < 0.7 * lines[0]["perplexity"]
    assert trained.accuracy > 0.3  # of eight letters, each as frequent as the others
    assert lines[-1]["loss"].keys() == {"masked"}


def test_a_finished_directory_has_the_encoder_and_no_checkpoints(english: Path) -> None:
    names = {path.name for path in english.iterdir()}
    assert {START_FILE, "vocabulary.json", "model.safetensors", "config.toml", "metrics.json", "log.txt"} >= names - {
        "environment.json", "inputs.json", "metrics.jsonl", "pretrain.json", "tensorboard"
    }  # fmt: skip
    assert "checkpoints" not in names


@pytest.mark.parametrize("settings", [("simcse=0.5",), ("mask.kind=span",)])
def test_other_objectives_train_too(tmp_path: Path, settings: tuple[str, ...]) -> None:
    run(text(tmp_path / "raw.txt", 40), tmp_path / "out", *TINY, *settings)
    terms = lines_of(tmp_path / "out")[-1]["loss"]
    assert terms.keys() == ({"masked", "simcse"} if "simcse=0.5" in settings else {"masked"})


def test_simcse_tells_the_sentences_of_a_batch_apart(tmp_path: Path) -> None:
    found = stored(tmp_path / "text", [list("abcdef"), list("ghijkl"), list("mnopqr")] * 2)
    masker = masker_of(found.read(range(3)), "word")
    batch = PretrainData(found, masker, config_of(budget=99)).masked(TRAINING, 0, [0, 1, 2])
    objective = MaskedObjective(model_of(masker).eval(), simcse=0.5)
    assert objective.counts(batch)["simcse"] == 3
    # without dropout both passes are the same: the partner is as near as can be
    texts = objective.model(batch.inputs).texts
    cosines = nn.functional.cosine_similarity(texts[:, None], texts[None], dim=-1) / 0.05
    wanted = sum(
        torch.logsumexp(torch.cat([cosines[row], cosines[row][torch.arange(3) != row]]), 0) - cosines[row, row]
        for row in range(3)
    )
    torch.testing.assert_close(objective.sums(batch)["simcse"], wanted)


def model_of(masker: WordMasker) -> MaskedWords:
    from ner_distill.runs.encoders import scratch

    config = load_config(PretrainConfig, None, SHAPE).encoder
    return MaskedWords(scratch(config, masker.featurizer), words=len(masker.vocab), dim=8)


def test_characters_of_a_lexicons_word_are_masked_together(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("北京\n", encoding="utf-8")
    run(text(tmp_path / "raw.txt", 40, chinese=True), tmp_path / "out", *TINY, f"mask.lexicon={tmp_path / 'words.txt'}")
    assert "mask.lexicon" in json.loads((tmp_path / "out" / "inputs.json").read_text())


def test_the_text_may_come_from_standard_input_when_its_unit_is_said(tmp_path: Path) -> None:
    lines = text(tmp_path / "raw.txt", 40).read_text("utf-8")
    settings = [part for one in TINY for part in ("--set", one)]
    done = ok("pretrain", "--text", "-", "--unit", "word", "--out", tmp_path / "out", *settings, stdin=lines)
    assert "of masked words" in done.out


# ---- stopping and going on


class Killed(Exception):
    pass


def stop_at(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """The process dies in a step; what was saved before is all there is."""
    step = Fit._step

    def dying(self: Fit, *arguments: Any) -> None:
        if self.progress.step == steps:
            raise Killed
        step(self, *arguments)

    monkeypatch.setattr(Fit, "_step", dying)


def tensors(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model.safetensors")


@pytest.mark.parametrize(("steps", "average"), [(1, "optim.swa=true"), (6, "optim.swa=true"), (6, "optim.ema=0.9")])
def test_a_killed_pretraining_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, average: str
) -> None:
    raw, settings = text(tmp_path / "raw.txt", 50), (*TINY, average, "optim.checkpoint_minutes=1e-9")
    run(raw, tmp_path / "whole", *settings[:-1])
    with monkeypatch.context() as patched:
        stop_at(patched, steps)
        with pytest.raises(Killed):
            run(raw, tmp_path / "killed", *settings)
    run(raw, tmp_path / "killed", *settings, resume=True)
    wanted, found = tensors(tmp_path / "whole"), tensors(tmp_path / "killed")
    assert wanted.keys() == found.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


def test_resume_refuses_to_read_the_text_otherwise(tmp_path: Path) -> None:
    columns = tmp_path / "columns.conll"
    lines = ("".join(f"{word} x{word}\n" for word in one.words) for one in corpora.sentences(40))
    columns.write_text("\n".join(lines), "utf-8")
    run(columns, tmp_path / "out", format="conll", word_column=0, unit="word")
    before = (tmp_path / "out" / "vocabulary.json").read_bytes()
    with pytest.raises(ConfigError, match="`resume`: word_column was 0, now 1; a pretraining goes on as it began"):
        run(columns, tmp_path / "out", format="conll", word_column=1, unit="word", resume=True)
    run(columns, tmp_path / "out", format="conll", word_column=0, unit="word", resume=True)
    about = json.loads((tmp_path / "out" / "pretrain.json").read_text("utf-8"))
    del about["reading"]  # as earlier versions wrote it
    (tmp_path / "out" / "pretrain.json").write_text(json.dumps(about), "utf-8")
    run(columns, tmp_path / "out", format="conll", word_column=1, unit="word", resume=True)
    assert (tmp_path / "out" / "vocabulary.json").read_bytes() == before


def test_text_of_which_nothing_can_be_guessed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("a b\nc d\n", "utf-8")
    with pytest.raises(DataError, match="no word of the sentences held out can be masked and guessed"):
        run(tmp_path / "two.txt", tmp_path / "out")


def test_patience_counts_passes_over_a_text_that_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each figure is worse than the first: with a patience of one pass, all parts of the next are still read."""
    monkeypatch.setattr("ner_distill.pipelines.pretraining.text.BLOCK", 50)
    monkeypatch.setattr("ner_distill.pipelines.pretraining.text.BLOCKS", 3)
    scores = iter(range(0, -100, -1))
    monkeypatch.setattr(
        "ner_distill.pipelines.pretraining.pretrain.development_figures",
        lambda model, data: {"score": float(next(scores)), "accuracy": 0.0, "perplexity": 1.0},
    )
    raw = text(tmp_path / "raw.txt", 500)
    run(raw, tmp_path / "out", *TINY, "optim.patience=1")
    parts = Text.rounds(stored(tmp_path / "text", [line.split() for line in raw.read_text("utf-8").splitlines()]))
    assert parts > 1
    assert len(lines_of(tmp_path / "out")) == 1 + parts


def test_resuming_a_finished_pretraining_does_nothing(english: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in english.rglob("*")}
    figures = run(english.parent / "raw.txt", english, resume=True)
    assert {path: path.stat().st_mtime_ns for path in english.rglob("*")} == before
    assert figures.accuracy == json.loads((english / "metrics.json").read_text())["accuracy"]


@pytest.mark.parametrize(
    ("settings", "other", "message"),
    [((*TINY, "seed=1"), False, "seed was 13, now 1"), (TINY, True, "the files of `text` are not those")],
)
def test_resume_refuses_another_configuration_or_text(
    english: Path, tmp_path: Path, settings: tuple[str, ...], other: bool, message: str
) -> None:
    raw = text(tmp_path / "raw.txt", seed=5) if other else english.parent / "raw.txt"
    with pytest.raises(NerDistillError, match=message):
        run(raw, english, *settings, resume=True)


# ---- the directory as the beginning of another training


def teach(root: Path, *settings: str, chinese: bool = False) -> Path:
    """A teacher's run on a tiny corpus."""
    corpora.write_all(root, train=30, dev=10, chinese=chinese)
    changes = ("optim.batch_words=128", "optim.lr=1e-2", "optim.epochs=2", *settings)
    options = TeacherOptions(train=[root / "train.conll"], dev=[root / "dev.conll"], out=root / "teacher")
    train_teacher(load_config(TeacherConfig, None, changes), options, QUIET)
    return root / "teacher"


INFO = {unit: RunInfo("teacher", unit, ("LOC", "ORG", "PER")) for unit in ("word", "character")}  # type: ignore[arg-type]


def test_the_name_of_a_directory_becomes_its_sizes_and_start(english: Path) -> None:
    for kind in (TeacherConfig, StudentConfig, PretrainConfig):
        encoder = load_config(kind, None, [f"encoder.name={english}"]).encoder  # type: ignore[type-var]
        assert (encoder.name, encoder.start) == ("scratch", str(english))
        assert (encoder.hidden, encoder.word_dim, encoder.min_count, encoder.max_forms) == (16, 8, 1, 30_000)


def test_a_resolved_configuration_says_the_same_again(english: Path, tmp_path: Path) -> None:
    import tomli_w

    config = load_config(TeacherConfig, None, [f"encoder.name={english}"])
    (tmp_path / "c.toml").write_text(tomli_w.dumps(config.model_dump()), encoding="utf-8")
    assert load_config(TeacherConfig, tmp_path / "c.toml") == config


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_a_new_model_begins_at_the_weights_and_vocabulary(english: Path, kind: str) -> None:
    setting = [f"encoder.name={english}"]
    if kind == "teacher":
        built = new_teacher(load_config(TeacherConfig, None, setting), INFO["word"], [["Ann"]])
    else:
        built = new_student(load_config(StudentConfig, None, setting), INFO["word"], [["Ann"]])
    own = built.tagger.encoder.state_dict()
    given = tensors(english)
    assert own.keys() == given.keys()
    assert all(torch.equal(own[name], given[name]) for name in own)
    assert built.base.vocabs["words"].forms == WordFeaturizer.load(english, "word").vocabs["words"].forms


def test_a_trained_teacher_needs_the_directory_no_more(chinese: Path, tmp_path: Path) -> None:
    shutil.copytree(chinese, tmp_path / "encoder")
    teacher = teach(tmp_path, f"encoder.name={tmp_path / 'encoder'}", chinese=True)
    before = load_run(teacher).tagger.encoder.state_dict()
    shutil.rmtree(tmp_path / "encoder")
    after = load_run(teacher).tagger.encoder.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_under_a_lattice_embeddings_and_projection_begin_there_and_the_layers_anew(
    chinese: Path, tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("北京\n上海\n银行\n", encoding="utf-8")
    said: list[str] = []
    reporter = Reporter(quiet=True)
    reporter.info = said.append  # type: ignore[method-assign]
    settings = [f"encoder.name={chinese}", "lattice.kind=flat", f"lattice.lexicon={tmp_path / 'words.txt'}"]
    settings += ["encoder.layers=2", "encoder.heads=4"]
    sentences = [sentence.words for sentence in corpora.sentences(20, chinese=True)]
    built = new_teacher(load_config(TeacherConfig, None, settings), INFO["character"], sentences, reporter)
    own, given = built.tagger.encoder.state_dict(), tensors(chinese)
    for name in ("embedding.words.weight", "embedding.bigrams.weight", "projection.weight", "projection.bias"):
        assert torch.equal(own[name], given[name]), name
    assert any("the layers of the lattice begin anew" in line for line in said)


def test_what_is_known_of_words_widens_the_projection_and_the_rest_of_it_begins_there(chinese: Path) -> None:
    config = load_config(TeacherConfig, None, [f"encoder.name={chinese}", "features.glyph=true"])
    sentences = [sentence.words for sentence in corpora.sentences(20, chinese=True)]
    own = new_teacher(config, INFO["character"], sentences).tagger.encoder.state_dict()["projection.weight"]
    given = tensors(chinese)["projection.weight"]
    assert own.shape[1] > given.shape[1]
    assert torch.equal(own[:, : given.shape[1]], given)


def test_pretraining_goes_on_from_a_directory(english: Path, tmp_path: Path) -> None:
    run(text(tmp_path / "raw.txt"), tmp_path / "more", f"encoder.name={english}", *TINY[-3:], "optim.lr=1e-9")
    before, after = tensors(english), tensors(tmp_path / "more")
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=1e-6)
    assert (tmp_path / "more" / "vocabulary.json").read_bytes() == (english / "vocabulary.json").read_bytes()


def test_a_pretrained_encoder_goes_on_and_comes_back_as_a_checkpoint(bert: Path, tmp_path: Path) -> None:
    trained = run(text(tmp_path / "raw.txt"), tmp_path / "out", f"encoder.name={bert}", *PIECES)
    model, tokenizer = AutoModel.from_pretrained(tmp_path / "out"), AutoTokenizer.from_pretrained(tmp_path / "out")
    assert model.config.hidden_size == 16
    assert len(tokenizer) == len(load_tokenizer(bert))
    before, after = load_backbone(bert).state_dict(), load_backbone(tmp_path / "out").state_dict()
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert trained.perplexity < 300
    assert not (tmp_path / "out" / START_FILE).exists()


def test_a_teacher_begins_at_a_pretrained_encoder_that_went_on(bert: Path, tmp_path: Path) -> None:
    run(text(tmp_path / "raw.txt", 40), tmp_path / "out", f"encoder.name={bert}", *PIECES)
    config = load_config(TeacherConfig, None, [f"encoder.name={tmp_path / 'out'}"])
    own = new_teacher(config, INFO["word"], [["Ann"]]).tagger.encoder.state_dict()
    given = load_backbone(tmp_path / "out").state_dict()
    assert all(torch.equal(own[f"backbone.{name}"], given[name]) for name in given)


# ---- what is refused


def test_text_of_another_unit_is_refused(chinese: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="was pretrained by character, this text is read by word"):
        teach(tmp_path, f"encoder.name={chinese}")
    assert not (tmp_path / "teacher").exists()


def test_a_size_that_disagrees_is_refused_with_both(english: Path) -> None:
    with pytest.raises(ConfigError, match=r"encoder.hidden = 96, but .*encoder.toml has 16"):
        load_config(StudentConfig, None, [f"encoder.name={english}", "encoder.hidden=96"])


def test_frozen_layers_of_a_start_stay_bit_for_bit(english: Path, tmp_path: Path) -> None:
    run = teach(tmp_path, f"encoder.name={english}", "optim.freeze_layers=1")
    given, after = tensors(english), load_file(run / "model.safetensors")
    assert all(torch.equal(after[f"tagger.encoder.{name}"], tensor) for name, tensor in given.items())


def test_frozen_embeddings_leave_no_room_for_what_is_known_of_words(english: Path) -> None:
    keys = (f"encoder.name={english}", "optim.freeze_layers=1", "features.train_lists=all")
    with pytest.raises(ConfigError, match="what lattice and features add to them would stay random"):
        load_config(TeacherConfig, None, keys)


def test_a_start_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path / 'no'}: no {START_FILE} there"):
        load_config(TeacherConfig, None, [f"encoder.start={tmp_path / 'no'}"])


def test_a_name_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        teach(tmp_path, f"encoder.name={tmp_path / 'no'}")


def test_an_unfinished_pretraining_is_no_beginning(english: Path, tmp_path: Path) -> None:
    shutil.copytree(english, tmp_path / "encoder")
    (tmp_path / "encoder" / "metrics.json").unlink()
    with pytest.raises(ConfigError, match="is not finished; go on with it"):
        load_config(TeacherConfig, None, [f"encoder.name={tmp_path / 'encoder'}"])


@pytest.mark.parametrize(
    ("change", "message"),
    [("format = 2", "of format 1, found 2"), ("format = 1", "is not as `pretrain` wrote it"), ("x", "not valid TOML")],
)
def test_a_damaged_encoder_file_is_refused_by_name(english: Path, tmp_path: Path, change: str, message: str) -> None:
    shutil.copytree(english, tmp_path / "encoder")
    (tmp_path / "encoder" / START_FILE).write_text(change)
    with pytest.raises(ConfigError, match=f"{START_FILE}: .*{message}"):
        load_config(TeacherConfig, None, [f"encoder.name={tmp_path / 'encoder'}"])


def test_weights_that_do_not_fit_are_refused_by_name(english: Path, chinese: Path, tmp_path: Path) -> None:
    shutil.copytree(english, tmp_path / "encoder")
    shutil.copy(chinese / "model.safetensors", tmp_path / "encoder")
    config = load_config(TeacherConfig, None, [f"encoder.name={tmp_path / 'encoder'}"])
    with pytest.raises(RunError, match=r"model.safetensors: does not fit encoder.toml"):
        new_teacher(config, INFO["word"], [["Ann"]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("minutes=1", "optim.epochs=3"), "both say how long"),
        (("optim.layer_decay=0.5",), "optim.layer_decay is for train-teacher"),
        (("encoder.hidden=30",), "must be a multiple"),
        (("encoder.layer_mix=true",), "only for encoder.name = a model id"),
        (("simcse=1.0", "encoder.dropout=0.0", "encoder.embedding_dropout=0.0"), "without any dropout"),
        (("encoder.name=x/y", "encoder.hidden=8"), 'only for encoder.name = "scratch"'),
        (("mask.kind=letter",), "mask.kind"),
        (("encoder.min_count=9999",), "no word occurs encoder.min_count times"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(NerDistillError, match=message):
        run(text(tmp_path / "raw.txt", 10), tmp_path / "out", *settings)


def test_vectors_of_two_origins_are_refused(english: Path) -> None:
    with pytest.raises(ConfigError, match="both say where vectors begin"):
        load_config(TeacherConfig, None, [f"encoder.name={english}", "features.char_vectors=v.txt"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, RunError, "is not empty"),
        ({"overwrite": True}, RunError, "is no whole pretraining of pretrain"),
        ({"resume": True}, RunError, "no pretraining to go on with"),
        ({"resume": True, "overwrite": True}, ConfigError, "give one of them"),
    ],
)
def test_a_directory_that_holds_something_else_stays(
    tmp_path: Path, options: dict[str, bool], error: type[NerDistillError], message: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(error, match=message):
        run(text(tmp_path / "raw.txt", 10), out, **options)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_overwrite_replaces_a_pretraining(tmp_path: Path) -> None:
    raw = text(tmp_path / "raw.txt", 20)
    for seed in (1, 2):
        run(raw, tmp_path / "out", *TINY, f"seed={seed}", overwrite=seed == 2)
    assert load_config(PretrainConfig, tmp_path / "out" / "config.toml").seed == 2
    (tmp_path / "out" / "README.md").write_text("# my model card")
    with pytest.raises(RunError, match=r"holds README\.md that pretrain did not make"):
        run(raw, tmp_path / "out", *TINY, overwrite=True)


def test_an_encoder_is_not_written_over_its_own_beginning(english: Path) -> None:
    with pytest.raises(ConfigError, match="is what the training begins at"):
        run(english.parent / "raw.txt", english, f"encoder.name={english}", overwrite=True)
    assert (english / "model.safetensors").is_file()


def test_a_directory_may_be_named_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(text(tmp_path / "raw.txt", 20), Path("scratch"))
    assert Path("scratch", START_FILE).is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"unit": "letter"}, "expected auto, word, character"), ({"format": "pdf"}, "`input_format` pdf")],
)
def test_options_that_are_not_known_are_refused(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(text(tmp_path / "raw.txt", 10), tmp_path / "out", **options)


def test_standard_input_of_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="`unit` word or `unit` character"):
        pretrain(load_config(PretrainConfig, None), PretrainOptions(text=["-"], out=tmp_path / "out"), QUIET)


def test_a_missing_text_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no.txt"):
        run(tmp_path / "no.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
