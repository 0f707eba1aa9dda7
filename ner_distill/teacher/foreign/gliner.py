"""`gliner:DIR_OR_ID`: a model that finds entities of any types that it is asked for. No code of it is run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ner_distill.data.features.windows import Window, cut_at_words
from ner_distill.data.sentence import ScoredSpan, Sentence, Span
from ner_distill.errors import ConfigError
from ner_distill.files import read_json, sha256_of
from ner_distill.nn.encoders.huggingface import checkpoint_files, load_backbone_config
from ner_distill.nn.spans import tags_of_costs
from ner_distill.teacher.foreign.base import ForeignTeacher, Probs, Said

SETTINGS = "gliner_config.json"
FLOOR = 0.01
"""Entities that are less probable are not asked for."""
WINDOWS = "sentences in windows"
_TOGETHER = 16  # texts
_ITS_WORDS = re.compile(r"\w+(?:[-_]\w+)*|\S")  # as its own splitter cuts, for the length alone
_ENCODERS = (
    ("encoder_config", "model_name"),
    ("labels_encoder_config", "labels_encoder"),
    ("labels_decoder_config", "labels_decoder"),
)
_SUREST = 1 - 1e-6  # a probability of 1 would make all others impossible


class Model(Protocol):
    """What is asked of a model of GLiNER."""

    def inference(
        self,
        texts: list[str],
        labels: list[str],
        *,
        flat_ner: bool,
        threshold: float,
        multi_label: bool,
        batch_size: int,
    ) -> list[list[dict[str, Any]]]:
        """For each text its entities: `start`, `end` (characters), `label`, `score`."""
        ...


class GlinerTeacher(ForeignTeacher):
    """A span model: scores are the probabilities of spans, which may nest.

    The tags of words follow from them as for our own heads that find spans.

    It cuts text into words in its own way: what it finds holds all words that it touches. Of spans that become the same
    so the highest score counts. Sentences of more words than it reads at once are read in windows.
    """

    finds_spans = True

    def __init__(self, name: str, model: Model, types: Sequence[str], *, longest: int, fingerprint: str = "") -> None:
        """longest: words that it reads at once."""
        super().__init__(name, list(dict.fromkeys(types)))
        self._model, self._longest, self._fingerprint = model, longest, fingerprint

    @classmethod
    def load(cls, place: str, types: Sequence[str]) -> GlinerTeacher:
        """The model of a directory, or of an id on the hub.

        Raises ConfigError where it is asked for no types, where gliner is not installed, and for a checkpoint that
        could run code.
        """
        name = f"gliner:{place}"
        if not types:
            raise ConfigError(f"{name}: finds any types; say which: `types` person, `types` location and so on")
        try:
            from gliner import GLiNER  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ModuleNotFoundError:
            raise ConfigError(f"{name}: gliner is not installed: pip install 'ner-distill[gliner]'") from None
        directory, files = _checked(place)
        try:
            model = GLiNER.from_pretrained(str(directory), local_files_only=True)
        except Exception as error:  # files of a checkpoint may hold anything
            raise ConfigError(f"{name}: could not be loaded: {' '.join(str(error).split())[:300]}") from None
        longest = int(getattr(model.config, "max_len", 384))
        hashes = "".join(map(sha256_of, files)) + json.dumps(list(types))
        return cls(name, model, types, longest=longest, fingerprint=sha256(hashes.encode()).hexdigest())

    def fingerprint(self) -> str:
        return self._fingerprint

    def prepare(self, device: torch.device, budget: int) -> None:
        if isinstance(self._model, torch.nn.Module):
            self._model.to(device)

    def answers(self, sentences: Sequence[Sentence]) -> list[Said]:
        parts = [(index, window) for index, one in enumerate(sentences) for window in self._windows(one)]
        texts = [_text(sentences[index].words[window.start : window.end]) for index, window in parts]
        found = self._model.inference(
            [text for text, _ in texts],
            list(self.types),
            flat_ner=False,
            threshold=FLOOR,
            multi_label=True,
            batch_size=_TOGETHER,
        )
        spans: list[dict[Span, float]] = [{} for _ in sentences]
        for (index, window), (_, ends), entities in zip(parts, texts, found, strict=True):
            for span, score in _in_words(entities, ends, self.types):
                start = window.start + span.start
                if window.take_start <= start < window.take_end:
                    own = Span(start, window.start + span.end, span.label)
                    spans[index][own] = max(score, spans[index].get(own, 0.0))
        return [
            Said(tags_of(list(own.items()), len(one.words), self.types), tuple(sorted(own.items())))
            for one, own in zip(sentences, spans, strict=True)
        ]

    def _windows(self, sentence: Sentence) -> Sequence[Window]:
        lengths = [min(max(1, len(_ITS_WORDS.findall(word))), self._longest) for word in sentence.words]
        windows = cut_at_words(np.array(lengths, np.int32), self._longest, self._longest // 2)
        self.counts[WINDOWS] += len(windows) > 1
        return windows


def tags_of(spans: Sequence[ScoredSpan], words: int, types: Sequence[str]) -> Probs:
    """(words, tags) the tags that follow from spans with probabilities: see `tag_log_probs` of `nn.spans`."""
    begins, inside = torch.zeros(1, len(types), words), torch.zeros(1, len(types), words)
    place = {label: number for number, label in enumerate(types)}
    for span, score in spans:
        cost = -float(np.log1p(-min(score, _SUREST)))
        begins[0, place[span.label], span.start] += cost
        inside[0, place[span.label], span.start + 1 : span.end] += cost
    probs: Probs = tags_of_costs(begins, inside, torch.ones(1, words, dtype=torch.bool))[0].exp().numpy()
    return probs


def _text(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The words with blanks between them, and where each stands."""
    places, start = [], 0
    for word in words:
        places.append((start, start + len(word)))
        start += len(word) + 1
    return " ".join(words), places


