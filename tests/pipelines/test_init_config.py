"""`init-config` against the models that it describes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from ner_distill.config import PretrainConfig, RunConfig, StudentConfig, TeacherConfig, load_config
from ner_distill.config.sections import Measured
from ner_distill.config.variants import measured, variants
from ner_distill.errors import RunError
from ner_distill.pipelines.init_config import init_config

KINDS = pytest.mark.parametrize(
    ("name", "kind"), [("teacher", TeacherConfig), ("student", StudentConfig), ("pretrain", PretrainConfig)]
)
Kind = type[RunConfig]
EXPERIMENTAL = {"head": {"label_smoothing"}, "adversarial": {"alpha", "steps", "raw_text"}, "regularize": {"r_drop"}}
AUTO = {"optim.epochs", "optim.lr", "optim.head_lr", "optim.batch_words", "optim.precision", "head.kind"}
FOR_TEACHERS = {"adversarial.kind", "adversarial.epsilon", "optim.ema", "optim.average_lr"}
OF_THE_LOSS = {f"distill.{key}" for key in ("alpha", "beta", "gamma", "similarity_weight", "judge")}


def keys_of(kind: Kind) -> Iterator[tuple[str, FieldInfo]]:
    """Every key of a configuration with its section, and what its class says of it; keys of variants more than once."""
    for name, field in kind.model_fields.items():
        if not variants(field):
            yield name, field
        for variant in variants(field):
            for key, inner in variant.model_fields.items():
                first = len(variants(field)) > 1 and key == next(iter(variant.model_fields))
                yield f"{name}.{key}", field if first else inner


def flat(data: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys."""
    tables = {key: value if isinstance(value, dict) else {"": value} for key, value in data.items()}
    return {f"{table}.{key}".strip("."): value for table, keys in tables.items() for key, value in keys.items()}


@KINDS
def test_the_file_says_the_defaults_of_every_key_of_every_variant(name: str, kind: Kind) -> None:
    written = flat(tomllib.loads(init_config(name, None)))
    assert set(written) == {key for key, _ in keys_of(kind)}
    automatic = AUTO | (FOR_TEACHERS if name == "teacher" else set()) | {key for key in OF_THE_LOSS if key in written}
    assert {key for key, value in written.items() if value == "auto"} == automatic & set(written)
    for key, value in flat(kind().model_dump(mode="json")).items():
        assert written[key] in (value, "auto")


@KINDS
def test_training_with_the_file_is_training_without_it(name: str, kind: Kind, tmp_path: Path) -> None:
    init_config(name, tmp_path / "c.toml")
    assert load_config(kind, tmp_path / "c.toml") == load_config(kind, None)


@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [
        ("teacher", TeacherConfig, ["encoder.name=bert"]),
        ("teacher", TeacherConfig, ["encoder.name=bert", "lattice.kind=flat", "lattice.lexicon=w.txt"]),
        ("teacher", TeacherConfig, ["lattice.kind=softword", "lattice.lexicon=w.txt"]),
        ("teacher", TeacherConfig, ["head.kind=mrc"]),
        ("teacher", TeacherConfig, ["head.kind=additive-pointer"]),
        ("teacher", TeacherConfig, ["adversarial.kind=vat"]),
        ("teacher", TeacherConfig, ["loss.kind=pu"]),
        ("student", StudentConfig, ["encoder.name=bert"]),
        ("student", StudentConfig, ["head.kind=global-pointer"]),
        ("pretrain", PretrainConfig, ["encoder.name=bert"]),
        ("pretrain", PretrainConfig, ["minutes=1"]),
    ],
)
def test_the_file_serves_for_any_kind_that_a_setting_chooses(
    name: str, kind: Kind, settings: list[str], tmp_path: Path
) -> None:
    init_config(name, tmp_path / "c.toml")
    assert load_config(kind, tmp_path / "c.toml", settings) == load_config(kind, None, settings)


@KINDS
def test_every_key_has_a_description(name: str, kind: Kind) -> None:
    assert [key for key, field in keys_of(kind) if not field.description] == []


