"""Peak memory of `label-unlabeled` at 20,000 and at 200,000 lines:
`python -m benchmarks.memory [--text FILE ...] [--lines 20000 200000]`.

Each labelling is a process of its own; the teachers are small, so that it takes minutes: what grows with the text
does not depend on their size. Files that hold fewer lines are repeated, in random order.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import common

# Prints the process's own peak: `ru_maxrss` would begin with that of the process which started it.
LABEL = """
import sys, torch
from pathlib import Path
from ner_distill.console import Reporter
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
teacher, text, out, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
options = LabelUnlabeledOptions(teacher=[Path(teacher)], text=[text], out=Path(out))
label_unlabeled(options, Reporter(quiet=True))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(teacher: Path, text: Path, threads: int, store: Path | None = None) -> float:
    """MiB that a process needs at most for labelling this text; the store is kept where it has a place."""
    with tempfile.TemporaryDirectory() as place:
        out = store or Path(place) / "store"
        command = [sys.executable, "-c", LABEL, str(teacher), str(text), str(out), str(threads)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return int(done.stdout) / 1024


def lines_for(files: list[Path], count: int) -> list[str]:
    """So many lines, of the files as often as needed; made-up words of 400,000 forms without files."""
    if not files:
        return common.generated_lines(count, forms=400_000)
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    rng = random.Random(13)
    taken: list[str] = []
    while len(taken) < count:
        taken += rng.sample(lines, min(len(lines), count - len(taken)))
    return taken


def main() -> None:
    """Print the peaks and their ratio."""
    parser = common.arguments(__doc__)
    parser.add_argument("--lines", type=int, nargs=2, default=[20_000, 200_000])
    given = parser.parse_args()
    few, many = given.lines
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        lines = lines_for(given.text, many)
        texts = {count: place / f"{count}.txt" for count in (few, many)}
        for count, path in texts.items():
            path.write_text("\n".join(lines[:count]) + "\n", "utf-8")
        base = common.checkpoint(place / "bert", lines[:5000], layers=1, hidden=32, heads=2)
        teachers = {
            "scratch": common.scratch_teacher(place / "scratch", lines[:5000], hidden=16, heads=2),
            "BERT": common.pretrained_teacher(place / "token", base, head="token"),
        }
        print(f"{'teacher':<10} {few:>9,} lines {many:>9,} lines {'ratio':>7}")
        for name, teacher in teachers.items():
            low, high = (peak(teacher, texts[count], given.threads) for count in (few, many))
            print(f"{name:<10} {low:11,.0f} MiB {high:11,.0f} MiB {high / low:7.3f}", flush=True)


if __name__ == "__main__":
    main()
