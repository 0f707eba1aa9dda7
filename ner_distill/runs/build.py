"""From a configuration to modules, and from a run directory back to them: the one place where both meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import nn

from ner_distill.config import StudentConfig, TeacherConfig, sections
from ner_distill.console import Reporter
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.knowledge import KnowledgeFeaturizer
from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.questions import SEPARATOR, QuestionFeaturizer, question_words
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.sentence import Sentence, Unit
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import require_plain_files, write_json
from ner_distill.nn.encoders.base import Encoder
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.nn.encoders.questions import QuestionEncoder
from ner_distill.nn.heads.token import TokenHead
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.tagger import Tagger
from ner_distill.runs.encoders import (
    count_words,
    new_pretrained_encoders,
    new_scratch_encoders,
    pretrained_with,
    scratch,
    scratch_with,
    start_encoder,
    trial_inputs,
)
from ner_distill.runs.heads import QUESTIONS, auxiliary_heads, load_questions, new_head, questions_of
from ner_distill.runs.info import RunInfo, read_config, read_info
from ner_distill.runs.knowledge import ENCODER, Knowledge, load_knowledge, read_knowledge
from ner_distill.runs.weights import load_weights, save_weights
from ner_distill.student.model import Student
from ner_distill.teacher.model import Teacher

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

WEIGHTS = "model.safetensors"
CHECKPOINTS = "checkpoints"
Model = TypeVar("Model", bound=Teacher | Student, covariant=True)


@dataclass(frozen=True)
class Built(Generic[Model]):
    """A teacher or a student, and the featurizer that feeds it.

    classifier: of a student in the Hugging Face format. knowledge: of a teacher.
    questions:  of a teacher with an MRC head: the question of each type, in the order of the labels.
    """

    info: RunInfo
    config: TeacherConfig | StudentConfig
    model: Model
    featurizer: Featurizer[Any]
    classifier: PreTrainedModel | None = None
    knowledge: Knowledge | None = None
    questions: Mapping[str, str] | None = None

    @property
    def base(self) -> Featurizer[Any]:
        return self.featurizer.innermost()

    @property
    def tagger(self) -> Tagger:
        return self.model.tagger


AnyBuilt = Built[Teacher] | Built[Student]


# ---- new models


def new_teacher(
    config: TeacherConfig,
    info: RunInfo,
    sentences: Iterable[Sequence[str]],
    reporter: Reporter | None = None,
    *,
    labelled: Sequence[Sentence] = (),
) -> Built[Teacher]:
    """A teacher with fresh (or a checkpoint's) weights.

    sentences: the words that vocabularies are counted on. labelled: the training data, see `read_knowledge`.
    """
    torch.manual_seed(config.seed)
    sentences, reporter = list(sentences), reporter or Reporter(quiet=True)
    questions = questions_of(config.head, info.tagset, info.unit)
    asked = [(*question_words(question, info.unit), SEPARATOR) for question in (questions or {}).values()]
    shape = config.encoder
    least = shape.min_count if isinstance(shape, sections.ScratchEncoderConfig) else 2
    sentences += max(2, least) * asked  # often enough for each of their words to be known
    known = read_knowledge(config, info.unit, sentences, reporter, labelled)
    base: Featurizer[Any]
    encoders: Sequence[Encoder]
    number = _encoders(config.similarity)
    if isinstance(shape, sections.ScratchEncoderConfig):
        base, encoders = new_scratch_encoders(shape, known, info.unit, sentences, number, reporter)
    else:
        bf16 = config.optim.precision == "bf16"
        base, encoders = new_pretrained_encoders(shape, known, info.unit, number, bf16=bf16)
    _require_different(base, asked, questions or {})
    return _built_teacher(config, info, encoders, base, known, questions)


def _require_different(base: Featurizer[Any], asked: Sequence[Sequence[str]], questions: Mapping[str, str]) -> None:
    """Raises ConfigError where two questions look the same to the encoder: nothing else tells the types apart."""
    seen: dict[str, str] = {}
    for label, words in zip(questions, asked, strict=True):
        inputs = repr([(key, value.tolist()) for key, value in base.collate([base.features(words)]).items()])
        if inputs in seen:
            raise ConfigError(
                f"head.questions: those of {seen[inputs]} and {label} ({questions[label]!r}) are the same to this "
                "encoder, which does not know the words they differ in; use others, or raise encoder.max_forms"
            )
        seen[inputs] = label


def new_student(
    config: StudentConfig,
    info: RunInfo,
    sentences: Iterable[Sequence[str]],
    reporter: Reporter | None = None,
    *,
    learned_scale: bool = True,
) -> Built[Student]:
    """A student with fresh weights, a checkpoint's, or chosen layers of a teacher's encoder.

    sentences: the words it is trained on, which its vocabulary is made of.
    learned_scale: whether its similarity learns a and b; False where the teacher's is σ(cos) as published.
    """
    torch.manual_seed(config.seed)
    shape = config.encoder
    if isinstance(shape, sections.PretrainedEncoderConfig) or config.init.teacher:
        built = _pretrained_student(config, info, sentences, reporter or Reporter(quiet=True))
    else:
        built = _scratch_student(config, shape, info, sentences)
    built.model.similarity = PairSimilarity(learned=learned_scale)
    return built


def _pretrained_student(
    config: StudentConfig, info: RunInfo, sentences: Iterable[Sequence[str]], reporter: Reporter
) -> Built[Student]:
    name, classifier, tokenizer = _beginning(config, info)
    init = config.init
    if init.vocabulary != "whole" or init.embedding_rank:
        from ner_distill.student.smaller import make_smaller

        classifier, tokenizer = make_smaller(
            classifier,
            tokenizer,
            sentences,
            reporter,
            unit=info.unit,
            vocabulary=init.vocabulary,
            rank=init.embedding_rank,
        )
    return _tried(name, _hf_student(config, info, classifier, tokenizer))


def _beginning(config: StudentConfig, info: RunInfo) -> tuple[str, PreTrainedModel, PreTrainedTokenizerFast]:
    """What a student in the Hugging Face format begins with: its name, a token classifier and its tokenizer."""
    if config.init.teacher:
        from ner_distill.student.hf import from_layers_of

        teacher = load_run(config.init.run)
        encoder, pieces = teacher.tagger.encoder.innermost(), teacher.base
        if not isinstance(encoder, PretrainedEncoder) or not isinstance(pieces, PieceFeaturizer):
            raise ConfigError(
                f"init.teacher: {config.init.teacher} has a scratch encoder; layers are copied from pretrained ones"
            )
        classifier = from_layers_of(encoder.backbone, config.init.layers, info.tagset.tags)
        return config.init.teacher, classifier, pieces.tokenizer
    from ner_distill.data.features.vocabularies import for_unit
    from ner_distill.nn.encoders.huggingface import check_vocabulary, load_tokenizer
    from ner_distill.student.hf import backbone_of, build_token_classifier

    name = config.encoder.name
    classifier = build_token_classifier(name, info.tagset.tags)
    tokenizer = for_unit(load_tokenizer(name), info.unit)
    check_vocabulary(backbone_of(classifier), tokenizer, name)
    return name, classifier, tokenizer


def _scratch_student(
    config: StudentConfig, shape: sections.ScratchEncoderConfig, info: RunInfo, sentences: Iterable[Sequence[str]]
) -> Built[Student]:
    featurizer = count_words(shape, info.unit, sentences)
    scratch_encoder = scratch(shape, featurizer)
    start_encoder(shape, scratch_encoder)
    tagger = _tagger(config.head, scratch_encoder, info.tagset)
    return Built(info, config, Student(tagger, PairSimilarity()), featurizer)


def _encoders(config: sections.SimilarityConfig) -> int:
    return 2 if config.learned and config.encoder == "separate" else 1


def _built_teacher(
    config: TeacherConfig,
    info: RunInfo,
    encoders: Sequence[Encoder],
    base: Featurizer[Any],
    known: Knowledge,
    questions: Mapping[str, str] | None,
) -> Built[Teacher]:
    tagset = info.tagset
    similarity = PairSimilarity(learned=config.similarity.scale == "learned") if config.similarity.learned else None
    if isinstance(config.head, sections.MrcConfig):
        encoders = [QuestionEncoder(encoder, len(tagset.labels)) for encoder in encoders]
    tagger = _tagger(config.head, encoders[0], tagset, config.loss)
    auxiliary = auxiliary_heads(config.head, encoders[0].dim, tagset)
    evaluator = encoders[1] if len(encoders) > 1 else None
    model = Teacher(tagger, similarity, evaluator=evaluator, auxiliary=auxiliary)
    featurizer = _featurizer(base, known, config.head, questions, info.unit)
    return Built(info, config, model, featurizer, knowledge=known, questions=questions)


def _tagger(
    config: sections.HeadConfig, encoder: Encoder, tagset: TagSet, loss: sections.LossConfig | None = None
) -> Tagger:
    return Tagger(encoder, new_head(config, encoder.dim, tagset, loss), dropout=config.dropout)


def _featurizer(
    base: Featurizer[Any],
    known: Knowledge,
    head: sections.HeadConfig,
    questions: Mapping[str, str] | None,
    unit: Unit,
) -> Featurizer[Any]:
    featurizer = KnowledgeFeaturizer(base, known.sources) if known.sources else base
    if questions is None or not isinstance(head, sections.MrcConfig):
        return featurizer
    asked = [question_words(question, unit) for question in questions.values()]
    separator = base.tokenizer.sep_token if isinstance(base, PieceFeaturizer) else None
    return QuestionFeaturizer(featurizer, asked, separator=separator or SEPARATOR, segments=head.segments)


def _hf_student(
    config: StudentConfig, info: RunInfo, classifier: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> Built[Student]:
    from ner_distill.nn.encoders.huggingface import position_limit
    from ner_distill.student.hf import backbone_of, classifier_of, layers_before_classifier

    backbone = backbone_of(classifier)
    encoder = PretrainedEncoder(backbone)
    tagset = info.tagset
    greedy = isinstance(config.head, sections.TagsHeadConfig) and config.head.greedy
    head = TokenHead(encoder.dim, tagset.allowed_start(), tagset.allowed_transitions(), greedy=greedy)
    shared = classifier_of(classifier)
    head.project.weight, head.project.bias = shared.weight, shared.bias
    before = layers_before_classifier(classifier)
    if before is not None:
        head.before = before
    featurizer = PieceFeaturizer(
        tokenizer, max_pieces=config.encoder.max_pieces, positions=position_limit(backbone.config)
    )
    student = Student(Tagger(encoder, head, dropout=config.head.dropout), PairSimilarity())
    return Built(info, config, student, featurizer, classifier)


def _tried(name: str, built: Built[Student]) -> Built[Student]:
    """A new student in the Hugging Face format that answers as transformers does. Raises ConfigError."""
    from ner_distill.nn.encoders.trial import try_classifier, try_encoder

    encoder, head, pieces, classifier = built.tagger.encoder, built.tagger.head, built.base, built.classifier
    assert isinstance(encoder, PretrainedEncoder)
    assert isinstance(head, TokenHead)
    assert isinstance(pieces, PieceFeaturizer)
    assert classifier is not None
    inputs = trial_inputs(pieces)
    try_encoder(name, encoder, inputs, bf16=built.config.optim.precision == "bf16")
    try_classifier(name, classifier, encoder, head.logits, inputs)
    return built


# ---- run directories


def save_run(built: AnyBuilt, directory: Path) -> None:
    """Write weights and what feeds the model; `config.toml` and `labels.json` are there already."""
    if built.classifier is not None:
        from ner_distill.student.hf import save_token_classifier

        pieces = built.base
        assert isinstance(pieces, PieceFeaturizer)
        save_token_classifier(built.classifier, pieces.tokenizer, directory)
        return
    if built.knowledge is not None:
        built.knowledge.save(directory)
    if built.questions is not None:
        write_json(directory / QUESTIONS, dict(built.questions))
    encoder, features = built.tagger.encoder.innermost(), directory
    if isinstance(encoder, PretrainedEncoder):
        features = directory / ENCODER
        features.mkdir(exist_ok=True)
        encoder.backbone.config.save_pretrained(features)
    built.base.save(features)
    save_weights(directory / WEIGHTS, built.model.state_dict())


def load_run(directory: Path) -> AnyBuilt:
    """The model of a teacher's or a student's run, in evaluation mode on the CPU.

    Executes nothing from the directory: JSON, TOML and safetensors only. Raises RunError or ConfigError that name
    the file that is missing or damaged.
    """
    info = _info(directory)
    return _load_teacher(directory, info) if info.kind == "teacher" else _load_student(directory, info)


def load_teacher(directory: Path) -> Built[Teacher]:
    """The teacher of a run, as `load_run` gives it. Raises ConfigError where it is the run of a student."""
    info = _info(directory)
    if info.kind != "teacher":
        raise ConfigError(f"{directory}: is the run of a student; expected one of train-teacher")
    return _load_teacher(directory, info)


def _info(directory: Path) -> RunInfo:
    if not directory.is_dir():
        what = "is a file; expected the directory of" if directory.exists() else "no such directory; expected"
        raise RunError(f"{directory}: {what} a run that train-teacher or train-student wrote")
    require_plain_files(directory, "run")
    info = read_info(directory)
    begun = not (directory / "metrics.json").is_file()  # which is written last; who copies a model may leave it out
    if begun and ((directory / CHECKPOINTS).is_dir() or not (directory / WEIGHTS).is_file()):
        raise RunError(
            f"{directory}: this training is not finished, so there is no model in it yet; go on with the same "
            f"train-{info.kind} command and `resume`"
        )
    return info


def _load_teacher(directory: Path, info: RunInfo) -> Built[Teacher]:
    config = read_config(directory, TeacherConfig)
    questions = load_questions(config.head, info.tagset, directory)
    known = load_knowledge(config, info.unit, directory)
    base: Featurizer[Any]
    encoders: Sequence[Encoder]
    shape = config.encoder
    if isinstance(shape, sections.ScratchEncoderConfig):
        base = words = WordFeaturizer.load(directory, info.unit, max_words=shape.max_pieces)
        encoders = [scratch_with(shape, words, known) for _ in range(_encoders(config.similarity))]
    else:
        from ner_distill.nn.encoders.huggingface import build_backbone, load_backbone_config, load_tokenizer

        checkpoint = load_backbone_config(directory / ENCODER)
        base = PieceFeaturizer.load(directory / ENCODER, load_tokenizer(directory / ENCODER))
        encoders = [
            pretrained_with(shape, build_backbone(checkpoint), known) for _ in range(_encoders(config.similarity))
        ]
    built = _built_teacher(config, info, encoders, base, known, questions)
    _fill(built.model, directory)
    return built


def _load_student(directory: Path, info: RunInfo) -> Built[Student]:
    config = read_config(directory, StudentConfig)
    if isinstance(config.encoder, sections.PretrainedEncoderConfig) or config.init.teacher:
        from ner_distill.nn.encoders.huggingface import load_tokenizer
        from ner_distill.student.hf import load_token_classifier, tags_of

        classifier = load_token_classifier(directory)
        if tags_of(classifier) != info.tagset.tags:
            raise RunError(
                f"{directory}/config.json: its tags {tags_of(classifier)} "
                f"are not those of labels.json {info.tagset.tags}"
            )
        built = _hf_student(config, info, classifier, load_tokenizer(directory))
        built.model.eval()
        return built
    featurizer = WordFeaturizer.load(directory, info.unit, max_words=config.encoder.max_pieces)
    model = Student(_tagger(config.head, scratch(config.encoder, featurizer), info.tagset), PairSimilarity())
    _fill(model, directory)
    return Built(info, config, model, featurizer)


def _fill(model: nn.Module, directory: Path) -> None:
    weights, wanted = load_weights(directory / WEIGHTS), model.state_dict()
    problems = [name for name, tensor in wanted.items() if name not in weights or weights[name].shape != tensor.shape]
    problems += [name for name in weights if name not in wanted]
    if problems:
        raise RunError(
            f"{directory / WEIGHTS}: does not fit config.toml and the vocabulary: "
            f"{len(problems)} weights differ, such as {problems[0]}"
        )
    model.load_state_dict(weights)
    model.eval()
