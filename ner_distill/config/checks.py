"""Which settings contradict each other, or have no use beside the others: one line for each, with the way out."""

from __future__ import annotations

from collections.abc import Iterator

from ner_distill.config.sections import (
    AdversarialConfig,
    DistillConfig,
    EncoderConfig,
    FeaturesConfig,
    HeadConfig,
    LatticeConfig,
    LossConfig,
    OptimConfig,
    PretrainConfig,
    SimilarityConfig,
    StudentConfig,
    TeacherConfig,
)


def conflicts(config: TeacherConfig | StudentConfig) -> Iterator[str]:
    encoder = config.encoder
    if encoder.name == "scratch" and encoder.hidden % encoder.heads:
        yield f"encoder.hidden must be a multiple of encoder.heads, found {encoder.hidden} and {encoder.heads}"
    if encoder.name == "scratch" and encoder.layer_mix:
        yield 'encoder.layer_mix mixes the layers of a pretrained encoder; with name = "scratch" it must be false'
    if encoder.name != "scratch":
        yield from _scratch_only(encoder, type(config)().encoder)
    if isinstance(config, TeacherConfig) and config.similarity.weight > 0 and config.similarity.pairs_per_sentence == 0:
        yield "similarity.pairs_per_sentence = 0 leaves the similarity untrained; to switch it off: weight = 0"
    yield from _head_conflicts(config.head)
    if isinstance(config, StudentConfig):
        yield from _student_conflicts(config)
    else:
        yield from _lattice_conflicts(config)
        yield from _training_conflicts(config)
        yield from _loss_conflicts(config)
    epochs, freeze = config.optim.epochs, config.optim.freeze_epochs
    random = encoder.name == "scratch" and not (isinstance(config, StudentConfig) and config.init.teacher)
    flat = isinstance(config, TeacherConfig) and config.lattice.kind == "flat"
    if freeze and random and (flat or not encoder.start):
        yield "optim.freeze_epochs keeps a pretrained encoder; one from scratch (or its FLAT layers) would stay random"
    if isinstance(epochs, int) and freeze >= epochs:
        yield f"optim.freeze_epochs must be less than optim.epochs, found {freeze} and {epochs}"


def pretrain_conflicts(config: PretrainConfig) -> Iterator[str]:
    encoder, optim, default = config.encoder, config.optim, OptimConfig()
    if encoder.name == "scratch" and encoder.hidden % encoder.heads:
        yield f"encoder.hidden must be a multiple of encoder.heads, found {encoder.hidden} and {encoder.heads}"
    if encoder.name != "scratch":
        yield from _scratch_only(encoder, PretrainConfig().encoder)
    if encoder.pooling != "first" or encoder.layer_mix:
        yield "encoder.pooling and encoder.layer_mix belong to a tagger; pretraining reads pieces"
    for key in ("layer_decay", "freeze_epochs", "crf_lr"):
        if getattr(optim, key) != getattr(default, key):
            yield f"optim.{key} is for train-teacher and train-student; pretraining trains every layer alike"
    if config.minutes and optim.epochs != "auto":
        yield f"minutes = {config.minutes:g} and optim.epochs = {optim.epochs} both say how long; give one of them"
    if "-" in config.mask.lexicon:
        yield "mask.lexicon: standard input is read once, and this file is needed again on --resume; give a file"
    if config.simcse and encoder.name == "scratch" and not (encoder.dropout or encoder.embedding_dropout):
        yield "simcse compares two dropout passes; without any dropout they are the same"


def _scratch_only(encoder: EncoderConfig, default: EncoderConfig) -> Iterator[str]:
    """Keys that a pretrained encoder would ignore without a word."""
    for key, field in EncoderConfig.model_fields.items():
        if "(scratch only" in (field.description or "") and getattr(encoder, key) != getattr(default, key):
            yield f'encoder.{key} is for the scratch encoder; the shape of "{encoder.name}" is its own'


POINTERS = ("global-pointer", "efficient-global-pointer", "additive-pointer")
_OF_KINDS = {
    "head_dim": POINTERS,
    "rotary": POINTERS[:2],
    "max_span": POINTERS,
    "reading_weight": POINTERS,
    "questions": ("mrc",),
}


