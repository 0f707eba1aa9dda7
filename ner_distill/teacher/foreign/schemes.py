"""The tags of other people's token classifiers → BIO: any scheme of prefixes, types alone, names such as LABEL_0."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ner_distill.data.formats.spelling import spelling_of
from ner_distill.errors import ConfigError

_UNNAMED = re.compile(r"LABEL_\d+")
_OUTSIDE = "O"
_PREFIXED = re.compile(r"[BIMESLUW][-_].+|.+[-_][BIMESLUW]")
_BEGINS, _GOES_ON = "BSU", "IELM"
_MANY = 1_000_000  # words outside of entities: what a list of tags does not tell, and text has most of


@dataclass(frozen=True)
class TagScheme:
    """How the tags of a model are read.

    types:   entity types, in the order in which its tags name them.
    into:    (tags of the model,) int64: the tag of `TagSet(types)` that each adds to. S and U add to B; E, L, M to I.
    by_type: (types,) bool: nothing says where an entity of this type begins, but that the word before is of another.
    unread:  its tags that name no entity type; they add to O.
    """

    types: tuple[str, ...]
    into: npt.NDArray[np.int64]
    by_type: npt.NDArray[np.bool_]
    unread: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str], given: Mapping[str, str], where: str) -> TagScheme:
        """From the names of a model's tags, in their order.

        given: what the user said of them: of names such as LABEL_0 the tag, "" for O. where: for messages.
        Raises ConfigError where the names say nothing, and nothing was said of them.
        """
        named = _named(names, given, where)
        counts = Counter({tag: _MANY if tag == _OUTSIDE else 1 for tag in named})
        bare = [tag for tag in counts if tag != _OUTSIDE and not _PREFIXED.fullmatch(tag)]
        unread: tuple[str, ...] = ()
        if (spelling := spelling_of(counts)) is not None:
            meanings = dict(spelling.meanings)
        elif len(bare) == len(counts) - (_OUTSIDE in counts):  # types alone, whatever they are called
            meanings = {tag: f"I-{tag}" for tag in bare}
        else:
            spelling = spelling_of(Counter({tag: count for tag, count in counts.items() if tag not in bare}))
            meanings, unread = {} if spelling is None else dict(spelling.meanings), tuple(bare)
        read = [meanings.get(tag, _OUTSIDE) for tag in named]
        types = tuple(dict.fromkeys(tag[2:] for tag in read if tag != _OUTSIDE))
        if not types:
            raise ConfigError(
                f"{where}: no entity type among its tags ({', '.join(names)}); is it a model of entities?"
            )
        places = {label: number for number, label in enumerate(types)}
        into = [0 if tag == _OUTSIDE else 1 + 2 * places[tag[2:]] + (tag[0] in _GOES_ON) for tag in read]
        begun = {tag[2:] for tag in read if tag[0] in _BEGINS}
        return cls(types, np.array(into, np.int64), np.array([label not in begun for label in types]), unread)

    def bio(self, probs: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], int]:
        """Probabilities of the model's own tags → of BIO tags, and how many words had their entity's beginning mended.

        probs: (words, tags of the model). Where nothing says where an entity of a type begins, it begins at words whose
        previous word is most probably of another type. Where an I is the most probable tag and continues nothing,
        it is read as the B that it stands for.
        """
        tags = np.zeros((len(probs), 1 + 2 * len(self.types)), np.float32)
        np.add.at(tags.T, self.into, probs.T)
        begins, inside = tags[:, 1::2], tags[:, 2::2]  # views
        best = tags.argmax(axis=1)
        kinds = (best - 1) // 2  # -1: O
        kinds[best == 0] = -1
        before = np.concatenate([[-1], kinds[:-1]])
        first = before[:, None] != np.arange(len(self.types))
        orphan = (best > 0) & (best % 2 == 0) & (before != kinds)
        move = first & self.by_type
        mended = orphan & ~self.by_type[kinds]
        move[mended, kinds[mended]] = True
        begins += np.where(move, inside, 0)
        inside[move] = 0
        return tags, int(mended.sum())


def _named(names: Sequence[str], given: Mapping[str, str], where: str) -> list[str]:
    """The names, those that say nothing as the user called them."""
    if not any(map(_UNNAMED.fullmatch, names)):
        return list(names)
    if unsaid := [name for name in names if _UNNAMED.fullmatch(name) and name not in given]:
        raise ConfigError(
            f"{where}: its tags have no names ({', '.join(unsaid[:5])}{', …' if len(unsaid) > 5 else ''}); say of each "
            "what it is, as its model card does: `map` LABEL_0=O, `map` LABEL_1=B-PER and so on"
        )
    return [given[name] or _OUTSIDE if _UNNAMED.fullmatch(name) else name for name in names]


def is_unnamed(name: str) -> bool:
    """Is this a name that transformers gives to tags without one?"""
    return _UNNAMED.fullmatch(name) is not None
