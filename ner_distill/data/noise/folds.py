"""Splits of labelled sentences into folds and bags, so that each gets out-of-fold predictions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ner_distill.data.sentence import Sentence, covered
from ner_distill.errors import ConfigError, DataError

By = Literal["sentence", "document", "entity"]
Form = tuple[str, ...]
MOST_DRAWN = 5  # times as many sentences as there are: of a bag of so many one sentence of 150 is out


@dataclass(frozen=True)
class Fold:
    """Indices of sentences, ascending: those to train on, and those that are held out.

    dropped: how many sentences are neither, see `make_folds`.
    """

    train: tuple[int, ...]
    held_out: tuple[int, ...]
    dropped: int


def document_of(id: str) -> str:
    """The document part of an id: all before a last `:`, `#` or `/` that a number follows; else the whole id."""
    match = re.fullmatch(r"(.+)[:#/]\d+", id, re.DOTALL)
    return match[1] if match else id


def make_folds(sentences: Sequence[Sentence], folds: int, *, by: By = "sentence", seed: int) -> tuple[Fold, ...]:
    """Folds, in one of which each sentence is held out.

    by:   "sentence": at random. "document": no document (`document_of` an id) is both held out and trained on.
          "entity": no entity is trained on whose words are those of a held-out one, whatever their types.
    seed: another one gives other folds.

    No sentence is trained on that has the very words of a held-out one. With "entity", sentences that share one are
    held out together; where sharing links so many that they fill more than half a fold, these are held out each by
    itself, and what shares an entity with a held-out one is dropped: neither held out nor trained on.

    Raises DataError for fewer groups than folds and where no entity is left to train on.
    """
    from sklearn.model_selection import GroupKFold

    if by == "document":
        groups = _numbered(document_of(sentence.id) for sentence in sentences)
    elif by == "sentence":
        groups = _numbered(sentence.words for sentence in sentences)
    else:
        groups = _entity_groups(sentences, len(sentences) / folds / 2)
    if (found := len(set(groups))) < folds:
        groups_of = {
            "sentence": "different sentences",
            "document": "documents",
            "entity": "groups that share no entity",
        }
        hint = ""
        if by == "document" and sentences:
            place = "a document is what stands before `:`, `#` or `/` and a number in an id"
            hint = f" ({place}, such as {sentences[0].id!r})"
        expected = f"expected at least as many {groups_of[by]} as folds ({folds})"
        raise DataError(f"`by` {by}: {expected}, found {found}{hint}; give fewer `folds`")
    splitter = GroupKFold(n_splits=folds, shuffle=True, random_state=seed % 2**32)
    split = splitter.split(np.zeros(len(groups)), groups=np.array(groups))
    return tuple(_fold(sentences, held_out.tolist(), by) for _, held_out in split)


def make_bags(sentences: Sequence[Sentence], bags: int, *, share: float, seed: int) -> tuple[Fold, ...]:
    """Draws of PU bagging: of each bag the sentences in it (train), and those that are out of it (held_out).

    share: sentences that are drawn, with replacement, of all: 1 is the bootstrap, of which 63 % are in a bag, 0.5 is
           39 %. Sentences of the same words are in it together.

    A sentence is drawn as a whole, not word by word: a model that was told of its other words has seen half the answer.
    Of those that are out of the bag `entities_alone` is trained on.

    Source: Mordelet & Vert, Pattern Recognition Letters 2014, algorithm 1. Raises ConfigError for fewer than 2 bags and
    for a share that is not above 0, DataError for data of which a bag holds all or nothing.
    """
    problems = [f"`bags` {bags}: expected 2 or more"] if bags < 2 else []
    if not 0 < share <= MOST_DRAWN:
        problems.append(f"`bag_share` {share}: expected more than 0, and {MOST_DRAWN} at most")
    if problems:
        raise ConfigError.of(problems)
    groups = np.array(_numbered(sentence.words for sentence in sentences))
    count = int(groups.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(bags):
        inside = np.isin(groups, rng.integers(count, size=max(1, round(share * count))))
        if inside.all():
            raise DataError(
                f"`bag_share` {share}: a bag of {count:,} different sentences left none out; give more data or a "
                "smaller share"
            )
        drawn.append(Fold(tuple(np.flatnonzero(inside).tolist()), tuple(np.flatnonzero(~inside).tolist()), 0))
    return tuple(drawn)


def entities_alone(sentence: Sentence) -> Sentence:
    """The sentence of which only the words of its entities count, and those that are surely of none."""
    known = covered(sentence.spans or ()) | {word for word, sure in enumerate(sentence.sure_negatives) if sure}
    return replace(sentence, keep=tuple(kept and word in known for word, kept in enumerate(sentence.counted)))


def rare_labels(sentences: Sequence[Sentence], folds: int) -> dict[str, int]:
    """Types with fewer entities than folds, and how many: a model trained without any cannot vote on them."""
    counts = Counter(span.label for sentence in sentences for span in sentence.spans or ())
    return {label: count for label, count in sorted(counts.items()) if count < folds}


def development_slice(
    sentences: Sequence[Sentence], share: float, *, seed: int
) -> tuple[list[Sentence], list[Sentence]]:
    """What to train on, and a random share (at least one sentence with an entity) that chooses the best epoch.

    Sentences of the same words go together, and the last entity of a type stays in training.
    Raises DataError where all entities of every type lie in sentences of the same words.
    """
    groups = _numbered(sentence.words for sentence in sentences)
    members: dict[int, list[Sentence]] = {}
    for group, sentence in zip(groups, sentences, strict=True):
        members.setdefault(group, []).append(sentence)
    left = Counter(label for sentence in sentences for label in _labels(sentence))
    wanted, chosen, taken, entities = max(1, round(share * len(sentences))), set[int](), 0, 0
    for group in np.random.default_rng(seed).permutation(len(members)).tolist():
        own = Counter(label for sentence in members[group] for label in _labels(sentence))
        if (taken >= wanted and not own) or any(left[label] == count for label, count in own.items()):
            continue
        chosen.add(group)
        left -= own
        taken, entities = taken + len(members[group]), entities + own.total()
        if entities and taken >= wanted:
            break
    if not entities:
        raise DataError(
            f"{len(sentences):,} sentences to train a fold on: none with an entity can be set aside to choose the "
            "best epoch; expected at least two different sentences with the same type; give more data, fewer `folds` "
            "or a larger `bag_share`"
        )
    pairs = list(zip(groups, sentences, strict=True))
    train = [sentence for group, sentence in pairs if group not in chosen]
    return train, [sentence for group, sentence in pairs if group in chosen]


def _labels(sentence: Sentence) -> list[str]:
    return [span.label for span in sentence.spans or ()]


def _forms(sentence: Sentence) -> set[Form]:
    return {sentence.words[span.start : span.end] for span in sentence.spans or ()}


def _numbered(names: Iterable[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]


def _entity_groups(sentences: Sequence[Sentence], most: float) -> list[int]:
    """Numbers of groups that share no entity, but for groups of more than `most` sentences, which are taken apart."""
    from scipy.cluster.hierarchy import DisjointSet

    groups = DisjointSet(range(len(sentences)))
    first: dict[Hashable, int] = {}
    for index, sentence in enumerate(sentences):
        for name in (("words", sentence.words), *(("form", form) for form in _forms(sentence))):
            groups.merge(index, first.setdefault(name, index))
    roots = [groups[index] for index in range(len(sentences))]
    sizes = Counter(roots)
    return _numbered(
        ("alone", sentence.words) if sizes[own] > most else ("group", own)
        for own, sentence in zip(roots, sentences, strict=True)
    )


def _fold(sentences: Sequence[Sentence], held_out: Sequence[int], by: By) -> Fold:
    held = set(held_out)
    words = {sentences[index].words for index in held}
    forms = {form for index in held for form in _forms(sentences[index])} if by == "entity" else set[Form]()
    train = [
        index
        for index, sentence in enumerate(sentences)
        if index not in held and sentence.words not in words and (not forms or forms.isdisjoint(_forms(sentence)))
    ]
    if not any(sentences[index].spans for index in train):
        raise DataError(
            f"`by` {by}: with {len(held):,} of {len(sentences):,} sentences held out no entity is left to train on; "
            "give more data, other `folds` or another `by`"
        )
    return Fold(tuple(train), tuple(held_out), len(sentences) - len(held) - len(train))
