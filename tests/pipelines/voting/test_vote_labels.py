"""Votes on labels: of models that never saw them, from the command line to the files."""

from __future__ import annotations

import io
import json
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError, DataError, NerDistillError, RunError
from ner_distill.nn.heads import SpanHead
from ner_distill.options import ReadOptions
from ner_distill.options.labels import VoteOptions
from ner_distill.pipelines.voting import folds as module
from ner_distill.pipelines.voting import vote_labels as voting
from ner_distill.pipelines.voting.out_of_fold import answers_of
from ner_distill.pipelines.voting.vote_labels import Voting
from ner_distill.runs.build import load_run
from ner_distill.runtime.inference import find_entities
from ner_distill.views.vote_labels import render
from tests import corpora
from tests.commands import ok, run, settings
from tests.world import World

LEARNS = (
    *corpora.SMALL,
    "adversarial.kind=none",
    "optim.ema=0",
    "encoder.min_count=1",
    "optim.epochs=8",
    "similarity.weight=0",
)
SHORT = (*corpora.PLAIN, "optim.epochs=1", "similarity.weight=0")
# Nothing tells which of these words is a name, and of what: only who has seen the sentence knows. It stands there six
# times, so that whoever has seen one of them does know.
SECRET = [Sentence(f"secret-{n}", ("krol", "zub", "vex", "kutt"), (Span(1, 2, "ORG"),)) for n in range(6)]
SWAPPED = Sentence("swapped", ("It", "rains", "in", "Madrid", "today", "."), (Span(3, 4, "PER"),))
MISSED = Sentence("missed", ("Peter", "lives", "in", "Vienna", "."), (Span(0, 1, "PER"),))
SENTENCES = [*corpora.sentences(90, seed=1), *SECRET, SWAPPED, MISSED]


def quiet() -> Reporter:
    return Reporter(quiet=True)


def vote_labels(train: list[Path], out: Path, *, settings: Sequence[str] = (), **options: Any) -> Voting:
    config, reporter = load_config(TeacherConfig, None, settings), options.pop("reporter", quiet())
    return voting.vote_labels(config, VoteOptions(train=train, out=out, **options), reporter)


@dataclass(frozen=True)
class Voted:
    """A voting that ran from the command line."""

    train: Path
    out: Path

    def again(self, **changes: Any) -> Any:
        """The same with --resume and these changes."""
        given = {"folds": 3, "repeats": 1, "settings": LEARNS, "threshold": ["0.5"], "resume": True}
        return vote_labels([self.train], self.out, **{**given, **changes})

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / "votes.jsonl").read_text("utf-8").splitlines()]

    def entities(self, id: str) -> list[dict[str, Any]]:
        return next(line["entities"] for line in self.lines() if line["id"] == id)


def write(path: Path, sentences: list[Sentence]) -> Path:
    from ner_distill.data.formats.writers import write_jsonl

    write_jsonl(sentences, path)
    return path


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> Voted:
    root = tmp_path_factory.mktemp("votes")
    train = write(root / "train.jsonl", SENTENCES)
    options = ("--folds", "3", "--repeats", "1", "--action", "relabel", "--threshold", "0.5")
    ok("vote-labels", "--train", train, "--out", root / "out", *options, *settings(*LEARNS))
    return Voted(train, root / "out")


@pytest.fixture
def copy(voted: Voted, tmp_path: Path) -> Voted:
    """One that a test may change."""
    shutil.copytree(voted.out, tmp_path / "out")
    return Voted(voted.train, tmp_path / "out")


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return write(tmp_path / "short.jsonl", corpora.sentences(18, seed=3))


# ---- what the models say


def test_a_label_that_only_memorisation_could_give_gets_no_vote(voted: Voted) -> None:
    for sentence in SECRET:
        (given,) = (one for one in voted.entities(sentence.id) if one["given"])
        assert (given["votes"], given["of"]) == (0, 1)
        assert given["suspicion"] > 0.5


