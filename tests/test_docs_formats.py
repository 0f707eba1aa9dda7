"""The table of formats in docs/formats.md says what readers and writers do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ner_distill.data.formats.registry import FORMATS
from ner_distill.views.written import ALL_WRITERS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "formats.md").read_text("utf-8")
SECTION = PAGE.split("## Formats\n")[1].split("\n## ")[0]
ROWS = {
    cells[0].strip("`"): cells[2:]
    for line in SECTION.splitlines()
    if line.startswith("| `")
    for cells in [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]]
}


def test_the_table_has_every_format_that_is_read_or_written() -> None:
    assert set(ROWS) == {*FORMATS, *ALL_WRITERS}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_says_what_is_read_written_and_comes_back(name: str) -> None:
    read, written, scores, back = ROWS[name]
    assert read == ("yes" if name in FORMATS else "no")
    if name not in ALL_WRITERS:
        assert (written, scores, back) == ("no", "", "")
        return
    writer = ALL_WRITERS[name]
    assert written == (" ".join(writer.suffixes) or "with `--format`")
    assert scores == ("yes" if writer.scores else "no")
    assert {*back.split(", ")} == (writer.holds if name in FORMATS else {"is not read"})
