"""`export`: what is written answers as the run does, by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import ner_distill
from ner_distill.config import StudentConfig, TeacherConfig, parse_config
from ner_distill.data.formats.units import Cutting
from ner_distill.errors import ConfigError, RunError
from ner_distill.options.exporting import ExportOptions
from ner_distill.pipelines.exporting import export as pipeline
from ner_distill.pipelines.exporting.export import export
from ner_distill.runs.answering import RunModel, open_model
from ner_distill.runs.build import AnyBuilt, new_student, new_teacher, save_run
from ner_distill.runs.info import RunInfo, write_config, write_info
from tests import checkpoints, corpora
from tests.commands import ok, run, snapshot
from tests.world import World

LINES = [" ".join(sentence.words) for sentence in corpora.sentences(60, seed=5)]
LONG = " ".join(LINES)  # read in windows


@pytest.fixture(scope="module")
def exported(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's student (a CRF), exported."""
    out = tmp_path_factory.mktemp("export") / "exported"
    printed = ok("export", world.student, "--out", out).out
    assert "the same entities as the run in 20 of 20 sentences" in printed
    return out


def test_entities_and_scores_are_those_of_the_run(world: World, exported: Path) -> None:
    _require_equal(ner_distill.load(world.student), ner_distill.load(exported), [*LINES, LONG, "", "  "])


