"""Labelled files as a training reads them: the sentences to learn from, and the development set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ner_distill.config.sections import HeadConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.reading import flattened, read_labelled
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.units import Cutting
from ner_distill.data.sentence import Sentence, Unit, labels_of
from ner_distill.errors import DataError
from ner_distill.options import Files, ReadOptions
from ner_distill.runs.heads import check_entities, finds_spans

FEW_ENTITIES = 10
"""Development sets with fewer entities are warned of."""
MOSTLY = 0.5
"""Share of development sentences that stand in the training data as well, from which on it is warned of."""


@dataclass(frozen=True)
class TrainingText:
    """Sentences with the entities that a head can learn.

    cutting:  how the words are cut.
    labels:   those of the files, of entities that flattening removed too, and the ones that were given.
    left_out: how many entities the head cannot learn, by reason.
    """

    sentences: Sequence[Sentence]
    cutting: Cutting
    labels: tuple[str, ...]
    left_out: Mapping[str, int]


def read_training(
    paths: Files,
    name: str,
    head: HeadConfig,
    reading: ReadOptions,
    reporter: Reporter,
    *,
    unit: Unit | str = "auto",
    known: Cutting | None = None,
    labels: Sequence[str] = (),
) -> TrainingText:
    """Read labelled sentences to learn from. Raises DataError where they and `labels` name no entity type.

    name: of the setting that names the files. unit, known: as of `read_labelled`.
    labels: types that the model knows besides those of the files.
    """
    sentences, cutting = read_labelled(paths, name, reading, reporter, unit=unit, known=known, keep_nested=True)
    labels = tuple(sorted({*labels_of(sentences), *labels}))
    if not labels:
        raise DataError(f"{name}: no entity in any sentence; there is nothing to learn")
    if not finds_spans(head):
        sentences = flattened(sentences, name, reading, reporter)
    return TrainingText(sentences, cutting, labels, check_entities(head, sentences, name, reporter))


def read_development(
    paths: Files, known: Cutting, labels: Sequence[str], reading: ReadOptions, reporter: Reporter
) -> list[Sentence]:
    """Read the development set of a training on these labels, [] of no files; entities that overlap all count.

    known: how the words are cut that are trained on.
    Warns of labels that are not trained on, and of a set that is too small. Raises DataError where none of its labels
    is, and where it has no entity.
    """
    if not paths:
        return []
    sentences, _ = read_labelled(paths, "`dev`", reading, reporter, known=known, keep_nested=True)
    own = labels_of(sentences)
    if not own:
        raise DataError(
            f"`dev` {', '.join(map(str, paths))}: no entity in any of its {counted(len(sentences), 'sentence')}, so it "
            "cannot choose an epoch; give sentences with entities"
        )
    entities = sum(len(sentence.spans or ()) for sentence in sentences)
    if entities < FEW_ENTITIES:
        reporter.warn(
            f"`dev` has {counted(entities, 'entity', 'entities')} in {counted(len(sentences), 'sentence')}: which "
            "epoch scores best on so few is mostly chance"
        )
    unseen = [label for label in own if label not in labels]
    if unseen and len(unseen) == len(own):
        raise DataError(
            f"`dev`: its labels ({', '.join(own)}) are none of those trained on ({', '.join(labels)}); "
            "expected the same names in both files"
        )
    if unseen:
        reporter.warn(
            f"`dev` has labels that training never saw: {', '.join(unseen)}; each of these entities counts as missed"
        )
    return sentences


def warn_of_shared(development: Sequence[Sentence], learned: Sequence[Sentence], name: str, reporter: Reporter) -> None:
    """Warn where most development sentences are learned from as well; `name` is the setting of the learned ones."""
    known = {sentence.words for sentence in learned}
    shared = sum(sentence.words in known for sentence in development)
    if development and shared >= MOSTLY * len(development):
        reporter.warn(
            f"`dev`: {shared / len(development):.0%} of its sentences ({shared:,} of {len(development):,}) stand in "
            f"{name} as well: its scores tell how well these are remembered, not how well others are read"
        )
