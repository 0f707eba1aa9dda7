"""The commands of a page, run as printed, but with few sentences and, where that will do, one epoch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ner_distill.data.sample.corpus import SampleSizes

ROOT = Path(__file__).resolve().parent.parent
SIZES = dict.fromkeys(SampleSizes.__dataclass_fields__, 60)
"""Sentences of each part of the sample."""

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PROGRAM = """\
#!/bin/bash
case "$1" in
    sample) exec "{python}" "{sample}" "$2" ;;
    train-teacher|train-student|vote-labels) set -- "$@" --set optim.epochs=1 ;;
    grow-dictionary) [[ "$*" != *--rounds* ]] || set -- "$@" --set optim.epochs=1 ;;
    compare) set -- "$@" --set optim.epochs=1 --seeds 1 ;;
    verdict) set -- "$@" --seeds 1 ;; # keeps its epochs: it needs what a model finds, as self-train does
    self-train) set -- "$@" --min-votes 2 --min-confidence 0 --set optim.epochs=30 ;;
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


def blocks_of(page: Path) -> list[str]:
    """Blocks of commands. Those marked `sh network` or `sh long` are not run; `test_docs.py` parses them all."""
    return _BLOCK.findall(page.read_text("utf-8"))


def run_printed(commands: str, place: Path) -> Path:
    """Run a script in a new directory inside `place`, and return that directory; the first failure fails the test."""
    programs, work = place / "bin", place / "work"
    programs.mkdir()
    work.mkdir()
    sample = programs / "sample.py"
    sample.write_text(_SAMPLE.format(sizes=SIZES))
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
    script = f"set -euxo pipefail\n{commands}"
    done = subprocess.run(["bash", "-c", script], cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return work
