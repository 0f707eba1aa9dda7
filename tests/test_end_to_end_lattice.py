"""Teachers that know words: trained, then used without the files they came from, and distilled into a student."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from ner_distill.data.batching import Batch
from ner_distill.data.lexicon.lexicon import Lexicon
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import TrainingError
from ner_distill.runs.build import load_run
from ner_distill.runs.facts import fingerprint
from ner_distill.training.fit import Fit
from tests import checkpoints, corpora
from tests.commands import ok, run, settings

QUICK = settings(*corpora.SMALL, "optim.epochs=2")
SLOW = ("optim.lr=1e-4", "optim.head_lr=1e-4")  # so that what was read can still be seen
LEARNED = (*corpora.SMALL, "optim.epochs=12")
LEXICON = (
    "﻿北京\t50\n上海\n\n上海\n南京市\n京\n乌鲁木齐\n东方银行\n银行 9\n长城\n"
    "长城公司\nABC公司\n华光大学\n大学\n" + "长" * 300 + "\n"
)
VECTORS = "北京 1 0 0 0\n上海 0 1 0 0\n没有 0 0 1 0\n"
SEGMENTED = ["王明 住在 北京 。", "李小红 在 东方银行 工作 。", "长城公司 位于 上海 ， 张伟 去过 。", "今天 下雨 了 。"]


def corpus(root: Path) -> Path:
    """Chinese train.conll, dev.conll, raw.txt, lexicon.txt, vectors.txt and a gazetteer."""
    corpora.write_all(root, train=30, dev=10, raw=20, chinese=True)
    (root / "lexicon.txt").write_text(LEXICON, "utf-8")
    (root / "vectors.txt").write_text(VECTORS, "utf-8")
    (root / "places.txt").write_text("北京\n上海\n", "utf-8")
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus, read by every test."""
    return corpus(tmp_path_factory.mktemp("lattice"))


def train(place: Path, out: Path, *keys: str) -> Path:
    """A teacher, trained on the files of `place`."""
    ok("train-teacher", "--train", place / "train.conll", "--dev", place / "dev.conll", "--out", out, *QUICK,
       *settings(*keys))  # fmt: skip
    return out


def lexicon(place: Path) -> str:
    return f"lattice.lexicon=['{place / 'lexicon.txt'}']"


KINDS = {
    "flat": ("lattice.kind=flat", "lattice.fusion=gate", "lattice.positions=learned"),
    "soft-lexicon": ("lattice.kind=soft-lexicon",),
    "softword": ("lattice.kind=softword",),
    "ex-softword": ("lattice.kind=ex-softword",),
    "features": ("lattice.kind=flat", "features.pinyin=true", "features.glyph=true"),
}


