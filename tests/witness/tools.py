"""What stands beside the main job: comparisons, reports on data."""

from __future__ import annotations

from pathlib import Path

from tests.witness.registry import case
from tests.witness.shell import Shell, table_of_comparison, table_of_verdict


@case(first=True)
def compared(sh: Shell) -> None:
    """Two variants over two seeds, each training in a process of its own; the table again."""
    variants = ("--variant", "plain:", "--variant", "fgm:adversarial.kind=fgm,head.kind=token")
    files = ("--train", "data/en-train.conll", "--dev", "data/en-dev.conll", "--test", "data/en-test.conll")
    given = (*variants, *files, "--seeds", "2", "--out", sh.at("runs"))
    sh.run("compare", *given, keys=sh.small(epochs=2), mask=table_of_comparison)
    sh.run("compare", "--out", sh.at("runs"), mask=table_of_comparison)


@case()
def judged(sh: Shell) -> None:
    """A teacher and a student in four ways, over one seed; the table again."""
    files = ("--train", "data/en-train.conll", "--dev", "data/en-dev.conll", "--test", "data/en-test.conll")
    students = [part for key in sh.small(epochs=3) for part in ("--student-set", key)]
    given = (*files, "--text", "data/en-raw.txt", "--seeds", "1", "--out", sh.at("runs"))
    sh.run("verdict", *given, *students, keys=sh.small(epochs=3), mask=table_of_verdict)
    sh.run("verdict", "--out", sh.at("runs"), mask=table_of_verdict)


@case()
def checked_data(sh: Shell) -> None:
    sh.run("check-data", "data/en-train.conll", "data/en-dev.conll", "data/en-test.conll")
    sh.run("check-data", "data/zh-train.conll", "data/zh-dev.conll")
    sh.run("check-data", "data/nested-train.jsonl", "data/weighted.jsonl", "data/documents.jsonl")
    sh.run("check-data", "data/en-lies.conll", "data/en-train.conll", "--strict", code=1)


@case()
def formats(sh: Shell) -> None:
    """What is read from each format, as a report and as what a short training makes of it."""
    for name in ("cluener.json", "cmeee.txt", "ccf2020", "broken.conll"):
        sh.run("check-data", f"data/{name}")
    sh.run("check-data", "data/bioes.conll", "--tag-column", "1", "--scheme", "bioes", "--strict")
    chinese = [part for name in ("cluener.json", "cmeee.txt", "ccf2020") for part in ("--train", f"data/{name}")]
    for out, train, dev in (
        ("zh", chinese, "data/zh-dev.conll"),
        ("repaired", ["--train", "data/broken.conll"], "data/en-dev.conll"),
    ):
        sh.run("train-teacher", *train, "--dev", dev, "--out", sh.at(out), keys=sh.small(epochs=1))
    columns = ("--train", "data/bioes.conll", "--dev", "data/bioes.conll", "--tag-column", "1")
    sh.run("train-teacher", *columns, "--out", sh.at("columns"), keys=sh.small(epochs=1))


@case()
def configuration_file(sh: Shell) -> None:
    """Settings from a file, and one that a later `--set` changes."""
    path = Path(sh.at("teacher-settings.toml"))
    path.write_text('seed = 5\n\n[encoder]\nhidden = 48\nheads = 4\n\n[head]\nkind = "token"\n', "utf-8")
    sh.teacher("en", "encoder.hidden=24", "encoder.heads=6", epochs=1, more=["--config", str(path)])
    train, dev = ("--train", "data/en-easy.conll"), ("--dev", "data/en-dev.conll")
    sh.run("train-teacher", *train, *dev, "--config", str(path), "--out", sh.at("defaults"), keys=["optim.epochs=1"])
