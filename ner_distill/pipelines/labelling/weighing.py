"""`--teacher-weights auto`: how much each teacher weighs, found on labelled sentences or by the text to label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ner_distill.console import Reporter
from ner_distill.data.formats.documents import Cut
from ner_distill.data.formats.folders import expanded
from ner_distill.data.formats.readers import input_files, read_documents, resumable
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.units import Cutting
from ner_distill.data.mixture import Floats, mixture_weights, mixture_weights_of_classes
from ner_distill.data.sentence import Sentence, covered
from ner_distill.data.store.manifest import Manifest
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.files import read_json, sha256_of
from ner_distill.options import Files, ReadOptions
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.labeller import Labeller
from ner_distill.pipelines.labelling.panel import Panel, Weights
from ner_distill.pipelines.labelling.voices import Voice
from ner_distill.runs.info import VOTING
from ner_distill.runs.record import INPUTS, fingerprints
from ner_distill.runs.text_profile import BUCKETS, profile_of, read_profile

NAME = "teacher_weights"
ENOUGH_WORDS = 50
"""Words in entities of a type, from which on the type gets weights of its own."""
LEAST = 1e-6
"""No teacher calls a gold tag less probable: stored probabilities have 16 bits."""
SAMPLE = 2000
"""Sentences of the raw text that are compared with the training text."""


@dataclass(frozen=True)
class Found:
    """Weights, and what they were found on as the settings of a store record it."""

    weights: Weights
    recorded: dict[str, Any]


def labelled_hashes(options: LabelUnlabeledOptions) -> tuple[str, ...]:
    return tuple(one["sha256"] or one["name"] for one in fingerprints(options.labelled))


def found_on(options: LabelUnlabeledOptions) -> dict[str, Any]:
    """What weights are found on, as the settings of a store record it."""
    if options.teacher_weights == "given":
        return {}
    by = "labelled sentences" if options.labelled else "training text"
    return {"weighted_by": by, **({"labelled": labelled_hashes(options)} if options.labelled else {})}


def stored_weights(manifest: Manifest, teachers: int) -> Weights:
    """The weights that a store was begun with. Raises RunError where it has no such weights."""
    found = {label: value for label, value in manifest.settings.items() if label.partition(" ")[0] == NAME}
    weights: dict[str, tuple[float, ...]] = {}
    for name, value in found.items():
        numbers = [number for number in value if isinstance(number, int | float)] if isinstance(value, tuple) else []
        if len(numbers) != teachers or not all(0 <= number <= 1 for number in numbers) or not any(numbers):
            raise RunError(f"the manifest of the store: expected {teachers} weights as {name}, found {value!r}")
        weights[name.removeprefix(NAME).strip()] = tuple(map(float, numbers))
    general = weights.pop("", (1.0,) * teachers)
    return Weights(general, weights)


# ---- by labelled sentences


def labelled_sentences(options: LabelUnlabeledOptions, cutting: Cutting, reporter: Reporter) -> list[Sentence]:
    """The sentences of `labelled`, of entities that overlap the longest."""
    reading = ReadOptions(flatten="longest")
    return read_labelled(options.labelled, "`labelled`", reading, reporter, known=cutting)[0]


def weights_by_labelled(
    options: LabelUnlabeledOptions,
    teachers: Sequence[Voice],
    cutting: Cutting,
    reporter: Reporter,
) -> Weights:
    """The weights with which the pooled tags of labelled sentences are likeliest; see `mixture_weights`.

    A type with ENOUGH_WORDS words in its entities has weights of its own (`mixture_weights_of_classes`); all others,
    and O, have those of all words. Words that do not count, and those of entities of unknown types, are left out.
    Raises ConfigError where a teacher was trained on one of the files, DataError where no entity can be compared.
    """
    _require_unseen(options.labelled, [one.run for one in teachers if one.run is not None])
    sentences = labelled_sentences(options, cutting, reporter)
    tagset = TagSet(teachers[0].labels)
    sentences = _answered(sentences, teachers, reporter)
    known = [_of_known_types(sentence, tagset) for sentence in sentences]
    if lost := sum(
        len(before.spans or ()) - len(now.spans or ()) for before, now in zip(sentences, known, strict=True)
    ):
        reporter.warn(f"`labelled`: {lost:,} entities of types that no teacher knows: their words do not count")
    gold = np.array([tag for one in known for tag in tagset.encode(one.spans or (), len(one.words))], np.int64)
    counted = np.array([kept for one in known for kept in one.counted])
    if not (gold[counted] > 0).any():
        raise DataError(f"`labelled`: no entity of {', '.join(tagset.labels)} in it; there is nothing to weigh by")
    gold = gold[counted]
    probs = np.stack([_answers(teacher, known, options)[counted] for teacher in teachers])
    class_of = (np.arange(len(tagset)) + 1) // 2
    own = np.maximum(probs[:, np.arange(len(gold)), gold], LEAST)
    probs[:, np.arange(len(gold)), gold] = own
    general = mixture_weights(own)
    words = np.bincount(class_of[gold], minlength=len(tagset.labels) + 1)
    free = [one for one in range(1, len(words)) if words[one] >= ENOUGH_WORDS]
    by_class = mixture_weights_of_classes(probs, gold, class_of, general, free) if free else {}
    weights = Weights.of(general.tolist(), {tagset.labels[one - 1]: own.tolist() for one, own in by_class.items()})
    few = [label for label, count in zip(tagset.labels, words[1:], strict=True) if count < ENOUGH_WORDS]
    rest = f"; too few words of {', '.join(few)} for weights of their own" if few else ""
    reporter.info(f"teachers weighed by {len(gold):,} words of {len(known):,} labelled sentences{rest}")
    return weights


def _answered(sentences: Sequence[Sentence], teachers: Sequence[Voice], reporter: Reporter) -> list[Sentence]:
    """The sentences that all teachers have an answer to. Raises DataError where there is none."""
    found = [sentence for sentence in sentences if all(teacher.knows(sentence) for teacher in teachers)]
    if not found:
        raise DataError("`labelled`: no sentence in it that all teachers have an answer to")
    if left_out := len(sentences) - len(found):
        reporter.info(f"`labelled`: {left_out:,} sentences left out, as a teacher has no answer to them")
    return found


def _require_unseen(files: Files, runs: Sequence[Path]) -> None:
    """Raise ConfigError where one of the files is one that a teacher was trained on."""
    hashes = {sha256_of(file): file for file in input_files(files) if isinstance(file, Path) and file.is_file()}
    for run in runs:
        for seen in _trained_on(run):
            if seen in hashes:
                raise ConfigError(
                    f"`labelled` {hashes[seen]}: {run} was trained on it, and knows its labels by heart; give "
                    "sentences that no teacher was trained on"
                )


def _trained_on(run: Path) -> list[str]:
    """The hashes of the files that a run, or its fold teachers, were trained on, as far as it says."""
    found: list[str] = []
    for path in (run / INPUTS, run / VOTING / "voting.json"):
        data = read_json(path, "the run is damaged") if path.is_file() else {}
        roles = data.get("inputs", data) if isinstance(data, dict) else {}
        files = roles.get("train") if isinstance(roles, dict) else None
        listed = files if isinstance(files, list) else []
        found += [str(file["sha256"]) for file in listed if isinstance(file, dict) and "sha256" in file]
    return found


def _of_known_types(sentence: Sentence, tagset: TagSet) -> Sentence:
    """The sentence without the entities of unknown types, whose words count no more."""
    spans = sentence.spans or ()
    unknown = [span for span in spans if span.label not in tagset.labels]
    if not unknown:
        return sentence
    words = covered(unknown)
    keep = tuple(kept and word not in words for word, kept in enumerate(sentence.counted))
    return replace(sentence, spans=tuple(span for span in spans if span not in unknown), keep=keep, inside_words=())


def _answers(teacher: Voice, sentences: Sequence[Sentence], options: LabelUnlabeledOptions) -> npt.NDArray[np.float64]:
    """(words of all sentences, tags): what one teacher says of them."""
    alone = replace(options, pairs_per_sentence=0, min_votes=(), min_confidence=0.0, span_floor=0.5)
    numbered = [replace(sentence, id=str(number)) for number, sentence in enumerate(sentences)]
    panel = Panel.of([teacher])
    blocks = Labeller(panel.calibrated() if options.calibrated else panel, alone).blocks(
        numbered, 0, lambda rows, words: None
    )
    said = {int(row.id): row.probs for block in blocks for row in block.rows}
    return np.concatenate([said[number] for number in range(len(sentences))]).astype(np.float64)


# ---- by the text


def weights_by_text(
    options: LabelUnlabeledOptions,
    teachers: Sequence[Voice],
    cutting: Cutting,
    stream: Iterator[Sentence],
    reporter: Reporter,
) -> tuple[Weights, Iterator[Sentence]]:
    """The weights with which a mixture of the training texts is likest the raw text, and the stream as it was.

    Compared are runs of one to three characters (`profile_of`), in SAMPLE sentences: the first of each file; of what
    can be read once alone, such as standard input, its first, which are kept. The weights of types are the same.
    Raises RunError for a run without a profile, ConfigError for what is no run.
    """
    if foreign := [one.name for one in teachers if one.run is None]:
        raise ConfigError(
            f"`teacher_weights` auto: the training text of {', '.join(foreign)} is not known, so it can be weighed by "
            "`labelled` alone; give that, or weights with `teacher`"
        )
    profiles = np.stack([read_profile(one.run) for one in teachers if one.run is not None]).astype(np.float64)
    sample, stream = _sample(options, cutting, stream)
    seen = profile_of((sentence.words for sentence in sample), cutting.unit).astype(np.float64)
    weights = nearness(profiles, seen)
    reporter.info(f"teachers weighed by how near their training text is to {len(sample):,} sentences of `text`")
    return Weights.of(weights.tolist()), stream


def nearness(profiles: Floats, seen: Floats) -> Floats:
    """The weights of a mixture of texts that makes what was seen likeliest.

    profiles: (texts, BUCKETS) counts; one more is added to each, so that nothing is impossible. seen: (BUCKETS,).
    """
    likelihoods = (profiles + 1) / (profiles.sum(1, keepdims=True) + BUCKETS)
    return mixture_weights(likelihoods, seen)


def _sample(
    options: LabelUnlabeledOptions, cutting: Cutting, stream: Iterator[Sentence]
) -> tuple[list[Sentence], Iterator[Sentence]]:
    most = min(SAMPLE, options.limit or SAMPLE)
    try:
        resumable(options.text)
    except DataError:
        first = list(islice(stream, most))
        return first, chain(first, stream)
    sources = [source for path in options.text for source in expanded(path, options.format).sources]
    each = -(-most // len(sources))
    cut, first = Cut.of(options), []
    for path in sources:
        documents = read_documents(
            [path], cut, format=options.format, unit=cutting.unit, word_column=options.word_column
        )
        first += islice((part.sentence for document in documents for part in document.parts), each)
    return first, stream
