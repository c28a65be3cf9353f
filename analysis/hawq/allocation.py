"""Bits for each layer by an integer linear programme, as HAWQ-V3 allocates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

import formats
from analysis.hawq.layers import Cost, Layer, objective, total

Floats = NDArray[np.float64]
#: rows scaled to this largest coefficient: HiGHS tolerates 1e-6, absolutely
LARGEST = 2.0**16


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The best bits of each layer, 4 or 8, and the exact objective (`analysis.hawq.layers.objective`)."""

    bits: tuple[int, ...]
    objective: Fraction

    def __str__(self) -> str:
        """A digit for each layer."""
        return "".join(map(str, self.bits))


def allocate(
    layers: Sequence[Layer],
    limits: Mapping[Cost, Fraction] | Mapping[str, Fraction],
    *,
    ties: Sequence[Sequence[int]] = (),
) -> Allocation:
    """The bits ``b`` in {4, 8} for each layer that minimise the objective within all limits.

    minimise ``sum over i of (x_i - 1) * trace_i * (error8_i - error4_i)`` for ``x_i`` in {1, 2}, so 4 or 8 bits,
    subject to ``sum over i of cost_i(x_i) <= limit`` for each cost in ``limits`` and ``x_i = x_j`` for layers
    of one tie. One limit makes HAWQ-V3's published problems; several together are one problem as well. `interpolated`
    makes its limits.

    The solver is HiGHS (`scipy.optimize.milp`) on binary64 numbers without a gap. What it returns is checked in exact
    arithmetic: where rounded coefficients let an allocation pass that exceeds a limit, it is excluded, and the
    programme solved again.

    Raises ``ValueError`` where no allocation keeps the limits (with the least cost of each), for no limit, and for ties
    that are no layers.

    Source: HAWQ-V3, arXiv 2011.10680, and its ``ILP.ipynb`` (which solves it by GLPK).

    >>> from analysis.hawq.layers import interpolated
    >>> from analysis.hawq.published import problem
    >>> table = problem("resnet18")
    >>> limits = {"size": interpolated(table.layers, "size", 0.5)}
    >>> found = allocate(table.layers, limits, ties=table.ties)
    >>> str(found), round(float(found.objective), 9)
    ('8888888888888884844', -1.233207199)
    """
    wanted = {formats.parse_enum(Cost, cost, "limits"): Fraction(limit) for cost, limit in limits.items()}
    if not wanted:
        raise ValueError(f"no limit; give one for at least one of {', '.join(cost.value for cost in Cost)}")
    programme = _Programme(layers, wanted, _merged(ties, len(layers)))
    while True:
        bits = programme.solve()
        exceeded = [cost for cost, limit in wanted.items() if total(layers, cost, bits) > limit]
        if not exceeded:
            return Allocation(bits=bits, objective=objective(layers, bits))
        programme.exclude(bits)


def _merged(ties: Sequence[Sequence[int]], count: int) -> list[int]:
    """The first layer of each layer's tie, itself where it has none."""
    first = list(range(count))
    for tie in ties:
        if not all(0 <= layer < count for layer in tie):
            raise ValueError(f"tie {tuple(tie)} must hold layers 0..{count - 1}")
        least = min(first[layer] for layer in tie)
        joined = {first[layer] for layer in tie}
        first = [least if one in joined else one for one in first]
    return first


class _Programme:
    """The rows of the programme; a variable is 1 where a layer, with what is tied to it, has 8 bits."""

    def __init__(self, layers: Sequence[Layer], limits: Mapping[Cost, Fraction], first: Sequence[int]) -> None:
        self._layers, self._limits = layers, limits
        free = sorted(set(first))
        self._variable = [free.index(one) for one in first]
        gains = [layer.sensitivity(8) - layer.sensitivity(4) for layer in layers]
        self._objective, _ = _row(self._grouped(gains))
        self._rows: list[Floats] = []
        self._uppers: list[float] = []
        for cost, limit in limits.items():
            extra = [layer.cost(cost, 8) - layer.cost(cost, 4) for layer in layers]
            row, scale = _row(self._grouped(extra))
            self._rows.append(row)
            self._uppers.append(float((limit - total(layers, cost, [4] * len(layers))) * scale))

    def _grouped(self, numbers: Sequence[Fraction]) -> list[Fraction]:
        """Sums over the layers of each variable."""
        sums = [Fraction(0)] * (max(self._variable) + 1)
        for variable, number in zip(self._variable, numbers, strict=True):
            sums[variable] += number
        return sums

    def solve(self) -> tuple[int, ...]:
        from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

        scipy: Any = optimize
        result = scipy.milp(
            self._objective,
            integrality=np.ones(len(self._objective)),
            bounds=scipy.Bounds(0, 1),
            constraints=scipy.LinearConstraint(np.stack(self._rows), ub=np.array(self._uppers)),
            options={"mip_rel_gap": 0.0},
        )
        if result.x is None:
            raise ValueError(self._infeasible(str(result.message)))
        high = np.asarray(result.x) > 0.5
        return tuple(8 if high[variable] else 4 for variable in self._variable)

    def exclude(self, bits: Sequence[int]) -> None:
        """One more row: at least one variable differs from these bits."""
        signs = np.zeros(len(self._objective))
        for variable, k in zip(self._variable, bits, strict=True):
            signs[variable] = 1 if k == 8 else -1
        self._rows.append(signs)
        self._uppers.append(float((signs > 0).sum() - 1))

    def _infeasible(self, message: str) -> str:
        told = "; ".join(
            f"{cost.value} at most {float(limit):.9g}, and the least possible is {float(self._least(cost)):.9g}"
            for cost, limit in self._limits.items()
        )
        return f"no allocation of 4 and 8 bits has {told} (HiGHS: {message})"

    def _least(self, cost: Cost) -> Fraction:
        """The least cost of an allocation that keeps the ties."""
        at4, at8 = (self._grouped([layer.cost(cost, bits) for layer in self._layers]) for bits in (4, 8))
        return sum(map(min, at4, at8), Fraction(0))


def _row(numbers: Sequence[Fraction]) -> tuple[Floats, Fraction]:
    """The numbers in binary64, by a factor that makes the largest 2^16, and the factor."""
    largest = max(map(abs, numbers), default=Fraction(0))
    factor = Fraction(LARGEST) / largest if largest else Fraction(1)
    return np.array([float(number * factor) for number in numbers]), factor