def _in_words(
    entities: Sequence[Mapping[str, Any]], places: Sequence[tuple[int, int]], types: Sequence[str]
) -> Iterator[ScoredSpan]:
    for entity in entities:
        touched = [
            number for number, (start, end) in enumerate(places) if start < entity["end"] and entity["start"] < end
        ]
        if touched and entity["label"] in types:
            yield Span(touched[0], touched[-1] + 1, str(entity["label"])), float(entity["score"])


def _checked(place: str) -> tuple[Path, list[Path]]:
    """The directory of a checkpoint and its files. Raises ConfigError where it has no safetensors, or names code."""
    path = Path(place).expanduser()
    if not path.is_dir():
        if (
            path.exists()
            or path.is_absolute()
            or place.startswith((".", "~"))
            or place.partition("@")[0].count("/") > 1
        ):
            raise ConfigError(f"gliner:{place}: no such directory; expected one with {SETTINGS}, or an id on the hub")
        path = checkpoint_files(place, SETTINGS)[0].parent
    files = checkpoint_files(path, SETTINGS)
    if not (path / SETTINGS).is_file():
        raise ConfigError(f"{path}: no {SETTINGS} in it; expected a checkpoint of GLiNER")
    if not any(file.suffix == ".safetensors" for file in files):
        raise ConfigError(
            f"{path}: has no model.safetensors; other files of weights are not read, as they can run code. Convert it "
            "where you trust it: GLiNER.from_pretrained(...).save_pretrained(DIRECTORY, safe_serialization=True)"
        )
    settings = read_json(path / SETTINGS, "expected a checkpoint of GLiNER")
    for file in files:
        if file.suffix == ".json" and b'"auto_map"' in file.read_bytes():
            raise ConfigError(f"{file}: names code of its own (auto_map), which is not run")
    for own, name in _ENCODERS:
        encoder = settings.get(name)
        if encoder and not settings.get(own) and getattr(load_backbone_config(encoder), "auto_map", None):
            raise ConfigError(f"{path}: its encoder {encoder} names code of its own (auto_map), which is not run")
    return path, files