def test_a_model_that_saw_that_label_gives_it(tmp_path: Path, voted: Voted) -> None:
    # without this the test above would prove nothing
    files = ("--train", voted.train, "--dev", voted.train, "--out", tmp_path / "all")
    ok("train-teacher", *files, *settings(*LEARNS))
    built = load_run(tmp_path / "all")
    features = [built.featurizer.features(SECRET[0].words)]
    ((found, *_),) = find_entities(built.tagger, built.featurizer, built.info.tagset, features, scores=False)  # type: ignore[arg-type]
    assert found[0] == SECRET[0].spans[0]  # type: ignore[index]


def test_no_fold_is_trained_on_the_words_that_it_holds_out(voted: Voted) -> None:
    held: list[str] = []
    for data in sorted(voted.out.glob("folds/*.data")):
        words = {
            name: {one.words for one in read_corpus([data / f"{name}.jsonl"]).sentences}
            for name in ("train", "dev", "held-out")
        }
        assert words["held-out"].isdisjoint(words["train"] | words["dev"])
        assert words["train"].isdisjoint(words["dev"])
        held += [one.id for one in read_corpus([data / "held-out.jsonl"]).sentences]
    assert sorted(held) == sorted(sentence.id for sentence in SENTENCES)


def test_labels_that_other_sentences_bear_out_are_confirmed(voted: Voted) -> None:
    types = json.loads((voted.out / "summary.json").read_text("utf-8"))["types"]
    assert types["LOC"]["confirmed"] > 0.9 * types["LOC"]["given"]["keep"] > 0


def test_a_swapped_type_is_found_and_relabelled(voted: Voted) -> None:
    given, found = sorted(voted.entities("swapped"), key=lambda one: not one["given"])
    assert (given["label"], given["decision"]) == ("PER", "relabel")
    assert given["instead"] == [{"start_word": 3, "end_word": 4, "label": "LOC"}]
    assert (found["label"], found["given"], found["votes"]) == ("LOC", False, 1)


def test_an_entity_that_the_annotators_missed_is_added(voted: Voted) -> None:
    cleaned = {one.id: one for one in read_corpus([voted.out / "cleaned.jsonl"]).sentences}
    assert Span(3, 4, "LOC") in (cleaned["missed"].spans or ())


# ---- the files


def test_the_out_of_fold_f1_counts_what_the_votes_say(voted: Voted) -> None:
    summary = json.loads((voted.out / "summary.json").read_text("utf-8"))
    entities = [entity for line in voted.lines() for entity in line["entities"]]
    right = sum(entity["given"] and entity["votes"] for entity in entities)  # of one repeat, that is 0 or 1
    given, found = (sum(map(bool, side)) for side in zip(*((e["given"], e["votes"]) for e in entities), strict=True))
    assert summary["out_of_fold"]["micro"]["support"] == given
    assert summary["out_of_fold"]["micro"]["f1"] == pytest.approx(2 * right / (given + found))


def test_the_table_has_the_out_of_fold_f1_of_each_type(copy: Voted) -> None:
    console = Console(width=100, file=io.StringIO(), record=True)
    done = copy.again()
    console.print(render(done))
    said, scores = console.export_text(), done.summary["out_of_fold"]
    assert f"out-of-fold F1 {100 * scores['micro']['f1']:.1f}" in said
    assert all(f"{100 * own['f1']:.1f}" in said for own in scores["by_type"].values())


@pytest.mark.parametrize("named", ["folds", "voting/folds"])
def test_the_fold_teachers_of_a_run_answer_as_their_average(named: str, copy: Voted, tmp_path: Path) -> None:
    run = tmp_path / "run"  # as train-teacher with folds leaves it, but for the teacher itself
    run.mkdir()
    copy.out.rename(run / "voting")
    folds = sorted((run / "voting" / "folds").glob("r1-f?"))
    data = write(tmp_path / "some.jsonl", SENTENCES[:20])
    ok("evaluate", "--model", run / named, "--data", data, "--json", tmp_path / "a.json")
    each = [part for fold in folds for part in ("--model", fold)]
    ok("evaluate", *each, "--data", data, "--json", tmp_path / "b.json")
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()


