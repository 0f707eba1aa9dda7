import json
from pathlib import Path

import pytest

from tests import corpora
from tests.commands import ok, run
from tests.world import World


def evaluated(model: Path, data: Path, out: Path, *options: str) -> dict:
    ok("evaluate", "--model", model, "--data", data, "--json", out / "scores.json", *options)
    return json.loads((out / "scores.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def test_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of which the student gets some wrong: names that it never saw."""
    path = tmp_path_factory.mktemp("test") / "test.conll"
    odd = "Zzyzx B-LOC\nlives O\nin O\nBank B-PER\n. O\n\n"
    corpora.write_conll(path, corpora.sentences(20, seed=7))
    path.write_text(path.read_text("utf-8") + odd, "utf-8")
    return path


def test_json_has_exactly_the_documented_keys(world: World, test_file: Path, tmp_path: Path) -> None:
    scores = evaluated(world.student, test_file, tmp_path)
    figures = {"precision", "recall", "f1", "support"}
    assert set(scores) == {"micro", "by_type", "boundary", "confusion", "reliability"}
    assert set(scores["reliability"]) == {"ece", "bins"}
    assert set(scores["micro"]) == set(scores["boundary"]) == figures
    assert set(scores["by_type"]) == set(scores["confusion"]) == set(corpora.LABELS)
    assert all(set(counts) == figures for counts in scores["by_type"].values())


def test_figures_are_those_counted_from_the_predictions(world: World, test_file: Path, tmp_path: Path) -> None:
    scores = evaluated(world.student, test_file, tmp_path)
    lines = ok("predict", "--model", world.student, "--text", test_file, "--format", "jsonl").out.splitlines()
    predicted = {
        (number, entity["start_word"], entity["end_word"], entity["label"])
        for number, line in enumerate(lines)
        for entity in json.loads(line)["entities"]
    }
    corpus = corpora.sentences(20, seed=7)
    gold = {(number, *(span.start, span.end, span.label)) for number, s in enumerate(corpus) for span in s.spans or ()}
    gold |= {(20, 0, 1, "LOC"), (20, 3, 4, "PER")}
    right = len(gold & predicted)
    assert right < len(gold)
    assert scores["micro"]["support"] == len(gold)
    assert scores["micro"]["recall"] == pytest.approx(right / len(gold))
    assert scores["micro"]["precision"] == pytest.approx(right / len(predicted))
    assert scores["micro"]["f1"] == pytest.approx(2 * right / (len(gold) + len(predicted)))


def test_teacher_and_student_are_evaluated_alike(world: World, tmp_path: Path) -> None:
    recorded = json.loads((world.teacher / "metrics.json").read_text())["dev"]
    found = evaluated(world.teacher, world.dev, tmp_path)
    del found["reliability"]
    assert found == recorded


def test_table_goes_to_stdout(world: World) -> None:
    done = ok("evaluate", "--model", world.student, "--data", world.dev)
    assert "all types" in done.out
    assert done.err == ""


def test_label_that_the_model_does_not_know_counts_as_missed(world: World, tmp_path: Path) -> None:
    (tmp_path / "test.conll").write_text("Oslo B-LOC\nrains O\n\nMonday B-DATE\nrains O\n")
    done = ok("evaluate", "--model", world.teacher, "--data", tmp_path / "test.conll", "--json", tmp_path / "s.json")
    scores = json.loads((tmp_path / "s.json").read_text())
    assert "the model does not know DATE" in done.err
    assert scores["by_type"]["DATE"]["support"] == 1
    assert scores["by_type"]["DATE"]["recall"] == 0.0


def test_nested_entities_all_count(world: World, tmp_path: Path) -> None:
    text = "Bank of Oslo opened an office ."
    nested = [{"start": 0, "end": 12, "label": "ORG"}, {"start": 8, "end": 12, "label": "LOC"}]
    (tmp_path / "test.jsonl").write_text(json.dumps({"text": text, "entities": nested}) + "\n")
    assert evaluated(world.teacher, tmp_path / "test.jsonl", tmp_path)["micro"]["support"] == 2


def test_masked_entities_do_not_count(world: World, tmp_path: Path) -> None:
    lines = [
        {"words": ["Oslo", "rains"], "tags": ["B-LOC", "O"]},
        {"words": ["Monday", "in", "Oslo"], "tags": ["B-DATE", "O", "B-LOC"], "keep": [False, True, False]},
    ]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    done = ok("evaluate", "--model", world.teacher, "--data", tmp_path / "test.jsonl", "--json", tmp_path / "s.json")
    assert "--data: 2 of 3 entities are masked" in done.err
    assert "does not know" not in done.err
    assert json.loads((tmp_path / "s.json").read_text())["micro"]["support"] == 1


def test_several_files_are_counted_together(world: World, test_file: Path, tmp_path: Path) -> None:
    one, two = (evaluated(world.student, file, tmp_path)["micro"]["support"] for file in (test_file, world.dev))
    both = evaluated(world.student, test_file, tmp_path, "--data", str(world.dev))["micro"]["support"]
    assert both == one + two


def test_json_into_a_directory_that_is_not_there_is_said(world: World, tmp_path: Path) -> None:
    done = run("evaluate", "--model", world.student, "--data", world.dev, "--json", tmp_path / "no" / "s.json")
    assert done.code == 2
    assert f"--json {tmp_path}/no/s.json: no such directory" in done.err


def test_data_without_an_entity_is_said(world: World, tmp_path: Path) -> None:
    (tmp_path / "test.conll").write_text("It O\nrains O\n")
    done = ok("evaluate", "--model", world.student, "--data", tmp_path / "test.conll")
    assert "no entity that counts in any sentence: recall and F1 are undefined (shown as 0)" in done.err


def test_data_without_labels_is_an_error(world: World, tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"text": "Ann lives in Oslo"}\n')
    done = run("evaluate", "--model", world.student, "--data", tmp_path / "test.jsonl")
    assert done.code == 2
    assert "--data: no labelled sentence in it" in done.err


def test_entities_of_sentences_longer_than_max_words_count_as_missed(world: World, tmp_path: Path) -> None:
    words = [len(sentence.words) for sentence in corpora.sentences(20, seed=2)]
    entities = [len(sentence.spans or ()) for sentence in corpora.sentences(20, seed=2)]
    limit = sorted(words)[10]
    whole = evaluated(world.teacher, world.dev, tmp_path)["micro"]
    part = evaluated(world.teacher, world.dev, tmp_path, "--max-words", str(limit))["micro"]
    missed = sum(count for count, length in zip(entities, words, strict=True) if length > limit)
    assert missed
    assert part["support"] == whole["support"]
    assert part["recall"] <= 1 - missed / whole["support"]
