"""Every guide runs as printed, from top to bottom; with few sentences and one epoch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ner_distill.data.sample.corpus import SampleSizes

ROOT = Path(__file__).resolve().parent.parent
GUIDES = sorted(path for path in (ROOT / "docs" / "guides").glob("*.md") if path.name != "README.md")
_RUN = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""Blocks of commands. Those marked `sh network` or `sh long` are not run here; `test_docs.py` parses them all."""
_PROGRAM = """\
#!/bin/bash
case "$1" in
    sample) exec "{python}" "{sample}" "$2" ;;
    train-teacher|train-student|vote-labels) set -- "$@" --set optim.epochs=1 ;;
    export) set -- "$@" --most-lost 100 ;; # of a model that has learned nothing yet
esac
exec "{python}" -m ner_distill.cli "$@"
"""
_SAMPLE = """\
import sys
from pathlib import Path
from ner_distill.data.sample.corpus import SampleSizes, write_sample
write_sample(Path(sys.argv[1]), sizes=SampleSizes(**{sizes}))
"""
_SIZES = dict.fromkeys(SampleSizes.__dataclass_fields__, 60)


def commands_of(guide: Path) -> str:
    return "\n".join(_RUN.findall(guide.read_text("utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_guide_runs_from_top_to_bottom(guide: Path, tmp_path: Path) -> None:
    programs, work = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    work.mkdir()
    sample = programs / "sample.py"
    sample.write_text(_SAMPLE.format(sizes=_SIZES))
    program = _PROGRAM.format(python=sys.executable, sample=sample)
    for name, text in {"ner-distill": program, "python": f'#!/bin/bash\nexec "{sys.executable}" "$@"\n'}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }
    script = f"set -euxo pipefail\n{commands_of(guide)}"
    done = subprocess.run(["bash", "-c", script], cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert (work / "report.html").stat().st_size > 10_000
    assert len((work / "tagged.txt").read_text("utf-8").splitlines()) == _SIZES["en_raw"]
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
