"""Poset filters and poset pooling on NumPy arrays of integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.order.poset import Poset
from reference.array import posets as array_posets

INPUTS = ("int8", "uint8", "int16", "int32")
Integers = NDArray[np.signedinteger[Any]]


def poset_filter(x: ArrayLike, poset: Poset, *, zero_point: int = 0) -> Integers:
    """``max over the up-sets U of sum (x_i - z), i in U``, along the last axis.

    ``x``: int8, uint8, int16 or int32, the last axis as long as the poset has points. Returns int16 for 8-bit input
    of at most 64 points, else int32; raises ``TypeError`` for another dtype, ``ValueError`` for a length that is not
    the poset's, or sums that int32 may not hold. No rounding, so it is exact on codes of any scale.

    Source: Dolores-Cuenca et al., arXiv 2412.06097, the support function of the order polytope.

    >>> from formats.order.poset import four_point_poset
    >>> poset_filter(np.int8([3, -1, -4, 2]), four_point_poset(12)).item()
    4
    """
    values = np.asarray(x)
    wide = check(values, poset, zero_point)
    if values.shape[-1:] != (poset.size,):
        raise ValueError(f"x of shape {values.shape} has no last axis of {poset.size}, the points of {poset.name}")
    return array_posets.sums(values.astype(wide) - wide.type(zero_point), poset, np).max(axis=-1)


def poset_pool(x: ArrayLike, poset: Poset, *, zero_point: int = 0) -> Integers:
    """`poset_filter` on blocks of 2 by 2 that do not overlap: points 0 to 3 are a block's integers row by row.

    ``x``: (..., height, width, channels) of a dtype of `poset_filter`; an odd height or width gets zeros (``z``) at
    the bottom or right. Returns half as many rows and columns, rounded up, as differences to ``z``: zero point 0.

    >>> from formats.order.poset import four_point_poset
    >>> poset_pool(np.int8([[[5], [-3]], [[1], [-2]]]), four_point_poset(1)).item()
    6
    """
    values = np.asarray(x)
    wide = check_picture(values, poset, zero_point)
    points = array_posets.windows(values.astype(wide) - wide.type(zero_point), np)
    return array_posets.sums(points, poset, np).max(axis=-1)


def poset_pool_gradient(x: ArrayLike, gradient: ArrayLike, poset: Poset, *, zero_point: int = 0) -> NDArray[Any]:
    """The gradient of `poset_pool` with respect to ``x``: ``gradient`` where an element's up-set wins its block.

    Of up-sets with equal sums the first wins, in the order of `formats.order.poset.Poset.up_sets`: so zeros have
    gradient 0. ``gradient``: in the shape and, for the result, the dtype of the pooled array.

    >>> from formats.order.poset import four_point_poset
    >>> x = np.int8([[[5], [-3]], [[1], [-2]]])
    >>> poset_pool_gradient(x, np.int32([[[1]]]), four_point_poset(4))[..., 0].tolist()
    [[1, 0], [1, 0]]
    """
    values, upper = np.asarray(x), np.asarray(gradient)
    wide = check_picture(values, poset, zero_point)
    points = array_posets.windows(values.astype(wide) - wide.type(zero_point), np)
    totals = array_posets.sums(points, poset, np)
    if upper.shape != totals.shape[:-1]:
        raise ValueError(f"gradient of shape {upper.shape} is not of the pooled shape {totals.shape[:-1]}")
    chosen = np.array(array_posets.indicators(poset), upper.dtype)[totals.argmax(axis=-1)]
    return array_posets.spread(chosen * upper[..., None], values.shape, np)


def check(x: Any, poset: Poset, zero_point: int) -> np.dtype[Any]:
    """The dtype that holds every sum; ``TypeError`` or ``ValueError`` where there is none."""
    if x.dtype.name not in INPUTS:
        raise TypeError(f"dtype {x.dtype.name} is not accepted; accepted: {', '.join(INPUTS)}")
    limits = np.iinfo(x.dtype)
    if not int(limits.min) <= zero_point <= int(limits.max):
        raise ValueError(f"zero_point={zero_point} does not lie in {x.dtype.name}")
    largest = poset.size * max(zero_point - int(limits.min), int(limits.max) - zero_point)
    for wide in (np.dtype(np.int16), np.dtype(np.int32)):
        if largest <= int(np.iinfo(wide).max):
            return wide
    raise ValueError(f"sums of {poset.size} elements of {x.dtype.name} may reach {largest}, beyond int32")


def check_picture(x: Any, poset: Poset, zero_point: int) -> np.dtype[Any]:
    """The same for a picture, whose blocks have four elements."""
    if poset.size != 4:
        raise ValueError(f"poset {poset.name!r} has {poset.size} points; blocks of 2 by 2 take 4")
    if len(x.shape) < 3:
        raise ValueError(f"x of shape {x.shape} must have height, width and channels as last axes")
    return check(x, poset, zero_point)
