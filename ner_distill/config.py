"""The configuration: frozen models of the TOML file, checked together, with all problems in one message.

No class of the package needs this module: constructors take plain values.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from ner_distill.errors import ConfigError

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what numpy and torch both take
Auto = Literal["auto", "off"] | Annotated[float, Field(ge=0.0)]


class Section(BaseModel):
    """A table of the configuration file: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _as_tuple(value: object) -> object:
    """TOML has lists; a frozen model holds tuples."""
    return tuple(value) if isinstance(value, list) else value


class EncoderConfig(Section):
    """What turns a sentence into one vector per word."""

    name: str = Field("scratch", description='"scratch", a Hugging Face model id, or a directory')
    layers: Count = Field(1, description="transformer layers (scratch only)")
    hidden: Count = Field(160, description="width of the vectors (scratch only)")
    heads: Count = Field(8, description="attention heads (scratch only); must divide hidden")
    word_dim: Count = Field(64, description="width of word embeddings (scratch only)")
    bigram_dim: Count = Field(64, description="width of character-bigram embeddings (scratch only, Chinese)")
    bigrams: bool = Field(True, description="character bigrams (scratch only, Chinese)")
    char_filters: Count = Field(50, description="filters of each width of the character CNN (scratch only)")
    min_count: Count = Field(2, description="rarer words share the unknown word's vector (scratch only)")
    max_forms: Annotated[int, Field(ge=0)] = Field(
        0, description="keep only so many of the most frequent words and bigrams, 0 = all (scratch only)"
    )
    unknown: Fraction = Field(0.15, description="chance of hiding a word in training (scratch only)")
    dropout: Fraction = Field(0.2, description="dropout inside the layers (scratch only)")
    embedding_dropout: Fraction = Field(0.4, description="dropout on the embeddings (scratch only)")
    pooling: Literal["first", "mean"] = Field(
        "first", description="which pieces make a word's vector (pretrained only)"
    )
    layer_mix: bool = Field(False, description="learned mix of the last four layers per word (pretrained only)")
    max_pieces: Annotated[int, Field(ge=8)] = Field(
        512, description="longer sentences are read in overlapping windows of so many pieces (scratch: words)"
    )


class HeadConfig(Section):
    """What turns word vectors into entities."""

    kind: Literal["auto", "token", "crf"] = Field(
        "auto", description="independent tags, or a linear-chain CRF (auto: crf, but token for a pretrained student)"
    )
    dropout: Fraction = Field(0.1, description="dropout on the word vectors before the head")


class SimilarityConfig(Section):
    """The second task of the teacher: do two words carry the same entity type?"""

    weight: Weight = Field(0.5, description="weight of this task in the joint loss; 0 switches it off")
    encoder: Literal["shared", "separate"] = Field("shared", description="share the recogniser's encoder or not")
    pairs_per_sentence: Annotated[int, Field(ge=0)] = Field(32, description="sampled pairs per encoded sentence")
    target: Literal["type", "tag"] = Field("type", description="what two words must share to be alike")
    scale: Literal["learned", "source"] = Field(
        "learned",
        description='"source": sigmoid(cos) as published, which lies in [0.27, 0.73]; "learned": sigmoid(a cos + b)',
    )


class AdversarialConfig(Section):
    """Training against the worst small change of the embeddings."""

    kind: Literal["none", "fgm"] = Field("none", description="fast gradient method (Miyato et al. 2017)")
    epsilon: Rate = Field(1.0, description="length of the perturbation")
    on: Literal["vectors", "weights"] = Field(
        "vectors", description="perturb each sentence's embedded vectors, or the embedding matrix"
    )


