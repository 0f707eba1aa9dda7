"""What the files of a run say of it, for its report and its card; no model is loaded.

All but `labels.json` may be missing, as in runs of earlier versions, or hold anything at all, as a run may come from a
stranger: what is not as expected is left out.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ner_distill.data.features.words import FILE as VOCABULARY
from ner_distill.data.store.manifest import MANIFEST, Manifest, read_manifest
from ner_distill.errors import RunError
from ner_distill.files import sha256_of
from ner_distill.runs.build import WEIGHTS
from ner_distill.runs.heads import QUESTIONS
from ner_distill.runs.info import RunInfo, read_info
from ner_distill.runs.knowledge import DIRECTORY as KNOWLEDGE
from ner_distill.runs.knowledge import ENCODER
from ner_distill.runs.record import INPUTS

MOST_EPOCHS = 10_000
GREATEST = 1e15
BEST_ON_DEV = "best on development data"
"""What `metrics.json` says of a checkpoint that scored best there."""
_ENCODERS = (("encoder", "name"), ("init", "teacher"))


@dataclass(frozen=True)
class KnownFile:
    """A file as `inputs.json` has it; size and sha256 are None of what is no file."""

    name: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True)
class Epoch:
    """A line of `metrics.jsonl`: its terms of the loss, and the figures on what chooses among epochs."""

    number: int
    losses: Mapping[str, float]
    figures: Mapping[str, float]


@dataclass(frozen=True)
class TeacherFacts:
    """A teacher of a student's store.

    dev: its figures on the same development files as the student's, as `Scores.to_json` has them; None where its run
         is not to be found, is not as it was, or was scored on others.
    """

    name: str
    fingerprint: str
    dev: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class RunFacts:
    """config, metrics: what `config.toml` and `metrics.json` say, {} where there is none. inputs: by role.

    store: the manifest of the soft labels that a student learned from, None where it is not as it was then.
    """

    path: Path
    info: RunInfo
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    inputs: Mapping[str, Sequence[KnownFile]]
    epochs: Sequence[Epoch]
    store: Manifest | None = None
    teachers: Sequence[TeacherFacts] = ()

    @classmethod
    def of_no_run(cls, path: Path, labels: tuple[str, ...]) -> RunFacts:
        """Of a model of which nothing else is known."""
        return cls(path, RunInfo("student", "word", labels), {}, {}, {}, ())

    @property
    def dev(self) -> Mapping[str, Any]:
        """The figures on the development set, as `Scores.to_json` has them; {} without any."""
        return table(self.metrics.get("dev"))

    @property
    def dev_chose(self) -> bool:
        """Whether the figures on the development set chose the epoch."""
        return self.metrics.get("checkpoint") == BEST_ON_DEV

    @property
    def encoder(self) -> str:
        """What the encoder began as: a checkpoint, layers of a teacher, or nothing ("scratch"); "" where unknown."""
        name, teacher = (table(self.config.get(section)).get(key) for section, key in _ENCODERS)
        if isinstance(teacher, str) and teacher:
            return f"layers of {Path(teacher).name}"
        return name if isinstance(name, str) else ""

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were kept, from 1."""
        best = self.metrics.get("best_epoch")
        return best if isinstance(best, int) and not isinstance(best, bool) else None

    @property
    def counts(self) -> dict[str, int]:
        """What of the training sentences was cut or left out, without what was not."""
        found = table(self.metrics.get("counts"))
        return {name: int(count) for name, count in found.items() if (number(count) or 0) >= 1}


def read_facts(run: Path) -> RunFacts:
    """What the files of a run say. Raises RunError where this is no run."""
    info = read_info(run)
    inputs = dict(_inputs(_json(run / INPUTS)))
    facts = RunFacts(run, info, _config(run), table(_json(run / "metrics.json")), inputs, list(_epochs(run)))
    store = _store_of(facts)
    if store is None:
        return facts
    directory, manifest = store
    teachers = [_teacher(one.name, one.fingerprint, directory, facts) for one in manifest.teachers]
    return RunFacts(run, info, facts.config, facts.metrics, inputs, facts.epochs, manifest, teachers)


