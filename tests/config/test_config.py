"""The configuration: where values come from, what is refused, and how it is said."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest
import tomli_w

from ner_distill.config import PretrainConfig, RunConfig, StudentConfig, TeacherConfig, load_config, parse_config
from ner_distill.errors import ConfigError

Kind = type[RunConfig]
Write = Callable[[str], Path]
BOTH = pytest.mark.parametrize("kind", [TeacherConfig, StudentConfig])


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration file."""

    def write(text: str) -> Path:
        path = tmp_path / "run.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def teacher(*settings: str, file: Path | None = None) -> TeacherConfig:
    return load_config(TeacherConfig, file, settings)


def student(*settings: str, file: Path | None = None) -> StudentConfig:
    return load_config(StudentConfig, file, settings)


def problems(*settings: str, kind: Kind = TeacherConfig, file: Path | None = None) -> list[str]:
    """The lines of the one error."""
    with pytest.raises(ConfigError) as raised:
        load_config(kind, file, settings)
    first, *others = str(raised.value).split("\n")
    if not others:
        return [first]
    assert first == f"{len(others)} problems:"
    return [line.removeprefix("  - ") for line in others]


# ---- where values come from


def test_a_file_changes_the_defaults_and_a_setting_changes_the_file(write: Write) -> None:
    file = write('seed = 1\n[optim]\nlr = 0.5\nclip = 2.0\n[head]\nkind = "token"\n')
    config = teacher("optim.lr=0.25", file=file)
    assert (config.seed, config.optim.lr, config.optim.clip, config.head.kind) == (1, 0.25, 2.0, "token")
    assert config.head.dropout == TeacherConfig().head.dropout


def test_the_later_of_two_settings_counts() -> None:
    assert teacher("seed=1", "seed=2").seed == 2


def test_a_students_defaults_survive_a_change_of_their_section() -> None:
    config = student("encoder.layers=3")
    assert (config.encoder.layers, config.encoder.hidden) == (3, StudentConfig().encoder.hidden)
    assert StudentConfig().encoder.hidden != TeacherConfig().encoder.hidden


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("optim.epochs=7", 7),
        ("optim.lr=3e-5", 3e-5),
        ("optim.lr=1", 1.0),
        (" optim.lr = 0.5 ", 0.5),
        ("optim.swa=true", True),
        ("encoder.name=bert-base-multilingual-cased", "bert-base-multilingual-cased"),
        ("encoder.name=/models/a b=c#d", "/models/a b=c#d"),
        ('encoder.name="0"', "0"),
        ("encoder.name='quoted'", "quoted"),
        ("head.kind=token", "token"),
    ],
)
def test_a_setting_is_read_as_toml_or_else_as_a_string(setting: str, value: object) -> None:
    section, key = setting.split("=")[0].strip().split(".")
    found = getattr(getattr(teacher(setting), section), key)
    assert (found, type(found)) == (value, type(value))


def test_a_setting_may_be_a_list() -> None:
    assert student("init.teacher=runs/t", "init.layers=[0, -1]").init.layers == (0, -1)
    assert student("init.teacher=runs/t", "init.layers=4").init.layers == 4


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("off", "off"), ("0.5", 0.5), ("0", 0.0)])
def test_a_weight_is_a_word_or_a_number(text: str, value: object) -> None:
    assert student(f"distill.alpha={text}").distill.alpha == value


def test_a_file_with_a_byte_order_mark_is_read(write: Write) -> None:
    assert teacher(file=write("\ufeffseed = 5\n")).seed == 5


@BOTH
def test_a_configuration_is_frozen(kind: Kind) -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        kind().optim.clip = 1.0  # type: ignore[misc]


# ---- "auto"


SCRATCH = {"epochs": 12, "lr": 2e-3, "head_lr": 2e-3, "batch_words": 512}
PRETRAINED = {"epochs": 5, "lr": 3e-5, "head_lr": 1e-3, "batch_words": 1024}