class OptimConfig(Section):
    """The training loop."""

    epochs: Count | Literal["auto"] = Field(
        "auto", description="passes over the training data (auto: scratch 12, pretrained 5)"
    )
    lr: Rate | Literal["auto"] = Field(
        "auto", description="learning rate of the encoder (auto: scratch 2e-3, pretrained 3e-5)"
    )
    head_lr: Rate | Literal["auto"] = Field(
        "auto", description="learning rate of new layers (auto: scratch lr, pretrained 1e-3)"
    )
    crf_lr: Rate = Field(1e-2, description="learning rate of the CRF's transitions")
    warmup: Fraction = Field(0.1, description="share of the training in which the rate rises")
    weight_decay: Weight = Field(0.01, description="AdamW's weight decay (not on biases and norms)")
    batch_words: Count | Literal["auto"] = Field(
        "auto",
        description="words (pretrained: pieces) of a batch, padding included (auto: scratch 512, pretrained 1024)",
    )
    accumulate: Count = Field(1, description="batches that make one step")
    clip: Weight = Field(5.0, description="largest norm of the gradient; 0 = no clipping")
    swa: bool = Field(False, description="average the weights of the last epochs")
    swa_start: Fraction = Field(0.7, description="share of the training after which averaging starts")
    patience: Annotated[int, Field(ge=0)] = Field(
        0, description="stop after so many epochs without a better score; 0 = never"
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 needs a device that has it")
    checkpoint_minutes: Weight = Field(
        2.0, description="minutes between checkpoints inside an epoch; 0 = only at its end"
    )


class DistillConfig(Section):
    """The student's loss."""

    divergence: Literal["mse", "kl", "ce"] = Field(
        "kl", description="how far the student's tags are from the teacher's; \"mse\" is the source's"
    )
    temperature: Rate = Field(1.0, description="softens both sides (kl and ce)")
    alpha: Auto = Field("auto", description='the teacher\'s confidence on a word: "auto", a number, or "off" (= 1)')
    beta: Auto = Field("auto", description='the certainty of a pair\'s similarity: "auto", a number, or "off" (= 1)')
    gamma: Auto = Field("auto", description='do the teacher\'s two tasks agree: "auto", a number, or "off" (= 1)')
    beta_floor: Fraction = Field(
        0.5, description="added to beta, which is then cut at 1 (the authors' code: 0.5; paper: 0)"
    )
    similarity_weight: Weight = Field(0.5, description="weight of the similarity term")
    gold_weight: Weight = Field(1.0, description="weight of the loss on gold sentences, where given")


class InitConfig(Section):
    """Where a Hugging Face student begins, other than at a checkpoint."""

    teacher: str = Field("", description="run of a teacher with a pretrained encoder, whose layers the student copies")
    layers: Annotated[tuple[int, ...], pydantic.BeforeValidator(_as_tuple)] = Field(
        (), description="which layers to copy, lowest first; negative ones count from the top"
    )


class TeacherConfig(Section):
    """Everything that `train-teacher` can be told."""

    seed: Seed = Field(13, description="of everything that is drawn at random")
    encoder: EncoderConfig = EncoderConfig()
    head: HeadConfig = HeadConfig()
    similarity: SimilarityConfig = SimilarityConfig()
    adversarial: AdversarialConfig = AdversarialConfig()
    optim: OptimConfig = OptimConfig()


class StudentConfig(Section):
    """Everything that `train-student` can be told."""

    seed: Seed = Field(13, description="of everything that is drawn at random")
    encoder: EncoderConfig = EncoderConfig(
        hidden=96,
        heads=6,
        word_dim=48,
        bigram_dim=32,
        char_filters=24,
        max_forms=6000,
        unknown=0.05,
        dropout=0.1,
        embedding_dropout=0.2,
    )
    head: HeadConfig = HeadConfig()
    init: InitConfig = InitConfig()
    optim: OptimConfig = OptimConfig()
    distill: DistillConfig = DistillConfig()


Config = TypeVar("Config", TeacherConfig, StudentConfig)


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
        lines += [f"{place('')}: {problem}" for problem in _conflicts(config)]
    if config is None or lines:
        raise ConfigError.of(lines)
    return _resolve(config)


SCRATCH_AUTO = {"epochs": 12, "lr": 2e-3, "batch_words": 512}
PRETRAINED_AUTO = {"epochs": 5, "lr": 3e-5, "head_lr": 1e-3, "batch_words": 1024}


def _resolve(config: Config) -> Config:
    """Replace every "auto": what suits an encoder from scratch ruins a pretrained one."""
    scratch = config.encoder.name == "scratch" and not (isinstance(config, StudentConfig) and config.init.teacher)
    auto = SCRATCH_AUTO if scratch else PRETRAINED_AUTO
    optim = config.optim
    changes = {key: value for key, value in auto.items() if getattr(optim, key) == "auto"}
    optim = optim.model_copy(update=changes)
    if optim.head_lr == "auto":
        optim = optim.model_copy(update={"head_lr": optim.lr})
    head = config.head
    if head.kind == "auto":
        # a student on a pretrained encoder is saved for transformers, which has no CRF
        kind = "token" if isinstance(config, StudentConfig) and not scratch else "crf"
        head = head.model_copy(update={"kind": kind})
    return config.model_copy(update={"optim": optim, "head": head})


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
    if isinstance(config, StudentConfig):
        yield from _student_conflicts(config)


def _scratch_only(encoder: EncoderConfig, default: EncoderConfig) -> Iterator[str]:
    """Keys that a pretrained encoder would ignore without a word."""
    for key, field in EncoderConfig.model_fields.items():
        if "(scratch only" in (field.description or "") and getattr(encoder, key) != getattr(default, key):
            yield f'encoder.{key} is for the scratch encoder; the shape of "{encoder.name}" is its own'


def _student_conflicts(config: StudentConfig) -> Iterator[str]:
    if config.distill.divergence == "mse" and config.distill.temperature != 1.0:
        yield 'distill.temperature softens "kl" and "ce"; with divergence = "mse" it must be 1.0'
    if bool(config.init.teacher) != bool(config.init.layers):
        yield "init.teacher and init.layers go together: whose layers, and which"
    if config.init.teacher and config.encoder.name != "scratch":
        yield f'init.teacher copies an encoder; leave encoder.name out, found "{config.encoder.name}"'
    if config.encoder.name == "scratch" and not config.init.teacher:
        return
    if config.head.kind == "crf":
        yield 'a student on a pretrained encoder is saved for transformers, which has no CRF: head.kind must be "token"'
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
    if isinstance(value, dict):
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
        merged[key] = _overlay(old, new) if isinstance(old, Mapping) and isinstance(new, Mapping) else new
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
