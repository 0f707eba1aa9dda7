"""Planted label noise, and who finds it: `python -m benchmarks.noise resume|conll-en [--limit N] [--full]`.

A share of the entities gets a wrong label, in equal parts: its type swapped, a border moved, dropped, invented. Then
`vote-labels` ranks what it suspects, against cleanlab's token classification on the same held-out probabilities (the
mean over the repeats). Printed are average precisions, each with all that was planted as the truth:

    entities    given and found ones: is it not in the true data (given), or is it (found)? cleanlab: by its worst word;
                what was planted and is no candidate counts as ranked last
    sentences   does it hold a planted error? Ours: by its most suspicious entity; cleanlab: its own score
    words       is the tag not the true one? Ours: by the most suspicious entity on it; cleanlab: its own score

With --regain ACTION… teachers are then trained on the true data, on that with the errors, and on what vote-labels makes
of it with these actions: F1 on the test set (mean ± standard deviation over --seeds), and how much of what the errors
cost each regains. The true development set chooses the checkpoint of all of them alike.

cleanlab is no dependency of the project: `pip install cleanlab`. Finished folds and runs in --out are used again.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import trainings
from ner_distill.data.batching import plan_batches
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Span, labels_of
from ner_distill.data.tagset import TagSet
from ner_distill.options.shared import Action
from ner_distill.pipelines.evaluate import score_model
from ner_distill.pipelines.voting.vote_labels import Voting
from ner_distill.runs.build import load_run
from ner_distill.runtime.inference import budget_of

CORPORA = {"resume": "resume/{}.char.bmes", "conll-en": "conll/en/{}.txt"}
KINDS = ("swapped", "moved", "dropped", "invented")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Planted:
    """An error: `before` is the true entity, `after` what stands in its place; None where there is none."""

    id: str
    kind: str
    before: Span | None
    after: Span | None


def plant(sentences: Sequence[Sentence], share: float, seed: int) -> tuple[list[Sentence], list[Planted]]:
    """The sentences with errors in so large a share of their entities (of flat data), and what was done.

    A quarter of these errors is of each of KINDS, as far as there is room; where there are fewer than two types none is
    swapped. An entity has one error at most; what is invented touches no entity and is as long as entities are.
    """
    rng = random.Random(seed)
    labels = labels_of(sentences)
    spans = {sentence.id: set(sentence.spans or ()) for sentence in sentences}
    places = [(sentence, span) for sentence in sentences for span in sentence.spans or ()]
    kinds = [kind for kind in KINDS if kind != "swapped" or len(labels) > 1]
    wanted = round(share * len(places))
    planted: list[Planted] = []
    lengths = [span.end - span.start for _, span in places]
    counts = Counter(kinds[number % len(kinds)] for number in range(wanted))
    for sentence, span in rng.sample(places, len(places)):
        kind = next((one for one in kinds if one != "invented" and counts[one] > 0), None)
        if kind is None:
            break
        own = spans[sentence.id]
        after: Span | None = None
        if kind == "swapped":
            after = replace(span, label=rng.choice([label for label in labels if label != span.label]))
        elif kind == "moved" and (after := _moved(sentence, span, own, rng)) is None:
            continue
        own.remove(span)
        own |= {after} if after else set()
        planted.append(Planted(sentence.id, kind, span, after))
        counts[kind] -= 1
    for sentence in rng.choices(sentences, k=20 * wanted):
        taken = spans[sentence.id] | set(sentence.spans or ())
        if counts["invented"] > 0 and (made := _invented(sentence, taken, lengths, labels, rng)):
            spans[sentence.id].add(made)
            planted.append(Planted(sentence.id, "invented", None, made))
            counts["invented"] -= 1
    return [replace(one, spans=tuple(sorted(spans[one.id]))) for one in sentences], planted


def _moved(sentence: Sentence, span: Span, others: set[Span], rng: random.Random) -> Span | None:
    """One border one word further in or out, where there is room."""
    moves = [(span.start + by, span.end) for by in (-1, 1)] + [(span.start, span.end + by) for by in (-1, 1)]
    free = [
        Span(start, end, span.label)
        for start, end in moves
        if 0 <= start < end <= len(sentence.words)
        and all(end <= other.start or other.end <= start for other in others - {span})
    ]
    return rng.choice(free) if free else None


def _invented(
    sentence: Sentence, taken: set[Span], lengths: Sequence[int], labels: Sequence[str], rng: random.Random
) -> Span | None:
    length = rng.choice(lengths)
    starts = [
        start
        for start in range(len(sentence.words) - length + 1)
        if all(start + length <= other.start or other.end <= start for other in taken)
    ]
    return Span(start := rng.choice(starts), start + length, rng.choice(labels)) if starts else None


# ---- who finds it


@dataclass(frozen=True)
class Ranking:
    """Scores of things, the higher the more suspicious, and which of them are errors. missing: errors not ranked."""

    errors: list[bool]
    scores: list[float]
    missing: int = 0

    def average_precision(self) -> float:
        """What was not ranked comes last."""
        from sklearn.metrics import average_precision_score

        last = min(self.scores, default=0.0) - 1
        errors, scores = [*self.errors, *[True] * self.missing], [*self.scores, *[last] * self.missing]
        return float(average_precision_score(errors, scores)) if any(errors) else 0.0


def held_out_probs(out: Path, sentences: Sequence[Sentence], labels: tuple[str, ...]) -> list[Floats]:
    """For each sentence (words, tags): the mean over the repeats of the models that did not see it."""
    tags = TagSet(labels).tags
    sums = {one.id: np.zeros((len(one.words), len(tags))) for one in sentences}
    asked: Counter[str] = Counter()
    for data in sorted((out / "folds").glob("*.data")):
        built: Any = load_run(data.with_suffix(""))
        columns = [tags.index(tag) for tag in built.info.tagset.tags]
        held = read_corpus([data / "held-out.jsonl"]).sentences
        features = [built.featurizer.features(one.words) for one in held]
        sizes = [built.featurizer.size(item) for item in features]
        for indices in plan_batches(sizes, budget=budget_of(torch.device("cpu")), seed=None):
            with torch.inference_mode():
                probs = built.tagger(built.featurizer.collate([features[index] for index in indices])).exp().numpy()
            for index, row in zip(indices, probs, strict=True):
                sums[held[index].id][:, columns] += row[: len(held[index].words)]
                asked[held[index].id] += 1
    return [sums[one.id] / asked[one.id] for one in sentences]


def cleanlab_scores(labels: list[list[int]], probs: list[Floats]) -> tuple[list[float], list[list[float]]]:
    """cleanlab's suspicion (1 − its label quality) of sentences and of words."""
    try:
        from cleanlab.token_classification.rank import get_label_quality_scores
    except ImportError:
        raise SystemExit("this comparison needs cleanlab: pip install cleanlab") from None
    whole, words = get_label_quality_scores(labels, probs)
    return [1 - float(one) for one in whole], [[1 - float(one) for one in row] for row in words]


