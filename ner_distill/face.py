"""The Python face: load a model and ask it; train, label and evaluate as the commands do.

    import ner_distill

    model = ner_distill.load("runs/student")
    for entity in model.predict("Ana lives in Madrid."):
        print(entity.label, entity.text, entity.score)

Everything heavy is imported when it is used. Functions have the names and the options of the commands.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ner_distill.errors import RunError
from ner_distill.tagger import Answering, Entity, MinScore

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from ner_distill.data.metrics import Scores

PathLike = str | os.PathLike[str]
Paths = PathLike | Sequence[PathLike]


class Result(list[Entity]):
    """The entities of one text, sorted by place: a list. In a notebook it shows itself as the text with its entities.

    text: as it was given.
    """

    def __init__(self, text: str, entities: Iterable[Entity]) -> None:
        super().__init__(entities)
        self.text = text

    def _repr_html_(self) -> str:
        from ner_distill.views.highlight import entities_html

        return entities_html(self.text, [(one.start, one.end, one.label, one.score) for one in self])

    def to_spacy(self, nlp: Language | None = None) -> Doc:
        """As a spaCy document, tokenised by `nlp` (a blank pipeline without one); see `Model.to_spacy`."""
        return _spacy_doc(self.text, self, nlp or _blank())


class Model:
    """A model that finds entities: of a run, exported, or several as their average. `load` makes it.

    labels: the types of entities, in order. unit: how text is cut into words, "word", "character" or "blank".
    """

    def __init__(self, answering: Answering, paths: Sequence[Path]) -> None:
        self.labels, self.unit = answering.labels, answering.unit
        self.paths = tuple(paths)
        self._answering = answering

    def __repr__(self) -> str:
        return f"<Model {', '.join(map(str, self.paths))}: {', '.join(self.labels)}>"

    @overload  # to the type checker a text is an iterable of texts as well
    def predict(  # type: ignore[overload-overlap]
        self, texts: str, *, min_score: MinScore = None, split_sentences: bool = False, lang: str | None = None
    ) -> Result: ...
    @overload
    def predict(
        self,
        texts: Iterable[str],
        *,
        min_score: MinScore = None,
        split_sentences: bool = False,
        lang: str | None = None,
    ) -> list[Result]: ...
    def predict(
        self,
        texts: str | Iterable[str],
        *,
        min_score: MinScore = None,
        split_sentences: bool = False,
        lang: str | None = None,
    ) -> Result | list[Result]:
        """The entities of each text; of one text, given as a string, its entities alone.

        A text is best a sentence: models are trained on sentences. Offsets count characters of the text as given.

        split_sentences: cut each text into sentences, which are asked about one by one. lang: the language of the
                   texts (es, de, zh), for its abbreviations.
        min_score: leave out entities of a lower score: a number from 0 to 1, a number by label, or "stored" for the
                   thresholds that `evaluate` chose.
        Raises TypeError for what is no text, ValueError for a `min_score` that is none, ConfigError for a wrong `lang`.
        """
        several = [texts] if isinstance(texts, str) else texts
        found = self.stream(several, min_score=min_score, split_sentences=split_sentences, lang=lang)
        return next(found) if isinstance(texts, str) else list(found)

    def stream(
        self,
        texts: Iterable[str],
        *,
        min_score: MinScore = None,
        split_sentences: bool = False,
        lang: str | None = None,
    ) -> Iterator[Result]:
        """As `predict`, for any number of texts: memory does not grow with it."""
        from ner_distill.data.formats.splitting import in_whole, sentences_of, splitter_of

        if isinstance(texts, str | bytes):
            raise TypeError(f"expected several texts, found one {type(texts).__name__}; predict takes a single text")
        splitter = splitter_of(lang, split_sentences=split_sentences)
        kept: deque[tuple[str, list[int]]] = deque()

        def asked() -> Iterator[str]:
            for text in texts:
                sentences, starts = sentences_of(text, splitter) if isinstance(text, str) else ([text], [0])
                kept.append((text, starts))
                yield from sentences

        answers = iter(self._answering.stream(asked(), min_score=min_score))
        for first in answers:
            text, starts = kept.popleft()
            yield Result(text, in_whole([first, *islice(answers, len(starts) - 1)], starts))

    def predict_words(self, sentences: Iterable[Sequence[str]], *, min_score: MinScore = None) -> list[list[Entity]]:
        """The entities of sentences that are cut into words already; `start` and `end` count words."""
        return self._answering.predict_words(sentences, min_score=min_score)

    def to_spacy(self, texts: Iterable[str], nlp: Language | None = None) -> Iterator[Doc]:
        """The texts as spaCy documents with their entities.

        nlp: tokenises, and runs its components before entities are set; a blank pipeline without one. An entity that
        begins or ends inside a token is widened to it; of those that then overlap the longest stay.
        """
        nlp = nlp or _blank()
        for result in self.stream(texts):
            yield _spacy_doc(result.text, result, nlp)


def _blank() -> Language:
    try:
        import spacy
    except ImportError:
        raise ImportError("spaCy is not installed: pip install 'ner-distill[spacy]'") from None
    return spacy.blank("xx")


def _spacy_doc(text: str, entities: Iterable[Entity], nlp: Language) -> Doc:
    from spacy.util import filter_spans

    doc = nlp(text)
    spans = (doc.char_span(one.start, one.end, label=one.label, alignment_mode="expand") for one in entities)
    doc.ents = filter_spans([span for span in spans if span is not None])
    return doc


def load(path: Paths, *, threads: int = 1) -> Model:
    """The model of a run of `train_teacher` or `train_student`, or of a directory that `export` wrote; of several
    paths the average of their probabilities.

    threads: of an exported model; a run takes those of torch. Runs no code from the directory. Raises RunError or
    ConfigError that name what is missing or damaged.
    """
    from ner_distill.places.urls import was_url
    from ner_distill.runs.answering import open_model

    paths = _paths(path)
    for one in paths:
        if url := was_url(one):
            raise RunError(f"{url}: is a URL; expected the directory of a model on this machine: copy it here first")
    return Model(open_model(paths, threads=threads), paths)


def train_teacher(
    train: Paths,
    out: PathLike,
    *,
    dev: Paths = (),
    settings: Mapping[str, Any] | None = None,
    config: PathLike | None = None,
    **options: Any,
) -> Model:
    """Train a teacher on labelled sentences and load it; as `ner-distill train-teacher`.

    settings: keys of the configuration, {"encoder.name": "bert-base-multilingual-cased", "optim.epochs": 5}.
    config:   a TOML file, or "preset:NAME".
    options:  the command's other options (resume, overwrite, format, folds ...). Raises NerDistillError.
    """
    from ner_distill.config import TeacherConfig, load_config
    from ner_distill.options.training import TeacherOptions
    from ner_distill.pipelines.train_teacher import train_teacher as run
    from ner_distill.pipelines.voting.train_voted import train_voted
    from ner_distill.views.results import write_results

    given = TeacherOptions(train=_paths(train), out=Path(out), dev=_paths(dev), **_with_paths(TeacherOptions, options))
    loaded = load_config(TeacherConfig, _config(config), _keys(settings))
    trained = train_voted(loaded, given) if given.folds else run(loaded, given)
    if trained.main:
        write_results(trained, given.out, given.dev)
    return load(out)


def label(teacher: Paths, text: Paths, out: PathLike, **options: Any) -> Path | str:
    """Store what a teacher (or several, averaged) says of raw text; as `ner-distill label-unlabeled`.

    text, out: may be URLs (s3://BUCKET/x).
    options: the command's other options (resume, overwrite, limit, min_votes, unit ...).
    Returns: the directory of the store, or its URL. Raises NerDistillError.
    """
    from ner_distill.options.models import LabelUnlabeledOptions
    from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled as run

    more = _with_paths(LabelUnlabeledOptions, options)
    text = [text] if isinstance(text, str | os.PathLike) else text
    store = _place(out)
    run(LabelUnlabeledOptions(teacher=_paths(teacher), text=list(map(_place, text)), out=store, **more))
    return store


def train_student(
    soft: PathLike | None,
    out: PathLike,
    *,
    gold: Paths = (),
    dev: Paths = (),
    settings: Mapping[str, Any] | None = None,
    config: PathLike | None = None,
    **options: Any,
) -> Model:
    """Train a student from stored soft labels and load it; as `ner-distill train-student`.

    soft: the store that `label` wrote, or its URL; None: learn from `gold` alone.
    gold: labelled sentences to learn from as well.
    The rest as of `train_teacher`. Raises NerDistillError.
    """
    from ner_distill.config import StudentConfig, load_config
    from ner_distill.options.training import StudentOptions
    from ner_distill.pipelines.train_student import train_student as run
    from ner_distill.views.results import write_results

    store = None if soft is None else _place(soft)
    more = _with_paths(StudentOptions, options)
    given = StudentOptions(soft=store, out=Path(out), gold=_paths(gold), dev=_paths(dev), **more)
    trained = run(load_config(StudentConfig, _config(config), _keys(settings)), given)
    if trained.main:
        write_results(trained, given.out, given.dev)
    return load(out)


def evaluate(model: Paths, data: Paths, **options: Any) -> Scores:
    """Score a model on labelled sentences; as `ner-distill evaluate`.

    options: the command's other options (json, html, precision, min_score, format ...).
    Returns: `micro`, `by_type` and `boundary` with precision, recall and f1, 0 to 1. Raises NerDistillError.
    """
    from ner_distill.options.models import EvaluateOptions
    from ner_distill.pipelines.evaluate import evaluation
    from ner_distill.views.results import write_evaluation

    given = EvaluateOptions(model=_paths(model), data=_paths(data), **_with_paths(EvaluateOptions, options))
    done = evaluation(given)
    write_evaluation(done, given)
    return done.scores


def export(run: PathLike, out: PathLike, **options: Any) -> Model:
    """Write a run as a directory that needs neither torch nor this package, and load it; as `ner-distill export`.

    options: the command's other options (int8, html, check, most_lost, overwrite). Raises NerDistillError.
    """
    from ner_distill.options.exporting import ExportOptions
    from ner_distill.pipelines.exporting.export import export as write
    from ner_distill.views.page import page_of

    write(ExportOptions(run=Path(run), out=Path(out), **_with_paths(ExportOptions, options)), page_of=page_of)
    return load(out)


def _place(given: PathLike) -> Path | str:
    """A path, or a URL as it is."""
    from ner_distill.places.urls import is_url, kept_apart

    return kept_apart(given) if isinstance(given, str) and is_url(given) else Path(given)


def _paths(given: Paths) -> tuple[Path, ...]:
    return (Path(given),) if isinstance(given, str | os.PathLike) else tuple(map(Path, given))


def _with_paths(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as `kind` has them: of a path that is given as text a Path, of one file where several may be a tuple,
    of numbers by type `TYPE=number`.

    An option may have the name that the command line gives it (`input_format`). What `kind` does not have stays as it
    is: its constructor says so.
    """
    from typing import get_args, get_type_hints

    from ner_distill.options.by_type import GivenByType
    from ner_distill.options.declare import called_of

    hints = get_type_hints(kind)
    names = {called: name for name, called in called_of(kind).items() if called not in hints}
    if twice := [called for called, name in names.items() if called in given and name in given]:
        raise TypeError(f"{twice[0]} and {names[twice[0]]} are the same option: give one of them")
    found = {names.get(name, name): value for name, value in given.items()}
    for name, value in [*found.items()]:
        hint = hints.get(name)
        if isinstance(value, Mapping) and hint == GivenByType:
            found[name] = tuple(f"{label}={number}" for label, number in value.items())
        if not isinstance(value, str | os.PathLike) or hint is None:
            continue
        if hint is Path or (Path in get_args(hint) and type(None) in get_args(hint)):
            found[name] = Path(value)
        elif hint == Sequence[Path] or hint == Sequence[str | Path]:
            found[name] = (Path(value),)
    return found


def _config(given: PathLike | None) -> Path | None:
    return None if given is None else Path(given)


def _keys(settings: Mapping[str, Any] | None) -> tuple[str, ...]:
    """As the command line writes them: `key=value`, the value in TOML; a section may be a mapping of its keys."""
    found: list[str] = []
    if not isinstance(settings, Mapping | None):
        raise TypeError(f'settings: expected a mapping such as {{"optim.epochs": 5}}, found {settings!r}')
    for key, value in (settings or {}).items():
        if isinstance(value, Mapping) and "." not in key:
            found += _keys({f"{key}.{name}": one for name, one in value.items()})
        else:
            found.append(f"{key}={_as_toml(value, key)}")
    return tuple(found)


def _as_toml(value: Any, key: str) -> str:
    """A value in one expression of TOML. Raises TypeError naming the key for what TOML has no values of."""
    import tomli_w

    if isinstance(value, Mapping):
        pairs = (f"{_as_toml(str(name), key)} = {_as_toml(one, key)}" for name, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_as_toml(one, key) for one in value) + "]"
    try:
        return tomli_w.dumps({"v": os.fspath(value) if isinstance(value, os.PathLike) else value})[4:].strip()
    except (TypeError, ValueError) as error:
        raise TypeError(f"settings[{key!r}]: {error}") from None
