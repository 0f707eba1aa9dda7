"""Which precision a training computes in."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ner_distill.config import PretrainConfig, StudentConfig, TeacherConfig, load_config
from ner_distill.config.trainings import RunConfig
from ner_distill.nn.encoders import backbone
from ner_distill.training import precision, session
from tests import architectures, checkpoints, corpora
from tests.commands import ok, run, settings


class Place:
    """A directory with training data and a checkpoint; which precisions its trainings computed in."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.used = root, list[str]()
        self._patch, self._make = monkeypatch, session.make_accelerator
        monkeypatch.setattr(session, "make_accelerator", self._note)
        corpora.write_conll(root / "train.conll", corpora.sentences(4, seed=1))
        bert = checkpoints.bert(root / "bert", ["Ann lives in Oslo"], positions=64, layers=1)
        self.pretrained = f"encoder.name={bert}"

    def _note(self, wanted: str) -> object:
        made = self._make(wanted)
        self.used.append(made.mixed_precision)
        return made

    def on(self, *, able: bool) -> None:
        """From now on trainings run on a device that has bf16, or has it not."""
        self._patch.setattr(precision, "has_bf16", lambda _: able)

    def command(self, *options: str) -> list[str | Path]:
        few = settings("optim.epochs=1", "similarity.weight=0", *options)
        return ["train-teacher", "--train", self.root / "train.conll", "--out", self.root / "run", *few]

    def kept(self) -> str:
        """What the run says of itself."""
        found: str = tomllib.loads((self.root / "run" / "config.toml").read_text("utf-8"))["optim"]["precision"]
        return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.mark.parametrize(("able", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_pretrained_encoder_learns_in_bf16_where_the_device_has_it(able: bool, expected: str, place: Place) -> None:
    place.on(able=able)
    said = ok(*place.command(place.pretrained)).err
    assert place.used == ["bf16" if able else "no"]
    assert place.kept() == expected
    assert f", {expected}\n" in said


@pytest.mark.parametrize("name", backbone.FLOAT32_ALONE)
def test_an_architecture_that_cannot_compute_in_bf16_learns_in_float32(name: str, place: Place) -> None:
    config = architectures.tiny(name)
    assert config is not None
    encoder = f"encoder.name={architectures.checkpoint(place.root / name, name, config)}"
    place.on(able=True)
    refused = run(*place.command(encoder, "optim.precision=bf16"))
    assert (refused.code, refused.err.count("Traceback")) == (2, 0)
    assert f"{name} cannot be trained in bf16" in refused.err
    assert 'give optim.precision = "fp32"' in refused.err
    ok(*place.command(encoder))
    assert place.kept() == "fp32"


def test_a_precision_that_is_given_is_taken(place: Place) -> None:
    place.on(able=True)
    ok(*place.command(place.pretrained, "optim.precision=fp32"))
    assert (place.used, place.kept()) == (["no"], "fp32")


def test_a_run_goes_on_in_the_precision_that_it_began_with(place: Place) -> None:
    place.on(able=True)
    ok(*place.command(place.pretrained))
    place.on(able=False)
    assert "nothing to do" in ok(*place.command(place.pretrained), "--resume").err
    assert place.used == ["bf16", "bf16"]
    done = run(*place.command(place.pretrained, "optim.precision=fp32"), "--resume")
    assert done.code == 2
    assert "optim.precision was 'bf16', now 'fp32'" in done.err


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        (TeacherConfig, (), "fp32"),
        (TeacherConfig, ("encoder.name=bert",), "auto"),
        (StudentConfig, (), "fp32"),
        (StudentConfig, ("encoder.name=bert",), "auto"),
        (StudentConfig, ("init.teacher=runs/t", "init.layers=2"), "auto"),
        (PretrainConfig, (), "fp32"),
        (PretrainConfig, ("encoder.name=bert",), "fp32"),
    ],
)
def test_only_what_labels_with_a_pretrained_encoder_leaves_it_to_the_device(
    kind: type[RunConfig], changes: tuple[str, ...], expected: str
) -> None:
    assert load_config(kind, None, changes).model_dump()["optim"]["precision"] == expected
