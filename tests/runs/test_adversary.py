"""From `[adversarial]` to what perturbs the embeddings."""

from __future__ import annotations

import pytest
from torch import nn

from ner_distill.config import TeacherConfig
from ner_distill.runs.adversary import new_adversary, new_vat
from ner_distill.teacher.adversarial import Fgm, FreeLb, Pgd, Vat

METHODS = {"none": type(None), "fgm": Fgm, "pgd": Pgd, "freelb": FreeLb, "vat": type(None)}


@pytest.mark.parametrize("kind", METHODS)
def test_each_kind_makes_its_own_method_and_vat_alone_a_term_of_the_loss(kind: str) -> None:
    config = TeacherConfig.model_validate({"adversarial": {"kind": kind, "epsilon": 0.7, "on": "weights"}}).adversarial
    embeddings = [nn.Embedding(3, 3)]
    adversary, vat = new_adversary(config, embeddings), new_vat(config, embeddings)
    assert type(adversary) is METHODS[kind]
    assert isinstance(vat, Vat) == (kind == "vat")
    assert all(made.epsilon == 0.7 for made in (adversary, vat) if made is not None)
