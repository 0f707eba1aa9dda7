"""Students with all pieces of an encoder, and with those of their text alone, for each kind of tokenizer:
`python -m benchmarks.vocabulary --train FILE --dev FILE --test FILE --text FILE [--encoder DIRECTORY]`.

The encoders are small ones of random weights, whose 20,000 pieces (WordPiece, byte-level BPE, Unigram) are learned from
--text; --encoder is one of another's making, of which a student has all layers. Each student learns from the labelled
sentences alone, three ways: whole, cut, and with 4,000 new pieces. Printed: pieces, parameters, test F1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import trainings
from ner_distill.nn.encoders.backbone import embedding_of
from ner_distill.pipelines.evaluate import score_model
from ner_distill.runs.build import load_run
from ner_distill.runtime.inference import parameters_of
from tests import checkpoints

PIECES = 20_000
KINDS: dict[str, Callable[..., Path]] = {
    "WordPiece": checkpoints.bert,
    "byte-level BPE": checkpoints.roberta,
    "Unigram": checkpoints.xlm_roberta,
}
WAYS = {"whole": [], "cut": ["init.vocabulary=cut"], "learned": ["init.vocabulary=4000"]}
SMALL = {"layers": 2, "hidden": 128, "heads": 4}


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("train", "dev", "test", "text"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/vocabulary"))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    lines = given.text.read_text("utf-8").splitlines()
    encoders = {}
    for kind, build in KINDS.items():
        encoders[kind] = given.out / kind.replace(" ", "-")
        if not encoders[kind].exists():
            build(encoders[kind], lines, vocabulary=PIECES, **SMALL)
    rates = dict.fromkeys(encoders, "1e-3")
    if given.encoder:
        encoders[given.encoder.name], rates[given.encoder.name] = given.encoder, "1e-4"
    print("| tokenizer | way | pieces | parameters | test F1 |\n| --- | --- | ---: | ---: | ---: |")
    for kind, encoder in encoders.items():
        for way, settings in WAYS.items():
            optim = [f"optim.epochs={given.epochs}", f"optim.lr={rates[kind]}", f"seed={given.seed}"]
            run = given.out / f"{encoder.name}-{way}-{given.seed}"
            trainings.train_student(run, None, given.dev, [given.train], [f"encoder.name={encoder}", *optim, *settings])
            built = load_run(run)
            score = 100 * score_model(built, trainings.read_test(given.test, "word")).micro.f1
            pieces = len(embedding_of(built.tagger.encoder.innermost().backbone).weight)
            size = parameters_of(built.tagger)
            print(f"| {kind} | {way} | {pieces:,} | {size:,} | {score:.1f} |", flush=True)


if __name__ == "__main__":
    main()
