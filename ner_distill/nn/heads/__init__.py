"""Word vectors → tags, or entities. A new head is a `TagHead` or a `SpanHead` in a file of its own, and a line here."""

from __future__ import annotations

from ner_distill.nn.heads.base import AnyHead, Gold, Head, SpanHead, TagHead, Tags
from ner_distill.nn.heads.crf import CrfHead
from ner_distill.nn.heads.crf_per_type import CrfPerTypeHead
from ner_distill.nn.heads.mrc import MrcHead
from ner_distill.nn.heads.pointer import AdditivePointerHead, EfficientPointerHead, GlobalPointerHead, PointerHead
from ner_distill.nn.heads.pu import PuHead
from ner_distill.nn.heads.token import TokenHead
from ner_distill.nn.spans import Spans

HEADS: dict[str, type[TagHead] | type[SpanHead]] = {
    "token": TokenHead,
    "crf": CrfHead,
    "pu": PuHead,
    "crf-per-type": CrfPerTypeHead,
    "global-pointer": GlobalPointerHead,
    "efficient-global-pointer": EfficientPointerHead,
    "additive-pointer": AdditivePointerHead,
    "mrc": MrcHead,
}

__all__ = [
    "HEADS",
    "AnyHead",
    "CrfHead",
    "CrfPerTypeHead",
    "GlobalPointerHead",
    "Gold",
    "Head",
    "MrcHead",
    "PointerHead",
    "PuHead",
    "SpanHead",
    "Spans",
    "TagHead",
    "Tags",
    "TokenHead",
]
