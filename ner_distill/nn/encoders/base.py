"""What an encoder is, and what joins the vectors of its words."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Encoder(nn.Module, ABC):
    """The words of sentences → a vector for each word.

    `forward` takes the tensors that the encoder's featurizer collates, `mask` (batch, words) bool among them, and
    returns (batch, words, dim) with zeros in the rows that the mask leaves out.
    """

    dim: int

    @abstractmethod
    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """(batch, words, dim)."""

    @abstractmethod
    def embedding_layer(self) -> nn.Module:
        """The module whose output adversarial training perturbs: (rows, …, dim), a row for each sentence or window."""

    @abstractmethod
    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Parameters from the lowest layer (embeddings) to the highest; every parameter is in exactly one group."""

    def indivisible(self) -> str:
        """Why its layers cannot be taken one by one; "" where they can."""
        return ""

    def lowest(self, layers: int) -> list[nn.Parameter]:
        """The parameters of its embeddings and of so many layers, lowest first; at most as many as it has."""
        return [parameter for group in self.layer_groups()[: layers + 1] for parameter in group]

    def started(self) -> list[nn.Parameter]:
        """Those of its parameters that a checkpoint gives where it begins at one; the others are new layers."""
        return list(self.parameters())

    def innermost(self) -> Encoder:
        """The encoder inside all wrappers: this one, unless it wraps another."""
        return self


class EncoderWrapper(Encoder):
    """An encoder around another one, `base`, whose embedding and layers are its lowest."""

    def __init__(self, base: Encoder) -> None:
        super().__init__()
        self.base = base

    def embedding_layer(self) -> nn.Module:
        return self.base.embedding_layer()

    def layer_groups(self) -> list[list[nn.Parameter]]:
        return self.base.layer_groups()

    def innermost(self) -> Encoder:
        return self.base.innermost()


class WordKnowledge(nn.Module, ABC):
    """What is known of each word beside its context, as vectors that join those of the encoder."""

    dim: int

    @abstractmethod
    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """(batch, words, dim) from what the source of this knowledge collated."""
