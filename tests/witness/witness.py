"""What the program does, as hashes: a witness of changes that are not to change it.

    python -m tests.witness.witness --out hashes.json
    python -m tests.witness.witness --against tests/witness/hashes.json
    python -m tests.witness.witness --against tests/witness/hashes.json --tree ../another-checkout --only crf flat

It trains, labels, scores and predicts through the command line alone, on small generated data, and hashes what comes
out: values of weights, columns of stores, label files, printed results, figures. Nothing inside the package is named
here but `ner_distill.cli.main`, so that everything else may move.

The hashes depend on the machine (its processor decides how sums are added up) and on the versions of the libraries:
those of one commit are compared with those of another on the same machine and in the same environment. That is why
this is no part of `make test`. Record the commit to compare with first (`--out`), twice if in doubt, then run
`--against` it. Each case runs on one thread of the CPU; all of them take some twelve minutes of a processor.

What modules are called does not count. The order in which they are made and registered does: it decides the random
numbers that each begins with, and the order in which the norm of all gradients is added up. So does the order of what
is drawn at random. A difference in the last digits that comes from nothing else is a change all the same.

What varies between two runs and is left out: seconds and memory (metrics, comparisons, the table of `compare`), and
the page of `review`, which only has to be there. WordPiece vocabularies that tokenizers trains differ from run to run:
those of the checkpoints here are counted instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    **dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "NO_COLOR"), "1"),
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
    "COLUMNS": "120",
    "TERM": "dumb",
}
"""Of all cases, read by the libraries as they are imported: later than these lines."""
os.environ.update(ENVIRONMENT)

from tests.witness.cases import CASES, Case  # noqa: E402
from tests.witness.hashing import hashes_below  # noqa: E402
from tests.witness.shell import Shell  # noqa: E402

Hashes = dict[str, dict[str, str]]
"""Case → part → hash."""

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    options = _options()
    tree = _tree(options.tree)
    sys.path.insert(0, str(tree))
    _import_what_all_need(tree)
    work = Path(tempfile.mkdtemp(prefix="witness-"))
    try:
        hashes = run(wanted(options.only), work, jobs=options.jobs)
    finally:
        if options.keep:
            print(f"kept: {work}", file=sys.stderr)
        else:
            shutil.rmtree(work, ignore_errors=True)
    failed = [name for name, parts in hashes.items() if "failed" in parts]
    for name in failed:
        print(f"{name}: failed: {hashes[name]['failed']}")
    if options.out:
        options.out.write_text(json.dumps(hashes, indent=0, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    if options.against:
        before = json.loads(options.against.read_text("utf-8"))
        if options.only:
            before = {name: parts for name, parts in before.items() if name in hashes}
        differences = list(compared(before, hashes))
        for line in differences:
            print(line)
        count = sum(map(len, hashes.values()))
        print(f"{len(differences)} differences in {count} parts of {len(hashes)} cases")
        sys.exit(bool(differences))
    sys.exit(bool(failed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.witness.witness", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the hashes to this file")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with the hashes of this file")
    parser.add_argument(
        "--tree",
        type=Path,
        metavar="DIR",
        help="checkout whose package is run (default: the first of PYTHONPATH that has one, else this one)",
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these cases and what they need")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cases at once (2)")
    parser.add_argument("--keep", action="store_true", help="leave what the cases wrote, and their logs")
    options = parser.parse_args()
    if unknown := sorted(set(options.only) - set(CASES)):
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    return options


def _tree(given: Path | None) -> Path:
    named = [given] if given else [*map(Path, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))), ROOT]
    for tree in named:
        if (tree / "ner_distill").is_dir():
            return tree.resolve()
    raise SystemExit(f"{given}: no package ner_distill in it")


def _import_what_all_need(tree: Path) -> None:
    """Once, for all cases that are forked from here."""
    import transformers.models.auto
    import transformers.models.bert.modeling_bert  # noqa: F401

    import ner_distill.cli

    found = Path(ner_distill.cli.__file__).resolve().parent.parent
    if found != tree:
        raise SystemExit(f"ner_distill was imported from {found}, expected {tree}")
    print(f"witness of {tree}", file=sys.stderr)


def wanted(only: Sequence[str]) -> list[Case]:
    """The cases of these names, or all, each behind those that it needs; what others wait for comes first."""
    found: dict[str, Case] = {}

    def add(case: Case) -> None:
        for need in case.needs:
            add(CASES[need])
        found.setdefault(case.name, case)

    chosen = [CASES[name] for name in only] if only else list(CASES.values())
    for case in sorted(chosen, key=lambda case: not case.first):
        add(case)
    return list(found.values())


# ---- running


def run(cases: Sequence[Case], work: Path, *, jobs: int) -> Hashes:
    """Run the cases, so many at once, each in a process of its own. A case that fails has the one part `failed`."""
    (work / "logs").mkdir()
    hashes: Hashes = {}
    waiting, running, took = list(cases), dict[int, tuple[Case, float]](), dict[str, float]()
    while waiting or running:
        free = jobs - sum(case.slots for case, _ in running.values())
        for case in list(waiting):
            if lost := [need for need in case.needs if "failed" in hashes.get(need, ())]:
                hashes[case.name] = {"failed": f"needs {', '.join(lost)}"}
                waiting.remove(case)
            elif all(need in hashes for need in case.needs) and (case.slots <= free or not running):
                running[_fork(case, work)] = (case, time.monotonic())
                waiting.remove(case)
                free -= case.slots
            if free <= 0:
                break
        if running:
            pid, status, usage = os.wait4(-1, 0)
            case, began = running.pop(pid)
            took[case.name] = usage.ru_utime + usage.ru_stime
            hashes[case.name] = _read(case, work, status)
            said = f"{time.monotonic() - began:.1f} s, {took[case.name]:.1f} s of a processor"
            print(f"{len(hashes):3}/{len(cases)} {case.name}: {said}", file=sys.stderr, flush=True)
    slowest = ", ".join(f"{name} {took[name]:.0f} s" for name in sorted(took, key=lambda name: -took[name])[:10])
    print(f"in all {sum(took.values()):.0f} s of a processor, most of it in {slowest}", file=sys.stderr)
    return hashes


def _fork(case: Case, work: Path) -> int:
    if child := os.fork():
        return child
    code = 1
    try:
        log = os.open(_log(case, work), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(work)
        os.environ["XDG_CACHE_HOME"] = str(work / "cache" / case.name)
        Path(case.name).mkdir()
        shell = Shell(case.name)
        case.work(shell)
        hashes = {**shell.printed, **hashes_below(Path(case.name))}
        (work / "logs" / f"{case.name}.json").write_text(json.dumps(hashes), "utf-8")
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _log(case: Case, work: Path) -> Path:
    return work / "logs" / f"{case.name}.txt"


def _read(case: Case, work: Path, status: int) -> dict[str, str]:
    if status == 0:
        hashes: dict[str, str] = json.loads((work / "logs" / f"{case.name}.json").read_text("utf-8"))
        return hashes
    lines = _log(case, work).read_text("utf-8", errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    return {"failed": (errors or [line for line in lines if line.strip()] or [f"status {status}"])[-1].strip()}


# ---- comparing


def compared(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    """A line for each part that is not the same in both."""
    for name in sorted({*before, *after}):
        if name not in after or name not in before:
            yield f"{name}: only {'before' if name in before else 'now'}"
            continue
        old, new = before[name], after[name]
        if "failed" in {**old, **new}:
            if old != new:
                said = [parts.get("failed", "done") for parts in (old, new)]
                yield f"{name}: {said[0]} before, {said[1]} now"
            continue
        for part in sorted({*old, *new}):
            if old.get(part) != new.get(part):
                yield f"{name}: {part}: {old.get(part, 'not there')} before, {new.get(part, 'not there')} now"


if __name__ == "__main__":
    main()
