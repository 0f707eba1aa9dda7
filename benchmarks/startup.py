"""What a start costs: `python -m benchmarks.startup [--tree PATH]`.

For the bare import, `--help`, and the prediction of one sentence by a scratch student: CPU seconds of a fresh process
(threads and the system included) and which heavy libraries it imported. `import torch` stands beside them: no answer
of torch is faster. With --tree the same of another checkout (`git worktree add PATH COMMIT`), in turn, and the ratio.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import common
from ner_distill.config import StudentConfig
from ner_distill.data.formats.segment import segment
from ner_distill.runs.build import new_student, save_run
from ner_distill.runs.info import RunInfo, write_config, write_info

HERE = Path(__file__).resolve().parent.parent
HEAVY = (
    "torch", "transformers", "accelerate", "scipy", "datasets", "sklearn", "pandas", "pyarrow", "pydantic", "rich",
    "tokenizers", "numpy",
)  # fmt: skip
IMPORTS = "import sys, json; print(json.dumps([name for name in {names} if name in sys.modules]), file=sys.stderr)"
COMMAND = """
import sys
from ner_distill.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""


def main() -> None:
    """Print a line for each way of starting."""
    parser = common.arguments(__doc__)
    parser.add_argument("--tree", type=Path, help="another checkout of the project")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        student, text = untrained_student(Path(directory)), Path(directory) / "text.txt"
        text.write_text(common.generated_lines(1)[0] + "\n", encoding="utf-8")
        predict = ["predict", "--model", str(student), "--text", str(text)]
        starts = {
            "import torch": ("import torch", []),
            "import ner_distill": ("import ner_distill", []),
            "--help": (COMMAND, ["--help"]),
            "predict": (COMMAND, predict),
        }
        trees = {"here": HERE, **({"there": given.tree.resolve()} if given.tree else {})}
        print(f"{'':20}" + "".join(f"{name + ' s':>9}" for name in trees) + ("    ratio" if given.tree else ""))
        for name, (code, arguments) in starts.items():
            ways = {tree: partial(cpu_seconds, path, code, arguments) for tree, path in trees.items()}
            times = {tree: common.median(found) for tree, found in common.alternately(ways, given.rounds).items()}
            ratio = f"{times['here'] / times['there']:9.2f}" if given.tree else ""
            print(f"{name:20}" + "".join(f"{seconds:9.2f}" for seconds in times.values()) + ratio)
            for tree, path in trees.items():
                print(f"    {tree} imports: {' '.join(imports(path, code, arguments)) or 'none of the heavy ones'}")


def untrained_student(directory: Path) -> Path:
    """A run of a scratch student of the default size that was never trained."""
    run = directory / "student"
    run.mkdir()
    config, info = StudentConfig(), RunInfo("student", "word", ("PER", "LOC", "ORG", "MISC"))
    write_info(run, info)
    write_config(run, config)
    save_run(new_student(config, info, [segment(line, "word")[0] for line in common.generated_lines(1000)]), run)
    return run


def cpu_seconds(tree: Path, code: str, arguments: Sequence[str]) -> float:
    """CPU seconds of a process that runs the code on the package of this tree."""
    before = os.times()
    _run(tree, code, arguments)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def imports(tree: Path, code: str, arguments: Sequence[str]) -> list[str]:
    """Which of the heavy libraries the code imports."""
    done = _run(tree, f"{code}\n{IMPORTS.format(names=HEAVY)}", arguments)
    return list(json.loads(done.stderr.splitlines()[-1]))


def _run(tree: Path, code: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tree, check=True)


if __name__ == "__main__":
    main()
