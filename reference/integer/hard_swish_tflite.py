"""TFLite's int8 hard swish on NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.hard_swish_tflite import hard_swish_multipliers
from reference.array.integer import hard_swish as steps
from reference.integer.network import Affine, Table
from reference.integer.words16 import as_words


def hard_swish(q: ArrayLike, source: Affine, out: Affine) -> NDArray[np.int8]:
    """``x ReLU6(x + 3) / 6`` of int8 ``q`` in ``source`` to int8 in ``out``, any shape.

    Definition: `formats.integer_only.hard_swish_tflite`. Raises ``TypeError`` (type of ``q``), ``ValueError`` (a
    quantisation that is not int8, a scale), ``OverflowError`` (a source scale from about 2^24.6 on).

    >>> import formats
    >>> x, y = (Affine(format=formats.get("int8"), scale=s) for s in (1 / 16, 1 / 32))
    >>> hard_swish(np.array([-128, -24, 0, 24, 48, 127], np.int8), x, y)
    array([  0, -12,   0,  36,  96, 127], dtype=int8)
    """
    words = as_words(q, np.int8)
    check_int8(source, out)
    made = hard_swish_multipliers(source.scale, out.scale)
    return steps.hard_swish(words, (source.zero_point, out.zero_point), made, np).astype(np.int8)


def hard_swish_table(name: str, given: str, source: Affine, out: Affine) -> Table:
    """The node of a network that looks hard swish up.

    >>> import formats
    >>> x = Affine(format=formats.get("int8"), scale=1 / 16)
    >>> hard_swish_table("bent", "x", x, x).table[128 + 24]
    18
    """
    table = hard_swish(np.arange(-128, 128, dtype=np.int8), source, out)
    return Table(name=name, inputs=(given,), out=out, table=tuple(table.tolist()))


def check_int8(*affines: Affine) -> None:
    """``ValueError`` where a quantisation is not int8."""
    for affine in affines:
        if affine.format.name != "int8":
            raise ValueError(f"{affine.format.name} is no int8, which alone hard swish is for")
