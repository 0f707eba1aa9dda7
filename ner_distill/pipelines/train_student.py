"""`train-student`: a soft-label store (and gold sentences) → a small model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ner_distill.config import DistillConfig, StudentConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_raw
from ner_distill.data.sentence import Sentence, labels_of, longest_entity
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.manifest import MANIFEST, similarity_of
from ner_distill.data.store.pseudo_labels import longest_of_row
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.directories import Resume
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.holding import until_done
from ner_distill.nn.balance import AT_FIRST, TaskBalance
from ner_distill.nn.encoders.base import Encoder
from ner_distill.options.training import StudentOptions
from ner_distill.runs.adversary import new_adversary
from ner_distill.runs.build import Built, new_student
from ner_distill.runs.commit import with_commit
from ner_distill.runs.heads import with_span_bound
from ner_distill.runs.info import STUDENT_RUN, RunInfo
from ner_distill.runs.knowledge import inputs_there
from ner_distill.runs.record import Inputs, RunRecord, fingerprints
from ner_distill.student.loss import DistillationLoss
from ner_distill.student.model import Student, StudentObjective
from ner_distill.training.agreement import TeacherAgreement, held_out, warn_of_foreign
from ner_distill.training.development import DevelopmentSet, development_set
from ner_distill.training.fit import Adversary, TrainingData, TrainingTask
from ner_distill.training.labelled import TOO_LONG, LabelledData, warn_too_long
from ner_distill.training.optim import freeze_lowest, parameter_groups
from ner_distill.training.precision import with_precision
from ner_distill.training.reading import read_development, read_training, warn_of_shared
from ner_distill.training.session import Session, Trained
from ner_distill.training.soft_data import SoftData

LOOKED_AT = 1_000_000
"""Sentences of a store, all or about so many of a larger one, that say which words there are and how long entities."""

FORMULA = ("divergence", "temperature", "alpha", "beta", "gamma", "beta_floor")
"""The keys of `[distill]` that `DistillationLoss` has as well."""


@dataclass(frozen=True)
class StudentData:
    """What a student learns from, read and checked.

    info: what the run will be. vocabulary_text: files of more text for its vocabulary.
    """

    info: RunInfo
    store: SoftLabelStore | None
    gold: Sequence[Sentence]
    development: Sequence[Sentence]
    inputs: Inputs
    vocabulary_text: Sequence[str] = ()

    def longest_entity(self) -> int:
        """Words of the longest entity of the gold sentences, and of those that the teachers find in the text."""
        return max(longest_entity(self.gold), max(map(longest_of_row, self._rows()), default=0))

    def words(self, reporter: Reporter) -> Iterator[Sequence[str]]:
        """Those that a vocabulary is made of: of the store, the gold sentences, and more text, which is told of."""
        yield from (row.words for row in self._rows())
        yield from (sentence.words for sentence in self.gold)
        if self.vocabulary_text:
            number = 0
            for sentence in read_raw(self.vocabulary_text, unit=self.info.unit, say=reporter.info):
                number += 1
                yield sentence.words
            if not number:
                raise DataError(f"init.vocabulary_text: {', '.join(self.vocabulary_text)}: no sentence in it")
            reporter.info(f"init.vocabulary_text: {number:,} sentences")

    def _rows(self) -> Iterator[SoftRow]:
        """The store's; of a large store those of shards that are evenly spread over it."""
        if self.store is not None:
            for shard in self.store.spread(LOOKED_AT):
                yield from (row for block in self.store.read_shard(shard) for row in block.rows)


