"""Gives the program run folders and stores that were tampered with: `python -m benchmarks.hostile [--cases 2000]`.

Every file of a few small runs and a store is changed in one place: values of other types, huge numbers, deep nesting,
paths that climb, code where libraries would look for it, links, pipes, cut and random bytes. Each case is read by the
command that a user would give it to, in a fork with bounded memory and time, in which every file that is opened for
writing, process that is started, connection that is made and code that is compiled is looked at.

Good are a result and a message with exit status 1 or 2. Exit status 1 where any case ends otherwise.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import tomli_w
import torch

from benchmarks import common
from benchmarks.kills import SMALL, log_of, prepared
from ner_distill import cli

SECONDS, MIB = 20.0, 3000
OUTSIDE = "/etc/passwd"
HOSTILE: Sequence[Any] = (
    None, True, -1, 0, 1, 2, 10**6, 10**12, 10**30, -(10**30), 1e308, 1e-308, 0.5, "", "x", "../../../etc/passwd",
    OUTSIDE, "\x1b[2J\x1b]0;owned\x07", "a" * 100_000, "\ud800", "NaN", [], [[]], {}, {"": ""}, [1, "a", None],
    ["../../x", "/tmp/x"], {"../../x": "../../y"}, "https://example.invalid/x", "os.system", "__import__('os')",
)  # fmt: skip
CODE = "import pathlib\npathlib.Path('executed').write_text('executed')\nraise SystemExit(77)\n"


def changed(value: Any, rng: random.Random) -> Any:
    """A value with one part of it replaced, repeated, removed or added to."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], changed(value[place], rng), *value[place + 1 :]]
    if rng.random() < 0.1:
        return [value] * 1000
    return rng.choice(HOSTILE)


def _json(path: Path, rng: random.Random) -> str:
    value = json.loads(path.read_text("utf-8"))
    kind = rng.random()
    if kind < 0.05:
        path.write_text("[" * 100_000, "utf-8")
        return "deeply nested"
    if kind < 0.1 and isinstance(value, dict):
        path.write_text(json.dumps(value)[:-1] + ', "auto_map": {"AutoTokenizer": ["code.T", "code.T"], "AutoModel": '
                        '"code.M", "AutoConfig": "code.C"}, "custom": ' + "9" * 5000 + "}", "utf-8")  # fmt: skip
        return "names code, and a number of 5000 digits"
    path.write_text(json.dumps(changed(value, rng)), "utf-8")
    return "a value changed"


def _toml(path: Path, rng: random.Random) -> str:
    value = tomllib.loads(path.read_text("utf-8"))
    for _ in range(10):
        try:
            path.write_text(tomli_w.dumps(changed(value, rng)), "utf-8")
            return "a value changed"
        except (TypeError, ValueError, AttributeError):
            continue
    return "nothing changed"


