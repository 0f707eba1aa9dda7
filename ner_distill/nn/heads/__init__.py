"""Word vectors → tags."""

from __future__ import annotations

from ner_distill.nn.heads.base import Head
from ner_distill.nn.heads.crf import CrfHead
from ner_distill.nn.heads.token import TokenHead

HEADS: dict[str, type[TokenHead] | type[CrfHead]] = {"token": TokenHead, "crf": CrfHead}

__all__ = ["HEADS", "CrfHead", "Head", "TokenHead"]
