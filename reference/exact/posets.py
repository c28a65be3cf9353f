"""The judge of poset filters: the support function of an order polytope, and its subgradient."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from formats.order.poset import Poset
from reference.exact.tropical import TropicalPolynomial

Number = int | Fraction


def filter_value(x: Sequence[Number], poset: Poset) -> Number:
    """``max over the up-sets U of sum of x_i, i in U``; the empty set is one, so never below 0.

    >>> from formats.order.poset import four_point_poset
    >>> filter_value([3, -1, -4, 2], four_point_poset(6))
    4
    """
    return max(sum(x[i] for i in up_set) for up_set in poset.up_sets)


def filter_gradient(x: Sequence[Number], poset: Poset) -> list[int]:
    """The indicator vector of the up-set with the largest sum: of several the first in the order of `Poset.up_sets`.

    >>> from formats.order.poset import four_point_poset
    >>> filter_gradient([3, -1, -4, 2], four_point_poset(2))
    [1, 1, 0, 1]
    """
    due = filter_value(x, poset)
    winner = next(up_set for up_set in poset.up_sets if sum(x[i] for i in up_set) == due)
    return [int(i in winner) for i in range(poset.size)]


def polynomial(poset: Poset) -> TropicalPolynomial:
    """The filter as a tropical polynomial, whose Newton polytope is the order polytope.

    >>> from formats.order.poset import Poset
    >>> sorted(polynomial(Poset(name="chain", size=2, below=((0, 1),))).terms)
    [(0, 0), (0, 1), (1, 1)]
    """
    return TropicalPolynomial(
        {tuple(int(i in up_set) for i in range(poset.size)): Fraction(0) for up_set in poset.up_sets}
    )
