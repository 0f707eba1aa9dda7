"""`export`: a directory that finds entities without torch and without this package."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ner_distill
from ner_distill import tagger as runtime
from ner_distill.console import Reporter
from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.soft_lexicon import SoftLexicon
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.lexicon.lexicon import Lexicon
from ner_distill.data.sentence import Sentence, Span
from ner_distill.directories import OF_DESKTOPS, OutputKind, make_directory
from ner_distill.errors import ConfigError, NerDistillError, RunError
from ner_distill.files import (
    read_json,
    sha256_of,
    share,
    temporary_files,
    temporary_path,
    write_error,
    write_json,
)
from ner_distill.holding import hold, until_done
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.options.exporting import ExportOptions
from ner_distill.options.shared import ReadOptions
from ner_distill.pipelines.evaluate import read_gold
from ner_distill.pipelines.exporting.graph import UNUSED, NoGraph, can_be_a_graph, head_settings, quantized, write_graph
from ner_distill.pipelines.exporting.page import write_page
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.runs.calibration import read_calibration, read_thresholds
from ner_distill.runs.card import may_be_removed, signed
from ner_distill.runs.record import INPUTS
from ner_distill.runtime.inference import find_entities
from ner_distill.training.development import DevelopmentSet

EXACT, SMALL = "model.onnx", "model.int8.onnx"
PAGE, ABOUT = "page.html", "README.md"
LIKE = 500
"""Sentences on which what is written is compared with the run."""
NEAR = 1e-4
"""How far a score of a word may be from the run's, in float32."""
ODD = 0.002
"""Share of sentences whose entities may differ where all scores are near: two tags may be as good as equal."""


def _is_ours(directory: Path) -> bool:
    """Whether `export` wrote the settings here, and no directory lies where it writes files."""
    try:
        settings = read_json(directory / runtime.SETTINGS, "")
    except RunError:
        return False
    ours = isinstance(settings, dict) and str(settings.get("program", "")).startswith("ner-distill ")
    known = (directory / name for name in ("__pycache__", *EXPORT.beside))
    others = {*directory.iterdir()} - {*known, *temporary_files(directory)}
    return ours and not any(path.is_dir() for path in others)


def _may_be_removed(entry: Path) -> bool:
    """Is this no README that a person edited? Earlier versions did not sign theirs."""
    if may_be_removed(entry):
        return True
    return entry.is_file() and _OLD_ABOUT.fullmatch(entry.read_text("utf-8", "replace")) is not None


