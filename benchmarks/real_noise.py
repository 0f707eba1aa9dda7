"""Wrong labels that really were published: CoNLL-2003 English, and who finds what CoNLL++ corrected in its test set.

    python -m benchmarks.real_noise [--seeds 13] [--full] [--out DIR] [--set KEY=VALUE]

`vote-labels` runs over train + dev + test; sentences of the test set are ranked by how suspicious they are, and the
truth is whether `test.corrected.txt` changed one. Printed are precision among the first 200 and average precision: of
ours (a sentence is as suspicious as its most suspicious entity), and of cleanlab's token classification on the same
held-out probabilities. Finished folds in --out are used again. cleanlab is no dependency: `pip install cleanlab`.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.noise import cleanlab_scores, held_out_probs
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, labels_of
from ner_distill.data.tagset import TagSet
from ner_distill.options.labels import VoteOptions
from ner_distill.pipelines.voting.vote_labels import vote_labels, voting_config

FIRST = 200


def labelled(file: Path) -> list[Sentence]:
    """Its sentences, without the marks of documents."""
    found = read_corpus([file]).sentences
    return [one for one in found if one.spans is not None and one.words[:1] != ("-DOCSTART-",)]


def figures(changed: Sequence[bool], scores: Sequence[float]) -> tuple[float, float]:
    """Precision among the first, and average precision."""
    from sklearn.metrics import average_precision_score

    ranked = sorted(range(len(scores)), key=lambda index: -scores[index])[:FIRST]
    return sum(changed[index] for index in ranked) / FIRST, float(average_precision_score(changed, scores))


def main() -> None:
    """Vote, rank, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("NER_DISTILL_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data, help="default: $NER_DISTILL_DATA")
    parser.add_argument("--out", type=Path, default=Path("runs/real-noise"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[13])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="teachers of the usual size and epochs, not small ones")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="as of vote-labels")
    given = parser.parse_args()
    folder = given.data / "conll/en"
    parts = {name: labelled(folder / f"{name}.txt") for name in ("train", "dev", "test")}
    corrected = labelled(folder / "test.corrected.txt")
    assert [one.words for one in corrected] == [one.words for one in parts["test"]]
    changed = [set(one.spans or ()) != set(two.spans or ()) for one, two in zip(parts["test"], corrected, strict=True)]
    every = [one for part in parts.values() for one in part]
    given.out.mkdir(parents=True, exist_ok=True)
    write_jsonl(every, given.out / "all.jsonl", overwrite=True)
    print(f"{len(every):,} sentences, {len(changed):,} of the test set, {sum(changed)} of them corrected")
    tagset = TagSet(labels_of(every))
    tags = [tagset.encode(one.spans or (), len(one.words)) for one in every]
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "cleanlab": []}
    for seed in given.seeds:
        out = given.out / f"{'full' if given.full else 'fast'}-{seed}"
        config = voting_config(None, [f"seed={seed}", *given.settings], fast=not given.full)
        options = VoteOptions(
            train=[given.out / "all.jsonl"], out=out, folds=given.folds, repeats=given.repeats, fast=not given.full,
            jobs=given.jobs, resume=(out / "voting.json").is_file(),
        )  # fmt: skip
        voting = vote_labels(config, options)
        ours = [max((one.suspicion for one in own), default=0.0) for own in voting.entities]
        theirs, _ = cleanlab_scores(tags, held_out_probs(out, every, tagset.labels))
        for name, scores in (("ours", ours), ("cleanlab", theirs)):
            found[name].append(figures(changed, scores[-len(changed) :]))
    for name, pairs in found.items():
        cells = []
        for what, values in zip((f"precision at {FIRST}", "average precision"), zip(*pairs, strict=True), strict=True):
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{what} {statistics.mean(values):.3f}{spread}")
        print(f"{name:10}", ", ".join(cells), flush=True)


if __name__ == "__main__":
    main()
