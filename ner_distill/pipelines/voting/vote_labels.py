"""`vote-labels`: labelled sentences → votes of models that did not see them, and the data after these votes.

OUT/cleaned.jsonl    the sentences after `drop | mask | relabel | weight | keep`
OUT/votes.jsonl      for each sentence its entities, given and found, with their votes (bags: also scores of words)
OUT/summary.json     settings, seeds, hashes of the files, counts by type, examples
OUT/voting.json      what the folds were begun with: what resuming compares; config.toml: of all folds
OUT/folds/           see `folds.py`
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import resumable
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.metrics import Scores, score
from ner_distill.data.noise.folds import Fold, development_slice, entities_alone, make_bags, make_folds, rare_labels
from ner_distill.data.noise.votes import (
    THRESHOLD,
    OutOfFoldPrediction,
    Rules,
    VotedEntity,
    by_sentence,
    count_votes,
    decide,
)
from ner_distill.data.sentence import Sentence, Unit, disjoint, labels_of, separator
from ner_distill.directories import OutputKind
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.executing.opening import executor_for
from ner_distill.files import atomic_write_text, sha256_of, write_json
from ner_distill.holding import until_done
from ner_distill.options.by_type import by_type
from ner_distill.options.labels import VoteOptions
from ner_distill.pipelines.voting.folds import FoldTask, run_folds
from ner_distill.runs.commit import with_commit
from ner_distill.runs.edited import CLEANED, RESULTS, SUMMARY, VOTED, edited_in, was_edited
from ner_distill.runs.heads import finds_spans
from ner_distill.runs.info import OF_VOTING
from ner_distill.runs.knowledge import inputs_of
from ner_distill.runs.record import RoundsRecord, fingerprints, open_directory

VOTES = OutputKind(
    "vote-labels",
    "voting",
    ("voting.json",),
    contents=OF_VOTING,
    removable=lambda entry: not was_edited(entry),
)
DEVELOPMENT = 0.1
"""Share of a fold's training part that chooses its best epoch."""
EXAMPLES = 20
DOUBTFUL = 0.5
"""Where models find a smaller share of the given entities, they may well be worse than the labels."""


@dataclass(frozen=True)
class Voting:
    """The sentences after the votes, in the order of the input, the entities of each, and `summary.json`."""

    sentences: tuple[Sentence, ...]
    entities: tuple[tuple[VotedEntity, ...], ...]
    summary: dict[str, Any]


@until_done()
def vote_labels(config: TeacherConfig, options: VoteOptions, reporter: Reporter | None = None) -> Voting:
    """Train a fresh teacher for every fold of every repeat, and let each vote on the sentences it was not trained on.

    The splits of each repeat have another seed. With `bags`, PU bagging takes the place of folds and repeats, for
    labels that are right but incomplete: so many teachers, each trained on all entities and on the other words of a bag
    of sentences (see `make_bags`), vote on what is missing in the sentences out of its bag, and score their words. None
    votes on the given entities.

    With `resume` finished folds are used as they are, and one that was begun goes on. What becomes of the labels
    (action, thresholds) may be changed: no fold is trained again for that.

    Raises NerDistillError for wrong input; TrainingError where a fold could not go on, with the finished ones kept.
    """
    reporter = reporter or Reporter()
    _check(options)
    VOTES.check(options.out, resume=options.resume, overwrite=options.overwrite)
    sentences, cutting = read_labelled(
        options.train, "`train`", options.reading(), reporter, keep_nested=finds_spans(config.head)
    )
    plan = VotingPlan(config, options, sentences, cutting.unit)
    plan.open()
    return plan.run(reporter)


def _check(options: VoteOptions) -> None:
    """Raise ConfigError for options that exclude each other, before any file is read."""
    if options.bags and options.changed("folds", "repeats"):
        raise ConfigError("`bags` takes the place of `folds` and `repeats`: leave these out")
    if options.bags and options.by != "sentence":
        raise ConfigError(f"`bags` draws sentences, `by` {options.by} splits in another way: give one of them")
    if options.bags and options.action == "drop":
        raise ConfigError("`action` drop removes given entities, and with `bags` these are right; try mask or relabel")
    if options.changed("bag_share") and not options.bags:
        raise ConfigError("`bag_share` is about `bags`: give that as well")
    rules_of(options)


