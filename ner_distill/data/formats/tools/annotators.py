"""What readers of annotation tools share: of several annotations the one that is read, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ner_distill.data.formats.report import ReadReport, counted
from ner_distill.data.formats.rows import Entity, Row, RowOptions
from ner_distill.errors import DataError


class LeftOut:
    """What a reader leaves out of a file, counted; `say` puts a line for each kind into the report."""

    def __init__(self, path: str, report: ReadReport) -> None:
        self.path, self.report = path, report
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, one: str, many: str, why: str = "", count: int = 1) -> None:
        """Count `one` thing (`many` in the plural); why: what stands behind `left out`."""
        self.counts[one, many, why] += count

    def add_all(self, items: object, one: str, many: str) -> None:
        """Count what a list or an object holds; anything else holds nothing."""
        if isinstance(items, list | dict) and items:
            self.add(one, many, count=len(items))

    def say(self) -> None:
        for (one, many, why), count in self.counts.items():
            if count:
                self.report.remark(self.path, f"{counted(count, one, many)} left out{': ' * bool(why)}{why}")


@dataclass(frozen=True)
class Annotation:
    """What one person (or one sitting) labelled in a text.

    when:  a time as text that sorts by time, "" where it is not known.
    truth: the tool says that this one is the ground truth.
    """

    entities: tuple[Entity, ...]
    when: str = ""
    truth: bool = False

    @property
    def places(self) -> set[tuple[int, int, str]]:
        return {(one.start, one.end, one.label) for one in self.entities}


def chosen(annotations: Sequence[Annotation], row: Row, options: RowOptions) -> tuple[Entity, ...]:
    """The entities of the ground truth, else of the newest annotation (of equal times the last one).

    Annotations that differ are noted in the report, at the place of the row.
    """
    if len(annotations) == 1:
        return annotations[0].entities
    best = max(enumerate(annotations), key=lambda item: (item[1].truth, item[1].when, item[0]))[1]
    differing = sum(other.places != best.places for other in annotations)
    if differing:
        which = "the ground truth" if best.truth else "the newest"
        detail = f"{len(annotations)} annotations, {differing} of them other than {which}, which is read"
        options.report.note("several_annotations", row.path, row.line, detail)
    return best.entities


def entity_of(start: object, end: object, label: object, surface: object, row: Row) -> Entity:
    """An entity in characters, end exclusive. Raises DataError for what is no number or no name."""
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
        found = f"start {start!r:.40}, end {end!r:.40}, label {label!r:.40}"
        raise DataError.at(row.path, row.line, f"expected an entity with whole numbers and a label, found {found}")
    return Entity(start, end, label, surface if isinstance(surface, str) else None)
