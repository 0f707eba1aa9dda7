"""Lists of the entities of the training data as features, made out of fold: no sentence knows its own entities."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from ner_distill.data.features.gazetteers import Gazetteers
from ner_distill.data.features.soft_lexicon import Marks
from ner_distill.data.lexicon.lexicon import Lexicon
from ner_distill.data.sentence import Sentence, covered, whole_entities
from ner_distill.errors import DataError, RunError
from ner_distill.files import atomic_write_text, read_json

Forms = Literal["all", "main-type", "unambiguous"]
STRETCH = 50
"""Sentences in a row that go into one fold: what repeats in one document is no knowledge from elsewhere."""
_FORMAT = 1


@dataclass(frozen=True)
class ListRules:
    """Which forms (words of an entity, joined) stand on the lists.

    forms:   of several types: on "all" of their lists, on that of the most frequent "main-type", or ("unambiguous")
             on none.
    outside: forms are left out that stand outside of entities in a greater share of their places in the text; 1: none.
    most:    forms are left out that are entities more often; 0: none. What is frequent a model learns by itself.
    """

    forms: Forms = "unambiguous"
    outside: float = 0.5
    most: int = 0

    def lists(self, counts: FormCounts, labels: Sequence[str]) -> tuple[dict[str, list[str]], Counter[str]]:
        """The forms of each type, sorted, and how many are on no list, by reason."""
        types: dict[str, Counter[str]] = {}
        for (form, label), count in sorted(counts.labelled.items()):
            types.setdefault(form, Counter())[label] = count
        lists: dict[str, list[str]] = {label: [] for label in labels}
        left_out = Counter[str]()
        for form, own in types.items():
            if counts.outside[form] > self.outside * counts.places[form]:
                left_out["mostly outside of entities"] += 1
            elif self.most and own.total() > self.most:
                left_out["too frequent"] += 1
            elif self.forms == "unambiguous" and len(own) > 1:
                left_out["of several types"] += 1
            else:
                for label, _ in own.most_common(
                    1 if self.forms == "main-type" else None
                ):  # of equals the first by name
                    lists[label].append(form)
        return lists, left_out


@dataclass
class FormCounts:
    """labelled: (form, type) → entities. places: form → where it stands. outside: of these, not within an entity.

    Of words whose labels do not count (`keep`) nothing is counted.
    """

    labelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)

    def without(self, other: FormCounts) -> FormCounts:
        """These counts less those of a part."""
        return FormCounts(self.labelled - other.labelled, self.places - other.places, self.outside - other.outside)


class TrainLists(Gazetteers):
    """Gazetteers made of the training data; for a sentence that is trained on, of the other folds of it alone.

    Otherwise every entity of a training sentence would be known, and no model would learn anything else.
    """

    name = "train_lists"
    file = "train_lists.json"

    def __init__(
        self,
        lists: Mapping[str, Sequence[str]],
        separator: str,
        folds: Sequence[Mapping[str, Sequence[str]]] = (),
        fold_of: Mapping[tuple[str, ...], int] | None = None,
    ) -> None:
        """lists: type → its forms. folds: of each, the lists of the others. fold_of: words of a sentence → fold."""
        super().__init__(_lexicons(lists, separator))
        self.lists, self.separator = lists, separator
        self.fold_of = fold_of or {}
        self._others = [Gazetteers(_lexicons(others, separator)) for others in folds]

    @classmethod
    def counted(
        cls, sentences: Sequence[Sentence], labels: Sequence[str], separator: str, *, folds: int, rules: ListRules
    ) -> tuple[Self, Counter[str]]:
        """The lists of these sentences, and how many forms are on none, by reason.

        folds: STRETCH sentences in a row are of one fold (fewer where there are few), and so are all of the same words.
        Raises DataError where there are fewer different sentences than folds, and where no form is left.
        """
        stretch = max(1, min(STRETCH, len(sentences) // folds))
        fold_of: dict[tuple[str, ...], int] = {}
        for index, sentence in enumerate(sentences):
            fold_of.setdefault(sentence.words, index // stretch % folds)
        if len(fold_of) < folds:
            raise DataError(
                f"features.train_lists_folds: expected at least as many different sentences as folds ({folds}), found "
                f"{len(fold_of)}"
            )
        parts: list[list[Sentence]] = [[] for _ in range(folds)]
        for sentence in sentences:
            parts[fold_of[sentence.words]].append(sentence)
        known = _lexicon({form for sentence in sentences for _, form in _entities(sentence, separator)}, separator)
        counts = [_count(part, known) for part in parts]
        total = _sum(counts)
        lists, left_out = rules.lists(total, labels)
        if not any(lists.values()):
            why = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "there is no entity"
            raise DataError(
                f"features.train_lists: no entity of the training data is left for a list ({why}); see "
                "features.train_lists_outside and train_lists_most"
            )
        others = [rules.lists(total.without(own), labels)[0] for own in counts]
        return cls(lists, separator, others, fold_of), left_out

    def training_features(self, words: Sequence[str]) -> Marks:
        """Marks by the lists of the other folds; of a sentence of no fold as of any other."""
        fold = self.fold_of.get(tuple(words))
        return self.features(words) if fold is None else self._others[fold].features(words)

    def known(self, sentences: Iterable[Sentence]) -> float:
        """The share of the entities whose form stands on a list of the other folds: 0 to 1, 0 without any."""
        found = [
            form in self._others[self.fold_of[sentence.words]].lexicons[label]
            for sentence in sentences
            for label, form in _entities(sentence, self.separator)
        ]
        return sum(found) / max(1, len(found))

    def save(self, directory: Path) -> None:
        """Write `train_lists.json`: `{"format", "separator", "lists": {type: [form, ...]}}`."""
        content = {"format": _FORMAT, "separator": self.separator, "lists": self.lists}
        atomic_write_text(directory / self.file, json.dumps(content, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; there are no folds any more. Raises RunError naming the file."""
        path = directory / cls.file
        content = read_json(path, "is this a run of ner-distill with features.train_lists?")
        if isinstance(content, dict) and content.get("format", _FORMAT) != _FORMAT:
            raise RunError(f"{path}: has format {content['format']!r}, this version reads {_FORMAT}; use a newer one")
        if not _is_right(content):
            raise RunError(f"{path}: expected 'separator' and 'lists', of each type its forms; the run is damaged")
        return cls(content["lists"], content["separator"])