def test_the_directory_runs_without_torch_and_without_us(exported: Path) -> None:
    code = (
        "import sys, json; sys.path = [path for path in sys.path if path]; from tagger import load\n"
        "found = load().predict('Ann Miller lives in Oslo .')\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'ner_distill', 'scipy'} & set(sys.modules)\n"
        "print(json.dumps([[one.text, one.label] for one in found]), sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=exported, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(exported)})  # fmt: skip
    assert (done.stdout, done.stderr) == ('[["Ann Miller", "PER"], ["Oslo", "LOC"]] []\n', "")


def test_as_a_program_it_answers_line_by_line(exported: Path) -> None:
    text = "Ann Miller lives in Oslo .\r\n\n😀 in Oslo ."
    done = subprocess.run(
        [sys.executable, exported / "tagger.py"], input=text.encode(), capture_output=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [row["text"] for row in rows] == ["Ann Miller lives in Oslo .", "", "😀 in Oslo ."]
    assert [[row["text"][one["start"] : one["end"]] for one in row["entities"]] for row in rows] == [
        ["Ann Miller", "Oslo"],
        [],
        ["Oslo"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min-score", "x"], "expected a number from 0 to 1, found 'x'"),
        (["--min-score", "stored"], "exported without thresholds"),
        (["missing.txt"], "error: missing.txt: no such file"),
        (["--model", "missing"], "not found; expected the directory"),
    ],
)
def test_as_a_program_it_says_what_is_wrong(arguments: list[str], message: str, exported: Path) -> None:
    done = subprocess.run(
        [sys.executable, exported / "tagger.py", *arguments], input="", capture_output=True, text=True
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_as_a_program_it_refuses_what_is_no_utf_8(exported: Path) -> None:
    text = "\ufeffIn Oslo .\nAna L".encode() + b"\xf3pez\n"
    done = subprocess.run([sys.executable, exported / "tagger.py"], input=text, capture_output=True)
    assert done.returncode == 2
    assert "line 2: expected UTF-8, found the byte 0xF3 at offset 5" in done.stderr.decode()
    (answered,) = map(json.loads, done.stdout.decode().splitlines())  # the lines before have their answers
    assert answered["text"] == "In Oslo ."


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_as_a_program_it_says_that_input_or_output_is_closed(closed: str, exported: Path) -> None:
    command = f"exec {sys.executable} {exported / 'tagger.py'} {closed}"
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "standard input or output is closed" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_as_a_program_it_ends_with_1_where_its_output_cannot_be_written(exported: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, exported / "tagger.py"], input=b"Oslo", stdout=full, stderr=-1)
    assert done.returncode == 1
    assert b"No space left" in done.stderr


def test_the_settings_say_what_the_run_knows(exported: Path, world: World) -> None:
    settings = json.loads((exported / "runtime.json").read_text())
    assert (settings["labels"], settings["unit"], settings["head"]) == (list(corpora.LABELS), "word", "crf")
    assert json.loads((exported / "labels.json").read_text()) == list(corpora.LABELS)


def test_probabilities_of_several_models_are_averaged(world: World, exported: Path) -> None:
    both = open_model([world.student, exported])
    words = [line.split() for line in LINES[:10]]
    own = RunModel(world.student)
    for mean, single in zip(both.tag_probs(words), own.tag_probs(words), strict=True):
        assert mean == pytest.approx(single, abs=1e-5)
    assert both.predict(["", "  "]) == [[], []]
    with pytest.raises(ValueError, match="an average of models has no thresholds"):
        both.predict("a", min_score="stored")
    assert [[one[:3] for one in found] for found in both.found(words)] == [
        [one[:3] for one in found] for found in own.found(words)
    ]


def test_models_of_other_labels_are_not_averaged(world: World, exported: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    _write(other, new_student(_student("token"), _info(("X",)), [["a", "b"]]))
    with pytest.raises(ConfigError, match=r"has the labels X \(word\); expected those of .*LOC, ORG, PER"):
        open_model([exported, other])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is written in no time, and is none."""
    monkeypatch.setattr(pipeline, "write_graph", lambda tagger, inputs, path: path.write_text("no graph"))


@pytest.mark.usefixtures("quick")
def test_what_is_there_is_not_replaced_unless_it_is_an_export(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    before = snapshot(tmp_path)
    for more in ([], ["--overwrite"]):
        done = run("export", world.student, "--out", tmp_path, *more)
        assert done.code == 2
    assert "holds mine.txt, which is no whole exported model of export" in done.err
    assert snapshot(tmp_path) == before


@pytest.mark.usefixtures("quick")
def test_a_graph_that_cannot_be_read_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be read"):
        export(ExportOptions(run=world.student, out=tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_torch_cannot_write_is_named_with_torchs_reason(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("step 2/3") from ValueError("\x1b[96maten::odd\x1b[0m has no translation\nand more")

    monkeypatch.setattr(torch.onnx, "export", fails)
    done = run("export", world.student, "--out", tmp_path / "exported")
    assert (done.code, list(tmp_path.iterdir())) == (2, [])
    assert f"{world.student}: cannot be exported: torch cannot write it as an ONNX graph (aten::odd has no" in done.err
    assert "\x1b" not in done.err


def test_int8_that_loses_too_much_is_refused_with_the_figures(
    world: World, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exported model in the place of the graph; as int8, one whose answers are all wrong."""
    monkeypatch.setattr(pipeline, "write_graph", lambda tagger, inputs, path: _copy(exported / "model.onnx", path))
    monkeypatch.setattr(pipeline, "quantized", lambda source, path: _copy(source, path))
    monkeypatch.setattr("ner_distill.tagger.Tagger.found", lambda self, sentences: [[] for _ in sentences])
    done = run("export", world.student, "--out", tmp_path / "out", "--int8", "--check", world.dev)
    assert done.code == 2
    assert (
        "--int8 loses 100.00 points of F1 (100.00 → 0.00), more than --most-lost 0.5; nothing was written" in done.err
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [1.0, np.nan])
def test_scores_that_differ_are_refused(
    more: float, world: World, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "write_graph", lambda tagger, inputs, path: _copy(exported / "model.onnx", path))
    scores = ner_distill.tagger.Tagger.scores
    monkeypatch.setattr("ner_distill.tagger.Tagger.scores", lambda self, batch: scores(self, batch) + np.float32(more))
    with pytest.raises(RunError, match="gives other scores than the run"):
        export(ExportOptions(run=world.student, out=tmp_path / "out"))


def test_an_export_replaces_an_export_as_a_whole(
    world: World, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "write_graph", lambda tagger, inputs, path: _copy(exported / "model.onnx", path))
    (tmp_path / "there").mkdir()
    link = tmp_path / "out"
    link.symlink_to(tmp_path / "there")
    options = ExportOptions(run=world.student, out=link, overwrite=True)
    export(options)
    (link / "runtime.json").write_text(json.dumps({"program": "ner-distill 0", "format": 1}))
    with monkeypatch.context() as failing:
        failing.setattr(Path, "rename", _full_disk)
        with pytest.raises(Exception, match="disk is full"):
            export(options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "there"]
    export(options)
    assert link.is_symlink()
    assert ner_distill.load(link).predict(LINES[0])


@pytest.fixture
def quick_graph(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph of the world's student is there already."""
    monkeypatch.setattr(pipeline, "write_graph", lambda tagger, inputs, path: _copy(exported / "model.onnx", path))


@pytest.mark.usefixtures("quick_graph")
def test_a_readme_that_was_edited_is_not_replaced(world: World, tmp_path: Path) -> None:
    options = ExportOptions(run=world.student, out=tmp_path / "out", overwrite=True)
    export(options)
    readme = tmp_path / "out" / "README.md"
    *unsigned, signature = readme.read_text("utf-8").splitlines(keepends=True)
    assert signature.startswith("<!-- written by ner-distill")
    readme.write_text("".join(unsigned), "utf-8")  # as earlier versions wrote it
    export(options)
    with readme.open("a", encoding="utf-8") as file:
        file.write("Ours, of March.\n")
    before = snapshot(tmp_path)
    with pytest.raises(RunError, match=r"README\.md: was edited"):
        export(options)
    assert snapshot(tmp_path) == before


@pytest.mark.usefixtures("quick_graph")
def test_the_working_directory_and_an_empty_one_stay_the_directories_that_they_are(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (out / ".export.7.tmp" / "model").mkdir(parents=True)  # of a process that was killed
    (out / "lost+found").mkdir()
    monkeypatch.chdir(out)
    number = out.stat().st_ino
    for overwrite in (False, True):
        export(ExportOptions(run=world.student, out=Path(), overwrite=overwrite))
        assert ner_distill.load(".").predict(LINES[0])
        assert out.stat().st_ino == number
    before = snapshot(out)
    assert not [name for name in map(str, before) if "tmp" in name or "old" in name]
    renamed, rename = [], Path.rename

    def full_disk(path: Path, target: Path) -> Path:
        renamed.append(path.name)
        if len(renamed) == 9:  # half of the old files are away, or some of the new ones there
            raise OSError(28, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as failing:
        failing.setattr(Path, "rename", full_disk)
        with pytest.raises(Exception, match="disk is full"):
            export(ExportOptions(run=world.student, out=Path(), overwrite=True))
    assert renamed[0] == "runtime.json"
    assert snapshot(out) == before
    (out / ".export.8.tmp" / "old").mkdir(parents=True)
    (out / "runtime.json").rename(out / ".export.8.tmp" / "old" / "runtime.json")  # killed while files were moved
    before = snapshot(out)
    for overwrite in (False, True):
        with pytest.raises(RunError, match="was killed while it replaced the model"):
            export(ExportOptions(run=world.student, out=Path(), overwrite=overwrite))
    assert snapshot(out) == before


def test_an_exported_model_is_no_run(exported: Path, tmp_path: Path) -> None:
    done = run("export", exported, "--out", tmp_path / "out")
    assert done.code == 2
    assert "is a model that" in done.err
    assert "expected the run that it was made of" in done.err


def test_what_cannot_be_checked_on_is_named_by_its_option(world: World, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("No labels here.\n")
    done = run("export", world.student, "--out", tmp_path / "out", "--check", tmp_path / "text.txt")
    assert done.code == 2
    assert "--check: no labelled sentence in it" in done.err


def test_words_that_are_no_text_are_refused(exported: Path) -> None:
    with pytest.raises(TypeError, match="found a list with 1"):
        ner_distill.load(exported).predict_words([["Oslo", 1]])


def test_types_without_a_threshold_are_told_of(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "out")
    path = tmp_path / "out" / "runtime.json"
    settings = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**settings, "thresholds": {"LOC": None, "PER": 0.1, "ORG": None}}), "utf-8")
    done = run(
        "predict", "--model", tmp_path / "out", "--min-score", "stored", "--min-score", "ORG=0.5", stdin=LINES[0]
    )
    assert done.code == 0
    assert done.err.count("nothing of it passes") == 1
    assert "no score of LOC reached the precision that was wanted" in done.err


def _full_disk(self: Path, target: Path) -> None:
    raise OSError(28, "No space left on device")


def test_a_directory_of_somebody_else_is_not_overwritten(world: World, tmp_path: Path) -> None:
    (tmp_path / "runtime.json").write_text('{"mine": true}')
    (tmp_path / "README.md").write_text("mine")
    before = snapshot(tmp_path)
    assert run("export", world.student, "--out", tmp_path, "--overwrite").code == 2
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("head", "more", "problem"),
    [
        ("crf-per-type", {}, "head.kind = 'crf-per-type': expected token, crf or a pointer"),
        ("mrc", {}, "head.kind = 'mrc'"),
        ("crf", {"lattice": {"kind": "flat", "lexicon": ["WORDS"]}}, "it reads lattice"),
        ("crf", {"features": {"pinyin": True}}, "it reads pinyin"),
    ],
)
def test_what_cannot_be_exported_is_named(head: str, more: dict[str, object], problem: str, tmp_path: Path) -> None:
    text = json.dumps(more).replace("WORDS", str(_lexicon(tmp_path)))
    config = parse_config(TeacherConfig, {"head": {"kind": head}, **json.loads(text)}, "test")
    _write(tmp_path / "run", new_teacher(config, _info(unit="character"), _chinese()))
    with pytest.raises(ConfigError, match="cannot be exported") as raised:
        export(ExportOptions(run=tmp_path / "run", out=tmp_path / "out"))
    assert problem in str(raised.value)
    assert "train-student, and export the student" in str(raised.value)


# ---- every kind of model, untrained: scores that mean nothing have to be the same all the same


def _scratch(head: str) -> Callable[[Path], AnyBuilt]:
    return lambda tmp: new_student(_student(head), _info(), [line.split() for line in LINES])


def _chinese_teacher(head: str, lattice: str) -> Callable[[Path], AnyBuilt]:
    def build(tmp: Path) -> AnyBuilt:
        known = {"kind": lattice, "lexicon": [str(_lexicon(tmp))]} if lattice != "none" else {"kind": "none"}
        config = parse_config(TeacherConfig, {"head": {"kind": head}, "lattice": known, "encoder": SHAPE}, "test")
        return new_teacher(config, _info(unit="character"), _chinese())

    return build


def _pretrained(tmp: Path, **more: object) -> AnyBuilt:
    name = str(checkpoints.bert(tmp / "bert"))
    config = parse_config(
        StudentConfig, {"encoder": {"name": name, "max_pieces": 40}, "head": {"kind": "token"}, **more}, "test"
    )
    return new_student(config, _info(), [line.split() for line in LINES])


def _pretrained_by_character(tmp: Path) -> AnyBuilt:
    texts = ["".join(words) for words in _chinese()]
    encoder = {"name": str(checkpoints.xlm_roberta(tmp / "xlmr", texts)), "max_pieces": 40}
    config = parse_config(StudentConfig, {"encoder": encoder, "head": {"kind": "token"}}, "test")
    return new_student(config, _info(unit="character"), _chinese())


def _pretrained_teacher(tmp: Path) -> AnyBuilt:
    encoder = {"name": str(checkpoints.bert(tmp / "bert")), "max_pieces": 40, "pooling": "mean", "layer_mix": True}
    config = parse_config(TeacherConfig, {"encoder": encoder, "head": {"kind": "crf"}}, "test")
    return new_teacher(config, _info(), [line.split() for line in LINES])


KINDS: dict[str, tuple[Callable[[Path], AnyBuilt], Sequence[str]]] = {
    "global pointer": (_scratch("global-pointer"), [*LINES, LONG]),
    "scratch token": (_scratch("token"), [*LINES, LONG]),
    "additive pointer": (_scratch("additive-pointer"), LINES),
    "efficient pointer": (_scratch("efficient-global-pointer"), LINES),
    "Chinese, bigrams": (_chinese_teacher("token", "none"), ["王明住在北京。", "李小红在东方银行工作。 a"]),
    "Chinese, soft-lexicon": (
        _chinese_teacher("crf", "soft-lexicon"),
        ["王明住在南京市。", "乌鲁木齐\u0301东方银行", "王明住在南京市东方银行工作" * 60],
    ),
    "BERT token": (_pretrained, [*LINES, LONG, "\u200b zero width", "x" * 500]),
    "BERT, cut vocabulary": (lambda tmp: _pretrained(tmp, init={"vocabulary": "cut"}), LINES),
    "XLM-R, Chinese": (
        _pretrained_by_character,
        ["王明住在北京。", "李小红在ABC 银行工作2007。", "王明住在南京市东方银行工作" * 20],
    ),
    "BERT teacher, mean of pieces, CRF": (_pretrained_teacher, [*LINES, LONG]),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_answers_as_its_run(kind: str, tmp_path: Path) -> None:
    build, texts = KINDS[kind]
    built = build(tmp_path)
    with torch.no_grad():
        for parameter in built.tagger.head.parameters():
            parameter.copy_(torch.randn_like(parameter))
    _write(tmp_path / "run", built)
    done = export(ExportOptions(run=tmp_path / "run", out=tmp_path / "out"))
    assert done.farthest is not None
    assert done.farthest < 1e-4
    _require_equal(ner_distill.load(tmp_path / "run"), ner_distill.load(tmp_path / "out"), texts)


@pytest.mark.slow
def test_int8_is_smaller_and_near(world: World, tmp_path: Path) -> None:
    done = export(ExportOptions(run=world.student, out=tmp_path / "out", int8=True, check=(world.dev,), most_lost=5.0))
    assert done.f1 is not None
    assert done.f1[1] > done.f1[0] - 0.05
    assert not (tmp_path / "out" / "model.onnx").exists()
    assert ner_distill.load(tmp_path / "out").predict(LINES[0])


SHAPE = {"hidden": 16, "heads": 2, "word_dim": 8, "char_filters": 4, "max_pieces": 64}


def _student(head: str) -> StudentConfig:
    return parse_config(StudentConfig, {"encoder": SHAPE, "head": {"kind": head}}, "test")


def _info(labels: tuple[str, ...] = corpora.LABELS, unit: str = "word") -> RunInfo:
    return RunInfo.of("student", Cutting(unit), labels)  # type: ignore[arg-type]


def _chinese() -> list[Sequence[str]]:
    return [sentence.words for sentence in corpora.sentences(30, chinese=True)]


def _lexicon(folder: Path) -> Path:
    path = folder / "words.txt"
    path.write_text("南京市\t9\n东方\n银行\t3\n东方银行\n乌鲁木齐\n住在\t20\n", "utf-8")
    return path


def _write(directory: Path, built: AnyBuilt) -> None:
    directory.mkdir(parents=True)
    kind = "teacher" if isinstance(built.config, TeacherConfig) else "student"
    write_config(directory, built.config)
    write_info(directory, RunInfo.of(kind, built.info.cutting, built.info.labels))
    built.model.eval()
    save_run(built, directory)
    (directory / "metrics.json").write_text("{}")


def _copy(source: Path, path: Path) -> None:
    path.write_bytes(source.read_bytes())


def _require_equal(one: ner_distill.Model, other: ner_distill.Model, texts: Sequence[str]) -> None:
    """The same entities, sorted alike, with scores that differ by no more than float32 does."""
    found = 0
    for ours, theirs in zip(one.stream(texts), other.stream(texts), strict=True):
        assert [entity[:4] for entity in ours] == [entity[:4] for entity in theirs]
        assert [entity.score for entity in ours] == pytest.approx([entity.score for entity in theirs], abs=1e-4)
        found += len(ours)
    assert found
    assert np.isfinite(found)


def test_predict_and_evaluate_take_exported_models_and_several(world: World, exported: Path) -> None:
    single = ok("predict", "--model", world.student, "--text", world.raw).out
    assert ok("predict", "--model", exported, "--text", world.raw).out == single
    assert ok("predict", "--model", exported, "--model", world.student, "--text", world.raw).out == single
    scores = [ok("evaluate", *models, "--data", world.dev).out for models in _models(world.student, exported)]
    assert all("100.0" in one for one in scores)


def _models(run: Path, exported: Path) -> list[list[object]]:
    return [["--model", run], ["--model", exported], ["--model", run, "--model", exported]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "--lattice", "--format", "inline"], "lexicon"),
        (["predict", "--min-score", "stored"], "exported without thresholds"),
        (["evaluate", "--precision", "0.9"], "thresholds are kept in a run; expected one run"),
    ],
)
def test_what_only_a_run_can_do_is_refused_of_others(
    arguments: list[str], message: str, world: World, exported: Path
) -> None:
    data = ["--text", world.raw] if arguments[0] == "predict" else ["--data", world.dev]
    done = run(*arguments, "--model", exported, *data)
    assert done.code == 2
    assert message in done.err
