import hashlib
import json
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from ner_distill.runs.build import load_run
from tests import corpora
from tests.commands import Done, ok, run, settings
from tests.world import World

QUICK = settings(*corpora.SMALL, "optim.epochs=1")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of a few sentences, for trainings that need not learn anything."""
    return corpora.write_all(tmp_path_factory.mktemp("short"), train=12, dev=4, raw=6)


def train(data: Path, out: Path, *options: str) -> Done:
    files = ("--train", data / "train.conll", "--dev", data / "dev.conll", "--out", out)
    return ok("train-teacher", *files, *QUICK, *options)


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def test_teacher_learns_the_corpus(world: World) -> None:
    assert json.loads((world.teacher / "metrics.json").read_text())["dev"]["micro"]["f1"] > 0.95


def test_run_directory_has_the_documented_files(world: World) -> None:
    names = {path.name for path in world.teacher.iterdir()}
    documented = {"config.toml", "labels.json", "model.safetensors", "vocabulary.json", "metrics.json", "metrics.jsonl"}
    beside = {"inputs.json", "log.txt", "environment.json", "calibration.json", "text_profile.json", "report.html"}
    assert names - {"checkpoints", "tensorboard"} == documented | beside | {"README.md"}


def test_config_of_the_run_has_what_was_set_and_nothing_automatic(world: World) -> None:
    config = tomllib.loads((world.teacher / "config.toml").read_text("utf-8"))
    assert (config["encoder"]["hidden"], config["optim"]["epochs"], config["optim"]["head_lr"]) == (32, 8, 1e-2)
    assert "auto" not in config["optim"].values()


def test_labels_json_says_what_the_run_is(world: World) -> None:
    found = json.loads((world.teacher / "labels.json").read_text())
    assert found == {"format": 1, "kind": "teacher", "unit": "word", "labels": list(corpora.LABELS)}


def test_metrics_has_a_line_for_every_epoch(world: World) -> None:
    lines = (world.teacher / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 9))


def test_same_seed_gives_the_same_weights(short: Path, tmp_path: Path) -> None:
    train(short, tmp_path / "a")
    train(short, tmp_path / "b")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_another_seed_gives_other_weights(short: Path, tmp_path: Path) -> None:
    train(short, tmp_path / "a")
    train(short, tmp_path / "b", *settings("seed=14"))
    assert weights(tmp_path / "a") != weights(tmp_path / "b")


def test_overwrite_replaces_a_run(short: Path, tmp_path: Path) -> None:
    train(short, tmp_path / "run", *settings("seed=14"))
    (tmp_path / "run" / "knowledge").mkdir()  # of another kind of teacher
    train(short, tmp_path / "run", "--overwrite")
    train(short, tmp_path / "fresh")
    assert weights(tmp_path / "run") == weights(tmp_path / "fresh")
    assert not (tmp_path / "run" / "knowledge").exists()


def test_an_empty_directory_is_as_good_as_none(short: Path, tmp_path: Path) -> None:
    train(short, tmp_path)
    assert weights(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        ["head.kind=token"],
        ["similarity.encoder=separate"],
        ["similarity.target=tag", "similarity.scale=source"],
        ["adversarial.kind=fgm"],
        ["adversarial.kind=fgm", "adversarial.on=weights", "similarity.encoder=separate"],
        ["optim.swa=true", "optim.swa_start=0.0", "optim.accumulate=2"],
        ["optim.ema=0.9"],
    ],
    ids=" ".join,
)
def test_every_variant_trains_and_loads_again(short: Path, tmp_path: Path, options: list[str]) -> None:
    train(short, tmp_path / "run", *settings(*options))
    train(short, tmp_path / "plain")
    assert weights(tmp_path / "run") != weights(tmp_path / "plain")
    assert load_run(tmp_path / "run").info.labels == corpora.LABELS


def test_weight_0_switches_the_similarity_off(short: Path, tmp_path: Path) -> None:
    train(short, tmp_path / "run", *settings("similarity.weight=0.0"))
    assert not any("similarity" in name for name in load_file(tmp_path / "run" / "model.safetensors"))


def test_separate_encoder_doubles_the_teacher_but_not_its_tagger(short: Path, tmp_path: Path) -> None:
    train(short, tmp_path / "run", *settings("similarity.encoder=separate"))
    built = load_run(tmp_path / "run")
    tagger = sum(parameter.numel() for parameter in built.tagger.parameters())
    assert sum(parameter.numel() for parameter in built.model.parameters()) > 1.8 * tagger
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["parameters"] == tagger


def test_chinese_is_learnt_by_characters(tmp_path: Path) -> None:
    data = corpora.write_all(tmp_path / "zh", train=40, dev=10, raw=1, chinese=True)
    train(data, tmp_path / "run", *settings("optim.epochs=4"))
    assert load_run(tmp_path / "run").info.unit == "character"
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["dev"]["micro"]["f1"] > 0.9


def test_development_texts_are_cut_as_the_training_texts(tmp_path: Path) -> None:
    # by itself this development file looks like one of English words
    data = corpora.write_all(tmp_path / "zh", train=12, dev=1, raw=1, chinese=True)
    row = {"text": "NBA ABC北京", "entities": [{"start": 5, "end": 9, "label": "LOC"}]}
    (data / "dev.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    done = ok("train-teacher", "--train", data / "train.conll", "--dev", data / "dev.jsonl", "--out", tmp_path / "run",
              *QUICK)  # fmt: skip
    assert "inside a word" not in done.err


def test_what_was_said_of_the_input_is_in_the_log(short: Path, tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text((short / "train.conll").read_text() + "Oslo I-LOC\nrains O\n")
    ok("train-teacher", "--train", tmp_path / "train.conll", "--dev", short / "dev.conll", "--out", tmp_path / "run",
       "--scheme", "iob2", *QUICK)  # fmt: skip
    assert "that start an entity, read as its start: 1\n" in (tmp_path / "run" / "log.txt").read_text()


def test_config_file_and_set_work_together(short: Path, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("seed = 7\n[optim]\nepochs = 3\n")
    train(short, tmp_path / "run", "--config", str(tmp_path / "t.toml"))
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert (config["seed"], config["optim"]["epochs"]) == (7, 1)


def test_several_training_files_are_read_together(short: Path, tmp_path: Path) -> None:
    more = corpora.write_conll(tmp_path / "more.conll", corpora.sentences(7, seed=9))
    done = train(short, tmp_path / "run", "--train", str(more))
    assert "training on 19 sentences" in done.err


def test_inputs_json_names_the_files_with_size_and_hash(world: World) -> None:
    [entry] = json.loads((world.teacher / "inputs.json").read_text())["train"]
    data = world.train.read_bytes()
    assert entry == {"name": str(world.train), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


# ---- development data


def without_dev(data: Path, out: Path, *options: str | Path) -> Done:
    return ok("train-teacher", "--train", data / "train.conll", "--out", out, *QUICK, *options)


def test_without_development_data_the_last_weights_are_kept(short: Path, tmp_path: Path) -> None:
    three = settings("optim.epochs=3", "optim.lr=1e-9")  # no epoch scores better: of equals the last stays
    done = without_dev(short, tmp_path / "alone", *three)
    train(short, tmp_path / "with", *three)
    assert weights(tmp_path / "alone") == weights(tmp_path / "with")
    metrics = json.loads((tmp_path / "alone" / "metrics.json").read_text())
    assert (metrics["best_epoch"], metrics["checkpoint"]) == (3, "last, no development data")
    assert metrics["checkpoint_chosen_on"] == []
    assert "dev" not in metrics
    assert "no --dev: 3 epochs are trained, and the last weights kept" in done.err
    assert "no development data chose them" in done.out
    assert json.loads((tmp_path / "with" / "metrics.json").read_text())["checkpoint"] == "best on development data"


def test_without_development_data_a_finished_run_is_finished(short: Path, tmp_path: Path) -> None:
    without_dev(short, tmp_path / "run")
    done = without_dev(short, tmp_path / "run", "--resume")
    assert "this training is finished" in done.err
    assert "no development data chose them" in done.out


def test_a_run_that_was_killed_before_it_was_tidy_is_tidied_when_it_is_resumed(short: Path, tmp_path: Path) -> None:
    without_dev(short, tmp_path / "run")
    expected = {path.name for path in (tmp_path / "run").iterdir()}
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / ".best.safetensors.7.tmp").touch()
    (tmp_path / "run" / ".metrics.json.7.tmp").touch()
    without_dev(short, tmp_path / "run", "--resume")
    assert {path.name for path in (tmp_path / "run").iterdir()} == expected


def test_what_needs_a_score_is_refused_without_development_data(short: Path, tmp_path: Path) -> None:
    needs = settings("optim.patience=2", "loss.kind=pu", "loss.prior_from=dev")
    done = run("train-teacher", "--train", short / "train.conll", "--out", tmp_path / "run", *QUICK, *needs)
    assert done.code == 2
    assert "optim.patience stops where the score on --dev does not rise" in done.err
    assert 'loss.prior_from = "dev" counts the types of --dev' in done.err
    assert not (tmp_path / "run").exists()


def test_a_teacher_with_folds_needs_no_development_data(short: Path, tmp_path: Path) -> None:
    without_dev(short, tmp_path / "run", "--folds", "2")
    assert "dev" not in json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_a_student_needs_no_development_data_either(short: Path, tmp_path: Path) -> None:
    done = ok("train-student", "--gold", short / "train.conll", "--out", tmp_path / "run", *QUICK)
    assert "no development data chose them" in done.out
    assert load_run(tmp_path / "run").info.kind == "student"


@pytest.mark.parametrize("kind", ["train-teacher", "train-student"])
def test_development_data_without_an_entity_is_an_error(short: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "dev.conll").write_text("It O\nrains O\n\nShe O\nsings O\n")
    learned = "--train" if kind == "train-teacher" else "--gold"
    files = (learned, short / "train.conll", "--dev", tmp_path / "dev.conll", "--out", tmp_path / "run")
    done = run(kind, *files, *QUICK)
    assert done.code == 2
    assert "no entity in any of its 2 sentences, so it cannot choose an epoch" in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("shared", "warned"), [(4, True), (2, True), (1, False), (0, False)])
def test_development_sentences_that_are_trained_on_are_said(tmp_path: Path, shared: int, warned: bool) -> None:
    def sentences(names: str) -> str:
        return "".join(f"{name} B-PER\nleft O\n\n" for name in names)

    (tmp_path / "train.conll").write_text(sentences("abcd"))
    (tmp_path / "dev.conll").write_text(sentences(("abcd"[:shared] + "wxyz")[:4]))
    done = train(tmp_path, tmp_path / "run")
    said = f"{shared / 4:.0%} of its sentences ({shared} of 4) stand in --train as well"
    assert (said in done.err) == warned


def test_few_development_entities_are_said(tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text("Ann B-PER\nleft O\n")
    (tmp_path / "dev.conll").write_text("Bo B-PER\nleft O\n")
    assert "--dev has 1 entity in 1 sentence" in train(tmp_path, tmp_path / "run").err


# ---- environment


def test_a_run_keeps_what_it_was_trained_on(world: World) -> None:
    kept = json.loads((world.teacher / "environment.json").read_text())
    assert kept["threads"] == torch.get_num_threads()
    assert kept["torch"] == torch.__version__.partition("+")[0] or kept["torch"] == torch.__version__
    assert {"python", "numpy", "transformers", "tokenizers", "ner_distill", "processor", "device"} < kept.keys()
    assert json.loads((world.teacher / "metrics.json").read_text())["environment"] == kept


def test_a_teacher_with_lists_of_its_data_scores_alike_from_its_directory(short: Path, tmp_path: Path) -> None:
    done = train(short, tmp_path / "run", *settings("features.train_lists=all", "features.train_lists_folds=3"))
    assert "features.train_lists: LOC" in done.err
    ok("evaluate", "--model", tmp_path / "run", "--data", short / "dev.conll", "--json", tmp_path / "scores.json")
    dev = json.loads((tmp_path / "run" / "metrics.json").read_text())["dev"]
    assert json.loads((tmp_path / "scores.json").read_text())["micro"] == dev["micro"]


def test_lists_of_the_data_decide_what_a_teacher_learns(short: Path, tmp_path: Path) -> None:
    # out of fold, they depend on the folds: with lists that every sentence sees of itself they would not
    for folds in ("2", "3"):
        train(short, tmp_path / folds, *settings("features.train_lists=all", f"features.train_lists_folds={folds}"))
    lists = [(tmp_path / folds / "knowledge" / "train_lists.json").read_bytes() for folds in ("2", "3")]
    assert lists[0] == lists[1]
    assert weights(tmp_path / "2") != weights(tmp_path / "3")


def test_a_bound_that_leaves_no_sentence_is_said_before_anything_is_made(short: Path, tmp_path: Path) -> None:
    bound = ["--max-words", "1"]
    done = run("train-teacher", "--train", short / "train.conll", "--out", tmp_path / "run", *QUICK, *bound)
    assert done.code == 2
    assert "--max-words: --train has no sentence of so few words" in done.err
    assert not (tmp_path / "run").exists()
