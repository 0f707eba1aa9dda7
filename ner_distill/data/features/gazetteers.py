"""Lists of known entities, one or more a type, as features: which list a word lies in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from ner_distill.data.features.base import Source
from ner_distill.data.features.soft_lexicon import Marks, pad_marks
from ner_distill.data.lexicon.lexicon import Lexicon, longest_from_left, read_names, without_blanks
from ner_distill.errors import RunError
from ner_distill.files import atomic_write_text, read_json


class Gazetteers(Source[Marks]):
    """For each word and each type: does it begin (B) or continue (I) an entry of the type's list?

    Of one list the longest match from the left counts, without overlap. Lists know nothing of each other:
    what two of them claim is marked as both.
    """

    name: str = "gazetteers"
    file: str = "gazetteers.json"

    def __init__(self, lexicons: Mapping[str, Lexicon]) -> None:
        """lexicons: type → its list, in the order of the marks."""
        self.lexicons = dict(lexicons)
        self.marks = 2 * len(self.lexicons)

    @classmethod
    def read(cls, lists: Mapping[str, Sequence[Path]], separator: str) -> tuple[Gazetteers, dict[str, dict[str, int]]]:
        """The lists of files, and of each type how many "entries" it has and how many lines were cleaned, by reason.

        separator: between the words of an entry, "" for Chinese characters, " " where words are words.
        Otherwise see `read_names`.
        """
        lexicons, counts = read_names(lists, separator, "gazetteer")
        if not separator:
            lexicons = {label: Lexicon(without_blanks(lexicon.forms)) for label, lexicon in lexicons.items()}
        return cls(lexicons), counts

    def features(self, words: Sequence[str]) -> Marks:
        """One sentence: (words, 2 · types) bool, B at 2 · type, I at 2 · type + 1."""
        marks = np.zeros((len(words), self.marks), dtype=np.bool_)
        for index, lexicon in enumerate(self.lexicons.values()):
            for start, end, _ in longest_from_left(lexicon.matches(words)):
                marks[start, 2 * index] = True
                marks[start + 1 : end, 2 * index + 1] = True
        return marks

    def cut(self, features: Marks, start: int, end: int) -> Marks:
        return features[start:end]

    def collate(self, batch: Sequence[Marks], length: int) -> dict[str, Tensor]:
        """gazetteers_marks (batch, length, 2 · types) float, 0 or 1, all 0 at padding."""
        return {f"{self.name}_marks": pad_marks(batch, length, self.marks)}

    def save(self, directory: Path) -> None:
        """Write into a run: `gazetteers.json`, the types in order, and the lists as text, `gazetteers/0` and so on."""
        for index, lexicon in enumerate(self.lexicons.values()):
            place = directory / self.name / str(index)  # a number: a type's name may be no file's
            place.mkdir(parents=True, exist_ok=True)
            lexicon.save(place)
        atomic_write_text(directory / self.file, json.dumps(list(self.lexicons), ensure_ascii=False))

    @classmethod
    def load(cls, directory: Path) -> Gazetteers:
        """Read what `save` wrote. Raises RunError naming the file."""
        path = directory / cls.file
        labels = read_json(path, "is this a run of ner-distill with gazetteers?")
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise RunError(f"{path}: expected a list of types, found {str(labels)[:60]}; the run is damaged")
        if len(set(labels)) < len(labels):
            raise RunError(f"{path}: expected different types, found {str(labels)[:60]}; the run is damaged")
        places = ((label, directory / cls.name / str(index)) for index, label in enumerate(labels))
        return cls({label: Lexicon.load(place) for label, place in places})
