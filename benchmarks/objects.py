"""Labels into an object store, and reads from it: `python -m benchmarks.objects [--lines 20000] [--share 0.1]`.

The server is moto's, on loopback, in a thread of this process: what is measured are requests, and how much they cost
at most (CPU with the server's); not what a network would let through. Labelling is once from and into directories of
this machine, once from and into URLs, and once with a server that fails at a share of the requests. Shards have to be
the same bytes each time.

Exit status 1 where they are not.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import common
from ner_distill.data.formats.readers import read_raw
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from tests import s3


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def drained(text: str | Path) -> None:
    for _ in read_raw([text], unit="word"):
        pass


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--shard-size", type=int, default=1024)
    parser.add_argument("--share", type=float, default=0.1, help="of requests that fail in the last run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder, s3.serving() as server:
        for name, value in s3.environment(server).items():
            os.environ[name] = value
        home, url = Path(folder), f"s3://{s3.BUCKET}"
        text = home / "raw.txt"
        lines = common.lines_of(options.text, options.lines)
        text.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        s3.client(server).upload_file(str(text), s3.BUCKET, "raw.txt")
        teacher = common.scratch_teacher(home / "teacher", lines, hidden=64, heads=4)

        def label(source: str | Path, out: str | Path) -> None:
            label_unlabeled(
                LabelUnlabeledOptions(teacher=[teacher], text=[source], out=out, shard_size=options.shard_size)
            )

        def shards(place: str | Path) -> list[str]:
            return [shard.sha256 for shard in SoftLabelStore.open(place, verify=True).manifest.shards]

        rows: list[tuple[str, float, float, str]] = []

        def measured(name: str, work: Callable[[], Any]) -> None:
            server.asked.clear()
            wall, cpu = timed(work)
            kinds = Counter(method for method, _, _ in server.asked)
            rows.append((name, wall, cpu, ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))))

        measured("read, directory", lambda: drained(text))
        measured("read, URL", lambda: drained(f"{url}/raw.txt"))
        measured("label, directory", lambda: label(text, home / "soft"))
        measured("label, URL", lambda: label(f"{url}/raw.txt", f"{url}/soft"))
        measured("blocks, directory", lambda: SoftLabelStore.open(home / "soft").blocks)
        measured("blocks, URL", lambda: SoftLabelStore.open(f"{url}/soft").blocks)
        measured("all rows, directory", lambda: list(SoftLabelStore.open(home / "soft").iter_rows()))
        measured("all rows, URL", lambda: list(SoftLabelStore.open(f"{url}/soft").iter_rows()))
        with server.failing(options.share):
            measured(f"label, URL, {options.share:.0%} fail", lambda: label(f"{url}/raw.txt", f"{url}/failing"))
            failed = dict(server.failed)
        found = [shards(place) for place in (home / "soft", f"{url}/soft", f"{url}/failing")]
    print(f"{options.lines:,} lines, {len(found[0])} shards; seconds of wall and CPU (with the server's), requests")
    for name, wall, cpu, asked in rows:
        print(f"{name:28} {wall:7.1f} {cpu:7.1f}  {asked}")
    print(f"failed: {failed}")
    same = found[0] == found[1] == found[2]
    print("shards: the same bytes" if same else "SHARDS DIFFER")
    sys.exit(not same)


if __name__ == "__main__":
    main()
