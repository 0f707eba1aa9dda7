"""Cases that others build on: data, checkpoints, a teacher that knows something, its store."""

from __future__ import annotations

from pathlib import Path

from tests.witness import checkpoints as build
from tests.witness import data as generated
from tests.witness.registry import CASES, Case, case
from tests.witness.shell import Shell


def _data(sh: Shell) -> None:
    sh.run("sample", sh.at("sample"))
    generated.write(Path(sh.at("sample")), Path("data"))


CASES["data"] = Case("data", _data, first=True)


@case()
def sample_of_another_seed(sh: Shell) -> None:
    sh.run("sample", sh.at("sample"), "--seed", "14")


@case(first=True)
def checkpoints(sh: Shell) -> None:
    """No command of the package: where this alone differs, other libraries are installed."""
    labelled = [" ".join(words) for words, _ in generated.read_conll(Path("data/en-train.conll"))]
    raw = [line for name in ("en", "es", "zh") for line in Path(f"data/{name}-raw.txt").read_text("utf-8").splitlines()]
    texts = labelled + raw
    build.bert(Path(sh.at("bert")), texts)
    build.bert(Path(sh.at("uncased")), texts, layers=1, cased=False)
    build.roberta(Path(sh.at("roberta")), texts)
    build.xlm_roberta(Path(sh.at("xlm-roberta")), texts)


@case(first=True)
def teacher(sh: Shell) -> None:
    run = sh.teacher("en", epochs=6)
    sh.use(run, "en")
    sh.run("evaluate", "--model", run, "--data", "data/en-test.conll", "--data", "data/en-dev.conll")
    for style in ("jsonl", "conll", "inline"):
        sh.run("predict", "--model", run, "--text", "data/en-raw.txt", "--text", "data/es-raw.txt", "--format", style)
    sh.run("predict", "--model", run, "--text", "data/en-test.conll", "--format", "jsonl", "--input-format", "conll")
    sh.run("predict", "--model", run, stdin="Ana López works for [Acme] in Madrid.\n\nNobody did.\n")


@case()
def resumed_when_finished(sh: Shell) -> None:
    """Nothing of it changes, and it is scored again."""
    run = sh.teacher("en", epochs=2)
    before = {path: path.read_bytes() for path in Path(run).glob("m*")}
    assert len(before) == 3  # weights and figures
    sh.teacher("en", epochs=2, more=["--resume"])
    assert before == {path: path.read_bytes() for path in before}


@case("teacher", first=True)
def store(sh: Shell) -> None:
    """In several shards."""
    sh.label("teacher/teacher", text="data/en-raw.txt", more=["--shard-size", "25"])


@case(first=True)
def nested_teacher(sh: Shell) -> None:
    """One that finds spans, with the spans of its store."""
    run = sh.teacher("nested", "head.kind=global-pointer", "similarity.weight=0.1", epochs=6)
    sh.use(run, "nested")
    for style in ("conll", "inline"):
        sh.run("predict", "--model", run, "--text", "data/en-raw.txt", "--format", style)


@case("nested-teacher", first=True)
def nested_store(sh: Shell) -> None:
    sh.label("nested-teacher/teacher", text="data/en-raw.txt", more=["--span-floor", "0.05"])


@case(first=True)
def lattice_teacher(sh: Shell) -> None:
    """FLAT; its lattice drawn."""
    run = sh.teacher("zh", "lattice.kind=flat", "lattice.lexicon=['data/lexicon.txt']", epochs=5)
    sh.use(run, "zh")
    for style in ("conll", "inline"):
        sh.run("predict", "--model", run, "--text", "data/zh-raw.txt", "--format", style)
    sh.run("predict", "--model", run, "--text", "data/zh-raw.txt", "--lattice")


@case("lattice-teacher", first=True)
def lattice_store(sh: Shell) -> None:
    sh.label("lattice-teacher/teacher", text="data/zh-raw.txt")
