from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ner_distill.config import PretrainConfig, RunConfig, StudentConfig, TeacherConfig, load_config
from ner_distill.config.presets import PRESETS, preset_text
from ner_distill.errors import ConfigError
from ner_distill.options import Settings
from ner_distill.options.declare import fields_of, option_of
from ner_distill.options.start import InitConfigOptions
from ner_distill.pipelines.init_config import init_config
from ner_distill.runs.build import new_student
from ner_distill.runs.info import RunInfo
from ner_distill.runtime.inference import parameters_of
from tests import corpora

KINDS: dict[str, type[RunConfig]] = {"teacher": TeacherConfig, "student": StudentConfig}
EVERY = pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in PRESETS])


def preset(kind: str, name: str, *settings: str) -> RunConfig:
    return load_config(KINDS[kind], Path(f"preset:{name}"), settings)


def test_these_come_with_the_package_and_are_named_in_the_help():
    assert PRESETS == ("default", "fast", "mtmt", "small")
    for options, key in ((Settings, "config"), (InitConfigOptions, "preset")):
        (field,) = (field for field in fields_of(options) if field.name == key)
        assert all(name in option_of(field).help for name in PRESETS)


@EVERY
def test_a_preset_is_the_defaults_with_what_its_file_says(kind, name):
    data = tomllib.loads(preset_text(name)).get(kind, {})
    config, usual = preset(kind, name).model_dump(), load_config(KINDS[kind], None).model_dump()
    for section, keys in data.items():
        assert {key: config[section][key] for key in keys} == keys
    if not data:
        assert config == usual


@EVERY
def test_the_file_that_init_config_writes_of_a_preset_is_the_preset(kind, name, tmp_path):
    text = init_config(kind, tmp_path / "c.toml", preset=name)
    assert load_config(KINDS[kind], tmp_path / "c.toml") == preset(kind, name)
    if name != "default":
        assert preset_text(name).splitlines()[0] in text


def test_single_settings_go_on_top_of_a_preset():
    config = preset("teacher", "mtmt", "optim.epochs=2", "encoder.name=here")
    assert (config.optim.epochs, config.optim.lr, config.encoder.name) == (2, 1e-5, "here")


def test_mtmt_is_what_the_authors_published():
    teacher, student = preset("teacher", "mtmt"), preset("student", "mtmt")
    similarity, distill = teacher.similarity, student.distill
    assert (similarity.encoder, similarity.scale, similarity.target) == ("separate", "source", "tag")
    assert (teacher.head.kind, teacher.adversarial.kind, teacher.optim.swa, teacher.optim.ema) == (
        "token", "none", False, 0.0,
    )  # fmt: skip
    assert (teacher.optim.lr, teacher.optim.head_lr, student.optim.lr, student.optim.head_lr) == (
        1e-5, 1e-5, 5e-6, 5e-9,
    )  # fmt: skip
    assert (distill.divergence, distill.beta_floor, distill.similarity_weight, distill.temperature) == (
        "mse", 0.5, 0.5, 1.0,
    )  # fmt: skip
    assert (distill.alpha, distill.beta, distill.gamma) == ("auto", "auto", "auto")


def test_a_small_student_has_less_than_half_the_numbers_of_the_usual_one():
    """On a vocabulary of more forms than either takes."""
    words = [[f"{form:05d}"] * 2 for form in range(7000)]
    info = RunInfo("student", "word", corpora.LABELS)
    usual, small = (
        parameters_of(new_student(preset("student", name), info, words).model) for name in ("default", "small")
    )
    assert small < usual / 2
    assert 4 * small < 1_000_000


def test_an_unknown_preset_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"preset:smal: no such preset; did you mean preset:small\? There"):
        preset("student", "smal")
    with pytest.raises(ConfigError, match="There are default, fast, mtmt, small"):
        init_config("teacher", None, preset="xyz")


def test_a_path_is_no_preset():
    with pytest.raises(ConfigError, match="no such preset"):
        load_config(TeacherConfig, Path("preset:../presets/small"))


def test_pretraining_has_no_presets():
    with pytest.raises(ConfigError, match="presets are for teacher and student, not for pretrain"):
        load_config(PretrainConfig, Path("preset:fast"))


def test_a_wrong_setting_is_said_of_the_setting_and_not_of_the_preset():
    with pytest.raises(ConfigError, match=r"`set` optim\.epochs=0: "):
        preset("teacher", "fast", "optim.epochs=0")
