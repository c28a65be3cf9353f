"""Activations without multiplication: a clamp, and a table of integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.integer.affine import check_integers
from reference.integer.network import Affine, Clamp, Table
from reference.integer.ranges import integer_dtype

Integers = NDArray[np.integer[Any]]


def clamp(x: ArrayLike, node: Clamp) -> Integers:
    """``min(max(q, low), high)``: ReLU where ``low`` is the zero point, ReLU6 where ``high`` is the integer of 6 too.

    >>> import formats
    >>> affine = Affine(format=formats.get("int8"), scale=0.5, zero_point=-3)
    >>> clamp([-100, -3, 8, 100], Clamp(name="relu6", inputs=("x",), out=affine, low=-3, high=9))
    array([-3, -3,  8,  9], dtype=int8)
    """
    dtype = integer_dtype(node.out.format)
    return np.clip(check_integers(x, node.out, "x").astype(dtype), dtype.type(node.low), dtype.type(node.high))


def look_up(x: ArrayLike, source: Affine, node: Table) -> Integers:
    """The entry of each integer; the first is that of the least integer of the input's format.

    >>> import formats
    >>> int4 = Affine(format=formats.get("int4"), scale=1.0)
    >>> square = tuple(min(q * q, 7) for q in range(-8, 8))
    >>> look_up([-8, -2, 0, 1], int4, Table(name="square", inputs=("x",), out=int4, table=square))
    array([7, 4, 0, 1], dtype=int8)
    """
    entries = np.array(node.table, integer_dtype(node.out.format))
    return entries[check_integers(x, source, "x").astype(np.int64) - source.format.minimum]
