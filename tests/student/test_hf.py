"""The student's directory, loaded by transformers alone, answers what our own encoder and classifier answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedModel

from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, RunError
from ner_distill.nn.encoders import huggingface as _hf
from ner_distill.nn.encoders.backbone import layers_of
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.student.hf import (
    backbone_of,
    build_token_classifier,
    classifier_of,
    from_layers_of,
    layers_before_classifier,
    load_token_classifier,
    save_token_classifier,
    tags_of,
)
from tests import checkpoints

TAGS = TagSet(("LOC", "ORG", "PER")).tags
WORDS = ["Peter", "Blackburn", "lives", "in", "Brussels", ",", "unbelievable"]
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "bert": checkpoints.bert,
    "xlm-roberta": checkpoints.xlm_roberta,
    "roberta": checkpoints.roberta,
}


@pytest.fixture(scope="module", params=BUILDERS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return BUILDERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture
def saved(checkpoint: Path, tmp_path: Path) -> tuple[Path, PreTrainedModel]:
    """A token classifier with a head that says something, and the directory it was saved to."""
    model = build_token_classifier(checkpoint, TAGS)
    torch.nn.init.normal_(classifier_of(model).weight)
    save_token_classifier(model, _hf.load_tokenizer(checkpoint), tmp_path)
    return tmp_path, model


def test_first_piece_logits_of_the_loaded_directory_equal_ours_per_word(saved: tuple[Path, PreTrainedModel]) -> None:
    directory, model = saved
    featurizer = PieceFeaturizer(_hf.load_tokenizer(directory))
    inputs = featurizer.collate([featurizer.features(WORDS), featurizer.features(WORDS[:2])])
    theirs = AutoModelForTokenClassification.from_pretrained(directory)
    encoded = AutoTokenizer.from_pretrained(directory)(WORDS, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        ours = classifier_of(model)(PretrainedEncoder(backbone_of(model))(inputs))[0]
        logits = theirs(**encoded).logits[0]
    firsts = [encoded.word_ids().index(word) for word in range(len(WORDS))]
    torch.testing.assert_close(ours, logits[firsts], atol=1e-4, rtol=1e-4)


def test_pipeline_answers_with_the_tags_of_our_logits(saved: tuple[Path, PreTrainedModel]) -> None:
    directory, model = saved
    text = " ".join(WORDS)
    found = transformers.pipeline("token-classification", model=str(directory), ignore_labels=[])(text)
    encoded = _hf.load_tokenizer(directory)(text, return_tensors="pt")
    with torch.no_grad():
        best = model(**encoded).logits[0].argmax(-1).tolist()[1:-1]
    assert [piece["entity"] for piece in found] == [TAGS[tag] for tag in best]


def test_directory_holds_the_tags_and_no_pickle(saved: tuple[Path, PreTrainedModel]) -> None:
    directory, model = saved
    config = json.loads((directory / "config.json").read_text())
    assert config["id2label"] == {str(index): tag for index, tag in enumerate(TAGS)}
    assert config["label2id"] == {tag: index for index, tag in enumerate(TAGS)}
    assert config["architectures"] == [type(model).__name__]
    assert {path.suffix for path in directory.iterdir()} <= {".json", ".safetensors", ".model", ".txt"}


def test_saved_tokenizer_knows_the_limit_of_the_encoder(saved: tuple[Path, PreTrainedModel]) -> None:
    directory, model = saved
    assert AutoTokenizer.from_pretrained(directory).model_max_length == _hf.position_limit(model.config) == 512


def test_classifier_on_a_checkpoint_has_its_encoder(checkpoint: Path) -> None:
    expected = _hf.load_backbone(checkpoint).state_dict()
    found = backbone_of(build_token_classifier(checkpoint, TAGS)).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_classifier_of_other_labels_is_not_taken_over(tmp_path: Path) -> None:
    checkpoint = checkpoints.bert(tmp_path / "bert")
    other = build_token_classifier(checkpoint, [tag.replace("LOC", "GPE") for tag in TAGS])
    torch.nn.init.constant_(classifier_of(other).weight, 7.0)
    save_token_classifier(other, _hf.load_tokenizer(checkpoint), tmp_path / "other")
    fresh = classifier_of(build_token_classifier(tmp_path / "other", TAGS))
    assert fresh.weight.abs().max() < 1


def test_fresh_classifier_is_initialised_and_follows_the_seed(checkpoint: Path) -> None:
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(classifier_of(build_token_classifier(checkpoint, TAGS)).weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert weights[0].std().item() == pytest.approx(0.02, rel=0.3)


def test_student_has_the_chosen_layers_of_the_backbone(checkpoint: Path) -> None:
    backbone = _hf.load_backbone(checkpoint)
    student = from_layers_of(backbone, [-1], TAGS)
    assert student.config.num_hidden_layers == len(layers_of(student)) == 1
    copied, source = layers_of(student)[0].state_dict(), layers_of(backbone)[1].state_dict()
    assert all(torch.equal(copied[name], tensor) for name, tensor in source.items())
    assert backbone.config.num_hidden_layers == 2


def test_a_number_of_layers_takes_the_lowest(checkpoint: Path) -> None:
    backbone = _hf.load_backbone(checkpoint)
    student, lowest = from_layers_of(backbone, 1, TAGS), layers_of(backbone)[0].state_dict()
    assert student.config.num_hidden_layers == 1
    assert all(torch.equal(own, lowest[name]) for name, own in layers_of(student)[0].state_dict().items())
    with pytest.raises(ConfigError, match="init.layers = 3: the teacher has 2 layers"):
        from_layers_of(backbone, 3, TAGS)


def test_student_with_fewer_layers_survives_saving(checkpoint: Path, tmp_path: Path) -> None:
    student = from_layers_of(_hf.load_backbone(checkpoint), [0], TAGS)
    save_token_classifier(student, _hf.load_tokenizer(checkpoint), tmp_path)
    loaded = load_token_classifier(tmp_path)
    assert tags_of(loaded) == TAGS
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in student.state_dict().items())


def test_architecture_without_a_linear_classifier_is_named() -> None:
    shape = checkpoints.sizes(layers=1, hidden=16, heads=2)
    whole = transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=20, **shape))
    with pytest.raises(ConfigError, match="BertForMaskedLM: expected one linear layer of tags"):
        classifier_of(whole)


MODERN = transformers.ModernBertConfig(vocab_size=40, pad_token_id=0, **checkpoints.sizes(layers=2, hidden=16, heads=2))


def test_layers_before_the_classifier_are_part_of_what_gives_the_tags() -> None:
    model = _hf.build_classifier(MODERN, TAGS).eval()
    before = layers_before_classifier(model)
    assert before is not None
    pieces = torch.randint(3, 40, (2, 5))
    with torch.no_grad():
        expected = classifier_of(model)(before(backbone_of(model)(pieces).last_hidden_state))
        torch.testing.assert_close(model(pieces).logits, expected)


def test_layers_before_the_classifier_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    masked = transformers.ModernBertForMaskedLM(MODERN)
    masked.save_pretrained(tmp_path)
    before = layers_before_classifier(build_token_classifier(tmp_path, TAGS))
    assert before is not None
    assert torch.equal(before[0].dense.weight, masked.head.dense.weight)


def test_layers_before_the_classifier_begin_anew_where_a_checkpoint_has_none(tmp_path: Path) -> None:
    transformers.ModernBertModel(MODERN).save_pretrained(tmp_path)
    before = layers_before_classifier(build_token_classifier(tmp_path, TAGS))
    assert before is not None
    assert 0 < before[0].dense.weight.abs().max() < 1


def test_an_encoder_with_its_classifier_has_no_layers_between(checkpoint: Path) -> None:
    assert layers_before_classifier(build_token_classifier(checkpoint, TAGS)) is None


@pytest.mark.parametrize(
    "config",
    [
        transformers.DistilBertConfig(n_layers=4, dim=16, n_heads=2, hidden_dim=32, vocab_size=40),
        transformers.ElectraConfig(vocab_size=40, embedding_size=8, **checkpoints.sizes(layers=4, hidden=16, heads=2)),
        transformers.DebertaV2Config(vocab_size=40, **checkpoints.sizes(layers=4, hidden=16, heads=2)),
        transformers.MPNetConfig(vocab_size=40, **checkpoints.sizes(layers=4, hidden=16, heads=2)),
    ],
    ids=lambda config: config.model_type,
)
def test_other_families_make_students_too(config: transformers.PretrainedConfig) -> None:
    backbone = _hf.build_backbone(config).eval()
    student = from_layers_of(backbone, [0, 1, 2, 3], TAGS)
    pieces = torch.randint(3, 40, (2, 5))
    with torch.no_grad():
        expected = classifier_of(student)(backbone(pieces).last_hidden_state)
        torch.testing.assert_close(student(pieces).logits, expected, atol=1e-5, rtol=1e-4)
    assert len(layers_of(from_layers_of(backbone, [3], TAGS))) == 1


def test_architecture_without_a_token_classifier_is_named() -> None:
    config = transformers.ViTConfig(num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=16)
    with pytest.raises(ConfigError, match="no token classifier for vit"):
        _hf.build_classifier(config, TAGS)


def test_saving_is_silent(
    saved: tuple[Path, PreTrainedModel], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    directory, model = saved
    save_token_classifier(model, _hf.load_tokenizer(directory), tmp_path / "again")
    assert capfd.readouterr() == ("", "")


def test_directory_without_weights_is_an_error_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no config\.json"):
        load_token_classifier(tmp_path)


def test_encoder_without_a_classifier_is_not_loaded_with_a_random_one(checkpoint: Path) -> None:
    with pytest.raises(RunError, match=r"missing, such as classifier"):
        load_token_classifier(checkpoint)
