"""Which values of several keys contradict each other: one line for each contradiction, with the way out.

Keys that the chosen kind of a section does not read are no matter of this module: `load` refuses them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ner_distill.config import sections
from ner_distill.config.trainings import PretrainConfig, RunConfig, StudentConfig, TeacherConfig


def conflicts(config: RunConfig) -> Iterator[str]:
    """Every contradiction in a configuration."""
    encoder = config.encoder
    if isinstance(encoder, sections.ScratchEncoderConfig) and encoder.hidden % encoder.heads:
        yield f"encoder.hidden must be a multiple of encoder.heads, found {encoder.hidden} and {encoder.heads}"
    for name, section in config:
        for key, value in section if isinstance(section, sections.Section) else ():
            if isinstance(value, tuple) and "-" in value:
                yield f"{name}.{key}: standard input is read once, and it is needed again on `resume`; give files"
    match config:
        case TeacherConfig():
            yield from _head_conflicts(config.head)
            yield from _teacher_conflicts(config)
            yield from _averaging_conflicts(config.optim)
            yield from _word_conflicts(config)
            if isinstance(config.loss, sections.PuConfig):
                yield from _pu_conflicts(config)
        case StudentConfig():
            yield from _head_conflicts(config.head)
            yield from _student_conflicts(config)
            yield from _averaging_conflicts(config.optim)
        case PretrainConfig():
            yield from _pretrain_conflicts(config)
            yield from _averaging_conflicts(config.optim)


Unread = Iterator[tuple[str, str]]


def unread(config: RunConfig) -> Unread:
    """Keys that were set and that nobody reads, dotted, and what to do. Runs of earlier versions have some of them."""
    match config:
        case PretrainConfig():
            yield from _unread_averaging(config.optim)
        case TeacherConfig():
            yield from _unread_averaging(config.optim)
            yield from _unread_by_teachers(config)
            yield from _unread_by_taggers(config)
        case StudentConfig():
            yield from _unread_averaging(config.optim)
            yield from _unread_by_students(config)
            yield from _unread_by_taggers(config)


def _unread_averaging(optim: sections.OptimConfig) -> Unread:
    if _changed(optim, "swa_start") and not (optim.swa or optim.average_lr):
        yield "optim.swa_start", "has no use without optim.swa, or optim.average_lr with optim.ema"
    if optim.swa and optim.swa_start == 1:
        yield "optim.swa", "averages after optim.swa_start of the training, with 1 never: give less there"


def _unread_by_taggers(config: TeacherConfig | StudentConfig) -> Unread:
    adversarial = config.adversarial
    if adversarial.kind == "none":
        keys = _changed(adversarial, "on")
        if adversarial.epsilon not in _epsilons():
            keys.append("epsilon")
        for key in keys:
            yield f"adversarial.{key}", 'has no use with adversarial.kind = "none"; give a kind, such as "fgm"'
    if config.head.kind not in ("crf", "crf-per-type") and _changed(config.optim, "crf_lr"):
        yield "optim.crf_lr", f'is of the transitions of a CRF; head.kind = "{config.head.kind}" has none'


def _epsilons() -> set[float]:
    """What `adversarial.epsilon` is where nobody sets it."""
    usual = {float(sections.NoAdversaryConfig().epsilon)}
    return usual | {
        float(values["adversarial"]["epsilon"])
        for values in TeacherConfig.auto.values()
        if "epsilon" in values.get("adversarial", {})
    }


def _unread_by_teachers(config: TeacherConfig) -> Unread:
    head, lattice, regularize, similarity = config.head, config.lattice, config.regularize, config.similarity
    if similarity.weight not in ("auto", 0) and _changed(similarity, "share"):
        yield "similarity.share", 'is for similarity.weight = "auto"; a number says the weight itself'
    if _changed(regularize, "mixup_beta") and not regularize.mixup:
        yield "regularize.mixup_beta", "has no use without regularize.mixup"
    if isinstance(head, sections.PointerConfig) and _changed(head, "reading_entropy") and not head.reading_weight:
        yield "head.reading_entropy", "has no use without head.reading_weight"
    if isinstance(lattice, sections.FlatConfig) and not lattice.shared_positions and lattice.positions == "fixed":
        yield "lattice.shared_positions", 'is of learned tables: give lattice.positions = "learned" as well'


def _unread_by_students(config: StudentConfig) -> Unread:
    distill = config.distill
    if distill.similarity_weight not in ("auto", 0) and _changed(distill, "similarity_share"):
        yield "distill.similarity_share", 'is for distill.similarity_weight = "auto"; a number says the weight itself'
    if not config.pretrained:
        return
    encoder, own = config.encoder, StudentConfig.model_fields["encoder"].get_default()
    if isinstance(encoder, sections.PretrainedEncoderConfig):
        if encoder.dropout != own.dropout:
            yield "encoder.dropout", "is for the scratch encoder; a pretrained encoder has its own"
        return
    for key in type(encoder).model_fields:
        if key not in ("name", "start", "max_pieces") and getattr(encoder, key) != getattr(own, key):
            yield f"encoder.{key}", "init.teacher copies an encoder as it is; leave it out"


def _changed(section: sections.Section, *keys: str) -> list[str]:
    """Returns those of the keys whose value is not the default."""
    fields = type(section).model_fields
    return [key for key in keys if getattr(section, key) != fields[key].get_default()]


def _head_conflicts(head: sections.AnyHeadConfig) -> Iterator[str]:
    if isinstance(head, sections.GlobalPointerConfig) and head.rotary and head.head_dim % 2:
        yield f"head.head_dim must be even with rotary positions, found {head.head_dim}"
    if bool(head.main_type) != bool(head.main_type_weight):
        yield "head.main_type and head.main_type_weight go together: which type, and how much it counts"
    if isinstance(head, sections.MrcConfig):
        for key in _changed(head, "boundary_weight", "main_type_weight"):
            yield f"head.{key}: the words of an mrc head have a vector for each question, none that any type shares"


def _freeze_conflicts(optim: sections.OptimConfig, *, pretrained: bool) -> Iterator[str]:
    """pretrained: whether the encoder starts from trained weights, in the layers that would be frozen."""
    for key in _changed(optim, "freeze_epochs", "freeze_layers") if not pretrained else ():
        yield f"optim.{key} keeps a pretrained encoder; one from scratch (or its FLAT layers) would stay random"
    if optim.freeze_epochs >= optim.epochs:
        yield f"optim.freeze_epochs must be less than optim.epochs, found {optim.freeze_epochs} and {optim.epochs}"


def _averaging_conflicts(optim: sections.OptimConfig) -> Iterator[str]:
    if optim.swa and optim.ema:
        yield "optim.swa and optim.ema are two averages of the weights, of which one is kept; give one of them"
    if optim.average_lr and not (optim.swa or optim.ema):
        yield "optim.average_lr keeps the rate up for an average of the weights; give optim.swa or optim.ema, too"
    elif optim.average_lr and optim.warmup > optim.swa_start:
        yield (
            "optim.warmup must not be over optim.swa_start, after which optim.average_lr holds, found "
            f"{optim.warmup:g} and {optim.swa_start:g}"
        )


def _teacher_conflicts(config: TeacherConfig) -> Iterator[str]:
    encoder, head, similarity, adversarial = config.encoder, config.head, config.similarity, config.adversarial
    flat = isinstance(config.lattice, sections.FlatConfig)
    if similarity.learned and similarity.pairs_per_sentence == 0:
        yield "similarity.pairs_per_sentence = 0 leaves the similarity untrained; to switch it off: weight = 0"
    if isinstance(encoder, sections.PretrainedEncoderConfig):
        if not flat and _changed(encoder, "dropout"):
            yield "encoder.dropout is for the scratch encoder and for FLAT layers; a pretrained encoder has its own"
        yield from _freeze_conflicts(config.optim, pretrained=True)
    else:
        yield from _freeze_conflicts(config.optim, pretrained=bool(encoder.start) and not flat)
        if config.optim.freeze_layers and encoder.start and _known_words(config):
            yield (
                "optim.freeze_layers keeps the embeddings of encoder.start; what lattice and features add to them "
                "would stay random"
            )
        if not any((head.dropout, encoder.dropout, encoder.embedding_dropout, encoder.unknown)):
            for key in _changed(config.regularize, "r_drop", "simcse"):
                yield f"regularize.{key} compares two dropout passes; without any dropout they are the same"
    if isinstance(head, sections.TagsHeadConfig) and head.greedy:
        yield "head.greedy reads as transformers does, which loads students alone; leave it out"
    if adversarial.kind == "freelb" and adversarial.steps < 2:
        yield "adversarial.steps: freelb with one step is plain training; it needs 2 or more"
    if isinstance(head, sections.MrcConfig) and config.regularize.mixup:
        yield "regularize.mixup: what an mrc head reads has a question in it; two of these cannot be mixed"
    if head.dropout_samples > 1 and not head.dropout:
        yield "head.dropout_samples: with head.dropout = 0 all samples are the same"
    weights = (similarity.learned, head.boundary_weight, head.main_type_weight)
    if head.task_weighting == "log-sum" and not any(weights) and not isinstance(config.loss, sections.PuConfig):
        yield 'head.task_weighting = "log-sum" joins two tasks; with similarity.weight = 0 there is one'
    if head.task_weighting == "log-sum" and similarity.weight == "auto":
        yield 'head.task_weighting = "log-sum" and similarity.weight = "auto" both weigh the second task; give one'
    if similarity.encoder == "separate" and similarity.weight == "auto":
        yield 'similarity.weight = "auto" weighs two tasks of one encoder; of separate ones give a number'


def _known_words(config: TeacherConfig) -> bool:
    """Is anything of what is known of words embedded beside a scratch encoder's words?"""
    known = _changed(config.features, "pinyin", "glyph", "gazetteers", "train_lists")
    return bool(known) or isinstance(config.lattice, sections.SoftLexiconConfig | sections.SoftwordConfig)


