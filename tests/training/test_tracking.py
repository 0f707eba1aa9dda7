from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.errors import ConfigError, TrainingError
from ner_distill.options.training import TeacherOptions
from ner_distill.runs.info import TEACHER_RUN
from ner_distill.training.session import Session
from ner_distill.training.tracking import Tracking, require_trackers
from tests.pipelines.training import new_fit

tracking = pytest.importorskip("accelerate.tracking")
STEPS = 5  # of an epoch of `new_fit`


class FakeTracker(tracking.GeneralTracker):  # type: ignore[misc, name-defined]
    """Stands for a service: what it is told stays in `told`; with `broken` set that method raises."""

    name = "fake"
    requires_logging_directory = False
    told: ClassVar[list[tuple[str, Any]]] = []
    broken: ClassVar[str] = ""

    def __init__(self, project: str, **named: Any) -> None:
        super().__init__()
        self._tell("made", (project, named))

    def _tell(self, what: str, value: Any) -> None:
        if what == type(self).broken:
            raise ConnectionError("no server")
        self.told.append((what, value))

    @property
    def tracker(self) -> Any:
        return SimpleNamespace(id="abc", info=SimpleNamespace(run_id="def"))

    def start(self) -> None:
        self._tell("start", None)

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self._tell("settings", values)

    def log(self, values: dict[str, Any], step: int | None = None, **kwargs: Any) -> None:
        self._tell("log", (step, values))

    def finish(self) -> None:
        self._tell("finish", None)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeTracker]:
    """A tracker that has the place of wandb, of MLflow, and one of its own, as `register_tracker_class` gives it."""
    monkeypatch.setattr(FakeTracker, "told", [])
    monkeypatch.setattr(FakeTracker, "broken", "")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    for name in ("wandb", "mlflow", "fake"):
        monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, name, FakeTracker)
    return FakeTracker


class Heard(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def _say(self, message: str, style: str | None = None, *, shown: bool = True) -> None:
        self.said.append(message)


def tracked(directory: Path, *names: str, **settings: Any) -> Any:
    """A training that tells these trackers."""
    fit = new_fit(directory, **settings)
    fit.tracking = Tracking(names, {"optim.lr": 0.1, "lattice.lexicon": ["a", "b"], "seed": 13})
    fit.reporter = Heard()
    return fit


def killed_before_the_checkpoint_of(fit: Any, epoch: int) -> None:
    """Run a training that dies when it has told of an epoch and not saved it yet."""
    save = fit._save

    def dies() -> None:
        if fit.progress.epoch == epoch:
            raise KeyboardInterrupt
        save()

    fit._save = dies
    with pytest.raises(KeyboardInterrupt):
        fit.run()


def of(fake: type[FakeTracker], what: str) -> list[Any]:
    return [value for name, value in fake.told if name == what]


# ---- which trackers there are


def test_a_tracker_that_is_not_installed_is_refused_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tracking, "_available_trackers", [])
    options = TeacherOptions(train=["train.conll"], out=tmp_path / "run", track=["wandb"])
    with pytest.raises(ConfigError, match=r"^`track` wandb: it is not installed: pip install wandb$"):
        Session(TEACHER_RUN, options, TeacherConfig())
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"`track`: expected .*mlflow.*tensorboard.*wandb.*none; found 'wandbb'"):
        require_trackers(["tensorboard", "wandbb"])


def test_none_stands_alone() -> None:
    require_trackers(["none"])
    with pytest.raises(ConfigError, match="`track` none: turns all trackers off; give it alone"):
        require_trackers(["none", "tensorboard"])


def test_a_class_that_accelerate_was_given_is_known(fake: type[FakeTracker]) -> None:
    require_trackers(["fake", "tensorboard"])


# ---- what they are told


def test_none_writes_no_curves(tmp_path: Path) -> None:
    tracked(tmp_path, "none").run()
    assert not (tmp_path / "tensorboard").exists()
    assert (tmp_path / "metrics.jsonl").exists()


def test_a_tracker_is_told_the_settings_and_the_figures_of_every_epoch(tmp_path: Path, fake: type[FakeTracker]) -> None:
    tracked(tmp_path / "run", "wandb", epochs=2).run()
    assert fake.told[0] == ("made", ("ner-distill", {"name": "run"}))
    assert of(fake, "settings") == [{"optim.lr": 0.1, "lattice.lexicon": "['a', 'b']", "seed": 13}]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert of(fake, "log") == [
        (line["step"], {**{f"loss/{name}": mean for name, mean in line["loss"].items()}, "score": line["score"]})
        for line in lines
    ]
    assert fake.told[-1] == ("finish", None)


@pytest.mark.parametrize(
    ("name", "goes_on"),
    [
        ("wandb", {"name": "run", "id": "abc", "resume": "allow"}),
        ("mlflow", {"run_name": "run", "run_id": "def"}),
        ("fake", {}),
    ],
)
def test_a_resumed_training_goes_on_in_the_same_curves_and_tells_no_step_twice(
    tmp_path: Path, fake: type[FakeTracker], name: str, goes_on: dict[str, str]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    names = ("tensorboard", name)
    killed_before_the_checkpoint_of(tracked(tmp_path / "run", *names, epochs=3), 2)
    tracked(tmp_path / "run", *names, epochs=3).run(resume=True)
    steps = [STEPS, 2 * STEPS, 3 * STEPS]
    assert [step for step, _ in of(fake, "log")] == steps
    assert of(fake, "made")[1] == ("ner-distill", goes_on)
    assert len(of(fake, "settings")) == 1
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("score")] == steps


def test_a_training_goes_on_with_another_tracker_than_it_began_with(tmp_path: Path, fake: type[FakeTracker]) -> None:
    killed_before_the_checkpoint_of(tracked(tmp_path, "none", epochs=3), 2)
    tracked(tmp_path, "fake", epochs=3).run(resume=True)
    assert [step for step, _ in of(fake, "log")] == [2 * STEPS, 3 * STEPS]


def test_a_tracker_that_does_not_start_ends_the_training_before_it_begins(
    tmp_path: Path, fake: type[FakeTracker]
) -> None:
    fake.broken = "start"
    with pytest.raises(TrainingError, match="`track` fake: it does not start: ConnectionError: no server"):
        tracked(tmp_path, "tensorboard", "fake").run()
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize("broken", ["log", "finish"])
def test_a_tracker_that_fails_later_is_said_and_the_training_goes_on(
    tmp_path: Path, fake: type[FakeTracker], broken: str
) -> None:
    fake.broken = broken
    fit = tracked(tmp_path, "fake", epochs=2)
    fit.run()
    assert len((tmp_path / "metrics.jsonl").read_text("utf-8").splitlines()) == 2
    assert [said for said in fit.reporter.said if said.startswith("warning: fake ") and "no server" in said]


# ---- the last line of a training


def test_the_last_line_says_which_epoch_is_kept_and_its_figures(tmp_path: Path) -> None:
    scores = iter([0.2, 0.851, 0.4])

    def evaluate(_model: Any) -> dict[str, float]:
        score = next(scores)
        return {"score": score, "f1": score}

    fit = tracked(tmp_path, "none", epochs=3, evaluate=evaluate)
    fit.run()
    assert fit.reporter.said[-1] == "kept: epoch 2, F1 85.10"


def test_without_a_score_the_last_line_says_that_the_last_epoch_is_kept(tmp_path: Path) -> None:
    fit = tracked(tmp_path, "none", epochs=2, evaluate=None)
    fit.run()
    assert fit.reporter.said[-1] == "kept: epoch 2, the last"
