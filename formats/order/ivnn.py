"""Integer-valued neural networks: integer weights, rational biases, ``ReLU_t(x) = max(x, t)``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

Rational = int | Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class IvnnLayer:
    """``x -> max(A x + b, t)``, element by element.

    ``weights``: rows of integers, one for each neuron. ``bias`` and ``thresholds``: one rational number for each
    neuron; the threshold None is minus infinity, so that the neuron is affine.

    >>> IvnnLayer(weights=((1, -2),), bias=(Fraction(1, 2),), thresholds=(0,)).inputs
    2
    """

    weights: tuple[tuple[int, ...], ...]
    bias: tuple[Rational, ...]
    thresholds: tuple[Rational | None, ...]

    def __post_init__(self) -> None:
        rows = len(self.weights)
        if not rows or not self.weights[0] or any(len(row) != len(self.weights[0]) for row in self.weights):
            raise ValueError(f"weights={self.weights} must be rows of one length, at least one by one")
        if any(not isinstance(w, int) for row in self.weights for w in row):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"weights={self.weights} must be ints")
        if (len(self.bias), len(self.thresholds)) != (rows, rows):
            raise ValueError(f"{rows} neurons have {len(self.bias)} biases and {len(self.thresholds)} thresholds")
        for number in (*self.bias, *(t for t in self.thresholds if t is not None)):
            if not isinstance(number, Rational):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"{number!r} must be an int or a Fraction, not {type(number).__name__}")

    @property
    def inputs(self) -> int:
        """How many numbers it takes."""
        return len(self.weights[0])

    @property
    def neurons(self) -> int:
        """How many numbers it gives."""
        return len(self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ivnn:
    """Layers, each of as many inputs as the one before has neurons.

    Source: Dolores-Cuenca et al., Order Theory in the Context of Machine Learning, arXiv 2412.06097; after Zhang,
    Naitzat, Lim, Tropical Geometry of Deep Neural Networks, arXiv 1805.07091.

    >>> Ivnn(layers=(IvnnLayer(weights=((1, -2),), bias=(0,), thresholds=(None,)),)).denominator
    1
    """

    layers: tuple[IvnnLayer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("a network needs at least one layer")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if before.neurons != after.inputs:
                raise ValueError(f"a layer of {before.neurons} neurons is before one of {after.inputs} inputs")

    @property
    def denominator(self) -> int:
        """The least number that makes every bias and threshold an integer."""
        from math import lcm

        numbers = [n for layer in self.layers for n in (*layer.bias, *layer.thresholds) if n is not None]
        return lcm(*(Fraction(n).denominator for n in numbers))
