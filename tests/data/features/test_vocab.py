"""Vocabularies: order, ids, files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_distill.data.features.vocab import PADDING, UNKNOWN, Vocab, read_vocabs, write_vocabs
from ner_distill.errors import RunError

COUNTS = Counter({"the": 9, "b": 2, "a": 2, "rare": 1})


def test_frequent_forms_come_first_and_ties_are_in_order_of_spelling() -> None:
    assert Vocab.of_counts(COUNTS).forms == ["the", "a", "b", "rare"]


def test_order_of_counting_does_not_matter() -> None:
    backwards = Counter(dict(reversed(COUNTS.items())))
    assert Vocab.of_counts(backwards).to_json() == Vocab.of_counts(COUNTS).to_json()


def test_forms_below_the_least_count_are_unknown() -> None:
    vocab = Vocab.of_counts(COUNTS, min_count=2)
    assert "rare" not in vocab
    assert vocab.id("rare") == UNKNOWN


def test_the_limit_keeps_the_most_frequent() -> None:
    assert Vocab.of_counts(COUNTS, limit=2).forms == ["the", "a"]


def test_ids_are_distinct_rows_behind_padding_and_unknown() -> None:
    vocab = Vocab.of_counts(COUNTS)
    assert sorted([PADDING, UNKNOWN, *map(vocab.id, COUNTS)]) == list(range(len(vocab)))


def test_forms_and_counts_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 forms but 1 counts"):
        Vocab(["a", "b"], [1])


@given(counts=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 10**12)))
def test_json_gives_back_any_vocabulary(counts: dict[str, int]) -> None:
    vocab = Vocab.of_counts(Counter(counts))
    assert Vocab.from_json(vocab.to_json(), "x").to_json() == vocab.to_json()


def test_a_file_gives_back_several_vocabularies(tmp_path: Path) -> None:
    odd = Vocab(["膀胱", '"', "\u2028", "\n", "", "\x02", "😀"], [7, 6, 5, 4, 3, 2, 1])
    write_vocabs(tmp_path / "v.json", {"words": odd, "chars": Vocab([], [])})
    read = read_vocabs(tmp_path / "v.json")
    assert {name: vocab.to_json() for name, vocab in read.items()} == {
        "words": odd.to_json(),
        "chars": {"forms": [], "counts": []},
    }


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "\udc80",
        '{"words": []}',
        '{"words": {"forms": ["a"]}}',
        '{"words": {"forms": ["a"], "counts": []}}',
        '{"words": {"forms": ["a"], "counts": ["many"]}}',
        '{"words": {"forms": [1], "counts": [1]}}',
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "v.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"v\.json: .*the run is damaged"):
        read_vocabs(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"v\.json: not found"):
        read_vocabs(tmp_path / "v.json")
