"""Reading a configuration: defaults, file and settings, checked together, with all problems in one message."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from ner_distill.config.checks import conflicts, unread
from ner_distill.config.presets import preset_data, preset_named
from ner_distill.config.sections import START_FILE, START_SHAPE
from ner_distill.config.trainings import RunConfig
from ner_distill.config.variants import default, foreign, keys, one_of, tag, tags, variants, which
from ner_distill.errors import ConfigError, closest
from ner_distill.places.urls import is_url, without_secrets

Config = TypeVar("Config", bound=RunConfig)


def load_config(kind: type[Config], file: Path | None, settings: Sequence[str] = (), *, alone: bool = True) -> Config:
    """The defaults, changed by the TOML file, changed by `section.key=value` settings, later ones over earlier.

    file: `preset:NAME` is a preset of the package. alone: False where others are made of the same file and settings, so
    that a key may be for these.
    Raises ConfigError with every problem found, each with the key and what to do.
    """
    data = _read_file(kind, file) if file is not None else {}
    malformed: list[str] = []
    places: dict[str, str] = {}
    for setting in settings:
        if (section := setting.partition(".")[0]) not in data:
            places[section] = f"`set` {setting}"
        key, problem = _apply(data, setting)
        if problem is None:
            places[key] = f"`set` {setting}"
        else:
            malformed.append(f"`set` {setting}: {problem}")
    malformed += _begin_at_start(data)
    where = str(file) if file else "settings"
    config = _checked(kind, data, lambda key: places.get(key, f"{where}: {key}" if key else where), malformed)
    if alone and (idle := {key: problem for key, problem in unread(config) if key in _idle(kind, file, settings)}):
        raise ConfigError.of([f"{places.get(key, f'{where}: {key}')}: {problem}" for key, problem in idle.items()])
    return config


def _idle(kind: type[Config], file: Path | None, settings: Sequence[str]) -> set[str]:
    """The keys that the file alone sets and does not read, or the settings alone.

    A setting that switches off what a file sets up, as ablations do, leaves keys of the file idle: that is no mistake.
    Nor is it one in a preset, which is for every kind of encoder.
    """
    found: set[str] = set()
    if file is not None and preset_named(file) is None:
        found |= _idle_in(kind, _read_file(kind, file))
    data: dict[str, Any] = {}
    for setting in settings:
        _apply(data, setting)
    return found | _idle_in(kind, data)


def _idle_in(kind: type[RunConfig], data: dict[str, Any]) -> set[str]:
    try:
        list(_begin_at_start(data))
        return {key for key, _ in unread(_checked(kind, data, str))}
    except ConfigError:  # it cannot stand alone
        return set()


def _read_file(kind: type[RunConfig], file: Path) -> dict[str, Any]:
    if (name := preset_named(file)) is not None:
        return preset_data(name, kind.table)
    return read_toml(file, "`ner-distill init-config teacher` writes one to start from")


def parse_config(kind: type[Config], data: Mapping[str, Any], where: str) -> Config:
    """The configuration of a run. Raises ConfigError with every problem.

    Keys of kinds that the run did not choose are left out, whatever they say: earlier versions wrote them.
    """
    own = dict(data)
    for name, field in kind.model_fields.items():
        if variants(field) and isinstance(table := data.get(name), Mapping):
            others = foreign(field, table)
            own[name] = {key: value for key, value in table.items() if key not in others}
    return _checked(kind, own, lambda key: f"{where}: {key}" if key else where)


def _checked(
    kind: type[Config], data: Mapping[str, Any], place: Callable[[str], str], malformed: Sequence[str] = ()
) -> Config:
    """The configuration, or one error: what is malformed, and each problem after the place of its key."""
    read, unread = _split_known_keys(kind, kind.completed(data))
    problems: dict[str, str] = {}
    config: Config | None = None
    try:
        config = kind.model_validate(read)
    except pydantic.ValidationError as error:
        problems = _described(kind, error)
    problems |= unread | _urls(read)
    lines = [*malformed, *(f"{place(key)}: {problem}" for key, problem in problems.items())]
    if config is not None:
        lines += [f"{place('')}: {problem}" for problem in conflicts(config)]
    if config is None or lines:
        raise ConfigError.of(lines)
    return config


def read_start(directory: Path) -> tuple[str, dict[str, Any]]:
    """What `encoder.toml` says of the encoder beside it: its unit, and the keys START_SHAPE. Raises ConfigError."""
    file = directory / START_FILE
    about = read_toml(file, "`ner-distill init-config teacher` writes one to start from")
    shape, unit = about.get("encoder"), about.get("unit")
    if about.get("format") != 1:
        raise ConfigError(f"{file}: expected an encoder of format 1, found {about.get('format')!r}")
    if not isinstance(shape, dict) or set(shape) != set(START_SHAPE) or unit not in ("word", "character", "blank"):
        raise ConfigError(f"{file}: is not as `pretrain` wrote it; restore it or pretrain again")
    return unit, shape


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
        yield f"encoder: {name}: the pretraining there is not finished; go on with it (pretrain `resume`)"
    elif (directory / START_FILE).is_file():
        shape = read_start(directory)[1]
        lattice = data.get("lattice")
        if isinstance(lattice, dict) and lattice.get("kind") == "flat":
            del shape["layers"], shape["heads"]  # those of FLAT's layers are others
        for key, value in shape.items():
            if encoder.get(key, value) != value:
                yield (
                    f"encoder.{key} = {encoder[key]!r}, but {directory / START_FILE} has {value!r}: an encoder goes on "
                    "as it was pretrained; leave the key out, or pretrain another"
                )
        data["encoder"] = {**encoder, **shape, "name": "scratch", "start": name}
    elif encoder.get("start"):
        yield f"encoder.start: {name}: no {START_FILE} there; expected a directory that `pretrain` wrote from scratch"


def read_toml(file: Path | str, missing: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises ConfigError naming it; `missing` says what to do where there is none."""
    try:
        return tomllib.loads(Path(file).read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: not found; {missing}") from None
    except IsADirectoryError:
        raise ConfigError(f"{file}: is a directory; expected a file (TOML); {missing}") from None
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
        return key, "a setting changes one key; give each key its own `set`"
    table = data
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            return key, f"{section} is not a section"
    table[last] = value
    return key, None


def _split_known_keys(kind: type[RunConfig], data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns the data that this configuration reads, and for every other dotted key what is wrong with it.

    A key of a kind that is not chosen is no problem if it has its default: a file may hold all keys.
    """
    read, problems = dict[str, Any](), dict[str, str]()
    for name, value in data.items():
        field = kind.model_fields.get(name)
        if field is None:
            problems[name] = f"unknown key; {_hint(kind, name)}"
        elif not variants(field):
            read[name] = value
        elif not isinstance(value, Mapping):
            problems[name] = f"is a section: write {name}.<key> = value"
        else:
            known, others = keys(field), foreign(field, value)
            read[name] = {key: value[key] for key in value if key in known and key not in others}
            for key in value:
                if key not in known:
                    problems[f"{name}.{key}"] = f"unknown key; {_hint(kind, key, name)}"
                elif key in others and value[key] not in [default(field, other, key) for other in others[key]]:
                    found = value[tag(others[key][0])]
                    problems[f"{name}.{key}"] = f'only for {name}.{which(others[key])}; found "{found}"'
    return read, problems


def _urls(data: Mapping[str, Any]) -> dict[str, str]:
    """Dotted key → what is wrong with a URL there: keys name files of this machine, and runs keep what they say."""
    pairs = ((f"{name}.{key}", value) for name, section in data.items() for key, value in _items(section))
    return {
        key: f"{without_secrets(text)} is a URL; expected what lies on this machine"
        for key, value in pairs
        for text in _texts(value)
        if is_url(text)
    }


def _items(section: Any) -> Iterator[tuple[str, Any]]:
    yield from section.items() if isinstance(section, Mapping) else ()


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, as deep as it goes."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one)


def _hint(kind: type[RunConfig], name: str, section: str = "") -> str:
    """What may have been meant: a key of the same section spelt alike, or the same key of another section."""
    known = list(keys(kind.model_fields[section]) if section else kind.model_fields)
    if close := closest(name, known):
        return f"did you mean {section}.{close}?" if section else f"did you mean {close}?"
    meant = [f"{other}.{name}" for other, field in kind.model_fields.items() if name in keys(field)]
    return f"did you mean {' or '.join(meant)}?" if meant else f"known here: {', '.join(known)}"


def _described(kind: type[RunConfig], error: pydantic.ValidationError) -> dict[str, str]:
    """dotted key → one line: what a key may be is a choice of several, and pydantic reports each of them."""
    messages: dict[str, list[str]] = {}
    found: dict[str, object] = {}
    for problem in error.errors():
        name, *inner = map(str, problem["loc"])
        field, message, value = kind.model_fields[name], problem["msg"].lower(), problem["input"]
        if problem["type"] == "union_tag_invalid":
            classes = variants(field)
            inner, value = [tag(classes[0])], value[tag(classes[0])]
            message = f"input should be {one_of(repr(word) for variant in classes for word in tags(variant))}"
        key = ".".join([name, *(part for part in inner if part in keys(field))][:2])
        messages.setdefault(key, []).append(message)
        found[key] = value
    for key in messages.keys() & kind.automatic():
        if "'auto'" not in messages[key][0]:
            messages[key].append("input should be 'auto'")
    return {key: f"{' or '.join(dict.fromkeys(choices))}, found {found[key]!r}" for key, choices in messages.items()}