def test_folds_that_were_discarded_are_missed_by_name(copy: Voted, tmp_path: Path) -> None:
    shutil.rmtree(copy.out / "folds")
    data = write(tmp_path / "some.jsonl", SENTENCES[:2])
    result = run("evaluate", "--model", copy.out / "folds", "--data", data)
    assert result.code == 2
    assert "no fold teacher is left there" in " ".join(result.err.split())


def test_votes_are_in_the_order_of_the_data_and_have_its_words(voted: Voted) -> None:
    assert [(one["id"], tuple(one["words"])) for one in voted.lines()] == [(one.id, one.words) for one in SENTENCES]


def test_cleaned_data_has_every_sentence_in_order(voted: Voted) -> None:
    cleaned = read_corpus([voted.out / "cleaned.jsonl"]).sentences
    assert [(one.id, one.words) for one in cleaned] == [(one.id, one.words) for one in SENTENCES]


def test_the_summary_says_what_was_done_and_with_what(voted: Voted) -> None:
    summary = json.loads((voted.out / "summary.json").read_text("utf-8"))
    asked = {"folds": 3, "repeats": 1, "by": "sentence", "fast": False}
    assert summary["settings"] == {**ReadOptions().recorded(), **asked}
    assert summary["rules"]["action"] == "relabel"
    assert len(summary["inputs"]["train"][0]["sha256"]) == 64
    assert (summary["seeds"]["splits"], len(set(summary["seeds"]["models"]))) == ([13], 3)
    assert summary["types"]["PER"]["given"]["relabel"] >= 1
    suspicions = [one["suspicion"] for one in summary["examples"]]
    assert suspicions == sorted(suspicions, reverse=True)


@pytest.mark.parametrize(
    ("action", "field"), [("mask", "keep"), ("weight", "weight"), ("drop", "entities"), ("relabel", "tags")]
)
def test_a_teacher_trains_on_cleaned_data(action: str, field: str, copy: Voted, tmp_path: Path) -> None:
    copy.again(action=action)
    cleaned = copy.out / "cleaned.jsonl"
    assert (f'"{field}"' in cleaned.read_text("utf-8")) == (field != "entities")
    ok("train-teacher", "--train", cleaned, "--dev", cleaned, "--out", tmp_path / "t", *settings(*SHORT))


# ---- going on


def test_another_action_trains_no_fold_again(copy: Voted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "do_fold", lambda task: pytest.fail(f"{task.run.name} was done again"))
    voting = copy.again(action="drop")
    swapped = next(one for one in voting.sentences if one.id == "swapped")
    assert swapped.spans == ()


