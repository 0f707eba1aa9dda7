"""From the distances of a lattice to one vector for each pair of elements: tables of positions, and their fusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ner_distill.nn.encoders.relative import sinusoids

Fusion = Literal["ff", "two", "attn", "gate"]


class Positions(nn.Module):
    """Vectors of distances, a table for each kind of distance: sinusoids, or embeddings that begin as sinusoids.

    Row r of a table holds the distance `reach - 1 - r`. Learned tables end at ± max_distance: what lies farther is
    taken as that far.
    """

    def __init__(self, dim: int, kinds: int, *, shared: bool, learned: bool, max_distance: int) -> None:
        super().__init__()
        self.dim = dim
        self.kinds = kinds
        self.shared = shared
        self.max_distance = max_distance
        if learned:
            table = sinusoids(max_distance + 1, dim, device=torch.device("cpu"))
            self.tables = nn.ParameterList(nn.Parameter(table.clone()) for _ in range(1 if shared else kinds))
        else:  # fixed tables are the same for every kind
            self.tables = nn.ParameterList()

    def forward(self, reach: int, like: Tensor) -> tuple[Tensor, ...]:
        """For each kind (2 · reach - 1, dim), of the dtype and on the device of `like`."""
        if not self.tables:
            return (sinusoids(reach, self.dim, device=like.device).to(like.dtype),) * self.kinds
        rows = torch.arange(1 - reach, reach, device=like.device).clamp(-self.max_distance, self.max_distance)
        vectors = [nn.functional.embedding(rows + self.max_distance, table) for table in self.tables]
        return tuple(vectors * self.kinds if self.shared else vectors)


class SumFusion(nn.Module):
    """R = ReLU(W [p_hh ; p_ht ; p_th ; p_tt]), `ff`; of hh and tt alone: `two`."""

    def __init__(self, dim: int, distances: Sequence[int]) -> None:
        super().__init__()
        self.distances = tuple(distances)
        self.distance = nn.Linear(len(self.distances) * dim, dim, bias=False)

    def parts(self, tables: Sequence[Tensor]) -> list[Tensor]:
        """What each distance adds before the ReLU: tables by distance, multiplied once for all widths."""
        weights = self.distance.weight.chunk(len(self.distances), 1)
        return [nn.functional.linear(table, weight) for table, weight in zip(tables, weights, strict=True)]

    def forward(self, parts: Sequence[Tensor], width: int, widths: Sequence[int], length: int) -> Tensor:
        """R of queries of one width to keys of several: (widths, 2 · length - 1, dim)."""
        pairs = zip(self.distances, parts, strict=True)
        slices = [_slices(part, distance, width, widths, length) for distance, part in pairs]
        return sum(slices[1:], start=slices[0]).relu()


class ChoiceFusion(nn.Module):
    """R = Σ_k s_k W p_k with the softmax s of an MLP of all four; `attn`: s_k a number, `gate`: one per dimension."""

    def __init__(self, dim: int, gates: int) -> None:
        super().__init__()
        self.value = nn.Linear(dim, dim, bias=False)
        self.hidden = SumFusion(dim, range(4))
        self.choice = nn.Linear(dim, 4 * gates)

    def parts(self, tables: Sequence[Tensor]) -> list[Tensor]:
        """Each distance's part of the hidden layer, then each distance's W p."""
        return [*self.hidden.parts(tables), *(self.value(table) for table in tables)]

    def forward(self, parts: Sequence[Tensor], width: int, widths: Sequence[int], length: int) -> Tensor:
        choice = self.choice(self.hidden(parts[:4], width, widths, length)).unflatten(-1, (4, -1)).softmax(-2)
        chosen = [
            choice[..., distance, :] * _slices(part, distance, width, widths, length)
            for distance, part in enumerate(parts[4:])
        ]
        return torch.stack(chosen).sum(0)


def _slices(part: Tensor, distance: int, width: int, widths: Sequence[int], length: int) -> Tensor:
    """(widths or 1, 2 · length - 1, dim): the rows of this distance (0 hh, 1 ht, 2 th, 3 tt) for each d = h_i - h_j."""
    middle, rows = part.shape[0] // 2, length - 1
    shifts = [(0, -other, width, width - other)[distance] for other in (widths if distance % 2 else widths[:1])]
    return torch.stack([part[middle - rows - shift : middle + rows + 1 - shift] for shift in shifts])


def fusion_of(kind: Fusion, dim: int) -> SumFusion | ChoiceFusion:
    match kind:
        case "ff":
            return SumFusion(dim, range(4))
        case "two":
            return SumFusion(dim, (0, 3))
        case "attn":
            return ChoiceFusion(dim, 1)
        case "gate":
            return ChoiceFusion(dim, dim)
