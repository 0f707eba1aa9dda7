"""Reading a configuration: defaults, file and settings, checked together, with all problems in one message."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from pydantic import BaseModel

from ner_distill.config import (
    START_FILE,
    START_SHAPE,
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
from ner_distill.errors import ConfigError

Config = TypeVar("Config", TeacherConfig, StudentConfig, PretrainConfig)


def load_config(kind: type[Config], file: Path | None, settings: Sequence[str] = ()) -> Config:
    """The defaults, changed by the TOML file, changed by `section.key=value` settings, later ones over earlier.

    Raises ConfigError with every problem found, each with the key and what to do.
    """
    data = _read_toml(file) if file is not None else {}
    malformed: list[str] = []
    places: dict[str, str] = {}
    for setting in settings:
        if (section := setting.partition(".")[0]) not in data:
            places[section] = f"--set {setting}"
        key, problem = _apply(data, setting)
        if problem is None:
            places[key] = f"--set {setting}"
        else:
            malformed.append(f"--set {setting}: {problem}")
    malformed += _begin_at_start(data)
    where = str(file) if file else "settings"
    return _checked(kind, data, lambda key: places.get(key, f"{where}: {key}") if key else where, malformed)


def parse_config(kind: type[Config], data: Mapping[str, Any], where: str) -> Config:
    """Check a configuration that was read. Raises ConfigError with every problem."""
    return _checked(kind, data, lambda key: f"{where}: {key}" if key else where)


def _checked(
    kind: type[Config], data: Mapping[str, Any], place: Callable[[str], str], malformed: Sequence[str] = ()
) -> Config:
    """The configuration, or one error: what is malformed, and each problem after the place of its key."""
    problems: dict[str, str] = {}
    config: Config | None = None
    try:
        config = kind.model_validate(_overlay(kind().model_dump(), data))
    except pydantic.ValidationError as error:
        problems = _describe(error.errors())
    problems |= _unknown_keys(kind, data)
    lines = [*malformed, *(f"{place(key)}: {problem}" for key, problem in problems.items())]
    if config is not None:
        found = _pretrain_conflicts(config) if isinstance(config, PretrainConfig) else _conflicts(config)
        lines += [f"{place('')}: {problem}" for problem in found]
    if config is None or lines:
        raise ConfigError.of(lines)
    return _resolve(config)


SCRATCH_AUTO = {"epochs": 12, "lr": 2e-3, "batch_words": 512}
PRETRAINED_AUTO = {"epochs": 5, "lr": 3e-5, "head_lr": 1e-3, "batch_words": 1024}
SCRATCH_PRETRAIN_AUTO = {"epochs": 3, "lr": 3e-3, "batch_words": 1024}
PRETRAINED_PRETRAIN_AUTO = {"epochs": 1, "lr": 5e-5, "head_lr": 1e-3, "batch_words": 1024}


def _resolve(config: Config) -> Config:
    """Replace every "auto": what suits an encoder from scratch ruins a pretrained one."""
    scratch = config.encoder.name == "scratch" and not (isinstance(config, StudentConfig) and config.init.teacher)
    auto = SCRATCH_AUTO if scratch else PRETRAINED_AUTO
    optim = config.optim
    if isinstance(config, PretrainConfig):
        auto = SCRATCH_PRETRAIN_AUTO if scratch else PRETRAINED_PRETRAIN_AUTO
        auto = {key: value for key, value in auto.items() if key != "epochs" or not config.minutes}
    changes = {key: value for key, value in auto.items() if getattr(optim, key) == "auto"}
    optim = optim.model_copy(update=changes)
    if optim.head_lr == "auto":
        optim = optim.model_copy(update={"head_lr": optim.lr})
    if isinstance(config, PretrainConfig):
        return config.model_copy(update={"optim": optim})
    head = config.head
    if head.kind == "auto":
        # a student on a pretrained encoder is saved for transformers, which has no CRF
        # PU learning decides word by word
        words = config.loss.kind == "pu" if isinstance(config, TeacherConfig) else not scratch
        kind = "token" if words else "crf"
        head = head.model_copy(update={"kind": kind})
    changed: dict[str, BaseModel] = {"optim": optim, "head": head}
    if isinstance(config, TeacherConfig) and config.loss.kind == "pu":
        changed["similarity"] = config.similarity.model_copy(update={"weight": 0.0})
    return config.model_copy(update=changed)


def _conflicts(config: TeacherConfig | StudentConfig) -> Iterator[str]:
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


def _pretrain_conflicts(config: PretrainConfig) -> Iterator[str]:
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


def read_start(directory: Path) -> tuple[str, dict[str, Any]]:
    """What `encoder.toml` says of the encoder beside it: its unit, and the keys START_SHAPE. Raises ConfigError."""
    file = directory / START_FILE
    about = _read_toml(file)
    shape = about.get("encoder")
    if about.get("format") != 1:
        raise ConfigError(f"{file}: expected an encoder of format 1, found {about.get('format')!r}")
    if not isinstance(shape, dict) or set(shape) != set(START_SHAPE) or about.get("unit") not in ("word", "character"):
        raise ConfigError(f"{file}: is not as `pretrain` wrote it; restore it or pretrain again")
    return str(about["unit"]), shape


def _begin_at_start(data: dict[str, Any]) -> Iterator[str]:
    """Where `[encoder]` names a directory of `pretrain`: its shape into the data. Gives what disagrees with it."""
    encoder = data.get("encoder")
    name = (encoder.get("start") or encoder.get("name")) if isinstance(encoder, dict) else None
    if not isinstance(encoder, dict) or not isinstance(name, str) or not name:
        return
    if encoder.get("start") and encoder.get("name", "scratch") != "scratch":
        return  # which is found later: a pretrained encoder has no start
    directory = Path(name).expanduser()
    if (directory / "pretrain.json").is_file() and not (directory / "metrics.json").is_file():
        yield f"encoder: {name}: the pretraining there is not finished; go on with it (pretrain --resume)"
    elif (directory / START_FILE).is_file():
        shape = read_start(directory)[1]
        lattice = data.get("lattice")
        if isinstance(lattice, dict) and lattice.get("kind") == "flat":  # whose layers are others
            shape = {key: value for key, value in shape.items() if key not in ("layers", "heads")}
        for key, value in shape.items():
            if encoder.get(key, value) != value:
                yield (
                    f"encoder.{key} = {encoder[key]!r}, but {directory / START_FILE} has {value!r}: an encoder goes on "
                    "as it was pretrained; leave the key out, or pretrain another"
                )
        data["encoder"] = {**encoder, **shape, "name": "scratch", "start": name}
    elif encoder.get("start"):
        yield f"encoder.start: {name}: no {START_FILE} there; expected a directory that `pretrain` wrote from scratch"


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


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: not found; `ner-distill init-config teacher` writes one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None


def _apply(data: dict[str, Any], setting: str) -> tuple[str, str | None]:
    """Put `a.b=value` into nested tables; its key, and the problem if there is one.

    The value is read as TOML; what TOML does not know is a string.
    """
    key, equals, text = (part.strip() for part in setting.partition("="))
    if not equals or not key:
        return key, "expected section.key=value"
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if isinstance(value, dict) and key not in ("features.gazetteers", "loss.prior"):
        return key, "a setting changes one key; give each key its own --set"
    table = data
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            return key, f"{section} is not a section"
    table[last] = value
    return key, None


def _unknown_keys(kind: type[BaseModel], data: Mapping[str, Any]) -> dict[str, str]:
    """dotted key → what is wrong with it."""
    problems: dict[str, str] = {}
    for key, value in data.items():
        section = _sections(kind).get(key)
        if key not in kind.model_fields:
            problems[key] = f"unknown key; {_hint(kind, key)}"
        elif section is not None and not isinstance(value, Mapping):
            problems[key] = f"is a section: write {key}.<key> = value"
        elif section is not None:
            for inner in value:
                if inner not in section.model_fields:
                    problems[f"{key}.{inner}"] = f"unknown key; {_hint(kind, inner, key)}"
    return problems


def _sections(kind: type[BaseModel]) -> dict[str, type[BaseModel]]:
    types = {name: field.annotation for name, field in kind.model_fields.items()}
    return {name: found for name, found in types.items() if isinstance(found, type) and issubclass(found, BaseModel)}


def _hint(kind: type[BaseModel], name: str, section: str = "") -> str:
    """What may have been meant: a key of the same section spelt alike, or the same key of another section."""
    prefix = f"{section}." if section else ""
    known = list((_sections(kind)[section] if section else kind).model_fields)
    close = [f"{prefix}{match}" for match in difflib.get_close_matches(name, known, n=1)]
    meant = close or [f"{other}.{name}" for other, model in _sections(kind).items() if name in model.model_fields]
    return f"did you mean {' or '.join(meant)}?" if meant else f"known here: {', '.join(known)}"


def _overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `changes`; keys that `base` lacks are left out (`_unknown_keys` names them)."""
    merged = dict(base)
    for key in merged.keys() & changes.keys():
        old, new = merged[key], changes[key]
        # an empty mapping is a value whose keys are the user's own, such as features.gazetteers
        merged[key] = _overlay(old, new) if isinstance(old, Mapping) and old and isinstance(new, Mapping) else new
    return merged


def _describe(errors: Sequence[Any]) -> dict[str, str]:
    """dotted key → one line: what a key may be is a choice of several, and pydantic reports each of them."""
    messages: dict[str, list[str]] = {}
    found: dict[str, object] = {}
    for error in errors:
        key = ".".join(str(part) for part in error["loc"][:2])
        messages.setdefault(key, []).append(error["msg"].lower())
        found[key] = error["input"]
    return {key: f"{' or '.join(dict.fromkeys(said))}, found {found[key]!r}" for key, said in messages.items()}