@pytest.mark.parametrize(
    ("kind", "settings", "wanted"),
    [
        pytest.param(TeacherConfig, [], SCRATCH, id="scratch teacher"),
        pytest.param(StudentConfig, [], SCRATCH, id="scratch student"),
        pytest.param(StudentConfig, ["encoder.hidden=48"], SCRATCH, id="narrow student"),
        pytest.param(StudentConfig, ["encoder.hidden=192"], SCRATCH | {"lr": 1e-3, "head_lr": 1e-3}, id="wide student"),
        pytest.param(StudentConfig, ["encoder.hidden=192", "optim.lr=2e-3"], SCRATCH, id="wide student, rate given"),
        pytest.param(TeacherConfig, ["encoder.hidden=192"], SCRATCH, id="wide teacher"),
        pytest.param(TeacherConfig, ["encoder.name=bert"], PRETRAINED, id="pretrained teacher"),
        pytest.param(StudentConfig, ["encoder.name=bert"], PRETRAINED, id="pretrained student"),
        pytest.param(StudentConfig, ["init.teacher=t", "init.layers=[0]"], PRETRAINED, id="layers of a teacher"),
        pytest.param(TeacherConfig, ["optim.lr=0.5"], SCRATCH | {"lr": 0.5, "head_lr": 0.5}, id="head follows lr"),
        pytest.param(TeacherConfig, ["optim.head_lr=0.5"], SCRATCH | {"head_lr": 0.5}, id="head given"),
        pytest.param(TeacherConfig, ["encoder.name=bert", "optim.lr=0.5"], PRETRAINED | {"lr": 0.5}, id="head apart"),
        pytest.param(TeacherConfig, ["optim.epochs=3"], SCRATCH | {"epochs": 3}, id="epochs given"),
        pytest.param(TeacherConfig, ["loss.kind=pu"], SCRATCH | {"epochs": 6, "batch_words": 2048}, id="pu"),
        pytest.param(TeacherConfig, ["optim.batch_words=9"], SCRATCH | {"batch_words": 9}, id="batch given"),
    ],
)
def test_auto_becomes_what_suits_the_encoder(kind: Kind, settings: list[str], wanted: dict[str, float]) -> None:
    optim = load_config(kind, None, settings).optim
    assert {key: getattr(optim, key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("kind", "settings", "head"),
    [
        pytest.param(TeacherConfig, [], "crf", id="scratch teacher"),
        pytest.param(StudentConfig, [], "crf", id="scratch student"),
        pytest.param(TeacherConfig, ["encoder.name=bert"], "crf", id="pretrained teacher"),
        pytest.param(StudentConfig, ["encoder.name=bert"], "token", id="pretrained student"),
        pytest.param(StudentConfig, ["init.teacher=t", "init.layers=[0]"], "token", id="layers of a teacher"),
        pytest.param(TeacherConfig, ["head.kind=token"], "token", id="given"),
    ],
)
def test_auto_becomes_a_head_that_the_model_can_be_saved_with(kind: Kind, settings: list[str], head: str) -> None:
    assert load_config(kind, None, settings).head.kind == head


@BOTH
@pytest.mark.parametrize("settings", [[], ["encoder.name=bert", "optim.lr=auto"]])
def test_a_resolved_configuration_written_as_toml_is_read_back_unchanged(kind: Kind, settings: list[str]) -> None:
    config = load_config(kind, None, settings)
    written = tomllib.loads(tomli_w.dumps(config.model_dump()))
    assert parse_config(kind, written, "x") == config


# ---- what is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optim]\nepoch = 3", "optim.epoch: unknown key; did you mean optim.epochs?"),
        ("[optimm]\nepochs = 3", "optimm: unknown key; did you mean optim?"),
        ("epochs = 3", "epochs: unknown key; did you mean optim.epochs?"),
        ("dropout = 0.1", "dropout: unknown key; did you mean encoder.dropout or lattice.dropout or head.dropout?"),
        (
            "[similarity]\nzzz = 1",
            "similarity.zzz: unknown key; known here: weight, share, encoder, pairs_per_sentence, target, scale",
        ),
        ("head = 3", "head: is a section: write head.<key> = value"),
        ("seed = 1.5", "seed: input should be a valid integer, found 1.5"),
        ("seed = -1", "seed: input should be greater than or equal to 0, found -1"),
        ("seed = true", "seed: input should be a valid integer, found True"),
        ("[seed]\nx = 1", "seed: input should be a valid integer, found {'x': 1}"),
        ("[optim]\nswa = 1", "optim.swa: input should be a valid boolean, found 1"),
        ("[optim]\ncrf_lr = 0", "optim.crf_lr: input should be greater than 0, found 0"),
        ("[optim]\ncrf_lr = inf", "optim.crf_lr: input should be a finite number, found inf"),
        ("[head]\ndropout = 1.5", "head.dropout: input should be less than 1, found 1.5"),
        ("[optim]\nprecision = 'fp8'", "optim.precision: input should be 'auto', 'fp32' or 'bf16', found 'fp8'"),
        ("[optim]\nlr = 'fast'", "optim.lr: input should be a valid number or input should be 'auto', found 'fast'"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_file(write: Write, text: str, message: str) -> None:
    file = write(text)
    assert problems(file=file) == [f"{file}: {message}"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optim.epochs", "expected section.key=value"),
        ("=3", "expected section.key=value"),
        ("optim.epoch=3", "unknown key; did you mean optim.epochs?"),
        (
            "distill.alpha=1",
            "unknown key; known here: seed, encoder, lattice, features, head, similarity, adversarial, regularize, "
            "loss, optim",
        ),
        ("optim=3", "is a section: write optim.<key> = value"),
        ("optim={lr = 1.0}", "a setting changes one key; give each key its own `set`"),
        ("optim.lr=", "input should be a valid number or input should be 'auto', found ''"),
        ("optim.epochs=3.0", "input should be a valid integer or input should be 'auto', found 3.0"),
    ],
)
def test_a_wrong_setting_is_quoted(setting: str, message: str) -> None:
    assert problems(setting) == [f"`set` {setting}: {message}"]


def test_a_setting_inside_a_value_is_refused(write: Write) -> None:
    assert problems("seed.x=3", file=write("seed = 1")) == ["`set` seed.x=3: seed is not a section"]


def test_a_layer_that_is_no_number_is_refused() -> None:
    found = problems("init.teacher=t", 'init.layers=[0, "top"]', kind=StudentConfig)
    assert found == ["`set` init.layers=[0, \"top\"]: input should be a valid integer, found 'top'"]


def test_all_problems_are_in_one_message_each_where_it_comes_from(write: Write) -> None:
    file = write("sed = 1\n[optim]\nlr = -1\nclip = 'no'\n[head]\ndropout = 2.0\n")
    found = problems("nothing", "optim.epochs=0", "encoder.nam=bert", "optim.clip=1", file=file)
    assert [line.rpartition(": ")[0] for line in found] == [
        "`set` nothing",
        f"{file}: head.dropout",
        "`set` optim.epochs=0",
        f"{file}: optim.lr",
        f"{file}: sed",
        "`set` encoder.nam=bert",
    ]


def test_conflicts_are_named_beside_unknown_keys(write: Write) -> None:
    file = write("sed = 1\n[encoder]\nhidden = 100\nheads = 7\n")
    assert problems(file=file) == [
        f"{file}: sed: unknown key; did you mean seed?",
        f"{file}: encoder.hidden must be a multiple of encoder.heads, found 100 and 7",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["encoder.heads=7"], "encoder.hidden must be a multiple of encoder.heads"),
        (["encoder.layer_mix=true"], "encoder.layer_mix"),
        (["distill.divergence=mse", "distill.temperature=2"], "distill.temperature"),
        (["encoder.name=bert", "encoder.layers=4"], 'only for encoder.name = "scratch"; found "bert"'),
        (["optim.swa=true", "optim.ema=0.9"], "optim.swa and optim.ema are two averages"),
        (["optim.average_lr=0.5"], "optim.average_lr keeps the rate up for an average"),
        (
            ["optim.swa=true", "optim.average_lr=0.5", "optim.warmup=0.8"],
            "optim.warmup must not be over optim.swa_start",
        ),
        (["init.teacher=t"], "init.teacher and init.layers go together"),
        (["init.layers=[0]"], "init.teacher and init.layers go together"),
        (["init.teacher=t", "init.layers=[0]", "encoder.name=bert"], 'leave encoder.name out, found "bert"'),
        (["init.teacher=t", "init.layers=[0]", "head.kind=crf"], 'head.kind must be "token"'),
        (["encoder.name=bert", "head.kind=crf"], 'head.kind must be "token"'),
        (["head.kind=token", "head.greedy=true"], "of a student that it loads"),
        (["encoder.name=bert", "encoder.pooling=mean"], 'pooling must be "first"'),
        (["encoder.name=bert", "encoder.layer_mix=true"], "layer_mix false"),
    ],
)
def test_values_that_do_not_go_together_are_refused(settings: list[str], message: str) -> None:
    assert message in problems(*settings, kind=StudentConfig)[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["features.train_lists_most=3"], "features.train_lists_most has no use without features.train_lists"),
        (["features.train_lists=all", "head.kind=mrc"], "features.train_lists: an mrc head reads questions"),
        (["features.gazetteer_dim=8"], "has no use without features.gazetteers or features.train_lists"),
    ],
)
def test_lists_of_the_data_that_cannot_be_are_refused(settings: list[str], message: str) -> None:
    assert message in problems(*settings)[0]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (TeacherConfig, ["encoder.name=bert", "encoder.layer_mix=true", "encoder.pooling=mean", "head.kind=crf"]),
        (TeacherConfig, ["encoder.name=bert", "encoder.max_pieces=64"]),
        (StudentConfig, ["head.kind=crf"]),
        (StudentConfig, ["encoder.name=bert", "head.greedy=true"]),
        (StudentConfig, ["distill.divergence=kl", "distill.temperature=2"]),
        (TeacherConfig, ["optim.swa=true", "optim.average_lr=0.5", "optim.warmup=0.7"]),
        (TeacherConfig, ["optim.swa_start=0.5", "optim.ema=0.99", "optim.average_lr=0.2"]),
        (StudentConfig, ["optim.ema=0.99"]),
    ],
)
def test_values_that_go_together_are_taken(kind: Kind, settings: list[str]) -> None:
    config: Any = load_config(kind, None, settings)
    for setting in settings:
        path, text = setting.split("=")
        section, key = path.split(".")
        assert str(getattr(getattr(config, section), key)).removesuffix(".0").lower() == text


