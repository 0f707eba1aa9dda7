"""Every real file is read with exactly the counts that were found independently of this code."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Sentence

NAMES = [
    *(f"conll/en/{name}.txt" for name in ("train", "dev", "test", "test.corrected")),
    *(f"conll/{lang}/{name}.txt" for lang in ("es", "nl") for name in ("train", "dev", "test")),
    "cluener/train.json",
    "cluener/dev.json",
    *(f"resume/{name}.char.bmes" for name in ("train", "dev", "test")),
    "cmeee/train_data.txt",
    "cmeee/val_data.txt",
    "ccf2020",
]


@pytest.fixture(scope="session")
def expected(data_dir: Path) -> dict[str, dict[str, Any]]:
    counts: dict[str, Any] = json.loads((data_dir / "expected_counts.json").read_text("utf-8"))
    return {name: found for name, found in counts.items() if isinstance(found, dict)}


def test_every_entry_is_tested(expected: dict[str, dict[str, Any]]) -> None:
    assert sorted(expected) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_real_file_has_the_expected_counts(name: str, data_dir: Path, expected: dict[str, dict[str, Any]]) -> None:
    corpus = read_corpus([data_dir / name])
    spans = [span for sentence in corpus.sentences for span in sentence.spans or ()]
    found: dict[str, Any] = {
        "sentences": len(corpus.sentences),
        "words": sum(len(sentence.words) for sentence in corpus.sentences),
        "entities": len(spans),
        "by_type": dict(Counter(span.label for span in spans)),
        "invalid_starts": corpus.report.counts.get("invalid_starts", 0),
        "out_of_range": corpus.report.counts.get("out_of_range", 0),
        "nested_pairs": _overlapping_pairs(corpus.sentences),
        "nested_or_overlapping_pairs": _overlapping_pairs(corpus.sentences),
    }
    assert {key: found[key] for key in expected[name]} == expected[name]


def _overlapping_pairs(sentences: tuple[Sentence, ...]) -> int:
    return sum(
        first.start < second.end and second.start < first.end
        for sentence in sentences
        for first, second in combinations(sentence.spans or (), 2)
    )


@pytest.mark.parametrize("name", ["pseudo/es.jsonl", "pseudo/nl.jsonl", "distant/conll03_en_train.jsonl"])
def test_real_json_lines_have_a_labelled_sentence_a_line(name: str, data_dir: Path) -> None:
    corpus = read_corpus([data_dir / name])
    assert len(corpus.sentences) == (data_dir / name).read_bytes().count(b"\n")
    assert all(sentence.spans is not None for sentence in corpus.sentences)