def _bytes(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    kind = rng.choice(["cut", "flipped", "random", "header"])
    if kind == "cut":
        data = data[: rng.randrange(len(data) + 1)]
    elif kind == "random":
        data = bytearray(rng.randbytes(1000))
    elif kind == "header":
        data[:8] = rng.choice([2**63, 2**31, 0, len(data) + 1]).to_bytes(8, "little")
    else:
        for _ in range(rng.choice([1, 10])):
            data[rng.randrange(min(len(data), rng.choice([200, 10**9])))] = rng.randrange(256)
    path.write_bytes(bytes(data))
    return f"bytes {kind}"


def _link(path: Path, rng: random.Random) -> str:
    path.unlink()
    kind = rng.choice(["/etc/passwd", "/dev/zero", "/proc/self/mem", "pipe", "directory", "itself", "nowhere", "gone"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind != "gone":
        path.symlink_to({"itself": path.name, "nowhere": "/nowhere/x"}.get(kind, kind))
    return f"replaced: {kind}"


def _code(path: Path, rng: random.Random) -> str:
    for name in ("code.py", "__init__.py", "json.py", "torch.py", "tokenization_bert.py", "modeling_bert.py"):
        (path.parent / name).write_text(CODE)
    (path.parent / "adapter_config.json").write_text('{"base_model_name_or_path": "../..", "peft_type": "LORA"}')
    (path.parent / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\nX\x0e\x00\x00\x00touch executed\x85R.")
    (path.parent / "features.pkl").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    if path.suffix == ".safetensors" and rng.random() < 0.5:
        path.unlink()
    return "code and pickles beside it"


def tampered(folder: Path, rng: random.Random) -> str:
    """Change one file of a copy of a run. Returns what was done."""
    path = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in UNREAD))
    ways: list[Callable[[Path, random.Random], str]] = [_bytes, _link, _code]
    own = {".json": _json, ".toml": _toml}.get(path.suffix)
    ways += [own] * 9 if own else []
    return f"{path.relative_to(folder)}: {rng.choice(ways)(path, rng)}"


UNREAD = ("log.txt", "metrics.jsonl", "README.md")
Events = list[str]


def _watched(allowed: Path, suspicious: Path) -> None:
    """From now on write down what must not happen; there is no way to take this back, hence the fork."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        what = None
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path, flags = Path(os.fsdecode(arguments[0])).absolute(), arguments[2]
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not path.is_relative_to(allowed) and str(path) != os.devnull:
                what = f"wrote {path}"
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect", "socket.bind"):
            what = f"{event} {arguments!r:.200}"
        elif event == "pickle.find_class":
            what = f"unpickled {arguments}"
        elif event == "exec" and str(suspicious) in getattr(arguments[0], "co_filename", ""):
            what = f"ran {arguments[0].co_filename}"
        if what:
            os.write(2, f"\nFORBIDDEN: {what}\n".encode())

    sys.addaudithook(look)


def _child(command: Sequence[str], folder: Path, place: Path) -> NoReturn:
    output = os.open(log_of(folder), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MIB * 2**20,) * 2)
    os.chdir(place)
    sys.argv = ["ner-distill", *command]
    status = 1
    _watched(place, folder)
    try:
        cli.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:
        status = 99
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(status)


def outcome(command: Sequence[str], folder: Path, place: Path) -> str:
    """Run a command on a folder. Returns "done", "refused", or what went wrong."""
    sys.stdout.flush()
    number, began = os.fork() or _child(command, folder, place), time.monotonic()
    while True:
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - began > SECONDS:
            os.kill(number, 9)
            os.waitpid(number, 0)
            return "TOO LONG"
        time.sleep(0.01)
    said = log_of(folder).read_text("utf-8", "replace")
    if "FORBIDDEN" in said or (place / "executed").exists():
        return "FORBIDDEN"
    if "Traceback" in said:
        return "TRACEBACK"
    if "\x1b" in said:
        return "ESCAPES"
    code = os.waitstatus_to_exitcode(status)
    return {0: "done", 1: "refused", 2: "refused"}.get(code, f"STATUS {code}")


def prepared_folders(place: Path) -> dict[str, tuple[Path, Sequence[str]]]:
    """Small runs and a store, and the command that reads each (FOLDER stands for it)."""
    prepared(place / "sample", "sample", str(place / "sample"))
    chinese, english = place / "sample" / "zh", place / "sample" / "en"
    characters = _words(chinese)
    lexicon = place / "lexicon.txt"
    lexicon.write_text("\n".join(map("".join, pairwise(characters))) + "\n", "utf-8")
    raw = place / "raw.txt"
    raw.write_text("Ann lives in Oslo .\n王小明在北京工作。\n", "utf-8")
    common.checkpoint(place / "bert", _words(english), layers=2, hidden=32, heads=2)
    small = [part for setting in (*SMALL, "optim.epochs=1") for part in ("--set", setting)]
    lattice = ["lattice.kind=flat", f'lattice.lexicon=["{lexicon}"]', "features.pinyin=true", "features.glyph=true"]
    lattice = [part for one in (*lattice, f'features.gazetteers={{PER="{lexicon}"}}') for part in ("--set", one)]
    bert = ["--set", f"encoder.name={place / 'bert'}", "--set", "optim.epochs=1"]
    made = {
        "lattice-teacher": ("train-teacher", chinese, [*small, *lattice]),
        "scratch-teacher": ("train-teacher", english, small),
        "pretrained-teacher": ("train-teacher", english, bert),
    }
    for name, (command, data, options) in made.items():
        files = ["--train", str(data / "dev.conll"), "--dev", str(data / "dev.conll")]
        prepared(place / name, command, *files, *options, "--out", str(place / name))
    teacher, store = str(place / "scratch-teacher"), str(place / "store")
    prepared(place / "store", "label-unlabeled", "--teacher", teacher, "--text", str(raw), "--out", store)
    soft = ["train-student", "--soft", store, "--dev", str(english / "dev.conll")]
    prepared(place / "scratch-student", *soft, *small, "--out", str(place / "scratch-student"))
    prepared(place / "pretrained-student", *soft, *bert, "--out", str(place / "pretrained-student"))
    names = [*made, "scratch-student", "pretrained-student"]
    reading = ["predict", "--model", "FOLDER", "--text", str(raw)]
    learning = ["train-student", "--soft", "FOLDER", "--dev", str(english / "dev.conll"), *small, "--out", "OUT"]
    folders: dict[str, tuple[Path, Sequence[str]]] = {name: (place / name, reading) for name in names}
    folders["store"] = (place / "store", ["show", "FOLDER"])
    folders["store to learn from"] = (place / "store", learning)
    return folders


def _words(folder: Path) -> list[str]:
    lines = (folder / "train.conll").read_text("utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def main() -> None:
    """A line for each case that ends badly, then the counts."""
    parser = common.arguments(__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for kind, (folder, command) in prepared_folders(place).items():
            counts[kind] = Counter()
            for case in range(given.cases // 7):
                rng = random.Random(f"{given.seed} {kind} {case}")
                copy = place / "copy"
                shutil.copytree(folder, copy)
                done = tampered(copy, rng)
                out = str(place / "out")
                end = outcome([{"FOLDER": str(copy), "OUT": out}.get(part, part) for part in command], copy, place)
                counts[kind][end] += 1
                if end not in ("done", "refused"):
                    print(f"{kind} case {case}: {done}: {end}", flush=True)
                    print(log_of(copy).read_text("utf-8", "replace")[-600:].strip().replace("\n", "\n    "), flush=True)
                shutil.rmtree(copy)
                shutil.rmtree(out, ignore_errors=True)
            print(f"{kind}: {', '.join(f'{count:,} {end}' for end, count in counts[kind].items())}", flush=True)
    sys.exit(any(end not in ("done", "refused") for found in counts.values() for end in found))


if __name__ == "__main__":
    main()
