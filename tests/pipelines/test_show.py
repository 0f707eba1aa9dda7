"""What `show` reads from a store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ner_distill.data.store.columns import SPAN
from ner_distill.data.store.pseudo_labels import with_least_confidence
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError, RunError
from ner_distill.options.models import ShowOptions
from ner_distill.pipelines.show import count_types, show
from tests.commands import ok, run
from tests.stores import ANN, BANK, RAIN, make_row, write_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "store", [[BANK, RAIN], [ANN]])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["bank", "rain", "ann"]),
        ({"limit": 2}, ["bank", "rain"]),
        ({"start": 1}, ["rain", "ann"]),
        ({"entities_only": True}, ["bank", "ann"]),
        ({"entities_only": True, "limit": 1, "start": 1}, ["ann"]),
        ({"type": "PER"}, ["ann"]),
        ({"type": "ORG", "start": 1}, []),
    ],
)
def test_show_takes_the_sentences_that_fit(store, options, expected):
    assert [sentence.row.id for sentence in show(ShowOptions(store=store, **options)).sentences] == expected


def test_show_refuses_a_type_the_store_does_not_have_and_guesses(store):
    with pytest.raises(ConfigError, match=r"'ORGA' is not in the store; it has ORG, PER; did you mean ORG\?"):
        show(ShowOptions(store=store, type="ORGA"))


def test_show_refuses_a_folder_that_is_no_store_before_printing(tmp_path):
    with pytest.raises(RunError):
        show(ShowOptions(store=tmp_path))


def test_counting_types_in_a_sample_takes_shards_from_all_over(tmp_path):
    path = write_store(tmp_path / "store", [[BANK]] * 5 + [[ANN]] * 5)
    counts = count_types(SoftLabelStore.open(path), sample_rows=4)
    assert (counts.rows, counts.entities) == (4, {"ORG": 2, "PER": 2})


def exported(store: Path, *options: str) -> tuple[list[dict[str, object]], str]:
    done = ok("show", store, "--format", "jsonl", *options)
    return [json.loads(line) for line in done.out.splitlines()], done.err


def test_a_store_as_labelled_sentences_masks_what_is_not_kept(store: Path) -> None:
    rows, said = exported(store)
    assert rows == [
        {
            "id": "bank",
            "words": ["El", "Banco", "de", "España", "cerró"],
            "tags": ["O", "B-ORG", "I-ORG", "I-ORG", "O"],
            "keep": [True, True, True, True, False],
        },
        {"id": "rain", "words": ["It", "rains"], "tags": ["O", "O"]},
        {"id": "ann", "words": ["Ann", "left"], "tags": ["B-PER", "O"]},
    ]
    assert said == ""


def test_words_below_the_least_confidence_are_masked_with_their_whole_entity(store: Path) -> None:
    rows, _ = exported(store, "--min-confidence", "0.965")
    assert [row["tags"] for row in rows] == [["O"] * 5, ["O", "O"], ["O", "O"]]
    assert [row.get("keep") for row in rows] == [[True, *[False] * 4], None, [False, True]]


def test_sentences_of_which_nothing_is_kept_are_left_out_and_counted(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", [[ANN, make_row("gone", ("Oslo", "B-ORG", 0.6), dropped=(0,))]])
    rows, said = exported(store)
    assert [row["id"] for row in rows] == ["ann"]
    assert said == "warning: 1 sentence of which no word is kept: left out\n"


def test_spans_of_a_store_are_masked_by_how_sure_each_word_of_them_is() -> None:
    row = replace(BANK, spans=np.array([(1, 4, 0, 0.75), (3, 4, 1, 0.125)], SPAN))
    assert with_least_confidence(row, 0.8).keep.tolist() == [True, False, False, False, False]
    assert with_least_confidence(row, 0.7).keep.tolist() == BANK.keep.tolist()


def test_all_of_a_store_is_written_to_a_file_with_its_scores(store: Path, tmp_path: Path) -> None:
    done = ok("show", store, "--limit", "0", "--out", tmp_path / "out.json")
    assert done.out == ""
    assert f"{tmp_path / 'out.json'}: 3 sentences (label-studio)" in done.err
    first, *_ = json.loads((tmp_path / "out.json").read_text("utf-8"))
    (prediction,) = first["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("runs/teacher", pytest.approx(0.97, abs=1e-3))
    assert "1 word whose label does not count" in done.err


def test_a_part_of_a_store_is_said_to_be_one(store: Path) -> None:
    rows, said = exported(store, "--limit", "1")
    assert len(rows) == 1
    assert said == "3 sentences are in the store; --limit 0 gives all\n"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--min-confidence", "0.5"], "--min-confidence is for labelled sentences; expected --format or --out"),
        (["--format", "brat"], "--format brat is no text that could be printed; give --out"),
        (["--format", "jsonl", "--lattice", "x"], "--lattice is drawn below the table"),
    ],
)
def test_options_that_do_not_go_together_are_said(store: Path, options: list[str], error: str) -> None:
    done = run("show", store, *options)
    assert (done.code, done.out) == (2, "")
    assert error in done.err
