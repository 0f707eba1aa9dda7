"""What is in a soft-label store: its facts, and sentences with the teacher's entities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ner_distill.data.formats.report import counted
from ner_distill.data.lexicon.lexicon import Match, Matcher
from ner_distill.data.sentence import Span, Unit, separator, without_overlap
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, closest
from ner_distill.views.lattice import picture

SAMPLE_ROWS = 4000
"""About how many sentences the entity table of the header looks at."""

LONGEST_WORD = 100
"""Characters of a word that are shown."""

MOST_SPANS = 20
"""Possible spans of a sentence that are listed: the most probable ones."""

_STYLES = ("bold green", "bold cyan", "bold magenta", "bold yellow", "bold blue", "bold red")
# Text from anywhere must not steer the terminal that shows it.
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "\ufffd")


@dataclass
class TypeCounts:
    """Entities of each type in the sentences that were looked at, and the sum of their confidences."""

    rows: int = 0
    entities: dict[str, int] = field(default_factory=dict)
    confidence: dict[str, float] = field(default_factory=dict)


def show(
    store_path: Path | str,
    *,
    limit: int = 10,
    start: int = 0,
    entities_only: bool = False,
    label: str | None = None,
    min_confidence: float | None = None,
    max_confidence: float | None = None,
    lattice: Path | None = None,
) -> Iterator[RenderableType]:
    """The store's facts, then up to `limit` sentences from sentence `start` on (0 is the first).

    entities_only: only sentences with an entity; label: with one of this type; min_confidence,
    max_confidence: with one (of this type) whose confidence, 0 to 1, is not outside these.
    lattice: a teacher's run; below each sentence the words that its lexicon finds in it.
    Where the store has spans, an entity is one that is more probable than not; below each sentence stand those that
    the teacher thinks possible, nested ones included. Readable without colour. An unfinished store is shown as far as
    it goes. Raises RunError where the store is missing or damaged, ConfigError for a type that it does not have.
    """
    store = SoftLabelStore.open(store_path, allow_incomplete=True, cached_shards=1)
    if label is not None and label not in store.labels:
        close = closest(label, store.labels)
        hint = f"; did you mean {close}?" if close else ""
        raise ConfigError(f"type {label!r} is not in the store; it has {', '.join(store.labels)}{hint}")
    wanted = Wanted(entities_only, label, min_confidence, max_confidence)
    matcher = _matcher(lattice, store.unit) if lattice is not None else None
    return chain([_header(store, count_types(store, SAMPLE_ROWS))], _sentences(store, start, limit, wanted, matcher))


@dataclass(frozen=True)
class Wanted:
    """Which sentences to show."""

    entities_only: bool = False
    label: str | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None

    def takes(self, entities: list[tuple[Span, float]]) -> bool:
        """Is a sentence with these entities one to show?"""
        if not self.entities_only and (self.label, self.min_confidence, self.max_confidence) == (None, None, None):
            return True
        low = 0.0 if self.min_confidence is None else self.min_confidence
        high = np.inf if self.max_confidence is None else self.max_confidence
        return any(self.label in (None, span.label) and low <= confidence <= high for span, confidence in entities)


def count_types(store: SoftLabelStore, sample_rows: int) -> TypeCounts:
    """Count entities in whole shards, spread evenly over the store, until `sample_rows` sentences were seen."""
    counts = TypeCounts()
    shards = store.manifest.shards
    mean = max(1.0, store.rows / max(1, len(shards)))
    take = min(len(shards), max(1, int(sample_rows // mean)))
    for position in np.linspace(0, len(shards) - 1, take).round().astype(int).tolist():
        for block in store.read_shard(position):
            for row in block.rows:
                _count(counts, entities_of(row, store.tagset))
    return counts


def entities_of(row: SoftRow, tagset: TagSet) -> list[tuple[Span, float]]:
    """The entities of a sentence with their confidence: spans that are more probable than not, or the best tags'."""
    if row.spans is None:
        return decode_probs(row.probs, tagset)
    return [(span, score) for span, score in _possible(row, tagset.labels) if score > 0.5]