EXPORT = OutputKind(
    "export",
    "exported model",
    (runtime.SETTINGS,),
    contents=r"model(\.int8)?\.onnx|labels\.json|vocabulary\.json|lexicon\.json|tokenizer\.json|tagger\.py|page\.html"
    r"|README\.md|__pycache__",
    beside=("lost+found",),  # of a file system that is mounted there
    can_resume=False,
    recognised=lambda directory: _is_ours(directory),
    removable=lambda entry: _may_be_removed(entry),
)


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares with the run.

    size: of the graph, in bytes. sentences: that were compared; equal: whose entities are the same.
    real: whether these are sentences of files, not made of the vocabulary.
    f1:   of the run and of what was written, 0 to 1, where labelled sentences were given.
    """

    directory: Path
    size: int
    sentences: int
    equal: int
    real: bool
    farthest: float | None
    f1: tuple[float, float] | None
    page: Path | None


@until_done()
def export(
    options: ExportOptions,
    reporter: Reporter | None = None,
    *,
    page_of: Callable[[Mapping[str, Any]], str] | None = None,
) -> Exported:
    """Write the model of a run as a directory that `tagger.py`, copied into it, runs with numpy and onnxruntime.

    What is written is compared with the run before anything is put in place: scores in float32 have to be the same, and
    with `int8` and `check` F1 must not fall by more than `most_lost` points. Raises NerDistillError.

    page_of: makes the page that `html` asks for of its content, `views.page.page_of`.
    """
    reporter = reporter or Reporter()
    _require_whole(options.out)
    EXPORT.check(options.out, overwrite=options.overwrite)
    built = load_run(options.run)
    _require_exportable(built, options.run)
    gold: list[Sentence] = []
    if options.check:
        gold = read_gold(options.check, options.reading(), reporter, known=built.info.cutting, name="`check`")
    sentences, real = _sentences(options.run, built, gold)
    out = options.out.resolve()  # where a link leads: the model is moved there as a whole
    make_directory(out.parent)
    with _workshop(out) as folder:
        if page_of is not None and options.html:  # first: it says at once what it cannot do
            write_page(options.run, folder / PAGE, page_of, weights="int8" if options.int8 else "float16")
        try:
            write_graph(built.tagger, _example(built), folder / EXACT)
        except NoGraph as error:
            raise RunError(
                f"{options.run}: cannot be exported: torch cannot write it as an ONNX graph ({error}). Use the run "
                f"itself (predict, ner_distill.load){_instead(built)}"
            ) from error
        write_settings(built, options.run, folder)
        exact = runtime.load(folder)
        farthest = _require_same_scores(built, exact, sentences)
        if options.int8:
            quantized(folder / EXACT, folder / SMALL)
            write_settings(built, options.run, folder, graph=SMALL)
            (folder / EXACT).unlink()
        tagger = runtime.load(folder) if options.int8 else exact
        expected = _of_run(built, sentences)
        equal = sum(own == other for own, other in zip(expected, _of_tagger(tagger, sentences), strict=True))
        if not options.int8 and equal < (1 - ODD) * len(sentences):
            raise RunError(
                f"{options.run}: the exported model finds other entities in {len(sentences) - equal} of "
                f"{len(sentences)} sentences, though its scores are the same; nothing was written. This is a fault of "
                "ner-distill: please report it"
            )
        f1 = _compared(built, tagger, gold, options) if gold else None
        size = (folder / (SMALL if options.int8 else EXACT)).stat().st_size
        _put_in_place(folder, options)
    page = options.out / PAGE if options.html else None
    return Exported(options.out, size, len(sentences), equal, real, None if options.int8 else farthest, f1, page)


# ---- what can be exported


def _require_exportable(built: AnyBuilt, run: Path) -> None:
    """Raises ConfigError naming what an exported model cannot do as the run does it."""
    kind = built.config.head.kind
    known = built.knowledge
    problem = ""
    if not can_be_a_graph(built.tagger.head):
        problem = f"head.kind = {kind!r}: expected token, crf or a pointer"
    elif known is not None and (
        others := [name for name, one in known.sources.items() if one is not _lexicon_of(built)]
    ):
        problem = f"it reads {', '.join(sorted(others))}, which need this package's libraries"
    elif known is not None and known.sources and (known.segmenter or known.lexicon is None):
        problem = "its words are found by a segmenter, which needs this package's libraries"
    elif known is not None and known.lexicon and (known.lexicon.separator or known.lexicon.fold_case):
        problem = "its lexicon has expressions of several words; expected one of Chinese words"
    elif known is not None and known.sources and not isinstance(built.base, WordFeaturizer):
        problem = "a pretrained encoder with a lexicon"
    if problem:
        raise ConfigError(
            f"{run}: cannot be exported: {problem}. A student that learns from it can: label-unlabeled with this run "
            "as its teacher, train-student, and export the student"
        )


def _instead(built: AnyBuilt) -> str:
    """What to do about a pretrained encoder that has no graph."""
    encoder = built.tagger.encoder.innermost()
    if not isinstance(encoder, PretrainedEncoder):
        return ""
    kind = encoder.backbone.config.model_type
    return f", or train a student on an encoder of another kind than {kind}, or from scratch"


def _lexicon_of(built: AnyBuilt) -> SoftLexicon | None:
    """The soft-lexicon of a model, the one source of knowledge that a tagger can read."""
    sources = built.knowledge.sources.values() if built.knowledge is not None else ()
    return next((source for source in sources if isinstance(source, SoftLexicon)), None)


# ---- what is written


def write_settings(built: AnyBuilt, run: Path, folder: Path, *, graph: str = EXACT) -> None:
    """Write all that a tagger reads beside the graph, and the tagger itself."""
    calibration = read_calibration(run, built.info.labels).scores
    thresholds = read_thresholds(run)
    base = built.base
    if isinstance(base, PieceFeaturizer):
        features: dict[str, Any] = {"kind": "pieces", **base.frame()}
        base.tokenizer.backend_tokenizer.save(str(folder / runtime.TOKENIZER))
    else:
        assert isinstance(base, WordFeaturizer)
        features = {"kind": "words", "limit": base.max_words}
        base.save(folder)
        lexicon = _lexicon_of(built)
        if lexicon is not None and built.knowledge is not None and built.knowledge.lexicon is not None:
            features["lexicon"] = True
            _write_lexicon(built.knowledge.lexicon, lexicon, folder / runtime.LEXICON)
    write_json(
        folder / runtime.SETTINGS,
        {
            "format": runtime.FORMAT,
            "program": f"ner-distill {ner_distill.__version__}",
            "labels": built.info.labels,
            "unit": built.info.unit,
            "model": graph,
            "features": features,
            **head_settings(built.tagger.head),
            "calibration": calibration
            and {
                "all": vars(calibration.general),
                "types": {label: vars(one) for label, one in calibration.of_types.items()},
            },
            "thresholds": {label: one.score for label, one in thresholds.items()},
        },
    )
    write_json(folder / "labels.json", list(built.info.labels))
    shutil.copyfile(runtime.__file__, folder / "tagger.py")
    needs = "numpy, onnxruntime and tokenizers" if features["kind"] == "pieces" else "numpy and onnxruntime"
    (folder / ABOUT).write_text(signed(_ABOUT.format(labels=", ".join(built.info.labels), needs=needs)), "utf-8")


_ABOUT = """# A named-entity model

