"""Posets, their up-sets and the sixteen of four points; filters, pooling and gradients in judge, NumPy and JAX."""

from __future__ import annotations

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kernels_ref.order
import reference.order
from formats.order.poset import Poset, four_point_poset, four_point_posets
from reference.exact.posets import filter_gradient, filter_value, polynomial

SIXTEEN = four_point_posets()
EXECUTORS = [reference.order, kernels_ref.order]
FIRST, SECOND = (3, -1, -4, 2), (5, -3, 1, -2)


def isomorphic(p, q):
    return any(
        {(order[i], order[j]) for i, j in p.relations} == q.relations for order in itertools.permutations(range(4))
    )


class TestSixteen:
    def test_no_two_are_isomorphic(self):
        assert not any(isomorphic(p, q) for p, q in itertools.combinations(SIXTEEN, 2))

    def test_every_order_on_four_points_is_one_of_them(self):
        """Up to isomorphism each order has pairs (i, j) with i < j as numbers alone."""
        pairs = list(itertools.combinations(range(4), 2))
        for chosen in itertools.product((False, True), repeat=6):
            below = tuple(pair for pair, take in zip(pairs, chosen, strict=True) if take)
            order = Poset(name="any", size=4, below=below)
            assert sum(isomorphic(order, known) for known in SIXTEEN) == 1

    @pytest.mark.parametrize("poset", SIXTEEN, ids=lambda p: p.name)
    def test_up_sets_are_a_distributive_lattice_that_gives_the_order_back(self, poset):
        sets = set(map(frozenset, poset.up_sets))
        assert all(a | b in sets and a & b in sets for a in sets for b in sets)
        back = {(i, j) for i in range(4) for j in range(4) if i != j and all(j in s for s in sets if i in s)}
        assert back == poset.relations

    @pytest.mark.parametrize("poset", SIXTEEN, ids=lambda p: p.name)
    def test_up_sets_are_the_vertices_of_the_order_polytope(self, poset):
        assert vertices(poset) == {tuple(int(i in s) for i in range(4)) for s in poset.up_sets}
        assert set(polynomial(poset).terms) == vertices(poset)


def vertices(poset):
    """By solving every four of the inequalities 0 <= x_i, x_i <= 1, x_i <= x_j in rational numbers."""
    unit = [[Fraction(int(i == j)) for j in range(4)] for i in range(4)]
    rows = [([-v for v in u], Fraction(0)) for u in unit] + [(u, Fraction(1)) for u in unit]
    rows += [([a - b for a, b in zip(unit[i], unit[j], strict=True)], Fraction(0)) for i, j in poset.relations]
    found = set()
    for four in itertools.combinations(rows, 4):
        x = solve([row for row, _ in four], [limit for _, limit in four])
        if x and all(sum(a * b for a, b in zip(row, x, strict=True)) <= limit for row, limit in rows):
            found.add(tuple(int(v) if v.denominator == 1 else v for v in x))
    return found


def solve(matrix, right):
    """Gauss's elimination; None for a singular matrix."""
    table = [[*row, r] for row, r in zip(matrix, right, strict=True)]
    for k in range(4):
        pivot = next((i for i in range(k, 4) if table[i][k]), None)
        if pivot is None:
            return None
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [v / table[k][k] for v in table[k]]
        for i in range(4):
            if i != k:
                table[i] = [a - table[i][k] * b for a, b in zip(table[i], table[k], strict=True)]
    return [row[4] for row in table]


class TestWorked:
    @pytest.mark.parametrize(
        ("block", "due"),
        [
            (FIRST, [5, 5, 4, 2, 2, 2, 4, 2, 2, 2, 2, 2, 4, 2, 2, 2]),
            (SECOND, [4, 6, 3, 4, 6, 3, 2, 1, 3, 1, 1, 4, 2, 1, 1, 4]),
            ((-128,) * 4, [0] * 16),
            ((127,) * 4, [508] * 16),
        ],
    )
    @pytest.mark.parametrize("library", EXECUTORS)
    def test_values_of_the_repository(self, block, due, library):
        assert [filter_value(block, poset) for poset in SIXTEEN] == due
        picture = np.array(block, np.int8).reshape(2, 2, 1)
        assert [int(library.poset_filter(np.int8(block), poset)) for poset in SIXTEEN] == due
        assert [int(library.poset_pool(picture, poset).item()) for poset in SIXTEEN] == due

    @pytest.mark.parametrize(
        ("block", "index", "due"),
        [
            (FIRST, 0, [1, 0, 0, 1]),
            (FIRST, 2, [1, 1, 0, 1]),
            (FIRST, 3, [0, 0, 0, 1]),
            (SECOND, 10, [1, 1, 1, 1]),
            (SECOND, 4, [1, 0, 1, 0]),
            ((0, 0, 0, 0), 1, [0, 0, 0, 0]),
        ],
    )
    def test_gradients_of_the_repository(self, block, index, due):
        poset = four_point_poset(index)
        assert filter_gradient(block, poset) == due
        picture = np.array(block, np.int8).reshape(2, 2, 1)
        got = reference.order.poset_pool_gradient(picture, np.int32([[[1]]]), poset)
        assert got.reshape(-1).tolist() == due
        found = jax.grad(lambda x: kernels_ref.order.poset_pool(x, poset).sum())(jnp.float32(picture))
        assert found.reshape(-1).tolist() == due

    def test_antichain_and_chain(self):
        x = [Fraction(3, 7), Fraction(-1, 2), Fraction(5), Fraction(-2)]
        assert filter_value(x, four_point_poset(1)) == sum(max(v, 0) for v in x)
        tails = [sum(x[i:], Fraction(0)) for i in range(5)]
        assert filter_value(x, four_point_poset(13)) == max(tails)


