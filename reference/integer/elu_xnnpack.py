"""XNNPACK's table of int8 ELU, which is one less than TFLite's here and there."""

from __future__ import annotations

import numpy as np

from formats.integer_only.activation_tables import Activation
from reference.integer.activation_table import evaluate
from reference.integer.network import Affine

_F = np.float32


def xnnpack_elu_table(source: Affine, out: Affine) -> tuple[int, ...]:
    """The output of each int8 ``q`` from -128 on: ``clamp(round(f(x) * RN(1 / S_y) + z_y))``, halves to even.

    Every operation is binary32, ``x`` and ``f`` as in `reference.integer.activation_table.int8_table`. So the zero
    point is added before the rounding: it takes low bits from the product, and decides which half is even.

    Source: LiteRT 2.3.0 with XNNPACK on x86-64, by experiment. Raises ``ValueError`` where a quantisation is not int8.

    >>> import formats
    >>> from reference.integer.activation_table import int8_table
    >>> x, y = (Affine(format=formats.get("int8"), scale=s) for s in (0.5, 1.0))
    >>> xnnpack_elu_table(x, y)[128:134], int8_table("elu", x, y)[128:134]
    ((0, 0, 1, 2, 2, 2), (0, 1, 1, 2, 2, 3))
    """
    for affine in (source, out):
        if affine.format.name != "int8":
            raise ValueError(f"{affine.format.name} is no int8: tables of 256 entries are for int8 alone")
    inverse, offset, made = _F(1) / _F(out.scale), _F(out.zero_point), list[int]()
    for q in range(-128, 128):
        value = evaluate(Activation.ELU, _F(source.scale) * _F(q - source.zero_point))
        made.append(int(np.clip(np.rint(value * inverse + offset), -128, 127)))
    return tuple(made)
