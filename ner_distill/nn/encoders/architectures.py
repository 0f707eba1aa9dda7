"""What single architectures of transformers need, and the guard around all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_FOR_TEXT_ENCODING_MAPPING,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    PretrainedConfig,
)

from ner_distill.errors import ConfigError, NerDistillError, is_out_of_memory
from ner_distill.nn.encoders.backbone import ADVICE

LIKE_A_DECODER = "is no encoder: it reads each word without those after it, as decoders do"
# Trained to guess the next piece like decoders, and yet each piece sees all others.
BOTH_WAYS = frozenset(["xlnet"])
# A value for each layer.
PER_LAYER = ("attention_window", "layer_types", "mlp_layer_types")


@contextmanager
def guarded(what: str, config: PretrainedConfig) -> Iterator[None]:
    """Turns whatever an architecture raises while it is built, loaded, copied or tried into a ConfigError.

    what: the beginning of the message: the checkpoint or the setting.
    """
    try:
        yield
    except NerDistillError:
        raise
    except Exception as error:  # the code of a hundred architectures raises whatever Python has
        if is_out_of_memory(error):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = f"{type(error).__name__}: {' '.join(lines)[:200]}".rstrip(". :")
        raise ConfigError(
            f"{what}: the architecture {config.model_type} of transformers cannot be used here ({reason}); {ADVICE}"
        ) from error


def settled(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration with what we decide about it; changed in place.

    BigBird reads in full attention: its sparse one needs hundreds of pieces, and changes the model where it gets fewer.
    """
    if config.model_type == "big_bird":
        config.attention_type = "original_full"
    return config


def encoder_kind(config: PretrainedConfig) -> Any:
    """The class of transformers that makes an encoder of this configuration: of T5's family its encoder alone.

    Raises ConfigError where there is none.
    """
    kind = type(config)
    if kind in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING and kind in MODEL_FOR_TEXT_ENCODING_MAPPING:
        return AutoModelForTextEncoding
    if kind not in MODEL_MAPPING:
        raise ConfigError(f"transformers has no encoder for the architecture {config.model_type}; {ADVICE}")
    return AutoModel


def require_encoder(name: object, config: PretrainedConfig) -> None:
    """Raises ConfigError for what is no encoder of text, before its weights are fetched. The trial sees the rest."""
    if config.get_text_config() is not config:
        raise ConfigError(f"{name}: {config.model_type} is made of several models, such as text and images; {ADVICE}")
    kind = type(config)
    both_ways = config.model_type in BOTH_WAYS or not getattr(config, "is_causal", True)
    decoder = kind in MODEL_FOR_CAUSAL_LM_MAPPING and kind not in MODEL_FOR_MASKED_LM_MAPPING and not both_ways
    if decoder or getattr(config, "is_decoder", False):
        raise ConfigError(f"{name}: {config.model_type} {LIKE_A_DECODER}; {ADVICE}")


def has_token_classifier(config: PretrainedConfig) -> bool:
    return type(config) in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING


def factored_bert(config: PretrainedConfig, rank: int, *, positions: int) -> PretrainedConfig:
    """A MobileBERT that computes what a BERT of this configuration does, but for the epsilon of most norms (1e-5)."""
    same = (
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
        "hidden_dropout_prob", "attention_probs_dropout_prob", "type_vocab_size", "initializer_range",
        "layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id", "classifier_dropout",
    )  # fmt: skip
    made: PretrainedConfig = AutoConfig.for_model(
        "mobilebert",
        **{name: getattr(config, name) for name in same},
        max_position_embeddings=positions,
        embedding_size=rank,
        trigram_input=False,
        use_bottleneck=False,
        num_feedforward_networks=1,
        normalization_type="layer_norm",
        classifier_activation=False,
    )
    return made