def rankings(
    true: Sequence[Sentence], noisy: Sequence[Sentence], voting: Voting, probs: list[Floats]
) -> dict[str, tuple[Ranking, Ranking]]:
    """Ours and cleanlab's, of entities, sentences and words."""
    tagset = TagSet(labels_of(true))
    tags = [[tagset.encode(one.spans or (), len(one.words)) for one in some] for some in (true, noisy)]
    theirs, their_words = cleanlab_scores(tags[1], probs)
    entities: list[tuple[bool, float, float]] = []
    words: list[tuple[bool, float, float]] = []
    whole: list[tuple[bool, float, float]] = []
    missing = 0
    for number, (good, bad, found) in enumerate(zip(true, noisy, voting.entities, strict=True)):
        gold, given = set(good.spans or ()), set(bad.spans or ())
        missing += len(gold - given - {one.span for one in found})
        own = np.zeros(len(good.words))
        for one in found:
            part = slice(one.span.start, one.span.end)
            own[part] = np.maximum(own[part], one.suspicion)
            entities.append(((one.span in gold) != one.given, one.suspicion, max(their_words[number][part])))
        wrong = [before != after for before, after in zip(tags[0][number], tags[1][number], strict=True)]
        words += zip(wrong, own.tolist(), their_words[number], strict=True)
        whole.append((gold != given, max((one.suspicion for one in found), default=0.0), theirs[number]))
    return {
        name: (
            Ranking([item[0] for item in items], [item[1] for item in items], lost),
            Ranking([item[0] for item in items], [item[2] for item in items], lost),
        )
        for name, items, lost in (("entities", entities, missing), ("sentences", whole, 0), ("words", words, 0))
    }


