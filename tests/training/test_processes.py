import torch

from ner_distill.training.processes import numbers_of


def test_numbers_of_mixed_floats_are_what_each_is_by_itself() -> None:
    values = [torch.tensor(0.1), torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.1, dtype=torch.bfloat16)]
    assert numbers_of(values) == [value.item() for value in values]
    assert numbers_of([torch.tensor(0.1)]) == [torch.tensor(0.1).item()]
    assert numbers_of([]) == []