It finds: {labels}. It needs Python 3.11 or newer with {needs}; nothing else.

    python tagger.py < text.txt > entities.jsonl

for each line (a sentence) writes a line of JSON. In Python:

    from tagger import load

    model = load(".")  # this directory
    for entity in model.predict("A sentence."):
        print(entity.start, entity.end, entity.label, entity.text, entity.score)

`start` and `end` count characters (code points), `end` is exclusive; `score` is how probable it is that the entity is
right. `model.stream(lines)` answers any number of lines, `min_score=` leaves out what is less sure.
"""
_OLD_ABOUT = re.compile(re.escape(_ABOUT).replace(r"\{labels\}", ".+").replace(r"\{needs\}", ".+"))


def _write_lexicon(lexicon: Lexicon, source: SoftLexicon, path: Path) -> None:
    """Each form with its id in the vocabulary and its weight."""
    rows = [(form, source.vocab.id(form), source.weight(form)) for form in lexicon.forms]
    path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A directory to write into, gone at the end: beside `out`, or inside it where that has to stay.

    Raises RunError where another process exports into it.
    """
    stays = _stays(out)
    if stays:
        hold(out, EXPORT.noun)
        for left in _left(out):  # of exports that were killed
            shutil.rmtree(left, ignore_errors=True)
    folder = temporary_path((out if stays else out.absolute().parent) / (_WITHIN if stays else out.name))
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise write_error(out, error) from error
    try:
        inside = folder / "model"
        inside.mkdir()  # with the mode that the umask gives: that of `folder` is private
        yield inside
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_WITHIN = "export"
"""What directories are called after in which a model is written inside `out`."""


def _left(out: Path) -> list[Path]:
    """The workshops in a directory."""
    return [path for path, name in temporary_files(out).items() if name == _WITHIN] if out.is_dir() else []


