"""`label-dictionary`: raw text and lists of names → labelled sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import count_sentences, read_raw, refuse_reading
from ner_distill.data.formats.reading import unit_of_raw
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.lexicon.dictionaries import Dictionaries, common_words, parse_dictionaries
from ner_distill.data.noise.folds import entities_alone
from ner_distill.data.sentence import Sentence, Unit, separator
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import refuse_existing
from ner_distill.options.labels import LabelDictionaryOptions


@dataclass
class Matched:
    """What was found: sentences and words read, of each type the forms and how often, and ambiguous places.

    negative: words that are surely of no entity; None where nobody said so of any.
    """

    sentences: int = 0
    words: int = 0
    labelled: int = 0
    forms: dict[str, Counter[str]] = field(default_factory=dict)
    dropped: int = 0
    negative: int | None = None

    @property
    def entities(self) -> int:
        return sum(sum(forms.values()) for forms in self.forms.values())

    def summary(self) -> str:
        """Returns several lines: how much was found, and of each type what most often."""
        lines = [
            f"{self.sentences:,} sentences, {self.words:,} words, of which {self.labelled:,} "
            f"({self.labelled / max(self.words, 1):.1%}) in {self.entities:,} entities"
        ]
        if self.negative is not None:
            lines[0] += f"; {self.negative:,} ({self.negative / max(self.words, 1):.1%}) surely of none"
        for label, common in common_words(self.forms).items():
            forms = self.forms[label]
            shown = ", ".join(f"{form} ({count:,})" for form, count in common) or "none"
            lines.append(f"  {label}: {sum(forms.values()):,} entities of {len(forms):,} forms; most often: {shown}")
        return "\n".join(lines)


def label_dictionary(options: LabelDictionaryOptions, reporter: Reporter | None = None) -> Matched:
    """Label raw text of any size with dictionaries; write JSON Lines, sentences without an entity too.

    Raises NerDistillError for wrong input, and DataError where nothing at all is found; then nothing is written.
    """
    reporter, text, format = reporter or Reporter(), list(options.text), options.format
    if options.unlabelled == "mask" and not options.negative:
        raise ConfigError("`unlabelled` mask leaves no word outside of entities to learn from: give `negative` FILE")
    files = parse_dictionaries(options.dictionary)
    lists = [path for paths in files.values() for path in paths]
    refuse_existing(options.out, overwrite=options.overwrite)
    if options.out.exists():
        refuse_reading(options.out, [*lists, *options.negative])
        refuse_reading(options.out, text, format)
    unit = unit_of_raw(text, format, options.unit, options.word_column)
    dictionaries = _read_dictionaries(files, unit, options, reporter)
    matched = Matched(forms={label: Counter() for label in files}, negative=0 if options.negative else None)
    sentences = read_raw(text, format=format, unit=unit, word_column=options.word_column, say=reporter.info)
    with reporter.progress("labelling", total=count_sentences(text, format=format), unit="sentences") as progress:

        def labelled() -> Iterator[Sentence]:
            for sentence in sentences:
                labels = _labelled(sentence, dictionaries, matched)
                yield entities_alone(labels) if options.unlabelled == "mask" else labels
                progress.advance()
            if not matched.entities:
                raise DataError(_nothing(text, dictionaries, matched.dropped))

        write_jsonl(labelled(), options.out, overwrite=options.overwrite)
    for label in [label for label, forms in matched.forms.items() if not forms]:
        reporter.warn(f"`dictionary` {label}: {_WHY_NONE}")
    if matched.negative == 0:
        reporter.warn("`negative`: none of its words stands in the text")
    if matched.dropped:
        reporter.warn(f"{matched.dropped:,} places of forms under two types {_CONFLICTS[dictionaries.conflicts]}")
    return matched


_CONFLICTS = {"drop": "left without a label", "mask": "left out of the loss (keep)", "first": "took the first type"}


def _read_dictionaries(
    files: dict[str, list[Path]], unit: Unit, options: LabelDictionaryOptions, reporter: Reporter
) -> Dictionaries:
    """Read dictionaries; say what was cleaned, and which forms stand under two types."""
    dictionaries, counts = Dictionaries.read(
        files, unit=unit, conflicts=options.conflicts, fold_case=options.fold_case, negative=options.negative
    )
    for label, reasons in counts.items():
        cleaned = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if reason != "entries")
        reporter.info(f"{label}: {reasons['entries']:,} entries" + (f"; lines: {cleaned}" if cleaned else ""))
    if ambiguous := dictionaries.ambiguous:
        shown = ", ".join(f"{form} ({' and '.join(labels)})" for form, labels in list(ambiguous.items())[:5])
        more = ", ..." if len(ambiguous) > 5 else ""
        reporter.warn(f"{len(ambiguous):,} forms stand under two types: {shown}{more}; `conflicts` {options.conflicts}")
    return dictionaries


def _labelled(sentence: Sentence, dictionaries: Dictionaries, matched: Matched) -> Sentence:
    found = dictionaries.find(sentence.words)
    between = separator(dictionaries.unit)
    matched.sentences += 1
    matched.words += len(sentence.words)
    matched.dropped += found.dropped
    for span in found.spans:
        matched.labelled += span.end - span.start
        matched.forms[span.label][between.join(sentence.words[span.start : span.end])] += 1
    if matched.negative is not None:
        matched.negative += sum(found.negative or ())
    return replace(sentence, spans=found.spans, keep=found.keep, negative=found.negative)


_WHY_NONE = (
    "none of its entries has labelled anything: they do not stand in the text, or stand under another type as well "
    "(`conflicts`), or in longer names of other types"
)


def _nothing(text: Sequence[str | Path], dictionaries: Dictionaries, dropped: int) -> str:
    if dropped:
        return (
            f"`text` {', '.join(map(str, text))}: nothing to label: all {dropped:,} places where entries of the "
            "dictionaries stand are of forms under two types; take these out of one of the two, or let the first type "
            "have them: `conflicts` first"
        )
    entries = [entry for forms in dictionaries.entries.values() for entry in forms]
    advice = [] if dictionaries.fold_case else ["`fold_case`"]
    advice.append("`unit` word" if dictionaries.unit == "character" else "`unit` character")
    return (
        f"`text` {', '.join(map(str, text))}: none of the {len(entries):,} entries of the dictionaries (such as "
        f"{entries[0]!r}) stands in it; check the language and the spelling, or try {' or '.join(advice)}"
    )
