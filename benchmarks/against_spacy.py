"""Our exported student beside spaCy's small pipeline, trained on the same labelled sentences.

    python -m benchmarks.against_spacy --exported DIR --train F --dev F --test F [--seeds 1 2 3]

prints for each: test F1, megabytes on disk, CPU seconds from nothing to the first answer, milliseconds of CPU for a
sentence alone, and sentences a second of many, on one thread. spaCy is trained by `spacy train` with the configuration
that `spacy init config --pipeline ner --optimize efficiency` writes, for the steps given; best model on --dev.
Needs spacy. The exported student is read by its own tagger.py, and nothing of this package answers for it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.metrics import score
from ner_distill.data.sentence import Sentence, Span
from ner_distill.options.shared import ReadOptions

# Runs in a process of its own: CPU seconds to the first answer, then of single sentences and of all.
TIMED = """
import json, sys, time
texts = json.load(open(sys.argv[2]))
{load}
answer(texts[:1])
first = time.process_time()
for text in texts[:200]: answer([text])
single = (time.process_time() - first) / 200
start = time.process_time()
answer(texts)
print(json.dumps([first, 1000 * single, len(texts) / (time.process_time() - start)]))
"""
OURS = """
sys.path.insert(0, sys.argv[1])
from tagger import load
model = load(sys.argv[1])
answer = model.predict
"""
SPACY = """
import spacy
model = spacy.load(sys.argv[1])
answer = lambda texts: list(model.pipe(texts, batch_size=256))
"""


def main() -> None:
    """Train spaCy once for each seed, and print a row for each of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exported", type=Path, required=True, nargs="+", help="one directory for each seed")
    for name in ("train", "dev", "test"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=1600)
    given = parser.parse_args()
    train, dev, test = (_read(getattr(given, name)) for name in ("train", "dev", "test"))
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.json"
        texts.write_text(json.dumps([" ".join(sentence.words) for sentence in test]), "utf-8")
        print(f"{'':14} {'test F1':>13} {'MB':>6} {'first answer s':>15} {'ms a sentence':>14} {'sentences/s':>12}")
        ours = [(_f1(test, _found_by_us(path, test)), path) for path in given.exported]
        _print("this project", ours, OURS, texts)
        theirs = []
        for seed in given.seeds:
            path = _train_spacy(train, dev, Path(folder) / f"spacy-{seed}", seed, given.steps)
            theirs.append((_f1(test, _found_by_spacy(path, test)), path))
        _print("spaCy", theirs, SPACY, texts)


def _print(name: str, models: Sequence[tuple[float, Path]], load: str, texts: Path) -> None:
    scores = [100 * f1 for f1, _ in models]
    spread = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
    size = statistics.mean(sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / 1e6 for _, path in models)
    timed = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", TIMED.format(load=load), path, texts], check=True, capture_output=True, text=True
            ).stdout.splitlines()[-1]
        )
        for _, path in models
    ]
    first, single, rate = (statistics.median(column) for column in zip(*timed, strict=True))
    f1 = f"{statistics.mean(scores):.1f}{spread}"
    print(f"{name:14} {f1:>13} {size:6.1f} {first:15.2f} {single:14.2f} {rate:12,.0f}", flush=True)


def _read(path: Path) -> list[Sentence]:
    return read_labelled([path], "data", ReadOptions(), Reporter(quiet=True))[0]


def _f1(test: Sequence[Sentence], found: Sequence[Sequence[Span]]) -> float:
    labels = sorted({span.label for sentence in test for span in sentence.spans or ()})
    return score([sentence.exact for sentence in test], found, labels).micro.f1


def _found_by_us(path: Path, test: Sequence[Sentence]) -> list[list[Span]]:
    from ner_distill import tagger

    found = tagger.load(path).predict_words([sentence.words for sentence in test])
    return [[Span(one.start, one.end, one.label) for one in own] for own in found]


def _found_by_spacy(path: Path, test: Sequence[Sentence]) -> list[list[Span]]:
    """On the words of the file, as ours."""
    import spacy
    from spacy.tokens import Doc

    nlp = spacy.load(path)
    docs = nlp.pipe(Doc(nlp.vocab, words=list(sentence.words)) for sentence in test)
    return [[Span(one.start, one.end, one.label_) for one in doc.ents] for doc in docs]


def _train_spacy(train: Sequence[Sentence], dev: Sequence[Sentence], out: Path, seed: int, steps: int) -> Path:
    import spacy
    from spacy.tokens import Doc, DocBin

    out.mkdir()
    nlp = spacy.blank("en")
    for name, sentences in {"train": train, "dev": dev}.items():
        docs = DocBin()
        for sentence in sentences:
            doc = Doc(nlp.vocab, words=list(sentence.words))
            doc.ents = [spacy.tokens.Span(doc, one.start, one.end, one.label) for one in sentence.exact]
            docs.add(doc)
        docs.to_disk(out / f"{name}.spacy")
    run: Callable[[Sequence[object]], object] = lambda arguments: subprocess.run(  # noqa: E731
        [sys.executable, "-m", "spacy", *map(str, arguments)], check=True, capture_output=True
    )
    run(["init", "config", out / "config.cfg", "--lang", "en", "--pipeline", "ner", "--optimize", "efficiency"])
    paths = ["--paths.train", out / "train.spacy", "--paths.dev", out / "dev.spacy"]
    run(["train", out / "config.cfg", "--output", out, *paths, "--training.max_steps", steps, "--training.seed", seed])
    return out / "model-best"


if __name__ == "__main__":
    main()