# ---- heads, and what is trained beside them


MRC_ALONE = "the words of an mrc head have a vector for each question, none that any type shares"


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        (["head.kind=crf", "head.max_span=5"], ['max_span=5: only for head.kind = "global-pointer", '
          '"efficient-global-pointer" or "additive-pointer"; found "crf"']),
        (["head.kind=mrc", "head.head_dim=32"], ['only for head.kind = "global-pointer"']),
        (["head.kind=token", "head.reading_weight=0.1"], ['only for head.kind = "global-pointer"']),
        (["head.kind=additive-pointer", "head.rotary=false"], ['rotary=false: only for head.kind = '
          '"global-pointer" or "efficient-global-pointer"; found "additive-pointer"']),
        (["head.kind=global-pointer", "head.questions=q.toml"], ['only for head.kind = "mrc"; found "global-']),
        (["head.main_type=PER"], ["head.main_type and head.main_type_weight go together"]),
        (["head.main_type_weight=0.1"], ["head.main_type and head.main_type_weight go together"]),
        (["head.kind=mrc", "head.boundary_weight=0.1"], [f"head.boundary_weight: {MRC_ALONE}"]),
        (["head.kind=mrc", "head.main_type=PER", "head.main_type_weight=0.1"], [f"head.main_type_weight: {MRC_ALONE}"]),
        (["head.kind=mrc", "regularize.mixup=0.5"], ["regularize.mixup: what an mrc head reads has a question in it"]),
        (["adversarial.raw_text=raw.txt"], ['only for adversarial.kind = "vat"; found "fgm"']),
        (["adversarial.kind=vat", "adversarial.raw_text=-"], ["adversarial.raw_text: standard input is read once"]),
        (["head.greedy=true"], ["which loads students alone"]),
        (["head.task_weighting=log-sum", "similarity.weight=0.0"], ["joins two tasks"]),
        (
            ["head.kind=mrc", "head.boundary_weight=0.1", "head.rotary=false", "head.main_type=PER",
             "regularize.mixup=0.5", "adversarial.kind=fgm", "adversarial.raw_text=['-']"],
            ["head.rotary=false: only for", "raw_text=['-']: only for", "head.main_type and head.main_type_weight",
             "head.boundary_weight: the words", "regularize.mixup: what"],
        ),
    ],
)  # fmt: skip
def test_what_a_teachers_head_cannot_do_is_refused_all_in_one_message(settings: list[str], messages: list[str]) -> None:
    found = problems(*settings)
    assert len(found) == len(messages), found
    for line, message in zip(found, messages, strict=True):
        assert message in line


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["head.kind=mrc"], 'head.kind = "mrc" costs a chain or a pass for each type'),
        (["head.kind=crf-per-type"], 'head.kind = "crf-per-type" costs a chain or a pass for each type'),
        (["encoder.name=bert", "head.kind=global-pointer"], 'which has no head "global-pointer"'),
        (["head.boundary_weight=0.5"], "head.boundary_weight is for teachers"),
        (["head.main_type=PER", "head.main_type_weight=0.1"], "head.main_type is for teachers"),
        (["encoder.name=bert", "encoder.dropout=0.4"], "is for the scratch encoder; a pretrained encoder has its own"),
        (["init.teacher=runs/t", "init.layers=2", "encoder.word_dim=9"], "copies an encoder as it is; leave it out"),
    ],
)
def test_heads_and_tasks_that_are_for_teachers_are_refused_for_students(settings: list[str], message: str) -> None:
    [line] = problems(*settings, kind=StudentConfig)
    assert message in line


