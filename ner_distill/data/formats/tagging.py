"""The tags of files ⇄ spans: IOB1, IOB2, BIOES, BMES and BILOU as transition tables.

Tag strings exist at the edge of files only; a `TagSet` has the tags of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from ner_distill.data.sentence import Span

Scheme = Literal["iob1", "iob2", "bioes", "bmes", "bilou"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
OUTSIDE = "O"


@dataclass(frozen=True)
class Table:
    """What may follow what in a scheme.

    starts:     prefixes that may start an entity.
    continues:  pairs of prefixes of which the second goes on with the entity of the first, if the types are equal.
    unfinished: prefixes after which the entity must go on.
    """

    starts: frozenset[str]
    continues: frozenset[str]
    unfinished: frozenset[str] = frozenset()

    @property
    def prefixes(self) -> frozenset[str]:
        return self.starts.union(*self.continues)


TABLES: dict[Scheme, Table] = {
    # B- only where the entity before has the same type and touches this one.
    "iob1": Table(frozenset("BI"), frozenset({"BI", "II"})),
    "iob2": Table(frozenset("B"), frozenset({"BI", "II"})),
    "bioes": Table(frozenset("BS"), frozenset({"BI", "BE", "II", "IE"}), frozenset("BI")),
    "bmes": Table(frozenset("BS"), frozenset({"BM", "BE", "MM", "ME"}), frozenset("BM")),
    "bilou": Table(frozenset("BU"), frozenset({"BI", "BL", "II", "IL"}), frozenset("BI")),
}


class TagError(ValueError):
    """A tag that cannot be read. `sentence` (from 0) and `position` (word of it, from 0) say which one it is."""

    def __init__(self, message: str, position: int, sentence: int = 0) -> None:
        super().__init__(message)
        self.position = position
        self.sentence = sentence


@dataclass(frozen=True)
class Repair:
    """A tag that its scheme does not allow where it stands, and was read all the same.

    position: the word, from 0. finding: "invalid_starts" or "unfinished". message: what was found and expected.
    """

    position: int
    finding: Literal["invalid_starts", "unfinished"]
    message: str


def spans_from_tags(tags: Sequence[str], scheme: Scheme) -> tuple[tuple[Span, ...], list[Repair]]:
    """Spans of a sentence's tags, and what had to be repaired.

    A tag that continues nothing starts an entity of its type; an entity that the scheme does not end is ended
    where its tags stop. Raises TagError for a tag that is not of the scheme.
    """
    table = TABLES[scheme]
    spans: list[Span] = []
    repairs: list[Repair] = []
    start, before, label = 0, OUTSIDE, ""
    for position, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = split_tag(tag, position)
        if kind == label and before + prefix in table.continues:
            before = prefix
            continue
        if before != OUTSIDE:
            spans.append(Span(start, position, label))
            if before in table.unfinished:
                follows = f"is followed by {tag!r}" if position < len(tags) else "ends a sentence"
                message = f"{tags[position - 1]!r} {follows}: not valid {scheme}"
                repairs.append(Repair(position - 1, "unfinished", message))
        if prefix != OUTSIDE and prefix not in table.starts:
            if prefix not in table.prefixes:
                raise TagError(_foreign(tag, scheme), position)
            follows = f"follows {tags[position - 1]!r}" if position else "begins a sentence"
            repairs.append(Repair(position, "invalid_starts", f"{tag!r} {follows}: not valid {scheme}"))
        start, before, label = position, prefix, kind
    return tuple(spans), repairs


def tags_from_spans(spans: Iterable[Span], words: int, scheme: Scheme = "iob2") -> list[str]:
    """Tags of `words` words. Raises ValueError where two spans overlap or one ends beyond the words."""
    tags = [OUTSIDE] * words
    ends: dict[int, str] = {}
    inside = "M" if scheme == "bmes" else "I"
    for span in sorted(spans):
        if span.end > words:
            raise ValueError(f"{span} ends beyond the {words} words")
        if any(tag != OUTSIDE for tag in tags[span.start : span.end]):
            raise ValueError(f"{span} overlaps another entity: tags cannot hold both")
        length = span.end - span.start
        prefixes = ["B", *[inside] * (length - 1)]
        if scheme in ("bioes", "bmes", "bilou"):
            single, last = "UL" if scheme == "bilou" else "SE"
            prefixes = [single] if length == 1 else ["B", *[inside] * (length - 2), last]
        elif scheme == "iob1" and ends.get(span.start) != span.label:
            prefixes[0] = "I"
        tags[span.start : span.end] = [f"{prefix}-{span.label}" for prefix in prefixes]
        ends[span.end] = span.label
    return tags


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme of all the tags of a file.

    M tells BMES, I with E or S BIOES, L or U BILOU. With B and I alone it is IOB1 where more entities start with I-
    than with a B- that follows no entity of its type (IOB1 has none of these), else IOB2; both are read into the same
    spans.
    What could be several is IOB2. Raises TagError for a tag of no scheme and for a mixture of schemes.
    """
    seen: dict[str, tuple[int, int, str]] = {}  # prefix → its first sentence, word and tag
    counts: Counter[str] = Counter()
    for number, tags in enumerate(sentences):
        before, label = OUTSIDE, ""
        for position, tag in enumerate(tags):
            if tag == before == OUTSIDE:  # most words, and they tell nothing
                continue
            prefix, kind = split_tag(tag, position, number)
            seen.setdefault(prefix, (number, position, tag))
            same = kind == label and before not in "OESLU"
            counts[f"{'same' if same else 'new'} {prefix}"] += 1
            counts["open ended"] += before in "BIM" and not (same and prefix in "IMEL")
            before, label = prefix, kind
        counts["open ended"] += before in "BIM"
    if "M" in seen and "I" in seen:
        raise _mixture(seen, "M", "I", "BMES", "IOB2 or BIOES")
    for sign, other in product("LU", "MES"):
        if sign in seen and other in seen:
            raise _mixture(seen, sign, other, "BILOU", "BMES" if other == "M" else "BIOES")
    if "M" in seen:
        return "bmes"
    ending: tuple[tuple[str, str, Scheme], ...] = (("E", "S", "bioes"), ("L", "U", "bilou"))
    for last, single, scheme in ending:
        if last in seen or single in seen:
            ended = sum(counts[f"{place} {sign}"] for place in ("same", "new") for sign in (last, single))
            if counts["open ended"] > ended:
                sign, other = last if last in seen else single, "I" if "I" in seen else "B"
                raise _mixture(seen, sign, other, scheme.upper(), "IOB2")
            return scheme
    return "iob1" if counts["new I"] > counts["new B"] else "iob2"