def answers(run: Path, text: Path, store: Path) -> list[bytes]:
    """The teacher's probabilities for each line of text."""
    ok("label-unlabeled", "--teacher", run, "--text", text, "--out", store)
    return [row.probs.tobytes() for row in SoftLabelStore.open(store).iter_rows(0)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_answers_alike_when_the_files_it_was_made_from_are_gone(kind: str, tmp_path: Path) -> None:
    place = corpus(tmp_path)
    keys = [*KINDS[kind], lexicon(place)]
    if kind == "features":
        keys.append(f"features.gazetteers={{LOC = '{place / 'places.txt'}'}}")
    teacher = train(place, tmp_path / "teacher", *keys)
    before = answers(teacher, place / "raw.txt", tmp_path / "before")
    shutil.move(teacher, tmp_path / "moved")
    for name in ("lexicon.txt", "places.txt", "vectors.txt", "train.conll"):
        (place / name).unlink()
    assert answers(tmp_path / "moved", place / "raw.txt", tmp_path / "after") == before


@pytest.mark.parametrize("kind", ["flat", "soft-lexicon", "softword", "ex-softword"])
def test_what_a_teacher_answers_depends_on_the_lexicon_of_its_run(kind: str, place: Path, tmp_path: Path) -> None:
    teacher = train(place, tmp_path / "teacher", f"lattice.kind={kind}", lexicon(place))
    before = answers(teacher, place / "raw.txt", tmp_path / "before")
    Lexicon({"天下": 1}).save(teacher / "knowledge")
    assert answers(teacher, place / "raw.txt", tmp_path / "after") != before


@pytest.fixture(scope="module")
def flat(place: Path) -> Path:
    """A FLAT teacher."""
    return train(place, place / "teacher", "lattice.kind=flat", lexicon(place))


def test_a_student_of_a_flat_teacher_needs_no_lexicon(place: Path, flat: Path, tmp_path: Path) -> None:
    soft, student = tmp_path / "soft", tmp_path / "student"
    ok("label-unlabeled", "--teacher", flat, "--text", place / "raw.txt", "--out", soft)
    ok("train-student", "--soft", soft, "--gold", place / "train.conll", "--dev", place / "dev.conll", "--out", student,
       *settings(*LEARNED))  # fmt: skip
    assert not (student / "knowledge").exists()
    assert load_run(student).knowledge is None
    scored = ok("evaluate", "--model", student, "--data", place / "dev.conll", "--json", tmp_path / "scores.json")
    assert scored.code == 0
    assert json.loads((tmp_path / "scores.json").read_text())["micro"]["f1"] > 0.5


def test_training_says_what_was_cleaned_and_what_was_found(place: Path, flat: Path) -> None:
    log = (flat / "log.txt").read_text("utf-8")
    assert "lexicon: 11 words" in log
    for reason in ("1 blank", "1 duplicate", "1 too short", "1 too long", "1 with a byte order mark", "1 of mixed"):
        assert reason in log
    assert "words found in the training text" in log


def test_predict_draws_the_lattice_below_its_characters(flat: Path) -> None:
    lines = ok("predict", "--model", flat, "--lattice", stdin="我住在乌鲁木齐。\n").out.splitlines()
    drawn = lines.index("我住在乌鲁木齐。", 1)  # the first line is the prediction itself
    assert lines[drawn + 1] == "      └──────┘"


def test_show_draws_the_lattice_of_stored_sentences(place: Path, flat: Path, tmp_path: Path) -> None:
    ok("label-unlabeled", "--teacher", flat, "--text", place / "raw.txt", "--out", tmp_path / "soft")
    assert "└" in ok("show", tmp_path / "soft", "--lattice", flat).out
    assert "└" not in ok("show", tmp_path / "soft").out


def test_a_model_without_a_lexicon_has_no_lattice_to_draw(world_teacher: Path) -> None:
    done = run("predict", "--model", world_teacher, "--lattice", stdin="x\n")
    assert done.code == 2
    assert "has no lexicon and no segmenter; expected a teacher trained with [lattice]" in done.err


@pytest.fixture
def world_teacher(world: object) -> Path:
    path: Path = world.teacher  # type: ignore[attr-defined]
    return path


def test_the_lexicon_decides_the_fingerprint_of_a_teacher(flat: Path, tmp_path: Path) -> None:
    shutil.copytree(flat, tmp_path / "other")
    assert fingerprint(tmp_path / "other") == fingerprint(flat)
    with (tmp_path / "other" / "knowledge" / "lexicon.txt").open("a", encoding="utf-8") as file:
        file.write("天下\n")
    assert fingerprint(tmp_path / "other") != fingerprint(flat)


def test_a_damaged_lexicon_of_a_run_is_named(flat: Path, tmp_path: Path) -> None:
    shutil.copytree(flat, tmp_path / "other")
    (tmp_path / "other" / "knowledge" / "lexicon.txt").write_text("天下\n", "utf-8")
    done = run("evaluate", "--model", tmp_path / "other", "--data", flat / "x")
    assert done.code == 2
    assert "lexicon.txt" in done.err


@pytest.mark.parametrize(
    "keys",
    [
        ("lattice.kind=flat", "adversarial.kind=fgm"),
        ("lattice.kind=flat", "similarity.encoder=separate", "adversarial.kind=fgm", "adversarial.on=weights"),
        ("lattice.kind=soft-lexicon", "lattice.vectors={place}/vectors.txt", "lattice.word_dim=4",
         "lattice.tune_vectors=false", "optim.swa=true", "optim.swa_start=0.4"),
        ("lattice.kind=flat", "optim.precision=bf16", "optim.accumulate=2"),
    ],
)  # fmt: skip
def test_a_training_that_was_stopped_in_an_epoch_ends_with_the_same_weights(
    keys: tuple[str, ...], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [lexicon(place), *(key.format(place=place) for key in keys)]
    whole = train(place, tmp_path / "whole", *given)
    command = ["train-teacher", "--train", place / "train.conll", "--dev", place / "dev.conll", "--out",
               tmp_path / "stopped", *QUICK, *settings(*given)]  # fmt: skip
    step = Fit._step

    def stopped(fit: Fit, batches: list[Batch], done: float) -> None:
        step(fit, batches, done)
        if fit.progress.epoch == 1:
            fit._save()
            raise TrainingError("stopped by the test")

    with monkeypatch.context() as patch:
        patch.setattr(Fit, "_step", stopped)
        assert "stopped by the test" in run(*command).err
    ok(*command, "--resume")
    assert (tmp_path / "stopped/model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_other_files_on_resume_are_refused(place: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("北京\n", "utf-8")
    keys = ("lattice.kind=flat", f"lattice.lexicon={own}")
    out = train(place, tmp_path / "run", *keys)
    own.write_text("北京\n上海\n", "utf-8")
    done = run("train-teacher", "--train", place / "train.conll", "--dev", place / "dev.conll", "--out", out,
               "--resume", *QUICK, *settings(*keys))  # fmt: skip
    assert done.code == 2
    assert "the files of [lattice] and [features] are not those" in done.err


@pytest.mark.parametrize("tuned", [True, False])
@pytest.mark.parametrize("kind", ["flat", "soft-lexicon"])
def test_vectors_are_where_the_words_begin_and_stay_if_not_tuned(
    place: Path, tmp_path: Path, kind: str, tuned: bool
) -> None:
    keys = [f"lattice.kind={kind}", lexicon(place), f"lattice.vectors={place / 'vectors.txt'}", "lattice.word_dim=4",
            f"lattice.tune_vectors={str(tuned).lower()}", *SLOW]  # fmt: skip
    built = load_run(train(place, tmp_path / "run", *keys))
    assert built.knowledge is not None
    vocab = built.knowledge.sources["lattice"].vocab  # type: ignore[attr-defined]
    weights = built.model.state_dict()
    name = "transformer.words" if kind == "flat" else "embedding.knowledge.0.words"
    words = weights[f"tagger.encoder.{name}.{'weight' if tuned else 'given'}"]
    assert words.shape == (len(vocab), 4)
    moved = (words[vocab.id("北京")] - torch.tensor([1.0, 0.0, 0.0, 0.0])).abs().max()
    assert moved < 0.02 if tuned else moved == 0
    assert tuned is bool(moved > 0)


@pytest.mark.parametrize("tuned", [True, False])
def test_vectors_of_characters_and_bigrams_are_where_they_begin(place: Path, tmp_path: Path, tuned: bool) -> None:
    (tmp_path / "chars.txt").write_text("京 " + "0.5 " * 16 + "\n", "utf-8")
    (tmp_path / "bigrams.txt").write_text("北京 " + "0.25 " * 8 + "\n", "utf-8")
    keys = [f"features.char_vectors={tmp_path / 'chars.txt'}", f"features.bigram_vectors={tmp_path / 'bigrams.txt'}",
            "encoder.bigram_dim=8", f"features.tune_vectors={str(tuned).lower()}", *SLOW]  # fmt: skip
    built = load_run(train(place, tmp_path / "run", *keys))
    weights, vocabs = built.model.state_dict(), built.base.vocabs  # type: ignore[union-attr]
    for table, form, value in (("words", "京", 0.5), ("bigrams", "北京", 0.25)):
        rows = weights[f"tagger.encoder.embedding.{table}.{'weight' if tuned else 'given'}"]
        moved = (rows[vocabs[table].id(form)] - value).abs().max()
        assert moved < 0.02 if tuned else moved == 0
        assert tuned is bool(moved > 0)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("none", "segmenter", "pkuseg"),
        ("soft-lexicon", "fusion", "gate"),
        ("softword", "vectors", "v.txt"),
        ("ex-softword", "unknown", "0.5"),
        ("flat", "raw_text", "['x.txt']"),
        ("flat", "layers", "2"),
    ],
)
def test_a_key_that_the_kind_does_not_read_is_refused(kind: str, key: str, value: str, place: Path) -> None:
    keys = settings(f"lattice.kind={kind}", f"lattice.{key}={value}", *([lexicon(place)] if kind != "none" else []))
    done = run("train-teacher", "--train", "x", "--dev", "x", "--out", place / "never", *keys)
    assert done.code == 2
    if key == "layers":
        assert "lattice.layers has no use here: over the scratch encoder" in done.err
    else:
        assert f"--set lattice.{key}={value}: only for lattice.kind = " in done.err


def test_a_lexicon_of_single_words_is_no_lattice_where_words_are_words(tmp_path: Path) -> None:
    place = corpora.write_all(tmp_path / "en")
    (place / "lexicon.txt").write_text("Oslo\nMadrid\nPeter\n", "utf-8")
    command = ["train-teacher", "--train", place / "train.conll", "--dev", place / "dev.conll", *QUICK]
    flat = settings("lattice.kind=flat", lexicon(place))
    assert "stands in the training text" in run(*command, "--out", tmp_path / "run", *flat).err
    (place / "lexicon.txt").write_text("New York\nBuenos Aires\nBank of Oslo\n", "utf-8")
    ok(*command, "--out", tmp_path / "run", *flat)
    done = run(*command, "--out", tmp_path / "other", *settings("features.pinyin=true"))
    assert "features.pinyin is for text read by Chinese characters" in done.err


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["lattice.kind=flat"], "needs words: give lattice.lexicon files"),
        (["lattice.lexicon=['{place}/lexicon.txt']"], 'only for lattice.kind = "flat", "soft-lexicon", "softword"'),
        (["lattice.kind=flat", "lattice.lexicon=['{place}/none.txt']"], "none.txt"),
        (["lattice.kind=flat", "lattice.lexicon=['{place}/foreign.txt']"], "stands in the training text"),
        (["lattice.kind=flat", "lattice.lexicon=['{place}/empty.txt']"], "no word of 2 to 8 characters"),
        (["lattice.kind=flat", "lattice.segmenter=pkuseg", "lattice.segmenter_model={place}/none"], "{place}/none"),
        (
            ["lattice.kind=flat", "lattice.lexicon=['{place}/lexicon.txt']", "lattice.vectors={place}/vectors.txt"],
            "expected vectors of 64 numbers, found 4",
        ),
        (
            ["lattice.kind=flat", "lattice.lexicon=['{place}/lexicon.txt']", "lattice.vectors={place}/foreign.vec",
             "lattice.word_dim=2"],
            "foreign.vec",
        ),
        (
            ["lattice.kind=softword", "lattice.lexicon=['{place}/lexicon.txt']", "lattice.vectors={place}/vectors.txt"],
            'only for lattice.kind = "flat" or "soft-lexicon"; found "softword"',
        ),
        (["features.gazetteers={{ LOC = '{place}/none.txt' }}"], "LOC"),
        (["features.char_vectors={place}/none.vec"], "none.vec"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_and_nothing_is_made(
    place: Path, tmp_path: Path, keys: list[str], message: str
) -> None:
    (place / "foreign.txt").write_text("Madrid\nOslo\n", "utf-8")
    (place / "empty.txt").write_text("\n长\n", "utf-8")
    (place / "foreign.vec").write_text("Madrid 1 0\nOslo 0 1\n", "utf-8")
    done = run("train-teacher", "--train", place / "train.conll", "--dev", place / "dev.conll", "--out",
               tmp_path / "run", *QUICK, *settings(*(key.format(place=place) for key in keys)))  # fmt: skip
    assert done.code == 2, done.err
    assert message.format(place=place) in done.err
    assert not (tmp_path / "run").exists()


def test_flat_and_features_stand_on_a_pretrained_encoder(place: Path, tmp_path: Path) -> None:
    text = [*(place / "raw.txt").read_text("utf-8").splitlines(), *SEGMENTED]
    base = checkpoints.bert(tmp_path / "bert", text)
    keys = settings(
        f"encoder.name={base}", "optim.epochs=1", "lattice.kind=flat", "lattice.heads=4", lexicon(place),
        "lattice.word_dim=8", "features.pinyin=true",
    )  # fmt: skip
    out = tmp_path / "teacher"
    ok("train-teacher", "--train", place / "train.conll", "--dev", place / "dev.conll", "--out", out, *keys)
    shutil.rmtree(base)
    assert "└" in ok("predict", "--model", out, "--lattice", stdin="王明住在北京。" * 120 + "\n").out
    student = settings(f"init.teacher={out}", "init.layers=[0]", "optim.epochs=1")
    ok("label-unlabeled", "--teacher", out, "--text", place / "raw.txt", "--out", tmp_path / "soft")
    ok("train-student", "--soft", tmp_path / "soft", "--dev", place / "dev.conll", "--out", tmp_path / "s", *student)


def test_a_trained_segmenter_gives_the_lattice_its_words_and_travels_with_the_run(place: Path, tmp_path: Path) -> None:
    (tmp_path / "segmented.txt").write_text("\n".join(SEGMENTED * 10) + "\n", "utf-8")
    ok("train-segmenter", "--train", tmp_path / "segmented.txt", "--out", tmp_path / "segmenter")
    keys = ["lattice.kind=flat", "lattice.segmenter=pkuseg", f"lattice.segmenter_model={tmp_path / 'segmenter'}"]
    teacher = train(place, tmp_path / "teacher", *keys)
    shutil.rmtree(tmp_path / "segmenter")
    assert "└" in ok("predict", "--model", teacher, "--lattice", stdin="王明住在北京。\n").out
