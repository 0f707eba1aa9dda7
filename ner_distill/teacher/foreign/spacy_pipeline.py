"""`spacy:PACKAGE_OR_DIR`: the entity recogniser of a spaCy pipeline, read as data. No package of it is imported."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Sentence
from ner_distill.errors import ConfigError
from ner_distill.files import require_plain_files, sha256_of
from ner_distill.teacher.foreign.base import ForeignTeacher, Probs, Said

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

CONFIG = "config.cfg"
NER = "ner"
_TOGETHER = 128  # sentences
_CODE = (".py", ".pkl", ".pickle", ".so", ".pt", ".pth")
_FACTORIES = ("ner", "tok2vec")
_ARCHITECTURES = frozenset(
    f"spacy.{name}"
    for name in (
        *("TransitionBasedParser", "Tok2Vec", "Tok2VecListener", "HashEmbedCNN", "MultiHashEmbed", "CharacterEmbed"),
        *("MaxoutWindowEncoder", "MishWindowEncoder", "StaticVectors"),
    )
)
"""What the networks of its components may be made of: spaCy's own, whose weights are plain numbers."""
_LANGUAGE = re.compile(r"[a-z]{2,3}")
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class SpacyTeacher(ForeignTeacher):
    """A transition-based recogniser, by the words that it is given.

    It reads a sentence from left to right and decides at each word among the actions that are possible there (begin an
    entity, go on with it, end it, none). The probability of a tag at a word is that of its actions, given what was
    decided before: the softmax over scores that its training maximises. So the most probable tags are exactly the
    entities that the pipeline itself finds. Inside an entity, where what was decided leaves no choice, the doubt of its
    first word stays: each type is as probable as it was to begin there.

    (The marginals of spaCy's beam search are others: it adds up scores that were trained to be compared at one word,
    and finds worse entities than the pipeline.)
    """

    def __init__(self, name: str, nlp: Language, fingerprint: str = "", *, remarks: Sequence[str] = ()) -> None:
        self._nlp = nlp
        self._ner = cast(Any, nlp.get_pipe(NER))
        super().__init__(name, self._ner.labels, remarks=remarks)
        self._fingerprint = fingerprint
        self._actions = _Actions.of(self._ner, self.types)

    @classmethod
    def load(cls, place: str) -> SpacyTeacher:
        """The recogniser of a directory, or of an installed package.

        Raises ConfigError where spaCy is not installed, and for a pipeline without a recogniser that can be read.
        """
        try:
            import spacy
        except ModuleNotFoundError:
            raise ConfigError(f"spacy:{place}: spaCy is not installed: pip install 'ner-distill[spacy]'") from None
        version = metadata.version("spacy")
        directory = _located(place)
        settings, parts = _readable(directory, place)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is a remark
            try:
                nlp = spacy.util.load_model_from_config(settings, auto_fill=True, validate=True)
                nlp.from_disk(directory, exclude=["tokenizer", *_others(directory, parts)])
            except Exception as error:  # files of a pipeline may hold anything, and its readers raise whatever there is
                reason = " ".join(str(error).split())[:300]
                raise ConfigError(f"spacy:{place}: could not be loaded by spaCy {version}: {reason}") from None
        wanted = str(nlp.meta.get("spacy_version", ""))
        remarks = []
        if wanted and not spacy.util.is_compatible_version(version, wanted):
            remarks.append(f"spacy:{place} was made for spaCy {wanted} and is read by {version}")
        files = [directory / CONFIG, *(file for part in (*parts, "vocab") for file in _files(directory / part))]
        hashes = "".join(f"{file.relative_to(directory).as_posix()} {sha256_of(file)}\n" for file in files)
        return cls(f"spacy:{place}", nlp, sha256(hashes.encode()).hexdigest(), remarks=remarks)

    def fingerprint(self) -> str:
        return self._fingerprint

    def answers(self, sentences: Sequence[Sentence]) -> list[Said]:
        order = sorted(range(len(sentences)), key=lambda index: len(sentences[index].words))
        said: dict[int, Said] = {}
        for first in range(0, len(order), _TOGETHER):
            indices = order[first : first + _TOGETHER]
            for index, probs in zip(indices, self._probs([sentences[index] for index in indices]), strict=True):
                said[index] = Said(probs)
        return [said[index] for index in range(len(sentences))]

    def _probs(self, sentences: Sequence[Sentence]) -> list[Probs]:
        docs = [self._doc(sentence) for sentence in sentences]
        pipeline: list[tuple[str, Any]] = self._nlp.pipeline
        for name, component in pipeline:
            if name != NER:
                docs = list(component.pipe(docs, batch_size=len(docs)))
        return [self._actions.tags(scores) for scores in self._scores(docs)]

    def _doc(self, sentence: Sentence) -> Doc:
        """The words as they are; what stands between them as in the text, where there is one, else a blank."""
        from spacy.tokens import Doc

        return Doc(self._nlp.vocab, words=list(sentence.words), spaces=_spaces(sentence))

    def _scores(self, docs: Sequence[Doc]) -> list[Floats]:
        """(words, actions) of each document: the scores of all actions at each word, which spaCy takes the best of."""
        model = self._ner.model.predict(docs)
        states = self._ner.moves.init_batch(docs)
        rows: list[list[Floats]] = [[] for _ in docs]
        going_on = [number for number, state in enumerate(states) if not state.is_final()]
        while going_on:
            now = [states[number] for number in going_on]
            scores = np.ascontiguousarray(model.predict(now), np.float32)
            for number, row in zip(going_on, scores, strict=True):
                rows[number].append(row.copy())
            self._ner.transition_states(now, scores)
            going_on = [number for number in going_on if not states[number].is_final()]
        return [np.stack(own) for own in rows]


