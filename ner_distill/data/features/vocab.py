"""Vocabularies counted on text and kept as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ner_distill.errors import RunError
from ner_distill.files import atomic_write_text, read_json

PADDING, UNKNOWN = 0, 1


class Vocab:
    """Forms ⇄ ids. Id 0 is padding, 1 is the unknown form; known forms follow, the most frequent first."""

    def __init__(self, forms: Iterable[str], counts: Iterable[int]) -> None:
        self.forms = list(forms)
        self.counts = list(counts)
        if len(self.forms) != len(self.counts):
            raise ValueError(f"{len(self.forms)} forms but {len(self.counts)} counts")
        self._ids = {form: index + 2 for index, form in enumerate(self.forms)}

    @classmethod
    def of_counts(cls, counts: Counter[str], *, min_count: int = 1, limit: int | None = None) -> Vocab:
        """The forms that occur at least `min_count` times; ties in order of spelling, so that a run repeats."""
        kept = sorted(((form, n) for form, n in counts.items() if n >= min_count), key=lambda item: (-item[1], item[0]))
        kept = kept[:limit]
        return cls([form for form, _ in kept], [n for _, n in kept])

    def __len__(self) -> int:
        """Ids in use, padding and unknown included: the rows of an embedding."""
        return len(self.forms) + 2

    def __contains__(self, form: str) -> bool:
        return form in self._ids

    def id(self, form: str) -> int:
        """The id of a form, 1 for one that is not known."""
        return self._ids.get(form, UNKNOWN)

    def to_json(self) -> dict[str, list[str] | list[int]]:
        return {"forms": self.forms, "counts": self.counts}

    @classmethod
    def from_json(cls, data: object, where: Path | str) -> Vocab:
        """Read what `to_json` gave. Raises RunError where it is anything else."""
        forms, counts = (data.get("forms"), data.get("counts")) if isinstance(data, dict) else (None, None)
        if not isinstance(forms, list) or not isinstance(counts, list) or len(forms) != len(counts):
            raise RunError(f"{where}: expected the lists 'forms' and 'counts' of one length; the run is damaged")
        if not all(isinstance(form, str) for form in forms) or not all(isinstance(count, int) for count in counts):
            raise RunError(f"{where}: expected strings in 'forms', integers in 'counts'; the run is damaged")
        return cls(forms, counts)


def write_vocabs(path: Path, vocabs: dict[str, Vocab]) -> None:
    text = json.dumps({name: vocab.to_json() for name, vocab in vocabs.items()}, ensure_ascii=False)
    atomic_write_text(path, text)


def read_vocabs(path: Path, *needed: str) -> dict[str, Vocab]:
    """What `write_vocabs` wrote. Raises RunError naming the file, also where a needed vocabulary is not in it."""
    data = read_json(path, "is this a run of ner-distill with a scratch encoder?")
    if not isinstance(data, dict):
        raise RunError(f"{path}: expected an object of vocabularies, found {type(data).__name__}; the run is damaged")
    if missing := [name for name in needed if name not in data]:
        found = ", ".join(data) or "nothing"
        raise RunError(f"{path}: expected the vocabulary {missing[0]!r}, found {found}; the run is damaged")
    return {name: Vocab.from_json(vocab, f"{path}: {name}") for name, vocab in data.items()}