def test_text_for_a_vocabulary_is_refused_where_no_piece_is_chosen() -> None:
    [scratch] = problems("init.vocabulary_text=raw.txt", kind=StudentConfig)
    assert "init.vocabulary_text is of a Hugging Face student" in scratch
    [whole] = problems("encoder.name=bert", "init.vocabulary_text=raw.txt", kind=StudentConfig)
    assert 'init.vocabulary = "whole"' in whole
    for smaller in ("init.vocabulary=cut", "init.vocabulary=8000", "init.embedding_rank=64"):
        found = load_config(StudentConfig, None, ["encoder.name=bert", "init.vocabulary_text=raw.txt", smaller])
        assert found.init.vocabulary_text == ("raw.txt",)


@pytest.mark.parametrize(
    "settings",
    [
        ["head.kind=global-pointer", "head.rotary=false", "head.max_span=9", "head.reading_weight=0.2",
         "head.head_dim=32", "head.label_smoothing=0.1", "head.dropout_samples=2", "regularize.mixup=0.1"],
        ["head.kind=additive-pointer", "head.head_dim=32", "head.boundary_weight=0.5", "head.output_bias=false"],
        ["head.kind=mrc", "head.questions=q.toml", "regularize.r_drop=0.1", "adversarial.kind=fgm"],
        ["head.kind=mrc", "head.match_hidden=0", "head.segments=false", "head.start_weight=0.5", "head.end_weight=0.5",
         "head.match_weight=2.0"],
        ["head.kind=crf-per-type", "head.main_type=PER", "head.main_type_weight=0.1", "regularize.mixup=0.1"],
        ["head.kind=crf", "head.task_weighting=log-sum", "similarity.weight=0.0", "head.boundary_weight=0.5"],
        ["adversarial.kind=vat", "adversarial.raw_text=['a.txt', 'b.txt']", "adversarial.on=weights"],
    ],
)  # fmt: skip
def test_what_a_teachers_head_can_do_is_taken(settings: list[str]) -> None:
    found = teacher(*settings)
    assert parse_config(TeacherConfig, tomllib.loads(tomli_w.dumps(found.model_dump())), "x") == found


