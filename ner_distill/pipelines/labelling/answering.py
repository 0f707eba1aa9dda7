"""What labels the sentences of a shard, made of teachers, weights and options: the same in any process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ner_distill.console import Reporter
from ner_distill.data.formats.units import Cutting
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.asked import LoadedRuns
from ner_distill.pipelines.labelling.held_out import AnswersItself, FoldTeachers, HeldOut, OutOfFoldLabeller
from ner_distill.pipelines.labelling.known import KnownLabeller
from ner_distill.pipelines.labelling.labeller import Labeller, ShardLabeller
from ner_distill.pipelines.labelling.panel import Panel, Weights
from ner_distill.pipelines.labelling.voices import Voice
from ner_distill.pipelines.labelling.weighing import labelled_sentences


@dataclass(frozen=True)
class Answering:
    """The teachers of a labelling, ready.

    folds:    of each member of the panel who answers in its place on its training text; () without `out_of_fold`.
    labeller: asks all members. shards: labels the sentences of a shard, asking whom it has to.
    """

    panel: Panel
    labeller: Labeller
    folds: Sequence[HeldOut]
    shards: ShardLabeller

    @classmethod
    def of(cls, options: LabelUnlabeledOptions, asked: LoadedRuns, weights: Weights, seed: int) -> Answering:
        """Raises ConfigError for options that make no sense with these teachers."""
        panel = Panel.of(asked.teachers, weights, asked.evaluators, asked.evaluator_weights)
        if options.calibrated:
            panel = panel.calibrated()
        labeller = Labeller(panel, options, seed=seed)
        folds = [_held_out(one.voice) for one in panel.members] if options.out_of_fold else []
        shards: ShardLabeller = OutOfFoldLabeller(labeller, panel, folds) if folds else labeller
        if any(one.knows_some for one in asked.teachers):
            shards = KnownLabeller(labeller, panel)
        return cls(panel, labeller, folds, shards)


def learn(options: LabelUnlabeledOptions, asked: LoadedRuns, cutting: Cutting, reporter: Reporter) -> None:
    """Let those teachers that want to learn from labelled sentences how far they are to be trusted."""
    learners = [one for one in asked.foreign if one.knows_some]
    if options.labelled and learners and not options.confidence:
        sentences = labelled_sentences(options, cutting, reporter)
        for one in learners:
            one.teacher.teacher.learn(sentences, one.teacher.meaning)


def _held_out(voice: Voice) -> HeldOut:
    return AnswersItself() if voice.run is None else FoldTeachers(voice.run)