def found_by_kind(planted: Sequence[Planted], noisy: Sequence[Sentence], voting: Voting) -> Mapping[str, float]:
    """For each kind the share of its errors among as many of the most suspicious entities as errors were planted."""
    ranked = sorted(
        (
            (one.suspicion, sentence.id, one.span)
            for sentence, found in zip(noisy, voting.entities, strict=True)
            for one in found
        ),
        reverse=True,
    )
    first = {(id, span) for _, id, span in ranked[: len(planted)]}
    hits = Counter(one.kind for one in planted if {(one.id, one.after), (one.id, one.before)} & first)
    total = Counter(one.kind for one in planted)
    return {kind: hits[kind] / total[kind] for kind in KINDS if total[kind]}


# ---- and what it is worth


def file_of(given: argparse.Namespace, part: str) -> Path:
    """Of train, dev or test."""
    path: Path = given.data / CORPORA[given.corpus].format(part)
    return path


def regain(given: argparse.Namespace, out: Path, vote: Callable[[str], Voting]) -> None:
    """Print what teachers reach on the true data, on the noisy data, and on that after each action."""
    test = trainings.read_test(file_of(given, "test"), "word")
    files = {"true": out / "true.jsonl", "noisy": out / "noisy.jsonl"}
    for action in given.regain:
        vote(action)
        files[action] = out / f"{action}-{given.threshold}.jsonl"
        shutil.copy(out / "votes" / "cleaned.jsonl", files[action])
    reached: dict[str, float] = {}
    for name, file in files.items():
        scores = []
        for seed in given.seeds:
            run = out / f"teacher-{file.stem}-{seed}"
            trainings.train_teacher(run, file, file_of(given, "dev"), [f"seed={seed}", *given.teacher])
            scores.append(100 * score_model(load_run(run), test).micro.f1)
        reached[name] = statistics.mean(scores)
        cost = reached["true"] - reached.get("noisy", reached["true"])
        share = f", {(reached[name] - reached['noisy']) / cost:.0%} regained" if name in given.regain else ""
        print(f"{name:<20}{trainings.mean_and_deviation(scores)}{share}", flush=True)


def main() -> None:
    """Plant, vote, compare, print."""
    parser = trainings.arguments(__doc__, "noise")
    trainings.add_voting_arguments(parser)
    parser.add_argument("corpus", choices=CORPORA)
    parser.add_argument("--limit", type=int, default=0, help="so many sentences, drawn at random; 0: all")
    parser.add_argument("--share", type=float, default=0.2, help="of the entities, that get an error")
    parser.add_argument("--seed", type=int, default=13, help="of the errors and of the voting")
    parser.add_argument("--threshold", type=float, default=0.95, help="of vote-labels, for --regain")
    parser.add_argument(
        "--regain", nargs="+", default=[], choices=get_args(Action), help="actions that teachers are trained on"
    )
    parser.add_argument("--teacher", action="append", default=[], metavar="KEY=VALUE", help="settings of these")
    given = parser.parse_args()
    true = [one for one in read_corpus([file_of(given, "train")]).sentences if one.spans is not None]
    if given.limit:
        true = random.Random(given.seed).sample(true, min(given.limit, len(true)))
    noisy, planted = plant(true, given.share, given.seed)
    size = "full" if given.full else "fast"
    out = given.out / f"{given.corpus}-{len(true)}-{given.share}-{given.seed}-{size}"
    out.mkdir(parents=True, exist_ok=True)
    write_jsonl(noisy, out / "noisy.jsonl", overwrite=True)
    write_jsonl(true, out / "true.jsonl", overwrite=True)

    def vote(action: str) -> Voting:
        return trainings.voting(
            out / "noisy.jsonl", out / "votes", given, seed=given.seed, action=action, threshold=[str(given.threshold)]
        )

    voting = vote("relabel")
    probs = held_out_probs(out / "votes", noisy, labels_of(true))
    counts = ", ".join(f"{kind} {count}" for kind, count in Counter(one.kind for one in planted).items())
    print(f"{given.corpus}: {len(true):,} sentences, {len(planted):,} errors ({counts})")
    print(f"{given.folds} folds × {given.repeats}, {size}, seed {given.seed}, {' '.join(given.settings)}")
    print(f"{'average precision':<20}{'ours':>8}{'cleanlab':>10}")
    for name, pair in rankings(true, noisy, voting, probs).items():
        ours, theirs = (ranking.average_precision() for ranking in pair)
        print(f"{name:<20}{ours:>8.3f}{theirs:>10.3f}")
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in found_by_kind(planted, noisy, voting).items())
    print(f"found among the first {len(planted):,}: {shares}", flush=True)
    if given.regain:
        regain(given, out, vote)


if __name__ == "__main__":
    main()