def _require_whole(out: Path) -> None:
    """Raise RunError where an export was killed while it replaced a model: what is left of that is the only copy."""
    for left in _left(out):
        if any((left / _OLD).glob("*")):
            raise RunError(
                f"{left / _OLD}: an export was killed while it replaced the model of these files; move them back or "
                f"elsewhere, remove {left}, and export again"
            )


def _stays(out: Path) -> bool:
    """Must this directory stay the one that it is, and only be filled?

    So must one that a file system is mounted on, and the working directory, of which a shell or a server would be left
    with what is gone. An empty one may as well.
    """
    if not out.is_dir():
        return False
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it is gone
        here = Path()
    empty = not {*out.iterdir()} - {*temporary_files(out)}
    return empty or out.is_mount() or out == here or out in here.parents


_OLD = "old"
"""What the directory of the files that are replaced is called, in a workshop."""


def _put_in_place(folder: Path, options: ExportOptions) -> None:
    """Put a whole directory where another may be.

    A kill leaves the old one, the new one, or for an instant none; of one that stays the files that were replaced may
    then lie in the workshop, which the next export names.
    """
    EXPORT.check(options.out, overwrite=options.overwrite)
    out, old = options.out.resolve(), folder.parent / _OLD  # a link stays a link
    try:
        share(*(path for path in folder.iterdir() if path.is_file()))
        if folder.parent.parent == out:
            _fill(out, folder, old)
            return
        if out.is_dir():
            out.rename(old)  # goes with the temporary directory
        try:
            folder.rename(out)
        except OSError:
            if old.is_dir():
                old.rename(out)
            raise
    except OSError as error:
        raise write_error(options.out, error) from error


def _fill(out: Path, folder: Path, old: Path) -> None:
    """Put the files of a directory in place of those of `out`, which go to `old`; its settings go first, come last."""
    old.mkdir()
    moved: list[Path] = []
    try:
        for file in sorted(out.iterdir(), key=lambda file: file.name != runtime.SETTINGS):
            if file != folder.parent and file.name not in (*OF_DESKTOPS, *EXPORT.beside):
                file.rename(old / file.name)
        for file in sorted(folder.iterdir(), key=lambda file: file.name == runtime.SETTINGS):
            moved.append(file.rename(out / file.name))
    except OSError:
        for file in moved:
            file.unlink(missing_ok=True)
        for file in old.iterdir():
            file.rename(out / file.name)
        raise


# ---- how it compares


def _example(built: AnyBuilt) -> dict[str, torch.Tensor]:
    """Inputs of three sentences of different lengths, with no size of 0 or 1, which would be taken for constants."""
    words = list(islice(_words_known(built), 7)) or ["a"]
    some = [(words * 7)[:length] for length in (7, 4, 2)]
    inputs = built.featurizer.collate([built.featurizer.features(sentence) for sentence in some])
    encoder = built.tagger.encoder.innermost()
    unused = UNUSED[encoder.pooling] if isinstance(encoder, PretrainedEncoder) else ()
    return {name: tensor for name, tensor in inputs.items() if name not in unused}


def _words_known(built: AnyBuilt) -> Iterator[str]:
    """Words that the model knows, as they are in its vocabulary."""
    base = built.base
    if isinstance(base, WordFeaturizer):
        return iter(base.vocabs["words"].forms)
    assert isinstance(base, PieceFeaturizer)
    special = set(base.tokenizer.all_special_ids)
    pieces = (piece for piece in sorted(base.tokenizer.get_vocab().values()) if piece not in special)
    words = (str(base.tokenizer.decode([piece])).strip() for piece in pieces)
    return (word for word in words if word)


def _sentences(run: Path, built: AnyBuilt, gold: Sequence[Sentence]) -> tuple[list[Sequence[str]], bool]:
    """Sentences to compare on, and whether they are real: those given, of files that the run was trained with where
    these are still there, else made of words that the model knows.
    """
    found: list[Sequence[str]] = [sentence.words for sentence in gold] or _of_inputs(run, built)
    if found:
        return found[:LIKE], True
    random, words = np.random.default_rng(1), list(islice(_words_known(built), 5000)) or ["a"]
    lengths = random.integers(1, 40, LIKE)
    return [[words[index] for index in random.integers(0, len(words), length)] for length in lengths], False


