"""Soft labels, votes on labels, their review, self-training."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.witness.registry import case
from tests.witness.shell import Shell

# ---- soft labels


@case("teacher", "token", "nested-teacher", "similarity-off")
def labels_of_several(sh: Shell) -> None:
    """Means of teachers, and their votes: those that tag words, and one that finds spans beside them."""
    text = "data/en-raw.txt"
    sh.label("teacher/teacher", "token/teacher", text=text, out="two")
    sh.label("teacher/teacher", "token/teacher", text=text, out="votes", more=["--min-votes", "2"])
    three = ("teacher/teacher", "similarity-off/teacher", "token/teacher")
    sh.label(*three, text=text, out="three", more=["--min-votes", "2", "--min-confidence", "0.4"])


@case("global-pointer", "efficient-pointer", "crf-per-type", "mrc")
def labels_of_span_teachers(sh: Shell) -> None:
    text = "data/en-raw.txt"
    several = ("global-pointer/teacher", "efficient-pointer/teacher", "crf-per-type/teacher")
    sh.label(*several, text=text, out="spans", more=["--span-floor", "0.1", "--min-votes", "2"])
    sh.label("mrc/teacher", text=text, out="one", more=["--span-floor", "0.3", "--min-confidence", "0.5"])


@case("flattened", "global-pointer")
def labels_of_tags_and_spans(sh: Shell) -> None:
    """One teacher of tags and one of spans, which know the same types."""
    both = ("flattened/teacher", "global-pointer/teacher")
    sh.label(*both, text="data/en-raw.txt", more=["--span-floor", "0.05"])


@case("teacher")
def labels_otherwise(sh: Shell) -> None:
    """Thresholds, limits, batches, formats, precision; a store that is finished is not made again."""
    run = "teacher/teacher"
    sh.label(run, text="data/en-raw.txt", out="sure", more=["--min-confidence", "0.8", "--pairs-per-sentence", "4"])
    sh.label(run, text="data/en-test.conll", out="no-pairs", more=["--pairs-per-sentence", "0", "--limit", "12"])
    sh.label(run, text="data/weighted.jsonl", out="small-batches", more=["--batch-words", "40", "--shard-size", "7"])
    sh.label(run, text="data/es-raw.txt", out="bf16", more=["--precision", "bf16"])
    for _ in range(2):
        more = ["--shard-size", "10", *(["--resume"] if Path(sh.at("again")).exists() else [])]
        sh.label(run, text="data/es-raw.txt", out="again", more=more)


@case("store", "nested-store", "lattice-store", "labels-otherwise")
def shown(sh: Shell) -> None:
    sh.run("show", "store/soft")
    sh.run("show", "store/soft", "--limit", "50", "--start", "20", "--type", "ORG")
    sh.run("show", "store/soft", "--limit", "5", "--entities-only", "--start", "40")
    sh.run("show", "labels-otherwise/sure", "--limit", "20")
    sh.run("show", "nested-store/soft", "--limit", "20")
    sh.run("show", "lattice-store/soft", "--lattice", "lattice-teacher/teacher", "--limit", "15")


# ---- votes

LIES = ("--train", "data/en-lies.conll")
TWICE = ("--folds", "2", "--repeats", "2")


@case(first=True)
def votes(sh: Shell) -> None:
    """Folds that are trained once; what becomes of the labels in each way."""
    out, keys = sh.at("masked"), sh.small(epochs=8)
    sh.run("vote-labels", *LIES, *TWICE, "--out", out, "--threshold", "0.6", keys=keys)
    for action in ("drop", "relabel", "weight", "keep"):
        more = ("--action", action, "--threshold", "0.5", "--threshold", "PER=0.7", "--min-votes", "1")
        sh.run("vote-labels", *LIES, *TWICE, "--out", out, *more, "--epsilon", "0.5", "--resume", keys=keys)
        for name in ("cleaned", "votes"):
            Path(out, f"{name}.jsonl").rename(sh.at(f"{action}-{name}.jsonl"))
    sh.run("vote-labels", *LIES, *TWICE, "--out", out, "--threshold", "0.6", "--resume", keys=keys)


@case("votes")
def reviewed(sh: Shell) -> None:
    """The page itself changes with its looks: it only has to be there. What is merged counts."""
    masked, weighed = "votes/masked/votes.jsonl", "votes/weight-votes.jsonl"
    sh.run("review", "votes/masked", "--out", sh.at("review.html"), "--min-suspicion", "0.2", "--limit", "30")
    sh.run("review", weighed, "--out", sh.at("all.html"), "--data", "data/en-lies.conll")
    for name, votes in (("masked", masked), ("weighed", weighed)):
        decisions = Path(sh.at(f"{name}-decisions.jsonl"))
        decisions.write_text("".join(json.dumps(one) + "\n" for one in _decisions(Path(votes))), "utf-8")
        sh.run("apply-review", str(decisions), "--data", "data/en-lies.conll", "--out", sh.at(f"{name}-on-data.jsonl"))
    cleaned = ("--data", "votes/masked/cleaned.jsonl")
    sh.run("apply-review", sh.at("masked-decisions.jsonl"), *cleaned, "--out", sh.at("masked-on-cleaned.jsonl"))
    weights = ("--data", "votes/weight-cleaned.jsonl")
    sh.run("apply-review", sh.at("weighed-decisions.jsonl"), *weights, "--out", sh.at("weighed-on-cleaned.jsonl"))


def _decisions(votes: Path) -> list[dict[str, Any]]:
    """As the page exports them: of four entities one is accepted, one rejected, one corrected, one left open."""
    lines, number = [], 0
    for line in votes.read_text("utf-8").splitlines():
        sentence = json.loads(line)
        decided, doubts = [], []
        for entity in sentence["entities"]:
            where = {key: entity[key] for key in ("start_word", "end_word", "label")}
            if entity["decision"] in ("mask", "weight"):
                doubts.append({**where, "decision": entity["decision"]})
            kind, number = ("accept", "reject", "correct", "")[number % 4], number + 1
            other = "ORG" if entity["label"] != "ORG" else "LOC"
            spans = {"spans": [{**where, "label": other}]} if kind == "correct" else {}
            decided += [{**where, "decision": kind, **spans}] if kind else []
        if decided:
            digest = hashlib.sha256("\u001f".join(sentence["words"]).encode()).hexdigest()
            lines.append({"id": sentence["id"], "hash": digest, "decisions": decided, "doubts": doubts})
    return lines


@case()
def votes_by_entity(sh: Shell) -> None:
    more = ("--folds", "3", "--repeats", "1", "--by", "entity", "--action", "relabel", "--threshold", "0.5")
    sh.run("vote-labels", *LIES, *more, "--out", sh.at("votes"), keys=sh.small(epochs=7))


@case()
def votes_by_document(sh: Shell) -> None:
    """Small models, whose folds are not kept."""
    more = ("--folds", "2", "--repeats", "1", "--by", "document", "--action", "drop", "--fast", "--discard-folds")
    train = ("--train", "data/documents.jsonl")
    sh.run("vote-labels", *train, *more, "--out", sh.at("votes"), keys=["optim.epochs=4", "optim.lr=1e-2"])


@case(slots=2)
def votes_in_processes(sh: Shell) -> None:
    more = ("--folds", "2", "--repeats", "1", "--jobs", "2", "--threshold", "0.5")
    sh.run("vote-labels", *LIES, *more, "--out", sh.at("votes"), keys=sh.small(epochs=3))


@case()
def votes_of_bags(sh: Shell) -> None:
    more = ("--bags", "3", "--bag-share", "0.8", "--action", "relabel", "--threshold", "0.4")
    sh.run("vote-labels", *LIES, *more, "--out", sh.at("votes"), keys=sh.small(epochs=6))


@case()
def votes_on_nested(sh: Shell) -> None:
    more = ("--folds", "2", "--repeats", "1", "--action", "mask", "--threshold", "0.5")
    train, keys = ("--train", "data/nested-easy.jsonl"), sh.small("head.kind=global-pointer", epochs=8)
    sh.run("vote-labels", *train, *more, "--out", sh.at("votes"), keys=keys)


@case()
def votes_on_characters(sh: Shell) -> None:
    """Folds of teachers with a lexicon, on data that is flattened."""
    more = ("--folds", "2", "--repeats", "1", "--action", "weight", "--threshold", "0.5")
    keys = sh.small("lattice.kind=softword", "lattice.lexicon=['data/lexicon.txt']", epochs=4)
    sh.run("vote-labels", "--train", "data/zh-easy.conll", *more, "--out", sh.at("votes"), keys=keys)


@case(first=True)
def voted_teacher(sh: Shell) -> None:
    """`train-teacher --folds`, and what its fold teachers say of raw text."""
    run = sh.teacher("lies", epochs=7, more=["--folds", "3", "--action", "relabel"])
    sh.use(run, "en")
    sh.label(run, text="data/en-raw.txt", out="voted", more=["--min-votes", "2"])
    sh.label(run, text="data/en-raw.txt", out="agreed", more=["--min-votes", "3", "--min-confidence", "0.3"])
    sh.label(run, text="data/en-raw.txt", out="alone")


# ---- self-training


@case(first=True)
def self_trained(sh: Shell) -> None:
    files = ("--train", "data/en-easy.conll", "--dev", "data/en-dev.conll", "--text", "data/en-raw.txt")
    more = ("--rounds", "2", "--folds", "2", "--raw-weight", "0.5", "--limit", "50")
    sh.run("self-train", *files, *more, "--out", sh.at("rounds"), keys=sh.small(epochs=8))


@case(first=True)
def self_trained_on_spans(sh: Shell) -> None:
    files = ("--train", "data/nested-easy.jsonl", "--dev", "data/nested-dev.jsonl", "--text", "data/en-raw.txt")
    more = ("--rounds", "1", "--folds", "2", "--min-votes", "2", "--min-confidence", "0.2", "--action", "mask")
    keys = sh.small("head.kind=global-pointer", "similarity.weight=0", epochs=10)
    sh.run("self-train", *files, *more, "--out", sh.at("rounds"), keys=keys)
