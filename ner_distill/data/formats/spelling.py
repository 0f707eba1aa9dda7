"""How a file spells its tags, where that is another way than that of the schemes: B_PER, PER-B, B without a type, PER.

What can mean one thing alone is read, and said; all else is left for `tagging.py` to refuse by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ner_distill.data.formats.tagging import OUTSIDE, Scheme

ENTITY = "ENTITY"
"""The type of entities whose file gives them none."""
_USUAL = re.compile(r"O|[BIMESLU]-.+", re.DOTALL)
_SIGNS = ("o", "_", "-", "0", "", "OUT", "OUTSIDE", "OTHER", "Other", "other", "NONE", "None", "none")
_PREFIXES = "BIMESLUW"
_FORMS = (  # the prefix and the type in a tag, and how the form is called
    (re.compile(rf"(?P<prefix>[{_PREFIXES}])-(?P<type>\S+)"), ""),
    (re.compile(rf"(?P<prefix>[{_PREFIXES}])_(?P<type>\S+)"), ""),
    (re.compile(rf"(?P<type>\S+)[-_](?P<prefix>[{_PREFIXES}])"), ""),
    (re.compile(rf"(?P<prefix>[{_PREFIXES.lower()}])[-_](?P<type>\S+)"), ""),
    (re.compile(rf"(?P<prefix>[{_PREFIXES}])(?P<type>)"), f"they have no type, so all entities are of type {ENTITY}"),
)
_BARE = re.compile(r"[^\W\d_][^\s=|:\[\]()*]+")
_ONE_SIGN = re.compile(r"[^\W_]-\S+")
_CAPITALS = re.compile(r"[^a-z]+")
_RARE = 0.2  # outside words are no rarer in data whose bare types are read without being in capitals


@dataclass(frozen=True)
class Spelling:
    """How tags are spelled.

    meanings: each tag as it is written → as the schemes spell it.
    scheme:   of these, where the spelling settles it.
    remark:   what to say of it; "" where tags are spelled as usual.
    """

    meanings: Mapping[str, str]
    scheme: Scheme | None = None
    remark: str = ""


def is_usual(tags: Collection[str]) -> bool:
    """Are all tags spelled as the schemes spell them, single words (S-, U-) as the scheme of last words (E-, L-)?"""
    if not all(map(_USUAL.fullmatch, tags)):
        return False
    prefixes = {tag[0] for tag in tags}
    return not ("U" in prefixes and prefixes & {"E", "M"}) and not {"S", "L"} <= prefixes


def spelling_of(counts: Counter[str]) -> Spelling | None:
    """The spelling of all tags of a file (tag → how often); None where it is none that means one thing alone.

    Signs for outside other than O are read where there is no O and one of them. A tag is then a prefix and a type in
    one order, joined by - or _; or a prefix alone; or a type alone, of which neighbours of one type are one entity.
    """
    if is_usual(counts):
        return Spelling({tag: tag for tag in counts})
    signs = [OUTSIDE] if OUTSIDE in counts else [sign for sign in _SIGNS if sign in counts]
    rest = [tag for tag in counts if tag not in signs]
    if len(signs) > 1 or not rest:
        return None
    outside = dict.fromkeys(signs, OUTSIDE)
    sign = f"{signs[0]!r} is outside of entities" if signs and signs[0] != OUTSIDE else ""
    for form, about in _FORMS:
        if parts := _parts(form, rest):
            meanings = _meanings(parts)
            remark = "; ".join(part for part in (_example(meanings), sign, about) if part)
            return Spelling(outside | meanings, remark=remark)
    if signs and _are_types(rest, counts, signs[0]):
        bare = {tag: f"I-{tag}" for tag in rest}
        about = f"tags are types alone ({_listed(rest)}): neighbouring words of one type are read as one entity"
        return Spelling(outside | bare, "iob1", "; ".join(filter(None, (about, sign))))
    return None


def _parts(form: re.Pattern[str], tags: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Tag → (prefix, type) where all are of the form; {} where one is not, or no entity could begin."""
    parts = {}
    for tag in tags:
        if (match := form.fullmatch(tag)) is None:
            return {}
        parts[tag] = (match["prefix"].upper(), match["type"] or ENTITY)
    return parts if {"B", "I", "S", "U", "W"} & {prefix for prefix, _ in parts.values()} else {}


def _meanings(parts: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Tags with a prefix of one scheme: W is a single word, as S and U are; U is of BILOU alone."""
    prefixes = {prefix for prefix, _ in parts.values()}
    single = "U" if "L" in prefixes or ("U" in prefixes and not prefixes & set("EMS")) else "S"
    same = {"W": single, "U": single, "S": single}
    return {tag: f"{same.get(prefix, prefix)}-{type}" for tag, (prefix, type) in parts.items()}


def _example(meanings: Mapping[str, str]) -> str:
    other = ((tag, meaning) for tag, meaning in meanings.items() if tag != meaning)
    return next((f"tags such as {tag!r} are read as {meaning!r}" for tag, meaning in other), "")


def _are_types(tags: list[str], counts: Counter[str], sign: str) -> bool:
    """Are these names of types? In capitals, or few beside many words outside."""
    if not all(_BARE.fullmatch(tag) and not _ONE_SIGN.fullmatch(tag) for tag in tags):
        return False
    if all(map(_CAPITALS.fullmatch, tags)):
        return True
    total = counts.total()
    return counts[sign] >= _RARE * total and len(tags) <= max(3, total // 10)


def _listed(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