def test_one_raw_file_is_a_list_of_one() -> None:
    assert teacher("adversarial.kind=vat", "adversarial.raw_text=a.txt").adversarial.raw_text == ("a.txt",)


# ---- keys of kinds that exclude each other

ELSEWHERE = [
    (["encoder.pooling=mean"], "pooling=mean", 'only for encoder.name = a model id or a directory; found "scratch"'),
    (["lattice.fusion=attn", "lattice.kind=softword", "lattice.lexicon=w"], "fusion=attn",
     'only for lattice.kind = "flat"; found "softword"'),
    (["lattice.lexicon=w"], "lexicon=w",
     'only for lattice.kind = "flat", "soft-lexicon", "softword" or "ex-softword"; found "none"'),
    (["adversarial.steps=2", "adversarial.kind=fgm"], "steps=2",
     'only for adversarial.kind = "pgd" or "freelb"; found "fgm"'),
    (["loss.bounded=true"], "bounded=true", 'only for loss.kind = "pu"; found "likelihood"'),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "setting", "message"), ELSEWHERE)
def test_a_key_of_another_kind_is_refused_with_the_kinds_that_have_it(
    settings: list[str], setting: str, message: str
) -> None:
    [line] = problems(*settings)
    assert line.endswith(f"{setting}: {message}")


