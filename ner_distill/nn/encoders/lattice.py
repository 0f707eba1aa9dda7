"""Lexicon words beside the words of a sentence: FLAT over both, on an encoder of any kind."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ner_distill.nn.encoders.base import Encoder, EncoderWrapper, WordKnowledge
from ner_distill.nn.encoders.embedding import AnyEmbedding, WordDropout
from ner_distill.nn.encoders.flat import FlatTransformer, WordGroup
from ner_distill.nn.encoders.windows import in_windows

PREFIX = "lattice_"


class LatticeLayers(nn.Module):
    """Vectors of lexicon words, and the FLAT layers that read them with the characters.

    words:    rows of the lexicon's vocabulary (0 = padding, 1 = unknown).
    unknown:  the rate of `WordDropout`.
    normed:   characters and words go through a layer norm each, then dropout: what the vectors of a pretrained encoder
              need. Else only the words' vectors are dropped out, before their projection.
    """

    def __init__(
        self, words: int, flat: FlatTransformer, *, word_dim: int, dropout: float, unknown: float, normed: bool = False
    ) -> None:
        super().__init__()
        self.dim = flat.dim
        self.forget = WordDropout(unknown)
        learned = nn.Embedding(words, word_dim, padding_idx=0)
        nn.init.normal_(learned.weight, std=0.1)
        nn.init.zeros_(learned.weight[0])
        self.words: AnyEmbedding = learned
        self.projection = nn.Linear(word_dim, flat.dim)
        norms = [nn.Sequential(nn.LayerNorm(flat.dim), nn.Dropout(dropout)) if normed else nn.Identity() for _ in "cw"]
        self.char_norm, self.word_norm = norms
        self.dropout = nn.Identity() if normed else nn.Dropout(dropout)
        self.flat = flat

    @property
    def layers(self) -> nn.ModuleList:
        return self.flat.layers

    def forward(self, vectors: Tensor, mask: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        """vectors (rows, words, dim), mask (rows, words) bool → as vectors, rows outside the mask zero.

        inputs: keys as `LatticeSource.collate` gives them: for each width `lattice_W` (rows, 2, matches) long.
        """
        groups = []
        for key, values in inputs.items():
            if key.startswith(PREFIX):
                ids, heads = values.unbind(1)
                words = self.word_norm(self.projection(self.dropout(self.words(self.forget(ids)))))
                groups.append(WordGroup(int(key.removeprefix(PREFIX)), words, heads, ids != 0))
        encoded: Tensor = self.flat(self.char_norm(vectors), mask, groups)
        return encoded


class KnowledgeEncoder(EncoderWrapper):
    """A pretrained encoder whose word vectors are joined by what is known of the words, and read by FLAT layers.

    base:      the encoder; its `dim` stays that of the result.
    knowledge: what joins the word vectors; a projection brings all back to `dim`.
    lattice:   the layers on top, or None.
    """

    def __init__(
        self, base: Encoder, *, knowledge: Sequence[WordKnowledge] = (), lattice: LatticeLayers | None = None
    ) -> None:
        super().__init__(base)
        self.dim = base.dim
        self.knowledge = nn.ModuleList(knowledge)
        known = sum(module.dim for module in knowledge)
        self.projection = nn.Linear(self.dim + known, self.dim) if knowledge else nn.Identity()
        self.lattice = lattice

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Keys as the featurizers give them."""
        vectors: Tensor = self.base(inputs)
        vectors = self.projection(torch.cat([vectors, *(module(inputs) for module in self.knowledge)], dim=-1))
        vectors = vectors * inputs["mask"][..., None]
        return vectors if self.lattice is None else in_windows(self.lattice, vectors, inputs)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Those of the base, and above them what is learned here as one group."""
        above = [self.knowledge, self.projection, *([self.lattice] if self.lattice is not None else [])]
        return [*super().layer_groups(), [parameter for module in above for parameter in module.parameters()]]
