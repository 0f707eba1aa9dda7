"""The registry of heads, and the thinnest head that trains through it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_distill.config import TeacherConfig, sections
from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import HEADS, Gold, TagHead, Tags
from ner_distill.runs.heads import finds_spans, new_head

TAGS = TagSet(("LOC", "PER"))


class ThinHead(TagHead):
    """A linear layer and a cross-entropy: what a head must say for itself, and nothing more."""

    def __init__(self, dim: int, allowed_start: list[bool], allowed_transitions: list[list[bool]]) -> None:
        super().__init__()
        self.project = nn.Linear(dim, len(allowed_start))

    def loss(self, vectors: Tensor, mask: Tensor, tags: Tensor, weight: Tensor | None = None) -> Tensor:
        return functional.cross_entropy(self.project(vectors)[mask], tags[mask], reduction="sum")

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.project(vectors).log_softmax(-1)

    def decode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.project(vectors).argmax(-1).masked_fill(~mask, 0)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> sections.HeadConfig:
    """`[head] kind = "token"`, for which the registry holds the thin head."""
    monkeypatch.setitem(HEADS, "token", ThinHead)
    return TeacherConfig.model_validate({"head": {"kind": "token"}}).head


def test_the_thinnest_head_is_made_from_the_registry_and_learns(config: sections.HeadConfig) -> None:
    torch.manual_seed(0)
    head = new_head(config, 4, TAGS)
    assert isinstance(head, ThinHead)
    assert not finds_spans(config)
    vectors, mask = torch.randn(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)
    gold = Gold(torch.randint(0, len(TAGS.tags), (2, 5)))
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = head.gold_loss(vectors, mask, gold)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("kind", HEADS)
def test_every_head_is_made_of_a_width_and_tags_alone(kind: str) -> None:
    head = HEADS[kind].of_tags(64, Tags(TAGS.allowed_start(), TAGS.allowed_transitions()))
    assert {id(parameter) for parameter in head.transition_parameters()} <= {id(p) for p in head.parameters()}