@KINDS
def test_a_comment_with_its_description_stands_above_every_key(name: str, kind: Kind) -> None:
    lines = init_config(name, None).splitlines()
    described = {key: {field.description for other, field in keys_of(kind) if other == key} for key, _ in keys_of(kind)}
    section = ""
    for number, line in enumerate(lines):
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif match := re.match(r"(\w+) = ", line):
            descriptions = described.pop(section + match[1])
            assert any(lines[number - 1].startswith(f"# {description}") for description in descriptions)
    assert not described


@KINDS
def test_keys_of_some_kinds_stand_below_a_line_that_names_them(name: str, kind: Kind) -> None:
    assert '# ---- only for name = "scratch"\n' in init_config(name, None)
    if name != "pretrain":
        text = init_config(name, None)
        below = text.split('# ---- only for kind = "global-pointer" or "efficient-global-pointer"\n')[1]
        assert below.splitlines()[1] == "rotary = true"


def test_what_did_not_pay_stands_last_in_its_section_under_a_line_that_says_so() -> None:
    sections = re.split(r"^\[(\w+)\]$", init_config("teacher", None), flags=re.MULTILINE)
    for name, text in zip(sections[1::2], sections[2::2], strict=True):
        before, *after = text.split("# ---- experimental")
        doubtful = {key for part in after for key in re.findall(r"^(\w+) = ", part, re.MULTILINE)}
        assert doubtful == EXPERIMENTAL.get(name, set())
        assert "only for" not in after[-1] if name in ("head", "regularize") else True
        assert before


def test_every_figure_stands_above_what_it_is_of() -> None:
    lines = init_config("teacher", None).splitlines()
    place = lines.index("simcse = 0.0")
    assert lines[place - 2].startswith("# measured: CLUENER +0.9")
    assert lines[lines.index("r_drop = 0.0") - 2].startswith("# experimental: CLUENER -0.6")
    kinds = [line for line in lines if re.match("# (measured|experimental): .*(fgm|vat)", line)]
    assert ["(fgm" in kinds[0], "(pgd" in kinds[1], "(vat" in kinds[1]] == [True, True, True]


def test_the_page_of_the_configuration_has_the_figure_of_every_key_that_was_tried() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text("utf-8")
    for key, field in keys_of(TeacherConfig):
        for entry in measured(field):
            names = (key.rpartition(".")[2], entry.setting)  # kinds have rows of their own
            rows = [line for line in page.splitlines() if line.startswith(tuple(f"| `{name}` |" for name in names))]
            assert any(str(entry) in row for row in rows), (key, str(entry))


@KINDS
def test_the_page_of_the_configuration_has_a_row_for_every_key(name: str, kind: Kind) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text("utf-8")
    parts = dict(re.findall(r"^## `\[(\w+)\]`[^\n]*\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    for key, _ in keys_of(kind):
        section, dot, own = key.rpartition(".")
        rows = parts.get(section, page) if dot else page
        assert key == "seed" or any(f"| `{name}` |" in rows for name in (own, key)), key


@pytest.mark.parametrize(
    ("figures", "doubtful"), [((-0.6,), True), ((-0.4,), False), ((-2.0, 0.1), False), ((-2.0, -0.6), True)]
)
def test_an_option_is_experimental_until_it_pays_on_some_data(figures: tuple[float, ...], doubtful: bool) -> None:
    assert Measured(*figures).experimental == doubtful


@KINDS
def test_the_words_that_a_key_may_have_are_listed(name: str, kind: Kind) -> None:
    text = init_config(name, None)
    choices = [get_args(field.annotation) for _, field in keys_of(kind) if get_origin(field.annotation) is Literal]
    assert choices
    for words in choices:
        assert " | ".join(f'"{word}"' for word in words) in text
    if name != "pretrain":
        assert '"auto" | "token" | "crf" | "crf-per-type" | "global-pointer"' in text


@KINDS
def test_what_is_written_is_what_is_returned(name: str, kind: Kind, tmp_path: Path) -> None:
    text = init_config(name, tmp_path / "c.toml")
    assert (tmp_path / "c.toml").read_text("utf-8") == text
    assert f"ner-distill {'' if name == 'pretrain' else 'train-'}{name}`" in text.splitlines()[0]


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("mine")
    with pytest.raises(RunError, match=r"c\.toml: exists"):
        init_config("teacher", path)
    assert path.read_text() == "mine"


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"c\.toml: cannot be written"):
        init_config("teacher", tmp_path / "no" / "c.toml")
