"""Models that answer, whatever they are: a run, an exported model, or several whose probabilities are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Sentence
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, RunError
from ner_distill.tagger import SETTINGS, STORED, Answering, ExportError, MinScore, TagDecoder, Tagger
from ner_distill.tagger import load as load_exported
from ner_distill.teacher.foreign.base import MappedTeacher
from ner_distill.teacher.foreign.opening import ForeignSettings, foreign_source, open_foreign

_NAMELESS = "\0"  # the id of a text that has none: no answer of a file names it


def open_model(
    paths: Sequence[Path], *, threads: int = 1, foreign: ForeignSettings | None = None, device: str = "auto"
) -> Answering:
    """The model of a directory, somebody else's model (`hf:PLACE` and the like), or several as one.

    RUN/folds are the fold teachers of a run, or of a voting.
    threads: of an exported model; a run takes those of torch. foreign: what is said of somebody else's models.
    device:  see `device_named`; an exported model computes on the CPU.
    Raises RunError or ConfigError that name what is wrong.
    """
    paths = [each for path in paths for each in (models_in(path) or [path])]
    models = [_opened(path, threads, foreign, device) for path in paths]
    if not models:
        raise ConfigError("expected the directory of a model, found none")
    return models[0] if len(models) == 1 else Average(models, paths)


def models_in(path: Path) -> list[Path]:
    """The fold teachers that RUN/folds stands for; [] for every other path.

    RUN is the run of a teacher that was trained with `folds`, or a directory of vote-labels. Raises RunError where
    it has no fold teachers any more.
    """
    if path.name != "folds" or is_exported(path) or (path / "labels.json").is_file():
        return []
    from ner_distill.runs.info import folds_of_voting, voting_beside  # an exported model answers without these

    voting = voting_beside(path)
    if voting is None:
        return []
    folds = folds_of_voting(voting)
    if not folds:
        raise RunError(f"{path}: no fold teacher is left there; a voting keeps them unless `discard_folds` is given")
    return folds


def is_single_run(paths: Sequence[Path]) -> bool:
    """Whether this is one run, rather than an exported model, somebody else's, or several models."""
    if len(paths) != 1 or is_exported(paths[0]):
        return False
    return _foreign(paths[0]) is None and not models_in(paths[0])


def is_exported(path: Path) -> bool:
    """Whether `export` wrote this directory."""
    return (path / SETTINGS).is_file()


def _foreign(path: Path) -> tuple[str, str] | None:
    """(kind, place) of somebody else's model; None where something lies at the path itself."""
    return None if path.exists() else foreign_source(str(path))


def _opened(path: Path, threads: int, foreign: ForeignSettings | None, device: str) -> Answering:
    if (source := _foreign(path)) is not None:
        return ForeignModel(*source, foreign, device)
    if not is_exported(path):
        return RunModel(path, device)
    if device not in ("auto", "cpu"):
        raise ConfigError(f"`device` {device}: {path} is an exported model, which computes on the CPU; expected cpu")
    try:
        return load_exported(path, threads=threads)
    except ExportError as error:
        raise RunError(str(error)) from None


class RunModel(Answering):
    """The model of a teacher's or a student's run. Scores are calibrated where it is. device: see `device_named`."""

    def __init__(self, path: Path, device: str = "auto") -> None:
        if not path.is_dir():  # said before torch is loaded
            what = "is a file" if path.exists() else "no such directory"
            raise RunError(f"{path}: {what}; expected the directory of a run, or one that export wrote")
        from ner_distill.runs.build import load_run
        from ner_distill.runs.calibration import read_calibration
        from ner_distill.runtime.inference import device_named

        place = device_named(device)
        self.path, self.built = path, load_run(path)
        self.labels, self.unit = self.built.info.labels, self.built.info.unit
        self.built.model.to(place)
        self._calibration = read_calibration(path, self.labels)

    def found(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int, str, float]]]:
        from ner_distill.runtime.inference import find_entities

        built = self.built
        features = [built.featurizer.features(words) for words in sentences]
        found = find_entities(built.tagger, built.featurizer, built.info.tagset, features, scores=True)
        return [
            [(span.start, span.end, span.label, score) for span, score in self._calibration.applied(own)]
            for own in found
        ]

    def tag_probs(self, sentences: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float64]]:
        from ner_distill.runtime.inference import tag_log_probs

        features = [self.built.featurizer.features(words) for words in sentences]
        empty = np.zeros((0, 1 + 2 * len(self.labels)))
        found = dict(tag_log_probs(self.built.tagger, self.built.featurizer, features))
        return [
            np.exp(found[number].double().numpy()) if len(words) else empty for number, words in enumerate(sentences)
        ]

    def thresholds(self, asked: MinScore) -> Mapping[str, float]:
        if asked != STORED:
            return super().thresholds(asked)
        from ner_distill.runs.calibration import read_thresholds

        stored = read_thresholds(self.path)
        if not stored:
            raise ValueError(
                f"min_score: {STORED}: {self.path} has no thresholds; choose them on labelled sentences that were not "
                "trained on: evaluate with precision"
            )
        return {label: 2.0 if one.score is None else one.score for label, one in stored.items()}  # 2: nothing passes


