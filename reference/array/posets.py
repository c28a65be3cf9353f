"""Poset filters, once for NumPy and jax.numpy: sums over up-sets, their maximum, and who wins it."""

from __future__ import annotations

from formats.order.poset import Poset
from reference.array.carrier import Array, Namespace


def sums(points: Array, poset: Poset, xp: Namespace) -> Array:
    """The sum over each up-set, along a new last axis. ``points``: (..., size), wide enough for the sums."""
    nothing = points[..., 0] * 0
    return xp.stack([sum((points[..., i] for i in up_set), start=nothing) for up_set in poset.up_sets], axis=-1)


def windows(x: Array, xp: Namespace) -> Array:
    """The blocks of 2 by 2 of (..., height, width, channels) as points along a new last axis, row by row.

    An odd height or width gets a row of zeros at the bottom, a column at the right.
    """
    height, width, channels = x.shape[-3:]
    rest = [(0, 0)] * (x.ndim - 3)
    x = xp.pad(x, [*rest, (0, height % 2), (0, width % 2), (0, 0)])
    x = x.reshape(*x.shape[:-3], (height + 1) // 2, 2, (width + 1) // 2, 2, channels)
    return xp.stack([x[..., :, i, :, j, :] for i in range(2) for j in range(2)], axis=-1)


def indicators(poset: Poset) -> list[list[int]]:
    """The up-sets as vectors of 0 and 1."""
    return [[int(i in up_set) for i in range(poset.size)] for up_set in poset.up_sets]


def spread(gradients: Array, shape: tuple[int, ...], xp: Namespace) -> Array:
    """What `windows` took apart, together again: (..., rows, columns, channels, 4) into ``shape``."""
    *rest, rows, columns, channels, _ = gradients.shape
    blocks = gradients.reshape(*rest, rows, columns, channels, 2, 2)
    order = [*range(len(rest)), *(len(rest) + axis for axis in (0, 3, 1, 4, 2))]
    whole = xp.transpose(blocks, order).reshape(*rest, 2 * rows, 2 * columns, channels)
    return whole[..., : shape[-3], : shape[-2], :]