class _Actions:
    """What the actions of a recogniser say of the tags of words.

    tags:  (actions,) the tag that each says of the word.
    kinds: (actions,) the type, -1 of O. begins, goes_on, ends: (actions,) bool: B or U; I or L; U, L or O.
    """

    def __init__(self, names: Sequence[str], types: Sequence[str]) -> None:
        places = {label: number for number, label in enumerate(types)}
        prefixes = np.array([name[:1] for name in names])
        self.kinds = np.array([places.get(name[2:], -1) if name[:1] in "BILU" else -1 for name in names], np.int64)
        self.outside: Mask = prefixes == "O"
        typed: Mask = self.kinds >= 0  # `U-` without a type is for words that somebody said to be none of an entity's
        self.begins, self.goes_on = typed & np.isin(prefixes, ["B", "U"]), typed & np.isin(prefixes, ["I", "L"])
        self.opens, self.single, self.last = (typed & (prefixes == one) for one in "BUL")
        self.size = 1 + 2 * len(types)
        self.of_tag = np.where(self.kinds < 0, 0, 1 + 2 * self.kinds + self.goes_on)

    @classmethod
    def of(cls, ner: Any, types: Sequence[str]) -> _Actions:
        moves = ner.moves
        return cls([moves.get_class_name(number) for number in range(moves.n_moves)], types)

    def tags(self, scores: Floats) -> Probs:
        """(words, actions) scores along the best actions → (words, tags) probabilities. See `SpacyTeacher`."""
        probs = np.zeros((len(scores), self.size), np.float32)
        inside, started = -1, np.zeros(self.size, np.float32)
        for word, row in enumerate(scores):
            at_end = word == len(scores) - 1
            allowed = self._allowed(inside, at_end=at_end)
            chances = np.zeros(len(row), np.float64)
            chances[allowed] = np.exp(row[allowed] - row[allowed].max())
            chances /= chances.sum()
            action = int(chances.argmax())
            if inside < 0:
                own = np.bincount(self.of_tag, chances, self.size)
                best, found = int(own.argmax()), int(self.of_tag[action])
                own[[best, found]] = own[[found, best]]  # others where two actions of one tag outweigh the best action
                probs[word] = own
                started[0], started[2::2] = own[0], own[1::2]  # the I of what may have begun
            else:
                probs[word] = started
            ended = bool(self.single[action] or self.last[action] or self.outside[action])
            inside = -1 if ended else int(self.kinds[action])
        return probs

    def _allowed(self, inside: int, *, at_end: bool) -> Mask:
        """Which actions are possible. inside: the type of the entity that is going on, -1 without one."""
        if inside >= 0:
            allowed: Mask = self.goes_on & (self.kinds == inside)
            return np.logical_and(allowed, self.last) if at_end else allowed
        allowed = self.begins | self.outside
        return np.logical_and(allowed, ~self.opens) if at_end else allowed


