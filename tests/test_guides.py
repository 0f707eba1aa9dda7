"""Every guide runs as printed, from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.printed import ROOT, SIZES, blocks_of, run_printed

GUIDES = sorted(path for path in (ROOT / "docs" / "guides").glob("*.md") if path.name != "README.md")


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_guide_runs_from_top_to_bottom(guide: Path, tmp_path: Path) -> None:
    work = run_printed("\n".join(blocks_of(guide)), tmp_path)
    assert (work / "report.html").stat().st_size > 10_000
    assert len((work / "tagged.txt").read_text("utf-8").splitlines()) == SIZES["en_raw"]
    assert (work / "exported" / "model.int8.onnx").is_file()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_guide_ends_with_what_to_do_next_and_is_short(guide: Path) -> None:
    text = guide.read_text("utf-8")
    assert 40 <= len(text.splitlines()) <= 90
    assert "## What next" in text
    for command in ("evaluate", "--html", "predict", "export", "serve"):
        assert command in text.partition("# ")[2]


def test_every_guide_is_in_the_table() -> None:
    table = (ROOT / "docs" / "guides" / "README.md").read_text("utf-8")
    assert all(f"({guide.name})" in table for guide in GUIDES)
