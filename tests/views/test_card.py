"""The card as the hub's library reads it, and whose it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from ner_distill.data.sentence import Unit
from ner_distill.runs.card import is_as_written
from ner_distill.runs.facts import KnownFile, RunFacts
from ner_distill.runs.info import RunInfo
from ner_distill.training.development import DevelopmentSet
from ner_distill.views.card import card_of
from tests import corpora
from tests.commands import ok, run, settings, snapshot
from tests.world import World

QUICK = settings(*corpora.SMALL, "optim.epochs=1")


def facts_of(path: Path, *, labels: tuple[str, ...] = ("LOC", "PER"), unit: Unit = "word", **more: object) -> RunFacts:
    values = {"config": {}, "metrics": {}, "inputs": {}, "epochs": (), **more}
    return RunFacts(path, RunInfo("student", unit, labels), **values)  # type: ignore[arg-type]


def test_the_hubs_library_reads_the_card(world: World) -> None:
    card = ModelCard.load(world.student / "README.md")
    assert (card.data.library_name, card.data.pipeline_tag, card.data.license) == (
        "ner-distill",
        "token-classification",
        "other",
    )
    results = {one.metric_type: one for one in card.data.eval_results or ()}
    recorded = json.loads((world.student / "metrics.json").read_text("utf-8"))["dev"]["micro"]
    assert {name: one.metric_value for name, one in results.items()} == {
        name: recorded[name] for name in ("f1", "precision", "recall")
    }
    assert results["f1"].dataset_name == "dev.conll"
    assert results["f1"].task_type == "token-classification"
    assert ModelCard(str(card)).data.to_dict() == card.data.to_dict()  # as its own words, read again


def test_the_card_names_the_files_by_name_and_hash(world: World) -> None:
    text = (world.student / "README.md").read_text("utf-8")
    inputs = json.loads((world.student / "inputs.json").read_text("utf-8"))
    manifest = json.loads((world.soft / "manifest.json").read_text("utf-8"))
    for one in (*inputs["dev"], *inputs["soft"], *manifest["inputs"]):
        assert f"| `{Path(one['name']).name}` |" in text
        assert one["sha256"] in text
    assert manifest["teachers"][0]["fingerprint"] in text
    assert str(world.root) not in text  # a card is published: nobody needs to know where files lay


def test_the_card_shows_how_to_use_the_model_and_asks_for_a_licence(world: World) -> None:
    text = (world.teacher / "README.md").read_text("utf-8")
    assert "ner-distill predict --model RUN" in text
    assert 'ner_distill.load("RUN")' in text
    assert "pipeline(" not in text  # no classifier of transformers
    assert "Fill in `license`" in text


def test_a_run_that_transformers_loads_says_how(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    facts = facts_of(tmp_path, config={"encoder": {"name": "google-bert/bert-base-multilingual-cased"}})
    card = ModelCard(card_of(facts))
    assert card.data.library_name == "transformers"
    assert card.data.base_model == "google-bert/bert-base-multilingual-cased"
    assert 'pipeline("token-classification", "RUN"' in card.text


@pytest.mark.parametrize("name", ["scratch", "/home/me/bert", "runs/encoder", "../x", "a b/c"])
def test_an_encoder_of_this_machine_is_no_base_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "runs" / "encoder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert ModelCard(card_of(facts_of(tmp_path, config={"encoder": {"name": name}}))).data.base_model is None


def test_names_and_labels_stay_text(tmp_path: Path) -> None:
    evil = 'a|b`c``<script>&\n---\nlicense: mit\n# "x"\x07\u2028: [y](z)'
    named = tmp_path / "a: [b] # *c*"
    named.mkdir()
    scores = {"f1": 0.5, "precision": 0.5, "recall": 0.5, "support": 4}
    facts = facts_of(
        named,
        labels=(evil, "PER"),
        inputs={"dev": [KnownFile(evil, 3, "0" * 64)], evil: [KnownFile("x", None, None)]},
        metrics={"dev": {"micro": scores, "by_type": {evil: scores}}, "counts": {evil: 3}, "checkpoint": evil},
    )
    card = ModelCard(card_of(facts))
    assert card.data.license == "other"
    assert card.data.model_name == "a: [b] # *c*"
    (f1, *_) = card.data.eval_results or ()
    assert "\n" not in f1.dataset_name
    outside = "".join(part for place, part in enumerate(card.text.split("```")) if place % 2 == 0)
    assert "\nlicense: mit" not in outside
    assert "\n# " not in outside.replace("\n# a: \\[b\\] \\# \\*c\\*", "")
    rows = [line for line in card.text.splitlines() if line.startswith("| ") and "\ufffd" in line]
    assert len(rows) == 3
    assert {line.replace("\\|", "").count("|") for line in rows[:2]} == {5}


def test_a_run_without_development_data_has_no_figures(tmp_path: Path) -> None:
    card = ModelCard(card_of(facts_of(tmp_path, metrics={"checkpoint": "last, no development data"})))
    assert card.data.eval_results is None
    assert "None: there was no development data. Its weights: last, no development data." in card.text


# ---- whose it is


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("card")
    corpora.write_all(data, train=8, dev=4)
    assert f"report: {data / 'run' / 'report.html'}" in train(data).splitlines()
    return data


def train(data: Path, *options: str) -> str:
    files = ("--train", data / "train.conll", "--dev", data / "dev.conll", "--out", data / "run")
    return ok("train-teacher", *files, *QUICK, *options).out


def test_a_training_reads_its_development_set_once_an_epoch_and_once_at_the_end(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report shows what that last reading found."""
    read: list[DevelopmentSet] = []
    find = DevelopmentSet.find

    def counted(self: DevelopmentSet, *args: Any, **more: Any) -> Any:
        read.append(self)
        return find(self, *args, **more)

    monkeypatch.setattr(DevelopmentSet, "find", counted)
    files = ("--train", finished / "train.conll", "--dev", finished / "dev.conll", "--out", tmp_path / "run")
    ok("train-teacher", *files, *QUICK)
    assert len(read) == 2
    assert "Errors in their sentences" in (tmp_path / "run" / "report.html").read_text("utf-8")