@until_done()
def train_student(
    config: StudentConfig, options: StudentOptions, reporter: Reporter | None = None, *, resume: Resume | None = None
) -> Trained:
    """Train a student and write its run directory. Raises as `train_teacher` does.

    Without `soft` it learns from the gold sentences alone, for comparison.
    resume: in place of what `options` says of it.
    """
    check_student(config, options)
    resume = options.resume if resume is None else resume
    config = with_commit(config, options.out if STUDENT_RUN.resumes(options.out, resume) else None)
    config = with_precision(config, STUDENT_RUN, options, resume)
    session = Session(STUDENT_RUN, options, config, reporter, resume=resume)
    data = read_student_data(config, options, session.reporter, session.begun_unit(options.unit))
    begun = session.out if session.resumes else None
    config = with_span_bound(config, data.longest_entity, begun, session.reporter)
    record, store = RunRecord(config, data.info, data.inputs), data.store
    if session.finished(record):
        return session.trained(data.development, max_words=options.max_words)
    loss = _loss(config.distill, store)  # what is wrong with the store is said before anything is made
    built = new_student(
        config, data.info, data.words(session.reporter), session.reporter, learned_scale=loss.statement != "source"
    )
    freeze_lowest([built.tagger.encoder], config.optim.freeze_layers)
    held = _held_out(config, options, store, session.reporter)
    batches, left_out = _batches(config, built, data, held, options.max_words, session.reporter)
    session.begin(record)
    student = built.model
    session.reporter.info(
        f"{f'{store.rows:,} sentences, {store.words:,} words ({store.kept:,} kept)' if store else 'no'} soft labels, "
        f"{len(data.gold):,} gold sentences; "
        f"{sum(p.numel() for p in student.tagger.parameters()):,} parameters; "
        f"{session.device}, {config.optim.precision}"
    )
    judge, dev_set = _judges(config, options, built, data, loss, held, session.reporter)
    encoder, balance = student.tagger.encoder, _balance(config.distill, store)
    task = TrainingTask(
        student,
        _objective(config.distill, student, loss, balance, data),
        batches,
        parameter_groups(student, [encoder], config.optim),
        _figures(judge, dev_set),
        frozen=encoder.innermost().started(),
        adversary=_adversary(config, encoder),
        weighting=balance,
    )
    return session.train(built, task, dev_set, lambda: {**built.featurizer.counts, **left_out}, judge=judge)


def judged_by_teacher(config: StudentConfig, options: StudentOptions) -> bool:
    """Whether agreement with the teacher chooses the epoch."""
    asked = config.distill.judge
    return options.soft is not None and (asked == "teacher" or (asked == "auto" and not options.dev))


def _held_out(
    config: StudentConfig, options: StudentOptions, store: SoftLabelStore | None, reporter: Reporter
) -> list[int]:
    """The blocks that the teacher judges by; [] where it does not. Raises ConfigError where it cannot, and must."""
    if store is None or not judged_by_teacher(config, options):
        return []
    held = held_out(store, config.seed)
    if not held:
        problem = "`soft` is too small for a part of it to be held out, by which the teacher could judge"
        if config.distill.judge == "teacher" or config.optim.patience:
            raise ConfigError(f'{problem}: give `dev`, leave optim.patience 0 and distill.judge "auto"')
        reporter.warn(f"{problem}: the last epoch is kept")
    return held


def check_student(config: StudentConfig, options: StudentOptions) -> None:
    """Raise ConfigError where there is nothing to learn from, or nothing that could choose an epoch as asked."""
    if options.soft is None and config.distill.gold_weight == 0:
        raise ConfigError("distill.gold_weight is 0, and there are no soft labels: nothing to learn from")
    if options.soft is None and not options.gold:
        raise ConfigError(
            "nothing to learn from: give `soft` (a store of label-unlabeled), `gold` (labelled sentences) or both"
        )
    asked = config.distill.judge
    if asked == "teacher" and options.soft is None:
        raise ConfigError('distill.judge = "teacher": there is no teacher without `soft`; give it, or take "auto"')
    if asked == "dev" and not options.dev:
        raise ConfigError('distill.judge = "dev": give `dev`, or take "auto"')
    if config.optim.patience and not options.dev and options.soft is None:
        raise ConfigError(
            "optim.patience stops where the score does not rise: give `dev` or `soft`, or leave patience 0"
        )


def _judges(
    config: StudentConfig,
    options: StudentOptions,
    built: Built[Student],
    data: StudentData,
    loss: DistillationLoss,
    held: Sequence[int],
    reporter: Reporter,
) -> tuple[TeacherAgreement | None, DevelopmentSet | None]:
    """What chooses the epoch: agreement with the teacher where blocks are held out, or the development set."""
    judge, store, epochs = None, data.store, config.optim.epochs
    if held and store is not None:
        judge = TeacherAgreement(
            store, held, built.featurizer, loss, budget=config.optim.batch_words, max_words=options.max_words
        )
        reporter.info(f"agreement with the teacher on {len(judge.sentences):,} sentences held out chooses the epoch")
        if not options.dev:
            return judge, None
    elif store is not None and options.dev:
        warn_of_foreign(data.development, store, "`dev`", reporter)
    return judge, development_set(data.development, built, options.dev, epochs, reporter, max_words=options.max_words)


def _figures(
    judge: TeacherAgreement | None, dev_set: DevelopmentSet | None
) -> Callable[[Student], dict[str, float]] | None:
    """The figures of an epoch, `score` among them; None where nothing is scored."""
    if judge is None:
        return dev_set.figures if dev_set else None

    def figures(student: Student) -> dict[str, float]:
        agreed = judge.figures(student)
        return {**(dev_set.figures(student) if dev_set else {}), **agreed, "score": agreed["agreement"]}

    return figures


