"""`grow-dictionary`: which of the names that a model found become entries."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ner_distill.console import Reporter
from ner_distill.data.lexicon.dictionaries import Dictionaries
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.options.labels import GrowOptions
from ner_distill.pipelines.dictionaries.grow_dictionary import Growth, grown, say_quality
from ner_distill.pipelines.dictionaries.grow_dictionary import grow_dictionary as grow
from tests.commands import ok
from tests.world import World

DICTIONARIES = Dictionaries({"PER": ["Ann"], "LOC": ["Oslo"]})


def counted(**found: dict[str, int]) -> dict[str, Counter[str]]:
    return {form: Counter(types) for form, types in found.items()}


def added(found: dict[str, Counter[str]], *, min_count: int = 2) -> dict[str, dict[str, int]]:
    return grown(found, DICTIONARIES, min_count=min_count, labels=("LOC", "PER")).added


def test_a_form_found_often_enough_with_one_type_enters() -> None:
    found = counted(Bob={"PER": 2}, Rome={"LOC": 5}, Ulm={"LOC": 1})
    assert added(found) == {"LOC": {"Rome": 5}, "PER": {"Bob": 2}}


def test_a_form_found_with_two_types_stays_out() -> None:
    assert added(counted(Paris={"LOC": 9, "PER": 1})) == {"LOC": {}, "PER": {}}


def test_a_form_under_another_type_stays_out() -> None:
    assert added(counted(Ann={"LOC": 9})) == {"LOC": {}, "PER": {}}


def test_what_stays_out_is_counted_by_reason() -> None:
    found = counted(Ann={"PER": 3}, Oslo={"PER": 3}, Paris={"LOC": 1, "PER": 1}, Ulm={"LOC": 1})
    growth = grown(found, DICTIONARIES, min_count=2, labels=("LOC", "PER"))
    assert (growth.known, growth.elsewhere, growth.several, growth.rare) == (1, 1, 1, 1)


def test_a_form_that_is_surely_of_no_entity_stays_out() -> None:
    dictionaries = Dictionaries({"PER": ["Ann"]}, negative=["Will"])
    growth = grown(counted(Will={"PER": 9}, Bob={"PER": 9}), dictionaries, min_count=2, labels=("PER",))
    assert (growth.added, growth.negative) == ({"PER": {"Bob": 9}}, 1)


# ---- with a model


def grow_dictionary(model: Path, text: list[Path], dictionary: list[str], out: Path, **options: Any) -> Growth:
    return grow(GrowOptions(model=model, text=text, dictionary=dictionary, out=out, **options))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dictionaries") / "people.txt"
    path.write_text("Peter\nNobody Else\n", "utf-8")
    return path


def found_by(world: World) -> dict[str, Counter[str]]:
    """What `predict` says of the text."""
    found: dict[str, Counter[str]] = {}
    lines = ok("predict", "--model", world.student, "--text", world.raw, "--format", "jsonl").out.splitlines()
    for record in map(json.loads, lines):
        for entity in record["entities"]:
            form = record["text"][entity["start"] : entity["end"]]
            found.setdefault(form, Counter())[entity["label"]] += 1
    return found


def test_new_dictionaries_hold_the_old_entries_and_what_the_model_found(
    world: World, people: Path, tmp_path: Path
) -> None:
    growth = grow_dictionary(world.student, [world.raw], [f"PER={people}"], tmp_path / "new", min_count=2)
    expected = {
        form
        for form, types in found_by(world).items()
        if set(types) == {"PER"} and types["PER"] >= 2 and form != "Peter"
    }
    assert expected
    assert set(growth.added["PER"]) == expected
    lines = (tmp_path / "new" / "PER.txt").read_text("utf-8").splitlines()
    assert lines[:2] == ["Peter", "Nobody Else"]
    assert set(lines[2:]) == expected


def test_the_summary_has_the_new_names_and_their_files(world: World, people: Path, tmp_path: Path) -> None:
    growth = grow_dictionary(world.student, [world.raw], [f"PER={people}"], tmp_path / "new")
    summary = json.loads((tmp_path / "new" / "summary.json").read_text("utf-8"))
    assert summary["added"] == growth.added
    assert summary["before"] == {"PER": 2}
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"summary.json", *summary["files"].values()}


def test_grown_dictionaries_can_be_read_again(world: World, people: Path, tmp_path: Path) -> None:
    growth = grow_dictionary(world.student, [world.raw], [f"PER={people}"], tmp_path / "new", min_count=1)
    again, counts = Dictionaries.read({"PER": [tmp_path / "new" / "PER.txt"]})
    assert counts["PER"]["entries"] == 2 + len(growth.added["PER"])
    assert all(again.types_of(form) == ("PER",) for form in growth.added["PER"])


def test_dictionaries_are_never_overwritten(world: World, people: Path, tmp_path: Path) -> None:
    (tmp_path / "PER.txt").write_text("mine", "utf-8")
    with pytest.raises(RunError, match="is not empty; choose another directory"):
        grow_dictionary(world.student, [world.raw], [f"PER={people}"], tmp_path)


def test_a_type_that_the_model_does_not_know_is_refused(world: World, people: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`dictionary` GPE: the model knows no such type; it has LOC, ORG, PER"):
        grow_dictionary(world.student, [world.raw], [f"GPE={people}"], tmp_path / "new")


def test_text_without_an_entity_is_an_error(world: World, people: Path, tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("Nobody was there yesterday .\n", "utf-8")
    with pytest.raises(DataError, match="finds no entity"):
        grow_dictionary(world.student, [tmp_path / "raw.txt"], [f"PER={people}"], tmp_path / "new")


def test_the_command_says_what_is_new(world: World, people: Path, tmp_path: Path) -> None:
    done = ok(
        "grow-dictionary", "--model", world.student, "--text", world.raw, "--dictionary", f"PER={people}",
        "--out", tmp_path / "new", "--min-count", "2",
    )  # fmt: skip
    number = len(json.loads((tmp_path / "new" / "summary.json").read_text("utf-8"))["added"]["PER"])
    assert f"PER {number}" in done.out


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"f1": 0.9, "precision": 0.8}, "run: F1 90.0, precision 80.0 on its development data (dev.conll)\n"),
        ({"f1": 0.3, "precision": 0.9}, "warning: {}: F1 30.0, precision 90.0 on its development data (dev.conll): m"),
        ({"f1": 0.9, "precision": 0.3}, "warning: {}: F1 90.0, precision 30.0 on its development data (dev.conll): m"),
        (None, "warning: {}: no score on development data is known"),
    ],
)
def test_how_good_the_model_was_is_said(figures: dict[str, float] | None, expected: str, tmp_path: Path) -> None:
    run, said = tmp_path / "run", io.StringIO()
    run.mkdir()
    if figures:
        metrics = {"dev": {"micro": figures}, "checkpoint_chosen_on": ["dev.conll"]}
        (run / "metrics.json").write_text(json.dumps(metrics))
    say_quality(run, Reporter(stream=said))
    assert expected.format(run) in said.getvalue()
