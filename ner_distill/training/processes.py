"""One process or several: the device, sums over processes, and stopping when asked to."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import reduce
from types import TracebackType
from typing import Any, Self

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor


def make_accelerator(precision: str = "fp32") -> Accelerator:
    """The device and the processes at hand; bf16 through autocast."""
    # one process may train several models, each in its own precision; accelerate would hold on to the first one's
    AcceleratorState._reset_state()
    # said outright, as without a GPU each process of torchrun would else take itself for the only one
    cpu = not torch.accelerator.is_available()
    return Accelerator(mixed_precision="bf16" if precision == "bf16" else "no", cpu=cpu)


def sum_over_processes(accelerator: Accelerator, values: Tensor) -> Tensor:
    """Add up a small tensor of every process; on the CPU."""
    if accelerator.num_processes == 1:
        return values
    reduced: Tensor = accelerator.reduce(values.to(accelerator.device), reduction="sum").cpu()
    return reduced


def any_process(accelerator: Accelerator, wish: bool) -> bool:
    """True in every process where any of them wishes it."""
    return bool(sum_over_processes(accelerator, torch.tensor([float(wish)], dtype=torch.float64)).item())


def numbers_of(values: Sequence[Tensor]) -> list[float]:
    """Scalars of one device as numbers, all in one transfer: each one by itself would make the host wait."""
    if not values:
        return []
    dtype = reduce(torch.promote_types, (value.dtype for value in values))
    numbers: list[float] = torch.stack([value.detach().to(dtype) for value in values]).tolist()
    return numbers


ONE_WISH = 1.0
"""Seconds in which several signals are one wish to stop: who ends a group of processes is heard by each of them, and
a process that sees its parent go tells itself as well.
"""


class StopSignals:
    """Inside `with`, Ctrl-C and SIGTERM are noted instead of raised; a later second one stops at once."""

    def __init__(self) -> None:
        self.received = False
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        with suppress(ValueError):  # not the main thread: whoever runs us handles signals
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: object) -> None:
        now = time.monotonic()
        if self.received and now - self._since > ONE_WISH:
            raise KeyboardInterrupt
        if not self.received:
            self.received, self._since = True, now
