"""The script for a GPU goes through on a CPU, and counts what it says it counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu


def test_all_of_it_runs_on_a_cpu(tmp_path: Path, capsys: Any) -> None:
    gpu.main(["--device", "cpu", "--tiny", "--json", str(tmp_path / "out.json")])
    said, found = capsys.readouterr().out, json.loads((tmp_path / "out.json").read_text("utf-8"))
    names = [row["what"] for row in found["rows"]]
    assert [name.partition(",")[0] for name in names] == ["labelling", "training step", "FLAT", "CRF"]
    assert all(name in said for name in names)
    assert all(row["milliseconds"] > 0 for row in found["rows"])
    assert found["tests"] is None


def test_operations_are_those_of_the_matrices_of_a_layer() -> None:
    hidden, pieces = 8, [3, 5]
    of_piece = 4 * hidden * hidden + 2 * hidden * 4 * hidden  # query, key, value, output; in and out of the inner layer
    attention = [2 * length * length * hidden for length in pieces]  # scores, and their sums of values
    assert gpu.operations(pieces, 2, hidden) == pytest.approx(2 * 2 * (of_piece * sum(pieces) + sum(attention)))


def test_tests_that_take_too_long_are_said_to() -> None:
    assert gpu.gpu_tests(0.01) == {"exit": None, "said": ["not done after 0.01 s"]}