def _of_inputs(run: Path, built: AnyBuilt) -> list[Sequence[str]]:
    """Sentences of the labelled files that `inputs.json` names, where they are what they were; else none."""
    try:
        inputs = read_json(run / INPUTS, "")
        files = [file for role in ("dev", "gold", "train") for file in inputs.get(role, ())]
        paths = [
            Path(file["name"])
            for file in files
            if Path(file["name"]).is_file() and sha256_of(Path(file["name"])) == file["sha256"]
        ]
        quiet = Reporter(quiet=True)
        corpora = (
            read_labelled([path], "", ReadOptions(), quiet, known=built.info.cutting, keep_nested=True)[0]
            for path in paths
        )
        return [sentence.words for sentence in islice(chain.from_iterable(corpora), LIKE) if sentence.words]
    except (NerDistillError, OSError, KeyError, TypeError, AttributeError):
        return []


def _require_same_scores(built: AnyBuilt, tagger: runtime.Tagger, sentences: Sequence[Sequence[str]]) -> float:
    """Returns the greatest difference of a score from the run's. Raises RunError where it is more than `NEAR`."""
    from ner_distill.pipelines.exporting.graph import ScoreGraph

    farthest = 0.0
    for words in sentences[:: max(1, len(sentences) // 50)]:
        features = built.featurizer.features(words)
        if built.featurizer.in_windows(features) or not words:
            continue
        inputs = built.featurizer.collate([features])
        with torch.inference_mode():
            expected = ScoreGraph(built.tagger, list(inputs))(*inputs.values()).numpy()
        found = tagger.scores([runtime.Part(words, 0, len(words))])
        counted = expected > np.finfo(expected.dtype).min / 2
        scale = max(1.0, float(np.abs(expected[counted]).max(initial=0.0)))
        # not max(), which takes any number for more than NaN
        farthest = float(np.maximum(farthest, np.abs(expected - found)[counted].max(initial=0.0) / scale))
    if not farthest <= NEAR:  # NaN included
        raise RunError(
            f"the exported model gives other scores than the run (difference {farthest:.2g}, expected {NEAR:g} or "
            "less); nothing was written. This is a fault of ner-distill or of a library: please report it"
        )
    return farthest


Places = list[tuple[int, int, str]]


def _of_run(built: AnyBuilt, sentences: Sequence[Sequence[str]]) -> list[Places]:
    features = [built.featurizer.features(words) for words in sentences]
    found = find_entities(built.tagger, built.featurizer, built.info.tagset, features, scores=False)
    return [sorted((span.start, span.end, span.label) for span, _ in own) for own in found]


def _of_tagger(tagger: runtime.Tagger, sentences: Sequence[Sequence[str]]) -> list[Places]:
    return [sorted((start, end, label) for start, end, label, _ in own) for own in tagger.found(sentences)]


def _compared(
    built: AnyBuilt, tagger: runtime.Tagger, gold: Sequence[Sentence], options: ExportOptions
) -> tuple[float, float]:
    """F1 of the run and of the exported model. Raises RunError where int8 lost too much."""
    data = DevelopmentSet(gold, built.featurizer, built.info.tagset)
    found = [
        [(Span(start, end, label), score) for start, end, label, score in own]
        for own in tagger.found([sentence.words for sentence in data.sentences])
    ]
    before, after = data.scores(built.tagger).micro.f1, data.scores_of(found).micro.f1
    if options.int8 and 100 * (before - after) > options.most_lost:
        raise RunError(
            f"{options.run}: `int8` loses {100 * (before - after):.2f} points of F1 ({100 * before:.2f} → "
            f"{100 * after:.2f}), more than `most_lost` {options.most_lost:g}; nothing was written. Export it without "
            "`int8`, or allow more"
        )
    return before, after
