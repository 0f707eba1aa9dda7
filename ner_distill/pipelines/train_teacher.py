"""`train-teacher`: labelled sentences → a multi-task teacher."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ner_distill.config import PuConfig, TeacherConfig, VatConfig
from ner_distill.console import Reporter
from ner_distill.data.sentence import Sentence, Unit, longest_entity
from ner_distill.directories import Resume
from ner_distill.holding import until_done
from ner_distill.nn.balance import AT_FIRST, TaskBalance
from ner_distill.nn.encoders.base import Encoder
from ner_distill.nn.heads import PuHead
from ner_distill.options import Files
from ner_distill.options.training import TeacherOptions
from ner_distill.runs.adversary import new_adversary, new_vat
from ner_distill.runs.build import Built, new_teacher
from ner_distill.runs.commit import with_commit
from ner_distill.runs.heads import with_span_bound
from ner_distill.runs.info import TEACHER_RUN, RunInfo
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import Inputs, RunRecord, fingerprints
from ner_distill.runs.text_profile import write_profile
from ner_distill.teacher.model import Teacher, TeacherObjective, TermWeights
from ner_distill.teacher.regularize import LogSum
from ner_distill.training.development import DevelopmentSet, development_set, require_development
from ner_distill.training.fit import OwnBest, TrainingData, TrainingTask
from ner_distill.training.labelled import TOO_LONG, LabelledData, warn_too_long, words_of_batch
from ner_distill.training.optim import freeze_lowest, parameter_groups
from ner_distill.training.precision import with_precision
from ner_distill.training.pu import pu_rates, share_of_negatives
from ner_distill.training.raw_data import WithRawText, read_sample
from ner_distill.training.reading import read_development, read_training, warn_of_shared
from ner_distill.training.session import Session, Trained

TASKS = ("similarity", "boundary", "main_type")  # beside the entities


@dataclass(frozen=True)
class TeacherData:
    """What a teacher learns from, read and checked.

    sentences: with the entities that its head can learn. left_out: how many others there are, by reason.
    dev:       the files of the development set; without any the last epoch is kept.
    max_words: longer sentences are in no batch, and not read in the development set; 0 = all are. What the model is
               (its types, its vocabulary) is of all sentences, so that a run can go on with another number.
    """

    info: RunInfo
    sentences: Sequence[Sentence]
    development: Sequence[Sentence]
    dev: Files
    inputs: Inputs
    left_out: Mapping[str, int]
    max_words: int = 0


@until_done()
def train_teacher(
    config: TeacherConfig,
    options: TeacherOptions,
    reporter: Reporter | None = None,
    *,
    unit: Unit | str = "auto",
    labels: Sequence[str] = (),
    resume: Resume | None = None,
) -> Trained:
    """Train a teacher and write its run directory.

    unit, labels: see `read_training`. resume: in place of what `options` says of it.

    Raises NerDistillError for wrong input, and TrainingError where training could not go on; then a checkpoint
    is kept and `resume` continues.
    """
    resume = options.resume if resume is None else resume
    config = with_commit(config, options.out if TEACHER_RUN.resumes(options.out, resume) else None)
    config = with_precision(config, TEACHER_RUN, options, resume)
    session = Session(TEACHER_RUN, options, config, reporter, resume=resume)
    unit = session.begun_unit(options.unit if unit == "auto" else unit)
    data = read_teacher_data(config, options, session.reporter, unit=unit, labels=labels)
    return train_on(config, data, session)


def read_teacher_data(
    config: TeacherConfig,
    options: TeacherOptions,
    reporter: Reporter,
    *,
    unit: Unit | str = "auto",
    labels: Sequence[str] = (),
) -> TeacherData:
    """Read the training and the development files. Raises NerDistillError for what no teacher can be trained on.

    unit, labels: see `read_training`.
    """
    reading = options.reading()
    require_development(config, options.dev)
    text = read_training(options.train, "`train`", config.head, reading, reporter, unit=unit, labels=labels)
    info = RunInfo.of("teacher", text.cutting, text.labels)
    development = read_development(options.dev, text.cutting, info.labels, reading, reporter)
    warn_of_shared(development, text.sentences, "`train`", reporter)
    inputs = {**{role: fingerprints(paths) for role, paths in options.files().items()}, **inputs_of(config)}
    return TeacherData(info, text.sentences, development, options.dev, inputs, text.left_out, options.max_words)


def train_on(config: TeacherConfig, data: TeacherData, session: Session) -> Trained:
    """Train a teacher on data that was read, or go on with that training. Raises as `train_teacher` does."""
    reporter = session.reporter
    begun = session.out if session.resumes else None
    config = with_span_bound(config, lambda: longest_entity(data.sentences), begun, reporter)
    record = RunRecord(config, data.info, data.inputs)
    if session.finished(record):
        return session.trained(data.development, max_words=data.max_words)
    raw: Sequence[tuple[str, ...]] = ()
    if isinstance(config.adversarial, VatConfig) and config.adversarial.raw_text:
        files, longest = config.adversarial.raw_text, config.optim.batch_words
        raw = read_sample(files, data.info.unit, longest=longest, seed=config.seed, reporter=reporter)
    rates, negatives = None, 0.0
    if isinstance(config.loss, PuConfig):
        rates = pu_rates(config.loss, data.info.labels, data.sentences, data.development, reporter)
        negatives = share_of_negatives(config.loss, data.sentences, reporter)
    words = [sentence.words for sentence in data.sentences]
    built = new_teacher(config, data.info, words, reporter, labelled=data.sentences)
    if rates is not None and isinstance(built.tagger.head, PuHead):
        built.tagger.head.set_rates(*rates, negatives)
    freeze_lowest(_encoders(built.model), config.optim.freeze_layers)
    batches = _batches(config, built, data, raw, reporter)
    session.begin(record)
    if session.main:
        write_profile(session.out, words, data.info.unit)
    reporter.info(
        f"training on {len(data.sentences):,} sentences, {sum(len(s.words) for s in data.sentences):,} words "
        f"(`unit` {data.info.unit}), {len(data.info.labels)} types; "
        f"{sum(p.numel() for p in built.model.parameters()):,} parameters; {session.device}, {config.optim.precision}"
    )
    dev_set = development_set(
        data.development, built, data.dev, config.optim.epochs, reporter, max_words=data.max_words
    )
    too_long = sum(0 < data.max_words < len(sentence.words) for sentence in data.sentences)
    # taken now: raw text, which is read as it is trained on, is no matter of it
    counted = Counter(built.featurizer.counts)
    if dev_set is not None and dev_set.pairs is not None:
        counted.subtract(dev_set.pairs.counted_twice)
    counts = {**counted, **data.left_out, **({TOO_LONG: too_long} if too_long else {})}
    task = _task(config, built, batches, dev_set)
    return session.train(built, task, dev_set, lambda: counts)


def _task(
    config: TeacherConfig, built: Built[Teacher], batches: TrainingData, dev_set: DevelopmentSet | None
) -> TrainingTask:
    teacher = built.model
    encoders = _encoders(teacher)
    attacked = config.adversarial.kind != "none"  # of I-BERT no embedding can be perturbed
    embeddings = [encoder.embedding_layer() for encoder in encoders if attacked]
    terms, vat = _terms(config, built.info.labels), new_vat(config.adversarial, embeddings)
    similarity = config.similarity
    balance = TaskBalance(similarity.share, "entities") if similarity.weight == "auto" else None
    return TrainingTask(
        teacher,
        TeacherObjective(teacher, terms, vat=vat, balance=balance),
        batches,
        parameter_groups(teacher, encoders, config.optim),
        dev_set.figures if dev_set else None,
        frozen=[parameter for encoder in encoders for parameter in encoder.innermost().started()],
        adversary=new_adversary(config.adversarial, embeddings),
        own_best=OwnBest("similarity_f1", ("evaluator.", "similarity.")) if teacher.evaluator is not None else None,
        weighting=LogSum(TASKS) if config.head.task_weighting == "log-sum" else balance,
    )


def _encoders(teacher: Teacher) -> list[Encoder]:
    return [encoder for encoder in (teacher.tagger.encoder, teacher.evaluator) if encoder is not None]


def _batches(
    config: TeacherConfig,
    built: Built[Teacher],
    data: TeacherData,
    raw: Sequence[tuple[str, ...]],
    reporter: Reporter,
) -> LabelledData | WithRawText:
    budget = words_of_batch(config, built.info.labels)
    labelled = LabelledData(
        data.sentences,
        built.featurizer,
        built.info.tagset,
        budget=budget,
        seed=config.seed,
        pairs_per_sentence=config.similarity.pairs_per_sentence if config.similarity.learned else 0,
        pair_target=config.similarity.target,
        max_words=data.max_words,
    )
    warn_too_long("`train`", labelled.too_long, len(data.sentences), reporter)
    if labelled.partly_kept:
        reporter.warn(f"`train`: {labelled.partly_kept:,} entities of which not every word is kept: none of it counts")
    if not raw:
        return labelled
    return WithRawText(labelled, raw, built.featurizer, budget=budget, seed=config.seed)


def _terms(config: TeacherConfig, labels: Sequence[str]) -> TermWeights:
    head = config.head
    return TermWeights(
        similarity=AT_FIRST if config.similarity.weight == "auto" else config.similarity.weight,
        **config.regularize.model_dump(),
        label_smoothing=head.label_smoothing,
        dropout_samples=head.dropout_samples,
        boundary=head.boundary_weight,
        main_type=head.main_type_weight,
        main_label=labels.index(head.main_type) if head.main_type else 0,
    )
