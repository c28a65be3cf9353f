"""Windows that move over pictures, NHWC, once for NumPy and jax.numpy."""

from __future__ import annotations

from collections.abc import Iterator

from reference.array.carrier import Array, Namespace

Padding = tuple[tuple[int, int], tuple[int, int]]


def padded(x: Array, padding: Padding, value: int, xp: Namespace) -> Array:
    """Rows and columns of ``value`` around each picture."""
    if padding == ((0, 0), (0, 0)):
        return x
    return xp.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def places(x: Array, window: tuple[int, int], strides: tuple[int, int]) -> Iterator[tuple[int, int, Array]]:
    """For each place in the window, row by row: the place, and the pixels of all windows there.

    Rows and columns at the end that fill no window are in none.
    """
    rows, columns = (
        (size - extent) // stride * stride + 1
        for size, extent, stride in zip(x.shape[1:3], window, strides, strict=True)
    )
    for i in range(window[0]):
        for j in range(window[1]):
            yield i, j, x[:, i : i + rows : strides[0], j : j + columns : strides[1]]


def counts(
    size: tuple[int, int], window: tuple[int, int], strides: tuple[int, int], padding: Padding, xp: Namespace
) -> Array:
    """How many pixels of the picture each window has, without its padding: int32 (rows, columns, 1).

    >>> import numpy as np
    >>> counts((3, 3), (2, 2), (2, 2), ((1, 0), (0, 1)), np)[:, :, 0]
    array([[2, 1],
           [4, 2]], dtype=int32)
    """
    sides: list[Array] = []
    for length, extent, stride, (before, after) in zip(size, window, strides, padding, strict=True):
        first = xp.arange(-before, length + after - extent + 1, stride, dtype=xp.int32)
        sides.append(xp.minimum(first + extent, length) - xp.maximum(first, 0))
    return (sides[0][:, None] * sides[1][None, :])[:, :, None]
