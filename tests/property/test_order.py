"""Integer-valued networks are their tropical rational functions; what poset filters keep."""

from __future__ import annotations

import itertools
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kernels_ref.order
import reference.order
from formats.order.ivnn import Ivnn, IvnnLayer
from formats.order.poset import Poset, four_point_posets
from reference.exact.posets import filter_value
from reference.exact.tropical import rational_function, run

rationals = st.fractions(min_value=-20, max_value=20, max_denominator=12)
integers = st.integers(-128, 127)


@st.composite
def posets(draw, size):
    order = draw(st.permutations(range(size)))
    pairs = [(order[i], order[j]) for i in range(size) for j in range(i + 1, size)]
    return Poset(name="drawn", size=size, below=tuple(p for p in pairs if draw(st.booleans())))


@st.composite
def networks(draw):
    widths = draw(st.lists(st.integers(1, 2), min_size=2, max_size=4))
    layers = []
    for before, after in itertools.pairwise(widths):
        weights = tuple(tuple(draw(st.integers(-2, 2)) for _ in range(before)) for _ in range(after))
        bias = tuple(draw(rationals) for _ in range(after))
        thresholds = tuple(draw(st.none() | st.just(0) | rationals) for _ in range(after))
        layers.append(IvnnLayer(weights=weights, bias=bias, thresholds=thresholds))
    return Ivnn(layers=tuple(layers))


@given(networks(), st.data())
def test_a_network_is_its_tropical_rational_function(network, data):
    pairs = rational_function(network)
    for _ in range(5):
        x = [data.draw(rationals) for _ in range(network.layers[0].inputs)]
        assert [f(x) - g(x) for f, g in pairs] == run(network, x)


@given(networks(), st.data())
def test_integers_over_one_denominator_are_the_rational_numbers(network, data):
    x = [data.draw(rationals) for _ in range(network.layers[0].inputs)]
    denominator = network.denominator * int(np.lcm.reduce([v.denominator for v in x]))
    numerators = np.array([int(v * denominator) for v in x], np.int32)
    due = run(network, x)
    try:
        got = reference.order.run_ivnn(network, numerators, denominator=denominator)
    except ValueError as error:
        assert "int32 holds 2147483647" in str(error)  # noqa: PT017
        return
    assert [Fraction(int(v), denominator) for v in got] == due
    with jax.disable_jit():
        again = kernels_ref.order.run_ivnn(network, numerators, denominator=denominator)
    np.testing.assert_array_equal(np.asarray(again), got)


@given(networks(), st.integers(0, 1000))
def test_the_bound_holds_and_is_no_less_than_the_polynomials(network, largest):
    """At the corners of the cube, where each of F and G, convex functions, is largest."""
    found = reference.order.bound(network, largest, network.denominator)
    corners = [[]]
    for _ in range(network.layers[0].inputs):
        corners = [[*c, Fraction(s * largest, network.denominator)] for c in corners for s in (-1, 1)]
    assert all(abs(v) * network.denominator <= found for c in corners for v in run(network, c))


