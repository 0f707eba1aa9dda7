"""Guessing masked words: what an encoder is pretrained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_distill.nn.encoders.scratch import ScratchEncoder
from ner_distill.nn.losses import mean_vectors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KNOWN = 2  # the first id of a known word: padding and the unknown word are never guessed


class Guesses(NamedTuple):
    """What a model says of a batch.

    logits: (masked, forms) float, over the forms that can be guessed, in the order of `masked` of the inputs.
    texts:  (rows, dim) float32 or better, the mean vector of each row of the encoder's input.
    """

    logits: Tensor
    texts: Tensor


class MaskedWords(nn.Module):
    """The scratch encoder, and the word of each masked place: a projection onto the embeddings of the words.

    The output weights are the word embeddings themselves (Press and Wolf 2017), so that all that is learned of a
    form goes into the encoder; only masked places are projected.
    """

    def __init__(self, encoder: ScratchEncoder, *, words: int, dim: int) -> None:
        """words: rows of the embedding of words; dim: its width."""
        super().__init__()
        self.encoder = encoder
        self.project = nn.Sequential(nn.Linear(encoder.dim, dim), nn.GELU(), nn.LayerNorm(dim))
        self.bias = nn.Parameter(torch.zeros(words - KNOWN))

    def forward(self, inputs: dict[str, Tensor]) -> Guesses:
        """inputs: as `WordFeaturizer.collate` gives them, and `masked` (masked,) long, flat in batch · words."""
        vectors: Tensor = self.encoder(inputs)
        hidden = self.project(vectors.flatten(0, 1)[inputs["masked"]])
        table = self.encoder.embedding.words
        assert isinstance(table, nn.Embedding)  # vectors that stay as they were read are a teacher's
        forms = table.weight[KNOWN:]
        return Guesses(functional.linear(hidden, forms, self.bias), mean_vectors(vectors, inputs["mask"]))

    @staticmethod
    def target(words: Tensor) -> Tensor:
        """The rows of the logits of these word ids."""
        return words - KNOWN


class MaskedPieces(nn.Module):
    """A masked language model of transformers', of which only the masked places reach its output layer.

    Architectures have output layers of many shapes, but all read the encoder's last states: a hook hands them
    those of the masked places alone.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self._inputs: dict[str, Tensor] | None = None
        self._texts: Tensor | None = None
        model.base_model.register_forward_hook(self._hand_on)

    def forward(self, inputs: dict[str, Tensor]) -> Guesses:
        """inputs: as `PieceFeaturizer.collate` gives them, and `masked` (masked,) long, flat in windows · pieces.

        A text is a window: a sentence that is cut into several counts as several.
        """
        self._inputs = inputs
        try:
            output = self.model(input_ids=inputs["pieces"], attention_mask=inputs["piece_mask"])
            assert self._texts is not None
            return Guesses(output.logits[0], self._texts)
        finally:
            self._inputs = self._texts = None

    def _hand_on(self, _module: nn.Module, _arguments: object, output: Any) -> Any:
        if self._inputs is None:
            return output
        states = output.last_hidden_state
        self._texts = mean_vectors(states, self._inputs["piece_mask"])
        output["last_hidden_state"] = states.flatten(0, 1)[self._inputs["masked"]][None]
        return output

    @staticmethod
    def target(pieces: Tensor) -> Tensor:
        """The piece ids themselves: each piece has a row of the logits."""
        return pieces


def masked_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """SUM over masked places of the cross-entropy, in nats; a scalar.

    logits: (masked, forms) float. targets: (masked,) long. None masked gives 0 and still back-propagates.
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return functional.cross_entropy(logits.to(dtype), targets, reduction="sum")