def _word_conflicts(config: TeacherConfig) -> Iterator[str]:
    """Of the lattice and of the features."""
    encoder, lattice, features = config.encoder, config.lattice, config.features
    if isinstance(lattice, sections.LexiconConfig):
        if not lattice.lexicon and lattice.segmenter == "none":
            yield (
                f'lattice.kind = "{lattice.kind}" needs words: give lattice.lexicon files or '
                'lattice.segmenter = "pkuseg"'
            )
        if lattice.segmenter_model and lattice.segmenter == "none":
            yield 'lattice.segmenter_model has no use while lattice.segmenter = "none"'
    if isinstance(lattice, sections.WordVectorsConfig) and not lattice.tune_vectors and not lattice.vectors:
        yield "lattice.tune_vectors = false keeps what lattice.vectors gave; there are none"
    if isinstance(lattice, sections.FlatConfig) and isinstance(encoder, sections.ScratchEncoderConfig):
        for key in _changed(lattice, "layers", "heads"):
            yield f"lattice.{key} has no use here: over the scratch encoder encoder.{key} counts"
    vectors = features.char_vectors or features.bigram_vectors
    if _changed(features, "spelling_dim") and not (features.pinyin or features.glyph):
        yield "features.spelling_dim has no use without features.pinyin or features.glyph"
    if _changed(features, "gazetteer_dim") and not features.gazetteers and features.train_lists == "none":
        yield "features.gazetteer_dim has no use without features.gazetteers or features.train_lists"
    if features.train_lists == "none":
        for key in _changed(features, "train_lists_outside", "train_lists_most", "train_lists_folds"):
            yield f"features.{key} has no use without features.train_lists"
    elif isinstance(config.head, sections.MrcConfig):
        yield "features.train_lists: an mrc head reads questions and sentences as one, whose fold nothing tells"
    if _changed(features, "tune_vectors") and not vectors:
        yield "features.tune_vectors has no use without features.char_vectors or features.bigram_vectors"
    if isinstance(encoder, sections.PretrainedEncoderConfig):
        for key in _changed(features, "char_vectors", "bigram_vectors"):
            yield f'features.{key} is for the scratch encoder; "{encoder.name}" has vectors of its own'
    elif encoder.start and vectors:
        yield "encoder.start and features.char_vectors or bigram_vectors both say where vectors begin; give one of them"


