"""Peak memory of `label-unlabeled` over a text as sentences and over the same words as one line:
`python -m benchmarks.long_line [--words 200000] [--epochs 2] [--only scratch-tags ...]`.

Each labelling is a process of its own. The teachers are trained on the generated English sample for a few epochs: of
one that was never trained every second span is likely. The text is the sample's training sentences, in random order, as
often as needed. The last column says how many of the words' best tags (of a pointer: likely spans) are the same.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import checkpoints, common
from benchmarks.memory import peak
from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.sample.corpus import write_sample
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.train_teacher import train_teacher

HEADS = {"tags": "crf", "pointer": "global-pointer"}


def text_of(train: Path, words: int) -> list[str]:
    """Sentences of the training file, as text, until they have so many words."""
    sentences = [
        " ".join(line.split()[0] for line in sentence.splitlines())
        for sentence in train.read_text("utf-8").strip().split("\n\n")
    ]
    rng, taken, number = random.Random(13), list[str](), 0
    while number < words:
        taken.append(rng.choice(sentences))
        number += len(taken[-1].split())
    return taken


def teacher_of(place: Path, sample: Path, encoder: str, head: str, epochs: int) -> Path:
    """A small teacher that was trained on the sample."""
    keys = [f"head.kind={HEADS[head]}", f"optim.epochs={epochs}"]
    if encoder == "pretrained":
        lines = text_of(sample / "train.conll", 20_000)
        base = checkpoints.bert(place / "bert", lines, layers=2, hidden=64, heads=4, vocabulary=4000)
        keys += [f"encoder.name={base}", "optim.lr=1e-3"]
    options = TeacherOptions(train=[sample / "train.conll"], dev=[sample / "dev.conll"], out=place / "run")
    train_teacher(load_config(TeacherConfig, None, keys), options, Reporter(quiet=True))
    return place / "run"


def same(sentences: Path, line: Path) -> float:
    """Share of what the sentences' store says that the line's says too: spans more likely than not, or best tags."""
    shorter, longer = SoftLabelStore.open(sentences), SoftLabelStore.open(line)
    (row,) = longer.iter_rows()
    first, wanted, equal = 0, set[tuple[int, ...]](), 0
    # the rows of a store are in the order of batches
    for own in sorted(shorter.iter_rows(), key=lambda row: int(row.id.rpartition(":")[2])):
        if own.spans is not None:
            likely = own.spans[own.spans["score"] > 0.5]
            wanted |= {(first + start, first + end, label) for start, end, label, _ in likely.tolist()}
        equal += int((own.probs.argmax(1) == row.probs[first : first + len(own.words)].argmax(1)).sum())
        first += len(own.words)
    if row.spans is None:
        return equal / first
    likely = row.spans[row.spans["score"] > 0.5]
    found = {(start, end, label) for start, end, label, _ in likely.tolist()}
    print(
        f"  spans: {len(wanted):,} in sentences, {len(found):,} in the line, {len(wanted & found):,} of both; "
        f"longest {int(np.max(likely['end'] - likely['start'], initial=0))} words"
    )
    return len(wanted & found) / max(1, len(wanted))


def main() -> None:
    """Print the peaks and their ratio."""
    ways = [f"{encoder}-{head}" for encoder in ("scratch", "pretrained") for head in HEADS]
    parser = common.arguments(__doc__)
    parser.add_argument("--words", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=ways, default=ways)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_sample(place / "sample")
        sample = place / "sample" / "en"
        sentences = text_of(sample / "train.conll", given.words)
        texts = {"sentences": "\n".join(sentences), "line": " ".join(sentences)}
        for form, text in texts.items():
            (place / f"{form}.txt").write_text(f"{text}\n", "utf-8")
        print(f"{'teacher':<20} {'sentences':>13} {'one line':>13} {'ratio':>7} {'same':>7}")
        for way in given.only:
            encoder, head = way.split("-")
            teacher = teacher_of(place / way, sample, encoder, head, given.epochs)
            stores = {form: place / way / form for form in texts}
            low, high = (peak(teacher, place / f"{form}.txt", given.threads, store) for form, store in stores.items())
            share = same(*stores.values())
            print(f"{way:<20} {low:9,.0f} MiB {high:9,.0f} MiB {high / low:7.3f} {share:7.3f}", flush=True)


if __name__ == "__main__":
    main()
