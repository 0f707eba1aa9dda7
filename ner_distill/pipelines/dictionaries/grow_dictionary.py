"""`grow-dictionary`: what a model finds again and again in raw text enters the dictionaries (adaptive PU learning)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import count_sentences, read_raw
from ner_distill.data.lexicon.dictionaries import Dictionaries, parse_dictionaries
from ner_distill.data.lexicon.lexicon import LONGEST_NAME
from ner_distill.data.sentence import Sentence, separator
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import atomic_write_text, write_json
from ner_distill.runs.build import load_run
from ner_distill.runtime.inference import ScoredSpan, best_device, predict_sentences

DICTIONARIES = OutputKind("grow-dictionary", "dictionaries", (), can_resume=False, can_overwrite=False)
Forms = dict[str, Counter[str]]


@dataclass(frozen=True)
class Growth:
    """What one round found.

    added:     type → form → how often it was found, most often first; every type of the model or the dictionaries.
    several:   forms found often enough, but with several types. rare: forms found too rarely.
    elsewhere: forms that stand under another type. known: that stand under the type already.
    """

    added: dict[str, dict[str, int]]
    several: int
    rare: int
    elsewhere: int
    known: int


def grow_dictionary(
    model: Path,
    text: Sequence[str | Path],
    dictionary: Sequence[str],
    out: Path,
    *,
    min_count: int = 3,
    format: str = "auto",
    reporter: Reporter | None = None,
) -> Growth:
    """Write the dictionaries with what the model found in the text: `OUT/TYPE.txt`, the old entries and then the new.

    A form is new where it was found at least `min_count` times, always with one type, and stands under no other.
    `summary.json` has the numbers and all new forms with how often they were found. Memory grows with the different
    forms found, not with the text.
    Source: Peng et al., ACL 2019 (AdaPU).
    Raises NerDistillError for wrong input and where `out` holds something: dictionaries are never overwritten.
    """
    reporter = reporter or Reporter()
    files = parse_dictionaries(dictionary)
    DICTIONARIES.check(out)
    built = load_run(model)
    unit, labels = built.info.unit, built.info.labels
    if strange := [label for label in files if label not in labels]:
        raise ConfigError(
            f"--dictionary {strange[0]}: the model knows no such type; it has {', '.join(labels)} ({model})"
        )
    dictionaries, _ = Dictionaries.read(files, unit=unit)
    tagger = built.tagger.to(best_device())
    sentences = read_raw(list(text), format=format, unit=unit)
    between = separator(unit)
    found: Forms = {}
    with reporter.progress("searching", total=count_sentences(text, format=format), unit="sentences") as progress:
        for answer in predict_sentences(tagger, built.featurizer, built.info.tagset, sentences):
            _count(found, [answer], between)
            progress.advance()
    if not found:
        raise DataError(f"--text {', '.join(map(str, text))}: the model finds no entity in it")
    growth = grown(found, dictionaries, min_count=min_count, labels=labels)
    _write(out, growth, dictionaries, {"model": str(model), "text": [str(path) for path in text]}, min_count)
    return growth


def grown(found: Forms, dictionaries: Dictionaries, *, min_count: int, labels: Sequence[str]) -> Growth:
    """Which forms are new. found: form → type → how often. labels: the types in the order of the result."""
    added: dict[str, dict[str, int]] = {label: {} for label in labels}
    numbers = Counter[str]()
    for form, types in sorted(found.items(), key=lambda one: (-one[1].total(), one[0])):
        label = next(iter(types))
        standing = dictionaries.types_of(form)
        if types.total() < min_count:
            numbers["rare"] += 1
        elif len(types) > 1:
            numbers["several"] += 1
        elif label in standing:
            numbers["known"] += 1
        elif standing:
            numbers["elsewhere"] += 1
        else:
            added[label][form] = types[label]
    return Growth(added, numbers["several"], numbers["rare"], numbers["elsewhere"], numbers["known"])


def _count(found: Forms, answers: Iterable[tuple[Sentence, Sequence[ScoredSpan]]], between: str) -> None:
    for sentence, spans in answers:
        for span, _ in spans:
            form = between.join(sentence.words[span.start : span.end])
            if len(form) <= LONGEST_NAME:  # longer ones would never be read
                found.setdefault(form, Counter())[span.label] += 1


def _write(out: Path, growth: Growth, dictionaries: Dictionaries, about: Mapping[str, object], min_count: int) -> None:
    """One file a type, and the summary last."""
    make_directory(out)
    names = {}
    for label, added in growth.added.items():
        if forms := [*dictionaries.entries.get(label, ()), *added]:
            names[label] = f"{quote(label, safe=' ')}.txt"
            atomic_write_text(out / names[label], "".join(f"{form}\n" for form in forms))
    numbers = {"several_types": growth.several, "too_rare": growth.rare, "under_another_type": growth.elsewhere}
    summary = {
        **about,
        "min_count": min_count,
        "files": names,
        "before": {label: len(forms) for label, forms in dictionaries.entries.items()},
        "known": growth.known,
        "not_added": numbers,
        "added": growth.added,
    }
    write_json(out / "summary.json", summary)
