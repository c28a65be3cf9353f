"""HAWQ-V3's published problems, ResNet18 and ResNet50 on a T4, and the bits that its trained models have."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files

from analysis.hawq.allocation import Allocation, allocate
from analysis.hawq.layers import Cost, Layer, interpolated, objective

#: the parts of the way from 4 bits to 8 at which there are models
FRACTIONS = (Fraction(3, 4), Fraction(1, 2), Fraction(1, 4))
#: layers that read one integer tensor: the first convolution of a block and that of its shortcut
TIES = {"resnet18": ((4, 6), (9, 11), (14, 16)), "resnet50": ((0, 3), (10, 13), (23, 26), (42, 45))}
COLUMNS = {Cost.SIZE: "modelsize", Cost.BOPS: "bops", Cost.LATENCY: "latency"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The layers between the first and the last, which always have 8 bits, and what was published for them.

    Parameters and operations are in millions, so size is in megabytes (of 2^20 bytes for
    ResNet18, 10^6 for ResNet50, as in the source) and bops in 10^6 bit operations. Source: Zhen-Dong/HAWQ (MIT) at
    1616df6, ``ILP.ipynb`` for the layers and ``bit_config.py`` for the bits.
    """

    name: str
    layers: tuple[Layer, ...]
    ties: tuple[tuple[int, int], ...]
    bits: Mapping[tuple[Cost, Fraction], tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A published allocation beside the optimum of its programme."""

    network: str
    cost: Cost
    f: Fraction
    published: tuple[int, ...]
    published_objective: Fraction
    optimum: Allocation

    @property
    def equal(self) -> bool:
        """The published bits are those of the optimum."""
        return self.published == self.optimum.bits


def problem(name: str) -> Problem:
    """The layers of ``resnet18`` or ``resnet50``, and the nine published allocations of each.

    >>> table = problem("resnet50")
    >>> len(table.layers), len(table.bits), table.layers[0].name
    (52, 9, 'stage1.unit1.quant_convbn1')
    """
    if name not in TIES:
        raise KeyError(f"unknown network {name!r}; known: {', '.join(TIES)}")
    text = (files("analysis.hawq") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    bits = {
        (cost, f): tuple(int(row[f"published_{column}_{float(f)}"]) for row in rows)
        for cost, column in COLUMNS.items()
        for f in FRACTIONS
    }
    return Problem(name=name, layers=tuple(map(_layer, rows)), ties=TIES[name], bits=bits)


def reproduction(name: str) -> tuple[Reproduction, ...]:
    """The nine published allocations of a network beside ours, from the same layers, limits and ties.

    >>> [one.equal for one in reproduction("resnet50")]
    [True, True, False, True, True, True, True, True, True]
    """
    table = problem(name)
    return tuple(_reproduced(table, cost, f) for cost in COLUMNS for f in FRACTIONS)


def _reproduced(table: Problem, cost: Cost, f: Fraction) -> Reproduction:
    bits = table.bits[cost, f]
    return Reproduction(
        network=table.name,
        cost=cost,
        f=f,
        published=bits,
        published_objective=objective(table.layers, bits),
        optimum=allocate(table.layers, {cost: interpolated(table.layers, cost, f)}, ties=table.ties),
    )


def _layer(row: Mapping[str, str]) -> Layer:
    return Layer(
        name=row["layer"],
        mean_trace=Fraction(row["mean_hessian_trace"]),
        error4=Fraction(row["dw4_sq"]),
        error8=Fraction(row["dw8_sq"]),
        parameters=Fraction(row["params_m"]),
        operations=Fraction(row["macs_m"]),
        latency4=Fraction(row["lat_int4_ms"]),
        latency8=Fraction(row["lat_int8_ms"]),
    )
