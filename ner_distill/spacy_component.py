"""A model as a component of spaCy's pipelines.

    nlp = spacy.blank("en")
    nlp.add_pipe("ner_distill", config={"model": "runs/student", "min_score": 0.5})
    nlp("Ana lives in Madrid.").ents

spaCy finds it by its entry point; nothing else imports this module, or spaCy.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import srsly  # type: ignore[import-untyped]
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans

from ner_distill import face
from ner_distill.errors import ConfigError, RunError
from ner_distill.face import Model
from ner_distill.files import require_plain_files
from ner_distill.tagger import Entity

DEFAULT: dict[str, Any] = {
    "min_score": None,
    "overwrite_ents": False,
    "spans_key": "ner_distill",
    "threads": 1,
}
BATCH = 128
"""Documents that are answered together where `nlp.pipe` does not say how many."""
_FOLDER = "model-{}"


class EntityFinder(Pipe):
    """Finds entities with a model of this package; `nlp.add_pipe("ner_distill", config=...)` makes it.

    model:          a run or an exported directory, or several for their average. It is loaded when it is first needed,
                    so a saved pipeline, which has a copy of it, does without the original.
    min_score:      leave out entities of a lower score: a number, a number by label, or "stored".
    overwrite_ents: remove entities that earlier components found; else they stay, and what overlaps them is left out.
    spans_key:      where `doc.spans` has all entities, those that overlap as well, with their scores
                    (`doc.spans[key].attrs["scores"]`); None: nowhere.
    threads:        of an exported model.

    The model reads the text of the document, by sentences where an earlier component found them, and cuts it into words
    of its own; an entity that begins or ends inside a token of spaCy is widened to it. Of those that then overlap
    `doc.ents` has the longest.
    """

    def __init__(
        self,
        nlp: Language,
        name: str = "ner_distill",
        *,
        model: str | list[str],
        min_score: float | str | dict[str, float] | None = None,
        overwrite_ents: bool = False,
        spans_key: str | None = "ner_distill",
        threads: int = 1,
    ) -> None:
        self.name, self.vocab = name, nlp.vocab
        self.paths = [Path(path) for path in ([model] if isinstance(model, str) else model)]
        if not self.paths:
            raise ConfigError(f"{name}: model: expected the directory of a model, found none")
        self.min_score, self.overwrite_ents, self.spans_key = min_score, overwrite_ents, spans_key
        self.threads = threads
        self.scorer = _score
        self._model: Model | None = None
        self._own: tempfile.TemporaryDirectory[str] | None = None  # holds what `from_bytes` wrote

    def loaded(self) -> Model:
        """The model, loaded when it is first asked for. Raises RunError or ConfigError where it cannot be.

        Not a property, and not `model`: spaCy looks whether a component has an attribute `model` when it is added to a
        pipeline, and would load it then, or fail where the directory comes later.
        """
        if self._model is None:
            try:
                self._model = face.load(self.paths, threads=self.threads)
            except (RunError, ConfigError) as error:
                raise type(error)(f"{self.name}: {error}") from None
        return self._model

    @property
    def labels(self) -> tuple[str, ...]:
        """None where there is no model yet: spaCy asks while it reads a saved pipeline, before `from_disk`.

        The model is loaded for it. Besides, spaCy asks in `nlp.meta`, `nlp.initialize` and `nlp.remove_pipe`.
        """
        try:
            return self.loaded().labels
        except (RunError, ConfigError):
            return ()

    def __call__(self, doc: Doc) -> Doc:
        self._annotated([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = BATCH) -> Iterator[Doc]:
        """The documents with their entities; the model answers `batch_size` of them together."""
        remaining = iter(stream)
        while docs := list(islice(remaining, batch_size)):
            if self._annotated(docs):
                yield from docs

    def _annotated(self, docs: list[Doc]) -> bool:
        """Annotate documents. Returns False where that failed and the pipeline's handler of errors goes on."""
        try:
            self._annotate(docs)
        except Exception as error:
            handle: Callable[..., None] = self.get_error_handler()
            handle(self.name, self, docs, error)
            return False
        return True

    def _annotate(self, docs: list[Doc]) -> None:
        parts = [_parts(doc) for doc in docs]
        results = iter(self.loaded().stream((text for own in parts for _, text in own), min_score=self.min_score))
        for doc, own in zip(docs, parts, strict=True):
            answers = zip(own, islice(results, len(own)), strict=True)
            self._set(doc, [(start, entity) for (start, _), found in answers for entity in found])

    def _set(self, doc: Doc, entities: Iterable[tuple[int, Entity]]) -> None:
        """Put entities, each with the place in the document that its offsets count from, into a document."""
        spans: list[Span] = []
        scores: list[float] = []
        for begin, one in entities:
            start, end = begin + one.start, begin + one.end
            span = doc.char_span(start, end, label=one.label, alignment_mode="expand")
            if span is not None:
                spans.append(span)
                scores.append(one.score)
        if self.spans_key is not None:
            doc.spans[self.spans_key] = spans
            doc.spans[self.spans_key].attrs["scores"] = scores
        before = [] if self.overwrite_ents else list(doc.ents)
        taken = {token.i for span in before for token in span}
        free = [span for span in spans if taken.isdisjoint(range(span.start, span.end))]
        doc.ents = [*before, *filter_spans(free)]

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Copy the model's directories into `path`: what is saved needs nothing else."""
        for number, source in enumerate(self._sources()):
            target = Path(path) / _FOLDER.format(number)
            if target.resolve() == source.resolve():
                continue  # saved to where it was loaded from
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> EntityFinder:
        """Take the model that `to_disk` copied."""
        count = len(self.paths)
        self.paths, self._model = [Path(path) / _FOLDER.format(number) for number in range(count)], None
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The files of the model's directories."""
        content = []
        for source in self._sources():
            files = sorted(file for file in source.rglob("*") if file.is_file())
            content.append({file.relative_to(source).as_posix(): file.read_bytes() for file in files})
        return cast(bytes, srsly.msgpack_dumps(content))

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> EntityFinder:
        """Take the model of `to_bytes`; its files are in a temporary directory as long as this component is."""
        self._own = tempfile.TemporaryDirectory(prefix="ner_distill")
        self.paths, self._model = [], None
        for number, content in enumerate(srsly.msgpack_loads(data)):
            folder = Path(self._own.name) / _FOLDER.format(number)
            for name, written in content.items():
                file = folder / name
                if not file.resolve().is_relative_to(folder.resolve()):
                    raise RunError(f"{self.name}: {name!r} leads out of the model's directory; the bytes are damaged")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(written)
            self.paths.append(folder)
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """As bytes of its own: another process (`n_process`) has the model, whatever became of its directory."""
        settings = {key: getattr(self, key) for key in DEFAULT}
        return _unpickled, (self.vocab, self.name, [str(path) for path in self.paths], settings, self.to_bytes())

    def _sources(self) -> list[Path]:
        """The model's directories, which are known to hold a model of plain files. Raises RunError or ConfigError."""
        self.loaded()
        for path in self.paths:
            require_plain_files(path, "model")
        return self.paths


