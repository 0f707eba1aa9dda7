"""Every architecture of transformers' own lists works as teacher and student, or is refused in one clear sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForTokenClassification, PretrainedConfig

from ner_distill.config import StudentConfig, TeacherConfig
from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.architectures import require_encoder
from ner_distill.nn.encoders.huggingface import build_backbone, quiet
from ner_distill.runs.build import AnyBuilt, load_run, new_student, new_teacher, save_run
from ner_distill.runs.info import RunInfo
from ner_distill.runs.record import RunRecord
from tests import architectures
from tests.commands import Done, run, settings

DOCS = Path(__file__).parent.parent / "docs" / "pretrained.md"
LABELS = ("LOC", "PER")
WORDS = ("Ann", "sings", "in", "Oslo")
DATA = "Ann B-PER\nsings O\nin O\nOslo B-LOC\n. O\n\nBo B-PER\nleft O\nUlm B-LOC\n"
ALL_LAYERS = [0, 1]

# By the names of transformers 5.23: what a teacher and a student in the Hugging Face format can be.
WORK = frozenset([
    "albert", "bert", "big_bird", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2", "distilbert",
    "electra", "ernie", "esm", "esmc", "eurobert", "fnet", "gte", "ibert", "jina_embeddings_v3", "layoutlm",
    "layoutlmv3", "lilt", "longformer", "luke", "markuplm", "megatron-bert", "mobilebert", "modernbert", "mpnet",
    "mt5", "nomic_bert", "openai_privacy_filter", "rembert", "roberta", "roberta-prelayernorm", "roc_bert",
    "roformer", "squeezebert", "t5", "ultrabert", "umt5", "xlm-roberta", "xlm-roberta-xl", "xlnet", "xmod",
])  # fmt: skip
NO_COPIED_LAYERS = frozenset(["flaubert", "funnel", "xlm"])  # the same, but for `init.layers`
TEACHERS = frozenset(["neomme", "tapas", "tipsv2_text_model"])  # transformers has no token classifier for them
QUICK = (
    "albert", "bert", "big_bird", "fnet", "funnel", "longformer", "modernbert", "squeezebert", "t5", "xlnet",
    # refused: decoders, no fast embedding of pieces, encoder and decoder, words that hang on padding
    "gpt2", "llama", "canine", "bart", "nystromformer",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """For each way to use a checkpoint the message that refuses it; empty where it works."""

    teacher: str
    student: str
    copied: str

    @property
    def messages(self) -> list[str]:
        return [each for each in (self.teacher, self.student, self.copied) if each]


def expected(name: str) -> tuple[bool, bool, bool]:
    """Does it work as a teacher, as a student, as a student of copied layers?"""
    whole = name in WORK
    return whole or name in NO_COPIED_LAYERS or name in TEACHERS, whole or name in NO_COPIED_LAYERS, whole


def check(name: str, outcome: Outcome) -> None:
    """Every refusal is one clear sentence; those that are known are as expected, new ones either way."""
    for message in outcome.messages:
        assert "\n" not in message
        assert re.search(r"architecture|encoder|token classifier|`encoder.name`|layers", message)
        assert "choose another" in message or "begin the student with" in message
    if name in WORK | NO_COPIED_LAYERS | TEACHERS:
        assert (not outcome.teacher, not outcome.student, not outcome.copied) == expected(name), outcome


def configuration(name: str) -> PretrainedConfig:
    """A tiny one; where there is none, that which transformers makes. Raises ConfigError where it cannot be ours."""
    config = architectures.tiny(name)
    if config is not None:
        return config
    with quiet():
        config = AutoConfig.for_model(name)
    require_encoder(name, config)
    with torch.device("meta"):
        build_backbone(config)
    pytest.skip(f"{name}: give it small sizes in tests/architectures.py")


# ---- the modules, without training: of a few


def built_and_loaded(built: AnyBuilt, directory: Path) -> AnyBuilt:
    directory.mkdir()
    built.model.eval()
    RunRecord(built.config, built.info, {}).write(directory)
    save_run(built, directory)
    loaded = load_run(directory)
    inputs = built.featurizer.collate([built.featurizer.features(WORDS), built.featurizer.features(WORDS[:1])])
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(inputs), built.model(inputs))
    return loaded


def require_same_as_transformers(built: AnyBuilt, directory: Path) -> None:
    """The scores of words as transformers alone gives them, and nothing for it to find missing."""
    pieces = built.base
    assert isinstance(pieces, PieceFeaturizer)
    with quiet():
        model, report = AutoModelForTokenClassification.from_pretrained(directory, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    encoded = pieces.tokenizer(list(WORDS), is_split_into_words=True, return_tensors="pt", return_token_type_ids=False)
    inputs = pieces.collate([pieces.features(WORDS)])
    with torch.no_grad():
        theirs = model(**encoded).logits[0, 1:-1].log_softmax(-1)
        torch.testing.assert_close(built.tagger(inputs)[0], theirs, atol=1e-4, rtol=1e-4)


def teacher_of(checkpoint: Path, directory: Path) -> None:
    config = TeacherConfig.model_validate({"encoder": {"name": str(checkpoint)}, "head": {"kind": "token"}})
    built_and_loaded(new_teacher(config, RunInfo("teacher", "word", LABELS), [WORDS]), directory)


def student_of(settings: dict[str, object], directory: Path) -> None:
    built = new_student(StudentConfig.model_validate(settings), RunInfo("student", "word", LABELS), [])
    require_same_as_transformers(built_and_loaded(built, directory), directory)


def message_of(make: object, *arguments: object) -> str:
    assert callable(make)
    try:
        make(*arguments)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", QUICK)
def test_an_architecture_works_or_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    checkpoint = architectures.checkpoint(tmp_path / "checkpoint", name, configuration(name))
    teacher = message_of(teacher_of, checkpoint, tmp_path / "teacher")
    student = message_of(student_of, {"encoder": {"name": str(checkpoint)}}, tmp_path / "student")
    layers = {"init": {"teacher": str(tmp_path / "teacher"), "layers": ALL_LAYERS}}
    copied = teacher or message_of(student_of, layers, tmp_path / "copied")
    outcome = Outcome(teacher, student, copied)
    check(name, outcome)
    assert bool(outcome.teacher) == (name not in WORK | NO_COPIED_LAYERS)


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("modernbert", [1], "layer 1 of this teacher cannot be layer 0 of a student, only one of them has attn_norm"),
        ("bert", [0, 2], "the teacher has 2 layers; out of range: 2"),
        ("albert", [5], "the teacher has 2 layers; out of range: 5"),
    ],
)
def test_layers_that_cannot_be_copied_are_named(name: str, layers: list[int], message: str, tmp_path: Path) -> None:
    checkpoint = architectures.checkpoint(tmp_path / "checkpoint", name, configuration(name))
    teacher_of(checkpoint, tmp_path / "teacher")
    with pytest.raises(ConfigError, match=message):
        student_of({"init": {"teacher": str(tmp_path / "teacher"), "layers": layers}}, tmp_path / "student")


def test_the_documentation_lists_what_works() -> None:
    lines = {line.partition(":")[0]: line for line in DOCS.read_text("utf-8").replace("\n  ", " ").splitlines()}
    listed = {
        key: frozenset(re.findall(r"`([a-z0-9_-]+)`", lines[f"- **{key}**"]))
        for key in ("All", "No copied layers", "Teachers alone")
    }
    assert listed == {"All": WORK, "No copied layers": NO_COPIED_LAYERS, "Teachers alone": TEACHERS}


# ---- the three commands: of all


def refusal(done: Done) -> str:
    """The message of a command that refused, which is all that it says; empty where it went to its end."""
    if done.code == 0:
        return ""
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    return " ".join(done.err.split())


def command(name: str, *arguments: str | Path, set: Sequence[str]) -> str:
    quick = ("optim.epochs=1", "optim.batch_words=64")
    return refusal(run(name, *arguments, *settings(*quick, *set)))


@pytest.mark.slow
@pytest.mark.parametrize("name", architectures.NAMES)
def test_an_architecture_goes_through_the_three_commands_or_is_refused(name: str, tmp_path: Path) -> None:
    try:
        config = configuration(name)
    except ConfigError as error:
        check(name, Outcome(*3 * [str(error)]))
        return
    checkpoint = architectures.checkpoint(tmp_path / "checkpoint", name, config)
    (tmp_path / "data.conll").write_text(DATA)
    (tmp_path / "raw.txt").write_text("Ann sings in Oslo .\nBo left Rome .\n")
    dev, out = ("--dev", tmp_path / "data.conll"), tmp_path
    gold = ("train-student", "--gold", tmp_path / "data.conll", *dev)
    teacher = command("train-teacher", "--train", tmp_path / "data.conll", *dev, "--out", out / "teacher",
                      set=[f"encoder.name={checkpoint}", "head.kind=token"])  # fmt: skip
    student = command(*gold, "--out", out / "student", set=[f"encoder.name={checkpoint}"])
    copied = teacher
    if not teacher:
        soft = ("--teacher", out / "teacher", "--text", tmp_path / "raw.txt", "--out", out / "soft")
        assert refusal(run("label-unlabeled", *soft)) == ""
        copied = command("train-student", "--soft", out / "soft", *dev, "--out", out / "copied",
                         set=[f"init.teacher={out / 'teacher'}", f"init.layers={ALL_LAYERS}"])  # fmt: skip
    outcome = Outcome(teacher, student, copied)
    check(name, outcome)
    for message, directory in ((student, "student"), (copied, "copied")):
        if not message:
            require_same_as_transformers(load_run(out / directory), out / directory)
    print(name, outcome)
