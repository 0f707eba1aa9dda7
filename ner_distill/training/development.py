"""The development set: which words of it count, and what a model scores on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ner_distill.console import Reporter
from ner_distill.data.features.base import Featurizer
from ner_distill.data.metrics import Scores, score
from ner_distill.data.sentence import Sentence, Span, whole_entities
from ner_distill.data.tagset import TagSet
from ner_distill.errors import DataError
from ner_distill.nn.tagger import Tagger
from ner_distill.options import Files
from ner_distill.runtime.inference import predict_spans


class DevelopmentSet:
    """Scores a tagger on labelled sentences.

    Words that do not count (`Sentence.keep`) are asked about nothing: a gold entity that has one is left out, and what
    is found there is neither right nor wrong.

    gold: the entities of each sentence that count. left_out: how many others there are. files: where they are from.
    """

    def __init__(
        self, sentences: Sequence[Sentence], featurizer: Featurizer[Any], tagset: TagSet, files: Files = ()
    ) -> None:
        self.files = files
        self.keep = kept_words(sentences)[1]
        self.gold = self._counting([sentence.spans or () for sentence in sentences])
        self.left_out = sum(len(sentence.spans or ()) for sentence in sentences) - sum(map(len, self.gold))
        self.features = [featurizer.features(sentence.words) for sentence in sentences]
        self.featurizer = featurizer
        self.tagset = tagset

    def scores(self, tagger: Tagger) -> Scores:
        """Exact-span scores over the labels of the tag set and those of the data."""
        found = predict_spans(tagger, self.featurizer, self.tagset, self.features)
        return score(self.gold, self._counting(found), self.tagset.labels)

    def _counting(self, spans: Sequence[Sequence[Span]]) -> list[Sequence[Span]]:
        """Those of which every word counts."""
        if self.keep is None:
            return list(spans)
        return [
            [span for span in own if all(keep[span.start : span.end])]
            for own, keep in zip(spans, self.keep, strict=True)
        ]

    def say_left_out(self, name: str, reporter: Reporter) -> None:
        """Warn of entities that do not count, if there are any; `name` is the setting that names the data."""
        if self.left_out:
            count = self.left_out + sum(map(len, self.gold))
            reporter.warn(
                f"{name}: {self.left_out:,} of {count:,} entities are masked (keep): they do not count, nor does "
                "what is found there"
            )

    def figures(self, model: nn.Module) -> dict[str, float]:
        """What the loop asks of a model with a tagger: the figures, `score` among them."""
        tagger = model.get_submodule("tagger")
        assert isinstance(tagger, Tagger)
        micro = self.scores(tagger).micro
        return {"score": micro.f1, "precision": micro.precision, "recall": micro.recall, "f1": micro.f1}


def check_development_labels(labels: Sequence[str], development: Sequence[str], reporter: Reporter) -> None:
    """Labels of the development set that training never saw: an error where that is all, else a warning."""
    unseen = [label for label in development if label not in labels]
    if unseen and len(unseen) == len(development):
        raise DataError(
            f"`dev`: its labels ({', '.join(development)}) are none of those trained on ({', '.join(labels)}); "
            "expected the same names in both files"
        )
    if unseen:
        reporter.warn(
            f"`dev` has labels that training never saw: {', '.join(unseen)}; each of these entities counts as missed"
        )


def kept_words(sentences: Sequence[Sentence]) -> tuple[int, list[tuple[bool, ...]] | None]:
    """How many entities are only partly kept, and for each sentence the words that count; None where all do."""
    if all(sentence.keep is None or all(sentence.keep) for sentence in sentences):
        return 0, None
    found = [whole_entities(sentence.spans or (), sentence.counted) for sentence in sentences]
    return sum(cut for _, cut in found), [keep for keep, _ in found]
