"""Tensors in JAX as grids of whole blocks: reshaped only, where nothing is ragged."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

from kernels_ref.block_binary32 import MAGNITUDE
from reference.array import block_grid

_FEW = 32  # neighbours that XLA for CPUs reduces at the speed of memory
_LAST = 4  # a true reduction at the end keeps XLA from repeating the whole for each of its uses


def blocked(x: Array, block: Sequence[int]) -> Array:
    """``x`` with each of its last axes as two, blocks and what is inside; short blocks repeat their last elements.

    >>> blocked(jnp.arange(6).reshape(2, 3), (2,)).shape
    (2, 2, 2)
    """
    counts = block_grid.grid(x.shape, block)
    outer = len(counts) - len(block)
    missing = [n * extent - length for n, extent, length in zip(counts[outer:], block, x.shape[outer:], strict=True)]
    if any(missing):
        edge = [(0, 0)] * outer + [(0, m) for m in missing]
        x = jnp.pad(x, edge, mode="edge")  # pyright: ignore[reportUnknownMemberType]
    inner = [extent for pair in zip(counts[outer:], block, strict=True) for extent in pair]
    return x.reshape(*counts[:outer], *inner)


def whole(x: Array, block: Sequence[int], shape: Sequence[int]) -> Array:
    """The inverse of `blocked` for a tensor of that shape."""
    outer = len(shape) - len(block)
    lengths = [n * extent for n, extent in zip(x.shape[outer::2], block, strict=True)]
    return x.reshape(*shape[:outer], *lengths)[(..., *(slice(length) for length in shape[outer:]))]


def expand(numbers: Array, block: Sequence[int]) -> Array:
    """A grid of numbers in a shape that broadcasts to `blocked` elements."""
    outer = numbers.ndim - len(block)
    return jnp.expand_dims(numbers, range(outer + 1, outer + 2 * len(block), 2))


def largest_magnitude(bits: Array, block: Sequence[int]) -> Array:
    """The largest magnitude pattern (int32) in each block of `blocked` patterns, NaNs above all."""
    magnitude = bits & MAGNITUDE
    outer = bits.ndim - 2 * len(block)
    for axis in reversed(range(outer + 1, bits.ndim, 2)):
        magnitude = _alone(_greatest(magnitude, axis))
    return magnitude


def _greatest(x: Array, axis: int) -> Array:
    """The maximum over an axis: first of halves, which XLA for CPUs compares as vectors."""
    while x.shape[axis] > _LAST and x.shape[axis] % 2 == 0:
        x = jnp.maximum(*jnp.split(x, 2, axis))
    return x.max(axis)


def any_of(flags: Array) -> Array:
    """Whether any of the flags is set."""
    counted = flags.astype(jnp.int32).reshape(-1)
    if counted.size % _FEW == 0:
        counted = _alone(counted.reshape(-1, _FEW).max(-1))
    return counted.max(initial=0) > 0


def _alone(x: Array) -> Array:
    """The same, so that a reduction of it does not become one with that which made it, and slow."""
    return lax.optimization_barrier(x)  # pyright: ignore[reportUnknownMemberType]