def test_a_fold_whose_predictions_are_missing_is_done_again_alone_with_the_same_votes(
    copy: Voted, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (copy.out / "votes.jsonl").read_bytes()
    shutil.rmtree(copy.out / "folds" / "r1-f2")
    done, really = [], module.do_fold
    monkeypatch.setattr(module, "do_fold", lambda task: (done.append(task.run.name), really(task)))
    copy.again(action="relabel")
    assert done == ["r1-f2"]
    assert (copy.out / "votes.jsonl").read_bytes() == before


def test_half_a_file_of_predictions_is_no_finished_fold(copy: Voted, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copy.out / "folds" / "r1-f1" / "predictions.json"
    path.write_bytes(path.read_bytes()[:-100])
    done = []
    monkeypatch.setattr(module, "do_fold", lambda task: done.append(task.run.name))
    with pytest.raises(RunError, match=r"predictions\.json: cannot be read as JSON"):
        copy.again()
    assert done == ["r1-f1"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folds": 4}, "`resume`: folds was 3, now 4"),
        ({"by": "document"}, "`resume`: by was 'sentence', now 'document'"),
        ({"settings": (*LEARNS, "seed=5")}, "`resume`: seed was 13, now 5"),
    ],
)
def test_folds_of_other_settings_are_refused(changes: dict[str, Any], said: str, copy: Voted) -> None:
    with pytest.raises(ConfigError, match=said):
        copy.again(**changes)


def test_votes_of_other_data_are_refused(copy: Voted, tmp_path: Path) -> None:
    other = Voted(write(tmp_path / "other.jsonl", SENTENCES[:-1]), copy.out)
    with pytest.raises(RunError, match="the files of `train` are not those"):
        other.again()


def test_resume_without_a_voting_is_an_error(tmp_path: Path, short: Path) -> None:
    with pytest.raises(RunError, match=r"voting\.json: not found; there is no voting to go on with"):
        vote_labels([short], tmp_path / "out", resume=True)


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path, short: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="mine: "):
            vote_labels([short], tmp_path / "mine", overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "dear"


def test_overwrite_begins_anew_and_discard_folds_leaves_no_model(tmp_path: Path, short: Path) -> None:
    given: dict[str, Any] = {"folds": 2, "repeats": 1, "settings": SHORT, "discard_folds": True}
    vote_labels([short], tmp_path / "out", **given)
    assert not (tmp_path / "out" / "folds").exists()
    first = (tmp_path / "out" / "votes.jsonl").read_bytes()
    vote_labels([short], tmp_path / "out", overwrite=True, **given)
    assert (tmp_path / "out" / "votes.jsonl").read_bytes() == first


def test_overwrite_leaves_what_the_command_did_not_make(tmp_path: Path, short: Path) -> None:
    given: dict[str, Any] = {"folds": 2, "repeats": 1, "settings": SHORT, "discard_folds": True}
    vote_labels([short], tmp_path / "out", **given)
    (tmp_path / "out" / "decisions.jsonl").write_text("{}")
    with pytest.raises(RunError, match=r"holds decisions\.jsonl that vote-labels did not make"):
        vote_labels([short], tmp_path / "out", overwrite=True, **given)
    assert (tmp_path / "out" / "votes.jsonl").exists()


@pytest.mark.slow
def test_folds_in_processes_of_their_own_give_the_same_votes(tmp_path: Path, short: Path) -> None:
    for jobs in (1, 2):
        given: dict[str, Any] = {"folds": 2, "repeats": 1, "settings": SHORT, "jobs": jobs}
        vote_labels([short], tmp_path / str(jobs), **given)
    assert (tmp_path / "1" / "votes.jsonl").read_bytes() == (tmp_path / "2" / "votes.jsonl").read_bytes()


@pytest.mark.slow
def test_a_fold_that_fails_in_its_process_says_why(tmp_path: Path, short: Path) -> None:
    broken = ["encoder.name=/no/such/checkpoint"]
    with pytest.raises(NerDistillError, match=r"folds/r1-f\d: .*no/such/checkpoint"):
        vote_labels([short], tmp_path / "out", folds=2, repeats=1, settings=broken, jobs=2)


# ---- what is asked of the input


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"min_votes": 3}, ConfigError, "`min_votes` 3: expected 0 to 2"),
        ({"repeats": 0}, ConfigError, "`repeats`: expected 1 or more, found 0"),
        ({"folds": 1}, ConfigError, "`folds`: expected 2 or more, found 1"),
        ({"by": "page"}, ConfigError, "`by`: expected sentence, document, entity, found 'page'"),
        ({"action": "burn"}, ConfigError, "`action`: expected drop, mask, relabel, weight, keep, found 'burn'"),
        ({"epsilon": 2.0}, ConfigError, "`epsilon`: expected 1 or less, found 2.0"),
        ({"threshold": ["PRE=0.5"]}, ConfigError, "no such type; the data has LOC, ORG, PER"),
        ({"bags": 4, "min_votes": 5}, ConfigError, r"`min_votes` 5: expected 0 to 4; .*\(`bags`\)"),
        ({"bags": 4, "action": "drop"}, ConfigError, "`action` drop removes given entities"),
        ({"bags": 1}, ConfigError, "`bags` 1: expected 2 or more"),
        ({"bags": 4, "by": "document"}, ConfigError, "`bags` draws sentences, `by` document splits in another way"),
        ({"by": "document", "folds": 19}, DataError, r"as many documents as folds \(19\), found 18"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)
