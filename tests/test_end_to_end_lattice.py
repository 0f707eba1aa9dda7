"""Teachers that know words: trained, then used without the files they came from, and distilled into a student."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ner_distill.pipelines.build import load_run
from ner_distill.pipelines.label_unlabeled import fingerprint
from tests import checkpoints, corpora
from tests.commands import ok, run, settings, snapshot

QUICK = settings(*corpora.SMALL, "optim.epochs=2")
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_answers_alike_when_the_files_it_was_made_from_are_gone(kind: str, tmp_path: Path) -> None:
    place = corpus(tmp_path)
    keys = [*KINDS[kind], lexicon(place)]
    if kind == "features":
        keys.append(f"features.gazetteers={{LOC = '{place / 'places.txt'}'}}")
    teacher = train(place, tmp_path / "teacher", *keys)
    before = ok("evaluate", "--model", teacher, "--data", place / "dev.conll").out
    shutil.move(teacher, tmp_path / "moved")
    for name in ("lexicon.txt", "places.txt", "vectors.txt", "train.conll"):
        (place / name).unlink()
    after = ok("evaluate", "--model", tmp_path / "moved", "--data", place / "dev.conll").out
    assert after.replace("moved", "teacher") == before
    ok("label-unlabeled", "--teacher", tmp_path / "moved", "--text", place / "raw.txt", "--out", tmp_path / "soft")


@pytest.fixture(scope="module")
def flat(place: Path) -> Path:
    """A FLAT teacher."""
    return train(place, place / "teacher", "lattice.kind=flat", lexicon(place))


def test_a_student_of_a_flat_teacher_needs_no_lexicon(place: Path, flat: Path, tmp_path: Path) -> None:
    soft, student = tmp_path / "soft", tmp_path / "student"
    ok("label-unlabeled", "--teacher", flat, "--text", place / "raw.txt", "--out", soft)
    ok("train-student", "--soft", soft, "--dev", place / "dev.conll", "--out", student, *QUICK)
    assert not (student / "knowledge").exists()
    assert load_run(student).knowledge is None
    assert "王" in ok("predict", "--model", student, stdin="王明住在北京。\n").out


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


def test_a_flat_teacher_resumes_to_the_same_weights(place: Path, flat: Path, tmp_path: Path) -> None:
    again = train(place, tmp_path / "again", "lattice.kind=flat", lexicon(place))
    assert (again / "model.safetensors").read_bytes() == (flat / "model.safetensors").read_bytes()
    before = snapshot(again)
    ok("train-teacher", "--train", place / "train.conll", "--dev", place / "dev.conll", "--out", again, "--resume",
       *QUICK, *settings("lattice.kind=flat", lexicon(place)))  # fmt: skip
    assert snapshot(again)["model.safetensors"] == before["model.safetensors"]


@pytest.mark.parametrize("tuned", [True, False])
@pytest.mark.parametrize("kind", ["flat", "soft-lexicon"])
def test_vectors_are_where_the_words_begin_and_stay_if_not_tuned(
    place: Path, tmp_path: Path, kind: str, tuned: bool
) -> None:
    keys = [f"lattice.kind={kind}", lexicon(place), f"lattice.vectors={place / 'vectors.txt'}", "lattice.word_dim=4",
            f"lattice.tune_vectors={str(tuned).lower()}"]  # fmt: skip
    built = load_run(train(place, tmp_path / "run", *keys))
    assert built.knowledge is not None
    vocab = built.knowledge.sources["lattice"].vocab  # type: ignore[attr-defined]
    weights = built.model.state_dict()
    words = next(weights[name] for name in weights if name.endswith(("lattice.words.weight", "knowledge.0.words.weight",
                                                                     "transformer.words.weight")))  # fmt: skip
    assert words.shape == (len(vocab), 4)
    begun = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert bool((words[vocab.id("北京")] == begun).all()) is not tuned


@pytest.mark.parametrize("tuned", [True, False])
def test_vectors_of_characters_and_bigrams_are_where_they_begin(place: Path, tmp_path: Path, tuned: bool) -> None:
    (tmp_path / "chars.txt").write_text("京 " + "0.5 " * 16 + "\n", "utf-8")
    (tmp_path / "bigrams.txt").write_text("北京 " + "0.25 " * 8 + "\n", "utf-8")
    keys = [f"features.char_vectors={tmp_path / 'chars.txt'}", f"features.bigram_vectors={tmp_path / 'bigrams.txt'}",
            "encoder.bigram_dim=8", f"features.tune_vectors={str(tuned).lower()}"]  # fmt: skip
    built = load_run(train(place, tmp_path / "run", *keys))
    weights, vocabs = built.model.state_dict(), built.base.vocabs  # type: ignore[union-attr]
    words, bigrams = (weights[f"tagger.encoder.embedding.{name}.weight"] for name in ("words", "bigrams"))
    assert bool((words[vocabs["words"].id("京")] == 0.5).all()) is not tuned
    assert bool((bigrams[vocabs["bigrams"].id("北京")] == 0.25).all()) is not tuned


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["lattice.kind=flat"], "needs words: give lattice.lexicon files"),
        (["lattice.lexicon=['{place}/lexicon.txt']"], 'lattice.lexicon has no use while lattice.kind = "none"'),
        (["lattice.kind=flat", "lattice.lexicon=['{place}/none.txt']"], "none.txt"),
        (["lattice.kind=flat", "lattice.lexicon=['{place}/foreign.txt']"], "stands in the training text"),
        (["lattice.kind=flat", "lattice.lexicon=['{place}/empty.txt']"], "no word of 2 to 8 characters"),
        (["lattice.kind=flat", "lattice.segmenter=pkuseg", "lattice.segmenter_model={place}/none"], "{place}/none"),
        (
            ["lattice.kind=flat", "lattice.lexicon=['{place}/lexicon.txt']", "lattice.vectors={place}/vectors.txt"],
            "64",
        ),
        (
            ["lattice.kind=flat", "lattice.lexicon=['{place}/lexicon.txt']", "lattice.vectors={place}/foreign.vec",
             "lattice.word_dim=2"],
            "foreign.vec",
        ),
        (
            ["lattice.kind=softword", "lattice.lexicon=['{place}/lexicon.txt']", "lattice.vectors={place}/vectors.txt"],
            '"softword" has no word vectors',
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