@pytest.mark.parametrize(
    ("settings", "section", "key", "value"),
    [
        (["encoder.layer_mix=true", "encoder.name=bert"], "encoder", "layer_mix", True),
        (["head.rotary=false", "head.kind=global-pointer"], "head", "rotary", False),
        (["lattice.fusion=attn", "lattice.kind=flat", "lattice.lexicon=w"], "lattice", "fusion", "attn"),
        (["adversarial.steps=2", "adversarial.kind=pgd"], "adversarial", "steps", 2),
        (["loss.prior.PER=0.1", "loss.kind=pu"], "loss", "prior", {"PER": 0.1}),
    ],
)
def test_a_key_may_be_set_before_the_kind_that_has_it(
    settings: list[str], section: str, key: str, value: object
) -> None:
    assert getattr(getattr(teacher(*settings), section), key) == value


def test_a_key_of_another_kind_may_stand_there_with_its_default() -> None:
    assert teacher("head.rotary=true", "encoder.pooling=first", "loss.prior={}", "lattice.lexicon=[]") == teacher()


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("encoder", "pooling", "mean"),
        ("head", "rotary", False),
        ("lattice", "fusion", "attn"),
        ("adversarial", "steps", 7),
        ("loss", "prior", {"PER": 0.1}),
    ],
)
def test_a_run_may_keep_any_value_of_a_key_of_another_kind(section: str, key: str, value: object) -> None:
    written = teacher().model_dump()
    written[section][key] = value
    assert parse_config(TeacherConfig, written, "x") == teacher()


def test_a_run_must_not_have_keys_of_no_kind() -> None:
    with pytest.raises(ConfigError, match=r"x: head\.rotari: unknown key; did you mean head\.rotary\?"):
        parse_config(TeacherConfig, {"head": {"kind": "crf", "rotari": False}}, "x")


def test_the_default_of_the_other_kind_is_that_of_this_training() -> None:
    assert student("encoder.name=bert", "encoder.hidden=96").encoder.name == "bert"
    [line] = problems("encoder.name=bert", "encoder.hidden=160", kind=StudentConfig)
    assert line == '`set` encoder.hidden=160: only for encoder.name = "scratch"; found "bert"'


