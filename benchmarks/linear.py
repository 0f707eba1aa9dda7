"""Linear layers of a model that answers on a CPU, oneDNN's against torch's own: `python -m benchmarks.linear`.

The sizes are those of a small pretrained encoder's feed-forward layer; both multiply the same rows in turn.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from benchmarks import common
from ner_distill.runtime.onednn import onednn_linear, plain_linear

CPU = torch.device("cpu")
CALLS = 20


def main() -> None:
    """Print milliseconds of each way, and how much faster oneDNN is."""
    parser = common.arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    layer = nn.Linear(312, 1248)
    print(f"{'rows':>6} {'torch ms':>10} {'oneDNN ms':>10} {'faster':>7}")
    for rows in (64, 256, 1024, 2048):
        vectors = torch.randn(rows, 312)

        def work(context=plain_linear, vectors=vectors) -> None:  # type: ignore[no-untyped-def]
            with torch.inference_mode(), context(CPU):
                for _ in range(CALLS):
                    layer(vectors)

        work(onednn_linear)  # compiles its kernel
        ways = {
            context.__name__: partial(common.seconds, partial(work, context), given.clock)
            for context in (plain_linear, onednn_linear)
        }
        times = common.alternately(ways, given.rounds)
        plain, onednn = (1000 / CALLS * common.median(times[name]) for name in ways)
        print(f"{rows:>6} {plain:10.2f} {onednn:10.2f} {plain / onednn:7.2f}")


if __name__ == "__main__":
    main()
