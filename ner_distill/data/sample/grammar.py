"""The little grammars that the sample corpus is generated from.

A grammar is a dict from symbols to productions; a production is chosen at random and read from left to right:

    <name>    the symbol `name`, expanded. Inside a word (`<stem>ville`) what it gives is glued on.
    [a|b|]    one of the alternatives, for words without symbols of their own
    ~ and @   one gender per production: `<the.~> <job.~> fue nombrad@` gives el ministro / nombrado or
              la ministra / nombrada
    ^         first in a production: its words are written in capitals

A symbol whose name (before a dot) is in capitals is an entity of that type; entities inside it are not labelled.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from ner_distill.data.sentence import Unit

Rules = Mapping[str, tuple[str, ...]]
Tagged = list[tuple[str, str]]
"""Words with their IOB2 tags."""

_SYMBOL = re.compile(r"<([^<>]+)>")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_WEIGHT = re.compile(r"\*(\d+) ")


def lines(text: str) -> tuple[str, ...]:
    """A production a line; one that begins with `*3 ` counts three times."""
    found: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        weight = _WEIGHT.match(line)
        found += [line[weight.end() :]] * int(weight[1]) if weight else [line]
    return tuple(found)


def words(text: str) -> tuple[str, ...]:
    """A production a word; `_` stands for a space inside one."""
    return tuple(word.replace("_", " ") for word in text.split())


def expand(rules: Rules, symbol: str, rng: random.Random, unit: Unit = "word") -> Tagged:
    """A random expansion of a symbol: words, or characters, with their tags. Raises KeyError for an unknown symbol."""
    production = rng.choice(rules[symbol])
    if "~" in production or "@" in production:
        gender = rng.choice("mf")
        production = production.replace("~", gender).replace("@", "o" if gender == "m" else "a")
    production = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), production)
    capitals = production.startswith("^")
    found: Tagged = []
    for token in production.removeprefix("^").split() if unit == "word" else _pieces(production):
        whole = _SYMBOL.fullmatch(token)
        found += expand(rules, whole[1], rng, unit) if whole else [(_glued(rules, token, rng), "O")]
    if capitals:
        found = [(word.upper(), tag) for word, tag in found]
    label = symbol.partition(".")[0]
    if label.isupper():
        return [(word, f"{'I' if place else 'B'}-{label}") for place, (word, _) in enumerate(found)]
    return found


def _glued(rules: Rules, token: str, rng: random.Random) -> str:
    def glue(match: re.Match[str]) -> str:
        return "".join(word for word, _ in expand(rules, match[1], rng))

    return _SYMBOL.sub(glue, token)


def _pieces(production: str) -> list[str]:
    """Symbols and single characters: Chinese is written without spaces."""
    return re.findall(r"<[^<>]+>|\S", production)
