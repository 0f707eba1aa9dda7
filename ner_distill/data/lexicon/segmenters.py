"""Words by segmentation of Chinese text: pkuseg.

The library is `spacy-pkuseg`, the maintained form of `pkuseg`, which cuts text alike but ships no model. A model is a
directory: the one inside an installed `pkuseg`, one that was downloaded, or what `train-segmenter` wrote.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import pickle
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ner_distill.data.lexicon.lexicon import Match, word_borders
from ner_distill.data.sentence import is_chinese
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import read_json, sha256_of, write_error, write_json

FOLDER = "segmenter"
FEATURES, WEIGHTS = "features.msgpack", "weights.npz"
_PICKLED = "features.pkl"  # as pkuseg itself has it
_ABOUT = "segmenter.json"
_FORMAT = 1
_REMEDY = (
    "train one with `ner-distill train-segmenter` from text whose words are separated by spaces, or install `pkuseg` "
    "(pip install numpy cython setuptools wheel, then pip install --no-build-isolation pkuseg), which brings one, or "
    "unpack a model of its release page and name its directory"
)


class Segmenter:
    """The words of two and more Chinese characters that pkuseg cuts a sentence into.

    The model is read when it is first needed, which takes seconds and close to a gigabyte for those of the release
    page, once per process and directory; worker processes that are forked afterwards share it.
    """

    def __init__(self, model: str | Path = "") -> None:
        """model: a directory; "" is the model inside an installed `pkuseg`, or one downloaded for `spacy-pkuseg`.

        Nothing is ever downloaded. Raises ConfigError where there is no model, saying how to get one.
        """
        self.directory = _found(str(model))

    def words_of(self, text: str) -> list[str]:
        """The text cut into words; white space between and inside them is dropped. Raises ConfigError."""
        words: list[str] = _load(self.directory).cut(text)
        return words

    def segmentation(self, words: Sequence[str]) -> list[Match]:
        """The one segmentation of a sentence: every word of it, of one character too, sorted; no two overlap.

        Words of the sentence that a cut goes through belong to none, nor does white space. Raises ConfigError.
        """
        starts, ends = word_borders(words)
        text = "".join(words)
        # cut() drops white space: the place of its next character is that of the next which is none.
        places = [place for place, char in enumerate(text) if not char.isspace()]
        found = []
        done = 0
        for cut in self.words_of(text):
            start, end = starts.get(places[done]), ends.get(places[done + len(cut) - 1] + 1)
            done += len(cut)
            if start is not None and end is not None:
                found.append(Match(start, end, "".join(words[start:end])))
        return found

    def matches(self, words: Sequence[str]) -> list[Match]:
        """Of the segmentation the words of two and more characters that are all Chinese. Raises ConfigError."""
        found = ((match, "".join(match.form.split())) for match in self.segmentation(words))
        return [match for match, form in found if len(form) > 1 and all(map(is_chinese, form))]

    def save(self, directory: Path) -> None:
        """Write the model into `directory`/segmenter, without pickle, and its checksums last.

        Raises ConfigError where the model cannot be read, RunError or TrainingError where it cannot be written.
        """
        loaded = _load(self.directory)
        folder = directory / FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
            loaded.feature_extractor.save(str(folder))
            loaded.model.save(str(folder))
        except OSError as error:
            raise write_error(folder, error) from error
        hashes = {name: sha256_of(folder / name) for name in (FEATURES, WEIGHTS)}
        write_json(folder / _ABOUT, {"format": _FORMAT, "sha256": hashes})

    @classmethod
    def load(cls, directory: Path) -> Segmenter:
        """What `save` wrote. Raises RunError where it is missing, damaged or holds a pickle."""
        folder = directory / FOLDER
        if pickles := sorted(folder.glob("*.pkl")):
            raise RunError(
                f"{pickles[0]}: is a pickle, which can run code and has no place in a run; do not use this run"
            )
        path = folder / _ABOUT
        about = read_json(path, "is this a run of ner-distill with a segmenter?")
        try:
            expected = {name: about["sha256"][name] for name in (FEATURES, WEIGHTS)}
        except (KeyError, TypeError) as error:
            raise RunError(f"{path}: expected checksums ({error!r}); the run is damaged") from None
        if about.get("format") != _FORMAT:
            raise RunError(
                f"{path}: has format {about.get('format')!r}, this version reads {_FORMAT}; use a newer ner-distill"
            )
        for name, checksum in expected.items():
            if not (folder / name).is_file() or sha256_of(folder / name) != checksum:
                raise RunError(f"{folder / name}: is missing or not as it was written; the run is damaged")
        return cls(folder)


def complete(directory: Path) -> bool:
    return (directory / WEIGHTS).is_file() and any((directory / name).is_file() for name in (FEATURES, _PICKLED))


def _found(model: str) -> Path:
    if importlib.util.find_spec("spacy_pkuseg") is None:
        raise ConfigError("segmentation needs the package spacy-pkuseg: pip install spacy-pkuseg")
    if model and Path(model).is_dir() and not complete(Path(model)):
        raise ConfigError(
            f"{model}: is no model of a segmenter; expected a directory with {WEIGHTS} and {FEATURES} or {_PICKLED}; "
            f"{_REMEDY}"
        )
    home = Path(os.environ.get("PKUSEG_HOME", "~/.pkuseg")).expanduser()
    places = [Path(model), home / model] if model else [*_of_pkuseg(), home / "spacy_ontonotes"]
    for place in places:
        if complete(place):
            return place.resolve()
    what = f"{model}: no such model of a segmenter" if model else "no model of a segmenter was named or is installed"
    raise ConfigError(f"{what} (looked at {', '.join(map(str, places))}); {_REMEDY}")


def _of_pkuseg() -> list[Path]:
    """Where an installed `pkuseg`, which is not imported, keeps its model."""
    spec = importlib.util.find_spec("pkuseg")
    return [Path(place) / "models" / "default" for place in (spec and spec.submodule_search_locations) or ()]


def _load(directory: Path) -> Any:
    """The library's segmenter; another one where the files have changed. Raises ConfigError."""
    try:
        return _loaded(directory, (directory / WEIGHTS).stat().st_mtime_ns)
    except OSError as error:
        raise ConfigError(f"{directory}: the model of the segmenter is gone ({error.strerror})") from None


