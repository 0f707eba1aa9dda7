"""`[lattice]` and `[features]`: from settings and files to sources and modules, and from a run directory back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ner_distill.config import START_FILE, StudentConfig, TeacherConfig, sections
from ner_distill.console import Reporter
from ner_distill.data.features.base import Source
from ner_distill.data.features.gazetteers import Gazetteers
from ner_distill.data.features.lattice import LatticeSource
from ner_distill.data.features.soft_lexicon import SoftLexicon, Softword
from ner_distill.data.features.spelling import WIDTHS, Spelling, SpellingKind
from ner_distill.data.features.train_lists import ListRules, TrainLists
from ner_distill.data.features.vocab import Vocab
from ner_distill.data.features.words import FILE as VOCABULARY
from ner_distill.data.formats.readers import read_raw
from ner_distill.data.formats.tables import is_hub_name
from ner_distill.data.lexicon.lexicon import Lexicon, Match, Matcher
from ner_distill.data.lexicon.segmenters import Segmenter
from ner_distill.data.lexicon.vectors import WordVectors, read_vectors
from ner_distill.data.sentence import Sentence, Unit, labels_of, separator
from ner_distill.errors import ConfigError, DataError
from ner_distill.runs.info import read_config, read_info
from ner_distill.runs.record import fingerprints

DIRECTORY = "knowledge"
ENCODER = "encoder"
NO_WORDS = "has no lexicon and no segmenter; expected a teacher trained with [lattice]"
LONGEST = 100  # characters of a lexicon entry where words are words
Vectors = npt.NDArray[np.float32]
Words = Iterable[Sequence[str]]


class Together:
    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self.matchers = matchers

    def matches(self, words: Sequence[str]) -> list[Match]:
        return sorted({match for matcher in self.matchers for match in matcher.matches(words)})


@dataclass(frozen=True)
class Knowledge:
    """The sources of a teacher in the order of their modules, and the parts that finding words needs.

    lattice, features: the settings of all this.
    start: embedding weights (vocabulary ids of rows, vectors) that were read for the lexicon's words.
    """

    lattice: sections.LatticeConfig
    features: sections.FeaturesConfig
    sources: dict[str, Source[Any]]
    lexicon: Lexicon | None = None
    segmenter: Segmenter | None = None
    start: tuple[list[int], Vectors] | None = None

    def save(self, directory: Path) -> None:
        """Write everything that labelling needs, so that a run is complete in itself."""
        if not self.sources:
            return
        folder = directory / DIRECTORY
        folder.mkdir(exist_ok=True)
        for part in (*self.sources.values(), self.lexicon, self.segmenter):
            if part is not None:
                part.save(folder)

    @property
    def matcher(self) -> Matcher | None:
        """The lexicon, the segmenter or both as one; None without either."""
        found = [matcher for matcher in (self.lexicon, self.segmenter) if matcher is not None]
        return None if not found else found[0] if len(found) == 1 else Together(found)

    @property
    def words(self) -> Matcher:
        """The matcher of a lattice, which always has one."""
        assert self.matcher is not None
        return self.matcher

    @property
    def frequency(self) -> Callable[[str], int] | None:
        """How often a word is, where the lexicon says it."""
        return self.lexicon.frequency if self.lexicon is not None else None


def _files_of(lattice: sections.LatticeConfig, features: sections.FeaturesConfig) -> list[str]:
    named = lattice.model_dump()  # of each kind those keys that it has
    lists = [file for files in features.gazetteers.values() for file in files]
    single = (named.get("vectors"), features.char_vectors, features.bigram_vectors)
    files = [*named.get("lexicon", ()), *named.get("raw_text", ()), *lists, *filter(None, single)]
    if named.get("segmenter") == "pkuseg":
        files.append(str(Segmenter(named["segmenter_model"]).directory))
    return files


def inputs_of(config: TeacherConfig | StudentConfig) -> dict[str, list[dict[str, Any]]]:
    """Size and hash of what a configuration names and a training reads beside its data, by key (or `knowledge`)."""
    files: dict[str, Sequence[str | Path]] = {}
    if isinstance(config.encoder, sections.ScratchEncoderConfig) and config.encoder.start:
        start = Path(config.encoder.start).expanduser()
        files["encoder.start"] = [start / name for name in (START_FILE, VOCABULARY, "model.safetensors")]
    elif isinstance(config.encoder, sections.PretrainedEncoderConfig):
        files["encoder.name"] = model_files(Path(config.encoder.name).expanduser())
    if isinstance(config, TeacherConfig):
        files["knowledge"] = _files_of(config.lattice, config.features)
        if isinstance(config.head, sections.MrcConfig) and config.head.questions:
            files["head.questions"] = [config.head.questions]
        if isinstance(config.adversarial, sections.VatConfig):
            files["adversarial.raw_text"] = config.adversarial.raw_text
    else:
        files["init.vocabulary_text"] = config.init.vocabulary_text
        if config.init.teacher:
            run = config.init.run
            files["init.teacher"] = [*model_files(run), *model_files(run / ENCODER)]
    return {key: fingerprints(paths) for key, paths in files.items() if paths}


def require_named(config: TeacherConfig | StudentConfig) -> None:
    """Raise NerDistillError where a file, a run or a checkpoint is missing that a training of this begins with."""
    if isinstance(config, StudentConfig) and config.init.teacher:
        read_info(config.init.run)
    if isinstance(config.encoder, sections.PretrainedEncoderConfig):
        from ner_distill.nn.encoders.huggingface import located

        located(config.encoder.name)
    inputs_there(config)


def inputs_there(config: TeacherConfig | StudentConfig) -> dict[str, list[dict[str, Any]]]:
    """As `inputs_of`. Raises DataError where a file is missing; a finished run does without its checkpoint."""
    inputs = inputs_of(config)
    for key, files in inputs.items():
        for file in files:
            if file["size"] is None and not is_hub_name(file["name"]):
                where = "[lattice] or [features]" if key == "knowledge" else key
                raise DataError(
                    f"{where}: {file['name']}: no such file; check the name and the directory ({Path.cwd()})"
                )
    return inputs


def model_files(directory: Path) -> list[Path]:
    """Weights, settings and tokenizer of a checkpoint on this machine: with others a training would not go on."""
    return sorted(file for file in directory.glob("*") if file.is_file() and _OF_MODEL.fullmatch(file.name))


_OF_MODEL = re.compile(
    r".*\.(safetensors|model)|(config|tokenizer|tokenizer_config|special_tokens_map|vocab|added_tokens)\.json"
    r"|vocab\.txt|merges\.txt"
)


def read_knowledge(
    config: TeacherConfig, unit: Unit, sentences: Words, reporter: Reporter, labelled: Sequence[Sentence] = ()
) -> Knowledge:
    """Read the files that the configuration names, and count vocabularies on these sentences.

    labelled: the training data, of whose entities `features.train_lists` makes lists.
    Raises DataError or ConfigError where a file is wrong or has nothing to do with the sentences.
    """
    sentences, lattice, features = list(sentences), config.lattice, config.features
    known = Knowledge(lattice, features, {})
    if isinstance(lattice, sections.LexiconConfig):
        segmenter = Segmenter(lattice.segmenter_model) if lattice.segmenter == "pkuseg" else None
        known = replace(known, lexicon=_read_lexicon(lattice, unit, reporter), segmenter=segmenter)
        recorded = Recorded(known.words)
        _report_matches(lattice, recorded, sentences, reporter)
        known.sources["lattice"] = _lattice_source(known, recorded, config.encoder.max_pieces, unit, sentences)
    for kind in _spellings(features):
        if unit != "character":
            raise ConfigError(f"features.{kind} is for text read by Chinese characters; this text is read by words")
        known.sources[kind] = Spelling.counted(kind, sentences)
    if features.gazetteers:
        known.sources["gazetteers"] = _read_gazetteers(features, unit, sentences, reporter)
    if features.train_lists != "none":
        known.sources["train_lists"] = _train_lists(features, unit, labelled, reporter)
    if isinstance(lattice, sections.WordVectorsConfig) and lattice.vectors:
        return _with_vectors(lattice, known, reporter)
    return known


def load_knowledge(config: TeacherConfig, unit: Unit, directory: Path) -> Knowledge:
    """What `Knowledge.save` wrote; no other file is needed. Raises RunError naming what is damaged."""
    place, lattice, features = directory / DIRECTORY, config.lattice, config.features
    known = Knowledge(lattice, features, {})
    if isinstance(lattice, sections.LexiconConfig):
        lexicon = Lexicon.load(place) if lattice.lexicon else None
        segmenter = Segmenter.load(place) if lattice.segmenter != "none" else None
        known = replace(known, lexicon=lexicon, segmenter=segmenter)
        match lattice:
            case sections.FlatConfig():
                limit = config.encoder.max_pieces
                known.sources["lattice"] = LatticeSource.load(place, known.words, max_words=limit)
            case sections.SoftLexiconConfig():
                known.sources["lattice"] = SoftLexicon.load(place, known.words, known.frequency)
            case _:
                known.sources["lattice"] = _softword(known)
    for kind in _spellings(features):
        known.sources[kind] = Spelling.load(place, kind)
    if features.gazetteers:
        known.sources["gazetteers"] = Gazetteers.load(place)
    if features.train_lists != "none":
        known.sources["train_lists"] = TrainLists.load(place)
    return known


def _spellings(features: sections.FeaturesConfig) -> list[SpellingKind]:
    wanted: dict[SpellingKind, bool] = {"pinyin": features.pinyin, "glyph": features.glyph}
    return [kind for kind in WIDTHS if wanted[kind]]


def matcher_of(run: Path) -> Matcher:
    """The matcher of a teacher's run. Raises ConfigError where it has nothing of the kind."""
    info = read_info(run)
    if info.kind == "teacher":
        matcher = load_knowledge(read_config(run, TeacherConfig), info.unit, run).matcher
        if matcher is not None:
            return matcher
    raise ConfigError(f"{run}: {NO_WORDS}")


