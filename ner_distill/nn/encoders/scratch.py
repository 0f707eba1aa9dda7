"""The encoder that needs no checkpoint: learned embeddings and relative-position layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_distill.nn.encoders.base import Encoder, WordKnowledge
from ner_distill.nn.encoders.embedding import AnyEmbedding, SpellingCnn, WordDropout
from ner_distill.nn.encoders.lattice import LatticeLayers
from ner_distill.nn.encoders.relative import RelativeTransformer
from ner_distill.nn.encoders.windows import in_windows


class WordEmbedding(nn.Module):
    """Learned vectors of words, of spellings and of bigrams, and what else is known, concatenated: (batch, words, dim).

    In training a word or bigram is replaced by the unknown one with probability `unknown`, see `WordDropout`.
    """

    def __init__(
        self,
        words: int,
        *,
        dim: int,
        chars: int = 0,
        char_filters: int = 50,
        bigrams: int = 0,
        bigram_dim: int = 64,
        unknown: float = 0.15,
        knowledge: Sequence[WordKnowledge] = (),
    ) -> None:
        super().__init__()
        self.forget = WordDropout(unknown)
        self.words: AnyEmbedding = nn.Embedding(words, dim, padding_idx=0)
        self.spelling = SpellingCnn(chars, filters=char_filters) if chars else None
        self.bigrams: AnyEmbedding | None = nn.Embedding(bigrams, bigram_dim, padding_idx=0) if bigrams else None
        self.knowledge = nn.ModuleList(knowledge)
        self.dim = dim + (self.spelling.dim if self.spelling else 0) + (2 * bigram_dim if bigrams else 0)
        self.dim += sum(module.dim for module in knowledge)
        for embedding in (self.words, self.bigrams):
            if isinstance(embedding, nn.Embedding):
                nn.init.normal_(embedding.weight, std=0.1)
                nn.init.zeros_(embedding.weight[0])

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Keys as `WordFeaturizer.collate` gives them, and those of the knowledge."""
        parts = [self.words(self.forget(inputs["words"]))]
        if self.spelling is not None:
            parts.append(functional.embedding(inputs["forms"], self.spelling(inputs["spellings"])))
        if self.bigrams is not None:
            parts.append(self.bigrams(self.forget(inputs["bigrams"])).transpose(1, 2).flatten(2))
        parts.extend(module(inputs) for module in self.knowledge)
        return torch.cat(parts, dim=-1)


class ScratchEncoder(Encoder):
    """Embeddings, a projection, and layers: those of the lattice, else relative-position layers."""

    def __init__(
        self,
        embedding: WordEmbedding,
        *,
        hidden: int,
        layers: int,
        heads: int,
        dropout: float = 0.2,
        embedding_dropout: float = 0.4,
        lattice: LatticeLayers | None = None,
    ) -> None:
        super().__init__()
        self.dim = hidden
        self.embedding = embedding
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.projection = nn.Linear(embedding.dim, hidden)
        self.transformer: LatticeLayers | RelativeTransformer = lattice or RelativeTransformer(
            hidden, layers=layers, heads=heads, inner=3 * hidden, dropout=dropout
        )

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Keys as the featurizers give them → (batch, words, hidden), rows outside the mask zero."""
        vectors = self.projection(self.embedding_dropout(self.embedding(inputs)))
        return in_windows(self.transformer, vectors, inputs)

    def embedding_layer(self) -> nn.Module:
        return self.embedding

    def layer_groups(self) -> list[list[nn.Parameter]]:
        layers = [list(layer.parameters()) for layer in self.transformer.layers]
        above = {id(parameter) for layer in layers for parameter in layer}
        return [[parameter for parameter in self.parameters() if id(parameter) not in above], *layers]
