"""The layers that HAWQ-V3 allocates bits to: what 4 and 8 bits do to each, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

import formats

#: what a layer can have
BITS = (4, 8)


class Cost(Enum):
    """What is limited: ``size`` in bytes, ``bops`` in bit operations, ``latency`` in milliseconds."""

    SIZE = "size"
    BOPS = "bops"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer whose weights and input activations get 4 bits or 8.

    ``mean_trace``: the trace of the loss's Hessian in the weights, over their number. ``error4``, ``error8``: the
    squared Euclidean norm of what quantisation takes from the weights. ``latency4``, ``latency8``: in milliseconds,
    None where nobody measured. All exact.

    >>> layer = Layer(name="conv", mean_trace=Fraction(1, 10), error4=Fraction(3), error8=Fraction(1),
    ...               parameters=Fraction(144), operations=Fraction(1000))
    >>> layer.sensitivity(4), layer.cost("size", 4), layer.cost("bops", 4)
    (Fraction(3, 10), Fraction(72, 1), Fraction(16000, 1))
    """

    name: str
    mean_trace: Fraction
    error4: Fraction
    error8: Fraction
    #: weights
    parameters: Fraction
    #: multiplications of a weight by an activation
    operations: Fraction
    latency4: Fraction | None = None
    latency8: Fraction | None = None

    def sensitivity(self, bits: int) -> Fraction:
        """HAWQ's estimate of what the loss gains: the mean trace times the squared error of the weights."""
        return self.mean_trace * (self.error4 if self._four(bits) else self.error8)

    def cost(self, cost: Cost | str, bits: int) -> Fraction:
        """``bits / 8`` of a byte for each weight, ``bits^2`` for each multiplication, or the latency.

        Raises ``ValueError`` for other bits than 4 or 8, and for a latency that nobody measured.
        """
        chosen, four = formats.parse_enum(Cost, cost, "cost"), self._four(bits)
        if chosen is Cost.SIZE:
            return self.parameters * bits / 8
        if chosen is Cost.BOPS:
            return self.operations * bits * bits
        latency = self.latency4 if four else self.latency8
        if latency is None:
            raise ValueError(f"layer {self.name!r} has no latency at {bits} bits; limit size or bops")
        return latency

    def _four(self, bits: int) -> bool:
        if bits not in BITS:
            raise ValueError(f"layer {self.name!r}: {bits} bits; a layer has 4 or 8")
        return bits == 4


def interpolated(layers: Sequence[Layer], cost: Cost | str, f: Fraction | float) -> Fraction:
    """The cost that lies the part ``f`` of the way from 4 bits everywhere to 8 bits everywhere: HAWQ-V3's limits.

    Floats are taken exactly.
    """
    at4, at8 = total(layers, cost, [4] * len(layers)), total(layers, cost, [8] * len(layers))
    return at4 + Fraction(f) * (at8 - at4)


def total(layers: Sequence[Layer], cost: Cost | str, bits: Sequence[int]) -> Fraction:
    """What an allocation costs."""
    return sum((layer.cost(cost, k) for layer, k in zip(layers, bits, strict=True)), Fraction(0))


def objective(layers: Sequence[Layer], bits: Sequence[int]) -> Fraction:
    """What HAWQ-V3 minimises: the sum over the layers of 8 bits of sensitivity(8) - sensitivity(4).

    Zero where all have 4 bits; it differs from the summed sensitivity by that of 4 bits everywhere.
    """
    gains = (layer.sensitivity(k) - layer.sensitivity(4) for layer, k in zip(layers, bits, strict=True))
    return sum(gains, Fraction(0))
