"""The pretrained encoder against plain loops over its backbone, and what transformers must not do behind our back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import AlbertConfig, AlbertModel, PreTrainedModel

from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders import huggingface as _hf
from ner_distill.nn.encoders.backbone import embedding_of, layers_of
from ner_distill.nn.encoders.pretrained import LayerMix, PretrainedEncoder
from tests import checkpoints

SENTENCES = [
    ["Peter", "Blackburn", "lives", "in", "Brussels", "."],
    ["unbelievable", "北", "antidisestablishmentarianism"],
    ["Berlin"],
]
SHAPE = checkpoints.sizes(layers=3, hidden=16, heads=2)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.bert(tmp_path_factory.mktemp("bert"), layers=3, positions=64)


@pytest.fixture
def backbone(directory: Path) -> PreTrainedModel:
    return _hf.load_backbone(directory)


def _featurizer(directory: Path, max_pieces: int = 64) -> PieceFeaturizer:
    return PieceFeaturizer(_hf.load_tokenizer(directory), max_pieces=max_pieces)


def _inputs(featurizer: PieceFeaturizer, sentences: list[list[str]]) -> dict[str, Tensor]:
    return featurizer.collate([featurizer.features(words) for words in sentences])


def _states(backbone: PreTrainedModel, featurizer: PieceFeaturizer, words: list[str]) -> tuple[list[int | None], Any]:
    """The tokenizer's word of each piece, and the backbone's output for the sentence alone, without any mask."""
    encoded = featurizer.tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        return encoded.word_ids(), backbone(input_ids=encoded["input_ids"], output_hidden_states=True)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_words_are_pooled_as_a_loop_over_their_pieces_does(
    pooling: Any, backbone: PreTrainedModel, directory: Path
) -> None:
    featurizer = _featurizer(directory)
    with torch.no_grad():
        vectors = PretrainedEncoder(backbone, pooling=pooling)(_inputs(featurizer, SENTENCES))
    for row, words in enumerate(SENTENCES):
        owners, output = _states(backbone, featurizer, words)
        for word in range(len(words)):
            own = torch.stack([output.last_hidden_state[0, at] for at, owner in enumerate(owners) if owner == word])
            expected = own[0] if pooling == "first" else own.mean(0)
            torch.testing.assert_close(vectors[row, word], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("layer_mix", [False, True])
def test_padding_words_are_zero(pooling: Any, layer_mix: bool, backbone: PreTrainedModel, directory: Path) -> None:
    encoder = PretrainedEncoder(backbone, pooling=pooling, layer_mix=layer_mix)
    inputs = _inputs(_featurizer(directory), SENTENCES)
    vectors = encoder(inputs)
    assert vectors.shape == (3, 6, encoder.dim)
    assert vectors[~inputs["mask"]].abs().max() == 0
    assert vectors[inputs["mask"]].abs().sum(-1).min() > 0


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_other_sentences_of_the_batch_change_nothing(pooling: Any, backbone: PreTrainedModel, directory: Path) -> None:
    encoder, featurizer = PretrainedEncoder(backbone, pooling=pooling), _featurizer(directory)
    with torch.no_grad():
        together = encoder(_inputs(featurizer, SENTENCES))
        alone = encoder(_inputs(featurizer, SENTENCES[2:]))
    torch.testing.assert_close(together[2, :1], alone[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_word_of_a_long_sentence_has_the_vector_of_its_window(
    pooling: Any, backbone: PreTrainedModel, directory: Path
) -> None:
    featurizer = _featurizer(directory, max_pieces=16)
    words = (SENTENCES[0] + SENTENCES[1]) * 3
    encoder = PretrainedEncoder(backbone, pooling=pooling)
    features = featurizer.features(words)
    assert len(features.windows) > 2
    with torch.no_grad():
        vectors = encoder(featurizer.collate([features, featurizer.features(["in"])]))
        for window in features.windows:
            alone = encoder(_inputs(featurizer, [words[window.start : window.end]]))[0]
            taken = slice(window.take_start, window.take_end)
            inside = slice(window.take_start - window.start, window.take_end - window.start)
            torch.testing.assert_close(vectors[0, taken], alone[inside], atol=1e-5, rtol=1e-4)


def test_sentence_that_fits_is_read_as_one(backbone: PreTrainedModel, directory: Path) -> None:
    encoder = PretrainedEncoder(backbone)
    with torch.no_grad():
        wide = encoder(_inputs(_featurizer(directory), SENTENCES[:1]))
        needed = int(_inputs(_featurizer(directory), SENTENCES[:1])["piece_mask"].sum())
        tight = encoder(_inputs(_featurizer(directory, max_pieces=needed), SENTENCES[:1]))
    assert torch.equal(wide, tight)


def test_layer_mix_is_the_softmax_of_scalars_of_the_layers(backbone: PreTrainedModel, directory: Path) -> None:
    encoder, featurizer = PretrainedEncoder(backbone, layer_mix=True), _featurizer(directory)
    assert encoder.mix is not None
    torch.nn.init.normal_(encoder.mix.weight)
    torch.nn.init.normal_(encoder.mix.bias)
    with torch.no_grad():
        vectors = encoder(_inputs(featurizer, SENTENCES))
        owners, output = _states(backbone, featurizer, SENTENCES[0])
        for word in range(len(SENTENCES[0])):
            tops = [output.hidden_states[layer][0, owners.index(word)] for layer in (1, 2, 3)]  # fewer than four: all
            scores = [(w @ h + b).exp() for w, h, b in zip(encoder.mix.weight, tops, encoder.mix.bias, strict=True)]
            mixed = sum(score * top for score, top in zip(scores, tops, strict=True)) / sum(scores)
            torch.testing.assert_close(vectors[0, word], mixed, atol=1e-5, rtol=1e-4)


def test_fresh_layer_mix_is_the_mean_of_the_layers() -> None:
    layers = torch.randn(4, 2, 3, 8)
    torch.testing.assert_close(LayerMix(8, layers=4)(layers), layers.mean(0))


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_every_parameter_gets_a_gradient(pooling: Any, backbone: PreTrainedModel, directory: Path) -> None:
    encoder = PretrainedEncoder(backbone, pooling=pooling, layer_mix=True)
    encoder(_inputs(_featurizer(directory), SENTENCES)).square().sum().backward()
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []


def test_layer_groups_hold_each_parameter_once_from_the_embeddings_up(backbone: PreTrainedModel) -> None:
    encoder = PretrainedEncoder(backbone, layer_mix=True)
    groups = encoder.layer_groups()
    names = {parameter: name for name, parameter in encoder.named_parameters()}
    assert sorted(names[each] for group in groups for each in group) == sorted(names.values())
    assert len(groups) == 4
    assert all("embeddings" in names[each] for each in groups[0])
    assert all(".layer.1." in names[each] for each in groups[2])


def test_perturbing_the_embedding_changes_the_vectors(backbone: PreTrainedModel, directory: Path) -> None:
    encoder, inputs = PretrainedEncoder(backbone), _inputs(_featurizer(directory), SENTENCES)
    with torch.no_grad():
        plain = encoder(inputs)
        handle = encoder.embedding_layer().register_forward_hook(lambda _module, _args, output: output * 1.5)
        perturbed = encoder(inputs)
        handle.remove()
    assert not torch.allclose(plain, perturbed, atol=1e-3)


def test_lowest_are_the_embeddings_and_so_many_layers_and_no_mix_of_layers(backbone: PreTrainedModel) -> None:
    encoder = PretrainedEncoder(backbone, layer_mix=True)
    names = {parameter: name for name, parameter in encoder.named_parameters()}
    for number in (1, 3):
        parts = ("embeddings.", *(f"encoder.layer.{layer}." for layer in range(number)))
        wanted = {name for name in names.values() if name.startswith(tuple(f"backbone.{part}" for part in parts))}
        assert {names[parameter] for parameter in encoder.lowest(number)} == wanted


@pytest.mark.parametrize(
    ("config", "left"),
    [
        (transformers.ModernBertConfig(vocab_size=50, pad_token_id=0, **SHAPE), {"final_norm.weight"}),
        (
            transformers.RobertaPreLayerNormConfig(vocab_size=50, max_position_embeddings=20, pad_token_id=1, **SHAPE),
            {"LayerNorm.weight", "LayerNorm.bias"},
        ),
    ],
    ids=lambda value: value.model_type if isinstance(value, transformers.PretrainedConfig) else "",
)
def test_a_norm_of_the_last_layer_is_in_no_lower_part(config: transformers.PretrainedConfig, left: set[str]) -> None:
    encoder = PretrainedEncoder(_hf.build_backbone(config))
    names = {parameter: name for name, parameter in encoder.named_parameters()}
    assert {f"backbone.{name}" for name in left} <= {names[parameter] for parameter in encoder.layer_groups()[-1]}
    low = set(encoder.lowest(3))
    assert {name for name, parameter in encoder.backbone.named_parameters() if parameter not in low} == left


def test_distances_that_all_layers_read_are_among_the_lowest_parameters() -> None:
    encoder = PretrainedEncoder(_hf.build_backbone(DEBERTA))
    low = set(encoder.lowest(1))
    assert encoder.backbone.encoder.rel_embeddings.weight in low


def test_layers_that_are_one_cannot_be_taken_one_by_one() -> None:
    albert = transformers.AlbertConfig(vocab_size=50, max_position_embeddings=20, embedding_size=8, **SHAPE)
    assert PretrainedEncoder(_hf.build_backbone(albert)).indivisible() == "the layers of albert are one, repeated"
    bert = PretrainedEncoder(_hf.build_backbone(FAMILIES["bert"]))
    assert bert.indivisible() == ""


FAMILIES = {
    "bert": transformers.BertConfig(vocab_size=50, max_position_embeddings=20, **SHAPE),
    "roberta": transformers.RobertaConfig(vocab_size=50, max_position_embeddings=20, pad_token_id=1, **SHAPE),
    "xlm-roberta": transformers.XLMRobertaConfig(vocab_size=50, max_position_embeddings=20, pad_token_id=1, **SHAPE),
    "camembert": transformers.CamembertConfig(vocab_size=50, max_position_embeddings=20, pad_token_id=1, **SHAPE),
    "mpnet": transformers.MPNetConfig(vocab_size=50, max_position_embeddings=20, pad_token_id=1, **SHAPE),
    "electra": transformers.ElectraConfig(vocab_size=50, max_position_embeddings=20, embedding_size=8, **SHAPE),
    "distilbert": transformers.DistilBertConfig(
        vocab_size=50, max_position_embeddings=20, n_layers=3, dim=16, n_heads=2, hidden_dim=64
    ),
    "mobilebert": transformers.MobileBertConfig(vocab_size=50, max_position_embeddings=20, embedding_size=8, **SHAPE),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_position_limit_is_the_longest_input_that_the_model_takes(name: str) -> None:
    limit = _hf.position_limit(FAMILIES[name])
    backbone = _hf.build_backbone(FAMILIES[name]).eval()
    assert limit is not None
    with torch.no_grad():
        backbone(input_ids=torch.full((1, limit), 7))
        with pytest.raises((IndexError, RuntimeError)):
            backbone(input_ids=torch.full((1, limit + 1), 7))


DEBERTA = transformers.DebertaV2Config(
    vocab_size=50,
    max_position_embeddings=20,
    relative_attention=True,
    position_biased_input=False,
    pos_att_type=["p2c", "c2p"],
    **SHAPE,
)


@pytest.mark.parametrize("config", [*FAMILIES.values(), DEBERTA], ids=lambda config: config.model_type)
def test_layers_and_embedding_are_found_in_every_family(config: transformers.PretrainedConfig) -> None:
    backbone = _hf.build_backbone(config)
    assert len(layers_of(backbone)) == 3
    assert embedding_of(backbone).weight.shape[0] == 50


@pytest.mark.parametrize("config", [*FAMILIES.values(), DEBERTA], ids=lambda config: config.model_type)
def test_padding_changes_no_vector_in_any_family(config: transformers.PretrainedConfig) -> None:
    backbone = _hf.build_backbone(config).eval()
    padding = config.pad_token_id
    pieces = torch.tensor([[5, 6, 7, 8, 9, 10], [11, 12, 13, *[padding] * 3]])
    inputs = {
        "pieces": pieces,
        "piece_mask": pieces != padding,
        "mask": torch.ones(2, 1, dtype=torch.bool),
        "word_piece": torch.tensor([[1], [7]]),
        "word_pieces": torch.tensor([[1], [1]]),
    }
    encoder = PretrainedEncoder(backbone)
    with torch.no_grad():
        found = encoder(inputs)[1, 0]
        expected = backbone(input_ids=pieces[1:, :3]).last_hidden_state[0, 1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_autocast_stays_near_fp32(pooling: Any, backbone: PreTrainedModel, directory: Path) -> None:
    encoder, inputs = PretrainedEncoder(backbone, pooling=pooling), _inputs(_featurizer(directory), SENTENCES)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = encoder(inputs)
    with torch.no_grad():
        torch.testing.assert_close(half.float(), encoder(inputs), atol=0.1, rtol=0.1)


def test_half_precision_checkpoint_is_loaded_in_fp32(directory: Path, tmp_path: Path) -> None:
    transformers.AutoModel.from_pretrained(directory).half().save_pretrained(tmp_path)
    backbone = _hf.load_backbone(tmp_path)
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in _hf.build_backbone(backbone.config).parameters()} == {torch.float32}


def test_built_backbone_takes_the_weights_of_a_loaded_one(backbone: PreTrainedModel) -> None:
    built = _hf.build_backbone(backbone.config)
    built.load_state_dict(backbone.state_dict())
    assert all(torch.equal(built.state_dict()[name], tensor) for name, tensor in backbone.state_dict().items())


def test_loading_is_silent(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _hf.load_backbone(directory)
    _hf.load_tokenizer(directory)
    assert capfd.readouterr() == ("", "")


def test_byte_level_tokenizer_is_loaded_with_a_prefix_space(tmp_path: Path) -> None:
    tokenizer = _hf.load_tokenizer(checkpoints.roberta(tmp_path))
    assert tokenizer.convert_ids_to_tokens(tokenizer(["in"], is_split_into_words=True)["input_ids"])[1].startswith("Ġ")


def test_generic_byte_level_tokenizer_is_loaded_with_a_prefix_space(tmp_path: Path) -> None:
    checkpoints.roberta(tmp_path)
    bare = transformers.AutoTokenizer.from_pretrained(tmp_path)
    generic = transformers.PreTrainedTokenizerFast(tokenizer_object=bare.backend_tokenizer, pad_token="<pad>")
    generic.save_pretrained(tmp_path)
    tokenizer = _hf.load_tokenizer(tmp_path)
    assert tokenizer.convert_ids_to_tokens(tokenizer(["in"], is_split_into_words=True)["input_ids"])[1].startswith("Ġ")


def _copy(directory: Path, target: Path, *names: str) -> Path:
    for name in names:
        shutil.copy(directory / name, target)
    return target


def test_directory_without_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json"):
        _hf.load_backbone(tmp_path)


def test_missing_directory_is_not_taken_for_an_id_of_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        _hf.load_backbone(str(tmp_path / "absent"))


def test_id_that_is_not_in_the_cache_is_an_error_when_offline() -> None:
    with pytest.raises(ConfigError, match=r"nobody/no-such-model: could not be loaded"):
        _hf.load_backbone("nobody/no-such-model")


def test_pickled_weights_are_refused_with_the_way_out(directory: Path, tmp_path: Path) -> None:
    _copy(directory, tmp_path, "config.json")
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin only.*convert it"):
        _hf.load_backbone(tmp_path)


def test_damaged_weights_are_refused(directory: Path, tmp_path: Path) -> None:
    _copy(directory, tmp_path, "config.json")
    (tmp_path / "model.safetensors").write_bytes((directory / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ConfigError, match="damaged"):
        _hf.load_backbone(tmp_path)


def test_weights_that_are_missing_are_not_left_at_random(directory: Path, tmp_path: Path) -> None:
    _copy(directory, tmp_path, "model.safetensors")
    deeper = transformers.AutoConfig.from_pretrained(directory)
    deeper.num_hidden_layers = 5
    deeper.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"missing, such as encoder\.layer\.3"):
        _hf.load_backbone(tmp_path)


def test_weights_of_another_shape_are_refused(directory: Path, tmp_path: Path) -> None:
    _copy(directory, tmp_path, "model.safetensors")
    other = transformers.AutoConfig.from_pretrained(directory)
    other.vocab_size += 1
    other.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="could not be loaded"):
        _hf.load_backbone(tmp_path)


def test_code_of_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}')
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ConfigError, match="could not be loaded"):
        _hf.load_backbone(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (transformers.GPT2Config(), "gpt2 is no encoder: it reads each word without those after it"),
        (transformers.BertConfig(is_decoder=True), "bert is no encoder"),
        (transformers.BartConfig(), "bart is an encoder with a decoder"),
        (transformers.CLIPConfig(), "clip is made of several models"),
    ],
    ids=lambda each: getattr(each, "model_type", ""),
)
def test_what_is_no_encoder_is_refused_before_its_weights_are_read(
    config: transformers.PretrainedConfig, message: str, tmp_path: Path
) -> None:
    config.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=message):
        _hf.load_backbone(tmp_path)


def test_tokenizer_without_vocabulary_is_refused(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no vocabulary found"):
        _hf.load_tokenizer(_copy(directory, tmp_path, "config.json"))


def test_tokenizer_of_another_encoder_is_refused(backbone: PreTrainedModel, directory: Path, tmp_path: Path) -> None:
    _hf.check_vocabulary(backbone, _hf.load_tokenizer(directory), "here")
    with pytest.raises(ConfigError, match="do not belong together"):
        _hf.check_vocabulary(backbone, _hf.load_tokenizer(checkpoints.roberta(tmp_path)), "here")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", '{"model_type": "bert", "bos_token_id": []}'),
        ("tokenizer.json", '{"truncation": {"direction": "../../x"}}'),
        ("tokenizer_config.json", '"x"'),
        ("config.json", "[" * 100_000),
    ],
)
def test_a_checkpoint_whose_files_hold_anything_is_refused_by_name(
    directory: Path, tmp_path: Path, name: str, text: str
) -> None:
    shutil.copytree(directory, tmp_path / "bert")
    (tmp_path / "bert" / name).write_text(text)
    load = _hf.load_backbone_config if name == "config.json" else _hf.load_tokenizer
    with pytest.raises(ConfigError, match="bert: could not be loaded"):
        load(tmp_path / "bert")


def test_layers_of_an_encoder_that_repeats_one_are_mixed(directory: Path) -> None:
    config = AlbertConfig(vocab_size=40, embedding_size=8, hidden_size=8, num_hidden_layers=6, num_attention_heads=2)
    encoder = PretrainedEncoder(AlbertModel(config, add_pooling_layer=False), layer_mix=True)
    assert encoder.mix is not None
    assert len(encoder.mix.bias) == 4
