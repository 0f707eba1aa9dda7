"""Predictions as they are printed: in one of the formats that are written, with the lattice below sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import refuse_reading
from ner_distill.data.formats.writing.base import About, AnyWriter, Labelled, Losses, Scored, TextWriter
from ner_distill.data.formats.writing.plain import Columns, without_overlaps
from ner_distill.data.sentence import Sentence
from ner_distill.errors import ConfigError
from ner_distill.options.models import PredictOptions
from ner_distill.pipelines.predict import Prediction
from ner_distill.views.labelled import printer_of, write_labelled, writer_of

__all__ = ["format_prediction", "labelled_of", "render", "without_overlaps", "write_predictions"]


def render(
    predictions: Iterable[Prediction], options: PredictOptions, *, width: int, reporter: Reporter | None = None
) -> Iterator[str]:
    """What to print for each prediction, without the last line end; at the end warns of what `format` cannot hold.

    Of a page its head comes before the first, and its foot after the last.
    width: columns of the lattices that are drawn below inline sentences. Raises ConfigError for a lattice below others
    and for a format that is no text, before the first prediction is asked for.
    """
    style, losses = options.style, Losses()
    if options.lattice and style != "inline":
        raise ConfigError(f"`lattice` draws below inline sentences; expected `format` inline, found {style!r}")
    writer = printer_of(style, About(options.named))
    if options.lattice:
        yield from _with_lattices(predictions, writer, losses, width)
    else:
        parts = writer.parts(_records(predictions, writer), losses)
        yield from (part.removesuffix("\n") for part in parts if part)  # UIE: several texts are written together
    for warning in losses.warnings():
        (reporter or Reporter()).warn(warning)


def write_predictions(
    predictions: Iterable[Prediction], options: PredictOptions, out: str, reporter: Reporter | None = None
) -> None:
    """Write predictions into a file or folder that appears when it is whole; warns of what the format cannot hold.

    Raises ConfigError, before the first prediction is asked for, for a lattice and for a name that says no format;
    for a file of text that would be replaced; RunError for what is there already.
    """
    if options.lattice:
        raise ConfigError("`lattice` is drawn where sentences are printed; expected no `out` beside it")
    writer = writer_of(options.format, out, About(options.named))
    refuse_reading(out, options.text)
    write_labelled(writer, _records(predictions, writer), out, reporter or Reporter(), overwrite=options.overwrite)


def _with_lattices(predictions: Iterable[Prediction], writer: TextWriter, losses: Losses, width: int) -> Iterator[str]:
    for prediction in predictions:
        line = writer.block(prediction.sentence, prediction.spans, losses).removesuffix("\n")
        if prediction.matches is not None:
            from ner_distill.views.lattice import picture  # it needs rich, which other predictions do not wait for

            line += f"\n{picture(prediction.sentence.words, prediction.matches, width=width)}\n"
        yield line


def _records(predictions: Iterable[Prediction], writer: AnyWriter) -> Iterator[Labelled]:
    """What is written of predictions: of columns the sentences of a document, which they part by blank lines."""
    for prediction in predictions:
        if prediction.parts and isinstance(writer, Columns):
            yield from (Labelled(sentence, spans) for sentence, spans in prediction.parts)
        else:
            yield labelled_of(prediction)


def labelled_of(prediction: Prediction) -> Labelled:
    """A prediction as writers take it."""
    return Labelled(prediction.sentence, prediction.spans)


def format_prediction(sentence: Sentence, spans: Sequence[Scored], style: str) -> str:
    """One sentence with its predicted spans in a format that is text; the caller ends it with a newline.

    jsonl:  see `prediction_record`. conll: see `Columns`; the newline that the caller adds makes the blank line.
    inline: see `Inline`. html: the block of a sentence in the page, see `Page`.

    Spans may nest; jsonl and html have them all. Raises ValueError for a span beyond the sentence.
    """
    for span, _ in spans:
        if span.end > len(sentence.words):
            raise ValueError(f"sentence {sentence.id}: {span} ends beyond its {len(sentence.words)} words")
    return printer_of(style, About("model")).block(sentence, spans, Losses()).removesuffix("\n")
