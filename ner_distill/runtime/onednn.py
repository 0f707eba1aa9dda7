"""Linear layers of a model that answers on a CPU: as torch multiplies, or as oneDNN does."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

ROWS_TOGETHER = 256


def plain_linear(device: torch.device) -> AbstractContextManager[object]:
    """Inside this, linear layers are torch's own."""
    return nullcontext()


def onednn_linear(device: torch.device) -> AbstractContextManager[object]:
    """Inside this, linear layers in float32 take oneDNN on a CPU with AVX-512. No gradients inside.

    torch multiplies float32 matrices with MKL, which on AMD's processors takes its kernels for older ones: half as
    fast. Results differ from MKL's by rounding in float32. (`torch.set_float32_matmul_precision("medium")` also leads
    to oneDNN, but for the small products of attention too, which it slows down more than it gains, and it
    computes in bfloat16 on processors with AMX.)
    """
    helps = device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"
    return _OneDnnLinear() if helps and torch.backends.mkldnn.is_available() else nullcontext()


class _OneDnnLinear(TorchFunctionMode):
    """Sends `functional.linear` to oneDNN where both matrices are float32.

    oneDNN compiles a kernel for each number of rows, about a megabyte of them each: rows are filled up so that few
    numbers come.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is functional.linear and not kwargs and len(args) == 3 and not torch.is_autocast_enabled("cpu"):
            vectors, weight, bias = args
            few = vectors.numel() < ROWS_TOGETHER * vectors.shape[-1]  # a sentence alone: filling up costs more
            if vectors.dtype == weight.dtype == torch.float32 and vectors.dim() > 1 and not few:
                rows = vectors.flatten(0, -2)
                padded = functional.pad(rows, (0, 0, 0, -len(rows) % ROWS_TOGETHER))
                product = torch.ops.mkldnn._linear_pointwise(padded, weight, bias, "none", [], "")
                return product[: len(rows)].unflatten(0, vectors.shape[:-1])
        return func(*args, **(kwargs or {}))


fast_linear = onednn_linear  # or plain_linear, whose words per second `python -m benchmarks.linear` shows beside
