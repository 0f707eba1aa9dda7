"""Linear layers in 8 bits, for models that answer on a CPU: as ONNX Runtime multiplies them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.backbone import LIKE_BERT

STEPS = 63
OPSET = 17


class Int8Linear(nn.Module):
    """A linear layer with integers for weights, a scale for each row of them; vectors are rounded as they come.

    Vectors have 8 bits, and one scale for all rows of a call: what is rounded depends on which sentences are a batch.
    Weights have 7, so that sums of two products fit into the 16 bits that processors without VNNI have for them.
    (torch's own layers of this kind are no faster, rounder, and on their way out.)
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
        weight = layer.weight.detach().float().cpu().numpy()
        self._session = _session(weight, bias.float().cpu().numpy())

    def forward(self, vectors: Tensor) -> Tensor:
        """(…, in) float32 → (…, out) float32. No gradient."""
        rows = vectors.detach().flatten(0, -2).contiguous().numpy()
        product: Tensor = torch.from_numpy(self._session.run(None, {"vectors": rows})[0])
        return product.reshape(*vectors.shape[:-1], product.shape[-1])


def no_int8(name: str) -> ConfigError:
    """What to raise where this teacher cannot answer in 8 bits."""
    kinds = ", ".join(LIKE_BERT)
    return ConfigError(f"`precision` int8: {name}: expected a teacher on a pretrained encoder ({kinds}); use fp32")


def quantize_linear(module: nn.Module) -> int:
    """Put an `Int8Linear` in the place of every linear layer inside; returns how many there are then."""
    count = 0
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            count += isinstance(child, nn.Linear | Int8Linear)
            if isinstance(child, nn.Linear):
                setattr(parent, name, Int8Linear(child))
    return count


def quantize_layers(layers: nn.ModuleList) -> int:
    """Put an `Int8Linear` in the place of the linear layers of a transformer of BERT's kind; how many there are then.

    Those that leave the feed-forward parts stay: what they read has rare large values, which one scale for all rows
    takes the precision of all others for. They alone changed more tags than all others together.
    """
    parts: Any = [part for layer in layers for part in (layer.attention, layer.intermediate)]
    return sum(map(quantize_linear, parts))


def _session(weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> Any:
    """A session of onnxruntime that multiplies `vectors` (rows, in) with what the weight (out, in) is rounded to."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    outputs, inputs = weight.shape
    scales = np.abs(weight).max(1, initial=0.0) / STEPS
    scales[scales < np.finfo(np.float32).tiny] = 1.0  # a row of zeros has any scale
    constants = {
        "rounded": np.ascontiguousarray(np.rint(weight / scales[:, None]).astype(np.int8).T),
        "zeros": np.zeros(outputs, np.int8),
        "scales": scales.astype(np.float32),
        "bias": bias,
    }
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["vectors"], ["steps", "step", "zero"]),
        helper.make_node("MatMulInteger", ["steps", "rounded", "zero", "zeros"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["products"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["step", "scales"], ["units"]),
        helper.make_node("Mul", ["products", "units"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["result"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["rows", inputs])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, ["rows", outputs])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    _share_memory()
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@cache
def _share_memory() -> None:
    """Let all sessions of this process allocate from one arena: each would keep its own of a layer's size."""
    from onnxruntime import OrtAllocatorType, OrtMemoryInfo, OrtMemType, create_and_register_allocator

    place = OrtMemoryInfo("Cpu", OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, OrtMemType.DEFAULT)
    create_and_register_allocator(place, None)
