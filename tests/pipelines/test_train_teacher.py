import hashlib
import json
import tomllib
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from ner_distill.runs.build import load_run
from tests import corpora
from tests.commands import Done, ok, settings
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
    assert names - {"checkpoints", "tensorboard"} == documented | {"inputs.json", "log.txt"}


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
    (tmp_path / "run" / "left-over").write_text("")
    train(short, tmp_path / "run", "--overwrite")
    train(short, tmp_path / "fresh")
    assert weights(tmp_path / "run") == weights(tmp_path / "fresh")
    assert not (tmp_path / "run" / "left-over").exists()


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
