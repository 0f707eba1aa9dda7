"""A soft-label store on the terminal: its facts, and sentences with the teacher's entities marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ner_distill.data.formats.report import counted
from ner_distill.data.sentence import ScoredSpan, Span, separator, without_overlap, words_called
from ner_distill.data.store.manifest import OUT_OF_FOLD, Manifest, TeacherId
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.options import spelled
from ner_distill.pipelines.show import Excerpt, ShownSentence, TypeCounts
from ner_distill.views.lattice import LatticePicture
from ner_distill.views.marked import LONGEST_WORD, Flowing, style_of
from ner_distill.views.text import plain, shortened

MOST_SPANS = 20
"""Possible spans of a sentence that are listed: the most probable ones."""


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
    kept = store.kept / store.words if store.words else 1.0
    evaluated, weighted = manifest.evaluators, manifest.settings.get("weighted_by")
    spans = f"{manifest.total('spans'):,}, more probable than {manifest.span_floor or 0:g}"
    facts = {
        "store": store.place.shown,
        "state": "complete" if manifest.complete else spelled("NOT FINISHED: label-unlabeled `resume` goes on"),
        "sentences": f"{store.rows:,} in {counted(len(manifest.shards), 'shard')}",
        words_called(store.unit): f"{store.words:,}, {kept:.1%} kept",
        "pairs": f"{manifest.total('pairs'):,}",
        **({"spans": spans} if store.has_spans else {}),
        "teacher": _runs(manifest.teachers, "teacher_weights", manifest.settings),
        **({"evaluator": _runs(manifest.evaluators, "evaluator_weights", manifest.settings)} if evaluated else {}),
        **({"weighted by": str(weighted)} if weighted else {}),
        **({"out of fold": _out_of_fold(manifest)} if "out_of_fold" in manifest.settings else {}),
        "labels": ", ".join(store.labels),
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(name, Text("\n".join(map(plain, value.split("\n")))))
    return grid


def _runs(runs: Sequence[TeacherId], name: str, settings: Mapping[str, object]) -> str:
    """The runs, a line each, with their weights where they are no plain mean: for all types, then for single ones."""
    lines = [f"{run.name} ({run.fingerprint[:12]})" for run in runs]
    for key, weights in settings.items():
        what, _, label = key.partition(" ")
        if what == name and isinstance(weights, tuple) and len(weights) == len(lines):
            said = f", {label} " if label else " weight "
            lines = [f"{line}{said}{weight}" for line, weight in zip(lines, weights, strict=True)]
    return "\n".join(lines)


def _out_of_fold(manifest: Manifest) -> str:
    return f"{counted(manifest.counters().get(OUT_OF_FOLD, 0), 'sentence')} of the training text, by fold teachers"


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
        yield Text.assemble(Text.assemble(opens, text, closes, style=style_of(span.label, store.labels)), after)


def _possible(spans: list[ScoredSpan], words: Sequence[str], store: SoftLabelStore) -> Iterator[RenderableType]:
    """The spans, a line each: probability, type, words; what lies in another stands further right."""
    likely = sorted(spans, key=lambda item: -item[1])
    listed, left_out = {span for span, _ in likely[:MOST_SPANS]}, likely[MOST_SPANS:]
    spans = [(span, score) for span, score in spans if span in listed]
    width = max((len(plain(span.label)) for span, _ in spans), default=0)
    for span, score in spans:
        text = separator(store.unit).join(_word(word, True).plain for word in words[span.start : span.end])
        label = Text(plain(span.label).ljust(width), style=style_of(span.label, store.labels))
        indent = "  " * _depth(span, spans)
        style = "" if score > 0.5 else "dim"
        yield CutLine(Text.assemble(f"  {score:.2f} ", label, f" {indent}{text}", style=style))
    if left_out:
        yield Text(f"  {len(left_out):,} more, none above {left_out[0][1]:.2f}", style="dim")


def _depth(span: Span, spans: list[ScoredSpan]) -> int:
    """In how many of the spans this one lies."""
    outer = [other for other, _ in spans if other.start <= span.start and span.end <= other.end]
    return sum((other.start, other.end) != (span.start, span.end) for other in outer)


def _word(word: str, kept: bool) -> Text:
    text = plain(shortened(word, LONGEST_WORD))
    return Text(text) if kept else Text(f"~{text}~", style="dim strike")


class CutLine:
    """A line that is cut at the width of the terminal."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = self._text.copy()
        if not options.no_wrap:
            line.truncate(options.max_width, overflow="ellipsis")
        yield line