def table(value: Any) -> Mapping[str, Any]:
    """The value where it is a table of JSON, else {}."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    """The value where it is a number that a chart can show, else None."""
    found = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < GREATEST
    return float(value) if found else None


def f1_of(figures: Any) -> float | None:
    """The F1 of a `Counts.to_json`, None where that is none."""
    return number(table(figures).get("f1"))


def fingerprint(run: Path) -> str:
    """Returns a hash of everything that decides what a teacher answers. Raises OSError."""
    digest = hashlib.sha256()
    features = [run / VOCABULARY] if (run / VOCABULARY).is_file() else sorted((run / ENCODER).iterdir())
    asked = [run / QUESTIONS] if (run / QUESTIONS).is_file() else []
    known = sorted(path for path in (run / KNOWLEDGE).rglob("*") if path.is_file())
    for path in (run / WEIGHTS, run / "labels.json", run / "config.toml", *features, *asked, *known):
        digest.update(sha256_of(path).encode())
    return digest.hexdigest()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _config(run: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads((run / "config.toml").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _inputs(data: Any) -> Iterator[tuple[str, list[KnownFile]]]:
    for role, files in table(data).items():
        entries = [table(one) for one in files] if isinstance(files, list) else []
        known = [
            KnownFile(
                one["name"],
                one["size"] if isinstance(one.get("size"), int) else None,
                one["sha256"] if isinstance(one.get("sha256"), str) else None,
            )
            for one in entries
            if isinstance(one.get("name"), str)
        ]
        if known:
            yield role, known


def _epochs(run: Path) -> Iterator[Epoch]:
    try:
        lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()[:MOST_EPOCHS]
    except (OSError, ValueError):
        return
    for line in lines:
        data: Mapping[str, Any] = {}
        with suppress(ValueError, RecursionError):
            data = table(json.loads(line))
        epoch = number(data.get("epoch"))
        if epoch is not None:
            figures = {name: value for name, value in data.items() if name not in ("epoch", "step", "seconds", "loss")}
            yield Epoch(int(epoch), _numbers(data.get("loss")), _numbers(figures))


def _numbers(data: Any) -> dict[str, float]:
    pairs = {name: number(value) for name, value in table(data).items()}
    return {name: value for name, value in pairs.items() if value is not None}


def _store_of(facts: RunFacts) -> tuple[Path, Manifest] | None:
    """The store that a student learned from and its manifest, where it still is as it was then.

    It is looked for where it was, and beside the run, which may have been moved together with it.
    """
    for file in facts.inputs.get("soft", ()):
        named = Path(file.name)
        for path in (named, facts.path.resolve().parent / named.parent.name / MANIFEST):
            with suppress(OSError, ValueError, RunError):
                if path.name == MANIFEST and path.is_file() and sha256_of(path) == file.sha256:
                    return path.parent, read_manifest(path.parent)
    return None


def _teacher(name: str, print_of_it: str, store: Path, facts: RunFacts) -> TeacherFacts:
    """What is known of a teacher of a store, which is looked for where it was, and beside the store."""
    asked = {file.sha256 for file in facts.inputs.get("dev", ())}
    for run in (Path(name), store.resolve().parent / Path(name).name):
        with suppress(OSError, ValueError, RunError):
            if not (run / WEIGHTS).is_file() or fingerprint(run) != print_of_it:
                continue
            known = dict(_inputs(_json(run / INPUTS))).get("dev", [])
            dev = table(table(_json(run / "metrics.json")).get("dev"))
            same = bool(asked) and None not in asked and {file.sha256 for file in known} == asked
            return TeacherFacts(name, print_of_it, dev if dev and same else None)
    return TeacherFacts(name, print_of_it)
