"""How a run reads raw text: cut as its training words are, unless another unit is asked for, and a word of warning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.formats.segment import segment
from ner_distill.data.formats.units import Cutting
from ner_distill.data.sentence import Sentence, unit_named
from ner_distill.runs.info import RunInfo

MUCH = 0.2
"""Share of words that are cut otherwise, from which on little can be expected of what is found."""


def cutting_for(run: Path, info: RunInfo, asked: str, reporter: Reporter) -> Cutting:
    """How the text that a run answers on is cut: its own way, or the unit that was asked for, which is then said."""
    unit = unit_named(asked)
    if unit is None or unit == info.unit:
        return info.cutting
    reporter.warn(f"`unit` {unit}: text is cut so, though {run} was trained on words cut by {info.unit}")
    return replace(info.cutting, unit=unit)


def said_where_cut(
    sentences: Iterable[Sentence], run: Path, cutting: Cutting, reporter: Reporter
) -> Iterator[Sentence]:
    """The sentences as they are. Warns at the first whose text was cut by us, where the run's training words are not.

    cutting: of the run, as the text is cut.
    """
    silent = not cutting.notable
    for sentence in sentences:
        if not silent and sentence.text is not None and segment(sentence.text, cutting.unit)[1] == sentence.offsets:
            reporter.warn(
                f"{run} was trained on words of which {cutting.mismatch:.1%} are not as raw text is cut here (`unit` "
                f"{cutting.unit}): {_harm(cutting.mismatch)}. Give text that is cut into such words "
                "already (CoNLL columns, JSON Lines with `words`, or blanks between the words and `unit` blank)"
            )
            silent = True
        yield sentence


def _harm(mismatch: float) -> str:
    return "what it finds in raw text means little" if mismatch >= MUCH else "it may miss entities at such words"
