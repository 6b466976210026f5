"""The optimiser Muon: momentum with an orthogonalised update, for the matrices inside the layers (Jordan et al. 2024).

Matrices of one shape are stacked, so that the Newton-Schulz iteration is a few batched products.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Executor

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the quintic of the reference implementation
ITERATIONS = 3  # of the reference's 5: without bf16 units each costs a tenth of a step


class Muon:
    """An optimiser of matrices with one momentum buffer per shape; the caller passes the rate to ``step``."""

    def __init__(self, parameters: Sequence[Tensor], momentum: float = 0.95, decay: float = 0.03) -> None:
        self._groups: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            rows, columns = parameter.shape
            self._groups[rows, columns].append(parameter)
        self._momenta = {shape: torch.zeros(len(group), *shape) for shape, group in self._groups.items()}
        self._momentum, self._decay = momentum, decay

    def step(self, rate: float, pool: Executor) -> None:
        """Update every matrix from its ``grad``, in one task per shape; missing gradients count as zero."""
        list(pool.map(lambda shape: self._update(shape, rate), self._groups))

    @torch.no_grad()
    def _update(self, shape: tuple[int, int], rate: float) -> None:
        group = self._groups[shape]
        gradient = torch.stack([torch.zeros(shape) if p.grad is None else p.grad for p in group])
        momentum = self._momenta[shape].lerp_(gradient, 1 - self._momentum)
        update = orthogonalised(gradient.lerp(momentum, self._momentum))
        for parameter, change in zip(group, update, strict=True):
            parameter.mul_(1 - rate * self._decay).add_(change, alpha=-0.2 * rate * math.sqrt(max(shape)))

    def state_dict(self) -> dict[str, Tensor]:
        return {f"{rows}x{columns}": momentum for (rows, columns), momentum in self._momenta.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for rows, columns in self._momenta:
            self._momenta[rows, columns].copy_(state[f"{rows}x{columns}"])


def orthogonalised(matrices: Tensor) -> Tensor:
    """Push the singular values of each matrix of a stack [N, rows, columns] towards one."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.transpose(1, 2) if tall else x
    return result
