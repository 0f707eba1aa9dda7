"""A tiny checkpoint of every architecture that transformers tags, masks or encodes text with, made of its own lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.models.auto import modeling_auto

from ner_distill.nn.encoders.huggingface import quiet

LISTS = (
    modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
    modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES,
)
NAMES = sorted(set().union(*LISTS))
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "Ann", "Bo", "Eve", "sings", "left", "in", "Oslo", "Ulm", "Rome", "today", "and", "."]
LARGEST = 3_000_000  # weights: a checkpoint of more would take seconds
SIZES: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "pad_token_id": 0,
    "max_position_embeddings": 66,
}
# What a small one needs beside that.
MORE: dict[str, dict[str, Any]] = {
    "axk1": {"n_routed_experts": 2, "moe_intermediate_size": 8},
    "axk2": {"n_routed_experts": 2, "moe_intermediate_size": 8},
    "bart": {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32},
    "canine": {"num_hash_buckets": 64, "local_transformer_stride": 8, "upsampling_kernel_size": 3},
    "convbert": {"embedding_size": 8},
    "deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
    "deepseek_v3": {"n_routed_experts": 2, "moe_intermediate_size": 8},
    "distilbert": {"hidden_dim": 32},
    "electra": {"embedding_size": 8},
    "albert": {"embedding_size": 8},
    "funnel": {"num_hidden_layers": None, "architectures": ["FunnelModel"], "block_sizes": [1, 1],
               "num_decoder_layers": 1, "d_head": 8, "d_inner": 32},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
    "gte": {"num_key_value_heads": 2},
    "ibert": {"quant_mode": False},
    "layoutlmv3": {"input_size": 32, "patch_size": 16, "coordinate_size": 2, "shape_size": 4},
    "lilt": {"hidden_size": 24},
    "longformer": {"attention_window": [8, 8]},
    "luke": {"entity_vocab_size": 5, "entity_emb_size": 8},
    "markuplm": {"max_xpath_tag_unit_embeddings": 8, "max_xpath_subs_unit_embeddings": 8, "xpath_unit_hidden_size": 4,
                 "tag_pad_id": 7, "subs_pad_id": 7},
    "ministral": {"num_key_value_heads": 2, "head_dim": 8},
    "mistral4": {"n_routed_experts": 4, "moe_intermediate_size": 8},
    "mobilebert": {"embedding_size": 8, "intra_bottleneck_size": 16, "true_hidden_size": 16},
    "modernbert": {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
    "molmo2_text": {"num_key_value_heads": 2, "head_dim": 8},
    "nemotron": {"num_key_value_heads": 2},
    "neomme": {"num_key_value_heads": 2},
    "perceiver": {"num_latents": 4, "d_latents": 16, "d_model": 16, "num_self_attends_per_block": 1},
    "qwen2_moe": {"num_experts": 2, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8},
    "qwen3_moe": {"num_experts": 2, "moe_intermediate_size": 8},
    "qwen3_next": {"num_experts": 2, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8},
    "reformer": {"axial_pos_embds_dim": (8, 8), "axial_pos_shape": (6, 11), "attention_head_size": 8},
    "rembert": {"input_embedding_size": 8, "output_embedding_size": 8},
    "roc_bert": {"pronunciation_vocab_size": 8, "shape_vocab_size": 8, "pronunciation_embed_dim": 4,
                 "shape_embed_dim": 4},
    "squeezebert": {"embedding_size": 16, "q_groups": 1, "k_groups": 1, "v_groups": 1, "post_attention_groups": 1,
                    "intermediate_groups": 1, "output_groups": 1},
    "t5": {"d_kv": 8, "d_ff": 32},
    "mt5": {"d_kv": 8, "d_ff": 32},
    "umt5": {"d_kv": 8, "d_ff": 32},
    "xlnet": {"max_position_embeddings": None, "d_inner": 32, "d_head": 8},
    "xmod": {"default_language": "en_XX", "languages": ["en_XX", "de_DE"]},
}  # fmt: skip


def tiny(name: str) -> PretrainedConfig | None:
    """A configuration with small numbers; None where the general ones make no model, or one that is not small."""
    sizes = {key: value for key, value in {**SIZES, **MORE.get(name, {})}.items() if value is not None}
    try:
        config = AutoConfig.for_model(name, **sizes)
        with torch.device("meta"), quiet():
            model = kind_of(name).from_config(config)
    except Exception:  # whatever a configuration raises over numbers that are not its own
        return None
    return config if sum(parameter.numel() for parameter in model.parameters()) <= LARGEST else None


def kind_of(name: str) -> Any:
    return AutoModelForTextEncoding if name in ("t5", "mt5", "umt5") else AutoModel


def tokenizer() -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of whole words, the same for all."""
    made = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=64, mask_token="[MASK]", **names)


def checkpoint(directory: Path, name: str, config: PretrainedConfig) -> Path:
    """What a download of this architecture would put into a directory."""
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model: PreTrainedModel = kind_of(name).from_config(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3) if parameter.dim() > 1 else None
        model.save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    return directory
