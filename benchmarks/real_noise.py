"""Wrong labels that really were published: CoNLL-2003 English, and who finds what CoNLL++ corrected in its test set.

    python -m benchmarks.real_noise [--seeds 13] [--full] [--out DIR] [--set KEY=VALUE]

`vote-labels` runs over train + dev + test; sentences of the test set are ranked by how suspicious they are, and the
truth is whether `test.corrected.txt` changed one. Printed are precision among the first 200 and average precision: of
ours (a sentence is as suspicious as its most suspicious entity), and of cleanlab's token classification on the same
held-out probabilities. Finished folds in --out are used again. cleanlab is no dependency: `pip install cleanlab`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import trainings
from benchmarks.noise import cleanlab_scores, held_out_probs
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, labels_of
from ner_distill.data.tagset import TagSet

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
    parser = trainings.arguments(__doc__, "runs/real-noise", seeds=[13])
    trainings.add_voting_arguments(parser)
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
        voting = trainings.voting(given.out / "all.jsonl", out, given, seed=seed)
        ours = [max((one.suspicion for one in own), default=0.0) for own in voting.entities]
        theirs, _ = cleanlab_scores(tags, held_out_probs(out, every, tagset.labels))
        for name, scores in (("ours", ours), ("cleanlab", theirs)):
            found[name].append(figures(changed, scores[-len(changed) :]))
    for name, pairs in found.items():
        cells = []
        for what, values in zip((f"precision at {FIRST}", "average precision"), zip(*pairs, strict=True), strict=True):
            cells.append(f"{what} {trainings.mean_and_deviation(values, 3)}")
        print(f"{name:10}", ", ".join(cells), flush=True)


if __name__ == "__main__":
    main()
