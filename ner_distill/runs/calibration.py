"""What a run knows of its scores: the maps that make them probabilities, and thresholds that were chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from ner_distill.data.calibration import Calibration, ScoreMap
from ner_distill.data.sentence import ScoredSpan
from ner_distill.data.thresholds import CONFIDENCE, Threshold
from ner_distill.errors import RunError
from ner_distill.files import read_json, sha256_of, write_json

CALIBRATION = "calibration.json"
THRESHOLDS = "thresholds.json"
FORMAT = 1
TEMPERATURES = (0.05, 20.0)
Fingerprints = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class RunCalibration:
    """scores: of entities. temperature: of tag probabilities, p^(1/T). None: was not fitted; scores are as they are."""

    scores: Calibration | None = None
    temperature: float | None = None

    def score(self, label: str, score: float) -> float:
        """The score that users meet, of one that a head gives."""
        return score if self.scores is None else self.scores(label, score)

    def applied(self, entities: Iterable[ScoredSpan]) -> list[ScoredSpan]:
        return [(span, self.score(span.label, score)) for span, score in entities]


@dataclass(frozen=True)
class StoredThreshold:
    """score: None where no score reaches the precision that was wanted."""

    wanted: float
    score: float | None


def write_calibration(directory: Path, found: RunCalibration, fitted_on: Fingerprints) -> None:
    """fitted_on: the files of the development set, see `fingerprints`."""
    scores = found.scores
    data = {
        "format": FORMAT,
        "scores": scores
        and {"all": asdict(scores.general), "types": {k: asdict(v) for k, v in scores.of_types.items()}},
        "temperature": found.temperature,
        "fitted_on": list(fitted_on),
    }
    write_json(directory / CALIBRATION, data)


def read_calibration(directory: Path, labels: Sequence[str]) -> RunCalibration:
    """What `calibration.json` of a run says; nothing was fitted where there is none. Raises RunError."""
    path = directory / CALIBRATION
    if not path.exists():
        return RunCalibration()
    data = _table(path, read_json(path, "the run is damaged"))
    scores, temperature = data.get("scores"), data.get("temperature")
    if temperature is not None and not (_is_number(temperature) and TEMPERATURES[0] <= temperature <= TEMPERATURES[1]):
        raise RunError(f"{path}: expected a temperature from 0.05 to 20, found {temperature!r:.80}; the run is damaged")
    return RunCalibration(None if scores is None else _maps(path, scores, labels), temperature)


def _maps(path: Path, scores: Any, labels: Sequence[str]) -> Calibration:
    of_types = scores.get("types") if isinstance(scores, dict) else None
    if not isinstance(of_types, dict) or not set(of_types) <= set(labels):
        raise RunError(
            f"{path}: expected maps of all types and of single ones of {', '.join(labels)}; the run is damaged"
        )
    maps = {label: _map(path, one) for label, one in {"": scores.get("all"), **of_types}.items()}
    return Calibration(maps.pop(""), maps)


def _map(path: Path, data: Any) -> ScoreMap:
    scale, shift = (data.get("scale"), data.get("shift")) if isinstance(data, dict) else (None, None)
    if _is_number(scale) and _is_number(shift):
        found = ScoreMap(scale, shift)
        if found.usable:
            return found
    raise RunError(
        f"{path}: expected a scale above 0 and a shift, of at most 100, found {data!r:.80}; the run is damaged"
    )


def write_thresholds(directory: Path, chosen: Mapping[str, Threshold], chosen_on: Fingerprints) -> list[str]:
    """Add thresholds of types to those that the run has; of a type that has one it is replaced.

    Those that were chosen on scores of another calibration go.
    Returns: the types, other than the chosen ones, whose thresholds went.
    """
    path = directory / THRESHOLDS
    scores = _hash_of_calibration(directory)
    kept = _types(path) if path.exists() else {}
    types = {label: one for label, one in kept.items() if one.get("calibration") == scores}
    gone = [label for label in kept if label not in types and label not in chosen]
    for label, one in chosen.items():
        types[label] = {**one.to_json(), "confidence": CONFIDENCE, "chosen_on": list(chosen_on), "calibration": scores}
    write_json(path, {"format": FORMAT, "types": types})
    return gone


def read_thresholds(directory: Path, *, usable: bool = True) -> dict[str, StoredThreshold]:
    """The thresholds of a run by type; none where none were chosen.

    Raises RunError for a damaged file, and where they have to be `usable` for those that were chosen on scores of
    another calibration.
    """
    path = directory / THRESHOLDS
    if not path.exists():
        return {}
    found, scores = {}, _hash_of_calibration(directory)
    for label, data in _types(path).items():
        wanted, score = data.get("wanted"), data.get("score")
        if not _is_share(wanted) or not (score is None or _is_share(score)):
            raise RunError(f"{path}: {label}: expected numbers from 0 to 1 as wanted and score; the run is damaged")
        if usable and data.get("calibration") != scores:
            raise RunError(
                f"{path}: the threshold of {label} was chosen with another {CALIBRATION}; choose it again: "
                f"evaluate with `precision` {label}={wanted}"
            )
        found[label] = StoredThreshold(wanted, score)
    return found


def _types(path: Path) -> dict[str, dict[str, Any]]:
    types = _table(path, read_json(path, "the run is damaged")).get("types")
    if not isinstance(types, dict) or not all(isinstance(one, dict) for one in types.values()):
        raise RunError(f"{path}: expected a threshold for each of some types; remove the file, and choose them again")
    return types


def _table(path: Path, data: Any) -> dict[str, Any]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else data
        raise RunError(
            f"{path}: expected format {FORMAT}, found {found!r:.80}; the run is damaged, or of a newer version"
        )
    return data


def _hash_of_calibration(directory: Path) -> str | None:
    path = directory / CALIBRATION
    return sha256_of(path) if path.exists() else None


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_share(value: Any) -> TypeGuard[float]:
    return _is_number(value) and 0 <= value <= 1