class TestWorked:
    net = Ivnn(
        layers=(
            IvnnLayer(weights=((1, -2), (3, 1)), bias=(Fraction(1, 2), -1), thresholds=(0, 0)),
            IvnnLayer(weights=((2, -1),), bias=(Fraction(1, 3),), thresholds=(None,)),
        )
    )

    def test_the_two_polynomials(self):
        ((f, g),) = rational_function(self.net)
        assert f.terms == {(0, 4): Fraction(1, 3), (1, 2): Fraction(5, 6), (2, 0): Fraction(4, 3)}
        assert g.terms == {(0, 4): 0, (3, 5): -1}

    @pytest.mark.parametrize(
        ("x", "due"),
        [
            ((0, 0), (Fraction(4, 3), 0, Fraction(4, 3))),
            ((1, -1), (Fraction(10, 3), -3, Fraction(19, 3))),
            ((Fraction(-3, 2), Fraction(2, 7)), (Fraction(31, 21), Fraction(8, 7), Fraction(1, 3))),
            ((5, 4), (Fraction(49, 3), 34, Fraction(-53, 3))),
        ],
    )
    def test_values(self, x, due):
        ((f, g),) = rational_function(self.net)
        assert (f(x), g(x), run(self.net, x)[0]) == due

    def test_a_wrong_recursion_would_be_seen(self):
        """Without the exchange of F and G for negative weights the polynomials are others."""
        ((f, g),) = rational_function(self.net)
        ((h, _),) = rational_function(Ivnn(layers=(self.net.layers[0], IvnnLayer(
            weights=((2, 1),), bias=(Fraction(1, 3),), thresholds=(None,)))))  # fmt: skip
        assert h.terms != f.terms
        assert f((1, -1)) - g((1, -1)) == Fraction(19, 3)

    @pytest.mark.parametrize("library", [reference.order, kernels_ref.order])
    def test_door(self, library):
        x = np.int32([[1, 2]])
        with pytest.raises(ValueError, match="denominator=4 must be a positive multiple of 6"):
            library.run_ivnn(self.net, x, denominator=4)
        with pytest.raises(TypeError, match="numerators have dtype int64; accepted: int32"):
            library.run_ivnn(self.net, x.astype(np.int64), denominator=6)
        with pytest.raises(ValueError, match="no last axis of 2 inputs"):
            library.run_ivnn(self.net, np.int32([1]), denominator=6)
        with pytest.raises(ValueError, match="numbers may reach 10000000014 over 6 for numerators up to 1000000000"):
            library.run_ivnn(self.net, np.int32([10**9, 0]), denominator=6)

    def test_records(self):
        with pytest.raises(ValueError, match="2 neurons have 1 biases and 2 thresholds"):
            IvnnLayer(weights=((1,), (2,)), bias=(0,), thresholds=(0, 0))
        with pytest.raises(TypeError, match=r"0.5 must be an int or a Fraction, not float"):
            IvnnLayer(weights=((1,),), bias=(0.5,), thresholds=(0,))
        with pytest.raises(ValueError, match="a layer of 1 neurons is before one of 2 inputs"):
            Ivnn(layers=(self.net.layers[1], self.net.layers[0]))


@given(st.sampled_from(four_point_posets()), st.lists(rationals, min_size=4, max_size=4), st.integers(0, 9), st.data())
def test_filters_are_convex_monotone_and_homogeneous(poset, x, k, data):
    y = data.draw(st.lists(rationals, min_size=4, max_size=4))
    f = lambda v: filter_value(v, poset)  # noqa: E731
    assert 2 * f([(a + b) / 2 for a, b in zip(x, y, strict=True)]) <= f(x) + f(y)
    assert f([max(a, b) for a, b in zip(x, y, strict=True)]) >= max(f(x), f(y))
    assert f([k * a for a in x]) == k * f(x)
    assert max(0, sum(x)) <= f(x) <= sum(max(a, 0) for a in x)


@given(posets(3), posets(2), st.lists(integers, min_size=5, max_size=5))
def test_sums_of_posets(p, q, x):
    left, right = x[:3], x[3:]
    assert filter_value(x, p.union(q)) == filter_value(left, p) + filter_value(right, q)
    assert filter_value(x, p.ordinal_sum(q)) == max(filter_value(right, q), sum(right) + filter_value(left, p))


@given(posets(4), st.lists(integers, min_size=4, max_size=4), st.permutations(range(4)), st.data())
def test_relabelling_opposites_and_refinements(poset, x, order, data):
    renamed = Poset(name="renamed", size=4, below=tuple((order[i], order[j]) for i, j in poset.below))
    moved = [0] * 4
    for i, v in enumerate(x):
        moved[order[i]] = v
    assert filter_value(moved, renamed) == filter_value(x, poset)
    assert filter_value(x, poset.opposite) == sum(x) + filter_value([-v for v in x], poset)
    free = [(i, j) for i in range(4) for j in range(4) if i != j and (j, i) not in poset.relations]
    if free:
        more = Poset(name="more", size=4, below=(*poset.below, data.draw(st.sampled_from(free))))
        assert filter_value(x, more) <= filter_value(x, poset)


@given(posets(4), st.lists(integers, min_size=4, max_size=4))
def test_golden_model_and_judge_agree(poset, x):
    assert reference.order.poset_filter(np.int8(x), poset) == filter_value(x, poset)
