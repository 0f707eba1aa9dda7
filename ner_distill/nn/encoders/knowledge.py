"""What is known about a word beside its context, as vectors: soft-lexicon, marks, spellings."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ner_distill.nn.encoders.base import WordKnowledge
from ner_distill.nn.encoders.embedding import AnyEmbedding, SpellingCnn, WordDropout

_SETS = 4


class SoftLexiconEmbedding(WordKnowledge):
    """The four sets of lexicon words of each word: weighted sums of the entries' vectors, side by side.

    entries: rows of the vocabulary, NONE (0) and the unknown word (1) included.
    dim:     of one set; the module's `dim` is 4 times that.
    unknown: the rate of `WordDropout`.
    Source: Ma et al., ACL 2020, "Simplify the Usage of Lexicon in Chinese NER".
    """

    def __init__(self, entries: int, dim: int, *, unknown: float = 0.15) -> None:
        super().__init__()
        self.forget = WordDropout(unknown)
        self.dim = _SETS * dim
        words = nn.Embedding(entries, dim)
        nn.init.normal_(words.weight, std=0.1)
        self.words: AnyEmbedding = words

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Keys as `SoftLexicon.collate` gives them, and mask → (batch, words, 4 · dim), B M E S."""
        batch, words = inputs["mask"].shape
        vectors = self.words(self.forget(inputs["soft_lexicon_ids"]))
        weighted = vectors * inputs["soft_lexicon_weights"][:, None].to(vectors.dtype)
        sums = weighted.new_zeros(batch * words * _SETS, weighted.shape[1])
        sums = sums.index_add(0, inputs["soft_lexicon_slots"], weighted)
        result: Tensor = sums.view(batch, words, self.dim)
        return result


class MarkEmbedding(WordKnowledge):
    """A learned vector for each mark, summed over the marks of a word: softword, ex-softword, gazetteers."""

    def __init__(self, marks: int, dim: int, *, key: str) -> None:
        super().__init__()
        self.key = key
        self.dim = dim
        self.vectors = nn.Linear(marks, dim, bias=False)
        # Of an embedding's size: the marks are few and sparse, a linear layer's start is meant for dense input.
        nn.init.normal_(self.vectors.weight, std=0.1)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """inputs[key] (batch, words, marks) float, 0 or 1 → (batch, words, dim); 0 where there is no mark."""
        vectors: Tensor = self.vectors(inputs[self.key].to(self.vectors.weight.dtype))
        return vectors


class SpellingEmbedding(WordKnowledge):
    """Symbols of a word (pinyin letters, glyph components) → a vector: CNN, maximum, projection.

    symbols: rows of the vocabulary. name: the source's, which its keys begin with.
    """

    def __init__(self, symbols: int, dim: int, *, name: str, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.name = name
        self.dim = dim
        self.spelling = SpellingCnn(symbols, filters=32, widths=widths)
        self.projection = nn.Linear(self.spelling.dim, dim, bias=False)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Keys as `Spelling.collate` gives them → (batch, words, dim).

        Each spelling is computed once. Row 0, of padding, has no symbols: its maxima are the lowest number,
        which the ReLU of `SpellingCnn` makes 0, and there is no bias.
        """
        vectors = self.projection(self.spelling(inputs[f"{self.name}_spellings"]))
        return functional.embedding(inputs[f"{self.name}_forms"], vectors)
