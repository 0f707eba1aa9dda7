"""`train-teacher`: labelled sentences → a multi-task teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from torch import nn

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.reading import flattened, read_labelled
from ner_distill.data.sentence import Sentence, Unit, labels_of
from ner_distill.directories import Resume
from ner_distill.errors import DataError
from ner_distill.nn.heads.pu import PuHead
from ner_distill.options import ReadOptions
from ner_distill.runs.build import Built, new_teacher
from ner_distill.runs.heads import check_entities, finds_spans
from ner_distill.runs.info import TEACHER_RUN, RunInfo
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import RunRecord, fingerprints, open_directory
from ner_distill.teacher.adversarial import make_adversary, make_vat
from ner_distill.teacher.model import Teacher, TeacherObjective
from ner_distill.teacher.regularize import LogSum
from ner_distill.training.fit import Adversary, Fit
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
from ner_distill.training.pu import pu_rates
from ner_distill.training.raw_data import WithRawText, Words, read_sample

TASKS = ("similarity", "boundary", "main_type")  # beside the entities


def train_teacher(
    train: Sequence[str | Path],
    dev: Sequence[str | Path],
    out: Path,
    *,
    config_file: Path | None = None,
    settings: Sequence[str] = (),
    unit: Unit | str = "auto",
    labels: Sequence[str] = (),
    resume: Resume = False,
    overwrite: bool = False,
    reading: ReadOptions | None = None,
    train_reading: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Trained:
    """Train a teacher and write its run directory.

    unit:   what a word is, where files hold words that were cut already: as `read_labelled` said of the texts.
    labels: types that it knows besides those of the training data: of a part of data, those of the whole.
    train_reading: how the training files are read, where that is not how the others are.

    Raises NerDistillError for wrong input, and TrainingError where training could not go on; then a checkpoint
    is kept and `resume` continues.
    """
    config = load_config(TeacherConfig, config_file, settings)
    require_device(config.optim.precision)
    accelerator = make_accelerator(config.optim.precision)
    if accelerator.is_main_process:
        TEACHER_RUN.check(out, resume=resume, overwrite=overwrite)
    resuming = TEACHER_RUN.resumes(out, resume)
    reporter = reporter or Reporter(quiet=not accelerator.is_main_process)
    reading = reading or ReadOptions()
    train_reading = train_reading or reading
    sentences, unit = read_labelled(train, "--train", train_reading, reporter, unit=unit, keep_nested=True)
    # whatever flattening leaves: as with any other head
    info = RunInfo("teacher", unit, tuple(sorted({*labels_of(sentences), *labels})))
    if not finds_spans(config.head):
        sentences = flattened(sentences, "--train", train_reading, reporter)
    unsaid = check_entities(config.head, sentences, "--train", reporter)
    development, _ = read_labelled(dev, "--dev", reading, reporter, unit=unit, keep_nested=True)
    if not info.labels:
        raise DataError("--train: no entity in any sentence; there is nothing to learn")
    check_development_labels(info.labels, labels_of(development), reporter)
    inputs = {"train": fingerprints(train), "dev": fingerprints(dev), **inputs_of(config)}
    record = RunRecord(config, info, inputs)
    if resuming:
        record.require_same(out)
        if TEACHER_RUN.state(out) == "finished":
            return finished_run(out, development, accelerator, reporter)

    raw = _raw_text(config, unit, reporter)
    rates = pu_rates(config.loss, info.labels, sentences, development, reporter) if config.loss.kind == "pu" else None
    built = new_teacher(config, info, [sentence.words for sentence in sentences], reporter)
    if rates is not None:
        cast(PuHead, built.tagger.head).set_rates(*rates)
    # only now: whatever was wrong with the input, nothing has been made or replaced
    if accelerator.is_main_process and not resuming:
        open_directory(TEACHER_RUN, out, record, resume=resume, overwrite=overwrite)
    accelerator.wait_for_everyone()
    reporter.log_to(out / "log.txt")
    teacher = cast(Teacher, built.model)
    reporter.info(
        f"training on {len(sentences):,} sentences, {sum(len(s.words) for s in sentences):,} words, "
        f"{len(info.labels)} types; {sum(p.numel() for p in teacher.parameters()):,} parameters; {accelerator.device}"
    )
    data = _data(config, built, sentences, raw, reporter)
    dev_set = DevelopmentSet(development, built.featurizer, info.tagset)
    dev_set.say_left_out("--dev", reporter)
    counts = {**getattr(built.featurizer, "counts", {}), **unsaid}  # raw text is no matter of what the metrics say
    encoders = [encoder for encoder in (teacher.tagger.encoder, teacher.evaluator) if encoder is not None]
    fit = Fit(
        teacher,
        _objective(config, teacher, encoders, info.labels),
        data,
        parameter_groups(teacher, encoders, config.optim, layer_decay=config.optim.layer_decay),
        dev_set.evaluate(lambda model: cast(Teacher, model).tagger),
        settings=fit_settings(config.optim, config.seed),
        directory=out,
        reporter=reporter,
        adversary=_adversary(config, encoders),
        accelerator=accelerator,
        frozen=[base_of(encoder) for encoder in encoders],
        weighting=LogSum(TASKS) if config.head.task_weighting == "log-sum" else None,
    )
    result = fit.run(resume=resuming)
    scores = dev_set.scores(teacher.tagger)
    finish_run(built, scores, result, out, dev, accelerator, counts=counts)
    return Trained(built, scores, accelerator.is_main_process)


def _raw_text(config: TeacherConfig, unit: Unit, reporter: Reporter) -> list[Words]:
    files = config.adversarial.raw_text
    if not files:
        return []
    assert isinstance(config.optim.batch_words, int)
    return read_sample(files, unit, longest=config.optim.batch_words, seed=config.seed, reporter=reporter)


def _data(
    config: TeacherConfig, built: Built, sentences: Sequence[Sentence], raw: Sequence[Words], reporter: Reporter
) -> LabelledData | WithRawText:
    budget = config.optim.batch_words
    assert isinstance(budget, int)
    if config.head.kind == "mrc":  # reads a sentence once for each question; a step has as many as with other heads
        budget *= len(built.info.labels)
    labelled = LabelledData(
        sentences,
        built.featurizer,
        built.info.tagset,
        budget=budget,
        seed=config.seed,
        pairs_per_sentence=config.similarity.pairs_per_sentence if config.similarity.weight > 0 else 0,
        pair_target=config.similarity.target,
    )
    if labelled.partly_kept:
        reporter.warn(f"--train: {labelled.partly_kept:,} entities of which not every word is kept: none of it counts")
    if not raw:
        return labelled
    return WithRawText(labelled, raw, built.featurizer, budget=budget, seed=config.seed)


def _embeddings(encoders: Sequence[nn.Module]) -> list[nn.Module]:
    return [cast(nn.Module, encoder.embedding) for encoder in encoders]


def _objective(
    config: TeacherConfig, teacher: Teacher, encoders: Sequence[nn.Module], labels: Sequence[str]
) -> TeacherObjective:
    adversarial, regularize = config.adversarial, config.regularize
    vat = make_vat(adversarial.kind, adversarial.on, _embeddings(encoders), epsilon=adversarial.epsilon)
    return TeacherObjective(
        teacher,
        similarity_weight=config.similarity.weight,
        r_drop=regularize.r_drop,
        simcse=regularize.simcse,
        mixup=regularize.mixup,
        mixup_beta=regularize.mixup_beta,
        label_smoothing=config.head.label_smoothing,
        dropout_samples=config.head.dropout_samples,
        boundary=config.head.boundary_weight,
        main_type=config.head.main_type_weight,
        main_label=labels.index(config.head.main_type) if config.head.main_type else 0,
        vat=vat,
    )


def _adversary(config: TeacherConfig, encoders: Sequence[nn.Module]) -> Adversary | None:
    settings = config.adversarial
    return make_adversary(
        settings.kind,
        settings.on,
        _embeddings(encoders),
        epsilon=settings.epsilon,
        alpha=settings.alpha,
        steps=settings.steps,
    )
