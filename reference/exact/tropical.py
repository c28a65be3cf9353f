"""The judge of integer-valued networks: themselves, and the tropical rational functions that they are.

Tropical addition is the maximum, multiplication the sum: a tropical polynomial is ``max_k (c_k + <a_k, x>)`` with
exponents ``a_k`` of natural numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from formats.order.ivnn import Ivnn, IvnnLayer, Rational

Exponent = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TropicalPolynomial:
    """``max over the terms of coefficient + <exponent, x>``; ``terms``: coefficients by exponents, at least one.

    >>> square = TropicalPolynomial.variable(0, 2) ** 2 + TropicalPolynomial.constant(Fraction(1, 3), 2)
    >>> square((1, 5)), square((0, 5))
    (Fraction(2, 1), Fraction(1, 3))
    """

    terms: Mapping[Exponent, Fraction]

    @staticmethod
    def constant(number: Rational, variables: int) -> TropicalPolynomial:
        """The polynomial with one term, of exponent 0."""
        return TropicalPolynomial({(0,) * variables: Fraction(number)})

    @staticmethod
    def variable(index: int, variables: int) -> TropicalPolynomial:
        """``x_index``."""
        return TropicalPolynomial({tuple(int(i == index) for i in range(variables)): Fraction(0)})

    def __add__(self, other: TropicalPolynomial) -> TropicalPolynomial:
        """The maximum."""
        terms = dict(self.terms)
        for exponent, coefficient in other.terms.items():
            terms[exponent] = max(coefficient, terms.get(exponent, coefficient))
        return TropicalPolynomial(terms)

    def __mul__(self, other: TropicalPolynomial) -> TropicalPolynomial:
        """The sum; exponents add, and of several coefficients of one exponent the largest stays."""
        terms: dict[Exponent, Fraction] = {}
        for a, c in self.terms.items():
            for b, d in other.terms.items():
                exponent = tuple(i + j for i, j in zip(a, b, strict=True))
                terms[exponent] = max(c + d, terms.get(exponent, c + d))
        return TropicalPolynomial(terms)

    def __pow__(self, power: int) -> TropicalPolynomial:
        """``power`` times the value."""
        product = TropicalPolynomial.constant(0, len(next(iter(self.terms))))
        for _ in range(power):
            product = product * self
        return product

    def __call__(self, x: Sequence[Rational]) -> Fraction:
        """The value at ``x``."""
        return max(c + sum((i * v for i, v in zip(a, x, strict=True)), Fraction(0)) for a, c in self.terms.items())


def run(network: Ivnn, x: Sequence[Rational]) -> list[Fraction]:
    """The network's numbers for rational ``x``, exactly.

    >>> layer = IvnnLayer(weights=((1, -2),), bias=(Fraction(1, 2),), thresholds=(0,))
    >>> run(Ivnn(layers=(layer,)), [1, Fraction(1, 3)])
    [Fraction(5, 6)]
    """
    values = [Fraction(v) for v in x]
    for layer in network.layers:
        sums = [
            sum((w * v for w, v in zip(row, values, strict=True)), Fraction(b))
            for row, b in zip(layer.weights, layer.bias, strict=True)
        ]
        values = [s if t is None else max(s, Fraction(t)) for s, t in zip(sums, layer.thresholds, strict=True)]
    return values


def rational_function(network: Ivnn) -> list[tuple[TropicalPolynomial, TropicalPolynomial]]:
    """The pairs ``F, G`` of tropical polynomials with ``F(x) - G(x)`` the network's numbers, for every ``x``.

    ``F = x, G = 0`` at first; a layer with ``A = A+ - A-`` makes ``H = A+ F + A- G + b``, ``G' = A+ G + A- F`` and
    ``F' = max(H, G' + t)``, or ``H`` without a threshold. Source: Zhang, Naitzat, Lim, arXiv 1805.07091, proposition
    5.1; the number of terms grows quickly with depth.

    >>> layer = IvnnLayer(weights=((1, -2),), bias=(Fraction(1, 2),), thresholds=(0,))
    >>> rational_function(Ivnn(layers=(layer,)))[0][0].terms
    {(1, 0): Fraction(1, 2), (0, 2): Fraction(0, 1)}
    """
    n = network.layers[0].inputs
    one = TropicalPolynomial.constant(0, n)
    pairs = [(TropicalPolynomial.variable(i, n), one) for i in range(n)]
    for layer in network.layers:
        pairs = [_neuron(layer, k, pairs) for k in range(layer.neurons)]
    return pairs


def _neuron(
    layer: IvnnLayer, k: int, pairs: list[tuple[TropicalPolynomial, TropicalPolynomial]]
) -> tuple[TropicalPolynomial, TropicalPolynomial]:
    n = len(next(iter(pairs[0][0].terms)))
    top, bottom = TropicalPolynomial.constant(layer.bias[k], n), TropicalPolynomial.constant(0, n)
    for weight, (f, g) in zip(layer.weights[k], pairs, strict=True):
        if weight < 0:
            f, g = g, f
        top, bottom = top * f ** abs(weight), bottom * g ** abs(weight)
    threshold = layer.thresholds[k]
    if threshold is not None:
        top = top + bottom * TropicalPolynomial.constant(threshold, n)
    return top, bottom
