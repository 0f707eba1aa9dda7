"""A fold of labelled data: a fresh teacher that never sees what is held out, and what it then says of that.

OUT/config.toml               the configuration of all folds
OUT/folds/r1-f2.data/         train.jsonl, dev.jsonl (a slice of the training part), held-out.jsonl
OUT/folds/r1-f2/              the run of the teacher, and predictions.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.batching import plan_batches
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.noise.doubts import Probs, span_doubts, tag_doubts
from ner_distill.data.noise.votes import Prediction
from ner_distill.data.sentence import Sentence, Span, labels_of
from ner_distill.errors import RunError
from ner_distill.files import atomic_write_text, read_json, sha256_of, write_error
from ner_distill.nn.heads import AnyHead, SpanHead
from ner_distill.nn.spans import span_probs_of_tags, spans_above
from ner_distill.options.training import TeacherOptions
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.runtime.inference import best_device, budget_of, find_entities

FLOOR = 0.01
"""Spans that are less probable are not stored, unless they are given or found."""
TABLE = 2**24
"""Numbers of a table of spans that are computed at once, where one sentence has no more."""
FORMAT = "ner-distill/held-out/1"
Said = tuple[int, int, str, float, float, bool]
"""Of a span its first word, its end, type, probability, doubt, and whether it is found."""


@dataclass(frozen=True)
class Answer:
    """What a teacher says of a sentence. words: of each one how probable it is that it is part of an entity."""

    entities: list[Said]
    words: list[float]


@dataclass(frozen=True)
class FoldTask:
    """A fold to train and to predict; can be sent as JSON.

    repeat, number: from 1.
    seed:           of the teacher.
    unit:           what a word is: as it was cut, which the words alone do not tell.
    labels:         the types of all the data, which every teacher is to know.
    words:          is what it says of each word to be kept too?
    """

    out: str
    repeat: int
    number: int
    seed: int
    unit: str
    labels: Sequence[str]
    words: bool = False

    @property
    def name(self) -> str:
        """Of its directory."""
        return f"r{self.repeat}-f{self.number}"

    @property
    def directory(self) -> Path:
        """Of the run."""
        return Path(self.out) / "folds" / self.name

    @property
    def data(self) -> Path:
        """Of the sentences."""
        return self.directory.with_name(f"{self.name}.data")

    @property
    def predictions(self) -> Path:
        """What marks a finished fold."""
        return self.directory / "predictions.json"

    def write(self, train: Sequence[Sentence], development: Sequence[Sentence], held_out: Sequence[Sentence]) -> None:
        """Write the sentences. Raises NerDistillError where that is not possible."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.data, error) from error
        for name, sentences in (("train", train), ("dev", development), ("held-out", held_out)):
            # words as they are cut: a text would be cut again
            bare = [replace(sentence, text=None, offsets=None) for sentence in sentences]
            write_jsonl(bare, self.data / f"{name}.jsonl", overwrite=True)

    def finished(self) -> bool:
        """Are there predictions, of the sentences that are held out now?"""
        try:
            before = json.loads(self.predictions.read_text("utf-8"))
            return bool(before["format"] == FORMAT and before["held_out"] == sha256_of(self.data / "held-out.jsonl"))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def read(self) -> dict[str, Prediction]:
        """id → prediction. Raises RunError where the file is damaged."""
        data = read_json(self.predictions, "this fold is not finished")
        try:
            labels = frozenset(map(str, data["labels"]))
            words = data.get("words", {})
            return {id: _prediction(said, labels, words.get(id, ())) for id, said in data["sentences"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(f"{self.predictions}: is damaged ({error!r}); remove it and go on with --resume") from None


def do_fold(task: FoldTask, reporter: Reporter | None = None) -> None:
    """Train the teacher of a fold, or go on with it, and write its predictions. Raises NerDistillError."""
    from ner_distill.pipelines.train_teacher import train_teacher

    config = load_config(TeacherConfig, Path(task.out) / "config.toml", [f"seed={task.seed}"])
    options = TeacherOptions(
        train=[task.data / "train.jsonl"], dev=[task.data / "dev.jsonl"], out=task.directory, format="jsonl"
    )
    reporter = reporter or Reporter(quiet=True)
    train_teacher(config, options, reporter, unit=task.unit, labels=task.labels, resume="auto")
    held_out = task.data / "held-out.jsonl"
    built = load_run(task.directory)
    sentences = read_corpus([held_out], format="jsonl").sentences
    ids, said = [sentence.id for sentence in sentences], predict(built, sentences)
    content = {
        "format": FORMAT,
        "held_out": sha256_of(held_out),
        # it knows all types, but has a vote on those alone that it was shown
        "labels": labels_of(read_corpus([task.data / "train.jsonl"], format="jsonl").sentences),
        "sentences": dict(zip(ids, (one.entities for one in said), strict=True)),
    }
    if task.words:
        content["words"] = dict(zip(ids, (one.words for one in said), strict=True))
    atomic_write_text(task.predictions, json.dumps(content, ensure_ascii=False) + "\n")


def predict(built: AnyBuilt, sentences: Sequence[Sentence]) -> list[Answer]:
    """For each sentence what is said of its words, and of the entities that are found, given, or likelier than FLOOR.

    The probability is that of exactly this span and type: a span head's own; of a tag head what its marginals say
    (`span_probs_of_tags`). Doubts: see `doubts.py`. An entity of a type that the model does not know is left out.
    """
    device = best_device()
    built.model.to(device).eval()
    tagset, featurizer = built.info.tagset, built.featurizer
    features = [featurizer.features(sentence.words) for sentence in sentences]
    entities = find_entities(built.tagger, featurizer, tagset, features, scores=False)
    said = [Answer([], [])] * len(sentences)
    for index, table, tags in _tables(built, features, device):
        own = {span for span, _ in entities[index]}
        given = {span for span in sentences[index].spans or () if span.label in tagset.labels}
        places, values = spans_above(table[None], FLOOR)
        probs = {
            Span(start, end, tagset.labels[kind]): prob
            for (_, start, end, kind), prob in zip(places.places.tolist(), values.tolist(), strict=True)
        }
        for span in (own | given) - probs.keys():
            probs[span] = float(table[tagset.labels.index(span.label), span.start, span.end - 1])
        doubts = span_doubts(probs, given) if tags is None else tag_doubts(tags, probs, given, tagset)
        entities_said = [
            (span.start, span.end, span.label, round(prob, 6), round(doubts[span], 6), span in own)
            for span, prob in sorted(probs.items())
        ]
        said[index] = Answer(entities_said, _words(len(sentences[index].words), probs, tags))
    return said


def _words(count: int, probs: Mapping[Span, float], tags: Probs | None) -> list[float]:
    """Of each word how probable it is that it is part of an entity; of a span head: as its likeliest entity is."""
    if tags is not None:
        return [round(1 - float(prob), 4) for prob in tags[:, 0]]
    words = [0.0] * count
    for span, prob in probs.items():
        for word in range(span.start, span.end):
            words[word] = max(words[word], round(prob, 4))
    return words


def _tables(
    built: AnyBuilt, features: Sequence[Any], device: torch.device
) -> Iterator[tuple[int, Tensor, Probs | None]]:
    """For each sentence its number, its (types, words, words) table of span probabilities, both words inclusive, and of
    a tag head the (words, tags) probabilities of tags; on the CPU.
    """
    tagger, featurizer, types = built.tagger, built.featurizer, len(built.info.labels)
    sizes = [featurizer.size(item) for item in features]
    with torch.inference_mode():
        for indices in plan_batches(sizes, budget=budget_of(device), seed=None):
            collated = featurizer.collate([features[index] for index in indices])
            inputs = {key: value.to(device) for key, value in collated.items()}
            vectors, mask = tagger.vectors(inputs), inputs["mask"]
            rows = max(1, TABLE // (types * mask.shape[1] ** 2))
            for start in range(0, len(indices), rows):
                part = slice(start, start + rows)
                tables, tags = _probs(tagger.head, vectors[part], mask[part])
                for row, index in enumerate(indices[part]):
                    length = int(mask[start + row].sum())
                    own = None if tags is None else tags[row, :length].numpy()
                    yield index, tables[row, :, :length, :length], own


def _probs(head: AnyHead, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
    if isinstance(head, SpanHead):
        return head.span_probs(vectors, mask).cpu(), None
    logs = head.log_probs(vectors, mask)
    return span_probs_of_tags(logs, mask).cpu(), logs.exp().cpu()


def _prediction(entities: Sequence[Sequence[Any]], labels: frozenset[str], words: Sequence[float]) -> Prediction:
    spans = [Span(start, end, label) for start, end, label, *_ in entities]
    return Prediction(
        frozenset(span for span, said in zip(spans, entities, strict=True) if said[5]),
        {span: float(said[3]) for span, said in zip(spans, entities, strict=True)},
        {span: float(said[4]) for span, said in zip(spans, entities, strict=True)},
        labels,
        tuple(map(float, words)),
    )
