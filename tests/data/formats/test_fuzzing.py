"""Whatever a file holds: it is read, or refused with its place, in little time and memory.

Ten thousand cases: `python -m pytest -m slow tests/data/formats/test_fuzzing.py -s`.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.data.formats.fuzzing import PIECES, READERS, VALID, change, files, outcome

CASES, SIZE = 10_000, 1_000_000
SECONDS, BYTES = 4.0, 500_000_000  # of a busy machine; two seconds are meant
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def outcomes(path: Path, content: bytes) -> Counter[str]:
    """What each reader makes of the content: "read" or "refused"; anything else is raised."""
    path.write_bytes(content)
    found = Counter(f"{reader}: {outcome(path, reader)}" for reader in READERS)
    path.unlink()
    return found


@given(files())
@settings(max_examples=200, suppress_health_check=_SHARED)
def test_any_file_is_read_or_refused_with_its_place(tmp_path: Path, file: tuple[str, bytes]) -> None:
    name, content = file
    assert outcomes(tmp_path / name, content).total() == len(READERS)


@pytest.mark.slow
def test_ten_thousand_files_are_read_or_refused_with_their_place(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()

    @given(files())
    @settings(max_examples=CASES, suppress_health_check=_SHARED, database=None)
    def any_file(file: tuple[str, bytes]) -> None:
        name, content = file
        counts.update(outcomes(tmp_path / name, content))

    any_file()
    print(dict(sorted(counts.items())))
    assert all(counts[f"{reader}: {what}"] for reader in ("read_corpus", "read_raw") for what in ("read", "refused"))


def large_files(name: str) -> list[bytes]:
    """A megabyte each: the valid file again and again, with changes, and pieces of syntax without an end."""
    rng = random.Random(name)
    changed = bytearray(VALID[name])
    change(changed, rng.randrange(6), rng.randrange(1 << 30), rng.choice(PIECES))
    repeated = [content * (SIZE // max(len(content), 1)) for content in (VALID[name], bytes(changed))]
    return repeated + [VALID[name] + piece * (SIZE // len(piece)) for piece in rng.sample(PIECES, 6)]


@pytest.mark.slow
@pytest.mark.parametrize("name", VALID)
def test_a_megabyte_takes_neither_long_nor_much_memory(name: str, tmp_path: Path) -> None:
    for content in large_files(name):
        (tmp_path / name).write_bytes(content)
        for reader in READERS:
            start = time.process_time()
            outcome(tmp_path / name, reader)
            assert time.process_time() - start < SECONDS, (reader, content[-80:])
        tracemalloc.start()
        try:
            outcome(tmp_path / name, "read_corpus")
            assert tracemalloc.get_traced_memory()[1] < BYTES, content[-80:]
        finally:
            tracemalloc.stop()