def split_tag(tag: str, position: int = 0, sentence: int = 0) -> tuple[str, str]:
    """(prefix, type) of a tag; ("O", "") outside. Raises TagError for a tag of no scheme."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    if len(tag) > 2 and tag[1] == "-" and tag[0] in "BIMESLU":
        return tag[0], tag[2:]
    raise TagError(
        f"tag {tag!r} is of no scheme; expected O, or B-, I-, M-, E-, S-, L- or U- and a type, as in B-PER "
        "(if the tags stand in another column, pass `tag_column`)",
        position,
        sentence,
    )


def _foreign(tag: str, scheme: Scheme) -> str:
    prefixes = ", ".join(f"{prefix}-" for prefix in sorted(TABLES[scheme].prefixes))
    others = [other for other in SCHEMES if tag[0] in TABLES[other].prefixes]
    return f"tag {tag!r} is not of scheme {scheme}; expected O, {prefixes}; try `scheme` {' or '.join(others)}"


def _mixture(seen: dict[str, tuple[int, int, str]], one: str, other: str, scheme: str, another: str) -> TagError:
    sentence, position, tag = max(seen[one], seen[other])
    _, _, first = min(seen[one], seen[other])
    schemes = f"{one}- is of {scheme}, {other}- of {another}"
    return TagError(
        f"tag {tag!r}, but before it {first!r}: a mixture of schemes ({schemes}); expected one scheme in a file; "
        "convert one part, or pass `scheme` where these tags are errors",
        position,
        sentence,
    )
