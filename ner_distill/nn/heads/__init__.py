"""Word vectors → tags, or entities."""

from __future__ import annotations

from typing import TypeGuard, cast

from torch import Tensor

from ner_distill.nn.heads.base import Head, SpanHead
from ner_distill.nn.heads.crf import CrfHead
from ner_distill.nn.heads.crf_per_type import CrfPerTypeHead
from ner_distill.nn.heads.mrc import MrcHead
from ner_distill.nn.heads.pointer import AdditivePointerHead, EfficientPointerHead, GlobalPointerHead
from ner_distill.nn.heads.token import TokenHead
from ner_distill.nn.spans import Spans

HEADS: dict[str, type[TokenHead] | type[CrfHead]] = {"token": TokenHead, "crf": CrfHead}
SPAN_HEADS: dict[str, type[CrfPerTypeHead] | type[MrcHead]] = {"crf-per-type": CrfPerTypeHead, "mrc": MrcHead}
POINTERS = {
    "global-pointer": GlobalPointerHead,
    "efficient-global-pointer": EfficientPointerHead,
    "additive-pointer": AdditivePointerHead,
}
AnyHead = Head | SpanHead

__all__ = [
    "HEADS",
    "POINTERS",
    "SPAN_HEADS",
    "AdditivePointerHead",
    "AnyHead",
    "CrfHead",
    "CrfPerTypeHead",
    "EfficientPointerHead",
    "GlobalPointerHead",
    "Head",
    "MrcHead",
    "SpanHead",
    "Spans",
    "TokenHead",
    "is_span_head",
    "loss_of",
]


def is_span_head(head: object) -> TypeGuard[SpanHead]:
    """Does this head find spans (nested ones too) rather than tags?"""
    return hasattr(head, "find")


def loss_of(
    head: AnyHead,
    vectors: Tensor,
    mask: Tensor,
    *,
    tags: Tensor,
    spans: Spans | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """The loss of a head of either kind, a scalar SUM: see `Head.loss` and, where it needs `spans`, `SpanHead.loss`."""
    if not is_span_head(head):
        return cast(Head, head).loss(vectors, mask, tags, weight)
    if spans is None:
        raise ValueError("a span head learns from spans, found none")
    return head.loss(vectors, mask, spans, weight)
