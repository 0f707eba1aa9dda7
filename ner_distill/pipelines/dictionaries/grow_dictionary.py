"""`grow-dictionary`: what a model finds again and again in raw text enters the dictionaries (adaptive PU learning)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import count_sentences, read_raw
from ner_distill.data.lexicon.dictionaries import Dictionaries, parse_dictionaries
from ner_distill.data.lexicon.lexicon import LONGEST_NAME
from ner_distill.data.sentence import separator
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError, DataError, harmless
from ner_distill.files import atomic_write_text, read_json, write_json
from ner_distill.options.labels import GrowOptions
from ner_distill.runs.build import load_run
from ner_distill.runs.raw_text import cutting_for, said_where_cut
from ner_distill.runtime.inference import best_device, predict_sentences

DICTIONARIES = OutputKind("grow-dictionary", "dictionaries", (), can_resume=False, can_overwrite=False)
POOR = 0.7
"""Models whose F1 or precision is lower are warned of: of their names every third or more is none."""


@dataclass(frozen=True)
class Growth:
    """What one round found.

    added:     type → form → how often it was found, most often first; every type of the model or the dictionaries.
    several:   forms found often enough, but with several types. rare: forms found too rarely.
    elsewhere: forms that stand under another type. known: that stand under the type already.
    negative:  forms that are surely of no entity.
    files:     type → the name of its dictionary in `out`, once that is written.
    """

    added: dict[str, dict[str, int]]
    several: int
    rare: int
    elsewhere: int
    known: int
    negative: int = 0
    files: Mapping[str, str] = field(default_factory=dict)


def grow_dictionary(options: GrowOptions, reporter: Reporter | None = None) -> Growth:
    """Write the dictionaries with what the model finds in the text: `OUT/TYPE.txt`, the old entries and then the new.

    A form is new where it was found at least `min_count` times, always with one type, and stands under no other.
    `summary.json` has the numbers and all new forms with how often they were found. Memory grows with the different
    forms found, not with the text.
    Source: Peng et al., ACL 2019 (AdaPU).
    Raises NerDistillError for wrong input and where `out` holds something: dictionaries are never overwritten.
    """
    reporter, model = reporter or Reporter(), options.model
    if model is None:
        raise ConfigError("give `model` RUN to grow by what it finds, or `rounds` N and `dev` FILE to train teachers")
    files = parse_dictionaries(options.dictionary)
    DICTIONARIES.check(options.out)
    run = load_run(model)
    cutting = cutting_for(model, run.info, options.unit, reporter)
    unit, labels = cutting.unit, run.info.labels
    check_types(files, labels, model)
    dictionaries, _ = Dictionaries.read(files, unit=unit, negative=options.negative)
    say_quality(model, reporter)
    tagger = run.tagger.to(best_device())
    text, format = list(options.text), options.format
    sentences = read_raw(text, format=format, unit=unit, word_column=options.word_column, say=reporter.info)
    sentences = said_where_cut(sentences, model, cutting, reporter)
    found: dict[str, Counter[str]] = {}
    with reporter.progress("searching", total=count_sentences(text, format=format), unit="sentences") as progress:
        for sentence, spans in predict_sentences(tagger, run.featurizer, run.info.tagset, sentences):
            for span, _ in spans:
                form = separator(unit).join(sentence.words[span.start : span.end])
                if len(form) <= LONGEST_NAME:  # longer ones would never be read
                    found.setdefault(form, Counter())[span.label] += 1
            progress.advance()
    if not found:
        raise DataError(f"`text` {', '.join(map(str, text))}: the model finds no entity in it")
    growth = grown(found, dictionaries, min_count=options.min_count, labels=labels)
    return replace(growth, files=_write(growth, dictionaries, options))


def say_quality(model: Path, reporter: Reporter) -> None:
    """Say how good the model was on its development data, by its `metrics.json`; warn where that is poor or unknown."""
    file = model / "metrics.json"
    figures = read_json(file, "") if file.is_file() else {}
    try:
        micro, on = figures["dev"]["micro"], ", ".join(map(str, figures["checkpoint_chosen_on"]))
        f1, precision = (float(micro[name]) for name in ("f1", "precision"))
    except (KeyError, TypeError, ValueError):
        reporter.warn(f"{model}: no score on development data is known; its errors enter the dictionaries as names")
        return
    # a run may come from anybody
    said = f"{model}: F1 {100 * f1:.1f}, precision {100 * precision:.1f} on its development data ({harmless(on)})"
    if f1 < POOR or precision < POOR:
        reporter.warn(f"{said}: much of what it finds is wrong, and enters the dictionaries as names; see `min_count`")
    else:
        reporter.info(said)


def check_types(files: Iterable[str], labels: Sequence[str], model: Path) -> None:
    """Raise ConfigError where there is a dictionary of a type that the model does not know."""
    if unknown := [label for label in files if label not in labels]:
        raise ConfigError(
            f"`dictionary` {unknown[0]}: the model knows no such type; it has {', '.join(labels)} ({model})"
        )


def grown(
    found: Mapping[str, Counter[str]], dictionaries: Dictionaries, *, min_count: int, labels: Sequence[str]
) -> Growth:
    """Returns which forms are new. found: form → type → how often. labels: the types in the order of the result."""
    added: dict[str, dict[str, int]] = {label: {} for label in labels}
    numbers = Counter[str]()
    for form, types in sorted(found.items(), key=lambda item: (-item[1].total(), item[0])):
        label = next(iter(types))
        standing = dictionaries.types_of(form)
        if types.total() < min_count:
            numbers["rare"] += 1
        elif dictionaries.is_negative(form):
            numbers["negative"] += 1
        elif len(types) > 1:
            numbers["several"] += 1
        elif label in standing:
            numbers["known"] += 1
        elif standing:
            numbers["elsewhere"] += 1
        else:
            added[label][form] = types[label]
    return Growth(
        added,
        several=numbers["several"],
        rare=numbers["rare"],
        elsewhere=numbers["elsewhere"],
        known=numbers["known"],
        negative=numbers["negative"],
    )


def _write(growth: Growth, dictionaries: Dictionaries, options: GrowOptions) -> dict[str, str]:
    make_directory(options.out)
    names = {}
    for label, added in growth.added.items():
        if forms := [*dictionaries.entries.get(label, ()), *added]:
            names[label] = f"{quote(label, safe=' ')}.txt"
            atomic_write_text(options.out / names[label], "".join(f"{form}\n" for form in forms))
    summary = {
        "model": str(options.model),
        "text": [str(path) for path in options.text],
        "min_count": options.min_count,
        "files": names,
        "before": {label: len(forms) for label, forms in dictionaries.entries.items()},
        "known": growth.known,
        "not_added": {
            "several_types": growth.several,
            "too_rare": growth.rare,
            "under_another_type": growth.elsewhere,
            **({"negative": growth.negative} if options.negative else {}),
        },
        "added": growth.added,
    }
    write_json(options.out / "summary.json", summary)
    return names