def _possible(row: SoftRow, labels: tuple[str, ...]) -> list[tuple[Span, float]]:
    """All stored spans of a sentence with their probabilities, each before those that lie in it."""
    assert row.spans is not None
    spans = [(Span(start, end, labels[label]), score) for start, end, label, score in row.spans.tolist()]
    return sorted(spans, key=lambda one: (one[0].start, -one[0].end, -one[1], one[0].label))


class Flowing:
    """Text as parts that stay whole: a line ends between two of them, never in one that fits a line.

    (Rich ends lines at any white space, and would tear the confidence from an entity without spaces.)
    """

    def __init__(self, parts: list[Text]) -> None:
        self.parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text()
        for part in self.parts:
            bare = part.copy()
            bare.rstrip()
            if line.plain and not options.no_wrap and line.cell_len + bare.cell_len > options.max_width:
                line.rstrip()
                yield line
                line = Text()
            line.append_text(part)
        line.rstrip()
        yield line


def render_row(
    row: SoftRow, number: int, entities: list[tuple[Span, float]], *, labels: tuple[str, ...], separator: str
) -> RenderableType:
    """A sentence: `[ORG 0.97 Banco de España]` for entities, `~word~` for words that were dropped.

    Of words of more than LONGEST_WORD characters the first ones. Of entities that overlap the longest; below
    the sentence all possible spans, where the store has them.
    """
    about = f"{number}  {_plain(row.id)}" + (f"  {_plain(row.lang)}" if row.lang else "")
    parts = [_word(word, kept) for word, kept in zip(row.words, row.keep.tolist(), strict=True)]
    ends = {*range(1, len(parts) + 1)}
    outer = {*without_overlap(span for span, _ in entities)}
    for span, confidence in (one for one in entities if one[0] in outer):
        style = _style(span.label, labels)
        inner = [Text.assemble(part, style=style) for part in parts[span.start : span.end]]
        head = Text(f"[{_plain(span.label)} {confidence:.2f} ", style=style)
        inner[0] = head.append_text(inner[0])
        inner[-1].append("]", style=style)
        if separator:
            inner[:-1] = [Text.assemble(part, Text(separator, style=style)) for part in inner[:-1]]
        parts[span.start : span.end] = inner
        ends -= {*range(span.start + 1, span.end)}
    spaced = [part.append(separator) if place in ends else part for place, part in enumerate(parts, start=1)]
    below = [] if row.spans is None else [Possible(row, labels, separator)]
    return Group(Text(about, style="dim"), Flowing(spaced), *below, "")


def _style(label: str, labels: tuple[str, ...]) -> str:
    return _STYLES[labels.index(label) % len(_STYLES)]


def _word(word: str, kept: bool) -> Text:
    text = _plain(word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 1]}…")
    return Text(text) if kept else Text(f"~{text}~", style="dim strike")


class Possible:
    """The spans of a sentence, a line each: probability, type, words; what lies in another stands further right."""

    def __init__(self, row: SoftRow, labels: tuple[str, ...], separator: str) -> None:
        self.words, self.labels, self.separator = row.words, labels, separator
        spans = _possible(row, labels)
        likely = sorted(spans, key=lambda one: -one[1])
        shown = {span for span, _ in likely[:MOST_SPANS]}
        self.spans = [one for one in spans if one[0] in shown]
        self.left_out = likely[MOST_SPANS:]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max((len(_plain(span.label)) for span, _ in self.spans), default=0)
        for span, score in self.spans:
            depth = sum(other.start <= span.start and span.end <= other.end for other, _ in self.spans)
            depth -= sum((other.start, other.end) == (span.start, span.end) for other, _ in self.spans)
            words = self.separator.join(_word(word, True).plain for word in self.words[span.start : span.end])
            line = Text(f"  {score:.2f} ", style="" if score > 0.5 else "dim")
            line.append(_plain(span.label).ljust(width), style=_style(span.label, self.labels))
            line.append(f" {'  ' * depth}{words}")
            if not options.no_wrap:
                line.truncate(options.max_width, overflow="ellipsis")
            yield line
        if self.left_out:
            yield Text(f"  {len(self.left_out):,} more, none above {self.left_out[0][1]:.2f}", style="dim")


