"""Summing gradients over processes, while the last backward pass of a step still runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, distributed, nn

BUCKET_BYTES = 25 * 2**20
"""How much is sent at once: as DistributedDataParallel does (Li et al. 2020, "PyTorch Distributed", section 3.2.3)."""


class GradientSum:
    """Sums the gradients of all processes, in buckets.

    The gradients of the parameters that were used last are there first, so buckets are filled from the last parameter
    to the first. During the last backward pass of a step a bucket is sent as soon as its gradients are whole; what is
    left is sent when the step's passes are over. All processes send the same buckets in the same order, whatever each
    of them computed: a gradient that a process does not have counts as zeros, and its bucket, with those behind it, is
    sent at the end.

    Unlike DistributedDataParallel this does not wrap the model, so that a step may call any of its methods in any
    number of passes. Of one process it does nothing.
    """

    def __init__(
        self, accelerator: Accelerator, parameters: Sequence[nn.Parameter], *, bucket_bytes: int = BUCKET_BYTES
    ) -> None:
        self._parameters = list(parameters)
        self._alone = accelerator.num_processes == 1
        self._buckets = [] if self._alone else buckets_of(self._parameters, bucket_bytes)
        self._listening = False
        self._sent: list[tuple[Tensor, distributed.Work]] = []
        self._missing: list[int] = []
        for number, bucket in enumerate(self._buckets):
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(self._hook(number))

    def begin_last_pass(self) -> None:
        """Say that the coming backward pass is the last one of this step in this process."""
        self._listening = True
        self._missing = [len(bucket) for bucket in self._buckets]

    def finish(self) -> list[Tensor]:
        """Send what was not sent, and wait; what has a gradient in no process keeps none.

        Returns: the gradients that there are, the same in all processes.
        """
        self._listening = False
        if not self._alone:
            there = self._parameters[0].new_tensor([float(one.grad is not None) for one in self._parameters])
            while len(self._sent) < len(self._buckets):
                self._send()
            distributed.all_reduce(there)
            for bucket, (flat, work) in zip(self._buckets, self._sent, strict=True):
                work.wait()
                for parameter, part in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
                    parameter.grad = part.view_as(parameter)
            self._sent = []
            for parameter, number in zip(self._parameters, there.tolist(), strict=True):
                if not number:
                    parameter.grad = None
        return [parameter.grad for parameter in self._parameters if parameter.grad is not None]

    def _hook(self, bucket: int) -> Callable[[Tensor], None]:
        def ready(_: Tensor) -> None:
            if self._listening:
                self._missing[bucket] -= 1
                while len(self._sent) < len(self._buckets) and self._missing[len(self._sent)] == 0:
                    self._send()

        return ready

    def _send(self) -> None:
        """Send the next bucket."""
        bucket = self._buckets[len(self._sent)]
        flat = torch.cat([(torch.zeros_like(one) if one.grad is None else one.grad).flatten() for one in bucket])
        work = distributed.all_reduce(flat, async_op=True)
        self._sent.append((flat, work))


def buckets_of(parameters: Sequence[nn.Parameter], bucket_bytes: int) -> list[list[nn.Parameter]]:
    """The parameters from the last to the first, in buckets of one type of number and about so many bytes."""
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in reversed(parameters):
        size = parameter.numel() * parameter.element_size()
        if not buckets or buckets[-1][0].dtype != parameter.dtype or size > room:
            buckets.append([])
            room = bucket_bytes
        buckets[-1].append(parameter)
        room -= size
    return buckets
