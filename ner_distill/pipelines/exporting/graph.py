"""The model of a run as an ONNX graph: what words became goes in, scores come out; entities are read from them outside.

Written by `torch.export`, whose graphs have any number of sentences, words and pieces. Of the graph's inputs a tagger
(`ner_distill.tagger`) makes those that the graph names.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ner_distill.errors import RunError
from ner_distill.files import replacing
from ner_distill.nn.heads import CrfHead, PointerHead, TokenHead
from ner_distill.nn.heads.base import AnyHead
from ner_distill.nn.tagger import Tagger

OPSET = 20
FIXED = {"bigrams": (1,)}
"""Dimensions of inputs that have always one size; all others are free."""
UNUSED = {"first": ("word_pieces", "piece_word"), "mean": ("word_piece",)}
"""Inputs of a pretrained encoder that pooling so does not read."""


class ScoreGraph(nn.Module):
    """A tagger from inputs, by position, to scores, float32.

    Of a token head log probabilities of the tags (batch, words, tags); of a CRF the scores of words without those of
    transitions; of a pointer logits of all spans (batch, types, words, words), the lowest number where there is none.
    """

    def __init__(self, tagger: Tagger, names: Sequence[str]) -> None:
        super().__init__()
        self.tagger, self.names = tagger, tuple(names)

    def forward(self, *values: Tensor) -> Tensor:
        inputs = dict(zip(self.names, values, strict=True))
        vectors, head = self.tagger.vectors(inputs), self.tagger.head
        if isinstance(head, TokenHead):
            return head.logits(vectors).log_softmax(-1)
        if isinstance(head, PointerHead):
            return head.scores(vectors, inputs["mask"])
        scores: Tensor = head.project(vectors)  # type: ignore[operator]
        return scores


def can_be_a_graph(head: AnyHead) -> bool:
    """Whether the scores of a head are numbers that a tagger can decode."""
    return isinstance(head, TokenHead | CrfHead | PointerHead)


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class NoGraph(RunError):
    """A model that torch cannot write as an ONNX graph; the message is torch's reason."""


def write_graph(tagger: Tagger, inputs: dict[str, Tensor], path: Path) -> None:
    """Write a tagger as an ONNX file.

    inputs: of a small batch, whose sizes are 2 or more: a size of 1 would be taken for a constant.
    Raises RunError where the model cannot be exported.
    """
    graph = ScoreGraph(tagger, list(inputs)).eval()
    free = tuple(
        {axis: torch.export.Dim.DYNAMIC for axis in range(tensor.dim()) if axis not in FIXED.get(name, ())}
        for name, tensor in inputs.items()
    )
    try:
        with _silence():
            program = torch.onnx.export(
                graph,
                tuple(inputs.values()),
                dynamo=True,
                dynamic_shapes=(free,),
                input_names=list(inputs),
                output_names=["scores"],
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
        assert program is not None
        with replacing(path) as temporary:
            program.save(str(temporary))
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, NotImplementedError) as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise NoGraph(_COLOURS.sub("", reason)[:300]) from error


def quantized(source: Path, path: Path) -> None:
    """Write a graph with the weights as 8-bit integers, a scale for each row; activations as they come."""
    from onnxruntime.quantization import (
        QuantType,
        quantize_dynamic,
    )

    with _silence(), replacing(path) as temporary:
        quantize_dynamic(
            source,
            temporary,
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            extra_options={"DefaultTensorType": 1},  # float, where shapes were not inferred
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Without what the exporter says of its own registry, and of types that shape inference does not know."""
    names = ("torch.onnx", "onnxscript", "root", "onnx_ir")
    before = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def head_settings(head: AnyHead) -> dict[str, Any]:
    """What decoding the scores of a head has to know, as `ner_distill.tagger` reads it."""
    if isinstance(head, CrfHead):
        learned = {name: getattr(head, name).tolist() for name in ("start", "end", "transitions")}
        return {"head": "crf", **learned}
    if isinstance(head, TokenHead):
        return {"head": "token", "greedy": head.greedy}
    return {"head": "spans"}