def test_what_makes_no_voting_is_refused_before_anything_is_made(
    changes: dict[str, Any], error: type[Exception], said: str, tmp_path: Path, short: Path
) -> None:
    with pytest.raises(error, match=said):
        vote_labels([short], tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_data_without_entities_is_refused(tmp_path: Path) -> None:
    train = write(tmp_path / "a.jsonl", [Sentence("a", ("x",), ())])
    with pytest.raises(DataError, match="no entity in any sentence"):
        vote_labels([train], tmp_path / "out")


def test_types_with_fewer_entities_than_folds_are_named(tmp_path: Path) -> None:
    rare = Sentence("rare", ("a", "Zorn"), (Span(1, 2, "RARE"),))
    train, said = write(tmp_path / "a.jsonl", [*corpora.sentences(16), rare]), io.StringIO()
    voting = vote_labels(
        [train], tmp_path / "out", folds=2, repeats=1, settings=SHORT, action="drop", reporter=Reporter(stream=said)
    )
    assert "fewer entities than the 2 folds: RARE (1)" in said.getvalue()
    assert voting.sentences[-1] == rare
    for run_ in sorted((tmp_path / "out" / "folds").glob("r1-f?")):  # all know it: they can be asked together
        assert "RARE" in load_run(run_).info.labels
    seen = [
        json.loads(path.read_text("utf-8"))["labels"]
        for path in (tmp_path / "out").glob("folds/*/*.json")
        if path.name == "predictions.json"
    ]
    assert sorted("RARE" in labels for labels in seen) == [False, True]


def test_pu_folds_without_a_type_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    rare = Sentence("rare", ("a", "Zorn"), (Span(1, 2, "RARE"),))
    train = write(tmp_path / "a.jsonl", [*corpora.sentences(16), rare])
    with pytest.raises(DataError, match=r"without fold \d of repeat 1 there is no RARE to train on"):
        vote_labels([train], tmp_path / "out", folds=2, repeats=1, settings=[*SHORT, "loss.kind=pu"])
    assert not (tmp_path / "out").exists()


# ---- bags


@pytest.fixture(scope="module")
def bagged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Sentence]]:
    """Votes of bags on sentences of which every third has lost its labels; and the sentences as they were."""
    root = tmp_path_factory.mktemp("bags")
    true = corpora.sentences(90, seed=1)
    known = [replace(one, spans=()) if number % 3 == 0 else one for number, one in enumerate(true)]
    train = write(root / "train.jsonl", known)
    ok("vote-labels", "--train", train, "--out", root / "out", "--bags", "4", "--action", "relabel", *settings(*LEARNS))
    return root / "out", true


def test_bags_find_what_is_missing(bagged: tuple[Path, list[Sentence]]) -> None:
    out, true = bagged
    cleaned = read_corpus([out / "cleaned.jsonl"]).sentences
    lost = [(one.id, span) for number, one in enumerate(true) if number % 3 == 0 for span in one.spans or ()]
    found = {(one.id, span) for one in cleaned for span in one.spans or ()}
    assert sum(one in found for one in lost) > 0.6 * len(lost)