@pytest.mark.parametrize("library", EXECUTORS)
@pytest.mark.parametrize("poset", SIXTEEN, ids=lambda p: p.name)
class TestPooling:
    def test_every_block_of_edge_values(self, poset, library):
        """All blocks of seven integers: the edges of int8, ties and zero."""
        values = np.array(list(itertools.product((-128, -127, -1, 0, 1, 126, 127), repeat=4)), np.int8)
        due = np.array([filter_value(row.tolist(), poset) for row in values])
        picture = values.reshape(-1, 2, 2, 1)
        got = np.asarray(library.poset_pool(picture, poset))
        assert got.dtype == np.int16
        np.testing.assert_array_equal(got.reshape(-1), due)

    @pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
    def test_odd_sizes_and_zero_points(self, poset, library, dtype):
        x = np.random.default_rng(2).integers(0, 120, (2, 5, 3, 4)).astype(dtype)
        z = 57
        got = np.asarray(library.poset_pool(x, poset, zero_point=z)) if dtype != "int32" else None
        if got is None:
            with pytest.raises(ValueError, match="beyond int32"):
                library.poset_pool(x, poset, zero_point=z)
            return
        assert got.shape == (2, 3, 2, 4)
        padded = np.full((2, 6, 4, 4), z)
        padded[:, :5, :3] = x
        for n, i, j, c in np.ndindex(got.shape):
            block = padded[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].reshape(-1) - z
            assert got[n, i, j, c] == filter_value(block.tolist(), poset)


class TestGradient:
    @pytest.mark.parametrize("poset", SIXTEEN, ids=lambda p: p.name)
    def test_numpy_jax_and_judge(self, poset):
        rng = np.random.default_rng(5)
        x = rng.integers(-3, 4, (2, 5, 4, 2)).astype(np.int8)  # small numbers: many ties
        upper = rng.integers(-9, 9, (2, 3, 2, 2)).astype(np.int32)
        got = reference.order.poset_pool_gradient(x, upper, poset)
        _, pull = jax.vjp(lambda v: kernels_ref.order.poset_pool(v, poset), jnp.float32(x))
        np.testing.assert_array_equal(np.asarray(pull(jnp.float32(upper))[0]), got)
        padded = np.zeros((2, 6, 4, 2), np.int64)
        padded[:, :5] = x
        for n, i, j, c in np.ndindex(upper.shape):
            due = np.array(
                filter_gradient(padded[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].reshape(-1).tolist(), poset)
            )
            part = got[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].reshape(-1)
            np.testing.assert_array_equal(part, (due * upper[n, i, j, c])[: part.size])

    def test_under_jit_and_vmap(self):
        pool = jax.jit(jax.vmap(lambda x: kernels_ref.order.poset_pool(x, four_point_poset(6))))
        x = np.random.default_rng(1).integers(-128, 128, (3, 4, 4, 2)).astype(np.int8)
        np.testing.assert_array_equal(np.asarray(pool(x)), reference.order.poset_pool(x, four_point_poset(6)))

    def test_integers_stay_integers(self):
        jaxpr = jax.make_jaxpr(lambda x: kernels_ref.order.poset_pool(x, four_point_poset(6)))(
            jnp.zeros((2, 2, 1), jnp.int8)
        )
        assert "f32" not in str(jaxpr)


class TestDoor:
    def test_posets(self):
        with pytest.raises(ValueError, match="is a cycle"):
            Poset(name="loop", size=3, below=((0, 1), (1, 2), (2, 0)))
        with pytest.raises(ValueError, match=r"\(0, 4\) names a point that is none of 0..3"):
            Poset(name="outside", size=4, below=((0, 4),))
        with pytest.raises(ValueError, match=r"size=17 must lie in 1..16"):
            Poset(name="large", size=17)
        with pytest.raises(KeyError, match="16 is none of the four-point posets"):
            four_point_poset(16)

    @pytest.mark.parametrize("library", EXECUTORS)
    def test_arrays(self, library):
        poset = four_point_poset(0)
        with pytest.raises(TypeError, match="dtype int64 is not accepted; accepted: int8, uint8, int16, int32"):
            library.poset_filter(np.zeros(4, np.int64), poset)
        with pytest.raises(ValueError, match="no last axis of 4"):
            library.poset_filter(np.zeros(3, np.int8), poset)
        with pytest.raises(ValueError, match="must have height, width and channels"):
            library.poset_pool(np.zeros((2, 2), np.int8), poset)
        with pytest.raises(ValueError, match="zero_point=200 does not lie in int8"):
            library.poset_pool(np.zeros((2, 2, 1), np.int8), poset, zero_point=200)
        with pytest.raises(ValueError, match="has 2 points; blocks of 2 by 2 take 4"):
            library.poset_pool(np.zeros((2, 2, 1), np.int8), Poset(name="two", size=2))

    def test_gradient_shape(self):
        with pytest.raises(ValueError, match=r"not of the pooled shape \(1, 1, 1\)"):
            reference.order.poset_pool_gradient(np.zeros((2, 2, 1), np.int8), np.zeros(3), four_point_poset(0))

    def test_floats_have_no_zero_point(self):
        with pytest.raises(ValueError, match="zero_point=1 is for integers"):
            kernels_ref.order.poset_filter(jnp.zeros(4), four_point_poset(0), zero_point=1)
