"""A soft-label store on the terminal: its facts, and sentences with the teacher's entities marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ner_distill.data.formats.report import counted
from ner_distill.data.sentence import ScoredSpan, Span, separator, without_overlap, words_called
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.options import spelled
from ner_distill.pipelines.show import Excerpt, ShownSentence, TypeCounts
from ner_distill.views.lattice import LatticePicture
from ner_distill.views.text import plain, shortened

LONGEST_WORD = 100
"""Characters of a word that are shown."""

MOST_SPANS = 20
"""Possible spans of a sentence that are listed: the most probable ones."""

_STYLES = ("bold green", "bold cyan", "bold magenta", "bold yellow", "bold blue", "bold red")


def render(excerpt: Excerpt) -> Iterator[RenderableType]:
    """The parts to print one below the other: the facts, the sentences, what their marks mean. Needs no colour."""
    store = excerpt.store
    yield Group(_facts(store), "", _type_table(store, excerpt.counts), "")
    empty, dropped = True, False
    for sentence in excerpt.sentences:
        yield _sentence(sentence, store)
        empty, dropped = False, dropped or not sentence.row.keep.all()
    if empty:
        yield Text(f"No sentence to show from number {excerpt.start} on: the store has {store.rows:,}, or none fits.")
    if dropped:
        yield Text("~word~: dropped by voting or a threshold; the student does not learn its tag.", style="dim")


def _facts(store: SoftLabelStore) -> Table:
    manifest = store.manifest
    shards = manifest.shards
    kept = store.kept / store.words if store.words else 1.0
    spans = f"{sum(shard.spans for shard in shards):,}, more probable than {manifest.span_floor or 0:g}"
    facts = {
        "store": str(store.path),
        "state": "complete" if manifest.complete else spelled("NOT FINISHED: label-unlabeled `resume` goes on"),
        "sentences": f"{store.rows:,} in {counted(len(shards), 'shard')}",
        words_called(store.unit): f"{store.words:,}, {kept:.1%} kept",
        "pairs": f"{sum(shard.pairs for shard in shards):,}",
        **({"spans": spans} if store.has_spans else {}),
        "teacher": "\n".join(f"{teacher.name} ({teacher.fingerprint[:12]})" for teacher in manifest.teachers),
        "labels": ", ".join(store.labels),
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(name, Text("\n".join(map(plain, value.split("\n")))))
    return grid


def _type_table(store: SoftLabelStore, counts: TypeCounts) -> Table:
    part = "" if counts.rows == store.rows else f" (in {counted(counts.rows, 'sentence')} of {store.rows:,})"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("type", overflow="fold")
    table.add_column(f"entities{part}", justify="right")
    table.add_column("mean confidence", justify="right")
    for label in store.labels:
        count = counts.entities[label]
        table.add_row(Text(plain(label)), f"{count:,}", f"{counts.confidence[label] / count:.3f}" if count else "-")
    return table


def _sentence(sentence: ShownSentence, store: SoftLabelStore) -> RenderableType:
    """`[ORG 0.97 Banco de España]` for entities, `~word~` for words that were dropped.

    Of words of more than LONGEST_WORD characters the first ones, of entities that overlap the longest. Below the
    sentence its possible spans, where the store has them, and its lattice, where it is asked for.
    """
    row = sentence.row
    about = f"{sentence.number}  {plain(row.id)}" + (f"  {plain(row.lang)}" if row.lang else "")
    possible = _possible(sentence.possible, row.words, store) if sentence.possible is not None else ()
    lattice = (LatticePicture(row.words, sentence.matches), "") if sentence.matches is not None else ()
    return Group(Text(about, style="dim"), Flowing(_words(sentence, store)), *possible, "", *lattice)


def _words(sentence: ShownSentence, store: SoftLabelStore) -> Iterator[Text]:
    """The words, each with the brackets that open before it and close behind it, and the space that follows."""
    space = separator(store.unit)
    outer = {*without_overlap(span for span, _ in sentence.entities)}
    entities = [(span, confidence) for span, confidence in sentence.entities if span in outer]
    inside = {word: entity for entity in entities for word in range(entity[0].start, entity[0].end)}
    for number, (word, kept) in enumerate(zip(sentence.row.words, sentence.row.keep.tolist(), strict=True)):
        text = _word(word, kept)
        if number not in inside:
            yield text.append(space)
            continue
        span, confidence = inside[number]
        opens = f"[{plain(span.label)} {confidence:.2f} " if number == span.start else ""
        closes, after = ("]", space) if number == span.end - 1 else (space, "")
        yield Text.assemble(Text.assemble(opens, text, closes, style=_style(span.label, store)), after)


def _possible(spans: list[ScoredSpan], words: Sequence[str], store: SoftLabelStore) -> Iterator[RenderableType]:
    """The spans, a line each: probability, type, words; what lies in another stands further right."""
    likely = sorted(spans, key=lambda item: -item[1])
    listed, left_out = {span for span, _ in likely[:MOST_SPANS]}, likely[MOST_SPANS:]
    spans = [(span, score) for span, score in spans if span in listed]
    width = max((len(plain(span.label)) for span, _ in spans), default=0)
    for span, score in spans:
        text = separator(store.unit).join(_word(word, True).plain for word in words[span.start : span.end])
        label = Text(plain(span.label).ljust(width), style=_style(span.label, store))
        indent = "  " * _depth(span, spans)
        style = "" if score > 0.5 else "dim"
        yield CutLine(Text.assemble(f"  {score:.2f} ", label, f" {indent}{text}", style=style))
    if left_out:
        yield Text(f"  {len(left_out):,} more, none above {left_out[0][1]:.2f}", style="dim")


def _style(label: str, store: SoftLabelStore) -> str:
    return _STYLES[store.labels.index(label) % len(_STYLES)]


def _depth(span: Span, spans: list[ScoredSpan]) -> int:
    """In how many of the spans this one lies."""
    outer = [other for other, _ in spans if other.start <= span.start and span.end <= other.end]
    return sum((other.start, other.end) != (span.start, span.end) for other in outer)


def _word(word: str, kept: bool) -> Text:
    text = plain(shortened(word, LONGEST_WORD))
    return Text(text) if kept else Text(f"~{text}~", style="dim strike")


class Flowing:
    """Text as parts that stay whole: a line ends between two of them, never in one that fits a line.

    (Rich ends lines at any white space, and would tear the confidence from an entity without spaces.)
    """

    def __init__(self, parts: Iterable[Text]) -> None:
        self._parts = list(parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text()
        for part in self._parts:
            bare = part.copy()
            bare.rstrip()
            if line.plain and not options.no_wrap and line.cell_len + bare.cell_len > options.max_width:
                line.rstrip()
                yield line
                line = Text()
            line.append_text(part)
        line.rstrip()
        yield line


class CutLine:
    """A line that is cut at the width of the terminal."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = self._text.copy()
        if not options.no_wrap:
            line.truncate(options.max_width, overflow="ellipsis")
        yield line
