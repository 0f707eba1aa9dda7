"""Files for the tests of readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file into the test's own directory, text as UTF-8 with its line ends as they are."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


@pytest.fixture
def ccf2020(write: Write, tmp_path: Path) -> Path:
    """A directory of two documents: white space and a line end inside, one offset beyond the text."""
    write("ccf/data/10.txt", "他\t在香港\n工作")
    write("ccf/data/2.txt", "周思平")
    write("ccf/label/2.csv", "\ufeffID,Category,Pos_b,Pos_e,Privacy\n2,name,0,2,周思平\n")
    write("ccf/label/10.csv", 'ID,Category,Pos_b,Pos_e,Privacy\r\n10,address,3,4,香港\r\n10,x,0,9,"a,b"\r\n')
    return tmp_path / "ccf"
