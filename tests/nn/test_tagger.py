"""The tagger: encoder, dropout and head put together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import HEADS, Tags
from ner_distill.nn.tagger import Tagger

TAGSET = TagSet(("LOC", "PER"))


class Given(nn.Module):
    """An encoder whose vectors are its input."""

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return inputs["vectors"]


def tagger(kind: str, *, dropout: float = 0.0) -> Tagger:
    head = HEADS[kind].of_tags(6, Tags(TAGSET.allowed_start(), TAGSET.allowed_transitions()))
    return Tagger(Given(), head, dropout=dropout)


def inputs() -> dict[str, Tensor]:
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[1, 3:] = False
    return {"vectors": torch.randn(2, 5, 6), "mask": mask}


def test_forward_gives_log_probabilities_that_sum_to_one():
    for kind in HEADS:
        given = inputs()
        sums = tagger(kind)(given).exp().sum(-1)
        torch.testing.assert_close(sums[given["mask"]], torch.ones(8))


def test_dropout_hides_vectors_in_training_only():
    given = inputs()
    dropping = tagger("token", dropout=0.5)
    assert (dropping.vectors(given) == 0).any()
    torch.testing.assert_close(dropping.eval().vectors(given), given["vectors"])