def _head_conflicts(head: HeadConfig) -> Iterator[str]:
    for key, kinds in _OF_KINDS.items():
        if head.kind not in kinds and getattr(head, key) != getattr(HeadConfig(), key):
            yield f'head.{key} is for {", ".join(kinds)}; found kind = "{head.kind}"'
    if head.kind in POINTERS[:2] and head.rotary and head.head_dim % 2:
        yield f"head.head_dim must be even with rotary positions, found {head.head_dim}"
    if bool(head.main_type) != bool(head.main_type_weight):
        yield "head.main_type and head.main_type_weight go together: which type, and how much it counts"
    if head.kind == "mrc":
        for key in ("boundary_weight", "main_type_weight"):
            if getattr(head, key):
                yield f"head.{key}: the words of an mrc head have a vector for each question, none that any type shares"


def _training_conflicts(config: TeacherConfig) -> Iterator[str]:
    encoder, adversarial, regularize = config.encoder, config.adversarial, config.regularize
    default = AdversarialConfig()
    for key in ("alpha", "steps"):
        if adversarial.kind not in ("pgd", "freelb") and getattr(adversarial, key) != getattr(default, key):
            yield f'adversarial.{key} is for pgd and freelb, found kind = "{adversarial.kind}"'
    if adversarial.raw_text and adversarial.kind != "vat":
        yield f'adversarial.raw_text has no labels, which only vat can do without, found kind = "{adversarial.kind}"'
    if "-" in adversarial.raw_text:
        yield "adversarial.raw_text: standard input is read once, and it is needed again on --resume; give files"
    if adversarial.kind == "freelb" and adversarial.steps < 2:
        yield "adversarial.steps: freelb with one step is plain training; it needs 2 or more"
    rates = [config.head.dropout]
    if encoder.name == "scratch":
        rates += [encoder.dropout, encoder.embedding_dropout, encoder.unknown]
        if not any(rates):
            for key in ("r_drop", "simcse"):
                if getattr(regularize, key):
                    yield f"regularize.{key} compares two dropout passes; without any dropout they are the same"
    if config.head.kind == "mrc" and regularize.mixup:
        yield "regularize.mixup: what an mrc head reads has a question in it; two of these cannot be mixed"
    if config.head.dropout_samples > 1 and not config.head.dropout:
        yield "head.dropout_samples: with head.dropout = 0 all samples are the same"
    weights = (config.similarity.weight, config.head.boundary_weight, config.head.main_type_weight)
    if config.head.task_weighting == "log-sum" and not any(weights):
        yield 'head.task_weighting = "log-sum" joins two tasks; with similarity.weight = 0 there is one'


def _loss_conflicts(config: TeacherConfig) -> Iterator[str]:
    loss, head, default = config.loss, config.head, LossConfig()
    if loss.kind != "pu":
        for key in ("prior", "prior_from", "bounded", "joint", "gamma"):
            if getattr(loss, key) != getattr(default, key):
                yield f'loss.{key} is for loss.kind = "pu", found kind = "{loss.kind}"'
        return
    if head.kind not in ("auto", "token"):
        yield f'loss.kind = "pu" has a classifier of words for its head, found head.kind = "{head.kind}"; leave it out'
    for key in ("boundary_weight", "main_type_weight", "label_smoothing"):
        if getattr(head, key):
            yield f'head.{key} takes words without a label as of no type, which loss.kind = "pu" must not'
    if config.similarity.weight not in (0.0, SimilarityConfig().weight):
        yield 'similarity.weight takes words without a label as of no type: with loss.kind = "pu" it is 0'
    if head.task_weighting != "sum":
        yield 'head.task_weighting joins two tasks; with loss.kind = "pu" there is one'


_WORDS = {"kind", "lexicon", "segmenter", "segmenter_model", "max_length", "word_dim"}
_VECTORS = _WORDS | {"min_count", "vectors", "tune_vectors", "unknown"}
_FLAT = _VECTORS | {"dropout", "fusion", "positions", "shared_positions", "scaled"}
USED = {
    "none": {"kind"},
    "softword": _WORDS,
    "ex-softword": _WORDS,
    "soft-lexicon": _VECTORS | {"raw_text"},
    "flat": _FLAT,
}
"""The keys of `[lattice]` that each kind reads; any other would be ignored without a word."""