class ForeignModel(Answering):
    """Somebody else's model, on a GPU where there is one and it can use it; its entities are the best path of its tags.

    Sentences that it has no answer to have no entities. device: another one, see `device_named`.
    """

    def __init__(self, kind: str, place: str, settings: ForeignSettings | None = None, device: str = "auto") -> None:
        from ner_distill.runtime.inference import budget_of, device_named

        computes_on = device_named(device)

        settings = settings or ForeignSettings()
        teacher = open_foreign(kind, place, settings)
        settings.map.require_known([teacher])
        if teacher.by_id_alone:
            raise ConfigError(
                f"{teacher.name}: names sentences by `id` alone, and here it is asked about texts; give their texts too"
            )
        self._teacher = MappedTeacher(teacher, settings.map, settings.map.labels([teacher]))
        self.labels, self.unit = self._teacher.labels, "word"
        teacher.prepare(computes_on, budget_of(computes_on))

    def tag_probs(self, sentences: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float64]]:
        probs = [np.eye(1, 1 + 2 * len(self.labels)).repeat(len(words), 0) for words in sentences]
        given = [Sentence(_NAMELESS, tuple(words)) for words in sentences]
        asked = [number for number, one in enumerate(given) if one.words and self._teacher.teacher.knows(one)]
        for number, said in zip(asked, self._teacher.answers([given[number] for number in asked]), strict=True):
            probs[number] = said.probs.astype(np.float64)
        return probs

    def found(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int, str, float]]]:
        tagset = TagSet(self.labels)
        return [
            [(span.start, span.end, span.label, score) for span, score in decode_probs(probs, tagset)]
            for probs in self.tag_probs(sentences)
        ]


class Average(Answering):
    """Several models as one: the mean of their tag probabilities, of which the best path is taken.

    Its scores are means of probabilities, calibrated by nobody. Raises ConfigError where they differ in labels or in
    how text is cut.
    """

    def __init__(self, models: Sequence[Answering], paths: Sequence[Path]) -> None:
        first = models[0]
        for model, path in zip(models, paths, strict=True):
            if isinstance(model, Tagger) and not model.has_tags:
                raise ConfigError(f"{path}: finds spans, whose probabilities are not averaged; average runs instead")
        for model, path in zip(models[1:], paths[1:], strict=True):
            if (model.labels, model.unit) != (first.labels, first.unit):
                raise ConfigError(
                    f"{path}: has the labels {', '.join(model.labels)} ({model.unit}); expected those of {paths[0]}, "
                    f"{', '.join(first.labels)} ({first.unit}): only models of the same labels and words are averaged"
                )
        self.models, self.labels, self.unit = list(models), first.labels, first.unit
        self._decoder = TagDecoder.of(len(self.labels), {"head": "token"})

    def thresholds(self, asked: MinScore) -> Mapping[str, float]:
        if asked == STORED:
            raise ValueError(f"min_score: {STORED}: an average of models has no thresholds; give a number")
        return super().thresholds(asked)

    def tag_probs(self, sentences: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float64]]:
        answers = [model.tag_probs(sentences) for model in self.models]
        return [np.mean(of_sentence, axis=0) for of_sentence in zip(*answers, strict=True)]

    def found(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int, str, float]]]:
        results: list[list[tuple[int, int, str, float]]] = []
        for probs in self.tag_probs(sentences):
            if not len(probs):
                results.append([])
                continue
            with np.errstate(divide="ignore"):
                logs = np.log(probs).astype(np.float32)[None]
            (own,) = self._decoder.entities(logs, [len(probs)])
            results.append([(start, end, self.labels[kind], score) for start, end, kind, score in own])
        return results


__all__ = ["Average", "RunModel", "Tagger", "is_exported", "is_single_run", "open_model"]
