"""`train-student`: a soft-label store (and gold sentences) → a small model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from ner_distill.config import DistillConfig, StudentConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.batching import Batch
from ner_distill.data.formats.reading import flattened, read_labelled
from ner_distill.data.sentence import Unit, labels_of
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError, DataError
from ner_distill.options import ReadOptions
from ner_distill.runs.build import AnyFeaturizer, new_student
from ner_distill.runs.heads import check_entities, finds_spans
from ner_distill.runs.info import STUDENT_RUN, RunInfo
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import RunRecord, fingerprints, open_directory
from ner_distill.student.loss import DistillationLoss
from ner_distill.student.model import Student, StudentObjective, learns_spans
from ner_distill.training.fit import Fit, TrainingData
from ner_distill.training.labelled import (
    DevelopmentSet,
    LabelledData,
    Trained,
    base_of,
    check_development_labels,
    finish_run,
    finished_run,
    fit_settings,
    parameter_groups,
    require_device,
)
from ner_distill.training.processes import make_accelerator
from ner_distill.training.soft_batch import soft_batch

SHARDS_TOGETHER = 4


class SoftData:
    """Training batches of a store's blocks, and of gold sentences if there are any.

    An epoch goes through the shards in random order, a few at a time, so that memory holds a few shards whatever
    the size of the store. Gold batches, each once in an epoch, are spread evenly between the soft ones.
    """

    def __init__(
        self,
        store: SoftLabelStore,
        featurizer: AnyFeaturizer,
        *,
        budget: int,
        seed: int,
        gold: LabelledData | None = None,
        spans: bool = False,
    ) -> None:
        """spans: the student has a span head, batches need `span_probs`."""
        self.store, self.gold, self.spans = store, gold, spans
        self.featurizer: Any = featurizer
        # the store counts words, the budget what the encoder computes: pieces, for a pretrained one
        self.budget, self.seed = budget / _units_per_word(store, self.featurizer), seed

    def plan(self, epoch: int) -> list[tuple[str, list[int]]]:
        """Micro-batches as ("soft", block numbers) or ("gold", sentence numbers)."""
        soft = [("soft", blocks) for blocks in self._soft_plan(epoch)]
        gold = [("gold", batch) for batch in self.gold.plan(epoch)] if self.gold is not None else []
        places = [
            *((i / len(soft), 0) for i in range(len(soft))),
            *(((i + 0.5) / len(gold), 1) for i in range(len(gold))),
        ]
        both = [*soft, *gold]
        return [both[index] for index in sorted(range(len(both)), key=lambda index: places[index])]

    def _soft_plan(self, epoch: int) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, epoch, 3])
        table = self.store.blocks
        shards = rng.permutation(np.unique(table["shard"]))
        for first in range(0, len(shards), SHARDS_TOGETHER):
            inside = np.flatnonzero(np.isin(table["shard"], shards[first : first + SHARDS_TOGETHER]))
            # blocks of like length side by side, blurred so that epochs differ
            lengths = table["longest"][inside] * rng.uniform(0.9, 1.1, len(inside)) + rng.uniform(0, 2, len(inside))
            batches = _fill(inside[np.argsort(lengths)].tolist(), table, self.budget)
            yield from (batches[index] for index in rng.permutation(len(batches)))

    def load(self, micro_batch: tuple[str, list[int]], epoch: int) -> Batch:
        """See TrainingData."""
        kind, indices = micro_batch
        if kind == "gold":
            assert self.gold is not None
            return self.gold.load(indices, epoch)
        return soft_batch([self.store.read_block(index) for index in indices], self.featurizer, spans=self.spans)


def _units_per_word(store: SoftLabelStore, featurizer: Any, *, rows: int = 500) -> float:
    """What the encoder computes for a word on average, by the first rows of a store."""
    words = units = 0
    for row in islice(store.iter_rows(), rows):
        words += len(row.words)
        units += featurizer.size(featurizer.features(row.words))
    return max(units / max(words, 1), 1e-3)


def _fill(blocks: list[int], table: Any, budget: float) -> list[list[int]]:
    """Blocks in order → batches of at most `budget` words, padding included; a larger block is alone."""
    batches: list[list[int]] = []
    rows = longest = 0
    for block in blocks:
        more, length = int(table["rows"][block]), int(table["longest"][block])
        if not batches or max(longest, length) * (rows + more) > budget:
            batches.append([])
            rows = longest = 0
        batches[-1].append(block)
        rows, longest = rows + more, max(longest, length)
    return batches


def train_student(
    soft: Path | None,
    dev: Sequence[str | Path],
    out: Path,
    *,
    gold: Sequence[str | Path] = (),
    config_file: Path | None = None,
    settings: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    reading: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Trained:
    """Train a student and write its run directory. Raises as `train_teacher` does.

    soft: None trains on the gold sentences alone, for comparison.
    """
    config = load_config(StudentConfig, config_file, settings)
    require_device(config.optim.precision)
    accelerator = make_accelerator(config.optim.precision)
    if soft is None and config.distill.gold_weight == 0:
        raise ConfigError("distill.gold_weight is 0, and there are no soft labels: nothing to learn from")
    if soft is None and not gold:
        raise ConfigError(
            "nothing to learn from: give --soft (a store of label-unlabeled), --gold (labelled sentences) or both"
        )
    if accelerator.is_main_process:
        STUDENT_RUN.check(out, resume=resume, overwrite=overwrite)
    store = SoftLabelStore.open(soft, verify=True) if soft is not None else None
    reporter = reporter or Reporter(quiet=not accelerator.is_main_process)
    reading = reading or ReadOptions()
    unit: Unit | str = store.unit if store is not None else "auto"
    gold_sentences, gold_unit = (
        read_labelled(gold, "--gold", reading, reporter, unit=unit, keep_nested=True) if gold else ([], "word")
    )
    info = (
        RunInfo("student", gold_unit, labels_of(gold_sentences))
        if store is None
        else RunInfo("student", store.unit, store.labels)
    )
    if not info.labels:
        raise DataError("--gold: no entity in any sentence; there is nothing to learn")
    if gold and not finds_spans(config.head):
        gold_sentences = flattened(gold_sentences, "--gold", reading, reporter)
    check_entities(config.head, gold_sentences, "--gold", reporter)
    development, _ = read_labelled(dev, "--dev", reading, reporter, unit=info.unit, keep_nested=True)
    check_development_labels(info.labels, labels_of(development), reporter)
    unknown = [label for label in labels_of(gold_sentences) if label not in info.labels]
    if unknown:
        raise DataError(
            f"--gold: has labels that the store does not: {', '.join(unknown)}; the store has {', '.join(info.labels)}"
        )
    inputs = {
        "soft": fingerprints([soft / "manifest.json"] if soft else []),
        "dev": fingerprints(dev),
        "gold": fingerprints(gold),
        **inputs_of(config),
    }
    record = RunRecord(config, info, inputs)
    if resume:
        record.require_same(out)
        if STUDENT_RUN.state(out) == "finished":
            return finished_run(out, development, accelerator, reporter)

    built = new_student(config, info, _words(store, [sentence.words for sentence in gold_sentences]))
    if accelerator.is_main_process and not resume:
        open_directory(STUDENT_RUN, out, record, overwrite=overwrite)
    accelerator.wait_for_everyone()
    reporter.log_to(out / "log.txt")
    student = cast(Student, built.model)
    reporter.info(
        f"{f'{store.rows:,} sentences, {store.words:,} words ({store.kept:,} kept)' if store else 'no'} soft labels, "
        f"{len(gold_sentences):,} gold sentences; "
        f"{sum(p.numel() for p in student.tagger.parameters()):,} parameters; {accelerator.device}"
    )
    assert isinstance(config.optim.batch_words, int)
    budget = config.optim.batch_words
    gold_data = (
        LabelledData(gold_sentences, built.featurizer, info.tagset, budget=budget, seed=config.seed)
        if gold_sentences
        else None
    )
    if store is not None:
        spans = learns_spans(student.tagger.scorer)
        data: TrainingData = SoftData(
            store, built.featurizer, budget=budget, seed=config.seed, gold=gold_data, spans=spans
        )
    else:
        assert gold_data is not None
        data = gold_data
    dev_set = DevelopmentSet(development, built.featurizer, info.tagset)
    dev_set.say_left_out("--dev", reporter)
    fit = Fit(
        student,
        StudentObjective(
            student,
            _loss(config.distill, store),
            similarity_weight=config.distill.similarity_weight,
            gold_weight=config.distill.gold_weight if gold_data is not None else 0.0,
        ),
        data,
        parameter_groups(student, [student.tagger.encoder], config.optim, layer_decay=config.optim.layer_decay),
        dev_set.evaluate(lambda model: cast(Student, model).tagger),
        settings=fit_settings(config.optim, config.seed),
        directory=out,
        reporter=reporter,
        accelerator=accelerator,
        frozen=[base_of(student.tagger.encoder)],
    )
    result = fit.run(resume=resume)
    scores = dev_set.scores(student.tagger)
    finish_run(built, scores, result, out, dev, accelerator)
    return Trained(built, scores, accelerator.is_main_process)


def _words(store: SoftLabelStore | None, gold: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    """The words of a store, read shard by shard, and of gold sentences."""
    if store is not None:
        yield from (row.words for row in store.iter_rows())
    yield from gold


def _loss(config: DistillConfig, store: SoftLabelStore | None) -> DistillationLoss:
    settings = store.manifest.settings if store is not None else {}
    scale, shift = settings.get("similarity_scale", 1.0), settings.get("similarity_shift", 0.0)
    assert isinstance(scale, int | float)
    assert isinstance(shift, int | float)
    return DistillationLoss(
        divergence=config.divergence,
        temperature=config.temperature,
        alpha=config.alpha,
        beta=config.beta,
        gamma=config.gamma,
        beta_floor=config.beta_floor,
        scale=float(scale),
        shift=float(shift),
    )
