"""Trying an encoder before it is trained: what it cannot do is said before an epoch is spent on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ner_distill.errors import ConfigError, is_out_of_memory
from ner_distill.nn.encoders.architectures import LIKE_A_DECODER, guarded
from ner_distill.nn.encoders.backbone import ADVICE, FLOAT32_ALONE
from ner_distill.nn.encoders.huggingface import logits_of
from ner_distill.nn.encoders.pretrained import PretrainedEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CLOSE = 1e-3  # of the largest number: what other shapes of a batch may change by rounding


@dataclass(frozen=True)
class TrialInputs:
    """Batches to try an encoder with, as its featurizer collates them.

    full: a sentence as long as the encoder may get. pair: a sentence of a few words and one of fewer.
    second: the shorter sentence of `pair` alone. other_end: `pair` with other words in the longer one's second half.
    """

    full: dict[str, Tensor]
    pair: dict[str, Tensor]
    second: dict[str, Tensor]
    other_end: dict[str, Tensor]


def try_encoder(name: str, encoder: PretrainedEncoder, inputs: TrialInputs, *, bf16: bool = False) -> None:
    """Raises ConfigError where the encoder fails, is none, or depends on what else is in a batch.

    name: of the checkpoint. bf16: it will be trained so.
    The encoder stays in evaluation mode, without gradients; no random number is drawn.
    """
    config = encoder.backbone.config
    with guarded(name, config):
        with torch.no_grad():
            shape = encoder(inputs.full).shape
            pair, second, other = (encoder(each) for each in (inputs.pair, inputs.second, inputs.other_end))
        _try_training(encoder, inputs.pair)
    if bf16:
        _try_bf16(name, encoder, inputs.pair)
    if shape[-1] != encoder.dim or not pair.isfinite().all():
        raise ConfigError(f"{name}: {config.model_type} gives no vector of {encoder.dim} numbers a piece; {ADVICE}")
    if not _close(pair[1, : second.shape[1]], second[0]):
        raise ConfigError(
            f"{name}: {config.model_type} gives a sentence other vectors beside a longer one, whatever its mask says; "
            f"{ADVICE}"
        )
    half = pair.shape[1] // 2
    if torch.equal(pair[0, :half], other[0, :half]):
        raise ConfigError(f"{name}: {config.model_type} {LIKE_A_DECODER}; {ADVICE}")


def try_classifier(
    name: str,
    model: PreTrainedModel,
    encoder: PretrainedEncoder,
    logits: Callable[[Tensor], Tensor],
    inputs: TrialInputs,
) -> None:
    """Raises ConfigError where a token classifier says something else than `logits` of our encoder's vectors."""
    for batch in (inputs.pair, inputs.second):
        with guarded(name, model.config), torch.no_grad():
            answer = model(input_ids=batch["pieces"], attention_mask=batch["piece_mask"].long()).logits
            theirs, ours = answer.flatten(0, 1)[batch["word_piece"]], logits(encoder(batch))
        if batch is inputs.second and not _close(ours[batch["mask"]], theirs[batch["mask"]]):
            raise ConfigError(
                f"{name}: {type(model).__name__} computes its tags in another way than by a classifier of each piece "
                f"after the encoder; a student in the Hugging Face format cannot have this architecture; {ADVICE}"
            )


def try_teacher(name: str, model: PreTrainedModel, inputs: TrialInputs) -> None:
    """Raises ConfigError where a token classifier fails, or says something else of a sentence beside a longer one."""
    with guarded(name, model.config), torch.no_grad():
        pair, second = (
            logits_of(model, batch["pieces"], batch["piece_mask"]).flatten(0, 1)[batch["word_piece"]]
            for batch in (inputs.pair, inputs.second)
        )
    if not _close(pair[1, : second.shape[1]], second[0]):
        raise ConfigError(
            f"{name}: {model.config.model_type} answers otherwise on a sentence beside a longer one, whatever its mask "
            f"says; {ADVICE}"
        )


def _try_training(encoder: PretrainedEncoder, inputs: dict[str, Tensor]) -> None:
    """A step forward and back in training mode, of which nothing is kept."""
    with torch.random.fork_rng(devices=[]):
        encoder.train()
        encoder(inputs).sum().backward()
    encoder.eval()
    encoder.zero_grad(set_to_none=True)


def _try_bf16(name: str, encoder: PretrainedEncoder, inputs: dict[str, Tensor]) -> None:
    """Raises ConfigError where an encoder that can be trained in float32 cannot be in bf16.

    It is tried on a processor alone: on a GPU the encoder is not there yet, and what a processor lacks is no matter.
    """
    kind = encoder.backbone.config.model_type
    if kind in FLOAT32_ALONE:
        raise ConfigError(f'{name}: {kind} cannot be trained in bf16; give optim.precision = "fp32"')
    if torch.cuda.is_available():
        return
    try:
        with torch.autocast("cpu", torch.bfloat16):
            _try_training(encoder, inputs)
    except (RuntimeError, TypeError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0][:200]
        raise ConfigError(
            f'{name}: {kind} cannot be trained in bf16 ({reason}); give optim.precision = "fp32"'
        ) from error


def _close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() <= CLOSE * expected.abs().max())