def _parts(doc: Doc) -> list[tuple[int, str]]:
    """The texts that the model is asked about, each with its place in the document: sentences where they are known."""
    if doc.has_annotation("SENT_START"):
        return [(sentence.start_char, sentence.text) for sentence in doc.sents]
    return [(0, doc.text)]


def _score(examples: Iterable[Example], **settings: Any) -> dict[str, Any]:
    return get_ner_prf(examples, **settings)


def _unpickled(vocab: Any, name: str, paths: list[str], settings: dict[str, Any], data: bytes) -> EntityFinder:
    class Nlp:
        """What the component asks of a pipeline."""

    nlp: Any = Nlp()
    nlp.vocab = vocab
    return EntityFinder(nlp, name, model=paths, **settings).from_bytes(data)


@Language.factory(
    "ner_distill",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config=DEFAULT,
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make(
    nlp: Language,
    name: str,
    model: str | list[str],
    min_score: float | str | dict[str, float] | None,
    overwrite_ents: bool,
    spans_key: str | None,
    threads: int,
) -> EntityFinder:
    """The component `ner_distill`; its settings are those of `EntityFinder`."""
    return EntityFinder(
        nlp,
        name,
        model=model,
        min_score=min_score,
        overwrite_ents=overwrite_ents,
        spans_key=spans_key,
        threads=threads,
    )
