"""The loops over all elements, in JAX: scales of groups, the search, quantisation, and sums of the metrics.

Arrays are ``[elements, blocks]``: they walk a block's elements one after the other, all blocks side by side, so that
every step is a loop without dependence. What is compiled once for all formats is kept apart from what is not.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from analysis.metrics import Neighbours, Terms, UlpScale, terms
from formats import Format
from reference.quantize import Recipe
from reference.quantize.affine import from_grid, to_grid
from reference.quantize.scale import Mapping, Parameters, parameters

#: the sums and maxima of `analysis.metrics.Terms` that `measure` returns
NAMES = ("noise", "sum_rel", "max_rel", "sum_ulp", "max_ulp", "saturated", "underflowed")
_UNROLL = 4
_jax: Any = jax  # parts of its types are unknown to a strict checker


@functools.partial(_jax.jit, static_argnames=("kind", "scale_format"))
def scales(
    low: Array,
    high: Array,
    shrink: Array,
    bounds: tuple[Array, Array],
    unit: float,
    kind: Mapping,
    scale_format: Format,
) -> tuple[Array, Array]:
    """`reference.quantize.scale.parameters` as a pair of float32 arrays: scale and shift.

    ``low``, ``high`` and ``bounds`` are of one shape: XLA turns division by a broadcast array into multiplication by
    its reciprocal, which rounds twice.
    """
    found = parameters(low, high, shrink, kind=kind, bounds=bounds, unit=unit, scale_format=scale_format, xp=jnp)
    return found.scale, jnp.broadcast_to(found.shift, found.scale.shape)


@functools.partial(_jax.jit, static_argnames="made")
def search(x: Array, count: Array, scale: Array, shift: Array, made: Recipe) -> Array:
    """Sums of squared errors over the elements of each block, under each of its candidates.

    ``x``, ``count``: ``[elements, blocks]``, the elements in the working dtype and how often each occurs (0: padding);
    ``scale``, ``shift``: ``[candidates, blocks]``, like the result, which has the dtype of ``x``.
    """
    groups = Parameters(scale=scale, shift=shift)

    def step(i: Array, total: Array) -> Array:
        error = x[i] - from_grid(to_grid(x[i][None], groups, made, jnp)[1], groups, made)
        return total + count[i] * (error * error)

    return _jax.lax.fori_loop(0, x.shape[0], step, _jax.numpy.zeros(scale.shape, x.dtype))


@functools.partial(_jax.jit, static_argnames="made")
def reconstruct(x: Array, scale: Array, shift: Array, made: Recipe) -> Array:
    """The numbers that the elements become, ``[elements, blocks]``.

    Row by row, so that scales are not broadcast (see `scales`).
    """
    groups = Parameters(scale=scale, shift=shift)

    def step(i: Array, found: Array) -> Array:
        return found.at[i].set(from_grid(to_grid(x[i], groups, made, jnp)[1], groups, made))

    return _jax.lax.fori_loop(0, x.shape[0], step, _jax.numpy.empty_like(x))


@_jax.jit
def measure(
    x: Array,
    count: Array,
    y: Array,
    scale: Array,
    offset: Array,
    low: Array,
    high: Array,
    ulp: UlpScale | Neighbours,
) -> dict[str, Array]:
    """Sums of the terms over each block, in float64, each term as often as its element occurs; and their maxima.

    ``[blocks]``: ``scale``, the ``offset`` that is subtracted before it divides, and bounds of the quotient.
    """
    unroll = math.gcd(_UNROLL, x.shape[0])
    scale, offset, low, high = (v.astype(x.dtype) for v in (scale, offset, low, high))

    def step(i: Array, sums: dict[str, Array]) -> dict[str, Array]:
        for j in range(unroll):
            k = i * unroll + j
            quotient = (x[k] - offset) / scale
            new = terms(x[k], y[k], quotient=quotient, scale=scale, bounds=(low, high), ulp=ulp, xp=jnp)
            sums = _add(sums, new, count[k])
        return sums

    zero = {name: _jax.numpy.zeros(scale.shape, x.dtype if name.startswith("max") else jnp.float64) for name in NAMES}
    return _jax.lax.fori_loop(0, x.shape[0] // unroll, step, zero)


def _add(sums: dict[str, Array], new: Terms, count: Array) -> dict[str, Array]:
    def plus(name: str, term: Array) -> Array:
        return sums[name] + count * term.astype(jnp.float64)

    def most(name: str, term: Array) -> Array:
        return jnp.maximum(sums[name], term)  # padding repeats an element of its group

    return {
        "noise": plus("noise", new.squared_error),
        "sum_rel": plus("sum_rel", new.relative_error),
        "max_rel": most("max_rel", new.relative_error),
        "sum_ulp": plus("sum_ulp", new.ulp_error),
        "max_ulp": most("max_ulp", new.ulp_error),
        "saturated": plus("saturated", new.saturated),
        "underflowed": plus("underflowed", new.underflowed),
    }