def _read_lexicon(lattice: sections.LexiconConfig, unit: Unit, reporter: Reporter) -> Lexicon | None:
    if not lattice.lexicon:
        return None
    shortest = 2 if isinstance(lattice, sections.FlatConfig) and unit == "character" else 1
    lexicon, cleaned = Lexicon.read(
        lattice.lexicon,
        min_length=shortest,
        max_length=lattice.max_length if unit == "character" else LONGEST,
        separator=separator(unit),
    )
    reporter.info(f"lexicon: {len(lexicon):,} words{_cleaned(cleaned)}")
    return lexicon


def _read_gazetteers(features: sections.FeaturesConfig, unit: Unit, sentences: Words, reporter: Reporter) -> Gazetteers:
    lists = {label: [Path(file) for file in files] for label, files in features.gazetteers.items()}
    gazetteers, read = Gazetteers.read(lists, separator(unit))
    for label, lexicon in gazetteers.lexicons.items():
        cleaned = dict(read[label])
        entries = cleaned.pop("entries")
        matches = sum(len(lexicon.matches(words)) for words in sentences)
        told = f"gazetteer {label}: {entries:,} entries{_cleaned(cleaned)}; {matches:,} matches in the training text"
        (reporter.info if matches else reporter.warn)(told)
    return gazetteers