def _is_right(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("separator") not in ("", " "):
        return False
    lists = content.get("lists")
    return isinstance(lists, dict) and all(
        isinstance(forms, list) and all(isinstance(form, str) and form for form in forms) for forms in lists.values()
    )


def _lexicon(forms: Iterable[str], separator: str) -> Lexicon:
    return Lexicon(dict.fromkeys(forms, 0), separator=separator)


def _lexicons(lists: Mapping[str, Iterable[str]], separator: str) -> dict[str, Lexicon]:
    return {label: _lexicon(forms, separator) for label, forms in lists.items()}


def _entities(sentence: Sentence, separator: str) -> list[tuple[str, str]]:
    """(type, form) of the entities whose words all count."""
    kept, _ = whole_entities(sentence.spans or (), sentence.counted)
    entities = [
        (span.label, separator.join(sentence.words[span.start : span.end]))
        for span in sentence.spans or ()
        if all(kept[span.start : span.end])
    ]
    return [(label, form) for label, form in entities if form]


def _count(sentences: Iterable[Sentence], known: Lexicon) -> FormCounts:
    counts = FormCounts()
    for sentence in sentences:
        counts.labelled.update((form, label) for label, form in _entities(sentence, known.separator))
        kept, _ = whole_entities(sentence.spans or (), sentence.counted)
        inside = covered(sentence.spans or ())
        for start, end, form in known.matches(sentence.words):
            if all(kept[start:end]):
                counts.places[form] += 1
                counts.outside[form] += not inside.issuperset(range(start, end))
    return counts


def _sum(counts: Iterable[FormCounts]) -> FormCounts:
    total = FormCounts()
    for own in counts:
        total.labelled.update(own.labelled)
        total.places.update(own.places)
        total.outside.update(own.outside)
    return total
