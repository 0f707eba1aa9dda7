"""Tag ids of a run: `O` is 0; type k has `B` at 1 + 2k and `I` at 2 + 2k."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Span


@dataclass(frozen=True)
class TagSet:
    """The BIO tags of a fixed order of entity types.

    Model-side tags are always IOB2: the schemes of files end at the file's edge (`tagging.py`).
    """

    labels: tuple[str, ...]

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """`("O", "B-LOC", "I-LOC", ...)`."""
        return ("O", *(f"{prefix}-{label}" for label in self.labels for prefix in "BI"))

    def __len__(self) -> int:
        return 1 + 2 * len(self.labels)

    @cached_property
    def _label_ids(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.labels)}

    def encode(self, spans: Iterable[Span], words: int) -> list[int]:
        """Tag ids of `words` words. Raises ValueError where two spans overlap: BIO cannot say that."""
        ids = [0] * words
        for span in spans:
            if any(ids[span.start : span.end]):
                raise ValueError(f"{span} overlaps another entity: BIO tags cannot hold both")
            first = 1 + 2 * self._label_ids[span.label]
            ids[span.start : span.end] = [first] + [first + 1] * (span.end - span.start - 1)
        return ids

    def places(self, spans: Iterable[Span]) -> npt.NDArray[np.int64]:
        """(spans, 3): first word, end (half-open) and type, numbered as `labels`."""
        rows = [(span.start, span.end, self._label_ids[span.label]) for span in spans]
        return np.array(rows, np.int64).reshape(-1, 3)

    def decode(self, ids: Sequence[int]) -> tuple[Span, ...]:
        """Spans of tag ids. An `I` that continues nothing starts an entity of its type."""
        spans: list[Span] = []
        start, label = 0, -1
        for position, tag in enumerate([*ids, 0]):
            kind = (tag - 1) // 2 if tag else -1
            continues = tag != 0 and tag % 2 == 0 and kind == label
            if continues:
                continue
            if label >= 0:
                spans.append(Span(start, position, self.labels[label]))
            start, label = position, kind
        return tuple(spans)

    def allowed_start(self) -> list[bool]:
        """For each tag: may a sentence begin with it? (tags,)"""
        return [tag == 0 or tag % 2 == 1 for tag in range(len(self))]

    def allowed_transitions(self) -> list[list[bool]]:
        """[previous][next]: an `I-X` follows only `B-X` and `I-X`. (tags, tags)"""
        return [
            [
                following == 0 or following % 2 == 1 or previous in (following, following - 1)
                for following in range(len(self))
            ]
            for previous in range(len(self))
        ]
