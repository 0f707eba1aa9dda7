"""docs/python.md is one program: its blocks run from top to bottom, and print what stands below them."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.sample.corpus import SampleSizes, write_sample

PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"
_BLOCK = re.compile(r"^```python *(\w*)\n(.*?)^```\n(?:\n```output\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
_EPOCHS = re.compile(r'("optim\.epochs"): \d+')


def blocks() -> list[tuple[int, str, str, str | None]]:
    """Line, needed package, code, and what it prints; None where the page does not say."""
    text = PAGE.read_text("utf-8")
    return [(text.count("\n", 0, found.start(2)), found[1], found[2], found[3]) for found in _BLOCK.finditer(text)]


@pytest.mark.slow
def test_python_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_sample(Path("sample"), sizes=SampleSizes(**dict.fromkeys(SampleSizes.__dataclass_fields__, 60)))
    names: dict[str, Any] = {}
    for line, package, code, expected in blocks():
        if package and find_spec(package) is None:
            continue
        few = _EPOCHS.sub(r"\1: 1", code)
        said = StringIO()
        with redirect_stdout(said):
            exec(compile("\n" * line + few, str(PAGE), "exec"), names)
        if expected is not None:
            assert said.getvalue() == expected, f"{PAGE.name}:{line}"


def test_every_name_of_the_package_is_on_the_page() -> None:
    import ner_distill

    page = PAGE.read_text("utf-8")
    missing = [name for name in ner_distill.__all__ if not re.search(rf"\b{name}\b", page)]
    assert missing == ["Sentence", "Span", "__version__"]  # what the face's functions neither take nor give
