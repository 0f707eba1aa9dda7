"""A small corpus with all that the three commands make of it: trained once for all tests, which only read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests import corpora
from tests.commands import ok, settings

TEACHER = settings(*corpora.SMALL, "optim.epochs=8")
STUDENT = settings(*corpora.SMALL, "optim.epochs=16")


@dataclass(frozen=True)
class World:
    """Where everything lies under `root`."""

    root: Path

    @property
    def train(self) -> Path:
        """60 labelled sentences."""
        return self.root / "train.conll"

    @property
    def dev(self) -> Path:
        """20 labelled sentences."""
        return self.root / "dev.conll"

    @property
    def raw(self) -> Path:
        """80 sentences of text."""
        return self.root / "raw.txt"

    @property
    def teacher(self) -> Path:
        """The run of train-teacher."""
        return self.root / "teacher"

    @property
    def soft(self) -> Path:
        """The store of label-unlabeled: 80 sentences in 4 shards."""
        return self.root / "soft"

    @property
    def student(self) -> Path:
        """The run of train-student."""
        return self.root / "student"


def build(root: Path) -> World:
    """The main job from end to end, on the command line."""
    world = World(root)
    corpora.write_all(root)
    ok("train-teacher", "--train", world.train, "--dev", world.dev, "--out", world.teacher, *TEACHER)
    ok("label-unlabeled", "--teacher", world.teacher, "--text", world.raw, "--out", world.soft, "--shard-size", "20")
    ok("train-student", "--soft", world.soft, "--dev", world.dev, "--out", world.student, *STUDENT)
    return world