@lru_cache(maxsize=4)
def _loaded(directory: Path, stamp: int) -> Any:
    """What `_load` gives; `stamp` is the time of the weights."""
    from spacy_pkuseg import pkuseg

    collecting = gc.isenabled()  # the library turns it off to read, and leaves it off where it fails
    try:
        if (directory / FEATURES).is_file():
            loaded = pkuseg(str(directory))
        else:
            with tempfile.TemporaryDirectory() as name:
                _without_pickle(directory, Path(name))
                loaded = pkuseg(name)
        _check(loaded)
    except Exception as error:  # whatever a parser says of bytes that are none of its format
        raise ConfigError(f"{directory}: the model of the segmenter is damaged ({error!r}); {_REMEDY}") from error
    finally:
        if collecting:
            gc.enable()
    return loaded


class _PlainData(pickle.Unpickler):
    """Reads pickles of dicts, lists, strings and numbers; code that is named in one is not run."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"expected plain data, found {module_name}.{global_name}")


def _without_pickle(source: Path, target: Path) -> None:
    """Write a model of pkuseg's own format as spacy-pkuseg reads it without unpickling."""
    from spacy_pkuseg.feature_extractor import FeatureExtractor

    with (source / _PICKLED).open("rb") as file:
        data = _PlainData(file).load()
    extractor = FeatureExtractor()
    extractor.unigram, extractor.bigram = set(data["unigram"]), set(data["bigram"])
    extractor.feature_to_idx, extractor.tag_to_idx = data["feature_to_idx"], data["tag_to_idx"]
    extractor.save(str(target))
    (target / WEIGHTS).symlink_to((source / WEIGHTS).resolve())


def _check(loaded: Any) -> None:
    """Do features and weights belong together? The library looks weights up without checking bounds."""
    extractor, model = loaded.feature_extractor, loaded.model
    tags, features = extractor.tag_to_idx, extractor.feature_to_idx
    if sorted(tags.values()) != list(range(model.n_tag)) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError(f"{len(tags)} tags are named, {model.n_tag} have weights")
    if model.w.dtype != np.float64 or model.w.shape != (model.n_tag * (model.n_feature + model.n_tag),):
        raise ValueError(f"weights of shape {model.w.shape} and type {model.w.dtype} do not fit {model.n_feature}")
    lowest, highest = min(features.values()), max(features.values())
    if lowest < 0 or highest >= model.n_feature:
        raise ValueError(f"features are numbered {lowest} to {highest}, {model.n_feature} have weights")
