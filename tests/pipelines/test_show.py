"""What `show` reads from a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError, RunError
from ner_distill.options.models import ShowOptions
from ner_distill.pipelines.show import count_types, show
from tests.stores import ANN, BANK, RAIN, write_store


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