def test_a_kind_that_there_is_not_is_refused_with_all_that_there_are() -> None:
    assert problems("head.kind=hmm", "head.rotary=false") == [
        "`set` head.kind=hmm: input should be 'token', 'crf', 'crf-per-type', 'global-pointer', "
        "'efficient-global-pointer', 'additive-pointer' or 'mrc' or input should be 'auto', found 'hmm'"
    ]


def test_a_pretraining_lasts_minutes_or_epochs() -> None:
    assert load_config(PretrainConfig, None, ["optim.epochs=2"]).optim.epochs == 2
    assert "both say how long" in problems("minutes=1", "optim.epochs=2", kind=PretrainConfig)[0]
    timed = load_config(PretrainConfig, None, ["minutes=1"])
    assert parse_config(PretrainConfig, tomllib.loads(tomli_w.dumps(timed.model_dump())), "x") == timed


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (
            TeacherConfig,
            ["encoder.name=bert", "adversarial.epsilon=0.3"],
            "epsilon=0.3: has no use with adversarial.kind =",
        ),
        (
            TeacherConfig,
            ["adversarial.kind=none", "adversarial.on=weights"],
            "on=weights: has no use with adversarial.kind =",
        ),
        (TeacherConfig, ["similarity.share=0.5"], 'is for similarity.weight = "auto"'),
        (TeacherConfig, ["regularize.mixup_beta=1.0"], "mixup_beta=1.0: has no use without regularize.mixup"),
        (TeacherConfig, ["head.kind=global-pointer", "head.reading_entropy=0.1"], "without head.reading_weight"),
        (TeacherConfig, ["head.kind=token", "optim.crf_lr=0.1"], 'head.kind = "token" has none'),
        (TeacherConfig, ["optim.swa=true", "optim.swa_start=1.0"], "with 1 never: give less there"),
        (StudentConfig, ["optim.swa_start=0.5"], "swa_start=0.5: has no use without optim.swa"),
        (StudentConfig, ["distill.similarity_weight=0.5", "distill.similarity_share=0.5"], "a number says the weight"),
        (PretrainConfig, ["optim.swa_start=0.5"], "swa_start=0.5: has no use without optim.swa"),
        (
            TeacherConfig,
            ["lattice.kind=flat", 'lattice.lexicon=["x"]', "lattice.shared_positions=false"],
            'give lattice.positions = "learned" as well',
        ),
    ],
)
def test_a_key_that_nothing_reads_is_refused_where_it_is_set_but_not_in_a_run(
    kind: Kind, settings: list[str], said: str
) -> None:
    [line] = problems(*settings, kind=kind)
    assert said in line
    data: dict[str, dict[str, object]] = {}
    for section, key, value in (re.split("[.=]", setting, maxsplit=2) for setting in settings):
        plain = value if value[0] in "[0123456789" or value in ("true", "false") else f'"{value}"'
        data.setdefault(section, {})[key] = tomllib.loads(f"x = {plain}")["x"]
    parse_config(kind, data, "x")


def test_what_a_setting_makes_idle_in_a_file_is_no_mistake(write: Write) -> None:
    path = write("[adversarial]\nkind = 'fgm'\nepsilon = 0.3\n[optim]\ncrf_lr = 0.1\n")
    assert teacher("adversarial.kind=none", "head.kind=token", file=path).adversarial.kind == "none"
    assert load_config(TeacherConfig, None, ["head.kind=token", "optim.crf_lr=0.1"], alone=False).head.kind == "token"
    path = write("[adversarial]\nkind = 'none'\nepsilon = 0.3\n")
    assert 'adversarial.epsilon: has no use with adversarial.kind = "none"' in problems("seed=4", file=path)[0]


def test_a_section_that_is_switched_off_may_say_the_rest() -> None:
    teacher("similarity.weight=0", "similarity.share=0.5")
    teacher("adversarial.kind=none", "adversarial.epsilon=1.0")
    student("distill.similarity_weight=0", "distill.similarity_share=0.5")