class VotingPlan:
    """A voting on sentences that were read: who is trained on what, and how the votes are counted."""

    def __init__(
        self,
        config: TeacherConfig,
        options: VoteOptions,
        sentences: Sequence[Sentence],
        unit: Unit,
        *,
        max_words: int = 0,
        track: Sequence[str] = ("tensorboard",),
    ) -> None:
        """max_words, track: of the trainings, see `TeacherOptions`.

        Raises NerDistillError for everything that is wrong, before anything is made or replaced.
        """
        config = with_commit(config, options.out if options.resume else None)
        self.config, self.options, self.sentences, self.unit = config, options, sentences, unit
        self.max_words, self.track = max_words, track
        bags = options.bags
        self.labels = labels_of(sentences)
        if not self.labels:
            raise DataError("`train`: no entity in any sentence; there is nothing to vote on")
        self.rules = rules_of(options)
        self.rules.check(bags or options.repeats, self.labels, "`bags`" if bags else "`repeats`")
        if bags:
            self.seeds = [config.seed]
            self.splits: list[tuple[Fold, ...]] = [
                (bag,) for bag in make_bags(sentences, bags, share=options.bag_share, seed=config.seed)
            ]
            self.settings: dict[str, Any] = {"bags": bags, "bag_share": options.bag_share}
        else:
            self.seeds = [config.seed + repeat for repeat in range(options.repeats)]
            self.splits = [make_folds(sentences, options.folds, by=options.by, seed=seed) for seed in self.seeds]
            self.settings = {"folds": options.folds, "repeats": options.repeats, "by": options.by}
        self.settings |= {"fast": options.fast, **options.reading().recorded()}
        self.inputs = {"train": fingerprints(options.train), **inputs_of(config)}
        self.folds = self._folds()
        self._check_types()
        if options.resume:
            resumable(options.train)

    def open(self) -> None:
        """Make the directory and write what the voting is begun with, or compare with that; hold it from then on."""
        options, record = self.options, RoundsRecord(VOTES, self.config, self.settings, self.inputs)
        open_directory(VOTES, options.out, record, resume=options.resume, overwrite=options.overwrite)
        if edited := edited_in(options.out):
            raise RunError(
                f"{edited[0]}: was edited since it was written, and the voting would write it anew; move it away, or "
                "go on with it as it is (train-teacher)"
            )

    def run(self, reporter: Reporter) -> Voting:
        """Train what is not trained yet, count the votes, and write what they come to."""
        out, bags = self.options.out, bool(self.options.bags)
        reporter.log_to(out / "log.txt")
        if not bags:
            self._say_splits(reporter)
        for task, sentences in self.folds:
            task.write(sentences)
        tasks = [task for task, _ in self.folds]
        run_folds(tasks, executor_for(self.options, self.options.jobs), reporter)
        predictions = by_sentence(self.sentences, [task.read() for task in tasks], None if bags else len(self.splits))
        voting = self._voting(predictions)
        self._write(voting, predictions)
        agreement = voting.summary["agreement"]
        if agreement is not None and self.rules.action != "keep" and agreement < DOUBTFUL:
            reporter.warn(
                f"held-out models find only {agreement:.0%} of the given entities: their votes mean little. More data, "
                "more epochs (optim.epochs), or a pretrained encoder may help"
            )
        if self.options.discard_folds:
            shutil.rmtree(out / "folds", ignore_errors=True)
        return voting

    def _folds(self) -> list[tuple[FoldTask, dict[str, list[Sentence]]]]:
        """Returns the folds of all repeats with their sentences: `train`, `dev` and `held-out`.

        Raises DataError where one has nothing to choose its best epoch by.
        """
        folds, bags = [], bool(self.options.bags)
        for repeat, split in enumerate(self.splits):
            for number, fold in enumerate(split):
                seed = self.config.seed + repeat * len(split) + number
                config = self.config.model_copy(update={"seed": seed})
                task = FoldTask(
                    self.options.out,
                    repeat + 1,
                    number + 1,
                    config,
                    self.unit,
                    self.labels,
                    words=bags,
                    max_words=self.max_words,
                    track=self.track,
                )
                inside, held_out = (
                    [self.sentences[index] for index in indices] for indices in (fold.train, fold.held_out)
                )
                train, dev = development_slice(inside, DEVELOPMENT, seed=self.config.seed + repeat)
                if bags:
                    train += [entities_alone(sentence) for sentence in held_out if sentence.spans]
                folds.append((task, {"train": train, "dev": dev, "held-out": held_out}))
        return folds

    def _check_types(self) -> None:
        """Raise DataError where a fold of PU learning would have a type without any entity."""
        for task, sentences in self.folds if self.config.loss.kind == "pu" else ():
            if lost := sorted(set(self.labels) - set(labels_of(sentences["train"]))):
                raise DataError(
                    f"`train`: without fold {task.number} of repeat {task.repeat} there is no {', '.join(lost)} to "
                    'train on, and loss.kind = "pu" needs some of each type; give more data or fewer `folds`'
                )

    def _say_splits(self, reporter: Reporter) -> None:
        if rare := rare_labels(self.sentences, self.options.folds):
            named = ", ".join(f"{label} ({count})" for label, count in rare.items())
            reporter.warn(
                f"types with fewer entities than the {self.options.folds} folds: {named}; a model trained without any "
                "cannot vote on them, and their labels stay where none can"
            )
        dropped = [fold.dropped for split in self.splits for fold in split]
        if any(dropped):
            reporter.info(
                f"left out of training, so that no held-out words are seen: {min(dropped):,} to {max(dropped):,} of "
                f"{len(self.sentences):,} sentences in a fold"
            )

    def _voting(self, predictions: Sequence[Sequence[OutOfFoldPrediction]]) -> Voting:
        on_given = not self.options.bags
        nested = any(len(disjoint(one.spans or ())) < len(one.spans or ()) for one in self.sentences)
        decided = [
            decide(sentence, count_votes(sentence, of, on_given=on_given), of, self.rules, nested=nested)
            for sentence, of in zip(self.sentences, predictions, strict=True)
        ]
        after, entities = tuple(one for one, _ in decided), tuple(voted for _, voted in decided)
        changed = sum(one is not before for before, one in zip(self.sentences, after, strict=True))
        scores = self._out_of_fold(predictions) if on_given else None
        return Voting(after, entities, self._summary(entities, changed, scores))

    def _out_of_fold(self, predictions: Sequence[Sequence[OutOfFoldPrediction]]) -> Scores:
        """Scores of what the fold teachers find in sentences they did not see, against the labels as they were given.

        Every repeat counts each sentence once, so that a `support` is the number of labels times that of repeats.
        """
        pairs = [
            (sentence.exact, one.found) for sentence, of in zip(self.sentences, predictions, strict=True) for one in of
        ]
        return score([given for given, _ in pairs], [found for _, found in pairs], self.labels)

    def _summary(
        self, entities: Sequence[Sequence[VotedEntity]], changed: int, out_of_fold: Scores | None
    ) -> dict[str, Any]:
        types: dict[str, dict[str, Any]] = {}
        every = [(entity, one) for one, voted in zip(self.sentences, entities, strict=True) for entity in voted]
        for entity, _ in every:
            of_type = types.setdefault(
                entity.span.label, {"given": Counter(), "missed": Counter(), "confirmed": 0, "outvoted": Counter()}
            )
            of_type["outvoted"]["given" if entity.given else "missed"] += self.rules.outvoted(entity)
            of_type["given" if entity.given else "missed"][entity.decision] += 1
            of_type["confirmed"] += entity.given and entity.of > 0 and entity.votes == entity.of
        given = [entity for entity, _ in every if entity.given]
        votes, possible = sum(entity.votes for entity in given), sum(entity.of for entity in given)
        between = separator(self.unit)
        doubtful = sorted(every, key=lambda pair: -pair[0].suspicion)[:EXAMPLES]
        return {
            "settings": self.settings,
            "config": self.config.model_dump(mode="json"),
            "inputs": self.inputs,
            "rules": asdict(self.rules),
            "unit": self.unit,
            "seeds": {"splits": self.seeds, "models": [task.config.seed for task, _ in self.folds]},
            "sentences": len(self.sentences),
            "changed_sentences": changed,
            "agreement": round(votes / possible, 4) if possible else None,
            **({} if out_of_fold is None else {"out_of_fold": out_of_fold.to_json()}),
            "dropped_from_training": [[fold.dropped for fold in split] for split in self.splits],
            "types": dict(sorted(types.items())),
            "examples": [
                {"id": one.id, "text": between.join(one.words[voted.span.start : voted.span.end]), **voted.record()}
                for voted, one in doubtful
            ],
        }

    def _write(self, voting: Voting, predictions: Sequence[Sequence[OutOfFoldPrediction]]) -> None:
        lines = []
        for sentence, entities, answers in zip(self.sentences, voting.entities, predictions, strict=True):
            line: dict[str, Any] = {"id": sentence.id, "words": sentence.words}
            line["entities"] = [entity.record() for entity in entities]
            if sentence.weight != 1:  # before the votes: what a review that settles all doubts gives back
                line["weight"] = sentence.weight
            if scores := [answer.words for answer in answers if answer.words]:
                line["word_scores"] = [round(fmean(column), 4) for column in zip(*scores, strict=True)]
            lines.append(json.dumps(line, ensure_ascii=False))
        out = self.options.out
        (out / SUMMARY).unlink(missing_ok=True)  # what is written without one was not edited, whenever a kill comes
        write_jsonl(voting.sentences, out / CLEANED, overwrite=True)
        atomic_write_text(out / VOTED, "\n".join(lines) + "\n")
        write_json(out / SUMMARY, {**voting.summary, "sha256": {name: sha256_of(out / name) for name in RESULTS}})


def rules_of(options: VoteOptions) -> Rules:
    """What becomes of labels. Raises ConfigError for numbers by type that are none."""
    suspicion = by_type("threshold", options.threshold, THRESHOLD)
    votes = by_type("min_votes", options.min_votes, 0)
    return Rules(
        options.action, votes.general, suspicion.general, suspicion.of_types, votes.of_types, epsilon=options.epsilon
    )
