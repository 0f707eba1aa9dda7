"""Dictionaries: lists of names, one or more a type, and the entities that they find in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ner_distill.data.formats.segment import segment
from ner_distill.data.lexicon.lexicon import LONGEST_NAME, Lexicon, Match, longest_from_left, read_names, without_blanks
from ner_distill.data.sentence import Span, Unit, count_unspaced, separator
from ner_distill.errors import ConfigError, DataError

Conflicts = Literal["drop", "first", "mask"]
NEGATIVE = "of no entity"
"""What stands for a type where negative forms are counted."""


@dataclass(frozen=True)
class DictionaryLabels:
    """The labels of a sentence by dictionaries.

    spans:   its entities, sorted, without overlap.
    keep:    for each word, does its label count? None = all do.
    dropped: places of forms that stand under two types.
    negative: for each word, is it surely of no entity? None = nothing is known.
    """

    spans: tuple[Span, ...]
    keep: tuple[bool, ...] | None = None
    dropped: int = 0
    negative: tuple[bool, ...] | None = None


@dataclass
class Dictionaries:
    """Forms of several types, found where they begin and end with words: from the left, at each place the longest.

    entries:   type → its forms as the files have them, each once. Types in the order that they were given in.
    unit:      what the words of the sentences are. A form is found both as it is written and as `segment` would cut it:
               `St. John's` stands in CoNLL files as `St. John 's`, in other text as `St . John 's`. Where words are
               characters, with its blanks and without: `New York`, `NewYork`.
    conflicts: what a form that stands under two types says: "drop": nothing, and no shorter form is found inside it;
               "mask": its words count in no loss, either (`Sentence.keep`); "first": the type that was given first.
    fold_case: match without regard to case.
    negative:  forms whose words are surely of no entity: found as if they were of one more type, so that of a name and
               a negative form at one place the longer one counts.
    """

    entries: Mapping[str, Sequence[str]]
    unit: Unit = "word"
    conflicts: Conflicts = "drop"
    fold_case: bool = False
    negative: Sequence[str] = ()
    ambiguous: dict[str, tuple[str, ...]] = field(init=False)
    """Form, as it is found → its types: those that stand under two or more, sorted by form."""

    def __post_init__(self) -> None:
        """Raises ValueError where there is no type, or one without a form, ConfigError where a form of a type is
        negative as well.
        """
        if not self.entries or not all(self.entries.values()):
            raise ValueError("dictionaries: expected at least one type, and a form for each")
        self._by_label = {label: self._lexicon(entries) for label, entries in self.entries.items()}
        self._negative = self._lexicon(self.negative)
        lexicons = (*self._by_label.values(), self._negative)
        every = dict.fromkeys((form for lexicon in lexicons for form in lexicon.forms), 0)
        self._all = Lexicon(every, separator=separator(self.unit), fold_case=self.fold_case)
        types = {form: self.types_of(form) for form in sorted(self._all.forms)}
        self.ambiguous = {form: labels for form, labels in types.items() if len(labels) > 1}
        if both := [form for form in self._negative.forms if types[form]]:
            named = ", ".join(f"{form!r} ({types[form][0]})" for form in sorted(both)[:5])
            more = f" and {len(both) - 5:,} more" if len(both) > 5 else ""
            raise ConfigError(
                f"`negative`: {named}{more} stand in a `dictionary` as well: surely of no entity and names at once; "
                "take them out of one of the two"
            )

    def _lexicon(self, entries: Sequence[str]) -> Lexicon:
        forms = without_blanks(entries) if self.unit == "character" else dict.fromkeys(entries, 0)
        if self.unit != "character":
            forms |= dict.fromkeys((" ".join(segment(entry, self.unit)[0]) for entry in entries), 0)
        return Lexicon(forms, separator=separator(self.unit), fold_case=self.fold_case)

    def is_negative(self, form: str) -> bool:
        """Is it a form whose words are surely of no entity?"""
        return form in self._negative

    @classmethod
    def read(
        cls,
        files: Mapping[str, Sequence[str | Path]],
        *,
        unit: Unit = "word",
        conflicts: Conflicts = "drop",
        fold_case: bool = False,
        negative: Sequence[str | Path] = (),
    ) -> tuple[Dictionaries, dict[str, dict[str, int]]]:
        """The dictionaries of files, and of each type how many "entries" it has and how many lines were cleaned.

        negative: files of negative forms, whose counts are those of NEGATIVE. Parameters and errors are those of
        `read_names`.
        """
        lexicons, counts = read_names(files, separator(unit), "dictionary")
        entries = {label: lexicon.forms for label, lexicon in lexicons.items()}
        forms: Sequence[str] = ()
        if negative:
            try:
                lexicon, cleaned = Lexicon.read(
                    negative, min_length=1, max_length=LONGEST_NAME, separator=separator(unit), frequencies=False
                )
            except DataError as error:
                raise DataError(f"{error} (`negative`: words that are surely of no entity)") from None
            forms, counts = lexicon.forms, {**counts, NEGATIVE: {"entries": len(lexicon), **cleaned}}
        return cls(entries, unit, conflicts, fold_case, forms), counts

    def types_of(self, form: str) -> tuple[str, ...]:
        """The types under which a form stands, in the order that they were given in."""
        return tuple(label for label, lexicon in self._by_label.items() if form in lexicon)

    def find(self, words: Sequence[str]) -> DictionaryLabels:
        """The entities of a sentence by the dictionaries."""
        spans: list[Span] = []
        unsure: set[int] = set()
        sure: set[int] = set()
        dropped = 0
        matches: Iterable[Match] = self._all.matches(words)
        if self.unit == "character":
            matches = [match for match in matches if not _cuts_a_word(words, match.start, match.end)]
        for start, end, form in longest_from_left(matches):
            labels = self.types_of(form)
            if not labels:
                sure.update(range(start, end))
            elif len(labels) == 1 or self.conflicts == "first":
                spans.append(Span(start, end, labels[0]))
            else:
                unsure.update(range(start, end))
                dropped += 1
        keep = tuple(word not in unsure for word in range(len(words))) if self.conflicts == "mask" and unsure else None
        negative = tuple(word in sure for word in range(len(words))) if sure else None
        return DictionaryLabels(tuple(spans), keep, dropped, negative)


def _cuts_a_word(words: Sequence[str], start: int, end: int) -> bool:
    """Where words are characters: do letters of an alphabet go on beyond a match, as in `NBA` of `WNBA`?"""
    for inside, outside in ((start, start - 1), (end - 1, end)):
        if 0 <= outside < len(words) and all(
            len(words[place]) == 1 and words[place].isalnum() and not count_unspaced(words[place])
            for place in (inside, outside)
        ):
            return True
    return False


def parse_dictionaries(options: Sequence[str]) -> dict[str, list[Path]]:
    """`TYPE=FILE` options → type → files, in their order. Raises ConfigError."""
    files: dict[str, list[Path]] = {}
    for option in options:
        label, equals, path = (part.strip() for part in option.partition("="))
        if not equals or not label or not path:
            raise ConfigError(f"`dictionary` {option}: expected TYPE=FILE, such as PER=people.txt")
        files.setdefault(label, []).append(Path(path))
    if not files:
        raise ConfigError("`dictionary`: none was given; expected TYPE=FILE, at least once")
    return files


def common_words(counts: Mapping[str, Counter[str]]) -> dict[str, list[tuple[str, int]]]:
    """Of each type the three forms found most often: what a dictionary gets wrong is mostly there."""
    return {label: sorted(forms.items(), key=lambda item: (-item[1], item[0]))[:3] for label, forms in counts.items()}
