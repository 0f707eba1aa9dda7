"""A student of somebody else's model, without one label of ours: how much of the model it keeps, and how fast it is.

    python -m benchmarks.foreign --teacher spacy:DIR --text RAW --test LABELLED [--map THEIRS=OURS]... --out OUT

labels the text with the teacher (or with several: their mean), trains a student for each seed on the answers alone (the
epoch that agrees best with the teacher is kept: nothing of ours has a label), exports it, and prints the exact-span F1
of each pipeline and of the students on the words of --test, their megabytes, and the sentences a second of CPU time on
one thread: of a spaCy pipeline with all its components and with those alone that its entities need, of the student as
it is exported.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ner_distill import tagger
from ner_distill.config import StudentConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.metrics import score
from ner_distill.data.sentence import Sentence, Span
from ner_distill.options.exporting import ExportOptions
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.options.shared import ReadOptions
from ner_distill.options.training import StudentOptions
from ner_distill.pipelines.exporting.export import export
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.pipelines.train_student import train_student

Answer = Callable[[Sequence[Sentence]], list[list[Span]]]


def main() -> None:
    """Label, train a student for each seed, and print a row for each teacher and one for the students."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", action="append", required=True, help="as of label-unlabeled; repeatable")
    parser.add_argument("--map", action="append", default=[], metavar="THEIRS=OURS")
    for name in ("text", "test", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--limit", type=int, default=0, help="sentences of the text; 0: all")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="of the students")
    given = parser.parse_args()
    test = read_labelled([given.test], "`test`", ReadOptions(), Reporter(quiet=True))[0]
    print(f"{'':44} {'F1':>12} {'MB':>6} {'sentences/s':>12}", flush=True)
    renamed = dict(pair.split("=", 1) for pair in given.map)
    for teacher in given.teacher:
        if teacher.startswith("spacy:"):
            _print_pipeline(teacher.removeprefix("spacy:"), renamed, test)
    store = given.out / "store"
    if not (store / "manifest.json").is_file():
        label_unlabeled(
            LabelUnlabeledOptions(
                teacher=given.teacher, text=[given.text], out=store, map=tuple(given.map), limit=given.limit
            )
        )
    scores, rates, size = [], [], 0.0
    for seed in given.seeds:
        run, exported = given.out / f"student-{seed}", given.out / f"exported-{seed}"
        if not exported.exists():
            config = load_config(StudentConfig, None, [f"seed={seed}", f"optim.epochs={given.epochs}", *given.settings])
            train_student(config, StudentOptions(soft=store, out=run, overwrite=run.exists()))
            export(ExportOptions(run=run, out=exported))
        model = tagger.load(exported)
        found, rate = _timed(lambda sentences: _found_by_us(model, sentences), test)  # noqa: B023
        scores.append(_f1(test, found))
        rates.append(rate)
        size = (exported / "model.onnx").stat().st_size / 1e6
    spread = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
    _print(f"students, seeds {given.seeds}", f"{statistics.mean(scores):.1f}{spread}", size, statistics.median(rates))


def _print_pipeline(path: str, renamed: dict[str, str], test: Sequence[Sentence]) -> None:
    """The F1 of a spaCy pipeline on the words of the file, and its speed, with all components and with two."""
    import spacy

    size = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file()) / 1e6
    for name, enabled in {"all components": None, "tok2vec and ner": ["tok2vec", "ner"]}.items():
        nlp = spacy.load(path) if enabled is None else spacy.load(path, enable=enabled)
        found, rate = _timed(lambda sentences: _found_by_spacy(nlp, sentences, renamed), test)  # noqa: B023
        _print(f"{Path(path).name}, {name}", f"{_f1(test, found):.1f}", size, rate)


def _print(name: str, f1: str, size: float, rate: float) -> None:
    print(f"{name:44} {f1:>12} {size:6.1f} {rate:12,.0f}", flush=True)


def _timed(answer: Answer, test: Sequence[Sentence]) -> tuple[list[list[Span]], float]:
    answer(test[:20])
    start = time.process_time()
    found = answer(test)
    return found, len(test) / (time.process_time() - start)


def _f1(test: Sequence[Sentence], found: Sequence[Sequence[Span]]) -> float:
    labels = sorted({span.label for sentence in test for span in sentence.spans or ()})
    return 100 * score([sentence.exact for sentence in test], found, labels).micro.f1


def _found_by_us(model: tagger.Tagger, test: Sequence[Sentence]) -> list[list[Span]]:
    found = model.predict_words([sentence.words for sentence in test])
    return [[Span(one.start, one.end, one.label) for one in own] for own in found]


def _found_by_spacy(nlp: object, test: Sequence[Sentence], renamed: dict[str, str]) -> list[list[Span]]:
    """On the words of the file, as ours. renamed: their types in our names; without any they stay as they are."""
    from spacy.language import Language
    from spacy.tokens import Doc

    assert isinstance(nlp, Language)
    docs = nlp.pipe(Doc(nlp.vocab, words=list(sentence.words)) for sentence in test)
    named = [[(one.start, one.end, renamed.get(one.label_) if renamed else one.label_) for one in d.ents] for d in docs]
    return [[Span(start, end, label) for start, end, label in own if label] for own in named]


if __name__ == "__main__":
    main()