def _lattice_conflicts(config: TeacherConfig) -> Iterator[str]:
    lattice, features, default = config.lattice, config.features, LatticeConfig()
    scratch = config.encoder.name == "scratch"
    used = USED[lattice.kind] | (set() if scratch or lattice.kind != "flat" else {"layers", "heads"})
    for key in LatticeConfig.model_fields:
        if key not in used and getattr(lattice, key) != getattr(default, key):
            reason = f'lattice.kind = "{lattice.kind}" does not read it'
            if lattice.kind == "flat" and key in ("layers", "heads"):
                reason = f"over the scratch encoder encoder.{key} counts"
            yield f"lattice.{key} has no use here: {reason}"
    if not scratch and lattice.kind != "flat" and config.encoder.dropout != EncoderConfig().dropout:
        yield "encoder.dropout is for the scratch encoder and for FLAT layers; a pretrained encoder has its own"
    if lattice.kind != "none" and not lattice.lexicon and lattice.segmenter == "none":
        yield f'lattice.kind = "{lattice.kind}" needs words: give lattice.lexicon files or lattice.segmenter = "pkuseg"'
    if lattice.segmenter_model and lattice.segmenter == "none":
        yield 'lattice.segmenter_model has no use while lattice.segmenter = "none"'
    if not lattice.tune_vectors and not lattice.vectors:
        yield "lattice.tune_vectors = false keeps what lattice.vectors gave; there are none"
    if "-" in (*lattice.lexicon, *lattice.raw_text):
        yield "lattice: standard input is read once, and these files are needed again on --resume; give files"
    yield from _feature_conflicts(config.encoder, features)


def _feature_conflicts(encoder: EncoderConfig, features: FeaturesConfig) -> Iterator[str]:
    default = FeaturesConfig()
    vectors = features.char_vectors or features.bigram_vectors
    needs = {
        "spelling_dim": (features.pinyin or features.glyph, "features.pinyin or features.glyph"),
        "gazetteer_dim": (features.gazetteers, "features.gazetteers"),
        "tune_vectors": (vectors, "features.char_vectors or features.bigram_vectors"),
    }
    for key, (given, what) in needs.items():
        if not given and getattr(features, key) != getattr(default, key):
            yield f"features.{key} has no use without {what}"
    if encoder.name != "scratch":
        for key in ("char_vectors", "bigram_vectors"):
            if getattr(features, key):
                yield f'features.{key} is for the scratch encoder; "{encoder.name}" has vectors of its own'
    elif encoder.start and vectors:
        yield "encoder.start and features.char_vectors or bigram_vectors both say where vectors begin; give one of them"


def _student_conflicts(config: StudentConfig) -> Iterator[str]:
    if config.head.kind in ("crf-per-type", "mrc"):
        yield f'head.kind = "{config.head.kind}" costs a chain or a pass for each type; a student has tags or a pointer'
    for key in ("label_smoothing", "dropout_samples", "task_weighting", "boundary_weight", "main_type"):
        if getattr(config.head, key) != getattr(HeadConfig(), key):
            yield f"head.{key} is for teachers; a student learns from their probabilities"
    if config.distill.divergence == "mse" and config.distill.temperature != 1.0:
        yield 'distill.temperature softens "kl" and "ce"; with divergence = "mse" it must be 1.0'
    if bool(config.init.teacher) != bool(config.init.layers):
        yield "init.teacher and init.layers go together: whose layers, and which"
    if config.head.kind in POINTERS:
        for key in ("divergence", "temperature"):
            if getattr(config.distill, key) != getattr(DistillConfig(), key):
                yield f"distill.{key} is of tags; a pointer learns from spans by a loss of its own"
    if config.init.teacher and config.encoder.name != "scratch":
        yield f'init.teacher copies an encoder; leave encoder.name out, found "{config.encoder.name}"'
    if config.init.teacher and config.encoder.start:
        yield f'init.teacher copies an encoder; leave encoder.start out, found "{config.encoder.start}"'
    if config.encoder.name == "scratch" and not config.init.teacher:
        return
    if config.head.kind not in ("auto", "token"):
        yield (
            f'a student on a pretrained encoder is saved for transformers, which has no head "{config.head.kind}": '
            'head.kind must be "token"'
        )
    if config.encoder.pooling != "first" or config.encoder.layer_mix:
        yield 'a student on a pretrained encoder is saved for transformers: pooling must be "first", layer_mix false'