def _spaces(sentence: Sentence) -> list[bool] | None:
    """Of each word, does white space follow it in the text? None where there is no text."""
    if sentence.offsets is None or sentence.text is None:
        return None
    starts = [start for start, _ in sentence.offsets[1:]] + [len(sentence.text)]
    return [start > end for (_, end), start in zip(sentence.offsets, starts, strict=True)]


def _located(place: str) -> Path:
    """The directory with `config.cfg`: the one that is named, or inside it, or in an installed package of this name."""
    path = Path(place).expanduser()
    if path.is_dir():
        return _inside(path, place)
    if path.exists() or path.is_absolute() or place.startswith((".", "~")):
        raise ConfigError(
            f"spacy:{place}: no such directory; expected one of a spaCy pipeline, or an installed package"
        )
    try:
        package = metadata.distribution(place)
    except (metadata.PackageNotFoundError, ValueError):
        raise ConfigError(
            f"spacy:{place}: neither a directory nor an installed package; name the directory of a pipeline (its "
            f"{CONFIG} lies in it), or install the package: python -m spacy download {place}"
        ) from None
    found = sorted({Path(str(package.locate_file(file))).parent for file in package.files or () if file.name == CONFIG})
    if len(found) != 1:
        raise ConfigError(f"spacy:{place}: expected a package with one {CONFIG}, found {len(found)}")
    return found[0]


def _inside(path: Path, place: str) -> Path:
    """The directory itself, or that of an unpacked package, one or two levels below."""
    for pattern in (CONFIG, f"*/{CONFIG}", f"*/*/{CONFIG}"):
        found = sorted(path.glob(pattern))
        if len(found) == 1:
            return found[0].parent
        if found:
            raise ConfigError(f"spacy:{place}: holds {len(found)} pipelines, {found[0].parent} first; name one of them")
    raise ConfigError(f"spacy:{place}: no {CONFIG} in it; expected the directory of a spaCy pipeline")


def _readable(directory: Path, place: str) -> tuple[Any, list[str]]:
    """The configuration of what is needed of a pipeline, and the names of these components.

    Raises ConfigError for a pipeline without a recogniser, and for one that is made of more than spaCy's own networks.
    """
    from spacy.util import load_config

    require_plain_files(directory, "spaCy pipeline")
    try:
        config = load_config(directory / CONFIG)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{directory / CONFIG}: cannot be read: {' '.join(str(error).split())[:300]}") from None
    pipeline, components = config.get("nlp", {}), config.get("components", {})
    names = [str(name) for name in pipeline.get("pipeline", [])]
    if NER not in names or NER not in components:
        raise ConfigError(
            f"spacy:{place}: no component `{NER}` in it, found {', '.join(names) or 'none'}; expected a "
            "pipeline with a named entity recogniser"
        )
    language = str(pipeline.get("lang", ""))
    if not _LANGUAGE.fullmatch(language):
        raise ConfigError(f"{directory / CONFIG}: expected a language such as en, found {language!r}")
    parts = [name for name in names if name == NER or components.get(name, {}).get("factory") == "tok2vec"]
    kept = {name: {key: value for key, value in components[name].items() if key != "scorer"} for name in parts}
    for name, own in kept.items():
        if own.get("factory") not in _FACTORIES or not set(_made_of(own)) <= _ARCHITECTURES:
            strange = sorted(set(_made_of(own)).difference(_ARCHITECTURES)) or [str(own.get("factory"))]
            raise ConfigError(
                f"spacy:{place}: its {name} is made of {', '.join(strange)}: only spaCy's own networks are read, as "
                "others run code of other packages"
            )
        if code := [file for file in _files(directory / name) if file.suffix in _CODE]:
            raise ConfigError(f"{code[0]}: a file that may run code is not read; expected the weights of spaCy alone")
    made = {"nlp": {"lang": language, "pipeline": parts}, "components": kept}
    return type(config)(made), parts


def _made_of(settings: Any) -> Iterator[str]:
    """The functions that a configuration names, without their version: `spacy.Tok2Vec`."""
    if not isinstance(settings, Mapping):
        return
    for key, value in settings.items():
        if str(key).startswith("@"):
            yield re.sub(r"\.v\d+$", "", str(value))
        else:
            yield from _made_of(value)


def _others(directory: Path, parts: Sequence[str]) -> list[str]:
    return [path.name for path in directory.iterdir() if path.is_dir() and path.name not in (*parts, "vocab")]


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())
