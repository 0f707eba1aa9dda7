"""Reading a configuration: defaults, file and settings, checked together, with all problems in one message."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from pydantic import BaseModel

from ner_distill.config.checks import conflicts, pretrain_conflicts
from ner_distill.config.sections import (
    START_FILE,
    START_SHAPE,
    PretrainConfig,
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
        found = pretrain_conflicts(config) if isinstance(config, PretrainConfig) else conflicts(config)
        lines += [f"{place('')}: {problem}" for problem in found]
    if config is None or lines:
        raise ConfigError.of(lines)
    return _resolve(config)


SCRATCH_AUTO = {"epochs": 12, "lr": 2e-3, "batch_words": 512}
PU_SCRATCH_AUTO = {"epochs": 6, "lr": 2e-3, "batch_words": 2048}
"""The risk has a maximum over a batch: many words make it steady; with 512 it was 3 points of F1 behind."""
PRETRAINED_AUTO = {"epochs": 5, "lr": 3e-5, "head_lr": 1e-3, "batch_words": 1024}
SCRATCH_PRETRAIN_AUTO = {"epochs": 3, "lr": 3e-3, "batch_words": 1024}
PRETRAINED_PRETRAIN_AUTO = {"epochs": 1, "lr": 5e-5, "head_lr": 1e-3, "batch_words": 1024}


def _resolve(config: Config) -> Config:
    """Replace every "auto": what suits an encoder from scratch ruins a pretrained one."""
    scratch = config.encoder.name == "scratch" and not (isinstance(config, StudentConfig) and config.init.teacher)
    auto = SCRATCH_AUTO if scratch else PRETRAINED_AUTO
    optim = config.optim
    if scratch and isinstance(config, TeacherConfig) and config.loss.kind == "pu":
        auto = PU_SCRATCH_AUTO
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