def _adversary(config: StudentConfig, encoder: Encoder) -> Adversary | None:
    if config.adversarial.kind == "none":  # of some encoders no embedding can be perturbed
        return None
    return new_adversary(config.adversarial, [encoder.embedding_layer()])


def _balance(config: DistillConfig, store: SoftLabelStore | None) -> TaskBalance | None:
    auto = config.similarity_weight == "auto" and store is not None
    return TaskBalance(config.similarity_share, "soft") if auto else None


def _objective(
    config: DistillConfig, student: Student, loss: DistillationLoss, balance: TaskBalance | None, data: StudentData
) -> StudentObjective:
    return StudentObjective(
        student,
        loss,
        similarity_weight=AT_FIRST if config.similarity_weight == "auto" else config.similarity_weight,
        gold_weight=config.gold_weight if data.gold else 0.0,
        balance=balance,
    )


def read_student_data(
    config: StudentConfig, options: StudentOptions, reporter: Reporter, unit: str = "auto"
) -> StudentData:
    """Read store, gold and development files. Raises NerDistillError for what no student can be trained on.

    unit: how texts are cut; "auto": as the store's were, or without one as suits the gold sentences.
    """
    named = inputs_there(config)
    soft, reading = options.soft, options.reading()
    store = SoftLabelStore.open(soft, verify=True) if soft is not None else None
    if store is not None and not store.kept:
        raise DataError(
            f"`soft` {soft}: no word is kept, so there is nothing to learn from; "
            + ("label the text with lower `min_votes` or `min_confidence`" if store.rows else "it has no sentence")
        )
    info = RunInfo("student", store.unit, store.labels) if store is not None else None
    if info is not None and unit not in ("auto", info.unit):
        reporter.warn(f"`unit` {unit}: texts are cut so, though those of {soft} are cut by {info.unit}")
    known = None if info is None else info.cutting
    gold: Sequence[Sentence] = ()
    if options.gold:
        labels = info.labels if info is not None else ()
        text = read_training(
            options.gold, "`gold`", config.head, reading, reporter, unit=unit, known=known, labels=labels
        )
        gold, known = text.sentences, known or text.cutting
        info = info or RunInfo.of("student", text.cutting, text.labels)
    assert info is not None  # there are soft labels, gold sentences or both
    assert known is not None  # as is what their words are
    development = read_development(options.dev, known, info.labels, reading, reporter)
    warn_of_shared(development, gold, "`gold`", reporter)
    if unknown := [label for label in labels_of(gold) if label not in info.labels]:
        raise DataError(
            f"`gold`: has labels that the store does not: {', '.join(unknown)}; the store has {', '.join(info.labels)}"
        )
    inputs = {**{role: fingerprints(paths) for role, paths in options.files().items()}, **named}
    return StudentData(info, store, gold, development, inputs, config.init.vocabulary_text)


def _batches(
    config: StudentConfig,
    built: Built[Student],
    data: StudentData,
    held: Sequence[int],
    max_words: int,
    reporter: Reporter,
) -> tuple[TrainingData, dict[str, int]]:
    """The batches, without the blocks that are held out, and how many sentences are in none for their length."""
    budget, seed = config.optim.batch_words, config.seed
    gold, too_long = None, 0
    if data.gold:
        gold = LabelledData(
            data.gold, built.featurizer, built.info.tagset, budget=budget, seed=seed, max_words=max_words
        )
        warn_too_long("`gold`", gold.too_long, len(data.gold), reporter)
        too_long = gold.too_long
    if data.store is not None:
        soft = SoftData(
            data.store,
            built.featurizer,
            budget=budget,
            seed=seed,
            gold=gold,
            spans=built.tagger.head.learns_spans,
            max_words=max_words,
            without=held,
        )
        warn_too_long("`soft`", soft.too_long, data.store.rows, reporter)
        return soft, _counted(too_long + soft.too_long)
    assert gold is not None
    return gold, _counted(too_long)


def _counted(too_long: int) -> dict[str, int]:
    return {TOO_LONG: too_long} if too_long else {}


def _loss(config: DistillConfig, store: SoftLabelStore | None) -> DistillationLoss:
    """The loss, which knows what the similarities of the store say."""
    said = similarity_of(store.manifest.settings if store is not None else {})
    target, scale = said["similarity_target"], said["similarity_scale"]
    if target not in ("type", "tag") or scale not in ("learned", "source"):
        where = f"{store.place.shown}/{MANIFEST}" if store is not None else ""
        raise RunError(
            f"{where}: expected similarity_target type or tag and similarity_scale learned or source, found "
            f"{target!r} and {scale!r}; the store is damaged, label the text again"
        )
    formula = config.model_dump(include=set(FORMULA))
    return DistillationLoss(**formula, statement="source" if scale == "source" else target)
