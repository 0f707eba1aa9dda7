"""A model that needs no training: every word that begins with a capital letter is a person."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ner_distill.tagger import Answering

BROKEN = "broken"
"""A word on which the model fails."""


class Capitals(Answering):
    """Words with a capital are PER, of score 0.9; those in capitals alone LOC, of 0.4. calls: the words of each call.

    gate: held closed, every call waits until it is opened. asked: set once a call has begun.
    """

    labels = ("LOC", "PER")
    unit = "word"

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate, self.asked = threading.Event(), threading.Event()
        self.gate.set()

    def found(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int, str, float]]]:
        self.calls.append([" ".join(words) for words in sentences])
        self.asked.set()
        assert self.gate.wait(20)
        if any(BROKEN in words for words in sentences):
            raise RuntimeError("the model is broken")
        return [
            [
                (place, place + 1, *(("LOC", 0.4) if len(word) > 1 and word.isupper() else ("PER", 0.9)))
                for place, word in enumerate(words)
                if word[0].isupper()
            ]
            for words in sentences
        ]
