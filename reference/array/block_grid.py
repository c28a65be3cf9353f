"""Tensors cut into blocks over their last axes, once for NumPy and jax.numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reference.array.carrier import Array, Namespace


def grid(shape: Sequence[int], block: Sequence[int]) -> tuple[int, ...]:
    """How many blocks lie along each axis; the last one of an axis may be shorter.

    >>> grid((3, 100), (32,)), grid((300, 100), (128, 128))
    ((3, 4), (3, 1))
    """
    outer = len(shape) - len(block)
    return (*shape[:outer], *(-(-length // extent) for length, extent in zip(shape[outer:], block, strict=True)))


def reduce(x: Array, block: Sequence[int], reduction: Callable[..., Array], xp: Namespace) -> Array:
    """One number of each block: the shape of the grid. ``reduction`` is a minimum or maximum, such as ``xp.max``.

    A short block is filled up with repetitions of its last elements, which change neither.
    """
    counts = grid(x.shape, block)
    outer = len(counts) - len(block)
    missing = [n * extent - length for n, extent, length in zip(counts[outer:], block, x.shape[outer:], strict=True)]
    if any(missing):
        x = xp.pad(x, [(0, 0)] * outer + [(0, m) for m in missing], mode="edge")
    inner = [extent for pair in zip(counts[outer:], block, strict=True) for extent in pair]
    axes = tuple(range(outer + 1, outer + len(inner), 2))
    return reduction(x.reshape(*counts[:outer], *inner), axis=axes)


def spread(numbers: Array, block: Sequence[int], shape: Sequence[int], xp: Namespace) -> Array:
    """The number of its block for each element of a tensor of that shape: the inverse of `reduce`."""
    outer = len(shape) - len(block)
    interleaved = [extent for n in numbers.shape[outer:] for extent in (n, 1)]
    repeated = [extent for pair in zip(numbers.shape[outer:], block, strict=True) for extent in pair]
    x = xp.broadcast_to(numbers.reshape(*shape[:outer], *interleaved), (*shape[:outer], *repeated))
    x = x.reshape(*shape[:outer], *(n * extent for n, extent in zip(numbers.shape[outer:], block, strict=True)))
    return x[(..., *(slice(length) for length in shape[outer:]))]


def spread_second(numbers: Array, per: int | None, counts: Sequence[int], xp: Namespace) -> Array:
    """The second-level number of each block of a grid: one for all of them, or one for ``per`` in a row."""
    return xp.broadcast_to(numbers, tuple(counts)) if per is None else spread(numbers, (per,), counts, xp)