def _pu_conflicts(config: TeacherConfig) -> Iterator[str]:
    head = config.head
    if head.kind != "token":
        yield f'loss.kind = "pu" has a classifier of words for its head, found head.kind = "{head.kind}"; leave it out'
    for key in _changed(head, "boundary_weight", "main_type_weight", "label_smoothing"):
        yield f'head.{key} takes words without a label as of no type, which loss.kind = "pu" must not'
    if config.features.train_lists != "none":
        yield (
            'features.train_lists makes lists of the labels, and labels that loss.kind = "pu" is for come from lists: '
            "each word of a list would be known as a label; leave it out"
        )
    if config.similarity.learned:
        yield 'similarity.weight takes words without a label as of no type: with loss.kind = "pu" it is 0'
    if head.task_weighting != "sum":
        yield 'head.task_weighting joins two tasks; with loss.kind = "pu" there is one'


def _student_conflicts(config: StudentConfig) -> Iterator[str]:
    encoder, head, init, distill = config.encoder, config.head, config.init, config.distill
    saved = "a student on a pretrained encoder is saved for transformers"
    if head.kind in ("crf-per-type", "mrc"):
        yield f'head.kind = "{head.kind}" costs a chain or a pass for each type; a student has tags or a pointer'
    if isinstance(head, sections.TagsHeadConfig) and head.greedy and not config.pretrained:
        yield "head.greedy reads as transformers does, of a student that it loads (encoder.name or init.teacher)"
    for key in _changed(head, "label_smoothing", "dropout_samples", "task_weighting", "boundary_weight", "main_type"):
        yield f"head.{key} is for teachers; a student learns from their probabilities"
    if distill.divergence == "mse" and distill.temperature != 1.0:
        yield 'distill.temperature softens "kl" and "ce"; with divergence = "mse" it must be 1.0'
    if isinstance(head, sections.PointerConfig):
        for key in _changed(distill, "divergence", "temperature"):
            yield f"distill.{key} is of tags; a pointer learns from spans by a loss of its own"
    if isinstance(config.adversarial, sections.VatConfig):
        yield 'adversarial.kind = "vat" is for teachers: a student learns from answers, not from what it says itself'
    if bool(init.teacher) != bool(init.layers):
        yield "init.teacher and init.layers go together: whose layers, and which or how many"
    if not config.pretrained:
        for key in _changed(init, "vocabulary", "vocabulary_text", "embedding_rank"):
            yield f"init.{key} is of a Hugging Face student (encoder.name, or init.teacher and init.layers)"
    elif init.vocabulary_text and init.vocabulary == "whole" and not init.embedding_rank:
        yield (
            'init.vocabulary_text is for choosing pieces; with init.vocabulary = "whole" all of them stay: give '
            'init.vocabulary = "cut" (or a number of pieces, or init.embedding_rank) as well'
        )
    if config.pretrained and head.kind != "token":
        yield f'{saved}, which has no head "{head.kind}": head.kind must be "token"'
    if isinstance(encoder, sections.PretrainedEncoderConfig):
        if init.teacher:
            yield f'init.teacher copies an encoder; leave encoder.name out, found "{encoder.name}"'
        if _changed(encoder, "pooling", "layer_mix"):
            yield f'{saved}: pooling must be "first", layer_mix false'
        yield from _freeze_conflicts(config.optim, pretrained=True)
    else:
        if init.teacher and encoder.start:
            yield f'init.teacher copies an encoder; leave encoder.start out, found "{encoder.start}"'
        yield from _freeze_conflicts(config.optim, pretrained=bool(init.teacher or encoder.start))


def _pretrain_conflicts(config: PretrainConfig) -> Iterator[str]:
    encoder, optim = config.encoder, config.optim
    for key in _changed(optim, "layer_decay", "freeze_epochs", "freeze_layers", "crf_lr"):
        yield f"optim.{key} is for train-teacher and train-student; pretraining trains every layer alike"
    if config.minutes and optim.epochs != 1:
        yield f"minutes = {config.minutes:g} and optim.epochs = {optim.epochs} both say how long; give one of them"
    if isinstance(encoder, sections.PretrainedEncoderConfig):
        if _changed(encoder, "pooling", "layer_mix"):
            yield "encoder.pooling and encoder.layer_mix belong to a tagger; pretraining reads pieces"
    elif config.simcse and not (encoder.dropout or encoder.embedding_dropout):
        yield "simcse compares two dropout passes; without any dropout they are the same"
