"""Layers over sentences that are too long for them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Layers = Callable[[Tensor, Tensor, dict[str, Tensor]], Tensor]


def in_windows(layers: Layers, vectors: Tensor, inputs: dict[str, Tensor]) -> Tensor:
    """`layers(vectors, mask, inputs)` over whole sentences, or over the windows that `inputs` gives.

    vectors: (batch, words, dim); inputs: `mask` (batch, words) bool, and where sentences are cut `window_words`
    (windows, units) long, the flat index into batch · words with -1 at padding, and `word_window` (batch, words)
    long, the flat index into windows · units. Returns (batch, words, dim), rows outside the mask zero.
    """
    if "window_words" not in inputs:
        return layers(vectors, inputs["mask"], inputs)
    units = inputs["window_words"]
    windows = vectors.flatten(0, 1)[units.clamp(min=0)]
    encoded = layers(windows, units >= 0, inputs).flatten(0, 1)
    return encoded[inputs["word_window"]] * inputs["mask"][..., None]
