"""Which values of several keys contradict each other: one line for each contradiction, with the way out.

A key that the chosen kind of its section does not read is no matter of this module: `load` refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ner_distill.config import sections
from ner_distill.config.trainings import PretrainConfig, RunConfig, StudentConfig, TeacherConfig


def conflicts(config: RunConfig) -> Iterator[str]:
    """What contradicts what."""
    encoder = config.encoder
    if isinstance(encoder, sections.ScratchEncoderConfig) and encoder.hidden % encoder.heads:
        yield f"encoder.hidden must be a multiple of encoder.heads, found {encoder.hidden} and {encoder.heads}"
    match config:
        case TeacherConfig():
            yield from _teacher_conflicts(config)
        case StudentConfig():
            yield from _student_conflicts(config)
        case PretrainConfig():
            yield from _pretrain_conflicts(config)


def _changed(section: sections.Section, *keys: str) -> list[str]:
    """Which of these keys have not their default."""
    fields = type(section).model_fields
    return [key for key in keys if getattr(section, key) != fields[key].get_default()]


def _teacher_conflicts(config: TeacherConfig) -> Iterator[str]:
    encoder, lattice = config.encoder, config.lattice
    if config.similarity.weight > 0 and config.similarity.pairs_per_sentence == 0:
        yield "similarity.pairs_per_sentence = 0 leaves the similarity untrained; to switch it off: weight = 0"
    yield from _head_conflicts(config.head)
    if isinstance(lattice, sections.LexiconConfig):
        yield from _lattice_conflicts(lattice)
    if isinstance(lattice, sections.FlatConfig) and isinstance(encoder, sections.ScratchEncoderConfig):
        for key in _changed(lattice, "layers", "heads"):
            yield f"lattice.{key} has no use here: over the scratch encoder encoder.{key} counts"
    if isinstance(encoder, sections.PretrainedEncoderConfig) and not isinstance(lattice, sections.FlatConfig):
        for key in _changed(encoder, "dropout"):
            yield f"encoder.{key} is for the scratch encoder and for FLAT layers; a pretrained encoder has its own"
    yield from _feature_conflicts(encoder, config.features)
    yield from _training_conflicts(config)
    if isinstance(config.loss, sections.PuConfig):
        yield from _pu_conflicts(config)
    began = isinstance(encoder, sections.PretrainedEncoderConfig) or (
        encoder.start and not isinstance(lattice, sections.FlatConfig)
    )
    yield from _freeze_conflicts(config.optim, began=bool(began))


def _freeze_conflicts(optim: sections.OptimConfig, *, began: bool) -> Iterator[str]:
    """began: does the encoder begin with weights of a training before?"""
    if optim.freeze_epochs and not began:
        yield "optim.freeze_epochs keeps a pretrained encoder; one from scratch (or its FLAT layers) would stay random"
    if optim.freeze_epochs >= optim.epochs:
        yield f"optim.freeze_epochs must be less than optim.epochs, found {optim.freeze_epochs} and {optim.epochs}"


def _head_conflicts(head: sections.AnyHeadConfig) -> Iterator[str]:
    if isinstance(head, sections.GlobalPointerConfig) and head.rotary and head.head_dim % 2:
        yield f"head.head_dim must be even with rotary positions, found {head.head_dim}"
    if bool(head.main_type) != bool(head.main_type_weight):
        yield "head.main_type and head.main_type_weight go together: which type, and how much it counts"
    if isinstance(head, sections.MrcConfig):
        for key in _changed(head, "boundary_weight", "main_type_weight"):
            yield f"head.{key}: the words of an mrc head have a vector for each question, none that any type shares"


def _training_conflicts(config: TeacherConfig) -> Iterator[str]:
    encoder, head, adversarial = config.encoder, config.head, config.adversarial
    if isinstance(adversarial, sections.VatConfig) and "-" in adversarial.raw_text:
        yield "adversarial.raw_text: standard input is read once, and it is needed again on `resume`; give files"
    if adversarial.kind == "freelb" and adversarial.steps < 2:
        yield "adversarial.steps: freelb with one step is plain training; it needs 2 or more"
    if isinstance(encoder, sections.ScratchEncoderConfig):
        rates = (head.dropout, encoder.dropout, encoder.embedding_dropout, encoder.unknown)
        for key in _changed(config.regularize, "r_drop", "simcse"):
            if not any(rates):
                yield f"regularize.{key} compares two dropout passes; without any dropout they are the same"
    if isinstance(head, sections.MrcConfig) and config.regularize.mixup:
        yield "regularize.mixup: what an mrc head reads has a question in it; two of these cannot be mixed"
    if head.dropout_samples > 1 and not head.dropout:
        yield "head.dropout_samples: with head.dropout = 0 all samples are the same"
    weights = (config.similarity.weight, head.boundary_weight, head.main_type_weight)
    if head.task_weighting == "log-sum" and not any(weights) and not isinstance(config.loss, sections.PuConfig):
        yield 'head.task_weighting = "log-sum" joins two tasks; with similarity.weight = 0 there is one'


def _pu_conflicts(config: TeacherConfig) -> Iterator[str]:
    head = config.head
    if head.kind != "token":
        yield f'loss.kind = "pu" has a classifier of words for its head, found head.kind = "{head.kind}"; leave it out'
    for key in _changed(head, "boundary_weight", "main_type_weight", "label_smoothing"):
        yield f'head.{key} takes words without a label as of no type, which loss.kind = "pu" must not'
    if config.similarity.weight:
        yield 'similarity.weight takes words without a label as of no type: with loss.kind = "pu" it is 0'
    if head.task_weighting != "sum":
        yield 'head.task_weighting joins two tasks; with loss.kind = "pu" there is one'


def _lattice_conflicts(lattice: sections.LexiconConfig) -> Iterator[str]:
    if not lattice.lexicon and lattice.segmenter == "none":
        yield f'lattice.kind = "{lattice.kind}" needs words: give lattice.lexicon files or lattice.segmenter = "pkuseg"'
    if lattice.segmenter_model and lattice.segmenter == "none":
        yield 'lattice.segmenter_model has no use while lattice.segmenter = "none"'
    if isinstance(lattice, sections.WordVectorsConfig) and not lattice.tune_vectors and not lattice.vectors:
        yield "lattice.tune_vectors = false keeps what lattice.vectors gave; there are none"
    if "-" in (*lattice.lexicon, *(lattice.raw_text if isinstance(lattice, sections.SoftLexiconConfig) else ())):
        yield "lattice: standard input is read once, and these files are needed again on `resume`; give files"


def _feature_conflicts(encoder: sections.AnyEncoderConfig, features: sections.FeaturesConfig) -> Iterator[str]:
    vectors = features.char_vectors or features.bigram_vectors
    needs = {
        "spelling_dim": (features.pinyin or features.glyph, "features.pinyin or features.glyph"),
        "gazetteer_dim": (features.gazetteers, "features.gazetteers"),
        "tune_vectors": (vectors, "features.char_vectors or features.bigram_vectors"),
    }
    for key in _changed(features, *needs):
        given, what = needs[key]
        if not given:
            yield f"features.{key} has no use without {what}"
    if isinstance(encoder, sections.PretrainedEncoderConfig):
        for key in _changed(features, "char_vectors", "bigram_vectors"):
            yield f'features.{key} is for the scratch encoder; "{encoder.name}" has vectors of its own'
    elif encoder.start and vectors:
        yield "encoder.start and features.char_vectors or bigram_vectors both say where vectors begin; give one of them"


def _student_conflicts(config: StudentConfig) -> Iterator[str]:
    encoder, head, init = config.encoder, config.head, config.init
    yield from _head_conflicts(head)
    if head.kind in ("crf-per-type", "mrc"):
        yield f'head.kind = "{head.kind}" costs a chain or a pass for each type; a student has tags or a pointer'
    for key in _changed(head, "label_smoothing", "dropout_samples", "task_weighting", "boundary_weight", "main_type"):
        yield f"head.{key} is for teachers; a student learns from their probabilities"
    if config.distill.divergence == "mse" and config.distill.temperature != 1.0:
        yield 'distill.temperature softens "kl" and "ce"; with divergence = "mse" it must be 1.0'
    if bool(init.teacher) != bool(init.layers):
        yield "init.teacher and init.layers go together: whose layers, and which"
    if isinstance(head, sections.PointerConfig):
        for key in _changed(config.distill, "divergence", "temperature"):
            yield f"distill.{key} is of tags; a pointer learns from spans by a loss of its own"
    if init.teacher and isinstance(encoder, sections.PretrainedEncoderConfig):
        yield f'init.teacher copies an encoder; leave encoder.name out, found "{encoder.name}"'
    if init.teacher and isinstance(encoder, sections.ScratchEncoderConfig) and encoder.start:
        yield f'init.teacher copies an encoder; leave encoder.start out, found "{encoder.start}"'
    if config.pretrained and head.kind != "token":
        yield (
            f'a student on a pretrained encoder is saved for transformers, which has no head "{head.kind}": '
            'head.kind must be "token"'
        )
    if isinstance(encoder, sections.PretrainedEncoderConfig) and _changed(encoder, "pooling", "layer_mix"):
        yield 'a student on a pretrained encoder is saved for transformers: pooling must be "first", layer_mix false'
    began = config.pretrained or (isinstance(encoder, sections.ScratchEncoderConfig) and bool(encoder.start))
    yield from _freeze_conflicts(config.optim, began=began)


def _pretrain_conflicts(config: PretrainConfig) -> Iterator[str]:
    encoder, optim = config.encoder, config.optim
    if isinstance(encoder, sections.PretrainedEncoderConfig) and _changed(encoder, "pooling", "layer_mix"):
        yield "encoder.pooling and encoder.layer_mix belong to a tagger; pretraining reads pieces"
    for key in _changed(optim, "layer_decay", "freeze_epochs", "crf_lr"):
        yield f"optim.{key} is for train-teacher and train-student; pretraining trains every layer alike"
    if config.minutes and optim.epochs != 1:
        yield f"minutes = {config.minutes:g} and optim.epochs = {optim.epochs} both say how long; give one of them"
    if "-" in config.mask.lexicon:
        yield "mask.lexicon: standard input is read once, and this file is needed again on `resume`; give a file"
    if (
        isinstance(encoder, sections.ScratchEncoderConfig)
        and config.simcse
        and not any((encoder.dropout, encoder.embedding_dropout))
    ):
        yield "simcse compares two dropout passes; without any dropout they are the same"
