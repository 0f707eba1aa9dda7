"""Labelled files as the commands read them: repaired and flattened, with warnings of what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.formats.documents import Cut
from ner_distill.data.formats.lines import STDIN
from ner_distill.data.formats.readers import Corpus, read_corpus, read_documents
from ner_distill.data.formats.segment import unit_of_texts
from ner_distill.data.formats.units import Cutting, Given, differs, find_cutting, spread
from ner_distill.data.sentence import Sentence, Unit, labels_of, unit_named, without_overlap
from ner_distill.errors import DataError, printable
from ner_distill.options import FileOptions, ReadOptions

PEEKED = 2000  # sentences


def read_labelled(
    paths: Sequence[str | Path],
    name: str,
    options: ReadOptions,
    reporter: Reporter,
    *,
    unit: Unit | str = "auto",
    known: Cutting | None = None,
    keep_nested: bool = False,
) -> tuple[list[Sentence], Cutting]:
    """The labelled sentences of files, and how their words are cut; warns of what was repaired or left out.

    name:        of the setting that names the files, for messages.
    unit:        how texts are cut, 'auto': as `unit` of the options says, else as is known, or as suits the files.
                 Words that a file gives stay as they are.
    known:       how the words are cut that a model was or will be trained on; what is other about these is said.
                 Without it these are the words to train on: said is where raw text would be cut into others.
    keep_nested: entities may overlap.
    """
    if known is not None and unit == options.unit == "auto":
        unit = known.unit
    corpus = read_repaired(paths, options, reporter, unit=unit)
    if odd := [label for label in labels_of(corpus.sentences) if not printable(label)]:
        raise DataError(f"{name}: expected entity types without control characters, found {odd[0]!r}; rename it")
    sentences = usable(corpus.sentences, name, options, reporter)
    if known is None and corpus.cutting.notable:
        reporter.warn(f"{name}: {corpus.cutting.warning()}")
    if known is not None and (other := differs(list(map(Given.of, spread(sentences))), known)) is not None:
        reporter.warn(f"{name}: {other}. Cut them alike: `unit` is for texts, words that a file gives stay as they are")
    return sentences if keep_nested else flattened(sentences, name, options, reporter), corpus.cutting


def read_repaired(
    paths: Sequence[str | Path], options: FileOptions, reporter: Reporter, *, unit: Unit | str = "auto"
) -> Corpus:
    """All sentences of files, unlabelled ones too; warns of what was repaired. unit: as of `read_labelled`."""
    corpus = read_corpus(
        paths,
        format=options.format,
        scheme=options.scheme,
        word_column=options.word_column,
        tag_column=options.tag_column,
        unit=options.unit if unit == "auto" else unit,
        strict=options.strict,
    )
    for remark in corpus.report.remarks:
        reporter.info(remark)
    if not corpus.report.clean:
        reporter.warn(corpus.report.summary())
    return corpus


def flattened(sentences: Sequence[Sentence], name: str, options: ReadOptions, reporter: Reporter) -> list[Sentence]:
    """Sentences whose entities do not overlap; warns of how many entities were left out.

    `flatten` of the options says which of two entities stays. Raises DataError where it does not and two overlap.
    """
    flat, dropped = [], 0
    for sentence in sentences:
        kept = without_overlap(sentence.spans or (), shortest=options.flatten == "shortest")
        lost = len(sentence.spans or ()) - len(kept)
        if lost and options.flatten is None:
            raise DataError(
                f"{name}: sentence {sentence.id} has entities that overlap, and a BIO tag cannot hold both. "
                "Give `flatten` longest (or shortest) to keep one of each, or use a head that finds both "
                '(head.kind = "global-pointer", say)'
            )
        dropped += lost
        flat.append(replace(sentence, spans=kept) if lost else sentence)
    if dropped:
        other = "shorter" if options.flatten == "shortest" else "longer"
        reporter.warn(f"{name}: {dropped:,} entities that overlap a {other} one left out")
    return flat


def unit_of_raw(
    text: Sequence[str | Path], format: str, unit: str, word_column: int | None = None, *, cut: Cut | None = None
) -> Unit:
    """How raw text is cut into words: as asked, or ("auto") what suits its first sentences.

    cut: what a document is, where that is no line or record.
    Raises DataError where there is no sentence, or none that could be read twice.
    """
    if (asked := unit_named(unit)) is not None:
        return asked
    if STDIN in map(str, text):
        raise DataError("`text` -: standard input is read once, so say how: `unit` word or `unit` character")
    whole = replace(cut or Cut(), splitter=None)  # sentences are of the same words
    documents = read_documents(list(text), whole, format=format, unit="word", word_column=word_column)
    seen = [document.whole for document in islice(documents, PEEKED)]
    if not seen:
        raise DataError(f"`text` {', '.join(map(str, text))}: no sentence in it")
    texts = [sentence.text for sentence in seen if sentence.text is not None]
    return unit_of_texts(texts) if texts else find_cutting(list(map(Given.of, seen))).unit


def usable(sentences: Sequence[Sentence], name: str, options: ReadOptions, reporter: Reporter) -> list[Sentence]:
    """Labelled sentences with at least one word; says how many others were left out.

    Raises DataError where none is left, or with `strict` where any is left out.
    """
    labelled = [sentence for sentence in sentences if sentence.words and sentence.spans is not None]
    if not labelled:
        raise DataError(f"{name}: no labelled sentence in it; expected sentences with tags or entities")
    left_out = len(sentences) - len(labelled)
    if left_out and options.strict:
        raise DataError(f"{name}: {left_out:,} sentences without words or labels (without `strict`: left out)")
    if left_out:
        reporter.warn(f"{name}: {left_out:,} sentences without words or labels left out")
    return labelled