class Drawn:
    """The lattice of a sentence, as wide as the terminal."""

    def __init__(self, words: Sequence[str], matches: Sequence[Match]) -> None:
        self.words, self.matches = words, matches

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in picture(self.words, self.matches, width=options.max_width).splitlines():
            yield Text(_plain(line))


def _matcher(run: Path, unit: Unit) -> Matcher:
    from ner_distill.runs.info import read_info
    from ner_distill.runs.knowledge import matcher_of

    if (found := read_info(run).unit) != unit:
        raise ConfigError(f"--lattice {run}: reads {found}s; expected a teacher of {unit}s, as the store's is")
    return matcher_of(run)


def _sentences(
    store: SoftLabelStore, start: int, limit: int, wanted: Wanted, matcher: Matcher | None
) -> Iterator[RenderableType]:
    shown, dropped = 0, False
    for number, row in enumerate(store.iter_rows(start), start=start):
        if shown >= limit:
            break
        entities = entities_of(row, store.tagset)
        if wanted.takes(entities):
            yield render_row(row, number, entities, labels=store.labels, separator=separator(store.unit))
            if matcher is not None:
                yield Group(Drawn(row.words, matcher.matches(row.words)), "")
            shown += 1
            dropped = dropped or not row.keep.all()
    if shown == 0 and limit > 0:
        yield Text(f"No sentence to show from number {start} on: the store has {store.rows:,}, or none fits.")
    if dropped:
        yield Text("~word~: dropped by voting or a threshold; the student does not learn its tag.", style="dim")


def _header(store: SoftLabelStore, counts: TypeCounts) -> RenderableType:
    manifest = store.manifest
    state = "complete" if manifest.complete else "NOT FINISHED: label-unlabeled --resume goes on"
    pairs, spans = (sum(getattr(shard, name) for shard in manifest.shards) for name in ("pairs", "spans"))
    kept = store.kept / store.words if store.words else 1.0
    facts = {
        "store": str(store.path),
        "state": state,
        "sentences": f"{store.rows:,} in {counted(len(manifest.shards), 'shard')}",
        f"{store.unit}s": f"{store.words:,}, {kept:.1%} kept",
        "pairs": f"{pairs:,}",
        **({"spans": f"{spans:,}, more probable than {manifest.span_floor:g}"} if store.has_spans else {}),
        "teacher": "\n".join(f"{one.name} ({one.fingerprint[:12]})" for one in manifest.teachers),
        "labels": ", ".join(store.labels),
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(name, Text("\n".join(_plain(line) for line in value.split("\n"))))
    return Group(grid, "", _type_table(store, counts), "")


def _type_table(store: SoftLabelStore, counts: TypeCounts) -> Table:
    part = "" if counts.rows == store.rows else f" (in {counted(counts.rows, 'sentence')} of {store.rows:,})"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("type", overflow="fold")
    table.add_column(f"entities{part}", justify="right")
    table.add_column("mean confidence", justify="right")
    for label in store.labels:
        found = counts.entities.get(label, 0)
        mean = f"{counts.confidence[label] / found:.3f}" if found else "-"
        table.add_row(Text(_plain(label)), f"{found:,}", mean)
    return table


def _count(counts: TypeCounts, entities: list[tuple[Span, float]]) -> None:
    counts.rows += 1
    for span, confidence in entities:
        counts.entities[span.label] = counts.entities.get(span.label, 0) + 1
        counts.confidence[span.label] = counts.confidence.get(span.label, 0.0) + confidence


def _plain(text: str) -> str:
    return text.translate(_CONTROLS)
