"""What all tests share: no network, few threads, fixed seeds, and the way to real data where there is some."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.world import World

# Read by torch, transformers and datasets when a test imports them: later than this file.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# One thread: models as small as these lose ten times their time where several wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

# Time limits per example say more about what else the machine does than about the code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """Every test starts from the same random state; torch and numpy only where something imported them."""
    random.seed(13)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(13)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(13)


@pytest.fixture(autouse=True)
def _settings_in_backticks() -> Iterator[None]:
    """What a test of the command line sets for its process does not outlive it."""
    yield
    if console := sys.modules.get("ner_distill.console"):
        console.Reporter.spell = str


@pytest.fixture(scope="session", autouse=True)
def _same_precision_everywhere() -> Iterator[None]:
    """Trainings of this process compute in float32 unless told otherwise, also where the processor has bf16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ner_distill.training.precision.has_bf16", lambda device: False)
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: `$NER_DISTILL_DATA`, or `shared/data` beside the project.

    A test that asks for it is marked `data`, and skipped where there is no such folder.
    """
    named = os.environ.get("NER_DISTILL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; NER_DISTILL_DATA names another folder")
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A teacher, a store and a student of a tiny corpus; to be read, not changed."""
    from tests.world import build

    return build(tmp_path_factory.mktemp("world"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the real data, before `-m` chooses."""
    for item in items:
        if "data_dir" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.data)