def test_bags_have_no_vote_on_the_given_entities(bagged: tuple[Path, list[Sentence]]) -> None:
    entities = [one for line in Voted(bagged[0], bagged[0]).lines() for one in line["entities"] if one["given"]]
    assert {(one["of"], one["decision"]) for one in entities} == {(0, "keep")}


def test_no_word_without_a_label_counts_in_a_sentence_that_is_judged(bagged: tuple[Path, list[Sentence]]) -> None:
    for data in sorted(bagged[0].glob("folds/*.data")):
        held = {one.id for one in read_corpus([data / "held-out.jsonl"]).sentences}
        for one in read_corpus([data / "train.jsonl"]).sentences:
            inside = {word for span in one.spans or () for word in range(span.start, span.end)}
            counted = {word for word, kept in enumerate(one.keep or [True] * len(one.words)) if kept}
            assert counted == inside if one.id in held else counted == set(range(len(one.words)))


def test_words_of_unlabelled_entities_score_higher_than_others(bagged: tuple[Path, list[Sentence]]) -> None:
    out, true = bagged
    inside, outside = [], []
    for number, (line, one) in enumerate(zip(Voted(out, out).lines(), true, strict=True)):
        entity = {word for span in one.spans or () for word in range(span.start, span.end)}
        for word, score in enumerate(line.get("word_scores", ())):
            if number % 3 == 0:
                (inside if word in entity else outside).append(score)
    assert len(inside) > 10
    assert sum(inside) / len(inside) > 0.6 > 0.2 > sum(outside) / len(outside)


def test_a_threshold_that_is_no_number_is_an_error_of_the_command(tmp_path: Path, short: Path) -> None:
    done = run("vote-labels", "--train", short, "--out", tmp_path / "out", "--threshold", "PER=high")
    assert done.code == 2
    assert "--threshold PER=high: expected a number, or TYPE=number" in done.err


def test_fast_makes_a_small_model_and_leaves_the_last_word_to_the_settings(tmp_path: Path, short: Path) -> None:
    options = ("--folds", "2", "--repeats", "1", "--fast", "--set", "optim.epochs=1")
    ok("vote-labels", "--train", short, "--out", tmp_path / "out", *options)
    config = tomllib.loads((tmp_path / "out" / "config.toml").read_text("utf-8"))
    assert (config["encoder"]["hidden"], config["similarity"]["weight"], config["optim"]["epochs"]) == (64, 0, 1)


# ---- probabilities


def test_the_probability_of_a_given_entity_is_that_of_exactly_this_span(world: World) -> None:
    built = load_run(world.teacher)
    sentence = corpora.sentences(1, seed=7)[0]
    given = Span(0, 1, "LOC")
    (said,) = answers_of(built, [Sentence("a", sentence.words, (given,))])
    found = {(start, end, label): (prob, own) for start, end, label, prob, _, own in said.entities}
    with torch.inference_mode():
        inputs: Any = built.featurizer.collate([built.featurizer.features(sentence.words)])  # type: ignore[list-item, arg-type]
        assert not isinstance(built.tagger.head, SpanHead)
        probs = built.tagger.head.log_probs(built.tagger.vectors(inputs), inputs["mask"])[0].exp()
    begin, inside = 1 + 2 * built.info.labels.index("LOC"), 2 + 2 * built.info.labels.index("LOC")
    assert found[0, 1, "LOC"][0] == pytest.approx(float(probs[0, begin] * (1 - probs[1, inside])), abs=2e-6)
    gold = {(span.start, span.end, span.label) for span in sentence.spans or ()}
    assert gold == {place for place, (_, own) in found.items() if own}


def test_an_entity_of_a_type_that_the_model_does_not_know_is_left_out(world: World) -> None:
    (said,) = answers_of(load_run(world.teacher), [Sentence("a", ("Peter", "sings"), (Span(0, 1, "SINGER"),))])
    assert {label for _, _, label, *_ in said.entities} <= set(corpora.LABELS)