def _train_lists(
    features: sections.FeaturesConfig, unit: Unit, labelled: Sequence[Sentence], reporter: Reporter
) -> TrainLists:
    assert features.train_lists != "none"
    rules = ListRules(features.train_lists, features.train_lists_outside, features.train_lists_most)
    found, left_out = TrainLists.counted(
        labelled, labels_of(labelled), separator(unit), folds=features.train_lists_folds, rules=rules
    )
    sizes = ", ".join(f"{label} {len(forms):,}" for label, forms in found.lists.items())
    reporter.info(
        f"features.train_lists: {sizes} forms{_cleaned(left_out)}; {found.known(labelled):.0%} of the entities stand "
        "on the lists of the other folds"
    )
    if empty := [label for label, forms in found.lists.items() if not forms]:
        reporter.warn(f"features.train_lists: no form is left for a list of {', '.join(empty)}")
    return found


def _softword(known: Knowledge) -> Softword:
    if known.lattice.kind == "ex-softword":
        return Softword("ex-softword", known.words)
    return Softword("softword", known.segmenter or known.words)  # a segmenter's one segmentation, where there is one


def _cleaned(counts: Mapping[str, int]) -> str:
    left = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
    return f" (cleaned: {left})" if left else ""


class Recorded:
    """A matcher that looks at each sentence once: several counts are made of the same training text."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._matches: dict[tuple[str, ...], list[Match]] = {}

    def matches(self, words: Sequence[str]) -> list[Match]:
        key = tuple(words)
        if key not in self._matches:
            self._matches[key] = self._matcher.matches(words)
        return self._matches[key]


def _lattice_source(known: Knowledge, recorded: Recorded, max_words: int, unit: Unit, sentences: Words) -> Source[Any]:
    match known.lattice:
        case sections.FlatConfig(min_count=min_count):
            source = LatticeSource.counted(recorded, sentences, min_count=min_count, max_words=max_words)
            source.matcher = known.words
            return source
        case sections.SoftLexiconConfig(min_count=min_count, raw_text=files):
            raw: Iterator[Sequence[str]] = iter(())
            if files:
                raw = (sentence.words for sentence in read_raw(list(files), format="auto", unit=unit))
            return SoftLexicon.counted(known.words, sentences, raw, min_count=min_count, given=known.frequency)
        case _:
            return _softword(known)


def _report_matches(lattice: sections.LexiconConfig, matcher: Matcher, sentences: Words, reporter: Reporter) -> None:
    """How much of the text the lexicon knows. Raises DataError where that is nothing."""
    number = words = covered = 0
    shortest = 2 if isinstance(lattice, sections.FlatConfig) else 1  # a match of one word is no element of a lattice
    for sentence in sentences:
        matches = [match for match in matcher.matches(sentence) if match.end - match.start >= shortest]
        number += len(matches)
        words += len(sentence)
        covered += len({place for match in matches for place in range(match.start, match.end)})
    if not number:
        raise DataError(
            f"lattice: no word of {', '.join(lattice.lexicon) or 'the segmenter'} stands in the training text; "
            f"expected a lexicon of the text's language, with entries of {shortest} or more of its words (characters)"
        )
    reporter.info(f"lattice: {number:,} words found in the training text, over {100 * covered / words:.0f} % of it")


def _with_vectors(lattice: sections.WordVectorsConfig, known: Knowledge, reporter: Reporter) -> Knowledge:
    """Read vectors for all words of the lexicon, seen in training or not: those that have one get a row."""
    source = known.sources["lattice"]
    assert isinstance(source, LatticeSource | SoftLexicon)
    needed = {*source.vocab.forms, *(known.lexicon.forms if known.lexicon is not None else ())}
    vectors = read_vectors(lattice.vectors, needed, dim=lattice.word_dim)
    report_vectors("lattice.vectors", vectors, reporter)
    unseen = [form for form in vectors.forms if form not in source.vocab]
    source.vocab = Vocab([*source.vocab.forms, *unseen], [*source.vocab.counts, *([0] * len(unseen))])
    rows = [source.vocab.id(form) for form in vectors.forms]
    return replace(known, start=(rows, np.asarray(vectors.matrix)))


def report_vectors(key: str, vectors: WordVectors, reporter: Reporter) -> None:
    """Coverage, and what the file lacks."""
    left = {name: count for name, count in vectors.counts.items() if name in ("duplicates", "nameless", "blank")}
    reporter.info(f"{key}: {vectors.coverage:.1%} of {vectors.needed:,} words have one{_cleaned(left)}")
    if missing := vectors.counts.get("missing", 0):
        reporter.warn(f"{key}: the file's first line announces {missing:,} vectors more than it holds; was it cut off?")
