"""Integer pooling on NumPy arrays."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.averages import averages
from formats.results import INT32
from reference.array.integer.pooling import average
from reference.array.integer.windows import counts, padded, places
from reference.integer.affine import check_integers
from reference.integer.network import Pool
from reference.integer.ranges import integer_dtype

Integers = NDArray[np.integer[Any]]
Wide = NDArray[np.int64]

#: the kinds of pooling
KINDS = ("max", *averages())


def pool(x: ArrayLike, node: Pool) -> Integers:
    """The greatest integer of each window, or its average, rounded as a rule of `formats.integer_only.averages` does.

    Padding is in no maximum and counts in no average. The averages are of the integers as they are, zero point
    included, so the output has the quantisation of the input.

    ``x``: integers of ``node.out``, (batch, height, width, channels). Returns (batch, rows, columns, channels), or
    (batch, channels) where ``node.window`` is None, in the format's type.

    Raises ``ValueError`` for a shape, integer or window that does not fit, ``OverflowError`` where a sum leaves int32.

    >>> import formats
    >>> from reference.integer.network import Affine
    >>> out = Affine(format=formats.get("int8"), scale=1.0)
    >>> x = np.array([1, 2, -1, -2], np.int8).reshape(1, 2, 2, 1)
    >>> for kind in KINDS:
    ...     rows = Pool(name="rows", inputs=("x",), out=out, kind=kind, window=(1, 2))
    ...     print(kind, pool(x, rows).ravel())
    max [ 2 -1]
    average_half_away [ 2 -2]
    average_truncate [ 1 -1]
    average_hawq_v3 [ 1 -1]
    average_half_even [ 2 -2]
    """
    array = check_integers(x, node.out, "x").astype(integer_dtype(node.out.format))
    if array.ndim != 4:
        raise ValueError(f"node {node.name!r}: x of shape {array.shape} must be (batch, height, width, channels)")
    size = array.shape[1:3]
    window = size if node.window is None else node.window
    pictures = padded(array, node.padding, node.out.format.minimum if node.kind == "max" else 0, np)
    if pictures.shape[1] < window[0] or pictures.shape[2] < window[1]:
        raise ValueError(f"node {node.name!r}: a picture of {pictures.shape[1:3]}, padded, has no window of {window}")
    if node.kind == "max":
        result = _maximum(pictures, window, node)
    else:
        result = average(_total(pictures, window, node), _counts(size, window, node), node.kind, np)
    return (result[:, 0, 0] if node.window is None else result).astype(array.dtype)


def _maximum(pictures: Integers, window: tuple[int, int], node: Pool) -> Integers:
    result: Any = None
    for _, _, pixels in places(pictures, window, node.strides):
        result = pixels if result is None else np.maximum(result, pixels)
    return result


def _total(pictures: Integers, window: tuple[int, int], node: Pool) -> Wide:
    wide = pictures.astype(np.int64)
    if node.window is None:
        total: Wide = wide.sum(axis=(1, 2), keepdims=True)
    else:
        parts: list[Wide] = [pixels for _, _, pixels in places(wide, window, node.strides)]
        total = functools.reduce(np.add, parts)
    outside = (total < INT32.minimum) | (total > INT32.maximum)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise OverflowError(f"node {node.name!r}: the sum {total[place]} at {list(place)} leaves int32")
    return total


def _counts(size: tuple[int, int], window: tuple[int, int], node: Pool) -> NDArray[np.int32]:
    return counts(size, window, node.strides, node.padding, np)