# ---- files that cannot be read


def test_a_missing_file_is_named_with_the_way_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml: not found; `ner-distill init-config"):
        teacher(file=tmp_path / "no.toml")


def test_a_directory_is_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory; expected a file"):
        teacher(file=tmp_path)


def test_broken_toml_is_named_with_its_line(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"run\.toml: not valid TOML: .*line 2"):
        teacher(file=write("seed = 1\nseed 2\n"))


def test_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes("# é\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml: cannot be read as UTF-8 text"):
        teacher(file=path)


# ---- defaults that depend on the encoder, and on what else was chosen


@pytest.mark.parametrize(
    ("settings", "adversary", "swa", "ema", "average_lr"),
    [
        ([], "fgm", False, 0.98, 0.3),
        (["encoder.name=bert"], "none", False, 0.0, 0.0),
        (["loss.kind=pu"], "none", False, 0.0, 0.0),
        (["optim.swa=true"], "fgm", True, 0.0, 0.0),
        (["optim.swa=true", "optim.average_lr=0.2"], "fgm", True, 0.0, 0.2),
        (["optim.ema=0.0"], "fgm", False, 0.0, 0.0),
        (["optim.ema=0.9"], "fgm", False, 0.9, 0.0),
        (["optim.average_lr=0.1"], "fgm", False, 0.98, 0.1),
        (["adversarial.epsilon=0.5"], "fgm", False, 0.98, 0.3),
        (["adversarial.kind=pgd"], "pgd", False, 0.98, 0.3),
    ],
)
def test_a_teacher_from_scratch_has_an_adversary_and_averaged_weights_unless_told_otherwise(
    settings: list[str], adversary: str, swa: bool, ema: float, average_lr: float
) -> None:
    config = load_config(TeacherConfig, None, settings)
    optim = config.optim
    assert (config.adversarial.kind, optim.swa, optim.ema, optim.average_lr) == (adversary, swa, ema, average_lr)


def test_a_student_has_neither() -> None:
    config = load_config(StudentConfig, None)
    assert (config.adversarial.kind, config.optim.ema, config.optim.average_lr) == ("none", 0.0, 0.0)


def test_over_flat_the_adversary_takes_half_the_step() -> None:
    flat = ["lattice.kind=flat", "lattice.lexicon=words.txt"]
    assert load_config(TeacherConfig, None, flat).adversarial.epsilon == 0.5
    assert load_config(TeacherConfig, None, [*flat, "adversarial.epsilon=0.7"]).adversarial.epsilon == 0.7


def test_a_student_has_no_adversary_against_its_own_answers() -> None:
    (problem,) = problems("adversarial.kind=vat", kind=StudentConfig)
    assert 'adversarial.kind = "vat" is for teachers' in problem


@pytest.mark.parametrize(
    ("section", "key", "kind"),
    [("adversarial", "raw_text", {"kind": "vat"}), ("lattice", "lexicon", {"kind": "flat"}), ("encoder", "start", {})],
)
def test_a_key_takes_no_url_and_the_message_shows_no_password(section: str, key: str, kind: dict[str, str]) -> None:
    url = "https://me:hunter2@host/x.txt"
    data = {section: {**kind, key: url if key == "start" else [url]}}
    with pytest.raises(ConfigError, match=rf"config.toml: {section}.{key}: https://host/x.txt is a URL") as caught:
        parse_config(TeacherConfig, data, "config.toml")
    assert "hunter2" not in str(caught.value)


def test_a_run_with_keys_that_nobody_reads_is_loaded_all_the_same() -> None:
    config = load_config(StudentConfig, None, ["init.teacher=runs/t", "init.layers=2"]).model_dump()
    config["encoder"]["word_dim"] = 9
    assert parse_config(StudentConfig, config, "config.toml").encoder.word_dim == 9
    load_config(StudentConfig, Path("preset:small"), ["init.teacher=runs/t", "init.layers=2"])