@pytest.fixture
def data(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "data")
    return tmp_path / "data"


def test_a_finished_training_that_is_resumed_changes_no_file(data: Path) -> None:
    with (data / "run" / "README.md").open("a") as file:
        file.write("Edited.\n")
    (data / "run" / "report.html").write_text("mine")
    before = snapshot(data)
    train(data, "--resume")
    assert snapshot(data) == before


def test_what_a_kill_or_an_earlier_version_left_out_is_made_when_it_is_resumed(data: Path, finished: Path) -> None:
    before = snapshot(data)
    (data / "run" / "README.md").unlink()
    (data / "run" / "report.html").unlink()
    train(data, "--resume")
    after = snapshot(data)
    # the report, too: what it needs is found out again
    report = after["run/report.html"].replace(str(data).encode(), str(finished).encode())
    assert after | {"run/report.html": report} == before


def test_a_card_that_lies_there_before_the_end_is_kept(data: Path) -> None:
    (data / "run" / "metrics.json").unlink()  # as if it had been killed before its end
    (data / "run" / "README.md").write_text("Mine.\n")
    train(data, "--resume")
    assert (data / "run" / "README.md").read_text() == "Mine.\n"


def test_overwrite_replaces_a_card_as_it_was_written_and_refuses_one_that_was_edited(data: Path) -> None:
    card = data / "run" / "README.md"
    assert is_as_written(card)
    train(data, "--overwrite")
    assert is_as_written(card)
    card.write_text(card.read_text("utf-8").replace("license: other", "license: mit"), "utf-8")
    before = snapshot(data)
    files = ("--train", data / "train.conll", "--out", data / "run")
    done = run("train-teacher", *files, *QUICK, "--overwrite")
    assert done.code == 2
    assert "README.md: was edited, and --overwrite does not remove what a person wrote" in done.err
    assert snapshot(data) == before
