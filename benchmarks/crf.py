"""Speed of our CRF against pytorch-crf: `python -m benchmarks.crf [--threads 2] [--device cpu]`.

Both run alternately on the same scores (random, all transitions allowed, unequal lengths); a ratio is theirs / ours
of one round, the median over rounds is shown. pytorch-crf has no marginals: there the baseline is the plain way to
get them, the gradient of its own log-partition by the scores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torchcrf import CRF  # type: ignore[import-untyped]

from ner_distill.nn.heads import CrfHead


class Case:
    """The same problem for both: scores, mask and tags of one batch."""

    def __init__(self, tags: int, *, batch: int, words: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        lengths = torch.randint(words // 2, words + 1, (batch,), generator=generator)
        lengths[0] = words
        self.mask = (torch.arange(words) < lengths[:, None]).to(device)
        self.tags = torch.randint(tags, (batch, words), generator=generator).to(device)
        self.scores = (3 * torch.randn(batch, words, tags, generator=generator)).to(device).requires_grad_()
        self.ours = CrfHead(tags, [True] * tags, [[True] * tags] * tags)
        self.ours.project = torch.nn.Identity()  # type: ignore[assignment]  # only what comes after it is compared
        self.theirs = CRF(tags, batch_first=True)
        with torch.no_grad():
            self.ours.start.copy_(self.theirs.start_transitions)
            self.ours.end.copy_(self.theirs.end_transitions)
            self.ours.transitions.copy_(self.theirs.transitions)
        self.ours.to(device)
        self.theirs.to(device)

    def loss(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """Forward and backward, as in training."""
        return (
            lambda: torch.autograd.backward(self.ours.loss(self.scores, self.mask, self.tags)),
            lambda: torch.autograd.backward(-self.theirs(self.scores, self.tags, self.mask)),
        )

    def marginals(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """Without a gradient of their own, as for a teacher."""

        def theirs() -> Tensor:
            log_z = self.theirs._compute_normalizer(self.scores.transpose(0, 1), self.mask.t())
            return torch.autograd.grad(log_z.sum(), self.scores)[0]

        return torch.no_grad()(lambda: self.ours.log_probs(self.scores, self.mask)), theirs

    def decode(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """The best paths."""
        return (
            torch.no_grad()(lambda: self.ours.decode(self.scores, self.mask)),
            torch.no_grad()(lambda: self.theirs.decode(self.scores, self.mask)),
        )


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall time of one call, its work on the device included."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def compare(ours: Callable[[], object], theirs: Callable[[], object], rounds: int, device: torch.device) -> str:
    """One line: median times and the median of the rounds' ratios."""
    for work in (ours, theirs):
        seconds(work, device)
        seconds(work, device)
    times = [(seconds(ours, device), seconds(theirs, device)) for _ in range(rounds)]
    our_time, their_time = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(slow / fast for fast, slow in times)
    return f"{our_time:9.2f} {their_time:12.2f} {ratio:7.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Speed of our CRF against pytorch-crf.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--words", type=int, default=128)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    print(f"batch {arguments.batch}, words {arguments.words}, {arguments.device}, {arguments.threads} threads")
    print(f"{'work':<18} {'tags':>4} {'ours ms':>9} {'torchcrf ms':>12} {'ratio':>7}")
    for tags in (9, 41):
        case = Case(tags, batch=arguments.batch, words=arguments.words, device=device)
        works = {"loss and gradient": case.loss(), "marginals": case.marginals(), "decode": case.decode()}
        for name, (ours, theirs) in works.items():
            print(f"{name:<18} {tags:4d} {compare(ours, theirs, arguments.rounds, device)}")


if __name__ == "__main__":
    main()
