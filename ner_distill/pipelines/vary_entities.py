"""`vary-entities`: labelled sentences → more of their kind, for a teacher to answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import refuse_reading
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Unit, labels_of
from ner_distill.data.store.pseudo_labels import labelled_row
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import files_of_store
from ner_distill.data.varying import VAIN, can_be_varied, forms_of, vary
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import refuse_existing
from ner_distill.options.labels import VaryOptions
from ner_distill.options.shared import PathOrUrl


@dataclass
class Varied:
    """Sentences that were written, and how many forms of each type there were to draw from."""

    sentences: int = 0
    words: int = 0
    forms: dict[str, int] = field(default_factory=dict)

    def summary(self) -> str:
        """Returns a line."""
        forms = ", ".join(f"{label} {count:,}" for label, count in self.forms.items())
        return f"{self.sentences:,} sentences, {self.words:,} words; drawn from so many forms: {forms}"


def vary_entities(options: VaryOptions, reporter: Reporter | None = None) -> Varied:
    """Write labelled sentences once more as JSON Lines, their entities replaced by others of the same types.

    The others are those of the labelled sentences and, with `soft`, those that a teacher found in raw text.
    Raises NerDistillError for wrong input, and DataError where no sentence can be varied; then nothing is written.
    """
    reporter = reporter or Reporter()
    refuse_existing(options.out, overwrite=options.overwrite, read=files_of_store(options.soft))
    if options.out.exists():
        refuse_reading(options.out, options.train, options.format)
    # nested entities are kept, so that sentences that have some are left out instead of refused
    sentences, cutting = read_labelled(options.train, "`train`", options.reading(), reporter, keep_nested=True)
    usable = [sentence for sentence in sentences if can_be_varied(sentence)]
    if not usable:
        raise DataError(
            f"`train` {', '.join(map(str, options.train))}: none of {len(sentences):,} sentences can be varied; "
            "expected some with entities that neither overlap nor are masked"
        )
    forms = forms_of([*usable, *_found(options.soft, cutting.unit)])
    known = labels_of(usable)
    varied = Varied(forms={label: len(forms[label]) for label in known})

    def counted() -> Iterator[Sentence]:
        for sentence in vary(usable, forms, options.sentences, options.seed):
            varied.sentences += 1
            varied.words += len(sentence.words)
            yield sentence
        if not varied.sentences:
            advice = "other labelled sentences" if options.soft else "`soft`, a store with what a teacher found"
            raise DataError(f"`train`: too few forms of its types to make another sentence of; give {advice}")

    write_jsonl(counted(), options.out, overwrite=options.overwrite)
    if varied.sentences < options.sentences:
        reporter.warn(
            f"{varied.sentences:,} sentences instead of `sentences` {options.sentences:,}: {VAIN:,} draws in a row "
            "gave none that is new" + ("" if options.soft else "; `soft` would give more entities")
        )
    return varied


def _found(soft: PathOrUrl | None, unit: Unit) -> Iterator[Sentence]:
    """What a teacher found in raw text. Raises ConfigError where that is cut into other units."""
    if soft is None:
        return
    store = SoftLabelStore.open(soft)
    if store.unit != unit:
        raise ConfigError(
            f"`soft` {soft}: its texts are cut by {store.unit}, the sentences of `train` by {unit}; expected a store "
            "whose text is cut as these are"
        )
    for row in store.iter_rows():
        if (sentence := labelled_row(row, store.tagset)) is not None:
            yield sentence
